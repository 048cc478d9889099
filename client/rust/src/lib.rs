//! A client of Limen, which decides whether a turnstile opens for a face.
//!
//! [`Limen`] asks with an API key: for who manages people and gates, follows the trail, or sends frames on behalf of a
//! gate. [`Turnstile`] is for a gate itself: it signs what it asks and opens on a grant that holds, and on nothing
//! else.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use limen_client::{Ask, Decision, Frame, Limen, NewEmployee, NewGate};
//!
//! let limen = Limen::new("http://127.0.0.1:8080", &std::env::var("KEY")?)?;
//! let person = limen.create_employee(&NewEmployee::named("Grace Hopper")).await?;
//! limen.enroll_face(person.employee_id, &Frame::read(std::fs::read("photo.jpg")?)?).await?;
//!
//! let gate = limen.create_gate(&NewGate::named("north")).await?;
//! let ask = Ask::of(Frame::read(std::fs::read("frame.jpg")?)?);
//! let answer = limen.pass(gate.gate_id, &ask).await?;
//! if answer.decision == Decision::Grant {
//!     println!("open for {} ms", answer.open_ms);
//! } else {
//!     println!("stay shut: {}", answer.reason);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What the service refuses is a [`Problem`] with a stable `code`. The sets that it may extend ([`Reason`] and the like)
//! have a variant for what this version does not know, and fields that it does not know are passed over: so a client
//! goes on with a newer service.
//!
//! Passages and reports are asked again where an answer got lost, under the same event id, which the service answers
//! with what it decided the first time. Nothing else is repeated by itself.

mod answer;
mod codes;
mod employees;
mod error;
mod events;
mod faces;
mod frame;
mod gates;
mod groups;
mod identity;
mod inputs;
mod invitations;
mod limen;
mod operations;
mod pages;
mod passage;
mod trail;
mod turnstile;

pub use codes::{
    Decision, Direction, EmployeeStatus, GateMode, Input, InvitationState, Issue, Notice, Outcome,
    QualityFigure, Reason, Standing,
};
pub use employees::{ChangeEmployee, Employee, EmployeeFilter, NewEmployee};
pub use error::{Error, Problem};
pub use events::{Event, EventFilter, Events, InputEvent, PassageEvent, Told};
pub use faces::{EnrolledFace, Face, Quality};
pub use frame::{FRAMES_MAX, Frame};
pub use gates::{ChangeGate, CreatedCredential, Gate, NewGate};
pub use groups::{Access, ChangeGroup, Group, GroupRule, Member, Membership, NewGroup};
pub use identity::{Candidate, Identity, Liveness};
pub use inputs::{RecordedInput, Report};
pub use invitations::{CreatedInvitation, Invitation, NewInvitation};
pub use limen::{Limen, Ready};
pub use operations::OPERATIONS;
pub use pages::Rows;
pub use passage::{Ask, PassageAnswer};
pub use trail::{Passage, PassageEntry, PassageFilter};
pub use turnstile::{Credential, Opening, Shut, Turnstile};
