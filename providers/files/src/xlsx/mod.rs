//! Sheets of Excel workbooks, row by row: numbers, texts, truth values and dates as the cells hold them, and the results of formulas as they were
//! stored. It knows the format (ECMA-376), and no types of columns.

mod archive;
mod dates;
mod sheet;
mod strings;

pub(crate) use sheet::{Area, SheetRecords};

use crate::directory::Opened;
use crate::problem::Problem;
use archive::Archive;
use dates::Styles;
use quick_xml::events::{BytesStart, Event};
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

/// What sheets of one workbook share.
pub(crate) struct Workbook {
    file: String,
    archive: Archive,
    /// Names and parts of the worksheets.
    sheets: Vec<(String, String)>,
    strings: Arc<Vec<String>>,
    styles: Arc<Styles>,
}

/// The XML of a part cannot be read.
fn broken(file: &str, part: &str, error: impl std::fmt::Display) -> Problem {
    Problem::malformed(format!("{file}: the part '{part}' is not what a workbook has there: {error}"))
}

/// Reads a part's XML, element by element: `start` sees each that begins, `text` what stands in them.
type Xml<R> = quick_xml::Reader<R>;

/// The value of an attribute, whatever prefix it has.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes().flatten();
    let found = attributes.find(|attribute| attribute.key.local_name().as_ref() == name)?;
    found.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(|value| value.into_owned())
}

/// Calls `each` with every element of a part that begins.
fn elements<R: BufRead>(file: &str, part: &str, reader: R, mut each: impl FnMut(&BytesStart<'_>)) -> Result<(), Problem> {
    let mut xml = Xml::from_reader(reader);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer).map_err(|error| broken(file, part, error))? {
            Event::Start(element) | Event::Empty(element) => each(&element),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

impl Workbook {
    /// Opens a workbook and reads what its sheets share.
    pub(crate) fn open(opened: &Opened) -> Result<Workbook, Problem> {
        let file = opened.name.clone();
        let archive = Archive::open(opened)?;
        let (sheets, is_1904) = sheets(&file, &archive)?;
        let strings = match archive.has("xl/sharedStrings.xml") {
            true => strings::shared(&file, archive.part("xl/sharedStrings.xml")?)?,
            false => Vec::new(),
        };
        let styles = match archive.has("xl/styles.xml") {
            true => Styles::read(&file, archive.part("xl/styles.xml")?, is_1904)?,
            false => Styles::none(is_1904),
        };
        Ok(Workbook { file, archive, sheets, strings: Arc::new(strings), styles: Arc::new(styles) })
    }

    /// The names of a workbook's sheets, and nothing else of it.
    pub(crate) fn sheet_names(opened: &Opened) -> Result<Vec<String>, Problem> {
        let (sheets, _) = sheets(&opened.name, &Archive::open(opened)?)?;
        Ok(sheets.into_iter().map(|(name, _)| name).collect())
    }

    /// The records of a sheet; of the only one without a name.
    pub(crate) fn records(&self, sheet: Option<&str>, area: Area, header: bool, given: &[String]) -> Result<SheetRecords, Problem> {
        let names = || self.sheets.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let found = match (sheet, self.sheets.as_slice()) {
            (Some(wanted), _) => self.sheets.iter().find(|(name, _)| name == wanted),
            (None, [only]) => Some(only),
            (None, _) => {
                return Err(Problem::malformed(format!(
                    "{} has several sheets: say with 'sheet' which one is meant of {}",
                    self.file,
                    names()
                )));
            }
        };
        let Some((name, part)) = found else {
            let wanted = sheet.unwrap_or_default();
            return Err(Problem::malformed(format!("{} has no sheet '{wanted}', but {}", self.file, names())));
        };
        let reader = self.archive.part(part)?;
        SheetRecords::new(&self.file, name, part, reader, (Arc::clone(&self.strings), Arc::clone(&self.styles)), area, (header, given))
    }
}

/// Names and parts of the worksheets, and whether days are counted from 1904.
fn sheets(file: &str, archive: &Archive) -> Result<(Vec<(String, String)>, bool), Problem> {
    let (workbook, relations) = ("xl/workbook.xml", "xl/_rels/workbook.xml.rels");
    let mut targets = HashMap::new();
    elements(file, relations, archive.part(relations)?, |element| {
        if element.local_name().as_ref() == "Relationship"
            && let (Some(id), Some(target), Some(kind)) =
                (attribute(element, "Id"), attribute(element, "Target"), attribute(element, "Type"))
            && kind.ends_with("/worksheet")
        {
            // A target begins at the workbook's own folder, or at the root.
            let part = target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned);
            targets.insert(id, part);
        }
    })?;
    let (mut sheets, mut is_1904) = (Vec::new(), false);
    elements(file, workbook, archive.part(workbook)?, |element| match element.local_name().as_ref() {
        "workbookPr" => is_1904 = attribute(element, "date1904").is_some_and(|value| value == "1" || value == "true"),
        "sheet" => {
            let part = attribute(element, "id").and_then(|id| targets.get(&id).cloned());
            sheets.extend(attribute(element, "name").zip(part));
        }
        _ => {}
    })?;
    if sheets.is_empty() {
        return Err(Problem::malformed(format!("{file} has no worksheet")));
    }
    Ok((sheets, is_1904))
}
