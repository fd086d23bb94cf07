//! The processor with its worker, and an exporter that does as the test says.

use std::collections::BTreeMap;
use std::sync::Mutex;

use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags};
use opentelemetry::{InstrumentationScope, SpanId};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

use super::super::waiting::{PATIENCE, Waiting};
use super::super::worker::{Export, Worker};
use super::*;
use crate::Clock;

/// What was sent: service and trace.
type Sent = Arc<Mutex<Vec<(String, u128)>>>;

/// How an exporter behaves.
#[derive(Clone, Copy)]
enum Manner {
    Takes,
    Refuses,
    Hangs,
}

struct Collector {
    manner: Manner,
    sent: Sent,
}

impl Export for Collector {
    async fn export(&mut self, service: &str, spans: Vec<SpanData>) -> Result<(), String> {
        match self.manner {
            Manner::Takes => {}
            Manner::Refuses => return Err("no".into()),
            Manner::Hangs => std::future::pending().await,
        }
        let traces = spans.iter().map(|span| {
            assert!(span.attributes.iter().all(|pair| pair.key.as_str() != names::SERVICE));
            (service.to_owned(), u128::from_be_bytes(span.span_context.trace_id().to_bytes()))
        });
        self.sent.lock().expect("whole").extend(traces);
        Ok(())
    }
}

fn span(trace: u128, service: &'static str, status: Status) -> SpanData {
    let (trace, id) = (TraceId::from(trace), SpanId::from(7));
    let at = std::time::SystemTime::UNIX_EPOCH;
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, Default::default()),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "x".into(),
        start_time: at,
        end_time: at,
        attributes: vec![KeyValue::new(names::SERVICE, service), KeyValue::new("other", 1)],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: InstrumentationScope::builder("test").build(),
    }
}

fn plain(trace: u128) -> SpanData {
    span(trace, "chain", Status::Unset)
}

/// A processor, and what its collector gets; the worker is a task of the test's runtime, whose clock stands
/// still but for what the test waits.
fn start(share: f64, queue: usize, waiting: usize, manner: Manner) -> (Processor, Sent) {
    let (processor, items, shared) = Processor::new(Ratio::new(share), queue);
    let sent = Sent::default();
    let worker = Worker {
        items,
        shared,
        exporter: Collector { manner, sent: sent.clone() },
        clock: Clock::system(0),
        waiting: Waiting::new(waiting),
        batch_spans: 8,
        delay: Duration::from_millis(100),
        timeout: Duration::from_secs(1),
        ready: BTreeMap::new(),
        failing: false,
    };
    tokio::spawn(worker.run());
    (processor, sent)
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

fn traces(sent: &Sent) -> Vec<u128> {
    sent.lock().expect("whole").iter().map(|(_, trace)| *trace).collect()
}

#[tokio::test(start_paused = true)]
async fn spans_go_out_by_service_and_are_counted() {
    let (processor, sent) = start(1.0, 100, 100, Manner::Takes);
    for trace in 0..20 {
        processor.take(span(trace, if trace % 2 == 0 { "chain" } else { "producer" }, Status::Unset));
    }
    pass(Duration::from_millis(300)).await;
    let mut all = traces(&sent);
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
    assert!(
        sent.lock().expect("whole").iter().all(|(service, trace)| (service == "chain") == (trace % 2 == 0))
    );
    assert_eq!(processor.counters(), Counters { exported: 20, ..Counters::default() });
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_hangs_holds_nobody_up_and_the_queue_stays_bounded() {
    let (processor, _) = start(1.0, 16, 100, Manner::Hangs);
    // The first batch is on its way and stays there.
    for trace in 0..8 {
        processor.take(plain(trace));
    }
    pass(Duration::from_millis(200)).await;
    for trace in 0..1000 {
        processor.take(plain(trace));
    }
    let counters = processor.counters();
    assert_eq!((counters.queue_spans, counters.queue_full), (16, 984));
    pass(Duration::from_secs(10)).await;
    let counters = processor.counters();
    assert_eq!((counters.exported, counters.export_failed, counters.queue_spans), (0, 24, 0), "given up");
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_refuses_costs_its_spans_and_no_more() {
    let (processor, _) = start(1.0, 100, 100, Manner::Refuses);
    for trace in 0..20 {
        processor.take(plain(trace));
    }
    pass(Duration::from_millis(300)).await;
    assert_eq!(processor.counters(), Counters { export_failed: 20, ..Counters::default() });
}

#[tokio::test(start_paused = true)]
async fn a_trace_is_kept_after_the_fact() {
    let (processor, sent) = start(0.0, 100, 100, Manner::Takes);
    for trace in [1, 2, 1, 3] {
        processor.take(plain(trace));
    }
    pass(Duration::from_secs(2)).await;
    assert_eq!(traces(&sent), [0_u128; 0]);
    processor.keep(TraceId::from(1));
    pass(Duration::from_secs(1)).await;
    assert_eq!(traces(&sent), [1, 1], "those of before");
    processor.take(plain(1));
    processor.take(span(3, "chain", Status::error("x")));
    pass(Duration::from_secs(1)).await;
    let mut all = traces(&sent);
    all.sort_unstable();
    assert_eq!(all, [1, 1, 1, 3, 3], "those that come, and those of a trace with an error");
    pass(PATIENCE).await;
    let counters = processor.counters();
    assert_eq!(
        (counters.exported, counters.unsampled, counters.waiting_full),
        (5, 1, 0),
        "2 was of no interest"
    );
    assert_eq!(
        processor.advertised().map(|advertised| advertised.matches(',').count()),
        Some(1),
        "two were kept"
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_in_spans() {
    let (processor, sent) = start(0.0, 100, 4, Manner::Takes);
    for trace in 1..=10 {
        processor.take(plain(trace));
    }
    pass(Duration::from_secs(1)).await;
    assert_eq!(processor.counters().waiting_full, 6);
    for trace in [1, 10] {
        processor.keep(TraceId::from(trace));
    }
    pass(Duration::from_secs(1)).await;
    assert_eq!(traces(&sent), [10], "the oldest went first");
}

#[tokio::test(start_paused = true)]
async fn a_sampled_trace_need_not_be_kept() {
    let (processor, _) = start(1.0, 100, 100, Manner::Takes);
    processor.keep(TraceId::from(1));
    assert_eq!(processor.advertised(), None);
}

/// Flushes from another thread, as the end of a process does; the worker's own runtime is real.
fn flush(manner: Manner, deadline: Duration) -> (Counters, Vec<u128>, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (ready, started) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        runtime.block_on(async {
            ready.send(start(0.5, 100, 100, manner)).expect("the test listens");
            let _ = stopped.await;
        });
    });
    let (processor, sent) = started.recv().expect("started");
    // The lower half decides: 1 is sent, this one is not.
    for trace in [1, u128::from(u64::MAX)] {
        processor.take(plain(trace));
    }
    let (clock, began) = (Clock::system(0), Clock::system(0).instant());
    processor.flush(deadline);
    let took = clock.instant() - began;
    let counters = processor.counters();
    processor.take(plain(1));
    assert_eq!(processor.counters().shutdown, counters.shutdown + 1, "after the end nothing is taken");
    drop(stop);
    thread.join().expect("no panic");
    (counters, traces(&sent), took)
}

#[test]
fn a_flush_sends_what_is_left() {
    let (counters, sent, took) = flush(Manner::Takes, Duration::from_secs(20));
    assert_eq!(counters, Counters { exported: 1, unsampled: 1, ..Counters::default() });
    assert_eq!(sent, [1]);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_flush_ends_in_time_though_the_collector_hangs() {
    let (_, sent, took) = flush(Manner::Hangs, Duration::from_millis(300));
    assert_eq!(sent, [0_u128; 0]);
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(2), "{took:?}");
}
