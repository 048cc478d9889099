//! What a simulation came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::books::{Line, Reconciliation};
use super::site::{Enrolled, LEFT_OUT_NAMED_MAX};
use super::tally::{Eavesdropped, OfTruth, Tally, TimesMs, Traffic};

/// The whole of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub run: String,
    /// With which the same people come at the same moments again.
    pub seed: u64,
    pub url: String,
    pub gates: usize,
    pub duration_s: f64,
    /// False where it was stopped before its time.
    pub complete: bool,
    pub enrolled: usize,
    /// Who came as an entry that was there before.
    pub known: Vec<String>,
    /// Who was not enrolled, and why.
    pub left_out: BTreeMap<String, String>,
    /// People who came, had their turn, and stood in line at the end.
    pub came: u64,
    pub served: u64,
    pub in_line: u64,
    pub people_per_minute: f64,
    pub passages_per_second: f64,
    pub traffic: Traffic,
    pub eavesdropped: Eavesdropped,
    /// From a request to its answer.
    pub latency_ms: TimesMs,
    /// From the capture of a frame to the answer that the gate heard, repetitions included.
    pub decision_ms: TimesMs,
    /// In line before it was somebody's turn.
    pub line_ms: TimesMs,
    pub mated: OfTruth,
    pub stranger: OfTruth,
    pub attacks: BTreeMap<String, OfTruth>,
    pub reconciliation: Reconciliation,
    /// Whether the metrics were asked.
    pub with_metrics: bool,
}

/// What is known of a run beside what was counted.
pub(super) struct Run {
    pub name: String,
    pub seed: u64,
    pub url: String,
    pub gates: usize,
    pub elapsed: Duration,
    pub complete: bool,
    pub with_metrics: bool,
}

impl Report {
    pub fn new(run: Run, enrolled: Enrolled, tally: Tally, books: Reconciliation) -> Self {
        let Run { name, seed, url, gates, elapsed, complete, with_metrics } = run;
        let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let served = tally.served();
        Self {
            run: name,
            seed,
            url,
            gates,
            duration_s: elapsed.as_secs_f64(),
            complete,
            enrolled: enrolled.members.len(),
            known: enrolled.known,
            left_out: enrolled.left_out,
            came: tally.came,
            served,
            in_line: tally.came.saturating_sub(served),
            people_per_minute: served as f64 * 60.0 / seconds,
            passages_per_second: tally.traffic.events_answered as f64 / seconds,
            latency_ms: tally.latency.summary(),
            decision_ms: tally.decision.summary(),
            line_ms: tally.line.summary(),
            traffic: tally.traffic,
            eavesdropped: tally.eavesdropped,
            mated: tally.mated,
            stranger: tally.stranger,
            attacks: tally.attacks,
            reconciliation: books,
            with_metrics,
        }
    }

    /// Whether something was answered, the books add up, and nothing that was sent again as it was, was answered.
    pub fn is_sound(&self) -> bool {
        let is_replayed = self.eavesdropped.answered > 0;
        self.reconciliation.adds_up && self.traffic.answers > 0 && !is_replayed
    }

    fn truths(&self) -> impl Iterator<Item = (String, &OfTruth)> {
        let attacks = self.attacks.iter().map(|(kind, of)| (format!("attack: {kind}"), of));
        let others = [("mated", &self.mated), ("stranger", &self.stranger)];
        others.into_iter().map(|(name, of)| (name.to_owned(), of)).chain(attacks)
    }

    fn people(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = [
            "who",
            "people",
            "opened",
            "not recognised",
            "withheld",
            "unanswered",
            "false accepts",
            "false rejects",
            "left with",
        ];
        let mut table = numbers(&header, 1..8);
        for (name, of) in self.truths().filter(|(_, of)| of.people > 0) {
            let reasons = of.reasons.iter().map(|(reason, count)| format!("{reason} {count}"));
            let [people, opened, face, rule, none, accepts, rejects] = [
                of.people,
                of.opened,
                of.not_recognised,
                of.withheld,
                of.unanswered,
                of.false_accepts,
                of.false_rejects,
            ];
            let numbers = [people, opened, face, rule, none].map(|number| number.to_string());
            // Only who is enrolled can be rejected falsely.
            let is_mated = std::ptr::eq(of, &self.mated);
            let rejects = if is_mated { share(rejects, of.answered()) } else { String::new() };
            let errors = [share(accepts, of.answered()), rejects];
            let left_with = reasons.collect::<Vec<_>>().join("\n");
            table.add_row([name].into_iter().chain(numbers).chain(errors).chain([left_with]));
        }
        writeln!(f, "{table}")
    }

    fn books(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let books = &self.reconciliation;
        let header =
            ["reason", "answers", "of them repeated", "Postgres", "/metrics", "of other gates"];
        let mut table = numbers(&header, 1..6);
        let mut sum = Line { metrics: self.with_metrics.then_some(0), ..Line::default() };
        let row = |name: &str, line: &Line| {
            let metrics = line.metrics.map_or("not asked".to_owned(), |count| count.to_string());
            let [answers, repeated, trail, others] =
                [line.answers, line.repeated, line.trail, line.others].map(|n| n.to_string());
            [name.to_owned(), answers, repeated, trail, metrics, others]
        };
        for (reason, line) in &books.reasons {
            table.add_row(row(reason, line));
            sum.answers += line.answers;
            sum.repeated += line.repeated;
            sum.trail += line.trail;
            sum.metrics = sum.metrics.zip(line.metrics).map(|(sum, count)| sum + count);
            sum.others += line.others;
        }
        table.add_row(row("all", &sum));
        writeln!(f, "{table}")?;
        for difference in &books.differences {
            writeln!(f, "  {difference}")?;
        }
        let told = books.differences.len() as u64;
        if books.differences_count > told {
            writeln!(f, "  and {} more", books.differences_count - told)?;
        }
        books.remarks.iter().try_for_each(|remark| writeln!(f, "  {remark}"))?;
        let verdict = match (books.adds_up, self.with_metrics) {
            (true, true) if !books.metrics_judged => {
                "adds up with Postgres; the metrics cannot be judged: other gates passed people meanwhile"
            }
            (true, true) => "adds up with Postgres and /metrics",
            (true, false) => "adds up with Postgres; /metrics were not asked",
            (false, _) => "does NOT add up",
        };
        writeln!(f, "{verdict}")?;
        let replayed = self.eavesdropped.answered;
        if replayed > 0 {
            writeln!(
                f,
                "NOT sound: {replayed} requests that were sent again as they were, were answered"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, seed, gates, duration_s, enrolled, .. } = self;
        let stopped = if self.complete { "" } else { ", stopped before its time" };
        writeln!(f, "run {run}: {gates} gates, {duration_s:.1} s{stopped}, --seed {seed}")?;
        writeln!(f, "enrolled     {enrolled}")?;
        if !self.known.is_empty() {
            writeln!(
                f,
                "             known before, and so not enrolled: {}",
                self.known.join(", ")
            )?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "left out     {}", self.left_out.len())?;
            for (name, why) in self.left_out.iter().take(LEFT_OUT_NAMED_MAX) {
                writeln!(f, "             {name}: {why}")?;
            }
        }
        let (came, served, in_line) = (self.came, self.served, self.in_line);
        writeln!(
            f,
            "people       {came} came, {served} had their turn, {in_line} still stood in line"
        )?;
        let (people, passages) = (self.people_per_minute, self.passages_per_second);
        writeln!(f, "throughput   {people:.0} people a minute, {passages:.1} passages a second")?;
        for (name, times) in [
            ("latency", &self.latency_ms),
            ("decision", &self.decision_ms),
            ("in line", &self.line_ms),
        ] {
            let TimesMs { p50, p90, p99, max } = times;
            writeln!(f, "{name:<12} p50 {p50:.1} ms, p90 {p90:.1}, p99 {p99:.1}, max {max:.1}")?;
        }
        let Traffic { events, with_several_frames, events_answered, events_heard, .. } =
            self.traffic;
        writeln!(
            f,
            "passages     {events} asked for ({with_several_frames} with several frames), {events_answered} \
             answered, {events_heard} heard"
        )?;
        let Traffic { answers, answers_lost, requests_lost, repeated, busy, .. } = self.traffic;
        writeln!(
            f,
            "requests     {answers} answered, {repeated} repeated; lost on their way there {requests_lost}, back \
             {answers_lost}; too busy {busy}"
        )?;
        for (why, count) in &self.traffic.failures {
            writeln!(f, "             {count} failed: {why}")?;
        }
        let Eavesdropped { sent, refused, answered } = self.eavesdropped;
        if sent > 0 {
            writeln!(
                f,
                "eavesdropped {sent} sent again as they were, {refused} refused, {answered} answered"
            )?;
        }
        writeln!(f)?;
        self.people(f)?;
        writeln!(f)?;
        self.books(f)
    }
}

/// A table whose columns of numbers stand to the right.
pub(super) fn numbers(header: &[&str], columns: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table.set_header(header);
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// `3 (1.50 %)`
fn share(count: u64, of: u64) -> String {
    match of {
        0 => count.to_string(),
        of => format!("{count} ({:.2} %)", count as f64 * 100.0 / of as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::super::books::{Books, ByReason};
    use super::*;

    fn report(metrics: Option<&ByReason>, are_others: bool, replayed: u64) -> Report {
        let others = ByReason::new();
        let books = Books { events: &[], trail: &[], metrics, others: &others, are_others };
        let mut tally = Tally::default();
        tally.traffic.answers = 1;
        tally.eavesdropped = Eavesdropped { sent: 1, refused: 1 - replayed, answered: replayed };
        let run = Run {
            name: "a".to_owned(),
            seed: 1,
            url: String::new(),
            gates: 1,
            elapsed: Duration::from_secs(1),
            complete: true,
            with_metrics: metrics.is_some(),
        };
        Report::new(run, Enrolled::default(), tally, books.reconcile())
    }

    #[test]
    fn a_replayed_request_that_was_answered_is_not_sound_and_the_verdict_says_so() {
        let sound = report(None, false, 0);
        assert!(sound.is_sound() && !sound.to_string().contains("NOT"), "{sound}");
        let replayed = report(None, false, 1);
        assert!(!replayed.is_sound(), "{replayed}");
        assert!(replayed.to_string().contains("NOT sound: 1 requests"), "{replayed}");
    }

    #[test]
    fn the_verdict_says_of_the_metrics_no_more_than_is_known() {
        let metrics = ByReason::new();
        let alone = report(Some(&metrics), false, 0).to_string();
        assert!(alone.ends_with("adds up with Postgres and /metrics\n"), "{alone}");
        let others = report(Some(&metrics), true, 0).to_string();
        assert!(others.contains("adds up with Postgres; the metrics cannot be judged"), "{others}");
    }
}
