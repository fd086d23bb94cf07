//! `vision healthcheck`: for containers and scripts, where no other tool is at hand.

use std::time::Duration;

use serde_json::json;
use tonic::transport::Endpoint;
use vision_host::health;
use vision_host::server::ListenAddress;

use crate::cli::HealthcheckArgs;
use vision_terminal::exit::{Failure, Outcome};
use vision_terminal::output::{self, Format};

/// From the start of the call to the verdict.
const DEADLINE: Duration = Duration::from_secs(3);

/// Succeeds only if the service says SERVING.
pub(crate) async fn run(args: &HealthcheckArgs, format: Format) -> Outcome {
    let HealthcheckArgs { addr, service } = args;
    let wrong = || Failure::usage(format!("--addr {addr:?} is not HOST:PORT; example: 127.0.0.1:50051"));
    if !addr.parse::<ListenAddress>().is_ok_and(|address| address.port() != 0) {
        return Err(wrong());
    }
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).map_err(|_| wrong())?;
    let whom = if service.is_empty() { addr.clone() } else { format!("{service} at {addr}") };
    let answer = health::check(endpoint.connect_lazy(), service, DEADLINE).await;
    answer.map_err(|not_serving| Failure::unhealthy(format!("{whom}: {not_serving}")))?;
    match format {
        Format::Json => output::json(&json!({ "status": "SERVING", "service": service })),
        Format::Table => output::line("SERVING"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_terminal::exit::Exit;

    #[tokio::test]
    async fn what_is_no_address_is_wrong_use() {
        let cases = [
            "http://127.0.0.1:50051",
            "127.0.0.1",
            "127.0.0.1:0",
            "127.0.0.1:+1",
            ":50051",
            "a b:1",
            "::1:50051",
        ];
        for addr in cases {
            let args = HealthcheckArgs { addr: addr.into(), service: String::new() };
            let failure = run(&args, Format::Table).await.expect_err(addr);
            assert_eq!(failure.exit(), Exit::Usage, "{addr}: {failure}");
        }
    }
}
