//! What became of each face: counts, and who is left.

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::progress::Left;
use crate::domain::{EmployeeId, FaceId, ModelId};
use crate::store::{OldFace, Reencoding, Store};

/// What became of a face.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// There is one of the configured model now; whom else it is like.
    Moved(Option<LookAlike>),
    /// Somebody enrolled the same photo meanwhile.
    AlreadyThere,
    /// The face, its photo or the person was removed meanwhile.
    Gone,
    /// There is none, and why; the old one stays.
    Failed(String),
}

/// Another person whom a face is like under the configured model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LookAlike {
    pub employee_id: EmployeeId,
    /// Whether both need their badges from now on.
    pub badge_required: bool,
}

/// A face and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub face: OldFace,
    pub outcome: Outcome,
}

/// A face of which there is none of the configured model.
#[derive(Debug, Serialize)]
struct Failed {
    employee_id: EmployeeId,
    name: String,
    face_id: FaceId,
    why: String,
}

/// A face that is like another person's.
#[derive(Debug, Serialize)]
struct Alike {
    employee_id: EmployeeId,
    name: String,
    looks_like: LookAlike,
}

/// What became of all faces.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    model: ModelId,
    dry_run: bool,
    /// Faces that are of the configured model now, which were not before; would be, in a dry run.
    moved: u64,
    /// Faces of which there was one already.
    already_there: u64,
    /// Faces without a photo that is kept.
    without_photo: u64,
    /// Faces that were removed meanwhile.
    gone: u64,
    failed: Vec<Failed>,
    look_alikes: Vec<Alike>,
    /// Who has no face of the configured model.
    left: Left,
}

impl Report {
    pub fn new(model: &ModelId, dry_run: bool, before: &Reencoding) -> Self {
        Self {
            model: model.clone(),
            dry_run,
            moved: 0,
            already_there: before.moved,
            without_photo: before.without_photo,
            gone: 0,
            failed: Vec::new(),
            look_alikes: Vec::new(),
            left: Left::default(),
        }
    }

    /// Reads who is left.
    pub async fn left(&mut self, store: &Store) -> anyhow::Result<()> {
        self.left = Left::without(store, &self.model).await?;
        Ok(())
    }

    /// Whether everybody has a face of the configured model; of a dry run, whether every face could be moved and has a
    /// photo.
    pub fn is_complete(&self) -> bool {
        match self.dry_run {
            true => self.failed.is_empty() && self.without_photo == 0,
            false => self.left.people == 0,
        }
    }

    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        if !self.failed.is_empty() {
            let mut table = table(["not moved", "face", "why"]);
            for Failed { employee_id, name, face_id, why } in &self.failed {
                table.add_row([
                    format!("{name} ({employee_id})"),
                    face_id.to_string(),
                    why.clone(),
                ]);
            }
            println!("{table}");
        }
        if !self.look_alikes.is_empty() {
            let mut table = table(["moved, but check", "could also be"]);
            for Alike { employee_id, name, looks_like } in &self.look_alikes {
                let badges =
                    if looks_like.badge_required { "; both need a badge from now on" } else { "" };
                table.add_row([
                    format!("{name} ({employee_id})"),
                    format!("{}{badges}", looks_like.employee_id),
                ]);
            }
            println!("{table}");
        }
        let mut table = table([self.model.as_str(), "faces"]);
        let moved = if self.dry_run { "could be moved" } else { "moved" };
        for (what, faces) in [
            (moved, self.moved),
            ("were there already", self.already_there),
            ("without a kept photo", self.without_photo),
            ("removed meanwhile", self.gone),
            ("failed", self.failed.len() as u64),
        ] {
            table.add_row([what.to_owned(), faces.to_string()]);
        }
        println!("{table}");
        if !self.dry_run {
            println!("{}", self.left.told(&self.model, " and must be enrolled again"));
        }
        Ok(())
    }
}

impl Extend<Moved> for Report {
    fn extend<I: IntoIterator<Item = Moved>>(&mut self, faces: I) {
        for Moved { face, outcome } in faces {
            let OldFace { id, employee_id, name, .. } = face;
            match outcome {
                Outcome::Moved(looks_like) => {
                    self.moved += 1;
                    self.look_alikes.extend(looks_like.map(|looks_like| Alike {
                        employee_id,
                        name,
                        looks_like,
                    }));
                }
                Outcome::AlreadyThere => self.already_there += 1,
                Outcome::Gone => self.gone += 1,
                Outcome::Failed(why) => {
                    self.failed.push(Failed { employee_id, name, face_id: id, why });
                }
            }
        }
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}
