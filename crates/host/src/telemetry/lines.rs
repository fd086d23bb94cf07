//! Log lines.

use std::sync::OnceLock;

use serde::Deserialize;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::layer as fmt_layer;
use tracing_subscriber::layer::{Filter, Layer};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, filter::FilterExt as _, reload};

use super::TelemetryError;

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, fields at its top level.
    Json,
}

type Change = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

/// Puts another filter in the place of the one in force.
static CHANGE: OnceLock<Change> = OnceLock::new();

fn parse(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), why: error.to_string() })
}

/// Changes which lines are written, from now on.
///
/// # Errors
/// [`TelemetryError::Filter`] for one that does not parse; the old one stays.
pub fn set_filter(filter: &str) -> Result<(), TelemetryError> {
    let parsed = parse(filter)?;
    if let Some(change) = CHANGE.get() {
        change(parsed);
    }
    Ok(())
}

/// The layer that writes them.
pub(super) fn layer<S>(filter: &str, format: LogFormat) -> Result<impl Layer<S>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static,
{
    let (changeable, handle) = reload::Layer::new(parse(filter)?);
    let _ = CHANGE.set(Box::new(move |filter| handle.reload(filter).is_ok()));
    // Lines bear what belongs to them as fields of their own; around them they do not look.
    let wanted = only_events().and(changeable);
    // Telling on stderr that stderr cannot be written panics: a full disk under the log would end the
    // process.
    let lines = fmt_layer().with_writer(std::io::stderr).log_internal_errors(false);
    Ok(match format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            lines.with_ansi(colours).with_filter(wanted).boxed()
        }
        LogFormat::Json => {
            let json = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            json.with_filter(wanted).boxed()
        }
    })
}

fn only_events<S>() -> impl Filter<S> {
    filter_fn(|metadata| metadata.is_event())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        let error = parse("vision_chain=loud").expect_err("no such level");
        assert!(error.to_string().starts_with("log filter \"vision_chain=loud\":"), "{error}");
        assert!(set_filter("vision_chain=loud").is_err());
    }
}
