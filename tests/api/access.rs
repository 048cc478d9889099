//! Zones, schedules, groups and anti-passback, as a gate lives them.

use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::audit::audit;
use crate::gate_inputs::report;
use crate::passage::Passage;
use crate::service::{TestService, eventually, send};

const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A site in UTC with one zone, a schedule that always holds, and one employee, Obama, in a group that may
/// enter the zone.
struct Scene {
    service: TestService,
    site: String,
    zone: String,
    schedule: String,
    group: String,
    employee: String,
}

impl Scene {
    async fn start(pool: &PgPool, zone: Value) -> Self {
        let service = TestService::start(pool).await;
        let site = service.site(json!({"time_zone": "UTC"})).await;
        let zone = service.zone(&site, zone).await;
        let hours = json!([{"days": DAYS, "from": "00:00", "until": "24:00"}]);
        let schedule = service.schedule(json!({"hours": hours})).await;
        let rules = json!([{"zone_id": zone, "schedule_id": schedule}]);
        let group = service.group(json!({"rules": rules})).await;
        let employee = service.enrolled("obama-1.jpg").await;
        let scene = Self { service, site, zone, schedule, group, employee };
        scene.join(json!({})).await;
        scene
    }

    /// A gate of the zone.
    async fn gate(&self, name: &str, settings: Value) -> String {
        let gate = self.service.gate(settings).await;
        let change = json!({"name": name, "zone_id": self.zone});
        self.service.patch(&format!("/v1/gates/{gate}"), change).await.expect(200);
        gate
    }

    fn membership(&self) -> String {
        format!("/v1/access-groups/{}/members/{}", self.group, self.employee)
    }

    async fn join(&self, validity: Value) {
        self.service.put(&self.membership(), validity).await.expect(200);
    }

    async fn refused(&self, gate: &str, reason: &str) -> Value {
        Passage::of("obama-3.jpg").refused(&self.service, gate, reason).await
    }

    async fn granted(&self, gate: &str) -> Value {
        Passage::of("obama-2.jpg").granted(&self.service, gate).await
    }
}

#[sqlx::test]
async fn a_zone_is_entered_by_those_whose_group_may_when_it_may(pool: PgPool) {
    let scene = Scene::start(&pool, json!({})).await;
    let gate = scene.gate("in", json!({})).await;
    let service = &scene.service;
    scene.granted(&gate).await;
    let row = &service.trail().await[0];
    assert_eq!((&row["zone_id"], &row["direction"]), (&scene.zone.as_str().into(), &"in".into()));

    // The rule holds at other hours: on the day after tomorrow.
    let day = (Utc::now() + TimeDelta::days(2)).weekday().num_days_from_monday() as usize;
    let path = format!("/v1/schedules/{}", scene.schedule);
    let hours = |days: Value| json!({"hours": [{"days": days, "from": "00:00", "until": "24:00"}]});
    service.patch(&path, hours(json!([DAYS[day]]))).await.expect(200);
    scene.refused(&gate, "outside_hours").await;
    service.patch(&path, hours(json!(DAYS))).await.expect(200);
    scene.granted(&gate).await;

    // A holiday: yesterday, today and tomorrow, so that the test may run past midnight.
    let days = [-1, 0, 1].map(|days| (Utc::now() + TimeDelta::days(days)).date_naive());
    let site = format!("/v1/sites/{}", scene.site);
    service.patch(&site, json!({"holidays": days})).await.expect(200);
    scene.refused(&gate, "outside_hours").await;
    service.patch(&path, json!({"on_holidays": true})).await.expect(200);
    scene.granted(&gate).await;

    // The membership has ended, is taken away, is given back.
    scene.join(json!({"valid_until": Utc::now() - TimeDelta::hours(1)})).await;
    scene.refused(&gate, "no_access").await;
    scene.join(json!({})).await;
    scene.granted(&gate).await;
    service.delete(&scene.membership()).await.expect(204);
    scene.refused(&gate, "no_access").await;
    scene.join(json!({})).await;

    // The group has no rules any more.
    let group = format!("/v1/access-groups/{}", scene.group);
    service.patch(&group, json!({"rules": []})).await.expect(200);
    scene.refused(&gate, "no_access").await;
    // A gate without a zone asks for none.
    service.patch(&format!("/v1/gates/{gate}"), json!({"zone_id": null})).await.expect(200);
    scene.granted(&gate).await;
}

#[sqlx::test]
async fn whoever_is_inside_may_leave_at_any_hour(pool: PgPool) {
    let scene = Scene::start(&pool, json!({})).await;
    let (way_in, out) =
        (scene.gate("in", json!({})).await, scene.gate("out", json!({"direction": "out"})).await);
    scene.service.delete(&scene.membership()).await.expect(204);
    scene.refused(&way_in, "no_access").await;
    scene.granted(&out).await;
    // Of those who have left the firm nobody passes either way.
    scene.service.set_status(&scene.employee, "revoked").await;
    scene.refused(&out, "revoked").await;
}

#[sqlx::test]
async fn hard_anti_passback_refuses_the_second_way_in_until_a_pardon(pool: PgPool) {
    let scene = Scene::start(&pool, json!({"anti_passback": "hard"})).await;
    let (one, two, out) = (
        scene.gate("one", json!({})).await,
        scene.gate("two", json!({})).await,
        scene.gate("out", json!({"direction": "out"})).await,
    );
    scene.granted(&one).await;
    scene.refused(&one, "anti_passback").await;
    scene.refused(&two, "anti_passback").await;
    scene.granted(&out).await;
    scene.refused(&out, "anti_passback").await;
    scene.granted(&two).await;
    scene.refused(&one, "anti_passback").await;

    let path = format!("/v1/zones/{}/pardons", scene.zone);
    let pardon = json!({"employee_id": scene.employee});
    scene.service.post(&path, pardon).await.expect(201);
    scene.granted(&one).await;
    scene.refused(&one, "anti_passback").await;

    let zone = format!("/v1/zones/{}", scene.zone);
    scene.service.patch(&zone, json!({"anti_passback": "soft"})).await.expect(200);
    scene.granted(&one).await;
    let row = &scene.service.trail().await[0];
    assert_eq!(row["notice"], "anti_passback", "{row}");
    let filter = format!("/v1/passages?notice=anti_passback&zone_id={}", scene.zone);
    let reported = scene.service.get(&filter).await.expect(200);
    assert_eq!(reported["items"].as_array().unwrap(), std::slice::from_ref(row));
    scene.service.patch(&zone, json!({"anti_passback": "off"})).await.expect(200);
    scene.granted(&one).await;
    assert_eq!(scene.service.trail().await[0]["notice"], Value::Null);
}

#[sqlx::test]
async fn an_event_that_is_repeated_does_not_stand_in_its_own_way(pool: PgPool) {
    let scene = Scene::start(&pool, json!({"anti_passback": "hard"})).await;
    let gate = scene.gate("in", json!({"debounce_ms": 600_000})).await;
    let passage = Passage::of("obama-3.jpg");
    let first = passage.granted(&scene.service, &gate).await;
    let again = passage.granted(&scene.service, &gate).await;
    assert_eq!(first["passage_id"], again["passage_id"]);
    // It is refused once the person may no longer pass.
    scene.service.delete(&scene.membership()).await.expect(204);
    passage.refused(&scene.service, &gate, "no_access").await;
}

#[sqlx::test]
async fn an_event_that_is_repeated_after_the_person_went_on_opens_nothing(pool: PgPool) {
    let scene = Scene::start(&pool, json!({"anti_passback": "hard"})).await;
    let (way_in, out) =
        (scene.gate("in", json!({})).await, scene.gate("out", json!({"direction": "out"})).await);
    let entered = Passage::of("obama-3.jpg");
    entered.granted(&scene.service, &way_in).await;
    scene.granted(&out).await;
    entered.refused(&scene.service, &way_in, "passed_elsewhere").await;
    scene.granted(&way_in).await;
    entered.refused(&scene.service, &way_in, "passed_elsewhere").await;

    // What was granted on the way in is not granted again on a way out, and for no longer than the gate opens.
    let last = Passage::of("obama-1.jpg");
    scene.granted(&out).await;
    let first = last.granted(&scene.service, &way_in).await;
    assert_eq!(first["open_ms"], 3_000);
    let gate = format!("/v1/gates/{way_in}");
    scene.service.patch(&gate, json!({"open_ms": 1_000})).await.expect(200);
    assert_eq!(last.granted(&scene.service, &way_in).await["open_ms"], 1_000);
    scene.service.patch(&gate, json!({"direction": "out"})).await.expect(200);
    last.refused(&scene.service, &way_in, "stale_frame").await;
}

#[sqlx::test]
async fn a_change_does_not_starve_while_passages_overlap(pool: PgPool) {
    let scene = Scene::start(&pool, json!({})).await;
    let gate = scene.gate("in", json!({})).await;
    let site = format!("/v1/sites/{}", scene.site);
    // Held open one after another, so that at every moment one has begun and not ended.
    let begin = async || {
        let mut open = pool.begin().await.unwrap();
        let lock = "select pg_advisory_xact_lock_shared(119200062729729)";
        sqlx::query(lock).execute(&mut *open).await.unwrap();
        open
    };
    let first = begin().await;
    let (changed, ()) = tokio::join!(scene.service.patch(&site, json!({"name": "site"})), async {
        let waits = "select count(*) from pg_locks where not granted and locktype = 'advisory'";
        let waiting = async || sqlx::query_scalar::<_, i64>(waits).fetch_one(&pool).await.unwrap();
        eventually("the change waits", async || waiting().await == 1).await;
        let (second, ()) = tokio::join!(begin(), async {
            eventually("whoever comes later waits too", async || waiting().await == 2).await;
            first.rollback().await.unwrap();
        });
        second.rollback().await.unwrap();
    });
    changed.expect(200);
    scene.granted(&gate).await;
}

#[sqlx::test]
async fn a_person_in_a_gate_is_one_passage_and_is_nowhere_else(pool: PgPool) {
    let scene = Scene::start(&pool, json!({})).await;
    let debounce = json!({"debounce_ms": 600_000});
    let (one, two) = (scene.gate("one", debounce.clone()).await, scene.gate("two", debounce).await);
    scene.granted(&one).await;
    let again = scene.refused(&one, "already_granted").await;
    assert_eq!(again["decision"], "retry");
    let elsewhere = scene.refused(&two, "passed_elsewhere").await;
    assert_eq!(elsewhere["decision"], "deny");
    for gate in [&two, &one] {
        let patch = json!({"debounce_ms": 0});
        scene.service.patch(&format!("/v1/gates/{gate}"), patch).await.expect(200);
    }
    scene.granted(&two).await;
    let gate = json!({"name": "by itself"});
    let gate = scene.service.post("/v1/gates", gate).await.expect(201);
    assert_eq!(gate["debounce_ms"], 2_000);
}

#[sqlx::test]
async fn whoever_passes_once_too_often_is_told_after_which_passage_and_nobody_once_erased(
    pool: PgPool,
) {
    let scene = Scene::start(&pool, json!({"anti_passback": "hard"})).await;
    let service = &scene.service;
    let debounce = json!({"debounce_ms": 600_000});
    let (one, two) = (scene.gate("one", debounce.clone()).await, scene.gate("two", debounce).await);
    let earlier = async |refused: &Value| {
        let path = format!("/v1/passages/{}", refused["passage_id"].as_str().unwrap());
        let explained = service.get(&format!("{path}/explanation")).await.expect(200);
        let passage = service.get(&path).await.expect(200);
        assert_eq!(explained["earlier_passage_id"], passage["earlier_passage_id"]);
        passage["earlier_passage_id"].clone()
    };
    let passage = Passage::of("obama-2.jpg");
    let first = passage.granted(service, &one).await;
    assert_eq!(earlier(&first).await, Value::Null);
    let again = scene.refused(&one, "already_granted").await;
    assert_eq!(earlier(&again).await, first["passage_id"]);
    let elsewhere = scene.refused(&two, "passed_elsewhere").await;
    assert_eq!(earlier(&elsewhere).await, first["passage_id"]);
    for gate in [&one, &two] {
        service.patch(&format!("/v1/gates/{gate}"), json!({"debounce_ms": 0})).await.expect(200);
    }
    let twice = scene.refused(&one, "anti_passback").await;
    assert_eq!(earlier(&twice).await, first["passage_id"]);

    // A rule that only reports says so too, and what was granted since is in the way of a repetition.
    let zone = format!("/v1/zones/{}", scene.zone);
    service.patch(&zone, json!({"anti_passback": "soft"})).await.expect(200);
    let second = scene.granted(&two).await;
    assert_eq!(earlier(&second).await, first["passage_id"]);
    let repeated = passage.refused(service, &one, "passed_elsewhere").await;
    assert_eq!(earlier(&repeated).await, second["passage_id"]);
    // The gate has said what became of a grant.
    let third = Passage::of("obama-2.jpg");
    let granted = third.granted(service, &one).await;
    let used = json!({"input": "rotation_done", "passage_id": granted["passage_id"]});
    report(service, &one, used).await.expect(200);
    let settled = third.refused(service, &one, "already_granted").await;
    assert_eq!(earlier(&settled).await, granted["passage_id"]);
    assert_eq!(audit(service, &pool).await.faults, []);

    // Which passages were one person's is erased with the person.
    let path = format!("/v1/employees/{}/erasure", scene.employee);
    send(service.request(Method::POST, &path)).await.expect(200);
    for passage in service.trail().await {
        assert_eq!(passage["earlier_passage_id"], Value::Null, "{passage}");
    }
    assert_eq!(audit(service, &pool).await.faults, []);
}

#[sqlx::test]
async fn of_many_at_once_one_passes_where_one_may(pool: PgPool) {
    let scene = Scene::start(&pool, json!({"anti_passback": "hard"})).await;
    let gates = [scene.gate("a", json!({})).await, scene.gate("b", json!({})).await];
    let replica = TestService::start_replica(&pool).await;
    let answers = join_all((0..16usize).map(async |number| {
        let service = if number % 4 < 2 { &scene.service } else { &replica };
        Passage::of("obama-3.jpg").decide(service, &gates[number % 2]).await
    }));
    let decisions: Vec<Value> = answers.await;
    let granted = decisions.iter().filter(|answer| answer["decision"] == "grant").count();
    assert_eq!(granted, 1, "{decisions:?}");
    assert!(
        decisions
            .iter()
            .all(|answer| answer["reason"] == "granted" || answer["reason"] == "anti_passback")
    );
}

#[sqlx::test]
async fn no_grant_follows_an_answered_change_of_access(pool: PgPool) {
    let scene = Scene::start(&pool, json!({})).await;
    let gate = scene.gate("in", json!({})).await;
    let service = &scene.service;
    let group = format!("/v1/access-groups/{}", scene.group);
    let rules = json!([{"zone_id": scene.zone, "schedule_id": scene.schedule}]);
    for change in ["leave the group", "take the rule away", "a holiday"] {
        let racers = join_all((0..16u64).map(async |number| {
            tokio::time::sleep(Duration::from_millis(number * 15)).await;
            let sent_at = Utc::now();
            (sent_at, Passage::of("obama-3.jpg").decide(service, &gate).await)
        }));
        let change_answered_at = async {
            let decided =
                async || service.trail().await.iter().any(|row| row["reason"] == "granted");
            eventually("the first pass", decided).await;
            match change {
                "leave the group" => drop(service.delete(&scene.membership()).await.expect(204)),
                "take the rule away" => {
                    service.patch(&group, json!({"rules": []})).await.expect(200);
                }
                _ => {
                    let days = [-1, 0, 1].map(|d| (Utc::now() + TimeDelta::days(d)).date_naive());
                    let site = format!("/v1/sites/{}", scene.site);
                    service.patch(&site, json!({"holidays": days})).await.expect(200);
                }
            }
            Utc::now()
        };
        let (answers, answered_at) = tokio::join!(racers, change_answered_at);
        for (sent_at, answer) in &answers {
            assert!(*sent_at < answered_at || answer["decision"] != "grant", "{change}: {answer}");
        }
        for row in service.trail().await {
            let decided_at: DateTime<Utc> = row["decided_at"].as_str().unwrap().parse().unwrap();
            assert!(decided_at <= answered_at || row["decision"] != "grant", "{change}: {row}");
        }
        // As before, for the next.
        scene.join(json!({})).await;
        service.patch(&group, json!({"rules": rules})).await.expect(200);
    }
}
