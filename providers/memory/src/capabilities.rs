//! What the kind declares: everything the evaluator can do, exactly. It knows no query; [`crate::limits`] takes away what a configuration does.

use portico_provider_api::capabilities::{
    AggregateCapabilities, Capabilities, ComparisonSupport, FilterCapabilities, JoinCapabilities, KeyCapabilities, NullOrdering,
    SortCapabilities, Support, TypeClass, WriteCapabilities,
};
use portico_provider_api::{AggregateFunction, ArithmeticOp, Collation, Function};

/// Key tuples in one request at most.
pub const MAX_KEY_TUPLES: usize = 100_000;

/// What every `memory` source can do that is not told otherwise.
pub fn capabilities() -> Capabilities {
    Capabilities {
        filter: filter(),
        collation: Collation::Binary,
        projection: Support::Exact,
        computed_output: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::Exact, nulls: NullOrdering::AsAsked },
        limit: Support::Exact,
        offset: Support::Exact,
        stable_order: true,
        limit_per: Support::Exact,
        keys: KeyCapabilities { support: Support::Exact, max_columns: 16, max_tuples: MAX_KEY_TUPLES, max_bytes: 0 },
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
        ..Capabilities::default()
    }
}

/// Every function of every class that it has a meaning for.
fn computes(function: AggregateFunction, class: TypeClass) -> bool {
    match function {
        AggregateFunction::CountRows => class == TypeClass::Integer,
        AggregateFunction::Count | AggregateFunction::Min | AggregateFunction::Max => true,
        AggregateFunction::Sum | AggregateFunction::Average => {
            matches!(class, TypeClass::Integer | TypeClass::Float | TypeClass::Decimal)
        }
    }
}

fn filter() -> FilterCapabilities {
    let numbers = [TypeClass::Integer, TypeClass::Float, TypeClass::Decimal];
    let operators = [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply, ArithmeticOp::Divide, ArithmeticOp::Modulo];
    FilterCapabilities {
        comparisons: TypeClass::ALL.map(|class| (class, ComparisonSupport::EXACT)).into(),
        and: Support::Exact,
        or: Support::Exact,
        not: Support::Exact,
        between_expressions: Support::Exact,
        within_native_types: false,
        max_in_list: 10_000,
        functions: Function::ALL.map(|function| (function, Support::Exact)).into(),
        arithmetic: operators.map(|op| (op, numbers.map(|class| (class, Support::Exact)).into())).into(),
        case: Support::Exact,
        casts: casts(),
        bare_boolean: Support::Exact,
        rounded_products: Support::Exact,
        stored_forms: None,
    }
}

/// The conversions that the evaluator knows.
fn casts() -> Vec<(TypeClass, TypeClass)> {
    use TypeClass::{Binary, Boolean, Date, Decimal, Float, Guid, Integer, Json, Text, Time, Timestamp, TimestampTz};
    let mut casts: Vec<(TypeClass, TypeClass)> = TypeClass::ALL.map(|class| (class, class)).to_vec();
    casts.extend(TypeClass::ALL.into_iter().filter(|class| *class != Text).flat_map(|class| [(class, Text), (Text, class)]));
    for number in [Integer, Float, Decimal] {
        casts.extend([Integer, Float, Decimal].into_iter().filter(|other| *other != number).map(|other| (number, other)));
    }
    casts.extend([(Boolean, Integer), (Boolean, Float)]);
    for instant in [Timestamp, TimestampTz] {
        casts.extend([(Date, instant), (instant, Date), (instant, Time)]);
    }
    casts.extend([(Timestamp, TimestampTz), (TimestampTz, Timestamp)]);
    debug_assert!(casts.contains(&(Binary, Text)) && casts.contains(&(Guid, Text)) && casts.contains(&(Json, Text)));
    casts
}
