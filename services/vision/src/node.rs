//! The five services of one node in one process, and what holds for every process that runs services:
//! it ends as a whole, in good order when asked, at once when something breaks.

use std::io::Write as _;
use std::panic;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tracing::{error, info};
use vision_host::Env;
use vision_host::config::Settings;

use crate::cli::{NodeArgs, ServiceArgs};
use crate::logfile;
use crate::open_files;
use crate::service::{connections, enter, prepare, read, reread_log_level};
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::service::Service;
use vision_terminal::signals::{Asked, Interrupts};

/// How long the services may take to end in good order: less than the 10 s after which container engines
/// kill.
const DRAIN_DEADLINE: Duration = Duration::from_secs(8);

/// Runs a node until a signal comes.
pub(crate) async fn run(args: &NodeArgs) -> Outcome {
    if let Some(file) = &args.log_file {
        logfile::enter(file)?;
    }
    let (mut settings, env) = enter(&args.service)?;
    apply_ports(&mut settings, args)?;
    // All settings are read before anything starts.
    let services = Service::ALL.map(|service| Ok((service, prepare(service, &settings, &env)?)));
    let services = services.into_iter().collect::<Outcome<Vec<_>>>()?;
    let needed = Service::ALL.into_iter().map(|service| connections(service, &settings));
    open_files::make_room(needed.sum::<Outcome<usize>>()?);
    let mut running = Running::new(env, args.service.clone())?;
    for (service, serving) in services {
        running.spawn(service, serving);
    }
    match args.log_file.clone() {
        None => running.until_ended().await,
        Some(file) => tokio::select! {
            ended = running.until_ended() => ended,
            () = logfile::keep_bounded(&file) => Ok(()),
        },
    }
}

/// Runs one service until a signal comes.
pub(crate) async fn run_one(service: Service, args: &ServiceArgs) -> Outcome {
    let (settings, env) = enter(args)?;
    open_files::make_room(connections(service, &settings)?);
    let mut running = Running::new(env.clone(), args.clone())?;
    running.spawn(service, prepare(service, &settings, &env)?);
    running.until_ended().await
}

/// Services running in this process.
struct Running {
    env: Env,
    args: ServiceArgs,
    interrupts: Interrupts,
    tasks: JoinSet<(Service, Outcome)>,
    left: Vec<&'static str>,
}

impl Running {
    /// None yet. From here on a panic anywhere ends the process, and signals are taken care of.
    pub(crate) fn new(env: Env, args: ServiceArgs) -> Outcome<Self> {
        end_on_panic();
        let interrupts = Interrupts::of_a_service()?;
        Ok(Self { env, args, interrupts, tasks: JoinSet::new(), left: Vec::new() })
    }

    /// Starts a service.
    pub(crate) fn spawn(&mut self, service: Service, serving: BoxFuture<'static, Outcome>) {
        self.left.push(service.name());
        self.tasks.spawn(async move { (service, serving.await) });
    }

    /// Runs until a signal comes or a service ends by itself, then ends all.
    pub(crate) async fn until_ended(mut self) -> Outcome {
        let cause = loop {
            tokio::select! {
                asked = self.interrupts.asked() => match asked {
                    Asked::Reread => reread_log_level(&self.args),
                    Asked::End(name) => {
                        info!(signal = name, "stopping");
                        break Ok(());
                    }
                },
                Some(ended) = self.tasks.join_next() => break Err(self.ended_early(ended)),
            }
        };
        self.env.drain.begin();
        tokio::select! {
            drained = tokio::time::timeout(DRAIN_DEADLINE, drain(&mut self.tasks, &mut self.left)) => {
                if drained.is_err() {
                    let (left, seconds) = (self.left.join(", "), DRAIN_DEADLINE.as_secs());
                    let message = format!("did not end within {seconds} s and was cut off: {left}");
                    return cause.and(Err(Failure::failed(message)));
                }
            }
            name = self.interrupts.next() => {
                say(&format!("second signal ({name}), ending at once"));
                std::process::exit(Exit::Failed as i32);
            }
        }
        info!("stopped");
        cause
    }

    fn ended_early(&mut self, ended: Result<(Service, Outcome), tokio::task::JoinError>) -> Failure {
        let (service, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => return Failure::failed(format!("a service failed: {error}")),
        };
        self.left.retain(|name| *name != service.name());
        let why = outcome.err().unwrap_or_else(|| Failure::failed("ended without being asked to"));
        error!(service = service.name(), %why, "a service ended, the process stops");
        why.of(service.name())
    }
}

async fn drain(tasks: &mut JoinSet<(Service, Outcome)>, left: &mut Vec<&'static str>) {
    while let Some(ended) = tasks.join_next().await {
        if let Ok((service, outcome)) = ended {
            left.retain(|name| *name != service.name());
            if let Err(why) = outcome {
                error!(service = service.name(), %why, "did not shut down cleanly");
            }
        }
    }
}

/// A node of which one task is gone would look alive and be of no use; better that it ends, is seen
/// to have ended, and is started again. What is stored is safe against that at any instant.
fn end_on_panic() {
    panic::set_hook(Box::new(|info| {
        if vision_host::panics::are_caught() {
            return;
        }
        let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let what = info.payload_as_str().unwrap_or("no message");
        let backtrace = std::backtrace::Backtrace::capture();
        say(&format!(
            "error: this is a bug: panic{place}: {what}; the process ends, start it again and report this \
            line"
        ));
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            say(&backtrace.to_string());
        }
        std::process::exit(Exit::Failed as i32);
    }));
}

/// Says something on the way out, where a full disk under the log must not get in the way.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Puts the ports given as flags over the configured ones, also in the addresses that others of this
/// process and what other nodes see.
fn apply_ports(settings: &mut Settings, args: &NodeArgs) -> Outcome {
    let chain: vision_chain::Config = read(settings, "chain")?;
    if let Some(port) = args.p2p_port {
        settings.set("chain", "p2p_listen", "--p2p-port", with_port(&chain.p2p_listen.to_string(), port));
        if !chain.p2p_advertise.is_empty() {
            settings.set(
                "chain",
                "p2p_advertise",
                "--p2p-port",
                with_port(&chain.p2p_advertise.to_string(), port),
            );
        }
    }
    if let Some(port) = args.api_port {
        let gateway: vision_gateway::Config = read(settings, "gateway")?;
        settings.set("gateway", "listen", "--api-port", with_port(&gateway.listen.to_string(), port));
    }
    if let Some(base) = args.grpc_port {
        let flag = "--grpc-port";
        let listeners = [Service::Chain, Service::SyncOracle, Service::Selection, Service::Producer];
        for (service, port) in listeners.into_iter().zip(base..) {
            let section = service.section();
            settings.set(section, "grpc_listen", flag, with_port(&chain.grpc_listen.to_string(), port));
            // All callers of these services are in this process.
            let url = format!("http://127.0.0.1:{port}");
            for caller in callers(service) {
                settings.set(caller.section(), section, flag, url.clone());
            }
        }
    }
    Ok(())
}

/// The services that have the URL of this one among their settings.
const fn callers(service: Service) -> &'static [Service] {
    match service {
        Service::Chain => &[Service::SyncOracle, Service::Producer, Service::Gateway],
        Service::SyncOracle | Service::Selection => &[Service::Producer, Service::Gateway],
        Service::Producer => &[Service::Gateway],
        Service::Gateway => &[],
    }
}

/// The same host with another port.
fn with_port(address: &str, port: u16) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    format!("{host}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process with the hook, one task of which panics while another goes on for ever.
    #[test]
    #[ignore = "ends the process; run by the test below in one of its own"]
    fn half_dead() {
        end_on_panic();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            tokio::spawn(async { panic!("on purpose") });
            std::future::pending::<()>().await;
        });
    }

    #[test]
    fn a_panic_in_a_task_ends_the_process() {
        let program = std::env::current_exe().expect("this test");
        let output = std::process::Command::new(program)
            .args(["--ignored", "--exact", "node::tests::half_dead"])
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("this is a bug") && text.contains("on purpose"), "{text}");
    }

    #[test]
    fn ports_are_replaced_and_hosts_kept() {
        let cases = [
            ("v4", "127.0.0.1:7072", "127.0.0.1:9"),
            ("v6", "[::1]:7072", "[::1]:9"),
            ("name", "node1-chain:7072", "node1-chain:9"),
        ];
        for (desc, address, expect) in cases {
            assert_eq!(with_port(address, 9), expect, "{desc}");
        }
    }
}
