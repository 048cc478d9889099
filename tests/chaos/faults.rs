//! What fails, and when: every fault once in a random order, then all again; they overlap.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, PATIENCE};
use crate::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A replica's connections to Postgres end.
    Cut,
    /// They end, and there are no others for a while.
    Refuse,
    /// What is sent over them arrives later.
    Hold,
    /// Postgres ends its sessions and starts again.
    RestartFast,
    /// Postgres crashes and recovers.
    RestartImmediate,
    /// A replica stands still, in the midst of whatever it is doing, and goes on.
    Pause,
    /// A replica is killed, and starts again.
    Kill,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Cut,
        Self::Refuse,
        Self::Hold,
        Self::RestartFast,
        Self::RestartImmediate,
        Self::Pause,
        Self::Kill,
    ];
}

/// Lets things fail for so long, and every one at least once, and longer on a machine on which little happened
/// meanwhile; all is whole again afterwards.
pub async fn fail(world: &Arc<World>, cluster: &Arc<Cluster>, mut chance: StdRng, time: Duration) {
    let begun_at = Instant::now();
    let mut under_way = JoinSet::new();
    let mut deck = Vec::new();
    let mut dealt = 0;
    while begun_at.elapsed() < time
        || dealt < Fault::ALL.len()
        || (begun_at.elapsed() < time + PATIENCE && world.history.lock().lacks(time).is_some())
    {
        let fault = deck.pop().unwrap_or_else(|| {
            deck = Fault::ALL.to_vec();
            deck.shuffle(&mut chance);
            deck.pop().expect("a fault")
        });
        dealt += 1;
        let replica = chance.random_range(0..world.replicas.len());
        let lasts = Duration::from_millis(chance.random_range(200..2_000));
        under_way.spawn(happen(Arc::clone(world), Arc::clone(cluster), fault, replica, lasts));
        tokio::time::sleep(Duration::from_millis(chance.random_range(300..2_400))).await;
    }
    while let Some(happened) = under_way.join_next().await {
        happened.unwrap();
    }
}

async fn happen(
    world: Arc<World>,
    cluster: Arc<Cluster>,
    fault: Fault,
    number: usize,
    lasts: Duration,
) {
    let begun_at = Instant::now();
    let replica = &world.replicas[number];
    match fault {
        Fault::Cut => replica.line.cut(),
        Fault::Refuse => {
            replica.line.close();
            tokio::time::sleep(lasts).await;
            replica.line.open();
        }
        Fault::Hold => {
            replica.line.hold();
            tokio::time::sleep(lasts).await;
            replica.line.go_on();
        }
        Fault::Pause => {
            replica.signal(Signal::STOP);
            tokio::time::sleep(lasts).await;
            replica.signal(Signal::CONT);
        }
        Fault::Kill => replica.signal(Signal::KILL),
        Fault::RestartFast | Fault::RestartImmediate => {
            let signal = if fault == Fault::RestartFast { Signal::INT } else { Signal::QUIT };
            // One after another.
            let turn = world.restarts.lock().await;
            tokio::task::spawn_blocking(move || cluster.restart(signal)).await.unwrap();
            drop(turn);
        }
    }
    world.history.lock().faults.push((fault, number, begun_at, Instant::now()));
}
