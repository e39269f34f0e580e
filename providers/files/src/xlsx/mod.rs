//! Sheets of Excel workbooks, row by row: numbers, texts, truth values and dates as the cells hold them, and the results of formulas as they were
//! stored. `calamine` reads the format; what it does not say (which dates are times, that a part is damaged, that a formula has no
//! result) is found here. It knows no types of columns.

mod dates;
mod package;
mod sheet;

pub(crate) use sheet::{Area, SheetRecords};

use crate::directory::Opened;
use crate::problem::Problem;
use calamine::{DataRef, Reader, Xlsx, XlsxCellReader, XlsxError};
use package::{Package, Source};
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A workbook.
pub(crate) struct Workbook {
    file: String,
    package: Package,
    /// What its sheets share is in memory.
    book: Xlsx<Source>,
}

/// What is wrong with a workbook, without a value of it.
fn reason(error: &XlsxError) -> String {
    match error {
        XlsxError::Io(error) => error.to_string(),
        XlsxError::Zip(error) => error.to_string(),
        XlsxError::Xml(quick_xml::Error::Io(error)) => error.to_string(),
        XlsxError::Xml(quick_xml::Error::Syntax(error)) => error.to_string(),
        XlsxError::Xml(quick_xml::Error::IllFormed(error)) => error.to_string(),
        XlsxError::CellError(_) => "a cell has an error that is none of the usual ones".to_owned(),
        XlsxError::CellTAttribute(_) => "a cell is of a kind that workbooks do not have".to_owned(),
        XlsxError::ParseFloat(_) => "a cell is no number".to_owned(),
        XlsxError::XmlEof(element) => format!("it ends inside of '{element}'"),
        XlsxError::Unexpected(what) => (*what).to_owned(),
        XlsxError::UnexpectedNode(what) => format!("an element is not {what}"),
        XlsxError::Unrecognized { typ, .. } => format!("its {typ} is none that is known"),
        XlsxError::NotAWorksheet(_) => "it is no worksheet".to_owned(),
        _ => "it is not what a workbook has there".to_owned(),
    }
}

/// Runs the reader. Where sums are checked, as in tests, it ends in a panic on addresses that are none.
fn guarded<T>(place: impl Fn() -> String, read: impl FnOnce() -> Result<T, XlsxError>) -> Result<T, Problem> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Problem::malformed(format!("{}: {}", place(), reason(&error)))),
        Err(_) => Err(Problem::malformed(format!("{}: it cannot be read", place()))),
    }
}

impl Workbook {
    /// Opens a workbook and reads what its sheets share.
    pub(crate) fn open(opened: &Opened) -> Result<Workbook, Problem> {
        let package = Package::open(opened)?;
        let book = guarded(|| opened.name.clone(), || Xlsx::new(BufReader::new(opened.reader())))?;
        Ok(Workbook { file: opened.name.clone(), package, book })
    }

    /// The names of a workbook's sheets, and nothing else of it.
    pub(crate) fn sheet_names(opened: &Opened) -> Result<Vec<String>, Problem> {
        Ok(Package::open(opened)?.sheet_names())
    }

    /// The name of a sheet that is there; of the only one without a name.
    fn named(&self, sheet: Option<&str>) -> Result<String, Problem> {
        let (file, known) = (&self.file, self.package.sheet_names());
        let names = || known.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        match (sheet, known.as_slice()) {
            (Some(wanted), known) if known.iter().any(|name| name == wanted) => Ok(wanted.to_owned()),
            (Some(wanted), _) => Err(Problem::malformed(format!("{file} has no sheet '{wanted}', but {}", names()))),
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(Problem::malformed(format!("{file} has several sheets: say with 'sheet' which one is meant of {}", names()))),
        }
    }

    fn cells(&mut self, sheet: &str) -> Result<XlsxCellReader<'_, Source>, Problem> {
        self.package.check_sheet(sheet)?;
        let file = &self.file;
        guarded(|| format!("{file}, sheet '{sheet}'"), || self.book.worksheet_cells_reader(sheet))
    }

    /// The records of a sheet; of the only one without a name.
    pub(crate) fn records(&mut self, sheet: Option<&str>, area: Area, header: bool, given: &[String]) -> Result<SheetRecords<'_>, Problem> {
        let (file, sheet, is_1904) = (self.file.clone(), self.named(sheet)?, self.book.has_1904_epoch());
        let cells = self.cells(&sheet)?;
        SheetRecords::new(&file, &sheet, cells, is_1904, area, (header, given))
    }

    /// Finds out what reading the records does not: bytes that were changed, and formulas whose results were not stored.
    pub(crate) fn check(&mut self, sheet: Option<&str>, area: Area) -> Result<(), Problem> {
        let (file, sheet) = (self.file.clone(), self.named(sheet)?);
        self.package.verify(&sheet)?;
        let mut cells = self.cells(&sheet)?;
        let mut last = None;
        while let Some(cell) = guarded(|| sheet::behind(&file, &sheet, last), || cells.next_cell_with_formula_metadata())? {
            let (row, column) = sheet::position(cell.pos);
            last = Some((row, column));
            if cell.formula.is_some() && cell.value == DataRef::Empty && area.has(row, column) {
                let at = sheet::address(&file, &sheet, row, column);
                let message = format!("{at}: the formula has no stored result: open the workbook in a spreadsheet program and save it");
                return Err(Problem::malformed(message));
            }
        }
        Ok(())
    }
}
