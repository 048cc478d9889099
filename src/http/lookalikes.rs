//! `GET /v1/employees/E/lookalikes`: who else a face of theirs may be taken for.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Allowed, SeePeople};
use super::extract::{NoQuery, Path};
use super::{AppState, Problem};
use crate::access::Neighbours;
use crate::domain::{Employee, EmployeeId, EmployeeName, Permission};

/// People who are listed.
const NEIGHBOURS_MAX: usize = 10;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Somebody else who is enrolled.
#[derive(Debug, Serialize, ToSchema)]
struct NeighbourView {
    #[schema(value_type = Uuid)]
    employee_id: EmployeeId,
    #[schema(value_type = String)]
    name: EmployeeName,
    /// The squared distance of the two templates, 0 to 4.
    distance: f32,
    /// Whether their face alone does not open.
    badge_required: bool,
    /// Whether a search may take one for the other, or not tell them apart: the distance is under `look_alike_limit`.
    is_look_alike: bool,
}

/// Those who are most like somebody.
#[derive(Debug, Serialize, ToSchema)]
struct NeighbourList {
    /// At most ten, the nearest first, whether they are look-alikes or not.
    items: Vec<NeighbourView>,
    /// The τ of 1:N: whoever is nearer is taken for the other.
    threshold: f32,
    /// τ and the margin that a search keeps.
    look_alike_limit: f32,
    /// The model whose distances these are.
    model_id: String,
}

impl NeighbourList {
    /// `known` are the neighbours as they are stored; who was removed meanwhile is left out.
    fn new(neighbours: Neighbours, known: Vec<Employee>) -> Self {
        let Neighbours { nearest, model, threshold, limit } = neighbours;
        let mut known: HashMap<_, _> = known.into_iter().map(|one| (one.id, one)).collect();
        let items = nearest.into_iter().filter_map(|near| {
            let Employee { id, name, badge_required, .. } = known.remove(&near.employee_id)?;
            let distance = near.distance.value();
            let is_look_alike = distance < limit;
            Some(NeighbourView { employee_id: id, name, distance, badge_required, is_look_alike })
        });
        Self {
            items: items.collect(),
            threshold: threshold.value(),
            look_alike_limit: limit,
            model_id: model.to_string(),
        }
    }
}

/// Lists who of the gallery is most like an employee, among those whom the same model knows; needs the scope `officer`
/// or `admin`.
#[utoipa::path(
    get, path = "/v1/employees/{employee_id}/lookalikes", operation_id = "list_lookalikes", tag = "employees",
    params(("employee_id" = Uuid, Path, description = "The employee")),
    responses((status = 200, description = "The nearest others", body = NeighbourList),
        (status = 404, description = "No such employee", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The employee has no face of a model that is served", body = Problem, content_type = "application/problem+json"))
)]
async fn list(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<SeePeople>,
    _: NoQuery,
    Path(id): Path<EmployeeId>,
) -> Result<Json<NeighbourList>, Problem> {
    caller.require(Permission::SeeCandidates)?;
    let employee = state.store.employee(id).await?;
    let neighbours = state.matcher.neighbours(employee.id, NEIGHBOURS_MAX).await?;
    let neighbours = neighbours.ok_or_else(|| {
        Problem::conflict("not_enrolled", "the employee has no face of this model enrolled")
    })?;
    let people: Vec<_> = neighbours.nearest.iter().map(|near| near.employee_id).collect();
    let known = state.store.employees_among(&people).await?;
    Ok(Json(NeighbourList::new(neighbours, known)))
}
