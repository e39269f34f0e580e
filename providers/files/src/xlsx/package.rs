//! The parts of a workbook: which of them are read, how large they may be, and whether they are whole. It looks at them before `calamine` reads
//! them, which trusts what it finds: it makes room for as many texts as a part says it has, and does not read parts to their ends, where
//! their sums are. It must not know cells.

use crate::directory::{Opened, Section};
use crate::problem::Problem;
use quick_xml::events::{BytesStart, Event};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use zip::ZipArchive;
use zip::result::ZipError;

/// Bytes of the archive's directory at most.
const MAX_DIRECTORY: u64 = 4 << 20;
/// Bytes of a part at most that lists other parts.
const MAX_LIST: u64 = 16 << 20;
/// Bytes of the part with the styles of cells at most, and of the styles themselves, each of which is about so large beside its texts.
const MAX_STYLES_PART: u64 = 64 << 20;
const MAX_STYLES: u64 = 256 << 20;
const STYLE: u64 = 512;
/// Bytes of the part with shared texts at most: they are held while a sheet is read.
const MAX_STRINGS: u64 = 512 << 20;
/// The shortest text of that part, `<si/>`, and as many texts as it may promise in any case.
const SHORTEST_STRING: u64 = 5;
const FEW_STRINGS: u64 = 4 << 20;

/// What a workbook is read from.
pub(super) type Source = BufReader<Section>;

/// A workbook whose parts were found.
pub(super) struct Package {
    file: String,
    archive: ZipArchive<Source>,
    /// The archive's names of parts: parts are found whatever the case of their names.
    names: HashMap<String, String>,
    max_size: u64,
    /// Parts that are read with every sheet, and their greatest sizes.
    shared: Vec<(String, u64)>,
    /// Names and parts of the worksheets.
    sheets: Vec<(String, String)>,
}

/// Fails when more is read than an archive's directory takes.
struct Metered {
    section: Section,
    left: u64,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.section.read(buffer)?;
        let left = self.left.checked_sub(read as u64);
        self.left =
            left.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "the directory of its archive is too large"))?;
        Ok(read)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.section.seek(to)
    }
}

/// The XML of a part cannot be read.
fn broken(file: &str, part: &str, error: impl std::fmt::Display) -> Problem {
    Problem::malformed(format!("{file}: the part '{part}' is not what a workbook has there: {error}"))
}

fn lower(part: &str) -> String {
    part.replace('\\', "/").to_ascii_lowercase()
}

/// The text of an attribute as it is written, whatever prefix it has.
fn raw(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes().flatten();
    attributes.find(|attribute| attribute.key.local_name().as_ref() == name).map(|attribute| attribute.value.into_owned())
}

/// The same, its entities resolved.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    raw(element, name).and_then(|text| quick_xml::escape::unescape(&text).ok().map(|text| text.into_owned()))
}

/// Calls `each` with every element of a part that begins, for as long as it says so.
fn elements<R: BufRead>(
    file: &str,
    part: &str,
    reader: R,
    mut each: impl FnMut(&BytesStart<'_>) -> Result<bool, Problem>,
) -> Result<(), Problem> {
    let mut xml = quick_xml::Reader::from_reader(reader);
    xml.config_mut().check_end_names = false;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer).map_err(|error| broken(file, part, error))? {
            Event::Start(element) | Event::Empty(element) if !each(&element)? => return Ok(()),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

impl Package {
    /// Finds the parts of a workbook, and refuses it when they are larger than can be held.
    pub(super) fn open(opened: &Opened) -> Result<Package, Problem> {
        let file = opened.name.clone();
        let mut first = Vec::new();
        opened.section(0, 8).read_to_end(&mut first).map_err(|error| Problem::io(&file, &error))?;
        if first.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(Problem::malformed(format!("{file} is encrypted, or a workbook of the old form .xls: neither is read")));
        }
        let wrong = |error: ZipError| match error {
            ZipError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Problem::io(&file, &error),
            _ => Problem::malformed(format!("{file} is no workbook: it is no ZIP archive, or cut off")),
        };
        ZipArchive::new(BufReader::new(Metered { section: opened.reader(), left: MAX_DIRECTORY })).map_err(wrong)?;
        let archive = ZipArchive::new(BufReader::new(opened.reader())).map_err(wrong)?;
        let names = archive.file_names().flatten().map(|name| (lower(&name), name.into_owned())).collect();
        let (shared, sheets) = (Vec::new(), Vec::new());
        let mut package = Package { file, archive, names, max_size: opened.max_size, shared, sheets };
        package.find()?;
        package.check_strings()?;
        package.check_styles()?;
        Ok(package)
    }

    /// The names of the worksheets.
    pub(super) fn sheet_names(&self) -> Vec<String> {
        self.sheets.iter().map(|(name, _)| name.clone()).collect()
    }

    fn wrong(&self, part: &str, what: &str) -> Problem {
        Problem::malformed(format!("{} is no workbook: its part '{part}' {what}", self.file))
    }

    /// Opens a part; nothing where there is none. No more of it can be read than the archive says that it has.
    fn part(&mut self, part: &str, most: u64) -> Result<Option<(u64, impl BufRead)>, Problem> {
        let Some(name) = self.names.get(&lower(part)).cloned() else { return Ok(None) };
        let (missing, large) =
            (self.wrong(part, "cannot be unpacked"), self.wrong(part, &format!("is larger than {most} bytes when it is unpacked")));
        let found = self.archive.by_name(&name).map_err(|_| missing)?;
        if found.size() > most { Err(large) } else { Ok(Some((found.size(), BufReader::new(found)))) }
    }

    fn list(&mut self, part: &str, mut each: impl FnMut(&BytesStart<'_>)) -> Result<(), Problem> {
        let (file, missing) = (self.file.clone(), self.wrong(part, "is missing"));
        let (_, reader) = self.part(part, MAX_LIST)?.ok_or(missing)?;
        elements(&file, part, reader, |element| {
            each(element);
            Ok(true)
        })
    }

    /// Follows the relationships from the root to the workbook, and from there to the sheets.
    fn find(&mut self) -> Result<(), Problem> {
        let mut workbook = None;
        self.list("_rels/.rels", |element| {
            let kind = raw(element, "Type").unwrap_or_default();
            if element.local_name().as_ref() == "Relationship" && kind.ends_with("/relationships/officeDocument") {
                workbook = attribute(element, "Target").or_else(|| workbook.take());
            }
        })?;
        let workbook = workbook.ok_or_else(|| self.wrong("_rels/.rels", "names no workbook"))?;
        let (folder, name) = workbook.strip_prefix('/').unwrap_or(&workbook).rsplit_once('/').unwrap_or(("", &workbook));
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let (workbook, relations) = (format!("{folder}{name}"), format!("{folder}_rels/{name}.rels"));
        let mut targets = HashMap::new();
        self.list(&relations, |element| {
            if element.local_name().as_ref() == "Relationship"
                && let (Some(id), Some(target), Some(kind)) = (raw(element, "Id"), raw(element, "Target"), raw(element, "Type"))
                && kind.ends_with("/worksheet")
            {
                // A target begins at the workbook's own folder, or at the root.
                targets.insert(id, target.strip_prefix('/').map_or_else(|| format!("{folder}{target}"), str::to_owned));
            }
        })?;
        let mut sheets = Vec::new();
        self.list(&workbook, |element| {
            if element.local_name().as_ref() == "sheet" {
                let part = raw(element, "id").and_then(|id| targets.get(&id).cloned());
                sheets.extend(attribute(element, "name").zip(part));
            }
        })?;
        if sheets.is_empty() {
            return Err(Problem::malformed(format!("{} has no worksheet", self.file)));
        }
        self.sheets = sheets;
        let part = |name: &str| format!("{folder}{name}");
        self.shared = vec![
            ("_rels/.rels".to_owned(), MAX_LIST),
            (workbook, MAX_LIST),
            (relations, MAX_LIST),
            (part("sharedStrings.xml"), MAX_STRINGS),
            (part("styles.xml"), MAX_STYLES_PART),
            (part("theme/theme1.xml"), MAX_LIST),
        ];
        for (part, most) in self.shared.clone() {
            self.part(&part, most)?;
        }
        Ok(())
    }

    /// Refuses a part that promises more texts than it can have: room would be made for all of them.
    fn check_strings(&mut self) -> Result<(), Problem> {
        let Some((part, most)) = self.shared.get(3).cloned() else { return Ok(()) };
        let (file, wrong) = (self.file.clone(), self.wrong(&part, "says that it has more texts than it can have"));
        let Some((size, reader)) = self.part(&part, most)? else { return Ok(()) };
        let possible = (size / SHORTEST_STRING).max(FEW_STRINGS);
        elements(&file, &part, reader, |element| {
            let promised = element.attributes_raw().split("uniqueCount").skip(1).map(|rest| {
                let digits = rest.trim_start_matches(|character: char| !character.is_ascii_digit());
                let length = digits.bytes().take_while(u8::is_ascii_digit).count();
                digits.get(..length).filter(|digits| !digits.is_empty()).map_or(0, |digits| digits.parse::<u64>().unwrap_or(u64::MAX))
            });
            if promised.max().is_some_and(|promised| promised > possible) {
                return Err(wrong.clone());
            }
            Ok(element.local_name().as_ref() != "sst")
        })
    }

    /// Refuses styles that would take too much room: each of them has a copy of its font's name and of its format.
    fn check_styles(&mut self) -> Result<(), Problem> {
        let Some((part, most)) = self.shared.get(4).cloned() else { return Ok(()) };
        let (file, wrong) = (self.file.clone(), self.wrong(&part, "has more styles than can be held"));
        let Some((_, reader)) = self.part(&part, most)? else { return Ok(()) };
        let (mut styles, mut others, mut longest) = (0_u64, 0_u64, 0);
        elements(&file, &part, reader, |element| {
            match element.local_name().as_ref() {
                "xf" => styles += 1,
                "font" | "fill" | "border" => others += 1,
                "name" | "numFmt" => longest = longest.max(element.attributes_raw().len() as u64),
                _ => {}
            }
            let bytes = styles.saturating_mul(STYLE + 2 * longest).saturating_add(others * STYLE);
            if bytes > MAX_STYLES { Err(wrong.clone()) } else { Ok(true) }
        })
    }

    /// Reads all parts of a sheet to their ends: a byte that was changed is found out there.
    pub(super) fn verify(&mut self, sheet: &str) -> Result<(), Problem> {
        let mut parts = self.shared.clone();
        let part = self.sheets.iter().find(|(name, _)| name == sheet).map(|(_, part)| part.clone());
        parts.extend(part.map(|part| (part, self.max_size)));
        for (part, most) in parts {
            let damaged = self.wrong(&part, "is damaged");
            if let Some((size, mut reader)) = self.part(&part, most)? {
                let read = std::io::copy(&mut reader, &mut std::io::sink());
                if read.ok() != Some(size) {
                    return Err(damaged);
                }
            }
        }
        Ok(())
    }

    /// Fails when a sheet's part is missing, or larger than a file may be.
    pub(super) fn check_sheet(&mut self, sheet: &str) -> Result<(), Problem> {
        let part = self.sheets.iter().find(|(name, _)| name == sheet).map(|(_, part)| part.clone()).unwrap_or_default();
        let (missing, most) = (self.wrong(&part, "is missing"), self.max_size);
        self.part(&part, most)?.map(drop).ok_or(missing)
    }
}
