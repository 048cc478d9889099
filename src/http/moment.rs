//! Moments as clients state them.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Utc};
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
        if (0..=9999).contains(&moment.year()) {
            return Ok(Self(moment));
        }
        Err(format!("{text:?} is not in the years 0000 to 9999 that RFC 3339 can write"))
    }
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
