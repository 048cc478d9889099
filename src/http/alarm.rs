//! The one place where an alarm goes out: beside the trail, and never in the answer to the gate.

use tracing::warn;

use super::{AppState, Problem};
use crate::domain::{Alarm, Author, EmployeeId, GateInput, Passage};
use crate::metrics::Metrics;

/// Tells the operator of an alarm that a recorded passage raises.
pub fn raise(metrics: &Metrics, alarm: Alarm, passage: &Passage) {
    metrics.alarm(alarm);
    let employee = passage.evidence.employee_id.map(|id| id.to_string());
    warn!(
        alarm = alarm.code(), passage = %passage.id, gate = %passage.request.gate_id, employee,
        "an alarm was raised in silence"
    );
}

/// Tells the operator of an alarm that a gate has reported.
pub(super) fn raise_by_gate(metrics: &Metrics, alarm: Alarm, input: &GateInput) {
    metrics.alarm(alarm);
    warn!(
        alarm = alarm.code(), input = %input.id, gate = %input.report.gate_id,
        "a gate raised an alarm"
    );
}

/// Tells the operator that a photo that was to be enrolled is like somebody `blocked`: whoever may never pass is
/// perhaps entered anew, as `employee` if they are known. Only who may look after the blocked may go on.
pub(super) async fn raise_for_face(
    state: &AppState,
    author: &Author,
    employee: Option<EmployeeId>,
    blocked: EmployeeId,
) -> Result<(), Problem> {
    let alarm = Alarm::Blocked;
    state.metrics.alarm(alarm);
    state.store.note_blocked_face(author, employee, blocked).await?;
    let employee = employee.map(|id| id.to_string());
    warn!(alarm = alarm.code(), %blocked, employee, "an alarm was raised in silence by an enrolment");
    if author.may_block {
        return Ok(());
    }
    let detail = "this face is to be enrolled with a key that has the scope officer or admin";
    Err(Problem::forbidden("missing_scope", detail))
}
