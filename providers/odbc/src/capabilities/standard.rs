//! Products that are asked in the standard's words: comparisons of what compares alike everywhere, orders, limits, joins by such values, and
//! plain aggregates. Where a product's meaning differs, nothing is declared: collations ignore case or spaces (only `=` is, as one that may
//! find more), the empty text is null in Oracle, GUIDs sort otherwise in SQL Server.

use portico_provider_api::capabilities::{
    AggregateCapabilities, ComparisonSupport, FilterCapabilities, JoinCapabilities, KeyCapabilities, NullOrdering, SortCapabilities,
};
use portico_provider_api::{AggregateFunction, Capabilities, Collation, Function, JoinKind, Support, TypeClass};
use portico_provider_sql::Product;
use std::collections::BTreeMap;

/// What a product is asked.
pub fn of(product: Product) -> Capabilities {
    match product {
        Product::Sqlite => sqlite(),
        Product::SqlServer | Product::Oracle | Product::Hana | Product::Db2 | Product::Ansi => modest(product),
    }
}

/// SQLite, without functions of ours. Values that are held in texts of several spellings (decimals, moments, GUIDs) are only read, whole
/// numbers are not added up (a sum that overflows on the way fails), and a sub-query of several rows would give its first.
fn sqlite() -> Capabilities {
    use TypeClass::{Binary, Boolean, Date, Float, Integer, Text};
    let compared = [Boolean, Integer, Float, Text, Binary, Date];
    let comparison = |class| if compared.contains(&class) { ComparisonSupport::EXACT } else { ComparisonSupport::NULLS_ONLY };
    let functions = [Function::Contains, Function::StartsWith, Function::EndsWith, Function::Length];
    let computes = |function, class: TypeClass| match function {
        AggregateFunction::CountRows => class == Integer,
        AggregateFunction::Count => compared.contains(&class),
        AggregateFunction::Min | AggregateFunction::Max => compared.contains(&class),
        AggregateFunction::Sum | AggregateFunction::Average => false,
    };
    Capabilities {
        filter: FilterCapabilities {
            comparisons: TypeClass::ALL.into_iter().map(|class| (class, comparison(class))).collect(),
            and: Support::Exact,
            or: Support::Exact,
            not: Support::Exact,
            between_expressions: Support::Exact,
            max_in_list: 500,
            functions: functions.into_iter().map(|function| (function, Support::Exact)).collect(),
            case: Support::Exact,
            bare_boolean: Support::Exact,
            stored_forms: Some(Support::None),
            ..FilterCapabilities::default()
        },
        collation: Collation::Binary,
        projection: Support::Exact,
        computed_output: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::Exact, nulls: NullOrdering::AsAsked },
        limit: Support::Exact,
        offset: Support::Exact,
        limit_per: Support::Exact,
        keys: KeyCapabilities { support: Support::Exact, max_columns: 8, max_tuples: 500, max_bytes: 1 << 20 },
        joins: JoinCapabilities::exact(),
        aggregate: AggregateCapabilities::of(computes),
        distinct: Support::Exact,
        nested: Support::Exact,
        exists: Support::Exact,
        correlated: Support::Exact,
        ..Capabilities::default()
    }
}

/// The classes whose values compare, sort and group alike.
fn alike(product: Product) -> &'static [TypeClass] {
    use TypeClass::{Date, Decimal, Float, Integer, Time, Timestamp, TimestampTz};
    match product {
        Product::SqlServer => &[Integer, Float, Decimal, Date, Time, Timestamp, TimestampTz],
        Product::Db2 | Product::Hana => &[Integer, Float, Decimal, Date, Timestamp],
        // Its floats can be NaN, which equals itself there, and its dates have a time of day, which makes moments of them.
        Product::Oracle => &[Integer, Decimal, Timestamp],
        Product::Sqlite | Product::Ansi => &[Integer, Decimal],
    }
}

fn comparison(product: Product, class: TypeClass) -> ComparisonSupport {
    let nulls = ComparisonSupport::NULLS_ONLY;
    match class {
        class if alike(product).contains(&class) => ComparisonSupport { distinct_from: Support::None, ..ComparisonSupport::EXACT },
        // Equal texts are equal under every collation; the capabilities' collation says that others are, too.
        TypeClass::Text => ComparisonSupport { equal: Support::Inexact, ..nulls },
        TypeClass::Guid if product == Product::SqlServer => ComparisonSupport { equal: Support::Exact, not_equal: Support::Exact, ..nulls },
        // A text without characters is null there, and is read as null.
        _ => nulls,
    }
}

fn modest(product: Product) -> Capabilities {
    let limited = product != Product::Ansi;
    let support = |holds| if holds { Support::Exact } else { Support::None };
    let computes = |function, class: TypeClass| match function {
        AggregateFunction::CountRows => class == TypeClass::Integer,
        AggregateFunction::Count | AggregateFunction::Min | AggregateFunction::Max => alike(product).contains(&class),
        AggregateFunction::Sum => class == TypeClass::Integer && matches!(product, Product::SqlServer | Product::Db2 | Product::Hana),
        AggregateFunction::Average => false,
    };
    let aggregate = AggregateCapabilities {
        distinct: Support::None,
        filter: Support::None,
        having: Support::None,
        ..AggregateCapabilities::of(computes)
    };
    Capabilities {
        filter: FilterCapabilities {
            comparisons: TypeClass::ALL.into_iter().map(|class| (class, comparison(product, class))).collect(),
            and: Support::Exact,
            or: Support::Exact,
            not: Support::Exact,
            between_expressions: Support::Exact,
            max_in_list: 500,
            bare_boolean: Support::Exact,
            stored_forms: Some(Support::None),
            ..FilterCapabilities::default()
        },
        collation: Collation::CaseInsensitive,
        projection: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::None, nulls: NullOrdering::AsAsked },
        limit: support(limited),
        // HANA has no offset without a limit.
        offset: support(limited && product != Product::Hana),
        keys: KeyCapabilities { support: Support::Exact, max_columns: 4, max_tuples: 400, max_bytes: 1 << 18 },
        joins: JoinCapabilities {
            kinds: JoinKind::ALL.into_iter().map(|kind| (kind, Support::Exact)).collect::<BTreeMap<_, _>>(),
            residual: Support::Exact,
            null_aware: Support::None,
            null_equal: Support::None,
        },
        aggregate,
        ..Capabilities::default()
    }
}
