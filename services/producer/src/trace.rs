//! The traces of heights, as far as the producer has a part in them.

use tracing::Span;
use vision_authoring::Event;
use vision_host::telemetry::{self, number};
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height};

/// The name of this service in traces.
pub(crate) const SERVICE: &str = "producer";

/// Puts a new span under the root of its height.
pub(crate) fn under(span: Span, genesis_hash: &Hash, height: Height) -> Span {
    telemetry::under(span, SERVICE, || HeightTrace::of(genesis_hash, height).ids())
}

/// What this node does towards one height: from the head below it to the head at it.
pub(crate) struct Duty {
    height: Height,
    pub span: Span,
    /// The wait for a slot, while it lasts.
    pub wait: Span,
}

impl Duty {
    pub(crate) fn new(genesis_hash: &Hash, height: Height) -> Self {
        let height_number = number(height.get());
        let span = tracing::info_span!(parent: None, "producer.height.duty", "vision.height" = height_number);
        Self { height, span: under(span, genesis_hash, height), wait: Span::none() }
    }

    pub(crate) fn is_of(&self, height: Height) -> bool {
        self.height == height
    }

    /// Begins and ends the wait for a slot, and marks what has failed.
    pub(crate) fn on_event(&mut self, event: &Event) {
        self.wait = Span::none();
        match event {
            Event::Waiting { height, slot, .. } if self.is_of(*height) => {
                let slot = number(slot.get());
                self.wait =
                    tracing::info_span!(parent: &self.span, "producer.slot.wait", "vision.slot" = slot);
            }
            Event::Failed { height, .. } if self.is_of(*height) => {
                telemetry::fail(&self.span, "block_not_produced");
            }
            _ => {}
        }
    }
}

/// A span of a height: below the duty if it is of this height, else directly below the root.
macro_rules! task_span {
    ($duty:expr, $genesis_hash:expr, $height:expr, $name:literal $(, $key:literal = $value:expr)*) => {{
        let height: vision_primitives::Height = $height;
        let number = vision_host::telemetry::number(height.get());
        match &$duty {
            Some(duty) if duty.is_of(height) => {
                tracing::info_span!(parent: &duty.span, $name, "vision.height" = number $(, $key = $value)*)
            }
            _ => $crate::trace::under(
                tracing::info_span!(parent: None, $name, "vision.height" = number $(, $key = $value)*),
                $genesis_hash,
                height,
            ),
        }
    }};
}
pub(crate) use task_span;
