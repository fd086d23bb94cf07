use std::time::Duration;

use tonic::Code;

use super::*;

#[test]
fn all_is_exposed_before_the_first_sample_and_bears_the_service() {
    let metrics = Metrics::new("chain", "1.2.3");
    let refused = metrics.counters("test_refused", "Refused", ["reason"]);
    let text = metrics.encode();
    for line in [
        "# TYPE test_refused counter\n",
        "# TYPE rpc_server_call_duration_seconds histogram\n",
        "vision_build_info{service=\"chain\",version=\"1.2.3\"} 1.0\n",
        "vision_telemetry_spans_dropped_total{service=\"chain\",cause=\"queue_full\"} ",
        "# TYPE process_open_fds gauge\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    refused.get(["b"]).inc();
    refused.get(["a"]).inc_by(2);
    let samples = "test_refused_total{service=\"chain\",reason=\"a\"} 2\n\
                   test_refused_total{service=\"chain\",reason=\"b\"} 1\n";
    assert!(metrics.encode().contains(samples), "sorted:\n{}", metrics.encode());
}

#[test]
fn label_values_are_bounded() {
    let metrics = Metrics::new("test", "1");
    let counters = metrics.counters("test", "Test", ["a", "b"]);
    for number in 0..10_000 {
        counters.get([&number.to_string(), "x"]).inc();
    }
    let lines = metrics.encode().lines().filter(|line| line.starts_with("test_total")).count();
    assert!(lines <= 513, "{lines}");
    assert!(counters.get([OTHER, OTHER]).get() >= 9_000);
}

#[test]
fn durations_of_calls_are_told_apart_in_few_lines() {
    let metrics = Metrics::new("test", "1");
    metrics.rpc_client().record("a.B/C", Code::Ok, Duration::from_micros(90));
    metrics.rpc_client().record("a.B/C", Code::NotFound, Duration::from_secs(9));
    let text = metrics.encode();
    let bucket = |code: &str, bound: &str| {
        format!(
            "rpc_client_call_duration_seconds_bucket{{service=\"test\",le=\"{bound}\",rpc_method=\"a.B/C\",\
             rpc_response_status_code=\"{code}\"}} "
        )
    };
    for (code, bound, count) in
        [("OK", "0.001", 1), ("NOT_FOUND", "2.5", 0), ("NOT_FOUND", "+Inf", 1), ("OK", "+Inf", 1)]
    {
        let line = format!("{}{count}\n", bucket(code, bound));
        assert!(text.contains(&line), "{line} in\n{text}");
    }
    let lines = text.lines().filter(|line| line.starts_with("rpc_client_call_duration_seconds_")).count();
    assert!(lines <= 2 * 9, "{lines} of two kinds of calls");
    assert!(SHORT_SECONDS.is_sorted() && SHORT_SECONDS[0] <= 0.000_1 && SHORT_SECONDS[15] >= 10.0);
}
