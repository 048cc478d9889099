//! An import as NDJSON: one JSON object a line, with its photo in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::io::{AsyncBufRead, AsyncBufReadExt};
use serde_json::error::Category;

use super::intake::{End, Intake};
use super::list::too_many_rows;
use super::row::{Fields, Photo, Row};
use super::upload;
use crate::http::Problem;
use crate::http::held::Held;

/// Bytes of a line beside its photo.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Reads all lines, and hands them in as rows.
pub(super) async fn read(
    mut body: impl AsyncBufRead + Send + Unpin,
    intake: &Intake,
) -> Result<(), End> {
    let settings = &intake.state.settings;
    let (rows_max, bytes_max) = (settings.import_rows_max, settings.frame_bytes_max);
    let (mut number, mut rows) = (0_u64, 0);
    loop {
        number += 1;
        let held = Held::nothing_of(&intake.bytes);
        let line = match next(&mut body, line_bytes_max(bytes_max), &held).await? {
            Line::End => return Ok(()),
            Line::Whole(line) if line.trim_ascii().is_empty() => continue,
            line => line,
        };
        rows += 1;
        if rows > rows_max {
            return Err(End::Broken(too_many_rows(rows_max)));
        }
        let row = match line {
            Line::Whole(line) => {
                let row = tokio::task::spawn_blocking(move || row(number, &line, held, bytes_max));
                row.await.map_err(|error| End::Interrupted(Problem::internal(error)))?
            }
            _ => {
                let detail = format!("the line is too long for a photo of {bytes_max} bytes");
                let person = Err(Problem::too_large("frame_too_large", detail));
                Row { line: number, label: String::new(), person, photo: Photo::None }
            }
        };
        intake.take(row).await?;
    }
}

enum Line {
    Whole(Vec<u8>),
    /// One that is too long; it was passed over.
    TooLong,
    /// There is none any more.
    End,
}

/// How long a line may be that holds a photo of so many bytes in base64.
pub(super) fn line_bytes_max(photo_bytes_max: usize) -> usize {
    photo_bytes_max.div_ceil(3) * 4 + LINE_BYTES_MAX
}

/// The next line, of at most `bytes_max`.
async fn next(
    body: &mut (impl AsyncBufRead + Unpin),
    bytes_max: usize,
    held: &Held,
) -> Result<Line, End> {
    let mut line = Some(Vec::new());
    let mut begun = false;
    loop {
        let part = body.fill_buf().await.map_err(|error| {
            let cut = upload::cut(&error);
            End::Interrupted(cut.unwrap_or_else(|| Problem::internal(error)))
        })?;
        if part.is_empty() {
            return Ok(match line {
                _ if !begun => Line::End,
                Some(line) => Line::Whole(line),
                None => Line::TooLong,
            });
        }
        begun = true;
        let end = part.iter().position(|byte| *byte == b'\n');
        let text = &part[..end.unwrap_or(part.len())];
        line = match line {
            Some(mut line) if line.len() + text.len() <= bytes_max => {
                held.more_in_time(text.len()).await;
                line.extend_from_slice(text);
                Some(line)
            }
            _ => None,
        };
        let taken = end.map_or(part.len(), |end| end + 1);
        body.consume_unpin(taken);
        if end.is_some() {
            return Ok(line.map_or(Line::TooLong, Line::Whole));
        }
    }
}

/// What a line says. The photo holds what the line held.
fn row(line: u64, text: &[u8], held: Held, bytes_max: usize) -> Row {
    let fields: Fields = match serde_json::from_slice(text) {
        // Serde takes an array for an object, its fields in their order; no client means that.
        Ok(fields) if text.trim_ascii_start().starts_with(b"{") => fields,
        wrong => {
            let detail =
                wrong.err().as_ref().map_or("the line must be a JSON object".to_owned(), no_row);
            let person = Err(Problem::unprocessable("bad_value", detail));
            return Row { line, label: String::new(), person, photo: Photo::None };
        }
    };
    let photo = match fields.photo.as_deref().map(|photo| STANDARD.decode(photo)) {
        None => Photo::None,
        Some(Ok(photo)) if photo.len() > bytes_max => Photo::too_large(bytes_max),
        Some(Ok(photo)) => Photo::Here(held.until_gone(photo)),
        Some(Err(error)) => {
            let detail = format!("photo: not base64: {error}");
            Photo::Refused(Problem::unprocessable("bad_value", detail))
        }
    };
    Row { line, label: fields.label(), person: fields.person(), photo }
}

/// Why a line is no row. Serde's own words would quote what it says of a person.
fn no_row(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "a field that is unknown, comes twice or is of the wrong kind",
        Category::Syntax | Category::Eof | Category::Io => "it is not JSON",
    };
    format!("the line is no row: {what}, before its column {}", error.column())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::sync::Semaphore;

    use super::*;

    fn held() -> Held {
        Held::nothing_of(&Arc::new(Semaphore::new(1 << 20)))
    }

    #[test]
    fn a_line_is_a_person_and_a_photo() {
        let text = br#"{"badge_id": "B-1", "name": "Ada", "groups": ["staff"], "photo": "AAEC"}"#;
        let row = row(7, text, held(), 10);
        let person = row.person.unwrap();
        assert_eq!((row.line, row.label.as_str()), (7, "B-1"));
        assert_eq!(person.name.unwrap().as_str(), "Ada");
        assert!(matches!(row.photo, Photo::Here(photo) if photo[..] == [0, 1, 2]));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_by_the_field() {
        for (text, told) in [
            ("{", "the line is no row"),
            ("[]", "must be a JSON object"),
            (r#"{"badge_id": 1815}"#, "of the wrong kind, before its column 1"),
            (r#"{"Lovelace": "x"}"#, "unknown"),
            (r#"{"name": "Ada", "valid_from": "soon"}"#, "valid_from"),
            (r#"{"department": "x"}"#, "badge_id"),
        ] {
            let problem = row(1, text.as_bytes(), held(), 10).person.unwrap_err();
            assert_eq!(problem.code(), "bad_value");
            assert!(problem.detail().contains(told), "{text}: {}", problem.detail());
            for trace in ["1815", "Lovelace"] {
                assert!(!problem.detail().contains(trace), "{text}: {}", problem.detail());
            }
        }
        for (photo, code) in [("?", "bad_value"), ("AAECAwQFBgcICQoL", "frame_too_large")] {
            let text = format!(r#"{{"name": "Ada", "photo": "{photo}"}}"#);
            let row = row(1, text.as_bytes(), held(), 10);
            assert!(matches!(row.photo, Photo::Refused(problem) if problem.code() == code));
        }
    }

    proptest! {
        #[test]
        fn any_line_is_a_row_or_says_what_is_wrong(text in "[\\[{\"a-z:,\\\\ 0-9}\\]]{0,80}") {
            let row = row(1, text.as_bytes(), held(), 10);
            prop_assert!(row.person.is_ok() || row.person.is_err_and(|p| !p.detail().is_empty()));
        }

        #[test]
        fn lines_are_told_apart_wherever_the_parts_of_the_body_end(
            lines in proptest::collection::vec("[a-z]{0,20}", 1..8), part in 1_usize..9
        ) {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let parts: Vec<_> = text.as_bytes().chunks(part).map(|p| Ok(p.to_vec())).collect();
            let mut body = futures_util::TryStreamExt::into_async_read(futures_util::stream::iter(parts));
            let read = futures_util::FutureExt::now_or_never(async {
                let mut read = Vec::new();
                loop {
                    match next(&mut body, 15, &held()).await {
                        Ok(Line::End) => return read,
                        Ok(Line::Whole(line)) => read.push(Some(String::from_utf8(line).unwrap())),
                        Ok(Line::TooLong) => read.push(None),
                        Err(_) => unreachable!("nothing fails"),
                    }
                }
            });
            let whole = |line: String| Some(line).filter(|line| line.len() <= 15);
            prop_assert_eq!(read.unwrap(), lines.into_iter().map(whole).collect::<Vec<_>>());
        }
    }
}
