//! The codes that the client knows are those of the contract.

use limen_client::{
    Decision, Direction, EmployeeStatus, GateMode, Input, InvitationState, Issue, Notice, Outcome,
    QualityFigure, Reason, Standing,
};
use serde_json::Value;

pub fn contract() -> Value {
    serde_json::to_value(limen::http::contract()).expect("the contract as JSON")
}

#[test]
fn the_client_knows_every_code_of_the_contract_and_no_other() {
    let contract = contract();
    for (schema, known) in [
        ("DecisionCode", Decision::CODES),
        ("ReasonCode", Reason::CODES),
        ("Outcome", Outcome::CODES),
        ("IssueCode", Issue::CODES),
        ("QualityFigureCode", QualityFigure::CODES),
        ("EmployeeStatusCode", EmployeeStatus::CODES),
        ("StandingCode", Standing::CODES),
        ("GateModeCode", GateMode::CODES),
        ("DirectionCode", Direction::CODES),
        ("NoticeCode", Notice::CODES),
        ("InputCode", Input::CODES),
        ("InvitationStateCode", InvitationState::CODES),
    ] {
        let listed = contract["components"]["schemas"][schema]["enum"].as_array();
        let listed = listed.unwrap_or_else(|| panic!("no {schema}"));
        let mut listed: Vec<_> = listed.iter().map(|code| code.as_str().unwrap()).collect();
        let mut known = known.to_vec();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, listed, "{schema}");
    }
}
