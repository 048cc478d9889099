//! `limen-client` against a real service.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::TryStreamExt;
use limen::domain::Scope;
use limen_client::{
    Ask, ChangeEmployee, ChangeGate, ChangeGroup, Credential, Decision, EmployeeFilter,
    EmployeeStatus, Error, Event, EventFilter, Events, Frame, GateMode, Input, Issue, Limen,
    Membership, NewEmployee, NewGate, NewGroup, NewInvitation, OPERATIONS, Outcome, PassageEntry,
    PassageFilter, Reason, Report, Shut, Told, Turnstile,
};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::line::{Line, answer};
use crate::service::{TestService, eventually};
use crate::signing;
use crate::{codes, frame};

/// How long an event may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with a key for everything.
async fn client(service: &TestService) -> Limen {
    let key = service.make_key(&[Scope::Admin, Scope::Gate], None).await;
    Limen::new(&format!("http://{}", service.address), &key).unwrap()
}

fn photo(name: &str) -> Frame {
    Frame::read(frame::bytes(name)).unwrap()
}

/// Somebody who is enrolled with a photo.
async fn enrolled(limen: &Limen, name: &str) -> Uuid {
    let person = limen.create_employee(&NewEmployee::named("Somebody")).await.unwrap();
    limen.enroll_face(person.employee_id, &photo(name)).await.unwrap();
    person.employee_id
}

/// A gate on which a slow machine's frames are not stale, and nobody is too fast.
fn patient(name: &str) -> NewGate {
    let (frame_age_ms_max, debounce_ms) = (Some(60_000), Some(0));
    NewGate { frame_age_ms_max, debounce_ms, ..NewGate::named(name) }
}

#[test]
fn the_client_asks_for_nothing_that_the_contract_does_not_have() {
    let contract = codes::contract();
    for (method, path) in OPERATIONS {
        let operation = &contract["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path}");
    }
    let distinct: BTreeSet<_> = OPERATIONS.iter().collect();
    assert_eq!(distinct.len(), OPERATIONS.len());
}

#[sqlx::test]
async fn people_faces_and_invitations_are_managed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let limen = client(&service).await;
    let new = NewEmployee {
        badge_id: Some("B-1".into()),
        department: Some("Navy".into()),
        ..NewEmployee::named("Grace Hopper")
    };
    let person = limen.create_employee(&new).await.unwrap();
    let id = person.employee_id;
    assert_eq!(limen.employee(id).await.unwrap().badge_id.as_deref(), Some("B-1"));
    let cleared = ChangeEmployee { department: Some(None), ..ChangeEmployee::default() };
    let changed = limen.change_employee(id, &cleared).await.unwrap();
    assert_eq!((changed.department, changed.badge_id.as_deref()), (None, Some("B-1")));

    let enrolled = limen.enroll_face(id, &photo("hopper-1.jpg")).await.unwrap();
    assert_eq!((enrolled.looks_like, enrolled.badge_required), (None, false));
    assert!(enrolled.face.quality.pupil_distance_px > 20.0, "{:?}", enrolled.face.quality);
    assert_eq!(limen.faces(id).await.unwrap().len(), 1);
    let other = limen.create_employee(&NewEmployee::named("Amazing Grace")).await.unwrap();
    let twice = limen.enroll_new_face(other.employee_id, &photo("hopper-1.jpg")).await;
    assert_eq!(twice.unwrap_err().code(), Some("duplicate_person"));
    limen.delete_face(id, enrolled.face.face_id).await.unwrap();
    assert!(limen.faces(id).await.unwrap().is_empty());

    let invited = limen.invite(id, &NewInvitation::default()).await.unwrap();
    assert!(
        invited.link.contains("/invitation#") && !format!("{invited:?}").contains("/invitation#")
    );
    limen.revoke_invitation(id, invited.invitation.invitation_id).await.unwrap();
    let states: Vec<_> = limen.invitations(id).await.unwrap();
    assert_eq!(states[0].state.code(), "revoked");

    limen.delete_employee(id).await.unwrap();
    assert_eq!(limen.employee(id).await.unwrap_err().code(), Some("not_found"));
}

#[sqlx::test]
async fn lists_are_read_page_by_page(pool: PgPool) {
    let service = TestService::start_with(&pool, |config| config.server.page_rows_max = 2).await;
    let limen = client(&service).await;
    let mut made = Vec::new();
    for number in 0..5 {
        let new = NewEmployee::named(format!("Person {number}"));
        made.push(limen.create_employee(&new).await.unwrap().employee_id);
    }
    limen.change_employee(made[3], &ChangeEmployee::to(EmployeeStatus::Suspended)).await.unwrap();
    let listed: Vec<_> = limen.employees(EmployeeFilter::default()).try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|one| one.employee_id).collect::<Vec<_>>(), made);
    let active =
        EmployeeFilter { status: Some(EmployeeStatus::Active), ..EmployeeFilter::default() };
    let listed: Vec<_> = limen.employees(active).try_collect().await.unwrap();
    assert_eq!(listed.len(), 4);

    let strange = EmployeeFilter {
        status: Some(EmployeeStatus::Other("asleep".into())),
        ..EmployeeFilter::default()
    };
    let refused = limen.employees(strange).try_next().await.unwrap_err();
    assert_eq!(refused.code(), Some("bad_query"));
}

#[sqlx::test]
async fn gates_and_groups_are_managed(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let limen = client(&service).await;
    let gate = limen.create_gate(&NewGate::named("north")).await.unwrap();
    assert_eq!(gate.mode, GateMode::BadgeOrFace);
    let change = ChangeGate {
        mode: Some(GateMode::Face),
        liveness_threshold: Some(None),
        ..ChangeGate::default()
    };
    limen.change_gate(gate.gate_id, &change).await.unwrap();
    let read = limen.gate(gate.gate_id).await.unwrap();
    assert_eq!((read.mode, read.liveness_threshold), (GateMode::Face, None));
    let taken = limen.create_gate(&NewGate::named("north")).await.unwrap_err();
    assert_eq!(taken.code(), Some("gate_name_taken"));
    let gates: Vec<_> = limen.gates().try_collect().await.unwrap();
    assert_eq!(gates.len(), 1);
    limen.delete_gate(gate.gate_id).await.unwrap();

    let person = limen.create_employee(&NewEmployee::named("Somebody")).await.unwrap();
    let new = NewGroup { name: "staff".into(), ..NewGroup::default() };
    let group = limen.create_group(&new).await.unwrap();
    let (group, person) = (group.group_id, person.employee_id);
    let member = limen.set_member(group, person, Membership::default()).await.unwrap();
    assert_eq!((member.employee_id, member.valid_until), (person, None));
    let renamed = ChangeGroup { name: Some("everybody".into()), ..ChangeGroup::default() };
    limen.change_group(group, &renamed).await.unwrap();
    assert_eq!(limen.group(group).await.unwrap().name, "everybody");
    assert_eq!(limen.access(person).await.unwrap()[0].group_name, "everybody");
    let members: Vec<_> = limen.members(group).try_collect().await.unwrap();
    assert_eq!(members.len(), 1);
    limen.delete_member(group, person).await.unwrap();
    let groups: Vec<_> = limen.groups().try_collect().await.unwrap();
    assert_eq!(groups.len(), 1);
    limen.delete_group(group).await.unwrap();
}

#[sqlx::test]
async fn frames_are_looked_at_and_problems_say_what_is_wrong(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let limen = client(&service).await;
    let person = enrolled(&limen, "obama-1.jpg").await;
    assert_eq!((limen.ready().await.unwrap().people, limen.ready().await.unwrap().faces), (1, 1));

    let same = limen.verify(person, &photo("obama-3.jpg")).await.unwrap();
    assert_eq!((same.outcome, same.employee_id), (Outcome::Match, Some(person)));
    let other = limen.verify(person, &photo("biden-1.jpg")).await.unwrap();
    assert_eq!(other.outcome, Outcome::NoMatch);
    assert!(other.distance > other.threshold, "{other:?}");
    let found = limen.candidates(&photo("obama-3.jpg"), 1).await.unwrap();
    assert_eq!((found.outcome, found.candidates[0].employee_id), (Outcome::Match, person));
    let print = limen.recognize(&photo("print-attack-obama.jpg")).await.unwrap();
    assert_eq!((print.outcome, print.employee_id), (Outcome::Spoof, None));
    assert_eq!(limen.liveness(&photo("obama-3.jpg")).await.unwrap().outcome, Outcome::Live);

    match limen.enroll_face(person, &photo("too-dark.jpg")).await.unwrap_err() {
        Error::Problem(problem) => {
            assert_eq!((problem.status, problem.code.as_str()), (422, "low_quality"));
            assert!(problem.issues.contains(&Issue::TooDark) && !problem.advice.is_empty());
        }
        other => panic!("{other}"),
    }
    let unknown = Limen::new(&format!("http://{}", service.address), "limen_nobody").unwrap();
    let refused = unknown.employee(person).await.unwrap_err();
    assert_eq!((refused.code(), refused.is_transient()), (Some("unauthorized"), false));
    assert_eq!(limen.grant_key().await.unwrap_err().code(), Some("not_found"));
    drop(service);
    let away = limen.ready().await.unwrap_err();
    assert!(matches!(away, Error::Transport(_)) && away.is_transient(), "{away}");
}

#[sqlx::test]
async fn a_lost_answer_is_asked_for_again_and_it_is_one_passage(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let limen = client(&service).await;
    let person = enrolled(&limen, "obama-1.jpg").await;
    let gate = limen.create_gate(&patient("north")).await.unwrap().gate_id;
    let line = Line::losing(service.address, 2).await;
    let key = service.make_key(&[Scope::Gate], Some(limen::domain::GateId(gate))).await;
    let over = Limen::new(&format!("http://{}", line.address), &key).unwrap();

    let ask = Ask::of(photo("obama-3.jpg")).and(photo("obama-2.jpg"));
    let answer = over.pass(gate, &ask).await.unwrap();
    assert_eq!((answer.decision, answer.employee_id), (Decision::Grant, Some(person)));
    assert_eq!(line.asked.load(Ordering::SeqCst), 3);
    let went = Report::of(Input::RotationDone).on_grant(&ask.event_id);
    assert_eq!(over.report(gate, &went).await.unwrap().passage_id, Some(answer.passage_id));

    let denied = limen.pass(gate, &Ask::of(photo("biden-1.jpg"))).await.unwrap();
    assert_eq!((denied.decision, denied.reason), (Decision::Deny, Reason::UnknownPerson));
    let filter = PassageFilter { gate_id: Some(gate), ..PassageFilter::default() };
    let trail: Vec<_> = limen.passages(filter).try_collect().await.unwrap();
    assert_eq!(trail.len(), 2, "{trail:?}");
    let PassageEntry::Read(granted) = &trail[1] else { panic!("{trail:?}") };
    assert_eq!((granted.frames, granted.event_id.as_str()), (2, ask.event_id.as_str()));
    assert_eq!(limen.passage(granted.passage_id).await.unwrap().reason, Reason::Granted);
}

/// The credential of a gate that was given it.
fn held(credential: &signing::Credential) -> Credential {
    let (gate, key) = (credential.gate.parse().unwrap(), credential.key.parse().unwrap());
    let held = Credential::new(gate, key, &credential.secret).unwrap();
    assert!(!format!("{held:?}").contains(&credential.secret));
    held
}

/// A turnstile that asks at an address, and trusts a key. A slow machine is no lost answer.
fn turnstile(address: SocketAddr, credential: &signing::Credential, key: &str) -> Turnstile {
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    Turnstile::with_http(&format!("http://{address}"), held(credential), key, http).unwrap()
}

#[sqlx::test]
async fn a_turnstile_signs_and_opens_on_a_grant_that_holds_alone(pool: PgPool) {
    let (service, key, credential) = signing::start(&pool).await;
    let line = Line::losing(service.address, 1).await;
    let gate = turnstile(line.address, &credential, &key);
    let ask = Ask::of(photo("obama-3.jpg")).and(photo("obama-2.jpg"));
    let opening = gate.pass(&ask).await.unwrap();
    assert_eq!(opening.open_for, Duration::from_secs(4));
    gate.report(&Report::of(Input::RotationDone).on_grant(&ask.event_id)).await.unwrap();
    assert_eq!(service.trail().await.len(), 1);

    // Two at once take turns.
    let (stranger, print) =
        (Ask::of(photo("biden-1.jpg")), Ask::of(photo("print-attack-obama.jpg")));
    let (stranger, print) = tokio::join!(gate.pass(&stranger), gate.pass(&print));
    for (shut, reason) in [(stranger, Reason::UnknownPerson), (print, Reason::Spoof)] {
        match shut.unwrap_err() {
            Shut::Decided(answer) => assert_eq!(answer.reason, reason),
            other => panic!("{other}"),
        }
    }
    let another = limen::access::GrantKey::generate().unwrap().public();
    let misled = turnstile(service.address, &credential, &another);
    let shut = misled.pass(&Ask::of(photo("obama-3.jpg"))).await.unwrap_err();
    assert_eq!(shut.to_string(), "the token does not hold: not signed with this key");
}

/// That it is refused when it asks again says nothing about the grant whose answer got lost; who is refused at once
/// has none.
#[sqlx::test]
async fn a_turnstile_whose_answer_got_lost_is_refused_and_gives_the_grant_back(pool: PgPool) {
    let (service, key, credential) = signing::start(&pool).await;
    let problem = r#"{"status": 403, "code": "wrong_gate", "title": "Forbidden", "detail": "another gate's"}"#;
    let refusal = answer(403, problem);
    let line = Line::losing_then_lying(service.address, refusal.clone()).await;
    let ask = Ask::of(photo("obama-3.jpg"));
    let gate = turnstile(line.address, &credential, &key);
    let shut = gate.pass(&ask).await.unwrap_err();
    assert!(matches!(&shut, Shut::Lost(error) if error.code() == Some("wrong_gate")), "{shut}");
    let unused = Report::of(Input::GrantUnused).on_grant(&ask.event_id);
    eventually("the grant is over", async || gate.report(&unused).await.is_ok()).await;
    let line = Line::lying(refusal.clone()).await;
    let shut = turnstile(line.address, &credential, &key).pass(&ask).await.unwrap_err();
    assert!(matches!(shut, Shut::Error(_)), "{shut}");
}

/// Three attempts of 2 s.
#[sqlx::test]
async fn a_turnstile_that_is_never_answered_does_not_keep_anybody_waiting(pool: PgPool) {
    let (_service, key, credential) = signing::start(&pool).await;
    let silent = Line::lying(String::new()).await;
    let address = format!("http://{}", silent.address);
    let silenced = Turnstile::new(&address, held(&credential), &key).unwrap();
    let ask = Ask::of(photo("obama-3.jpg"));
    let shut = tokio::time::timeout(Duration::from_secs(20), silenced.pass(&ask)).await;
    assert!(matches!(shut.expect("an answer in time"), Err(Shut::Lost(Error::Transport(_)))));
}

#[sqlx::test]
async fn events_come_as_they_happen_and_over_interruptions(pool: PgPool) {
    let service = TestService::start(&pool).await;
    let limen = client(&service).await;
    let gate = limen.create_gate(&patient("north")).await.unwrap().gate_id;
    let key = service.make_key(&[Scope::Viewer], None).await;
    // The first connections are cut while the stream is idle.
    let line = Line::cutting(service.address, 2, Duration::from_secs(1)).await;
    let over = Limen::new(&format!("http://{}", line.address), &key).unwrap();
    let mut all = over.events(EventFilter { gate_ids: vec![gate], ..EventFilter::default() });
    let reader = tokio::spawn(async move {
        let first = next(&mut all).await;
        let second = next(&mut all).await;
        (first, second, all)
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    limen.pass(gate, &Ask::of(photo("no-face-rocket.jpg"))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(line.asked.load(Ordering::SeqCst) >= 3, "the stream was not taken up again");
    limen.report(gate, &Report::of(Input::DoorForced)).await.unwrap();
    let (first, second, _) = reader.await.unwrap();
    let Event::Passage(passage) = &first.event else { panic!("{first:?}") };
    assert_eq!((&passage.reason, passage.position), (&Reason::NoFace, 1));
    let Event::Input(input) = &second.event else { panic!("{second:?}") };
    assert_eq!((&input.input, input.alarm, input.position), (&Input::DoorForced, true, 2));

    // From where somebody was.
    let mut later = limen.gate_events(gate, false, Some(1));
    let told = next(&mut later).await;
    assert!(told.id == 2 && matches!(told.event, Event::Input(_)), "{told:?}");
    let mut alarms = limen.gate_events(gate, true, Some(0));
    assert!(matches!(next(&mut alarms).await.event, Event::Input(_)));
    let mut nowhere = limen.gate_events(Uuid::new_v4(), false, None);
    assert_eq!(nowhere.try_next().await.unwrap_err().code(), Some("not_found"));
    assert!(nowhere.try_next().await.unwrap().is_none());
}

async fn next(events: &mut Events) -> Told {
    let told = tokio::time::timeout(PATIENCE, events.try_next()).await;
    told.expect("an event in time").unwrap().expect("a stream without end")
}

#[test]
fn what_is_no_address_or_no_key_is_told_before_anything_is_sent() {
    for (url, key, said) in [
        ("limen.example.org", "limen_a_b", "no address of a service"),
        ("ftp://limen.example.org", "limen_a_b", "it must begin with http:// or https://"),
        ("http://limen.example.org/?a=b", "limen_a_b", "it may have no ? and no #"),
        ("http://limen.example.org", "", "no API key"),
        ("http://limen.example.org", "limen_a\n_b", "no API key"),
    ] {
        let error = Limen::new(url, key).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let limen = Limen::new("https://limen.example.org/limen/", "limen_a_secret").unwrap();
    assert!(!format!("{limen:?}").contains("secret"));
    assert!(Frame::read(&b"<html>"[..]).is_err());
    let value: Value = serde_json::to_value(ChangeEmployee::to(EmployeeStatus::Revoked)).unwrap();
    assert_eq!(value, serde_json::json!({"status": "revoked"}));
}
