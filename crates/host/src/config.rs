//! Settings: `HOME/config.toml`, `VISION_<SECTION>_<KEY>` variables over it, flags over those.

mod error;
mod section;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use error::ConfigError;

/// Start of the name of every environment variable that is a setting.
const PREFIX: &str = "VISION_";
/// A larger file is no configuration.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// All settings, before any section is read.
#[derive(Clone, Debug)]
pub struct Settings {
    file: PathBuf,
    /// Whether the file is there.
    found: bool,
    table: toml::Table,
    /// Variables that start with [`PREFIX`], by their whole name.
    variables: BTreeMap<String, String>,
    /// Values from flags by section and key.
    flags: BTreeMap<(String, String), Flag>,
}

/// A value from the command line.
#[derive(Clone, Debug)]
struct Flag {
    name: String,
    value: String,
}

impl Settings {
    /// Reads `home/config.toml`, if there is one, and the environment.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read or is no TOML.
    pub fn load(home: &Path) -> Result<Self, ConfigError> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::load_with(home, variables)
    }

    /// [`load`](Self::load) with another environment.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(
        home: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let file = home.join("config.toml");
        let mut found = true;
        let text = match crate::files::read(&file, MAX_FILE_BYTES) {
            Ok(bytes) => {
                String::from_utf8(bytes).map_err(|_| ConfigError::syntax(&file, "it is not UTF-8"))?
            }
            Err(error) if error.is_not_found() => {
                found = false;
                String::new()
            }
            Err(error) => return Err(ConfigError::File(error)),
        };
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::syntax(&file, error.to_string().trim()))?;
        // Scripts and compose files pass on what is not set as what is empty.
        let is_set = |(name, value): &(String, String)| name.starts_with(PREFIX) && !value.is_empty();
        let variables = variables.into_iter().filter(is_set).collect();
        Ok(Self { file, found, table, variables, flags: BTreeMap::new() })
    }

    /// Puts a flag's value over file and environment. `flag` is its name in errors, such as `--api-port`.
    pub fn set(&mut self, section: &str, key: &str, flag: &str, value: impl Into<String>) {
        let flag = Flag { name: flag.to_owned(), value: value.into() };
        self.flags.insert((section.to_owned(), key.to_owned()), flag);
    }

    /// Whether there is a file and it sets nothing at all, as after a write that was cut off.
    #[must_use]
    pub fn is_empty_file(&self) -> bool {
        self.found && self.table.is_empty()
    }

    /// Refuses a file with sections other than these.
    ///
    /// # Errors
    /// [`ConfigError::UnknownSection`] for the first other one.
    pub fn check_sections(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.table.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(ConfigError::UnknownSection {
                file: self.file.clone(),
                section: name.clone(),
                known: known.join(", "),
            }),
        }
    }

    /// Reads one section into a struct, whose fields are the keys that may be set. Lists in variables and
    /// flags are comma separated, blanks beside a comma left out; numbers are read to the letter.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file, variable or flag, the key and what is wrong: an unknown key, a value
    /// of another type, a missing value.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        section::read(self, name)
    }
}

#[cfg(test)]
mod tests;
