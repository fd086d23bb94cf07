//! Routes of the protocol files: parameters become the request of one method, and its answer becomes JSON.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::routing::get;
use vision_wire::rest::{Refusal, Route, api};

use super::limits::Admission;
use super::problem::Problem;
use super::query::Params;
use super::{Answer, AppState, json_bytes};

/// All that need no code of their own.
pub(super) fn routes() -> Router<AppState> {
    let plain = api().routes().iter().filter(|route| route.own_code.is_empty() && route.verb == "GET");
    plain.fold(Router::new(), |router, route| {
        let handler = move |State(state): State<AppState>,
                            Extension(admission): Extension<Admission>,
                            path,
                            params| { answer(route, state, admission, path, params) };
        router.route(&route.path, get(handler))
    })
}

async fn answer(
    route: &'static Route,
    state: AppState,
    admission: Admission,
    path: Result<Path<Vec<(String, String)>>, PathRejection>,
    params: Params,
) -> Answer {
    // What is no text fits no parameter.
    let path = path.map(|Path(path)| path).unwrap_or_default();
    let asked = route.ask(&path, params.pairs())?;
    admission.reserve(asked.weight_bytes).await?;
    let encoded = state.backends.ask(route, asked.request).await?;
    Ok(json_bytes(api().answer(route, &encoded)?))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(refusal.reason, refusal.detail);
        let problem = refusal.field.into_iter().fold(problem, |problem, field| problem.with("field", field));
        refusal.limit.into_iter().fold(problem, |problem, limit| problem.with("limit", limit.to_string()))
    }
}
