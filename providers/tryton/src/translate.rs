//! A query as calls of the server's: which model, which domain, which fields, in which order and which part. Pure; it must not know how a call is sent.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::capabilities;
use crate::config::TrytonConfig;
use crate::leaves::leaf;
use portico_provider_api::{
    NativeRequest, Relation, SortKey, SourceError, SourceErrorKind, SourceQuery, TableColumn, TableRelation, Unsupported,
};
use portico_provider_domain::{Bounded, Domain, Spelling, Test, translate};
use serde_json::{Value as Json, json};

/// The model of a remote table.
pub fn model(table: &TableRelation) -> String {
    table.table.0.join(".")
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The model.
    pub model: String,
    /// The columns that are read, by position in the table's, `id` not among them unless it is asked for.
    pub columns: Vec<usize>,
    /// Which records.
    pub bounded: Bounded,
    /// In which order; empty for any.
    pub order: Vec<(String, &'static str)>,
    /// Records to leave out at the start.
    pub offset: u64,
    /// Records at most.
    pub limit: Option<u64>,
    /// Whether their number alone is asked for.
    pub counts: bool,
}

/// Which call reads the records of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Their number.
    Count,
    /// Page by page, each after the last number of the page before.
    ByNumber,
    /// One page, in an order.
    OnePage,
    /// Their numbers in their order first, then the records by these: what changes meanwhile moves none from page to page.
    NumbersFirst,
}

/// Translates a query, if it lies within the capabilities.
///
/// # Errors
/// Names what lies beyond.
pub fn query(source: &str, config: &TrytonConfig, query: &SourceQuery) -> Result<Plan, SourceError> {
    let refuse = |Unsupported { feature }| {
        SourceError::new(source, SourceErrorKind::Unsupported, format!("{feature} is not supported by this source"))
    };
    capabilities::for_query(config, query).check(query).map_err(refuse)?;
    let Relation::Table(table) = &query.from else {
        return Err(refuse(Unsupported { feature: "anything but one table".to_owned() }));
    };
    let leaves = |column: &TableColumn, test: &Test<'_>| leaf(config, column, test);
    let filter = query.filter.as_ref().map(|filter| translate::predicate(filter, &table.columns, &leaves));
    let keys = query.keys.as_ref().map(|keys| translate::keys(keys, &table.columns, &leaves));
    let bounded = Bounded::all(keys.into_iter().chain(filter));
    // No other aggregate lies within the capabilities.
    let counts = query.aggregate.is_some();
    let mut columns: Vec<usize> = Vec::new();
    if !counts {
        columns.extend(query.output.iter().flat_map(|output| output.expr.columns()));
    }
    if !bounded.exact {
        columns.extend(query.filter.iter().flat_map(portico_provider_api::Expr::columns));
        columns.extend(query.keys.iter().flat_map(|keys| keys.columns.iter().copied()));
    }
    columns.sort_unstable();
    columns.dedup();
    // One row has an order whatever it is.
    let order_by = if counts { &[][..] } else { query.order_by.as_slice() };
    let order = order_by.iter().filter_map(|key| order_of(key, &table.columns)).collect();
    Ok(Plan { model: model(table), columns, bounded, order, offset: query.offset, limit: query.limit, counts })
}

fn order_of(key: &SortKey, columns: &[TableColumn]) -> Option<(String, &'static str)> {
    let column = columns.get(key.expr.as_column()?)?;
    let direction = match (key.descending, key.nulls_first) {
        (false, false) => "ASC NULLS LAST",
        (false, true) => "ASC NULLS FIRST",
        (true, false) => "DESC NULLS LAST",
        (true, true) => "DESC NULLS FIRST",
    };
    Some((column.name.clone(), direction))
}

/// A call of a method, as it is sent and as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `model.sale.sale.search_read`.
    pub method: String,
    /// Its arguments but the context.
    pub arguments: Vec<Json>,
    /// How it is shown, without values.
    pub shown: String,
    /// How many values are not shown.
    pub parameters: usize,
}

impl Call {
    /// A call that is shown as it is.
    pub fn plain(method: impl Into<String>, arguments: Vec<Json>) -> Call {
        let method = method.into();
        let shown: Vec<String> = arguments.iter().map(Json::to_string).collect();
        Call { shown: format!("{method} {}", shown.join(", ")), method, arguments, parameters: 0 }
    }

    /// A call of which only some words are shown.
    pub fn hiding(method: impl Into<String>, arguments: Vec<Json>, shown: &str, parameters: usize) -> Call {
        let method = method.into();
        Call { shown: format!("{method} {shown}"), method, arguments, parameters }
    }

    /// How it is shown in EXPLAIN.
    pub fn native(&self) -> NativeRequest {
        NativeRequest { language: "json-rpc".to_owned(), text: self.shown.clone(), parameters: self.parameters }
    }
}

impl Plan {
    /// The way in which the records are read, in pages of so many.
    pub fn way(&self, page_rows: u64) -> Way {
        if self.counts && self.bounded.exact {
            return Way::Count;
        }
        match (self.order.is_empty(), self.limit) {
            (true, _) => Way::ByNumber,
            (false, Some(limit)) if self.bounded.exact && limit <= page_rows => Way::OnePage,
            (false, _) => Way::NumbersFirst,
        }
    }

    /// The names of the fields that are read.
    pub fn fields(&self, columns: &[TableColumn]) -> Vec<String> {
        let named = self.columns.iter().filter_map(|index| columns.get(*index)).map(|column| column.name.clone());
        let mut fields: Vec<String> = named.filter(|name| name != "id").collect();
        fields.insert(0, "id".to_owned());
        fields
    }

    fn domain(&self, after: Option<i64>) -> Domain {
        let further = after.map(|after| Domain::leaf("id", ">", after));
        Domain::all(std::iter::once(self.bounded.domain.clone()).chain(further))
    }

    /// The order, ending with the number, so that it is one for all records.
    fn order(&self) -> Json {
        let keys = self.order.iter().map(|(field, direction)| json!([field, direction]));
        let last = (!self.order.iter().any(|(field, _)| field == "id")).then(|| json!(["id", "ASC"]));
        keys.chain(last).collect()
    }

    fn call(&self, method: &str, domain: &Domain, rest: Vec<Json>) -> Call {
        let (shown, parameters) = domain.shown(Spelling::Infix);
        let rest_shown: String = rest.iter().map(|argument| format!(", {argument}")).collect();
        let arguments = std::iter::once(domain.spelt(Spelling::Infix)).chain(rest).collect();
        Call::hiding(format!("model.{}.{method}", self.model), arguments, &format!("{shown}{rest_shown}"), parameters)
    }

    /// The number of the records.
    pub fn count(&self) -> Call {
        self.call("search_count", &self.domain(None), vec![json!(0), Json::Null])
    }

    /// A page after a number, or the first; `offset` records are left out at its start.
    pub fn page(&self, after: Option<i64>, offset: u64, limit: u64, fields: &[String]) -> Call {
        self.call("search_read", &self.domain(after), vec![json!(offset), json!(limit), json!([["id", "ASC"]]), json!(fields)])
    }

    /// The records of one page, in their order.
    pub fn one_page(&self, fields: &[String]) -> Call {
        self.call("search_read", &self.domain(None), vec![json!(self.offset), json!(self.limit), self.order(), json!(fields)])
    }

    /// The numbers of all records, in their order. A domain that keeps too many is not cut.
    pub fn numbers(&self) -> Call {
        let (offset, limit) = if self.bounded.exact { (self.offset, self.limit) } else { (0, None) };
        self.call("search", &self.domain(None), vec![json!(offset), json!(limit), self.order()])
    }

    /// Records by their numbers.
    pub fn records(&self, numbers: &[i64], fields: &[String]) -> Call {
        let shown = format!("[? of {}], {}", numbers.len(), json!(fields));
        Call::hiding(format!("model.{}.read", self.model), vec![json!(numbers), json!(fields)], &shown, numbers.len())
    }

    /// What would be sent, as far as it is known before an answer.
    pub fn described(&self, columns: &[TableColumn], page_rows: u64) -> Vec<NativeRequest> {
        let fields = self.fields(columns);
        match self.way(page_rows) {
            Way::Count => vec![self.count().native()],
            Way::ByNumber => vec![self.page(None, self.first_offset(), self.first_limit(page_rows), &fields).native()],
            Way::OnePage => vec![self.one_page(&fields).native()],
            Way::NumbersFirst => {
                let read = Call::hiding(format!("model.{}.read", self.model), Vec::new(), &format!("[? of them], {}", json!(fields)), 1);
                vec![self.numbers().native(), read.native()]
            }
        }
    }

    /// What the server leaves out at the start of the first page: where its domain keeps too many, they are counted here.
    pub fn first_offset(&self) -> u64 {
        if self.bounded.exact { self.offset } else { 0 }
    }

    /// How many records the next page has at most, when so many are still wanted.
    pub fn page_limit(&self, page_rows: u64, left: Option<u64>) -> u64 {
        left.filter(|_| self.bounded.exact).map_or(page_rows, |left| left.min(page_rows))
    }

    fn first_limit(&self, page_rows: u64) -> u64 {
        self.page_limit(page_rows, self.limit)
    }
}
