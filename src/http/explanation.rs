//! `GET /v1/passages/P/explanation`: why a gate answered as it did, for whoever has to say so to a person.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, SeeTrail};
use super::extract::{NoQuery, Path};
use super::schema::{DecisionCode, DirectionCode, GateModeCode, NoticeCode, ReasonCode};
use super::{AppState, Problem};
use crate::domain::{
    Decision, Direction, Evidence, GateMode, Notice, Passage, PassageId, Reason, ZoneId,
};

/// The table of reasons that the documentation shows: one source for both.
const REASONS: &str = include_str!("../../docs/REASONS.md");

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// A figure against its limit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Check {
    /// `distance`: to the nearest template, which must stay under the limit. `second_distance`: to the second-nearest,
    /// which must reach it: the nearest's and the margin between the two. `probability`, where a verifier decided: that
    /// the face is the badge's owner's; must reach it. `liveness`: must reach it. Of the picture:
    /// `pupil_distance_px`, `sharpness` and `feature_norm` must reach it, `yaw`, `pitch` and `roll_degrees` not exceed
    /// it to either side; `brightness` must reach it where the reason is `too_dark`, and not exceed it where it is
    /// `too_bright`.
    #[schema(example = "distance")]
    figure: &'static str,
    value: f32,
    limit: f32,
    passed: bool,
}

/// Why a gate answered as it did.
#[derive(Debug, Serialize, ToSchema)]
struct Explanation {
    #[schema(value_type = Uuid)]
    passage_id: PassageId,
    #[schema(value_type = DecisionCode)]
    decision: Decision,
    /// The rule that decided.
    #[schema(value_type = ReasonCode)]
    reason: Reason,
    /// What that means.
    meaning: &'static str,
    /// What the turnstile should show.
    show: &'static str,
    /// What the officer should do.
    advice: &'static str,
    /// What a rule that only reports had to say.
    #[schema(value_type = Option<NoticeCode>)]
    notice: Option<Notice>,
    /// The figures that were reached, against their limits.
    checks: Vec<Check>,
    /// The passage of the same person after which this one was one too many (`already_granted`, `passed_elsewhere`,
    /// `anti_passback`).
    #[schema(value_type = Option<Uuid>)]
    earlier_passage_id: Option<PassageId>,
    /// Whom the gate compared faces with.
    #[schema(value_type = Option<GateModeCode>)]
    mode: Option<GateMode>,
    /// The zone that the gate led into or out of.
    #[schema(value_type = Option<Uuid>)]
    zone_id: Option<ZoneId>,
    #[schema(value_type = Option<DirectionCode>)]
    direction: Option<Direction>,
    /// The model that made the encodings.
    model_id: Option<String>,
    /// The calibration that the threshold, or the least probability, followed from: its fingerprint.
    #[schema(value_type = Option<String>)]
    calibration: Option<Arc<str>>,
    /// How many changes of `/v1/changes` the policy that decided rested on.
    policy_version: Option<u64>,
}

impl Check {
    /// Those of the figures that a decision rests on.
    pub fn of(evidence: &Evidence) -> Vec<Self> {
        let quality = evidence.shortfall.map(|shortfall| Self {
            figure: shortfall.figure().code(),
            value: shortfall.value(),
            limit: shortfall.limit(),
            passed: false,
        });
        let second = evidence.distance.zip(evidence.runner_up).map(|(nearest, second)| Self {
            figure: "second_distance",
            value: second.distance().value(),
            limit: nearest.value() + second.margin(),
            passed: false,
        });
        let distance = evidence.distance.zip(evidence.threshold).map(|(distance, limit)| Self {
            figure: "distance",
            value: distance.value(),
            limit: limit.value(),
            passed: distance.is_match(limit),
        });
        let probability = evidence.likelihood.map(|likelihood| Self {
            figure: "probability",
            value: likelihood.probability.value(),
            limit: likelihood.minimum.value(),
            passed: likelihood.is_match(),
        });
        let liveness =
            evidence.liveness.zip(evidence.liveness_threshold).map(|(liveness, limit)| Self {
                figure: "liveness",
                value: liveness.value(),
                limit: limit.value(),
                passed: liveness.is_live(limit),
            });
        [quality, liveness, distance, probability, second].into_iter().flatten().collect()
    }
}

impl From<Passage> for Explanation {
    fn from(passage: Passage) -> Self {
        let evidence = &passage.evidence;
        let [meaning, show, advice] = words(passage.reason);
        Self {
            passage_id: passage.id,
            decision: passage.reason.decision(),
            reason: passage.reason,
            meaning,
            show,
            advice: match passage.notice {
                Some(Notice::LikeBlocked) => LIKE_BLOCKED,
                _ => advice,
            },
            notice: passage.notice,
            checks: Check::of(evidence),
            earlier_passage_id: evidence.earlier_passage_id,
            mode: passage.mode,
            zone_id: passage.zone_id,
            direction: passage.direction,
            model_id: passage.evidence.model_id.map(|model| model.to_string()),
            calibration: passage.evidence.calibration,
            policy_version: passage.policy_version,
        }
    }
}

/// What the officer should do where the notice is `like_blocked`.
const LIKE_BLOCKED: &str = "compare the person with whom the log names for this passage: it is a look-alike, or somebody \
                            on the blocklist under another name";

/// What a reason means, what to show and what to do, as the documentation says; a test keeps its table whole.
pub(super) fn words(reason: Reason) -> [&'static str; 3] {
    static WORDS: LazyLock<BTreeMap<&str, [String; 3]>> = LazyLock::new(|| {
        let rows = REASONS.lines().filter_map(|line| line.strip_prefix("| "));
        let cells = rows.map(|row| row.trim_end_matches(" |").split(" | ").collect::<Vec<_>>());
        cells
            .filter_map(|cells| match cells[..] {
                [_, code, meaning, show, advice] => {
                    Some((code.trim_matches('`'), [meaning, show, advice].map(without_links)))
                }
                _ => None,
            })
            .collect()
    });
    let words = WORDS.get(reason.code());
    words.map(|words| words.each_ref().map(String::as_str)).unwrap_or_default()
}

/// Markdown's links, `[text](address)`, as their text.
fn without_links(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once('[') {
        text += before;
        let link = after
            .split_once("](")
            .and_then(|(label, after)| Some((label, after.split_once(')')?.1)));
        let Some((label, after)) = link else {
            text.push('[');
            rest = after;
            continue;
        };
        text += label;
        rest = after;
    }
    text + rest
}

/// Says why a gate answered as it did.
#[utoipa::path(
    get, path = "/v1/passages/{passage_id}/explanation", operation_id = "explain_passage", tag = "passages",
    params(("passage_id" = Uuid, Path, description = "The passage")),
    responses((status = 200, description = "Why", body = Explanation),
        (status = 404, description = "No such passage", body = Problem, content_type = "application/problem+json"))
)]
async fn explain(
    State(state): State<AppState>,
    _: Allowed<SeeTrail>,
    _: NoQuery,
    Path(id): Path<PassageId>,
) -> Result<Json<Explanation>, Problem> {
    Ok(Json(state.store.passage(id).await?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_words() {
        for reason in Reason::ALL {
            assert!(words(reason).iter().all(|text| !text.is_empty()), "{reason:?}");
            assert!(words(reason).iter().all(|text| !text.contains("](")), "{reason:?}");
        }
        assert_eq!(words(Reason::GateDisabled)[0], "the gate is switched off");
        assert_eq!(without_links("see [this](a.md#b) and [that"), "see this and [that");
    }
}
