//! One node: its five services on one runtime, as `vision node` runs them.

use std::path::PathBuf;

use tokio::task::JoinSet;
use vision_host::config::Settings;
use vision_host::{Env, Net, SimulatedClock};

use super::home::name;
use super::wires::Wires;

/// What a node starts with.
#[derive(Clone)]
pub struct Start {
    pub node: usize,
    pub home: PathBuf,
    /// Decides what the node draws by lot.
    pub seed: u64,
    /// How much later its clock is than it should be, milliseconds.
    pub offset_ms: i64,
}

/// Runs a node until it is killed; an end of its own is an error.
pub async fn run(start: Start) -> turmoil::Result {
    let now = turmoil::since_epoch().ok_or("no time outside a simulation")?;
    let clock = SimulatedClock::new(u64::try_from(now.as_millis())?);
    clock.set_offset_ms(start.offset_ms);
    // Another start draws other lots.
    let seed = start.seed ^ u64::try_from(now.as_millis())?.rotate_left(20);
    let env = Env {
        net: Net::simulated(Wires),
        name: Some(name(start.node)),
        ..Env::simulated(&start.home, "0.0.0", &clock, seed)
    };
    let settings = Settings::load_with(&start.home, [])?;
    let mut services: JoinSet<Result<(), String>> = JoinSet::new();
    macro_rules! serve {
        ($library:ident, $section:literal) => {
            let config: $library::Config = settings.section($section)?;
            let env = env.of_service($section);
            services.spawn(async move {
                let end = $library::serve(config, env).await.map_err(|error| error.to_string());
                Err(format!("{}: {:?}", $section, end))
            });
        };
    }
    serve!(vision_chain, "chain");
    serve!(vision_sync_oracle, "sync_oracle");
    serve!(vision_selection, "selection");
    serve!(vision_producer, "producer");
    serve!(vision_gateway, "gateway");
    let ended = services.join_next().await.ok_or("no services")?;
    Err(format!("{} ended: {ended:?}", name(start.node)).into())
}
