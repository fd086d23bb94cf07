//! How calls end that this process answers.

use axum::body::Body;
use axum::response::Response;
use tonic::Code;
use vision_rpc::Ending;

/// Reports how a call ends when its answer does. A body that breaks is a fault of the service.
pub(super) fn follow(ending: Ending, response: Response) -> Response {
    ending.follow(response, |_| Code::Internal, Body::new)
}
