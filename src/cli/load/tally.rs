//! Counts the answers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::Value;

/// What became of a request.
pub(super) enum Answer {
    /// A 2xx answer, and the outcome or decision that it names.
    Success(String),
    /// Any other status, or why there was none.
    Failure(String),
}

impl Answer {
    pub fn of(status: StatusCode, body: &[u8]) -> Self {
        if !status.is_success() {
            return Self::Failure(status.as_u16().to_string());
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let outcome = ["outcome", "decision"].into_iter().find_map(|name| body[name].as_str());
        Self::Success(outcome.unwrap_or("none").to_owned())
    }

    pub fn failed(error: &reqwest::Error) -> Self {
        let kind = if error.is_timeout() {
            "timeout"
        } else if error.is_connect() {
            "connect"
        } else {
            "broken_off"
        };
        Self::Failure(kind.to_owned())
    }
}

/// Answers and how long they took.
pub(super) struct Tally {
    /// Of successes, in microseconds.
    latencies: Histogram<u64>,
    /// Of all else.
    failed_after: Histogram<u64>,
    outcomes: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
}

impl Default for Tally {
    fn default() -> Self {
        #[allow(clippy::expect_used, reason = "three digits are within the crate's 0 to 5")]
        let latencies = Histogram::new(3).expect("a histogram of three digits");
        let failed_after = latencies.clone();
        Self { latencies, failed_after, outcomes: BTreeMap::new(), errors: BTreeMap::new() }
    }
}

impl Tally {
    pub fn count(&mut self, answer: Answer, latency: Duration) {
        let (latencies, counts, kind) = match answer {
            Answer::Success(outcome) => (&mut self.latencies, &mut self.outcomes, outcome),
            Answer::Failure(kind) => (&mut self.failed_after, &mut self.errors, kind),
        };
        // A histogram grows with what it is given, so that nothing is out of range.
        let _ = latencies.record(latency.as_micros().try_into().unwrap_or(u64::MAX));
        *counts.entry(kind).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        // Both grow as needed, so that none is out of range.
        let _ = self.latencies.add(&other.latencies);
        let _ = self.failed_after.add(&other.failed_after);
        let sum = |into: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>| {
            from.iter().for_each(|(kind, count)| *into.entry(kind.clone()).or_default() += count);
        };
        sum(&mut self.outcomes, &other.outcomes);
        sum(&mut self.errors, &other.errors);
    }

    /// `took`: from the first request that counts to the last answer.
    pub fn report(&self, took: Duration) -> Report {
        let answered = self.latencies.len();
        Report {
            answered,
            per_second: answered as f64 / took.as_secs_f64(),
            latency_ms: LatencyMs::of(&self.latencies),
            failed_after_ms: (!self.failed_after.is_empty())
                .then(|| LatencyMs::of(&self.failed_after)),
            outcomes: self.outcomes.clone(),
            errors: self.errors.clone(),
        }
    }
}

/// What a load gave.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Answers with success.
    pub answered: u64,
    /// Of these, in a second.
    pub per_second: f64,
    /// Of these, from when the request was due.
    pub latency_ms: LatencyMs,
    /// Of all else, from when the request was due: refusals, errors and requests without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_after_ms: Option<LatencyMs>,
    /// Of the answers with success, by the outcome or decision that they name.
    pub outcomes: BTreeMap<String, u64>,
    /// Other answers by their status, and requests without one.
    pub errors: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct LatencyMs {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl LatencyMs {
    fn of(micros: &Histogram<u64>) -> Self {
        let ms = |micros: u64| micros as f64 / 1000.0;
        let at = |quantile: f64| ms(micros.value_at_quantile(quantile));
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: ms(micros.max()) }
    }
}

impl fmt::Display for LatencyMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, max } = self;
        write!(f, "p50 {p50:.1} ms, p90 {p90:.1}, p99 {p99:.1}, max {max:.1}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "answered     {} ({:.1} a second)", self.answered, self.per_second)?;
        writeln!(f, "latency      {}", self.latency_ms)?;
        for (outcome, count) in &self.outcomes {
            writeln!(f, "  {outcome:<17} {count}")?;
        }
        for (kind, count) in &self.errors {
            writeln!(f, "  error {kind:<11} {count}")?;
        }
        if let Some(after) = &self.failed_after_ms {
            writeln!(f, "errors after {after}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_what_they_say_and_failures_by_their_kind() {
        let mut tally = Tally::default();
        let mut other = Tally::default();
        let ok = |body: &[u8]| Answer::of(StatusCode::OK, body);
        for ms in 1..=100 {
            tally.count(ok(br#"{"outcome": "match"}"#), Duration::from_millis(ms));
        }
        other.count(ok(br#"{"decision": "deny"}"#), Duration::from_millis(500));
        other.count(Answer::of(StatusCode::TOO_MANY_REQUESTS, b""), Duration::from_secs(9));
        tally.add(&other);
        let report = tally.report(Duration::from_secs(2));
        assert_eq!((report.answered, report.per_second), (101, 50.5));
        assert!((report.latency_ms.p50 - 51.0).abs() < 0.2, "{report:?}");
        assert!((report.latency_ms.max - 500.0).abs() < 1.0, "{report:?}");
        let counts = |of: &BTreeMap<String, u64>| of.clone().into_iter().collect::<Vec<_>>();
        assert_eq!(counts(&report.outcomes), [("deny".into(), 1), ("match".into(), 100)]);
        assert_eq!(counts(&report.errors), [("429".into(), 1)]);
        let refused = report.failed_after_ms.unwrap();
        assert!((refused.p50 - 9_000.0).abs() < 9.0, "{refused:?}");
    }
}
