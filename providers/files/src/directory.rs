//! The directory: which files there are, and files that were opened in it, each at one version. It must not know what is in them.

use crate::pattern::{self, Pattern};
use crate::problem::Problem;
use portico_provider_api::SourceErrorKind;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Files of one table at most, all of which are open while it is read.
const MAX_FILES: usize = 1_000;

/// The version of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    modified: (i64, i64),
    /// When what is known of the file changed: it tells of those who set the time of modification back.
    changed: (i64, i64),
    links: u64,
    file: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            links: metadata.nlink(),
            file: (metadata.dev(), metadata.ino()),
        }
    }

    /// Whether the content may be another. A file that has lost a name, because another took its place, has not changed by that.
    fn same_content(&self, now: &Stamp) -> bool {
        let named_as_before = self.links != now.links || self.changed == now.changed;
        self.size == now.size && self.modified == now.modified && self.file == now.file && named_as_before
    }

    /// How long it has been left alone; nothing where its time lies in the future.
    fn age(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.modified.0).ok()?;
        let modified = SystemTime::UNIX_EPOCH + Duration::new(seconds, u32::try_from(self.modified.1).ok()?);
        SystemTime::now().duration_since(modified).ok()
    }
}

/// A file of the directory, opened. All that is read through it is of one version, or fails.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    /// Its path below the directory.
    pub(crate) name: String,
    pub(crate) stamp: Stamp,
    /// Bytes that its parts may have when they are unpacked.
    pub(crate) max_size: u64,
    file: Arc<File>,
}

impl Opened {
    /// Fails when the file is not what it was when it was opened: what was read up to now is what it was.
    pub(crate) fn unchanged(&self) -> Result<(), Problem> {
        let metadata = self.file.metadata().map_err(|error| Problem::io(&self.name, &error))?;
        if self.stamp.same_content(&Stamp::of(&metadata)) { Ok(()) } else { Err(Problem::changed(&self.name)) }
    }

    /// A reader from its beginning to the end that it had when it was opened.
    pub(crate) fn reader(&self) -> Section {
        self.section(0, self.stamp.size)
    }

    /// A reader of a part of it.
    pub(crate) fn section(&self, from: u64, length: u64) -> Section {
        let end = from.saturating_add(length).min(self.stamp.size);
        Section { opened: self.clone(), from: from.min(end), at: from.min(end), end }
    }
}

/// A part of a file, read by position: readers of one file do not disturb each other.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    opened: Opened,
    from: u64,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let Some(part) = buffer.get_mut(..left) else { return Ok(0) };
        if part.is_empty() {
            return Ok(0);
        }
        let read = self.opened.file.read_at(part, self.at)?;
        if read == 0 {
            // It was longer when it was opened.
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => self.from.checked_add(offset),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        let target = target.filter(|target| (self.from..=self.end).contains(target));
        self.at = target.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at - self.from)
    }
}

/// Why the files of a table are not read now.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// One of them is being written: it may be tried again after this time.
    Unsettled { file: String, wait: Duration },
    /// They cannot be.
    Failed(Problem),
}

impl From<Problem> for NotOpened {
    fn from(problem: Problem) -> NotOpened {
        NotOpened::Failed(problem)
    }
}

/// The directory of a source.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) max_file_size: u64,
    pub(crate) settle: Duration,
}

impl Directory {
    /// Its own path without links.
    fn root(&self) -> Result<PathBuf, Problem> {
        std::fs::canonicalize(&self.path)
            .ok()
            .filter(|root| root.is_dir())
            .ok_or_else(|| Problem::new(SourceErrorKind::Unavailable, "the source's directory is not there, or not readable"))
    }

    /// Opens the files of a pattern, in the order of their names. They are those that are there at one moment, and none is one that has been
    /// changed a moment ago.
    pub(crate) fn open(&self, pattern: &Pattern) -> Result<Vec<Opened>, NotOpened> {
        let root = self.root()?;
        // A file that is put into place between listing and opening is seen by listing again.
        for _ in 0..4 {
            let names = self.list(&root, pattern)?;
            let mut opened = Vec::with_capacity(names.len());
            for name in &names {
                match self.open_one(&root, name)? {
                    Some(file) => opened.push(file),
                    None => break,
                }
            }
            let stamped = |file: &Opened| stamp(&root.join(&file.name)).is_some_and(|now| now.file == file.stamp.file);
            if opened.len() == names.len() && self.list(&root, pattern)? == names && opened.iter().all(stamped) {
                opened.iter().try_for_each(|file| self.settled(file))?;
                return Ok(opened);
            }
        }
        let message = "files of the table come and go faster than they can be opened: ask again";
        Err(NotOpened::Failed(Problem::new(SourceErrorKind::Unavailable, message)))
    }

    fn settled(&self, file: &Opened) -> Result<(), NotOpened> {
        // A time in the future is that of another clock, and says nothing.
        let wait = file.stamp.age().and_then(|age| self.settle.checked_sub(age)).filter(|wait| !wait.is_zero());
        wait.map_or(Ok(()), |wait| Err(NotOpened::Unsettled { file: file.name.clone(), wait }))
    }

    /// The names of a pattern's files, in order.
    pub(crate) fn list(&self, root: &Path, pattern: &Pattern) -> Result<Vec<String>, Problem> {
        let mut found = vec![String::new()];
        for (depth, part) in pattern.parts().iter().enumerate() {
            let last = depth + 1 == pattern.parts().len();
            let mut deeper = Vec::new();
            for parent in &found {
                let join = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
                if !pattern::has_wildcard(part) {
                    deeper.push(join(part));
                    continue;
                }
                self.inside(root, &join("."))?;
                for name in names(&root.join(parent))? {
                    let is_wanted = pattern::matches(part, &name) && is_kind(&root.join(join(&name)), last);
                    deeper.extend(is_wanted.then(|| join(&name)));
                }
            }
            found = deeper;
        }
        found.sort();
        if found.len() > MAX_FILES {
            let message = format!("'{}' stands for more than {MAX_FILES} files", pattern.parts().join("/"));
            return Err(Problem::new(SourceErrorKind::Unsupported, message));
        }
        if found.is_empty() {
            let message = format!("there is no file '{}'", pattern.parts().join("/"));
            return Err(Problem::new(SourceErrorKind::Unavailable, message));
        }
        Ok(found)
    }

    /// The files that lie in the directory itself.
    pub(crate) fn files(&self) -> Result<Vec<String>, Problem> {
        let root = self.root()?;
        let mut files: Vec<String> = names(&root)?;
        files.retain(|name| !pattern::is_left_out(name) && is_kind(&root.join(name), true));
        files.sort();
        Ok(files)
    }

    /// The version of every file of a pattern, as cheaply as can be.
    pub(crate) fn stamps(&self, pattern: &Pattern) -> Result<Vec<(String, Option<Stamp>)>, Problem> {
        let root = self.root()?;
        let names = self.list(&root, pattern)?;
        Ok(names.into_iter().map(|name| (name.clone(), stamp(&root.join(name)))).collect())
    }

    /// The version of a file that lies in the directory itself.
    pub(crate) fn stamp(&self, name: &str) -> Option<Stamp> {
        stamp(&self.path.join(name))
    }

    /// Fails when a path, with all its links, does not lie in the directory.
    fn inside(&self, root: &Path, name: &str) -> Result<Option<PathBuf>, Problem> {
        match std::fs::canonicalize(root.join(name)) {
            Ok(path) if path.starts_with(root) => Ok(Some(path)),
            Ok(_) => {
                let message = format!("{name} leads out of the source's directory, and is not read");
                Err(Problem::new(SourceErrorKind::Unsupported, message))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Problem::io(name, &error)),
        }
    }

    /// Opens a file; nothing when it is gone.
    fn open_one(&self, root: &Path, name: &str) -> Result<Option<Opened>, Problem> {
        let missing = || Problem::new(SourceErrorKind::Unavailable, format!("there is no file '{name}'"));
        let path = self.inside(root, name)?.ok_or_else(missing)?;
        let unreadable = |error: std::io::Error| Problem::io(name, &error);
        // Opening a pipe would wait for somebody to write into it.
        let regular = |metadata: &Metadata| match metadata.is_file() {
            true => Ok(()),
            false => Err(Problem::new(SourceErrorKind::Unsupported, format!("{name} is no regular file"))),
        };
        let Ok(before) = std::fs::metadata(&path) else { return Ok(None) };
        regular(&before)?;
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let metadata = file.metadata().map_err(unreadable)?;
        regular(&metadata)?;
        let stamp = Stamp::of(&metadata);
        // A link may have been put into the way meanwhile: what was opened must be what lies in the directory now.
        let now = self.inside(root, name)?.and_then(|path| self::stamp(&path));
        if now.is_none_or(|now| now.file != stamp.file) {
            return Ok(None);
        }
        if stamp.size > self.max_file_size {
            let message = format!("{name} is larger than the {} bytes that 'max_file_size' allows", self.max_file_size);
            return Err(Problem::new(SourceErrorKind::Unsupported, message));
        }
        Ok(Some(Opened { name: name.to_owned(), stamp, max_size: self.max_file_size, file: Arc::new(file) }))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata))
}

fn is_kind(path: &Path, file: bool) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| if file { metadata.is_file() } else { metadata.is_dir() })
}

/// Names that are no text cannot be told to anybody, and are left out.
fn names(directory: &Path) -> Result<Vec<String>, Problem> {
    let failed = |error: std::io::Error| Problem::io("a directory of the source", &error);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).map_err(failed));
    Ok(names.collect::<Result<Vec<_>, Problem>>()?.into_iter().flatten().collect())
}
