//! What both sides of a gRPC call do alike, whatever the call is about.
//!
//! The room under `wire`, which makes calls, and `host`, which answers them: how a call ends ([`Ending`]),
//! what its code is named ([`code_name`]), how long it may take ([`deadline`]), how an error says which of
//! the project's reasons it has ([`status_with_reason`]), and over which network it goes ([`Net`]). It knows
//! no message and no domain word. TLS will have its one home here.
#![cfg_attr(not(test), warn(unreachable_pub))]

mod code_name;
pub mod deadline;
mod ending;
pub mod net;
mod reason;

pub use code_name::code_name;
pub use ending::{Ending, EndingBody};
pub use net::Net;
pub use reason::{ERROR_DOMAIN, reason_of, status_with_reason};
