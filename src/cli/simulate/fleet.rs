//! The gates at work: each serves one person at a time, as turnstiles do.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::arrivals::Arrivals;
use super::cast::{Cast, Photo, Shares, Who};
use super::recording::Recorder;
use super::tally::Tally;
use super::turnstile::{Frames, OnTheWire, Sent, Turnstile};
use super::visit::{Answered, Event, Truth, Visit};
use crate::domain::{Decision, EmployeeId};

/// How often a gate sends the frames of one event, as long as it hears nothing.
const REQUESTS_MAX: u32 = 3;

/// How often it asks again beside that because the service was too busy: about as long as its frames are fresh.
const BUSY_MAX: u32 = 4;

/// How often somebody tries whom a gate asks for another frame.
const TRIES_MAX: usize = 3;

/// How long they take until the next.
const NEXT_TRY: Duration = Duration::from_millis(500);

/// How long a gate is taken by somebody who goes through, and by somebody who turns away.
const GO_THROUGH: Duration = Duration::from_millis(1_500);
const TURN_AWAY: Duration = Duration::from_millis(500);

/// Frames of a passage that has several.
const FRAMES: usize = 3;

/// How long a gate that the service is too busy for waits at least, and at most, before it asks again.
const BUSY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// How the run goes.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub duration: Duration,
    pub arrivals: Arrivals,
    pub shares: Shares,
    /// Of the events, how many come with several frames.
    pub several: f64,
    /// Of the requests, how many get lost: half on their way there, half of the answers.
    pub loss: f64,
    /// Of the requests that were answered, how many somebody who listened sends again.
    pub eavesdrop: f64,
    /// How long a gate waits for an answer that got lost.
    pub patience: Duration,
    pub seed: u64,
}

/// Somebody who comes to a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    at: Duration,
    who: Who,
    /// For whatever else chance decides of them.
    seed: u64,
}

impl Arrival {
    /// When they come, from the start of the run.
    pub fn at(&self) -> Duration {
        self.at
    }
}

/// Who comes when, for each gate: the same for a seed, whatever the service answers.
pub(super) fn plan(rules: &Rules, cast: &Cast, gates: u16) -> Vec<Vec<Arrival>> {
    let mut seeds = StdRng::seed_from_u64(rules.seed);
    let lots = cast.lots(rules.shares);
    let of_gate = |_| {
        let mut rng = StdRng::seed_from_u64(seeds.random());
        let moments = rules.arrivals.draw(&mut rng, rules.duration);
        let arrival = |at| {
            let who = lots.draw(&mut rng)?;
            Some(Arrival { at, who, seed: rng.random() })
        };
        moments.into_iter().filter_map(arrival).collect()
    };
    (0..gates).map(of_gate).collect()
}

/// What all gates share.
pub(super) struct Fleet {
    pub run: String,
    pub rules: Rules,
    pub cast: Cast,
    /// By their place in the cast.
    pub members: Vec<EmployeeId>,
    pub tally: Mutex<Tally>,
    pub recorder: Option<Recorder>,
    /// The moments of all arrivals, in order.
    pub moments: Vec<Duration>,
}

impl Fleet {
    /// Lets people come until the time is over or somebody stops it; what is under way is ended. How long it went.
    pub async fn drive(
        self: &Arc<Self>,
        gates: Vec<(Turnstile, Vec<Arrival>)>,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let gates: Vec<_> = gates
            .into_iter()
            .enumerate()
            .map(|(number, (turnstile, arrivals))| {
                let gate = Gate { fleet: Arc::clone(self), number, turnstile, events: 0 };
                tokio::spawn(gate.serve(arrivals, start, stop.clone()))
            })
            .collect();
        for gate in gates {
            gate.await??;
        }
        let elapsed = start.elapsed();
        self.tally.lock().came = self.came(elapsed);
        Ok(elapsed)
    }

    /// How many have come by then.
    pub fn came(&self, elapsed: Duration) -> u64 {
        self.moments.partition_point(|moment| *moment <= elapsed.min(self.rules.duration)) as u64
    }

    fn truth(&self, who: Who) -> Truth {
        match who {
            Who::Member(place) => Truth::Mated(self.members[place]),
            Who::Stranger(_) => Truth::Stranger,
            Who::Attack(place) => Truth::Attack(self.cast.attacks[place].name.clone()),
        }
    }
}

/// One gate at work.
struct Gate {
    fleet: Arc<Fleet>,
    number: usize,
    turnstile: Turnstile,
    /// So many it has had.
    events: usize,
}

impl Gate {
    async fn serve(
        mut self,
        arrivals: Vec<Arrival>,
        start: Instant,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let end = start + self.fleet.rules.duration;
        for arrival in arrivals {
            let due = start + arrival.at;
            tokio::select! {
                () = sleep_until(due) => {}
                () = super::until_stopped(&mut stop) => return Ok(()),
            }
            // Whoever then still stands in line had no turn.
            if Instant::now() >= end || *stop.borrow() {
                return Ok(());
            }
            let opened = self.visit(arrival, due.elapsed()).await?;
            sleep(if opened { GO_THROUGH } else { TURN_AWAY }).await;
        }
        Ok(())
    }

    /// Serves somebody; whether the gate opened.
    async fn visit(&mut self, arrival: Arrival, waited: Duration) -> anyhow::Result<bool> {
        let fleet = Arc::clone(&self.fleet);
        let mut rng = StdRng::seed_from_u64(arrival.seed);
        let photos = fleet.cast.shows(arrival.who);
        let count = if rng.random_bool(fleet.rules.several) { FRAMES } else { 1 };
        let first = rng.random_range(0..photos.len());
        let truth = fleet.truth(arrival.who);
        let mut events = Vec::new();
        for number in 0..TRIES_MAX {
            if number > 0 {
                sleep(NEXT_TRY).await;
            }
            let shown =
                (0..count).map(|frame| &photos[(first + number * count + frame) % photos.len()]);
            let shown: Vec<&Photo> = shown.collect();
            let event = self.ask(&shown, &mut rng).await;
            if let Some(recorder) = &fleet.recorder {
                recorder.record(&event, &truth, arrival.who, &shown)?;
            }
            let again = event.heard().is_some_and(|told| told.decision == Decision::Retry);
            events.push(event);
            if !again {
                break;
            }
        }
        let opened = events.iter().filter_map(Event::heard).any(|t| t.decision == Decision::Grant);
        fleet.tally.lock().count(Visit { truth, waited, events });
        Ok(opened)
    }

    /// Asks about one event until the gate hears an answer, or gives up.
    async fn ask(&mut self, shown: &[&Photo], rng: &mut StdRng) -> Event {
        let fleet = Arc::clone(&self.fleet);
        let rules = &fleet.rules;
        self.events += 1;
        let id = format!("sim-{}-{:03}-{:05}", fleet.run, self.number + 1, self.events);
        let mut event = Event::new(id, self.turnstile.gate_id, shown.len());
        let (captured, captured_at) = (Instant::now(), Utc::now());
        let frames = Frames::new(shown);
        for number in 0.. {
            if number - event.busy.min(BUSY_MAX) >= REQUESTS_MAX {
                break;
            }
            event.repeated += u32::from(number > 0);
            let fate: f64 = rng.random();
            if fate < rules.loss / 2.0 {
                event.lost_before += 1;
                sleep(rules.patience).await;
                continue;
            }
            let is_heard = fate >= rules.loss;
            let wire = self.turnstile.sign(&event.id, captured_at, &frames);
            let begun = Instant::now();
            match self.turnstile.send(&wire).await {
                Sent::Answered(told) => {
                    event.answers.push(Answered { told, heard: is_heard });
                    if is_heard {
                        event.latencies.push(begun.elapsed());
                        event.took = Some(captured.elapsed());
                        if rng.random_bool(rules.eavesdrop) {
                            self.send_again(&wire).await;
                        }
                        return event;
                    }
                    sleep(rules.patience.saturating_sub(begun.elapsed())).await;
                }
                Sent::Busy(wait) => {
                    event.busy += 1;
                    sleep(wait.unwrap_or_default().clamp(BUSY[0], BUSY[1])).await;
                }
                Sent::Lost(why) => {
                    event.uncertain += 1;
                    event.failures.push(why.to_owned());
                }
                Sent::Unreached => {
                    event.failures.push("connect".to_owned());
                    sleep(rules.patience).await;
                }
                Sent::Refused(why) => {
                    event.failures.push(why);
                    return event;
                }
            }
        }
        event
    }

    /// Somebody who listened sends a request again as it was.
    async fn send_again(&self, wire: &OnTheWire) {
        let sent = self.turnstile.send(wire).await;
        let mut tally = self.fleet.tally.lock();
        tally.eavesdropped.sent += 1;
        match sent {
            Sent::Refused(_) => tally.eavesdropped.refused += 1,
            Sent::Answered(_) => tally.eavesdropped.answered += 1,
            Sent::Busy(_) | Sent::Unreached | Sent::Lost(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cast::Folders;
    use super::*;

    #[test]
    fn a_seed_says_who_comes_to_which_gate_and_when() {
        let folders = Folders { people: None, strangers: None, attacks: None };
        let cast = Cast::read(folders, 10).unwrap();
        let rules = |seed| Rules {
            duration: Duration::from_secs(600),
            arrivals: Arrivals { per_minute: 6.0, rushes: Vec::new() },
            shares: Shares { strangers: 0.1, attacks: 0.05 },
            several: 0.1,
            loss: 0.0,
            eavesdrop: 0.0,
            patience: Duration::from_secs(1),
            seed,
        };
        let of_seed = |seed| plan(&rules(seed), &cast, 5);
        assert_eq!(of_seed(1), of_seed(1));
        assert_ne!(of_seed(1), of_seed(2));
        assert_ne!(of_seed(1)[0], of_seed(1)[1]);
        // More gates change nothing of the first.
        assert_eq!(plan(&rules(1), &cast, 6)[..5], of_seed(1)[..]);
    }
}
