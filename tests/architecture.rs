//! Who may know whom: the import rules of the crate, read from its source.
//!
//! A room is a module at the top of `src`. Its name in a path that starts at the crate's root is
//! an import, wherever it stands: in a `use`, in a signature, in a test. Comments and literals do
//! not count.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What each room may import of ours. `domain` imports nothing, and whoever decodes, decides or
/// stores does not know who asks.
const ROOMS: [(&str, &[&str]); 22] = [
    ("main", &["cli"]),
    ("cli", EVERYTHING),
    ("server", EVERYTHING),
    (
        "http",
        &[
            "access",
            "audit",
            "domain",
            "events",
            "gallery",
            "inference",
            "metrics",
            "oidc",
            "samples",
            "secrets",
            "store",
            "vision",
        ],
    ),
    ("access", &["domain", "gallery", "secrets", "store"]),
    ("gallery", &["domain", "store"]),
    ("audit", &["domain", "store"]),
    ("events", &["domain", "metrics", "secrets", "store"]),
    ("store", &["domain", "secrets"]),
    ("inference", &["domain", "vision"]),
    ("vision", &["domain", "nets"]),
    ("nets", &["domain"]),
    ("evaluate", &["domain", "nets", "vision"]),
    ("calibrate", &["domain"]),
    ("train", &["domain", "evaluate", "nets"]),
    ("metrics", &["domain"]),
    ("oidc", &["domain"]),
    ("telemetry", &[]),
    // Embeds the settings that each of these defines; only who builds the service reads it.
    ("config", &["domain", "inference", "oidc", "secrets", "store", "telemetry", "vision"]),
    ("samples", &[]),
    ("secrets", &[]),
    ("domain", &[]),
];

const EVERYTHING: &[&str] = &[ALL];

/// The crate's root as a whole, as in `use crate::*`.
const ALL: &str = "*";

/// Which rooms may name a crate.
const CRATES: [(&str, &[&str]); 8] = [
    ("aes_gcm", &["secrets"]),
    ("axum", &["http", "server"]),
    ("hkdf", &["secrets"]),
    ("limen_kernels", &["nets"]),
    ("openidconnect", &["oidc"]),
    ("rumqttc", &["events"]),
    ("sqlx", &["store"]),
    ("tch", &["evaluate", "inference", "nets", "train", "vision"]),
];

#[test]
fn every_room_imports_only_what_it_may_know() {
    let broken: Vec<_> = sources().iter().flat_map(Source::broken_imports).collect();
    assert!(broken.is_empty(), "the import rules are broken:\n{}", broken.join("\n"));
}

#[test]
fn ciphers_axum_mqtt_openid_sqlx_and_tch_stay_in_their_rooms() {
    let broken: Vec<_> = sources().iter().flat_map(Source::broken_crates).collect();
    assert!(broken.is_empty(), "a crate is named outside its rooms:\n{}", broken.join("\n"));
}

#[test]
fn every_room_has_a_rule() {
    for source in sources() {
        let known = source.room == "lib" || rule(&source.room).is_some();
        assert!(known, "{} belongs to no room of tests/architecture.rs", source.path.display());
    }
}

#[test]
fn imports_are_found_wherever_they_hide() {
    let text = r##"
        //! [`crate::server`] in a comment, /* crate::cli */
        use crate::store::{Store, faces::Face};
        pub(crate) use crate::{access, domain::{Gate, http}, vision as eyes};
        const TEXT: &str = "crate::nets \" tch::Tensor"; /* axum::Router /* sqlx:: */ tch:: */
        fn f<'a>(c: char) -> crate::gallery::Gallery { ['"', '\'']; r#"crate::cli"#; todo!() }
        mod tests { use super::super::metrics::Metrics; use ::sqlx::PgPool; my_axum::f(); }
    "##;
    let source = Source::new("src/http/state.rs".into(), text);
    let rooms: Vec<_> = source.imports().into_iter().map(|(_, room)| room).collect();
    assert_eq!(rooms, ["store", "access", "domain", "vision", "gallery", "metrics"]);
    assert_eq!(source.broken_crates().len(), 1, "{:?}", source.broken_crates());

    for whole in ["use crate::*;", "use crate as root;", "use super::super::{*};"] {
        let source = Source::new("src/domain/gate.rs".into(), whole);
        assert_eq!(source.broken_imports().len(), 1, "{whole}");
    }
    let source = Source::new("src/domain/gate.rs".into(), "\n\nuse crate::store::Store;");
    assert_eq!(source.broken_imports(), ["src/domain/gate.rs:3: domain may not import store"]);
}

fn rule(room: &str) -> Option<&'static [&'static str]> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, may)| *may)
}

/// A file of `src` as names and punctuation, each with its line.
struct Source {
    path: PathBuf,
    room: String,
    /// How many modules lie between the file's and the crate's root.
    depth: usize,
    tokens: Vec<(usize, String)>,
}

impl Source {
    /// `path` is relative to the repository.
    fn new(path: PathBuf, text: &str) -> Self {
        let below = path.strip_prefix("src").expect("a path in src").with_extension("");
        let mut modules: Vec<_> =
            below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        modules.pop_if(|last| last == "mod");
        let (room, depth) = (modules[0].clone(), modules.len());
        Self { path, room, depth, tokens: tokens(text) }
    }

    fn broken_imports(&self) -> Vec<String> {
        let may = if self.room == "lib" { EVERYTHING } else { rule(&self.room).unwrap_or(&[]) };
        self.imports()
            .into_iter()
            .filter(|(_, room)| *room != self.room && may != EVERYTHING && !may.contains(room))
            .map(|(line, room)| {
                format!("{}:{line}: {} may not import {room}", self.path.display(), self.room)
            })
            .collect()
    }

    fn broken_crates(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (at, (line, token)) in self.tokens.iter().enumerate() {
            let Some((name, rooms)) = CRATES.iter().find(|(name, _)| name == token) else {
                continue;
            };
            let named = self.is(at + 1, "::") || (at > 0 && self.is(at - 1, "use"));
            if named && !rooms.contains(&self.room.as_str()) {
                broken.push(format!(
                    "{}:{line}: {} may not name {name}",
                    self.path.display(),
                    self.room
                ));
            }
        }
        broken
    }

    /// The rooms that are named by a path from the crate's root, with the lines.
    fn imports(&self) -> Vec<(usize, &str)> {
        let mut rooms = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let from_root = (self.is(at, "crate") || self.is(at, "limen")) && self.is(at + 1, "::");
            let mut climbed = 0;
            while self.is(at + 2 * climbed, "super") && self.is(at + 2 * climbed + 1, "::") {
                climbed += 1;
            }
            if from_root {
                self.first_names(at + 2, &mut rooms);
            } else if climbed >= self.depth {
                self.first_names(at + 2 * climbed, &mut rooms);
            } else if self.is(at, "crate") && self.is(at + 1, "as") {
                rooms.push((self.tokens[at].0, ALL));
            }
            at += 1 + 2 * climbed.saturating_sub(1);
        }
        rooms.retain(|(_, name)| *name == ALL || rule(name).is_some());
        rooms
    }

    /// The name at `at`, or the first name of each path of the group that opens there.
    fn first_names<'a>(&'a self, at: usize, names: &mut Vec<(usize, &'a str)>) {
        if !self.is(at, "{") {
            names.extend(self.tokens.get(at).map(|(line, name)| (*line, name.as_str())));
            return;
        }
        let mut open = 0;
        for (here, (_, token)) in self.tokens.iter().enumerate().skip(at) {
            match token.as_str() {
                "{" => open += 1,
                "}" => open -= 1,
                _ => {}
            }
            if open == 0 {
                return;
            }
            if open == 1 && (here == at || token == ",") {
                names.extend(self.tokens.get(here + 1).map(|(line, name)| (*line, name.as_str())));
            }
        }
    }

    fn is(&self, at: usize, token: &str) -> bool {
        self.tokens.get(at).is_some_and(|(_, t)| t == token)
    }
}

/// Every file of `src`.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources: Vec<_> = walkdir::WalkDir::new(root.join("src"))
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.expect("a readable folder").into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a readable file");
            Source::new(path.strip_prefix(root).expect("a path below").to_owned(), &text)
        })
        .collect();
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    sources
}

/// Names, `::` and other punctuation, each with its line; no comments, and nothing in place of literals.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let mut tokens = Vec::new();
    flatten(text.parse().expect("Rust"), &mut tokens);
    tokens
}

fn flatten(stream: TokenStream, tokens: &mut Vec<(usize, String)>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push((line, open.to_owned()));
                flatten(group.stream(), tokens);
                tokens.push((group.span_close().start().line, close.to_owned()));
            }
            TokenTree::Ident(name) => tokens.push((line, name.to_string())),
            TokenTree::Punct(mark) => match tokens.last_mut() {
                Some((_, last)) if last == ":" && mark.as_char() == ':' => last.push(':'),
                _ => tokens.push((line, mark.as_char().to_string())),
            },
            TokenTree::Literal(_) => tokens.push((line, String::new())),
        }
    }
}
