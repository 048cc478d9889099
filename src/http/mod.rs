//! The HTTP contract: router, state, errors, keys; one file per resource.

mod alarm;
mod audit_checks;
mod auth;
mod body_check;
mod changes;
mod console;
mod credentials;
mod employees;
mod entrance;
mod events;
mod explanation;
mod extract;
mod faces;
mod frame_checks;
mod frames;
mod gate_caller;
mod gate_inputs;
mod gate_states;
mod gates;
mod groups;
mod header;
mod health;
mod held;
mod identity;
mod imports;
mod invitations;
mod invited;
mod keys;
mod leftover;
mod liveness;
mod lookalikes;
mod metrics;
mod middleware;
mod moment;
mod openapi;
mod overload;
mod page;
mod passages;
mod privacy;
mod problem;
mod recognize;
mod reference;
mod risk;
mod schedules;
mod schema;
mod session;
mod signature;
mod sites;
mod state;
mod streams;
mod system;
mod test_shots;
mod verify;
mod webhooks;
mod wrong_keys;
mod zones;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use alarm::raise as raise_alarm;
pub use auth::{ApiKeyText, Origin};
pub use credentials::{CredentialError, GateCredential, OVERLAP_DEFAULT, OVERLAP_MAX};
pub use entrance::Entrance;
pub use invitations::InvitationSettings;
pub use invited::PHOTOS_MAX as INVITED_PHOTOS_MAX;
pub use leftover::LeftoverLimits;
pub use metrics::MetricsReaders;
pub use openapi::contract;
pub use overload::overload_limits;
pub use problem::{CODES as PROBLEM_CODES, Problem};
pub use risk::{AlternativesView, OfferView};
pub use session::{OIDC_BEGIN, OIDC_CALLBACK};
pub use state::{AppState, HttpSettings};
pub use streams::Streams;
pub use system::About;
pub use wrong_keys::WrongKeys;

/// The service: every route, its limits and the middleware around them.
pub fn router(state: AppState) -> Router {
    let (router, _) = api().split_for_parts();
    let router = router
        .merge(console::routes())
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::method_not_allowed)
        // The extractors limit each body by its kind.
        .layer(DefaultBodyLimit::disable());
    middleware::around(router, &state).with_state(state)
}

fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::Contract::openapi())
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(openapi::routes())
        .merge(reference::routes())
        .merge(verify::routes())
        .merge(recognize::routes())
        .merge(liveness::routes())
        .merge(passages::routes())
        .merge(gate_inputs::routes())
        .merge(test_shots::routes())
        .merge(events::routes())
        .merge(webhooks::routes())
        .merge(employees::routes())
        .merge(faces::routes())
        .merge(lookalikes::routes())
        .merge(frame_checks::routes())
        .merge(imports::routes())
        .merge(invitations::routes())
        .merge(invited::routes())
        .merge(gates::routes())
        .merge(gate_states::routes())
        .merge(risk::routes())
        .merge(credentials::routes())
        .merge(sites::routes())
        .merge(zones::routes())
        .merge(schedules::routes())
        .merge(groups::routes())
        .merge(keys::routes())
        .merge(session::routes())
        .merge(changes::routes())
        .merge(privacy::routes())
        .merge(system::routes())
        .merge(audit_checks::routes())
        .merge(explanation::routes())
}
