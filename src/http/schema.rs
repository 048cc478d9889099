//! The closed sets of the contract: each schema takes its values from the code that sends them.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{RefOr, schema};
use utoipa::{PartialSchema, ToSchema};

use super::problem::CODES;
use crate::domain::{
    Action, AntiPassback, Day, Decision, Direction, EmployeeStatus, GateMode, ImportState,
    InputKind, InvitationState, Likeness, Notice, Permission, QualityFigure, QualityIssue, Reason,
    RowOutcome, Scope, Standing,
};

macro_rules! closed_sets {
    ($($(#[$doc:meta])* $name:ident = $values:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text: schema::Object = ObjectBuilder::new()
                    .schema_type(SchemaType::new(Type::String))
                    .enum_values(Some($values))
                    .build();
                Schema::Object(text).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

closed_sets! {
    /// What a gate does.
    DecisionCode = Decision::ALL.iter().map(|decision| decision.code());
    /// Why a gate does it.
    ReasonCode = Reason::ALL.iter().map(|reason| reason.code());
    /// Why, as the gate is told: some alarms are raised in silence.
    ToldReasonCode = Reason::ALL.iter().filter(|r| r.alarm().is_none()).map(|reason| reason.code());
    /// What a gate noticed.
    InputCode = InputKind::ALL.iter().map(|kind| kind.code());
    /// Whom a gate compares a face with.
    GateModeCode = GateMode::ALL.iter().map(|mode| mode.code());
    /// Whether an employee may pass.
    EmployeeStatusCode = EmployeeStatus::ALL.iter().map(|status| status.code());
    /// Whether an employee may pass now, by status and validity.
    StandingCode = Standing::ALL.iter().map(|standing| standing.code());
    /// Which way a gate leads.
    DirectionCode = Direction::ALL.iter().map(|direction| direction.code());
    /// What a rule that only reports had to say.
    NoticeCode = Notice::ALL.iter().map(|notice| notice.code());
    /// What becomes of one who enters a zone twice, or leaves it twice.
    AntiPassbackCode = AntiPassback::ALL.iter().map(|mode| mode.code());
    /// A day of the week.
    DayCode = Day::ALL.iter().map(|day| day.code());
    /// What an API key is for.
    ScopeCode = Scope::ALL.iter().map(|scope| scope.code());
    /// One kind of thing that an operation does.
    PermissionCode = Permission::ALL.iter().map(|permission| permission.code());
    /// What was done to a thing that is administered.
    ActionCode = Action::ALL.iter().map(|action| action.code());
    /// How far an import is.
    ImportStateCode = ImportState::ALL.iter().map(|state| state.code());
    /// What became of a row of an import.
    RowOutcomeCode = RowOutcome::ALL.iter().map(|outcome| outcome.code());
    /// How like another person's a face is.
    LikenessCode = Likeness::ALL.iter().map(|likeness| likeness.code());
    /// Whether an invitation still takes a photo, and why not.
    InvitationStateCode = InvitationState::ALL.iter().map(|state| state.code());
    /// What is wrong with a picture.
    IssueCode = QualityIssue::ALL.iter().map(|issue| issue.code());
    /// A figure of a picture that has a limit.
    QualityFigureCode = QualityFigure::ALL.iter().map(|figure| figure.code());
    /// What is wrong with a request.
    ProblemCode = CODES.iter().map(|(code, _)| *code);
}
