//! Why a scenario failed: what was expected, what was seen, and whose logs may show more.

/// A step that did not come out as it must.
#[derive(Clone, Debug, thiserror::Error)]
#[error("expected: {expected}; seen: {seen}")]
pub(crate) struct Failure {
    expected: String,
    seen: String,
    /// Names of the compose services concerned, such as `node1-chain`.
    about: Vec<String>,
}

/// What every step gives back.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// What was expected and what was seen instead.
    pub(crate) fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { expected: expected.into(), seen: seen.into(), about: Vec::new() }
    }

    /// Only what was seen; whoever waits knows what it expects.
    pub(crate) fn seen(seen: impl Into<String>) -> Self {
        Self::new("an answer", seen)
    }

    /// The same, concerning these containers.
    #[must_use]
    pub(crate) fn about<S: Into<String>>(mut self, services: impl IntoIterator<Item = S>) -> Self {
        for service in services.into_iter().map(Into::into) {
            if !self.about.contains(&service) {
                self.about.push(service);
            }
        }
        self
    }

    /// The same seen, but something else expected.
    #[must_use]
    pub(crate) fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    /// What was expected.
    pub(crate) fn wanted(&self) -> &str {
        &self.expected
    }

    /// What was seen.
    pub(crate) fn found(&self) -> &str {
        &self.seen
    }

    /// Names of the compose services concerned.
    pub(crate) fn concerned(&self) -> &[String] {
        &self.about
    }
}

/// Fails unless a condition holds; `seen` is only asked then.
pub(crate) fn check(holds: bool, expected: impl Into<String>, seen: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(Failure::new(expected, seen())) }
}
