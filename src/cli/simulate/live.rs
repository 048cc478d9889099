//! What whoever waits for a simulation sees meanwhile: a table in a terminal, else a line now and then.

use std::sync::Arc;
use std::time::Duration;

use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::fleet::Fleet;
use super::report::numbers;
use super::tally::{OfTruth, TimesMs};

/// How often the table is drawn, and a line printed.
const TABLE_EVERY: Duration = Duration::from_millis(500);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how a fleet does until it is aborted.
pub(super) async fn show(fleet: Arc<Fleet>) {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    let is_terminal = !bar.is_hidden();
    let start = Instant::now();
    let mut ticks = interval(if is_terminal { TABLE_EVERY } else { LINE_EVERY });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first is at once.
    ticks.tick().await;
    let _cleared = Cleared(bar.clone());
    loop {
        ticks.tick().await;
        let elapsed = start.elapsed();
        if elapsed > fleet.rules.duration {
            continue;
        }
        let reading = Reading::of(&fleet, elapsed);
        if is_terminal {
            bar.set_message(format!("{}\n{}", reading.table(), reading.line()));
        } else {
            eprintln!("{}", reading.line());
        }
    }
}

/// Takes the table away once nobody draws it.
struct Cleared(ProgressBar);

impl Drop for Cleared {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

struct Reading {
    elapsed: Duration,
    duration: Duration,
    came: u64,
    served: u64,
    answers: u64,
    lost: u64,
    busy: u64,
    latency: TimesMs,
    truths: Vec<(String, OfTruth)>,
}

impl Reading {
    fn of(fleet: &Fleet, elapsed: Duration) -> Self {
        let tally = fleet.tally.lock();
        Self {
            elapsed,
            duration: fleet.rules.duration,
            came: fleet.came(elapsed),
            served: tally.served(),
            answers: tally.traffic.answers,
            lost: tally.traffic.answers_lost + tally.traffic.requests_lost,
            busy: tally.traffic.busy,
            latency: tally.latency.summary(),
            truths: tally.truths().map(|(name, of)| (name, of.clone())).collect(),
        }
    }

    fn line(&self) -> String {
        let Self { came, served, answers, lost, busy, .. } = self;
        let TimesMs { p50, p99, .. } = self.latency;
        let sum = |of: fn(&OfTruth) -> u64| self.truths.iter().map(|(_, one)| of(one)).sum::<u64>();
        let (accepts, rejects) = (sum(|of| of.false_accepts), sum(|of| of.false_rejects));
        format!(
            "{:>3.0} of {:.0} s: {came} came, {served} served; {answers} answers, {:.1} a second, p50 {p50:.0} ms, \
             p99 {p99:.0} ms, {lost} lost, {busy} too busy; false accepts {accepts}, false rejects {rejects}",
            self.elapsed.as_secs_f64(),
            self.duration.as_secs_f64(),
            *answers as f64 / self.elapsed.as_secs_f64(),
        )
    }

    fn table(&self) -> Table {
        let header = [
            "",
            "people",
            "opened",
            "not recognised",
            "withheld",
            "unanswered",
            "false accepts",
            "false rejects",
        ];
        let mut table = numbers(&header, 1..8);
        for (name, of) in &self.truths {
            let numbers = [
                of.people,
                of.opened,
                of.not_recognised,
                of.withheld,
                of.unanswered,
                of.false_accepts,
                of.false_rejects,
            ];
            table.add_row(
                [name.clone()].into_iter().chain(numbers.map(|number| number.to_string())),
            );
        }
        table
    }
}
