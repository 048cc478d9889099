//! The gates and people of a simulation: made over the API, and taken away at its end.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::cast::{Cast, Photo};
use super::service::{Service, refused_with};
use super::turnstile::Turnstile;
use crate::domain::{EmployeeId, GateId, KeyId};

/// What the name of whatever a simulation makes begins with.
pub(super) const MARK: &str = "simulated ";

/// Whoever is not enrolled, and why, of whom so many are named.
pub(super) const LEFT_OUT_NAMED_MAX: usize = 10;

/// What was made, and is to be taken away.
#[derive(Debug, Default)]
pub(super) struct Site {
    gates: Vec<GateId>,
    keys: Vec<KeyId>,
    employees: Vec<EmployeeId>,
}

/// Who of the cast is enrolled.
#[derive(Debug, Default)]
pub(super) struct Enrolled {
    /// By their place in the cast, once those who were left out are taken out of it.
    pub members: Vec<EmployeeId>,
    /// Who was not enrolled, and why.
    pub left_out: BTreeMap<String, String>,
    /// Of the members, who was enrolled before under an entry of their own, which they now use.
    pub known: Vec<String>,
}

impl Site {
    /// Makes the gates of a run, or takes those that an earlier one left: the trail names them, so they stay.
    ///
    /// They compare a face with everybody, sign, lead into no zone, and let one face pass again at once: a face stands
    /// for many people here.
    pub async fn open_gates(
        &mut self,
        service: &Service,
        run: &str,
        count: u16,
    ) -> anyhow::Result<Vec<Turnstile>> {
        let mut spare = spare_gates(service).await?;
        let mut turnstiles = Vec::new();
        for number in 1..=count {
            let policy = json!({
                "name": format!("{MARK}{run} gate {number:02}"),
                "enabled": true,
                "mode": "face",
                "debounce_ms": 0,
                "signed_requests": true,
            });
            let gate = match spare.pop() {
                Some(gate) => service.patch(&format!("/v1/gates/{gate}"), &policy).await?,
                None => service.post("/v1/gates", &policy).await?,
            };
            let gate = GateId(id(&gate, "gate_id")?);
            self.gates.push(gate);
            let path = format!("/v1/gates/{gate}/credentials");
            let credential = service.post(&path, &json!({"overlap_s": 0})).await?;
            let turnstile = Turnstile::new(service, gate, &credential)?;
            self.keys.push(turnstile.key_id);
            turnstiles.push(turnstile);
        }
        Ok(turnstiles)
    }

    /// Enrols the members of the cast, and takes those out of it who cannot be. Nobody is enrolled who is like somebody
    /// else: both would need a badge from then on, and the other may be real. Where `borrow`, who is known already comes
    /// as who they are known to be.
    pub async fn enrol(
        &mut self,
        service: &Service,
        run: &str,
        cast: &mut Cast,
        borrow: bool,
        mut progress: impl FnMut(),
    ) -> anyhow::Result<Enrolled> {
        let mut enrolled = Enrolled::default();
        let mut kept = Vec::new();
        for member in &cast.members {
            let photo = member.photos.first().context("a person without a photo")?;
            let name = format!("{MARK}{run} {}", member.name);
            let outcome = match self.enrol_one(service, run, &name, photo).await {
                Err(error) if borrow && refused_with(&error) == Some("duplicate_person") => {
                    let known = known(service, photo).await?;
                    if known.is_some() {
                        enrolled.known.push(member.name.clone());
                    }
                    known.ok_or(error)
                }
                outcome => outcome,
            };
            match outcome {
                Ok(employee) => enrolled.members.push(employee),
                // What is wrong with this one photo: the others may do.
                Err(error) if refused_with(&error).is_some_and(is_of_the_photo) => {
                    enrolled.left_out.insert(member.name.clone(), error.to_string());
                }
                Err(error) => return Err(error),
            }
            kept.push(!enrolled.left_out.contains_key(&member.name));
            progress();
        }
        cast.retain_members(|place| kept[place]);
        Ok(enrolled)
    }

    async fn enrol_one(
        &mut self,
        service: &Service,
        run: &str,
        name: &str,
        photo: &Photo,
    ) -> anyhow::Result<EmployeeId> {
        let body = json!({"name": name, "metadata": {"simulation": run}});
        let employee = service.post("/v1/employees", &body).await?;
        let employee = EmployeeId(id(&employee, "employee_id")?);
        self.employees.push(employee);
        let path = format!("/v1/employees/{employee}/faces?duplicates=refuse");
        let refused = service.post_photo(&path, photo).await.err();
        let Some(error) = refused else { return Ok(employee) };
        service.delete(&format!("/v1/employees/{employee}")).await?;
        self.employees.pop();
        Err(error)
    }

    /// Takes everything away that can be; what it could not is told. A gate that the trail names is switched off.
    pub async fn close(self, service: &Service) -> Vec<String> {
        let mut left = Vec::new();
        let mut tell =
            |outcome: anyhow::Result<()>| left.extend(outcome.err().map(|e| e.to_string()));
        for key in self.keys {
            tell(service.delete(&format!("/v1/keys/{key}")).await);
        }
        for gate in self.gates {
            tell(close_gate(service, gate).await);
        }
        for employee in self.employees {
            tell(service.delete(&format!("/v1/employees/{employee}")).await);
        }
        left
    }

    /// What simulations made and left: those that were to be kept, and those that were killed.
    pub async fn left_behind(service: &Service) -> anyhow::Result<Self> {
        let mut site = Self::default();
        service
            .list("/v1/gates?", |gate| {
                if is_marked(&gate) && gate["enabled"] == true {
                    site.gates.push(GateId(id(&gate, "gate_id")?));
                }
                Ok(())
            })
            .await?;
        service
            .list("/v1/employees?name=simulated", |employee| {
                if is_marked(&employee) && !employee["metadata"]["simulation"].is_null() {
                    site.employees.push(EmployeeId(id(&employee, "employee_id")?));
                }
                Ok(())
            })
            .await?;
        Ok(site)
    }

    /// How many gates and people it has.
    pub fn counts(&self) -> (usize, usize) {
        (self.gates.len(), self.employees.len())
    }
}

async fn close_gate(service: &Service, gate: GateId) -> anyhow::Result<()> {
    let path = format!("/v1/gates/{gate}");
    match service.delete(&path).await {
        Err(error) if refused_with(&error) == Some("gate_has_passages") => {
            service.patch(&path, &json!({"enabled": false})).await.map(drop)
        }
        outcome => outcome,
    }
}

/// The gates that earlier runs left switched off.
async fn spare_gates(service: &Service) -> anyhow::Result<Vec<GateId>> {
    let mut spare = Vec::new();
    service
        .list("/v1/gates?", |gate| {
            if is_marked(&gate) && gate["enabled"] == false {
                spare.push(GateId(id(&gate, "gate_id")?));
            }
            Ok(())
        })
        .await?;
    Ok(spare)
}

/// Who the service takes a photo for, where that person may pass by their face.
async fn known(service: &Service, photo: &Photo) -> anyhow::Result<Option<EmployeeId>> {
    let found = service.post_photo("/v1/recognize", photo).await?;
    if found["outcome"] != "match" {
        return Ok(None);
    }
    let employee = EmployeeId(id(&found, "employee_id")?);
    let entry = service.get(&format!("/v1/employees/{employee}")).await?;
    let may_pass = entry["status"] == "active" && entry["badge_required"] == false;
    Ok(may_pass.then_some(employee))
}

/// Whether it is the photo that is refused, and not the service that does not work.
fn is_of_the_photo(code: &str) -> bool {
    matches!(
        code,
        "duplicate_person"
            | "no_face"
            | "multiple_faces"
            | "low_quality"
            | "spoof"
            | "malformed_frame"
            | "frame_too_large"
            | "frame_too_many_pixels"
            | "animated_frame"
    )
}

fn is_marked(entry: &Value) -> bool {
    entry["name"].as_str().is_some_and(|name| name.starts_with(MARK))
}

fn id(answer: &Value, name: &str) -> anyhow::Result<uuid::Uuid> {
    let text = answer[name].as_str().with_context(|| format!("the answer has no {name}"))?;
    let id = text.parse().with_context(|| format!("{name} is no id: {text}"))?;
    ensure!(!uuid::Uuid::is_nil(&id), "{name} is nil");
    Ok(id)
}
