//! Source queries as requests: pure. Everything that can be said in the address is said here; what an answer looks like is [`crate::decode`]'s.

pub mod apply;
mod call;
pub mod filter;
pub mod literal;
pub mod reached;
pub mod text;

use crate::capabilities::Rules;
use crate::metadata::{EntitySet, Protocol, Service};
use filter::{Binding, Filters, Truth, all};
use portico_provider_api::{Capabilities, Expr, KeySet, Relation, SourceQuery, TableRelation, Value};
use portico_provider_web::{Address, AddressError};
use reached::Sets;
use text::Said;

/// The name of the column that holds an entity's ETag. It is no property, and cannot be one.
pub const ETAG: &str = "@odata.etag";

/// Where a service is asked, and how.
#[derive(Debug, Clone)]
pub struct Asking<'a> {
    /// The service's root.
    pub root: &'a Address,
    /// What there is.
    pub service: &'a Service,
    /// What can be asked.
    pub rules: &'a Rules,
    /// The same as the engine is told it.
    pub capabilities: &'a Capabilities,
    /// Segments of the path before the set: the company.
    pub before: Vec<String>,
    /// Whether rows of all companies are read.
    pub cross_company: bool,
    /// Rows of a page that is asked for by `$top` and `$skip`.
    pub client_page: Option<u64>,
    /// Longest URLs.
    pub lengths: Lengths,
}

/// How long URLs may be, in bytes. Those that are longer than one may be alone go in a `$batch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Alone.
    pub alone: usize,
    /// Up to which one is not divided, nor left without its `$select`.
    pub whole: usize,
    /// Whether there is a `$batch`.
    pub batch: bool,
}

/// What a query becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Nothing is asked: no row can be meant.
    Nothing,
    /// The number of rows, which is the sum of these.
    Count(Vec<Address>),
    /// The rows of all of these, one after the other.
    Rows(Vec<Rows>),
    /// What an operation returns.
    Call(Address),
}

/// Rows that are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The first page; with pages that are asked for, without their number.
    pub address: Address,
    /// How many rows may come at most.
    pub limit: Option<u64>,
    /// The next page is asked for by its number.
    pub client: Option<ClientPages>,
}

/// Pages that are asked for by `$skip` and `$top`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientPages {
    /// Rows of a page.
    pub size: u64,
    /// Rows that are left out before the first.
    pub offset: u64,
}

/// Why a query becomes no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It lies beyond what is declared, or a value cannot be said.
    Unsupported(String),
    /// The URL would be too long.
    TooLong(String),
    /// The set, or a property of it, is not there.
    Gone(String),
}

impl From<String> for Refusal {
    fn from(message: String) -> Refusal {
        Refusal::Unsupported(message)
    }
}

impl From<AddressError> for Refusal {
    fn from(error: AddressError) -> Refusal {
        match error {
            AddressError::TooLong { .. } => Refusal::TooLong(error.to_string()),
            other => Refusal::Unsupported(other.to_string()),
        }
    }
}

impl<'a> Asking<'a> {
    /// The requests of a query that lies within the capabilities.
    ///
    /// # Errors
    /// When a value has no literal, the URL grows too long whatever is done, or the set or a property is gone.
    pub fn plan(&self, query: &SourceQuery) -> Result<Plan, Refusal> {
        match &query.from {
            Relation::Table(_) | Relation::Join(_) => self.rows(query),
            Relation::Call(call) => {
                let operation = self.operation(&call.operation)?;
                let said: Vec<(usize, Option<&Value>)> = call.arguments.iter().map(|(index, value)| (*index, Some(value))).collect();
                self.call(operation, &said).map(Plan::Call)
            }
            Relation::Query(_) | Relation::Union(_) => Err("a query of several relations".to_owned().into()),
        }
    }

    /// The set that a table is.
    ///
    /// # Errors
    /// When it is not there.
    pub fn set(&self, table: &TableRelation) -> Result<&'a EntitySet, Refusal> {
        let gone = || Refusal::Gone(format!("there is no entity set '{}'", table.table));
        let set = self.service.set(table.table.table()).filter(|_| table.table.0.len() == 1).ok_or_else(gone)?;
        for column in &table.columns {
            if column.name != ETAG && set.property(&column.name).is_none() {
                return Err(Refusal::Gone(format!("the entity set '{}' has no property '{}'", set.name, column.name)));
            }
        }
        Ok(set)
    }

    fn rows(&self, query: &SourceQuery) -> Result<Plan, Refusal> {
        let sets = self.sets(&query.from)?;
        let filters = self.filters(&sets);
        let counts = is_count(query);
        let mut conditions = match &query.filter {
            Some(filter) => vec![filters.truth(filter)?],
            None => Vec::new(),
        };
        if counts || query.limit.is_some() || query.offset > 0 {
            let present = |path: String| Truth::Where(Said::plain(format!("{path} ne null")), Binding::Close);
            conditions.extend(sets.present().into_iter().map(present));
        }
        let condition = all(conditions);
        if query.limit == Some(0) || (counts && query.offset > 0) {
            return Ok(Plan::Nothing);
        }
        let mut addresses = Vec::new();
        self.split(query, &sets, &condition, query.keys.as_ref(), &mut addresses)?;
        Ok(match (addresses.is_empty(), counts) {
            (true, true) => Plan::Count(Vec::new()),
            (true, false) => Plan::Nothing,
            (false, true) => Plan::Count(addresses),
            (false, false) => {
                let client = self.pages(query, sets.first()?);
                let pages = client.map(|size| ClientPages { size, offset: query.offset });
                Plan::Rows(addresses.into_iter().map(|address| Rows { address, limit: query.limit, client: pages }).collect())
            }
        })
    }

    /// Rows of a page that is asked for by its number.
    fn pages(&self, query: &SourceQuery, set: &EntitySet) -> Option<u64> {
        self.client_page.filter(|_| !set.key.is_empty() && !apply::is_grouped(query))
    }

    /// The writer of conditions.
    fn filters<'f>(&self, sets: &'f Sets<'f>) -> Filters<'f> {
        Filters {
            protocol: self.service.protocol,
            columns: &sets.named,
            in_list: self.service.protocol == Protocol::V4 && self.rules.uses_in(&self.service.general),
            not_null: self.rules.preset.not_null,
        }
    }

    /// One request, or several for parts of the keys where one would be too long. Tuples are distinct, so that no row comes twice.
    fn split(
        &self,
        query: &SourceQuery,
        sets: &Sets<'_>,
        condition: &Truth,
        keys: Option<&KeySet>,
        found: &mut Vec<Address>,
    ) -> Result<(), Refusal> {
        let wanted = match keys {
            Some(keys) => all(vec![self.filters(sets).key_set(keys)?, condition.clone()]),
            None => condition.clone(),
        };
        let said = match &wanted {
            Truth::Never => return Ok(()),
            Truth::Always => None,
            Truth::Where(said, _) => Some(said),
        };
        let whole = query.order_by.is_empty() && query.limit.is_none() && query.offset == 0;
        let divisible = (whole || is_count(query)) && !apply::is_grouped(query);
        let address = self.address(query, sets, said);
        let too_long = match &address {
            Ok(address) => !self.is_whole(address),
            Err(refusal) => matches!(refusal, Refusal::TooLong(_)),
        };
        match keys {
            Some(keys) if too_long && divisible && keys.tuples.len() > 1 => {
                for half in keys.tuples.chunks(keys.tuples.len().div_ceil(2)) {
                    let half = KeySet { columns: keys.columns.clone(), tuples: half.to_vec() };
                    self.split(query, sets, condition, Some(&half), found)?;
                }
            }
            // An order of all rows, or a limit, is of one request.
            Some(_) | None => found.push(self.sendable(address?)?),
        }
        Ok(())
    }

    /// Whether a URL is short enough to be sent as it is.
    fn is_whole(&self, address: &Address) -> bool {
        address.url().as_str().len() <= self.lengths.whole
    }

    /// A URL that can be sent, alone or in a `$batch`.
    fn sendable(&self, address: Address) -> Result<Address, Refusal> {
        let (length, most) = (address.url().as_str().len(), self.lengths.alone);
        if length <= most || self.lengths.batch { Ok(address) } else { Err(AddressError::TooLong { length, most }.into()) }
    }

    fn address(&self, query: &SourceQuery, sets: &Sets<'_>, condition: Option<&Said>) -> Result<Address, Refusal> {
        let set = sets.first()?;
        let mut path: Vec<(String, String)> = self.before.iter().map(|part| (part.clone(), part.clone())).collect();
        path.push((set.name.clone(), set.name.clone()));
        let mut options: Vec<(&str, Said)> = Vec::new();
        let counts = is_count(query);
        if apply::is_grouped(query) {
            let apply = apply::apply(query, set, condition).map_err(Refusal::Unsupported)?;
            options.push(("$apply", apply));
        } else if counts {
            path.push(("$count".to_owned(), "$count".to_owned()));
        } else {
            let (select, expand) = match self.service.protocol {
                Protocol::V4 => (sets.select(query), sets.expand(query)),
                Protocol::V2 => sets.paths(query),
            };
            options.extend(select.map(|select| ("$select", Said::plain(select))));
            options.extend(expand.map(|expand| ("$expand", Said::plain(expand))));
        }
        if let Some(condition) = condition.filter(|_| !apply::is_grouped(query)) {
            options.push(("$filter", condition.clone()));
        }
        if !counts {
            self.window(query, sets, &mut options)?;
        }
        if self.cross_company {
            options.push(("cross-company", Said::plain("true")));
        }
        let whole = self.at(&path, &options);
        if whole.as_ref().is_ok_and(|whole| self.is_whole(whole)) || !options.iter().any(|(name, _)| *name == "$select") {
            return Ok(whole?);
        }
        // A long list of properties is left out: what comes besides is not looked at.
        options.retain(|(name, _)| *name != "$select");
        match (self.at(&path, &options), whole) {
            (Ok(short), Ok(whole)) if !self.is_whole(&short) => Ok(whole),
            (short, _) => Ok(short?),
        }
    }

    /// Order, offset and limit.
    fn window(&self, query: &SourceQuery, sets: &Sets<'_>, options: &mut Vec<(&str, Said)>) -> Result<(), Refusal> {
        let set = sets.first()?;
        let grouped = apply::is_grouped(query).then(|| apply::visible(query, Some(set)));
        let mut order: Vec<String> = Vec::new();
        let mut sorted: Vec<String> = Vec::new();
        for key in &query.order_by {
            let name = match (&grouped, &key.expr) {
                (Some(columns), Expr::Column(index)) => columns.get(*index).map(|column| column.name.as_str()),
                (None, expr) => sets.sorted_by(expr),
                (Some(_), _) => None,
            };
            let name = name.ok_or_else(|| "an order by something that is no property is not supported by this source".to_owned())?;
            order.push(if key.descending { format!("{name} desc") } else { name.to_owned() });
            sorted.push(name.to_owned());
        }
        let client = self.pages(query, set);
        if client.is_some() {
            // Pages by number need an order in which every row has its place.
            order.extend(set.key.iter().filter(|key| !sorted.contains(key)).cloned());
        }
        if !order.is_empty() {
            options.push(("$orderby", Said::plain(order.join(","))));
        }
        if client.is_none() {
            if query.offset > 0 {
                options.push(("$skip", Said::plain(query.offset.to_string())));
            }
            if let Some(limit) = query.limit {
                options.push(("$top", Said::plain(limit.to_string())));
            }
        }
        Ok(())
    }

    /// The address of one entity.
    ///
    /// # Errors
    /// When a value cannot be said.
    pub fn entity(&self, set: &EntitySet, key: &[(String, Value)]) -> Result<Address, Refusal> {
        let said = self.one(set, key)?;
        let mut path: Vec<(String, String)> = self.before.iter().map(|part| (part.clone(), part.clone())).collect();
        path.push((said.sent, said.shown));
        let options: &[(&str, Said)] =
            if self.cross_company { &[("cross-company", Said { sent: "true".into(), shown: "true".into(), values: 0 })] } else { &[] };
        let address = self.at(&path, options)?;
        let (length, most) = (address.url().as_str().len(), self.lengths.alone);
        if length > most {
            return Err(AddressError::TooLong { length, most }.into());
        }
        let shown = address.shown().0.to_owned();
        Ok(address.shown_as(shown, said.values))
    }

    /// One entity as a segment of a path: `Orders(1)`.
    fn one(&self, set: &EntitySet, key: &[(String, Value)]) -> Result<Said, Refusal> {
        let mut parts = Vec::new();
        for name in &set.key {
            let value = key.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            let value = value.ok_or_else(|| format!("an entity of '{}' without its key '{name}'", set.name))?;
            let property = set.property(name).ok_or_else(|| Refusal::Gone(format!("'{}' has no property '{name}'", set.name)))?;
            let text = literal::literal(self.service.protocol, property, value);
            let text = Said::value(text.ok_or_else(|| format!("a value for '{name}' that no URL of this protocol can say"))?);
            parts.push(if set.key.len() == 1 { text } else { Said::plain(format!("{name}=")).and(&text) });
        }
        Ok(Said::plain(set.name.as_str()).and(&Said::joined(&parts, ",").in_brackets()))
    }

    /// The address of a set, where new entities go.
    ///
    /// # Errors
    /// When the URL grows too long.
    pub fn collection(&self, set: &EntitySet) -> Result<Address, Refusal> {
        let mut path: Vec<(String, String)> = self.before.iter().map(|part| (part.clone(), part.clone())).collect();
        path.push((set.name.clone(), set.name.clone()));
        Ok(self.at(&path, &[])?)
    }

    fn at(&self, path: &[(String, String)], options: &[(&str, Said)]) -> Result<Address, AddressError> {
        let mut address = self.root.clone();
        let root = self.root.shown().0;
        let (root_path, root_options) = root.split_once('?').unwrap_or((root, ""));
        let mut shown = root_path.trim_end_matches('/').to_owned();
        for (sent, visible) in path {
            address = address.segment(sent)?;
            shown.push('/');
            shown.push_str(visible);
        }
        let mut values = 0;
        let mut separator = '?';
        if !root_options.is_empty() {
            shown.push('?');
            shown.push_str(root_options);
            separator = '&';
        }
        for (name, said) in options {
            address = address.query(name, &said.sent)?;
            shown.push(std::mem::replace(&mut separator, '&'));
            shown.push_str(&format!("{name}={}", said.shown));
            values += said.values;
        }
        Ok(address.shown_as(shown, values))
    }
}

/// Whether a query asks for the number of rows: one row, whatever its order.
pub fn is_count(query: &SourceQuery) -> bool {
    query.aggregate.as_ref().is_some_and(portico_provider_api::Aggregation::is_row_count)
}

/// The next page by its number; `None` when no row is wanted any more.
///
/// # Errors
/// When the URL grows too long.
pub fn client_page(rows: &Rows, pages: ClientPages, read: u64) -> Result<Option<Address>, AddressError> {
    let left = rows.limit.map_or(u64::MAX, |limit| limit.saturating_sub(read));
    let top = pages.size.min(left);
    if top == 0 {
        return Ok(None);
    }
    let skip = pages.offset.saturating_add(read);
    let address = rows.address.clone();
    let (shown, values) = (address.shown().0.to_owned(), address.shown().1);
    let mut address = address;
    let mut said = shown;
    for (name, value) in [("$skip", skip), ("$top", top)] {
        if value > 0 {
            address = address.query(name, &value.to_string())?;
            let separator = if said.contains('?') { '&' } else { '?' };
            said.push_str(&format!("{separator}{name}={value}"));
        }
    }
    Ok(Some(address.shown_as(said, values)))
}
