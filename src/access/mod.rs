//! Who may pass: from a face to a recorded decision.
//!
//! [`Matcher`] compares, [`decide`] judges (a pure function), [`Gatekeeper`] joins the two and
//! has the store record the passage in the transaction that the decision is made in.

mod alarms;
mod attempt;
mod decide;
mod enrolment;
mod enrolment_turn;
mod gatekeeper;
mod grant_signer;
mod matcher;
mod re_enrolment;
mod side_by_side;
mod together;
mod what_if;

pub use alarms::Alarms;
pub use attempt::{Attempt, Finding};
pub use decide::{admit, decide};
pub use enrolment::{
    Enrolled, EnrolmentError, EnrolmentRules, ForeignGallery, Resemblances, check_models,
};
pub use enrolment_turn::{Enrolments, Turn};
pub use gatekeeper::{AccessError, Answered, Gatekeeper};
pub use grant_signer::{GrantKey, GrantKeyError, GrantSigner};
pub use matcher::{Identity, Matcher, Neighbours, Search, identity, look_alike_limit};
pub use re_enrolment::{ReEnrolment, ReEnrolmentRules, Told};
pub use side_by_side::{Findings, Found, Probe, Scale, Whom};
pub use together::Nearest;
pub use what_if::{Retrial, Untold, WhatIf};
