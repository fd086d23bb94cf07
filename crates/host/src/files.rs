//! Files that must be whole after a crash, and files that others must not read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// What went wrong with which file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A secret file that others may read or write.
    #[error(
        "{path} has mode {mode:04o} and may be read by others: make it private with `chmod 600 {typed}`",
        typed = crate::shell::word(path)
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file larger than any of its kind.
    #[error("{path} has {bytes} bytes, at most {limit} are expected")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Another process holds the lock.
    #[error("{path} is in use by another process: stop it first, or give another directory")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
}

impl FileError {
    /// Whether the file was not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the file was there already.
    #[must_use]
    pub fn is_already_there(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    }
}

fn at<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError::Io { what, path: path.to_owned(), source }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Replaces the file's content at one instant: after a crash it has the old content or the new, and
/// after the return the new content is on disk. One writer per path at a time.
///
/// # Errors
/// [`FileError`] naming the step that failed; the old content is then still there.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<(), FileError> {
    replace(path, content, 0o644)
}

/// [`write_atomic`] for a secret: mode 0600 from the first byte on.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_secret_atomic(path: &Path, content: &[u8]) -> Result<(), FileError> {
    replace(path, content, 0o600)
}

fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    // A leftover of a crash may have another mode.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at("remove", &temporary)(error)),
        _ => {}
    }
    write_new(&temporary, content, mode)?;
    fs::rename(&temporary, path).map_err(at("replace", path))?;
    sync_folder(folder_of(path))
}

/// Writes a secret into a file that must not exist yet: mode 0600, on disk at the return.
///
/// # Errors
/// [`FileError`]; an existing file is left as it is ([`FileError::is_already_there`]).
pub fn write_secret_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write_new(path, content, 0o600)?;
    sync_folder(folder_of(path))
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path).map_err(at("create", path))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a file must not look like a whole one.
        let _ = fs::remove_file(path);
        at("write", path)(error)
    })
}

/// Makes the names in a directory durable.
///
/// # Errors
/// [`FileError`] if the directory cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(at("sync", folder))
}

/// Makes a directory and those above it, if missing.
///
/// # Errors
/// [`FileError`] if it cannot be made.
pub fn make_folder(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(at("make directory", folder))
}

/// Reads a whole file of at most `limit_bytes`.
///
/// # Errors
/// [`FileError`], also for a larger file.
pub fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(at("read", path))?;
    read_open(file, path, limit_bytes)
}

fn read_open(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let bytes = file.metadata().map_err(at("read", path))?.len();
    if bytes > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes, limit });
    }
    // With room for all of it and a last read of nothing: a buffer that grows leaves copies of a secret
    // behind.
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0).saturating_add(64));
    file.take(limit).read_to_end(&mut content).map_err(at("read", path))?;
    Ok(content)
}

/// Reads a secret file of at most `limit_bytes` that nobody but its owner may touch; one that belongs to root
/// may be readable by a group as well, which is how Kubernetes hands a secret to a process that is not root.
///
/// # Errors
/// [`FileError`], also for one that others may read. What was read is wiped from memory when dropped.
pub fn read_secret(path: &Path, limit_bytes: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(at("read", path))?;
    let meta = file.metadata().map_err(at("read", path))?;
    let mode = meta.mode() & 0o7777;
    if !is_private(meta.uid(), mode) {
        return Err(FileError::NotPrivate { path: path.to_owned(), mode });
    }
    read_open(file, path, limit_bytes).map(Zeroizing::new)
}

const fn is_private(owner: u32, mode: u32) -> bool {
    let forbidden = if owner == 0 { 0o037 } else { 0o077 };
    mode & forbidden == 0
}

/// Makes a file private to its owner.
///
/// # Errors
/// [`FileError`] if the mode cannot be changed.
pub fn make_private(path: &Path) -> Result<(), FileError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(at("make private", path))
}

/// A lock on a directory, held until dropped and gone with the process.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Locks a directory against other processes by the file `lock` in it.
///
/// # Errors
/// [`FileError::InUse`] when another holds it.
pub fn lock_folder(folder: &Path) -> Result<FolderLock, FileError> {
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).open(&path).map_err(at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock { _file: file }),
        Err(fs::TryLockError::WouldBlock) => Err(FileError::InUse { path }),
        Err(fs::TryLockError::Error(error)) => Err(at("lock", &path)(error)),
    }
}

/// Bytes that an ordinary user may still write on the disk that holds a path. May wait for the disk.
///
/// # Errors
/// What the system says.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests;
