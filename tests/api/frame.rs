//! Photos of `tests/fixtures`, as bodies and as parts of forms.

use std::path::Path;

use reqwest::multipart::{Form, Part};

/// The bytes of a fixture.
pub fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The media type that a fixture's name promises.
pub fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        Some("bmp") => "image/bmp",
        Some("tiff") => "image/tiff",
        _ => "image/jpeg",
    }
}

/// A form with a part `frame` for each fixture.
pub fn form(names: &[&str]) -> Form {
    names.iter().fold(Form::new(), |form, name| form.part("frame", part(name)))
}

/// A part that holds a fixture.
pub fn part(name: &str) -> Part {
    Part::bytes(bytes(name)).mime_str(media_type(name)).expect("a media type")
}
