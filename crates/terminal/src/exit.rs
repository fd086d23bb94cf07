//! How a command ends: one line of text and an exit code that scripts can rely on.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Exit codes besides 0 and clap's own 2 for a command line that does not parse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// The reader of stdout went away, as `head` does: no fault, and nothing left to say.
    NobodyReads = 0,
    /// Something did not work.
    Failed = 1,
    /// The command was used wrongly.
    Usage = 2,
    /// Not healthy, not reachable, or not in time.
    Unhealthy = 3,
    /// What was asked for does not exist.
    NotFound = 4,
    /// Refused because it could destroy something.
    Refused = 5,
}

/// Why a command failed: what, where and what to do, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    exit: Exit,
    message: String,
    /// What the message says in a word or two, for tables.
    cause: Option<String>,
}

impl Failure {
    /// A failure of any kind.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), cause: None }
    }

    /// The same failure, of this part.
    #[must_use]
    pub fn of(self, part: &str) -> Self {
        Self { message: format!("{part}: {}", self.message), ..self }
    }

    /// [`Exit::Failed`].
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// [`Exit::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// [`Exit::Unhealthy`].
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self::new(Exit::Unhealthy, message)
    }

    /// [`Exit::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, message)
    }

    /// [`Exit::Refused`].
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// A file or directory that cannot be used as wanted.
    pub fn io(what: &str, path: &Path, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "; check its owner and mode, or choose another place",
            std::io::ErrorKind::NotFound => "; check the path",
            std::io::ErrorKind::StorageFull => "; free some space",
            _ => "",
        };
        Self::failed(format!("cannot {what} {}: {}{hint}", path.display(), reason(error)))
    }

    /// The same failure with another exit code.
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The same failure, with the cause alone for those who have little room.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The cause alone, if it has one.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Its exit code.
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Says it on stderr in one line and gives the code for `main`.
    pub fn report(&self) -> ExitCode {
        if self.exit == Exit::NobodyReads {
            return ExitCode::SUCCESS;
        }
        let line = self.message.replace('\n', " ");
        // Where nothing can be printed, the exit code still says it.
        let _ = writeln!(std::io::stderr(), "error: {line}");
        ExitCode::from(self.exit as u8)
    }
}

/// The system's words for an error without the number that follows them.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// What every command gives back.
pub type Outcome<T = ()> = Result<T, Failure>;
