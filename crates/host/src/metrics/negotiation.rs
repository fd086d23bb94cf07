//! The form in which a page of metrics is sent: what the head of the request asks for.

use std::io::Write as _;

use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::exposition::classic;

/// The media type of OpenMetrics: what [`super::Metrics::encode`] and [`super::merge`] write.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of the classic text format, for everybody who does not ask for OpenMetrics.
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Versions of OpenMetrics whose readers understand what is written here.
const VERSIONS: [&str; 2] = ["1.0.0", "0.0.1"];

/// Answers with a text in OpenMetrics: as it is, or as the classic format, compressed or not, as the request
/// asks.
#[must_use]
pub fn answer(openmetrics: String, asked: &HeaderMap) -> Response {
    let (media_type, text) = match wants_openmetrics(asked) {
        true => (OPENMETRICS, openmetrics),
        false => (CLASSIC, classic(&openmetrics)),
    };
    let head = [(CONTENT_TYPE, media_type), (VARY, "Accept, Accept-Encoding")];
    let packed = if wants_gzip(asked) { gzip(text.as_bytes()) } else { None };
    match packed {
        Some(packed) => (head, [(CONTENT_ENCODING, "gzip")], packed).into_response(),
        None => (head, text).into_response(),
    }
}

/// None if it fails, which a buffer in memory does not.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

fn wants_openmetrics(asked: &HeaderMap) -> bool {
    let openmetrics = quality(asked, &ACCEPT, |range| {
        range.value.eq_ignore_ascii_case("application/openmetrics-text")
            && range.version.is_none_or(|version| VERSIONS.contains(&version))
    });
    let plain = quality(asked, &ACCEPT, |range| range.value.eq_ignore_ascii_case("text/plain"));
    openmetrics.is_some_and(|quality| quality > 0.0 && quality >= plain.unwrap_or(0.0))
}

/// Whether the head of a request asks for gzip.
#[must_use]
pub fn wants_gzip(asked: &HeaderMap) -> bool {
    let of = |names: &[&str]| {
        quality(asked, &ACCEPT_ENCODING, |range| names.iter().any(|n| range.value.eq_ignore_ascii_case(n)))
    };
    let gzip = of(&["gzip", "x-gzip"]).or_else(|| of(&["*"]));
    gzip.is_some_and(|quality| quality > 0.0 && quality >= of(&["identity"]).unwrap_or(0.0))
}

/// One entry of an `Accept` or `Accept-Encoding`.
struct Range<'a> {
    value: &'a str,
    version: Option<&'a str>,
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(entry: &'a str) -> Self {
        let mut parts = entry.split(';').map(str::trim);
        let mut range = Self { value: parts.next().unwrap_or_default(), version: None, quality: 1.0 };
        for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            match name.trim_end() {
                "q" | "Q" => range.quality = parse_quality(value.trim()),
                "version" => range.version = Some(value.trim().trim_matches('"')),
                _ => {}
            }
        }
        range
    }
}

/// 0 for what is no quality.
fn parse_quality(text: &str) -> f32 {
    text.parse().ok().filter(|quality| (0.0..=1.0).contains(quality)).unwrap_or(0.0)
}

/// The highest quality that a header gives to what fits; none if it does not name it.
fn quality(asked: &HeaderMap, header: &HeaderName, fits: impl Fn(&Range<'_>) -> bool) -> Option<f32> {
    let values = asked.get_all(header).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let fitting = values.flat_map(|value| value.split(',').map(Range::parse)).filter(fits);
    fitting.map(|range| range.quality).reduce(f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(header: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (header.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_those_that_ask_for_openmetrics_get_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,\
            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let prefers_classic =
            "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4";
        for (desc, accept, expect) in [
            ("nothing", &[][..], false),
            ("Prometheus", &[prometheus], true),
            ("Prometheus set to the classic format", &[prefers_classic], false),
            ("curl", &["*/*"], false),
            ("a browser", &["text/html,application/xml;q=0.9,*/*;q=0.8"], false),
            ("by name", &["application/openmetrics-text"], true),
            ("in capitals, spaced", &["Application/OpenMetrics-Text ; version=\"1.0.0\" ; q=0.1"], true),
            ("in a second header", &["image/png", "application/openmetrics-text"], true),
            ("refused", &["application/openmetrics-text;q=0"], false),
            ("of another version", &["application/openmetrics-text;version=2.0.0"], false),
            ("no quality", &["application/openmetrics-text;q=NaN"], false),
        ] {
            assert_eq!(wants_openmetrics(&asking(ACCEPT, accept)), expect, "{desc}");
        }
    }

    #[test]
    fn only_those_that_take_gzip_get_it() {
        for (desc, accept, expect) in [
            ("nothing", &[][..], false),
            ("gzip", &["gzip"], true),
            ("a browser", &["deflate, gzip;q=0.8, br"], true),
            ("anything", &["*"], true),
            ("anything but gzip", &["*, gzip;q=0"], false),
            ("rather not", &["gzip;q=0.1, identity"], false),
            ("another", &["br"], false),
        ] {
            assert_eq!(wants_gzip(&asking(ACCEPT_ENCODING, accept)), expect, "{desc}");
        }
    }
}
