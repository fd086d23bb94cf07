//! One node: its five services on one runtime, as `vision node` runs them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use vision_host::config::Settings;
use vision_host::{Drain, Env, Net, SimulatedClock};

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
    pub end: End,
}

/// How a node is asked to end, as SIGTERM does. Cheap to clone.
#[derive(Clone, Default)]
pub struct End(Arc<Mutex<Option<Drain>>>);

impl End {
    fn set(&self, drain: Option<Drain>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = drain;
    }

    /// Asks.
    pub fn begin(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Drain::begin);
    }

    /// Whether it has ended in order, all services of it.
    pub fn has_come(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// Runs a node until it is killed or asked to end; an end of its own is an error.
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
    start.end.set(Some(env.drain.clone()));
    let settings = Settings::load_with(&start.home, [])?;
    let mut services = JoinSet::new();
    macro_rules! serve {
        ($library:ident, $section:literal) => {
            let config: $library::Config = settings.section($section)?;
            let env = env.of_service($section);
            services.spawn(async move {
                ($section, $library::serve(config, env).await.map_err(|error| error.to_string()))
            });
        };
    }
    serve!(vision_chain, "chain");
    serve!(vision_sync_oracle, "sync_oracle");
    serve!(vision_selection, "selection");
    serve!(vision_producer, "producer");
    serve!(vision_gateway, "gateway");
    while let Some(ended) = services.join_next().await {
        let (service, end) = ended?;
        if end.is_err() || !env.drain.has_begun() {
            return Err(format!("{}: {service} ended: {end:?}", name(start.node)).into());
        }
    }
    start.end.set(None);
    // Its process is gone; it starts again from outside.
    std::future::pending().await
}
