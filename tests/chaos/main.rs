//! Three replicas whose connections are cut, refused and held, that are paused and killed, on a Postgres that is
//! restarted and crashes, while people pass and are revoked: nobody passes on what was revoked, and the trail is
//! as it was written.
//!
//! `LIMEN_CHAOS_SECONDS` says for how long, `LIMEN_CHAOS_SEED` what fails when; `./dev chaos` sets both.

#[path = "../cluster/mod.rs"]
mod cluster;
mod faults;
mod history;
mod line;
mod replica;
mod revoker;
mod turnstile;
mod world;

use std::env;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::SeedableRng;
use rand::rngs::StdRng;

use cluster::{Cluster, free_port, limen};
use turnstile::Event;
use world::{World, insist};

/// Turnstiles for one person at once.
const TURNSTILES: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_granted_after_an_acknowledged_revocation_whatever_fails() {
    let time = Duration::from_secs(setting("LIMEN_CHAOS_SECONDS").unwrap_or(10));
    let seed = setting("LIMEN_CHAOS_SEED").unwrap_or(1);
    println!("LIMEN_CHAOS_SEED={seed} LIMEN_CHAOS_SECONDS={}", time.as_secs());
    let begun_at = Instant::now();
    // A source of its own for each task, whatever the others do meanwhile.
    let chance = |stream: u64| StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(stream));

    let cluster = Arc::new(Cluster::start());
    let world = Arc::new(World::begin(&cluster).await);
    println!("ready after {:?}", begun_at.elapsed());
    let mut revokers = Vec::new();
    let mut turnstiles = Vec::new();
    for (number, stream) in (0..world.people.len()).zip(100..) {
        revokers.push(revoker::revoke(&world, number, chance(stream)));
        for turnstile in 1..=TURNSTILES {
            turnstiles.push(turnstile::turn(&world, number, chance(stream + turnstile * 100)));
        }
    }
    tokio::join!(join_all(revokers), join_all(turnstiles), async {
        faults::fail(&world, &cluster, chance(0), time).await;
        println!("whole again after {:?}", begun_at.elapsed());
        world.stop.store(true, Ordering::Relaxed);
    });

    for replica in &world.replicas {
        assert!(replica.crashes.lock().is_empty(), "a replica ended: {:?}", replica.crashes.lock());
    }
    world.become_ready().await;
    everybody_passes_everywhere(&world).await;
    println!("everybody passes after {:?}", begun_at.elapsed());
    history::assert_held(&world, time).await;
    let audit = limen(&cluster.url, free_port(), &["audit", "verify"]).output().unwrap();
    let audited = String::from_utf8_lossy(&audit.stdout);
    assert!(audit.status.success(), "{audited}");
    print!("after {:?}: {audited}", begun_at.elapsed());
}

/// Whoever is reinstated passes, at every replica. Again where they do not: a revocation that was sent to a replica
/// while it stood still, and to another since, may have been made there after the last reinstatement.
async fn everybody_passes_everywhere(world: &World) {
    let people = world.people.iter().enumerate();
    join_all(people.map(async |(number, person)| {
        for replica in 0..world.replicas.len() {
            insist("a reinstated person passes", async || {
                let event = Event::new(number, person.hall, person.photos[0], true);
                let attempt = event.send(world, replica).await;
                let granted = attempt.is_granted();
                world.history.lock().attempts.push(attempt);
                if !granted {
                    world.reinstate_whole(person).await;
                }
                granted.then_some(())
            })
            .await;
        }
    }))
    .await;
}

fn setting(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}
