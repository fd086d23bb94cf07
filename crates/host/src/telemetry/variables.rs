//! The standard variables of OpenTelemetry that decide whether and how traces are made. Endpoint, headers and
//! compression are read by the exporter itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::TelemetryError;
use crate::text::cut;

/// What the variables say.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Variables {
    /// Share of the traces that are sent, 0 to 1.
    pub ratio: f64,
    /// Whether spans go over HTTP and not over gRPC.
    pub http: bool,
    /// Spans that wait for the exporter at most.
    pub queue_spans: usize,
    /// Spans in one export at most.
    pub batch_spans: usize,
    /// How long a span waits for others before it is sent.
    pub delay: Duration,
    /// How long one export may take.
    pub timeout: Duration,
    /// Name of the namespace's services before their own.
    pub prefix: String,
    /// Further attributes of all services.
    pub attributes: BTreeMap<String, String>,
}

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const TIMEOUTS: [&str; 3] =
    ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_BSP_EXPORT_TIMEOUT"];

const COMPRESSIONS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

impl Variables {
    /// Reads them; `None` when no traces are to be made.
    pub(super) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, TelemetryError> {
        // An empty variable counts as unset.
        let get = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        let first = |names: &[&'static str]| names.iter().find_map(|name| Some((*name, get(name)?)));
        if get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match get(EXPORTER).as_deref() {
            Some("none") => return Ok(None),
            None if first(&ENDPOINTS).is_none() => return Ok(None),
            None | Some("otlp") => {}
            Some(other) => return Err(wrong(EXPORTER, other, "otlp or none")),
        }
        let sampler = get(SAMPLER).unwrap_or_else(|| "always_on".into());
        let ratio = match sampler.trim_start_matches("parentbased_") {
            "always_on" => 1.0,
            "always_off" => return Ok(None),
            "traceidratio" => match get(SAMPLER_ARG) {
                None => 1.0,
                Some(text) => match text.parse::<f64>() {
                    Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
                    _ => return Err(wrong(SAMPLER_ARG, &text, "a number from 0 to 1")),
                },
            },
            _ => return Err(wrong(SAMPLER, &sampler, "always_on, always_off or traceidratio")),
        };
        let http = match first(&PROTOCOLS) {
            None => false,
            Some((name, value)) => match value.as_str() {
                "grpc" => false,
                "http/protobuf" => true,
                other => return Err(wrong(name, other, "grpc or http/protobuf")),
            },
        };
        let number = |name: &'static str, default: u64| match get(name) {
            None => Ok(default),
            Some(text) => match text.parse::<u64>() {
                Ok(number) if (1..=1_000_000).contains(&number) => Ok(number),
                _ => Err(wrong(name, &text, "a number from 1 to 1000000")),
            },
        };
        let timeout = first(&TIMEOUTS).map_or(Ok(10_000), |(name, _)| number(name, 10_000))?;
        check_endpoint(first(&ENDPOINTS))?;
        check_compression(first(&COMPRESSIONS))?;
        let mut attributes = attributes(&get(ATTRIBUTES).unwrap_or_default())?;
        // Each service has a name of its own, which begins with the one that is given.
        let named = attributes.remove("service.name").filter(|name| !name.is_empty());
        let prefix = get("OTEL_SERVICE_NAME").or(named).unwrap_or_else(|| "vision".into());
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Some(Self {
            ratio,
            http,
            queue_spans: size(number("OTEL_BSP_MAX_QUEUE_SIZE", 8192)?),
            batch_spans: size(number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?),
            delay: Duration::from_millis(number("OTEL_BSP_SCHEDULE_DELAY", 1000)?),
            timeout: Duration::from_millis(timeout),
            prefix,
            attributes,
        }))
    }
}

/// Spans go without TLS, so only `http://HOST:PORT` can be followed.
fn check_endpoint(set: Option<(&'static str, String)>) -> Result<(), TelemetryError> {
    let Some((name, value)) = set else { return Ok(()) };
    let uri = value.parse::<http::Uri>().ok();
    let is_followed = uri.is_some_and(|uri| {
        uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty())
    });
    if is_followed {
        return Ok(());
    }
    Err(wrong(name, &cut(&value), "http://HOST:PORT (there is no TLS: for https:// put a collector between)"))
}

/// The exporter reads the variable itself; what it would not follow is said here.
fn check_compression(set: Option<(&'static str, String)>) -> Result<(), TelemetryError> {
    match set {
        Some((name, other)) if other != "gzip" && other != "none" => {
            Err(wrong(name, &cut(&other), "gzip or none"))
        }
        _ => Ok(()),
    }
}

/// `key=value` pairs between commas, percent-encoded.
fn attributes(text: &str) -> Result<BTreeMap<String, String>, TelemetryError> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let read = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let key = decoded(key.trim()).filter(|key| !key.is_empty())?;
        Some((key, decoded(value.trim())?))
    };
    pairs
        .map(|pair| read(pair).ok_or_else(|| wrong(ATTRIBUTES, &cut(pair), "KEY=VALUE, percent-encoded")))
        .collect()
}

/// A text without its percent-encoding; `None` if it is none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, further @ ..] = rest {
        rest = further;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, further) = further.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = further;
    }
    String::from_utf8(bytes).ok()
}

fn wrong(name: &'static str, got: &str, expected: &str) -> TelemetryError {
    TelemetryError::Variable { name, why: format!("{got:?} is not {expected}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variables and their values.
    type Set = &'static [(&'static str, &'static str)];

    fn read(set: &[(&str, &str)]) -> Result<Option<Variables>, TelemetryError> {
        Variables::read(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");

    #[test]
    fn whether_traces_are_made() {
        let cases: [(&str, Set, Option<f64>); 11] = [
            ("nothing set", &[], None),
            ("an empty endpoint", &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], None),
            ("an endpoint", &[ENDPOINT], Some(1.0)),
            ("one of traces", &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:1")], Some(1.0)),
            ("an exporter", &[(EXPORTER, "otlp")], Some(1.0)),
            ("no exporter", &[ENDPOINT, (EXPORTER, "none")], None),
            ("disabled", &[ENDPOINT, ("OTEL_SDK_DISABLED", "True")], None),
            ("never", &[ENDPOINT, (SAMPLER, "parentbased_always_off")], None),
            ("a share", &[ENDPOINT, (SAMPLER, "traceidratio"), (SAMPLER_ARG, "0.1")], Some(0.1)),
            ("a share of none", &[ENDPOINT, (SAMPLER, "traceidratio"), (SAMPLER_ARG, "0")], Some(0.0)),
            ("a share of its parent", &[ENDPOINT, (SAMPLER, "parentbased_traceidratio")], Some(1.0)),
        ];
        for (desc, set, expect) in cases {
            assert_eq!(read(set).expect(desc).map(|variables| variables.ratio), expect, "{desc}");
        }
    }

    #[test]
    fn how_they_are_made() {
        let plain = read(&[ENDPOINT]).expect("fine").expect("on");
        assert_eq!(
            (plain.http, plain.timeout, plain.prefix.as_str()),
            (false, Duration::from_secs(10), "vision")
        );
        let set = [
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "7"),
            ("OTEL_SERVICE_NAME", "mine"),
        ];
        let set = read(&set).expect("fine").expect("on");
        assert_eq!((set.http, set.timeout, set.queue_spans), (true, Duration::from_millis(250), 7));
        assert_eq!(set.prefix, "mine");
    }

    #[test]
    fn the_name_of_the_services() {
        let attribute = (ATTRIBUTES, "service.name=two%20words,a=b");
        let cases: [(&[(&str, &str)], &str); 4] = [
            (&[], "vision"),
            (&[attribute], "two words"),
            (&[attribute, ("OTEL_SERVICE_NAME", "mine")], "mine"),
            (&[(ATTRIBUTES, "service.name=,a=b")], "vision"),
        ];
        for (further, expect) in cases {
            let set = [&[ENDPOINT], further].concat();
            let variables = read(&set).expect("fine").expect("on");
            assert_eq!(variables.prefix, expect, "{further:?}");
            assert!(!variables.attributes.contains_key("service.name"));
        }
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let cases = [
            (EXPORTER, "console"),
            (SAMPLER, "sometimes"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1s"),
        ];
        for (name, value) in cases {
            let error = read(&[ENDPOINT, (name, value)]).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
        for endpoint in
            ["https://c:4317", "c:4317", "localhost", "http://", "http://:4317", "/x", "http://a b"]
        {
            for name in ENDPOINTS {
                let error = read(&[(name, endpoint)]).expect_err(endpoint).to_string();
                assert!(error.starts_with(name) && error.contains(endpoint), "{error}");
            }
        }
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "Gzip"),
            (ATTRIBUTES, "a=b%2"),
            (ATTRIBUTES, "a=%+1"),
            (ATTRIBUTES, "a=%ff"),
            (ATTRIBUTES, "a"),
            (ATTRIBUTES, "=b"),
        ] {
            let error = read(&[ENDPOINT, (name, value)]).expect_err(value).to_string();
            assert!(error.starts_with(name) && error.contains(value), "{error}");
        }
        for share in ["1.1", "-0.1", "NaN", "half"] {
            let set = [ENDPOINT, (SAMPLER, "traceidratio"), (SAMPLER_ARG, share)];
            assert!(read(&set).is_err(), "{share}");
        }
    }
}
