//! What the kind evaluates exactly as the IR means it. The README says why each gap is there. It must not know connections.

use portico_provider_api::capabilities::{
    AggregateCapabilities, ComparisonSupport, FilterCapabilities, JoinCapabilities, KeyCapabilities, NullOrdering, SortCapabilities,
    WriteCapabilities,
};
use portico_provider_api::{AggregateFunction, ArithmeticOp, Capabilities, Collation, Function, Support, TypeClass};
use std::collections::BTreeMap;

/// The greatest number of parameters in one statement is 32,766: eight columns times this many tuples leave room for a filter.
pub(crate) const MAX_TUPLES: usize = 2_000;
const MAX_KEY_COLUMNS: usize = 8;
const MAX_IN_LIST: usize = 4_000;

/// The capabilities of a source of this kind.
pub(crate) fn capabilities(read_only: bool) -> Capabilities {
    Capabilities {
        filter: filter(),
        collation: Collation::Binary,
        projection: Support::Exact,
        computed_output: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::Exact, nulls: NullOrdering::AsAsked },
        limit: Support::Exact,
        offset: Support::Exact,
        limit_per: Support::Exact,
        keys: KeyCapabilities { support: Support::Exact, max_columns: MAX_KEY_COLUMNS, max_tuples: MAX_TUPLES, max_bytes: 0 },
        aggregate: AggregateCapabilities::of(computes),
        joins: JoinCapabilities::exact(),
        distinct: Support::Exact,
        nested: Support::Exact,
        union: Support::Exact,
        scalar_subquery: Support::Exact,
        exists: Support::Exact,
        correlated: Support::Exact,
        window: Support::Exact,
        write: if read_only { WriteCapabilities::default() } else { writes() },
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
        AggregateFunction::Sum | AggregateFunction::Average => {
            matches!(class, TypeClass::Integer | TypeClass::Decimal | TypeClass::Float)
        }
    }
}

fn writes() -> WriteCapabilities {
    WriteCapabilities::ALL
}

fn comparisons(class: TypeClass) -> ComparisonSupport {
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
        // A document that is a number is stored as a number, whose text may be another one.
        TypeClass::Json => ComparisonSupport::NULLS_ONLY,
    }
}

/// Conversions, all by the IR's own evaluator. What could yield not-a-number is left out.
const CASTS: [(TypeClass, TypeClass); 19] = [
    (TypeClass::Boolean, TypeClass::Integer),
    (TypeClass::Boolean, TypeClass::Text),
    (TypeClass::Integer, TypeClass::Integer),
    (TypeClass::Integer, TypeClass::Decimal),
    (TypeClass::Integer, TypeClass::Float),
    (TypeClass::Integer, TypeClass::Text),
    (TypeClass::Decimal, TypeClass::Decimal),
    (TypeClass::Decimal, TypeClass::Integer),
    (TypeClass::Decimal, TypeClass::Float),
    (TypeClass::Decimal, TypeClass::Text),
    (TypeClass::Guid, TypeClass::Text),
    (TypeClass::Date, TypeClass::Timestamp),
    (TypeClass::Date, TypeClass::Text),
    (TypeClass::Timestamp, TypeClass::Date),
    (TypeClass::Timestamp, TypeClass::Time),
    (TypeClass::Timestamp, TypeClass::TimestampTz),
    (TypeClass::TimestampTz, TypeClass::Date),
    (TypeClass::TimestampTz, TypeClass::Time),
    (TypeClass::TimestampTz, TypeClass::Timestamp),
];

fn filter() -> FilterCapabilities {
    let exact_numbers = BTreeMap::from([(TypeClass::Integer, Support::Exact), (TypeClass::Decimal, Support::Exact)]);
    let operators = [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply, ArithmeticOp::Divide, ArithmeticOp::Modulo];
    FilterCapabilities {
        comparisons: TypeClass::ALL.into_iter().map(|class| (class, comparisons(class))).collect(),
        and: Support::Exact,
        or: Support::Exact,
        not: Support::Exact,
        between_expressions: Support::Exact,
        within_native_types: false,
        max_in_list: MAX_IN_LIST,
        functions: Function::ALL.into_iter().map(|function| (function, Support::Exact)).collect(),
        // Floats are left out: their results may be not-a-number, which SQLite turns into null.
        arithmetic: operators.into_iter().map(|operator| (operator, exact_numbers.clone())).collect(),
        case: Support::Exact,
        casts: CASTS.to_vec(),
        bare_boolean: Support::Exact,
        rounded_products: Support::Exact,
        stored_forms: None,
    }
}
