//! Log lines to stderr.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

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

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A filter that does not parse.
    #[error("log filter {filter:?}: {why}; examples: info, debug, warn,vision_chain=debug")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong.
        why: String,
    },
    /// Logging was started before.
    #[error("logging was started twice")]
    Twice,
}

/// Starts logging to stderr. `filter` is a level (`info`) or a list of directives as of `RUST_LOG`
/// (`warn,vision_chain=debug`).
///
/// # Errors
/// [`TelemetryError`] for a filter that does not parse or a second start.
pub fn init(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), why: error.to_string() })?;
    // Telling on stderr that stderr cannot be written panics: a full disk under the log would end the process.
    let lines =
        Subscriber::builder().with_env_filter(parsed).with_writer(std::io::stderr).log_internal_errors(false);
    let started = match format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            tracing::subscriber::set_global_default(lines.with_ansi(colours).finish())
        }
        LogFormat::Json => {
            let json = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            tracing::subscriber::set_global_default(json.finish())
        }
    };
    started.map_err(|_| TelemetryError::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        let error = init("vision_chain=loud", LogFormat::Text).expect_err("no such level");
        assert!(error.to_string().starts_with("log filter \"vision_chain=loud\":"), "{error}");
    }
}
