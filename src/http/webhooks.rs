//! `/v1/webhooks`: who is told of passages without asking.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, ManageWebhooks};
use super::extract::{Json as Body, NoQuery, Path, Query, check, stated};
use super::page::{self, Page};
use super::schema::DecisionCode;
use super::{AppState, Problem};
use crate::domain::{
    DeadLetterId, Decision, GateId, Webhook, WebhookFilter, WebhookId, WebhookUrl,
};
use crate::events::webhook_secret;
use crate::store::{DeadLetter, WebhookChange};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(read, change, remove))
        .routes(routes!(list_dead_letters))
        .routes(routes!(retry_dead_letters))
}

/// A webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct WebhookView {
    #[schema(value_type = Uuid)]
    webhook_id: WebhookId,
    /// Where events are posted to.
    #[schema(value_type = String)]
    url: WebhookUrl,
    enabled: bool,
    /// Only events of these gates; of all, where it is empty.
    #[schema(value_type = Vec<Uuid>)]
    gate_ids: Vec<GateId>,
    /// Only these decisions; all, where it is empty.
    #[schema(value_type = Vec<DecisionCode>)]
    decisions: Vec<Decision>,
    /// Only what raises an alarm.
    alarms: bool,
    /// From when on it is told of passages.
    created_at: DateTime<Utc>,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        Self {
            webhook_id: webhook.id,
            url: webhook.url,
            enabled: webhook.enabled,
            gate_ids: webhook.filter.gate_ids,
            decisions: webhook.filter.decisions,
            alarms: webhook.filter.alarms,
            created_at: webhook.created_at,
        }
    }
}

/// A webhook to be created.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateWebhook {
    /// Where events are posted to: http or https, without a user's name or password.
    #[garde(skip)]
    #[schema(value_type = String)]
    url: WebhookUrl,
    /// Only events of these gates, up to 500; default: of all.
    #[garde(length(max = 500))]
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>)]
    gate_ids: Vec<GateId>,
    /// Only these decisions; default: all.
    #[garde(length(max = 3))]
    #[serde(default)]
    #[schema(value_type = Vec<DecisionCode>)]
    decisions: Vec<Decision>,
    /// Only what raises an alarm; default: everything.
    #[garde(skip)]
    #[serde(default)]
    alarms: bool,
}

/// A new webhook.
#[derive(Debug, Serialize, ToSchema)]
struct CreatedWebhook {
    #[serde(flatten)]
    view: WebhookView,
    /// What deliveries are signed with, shown this once.
    secret: String,
}

/// Creates a webhook, which is told of what is recorded from then on, and shows its secret, once.
#[utoipa::path(
    post, path = "/v1/webhooks", operation_id = "create_webhook", tag = "webhooks", request_body = CreateWebhook,
    responses((status = 201, description = "Created", body = CreatedWebhook),
        (status = 404, description = "No such gate", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There are as many as there may be", body = Problem, content_type = "application/problem+json"))
)]
async fn create(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ManageWebhooks>,
    _: NoQuery,
    Body(body): Body<CreateWebhook>,
) -> Result<(StatusCode, Json<CreatedWebhook>), Problem> {
    check(&body)?;
    let CreateWebhook { url, gate_ids, decisions, alarms } = body;
    allowed(&state, &url)?;
    let filter = WebhookFilter { gate_ids, decisions, alarms };
    let secret = webhook_secret().map_err(Problem::internal)?;
    let webhook = state.store.create_webhook(&caller.author(), &url, &filter, &secret).await?;
    let created = CreatedWebhook { view: webhook.into(), secret: String::clone(&secret) };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Whether events may be posted there.
fn allowed(state: &AppState, url: &WebhookUrl) -> Result<(), Problem> {
    if state.settings.webhook_hosts.allow(url) {
        return Ok(());
    }
    let detail = format!("url: webhooks may not be posted to the host {}", url.host());
    Err(Problem::unprocessable("bad_value", detail))
}

/// Lists webhooks, all on one page, in the order of their creation.
#[utoipa::path(
    get, path = "/v1/webhooks", operation_id = "list_webhooks", tag = "webhooks",
    responses((status = 200, description = "All of them", body = Page<WebhookView>),
        (status = 400, description = "There are no parameters", body = Problem, content_type = "application/problem+json"))
)]
async fn list(
    State(state): State<AppState>,
    _: Allowed<ManageWebhooks>,
    _: NoQuery,
) -> Result<Json<Page<WebhookView>>, Problem> {
    let webhooks = state.store.webhooks().await?;
    Ok(Json(Page { items: webhooks.into_iter().map(Into::into).collect(), next_cursor: None }))
}

/// Shows a webhook, without its secret.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook_id}", operation_id = "read_webhook", tag = "webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook")),
    responses((status = 200, description = "The webhook", body = WebhookView),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"))
)]
async fn read(
    State(state): State<AppState>,
    _: Allowed<ManageWebhooks>,
    _: NoQuery,
    Path(id): Path<WebhookId>,
) -> Result<Json<WebhookView>, Problem> {
    Ok(Json(state.store.webhook(id).await?.into()))
}

/// What to change of a webhook; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeWebhook {
    /// Where events are posted to.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = String, required = false)]
    url: Option<WebhookUrl>,
    /// `false`: nothing is delivered; what was missed comes once it is `true` again.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = bool, required = false)]
    enabled: Option<bool>,
    /// Only events of these gates, up to 500; of a gate that is new here those that come from now on.
    #[garde(length(max = 500))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Vec<Uuid>, required = false)]
    gate_ids: Option<Vec<GateId>>,
    /// Only these decisions.
    #[garde(length(max = 3))]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Vec<DecisionCode>, required = false)]
    decisions: Option<Vec<Decision>>,
    /// Only what raises an alarm.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = bool, required = false)]
    alarms: Option<bool>,
}

/// Changes a webhook.
#[utoipa::path(
    patch, path = "/v1/webhooks/{webhook_id}", operation_id = "change_webhook", tag = "webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook")), request_body = ChangeWebhook,
    responses((status = 200, description = "The changed webhook", body = WebhookView),
        (status = 404, description = "No such webhook or gate", body = Problem, content_type = "application/problem+json"))
)]
async fn change(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ManageWebhooks>,
    _: NoQuery,
    Path(id): Path<WebhookId>,
    Body(body): Body<ChangeWebhook>,
) -> Result<Json<WebhookView>, Problem> {
    check(&body)?;
    let ChangeWebhook { url, enabled, gate_ids, decisions, alarms } = body;
    url.iter().try_for_each(|url| allowed(&state, url))?;
    let change = WebhookChange { url, enabled, gate_ids, decisions, alarms };
    Ok(Json(state.store.change_webhook(&caller.author(), id, &change).await?.into()))
}

/// Removes a webhook with its dead letters.
#[utoipa::path(
    delete, path = "/v1/webhooks/{webhook_id}", operation_id = "delete_webhook", tag = "webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook")),
    responses((status = 204, description = "Removed"),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"))
)]
async fn remove(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ManageWebhooks>,
    _: NoQuery,
    Path(id): Path<WebhookId>,
) -> Result<StatusCode, Problem> {
    state.store.delete_webhook(&caller.author(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An event that the webhook did not take after all attempts.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetterView {
    #[schema(value_type = Uuid)]
    dead_letter_id: DeadLetterId,
    #[schema(value_type = Uuid)]
    gate_id: GateId,
    /// The event's position in the gate's trail.
    position: u64,
    attempts: u32,
    /// What went wrong the last time.
    last_error: String,
    failed_at: DateTime<Utc>,
    /// Whether it waits to be tried once more.
    retrying: bool,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        Self {
            dead_letter_id: letter.id,
            gate_id: letter.gate_id,
            position: letter.position,
            attempts: letter.attempts,
            last_error: letter.last_error,
            failed_at: letter.failed_at,
            retrying: letter.retrying,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeadLettersQuery {
    /// Rows of the page.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<Uuid>)]
    cursor: Option<DeadLetterId>,
}

/// Lists the events that a webhook did not take, those first that were given up first.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook_id}/dead-letters", operation_id = "list_dead_letters", tag = "webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook"), DeadLettersQuery),
    responses((status = 200, description = "A page", body = Page<DeadLetterView>),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"))
)]
async fn list_dead_letters(
    State(state): State<AppState>,
    _: Allowed<ManageWebhooks>,
    Path(id): Path<WebhookId>,
    Query(query): Query<DeadLettersQuery>,
) -> Result<Json<Page<DeadLetterView>>, Problem> {
    let (rows, _permit) = page::begin(query.limit, &state)?;
    state.store.webhook(id).await?;
    let found = state.store.dead_letters(id, query.cursor, rows + 1).await?;
    Ok(Json(Page::new(found, rows, |letter| letter.id.0)))
}

/// How many dead letters there are.
#[derive(Debug, Serialize, ToSchema)]
struct RetriedDeadLetters {
    /// So many are tried once more.
    retried: u64,
}

/// Has every dead letter of a webhook tried once more; those that fail again stay.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook_id}/dead-letters/retry", operation_id = "retry_dead_letters",
    tag = "webhooks", params(("webhook_id" = Uuid, Path, description = "The webhook")),
    responses((status = 200, description = "They are tried once more", body = RetriedDeadLetters),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"))
)]
async fn retry_dead_letters(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<ManageWebhooks>,
    _: NoQuery,
    Path(id): Path<WebhookId>,
) -> Result<Json<RetriedDeadLetters>, Problem> {
    state.store.webhook(id).await?;
    let retried = state.store.retry_dead_letters(&caller.author(), id).await?;
    Ok(Json(RetriedDeadLetters { retried }))
}
