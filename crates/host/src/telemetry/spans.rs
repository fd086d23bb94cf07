//! What services do with their spans besides making them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags};
use opentelemetry::{Context, InstrumentationScope, KeyValue, SpanId, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::processor::Service;
use super::{PROCESSOR, names};

fn root_context(trace_id: [u8; 16], root_span_id: [u8; 8]) -> SpanContext {
    let (trace, span) = (TraceId::from_bytes(trace_id), SpanId::from_bytes(root_span_id));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, Default::default())
}

fn context_of(span: &Span) -> SpanContext {
    span.context().span().span_context().clone()
}

/// Puts a new span into a trace whose ids everybody can compute: below the span it was made in if that is in
/// this trace already, else directly below the root. It must not have been entered yet.
pub fn join(span: &Span, service: &'static str, trace_id: [u8; 16], root_span_id: [u8; 8]) {
    if span.is_disabled() {
        return;
    }
    let around = Span::current();
    if !around.is_disabled() && context_of(&around).trace_id() == TraceId::from_bytes(trace_id) {
        return;
    }
    let context = Context::new().with_value(Service(service));
    // Fails only for a span that was entered, which then stays where it is.
    let _ = span.set_parent(context.with_remote_span_context(root_context(trace_id, root_span_id)));
}

/// [`join`] for a span just made, which is given back. The ids of trace and root are only worked out if it is
/// recorded.
pub fn under(span: Span, service: &'static str, ids: impl FnOnce() -> ([u8; 16], [u8; 8])) -> Span {
    if !span.is_disabled() {
        let (trace_id, root_span_id) = ids();
        join(&span, service, trace_id, root_span_id);
    }
    span
}

/// A number as attributes bear it.
#[must_use]
pub fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Puts a new span below the context that a trusted caller has sent; none if it has sent none.
pub(crate) fn below(span: impl FnOnce() -> Span, service: &'static str, caller: &Context) -> Option<Span> {
    caller.span().span_context().is_valid().then(|| {
        let span = span();
        let _ = span.set_parent(caller.clone().with_value(Service(service)));
        span
    })
}

/// Makes a span the first of a new trace of this service, whatever was around it.
pub fn begin(span: &Span, service: &'static str) {
    if !span.is_disabled() {
        let _ = span.set_parent(Context::new().with_value(Service(service)));
    }
}

/// Records the span that all of a trace are below, once it is known when it began and ended, milliseconds
/// since the Unix epoch.
pub fn root(
    name: impl Into<Cow<'static, str>>,
    service: &'static str,
    (trace_id, root_span_id): ([u8; 16], [u8; 8]),
    (start_ms, end_ms): (u64, u64),
    mut attributes: Vec<KeyValue>,
) {
    let Some(processor) = PROCESSOR.get() else { return };
    let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
    attributes.push(KeyValue::new(names::SERVICE, service));
    let context = root_context(trace_id, root_span_id);
    processor.take(SpanData {
        span_context: SpanContext::new(
            context.trace_id(),
            context.span_id(),
            TraceFlags::SAMPLED,
            false,
            Default::default(),
        ),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: at(start_ms),
        end_time: at(end_ms.max(start_ms)),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("vision").build(),
    });
}

/// Notes on a span that what it stands for has failed, and how: a name of few, no free text. Its trace is
/// kept.
pub fn fail(span: &Span, error_type: impl Into<Cow<'static, str>>) {
    if !span.is_disabled() {
        let kind: Cow<'static, str> = error_type.into();
        span.set_attribute(names::ERROR_TYPE, kind.clone());
        span.set_status(Status::Error { description: kind });
    }
}

/// Id of the trace that the code runs in, 32 hex digits; `None` outside of any.
#[must_use]
pub fn current_trace_id() -> Option<String> {
    let span = Span::current();
    if span.is_disabled() {
        return None;
    }
    let context = context_of(&span);
    context.is_valid().then(|| context.trace_id().to_string())
}

/// W3C's `traceparent` of a span; empty if it is in no trace.
#[must_use]
pub fn traceparent(span: &Span) -> String {
    if span.is_disabled() {
        return String::new();
    }
    let mut fields = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut fields);
    fields.remove("traceparent").unwrap_or_default()
}

/// Links a span to what somebody else has done, named by a `traceparent`, if that is in the trace given; any
/// other text is ignored, for whoever sent it may be anybody.
pub fn follow(span: &Span, traceparent: &str, trace_id: [u8; 16]) {
    if span.is_disabled() {
        return;
    }
    if let Some(remote) =
        parse_traceparent(traceparent).filter(|remote| remote.trace_id() == TraceId::from_bytes(trace_id))
    {
        span.add_link(remote);
    }
}

/// Reads a `traceparent`.
pub(super) fn parse_traceparent(text: &str) -> Option<SpanContext> {
    // Stricter than the propagator, and without work for texts that are too long.
    let fits = |(at, byte): (usize, u8)| match at {
        0 | 1 => byte == b'0',
        2 | 35 | 52 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    (text.len() == 55 && text.bytes().enumerate().all(fits)).then_some(())?;
    let fields = HashMap::from([("traceparent".to_owned(), text.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &fields);
    let span_context = context.span().span_context().clone();
    span_context.is_valid().then_some(span_context)
}
