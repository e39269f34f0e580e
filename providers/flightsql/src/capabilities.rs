//! What servers evaluate exactly as the IR means it, as data: a gateway like this one nearly all, because its own rules are the IR's; of
//! another server only what every database does alike.

use crate::introspect::types;
use portico_provider_api::capabilities::{
    AggregateCapabilities, ColumnCapabilities, ComparisonSupport, FilterCapabilities, JoinCapabilities, KeyCapabilities, NullOrdering,
    SortCapabilities,
};
use portico_provider_api::walk::visit_tables;
use portico_provider_api::{AggregateFunction, ArithmeticOp, Capabilities, Collation, Function, SourceQuery, Support, TypeClass};
use std::collections::BTreeMap;

/// Candidates in one `IN` list: as many as the kinds behind a gateway take, so that it sends the list on.
const MAX_IN_LIST: usize = 1_000;
/// Tuples in one key set, and columns in a key: what is written out stays a small part of the text that a gateway reads.
const MAX_TUPLES: usize = 1_000;
const MAX_KEY_COLUMNS: usize = 4;
const MAX_KEY_BYTES: usize = 128 << 10;

/// What every table of a gateway like this one supports.
pub fn of_gateway() -> Capabilities {
    Capabilities {
        filter: FilterCapabilities {
            comparisons: TypeClass::ALL.into_iter().map(|class| (class, ComparisonSupport::EXACT)).collect(),
            and: Support::Exact,
            or: Support::Exact,
            not: Support::Exact,
            between_expressions: Support::Exact,
            within_native_types: false,
            max_in_list: MAX_IN_LIST,
            functions: Function::ALL.into_iter().map(|function| (function, Support::Exact)).collect(),
            arithmetic: arithmetic(),
            case: Support::Exact,
            casts: casts(),
            bare_boolean: Support::Exact,
            rounded_products: Support::Exact,
            stored_forms: None,
        },
        collation: Collation::Binary,
        projection: Support::Exact,
        computed_output: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::Exact, nulls: NullOrdering::AsAsked },
        limit: Support::Exact,
        offset: Support::Exact,
        limit_per: Support::Exact,
        keys: keys(MAX_KEY_COLUMNS),
        joins: JoinCapabilities::exact(),
        aggregate: AggregateCapabilities::of(computes),
        distinct: Support::Exact,
        nested: Support::Exact,
        union: Support::Exact,
        scalar_subquery: Support::Exact,
        window: Support::Exact,
        ..Capabilities::default()
    }
}

/// What every table of any server supports.
pub fn of_any() -> Capabilities {
    Capabilities {
        filter: FilterCapabilities {
            comparisons: TypeClass::ALL.into_iter().map(|class| (class, alike(class))).collect(),
            and: Support::Exact,
            or: Support::Exact,
            not: Support::Exact,
            max_in_list: MAX_IN_LIST,
            // How other forms are converted is every database's own.
            stored_forms: Some(Support::None),
            ..FilterCapabilities::default()
        },
        projection: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::None, nulls: NullOrdering::AsAsked },
        limit: Support::Exact,
        keys: keys(1),
        ..Capabilities::default()
    }
}

/// How values compare at every server alike. Texts do not: a collation may find more of them equal, and orders them by its language. Nor
/// do fractions, which some compare as doubles, or moments, which have other digits everywhere.
fn alike(class: TypeClass) -> ComparisonSupport {
    let plain = ComparisonSupport { distinct_from: Support::None, ..ComparisonSupport::EXACT };
    match class {
        TypeClass::Integer | TypeClass::Date => plain,
        TypeClass::Boolean => ComparisonSupport { order: Support::None, sort: Support::None, ..plain },
        TypeClass::Text => ComparisonSupport { equal: Support::Inexact, ..ComparisonSupport::NULLS_ONLY },
        TypeClass::Float
        | TypeClass::Decimal
        | TypeClass::Binary
        | TypeClass::Time
        | TypeClass::Timestamp
        | TypeClass::TimestampTz
        | TypeClass::Guid
        | TypeClass::Json => ComparisonSupport::NULLS_ONLY,
    }
}

fn keys(max_columns: usize) -> KeyCapabilities {
    KeyCapabilities { support: Support::Exact, max_columns, max_tuples: MAX_TUPLES, max_bytes: MAX_KEY_BYTES }
}

fn arithmetic() -> BTreeMap<ArithmeticOp, BTreeMap<TypeClass, Support>> {
    let exact = BTreeMap::from([TypeClass::Integer, TypeClass::Decimal, TypeClass::Float].map(|class| (class, Support::Exact)));
    let operators = [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply, ArithmeticOp::Divide, ArithmeticOp::Modulo];
    operators.into_iter().map(|operator| (operator, exact.clone())).collect()
}

/// Whether an aggregate of values of a class is computed.
fn computes(function: AggregateFunction, class: TypeClass) -> bool {
    match function {
        AggregateFunction::CountRows => class == TypeClass::Integer,
        AggregateFunction::Count | AggregateFunction::Min | AggregateFunction::Max => true,
        AggregateFunction::Sum | AggregateFunction::Average => {
            matches!(class, TypeClass::Integer | TypeClass::Decimal | TypeClass::Float)
        }
    }
}

/// Conversions whose result and whose errors are the IR's.
fn casts() -> Vec<(TypeClass, TypeClass)> {
    vec![
        (TypeClass::Boolean, TypeClass::Integer),
        (TypeClass::Boolean, TypeClass::Text),
        (TypeClass::Integer, TypeClass::Integer),
        (TypeClass::Integer, TypeClass::Decimal),
        (TypeClass::Integer, TypeClass::Float),
        (TypeClass::Integer, TypeClass::Text),
        (TypeClass::Decimal, TypeClass::Decimal),
        (TypeClass::Decimal, TypeClass::Integer),
        (TypeClass::Decimal, TypeClass::Text),
        (TypeClass::Float, TypeClass::Integer),
        (TypeClass::Guid, TypeClass::Text),
        (TypeClass::Date, TypeClass::Timestamp),
        (TypeClass::Date, TypeClass::TimestampTz),
        (TypeClass::Timestamp, TypeClass::Date),
        (TypeClass::Timestamp, TypeClass::Time),
        (TypeClass::Timestamp, TypeClass::TimestampTz),
        (TypeClass::TimestampTz, TypeClass::Date),
        (TypeClass::TimestampTz, TypeClass::Time),
        (TypeClass::TimestampTz, TypeClass::Timestamp),
    ]
}

/// The restrictions of single columns, from their native types.
pub fn column_overrides<'a>(columns: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, ColumnCapabilities> {
    columns
        .filter(|(_, native_type)| !types::is_compared(native_type))
        .map(|(name, _)| (name.to_owned(), ColumnCapabilities::NOT_COMPARED))
        .collect()
}

/// What the tables of a query support, from the query alone: the same restrictions that introspection reports.
pub fn for_query(mut capabilities: Capabilities, query: &SourceQuery) -> Capabilities {
    visit_tables(query, &mut |table| {
        let named = table.columns.iter().filter_map(|column| Some((column.name.as_str(), column.native_type.as_deref()?)));
        let columns = column_overrides(named);
        if !columns.is_empty() {
            // A table may be read twice, with other columns each time.
            capabilities.tables.entry(table.table.to_string()).or_default().columns.extend(columns);
        }
    });
    capabilities
}
