//! The pages that people see: the console and the kiosk. They are files that come with the binary, and ask the API
//! for everything as any other client does.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{AppState, Problem};
use crate::samples::SAMPLES;

/// The files, which debug builds read from the sources each time.
#[derive(RustEmbed)]
#[folder = "src/http/console/web"]
struct Web;

/// Scripts, styles and pictures come from this service alone and talk to it alone; nobody frames its pages, and no
/// text becomes script. Pictures that a page makes itself, of the camera or a chosen file, are blobs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
    media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The pages and what they load. They are no part of the contract: they change with the service that they come with.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(async || Redirect::temporary("/console")))
        .route("/console", get(console))
        .route("/console/{*view}", get(console))
        .route("/kiosk", get(kiosk))
        .route("/assets/{*file}", get(asset))
        .route("/samples/{file}", get(sample))
}

/// One page for every view: which one its script takes from the address.
async fn console(headers: HeaderMap) -> Result<Response, Problem> {
    file("console.html", &headers)
}

async fn kiosk(headers: HeaderMap) -> Result<Response, Problem> {
    file("kiosk.html", &headers)
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    file(&path, &headers)
}

/// The portraits of the guided start.
async fn sample(Path(name): Path<String>) -> Result<Response, Problem> {
    let sample = SAMPLES.iter().find(|sample| sample.file == name);
    let sample = sample.ok_or_else(|| Problem::not_found("path"))?;
    let mut response = sample.jpeg.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    response.headers_mut().extend(SAFETY.clone());
    Ok(response)
}

fn file(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let file = Web::get(path).ok_or_else(|| Problem::not_found("path"))?;
    let kind = media_type(path).ok_or_else(|| Problem::not_found("path"))?;
    let tag = etag(&file);
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        file.data.into_owned().into_response()
    };
    let to = response.headers_mut();
    to.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    to.insert(ETAG, HeaderValue::try_from(tag).map_err(Problem::internal)?);
    to.extend(SAFETY.clone());
    Ok(response)
}

/// The file's SHA-256, shortened.
fn etag(file: &EmbeddedFile) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&file.metadata.sha256_hash()[..16]))
}

fn media_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "webmanifest" => "application/manifest+json",
        _ => return None,
    })
}

/// What each of the files comes with.
static SAFETY: LazyLock<HeaderMap> = LazyLock::new(|| {
    HeaderMap::from_iter([
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        // Asked again each time, and sent only if it changed: pages and scripts are always of one version.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static(
                "camera=(self), microphone=(), geolocation=(), display-capture=()",
            ),
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
        (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
    ])
});

#[cfg(test)]
mod tests {
    use scraper::{Html, Selector};

    use super::super::session::Refusal;
    use super::*;
    use crate::domain::Reason;

    fn text(path: &str) -> String {
        String::from_utf8(Web::get(path).expect(path).data.into_owned()).expect("UTF-8")
    }

    #[test]
    fn every_file_has_a_type_and_a_name_of_its_own() {
        let mut count = 0;
        for path in Web::iter() {
            assert!(media_type(&path).is_some(), "{path}");
            count += 1;
        }
        assert!(count > 10, "{count}");
    }

    #[test]
    fn the_pages_are_well_formed_and_name_only_what_is_there() {
        for page in ["console.html", "kiosk.html"] {
            let html = Html::parse_document(&text(page));
            assert!(html.errors.is_empty(), "{page}: {:?}", html.errors);
            for (element, attribute) in
                [("script", "src"), ("link", "href"), ("img", "src"), ("link[as]", "href")]
            {
                for found in html.select(&Selector::parse(element).unwrap()) {
                    let named = found.value().attr(attribute).expect(attribute);
                    let path = named.strip_prefix("/assets/").expect("an asset");
                    assert!(Web::get(path).is_some(), "{page} names {named}");
                }
            }
            let inline = Selector::parse("style, [style], [onclick], script:not([src])").unwrap();
            assert_eq!(html.select(&inline).count(), 0, "{page}");
        }
    }

    #[test]
    fn every_module_that_a_script_imports_is_there_and_no_text_becomes_markup() {
        for path in Web::iter().filter(|path| path.ends_with(".js")) {
            let script = text(&path);
            for line in script.lines().filter(|line| line.starts_with("import ")) {
                let named = line.rsplit('"').nth(1).expect(line);
                let asset = named.strip_prefix("/assets/").expect(line);
                assert!(Web::get(asset).is_some(), "{path} imports {named}");
            }
            for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!script.contains(sink), "{path} has {sink}");
            }
        }
    }

    #[test]
    fn the_console_says_why_somebody_was_not_signed_in() {
        let words = text("parts/refusals.js");
        for refusal in Refusal::ALL {
            assert!(words.contains(&format!("[\"{}\", ", refusal.code())), "{refusal:?}");
        }
    }

    #[test]
    fn the_console_knows_every_reason() {
        let reasons = text("parts/reasons.js");
        for reason in Reason::ALL {
            assert!(reasons.contains(&format!("\"{}\"", reason.code())), "{}", reason.code());
        }
    }
}
