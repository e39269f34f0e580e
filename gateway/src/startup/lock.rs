//! `portico.lock`: the last accepted remote schema of every source, beside the configuration. It must not know why a schema is
//! accepted, nor how sources are reached.

use portico_provider_api::RemoteSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The format of the file; another one is refused.
const FORMAT: u32 = 1;

/// The file's name.
pub const FILE_NAME: &str = "portico.lock";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    format: u32,
    sources: BTreeMap<String, RemoteSchema>,
}

/// The accepted remote schemas, by source.
pub type Locked = BTreeMap<String, RemoteSchema>;

/// Where the lock of a configuration is.
pub fn path(base_directory: &Path) -> PathBuf {
    base_directory.join(FILE_NAME)
}

/// What tells one state of the lock's file from another.
pub type Stamp = (SystemTime, u64);

/// The state of the file; nothing where there is none.
pub fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Reads the lock; `None` when there is none yet.
///
/// # Errors
/// When it is there and cannot be read: a damaged lock is not the same as none.
pub fn read(path: &Path) -> Result<Option<Locked>, String> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read: {}", path.display(), error.kind())),
    };
    let how = "remove it, or write it anew with `portico check --write-lock`";
    let file: LockFile = serde_json::from_slice(&text).map_err(|error| {
        format!("{}:{}:{}: the lock is damaged or from another release: {how}", path.display(), error.line(), error.column())
    })?;
    if file.format != FORMAT {
        return Err(format!("{}: the lock has format {}, and this release reads format {FORMAT}: {how}", path.display(), file.format));
    }
    Ok(Some(file.sources))
}

/// Writes the lock: all of it or nothing, also when the process ends meanwhile.
///
/// # Errors
/// When the directory cannot be written.
pub fn write(path: &Path, sources: &Locked) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} cannot be written: {}", path.display(), error.kind());
    let file = LockFile { format: FORMAT, sources: sources.clone() };
    let mut text =
        serde_json::to_vec_pretty(&file).map_err(|_| format!("{} cannot be written: a schema has no JSON form", path.display()))?;
    text.push(b'\n');
    // Two processes on one directory must not write into one temporary file.
    let temporary = path.with_extension(format!("lock.{}", uuid::Uuid::new_v4().simple()));
    let outcome = write_through(&temporary, &text).and_then(|()| std::fs::rename(&temporary, path));
    if outcome.is_err() {
        // Best effort: the failure that matters is the one that is reported.
        let _ = std::fs::remove_file(&temporary);
    }
    outcome.map_err(failed)
}

fn write_through(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_written_whole_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = path(directory.path());
        assert_eq!(read(&path), Ok(None));
        write(&path, &Locked::new()).unwrap();
        assert_eq!(read(&path), Ok(Some(Locked::new())));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "a temporary file was left behind");
        std::fs::write(&path, "{ \"format\": 1, \"sources\": {").unwrap();
        assert!(read(&path).unwrap_err().contains("portico.lock:1:"));
        std::fs::write(&path, "{ \"format\": 9, \"sources\": {} }").unwrap();
        assert!(read(&path).unwrap_err().contains("format 9"));
        assert!(write(Path::new("/nowhere/at/all/portico.lock"), &Locked::new()).is_err());
    }
}
