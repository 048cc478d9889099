//! What an operator asks for.

use super::Search;

/// Attempts a day, as the operator expects them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// By enrolled people.
    pub mated_per_day: f64,
    /// By strangers.
    pub non_mated_per_day: f64,
}

impl Traffic {
    /// Attempts of strangers a day where nobody says.
    pub const NON_MATED_DEFAULT: f64 = 10.0;

    /// Attempts a day of so many enrolled people where nobody says: each comes and goes.
    #[must_use]
    pub fn mated_by_default(people: u32) -> f64 {
        f64::from(people) * 2.0
    }
}

/// The risk that an operator accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// What an attempt is compared with.
    pub search: Search,
    /// The highest chance that a stranger's attempt matches anybody; over 0, under 1.
    pub max_fpir: f64,
    /// The highest share of failing attempts of enrolled people; over 0, under 1.
    pub max_fnir: f64,
    /// What comes to the gates.
    pub traffic: Traffic,
}

/// Why a request makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what} must be {range}, not {value}")]
pub struct RequestError {
    /// The field.
    pub what: &'static str,
    /// Its range, in words.
    pub range: &'static str,
    /// What it was.
    pub value: f64,
}

impl Request {
    /// The share of failing honest attempts beyond which people prop the gate open.
    pub const MAX_FNIR_DEFAULT: f64 = 0.2;

    /// Checks the ranges.
    ///
    /// # Errors
    /// At the first field outside its range.
    pub fn check(&self) -> Result<(), RequestError> {
        let rate = |v: f64| v > 0.0 && v < 1.0;
        let count = |v: f64| (0.0..=1e12).contains(&v);
        let people = self.search.people;
        let (mated, strangers) = (self.traffic.mated_per_day, self.traffic.non_mated_per_day);
        for (what, range, value, holds) in [
            ("the gallery", "1 or more people", f64::from(people), people >= 1),
            ("max_fpir", "over 0 and under 1", self.max_fpir, rate(self.max_fpir)),
            ("max_fnir", "over 0 and under 1", self.max_fnir, rate(self.max_fnir)),
            ("mated attempts a day", "0 to 1e12", mated, count(mated)),
            ("non-mated attempts a day", "0 to 1e12", strangers, count(strangers)),
        ] {
            if !holds {
                return Err(RequestError { what, range, value });
            }
        }
        Ok(())
    }
}
