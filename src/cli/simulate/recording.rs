//! What a simulation sent and was answered, kept in a folder: to be sent to a service with another model or policy.
//!
//! The service keeps no frames; a simulation may keep its own. `people.json` has who was enrolled with which photo,
//! `passages.jsonl` an event a line, `photos/` each photo once, by its SHA-256.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use limen_grant::{Hex, body_hash};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::cast::{Cast, Photo, Somebody, Who};
use super::visit::{Event, Truth};
use crate::domain::{Decision, EmployeeId, PassageId, Reason};
use crate::vision::FrameFormat;

/// Bytes of a line, and of `people.json`, that are read at most.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Bytes of a photo that are read at most.
const PHOTO_BYTES_MAX: usize = 10 << 20;

/// Somebody who was enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordedPerson {
    pub name: String,
    photo: String,
}

/// An event, and what its gate heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordedEvent {
    pub event_id: String,
    /// `mated`, `stranger` or the kind of attack.
    pub truth: String,
    /// Whom the frames show, where they are enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shows: Option<String>,
    pub frames: Vec<String>,
    #[serde(flatten)]
    pub answer: Option<RecordedAnswer>,
}

/// What a gate heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordedAnswer {
    pub passage_id: PassageId,
    pub decision: Decision,
    pub reason: Reason,
    /// Who was let in, by their name in `people.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// Writes a recording while it is made.
pub(super) struct Recorder {
    folder: PathBuf,
    people: Vec<(EmployeeId, String)>,
    written: Mutex<(File, HashSet<String>)>,
}

impl Recorder {
    /// Begins a recording in a folder that is new or empty.
    pub fn begin(folder: &Path, cast: &Cast, members: &[EmployeeId]) -> anyhow::Result<Self> {
        check(folder)?;
        let cannot = || format!("{} cannot be written", folder.display());
        // Faces of people, with their names: nobody else's to read.
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700).create(folder.join("photos")).with_context(cannot)?;
        let file = File::create_new(folder.join("passages.jsonl")).with_context(cannot)?;
        let names = cast.members.iter().map(|member| member.name.clone());
        let recorder = Self {
            folder: folder.to_owned(),
            people: members.iter().copied().zip(names).collect(),
            written: Mutex::new((file, HashSet::new())),
        };
        let mut people = Vec::new();
        for Somebody { name, photos } in &cast.members {
            let photo = photos.first().context("a person without a photo")?;
            let photo = recorder.keep(photo, &mut recorder.written.lock().1)?;
            people.push(RecordedPerson { name: name.clone(), photo });
        }
        let people = serde_json::to_vec_pretty(&people)?;
        std::fs::write(folder.join("people.json"), people).with_context(cannot)?;
        Ok(recorder)
    }

    /// Notes an event.
    pub fn record(
        &self,
        event: &Event,
        truth: &Truth,
        who: Who,
        shown: &[&Photo],
    ) -> anyhow::Result<()> {
        let name = |employee| {
            let known = self.people.iter().find(|(known, _)| *known == employee);
            known.map(|(_, name)| name.clone())
        };
        let answer = event.heard().map(|told| RecordedAnswer {
            passage_id: told.passage_id,
            decision: told.decision,
            reason: told.reason,
            person: told.employee_id.and_then(name),
        });
        let mut written = self.written.lock();
        let frames = shown.iter().map(|photo| self.keep(photo, &mut written.1));
        let recorded = RecordedEvent {
            event_id: event.id.clone(),
            truth: match truth {
                Truth::Attack(kind) => kind.clone(),
                _ => truth.name().to_owned(),
            },
            shows: match who {
                Who::Member(place) => self.people.get(place).map(|(_, name)| name.clone()),
                _ => None,
            },
            frames: frames.collect::<Result<_, _>>()?,
            answer,
        };
        let line = serde_json::to_string(&recorded)? + "\n";
        written.0.write_all(line.as_bytes()).with_context(|| {
            format!("{} cannot be written", self.folder.join("passages.jsonl").display())
        })
    }

    /// Keeps a photo, once; its file's name.
    fn keep(&self, photo: &Photo, kept: &mut HashSet<String>) -> anyhow::Result<String> {
        let hash = body_hash(&photo.bytes);
        let extension = photo.format.media_type().trim_start_matches("image/");
        let name = format!("{}.{extension}", Hex(&hash));
        if kept.insert(name.clone()) {
            let path = self.folder.join("photos").join(&name);
            std::fs::write(&path, &photo.bytes)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(name)
    }
}

/// Whether a recording can begin in a folder.
pub(super) fn check(folder: &Path) -> anyhow::Result<()> {
    let is_free = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    ensure!(is_free, "{} is not an empty folder", folder.display());
    Ok(())
}

/// A recording as it was kept.
pub(super) struct Recording {
    folder: PathBuf,
    pub people: Vec<RecordedPerson>,
    pub events: Vec<RecordedEvent>,
}

impl Recording {
    /// Reads a recording, of which at most `events_max` events.
    pub fn read(folder: &Path, events_max: usize) -> anyhow::Result<Self> {
        let open = |name: &str| {
            let path = folder.join(name);
            let file =
                File::open(&path).with_context(|| format!("{} cannot be read", path.display()));
            Ok::<_, anyhow::Error>((std::io::Read::take(file?, TEXT_BYTES_MAX), path))
        };
        let (file, path) = open("people.json")?;
        let people = serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("{} lists no people", path.display()))?;
        let path = folder.join("passages.jsonl");
        let file =
            File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut events = Vec::new();
        for (number, line) in BufReader::new(file).lines().enumerate() {
            let wrong = || format!("{} line {}", path.display(), number + 1);
            events.push(serde_json::from_str(&line.with_context(wrong)?).with_context(wrong)?);
            ensure!(
                events.len() <= events_max,
                "{} has more than {events_max} events",
                path.display()
            );
        }
        Ok(Self { folder: folder.to_owned(), people, events })
    }

    /// The people as they were enrolled.
    pub fn members(&self) -> anyhow::Result<Vec<Somebody>> {
        let member = |RecordedPerson { name, photo }: &RecordedPerson| {
            Ok(Somebody { name: name.clone(), photos: vec![self.photo(photo)?] })
        };
        self.people.iter().map(member).collect()
    }

    /// The frames of an event.
    pub fn frames(&self, event: &RecordedEvent) -> anyhow::Result<Vec<Photo>> {
        ensure!(!event.frames.is_empty(), "the event {} has no frames", event.event_id);
        event.frames.iter().map(|name| self.photo(name)).collect()
    }

    fn photo(&self, name: &str) -> anyhow::Result<Photo> {
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        ensure!(is_name, "{name:?} is no photo of a recording");
        let bytes =
            crate::cli::photo::read(&self.folder.join("photos").join(name), PHOTO_BYTES_MAX)?;
        let format = FrameFormat::sniff(&bytes).with_context(|| format!("{name} is no picture"))?;
        Ok(Photo { bytes: bytes.into(), format })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::cast::Folders;
    use super::super::visit::tests::{event, told};
    use super::*;

    #[test]
    fn what_was_recorded_is_read_again_and_no_folder_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("recording");
        let nothing = Folders { people: None, strangers: None, attacks: None };
        let cast = Cast::read(nothing, 10).unwrap();
        let members = [EmployeeId::generate(), EmployeeId::generate()];
        let recorder = Recorder::begin(&folder, &cast, &members).unwrap();
        for made in [folder.clone(), folder.join("photos")] {
            let mode = std::fs::metadata(made).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        let who = Who::Member(0);
        let shown: Vec<&Photo> = cast.shows(who).iter().collect();
        let granted = told(Reason::Granted, Some(members[0]));
        recorder
            .record(&event("a", &[(granted, true)]), &Truth::Mated(members[0]), who, &shown)
            .unwrap();
        let attack = Truth::Attack("print".to_owned());
        let prints: Vec<&Photo> = cast.shows(Who::Attack(0)).iter().collect();
        recorder.record(&event("b", &[]), &attack, Who::Attack(0), &prints).unwrap();

        let recording = Recording::read(&folder, 2).unwrap();
        assert_eq!(recording.members().unwrap()[0].photos, cast.members[0].photos[..1]);
        let [first, second] = &recording.events[..] else { panic!("two events") };
        assert_eq!(recording.frames(first).unwrap(), cast.shows(who));
        let answer = first.answer.clone().unwrap();
        assert_eq!(
            (answer.reason, answer.person.as_deref()),
            (Reason::Granted, Some("Barack Obama"))
        );
        assert_eq!((second.truth.as_str(), &second.answer), ("print", &None));
        assert!(Recording::read(&folder, 1).is_err());
        assert!(recording.photo("../people.json").is_err());
        assert!(check(&folder).is_err());
    }
}
