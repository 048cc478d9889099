//! `limen simulate`: a fleet of software turnstiles against a running service, and whether its books add up;
//! `limen simulate replay`: what was decided, by another threshold, policy or model.

mod arrivals;
mod books;
mod cast;
mod fleet;
mod live;
mod recording;
mod replay;
mod report;
mod service;
mod site;
mod tally;
mod turnstile;
mod visit;

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{SecondsFormat, TimeDelta, Utc};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use rand::Rng;
use reqwest::Url;
use tokio::sync::watch;

use crate::config::Config;
use crate::domain::PassageId;
use arrivals::{Arrivals, RUSHES_MAX, Rush};
use books::{Books, ByReason, Newest, Trail, answers_counted};
use cast::{Cast, Folders, Shares};
use fleet::{Arrival, Fleet, Rules, plan};
use recording::Recorder;
use report::{Report, Run};
use service::{Service, refused_with};
use site::{Enrolled, Site};
use turnstile::Turnstile;

/// Gates at most: the service takes 256 connections from one address, unless it is told otherwise.
const GATES_MAX: u16 = 250;

/// People who may come in one run, on average.
const ARRIVALS_MAX: f64 = 1_000_000.0;

/// The longest run.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How long before a run its passages may be dated: the clocks differ a little.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(5);

/// After so long an answer that was recorded is counted.
const COUNTED_WITHIN: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct SimulateArguments {
    #[command(subcommand)]
    command: Option<SimulateCommand>,
    #[command(flatten)]
    target: Target,
    /// Gates, each of which serves one person at a time.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=GATES_MAX as i64))]
    gates: u16,
    /// How long people come, e.g. 60s or 10m.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// How many people come to each gate, on average.
    #[arg(long, value_name = "PER_MINUTE", default_value_t = 6.0)]
    arrivals: f64,
    /// A rush hour: so many times as many come meanwhile, e.g. 10s..30s@4 from the run's start; several may be given.
    #[arg(long, value_name = "START..END@FACTOR")]
    rush: Vec<Rush>,
    /// A folder for each person, whose first photo enrols; those with a single one are strangers, unless --strangers is
    /// given. Without it: the portraits that come with Limen.
    #[arg(long, value_name = "DIR")]
    people: Option<PathBuf>,
    /// Enrol at most so many of them, the first by name.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    people_max: u16,
    /// Photos of people who are not enrolled: a folder for each, or a photo each.
    #[arg(long, value_name = "DIR")]
    strangers: Option<PathBuf>,
    /// Photos of attacks: a folder for each kind, e.g. print and replay.
    #[arg(long, value_name = "DIR")]
    attacks: Option<PathBuf>,
    /// Of those who come, how many are strangers, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    strangers_share: f64,
    /// Of those who come, how many are attacks.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    attacks_share: f64,
    /// Of the passages, how many come with three frames instead of one.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
    several_frames: f64,
    /// Of the requests, how many get lost, half on their way there, half of the answers; the gate asks again.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02, value_parser = share)]
    loss: f64,
    /// How long a gate waits before it takes an answer for lost.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// Of the requests that were answered, how many somebody who listens sends again as they were.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02, value_parser = share)]
    eavesdrop: f64,
    /// Let the same people come at the same moments as in the run that printed this seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the metrics are; several times where several replicas answer [default: /metrics of --url].
    #[arg(long, value_name = "URL", conflicts_with = "no_metrics")]
    metrics: Vec<Url>,
    /// Do not hold the answers against the metrics.
    #[arg(long)]
    no_metrics: bool,
    /// Keep what is sent and heard in a new folder, for `limen simulate replay --recorded`. It holds photos of people.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Leave the gates and people where they are; `limen simulate clear` takes them away.
    #[arg(long)]
    keep: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write the report as JSON into a file, too.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The service, and who asks.
#[derive(Clone, Debug, Args)]
struct Target {
    /// The service.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// An API key with the scopes admin, gate and metrics.
    #[arg(long, env = "LIMEN_KEY", hide_env_values = true)]
    key: Option<String>,
    /// A file with that key, in its place [default: .dev/key, where there is one and --url is on this machine].
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// How long to wait for an answer.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

#[derive(Debug, Subcommand)]
enum SimulateCommand {
    /// Judge what was decided again, by another threshold, policy or model, and list what would change.
    Replay(replay::ReplayArguments),
    /// Take away the gates and people that simulations left, kept or killed.
    Clear {
        #[command(flatten)]
        target: Target,
    },
}

/// Where `./dev run` keeps its key.
const DEVELOPMENT_KEY: &str = ".dev/key";

impl Target {
    fn service(&self) -> anyhow::Result<Service> {
        ensure!(!self.timeout.is_zero(), "--timeout must be over 0");
        let is_default = self.key.is_none() && is_loopback(&self.url);
        let development = Path::new(DEVELOPMENT_KEY);
        let default = Some(development).filter(|file| is_default && file.exists());
        let file = self.key_file.as_deref().or(default);
        let key = match (file, &self.key) {
            (Some(file), _) => std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?,
            (None, Some(key)) => key.clone(),
            (None, None) => bail!(
                "an API key is needed: --key-file FILE or LIMEN_KEY, made by `limen key create --name simulation --scope \
                 admin --scope gate --scope metrics`; {DEVELOPMENT_KEY} is taken only for a service on this machine"
            ),
        };
        Service::new(&self.url, key.trim(), self.timeout)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Exits with 1 where the books do not add up, nothing was answered, or a replayed request was.
pub(super) async fn run(
    config: &Config,
    arguments: &SimulateArguments,
) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Some(SimulateCommand::Replay(arguments)) => replay::run(config, arguments).await,
        Some(SimulateCommand::Clear { target }) => clear(target).await,
        None => simulate(arguments).await,
    }
}

async fn clear(target: &Target) -> anyhow::Result<ExitCode> {
    let service = target.service()?;
    let site = Site::left_behind(&service).await?;
    let (gates, people) = site.counts();
    let left = site.close(&service).await;
    left.iter().for_each(|left| eprintln!("limen: {left}"));
    println!("{gates} gates switched off or removed, {people} people removed");
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn simulate(arguments: &SimulateArguments) -> anyhow::Result<ExitCode> {
    let rules = rules(arguments)?;
    let service = arguments.target.service()?;
    let folders = Folders {
        people: arguments.people.as_deref(),
        strangers: arguments.strangers.as_deref(),
        attacks: arguments.attacks.as_deref(),
    };
    let cast = Cast::read(folders, arguments.people_max.into())?;
    if let Some(folder) = &arguments.record {
        recording::check(folder)?;
    }
    let metrics = metrics_of(arguments, &service)?;
    // Whether it may be asked for the books at all, before anything is made.
    service.get("/v1/passages?limit=1").await?;
    count(&service, &metrics).await?;

    let stop = interrupted();
    let mut site = Site::default();
    let simulation = Simulation { arguments, service: &service, rules, metrics, stop };
    let report = simulation.run(cast, &mut site).await;
    if !arguments.keep {
        let left = site.close(&service).await;
        left.iter().for_each(|left| eprintln!("limen: not taken away: {left}"));
    }
    let report = report?;
    let json = serde_json::to_string(&report)?;
    if let Some(file) = &arguments.report {
        std::fs::write(file, &json)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if arguments.json {
        println!("{json}");
    } else {
        print!("{report}");
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A run that is prepared.
struct Simulation<'a> {
    arguments: &'a SimulateArguments,
    service: &'a Service,
    rules: Rules,
    metrics: Vec<Url>,
    stop: watch::Receiver<bool>,
}

impl Simulation<'_> {
    async fn run(&self, mut cast: Cast, site: &mut Site) -> anyhow::Result<Report> {
        let name = format!("{:08x}", rand::rng().random::<u32>());
        let (turnstiles, mut enrolled) = {
            let mut stop = self.stop.clone();
            let prepared = self.prepare(&name, &mut cast, site);
            tokio::select! {
                prepared = prepared => prepared?,
                () = until_stopped(&mut stop) => bail!("stopped before anybody came"),
            }
        };
        let plans = plan(&self.rules, &cast, self.arguments.gates);
        check_plans(&plans, &cast, &enrolled)?;
        let members = std::mem::take(&mut enrolled.members);
        let recorder = self.arguments.record.as_deref();
        let recorder = recorder.map(|folder| Recorder::begin(folder, &cast, &members));
        let mut moments: Vec<Duration> = plans.iter().flatten().map(Arrival::at).collect();
        moments.sort_unstable();
        let fleet = Arc::new(Fleet {
            run: name.clone(),
            rules: self.rules.clone(),
            cast,
            members: members.clone(),
            tally: Mutex::default(),
            recorder: recorder.transpose()?,
            moments,
        });
        enrolled.members = members;

        let gate_ids: HashSet<_> = turnstiles.iter().map(|turnstile| turnstile.gate_id).collect();
        let began_at = Utc::now() - CLOCKS_APART;
        // What others pass is taken off what the metrics count only where it is sure to be counted: between the two.
        let edge = self.newest().await?;
        let before = count(self.service, &self.metrics).await?;
        let first = self.newest().await?;
        let shown = tokio::spawn(live::show(Arc::clone(&fleet)));
        let driven = fleet.drive(turnstiles.into_iter().zip(plans).collect(), &self.stop).await;
        shown.abort();
        // Until it has taken its table away.
        let _ = shown.await;
        let elapsed = driven?;
        let last = self.newest().await?;
        tokio::time::sleep(COUNTED_WITHIN).await;
        let after = count(self.service, &self.metrics).await?;
        let complete = !*self.stop.borrow();

        let tally = fleet.tally.lock().clone();
        let prefix = format!("sim-{name}-");
        let since = began_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let path = format!("/v1/passages?from={since}");
        let (mut trail, newest) = (Trail::default(), Newest { edge, first, last });
        self.service.list(&path, |item| trail.take(&item, &prefix, &gate_ids, newest)).await?;
        let Trail { rows, others, are_others, unread } = trail;
        let metrics = before.zip(after).map(|(before, after)| difference(&before, after));
        let events = &tally.events;
        let metrics = metrics.as_ref();
        let books = Books { events, trail: &rows, metrics, others: &others, are_others };
        let mut books = books.reconcile();
        if unread > 0 {
            let remark = "passages of other gates cannot be read: limen audit verify";
            books.remarks.push(format!("{unread} {remark}"));
        }
        let run = Run {
            name,
            seed: self.rules.seed,
            url: self.arguments.target.url.to_string(),
            gates: gate_ids.len(),
            elapsed,
            complete,
            with_metrics: metrics.is_some(),
        };
        Ok(Report::new(run, enrolled, tally, books))
    }

    /// Makes the gates and enrols the people.
    async fn prepare(
        &self,
        name: &str,
        cast: &mut Cast,
        site: &mut Site,
    ) -> anyhow::Result<(Vec<Turnstile>, Enrolled)> {
        let turnstiles = site.open_gates(self.service, name, self.arguments.gates).await?;
        let bar = ProgressBar::new(cast.members.len() as u64).with_style(
            ProgressStyle::with_template("{bar:40} {pos}/{len} enrolled, {per_sec}, {eta} left")?,
        );
        // The portraits are nobody's who works there: where they are enrolled already, a first start did that.
        let borrow = self.arguments.people.is_none();
        let enrolled = site.enrol(self.service, name, cast, borrow, || bar.inc(1)).await?;
        bar.finish_and_clear();
        Ok((turnstiles, enrolled))
    }

    /// The newest passage of all gates.
    async fn newest(&self) -> anyhow::Result<Option<PassageId>> {
        let page = self.service.get("/v1/passages?limit=1").await?;
        let newest = page["items"][0]["passage_id"].as_str();
        Ok(newest.map(str::parse).transpose()?)
    }
}

fn rules(arguments: &SimulateArguments) -> anyhow::Result<Rules> {
    let SimulateArguments { duration, arrivals, rush, patience, .. } = arguments;
    ensure!(
        !duration.is_zero() && *duration <= DURATION_MAX,
        "--duration must be over 0 and at most {}",
        humantime::format_duration(DURATION_MAX)
    );
    ensure!(
        arrivals.is_finite() && (0.01..=600.0).contains(arrivals),
        "--arrivals must be 0.01 to 600 a minute"
    );
    ensure!(rush.len() <= RUSHES_MAX, "--rush may be given {RUSHES_MAX} times");
    ensure!(!patience.is_zero(), "--patience must be over 0");
    let shares = Shares { strangers: arguments.strangers_share, attacks: arguments.attacks_share };
    ensure!(
        shares.strangers + shares.attacks <= 1.0,
        "--strangers-share and --attacks-share must be at most 1 together"
    );
    let arrivals = Arrivals { per_minute: *arrivals, rushes: rush.clone() };
    let people = arrivals.expected(*duration) * f64::from(arguments.gates);
    ensure!(
        people <= ARRIVALS_MAX,
        "by --gates, --duration, --arrivals and --rush {people:.0} people would come; at most {ARRIVALS_MAX} may"
    );
    Ok(Rules {
        duration: *duration,
        arrivals,
        shares,
        several: arguments.several_frames,
        loss: arguments.loss,
        eavesdrop: arguments.eavesdrop,
        patience: *patience,
        seed: arguments.seed.unwrap_or_else(|| rand::rng().random::<u32>().into()),
    })
}

fn check_plans(plans: &[Vec<Arrival>], cast: &Cast, enrolled: &Enrolled) -> anyhow::Result<()> {
    let why = || match enrolled.left_out.iter().next() {
        Some((name, why)) => {
            format!(": {} could not be enrolled, {name} among them: {why}", enrolled.left_out.len())
        }
        None => String::new(),
    };
    ensure!(
        cast.members.iter().any(|member| member.photos.len() > 1),
        "of nobody who is enrolled there is a second photo for the gates{}",
        why()
    );
    let people: usize = plans.iter().map(Vec::len).sum();
    ensure!(people > 0, "by --arrivals and --duration nobody comes");
    Ok(())
}

fn metrics_of(arguments: &SimulateArguments, service: &Service) -> anyhow::Result<Vec<Url>> {
    Ok(match &arguments.metrics[..] {
        _ if arguments.no_metrics => Vec::new(),
        [] => vec![service.at("/metrics")?],
        urls => urls.to_vec(),
    })
}

/// What the metrics have counted so far, of all replicas together; none where they are not asked.
async fn count(service: &Service, urls: &[Url]) -> anyhow::Result<Option<ByReason>> {
    let mut sum = ByReason::new();
    for url in urls {
        let text = service.metrics(url).await.map_err(|error| match refused_with(&error) {
            Some(_) => error.context("--no-metrics goes without the metrics"),
            None => error,
        })?;
        for (reason, count) in answers_counted(&text)? {
            *sum.entry(reason).or_default() += count;
        }
    }
    Ok((!urls.is_empty()).then_some(sum))
}

fn difference(before: &ByReason, after: ByReason) -> ByReason {
    let since = |(reason, count)| (reason, count - before.get(reason).copied().unwrap_or_default());
    after.into_iter().map(since).collect()
}

/// Becomes true at Ctrl-C, or where the process is asked to end; a second time it ends at once.
fn interrupted() -> watch::Receiver<bool> {
    use tokio::signal::unix::{SignalKind, signal};

    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            // It cannot be stopped in good order then; where nobody stops it, it goes on.
            return stop.closed().await;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.send_replace(true) {
                std::process::exit(130);
            }
            eprintln!("limen: stopping, and taking away what was made; once more leaves it");
        }
    });
    stopped
}

/// Waits until it is.
async fn until_stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("must be 0 to 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_on_this_machine_is_shown_the_key_of_development() {
        for (url, expected) in [
            ("http://127.0.0.1:8080", true),
            ("http://localhost", true),
            ("https://[::1]:8443", true),
            ("http://192.0.2.1", false),
            ("https://limen.example", false),
            ("http://127.0.0.1.example", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
