//! Weekly hours by a site's clocks.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::decision::codes;
use super::employee::text;
use super::{ScheduleId, TextError};

text!(
    /// What people call a schedule: 1 to 100 printable characters, unique.
    ScheduleName, "a schedule's name", 100
);

codes! {
    /// A day of the week.
    Day {
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        Self::ALL[day.num_days_from_monday() as usize]
    }
}

/// A minute of the day by a wall clock, `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockTime {
    minutes: u16,
}

/// Not a time of day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time of day: expected HH:MM, 00:00 to 24:00")]
pub struct ClockTimeError(String);

impl ClockTime {
    const MIDNIGHT: u16 = 24 * 60;
}

impl From<NaiveTime> for ClockTime {
    fn from(time: NaiveTime) -> Self {
        // Less than 24 * 60.
        Self { minutes: (time.hour() * 60 + time.minute()) as u16 }
    }
}

impl FromStr for ClockTime {
    type Err = ClockTimeError;

    fn from_str(text: &str) -> Result<Self, ClockTimeError> {
        let two_digits = |part: &str| -> Option<u16> {
            (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse().ok())?
        };
        let parsed = text.split_once(':').and_then(|(hours, minutes)| {
            let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
            let time = Self { minutes: hours * 60 + minutes };
            (minutes < 60 && time.minutes <= Self::MIDNIGHT).then_some(time)
        });
        parsed.ok_or_else(|| ClockTimeError(text.to_owned()))
    }
}

impl TryFrom<String> for ClockTime {
    type Error = ClockTimeError;

    fn try_from(text: String) -> Result<Self, ClockTimeError> {
        text.parse()
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> Self {
        time.to_string()
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

/// From one time of some days until another: of the same day, or of the next where it is not later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stated")]
pub struct Hours {
    days: Vec<Day>,
    from: ClockTime,
    until: ClockTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    days: Vec<Day>,
    from: ClockTime,
    until: ClockTime,
}

/// Why these are no hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// No day, or one twice.
    #[error("days must be 1 to 7 different days of the week")]
    Days,
    /// Nothing, or a whole day?
    #[error("from and until must differ: a whole day is 00:00 to 24:00")]
    Empty,
    /// The end of the day is no beginning.
    #[error("from must be 00:00 to 23:59")]
    FromMidnight,
}

impl TryFrom<Stated> for Hours {
    type Error = HoursError;

    fn try_from(Stated { days, from, until }: Stated) -> Result<Self, HoursError> {
        Self::new(days, from, until)
    }
}

impl Hours {
    /// Hours that begin on `days` at `from`, and end before `until`.
    ///
    /// # Errors
    /// [`HoursError`].
    pub fn new(days: Vec<Day>, from: ClockTime, until: ClockTime) -> Result<Self, HoursError> {
        let different: HashSet<_> = days.iter().collect();
        if days.is_empty() || different.len() < days.len() {
            Err(HoursError::Days)
        } else if from == until {
            Err(HoursError::Empty)
        } else if from.minutes == ClockTime::MIDNIGHT {
            Err(HoursError::FromMidnight)
        } else {
            Ok(Self { days, from, until })
        }
    }

    /// Whether they hold at a time of a day; `holds_on` says whether hours of this schedule begin on a
    /// date.
    fn cover(
        &self,
        date: NaiveDate,
        time: ClockTime,
        holds_on: impl Fn(NaiveDate) -> bool,
    ) -> bool {
        let begin_on =
            |date: NaiveDate| self.days.contains(&date.weekday().into()) && holds_on(date);
        if self.from < self.until {
            return begin_on(date) && (self.from..self.until).contains(&time);
        }
        // Past midnight.
        let yesterday = date.checked_sub_signed(TimeDelta::days(1));
        (begin_on(date) && time >= self.from)
            || (yesterday.is_some_and(begin_on) && time < self.until)
    }
}

/// When a rule holds: weekly hours by the clocks of the zone's site.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Limen's id.
    pub id: ScheduleId,
    /// What people call it.
    pub name: ScheduleName,
    /// The hours; outside all of them the schedule does not hold.
    pub hours: Vec<Hours>,
    /// Whether the hours hold on the site's holidays too.
    pub on_holidays: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Schedule {
    /// Whether it holds at `now`, by the wall clocks of `time_zone`: when these are set back, an hour comes
    /// twice and counts twice; when they are set forward, an hour does not come. Hours that begin on a
    /// holiday hold only where the schedule holds on holidays.
    #[must_use]
    pub fn covers(&self, now: DateTime<Utc>, time_zone: Tz, holidays: &[NaiveDate]) -> bool {
        let local = now.with_timezone(&time_zone).naive_local();
        let holds_on = |date: NaiveDate| self.on_holidays || !holidays.contains(&date);
        let time = ClockTime::from(local.time());
        self.hours.iter().any(|hours| hours.cover(local.date(), time, holds_on))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use chrono_tz::Europe::Berlin;
    use proptest::prelude::*;

    use super::*;

    fn schedule(days: &[Day], from: &str, until: &str) -> Schedule {
        let hours = Hours::new(days.into(), from.parse().unwrap(), until.parse().unwrap()).unwrap();
        Schedule {
            id: ScheduleId::generate(),
            name: "hours".parse().unwrap(),
            hours: vec![hours],
            on_holidays: false,
            created_at: Utc::now(),
            updated_at: Utc::now(),
        }
    }

    /// By Berlin's clocks; the earlier of two where an hour comes twice.
    fn berlin(text: &str) -> DateTime<Utc> {
        let local = text.parse().unwrap();
        Berlin.from_local_datetime(&local).earliest().unwrap().to_utc()
    }

    #[test]
    fn hours_begin_with_their_first_minute_and_end_before_the_one_after() {
        let office = schedule(&[Day::Monday], "07:00", "19:00");
        let holds = |at: &str| office.covers(berlin(at), Berlin, &[]);
        // 2026-11-23 is a Monday.
        assert!(!holds("2026-11-23T06:59:59"));
        assert!(holds("2026-11-23T07:00:00"));
        assert!(holds("2026-11-23T18:59:59"));
        assert!(!holds("2026-11-23T19:00:00"));
        assert!(!holds("2026-11-24T12:00:00"));
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_on_which_they_begin() {
        let night = schedule(&[Day::Friday], "22:00", "06:00");
        let holds = |at: &str| night.covers(berlin(at), Berlin, &[]);
        assert!(holds("2026-11-27T22:00:00") && holds("2026-11-28T05:59:00"));
        assert!(!holds("2026-11-28T06:00:00") && !holds("2026-11-28T22:00:00"));
        assert!(!holds("2026-11-27T05:00:00"), "Thursday's night");
        // A holiday takes the night that begins on it, not the morning before.
        let friday = [NaiveDate::from_ymd_opt(2026, 11, 27).unwrap()];
        assert!(!night.covers(berlin("2026-11-28T05:00:00"), Berlin, &friday));
        let saturday = [NaiveDate::from_ymd_opt(2026, 11, 28).unwrap()];
        assert!(night.covers(berlin("2026-11-28T05:00:00"), Berlin, &saturday));
    }

    #[test]
    fn a_whole_day_is_from_midnight_to_midnight() {
        let day = schedule(&[Day::Sunday], "00:00", "24:00");
        assert!(day.covers(berlin("2026-11-29T00:00:00"), Berlin, &[]));
        assert!(day.covers(berlin("2026-11-29T23:59:59"), Berlin, &[]));
        assert!(!day.covers(berlin("2026-11-30T00:00:00"), Berlin, &[]));
    }

    #[test]
    fn clocks_set_forward_and_back_shift_no_hours() {
        let early = schedule(&[Day::Sunday], "02:00", "03:00");
        // 2026-03-29: from 02:00 to 03:00 at once. The hour does not come.
        for minute in 0..180 {
            let at =
                Utc.with_ymd_and_hms(2026, 3, 29, 0, 0, 0).unwrap() + TimeDelta::minutes(minute);
            assert!(!early.covers(at, Berlin, &[]), "{at}");
        }
        // 2026-10-25: 02:00 to 03:00 comes twice, 00:00 to 02:00 UTC.
        for minute in 0..240 {
            let at =
                Utc.with_ymd_and_hms(2026, 10, 24, 23, 0, 0).unwrap() + TimeDelta::minutes(minute);
            assert_eq!(early.covers(at, Berlin, &[]), (60..180).contains(&minute), "{at}");
        }
        // An office opens at 07:00 by the clock on both sides of the change.
        let office = schedule(&[Day::Friday, Day::Monday], "07:00", "19:00");
        for day in ["2026-03-27", "2026-03-30", "2026-10-23", "2026-10-26"] {
            assert!(!office.covers(berlin(&format!("{day}T06:59:00")), Berlin, &[]), "{day}");
            assert!(office.covers(berlin(&format!("{day}T07:00:00")), Berlin, &[]), "{day}");
        }
    }

    #[test]
    fn on_a_holiday_only_those_hold_that_say_so() {
        let christmas = [NaiveDate::from_ymd_opt(2026, 12, 25).unwrap()];
        let noon = berlin("2026-12-25T12:00:00");
        let office = schedule(&[Day::Friday], "07:00", "19:00");
        assert!(office.covers(noon, Berlin, &[]) && !office.covers(noon, Berlin, &christmas));
        let always = Schedule { on_holidays: true, ..office };
        assert!(always.covers(noon, Berlin, &christmas));
    }

    #[test]
    fn what_are_no_hours_is_refused_and_says_why() {
        let hours = |text: &str| serde_json::from_str::<Hours>(text).map_err(|e| e.to_string());
        let json = |days: &str, from: &str, until: &str| {
            hours(&format!(r#"{{"days": {days}, "from": "{from}", "until": "{until}"}}"#))
        };
        let friday = r#"["friday"]"#;
        let good = json(friday, "22:00", "06:00").unwrap();
        let again = serde_json::to_string(&good).unwrap();
        assert_eq!(hours(&again), Ok(good));
        for (found, why) in [
            (json("[]", "07:00", "19:00"), "1 to 7 different days"),
            (json(r#"["friday", "friday"]"#, "07:00", "19:00"), "1 to 7 different days"),
            (json(friday, "07:00", "07:00"), "a whole day is 00:00 to 24:00"),
            (json(friday, "24:00", "07:00"), "00:00 to 23:59"),
            (json(friday, "7:00", "19:00"), "HH:MM"),
            (json(r#"["Friday"]"#, "07:00", "19:00"), "unknown variant"),
        ] {
            assert!(found.as_ref().unwrap_err().contains(why), "{found:?}");
        }
    }

    #[test]
    fn only_times_of_day_are_times_of_day() {
        for text in ["00:00", "07:05", "23:59", "24:00"] {
            assert_eq!(text.parse::<ClockTime>().unwrap().to_string(), text);
        }
        for text in ["", "7:00", "07:60", "24:01", "25:00", "07-00", "+7:00", "07:00:00", "０７:00"]
        {
            assert!(text.parse::<ClockTime>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_of_day_or_refused(text in "\\PC{0,8}") {
            if let Ok(time) = text.parse::<ClockTime>() {
                prop_assert_eq!(time.to_string(), text);
            }
        }

        #[test]
        fn hours_hold_for_as_many_minutes_of_a_plain_week_as_they_have(
            (from, until) in (0u16..1_440, 0u16..=1_440),
            days in prop::collection::hash_set(0usize..7, 1..=7),
        ) {
            prop_assume!(from != until);
            let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            let days: Vec<Day> = days.into_iter().map(|day| Day::ALL[day]).collect();
            let some = schedule(&days, &clock(from), &clock(until));
            let monday = Utc.with_ymd_and_hms(2026, 11, 23, 0, 0, 0).unwrap();
            let held = (0..7 * 24 * 60)
                .filter(|minute| some.covers(monday + TimeDelta::minutes(*minute), Tz::UTC, &[]))
                .count();
            let each = if from < until { until - from } else { 1_440 - from + until };
            prop_assert_eq!(held, usize::from(each) * days.len());
        }
    }
}
