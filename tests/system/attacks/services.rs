//! Against the gRPC services and their health.

use std::time::Duration;

use futures::future::join_all;
use tokio::runtime::Runtime;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use vision_wire::selection::GetScheduleRequest;
use vision_wire::selection::selection_service_client::SelectionServiceClient;

use super::Target;
use super::stranger::{address, channel};

const PATIENCE: Duration = Duration::from_secs(4);
/// Making a large request takes this program a while.
const LONG_PATIENCE: Duration = Duration::from_secs(30);

impl Target<'_> {
    /// Every port that answers health checks.
    fn ports(&self) -> [u16; 6] {
        [self.grpc, self.grpc + 1, self.grpc + 2, self.grpc + 3, self.p2p, self.rest]
    }
}

async fn within<T>(patience: Duration, what: impl Future<Output = Result<T, Status>>) -> Result<T, Code> {
    match tokio::time::timeout(patience, what).await {
        Ok(answer) => answer.map_err(|status| status.code()),
        Err(_) => Err(Code::DeadlineExceeded),
    }
}

/// The name of a service nearly as large as a message may be by default.
pub fn large_health_checks(target: &Target<'_>, runtime: &Runtime) -> String {
    let service = "x".repeat(4_000_000);
    let mut refusals = 0;
    for port in target.ports() {
        let asking = (0..64).map(|number| {
            let mut client = HealthClient::new(channel(address(number / 8 + 1), port));
            let request = HealthCheckRequest { service: service.clone() };
            async move { within(PATIENCE, client.check(request)).await }
        });
        for answer in runtime.block_on(async { join_all(asking).await }) {
            let code = answer.expect_err("no such service");
            assert_ne!(code, Code::NotFound, "port {port} has read the name");
            refusals += 1;
        }
    }
    format!("{refusals} refused")
}

pub fn health_watches(target: &Target<'_>, runtime: &Runtime) -> String {
    const CONNECTIONS: u8 = 8;
    const STREAMS: usize = 128;
    let mut came = Vec::new();
    for port in target.ports() {
        let opening = (0..CONNECTIONS).flat_map(|number| {
            let client = HealthClient::new(channel(address(number + 1), port));
            (0..STREAMS).map(move |_| {
                let mut client = client.clone();
                async move { within(PATIENCE, client.watch(HealthCheckRequest::default())).await }
            })
        });
        let watches = runtime.block_on(async { join_all(opening).await });
        let open = watches.iter().filter(|watch| watch.is_ok()).count();
        if port == target.p2p || port == target.rest {
            assert_eq!(open, 0, "strangers watch no health on port {port}");
        }
        assert!(open < watches.len(), "port {port}: every watch was opened");
        came.push(open.to_string());
    }
    format!("watches open by port: {}", came.join(" "))
}

pub fn large_schedules(target: &Target<'_>, runtime: &Runtime) -> String {
    // Both just under 16 MiB, the most of a message.
    let ids = vec!["0".repeat(64); 200_000];
    let empty = vec![String::new(); 6_000_000];
    let asking = [ids, empty].into_iter().cycle().take(4).map(|active| {
        let request = GetScheduleRequest {
            chain_id: "attack".into(),
            entropy: "00".repeat(32),
            height: 1,
            active,
            ..GetScheduleRequest::default()
        };
        let mut client = SelectionServiceClient::new(channel(address(1), target.grpc + 2));
        async move { within(LONG_PATIENCE, client.get_schedule(request)).await }
    });
    let codes = runtime.block_on(async { join_all(asking).await });
    let codes: Vec<_> = codes.into_iter().map(|answer| answer.expect_err("far too large")).collect();
    format!("{codes:?}")
}
