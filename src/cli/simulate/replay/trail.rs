//! Recorded passages by another threshold or policy, from Postgres.

use std::collections::{HashMap, HashSet};

use chrono::SecondsFormat;

use super::{Change, Policy, ReplayArguments, Replayed};
use crate::access::{Retrial, Untold, WhatIf};
use crate::cli::connect;
use crate::config::Config;
use crate::domain::risk::{AcceptedRisk, RiskPolicy};
use crate::domain::{Decision, Gate, GateId, Passage, PassageId, Reason, Threshold};
use crate::store::{Listed, PassageFilter, Store};
use crate::vision::EncoderProfile;

/// Passages, and gates, that one statement reads.
const ROWS: u32 = 500;

pub(super) async fn replay(
    config: &Config,
    arguments: &ReplayArguments,
) -> anyhow::Result<Replayed> {
    arguments.policy.check()?;
    let store = connect(config).await?;
    let encoder = EncoderProfile::of(&config.inference.weights_dir, &config.road)?;
    let mut replayed = Replayed::default();
    let policy = &arguments.policy;
    let derived = match policy.max_fpir {
        Some(max_fpir) => {
            Some(derived(config, &store, &encoder, max_fpir, policy.gallery, &mut replayed).await?)
        }
        None => None,
    };
    let what_if = WhatIf {
        recognize_threshold: policy.threshold.or(derived),
        verify_threshold: policy.verify_threshold,
        model: Some(encoder.model),
        liveness_threshold: policy.liveness_threshold,
        pupil_distance_px_min: policy.pupil_distance_px_min,
        mode: policy.mode,
        frame_age_ms_max: policy.frame_age_ms_max,
    };
    replayed.by = words(&what_if, policy);
    let gates = gates(&store).await?;
    let passages = passages(&store, arguments, &mut replayed).await?;
    judge_all(&what_if, &gates, &passages, &mut replayed);
    Ok(replayed)
}

/// τ of 1:N from another risk.
async fn derived(
    config: &Config,
    store: &Store,
    encoder: &EncoderProfile,
    max_fpir: f64,
    gallery: Option<u32>,
    replayed: &mut Replayed,
) -> anyhow::Result<Threshold> {
    let people = match gallery {
        Some(people) => people as usize,
        None => {
            let models = store.models().await?;
            let enrolled =
                models.iter().find(|of| of.model == encoder.model).map_or(0, |of| of.people);
            replayed.remarks.push(format!(
                "τ follows from the {enrolled} people who are enrolled now: how many there were then is not recorded \
                 (--gallery N)"
            ));
            enrolled as usize
        }
    };
    let configured = config.matching.risk(encoder)?;
    let risk = AcceptedRisk { max_fpir, recognize_threshold: None, ..*configured.risk() };
    let tau = RiskPolicy::new(risk, configured.calibration().cloned())?.recognize(people);
    if !tau.supported {
        replayed
            .remarks
            .push("the calibration does not support that risk: see `limen threshold`".to_owned());
    }
    Ok(tau.threshold)
}

async fn gates(store: &Store) -> anyhow::Result<HashMap<GateId, Gate>> {
    let (mut all, mut last) = (HashMap::new(), None);
    loop {
        let page = store.gates(last, ROWS).await?;
        let Some(end) = page.last() else { return Ok(all) };
        last = Some(end.id);
        all.extend(page.into_iter().map(|gate| (gate.id, gate)));
    }
}

/// The passages of the filter, the newest first.
async fn passages(
    store: &Store,
    arguments: &ReplayArguments,
    replayed: &mut Replayed,
) -> anyhow::Result<Vec<Passage>> {
    let filter = PassageFilter {
        gate_id: arguments.gate,
        from: arguments.from,
        until: arguments.until,
        ..PassageFilter::default()
    };
    let (mut all, mut before, mut unreadable) = (Vec::new(), None, 0);
    let passages_max = arguments.passages_max as usize;
    loop {
        let page = store.passages(&filter, before, ROWS).await?;
        let Some(end) = page.last() else { break };
        before = Some(end.id());
        for listed in page {
            match listed {
                Listed::Read(passage) => all.push(passage),
                Listed::Unreadable(_) => unreadable += 1,
            }
        }
        if all.len() > passages_max {
            all.truncate(passages_max);
            replayed.remarks.push(format!(
                "there are more than --passages-max {passages_max}: the newest count"
            ));
            break;
        }
    }
    if unreadable > 0 {
        replayed.remarks.push(format!("{unreadable} passages cannot be read: limen audit verify"));
    }
    Ok(all)
}

/// Judges passages, which come the newest first. What rests on an earlier one that changes is not known.
fn judge_all(
    what_if: &WhatIf,
    gates: &HashMap<GateId, Gate>,
    passages: &[Passage],
    replayed: &mut Replayed,
) {
    let mut changed = HashSet::<PassageId>::new();
    for passage in passages.iter().rev() {
        replayed.passages += 1;
        let was = passage.reason;
        let Some(gate) = gates.get(&passage.request.gate_id) else {
            replayed.untold(was.code(), "its gate is gone");
            continue;
        };
        let rests_on = [passage.replay_of, passage.evidence.earlier_passage_id];
        let rests_on_change = was != Reason::Granted
            && rests_on.into_iter().flatten().any(|earlier| changed.contains(&earlier));
        let retrial = match what_if.judge(gate, passage) {
            Retrial::Same if rests_on_change => Retrial::Untold(Untold::Earlier),
            retrial => retrial,
        };
        match retrial {
            Retrial::Same => replayed.same += 1,
            Retrial::Other(reason) => {
                changed.insert(passage.id);
                let change = Change {
                    passage_id: passage.id.to_string(),
                    gate: Some(gate.name.as_str().to_owned()),
                    decided_at: Some(
                        passage.decided_at.to_rfc3339_opts(SecondsFormat::Millis, true),
                    ),
                    truth: None,
                    was: was.code().to_owned(),
                    would_be: reason.code().to_owned(),
                };
                let is_grant = |reason: Reason| reason.decision() == Decision::Grant;
                replayed.change(change, is_grant(was), is_grant(reason));
            }
            Retrial::Untold(why) => {
                changed.insert(passage.id);
                replayed.untold(was.code(), why.words());
            }
        }
    }
}

/// What is other, in words.
fn words(what_if: &WhatIf, policy: &Policy) -> String {
    let mut words = Vec::new();
    let mut say = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("{name} {value}")));
    };
    let tau = |tau: Option<Threshold>| tau.map(|tau| format!("{:.4}", tau.value()));
    say("max_fpir", policy.max_fpir.map(|rate| rate.to_string()));
    say("τ of 1:N", tau(what_if.recognize_threshold));
    say("τ of 1:1", tau(what_if.verify_threshold));
    say("liveness", what_if.liveness_threshold.map(|score| score.value().to_string()));
    say("mode", what_if.mode.map(|mode| mode.code().to_owned()));
    say("smallest face", what_if.pupil_distance_px_min.map(|px| format!("{px} px")));
    say("frame age", what_if.frame_age_ms_max.map(|ms| format!("{ms} ms")));
    words.join(", ")
}
