//! People, zones and schedules through simulated weeks, with the clocks set forward and back.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Europe::Berlin;

use super::tests::{EARLIER, Scene, admission, schedule, zone};
use crate::domain::{
    AntiPassback, Day, Direction, EmployeeId, EmployeeStatus, GateId, LastCrossing, LastGate,
    Notice, Reason, Schedule, Validity, ZoneId,
};
use crate::store::ZoneGround;

/// One site with two zones of one gate each way. The hall is everybody's, by their hours; in the vault
/// anti-passback is hard, for twelve hours.
struct Simulation {
    hall: ZoneGround,
    vault: ZoneGround,
    gates: HashMap<(&'static str, Direction), GateId>,
    /// Every grant: who, through which gate of which zone, which way, when.
    trail: Vec<(&'static str, GateId, ZoneId, Direction, DateTime<Utc>)>,
    people: HashMap<&'static str, EmployeeId>,
}

const WORKDAYS: [Day; 5] = [Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday];

impl Simulation {
    fn new(holidays: &[&str], anti_passback: AntiPassback) -> Self {
        let (mut hall, mut vault) = (zone(), zone());
        let holidays: Vec<NaiveDate> = holidays.iter().map(|day| day.parse().unwrap()).collect();
        for zone in [&mut hall, &mut vault] {
            zone.site.holidays = holidays.clone();
            zone.admissions.clear();
        }
        hall.zone.anti_passback = AntiPassback::Off;
        vault.zone.anti_passback = anti_passback;
        vault.zone.anti_passback_reset_s = 12 * 3_600;
        let gates = ["hall", "vault"].into_iter().flat_map(|zone| {
            [Direction::In, Direction::Out].map(|way| ((zone, way), GateId::generate()))
        });
        let people = ["ada", "bob", "eve", "visitor"].map(|name| (name, EmployeeId::generate()));
        Self { hall, vault, gates: gates.collect(), trail: Vec::new(), people: people.into() }
    }

    /// Ada works by day and has the vault. Bob guards the hall by night. Eve cleans on Sundays, holidays too.
    /// A visitor has the hall at any hour of one week.
    fn schedules(who: &str, zone: &str) -> Vec<Schedule> {
        let by_day: (&[Day], _, _) = (&WORKDAYS, "07:00", "19:00");
        match (who, zone) {
            ("ada", _) => vec![schedule(&[by_day])],
            ("bob", "hall") => vec![schedule(&[(&Day::ALL, "22:00", "06:00")])],
            ("eve", "hall") => {
                let sundays = schedule(&[(&[Day::Sunday], "01:00", "05:00")]);
                vec![Schedule { on_holidays: true, ..sundays }]
            }
            ("visitor", "hall") => vec![schedule(&[(&Day::ALL, "00:00", "24:00")])],
            _ => Vec::new(),
        }
    }

    /// Somebody shows their face at a gate.
    fn at(
        &mut self,
        now: DateTime<Utc>,
        who: &'static str,
        zone: &'static str,
        direction: Direction,
    ) -> (Reason, Option<Notice>) {
        let mut scene = Scene::granted_at(now);
        let mut ground = if zone == "hall" { self.hall.clone() } else { self.vault.clone() };
        ground.admissions = Self::schedules(who, zone).into_iter().map(admission).collect();
        let (gate_id, zone_id) = (self.gates[&(zone, direction)], ground.zone.id);
        let own = || self.trail.iter().rev().filter(|entry| entry.0 == who);
        ground.last_crossing = own().find(|entry| entry.2 == zone_id).map(|entry| LastCrossing {
            passage_id: EARLIER,
            direction: entry.3,
            at: entry.4,
        });
        scene.ground.last_gate = own().next().map(|entry| LastGate {
            passage_id: EARLIER,
            gate_id: entry.1,
            at: entry.4,
            debounce_ms: 0,
        });
        scene.ground.gate.id = gate_id;
        scene.ground.gate.policy.direction = direction;
        scene.ground.zone = Some(ground);
        let id = self.people[who];
        scene.employee().id = id;
        scene.attempt.evidence.employee_id = Some(id);
        if who == "visitor" {
            let day = |text: &str| berlin(&format!("{text}T00:00"));
            scene.employee().validity =
                Validity { from: Some(day("2026-03-23")), until: Some(day("2026-03-28")) };
        }
        scene.employee().status = EmployeeStatus::Active;
        let verdict = scene.verdict();
        if verdict.reason == Reason::Granted {
            self.trail.push((who, gate_id, zone_id, direction, now));
        }
        (verdict.reason, verdict.notice)
    }

    /// Each line: when by Berlin's clocks, who, which zone, which way, what comes of it.
    fn plays(&mut self, table: &[(&str, &'static str, &'static str, Direction, Reason)]) {
        for (when, who, zone, direction, expected) in table {
            let (found, _) = self.at(berlin(when), who, zone, *direction);
            assert_eq!(found, *expected, "{when} {who} {zone} {direction:?}");
        }
    }
}

/// By Berlin's clocks; the earlier of two where an hour comes twice.
fn berlin(text: &str) -> DateTime<Utc> {
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap();
    Berlin.from_local_datetime(&local).earliest().unwrap().to_utc()
}

use Direction::{In, Out};
use Reason::{
    AntiPassback as Twice, Expired, Granted, NoAccess, NotYetValid, OutsideHours, PassedElsewhere,
};

#[test]
fn the_week_in_which_the_clocks_are_set_forward() {
    // Friday is a holiday; on Sunday 2026-03-29 the hour from 02:00 does not come.
    let mut week = Simulation::new(&["2026-03-27"], AntiPassback::Hard);
    week.plays(&[
        ("2026-03-22T23:59", "visitor", "hall", In, NotYetValid),
        ("2026-03-23T00:00", "visitor", "hall", In, Granted),
        ("2026-03-23T05:59", "bob", "hall", In, Granted),
        ("2026-03-23T06:00", "bob", "hall", In, OutsideHours),
        // Leaving is not a matter of hours.
        ("2026-03-23T06:30", "bob", "hall", Out, Granted),
        ("2026-03-23T06:59", "ada", "hall", In, OutsideHours),
        ("2026-03-23T07:00", "ada", "hall", In, Granted),
        ("2026-03-23T08:00", "ada", "vault", In, Granted),
        ("2026-03-23T08:01", "ada", "vault", In, Twice),
        ("2026-03-23T09:00", "ada", "vault", Out, Granted),
        ("2026-03-23T09:01", "ada", "vault", Out, Twice),
        ("2026-03-23T09:30", "ada", "vault", In, Granted),
        ("2026-03-23T09:31", "visitor", "vault", In, NoAccess),
        ("2026-03-23T09:32", "bob", "vault", In, NoAccess),
        // Ada left through the emergency exit; twelve hours later nobody knows any more.
        ("2026-03-23T18:59", "ada", "vault", In, Twice),
        ("2026-03-24T07:00", "ada", "vault", In, Granted),
        ("2026-03-24T19:00", "ada", "hall", In, OutsideHours),
        ("2026-03-24T20:00", "ada", "vault", Out, Granted),
        ("2026-03-24T22:00", "bob", "hall", In, Granted),
        // The night before the holiday began on Thursday; the day and the night after are taken.
        ("2026-03-26T22:00", "bob", "hall", In, Granted),
        ("2026-03-27T05:59", "bob", "hall", In, Granted),
        ("2026-03-27T12:00", "ada", "hall", In, OutsideHours),
        ("2026-03-27T12:00", "visitor", "hall", In, OutsideHours),
        ("2026-03-27T22:00", "bob", "hall", In, OutsideHours),
        ("2026-03-28T03:00", "bob", "hall", In, OutsideHours),
        ("2026-03-28T00:00", "visitor", "hall", In, Expired),
        ("2026-03-28T12:00", "ada", "hall", In, OutsideHours),
        ("2026-03-28T22:00", "bob", "hall", In, Granted),
        // Sunday: 01:59, then 03:00.
        ("2026-03-29T00:59", "eve", "hall", In, OutsideHours),
        ("2026-03-29T01:59", "eve", "hall", In, Granted),
        ("2026-03-29T03:00", "eve", "hall", In, Granted),
        ("2026-03-29T04:59", "eve", "hall", In, Granted),
        ("2026-03-29T05:00", "eve", "hall", In, OutsideHours),
        ("2026-03-29T05:59", "bob", "hall", In, Granted),
        ("2026-03-29T06:00", "bob", "hall", In, OutsideHours),
        ("2026-03-30T06:59", "ada", "hall", In, OutsideHours),
        ("2026-03-30T07:00", "ada", "hall", In, Granted),
    ]);
    let last = berlin("2026-03-29T01:59");
    assert_eq!(last + TimeDelta::minutes(1), berlin("2026-03-29T03:00"), "no hour between");
}

#[test]
fn the_week_in_which_the_clocks_are_set_back() {
    // On Sunday 2026-10-25, a holiday, the hour from 02:00 comes twice.
    let mut week = Simulation::new(&["2026-10-25"], AntiPassback::Hard);
    week.plays(&[
        ("2026-10-19T06:59", "ada", "hall", In, OutsideHours),
        ("2026-10-19T07:00", "ada", "hall", In, Granted),
        ("2026-10-23T18:59", "ada", "hall", In, Granted),
        ("2026-10-23T19:00", "ada", "hall", In, OutsideHours),
        // Bob's night of Saturday lasts until Sunday's morning, which is a holiday.
        ("2026-10-24T22:00", "bob", "hall", In, Granted),
        ("2026-10-25T01:00", "eve", "hall", In, Granted),
    ]);
    let two = berlin("2026-10-25T02:00");
    for minute in 0..120 {
        let now = two + TimeDelta::minutes(minute);
        assert_eq!(week.at(now, "eve", "hall", In).0, Granted, "{now}");
        assert_eq!(week.at(now, "bob", "hall", In).0, Granted, "{now}");
    }
    assert_eq!(two + TimeDelta::hours(2), berlin("2026-10-25T03:00"), "an hour came twice");
    week.plays(&[
        ("2026-10-25T05:00", "eve", "hall", In, OutsideHours),
        ("2026-10-25T05:59", "bob", "hall", In, Granted),
        ("2026-10-25T22:00", "bob", "hall", In, OutsideHours),
        ("2026-10-26T06:59", "ada", "hall", In, OutsideHours),
        ("2026-10-26T07:00", "ada", "hall", In, Granted),
    ]);
}

#[test]
fn the_same_week_with_soft_anti_passback_opens_and_reports() {
    let mut week = Simulation::new(&[], AntiPassback::Soft);
    let monday = |time: &str| berlin(&format!("2026-03-23T{time}"));
    for (when, direction, notice) in [
        (monday("08:00"), In, None),
        (monday("08:01"), In, Some(Notice::AntiPassback)),
        (monday("09:00"), Out, None),
        (monday("09:01"), Out, Some(Notice::AntiPassback)),
    ] {
        assert_eq!(week.at(when, "ada", "vault", direction), (Granted, notice), "{when}");
    }
}

#[test]
fn nobody_is_at_two_gates_at_once() {
    let mut week = Simulation::new(&[], AntiPassback::Off);
    let eight = berlin("2026-03-23T08:00");
    // The gates' debounce is ten seconds.
    for (seconds, zone, expected) in [
        (0, "hall", Granted),
        (9, "hall", Reason::AlreadyGranted),
        (9, "vault", PassedElsewhere),
        (10, "vault", Granted),
        (19, "hall", PassedElsewhere),
        (20, "hall", Granted),
    ] {
        let now = eight + TimeDelta::seconds(seconds);
        assert_eq!(week.at(now, "ada", zone, In).0, expected, "{seconds} s, {zone}");
    }
}
