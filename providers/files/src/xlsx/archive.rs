//! The parts of a workbook: a ZIP archive, of which as much is understood as workbooks have. What it does not understand it refuses.

use crate::directory::{Opened, Section};
use crate::problem::Problem;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// Bytes of a part at most, when it is unpacked.
const MAX_PART: u64 = 4 << 30;
/// Bytes of the directory at most.
const MAX_DIRECTORY: u64 = 16 << 20;
/// The record that ends an archive, with the longest comment.
const LONGEST_END: u64 = 22 + 65_535;

#[derive(Debug, Clone, Copy)]
struct Entry {
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    at: u64,
}

/// An archive whose directory was read.
pub(super) struct Archive {
    opened: Opened,
    entries: HashMap<String, Entry>,
}

/// A part, unpacked while it is read.
pub(super) type Part = BufReader<Checked>;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
}

impl Archive {
    pub(super) fn open(opened: &Opened) -> Result<Archive, Problem> {
        let file = &opened.name;
        let io = |error: std::io::Error| Problem::io(file, &error);
        let size = opened.stamp.size;
        let mut first = Vec::new();
        opened.section(0, 8).read_to_end(&mut first).map_err(io)?;
        if first.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(Problem::malformed(format!("{file} is encrypted, or a workbook of the old form .xls: neither is read")));
        }
        let wrong = || Problem::malformed(format!("{file} is no workbook: it is no ZIP archive, or cut off"));
        let from = size.saturating_sub(LONGEST_END);
        let mut tail = Vec::new();
        opened.section(from, size - from).read_to_end(&mut tail).map_err(io)?;
        let end = tail.windows(4).rposition(|window| window == b"PK\x05\x06").ok_or_else(wrong)?;
        let end = tail.get(end..).ok_or_else(wrong)?;
        let (count, length, at) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
        let (Some(count), Some(length), Some(at)) = (count, length, at) else { return Err(wrong()) };
        if count == u16::MAX || length == u32::MAX || at == u32::MAX {
            return Err(Problem::new(
                portico_provider_api::SourceErrorKind::Unsupported,
                format!("{file} is an archive in the form ZIP64, which is not read"),
            ));
        }
        if u64::from(length) > MAX_DIRECTORY {
            return Err(wrong());
        }
        let mut directory = Vec::new();
        opened.section(at.into(), length.into()).read_to_end(&mut directory).map_err(io)?;
        let entries = entries(&directory, count).ok_or_else(wrong)?;
        Ok(Archive { opened: opened.clone(), entries })
    }

    pub(super) fn has(&self, part: &str) -> bool {
        self.entries.contains_key(part)
    }

    pub(super) fn part(&self, part: &str) -> Result<Part, Problem> {
        let file = &self.opened.name;
        let wrong = |what: &str| Problem::malformed(format!("{file} is no workbook: its part '{part}' {what}"));
        let entry = self.entries.get(part).copied().ok_or_else(|| wrong("is missing"))?;
        if entry.size > MAX_PART {
            return Err(wrong("is larger than 4 GiB"));
        }
        let mut section = self.opened.section(entry.at, u64::MAX);
        let mut header = [0; 30];
        section.read_exact(&mut header).map_err(|_| wrong("is cut off"))?;
        let (Some(name), Some(extra)) = (u16_at(&header, 26), u16_at(&header, 28)) else { return Err(wrong("is cut off")) };
        if !header.starts_with(b"PK\x03\x04") {
            return Err(wrong("is not where the archive says"));
        }
        section.seek(SeekFrom::Current(i64::from(name) + i64::from(extra))).map_err(|_| wrong("is cut off"))?;
        let at = section.stream_position().map_err(|_| wrong("is cut off"))?;
        let packed = self.opened.section(entry.at + at, entry.packed);
        let unpacked = match entry.method {
            0 => Unpacked::Stored(packed),
            8 => Unpacked::Deflated(Box::new(DeflateDecoder::new(BufReader::new(packed)))),
            _ => return Err(wrong("is packed by a method that workbooks do not have")),
        };
        Ok(BufReader::with_capacity(64 << 10, Checked { unpacked, crc: Crc::new(), entry, read: 0 }))
    }
}

fn entries(mut directory: &[u8], count: u16) -> Option<HashMap<String, Entry>> {
    let mut entries = HashMap::new();
    for _ in 0..count {
        if !directory.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (flags, method, crc) = (u16_at(directory, 8)?, u16_at(directory, 10)?, u32_at(directory, 16)?);
        let (packed, size) = (u32_at(directory, 20)?, u32_at(directory, 24)?);
        let (name, extra, comment) = (u16_at(directory, 28)?, u16_at(directory, 30)?, u16_at(directory, 32)?);
        let at = u32_at(directory, 42)?;
        let name_end = 46 + usize::from(name);
        let part = String::from_utf8_lossy(directory.get(46..name_end)?).into_owned();
        // What is encrypted is not read, and neither is what needs longer numbers.
        if flags & 1 == 0 && packed != u32::MAX && size != u32::MAX && at != u32::MAX {
            entries.insert(part, Entry { method, crc, packed: packed.into(), size: size.into(), at: at.into() });
        }
        directory = directory.get(name_end + usize::from(extra) + usize::from(comment)..)?;
    }
    Some(entries)
}

enum Unpacked {
    Stored(Section),
    Deflated(Box<DeflateDecoder<BufReader<Section>>>),
}

/// Compares size and sum at the end: a part that was cut or changed is found out.
pub(crate) struct Checked {
    unpacked: Unpacked,
    crc: Crc,
    entry: Entry,
    read: u64,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = match &mut self.unpacked {
            Unpacked::Stored(section) => section.read(buffer)?,
            Unpacked::Deflated(decoder) => decoder.read(buffer)?,
        };
        self.crc.update(buffer.get(..read).unwrap_or_default());
        self.read += read as u64;
        let is_over = read == 0 && !buffer.is_empty();
        let is_wrong = if is_over { self.read != self.entry.size || self.crc.sum() != self.entry.crc } else { self.read > self.entry.size };
        if is_wrong {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a part of the workbook is damaged"));
        }
        Ok(read)
    }
}
