//! The services of this process: their settings, and what serves.

use std::path::Path;

use futures::future::BoxFuture;
use vision_host::config::Settings;
use vision_host::server::MAX_CONNECTIONS;
use vision_host::telemetry::Subject;
use vision_host::{Clock, Env, telemetry};
use vision_primitives::{NodeName, PublicKey};

use crate::cli::{LogFormat, ServiceArgs};
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::service::Service;
use vision_terminal::signals;

/// How many connections its ports may hold: chain has a port for peers, too.
pub(crate) fn connections(service: Service, settings: &Settings) -> Outcome<usize> {
    Ok(match service {
        Service::Chain => read::<vision_chain::Config>(settings, service.section())?.connections(),
        Service::SyncOracle | Service::Selection | Service::Producer => MAX_CONNECTIONS,
        Service::Gateway => vision_gateway::MAX_CONNECTIONS,
    })
}

/// Reads its settings and makes the future that serves until the drain begins.
pub(crate) fn prepare(
    service: Service,
    settings: &Settings,
    env: &Env,
) -> Outcome<BoxFuture<'static, Outcome>> {
    let env = env.of_service(service.name());
    macro_rules! serve {
        ($library:ident, $exit:expr) => {{
            let config: $library::Config = read(settings, service.section())?;
            Box::pin(async move {
                $library::serve(config, env).await.map_err(|error| {
                    let exit: Exit = $exit(&error);
                    Failure::new(exit, error.to_string())
                })
            })
        }};
    }
    Ok(match service {
        Service::Chain => serve!(vision_chain, |error: &vision_chain::Error| match error {
            error if error.is_safety_refusal() => Exit::Refused,
            error if error.is_usage() => Exit::Usage,
            _ => Exit::Failed,
        }),
        Service::SyncOracle => serve!(vision_sync_oracle, |error: &vision_sync_oracle::Error| {
            if error.is_usage() { Exit::Usage } else { Exit::Failed }
        }),
        Service::Selection => serve!(vision_selection, |_: &vision_selection::Error| Exit::Failed),
        Service::Producer => serve!(vision_producer, |error: &vision_producer::Error| match error {
            error if error.is_safety_refusal() => Exit::Refused,
            error if error.is_usage() => Exit::Usage,
            _ => Exit::Failed,
        }),
        Service::Gateway => serve!(vision_gateway, |error: &vision_gateway::Error| {
            if error.is_usage() { Exit::Usage } else { Exit::Failed }
        }),
    })
}

/// Section `[node]` of `config.toml`: what concerns the process and not one service.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProcessConfig {
    /// What people call the node; empty: the first eight digits of its id.
    name: String,
    /// Added to the machine's clock, milliseconds; for tests of clock skew.
    clock_offset_ms: i64,
    /// Least level logged, or a filter.
    log: String,
    /// Form of log lines.
    log_format: LogFormat,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self { name: String::new(), clock_offset_ms: 0, log: "info".into(), log_format: LogFormat::Text }
    }
}

/// Reads one section of the settings.
pub(crate) fn read<T: serde::de::DeserializeOwned>(settings: &Settings, section: &str) -> Outcome<T> {
    settings.section(section).map_err(|error| Failure::usage(error.to_string()))
}

/// Reads the settings of a home, starts logging, and makes the surroundings of its services.
pub(crate) fn enter(args: &ServiceArgs) -> Outcome<(Settings, Env)> {
    // Services that need the genesis say so themselves.
    if !args.home.join("config.toml").is_file() && !args.home.join("genesis.json").is_file() {
        return Err(Failure::usage(format!(
            "{} is not the home of a node: it has neither config.toml nor genesis.json; create one with \
             `vision testnet init`",
            args.home.display()
        )));
    }
    let settings = Settings::load(&args.home).map_err(|error| Failure::usage(error.to_string()))?;
    if settings.is_empty_file() {
        return Err(Failure::usage(format!(
            "{}: the file is empty, so it is not the one that was created for this node; restore it, or \
             remove it to use the defaults",
            args.home.join("config.toml").display()
        )));
    }
    let sections: Vec<&str> = Service::ALL.iter().map(|s| s.section()).chain(["node"]).collect();
    settings.check_sections(&sections).map_err(|error| Failure::usage(error.to_string()))?;
    let process: ProcessConfig = read(&settings, "node")?;
    let filter = args.log.as_deref().unwrap_or(&process.log);
    let format = match args.log_format.unwrap_or(process.log_format) {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    let subject = Subject { instance: instance(&args.home), version: env!("CARGO_PKG_VERSION") };
    telemetry::init(filter, format, &subject).map_err(|error| Failure::usage(error.to_string()))?;
    signals::survive_file_size_limit()?;
    let mut env = Env::new(&args.home, env!("CARGO_PKG_VERSION"));
    env.clock = Clock::system(process.clock_offset_ms);
    env.name = name_of(&process)?;
    Ok((settings, env))
}

/// The name that the settings give the node.
fn name_of(process: &ProcessConfig) -> Outcome<Option<String>> {
    if process.name.is_empty() {
        return Ok(None);
    }
    match process.name.parse::<NodeName>() {
        Ok(name) => Ok(Some(name.to_string())),
        Err(error) => Err(Failure::usage(format!("[node] name: {:?}: {error}", process.name))),
    }
}

/// What distinguishes this node from all others, after every start the same: its id, or else where its home
/// is.
fn instance(home: &Path) -> String {
    let key = std::fs::read_to_string(home.join("node.pub")).ok();
    match key.and_then(|text| text.trim().parse::<PublicKey>().ok()) {
        Some(key) => key.id().to_string(),
        None => {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            format!("{}:{}", host.trim(), home.display())
        }
    }
}

/// Reads the level of log lines from the configuration again. One given as a flag stays.
pub(crate) fn reread_log_level(args: &ServiceArgs) {
    if let Some(level) = &args.log {
        return tracing::info!(level, "the log level was given by --log and does not change");
    }
    let read = Settings::load(&args.home).map_err(|error| error.to_string());
    let level = read.and_then(|settings| {
        let process: ProcessConfig = settings.section("node").map_err(|error| error.to_string())?;
        telemetry::set_filter(&process.log).map_err(|error| error.to_string())?;
        Ok(process.log)
    });
    match level {
        Ok(level) => tracing::info!(level, "the level of log lines was read again"),
        Err(why) => tracing::warn!(why, "the level of log lines stays"),
    }
}

/// Makes the claims file of a new key.
pub(crate) fn create_claims(home: &Path) -> Outcome {
    vision_producer::create_signer_state(home).map_err(|error| {
        let exit = if error.is_safety_refusal() { Exit::Refused } else { Exit::Failed };
        Failure::new(exit, error.to_string())
    })
}

/// Makes a new claims file for a key whose old one is lost.
pub(crate) fn reset_claims(home: &Path, above: u64) -> Outcome {
    vision_producer::reset_signer_state(home, above).map_err(|error| Failure::refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use vision_terminal::output::Format;

    use super::*;
    use crate::cli::{Cli, Command};

    /// Introductions under way that a node of a test network takes from one address.
    const INTRODUCTIONS: usize = 64;

    #[tokio::test]
    async fn what_testnet_init_writes_the_services_read() {
        let cases = [
            ("local", ["node2", "node2"], Some("http://127.0.0.1:8082")),
            ("compose", ["node2/chain", "node2/config"], Some("http://127.0.0.1:8082")),
            ("kubernetes", ["node2", "node2"], None),
        ];
        for (profile, [chain, gateway], third) in cases {
            let dir = tempfile::tempdir().expect("temp dir");
            let net = dir.path().join("net");
            let line = ["vision", "testnet", "init", "--profile", profile, "--dir"];
            let line = line.iter().map(AsRef::as_ref).chain([net.as_os_str()]);
            let Command::Testnet(command) = Cli::try_parse_from(line).expect("right").command else {
                panic!("another command");
            };
            vision_testnet::run(&command, create_claims, Format::Json).await.expect("made");
            let settings = |home: &str| Settings::load(&net.join(home)).expect("settings");
            let chain: vision_chain::Config = read(&settings(chain), "chain").expect("settings of chain");
            assert_eq!(chain.accept_addresses, vision_chain::Accepts::Any, "{profile}");
            assert_eq!(chain.max_introductions_per_address, INTRODUCTIONS, "{profile}");
            let gateway: vision_gateway::Config =
                read(&settings(gateway), "gateway").expect("settings of the gateway");
            assert_eq!(gateway.pages.url_of("", "node3"), third, "{profile}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_and_none_is_no_fault() {
        let named = |name: &str| name_of(&ProcessConfig { name: name.into(), ..ProcessConfig::default() });
        assert_eq!(named("").ok(), Some(None));
        assert_eq!(named("node1").ok(), Some(Some("node1".into())));
        let refused = named("Node 1").expect_err("a capital and a blank");
        assert_eq!(refused.exit(), Exit::Usage);
        assert!(refused.to_string().starts_with("[node] name: \"Node 1\": must be 1 to 32 "), "{refused}");
    }
}
