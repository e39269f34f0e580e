//! Memory of what is computed in the gateway: a quota for each query under a limit for all of them, and a bounded place on disk for what does
//! not fit. It must not know what is computed.

use crate::error::EngineError;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::disk_manager::{DiskManager, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What directories of spilled data are called, before the number of their process.
const SPILL_PREFIX: &str = "portico-spill-";
/// Runs that a sort merges at once. It would take all the memory that there is, and leave none for a sort beside it.
const MERGE_AT_ONCE: usize = 8;
/// The file in such a directory that its process holds locked as long as it lives.
const LOCK: &str = "in-use";

/// Memory of all queries, and the disk below it.
pub struct LocalMemory {
    all: Arc<Shared>,
    query: usize,
    // In this order: files are removed before their directory.
    disk: Arc<DiskManager>,
    _directory: SpillDirectory,
}

impl LocalMemory {
    /// `query` bytes for each query, `all` for all of them; `spill` bytes on disk, in `directory` or in the system's for temporary files. What
    /// an earlier process has left there is removed.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn new(query: usize, all: usize, spill: u64, directory: Option<&Path>) -> Result<LocalMemory, EngineError> {
        let directory = SpillDirectory::make(directory.unwrap_or(&std::env::temp_dir()))?;
        let builder = DiskManager::builder().with_mode(DiskManagerMode::Directories(vec![directory.path.clone()]));
        let builder = builder.with_max_temp_directory_size(spill).with_max_spill_merge_fan_in(MERGE_AT_ONCE);
        let disk = Arc::new(builder.build()?);
        Ok(LocalMemory { all: Arc::new(Shared { limit: all, used: AtomicUsize::new(0) }), query, disk, _directory: directory })
    }

    /// The quota of a request, for all its plans.
    ///
    /// # Errors
    /// Never in practice: nothing is opened.
    pub fn quota(&self) -> DataFusionResult<Arc<RuntimeEnv>> {
        let pool = Quota { own: FairSpillPool::new(self.query), limit: self.query, all: Arc::clone(&self.all) };
        let env = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build()?;
        Ok(Arc::new(RuntimeEnv { disk_manager: Arc::clone(&self.disk), ..env }))
    }

    /// Bytes of memory that all queries have reserved.
    pub fn reserved(&self) -> usize {
        self.all.used.load(Ordering::Relaxed)
    }

    /// Bytes on disk.
    pub fn spilled(&self) -> u64 {
        self.disk.used_disk_space()
    }
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    used: AtomicUsize,
}

impl Shared {
    fn try_take(&self, bytes: usize) -> bool {
        let take = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// The memory of one request. Within it operators that can spill have equal shares of what those that cannot have left.
struct Quota {
    own: FairSpillPool,
    limit: usize,
    all: Arc<Shared>,
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "quota of {}", size(self.limit))
    }
}

impl MemoryPool for Quota {
    fn name(&self) -> &str {
        "quota"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.all.used.fetch_add(additional, Ordering::Relaxed);
        self.own.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.all.used.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> DataFusionResult<()> {
        // Operators that can spill do so on this kind of error, whichever limit it was.
        if !self.all.try_take(additional) {
            let message = format!("all queries together have at most {} (memory)", size(self.all.limit));
            return Err(DataFusionError::ResourcesExhausted(message));
        }
        self.own.try_grow(reservation, additional).map_err(|_| {
            self.all.used.fetch_sub(additional, Ordering::Relaxed);
            DataFusionError::ResourcesExhausted(format!("one query has at most {} (query_memory)", size(self.limit)))
        })
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

/// A size for people.
fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// A directory of this process for what it spills, removed when the process ends well; else the next one removes it.
struct SpillDirectory {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl SpillDirectory {
    fn make(within: &Path) -> Result<SpillDirectory, EngineError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let failed =
            |error: io::Error| EngineError::Internal(format!("the spill directory '{}' cannot be used: {error}", within.display()));
        fs::create_dir_all(within).map_err(failed)?;
        remove_leftovers(within).map_err(failed)?;
        // Processes of different containers may have one number and one directory.
        let unique = std::time::UNIX_EPOCH.elapsed().map(|since| since.as_nanos()).unwrap_or_default();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = within.join(format!("{SPILL_PREFIX}{}-{unique:x}-{number}", std::process::id()));
        fs::create_dir(&path).map_err(failed)?;
        let lock = File::create(path.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(SpillDirectory { path, _lock: lock })
    }
}

impl Drop for SpillDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "spilled data could not be removed");
        }
    }
}

/// Removes directories of processes that live no more.
fn remove_leftovers(within: &Path) -> io::Result<()> {
    for entry in fs::read_dir(within)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(SPILL_PREFIX) {
            continue;
        }
        // One without a lock is being made, or being removed. Another user's is not ours to look at.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        match lock.try_lock() {
            Ok(()) => match fs::remove_dir_all(entry.path()) {
                Ok(()) => tracing::info!(path = %entry.path().display(), "removed what an earlier process had spilled"),
                Err(error) => tracing::warn!(path = %entry.path().display(), %error, "spilled data could not be removed"),
            },
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(query: usize, all: usize, directory: &Path) -> LocalMemory {
        LocalMemory::new(query, all, 1 << 20, Some(directory)).unwrap()
    }

    #[test]
    fn a_query_is_held_to_its_quota_and_all_of_them_to_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let memory = memory(100, 150, directory.path());
        let (one, other) = (memory.quota().unwrap(), memory.quota().unwrap());
        let first = MemoryConsumer::new("first").register(&one.memory_pool);
        let second = MemoryConsumer::new("second").register(&other.memory_pool);
        let own = first.try_grow(101).unwrap_err().to_string();
        assert!(own.contains("100 B (query_memory)"), "{own}");
        assert_eq!(memory.reserved(), 0, "what is refused is not counted");
        first.try_grow(90).unwrap();
        let all = second.try_grow(61).unwrap_err().to_string();
        assert!(all.contains("150 B (memory)"), "{all}");
        second.try_grow(60).unwrap();
        assert_eq!(memory.reserved(), 150);
        drop((first, second));
        assert_eq!(memory.reserved(), 0);
    }

    #[test]
    fn what_a_dead_process_has_left_is_removed_and_what_a_living_one_has_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let dead = directory.path().join(format!("{SPILL_PREFIX}1-dead"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("rows"), "rows").unwrap();
        fs::write(directory.path().join("mine"), "not to be touched").unwrap();
        let first = memory(1, 1, directory.path());
        assert!(!dead.exists());
        let second = memory(1, 1, directory.path());
        let living = || fs::read_dir(directory.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
        assert_eq!(living(), 2);
        drop(first);
        assert_eq!(living(), 1);
        drop(second);
        assert_eq!(living(), 0);
        assert!(directory.path().join("mine").exists());
    }
}
