//! Plain types without I/O that every step of the road shares.
//!
//! A frame becomes a [`Frame`], a face in it a [`Detection`], what was learnt of the frame a
//! [`Sighting`], its encoding an [`Encoding`], the answer at the gate a [`Decision`].
//! Values are valid by construction: a parsed id, a unit-norm encoding, a threshold in range.

mod broker;
mod chain;
mod change;
mod decision;
mod distance;
mod employee;
mod encoding;
mod event;
mod face;
mod frame;
mod gate;
mod gate_input;
mod id;
mod import;
mod invitation;
mod liveness;
mod passage;
mod privacy;
mod range;
pub mod risk;
mod schedule;
mod scope;
mod shortfall;
mod sighting;
mod sign_in;
mod verifier;
mod vote;
mod webhook;
mod zone;

pub use broker::{BrokerUrl, BrokerUrlError};
pub use chain::{Blind, ChainHash, Commitment, Head, Stream};
pub use change::{Action, Author, Change};
pub use decision::{Alarm, Decision, Reason};
pub use distance::{Distance, RunnerUp, Threshold};
pub use employee::{
    BadgeId, Department, Employee, EmployeeName, EmployeeStatus, Standing, TextError, Validity,
    in_one_form,
};
pub use encoding::{Encoding, EncodingError, ModelId};
pub use event::{GateEvent, PassageEvent, PlacedInput};
pub use face::{BoundingBox, Detection, Landmarks, Point, Quality, QualityIssue};
pub use frame::{Frame, FrameSizeError};
pub use gate::{Gate, GateMode, GateName, GatePolicy};
pub use gate_input::{GateInput, InputKind, InputReport};
pub use id::{
    ChangeId, ConsentId, DeadLetterId, EmployeeId, EventId, FaceId, GateId, GateInputId, GroupId,
    ImportId, InvitationId, KeyId, PardonId, PassageId, ScheduleId, SiteId, WebhookId, ZoneId,
};
pub use import::{
    Import, ImportKey, ImportProblem, ImportProgress, ImportRow, ImportState, Likeness,
    Resemblance, RowCounts, RowOutcome,
};
pub use invitation::{Invitation, InvitationState, PageUrl, PageUrlError};
pub use liveness::LivenessScore;
pub use passage::{Evidence, Passage, PassageRequest};
pub use privacy::{Consent, Erased, TextVersion};
pub use range::OutOfRange;
pub use schedule::{ClockTime, ClockTimeError, Day, Hours, HoursError, Schedule, ScheduleName};
pub use scope::{KeyName, Permission, Scope};
pub use shortfall::{QualityFigure, Shortfall};
pub use sighting::{FacePicture, FaceSeen, Sighting, Stage, StageTimings, View};
pub use sign_in::{Identity, Person};
pub use verifier::{Difference, Likelihood, Logit, Probability, Verifier, VerifierError};
pub use vote::{Ballot, VoteRules, vote};
pub use webhook::{Webhook, WebhookFilter, WebhookHosts, WebhookUrl, WebhookUrlError};
pub use zone::{
    AccessGroup, AccessRule, Admission, AntiPassback, Direction, GroupName, LastCrossing, LastGate,
    Notice, Site, SiteName, Zone, ZoneName,
};
