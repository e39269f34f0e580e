//! What the files of a table hold, found out by reading all of them once: columns and types, how many rows, and whether the key is one. It is
//! done anew when a file has changed, so that a query never meets a value that does not fit. Which columns there are is known from the beginnings
//! of files where all types are declared.

use crate::cell::{Reading, Written};
use crate::chunk::{self, BATCH_ROWS, in_column};
use crate::config::Format;
use crate::directory::Opened;
use crate::infer::{Broken, Seen};
use crate::parquet_file;
use crate::problem::Problem;
use crate::rows::{Cell, Record, Records};
use crate::table::Table;
use arrow::row::{RowConverter, SortField};
use portico_provider_api::{ColumnBuilder, RemoteColumn, RemoteTable, ScalarType, SourceErrorKind};
use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::io::Read;

/// Pairs of rows with the same key, and rows without one, that are named at most.
const NAMED: usize = 5;
/// Bytes of a file that tell how long its lines are.
const BEGINNING: u64 = 64 << 10;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) reading: Reading,
}

/// What the files of a table hold.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) columns: Vec<Column>,
    /// How many there are; nothing where only the beginnings of files were read.
    pub(crate) rows: Option<u64>,
    /// How many there are, roughly.
    estimate: Option<u64>,
    /// Why the rows cannot be read all the same: a value that does not fit its declared type, a key that is none.
    pub(crate) defect: Option<Problem>,
    /// What an operator should know.
    pub(crate) notes: Vec<String>,
}

impl Layout {
    /// Reads all files of a table.
    ///
    /// # Errors
    /// When it cannot be said which columns there are.
    pub(crate) fn of(table: &Table, files: &[Opened], max_rows: Option<u64>) -> Result<Layout, Problem> {
        let mut layout = match table.format {
            Format::Parquet => of_parquet(table, files)?,
            Format::Csv | Format::Json | Format::Ndjson | Format::Xlsx => Survey::new(table).all(files, max_rows)?,
        };
        if let (Some(rows), Some(most)) = (layout.rows, max_rows)
            && rows > most
        {
            return Err(too_many(table, max_rows));
        }
        layout.has_key(table)?;
        if layout.defect.is_none() && !table.config.key.is_empty() {
            layout.defect = check_key(table, files, &layout).err();
        }
        files.iter().try_for_each(Opened::unchanged)?;
        Ok(layout)
    }

    /// Reads the beginnings of the files of a table, and nothing of its rows; nothing where these decide which columns there are, or where
    /// no more of them is read anyway.
    ///
    /// # Errors
    /// When it cannot be said which columns there are.
    pub(crate) fn outline(table: &Table, files: &[Opened]) -> Result<Option<Layout>, Problem> {
        let found = match table.format {
            Format::Parquet if table.config.key.is_empty() => None,
            Format::Parquet => Some(of_parquet(table, files)?),
            Format::Csv | Format::Xlsx => Survey::new(table).outline(files)?,
            // Each of the objects may have members that no other has.
            Format::Json | Format::Ndjson => None,
        };
        if let Some(layout) = &found {
            layout.has_key(table)?;
        }
        files.iter().try_for_each(Opened::unchanged)?;
        Ok(found)
    }

    fn has_key(&self, table: &Table) -> Result<(), Problem> {
        match table.config.key.iter().find(|key| self.position(key).is_none()) {
            Some(missing) => Err(Problem::malformed(format!("table '{}': its key names '{missing}', which is no column", table.name))),
            None => Ok(()),
        }
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// What introspection says of the table.
    pub(crate) fn remote_table(&self, table: &Table) -> RemoteTable {
        let columns = self.columns.iter().map(|column| RemoteColumn {
            description: table.column(&column.name).and_then(|own| own.description.clone()),
            max_length: column.reading.max_length,
            ..RemoteColumn::plain(&column.name, column.reading.scalar_type, column.reading.nullable)
        });
        let key: Vec<&str> = table.config.key.iter().map(String::as_str).collect();
        RemoteTable {
            description: table.config.description.clone(),
            row_estimate: self.rows.or(self.estimate),
            writable: false,
            ..RemoteTable::plain(table.name.clone(), columns.collect(), &key)
        }
    }
}

fn too_many(table: &Table, max_rows: Option<u64>) -> Problem {
    let most = max_rows.unwrap_or_default();
    Problem::new(SourceErrorKind::Unsupported, format!("table '{}' has more than the {most} rows that 'max_rows' allows", table.name))
}

fn of_parquet(table: &Table, files: &[Opened]) -> Result<Layout, Problem> {
    let mut first: Option<parquet_file::Described> = None;
    let mut rows = 0;
    for file in files {
        let described = parquet_file::describe(file)?;
        rows += described.rows;
        match &mut first {
            None => first = Some(described),
            Some(first) => {
                for (name, scalar_type, nullable) in &mut first.columns {
                    match described.columns.iter().find(|(other, _, _)| other == name) {
                        Some((_, other, own)) if other == scalar_type => *nullable |= own,
                        Some((_, other, _)) => {
                            let message = format!("{}: column '{name}' is {other}, and {scalar_type} in the files before it", file.name);
                            return Err(Problem::malformed(message));
                        }
                        None => {
                            return Err(Problem::malformed(format!(
                                "{}: column '{name}' is missing, which the files before it have",
                                file.name
                            )));
                        }
                    }
                }
                if let Some((other, _, _)) =
                    described.columns.iter().find(|(other, _, _)| !first.columns.iter().any(|(name, _, _)| name == other))
                {
                    return Err(Problem::malformed(format!("{}: the files before it have no column '{other}'", file.name)));
                }
            }
        }
    }
    let first = first.unwrap_or(parquet_file::Described { columns: Vec::new(), left_out: Vec::new(), rows: 0 });
    if let Some(unknown) = table.config.columns.keys().find(|name| !first.columns.iter().any(|(known, _, _)| known == *name)) {
        return Err(Problem::malformed(format!("table '{}': there is no column '{unknown}' in its files", table.name)));
    }
    let columns = first.columns.into_iter().map(|(name, scalar_type, nullable)| {
        let reading = Reading { scalar_type, nullable: nullable && table.nullable(&name), max_length: None, written: table.written(&name) };
        Column { name, reading }
    });
    let note =
        |name: &String| format!("table '{}' is published without column '{name}': values of its type are made of others", table.name);
    let notes = first.left_out.iter().map(note).collect();
    Ok(Layout { columns: columns.collect(), rows: Some(rows), estimate: None, defect: None, notes })
}

/// Reads records of text, and takes note of what they have.
struct Survey<'a> {
    table: &'a Table,
    names: Vec<String>,
    columns: Vec<Surveyed>,
    rows: u64,
    defect: Option<Problem>,
}

struct Surveyed {
    /// How it is read, where its type is declared; the builder is thrown away.
    declared: Option<(Reading, ColumnBuilder)>,
    seen: Seen,
    written: Written,
    /// The file and place of the value that made it a text.
    broken: Option<(Broken, String)>,
}

impl<'a> Survey<'a> {
    fn new(table: &'a Table) -> Survey<'a> {
        let mut survey = Survey { table, names: Vec::new(), columns: Vec::new(), rows: 0, defect: None };
        // An object need not have every member: which there may be is known of those that are declared.
        if matches!(table.format, Format::Json | Format::Ndjson) {
            table.config.columns.keys().for_each(|name| survey.add(name));
        }
        survey
    }

    fn add(&mut self, name: &str) {
        let declared = self.table.declared_type(name).map(|scalar_type| (self.reading(name, scalar_type), ColumnBuilder::new(scalar_type)));
        self.names.push(name.to_owned());
        self.columns.push(Surveyed { declared, seen: Seen::default(), written: self.table.written(name), broken: None });
    }

    fn reading(&self, name: &str, scalar_type: ScalarType) -> Reading {
        let max_length = self.table.column(name).and_then(|column| column.max_length);
        Reading { scalar_type, nullable: self.table.nullable(name), max_length, written: self.table.written(name) }
    }

    fn all(mut self, files: &[Opened], max_rows: Option<u64>) -> Result<Layout, Problem> {
        for (at, file) in files.iter().enumerate() {
            self.file(file, at == 0, max_rows).map_err(|problem| file.unchanged().err().unwrap_or(problem))?;
        }
        let rows = Some(self.rows);
        self.finish(rows, None)
    }

    /// Reads the names of the columns; nothing where a type of theirs is not declared.
    fn outline(mut self, files: &[Opened]) -> Result<Option<Layout>, Problem> {
        for (at, file) in files.iter().enumerate() {
            let shaped = chunk::with_records(self.table, file, &[], |records| self.shape(file, records.names(), at == 0, &mut Vec::new()));
            shaped.map_err(|problem| file.unchanged().err().unwrap_or(problem))?;
            if self.names.is_empty() || !self.table.declares(&self.names) {
                return Ok(None);
            }
        }
        let estimate = files.iter().map(estimate).sum::<Option<u64>>();
        self.finish(None, estimate).map(Some)
    }

    /// What was found out.
    fn finish(self, rows: Option<u64>, estimate: Option<u64>) -> Result<Layout, Problem> {
        if let Some(unknown) = self.table.config.columns.keys().find(|name| !self.names.contains(name)) {
            return Err(Problem::malformed(format!("table '{}': there is no column '{unknown}' in its files", self.table.name)));
        }
        let mut notes = Vec::new();
        let mut columns = Vec::new();
        for (name, surveyed) in self.names.iter().zip(&self.columns) {
            let reading = match &surveyed.declared {
                Some((reading, _)) => reading.clone(),
                None => self.reading(name, surveyed.seen.scalar_type()),
            };
            if let Some((broken, place)) = &surveyed.broken {
                let table = &self.table.name;
                let Broken { kind, .. } = broken;
                notes.push(format!(
                    "column '{name}' of table '{table}' is a {}: {place} has no value that is {kind}, as all before it are; declare its type to have such \
                     a value refused",
                    reading.scalar_type
                ));
            }
            columns.push(Column { name: name.clone(), reading });
        }
        Ok(Layout { columns, rows, estimate, defect: self.defect, notes })
    }

    fn file(&mut self, file: &Opened, first: bool, max_rows: Option<u64>) -> Result<(), Problem> {
        chunk::check(self.table, file)?;
        let known = self.names.clone();
        chunk::with_records(self.table, file, &known, |records| self.records(file, records, first, max_rows))
    }

    fn records(&mut self, file: &Opened, records: &mut dyn Records, first: bool, max_rows: Option<u64>) -> Result<(), Problem> {
        let is_json = matches!(self.table.format, Format::Json | Format::Ndjson);
        // Where each column of the file stands among those of the table.
        let mut places = Vec::new();
        if !is_json {
            self.shape(file, records.names(), first, &mut places)?;
        }
        let mut own = self.turned(&places);
        let (mut failure, mut broken) = (None, Vec::new());
        while let Some(record) = records.next()? {
            self.rows += 1;
            if max_rows.is_some_and(|most| self.rows > most) {
                return Err(too_many(self.table, max_rows));
            }
            if record.names.len() > places.len() {
                // Members that no object before had, or the columns of a file without names.
                self.place(record.names, &mut places);
                own = self.turned(&places);
            }
            let failed = self.record(&record, &own, &mut broken);
            failure = failure.or(failed.map(|(column, what)| (record.at, column, what)));
        }
        if let Some((at, column, what)) = failure {
            let place = in_column(&file.name, &records.place(at), &column);
            self.defect.get_or_insert(Problem::malformed(format!("{place}: {what}")));
        }
        for (at, broken) in broken {
            if let Some(surveyed) = self.columns.get_mut(at) {
                surveyed.broken = Some((broken, format!("{}, {},", file.name, records.place(broken.at))));
            }
        }
        Ok(())
    }

    /// Finds the columns of a file among those that are known, and adds those that are not.
    fn place(&mut self, names: &[String], places: &mut Vec<usize>) {
        for name in names.iter().skip(places.len()) {
            if !self.names.contains(name) {
                self.add(name);
            }
            places.extend(self.names.iter().position(|known| known == name));
        }
    }

    /// Where each column of the table stands in the file.
    fn turned(&self, places: &[usize]) -> Vec<Option<usize>> {
        (0..self.columns.len()).map(|at| places.iter().position(|place| *place == at)).collect()
    }

    /// All files of a table have the same columns, in any order.
    fn shape(&mut self, file: &Opened, names: &[String], first: bool, places: &mut Vec<usize>) -> Result<(), Problem> {
        if !first && !names.is_empty() {
            let wrong = |what: String| Err(Problem::malformed(format!("{}: {what}", file.name)));
            if let Some(other) = names.iter().find(|name| !self.names.contains(name)) {
                return wrong(format!("the files before it have no column '{other}'"));
            }
            if let Some(missing) = self.names.iter().find(|name| !names.contains(name)) {
                return wrong(format!("column '{missing}' is missing, which the files before it have"));
            }
        }
        self.place(names, places);
        Ok(())
    }

    /// Takes note of a record; the column of a value that does not fit its declared type, and why.
    fn record(&mut self, record: &Record<'_>, own: &[Option<usize>], broken: &mut Vec<(usize, Broken)>) -> Option<(String, String)> {
        let mut failure = None;
        for (at, surveyed) in self.columns.iter_mut().enumerate() {
            let cell = own.get(at).copied().flatten().and_then(|own| record.cells.get(own)).unwrap_or(&Cell::Null);
            let Some(name) = self.names.get(at) else { continue };
            match &mut surveyed.declared {
                Some((reading, builder)) => {
                    if let Err(what) = reading.append(cell, builder) {
                        failure.get_or_insert((name.clone(), what));
                    }
                    if self.rows.is_multiple_of(BATCH_ROWS as u64) {
                        builder.finish();
                    }
                }
                None => {
                    let before = surveyed.seen.broken().is_some();
                    surveyed.seen.see(cell, &surveyed.written, record.at);
                    broken.extend(surveyed.seen.broken().filter(|_| !before).map(|found| (at, found)));
                }
            }
        }
        failure
    }
}

/// How many rows a file of text has, by the length of its first lines; nothing where it is packed.
fn estimate(file: &Opened) -> Option<u64> {
    let mut beginning = Vec::new();
    file.section(0, BEGINNING).read_to_end(&mut beginning).ok()?;
    let lines = beginning.iter().filter(|byte| **byte == b'\n').count() as u64;
    let is_packed = beginning.starts_with(b"PK");
    (!is_packed).then(|| (file.stamp.size / (beginning.len() as u64 / lines.max(1)).max(1)).max(1))
}

/// Fails when two rows have the same key, or one has none.
fn check_key(table: &Table, files: &[Opened], layout: &Layout) -> Result<(), Problem> {
    let key = &table.config.key;
    let wanted: Vec<usize> = key.iter().filter_map(|name| layout.position(name)).collect();
    let types: Vec<ScalarType> = wanted.iter().filter_map(|at| layout.columns.get(*at)).map(|column| column.reading.scalar_type).collect();
    let internal = |error: arrow::error::ArrowError| Problem::new(SourceErrorKind::Internal, error.to_string());
    let fields = types.iter().map(|scalar_type| SortField::new(scalar_type.arrow())).collect();
    let converter = RowConverter::new(fields).map_err(internal)?;
    // Rows are told apart by two sums with secret keys, of 128 bits together.
    let (one, other) = (RandomState::new(), RandomState::new());
    let mut known: HashMap<(u64, u64), (u32, u64)> = HashMap::new();
    let (mut named, mut found) = (Vec::new(), 0_u64);
    for (at, file) in files.iter().enumerate() {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        let changed = |problem: Problem| file.unchanged().err().unwrap_or(problem);
        let checked = chunk::with_chunks(table, file, layout, &wanted, None, |chunks| {
            while let Some(chunk) = chunks.next()? {
                let rows = converter.convert_columns(chunk.batch.columns()).map_err(internal)?;
                for (row, place) in rows.iter().zip(&chunk.rows) {
                    let sums = (one.hash_one(row.data()), other.hash_one(row.data()));
                    match known.entry(sums) {
                        Entry::Vacant(entry) => {
                            entry.insert((at, *place));
                        }
                        Entry::Occupied(entry) => {
                            found += 1;
                            if named.len() < NAMED {
                                let (first, first_place) = *entry.get();
                                let first_file = files.get(first as usize).map_or("", |file| file.name.as_str());
                                let places = (chunks.place(first_place), chunks.place(*place));
                                named.push(format!("{first_file}, {} and {}, {}", places.0, file.name, places.1));
                            }
                        }
                    }
                }
            }
            Ok(())
        });
        checked.map_err(changed)?;
    }
    if found == 0 {
        return Ok(());
    }
    let more = if found > named.len() as u64 { format!(", and {} more", found - named.len() as u64) } else { String::new() };
    let message = format!("the key ({}) of table '{}' is none: {} have the same{more}", key.join(", "), table.name, named.join("; "));
    Err(Problem::malformed(message))
}
