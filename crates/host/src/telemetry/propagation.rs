//! How a trace goes from one process to the next: W3C's `traceparent`, and beside it the traces kept last.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::{PROCESSOR, kept};

/// Bears the ids of traces kept lately, in requests and answers between the services of one node.
pub(crate) const KEPT_HEADER: HeaderName = HeaderName::from_static(KEPT);
const KEPT: &str = "vision-kept-traces";

/// What is put into requests and read from them.
pub(super) fn propagator() -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(KeptTraces::new()),
    ])
}

/// The caller's context; of a request whose sender is trusted.
pub(crate) fn extract(headers: &HeaderMap) -> Context {
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), &HeaderExtractor(headers))
    })
}

/// Sends the caller the traces kept last.
pub(crate) fn inject_kept(headers: &mut HeaderMap) {
    let advertised = PROCESSOR.get().and_then(super::processor::Processor::advertised);
    if let Some(value) = advertised.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(KEPT_HEADER, value);
    }
}

/// Spreads which traces are kept. What it reads takes effect at once; the context is left alone.
#[derive(Debug)]
struct KeptTraces {
    fields: [String; 1],
}

impl KeptTraces {
    fn new() -> Self {
        Self { fields: [KEPT.to_owned()] }
    }
}

impl TextMapPropagator for KeptTraces {
    fn inject_context(&self, _: &Context, injector: &mut dyn Injector) {
        if let Some(advertised) = PROCESSOR.get().and_then(super::processor::Processor::advertised) {
            injector.set(KEPT, advertised);
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        if let (Some(processor), Some(text)) = (PROCESSOR.get(), extractor.get(KEPT)) {
            kept::read(text).into_iter().for_each(|trace| processor.keep(trace));
        }
        context.clone()
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceContextExt as _;

    use super::*;

    #[test]
    fn a_hostile_traceparent_is_no_context() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let cases = [
            ("as it should be", good.to_owned(), true),
            ("not sampled", good.replace("-01", "-00"), true),
            ("nothing", String::new(), false),
            ("no trace", good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), false),
            ("no span", good.replace("b7ad6b7169203331", &"0".repeat(16)), false),
            ("capitals", good.to_uppercase(), false),
            ("a forbidden version", good.replacen("00", "ff", 1), false),
            ("too short", good[..54].to_owned(), false),
            ("more than version 0 has", format!("{good}-00"), false),
            ("long", good.repeat(1000), false),
            ("not hex", good.replace('a', "g"), false),
            ("signs", good.replace("0af", "+af"), false),
        ];
        for (desc, text, expect) in cases {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::try_from(&text).expect("visible"));
            let context = propagator().extract_with_context(&Context::new(), &HeaderExtractor(&headers));
            // A caller of our own ports is trusted, and read with less care; a peer is not.
            assert!(!expect || context.span().span_context().is_valid(), "{desc}");
            assert_eq!(super::super::spans::parse_traceparent(&text).is_some(), expect, "{desc}");
        }
    }
}
