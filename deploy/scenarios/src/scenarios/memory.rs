//! Peak memory of every service beside its limit.

use crate::failure::{Outcome, check};
use crate::memory::Memory;
use crate::net::Net;
use crate::node::Service;

pub(super) async fn run(net: &Net, memory: &Memory) -> Outcome {
    let containers = net.docker.containers().await?;
    let peaks = memory.peaks();
    for service in Service::ALL {
        let mut line = format!("{:<12}", service.name());
        for node in &net.nodes {
            let name = node.container(service);
            let limit = containers.get(&name).map_or(0, |container| container.host_config.memory);
            let Some(peak) = peaks.get(&name).copied() else {
                line.push_str("  cannot be measured here");
                continue;
            };
            line.push_str(&format!("  {:>6.1} of {} MiB", mib(peak), limit >> 20));
            check(peak <= limit, format!("{name} within its limit of {limit} bytes"), || peak.to_string())?;
        }
        net.say(line);
    }
    let mut killed = memory.killed();
    killed.extend(containers.iter().filter(|(_, c)| c.state.oom_killed).map(|(name, _)| name.clone()));
    check(killed.is_empty(), "no container killed for want of memory", || killed.join(", "))?;
    net.say("no container was killed for want of memory");
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
