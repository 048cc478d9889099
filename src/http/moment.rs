//! Moments and days as clients state them.

use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_with::DeserializeFromStr;

/// A moment of the years 0 to 9999: RFC 3339 has no way to write another, so none that was taken in
/// could be answered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeserializeFromStr)]
pub(super) struct Moment(pub DateTime<Utc>);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let moment: DateTime<Utc> = text.parse().map_err(|error| {
            format!("{text:?} is no RFC 3339 moment such as 2026-12-01T08:00:00Z: {error}")
        })?;
        check_year(text, moment.year())?;
        // What Postgres keeps, so that what is answered now is what is read later.
        let kept = DateTime::from_timestamp_micros(moment.timestamp_micros());
        kept.map(Self).ok_or_else(|| format!("{text:?} is out of range"))
    }
}

/// A day of these years by some calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, DeserializeFromStr)]
pub(super) struct Date(pub NaiveDate);

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date: NaiveDate = text
            .parse()
            .map_err(|error| format!("{text:?} is no day such as 2026-12-25: {error}"))?;
        check_year(text, date.year())?;
        Ok(Self(date))
    }
}

fn check_year(text: &str, year: i32) -> Result<(), String> {
    if (0..=9999).contains(&year) {
        return Ok(());
    }
    Err(format!("{text:?} is not in the years 0000 to 9999 that RFC 3339 can write"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_year_that_rfc_3339_cannot_write_is_refused() {
        for text in
            ["+262000-01-01T00:00:00Z", "-9999-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"]
        {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        assert!("2026-11-23T23:28:36.5+01:00".parse::<Moment>().is_ok());
    }

    #[test]
    fn a_day_is_of_the_calendar_and_of_such_a_year() {
        assert_eq!("2028-02-29".parse::<Date>().unwrap().0.to_string(), "2028-02-29");
        for text in ["2026-02-29", "2026-13-01", "+12026-12-25", "-0001-12-25", "25.12.2026", ""] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_in_can_be_written_and_read_again(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:[0-5][0-9])"
        ) {
            if let Ok(moment) = text.parse::<Moment>() {
                let written = moment.0.to_rfc3339();
                prop_assert!(DateTime::parse_from_rfc3339(&written).is_ok(), "{written}");
                prop_assert_eq!(written.parse::<Moment>().unwrap(), moment);
            }
        }
    }
}
