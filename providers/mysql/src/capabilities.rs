//! What MySQL and MariaDB evaluate exactly as the IR means it, as data. What they evaluate differently is not declared: `lower` and
//! `upper` follow a collation, arithmetic on floats fails on overflow, doubles are rounded half to even, products of decimals are cut,
//! and types that are published as their printed text compare by their own rules.

use crate::introspect::types;
use portico_provider_api::capabilities::{
    AggregateCapabilities, ColumnCapabilities, ComparisonSupport, FilterCapabilities, JoinCapabilities, KeyCapabilities, NullOrdering,
    SortCapabilities, WriteCapabilities,
};
use portico_provider_api::walk::visit_tables;
use portico_provider_api::{AggregateFunction, ArithmeticOp, Capabilities, Collation, Function, SourceQuery, Support, TypeClass};
use std::collections::BTreeMap;

/// Candidates in one `IN` list: each is a parameter, for text two, and a statement has at most 65,535 of them.
const MAX_IN_LIST: usize = 1_000;
/// Tuples in one key set: filled up to a power of two, with the greatest number of columns, each of them text and so sent twice, they are
/// 32,768 parameters.
const MAX_TUPLES: usize = 2_000;
/// Columns in a key.
const MAX_KEY_COLUMNS: usize = 8;
/// Bytes of the tuples of one request, far below the least `max_allowed_packet` that a server comes with.
const MAX_KEY_BYTES: usize = 1 << 20;

/// What every table supports.
pub fn capabilities() -> Capabilities {
    Capabilities {
        filter: filter(),
        collation: Collation::Binary,
        projection: Support::Exact,
        computed_output: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::Exact, nulls: NullOrdering::AsAsked },
        limit: Support::Exact,
        offset: Support::Exact,
        limit_per: Support::Exact,
        keys: KeyCapabilities { support: Support::Exact, max_columns: MAX_KEY_COLUMNS, max_tuples: MAX_TUPLES, max_bytes: MAX_KEY_BYTES },
        // Its own `NOT IN` compares texts by their collation.
        joins: JoinCapabilities { null_aware: Support::None, ..JoinCapabilities::exact() },
        aggregate: AggregateCapabilities::of(computes),
        distinct: Support::Exact,
        nested: Support::Exact,
        union: Support::Exact,
        scalar_subquery: Support::Exact,
        exists: Support::Exact,
        write: WriteCapabilities::ALL,
        ..Capabilities::default()
    }
}

/// Whether an aggregate of values of a class is computed.
fn computes(function: AggregateFunction, class: TypeClass) -> bool {
    match function {
        AggregateFunction::CountRows => class == TypeClass::Integer,
        AggregateFunction::Count => true,
        // Documents have no order.
        AggregateFunction::Min | AggregateFunction::Max => class != TypeClass::Json,
        // A sum of floats may be infinite, which the server does not hold.
        AggregateFunction::Sum | AggregateFunction::Average => matches!(class, TypeClass::Integer | TypeClass::Decimal),
    }
}

fn filter() -> FilterCapabilities {
    FilterCapabilities {
        comparisons: TypeClass::ALL.into_iter().map(|class| (class, comparison(class))).collect(),
        and: Support::Exact,
        or: Support::Exact,
        not: Support::Exact,
        between_expressions: Support::Exact,
        within_native_types: false,
        max_in_list: MAX_IN_LIST,
        functions: Function::ALL.into_iter().map(|function| (function, function_support(function))).collect(),
        arithmetic: arithmetic(),
        case: Support::Exact,
        casts: casts(),
        bare_boolean: Support::Exact,
        rounded_products: Support::None,
        stored_forms: None,
    }
}

fn comparison(class: TypeClass) -> ComparisonSupport {
    match class {
        TypeClass::Boolean
        | TypeClass::Integer
        | TypeClass::Float
        | TypeClass::Decimal
        | TypeClass::Text
        | TypeClass::Binary
        | TypeClass::Date
        | TypeClass::Time
        | TypeClass::Timestamp
        | TypeClass::TimestampTz
        | TypeClass::Guid => ComparisonSupport::EXACT,
        // MySQL's own JSON compares documents, MariaDB's is text.
        TypeClass::Json => ComparisonSupport::NULLS_ONLY,
    }
}

fn function_support(function: Function) -> Support {
    match function {
        Function::Contains
        | Function::StartsWith
        | Function::EndsWith
        | Function::Like
        | Function::Length
        | Function::Position
        | Function::Substring
        | Function::Trim
        | Function::Concat
        | Function::Year
        | Function::Month
        | Function::Day
        | Function::Hour
        | Function::Minute
        | Function::Second
        | Function::Floor
        | Function::Ceiling
        | Function::Abs => Support::Exact,
        // Half to even for doubles, half away from zero for decimals; case mappings are those of a collation.
        Function::Round | Function::Lower | Function::Upper => Support::None,
    }
}

fn arithmetic() -> BTreeMap<ArithmeticOp, BTreeMap<TypeClass, Support>> {
    let exact = |classes: &[TypeClass]| classes.iter().map(|class| (*class, Support::Exact)).collect::<BTreeMap<_, _>>();
    let both = [TypeClass::Integer, TypeClass::Decimal];
    BTreeMap::from([
        (ArithmeticOp::Add, exact(&both)),
        (ArithmeticOp::Subtract, exact(&both)),
        // A product or quotient of decimals is cut at 30 digits behind the point.
        (ArithmeticOp::Multiply, exact(&[TypeClass::Integer])),
        (ArithmeticOp::Divide, exact(&[TypeClass::Integer])),
        (ArithmeticOp::Modulo, exact(&[TypeClass::Integer])),
    ])
}

/// Conversions whose result and whose errors are the IR's.
fn casts() -> Vec<(TypeClass, TypeClass)> {
    vec![
        (TypeClass::Integer, TypeClass::Integer),
        (TypeClass::Integer, TypeClass::Decimal),
        (TypeClass::Integer, TypeClass::Text),
        (TypeClass::Date, TypeClass::Timestamp),
    ]
}

/// The restrictions of single columns, from their native types.
pub fn column_overrides<'a>(columns: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, ColumnCapabilities> {
    columns.filter_map(|(name, native_type)| Some((name.to_owned(), restriction(native_type)?))).collect()
}

fn restriction(native_type: &str) -> Option<ColumnCapabilities> {
    if !types::is_exact(native_type) {
        return Some(ColumnCapabilities::NOT_COMPARED);
    }
    // A sort looks at the first bytes of such a value only.
    types::is_long(native_type).then_some(ColumnCapabilities { sort: Some(Support::None), ..ColumnCapabilities::INHERITED })
}

/// What the tables of a query support, from the query alone: the same restrictions that introspection reports.
pub fn for_query(query: &SourceQuery) -> Capabilities {
    let mut capabilities = capabilities();
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
