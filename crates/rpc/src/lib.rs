//! What both sides of a gRPC call do alike, whatever the call is about.
//!
//! The room under `wire`, which makes calls, and `host`, which answers them: how a call ends ([`Ending`]),
//! what its code is named ([`code_name`]), how long it may take ([`deadline`]), and how an error says which
//! of the project's reasons it has ([`status_with_reason`]). It knows no message and no domain word. TLS will
//! have its one home here.
#![cfg_attr(not(test), warn(unreachable_pub))]

mod code_name;
pub mod deadline;
mod ending;
mod reason;

pub use code_name::code_name;
pub use ending::{Ending, EndingBody};
pub use reason::{ERROR_DOMAIN, reason_of, status_with_reason};
