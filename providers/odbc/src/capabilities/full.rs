//! PostgreSQL, MySQL and MariaDB: whole blocks. It must not know what drivers make of values: nothing here depends on it.

use portico_provider_api::capabilities::{
    AggregateCapabilities, ComparisonSupport, FilterCapabilities, JoinCapabilities, KeyCapabilities, NullOrdering, SortCapabilities,
};
use portico_provider_api::{AggregateFunction, ArithmeticOp, Capabilities, Collation, Function, Support, TypeClass};
use std::collections::BTreeMap;

/// Candidates in one `IN` list: each is a parameter, for text two, and a statement has at most 65,535 of them.
const MAX_IN_LIST: usize = 1_000;
/// Tuples in one key set, of the greatest number of columns.
const MAX_TUPLES: usize = 1_000;
/// Columns in a key.
const MAX_KEY_COLUMNS: usize = 8;
/// Bytes of the tuples of one request.
const MAX_KEY_BYTES: usize = 1 << 20;

/// PostgreSQL. `lower` and `upper` follow the database's locale, and arithmetic on floats fails on overflow.
pub fn postgres() -> Capabilities {
    use ArithmeticOp::{Add, Divide, Modulo, Multiply, Subtract};
    use TypeClass::{Boolean, Date, Decimal, Float, Guid, Integer, Text, Time, Timestamp, TimestampTz};
    let both = [Integer, Decimal];
    let casts = vec![
        (Boolean, Integer),
        (Boolean, Text),
        (Integer, Integer),
        (Integer, Decimal),
        (Integer, Float),
        (Integer, Text),
        (Decimal, Decimal),
        (Decimal, Integer),
        (Decimal, Text),
        (Float, Integer),
        (Guid, Text),
        (Date, Timestamp),
        (Date, TimestampTz),
        (Timestamp, Date),
        (Timestamp, Time),
        (Timestamp, TimestampTz),
        (TimestampTz, Date),
        (TimestampTz, Time),
        (TimestampTz, Timestamp),
    ];
    let arithmetic = [Add, Subtract, Multiply, Divide, Modulo].into_iter().map(|op| (op, exact(&both))).collect();
    let filter = FilterCapabilities { rounded_products: Support::Exact, ..filter(arithmetic, casts) };
    Capabilities {
        correlated: Support::Exact,
        window: Support::Exact,
        ..whole(filter, JoinCapabilities::exact(), &[Integer, Decimal, Float])
    }
}

/// MySQL and MariaDB. `lower` and `upper` follow a collation, arithmetic on floats fails on overflow, products of decimals are cut, and
/// `NOT IN` compares texts by their collation.
pub fn mysql() -> Capabilities {
    use ArithmeticOp::{Add, Divide, Modulo, Multiply, Subtract};
    use TypeClass::{Date, Decimal, Integer, Text, Timestamp};
    let (both, integers) = ([Integer, Decimal], [Integer]);
    let arithmetic = BTreeMap::from([
        (Add, exact(&both)),
        (Subtract, exact(&both)),
        (Multiply, exact(&integers)),
        (Divide, exact(&integers)),
        (Modulo, exact(&integers)),
    ]);
    let casts = vec![(Integer, Integer), (Integer, Decimal), (Integer, Text), (Date, Timestamp)];
    let joins = JoinCapabilities { null_aware: Support::None, ..JoinCapabilities::exact() };
    whole(filter(arithmetic, casts), joins, &both)
}

fn exact(classes: &[TypeClass]) -> BTreeMap<TypeClass, Support> {
    classes.iter().map(|class| (*class, Support::Exact)).collect()
}

fn whole(filter: FilterCapabilities, joins: JoinCapabilities, added_up: &[TypeClass]) -> Capabilities {
    let computes = |function, class: TypeClass| match function {
        AggregateFunction::CountRows => class == TypeClass::Integer,
        AggregateFunction::Count => true,
        // Documents have no order of their text.
        AggregateFunction::Min | AggregateFunction::Max => class != TypeClass::Json,
        AggregateFunction::Sum | AggregateFunction::Average => added_up.contains(&class),
    };
    Capabilities {
        filter,
        collation: Collation::Binary,
        projection: Support::Exact,
        computed_output: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::Exact, nulls: NullOrdering::AsAsked },
        limit: Support::Exact,
        offset: Support::Exact,
        limit_per: Support::Exact,
        keys: KeyCapabilities { support: Support::Exact, max_columns: MAX_KEY_COLUMNS, max_tuples: MAX_TUPLES, max_bytes: MAX_KEY_BYTES },
        joins,
        aggregate: AggregateCapabilities::of(computes),
        distinct: Support::Exact,
        nested: Support::Exact,
        union: Support::Exact,
        scalar_subquery: Support::Exact,
        exists: Support::Exact,
        ..Capabilities::default()
    }
}

fn filter(arithmetic: BTreeMap<ArithmeticOp, BTreeMap<TypeClass, Support>>, casts: Vec<(TypeClass, TypeClass)>) -> FilterCapabilities {
    // Documents are compared as documents, or not at all.
    let comparison = |class| if class == TypeClass::Json { ComparisonSupport::NULLS_ONLY } else { ComparisonSupport::EXACT };
    // Half to even for doubles, half away from zero for decimals; case mappings are those of a locale.
    let elsewhere = |function| matches!(function, Function::Round | Function::Lower | Function::Upper);
    FilterCapabilities {
        comparisons: TypeClass::ALL.into_iter().map(|class| (class, comparison(class))).collect(),
        and: Support::Exact,
        or: Support::Exact,
        not: Support::Exact,
        between_expressions: Support::Exact,
        within_native_types: false,
        max_in_list: MAX_IN_LIST,
        functions: Function::ALL.into_iter().filter(|function| !elsewhere(*function)).map(|function| (function, Support::Exact)).collect(),
        arithmetic,
        case: Support::Exact,
        casts,
        bare_boolean: Support::Exact,
        rounded_products: Support::None,
        stored_forms: None,
    }
}
