//! How calls end that this process makes.

use http::Response;
use tonic::Status;
use tonic::body::Body;
use vision_rpc::Ending;

/// Reports how a call ends when its answer does. A body that breaks says how by its status.
pub(crate) fn follow(ending: Ending, response: Response<Body>) -> Response<Body> {
    ending.follow(response, Status::code, Body::new)
}
