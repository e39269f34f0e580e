//! Which tables a source has, and the file of each: those of the configuration, or one for every file of a known form. It must not know what is
//! in them, but for the names of sheets.

use crate::config::{Format, TableConfig};
use crate::directory::{Directory, NotOpened, Opened};
use crate::pattern::{Pattern, has_wildcard};
use crate::problem::Problem;
use crate::table::Table;
use crate::xlsx::Workbook;
use portico_provider_api::RemoteTableName;

/// The tables that are there, and what is left out of them.
pub(crate) struct Found {
    pub(crate) tables: Vec<Table>,
    pub(crate) notes: Vec<String>,
}

/// The tables of a directory for which none are configured: each file by its name without ending, each sheet of a workbook that has several by
/// the name of that and its own.
pub(crate) fn discover(directory: &Directory) -> Result<Found, Problem> {
    let mut found = Found { tables: Vec::new(), notes: Vec::new() };
    for file in directory.files()? {
        let Some((stem, format)) = known(&file) else { continue };
        let sheets = match format {
            Format::Xlsx => match open_one(directory, &file).and_then(|opened| Workbook::sheet_names(&opened)) {
                Ok(sheets) if sheets.len() > 1 => sheets,
                Ok(_) => Vec::new(),
                Err(problem) => {
                    found.notes.push(format!("{file} is left out: {}", problem.message));
                    continue;
                }
            },
            Format::Csv | Format::Json | Format::Ndjson | Format::Parquet => Vec::new(),
        };
        let names: Vec<(RemoteTableName, Option<String>)> = match sheets.is_empty() {
            true => vec![(RemoteTableName(vec![stem.to_owned()]), None)],
            false => sheets.into_iter().map(|sheet| (RemoteTableName(vec![stem.to_owned(), sheet.clone()]), Some(sheet))).collect(),
        };
        for (name, sheet) in names {
            match table(name, &file, sheet) {
                Ok(table) if found.tables.iter().any(|other| other.name == table.name) => {
                    found.notes.push(format!("{file} is left out: another file is table '{}' already", table.name));
                }
                Ok(table) => found.tables.push(table),
                Err(message) => found.notes.push(format!("{file} is left out: {message}")),
            }
        }
    }
    Ok(found)
}

/// The table of that name, without looking into files.
pub(crate) fn discovered(directory: &Directory, name: &RemoteTableName) -> Result<Option<Table>, Problem> {
    let (wanted, sheet) = match name.0.as_slice() {
        [stem] => (stem, None),
        [stem, sheet] => (stem, Some(sheet.clone())),
        _ => return Ok(None),
    };
    let files = directory.files()?;
    let file =
        files.iter().find(|file| known(file).is_some_and(|(stem, format)| stem == wanted && (sheet.is_none() || format == Format::Xlsx)));
    Ok(file.and_then(|file| table(name.clone(), file, sheet).ok()))
}

fn known(file: &str) -> Option<(&str, Format)> {
    let format = Format::of(file)?;
    file.rsplit_once('.').map(|(stem, _)| stem).filter(|stem| !stem.is_empty()).map(|stem| (stem, format))
}

fn table(name: RemoteTableName, file: &str, sheet: Option<String>) -> Result<Table, String> {
    if has_wildcard(file) {
        return Err("its name has a '*' or '?'".to_owned());
    }
    Table::new(name, TableConfig { path: file.to_owned(), sheet, ..TableConfig::default() }).map_err(|mistake| mistake.message)
}

fn open_one(directory: &Directory, file: &str) -> Result<Opened, Problem> {
    let pattern = Pattern::parse(file).map_err(Problem::malformed)?;
    let opened = directory.open(&pattern).map_err(|failure| match failure {
        NotOpened::Unsettled { file, .. } => being_written(&file),
        NotOpened::Failed(problem) => problem,
    })?;
    opened.into_iter().next().ok_or_else(|| Problem::changed(file))
}

/// A file that has been changed a moment ago.
pub(crate) fn being_written(file: &str) -> Problem {
    let message = format!("{file} is being written, and is read when it has been left alone for the time that 'settle' says");
    Problem::new(portico_provider_api::SourceErrorKind::Unavailable, message)
}
