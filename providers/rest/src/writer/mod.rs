//! Sends changes, one at a time, and says what became of each. It must not know how a query is asked.

mod postgrest;

use crate::client::Client;
use crate::config::Returns;
use crate::decode::Decoder;
use crate::resource::{Access, Column, Resource};
use crate::translate::{Call, Pair, Refusal, begun};
use crate::write::{Version, Write, WriteRequest, upserted};
use portico_provider_api::arrays::row_at;
use portico_provider_api::{
    Change, ChangeOutcome, ChangeValue, ConstraintKind, Expr, Precondition, QueryContext, SourceError, SourceErrorKind, TableColumn,
    TableRelation, Value, evaluate_expr,
};
use portico_provider_web::header::{ETAG, LOCATION};
use portico_provider_web::json::PageReader;
use portico_provider_web::{Expects, Page, StatusCode};

/// Statuses whose answers are looked at here: each may mean something that the client alone cannot know.
const LOOKED_AT: [u16; 8] = [400, 404, 406, 409, 410, 412, 422, 500];

/// Writes to one resource.
pub struct Writer<'a> {
    /// The client.
    pub client: &'a Client,
    /// The resource.
    pub resource: &'a Resource,
    /// Who asks.
    pub context: &'a QueryContext,
}

/// A change of one row, or its removal.
struct OfRow<'c> {
    table: &'c TableRelation,
    key: &'c [(usize, Value)],
    /// What is written; nothing of a removal.
    values: Option<&'c [(usize, ChangeValue)]>,
    precondition: &'c Precondition,
    visible: Option<&'c Expr>,
}

impl Writer<'_> {
    /// Makes one change.
    ///
    /// # Errors
    /// When the source refuses it, or its answer cannot be read.
    pub async fn one(&self, change: &Change) -> Result<ChangeOutcome, SourceError> {
        let none = Precondition::None;
        match change {
            Change::Insert { table, values, require: _ } => self.insert(table, values).await,
            Change::Link { table, values } => {
                let values: Vec<_> = values.iter().map(|(index, value)| (*index, ChangeValue::Given(value.clone()))).collect();
                self.insert(table, &values).await
            }
            Change::Update { table, key, values, precondition, visible, require: _ } => {
                self.of_row(OfRow { table, key, values: Some(values), precondition, visible: visible.as_ref() }).await
            }
            Change::Delete { table, key, precondition, visible } => {
                self.of_row(OfRow { table, key, values: None, precondition, visible: visible.as_ref() }).await
            }
            Change::Unlink { table, values } => {
                self.of_row(OfRow { table, key: values, values: None, precondition: &none, visible: None }).await
            }
            Change::Upsert { table, key, values, require: _ } => self.upsert(table, key, &upserted(key, values)).await,
            Change::Invoke { .. } => Err(self.unsupported("this change")),
        }
    }

    fn unsupported(&self, what: &str) -> SourceError {
        self.client.refused(Refusal::Unsupported(what.to_owned()))
    }

    fn refused(&self, refusal: Refusal) -> SourceError {
        self.client.refused(refusal).without_effect()
    }

    async fn send(&self, call: &Call, pairs: &[Pair], header: Option<&(String, String)>) -> Result<Page, SourceError> {
        let request = self.client.request(call, pairs, header, Expects::Anything).map_err(SourceError::without_effect)?;
        let statuses = LOOKED_AT.into_iter().filter_map(|status| StatusCode::from_u16(status).ok());
        let request = statuses.fold(request, portico_provider_web::Request::accepting);
        self.client.fetch(&request, self.context).await
    }

    async fn insert(&self, table: &TableRelation, values: &[(usize, ChangeValue)]) -> Result<ChangeOutcome, SourceError> {
        if self.resource.postgrest {
            return self.postgrest_insert(table, values).await;
        }
        let write = self.resource.write.as_ref().ok_or_else(|| self.unsupported("writing"))?;
        let request = write.insert.as_ref().ok_or_else(|| self.unsupported("inserting"))?;
        let call = request.call(self.resource, table, &[], values, true).map_err(|refusal| self.refused(refusal))?;
        let page = self.send(&call, &[], None).await?;
        if write.duplicate.contains(&page.status.as_u16()) {
            return Err(self.constraint(ConstraintKind::Unique, &page));
        }
        self.succeeded(&page)?;
        self.returned(request, &page, table, true)
    }

    /// Makes or changes a row; `values` are all that are given, those of the key included.
    async fn upsert(
        &self,
        table: &TableRelation,
        key: &[(usize, Value)],
        values: &[(usize, ChangeValue)],
    ) -> Result<ChangeOutcome, SourceError> {
        if self.resource.postgrest {
            return self.postgrest_upsert(table, key, values).await;
        }
        let write = self.resource.write.as_ref().ok_or_else(|| self.unsupported("writing"))?;
        let request = write.upsert.as_ref().ok_or_else(|| self.unsupported("updating or inserting in one step"))?;
        if request.replaces {
            let given = |name: &str| values.iter().any(|(index, _)| table.columns.get(*index).is_some_and(|column| column.name == name));
            let written = |column: &&Column| !column.asked && !column.generated && column.selected.is_none();
            if let Some(lost) = self.resource.columns.iter().filter(written).find(|column| !given(&column.name)) {
                let message = format!("a row is replaced as a whole here: without a value for '{}' its own would be lost", lost.name);
                return Err(self.refused(Refusal::Data(message)));
            }
        }
        let call = request.call(self.resource, table, key, values, true).map_err(|refusal| self.refused(refusal))?;
        let page = self.send(&call, &[], None).await?;
        if write.duplicate.contains(&page.status.as_u16()) {
            return Err(self.constraint(ConstraintKind::Unique, &page));
        }
        self.succeeded(&page)?;
        self.returned(request, &page, table, write.created.contains(&page.status.as_u16()))
    }

    async fn of_row(&self, row: OfRow<'_>) -> Result<ChangeOutcome, SourceError> {
        if self.resource.postgrest {
            return self.postgrest_row(&row).await;
        }
        let write = self.resource.write.as_ref().ok_or_else(|| self.unsupported("writing"))?;
        let request = if row.values.is_some() { write.update.as_ref() } else { write.delete.as_ref() };
        let request = request.ok_or_else(|| self.unsupported("this change"))?;
        let (values, body) = (row.values.unwrap_or_default(), row.values.is_some());
        let mut call = request.call(self.resource, row.table, row.key, values, body).map_err(|refusal| self.refused(refusal))?;
        let versioned = !matches!(row.precondition, Precondition::None) || row.visible.is_some();
        let header = match (&write.version, row.precondition) {
            (Some(Version::Etag), _) if versioned => match self.current(write, &row).await? {
                Ok(etag) => Some(("if-match".to_owned(), etag)),
                Err(outcome) => return Ok(outcome),
            },
            (Some(Version::Header { column, header, value }), Precondition::Version { column: at, value: version }) => {
                self.is_version(row.table, *at, column)?;
                let filled = value.fill(&|_| Some(version.clone())).map_err(|wrong| self.refused(Refusal::Data(wrong)))?;
                Some((header.clone(), filled))
            }
            (Some(Version::Body { column }), Precondition::Version { column: at, value }) => {
                self.is_version(row.table, *at, column)?;
                let mut with: Vec<_> = values.iter().filter(|(index, _)| index != at).cloned().collect();
                with.push((*at, ChangeValue::Given(value.clone())));
                call = request.call(self.resource, row.table, row.key, &with, true).map_err(|refusal| self.refused(refusal))?;
                None
            }
            (_, _) if versioned => return Err(self.unsupported("comparing the state of a row while it is written")),
            (_, _) => None,
        };
        let page = self.send(&call, &[], header.as_ref()).await?;
        let status = page.status.as_u16();
        if write.not_found.contains(&status) {
            return Ok(ChangeOutcome::NotFound);
        }
        if versioned && write.changed.contains(&status) {
            return Ok(ChangeOutcome::Changed);
        }
        self.succeeded(&page)?;
        if row.values.is_none() {
            return Ok(ChangeOutcome::Done { row: None, created: false });
        }
        self.returned(request, &page, row.table, false)
    }

    fn is_version(&self, table: &TableRelation, at: usize, column: &str) -> Result<(), SourceError> {
        let is = table.columns.get(at).is_some_and(|known| known.name == column);
        if is { Ok(()) } else { Err(self.unsupported(&format!("a version other than '{column}'"))) }
    }

    /// The ETag of the row as it is, if it is as it must be: what is written under it is written to that row.
    async fn current(&self, write: &Write, row: &OfRow<'_>) -> Result<Result<String, ChangeOutcome>, SourceError> {
        let access = write.single(self.resource).ok_or_else(|| self.unsupported("reading one row"))?;
        let value = |place: &str| {
            let need = access.needs.iter().find(|need| need.place == place)?;
            let of = |(index, _): &&(usize, Value)| row.table.columns.get(*index).is_some_and(|column| column.name == need.column);
            Some(row.key.iter().find(of)?.1.clone())
        };
        let call = begun(access, &value).map_err(|refusal| self.refused(refusal))?;
        let request = self.client.request(&call, &[], None, Expects::Anything).map_err(SourceError::without_effect)?;
        let page = self.client.fetch(&request.accepting(StatusCode::NOT_FOUND), self.context).await.map_err(SourceError::without_effect)?;
        if page.status == StatusCode::NOT_FOUND {
            return Ok(Err(ChangeOutcome::NotFound));
        }
        let etag = page.headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let etag = etag.ok_or_else(|| self.malformed("the answer with the row has no ETag").without_effect())?;
        if etag.starts_with("W/") {
            return Err(self.malformed("the row's ETag is a weak one, under which nothing can be written").without_effect());
        }
        let held = self.rows(access, &page, row.table).map_err(SourceError::without_effect)?.pop();
        let held = held.ok_or_else(|| self.malformed("the answer has no row").without_effect())?;
        if let Some(visible) = row.visible
            && evaluate_expr(visible, &held, &row.table.columns) != Ok(Value::Boolean(true))
        {
            return Ok(Err(ChangeOutcome::NotFound));
        }
        let same = |index: &usize, value: &Value| held.get(*index).is_some_and(|now| equal(now, value));
        let unchanged = match row.precondition {
            Precondition::None => true,
            Precondition::Version { column, value } => same(column, value),
            Precondition::Unchanged(values) => values.iter().all(|(index, value)| same(index, value)),
        };
        Ok(if unchanged { Ok(etag) } else { Err(ChangeOutcome::Changed) })
    }

    /// What came back of a row that was written.
    fn returned(&self, request: &WriteRequest, page: &Page, table: &TableRelation, created: bool) -> Result<ChangeOutcome, SourceError> {
        let key = |index: &usize| table.columns.get(*index).is_some_and(|column| self.resource.key.contains(&column.name));
        let key: Vec<usize> = (0..table.columns.len()).filter(key).collect();
        match request.returns {
            Returns::Nothing => Ok(ChangeOutcome::Done { row: None, created }),
            Returns::Row => {
                let row = self.rows(&request.access, page, table)?.pop();
                Ok(ChangeOutcome::Done { row: Some(row.ok_or_else(|| self.malformed("the stored row did not come back"))?), created })
            }
            _ if !created => Ok(ChangeOutcome::Done { row: None, created }),
            Returns::Key => {
                let columns: Vec<TableColumn> = key.iter().filter_map(|index| table.columns.get(*index).cloned()).collect();
                let narrow = TableRelation { table: table.table.clone(), columns };
                let row = self.rows(&request.access, page, &narrow)?.pop();
                let row = row.ok_or_else(|| self.malformed("the key of the new row did not come back"))?;
                Ok(ChangeOutcome::Keyed(key.into_iter().zip(row).collect()))
            }
            Returns::Location => {
                let location = page.headers.get(LOCATION).and_then(|location| location.to_str().ok());
                let last = location.map(|location| location.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/'));
                let last = last.and_then(|location| location.rsplit('/').next()).filter(|last| !last.is_empty());
                let last = last.ok_or_else(|| self.malformed("the answer to the new row has no Location"))?;
                let text = percent_decoded(last).ok_or_else(|| self.malformed("the Location of the new row is no text"))?;
                let at = key.first().copied().ok_or_else(|| self.unsupported("a row without a key"))?;
                let to = table.columns.get(at).map(|column| column.scalar_type).ok_or_else(|| self.unsupported("a row without a key"))?;
                let value = crate::form::of_text(&portico_provider_web::json::Json::Text(text), to).filter(|value| !value.is_null());
                let value = value.ok_or_else(|| self.malformed(&format!("the Location of the new row ends with no {to}")))?;
                Ok(ChangeOutcome::Keyed(vec![(at, value)]))
            }
        }
    }

    fn malformed(&self, message: &str) -> SourceError {
        self.client.error(SourceErrorKind::Malformed, message)
    }

    fn constraint(&self, kind: ConstraintKind, page: &Page) -> SourceError {
        let error = self.client.status(page, false);
        SourceError { kind: SourceErrorKind::Constraint { kind, columns: Vec::new() }, retry: portico_provider_api::Retry::Never, ..error }
    }

    /// Whether the change was made, by the status and by what the answer tells.
    fn succeeded(&self, page: &Page) -> Result<(), SourceError> {
        let told = crate::decode::failure_in(self.resource, &page.bytes);
        match told {
            Some(told) => {
                let kind = SourceErrorKind::Constraint { kind: ConstraintKind::Check, columns: Vec::new() };
                let error = self.client.error(kind, format!("the server refused the change: {told}"));
                // A server that failed on the way may have begun.
                Err(if page.status.is_server_error() { error.with_unknown_effect() } else { error })
            }
            None if page.status.is_success() => Ok(()),
            None => Err(self.client.status(page, false)),
        }
    }

    fn rows(&self, access: &Access, page: &Page, table: &TableRelation) -> Result<Vec<Vec<Value>>, SourceError> {
        let shape = |wrong: String| self.malformed(&format!("the answer cannot be read: {wrong}"));
        let decoder = Decoder::new(self.resource, access, &table.columns).map_err(shape)?;
        let document = decoder.document(&page.bytes).map_err(shape)?;
        let mut reader: PageReader = decoder.reader();
        let read = reader.push(&document).and_then(|()| reader.finish());
        let (batches, _) = read.map_err(|error| shape(decoder.placed(error, &page.bytes).to_string()))?;
        let types: Vec<_> = table.columns.iter().map(|column| column.scalar_type).collect();
        let mut rows = Vec::new();
        for batch in batches {
            let batch = decoder.rows(&batch, &[]).map_err(shape)?;
            for row in 0..batch.num_rows() {
                rows.push(row_at(&batch, row, &types).map_err(|error| shape(error.to_string()))?);
            }
        }
        Ok(rows)
    }
}

/// Whether a stored value is the one that was looked at.
fn equal(now: &Value, then: &Value) -> bool {
    match (now.is_null(), then.is_null()) {
        (true, true) => true,
        (false, false) => {
            now == then || portico_provider_api::evaluate::compare_values(now, then).ok().flatten() == Some(std::cmp::Ordering::Equal)
        }
        (_, _) => false,
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                bytes.push(u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}
