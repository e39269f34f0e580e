//! What PostgreSQL evaluates exactly as the IR means it, as data. What it evaluates differently is not declared:
//! `lower` and `upper` follow the database's locale, arithmetic on floats fails on overflow, and types that are published as their
//! printed text compare by their own rules.

use crate::introspect::types;
use portico_provider_api::capabilities::{
    AggregateCapabilities, ColumnCapabilities, ComparisonSupport, FilterCapabilities, JoinCapabilities, KeyCapabilities, NullOrdering,
    SortCapabilities, WriteCapabilities,
};
use portico_provider_api::walk::visit_tables;
use portico_provider_api::{AggregateFunction, ArithmeticOp, Capabilities, Collation, Function, SourceQuery, Support, TypeClass};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Candidates in one `IN` list: each is a parameter, and a statement has at most 65,535 of them.
const MAX_IN_LIST: usize = 1_000;
/// Tuples in one key set: they are sent as arrays, so the number of parameters does not grow.
const MAX_TUPLES: usize = 10_000;

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
        keys: KeyCapabilities { support: Support::Exact, max_columns: 16, max_tuples: MAX_TUPLES, max_bytes: 0 },
        joins: JoinCapabilities::exact(),
        aggregate: AggregateCapabilities::of(computes),
        distinct: Support::Exact,
        nested: Support::Exact,
        union: Support::Exact,
        scalar_subquery: Support::Exact,
        exists: Support::Exact,
        correlated: Support::Exact,
        window: Support::Exact,
        write: WriteCapabilities::ALL,
        calls: true,
        ..Capabilities::default()
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
        rounded_products: Support::Exact,
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
        // `json` has no equality, and `jsonb` compares documents, not their text.
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
        // Half to even for doubles, half away from zero for numerics; case mappings are those of a locale.
        Function::Round | Function::Lower | Function::Upper => Support::None,
    }
}

fn arithmetic() -> BTreeMap<ArithmeticOp, BTreeMap<TypeClass, Support>> {
    let exact = BTreeMap::from([(TypeClass::Integer, Support::Exact), (TypeClass::Decimal, Support::Exact)]);
    let operators = [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply, ArithmeticOp::Divide, ArithmeticOp::Modulo];
    operators.into_iter().map(|operator| (operator, exact.clone())).collect()
}

/// Whether an aggregate of values of a class is computed.
fn computes(function: AggregateFunction, class: TypeClass) -> bool {
    match function {
        AggregateFunction::CountRows => class == TypeClass::Integer,
        AggregateFunction::Count => true,
        // Documents have no order of their text.
        AggregateFunction::Min | AggregateFunction::Max => class != TypeClass::Json,
        // Adding floats fails on overflow, like their arithmetic.
        AggregateFunction::Sum | AggregateFunction::Average => {
            matches!(class, TypeClass::Integer | TypeClass::Decimal | TypeClass::Float)
        }
    }
}

/// Conversions whose result and whose errors are the IR's. A text is left out wherever the two print differently.
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
        .filter(|(_, native_type)| !types::is_exact(native_type))
        .map(|(name, _)| (name.to_owned(), ColumnCapabilities::NOT_COMPARED))
        .collect()
}

/// What the tables of a query support, from the query alone: the same restrictions that introspection reports.
pub fn for_query(query: &SourceQuery) -> Cow<'static, Capabilities> {
    static EVERYWHERE: LazyLock<Capabilities> = LazyLock::new(capabilities);
    let mut capabilities = Cow::Borrowed(&*EVERYWHERE);
    visit_tables(query, &mut |table| {
        let named = table.columns.iter().filter_map(|column| Some((column.name.as_str(), column.native_type.as_deref()?)));
        let columns = column_overrides(named);
        if !columns.is_empty() {
            // A table may be read twice, with other columns each time.
            capabilities.to_mut().tables.entry(table.table.to_string()).or_default().columns.extend(columns);
        }
    });
    capabilities
}
