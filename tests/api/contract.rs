//! `/openapi.json`: the contract is whole, and the service keeps it.

use std::collections::BTreeSet;

use limen::domain::{
    Action, AntiPassback, Day, Decision, Direction, EmployeeStatus, GateMode, ImportState,
    InvitationState, Likeness, Notice, QualityFigure, QualityIssue, Reason, RowOutcome, Scope,
    Standing,
};
use limen::http::PROBLEM_CODES;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::service::{TestService, send};

const ROUTES: &[&str] = &[
    "DELETE /v1/access-groups/{group_id}",
    "DELETE /v1/access-groups/{group_id}/members/{employee_id}",
    "DELETE /v1/employees/{employee_id}",
    "DELETE /v1/employees/{employee_id}/consents/{consent_id}",
    "DELETE /v1/employees/{employee_id}/faces/{face_id}",
    "DELETE /v1/employees/{employee_id}/invitations/{invitation_id}",
    "DELETE /v1/gates/{gate_id}",
    "DELETE /v1/keys/{key_id}",
    "DELETE /v1/keys/{key_id}/identity",
    "DELETE /v1/schedules/{schedule_id}",
    "DELETE /v1/session",
    "DELETE /v1/sites/{site_id}",
    "DELETE /v1/webhooks/{webhook_id}",
    "DELETE /v1/zones/{zone_id}",
    "GET /docs",
    "GET /healthz",
    "GET /invitation",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "GET /v1/access-groups",
    "GET /v1/access-groups/{group_id}",
    "GET /v1/access-groups/{group_id}/members",
    "GET /v1/audit-heads",
    "GET /v1/changes",
    "GET /v1/employees",
    "GET /v1/employees/{employee_id}",
    "GET /v1/employees/{employee_id}/access",
    "GET /v1/employees/{employee_id}/consents",
    "GET /v1/employees/{employee_id}/export",
    "GET /v1/employees/{employee_id}/faces",
    "GET /v1/employees/{employee_id}/invitations",
    "GET /v1/employees/{employee_id}/lookalikes",
    "GET /v1/events",
    "GET /v1/gate-states",
    "GET /v1/gates",
    "GET /v1/gates/{gate_id}",
    "GET /v1/gates/{gate_id}/events",
    "GET /v1/gates/{gate_id}/state",
    "GET /v1/grant-key",
    "GET /v1/imports",
    "GET /v1/imports/{import_id}",
    "GET /v1/imports/{import_id}/rows",
    "GET /v1/inputs",
    "GET /v1/invitation",
    "GET /v1/keys",
    "GET /v1/keys/{key_id}",
    "GET /v1/passages",
    "GET /v1/passages/{passage_id}",
    "GET /v1/passages/{passage_id}/explanation",
    "GET /v1/risk",
    "GET /v1/schedules",
    "GET /v1/schedules/{schedule_id}",
    "GET /v1/session",
    "GET /v1/session/oidc",
    "GET /v1/session/oidc/callback",
    "GET /v1/session/ways",
    "GET /v1/sites",
    "GET /v1/sites/{site_id}",
    "GET /v1/system",
    "GET /v1/webhooks",
    "GET /v1/webhooks/{webhook_id}",
    "GET /v1/webhooks/{webhook_id}/dead-letters",
    "GET /v1/zones",
    "GET /v1/zones/{zone_id}",
    "PATCH /v1/access-groups/{group_id}",
    "PATCH /v1/employees/{employee_id}",
    "PATCH /v1/gates/{gate_id}",
    "PATCH /v1/schedules/{schedule_id}",
    "PATCH /v1/sites/{site_id}",
    "PATCH /v1/webhooks/{webhook_id}",
    "PATCH /v1/zones/{zone_id}",
    "POST /v1/access-groups",
    "POST /v1/audit-checks",
    "POST /v1/employees",
    "POST /v1/employees/{employee_id}/consents",
    "POST /v1/employees/{employee_id}/erasure",
    "POST /v1/employees/{employee_id}/faces",
    "POST /v1/employees/{employee_id}/invitations",
    "POST /v1/frames/check",
    "POST /v1/gates",
    "POST /v1/gates/{gate_id}/credentials",
    "POST /v1/gates/{gate_id}/inputs",
    "POST /v1/gates/{gate_id}/passages",
    "POST /v1/gates/{gate_id}/test-shots",
    "POST /v1/imports",
    "POST /v1/invitation/face",
    "POST /v1/keys",
    "POST /v1/liveness",
    "POST /v1/recognize",
    "POST /v1/schedules",
    "POST /v1/session",
    "POST /v1/sites",
    "POST /v1/verify",
    "POST /v1/webhooks",
    "POST /v1/webhooks/{webhook_id}/dead-letters/retry",
    "POST /v1/zones",
    "POST /v1/zones/{zone_id}/pardons",
    "PUT /v1/access-groups/{group_id}/members/{employee_id}",
];

#[sqlx::test]
async fn the_contract_lists_every_route_and_every_reference_resolves(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let contract = send(service.bare(Method::GET, "/openapi.json")).await.expect(200);
    assert!(contract["openapi"].as_str().unwrap().starts_with("3."), "{}", contract["openapi"]);

    let routes: BTreeSet<_> = operations(&contract)
        .map(|(method, path, _)| format!("{} {path}", method.to_uppercase()))
        .collect();
    assert_eq!(routes, ROUTES.iter().copied().map(str::to_owned).collect());

    let mut references = BTreeSet::new();
    find_references(&contract, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(contract.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[sqlx::test]
async fn every_route_of_the_contract_exists_and_says_whether_it_wants_a_key(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let contract = send(service.bare(Method::GET, "/openapi.json")).await.expect(200);
    for (method, path, operation) in operations(&contract) {
        let (method, real) = (method.to_uppercase().parse::<Method>().unwrap(), of_nobody(path));
        let answer = send(service.bare(method.clone(), &real)).await;
        let open = operation["security"] == serde_json::json!([{}]);
        // Whoever signs in, or out, must say more than that.
        let answered = match path.as_str() {
            "/v1/session" => open,
            // No provider is named.
            path if path.starts_with("/v1/session/oidc") => answer.status == 404,
            _ => answer.status == 200,
        };
        assert_eq!(answered, open, "{method} {path}");
        assert_eq!(answer.status == 401, !open, "{method} {path}");
    }
}

#[sqlx::test]
async fn a_parameter_that_a_route_does_not_know_is_refused_by_its_name(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let contract = send(service.bare(Method::GET, "/openapi.json")).await.expect(200);
    // What an OpenID provider sends along is for it to say.
    let ours = |path: &str| path.starts_with("/v1/") && path != "/v1/session/oidc/callback";
    for (method, path, _) in operations(&contract).filter(|(_, path, _)| ours(path)) {
        let (method, real) = (method.to_uppercase().parse::<Method>().unwrap(), of_nobody(path));
        let answer = send(service.request(method.clone(), &format!("{real}?nonsense=1"))).await;
        assert!(answer.text.contains("nonsense"), "{method} {path}: {}", answer.text);
        answer.refused(400, "bad_query");
    }
}

#[sqlx::test]
async fn the_contract_says_that_frames_may_come_in_a_form(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let contract = send(service.bare(Method::GET, "/openapi.json")).await.expect(200);
    let pass = &contract["paths"]["/v1/gates/{gate_id}/passages"]["post"];
    let content = pass["requestBody"]["content"].as_object().unwrap();
    for kind in ["image/jpeg", "image/png", "image/webp", "multipart/form-data"] {
        assert!(content.contains_key(kind), "{kind} is missing");
    }
    let file = &contract["components"]["schemas"]["FrameFile"];
    assert_eq!(
        (&file["type"], &file["format"]),
        (&json!("string"), &json!("binary")),
        "{content:?}"
    );
}

#[test]
fn every_operation_has_an_id_of_its_own() {
    let contract = contract();
    let ids: Vec<_> = operations(&contract)
        .map(|(_, _, operation)| operation["operationId"].as_str().expect("an id").to_owned())
        .collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ROUTES.len(), "{ids:?}");
}

#[test]
fn every_closed_set_is_listed_where_it_is_sent_and_asked_for() {
    let contract = contract();
    let codes = |set: &[&str]| set.iter().map(|&code| Value::from(code)).collect::<Vec<_>>();
    let decisions = codes(&Decision::ALL.map(Decision::code));
    let reasons = codes(&Reason::ALL.map(Reason::code));
    let told = Reason::ALL.into_iter().filter(|reason| reason.told(false) == *reason);
    let told = codes(&told.map(Reason::code).collect::<Vec<_>>());
    assert!(reasons.contains(&"blocked".into()) && !told.contains(&"blocked".into()));
    let modes = codes(&GateMode::ALL.map(GateMode::code));
    let statuses = codes(&EmployeeStatus::ALL.map(EmployeeStatus::code));
    let directions = codes(&Direction::ALL.map(Direction::code));
    let anti_passback = codes(&AntiPassback::ALL.map(AntiPassback::code));
    let scopes = codes(&Scope::ALL.map(Scope::code));
    let issues = codes(&QualityIssue::ALL.map(QualityIssue::code));
    let states = codes(&InvitationState::ALL.map(InvitationState::code));
    let problems: Vec<_> = PROBLEM_CODES.iter().map(|(code, _)| Value::from(*code)).collect();

    for (schema, property, values) in [
        ("PassageAnswer", "decision", &decisions),
        ("PassageAnswer", "reason", &told),
        ("PassageView", "decision", &decisions),
        ("PassageView", "reason", &reasons),
        ("EmployeeView", "status", &statuses),
        ("CreateEmployee", "status", &statuses),
        ("ChangeEmployee", "status", &statuses),
        ("GateView", "mode", &modes),
        ("CreateGate", "mode", &modes),
        ("ChangeGate", "mode", &modes),
        ("PassageView", "mode", &modes),
        ("GateView", "direction", &directions),
        ("CreateGate", "direction", &directions),
        ("ChangeGate", "direction", &directions),
        ("PassageView", "direction", &directions),
        ("PassageView", "quality_figure", &codes(&QualityFigure::ALL.map(QualityFigure::code))),
        ("PassageView", "notice", &codes(&Notice::ALL.map(Notice::code))),
        ("ZoneView", "anti_passback", &anti_passback),
        ("CreateZone", "anti_passback", &anti_passback),
        ("ChangeZone", "anti_passback", &anti_passback),
        ("ScheduleHours", "days", &codes(&Day::ALL.map(Day::code))),
        ("KeyView", "scopes", &scopes),
        ("CreateKey", "scopes", &scopes),
        ("WebhookView", "decisions", &decisions),
        ("CreateWebhook", "decisions", &decisions),
        ("ChangeWebhook", "decisions", &decisions),
        ("ChangeView", "action", &codes(&Action::ALL.map(Action::code))),
        ("IdentityAnswer", "employee_status", &statuses),
        ("IdentityAnswer", "employee_standing", &codes(&Standing::ALL.map(Standing::code))),
        ("IdentityAnswer", "issues", &issues),
        ("LivenessAnswer", "issues", &issues),
        ("ImportView", "state", &codes(&ImportState::ALL.map(ImportState::code))),
        ("ImportRowView", "outcome", &codes(&RowOutcome::ALL.map(RowOutcome::code))),
        ("ResemblanceView", "likeness", &codes(&Likeness::ALL.map(Likeness::code))),
        ("InvitationView", "state", &states),
        ("InvitedView", "state", &states),
        ("Problem", "issues", &issues),
        ("Problem", "code", &problems),
        ("Health", "status", &codes(&["alive"])),
        ("Readiness", "status", &codes(&["ready"])),
    ] {
        let found = &contract["components"]["schemas"][schema]["properties"][property];
        assert_eq!(values_of(&contract, found), Some(values), "{schema}.{property}");
    }
    for schema in ["IdentityAnswer", "LivenessAnswer"] {
        let outcome = &contract["components"]["schemas"][schema]["properties"]["outcome"];
        let outcomes = values_of(&contract, outcome).expect("a closed set");
        assert!(outcomes.contains(&"spoof".into()), "{schema}.outcome: {outcomes:?}");
    }
    for (path, parameter, values) in [
        ("/v1/employees", "status", &statuses),
        ("/v1/passages", "decision", &decisions),
        ("/v1/passages", "reason", &reasons),
    ] {
        let list = contract["paths"][path]["get"]["parameters"].as_array().expect("parameters");
        let found = list.iter().find(|one| one["name"] == parameter).expect("the parameter");
        assert_eq!(values_of(&contract, &found["schema"]), Some(values), "{path}?{parameter}");
    }
}

#[test]
fn what_must_be_sent_is_required_and_what_cannot_be_cleared_is_never_null() {
    let schemas = &contract()["components"]["schemas"];
    for (schema, required) in [
        ("CreateEmployee", json!(["name"])),
        ("CreateGate", json!(["name"])),
        ("CreateSite", json!(["name", "time_zone"])),
        ("CreateZone", json!(["site_id", "name"])),
        ("CreatePardon", json!(["employee_id"])),
        ("CreateSchedule", json!(["name", "hours"])),
        ("CreateGroup", json!(["name"])),
        ("CreateKey", json!(["name", "scopes"])),
        ("GiveConsent", json!(["text_version"])),
        ("CreateInvitation", Value::Null),
        ("CreateCredential", Value::Null),
        ("CreateWebhook", json!(["url"])),
        ("ChangeWebhook", Value::Null),
        ("ChangeEmployee", Value::Null),
        ("ChangeGate", Value::Null),
        ("ChangeSite", Value::Null),
        ("ChangeZone", Value::Null),
        ("ChangeSchedule", Value::Null),
        ("ChangeGroup", Value::Null),
        ("SetMember", Value::Null),
    ] {
        assert_eq!(schemas[schema]["required"], required, "{schema}");
    }
    for (schema, nullable) in [
        ("ChangeEmployee", &["badge_id", "department", "valid_from", "valid_until"][..]),
        ("ChangeGate", &["liveness_threshold", "zone_id"]),
        ("ChangeSite", &[]),
        ("ChangeZone", &[]),
        ("ChangeSchedule", &[]),
        ("ChangeGroup", &[]),
        ("ChangeWebhook", &[]),
        ("SetMember", &["valid_from", "valid_until"]),
    ] {
        let properties = schemas[schema]["properties"].as_object().expect("properties");
        let found = properties.iter().filter(|(_, property)| property.to_string().contains("null"));
        let found: BTreeSet<_> = found.map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, nullable.iter().copied().collect(), "{schema}");
    }
}

fn contract() -> Value {
    serde_json::to_value(limen::http::contract()).expect("the contract as JSON")
}

/// The values of a closed set, behind references, lists and "or null".
fn values_of<'a>(contract: &'a Value, schema: &'a Value) -> Option<&'a Vec<Value>> {
    if let Some(reference) = schema["$ref"].as_str() {
        return values_of(contract, contract.pointer(reference.strip_prefix('#')?)?);
    }
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().find_map(|one| values_of(contract, one));
    }
    schema["enum"].as_array().or_else(|| values_of(contract, schema.get("items")?))
}

/// A path of the contract with ids that nothing has.
pub fn of_nobody(path: &str) -> String {
    let id = Uuid::new_v4().to_string();
    let names = [
        "consent",
        "employee",
        "face",
        "gate",
        "group",
        "import",
        "invitation",
        "key",
        "passage",
        "schedule",
        "site",
        "webhook",
        "zone",
    ];
    let names = names.map(|name| format!("{{{name}_id}}"));
    names.iter().fold(path.to_owned(), |path, name| path.replace(name, &id))
}

/// Method, path and description of every operation.
fn operations(contract: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = contract["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods");
        methods.iter().map(move |(method, operation)| (method, path, operation))
    })
}

fn find_references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| find_references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| find_references(item, found)),
        _ => {}
    }
}
