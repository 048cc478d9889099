//! `GET /v1/risk`: which τ follows from a risk, and what it costs.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, SeePlaces};
use super::extract::Query;
use super::{AppState, Problem};
use crate::access::Matcher;
use crate::domain::risk::{
    AcceptedRisk, Alternatives, Calibration, NoCalibration, Offer, Refusal, Request, RiskPolicy,
    Search, Traffic,
};

/// Points of the DET curve.
const DET_POINTS: u16 = 100;

/// Risks that are compared: [`RISK_MIN`] to [`RISK_MAX`], evenly spaced in their logarithm.
const RISKS: u16 = 41;
const RISK_MIN: f64 = 1e-6;
const RISK_MAX: f64 = 0.5;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(read))
}

/// A threshold and what follows from it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferView {
    /// τ.
    threshold: f32,
    /// The chance that one comparison with a stranger matches; an upper confidence bound.
    fmr: f64,
    /// The chance that a stranger's attempt matches anybody.
    fpir: f64,
    /// The share of enrolled people's attempts that fail.
    fnir: f64,
    /// Strangers let in, a year; at most.
    false_entries_per_year: f64,
    /// Attempts of enrolled people that fail, a day.
    honest_retries_per_day: f64,
}

impl From<Offer> for OfferView {
    fn from(offer: Offer) -> Self {
        let Offer { tau, fmr, fpir, fnir, false_entries_per_year, honest_retries_per_day } = offer;
        let threshold = tau.value();
        Self { threshold, fmr, fpir, fnir, false_entries_per_year, honest_retries_per_day }
    }
}

/// What would be possible instead; null where nothing is.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlternativesView {
    /// A badge first, then one comparison with its owner, at the same risk.
    badge: Option<OfferView>,
    /// The most people that can be searched at this risk.
    largest_gallery: Option<u32>,
    /// The smallest risk at which so many people can be searched.
    smallest_fpir: Option<f64>,
}

impl From<Alternatives> for AlternativesView {
    fn from(alternatives: Alternatives) -> Self {
        let Alternatives { badge, largest_gallery, smallest_fpir } = alternatives;
        Self { badge: badge.map(Into::into), largest_gallery, smallest_fpir }
    }
}

/// Why the encoder cannot support a risk.
#[derive(Debug, Serialize, ToSchema)]
struct RefusalView {
    /// `below_floor`: the data do not tell errors this rare. `too_many_misses`: more enrolled people would be turned
    /// away than are accepted.
    #[schema(example = "below_floor")]
    code: &'static str,
    /// Why, for people.
    reason: String,
    #[serde(flatten)]
    instead: AlternativesView,
}

impl From<Refusal> for RefusalView {
    fn from(Refusal { reason, alternatives }: Refusal) -> Self {
        Self { code: reason.code(), reason: reason.to_string(), instead: alternatives.into() }
    }
}

/// The risk that is configured.
#[derive(Debug, Serialize, ToSchema)]
struct ConfiguredRisk {
    /// 1:1: the highest chance that a stranger with somebody's badge matches its owner.
    max_fmr: f64,
    /// 1:N: the highest chance that a stranger matches anybody.
    max_fpir: f64,
    /// The τ of 1:1 where it is fixed, whatever the risk.
    verify_threshold: Option<f32>,
    /// The τ of 1:N where it is fixed, whatever the risk.
    recognize_threshold: Option<f32>,
}

impl From<&AcceptedRisk> for ConfiguredRisk {
    fn from(risk: &AcceptedRisk) -> Self {
        Self {
            max_fmr: risk.max_fmr,
            max_fpir: risk.max_fpir,
            verify_threshold: risk.verify_threshold.map(|tau| tau.value()),
            recognize_threshold: risk.recognize_threshold.map(|tau| tau.value()),
        }
    }
}

/// The τ of 1:N that faces are compared by now, and what follows from it for the people who are enrolled.
#[derive(Debug, Serialize, ToSchema)]
struct RiskNow {
    /// Whether the calibration's data support the accepted risk; else τ is an extrapolation, and the rates are those of
    /// the smallest that they do support.
    supported: bool,
    #[serde(flatten)]
    offer: OfferView,
}

/// A point of the detection error trade-off: every comparison with a τ.
#[derive(Debug, Serialize, ToSchema)]
struct DetPoint {
    threshold: f32,
    fmr: f64,
    fnmr: f64,
}

/// What another risk would come to.
#[derive(Debug, Serialize, ToSchema)]
struct RiskPoint {
    max_fpir: f64,
    /// τ.
    threshold: f32,
    /// The share of enrolled people's attempts that fail.
    fnir: f64,
    /// Strangers let in, a year, at most; null where the data do not tell errors so rare.
    false_entries_per_year: Option<f64>,
    honest_retries_per_day: f64,
    /// Whether the data support it, and no more enrolled people fail than are accepted.
    supported: bool,
    /// Whether `max_fmr` is the stricter of the two for so few people, and decides.
    limited_by_max_fmr: bool,
}

/// Which τ follows from a risk, and what it costs.
#[derive(Debug, Serialize, ToSchema)]
struct RiskAnswer {
    /// The encoder whose rates these are.
    model_id: String,
    /// People who are enrolled now.
    gallery: usize,
    /// People that are asked for.
    people: u32,
    max_fpir: f64,
    max_fnir: f64,
    mated_per_day: f64,
    strangers_per_day: f64,
    configured: ConfiguredRisk,
    now: RiskNow,
    /// Whether `max_fmr` is the stricter of the two for so few people, and decides.
    limited_by_max_fmr: bool,
    /// The τ of the risk that is asked for; null where it is refused.
    offer: Option<OfferView>,
    /// Why it is; null where it is not.
    refusal: Option<RefusalView>,
    /// The comparison's error rates, by rising τ.
    det: Vec<DetPoint>,
    /// What other risks would come to for as many people, by rising risk.
    by_risk: Vec<RiskPoint>,
}

impl RiskAnswer {
    /// `request` is as it is asked.
    fn new(matcher: &Matcher, calibration: &Calibration, request: Request) -> Self {
        let (policy, gallery) = (matcher.risk(), enrolled(matcher));
        let Request { search, max_fpir, max_fnir, traffic } = request;
        // In a small gallery a search is as strict as 1:1.
        let limited = search.limited(max_fpir, policy.risk().max_fmr);
        let offered = calibration.offer(&Request { max_fpir: limited, ..request });
        let (offer, refusal) = match offered {
            Ok(offer) => (Some(offer.into()), None),
            Err(refusal) => (None, Some(refusal.into())),
        };
        Self {
            model_id: matcher.model().to_string(),
            gallery,
            people: search.people,
            max_fpir,
            max_fnir,
            mated_per_day: traffic.mated_per_day,
            strangers_per_day: traffic.non_mated_per_day,
            configured: policy.risk().into(),
            now: now(matcher, calibration, traffic),
            limited_by_max_fmr: limited < max_fpir,
            offer,
            refusal,
            det: det(calibration),
            by_risk: by_risk(policy, calibration, request),
        }
    }
}

fn now(matcher: &Matcher, calibration: &Calibration, traffic: Traffic) -> RiskNow {
    let tau = matcher.recognize_threshold();
    let search = Search { people: people_in(matcher) };
    let offer = calibration.consequences(tau.threshold, search, traffic).into();
    RiskNow { supported: tau.supported, offer }
}

fn det(calibration: &Calibration) -> Vec<DetPoint> {
    let thresholds = calibration.det(DET_POINTS).into_iter();
    let points = thresholds.map(|tau| DetPoint {
        threshold: tau.value(),
        fmr: calibration.fmr(tau),
        fnmr: calibration.fnmr(tau),
    });
    points.collect()
}

fn by_risk(policy: &RiskPolicy, calibration: &Calibration, request: Request) -> Vec<RiskPoint> {
    let Request { search, max_fnir, traffic, .. } = request;
    let risk =
        |point| RISK_MIN * (RISK_MAX / RISK_MIN).powf(f64::from(point) / f64::from(RISKS - 1));
    let points = (0..RISKS).map(risk).filter_map(|max_fpir| {
        let (tau, limited_by_max_fmr) = policy.recognize_at(search, max_fpir)?;
        let offer = calibration.consequences(tau.threshold, search, traffic);
        Some(RiskPoint {
            max_fpir,
            threshold: tau.threshold.value(),
            fnir: offer.fnir,
            false_entries_per_year: tau.supported.then_some(offer.false_entries_per_year),
            honest_retries_per_day: offer.honest_retries_per_day,
            supported: tau.supported && offer.fnir <= max_fnir,
            limited_by_max_fmr,
        })
    });
    points.collect()
}

/// The people whom a search compares with, at least 1.
fn people_in(matcher: &Matcher) -> u32 {
    u32::try_from(enrolled(matcher)).unwrap_or(u32::MAX).max(1)
}

/// People whom either model knows: while a gallery is re-encoded each has a part of them.
fn enrolled(matcher: &Matcher) -> usize {
    matcher.galleries().map(|gallery| gallery.people()).sum()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RiskQuery {
    /// The highest chance that a stranger's attempt matches anybody; default as configured.
    max_fpir: Option<f64>,
    /// The highest share of enrolled people's attempts that may fail; default 0.2.
    max_fnir: Option<f64>,
    /// People that are searched among; default those who are enrolled now.
    people: Option<u32>,
    /// Attempts of enrolled people a day; default two for each.
    mated_per_day: Option<f64>,
    /// Attempts of strangers a day; default 10.
    strangers_per_day: Option<f64>,
}

/// Says which threshold follows from a risk, and what it costs: false entries a year, honest retries a day.
#[utoipa::path(
    get, path = "/v1/risk", operation_id = "read_risk", tag = "operation", params(RiskQuery),
    responses((status = 200, description = "What follows", body = RiskAnswer),
        (status = 404, description = "There is no calibration: the thresholds are fixed", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<SeePlaces>,
    Query(query): Query<RiskQuery>,
) -> Result<Json<RiskAnswer>, Problem> {
    let matcher = &state.matcher;
    let calibration = matcher.risk().calibration();
    let calibration =
        calibration.ok_or_else(|| Problem::missing("no_calibration", NoCalibration))?;
    let people = query.people.unwrap_or_else(|| people_in(matcher));
    let request = Request {
        search: Search { people },
        max_fpir: query.max_fpir.unwrap_or(matcher.risk().risk().max_fpir),
        max_fnir: query.max_fnir.unwrap_or(Request::MAX_FNIR_DEFAULT),
        traffic: Traffic {
            mated_per_day: query.mated_per_day.unwrap_or(Traffic::mated_by_default(people)),
            non_mated_per_day: query.strangers_per_day.unwrap_or(Traffic::NON_MATED_DEFAULT),
        },
    };
    request.check().map_err(|error| Problem::bad_request("bad_query", error))?;
    Ok(Json(RiskAnswer::new(matcher, calibration, request)))
}
