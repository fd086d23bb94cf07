//! Key files. A secret never leaves its file.

pub mod peer;

use std::path::Path;

use vision_host::files::{self, FileError};
use vision_primitives::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure, Outcome};

/// A key file holds 64 hex digits and perhaps a line end.
const MAX_KEY_FILE_BYTES: u64 = 256;

/// The public key in a home's `node.pub`.
pub fn read_public_file(file: &Path) -> Outcome<PublicKey> {
    let text = read_text(file)?;
    text.trim().parse().map_err(|error| {
        Failure::failed(format!("{}: {error}; it must hold the node's public key", file.display()))
    })
}

/// A key from the system's randomness.
pub fn random_key() -> Outcome<SecretKey> {
    let seed = vision_host::random_bytes::<32>().map_err(|error| Failure::failed(error.to_string()))?;
    Ok(SecretKey::from_seed(&Zeroizing::new(seed)))
}

/// Reads a key file, which nobody but its owner may read.
pub fn read_secret(file: &Path) -> Outcome<SecretKey> {
    let secret = files::read_secret(file, MAX_KEY_FILE_BYTES).map_err(|error| {
        let exit = if error.is_not_found() { Exit::NotFound } else { Exit::Failed };
        match &error {
            FileError::Io { what, path, source } => Failure::io(what, path, source).with_exit(exit),
            _ => Failure::new(exit, error.to_string()),
        }
    })?;
    // Text that is not UTF-8 is no key either.
    let text = std::str::from_utf8(&secret).unwrap_or_default();
    SecretKey::from_hex(text)
        .map_err(|error| Failure::failed(format!("{}: {error}; is it a key file?", file.display())))
}

pub(crate) fn read_text(file: &Path) -> Outcome<String> {
    std::fs::read_to_string(file).map_err(|error| {
        let failure = Failure::io("read", file, &error);
        match error.kind() {
            std::io::ErrorKind::NotFound => failure.with_exit(Exit::NotFound),
            _ => failure,
        }
    })
}

/// Writes a key into a new file that only its owner may read.
pub fn write_secret(file: &Path, key: &SecretKey) -> Outcome {
    let text = Zeroizing::new(format!("{}\n", *key.to_secret_hex()));
    files::write_secret_new(file, text.as_bytes()).map_err(|error| {
        if error.is_already_there() {
            return Failure::refused(format!(
                "{} exists and a key is never overwritten; choose another file",
                file.display()
            ));
        }
        Failure::failed(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_is_private_and_never_overwritten() {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("a.key");
        let key = random_key().expect("randomness");
        write_secret(&file, &key).expect("new file");
        let mode = std::fs::metadata(&file).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(read_secret(&file).expect("own file").public_key(), key.public_key());
        let again = write_secret(&file, &random_key().expect("randomness")).expect_err("exists");
        assert_eq!(again.exit(), Exit::Refused);
        assert_eq!(read_secret(&file).expect("untouched").public_key(), key.public_key());
    }

    #[test]
    fn a_key_that_others_may_read_is_not_used() {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("a.key");
        write_secret(&file, &random_key().expect("randomness")).expect("new file");
        let mut mode = std::fs::metadata(&file).expect("made").permissions();
        mode.set_mode(0o604);
        std::fs::set_permissions(&file, mode).expect("changed");
        let error = read_secret(&file).expect_err("open to others").to_string();
        assert!(error.contains("0604") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn errors_do_not_repeat_the_secret() {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("a.key");
        std::fs::write(&file, "not a key but secret").expect("write");
        files::make_private(&file).expect("changed");
        let error = read_secret(&file).expect_err("no key").to_string();
        assert!(!error.contains("secret\u{20}key but") && !error.contains("not a key but"), "{error}");
        let none = read_secret(&dir.path().join("none")).expect_err("none");
        assert_eq!(none.exit(), Exit::NotFound);
        assert!(none.to_string().ends_with("none: No such file or directory; check the path"), "{none}");
    }
}
