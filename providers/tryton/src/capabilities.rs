//! What a Tryton server evaluates. What is loose in its domains is filtered again by the kind, so that all that is declared is exact.

use crate::config::{Backend, TextOrder, TrytonConfig};
use crate::fields::{Field, Kind};
use portico_provider_api::capabilities::{
    AggregateCapabilities, ColumnCapabilities, ColumnComparisons, ComparisonSupport, FilterCapabilities, KeyCapabilities, NullOrdering,
    SortCapabilities, WriteCapabilities,
};
use portico_provider_api::walk::visit_tables;
use portico_provider_api::{AggregateFunction, Capabilities, Collation, Function, ScalarType, SourceQuery, Support, TypeClass};
use std::collections::BTreeMap;

/// Candidates of one list, and keys of one request: parameters of one statement of the server's.
const MAX_IN_LIST: usize = 1_000;
const MAX_KEY_BYTES: usize = 256 << 10;
/// Digits that a double holds.
const EXACT_DIGITS: u8 = 15;

/// What every model supports.
pub fn of_server(config: &TrytonConfig) -> Capabilities {
    Capabilities {
        filter: FilterCapabilities {
            comparisons: TypeClass::ALL.into_iter().map(|class| (class, compared(class))).collect(),
            and: Support::Exact,
            or: Support::Exact,
            not: Support::Exact,
            max_in_list: MAX_IN_LIST,
            functions: [Function::Contains, Function::StartsWith, Function::EndsWith, Function::Like]
                .into_iter()
                .map(|function| (function, Support::Exact))
                .collect(),
            bare_boolean: Support::Exact,
            stored_forms: Some(Support::None),
            ..FilterCapabilities::default()
        },
        collation: match config.text_order {
            TextOrder::Binary => Collation::Binary,
            TextOrder::Language => Collation::Linguistic,
        },
        projection: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::None, nulls: NullOrdering::AsAsked },
        limit: Support::Exact,
        offset: Support::Exact,
        keys: KeyCapabilities { support: Support::Exact, max_columns: 1, max_tuples: max_keys(config), max_bytes: MAX_KEY_BYTES },
        aggregate: AggregateCapabilities {
            functions: BTreeMap::from([(AggregateFunction::CountRows, BTreeMap::from([(TypeClass::Integer, Support::Exact)]))]),
            ..AggregateCapabilities::default()
        },
        write: WriteCapabilities {
            insert: true,
            update: true,
            delete: true,
            transactions: true,
            returning_key: true,
            // On SQLite the server compares versions before its transaction begins: of writers at the same time, all find theirs current.
            version: config.backend == Backend::Postgresql,
            ..WriteCapabilities::default()
        },
        ..Capabilities::default()
    }
}

/// So many keys that their records fit one page, unless pages are very small.
fn max_keys(config: &TrytonConfig) -> usize {
    usize::try_from(config.page_rows).unwrap_or(MAX_IN_LIST).saturating_sub(1).clamp(1, MAX_IN_LIST)
}

fn compared(class: TypeClass) -> ComparisonSupport {
    match class {
        TypeClass::Integer
        | TypeClass::Float
        | TypeClass::Decimal
        | TypeClass::Text
        | TypeClass::Date
        | TypeClass::Time
        | TypeClass::TimestampTz => ComparisonSupport::EXACT,
        TypeClass::Boolean => ComparisonSupport { order: Support::None, ..ComparisonSupport::EXACT },
        TypeClass::Binary | TypeClass::Timestamp | TypeClass::Guid | TypeClass::Json => ComparisonSupport::default(),
    }
}

/// What is particular to one column.
pub fn of_column(native_type: &str, scalar_type: ScalarType, config: &TrytonConfig) -> Option<ColumnCapabilities> {
    // What is not one of the server's types was written into the configuration, and is a text for all that is known.
    let Some(field) = Field::parse(native_type) else { return Some(ColumnCapabilities::NOT_COMPARED) };
    if !field.searchable {
        return Some(ColumnCapabilities::NOT_COMPARED);
    }
    let wide = matches!(scalar_type, ScalarType::Decimal { precision, .. } if precision > EXACT_DIGITS);
    let sort = if field.sortable && !(wide && config.backend == Backend::Sqlite) { None } else { Some(Support::None) };
    // Numbers of records and words of a selection have no order that means anything.
    let unordered = matches!(field.kind, Kind::Many2One | Kind::Selection | Kind::Reference);
    let comparisons = unordered.then_some(ColumnComparisons {
        equal: Support::Exact,
        not_equal: Support::Exact,
        distinct_from: Support::Exact,
        is_null: Support::Exact,
        ..ColumnComparisons::default()
    });
    let plain = sort.is_none() && comparisons.is_none();
    (!plain).then_some(ColumnCapabilities { sort, comparisons, ..ColumnCapabilities::INHERITED })
}

/// What the tables of a query support, from the query alone: the same that introspection tells.
pub fn for_query(config: &TrytonConfig, query: &SourceQuery) -> Capabilities {
    let mut capabilities = of_server(config);
    visit_tables(query, &mut |table| {
        let columns = table.columns.iter().filter_map(|column| {
            let own = of_column(column.native_type.as_deref().unwrap_or_default(), column.scalar_type, config)?;
            Some((column.name.clone(), own))
        });
        let columns: Vec<_> = columns.collect();
        capabilities.tables.entry(table.table.to_string()).or_default().columns.extend(columns);
    });
    capabilities
}

/// Whether a decimal may be compared as a double, which takes neighbours for equal.
pub fn is_rounded(scalar_type: ScalarType, config: &TrytonConfig) -> bool {
    config.backend == Backend::Sqlite && matches!(scalar_type, ScalarType::Decimal { precision, .. } if precision > EXACT_DIGITS)
}
