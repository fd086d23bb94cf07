//! Why the service did not start, or stopped by itself.

use std::path::PathBuf;

use vision_host::files::FileError;
use vision_host::shell::word;
use vision_primitives::{GenesisError, Hash, Height};

use crate::{MAX_MINING_TICK_MS, MIN_MINING_TICK_MS};

/// Why the service did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tick out of range.
    #[error("[producer] mining_tick_ms is {0}, must be {MIN_MINING_TICK_MS} to {MAX_MINING_TICK_MS}")]
    MiningTick(u64),
    /// A URL that cannot be called.
    #[error("[producer] {key}: {source}")]
    Url {
        /// The key in the configuration.
        key: &'static str,
        /// What is wrong.
        source: vision_wire::ChannelError,
    },
    /// An address that cannot be listened on.
    #[error("[producer] grpc_listen: {0}")]
    Bind(#[from] vision_host::server::BindError),
    /// The server could not be put together.
    #[error(transparent)]
    Serve(#[from] vision_host::server::ServeError),
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key file with something else in it. Never says what.
    #[error("{path}: {source}; restore it from a backup")]
    Key {
        /// The file.
        path: PathBuf,
        /// What was expected.
        source: vision_primitives::KeyError,
    },
    /// A genesis file that is none.
    #[error("{path}: {source}")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: GenesisError,
    },
    /// A key whose claims are missing: what it has signed cannot be known.
    #[error(
        "{path} is missing, so nobody knows which blocks this key has signed; for a key that has never \
         been used, run `vision keys new-claims --home {typed}`; otherwise, if you are sure that no other \
         node uses the key, run `vision keys reset-claims --home {typed} --above HEIGHT`, with HEIGHT at \
         or above everything the key may have signed",
        typed = word(home)
    )]
    ClaimsMissing {
        /// The file.
        path: PathBuf,
        /// The home.
        home: PathBuf,
    },
    /// Claims that are already there.
    #[error("{0} exists: claims are never overwritten, because they keep a key from signing twice")]
    ClaimsExist(PathBuf),
    /// Claims of another key or chain.
    #[error(
        "{path} belongs to {what} {found}, not to {expected}: use the home it was created for, or another \
         home"
    )]
    ClaimsForeign {
        /// The file.
        path: PathBuf,
        /// "the key" or "the chain".
        what: &'static str,
        /// What it was made for.
        found: Hash,
        /// What it is wanted for.
        expected: Hash,
    },
    /// Claims older than the key's last use, as after restoring a backup.
    #[error(
        "the chain has block {highest_own} signed by this key, but the claims in {path} end at \
         {highest_claimed}: they are older than the key's last use, and what was signed since is unknown; \
         if you are sure that no other node uses the key, run `vision keys reset-claims --home {typed} \
         --above HEIGHT`, with HEIGHT at least {highest_own}, and at or above everything the key may have \
         signed",
        typed = word(home)
    )]
    ClaimsTooOld {
        /// The file.
        path: PathBuf,
        /// The home.
        home: PathBuf,
        /// Highest block of this key on the chain.
        highest_own: Height,
        /// Highest height the claims know of.
        highest_claimed: Height,
    },
    /// Another process has the claims open.
    #[error("{0} is in use by another process: stop the other producer of this home first")]
    ClaimsInUse(PathBuf),
    /// Claims that cannot be trusted.
    #[error(
        "{path} is damaged ({why}), so nobody knows which blocks this key has signed; if you are sure that \
         no other node uses the key, run `vision keys reset-claims --home {typed} --above HEIGHT`, with \
         HEIGHT at or above everything the key may have signed",
        typed = word(home)
    )]
    ClaimsCorrupt {
        /// The file.
        path: PathBuf,
        /// The home.
        home: PathBuf,
        /// What was found.
        why: String,
    },
    /// Claims that cannot be read or written now.
    #[error("{path} cannot be read or written: {why}")]
    ClaimsIo {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl Error {
    /// Whether a setting can be right nowhere: exit code 2.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::MiningTick(_) | Self::Url { .. })
    }

    /// Whether starting was refused because it could make the key sign twice: exit code 5.
    #[must_use]
    pub const fn is_safety_refusal(&self) -> bool {
        matches!(
            self,
            Self::ClaimsMissing { .. }
                | Self::ClaimsExist(_)
                | Self::ClaimsForeign { .. }
                | Self::ClaimsTooOld { .. }
                | Self::ClaimsInUse(_)
                | Self::ClaimsCorrupt { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_typed_whatever_the_home_is_called() {
        let (home, path) = (PathBuf::from("/my node's"), PathBuf::from("/my node's/data/claims.redb"));
        let height = Height(5);
        let errors = [
            Error::ClaimsMissing { path: path.clone(), home: home.clone() },
            Error::ClaimsCorrupt { path: path.clone(), home: home.clone(), why: "x".into() },
            Error::ClaimsTooOld { path, home, highest_own: height, highest_claimed: height },
        ];
        for error in errors {
            let text = error.to_string();
            assert!(
                text.contains(r"vision keys reset-claims --home '/my node'\''s' --above HEIGHT"),
                "{text}"
            );
        }
    }
}
