//! The one error of the API: RFC 9457 `application/problem+json` with a stable `code`.

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::invited;
use super::overload::Overload;
use super::schema::{IssueCode, ProblemCode};
use super::signature::SCHEME;
use crate::access::{AccessError, EnrolmentError};
use crate::gallery::SearchError;
use crate::inference::EngineError;
use crate::store::{Conflict, StoreError};
use crate::vision::{DecodeError, LookError};

/// Every code of a problem, and what it means; the contract and the documentation list them.
pub const CODES: &[(&str, &str)] = &[
    ("ambiguous_name", "several employees or rows have the name that a row gives alone"),
    ("animated_frame", "a frame must be a single picture"),
    ("another_name", "the owner of a row's badge has another name"),
    ("another_person", "the face does not match the employee's enrolled ones"),
    ("ask_at_the_desk", "an invitation does not enrol this face: it is to be enrolled at the desk"),
    ("bad_archive", "an import's archive cannot be read any further"),
    ("bad_header", "a header is not valid, or comes twice"),
    ("bad_json", "the body is no JSON"),
    ("bad_list", "an import's people.csv has a wrong header, or is too large"),
    ("bad_multipart", "the form cannot be read"),
    ("bad_path", "an id in the path is not valid"),
    ("bad_query", "a query parameter is unknown, not valid or out of range"),
    (
        "bad_signature",
        "the request is not what a valid credential of the gate signed, or not written as a signed one",
    ),
    ("bad_value", "a value in the body is of the wrong kind or out of range"),
    ("badge_taken", "another employee carries the badge"),
    ("body_interrupted", "the body ended early"),
    ("body_too_large", "the body has more bytes than json_bytes_max"),
    ("consent_missing", "no consent of the employee's is on record"),
    (
        "consent_withdrawn",
        "the employee withdrew their consent, or the one that a row names, and gave none since",
    ),
    ("content_type_mismatch", "the bytes are not what content-type says"),
    (
        "csrf_token_missing",
        "the request has a session's cookie and not the csrf_token that shows that it comes from our own pages",
    ),
    ("database_unavailable", "the database does not answer"),
    (
        "duplicate_person",
        "the face is like another person's: a look-alike, or the same person entered twice",
    ),
    ("empty_frame", "a frame has no bytes"),
    ("event_id_reused", "the event id was used for other frames before"),
    ("frame_too_large", "a frame has more bytes than road.frame.bytes_max"),
    ("frame_too_many_pixels", "a frame has a longer side or more pixels than road.frame allows"),
    ("gate_has_passages", "the trail names the gate, so it cannot be removed"),
    ("gate_name_taken", "another gate has the name"),
    ("grant_not_over", "a turnstile may still open on the grant"),
    ("grant_settled", "what became of the grant was reported before"),
    ("group_name_taken", "another access group has the name"),
    ("import_running", "the import with this idempotency-key runs"),
    ("internal", "a fault of the service"),
    (
        "invitation_over",
        "the invitation was used, has expired, was taken back or had too many photos refused",
    ),
    ("invitation_required", "the token of an invitation is missing"),
    ("low_quality", "the photo is not good enough; issues and advice say why"),
    ("malformed_frame", "a frame cannot be decoded"),
    ("method_not_allowed", "the path does not know the method"),
    ("missing_frame", "there is no frame"),
    ("missing_header", "a header is missing"),
    ("missing_scope", "the key has not the scope"),
    ("multiple_faces", "the photo shows several faces about equally near"),
    ("networks_failing", "the networks fail on every frame"),
    ("no_calibration", "τ follows from no risk here: the thresholds are fixed"),
    ("no_face", "the photo shows no face"),
    ("not_a_grant", "passage_id names no grant of the gate"),
    ("not_an_image", "a frame is no JPEG, PNG or WebP"),
    ("not_an_import", "an import must come as a ZIP archive or NDJSON"),
    ("not_enrolled", "the employee has no face of this model"),
    (
        "not_found",
        "there is no such path, employee, face, gate, passage, site, zone, schedule, group, member, key, consent, invitation, import or webhook",
    ),
    ("not_invitable", "the employee is revoked or on the blocklist"),
    ("not_json", "content-type must be application/json"),
    ("overloaded", "too many requests at once; try again after retry-after seconds"),
    ("photo_already_enrolled", "this very photo is enrolled for the employee"),
    ("photo_missing", "a row names a photo that the archive does not have"),
    ("replayed_request", "the request is signed, but not newer than the one before; sign it anew"),
    ("schedule_in_use", "an access group names the schedule, so it cannot be removed"),
    ("schedule_name_taken", "another schedule has the name"),
    ("signature_required", "the gate takes signed requests alone"),
    ("signed_out", "the session is over; sign in again"),
    ("site_has_zones", "the site has zones, so it cannot be removed"),
    ("site_name_taken", "another site has the name"),
    ("spoof", "the photo is taken for a print or a screen"),
    (
        "stale_request",
        "the request is signed, but too long ago or ahead of the clock; check the gate's clock",
    ),
    ("starting", "the networks and the gallery are being loaded"),
    ("stopping", "the service is stopping"),
    ("timeout", "not received or not answered within request_timeout_ms"),
    ("too_many_faces", "the employee has as many faces as enrolment.faces_max allows"),
    ("too_many_frames", "more frames than the request may hold"),
    ("too_many_groups", "the employee belongs to as many groups as one may"),
    ("too_many_rows", "an import has more rows than enrolment.import_rows_max"),
    ("too_many_webhooks", "there are as many webhooks as there may be"),
    (
        "too_many_wrong_keys",
        "too many wrong API keys, or tokens of invitations, from there; try again after retry-after seconds",
    ),
    ("unauthorized", "a valid API key is needed"),
    ("unknown_group", "a row names an access group that does not exist"),
    ("unknown_part", "a form may hold parts named frame alone"),
    ("unreadable_faces", "the employee's stored faces cannot be read: remove them first"),
    (
        "unreadable_record",
        "a record of the trail cannot be read: a newer version wrote it, or somebody altered it",
    ),
    ("unsupported_content_type", "a frame must come as JPEG, PNG, WebP or a form"),
    ("unsupported_frame", "a frame is encoded in a way that is not read"),
    ("validity_empty", "valid_from must be before valid_until"),
    ("wrong_gate", "the key is bound to another gate"),
    ("zone_in_use", "a gate or an access group names the zone, so it cannot be removed"),
    ("zone_name_taken", "another zone of the site has the name"),
];

/// What went wrong, for machines (`code`) and for people (`detail`).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    #[schema(value_type = u16, example = 422)]
    status: StatusCode,
    /// Stable, for machines.
    #[schema(value_type = ProblemCode)]
    code: &'static str,
    /// The kind of problem, for people.
    title: &'static str,
    /// This problem: what is wrong and the limit it broke.
    detail: String,
    /// The id of the request, also in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// What is wrong with the photo (`low_quality` only).
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<IssueCode>, required = false)]
    issues: Box<[&'static str]>,
    /// What the person in it can do about each (`low_quality` only).
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    advice: Box<[&'static str]>,
    /// What there was too much of (`overloaded` only).
    #[serde(skip)]
    overload: Option<Overload>,
}

fn status_number<S: serde::Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}

impl Problem {
    fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl ToString,
    ) -> Self {
        debug_assert!(CODES.iter().any(|(known, _)| *known == code), "{code} is not in CODES");
        let (detail, issues, advice) = (detail.to_string(), Box::default(), Box::default());
        Self { status, code, title, detail, instance: None, issues, advice, overload: None }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "The request cannot be understood", detail)
    }

    /// 401: no valid key.
    pub fn unauthorized(detail: impl ToString) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid API key is needed", detail)
    }

    /// 401: the session is over, or its key is.
    pub(super) fn signed_out() -> Self {
        let detail = "the session is over: it ended, was not used for long, or its key was revoked; sign in again";
        Self::new(StatusCode::UNAUTHORIZED, "signed_out", "Signed out", detail)
    }

    /// 401: not signed as it must be.
    pub fn badly_signed(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, "A valid signature is needed", detail)
    }

    /// 401: no token of an invitation.
    pub(super) fn uninvited() -> Self {
        let (title, detail) =
            ("An invitation is needed", "send the header authorization: Invitation TOKEN");
        Self::new(StatusCode::UNAUTHORIZED, "invitation_required", title, detail)
    }

    /// 403: the key does not allow it.
    pub fn forbidden(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, "The API key does not allow this", detail)
    }

    /// 404: no such resource.
    pub fn not_found(what: &str) -> Self {
        let detail = format!("there is no such {what}");
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    /// 404: what is asked for is not to be had here.
    pub fn missing(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, "Not found", detail)
    }

    /// 405: the path does not know the method.
    pub fn method_not_possible(method: &Method, uri: &Uri) -> Self {
        let detail = format!("{method} is not possible on {}", uri.path());
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method not allowed",
            detail,
        )
    }

    /// 409: conflicts with what is stored.
    pub fn conflict(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, code, "Conflicts with what is stored", detail)
    }

    /// 410: it was there, and is over.
    pub fn gone(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::GONE, code, "Over", detail)
    }

    /// 413: larger than a limit.
    pub fn too_large(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, "Larger than allowed", detail)
    }

    /// 415: not a media type that is read here.
    pub fn unsupported(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, "Unsupported media type", detail)
    }

    /// 422: understood, but not usable.
    pub fn unprocessable(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, "The content cannot be used", detail)
    }

    /// 408: the request did not arrive or was not answered in time.
    pub fn timeout(detail: impl ToString) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", "Out of time", detail)
    }

    /// 429: try again after a second.
    pub(super) fn overloaded(of: Overload) -> Self {
        let problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", "Overloaded", of.detail());
        Self { overload: Some(of), ..problem }
    }

    /// 429: too many wrong keys within a minute.
    pub(super) fn too_many_wrong_keys() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_wrong_keys",
            "Too many wrong API keys",
            "too many wrong API keys came from this address; try again within a minute",
        )
    }

    /// 429: too many wrong tokens of invitations within a minute.
    pub(super) fn too_many_wrong_tokens() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_wrong_keys",
            "Too many wrong invitations",
            "too many wrong invitations came from this address; try again within a minute",
        )
    }

    /// 503: a part that the answer needs is not there. Says nothing about its insides.
    pub fn unavailable(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, "Not available now", detail)
    }

    /// 500: a fault of ours. The cause goes to the log, never to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        let detail = "an unexpected fault; the log has it under the request's id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// 500: what is stored is not what Limen writes. Why goes to the log.
    fn unreadable(record: &str, cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        let detail = format!(
            "{record} cannot be read: a newer version of Limen wrote it, or somebody altered it, which \
             `limen audit verify` tells; the log has more under the request's id"
        );
        let (status, title) = (StatusCode::INTERNAL_SERVER_ERROR, "A record cannot be read");
        Self::new(status, "unreadable_record", title, detail)
    }

    /// Names the request.
    #[must_use]
    pub fn of_request(mut self, id: &str) -> Self {
        self.instance = Some(id.to_owned());
        self
    }

    /// Whether a part was missing that may come back.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// What there was too much of, if that was it.
    pub(super) fn overload(&self) -> Option<Overload> {
        self.overload
    }

    /// Says first what it is about.
    #[must_use]
    pub(super) fn of(mut self, what: &str) -> Self {
        self.detail = format!("{what}: {}", self.detail);
        self
    }

    /// Whether another request of the same kind would fare alike: the key is not valid, or a part is missing.
    pub(super) fn is_about_all(&self) -> bool {
        self.is_unavailable() || self.status == StatusCode::UNAUTHORIZED
    }

    /// What is wrong, for people.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

/// The middleware finds the problem in the response's extensions and names the request in it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let seconds = if self.code == "too_many_wrong_keys" { "60" } else { "1" };
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
            }
            StatusCode::UNAUTHORIZED => {
                let scheme = match self.code {
                    "unauthorized" => "Bearer",
                    "invitation_required" => invited::SCHEME,
                    _ => SCHEME,
                };
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

pub(super) async fn no_such_route(uri: Uri) -> Problem {
    Problem::not_found(&format!("path as {}", uri.path()))
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::method_not_possible(&method, &uri)
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::KeyRevoked => Self::unauthorized("the API key is not valid"),
            StoreError::Conflict(conflict) => conflict.into(),
            StoreError::Unstorable(_) => Self::unprocessable("bad_value", error),
            StoreError::Unreadable { ref record, .. } => Self::unreadable(record, &error),
            StoreError::Unavailable(_) => {
                tracing::error!("{error}");
                Self::unavailable("database_unavailable", "the database does not answer")
            }
            StoreError::Corrupt(_)
            | StoreError::Schema { .. }
            | StoreError::Migration(_)
            | StoreError::NoKeyring
            | StoreError::Sealing(_)
            | StoreError::Unsealed { .. }
            | StoreError::Planted { .. }
            | StoreError::UnknownKeys { .. }
            | StoreError::UnknownSigner { .. } => Self::internal(error),
        }
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::BadgeTaken => {
                Self::conflict("badge_taken", "another employee carries this badge_id")
            }
            Conflict::GateNameTaken => {
                Self::conflict("gate_name_taken", "another gate has this name")
            }
            Conflict::GateHasPassages => Self::conflict(
                "gate_has_passages",
                "the trail names this gate, so it cannot be removed; set enabled to false",
            ),
            Conflict::NotAGrant => Self::unprocessable(
                "not_a_grant",
                "passage_id names no grant of this gate that is in the trail",
            ),
            Conflict::GrantSettled => Self::conflict(
                "grant_settled",
                "what became of this grant was reported before, under another event id",
            ),
            Conflict::GrantNotOver => Self::conflict(
                "grant_not_over",
                "a turnstile may still open on this grant (grant_token_ms): report it when it is shut again",
            ),
            Conflict::SiteNameTaken => {
                Self::conflict("site_name_taken", "another site has this name")
            }
            Conflict::SiteHasZones => Self::conflict(
                "site_has_zones",
                "this site has zones, so it cannot be removed; remove them first",
            ),
            Conflict::ZoneNameTaken => {
                Self::conflict("zone_name_taken", "another zone of the site has this name")
            }
            Conflict::ZoneInUse => Self::conflict(
                "zone_in_use",
                "a gate or an access group names this zone, so it cannot be removed",
            ),
            Conflict::ScheduleNameTaken => {
                Self::conflict("schedule_name_taken", "another schedule has this name")
            }
            Conflict::ScheduleInUse => Self::conflict(
                "schedule_in_use",
                "an access group names this schedule, so it cannot be removed",
            ),
            Conflict::GroupNameTaken => {
                Self::conflict("group_name_taken", "another access group has this name")
            }
            Conflict::TooManyGroups => {
                Self::conflict("too_many_groups", "the employee belongs to 100 groups already")
            }
            Conflict::TooManyWebhooks => Self::conflict(
                "too_many_webhooks",
                "there are 32 webhooks already, the most allowed",
            ),
            Conflict::PhotoAlreadyEnrolled => Self::conflict(
                "photo_already_enrolled",
                "this very photo is already enrolled for the employee",
            ),
            Conflict::TooManyFaces { faces_max } => Self::conflict(
                "too_many_faces",
                format!("the employee has {faces_max} faces, the most allowed; remove one first"),
            ),
            Conflict::AnotherPerson { .. } => {
                Self::conflict("another_person", "the face does not match the employee's others")
            }
            Conflict::Blocked => Self::forbidden(
                "missing_scope",
                "the employee is on the blocklist: this needs a key with the scope officer or admin",
            ),
            Conflict::ConsentMissing => Self::conflict(
                "consent_missing",
                "no consent of the employee's is on record; POST it to /v1/employees/E/consents first",
            ),
            Conflict::ConsentWithdrawn => Self::conflict(
                "consent_withdrawn",
                "the employee withdrew their consent; who agrees again does so by POST /v1/employees/E/consents",
            ),
            Conflict::InvitationOver => Self::gone(
                "invitation_over",
                "the invitation takes no photo any more: ask for another",
            ),
            Conflict::NotInvitable => Self::conflict(
                "not_invitable",
                "the employee is revoked or on the blocklist, and so not invited",
            ),
            Conflict::UnreadableFaces => Self::conflict(
                "unreadable_faces",
                "the employee's stored faces cannot be read; remove them first",
            ),
            Conflict::ImportRunning => Self::conflict(
                "import_running",
                "an import with this idempotency-key runs; GET /v1/imports?key= says how far it is",
            ),
            Conflict::ValidityEmpty => {
                Self::unprocessable("validity_empty", "valid_from must be before valid_until")
            }
        }
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        use DecodeError as E;
        match &error {
            E::Empty => Self::bad_request("empty_frame", error),
            E::TooManyBytes { .. } => Self::too_large("frame_too_large", error),
            E::SideTooLong { .. } | E::TooManyPixels { .. } => {
                Self::too_large("frame_too_many_pixels", error)
            }
            E::UnknownFormat => Self::unsupported("not_an_image", error),
            E::FormatMismatch { .. } => Self::unsupported("content_type_mismatch", error),
            E::Animated { .. } => Self::unprocessable("animated_frame", error),
            E::Unsupported { .. } => Self::unprocessable("unsupported_frame", error),
            E::Malformed { .. } => Self::unprocessable("malformed_frame", error),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Overloaded => Self::overloaded(Overload::Frames),
            EngineError::Look(LookError::Decode(error)) => error.into(),
            EngineError::Stopped => Self::unavailable("stopping", "the service is stopping"),
            EngineError::Look(_) | EngineError::Panicked => Self::internal(error),
        }
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        Self::internal(error)
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Store(error) => error.into(),
            AccessError::Match(error) => error.into(),
            AccessError::EventIdReused => Self::conflict("event_id_reused", error),
            AccessError::NoFrames => Self::bad_request("missing_frame", error),
            AccessError::Unfinished(error) => Self::internal(error),
        }
    }
}

impl From<EnrolmentError> for Problem {
    fn from(error: EnrolmentError) -> Self {
        match error {
            EnrolmentError::Store(error) => error.into(),
            EnrolmentError::Match(error) => error.into(),
            EnrolmentError::Duplicate(_) => Self::conflict("duplicate_person", error),
            EnrolmentError::AnotherPerson { .. } => Self::conflict("another_person", error),
            EnrolmentError::NoFace => Self::unprocessable("no_face", error),
            EnrolmentError::MultipleFaces => Self::unprocessable("multiple_faces", error),
            EnrolmentError::Spoof => Self::unprocessable("spoof", error),
            EnrolmentError::LowQuality { ref issues, .. } => {
                let advice = issues.iter().map(|issue| issue.advice()).collect();
                let issues = issues.iter().map(|issue| issue.code()).collect();
                Self { issues, advice, ..Self::unprocessable("low_quality", &error) }
            }
        }
    }
}
