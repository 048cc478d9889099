//! How far a change of the encoder has come, by what is stored.

use comfy_table::Table;
use serde::Serialize;

use crate::domain::{EmployeeId, ModelId};
use crate::store::{ModelCount, Reencoding, Store};

/// How many people are named at most.
const NAMED_MAX: u32 = 10;

/// Who is left without a face, and the first of them by name.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Left {
    pub people: u64,
    named: Vec<Somebody>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Somebody {
    employee_id: EmployeeId,
    name: String,
}

impl Left {
    /// Those who have faces, but none of `model`.
    pub async fn without(store: &Store, model: &ModelId) -> anyhow::Result<Self> {
        Ok(Self::of(store.people_without(&[model], NAMED_MAX).await?))
    }

    /// Those who have faces of `model` and none of the configured one.
    pub async fn with_only(
        store: &Store,
        model: &ModelId,
        configured: &ModelId,
    ) -> anyhow::Result<Self> {
        Ok(Self::of(store.people_with_only(model, configured, NAMED_MAX).await?))
    }

    fn of((people, named): (u64, Vec<(EmployeeId, String)>)) -> Self {
        let named = named.into_iter().map(|(employee_id, name)| Somebody { employee_id, name });
        Self { people, named: named.collect() }
    }

    /// Who they are, a line each.
    pub fn names(&self) -> String {
        let names = self.named.iter().map(|one| format!("\n  {} ({})", one.name, one.employee_id));
        let more = if self.people > self.named.len() as u64 { "\n  ..." } else { "" };
        names.collect::<String>() + more
    }

    /// How many have none of `model`, and what is to be done about it.
    pub fn told(&self, model: &ModelId, way_out: &str) -> String {
        match self.people {
            0 => format!("everybody who is enrolled has a face of {model}"),
            people => format!(
                "{people} of those enrolled have no face of {model}{way_out}:{}",
                self.names()
            ),
        }
    }
}

/// The faces of one model.
#[derive(Debug, Serialize)]
struct OfModel {
    model: ModelId,
    faces: u64,
    people: u64,
    configured: bool,
}

/// How far it has come.
#[derive(Debug, Serialize)]
pub(super) struct Progress {
    model: ModelId,
    models: Vec<OfModel>,
    /// Faces of other models of which there is one of the configured.
    moved: u64,
    /// Faces whose photos are kept, of which there is none yet.
    to_move: u64,
    /// Faces without a photo that is kept.
    without_photo: u64,
    /// Who has no face of the configured model.
    left: Left,
}

/// Reads how far the change to the configured model has come.
pub(super) async fn read(store: &Store, configured: &ModelId) -> anyhow::Result<Progress> {
    let models = store.models().await?.into_iter();
    let Reencoding { moved, to_move, without_photo } = store.reencoding(configured).await?;
    Ok(Progress {
        model: configured.clone(),
        models: models
            .map(|ModelCount { model, faces, people }| OfModel {
                configured: model == *configured,
                model,
                faces,
                people,
            })
            .collect(),
        moved,
        to_move,
        without_photo,
        left: Left::without(store, configured).await?,
    })
}

impl Progress {
    /// Whether nobody is left.
    pub fn is_complete(&self) -> bool {
        self.left.people == 0
    }

    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        let mut table = Table::new();
        table.set_header(["model", "faces", "people", ""]);
        for OfModel { model, faces, people, configured } in &self.models {
            let note = if *configured { "configured" } else { "" };
            let (faces, people) = (faces.to_string(), people.to_string());
            table.add_row([model.to_string(), faces, people, note.to_owned()]);
        }
        println!("{table}");
        println!(
            "of the faces of other models {} are moved, {} can be by `limen reencode`, {} have no kept photo",
            self.moved, self.to_move, self.without_photo
        );
        println!("{}", self.left.told(&self.model, " yet"));
        Ok(())
    }
}
