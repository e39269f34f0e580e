//! What the kind declares: rows of one table, as they are read, judged by the contract's own evaluator. What needs a table as a whole (orders,
//! groups, joins) is left to the engine, which can spill it. It knows no query.

use portico_provider_api::capabilities::{
    AggregateCapabilities, Capabilities, ComparisonSupport, FilterCapabilities, KeyCapabilities, Support, TypeClass,
};
use portico_provider_api::{AggregateFunction, ArithmeticOp, Collation, Function};
use std::collections::BTreeMap;

/// Key tuples in one request at most.
const MAX_KEY_TUPLES: usize = 100_000;

/// What every `files` source can do.
pub fn capabilities() -> Capabilities {
    let rows = BTreeMap::from([(TypeClass::Integer, Support::Exact)]);
    Capabilities {
        filter: filter(),
        collation: Collation::Binary,
        projection: Support::Exact,
        limit: Support::Exact,
        offset: Support::Exact,
        keys: KeyCapabilities { support: Support::Exact, max_columns: 16, max_tuples: MAX_KEY_TUPLES, max_bytes: 0 },
        aggregate: AggregateCapabilities {
            functions: BTreeMap::from([(AggregateFunction::CountRows, rows)]),
            ..AggregateCapabilities::default()
        },
        ..Capabilities::default()
    }
}

fn filter() -> FilterCapabilities {
    let numbers = [TypeClass::Integer, TypeClass::Float, TypeClass::Decimal];
    let operators = [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply, ArithmeticOp::Divide, ArithmeticOp::Modulo];
    let compared = ComparisonSupport { sort: Support::None, ..ComparisonSupport::EXACT };
    FilterCapabilities {
        comparisons: TypeClass::ALL.map(|class| (class, compared)).into(),
        and: Support::Exact,
        or: Support::Exact,
        not: Support::Exact,
        between_expressions: Support::Exact,
        within_native_types: false,
        max_in_list: 10_000,
        functions: Function::ALL.map(|function| (function, Support::Exact)).into(),
        arithmetic: operators.map(|op| (op, numbers.map(|class| (class, Support::Exact)).into())).into(),
        case: Support::Exact,
        casts: Vec::new(),
        bare_boolean: Support::Exact,
        rounded_products: Support::Exact,
        stored_forms: None,
    }
}
