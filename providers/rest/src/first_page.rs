//! Resources whose columns are those of the first page that the server answers: one request for each, whenever the schema is read. It must not know
//! queries.

use crate::client::Client;
use crate::config::{ColumnConfig, Format, RestConfig};
use crate::paging::{Pager, Step};
use crate::resource::{self, Resource};
use crate::translate::{Pair, begun};
use crate::{decode, described, infer};
use indexmap::IndexMap;
use portico_provider_api::{QueryContext, SourceError, SourceErrorKind};
use portico_provider_web::Expects;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The resources whose columns are asked for.
pub struct FirstPages {
    /// The names of these.
    names: Vec<String>,
    /// All resources as far as they are declared, by which pages are asked for.
    outlines: Vec<Resource>,
    /// The columns that were found, by resource.
    found: Mutex<BTreeMap<String, IndexMap<String, ColumnConfig>>>,
}

/// Left out: by resource, why.
type LeftOut = IndexMap<String, String>;

impl FirstPages {
    /// Nothing where all columns are declared.
    ///
    /// # Errors
    /// Names the resource, and what of it is wrong, or cannot be asked for without knowing more.
    pub fn new(config: &RestConfig) -> Result<Option<FirstPages>, String> {
        let names: Vec<String> = config.resources.iter().filter(|(_, own)| own.infer.is_some()).map(|(name, _)| name.clone()).collect();
        if config.preset.is_some() && (config.infer.is_some() || !names.is_empty()) {
            return Err("'infer' beside 'preset': the server describes its columns itself".to_owned());
        }
        if names.is_empty() {
            return Ok(None);
        }
        let outlines = resource::all(&outlined(config, &names))?;
        for name in &names {
            let place = |wrong: &str| Err(format!("resource '{name}': 'infer': {wrong}"));
            let Some(outline) = outlines.iter().find(|outline| outline.name == *name) else { continue };
            if !matches!(outline.format, Format::Json | Format::Ndjson) {
                return place("the values of this form are texts, which say nothing of their types: declare 'columns'");
            }
            if outline.main.as_ref().is_none_or(|main| !main.needs.is_empty()) {
                return place("no page can be asked for without a key: declare 'columns', or give a 'sample'");
            }
        }
        Ok(Some(FirstPages { names, outlines, found: Mutex::new(BTreeMap::new()) }))
    }

    /// The resources with the columns of their first pages, and what is left out.
    ///
    /// # Errors
    /// When a page cannot be asked for or read.
    pub async fn resources(
        &self,
        client: &Client,
        config: &RestConfig,
        context: &QueryContext,
    ) -> Result<(Vec<Resource>, Vec<String>), SourceError> {
        let malformed = |message: String| client.error(SourceErrorKind::Malformed, message);
        let (mut config, mut left_out) = (config.clone(), LeftOut::new());
        let mut pages: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for outline in self.outlines.iter().filter(|outline| self.names.contains(&outline.name)) {
            let Some(own) = config.resources.get(&outline.name) else { continue };
            let asked = own.parent.as_ref().map_or(&outline.name, |parent| &parent.resource).clone();
            if !pages.contains_key(&asked) {
                let page = self.page(client, &asked, context).await?;
                pages.insert(asked.clone(), page);
            }
            let rows = pages.get(&asked).map(Vec::as_slice).unwrap_or_default();
            let rows = match &outline.inside {
                Some(place) => inner(rows, place),
                None => rows.to_vec(),
            };
            let place = |wrong: String| malformed(format!("resource '{}': the first page: {wrong}", outline.name));
            let columns = self.columns(outline, &rows).map_err(place)?;
            let Some(own) = config.resources.get_mut(&outline.name) else { continue };
            described::take(own, columns);
            let untyped = own.columns.values().any(|column| column.scalar_type.is_none());
            if untyped || own.columns.is_empty() {
                left_out.insert(outline.name.clone(), "its first page has no row that has its columns".to_owned());
            }
        }
        let notes = without(&mut config, left_out);
        Ok((resource::all(&config).map_err(malformed)?, notes))
    }

    /// The rows of a resource's first page.
    async fn page(&self, client: &Client, name: &str, context: &QueryContext) -> Result<Vec<Value>, SourceError> {
        let outline = self.outlines.iter().find(|outline| outline.name == name);
        let missing = || client.error(SourceErrorKind::Internal, "a resource without a way to its rows");
        let (outline, main) = outline.and_then(|outline| Some((outline, outline.main.as_ref()?))).ok_or_else(missing)?;
        let call = begun(main, &|_| None).map_err(|refusal| client.refused(refusal))?;
        let Step::Parameters(pairs, header) = Pager::new(&main.paging, 0, None).first() else { return Err(missing()) };
        let pairs: Vec<Pair> = pairs.into_iter().map(|(name, value)| Pair::constant(name, value)).collect();
        let expects = if outline.format == Format::Json { Expects::Json } else { Expects::Anything };
        let request = client.request(&call, &pairs, header.as_ref(), expects)?;
        let page = client.fetch(&request.reading(), context).await?;
        if let Some(told) = decode::failure_in(outline, &page.bytes) {
            return Err(client.error(SourceErrorKind::Unsupported, format!("the server tells a failure: {told}")));
        }
        let wrong = |wrong| client.error(SourceErrorKind::Malformed, format!("resource '{name}': the first page cannot be read: {wrong}"));
        decode::values(&page.bytes, outline.format, &main.rows, main.single).map_err(wrong)
    }

    /// The columns of rows, and those that were found before: what one page lacks was there all the same.
    fn columns(&self, outline: &Resource, rows: &[Value]) -> Result<IndexMap<String, ColumnConfig>, String> {
        let at = outline.inside.as_ref().or(outline.main.as_ref().map(|main| &main.rows)).map(ToString::to_string).unwrap_or_default();
        let mut columns = if rows.is_empty() { IndexMap::new() } else { infer::columns(rows, &at)? };
        for (_, column) in columns.iter_mut().filter(|(name, column)| outline.key.contains(name) && column.optional.is_none()) {
            column.nullable = Some(false);
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let before = found.entry(outline.name.clone()).or_default();
        for (column, of) in before.iter() {
            if !columns.contains_key(column) {
                let optional = of.nullable.is_none().then_some(true);
                columns.insert(column.clone(), ColumnConfig { optional, ..of.clone() });
            }
        }
        before.clone_from(&columns);
        Ok(columns)
    }
}

/// The configuration with a column for all that is named, so that all else of it can be checked before anything is asked.
fn outlined(config: &RestConfig, names: &[String]) -> RestConfig {
    let mut outlined = config.clone();
    let parents: Vec<(String, String)> = config
        .resources
        .values()
        .filter_map(|own| own.parent.as_ref())
        .flat_map(|parent| parent.columns.values().map(|column| (parent.resource.clone(), column.clone())))
        .collect();
    for (name, own) in outlined.resources.iter_mut().filter(|(name, _)| names.contains(name)) {
        let of_children = parents.iter().filter(|(parent, _)| parent == name).map(|(_, column)| column.clone());
        let taken = own.parent.as_ref().map(|parent| parent.columns.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let references = own.references.iter().flat_map(|reference| reference.columns.clone());
        let named: Vec<String> = own.key.iter().cloned().chain(references).chain(of_children).collect();
        for column in named.into_iter().filter(|column| !taken.contains(column)) {
            own.columns.entry(column).or_default();
        }
        if own.columns.is_empty() {
            own.columns.insert("\u{0}".to_owned(), ColumnConfig::default());
        }
        for column in own.columns.values_mut().filter(|column| column.scalar_type.is_none()) {
            column.scalar_type = Some("text".to_owned());
        }
    }
    outlined
}

/// The rows inside of rows; a row without any has none.
fn inner(rows: &[Value], place: &resource::Place) -> Vec<Value> {
    rows.iter().flat_map(|row| decode::values(row.to_string().as_bytes(), Format::Json, place, false).unwrap_or_default()).collect()
}

/// Takes resources out, with those that are parts of them, and says which.
fn without(config: &mut RestConfig, mut left_out: LeftOut) -> Vec<String> {
    for (name, own) in &config.resources {
        if let Some(parent) = own.parent.as_ref().filter(|parent| left_out.contains_key(&parent.resource)) {
            left_out.entry(name.clone()).or_insert_with(|| format!("its parent '{}' is left out", parent.resource));
        }
    }
    config.resources.retain(|name, _| !left_out.contains_key(name));
    for own in config.resources.values_mut() {
        own.references.retain(|reference| !left_out.contains_key(&reference.to));
    }
    left_out.into_iter().map(|(name, why)| format!("resource '{name}' is left out: {why}")).collect()
}
