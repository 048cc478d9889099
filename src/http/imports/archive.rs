//! An import as a ZIP archive: `people.csv` first, then the photos that it names. It is read as it arrives, and names
//! are only names: nothing is written anywhere.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;

use async_zip::base::read::stream::ZipFileReader;
use async_zip::error::ZipError;
use futures_util::io::{AsyncBufRead, AsyncRead, AsyncReadExt};

use super::intake::{End, Intake};
use super::list::{self, Listed};
use super::row::{Photo, Row};
use super::upload;
use crate::domain::in_one_form;
use crate::http::Problem;
use crate::http::held::Held;

/// The name of the list.
const LIST: &str = "people.csv";

/// Bytes of the list.
pub(super) const LIST_BYTES_MAX: usize = 32 << 20;

/// How many times its size an archive may unpack to: photos do not shrink.
const UNPACKED_TIMES_MAX: u64 = 20;

/// Bytes that it may unpack to anyhow.
const UNPACKED_BYTES_FREE: u64 = 64 << 20;

/// Bytes that are unpacked at once.
const PIECE_BYTES: usize = 64 << 10;

/// What a file of the archive is to an import.
enum Part {
    /// Nothing.
    Other,
    List,
    /// The photo of these rows.
    Photo(Vec<Listed>),
}

/// Reads an archive to its end, and hands in its rows.
pub(super) async fn read(
    mut body: impl AsyncBufRead + Send + Unpin,
    intake: &Intake,
) -> Result<(), End> {
    let mut unpacking = Unpacking { intake, bytes: 0, file: 0 };
    let mut photos: Option<Photos> = None;
    let mut zip = ZipFileReader::new(&mut body);
    loop {
        unpacking.file += 1;
        let next = zip.next_with_entry().await;
        let Some(mut entry) = next.map_err(|error| unpacking.unreadable(error))? else { break };
        let head = entry.reader().entry();
        let name = in_one_form(&String::from_utf8_lossy(head.filename().as_bytes()));
        // One that is not known beforehand stands behind the file.
        let sum = Some(head.crc32()).filter(|_| !head.data_descriptor());
        let part = part(&name, photos.as_mut(), intake)?;
        let bytes_max = match &part {
            Part::Other => 0,
            Part::List => LIST_BYTES_MAX,
            Part::Photo(_) => intake.state.settings.frame_bytes_max,
        };
        let held = Held::nothing_of(&intake.bytes);
        let content = unpacking.read(entry.reader_mut(), bytes_max, &held).await?;
        let found = entry.reader_mut().compute_hash();
        let (behind, rest) = entry.done().await.map_err(|error| unpacking.unreadable(error))?;
        if sum.or(behind.map(|behind| behind.crc)) != Some(found) {
            return Err(unpacking.unreadable(ZipError::CRC32CheckError));
        }
        match part {
            Part::Other => {}
            Part::List => photos = Some(Photos::listed(&name, content, intake).await?),
            Part::Photo(rows) => {
                let photo = match content {
                    Some(content) => Photo::Here(held.until_gone(content)),
                    None => Photo::too_large(bytes_max),
                };
                for row in rows {
                    intake.take(with(row, photo.clone())).await?;
                }
            }
        }
        zip = rest;
    }
    let photos = photos.ok_or_else(|| bad_archive(format!("the archive has no {LIST}")))?;
    // The directory, which says nothing new.
    let mut piece = vec![0; PIECE_BYTES];
    while body.read(&mut piece).await.map_err(|error| unpacking.unreadable(error.into()))? > 0 {}
    photos.missing(intake).await
}

/// What a file is, by its name and the list.
fn part(name: &str, photos: Option<&mut Photos>, intake: &Intake) -> Result<Part, End> {
    // A folder, and what macOS and Windows add without being asked.
    let file = name.rsplit('/').next().unwrap_or_default();
    if name.starts_with("__MACOSX/") || matches!(file, "" | ".DS_Store" | "Thumbs.db") {
        return Ok(Part::Other);
    }
    let Some(photos) = photos else {
        return if file == LIST {
            Ok(Part::List)
        } else {
            Err(bad_archive(format!(
                "the archive must begin with {LIST}, and begins with another file: make it with \
                 zip people.zip {LIST} photos/*"
            )))
        };
    };
    let from_list = name.strip_prefix(&*photos.folder).unwrap_or(name);
    let rows = photos.rows.remove(from_list).or_else(|| photos.rows.remove(name));
    Ok(rows.map_or_else(
        || {
            intake.arrived.photos_unnamed.fetch_add(1, Ordering::Relaxed);
            Part::Other
        },
        Part::Photo,
    ))
}

/// Rows whose photos are still to come, by the photos' names.
struct Photos {
    /// Where the list lies: photos are named from there, or from the archive's root.
    folder: String,
    rows: HashMap<String, Vec<Listed>>,
}

impl Photos {
    /// Reads the list, and hands in the rows that await nothing.
    async fn listed(name: &str, text: Option<Vec<u8>>, intake: &Intake) -> Result<Self, End> {
        let text = text.ok_or_else(|| {
            let detail = format!("{LIST} has more than {LIST_BYTES_MAX} bytes");
            End::Broken(Problem::unprocessable("bad_list", detail))
        })?;
        let rows_max = intake.state.settings.import_rows_max;
        let listed = tokio::task::spawn_blocking(move || list::read(&text, rows_max)).await;
        let listed = listed.map_err(|error| End::Interrupted(Problem::internal(error)))?;
        let listed = listed.map_err(End::Broken)?;
        // Set once, for there is one list.
        let _ = intake.arrived.rows_listed.set(listed.len() as u64);
        let mut rows: HashMap<String, Vec<Listed>> = HashMap::new();
        for row in listed {
            match row.photo.as_deref().map(in_one_form) {
                Some(photo) if row.person.is_ok() => rows.entry(photo).or_default().push(row),
                _ => intake.take(with(row, Photo::None)).await?,
            }
        }
        let folder = name.strip_suffix(LIST).unwrap_or_default().to_owned();
        Ok(Self { folder, rows })
    }

    /// Hands in the rows whose photos did not come.
    async fn missing(self, intake: &Intake) -> Result<(), End> {
        let mut rows: Vec<_> = self.rows.into_values().flatten().collect();
        rows.sort_by_key(|row| row.line);
        for row in rows {
            let detail = "photo: there is no such file in the archive";
            let missing = Problem::unprocessable("photo_missing", detail);
            intake.take(with(row, Photo::Refused(missing))).await?;
        }
        Ok(())
    }
}

fn with(row: Listed, photo: Photo) -> Row {
    Row { line: row.line, label: row.label, person: row.person, photo }
}

/// How far the unpacking is, and how much came out.
struct Unpacking<'i> {
    intake: &'i Intake,
    bytes: u64,
    /// The number of the file: where the archive broke is kept, and names of photos are often people's.
    file: u64,
}

impl Unpacking<'_> {
    /// A file; none where it is larger than `bytes_max`. Then it is passed over.
    async fn read(
        &mut self,
        mut file: impl AsyncRead + Unpin,
        bytes_max: usize,
        held: &Held,
    ) -> Result<Option<Vec<u8>>, End> {
        let (mut content, mut piece) = (Some(Vec::new()), vec![0; PIECE_BYTES]);
        loop {
            let read = file.read(&mut piece).await.map_err(|e| self.unreadable(e.into()))?;
            if read == 0 {
                return Ok(content);
            }
            self.bytes += read as u64;
            let came = self.intake.arrived.bytes.load(Ordering::Relaxed);
            if self.bytes > UNPACKED_BYTES_FREE + UNPACKED_TIMES_MAX * came {
                return Err(bad_archive(format!(
                    "{} unpacks to more than {UNPACKED_TIMES_MAX} times its size",
                    self.place()
                )));
            }
            content = match content {
                Some(mut content) if content.len() + read <= bytes_max => {
                    held.more_in_time(read).await;
                    content.extend_from_slice(&piece[..read]);
                    Some(content)
                }
                _ => None,
            };
            // What unpacks to much comes out without ever waiting.
            tokio::task::yield_now().await;
        }
    }

    fn place(&self) -> String {
        format!("file {} of the archive", self.file)
    }

    /// Why no more of the archive can be read.
    fn unreadable(&self, error: ZipError) -> End {
        let why = match error {
            ZipError::UpstreamReadError(error) => {
                if let Some(cut) = upload::cut(&error) {
                    return End::Interrupted(cut);
                }
                match error.kind() {
                    io::ErrorKind::UnexpectedEof => "is cut short".to_owned(),
                    // What the decoder says of an end that it did not expect.
                    _ if error.to_string().contains("BufError") => "is cut short".to_owned(),
                    _ => format!("is damaged: {error}"),
                }
            }
            ZipError::UnexpectedHeaderError(..) => "does not begin as a file of a ZIP archive".to_owned(),
            ZipError::CRC32CheckError => "is damaged: its sum is another".to_owned(),
            ZipError::FeatureNotSupported(what) if what.contains("encryption") => "is encrypted".to_owned(),
            ZipError::FeatureNotSupported(what) if what.contains("Stored") => {
                "is not compressed and does not say how long it is, so that it cannot be read as it arrives: \
                 compress it, or make the archive as a file and not into a pipe"
                    .to_owned()
            }
            error => format!("cannot be read: {error}"),
        };
        bad_archive(format!("{} {why}", self.place()))
    }
}

fn bad_archive(detail: String) -> End {
    End::Broken(Problem::unprocessable("bad_archive", detail))
}
