//! What can be wrong with settings.

use std::fmt;
use std::path::{Path, PathBuf};

/// A setting, or the file of settings, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(crate::files::FileError),
    /// The file is no TOML.
    #[error("{file} is not TOML: {why}")]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Where and why.
        why: String,
    },
    /// A section that no service has.
    #[error("{file}: unknown section [{section}]; known: {known}")]
    UnknownSection {
        /// The file.
        file: PathBuf,
        /// The section.
        section: String,
        /// The sections there are.
        known: String,
    },
    /// A key that the section does not have.
    #[error("{place}: section [{section}] has no key {key}; known: {known}")]
    UnknownKey {
        /// File, variable or flag.
        place: String,
        /// The section.
        section: String,
        /// The key.
        key: String,
        /// The keys there are.
        known: String,
    },
    /// A value of another type or out of range.
    #[error("{place}: {section}.{key}: {why}")]
    Value {
        /// File, variable or flag.
        place: String,
        /// The section.
        section: String,
        /// The key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// Something about a section as a whole, such as a missing value.
    #[error("{place}: section [{section}]: {why}")]
    Section {
        /// The file.
        place: String,
        /// The section.
        section: String,
        /// What is wrong.
        why: String,
    },
    /// A message without its place; only inside of a deserializer.
    #[error("{0}")]
    Message(String),
}

impl ConfigError {
    pub(super) fn syntax(file: &Path, why: &str) -> Self {
        Self::Syntax { file: file.to_owned(), why: why.to_owned() }
    }
}

impl serde::de::Error for ConfigError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }
}
