//! What resources evaluate, as data: what is declared of their parameters, and what PostgREST does for any table.

use crate::config::{CollationConfig, NullsConfig, Operator, PagingBy};
use crate::resource::{Access, Column, Filter, Resource};
use crate::translate::{key_filter, look_up};
use portico_provider_api::capabilities::{
    ColumnCapabilities, ColumnComparisons, ComparisonSupport, FilterCapabilities, KeyCapabilities, NullOrdering, SortCapabilities,
    TableCapabilities, TableKeys, WriteCapabilities,
};
use portico_provider_api::{Capabilities, Collation, Function, ScalarType, Support, TypeClass};
use std::collections::BTreeMap;

/// Keys that a query may have, where each needs a request of its own, and in all.
const MAX_KEYS: usize = 200;
/// What a text of the URL may grow by when it is encoded.
const ENCODING: usize = 4;

/// What the resources of a source evaluate.
pub fn of(resources: &[Resource], nulls: Option<NullsConfig>, max_url: usize) -> Capabilities {
    let postgrest = resources.iter().any(|resource| resource.postgrest);
    let mut capabilities = if postgrest { of_postgrest(max_url) } else { of_parameters(nulls, max_url) };
    // Names are counted as a part of a request; they leave room for values all the same.
    let room = |resource: &Resource| max_url / ENCODING + resource.columns.iter().map(|column| 2 * (column.name.len() + 1)).sum::<usize>();
    let own = |resource: &Resource| TableCapabilities { max_request_bytes: Some(room(resource)), ..table(resource, nulls) };
    capabilities.tables = resources.iter().map(|resource| (resource.table().to_string(), own(resource))).collect();
    capabilities
}

/// What holds of all resources that are asked by parameters: each condition is a parameter, and all of them hold at once.
fn of_parameters(nulls: Option<NullsConfig>, max_url: usize) -> Capabilities {
    Capabilities {
        filter: FilterCapabilities {
            comparisons: TypeClass::ALL.into_iter().map(|class| (class, ComparisonSupport::EXACT)).collect(),
            and: Support::Exact,
            bare_boolean: Support::Exact,
            ..FilterCapabilities::default()
        },
        collation: Collation::Linguistic,
        projection: Support::Exact,
        sort: SortCapabilities {
            columns: Support::Exact,
            expressions: Support::None,
            nulls: if nulls == Some(NullsConfig::Highest) { NullOrdering::Highest } else { NullOrdering::Lowest },
        },
        max_request_bytes: max_url / ENCODING,
        ..Capabilities::default()
    }
}

fn of_postgrest(max_url: usize) -> Capabilities {
    let compared = |class: TypeClass| match class {
        TypeClass::Json => ComparisonSupport::NULLS_ONLY,
        // `is distinct from` knows no NaN of IEEE 754, and `real` is compared as a double there.
        TypeClass::Float => ComparisonSupport { distinct_from: Support::None, ..ComparisonSupport::EXACT },
        TypeClass::Boolean
        | TypeClass::Integer
        | TypeClass::Decimal
        | TypeClass::Text
        | TypeClass::Binary
        | TypeClass::Date
        | TypeClass::Time
        | TypeClass::Timestamp
        | TypeClass::TimestampTz
        | TypeClass::Guid => ComparisonSupport::EXACT,
    };
    Capabilities {
        filter: FilterCapabilities {
            comparisons: TypeClass::ALL.into_iter().map(|class| (class, compared(class))).collect(),
            and: Support::Exact,
            or: Support::Exact,
            not: Support::Exact,
            bare_boolean: Support::Exact,
            max_in_list: MAX_KEYS,
            functions: [Function::Contains, Function::StartsWith, Function::EndsWith, Function::Like]
                .map(|function| (function, Support::Exact))
                .into(),
            ..FilterCapabilities::default()
        },
        collation: Collation::Linguistic,
        projection: Support::Exact,
        sort: SortCapabilities { columns: Support::Exact, expressions: Support::None, nulls: NullOrdering::AsAsked },
        limit: Support::Exact,
        offset: Support::Exact,
        keys: KeyCapabilities { support: Support::Exact, max_columns: 4, max_tuples: MAX_KEYS, max_bytes: max_url / ENCODING },
        max_request_bytes: max_url / ENCODING,
        ..Capabilities::default()
    }
}

fn table(resource: &Resource, nulls: Option<NullsConfig>) -> TableCapabilities {
    let write = Some(write(resource));
    if resource.postgrest {
        let own = |column: &Column| {
            let collation = column.collation.map(collation);
            let free = if column.sort { ColumnCapabilities::INHERITED } else { ColumnCapabilities::NOT_COMPARED };
            (column.name.clone(), ColumnCapabilities { collation, ..free })
        };
        let columns = resource.columns.iter().filter(|column| column.collation.is_some() || !column.sort).map(own).collect();
        return TableCapabilities { count: Some(Support::Exact), columns, write, ..TableCapabilities::default() };
    }
    let open = resource.main.as_ref().filter(|main| main.needs.is_empty());
    let offset = open.is_some_and(|main| main.paging.by == PagingBy::Offset) && resource.inside.is_none();
    let counts = open.is_some_and(|main| main.paging.counts()) && resource.inside.is_none();
    TableCapabilities {
        limit: Some(Support::Exact),
        offset: Some(if offset { Support::Exact } else { Support::None }),
        sort: Some(if resource.sort.is_some() && open.is_some() { Support::Exact } else { Support::None }),
        keys: Some(keys(resource)),
        count: Some(if counts { Support::Exact } else { Support::None }),
        write,
        required_keys: resource.requires.clone(),
        columns: resource.columns.iter().map(|own| (own.name.clone(), column(own, resource, nulls))).collect(),
        ..TableCapabilities::default()
    }
}

fn write(resource: &Resource) -> WriteCapabilities {
    if resource.postgrest {
        let writable = resource.writable;
        // What has no equality of its own there cannot be looked at in the step that writes.
        let equal = resource.columns.iter().all(|column| column.sort && column.scalar_type != ScalarType::Json);
        return WriteCapabilities {
            insert: writable,
            update: writable && !resource.key.is_empty(),
            upsert: writable && resource.upserts && !resource.key.is_empty(),
            delete: writable && !resource.key.is_empty(),
            returning: writable,
            returning_key: writable,
            version: writable && equal,
            unchanged: writable && equal,
            visible: writable,
            ..WriteCapabilities::default()
        };
    }
    resource.write.as_ref().map(crate::write::Write::capabilities).unwrap_or_default()
}

/// The key sets that a resource takes.
fn keys(resource: &Resource) -> Vec<TableKeys> {
    let columns = |access: &Access| access.needs.iter().map(|need| need.column.clone()).collect::<Vec<_>>();
    let mut found: Vec<TableKeys> = Vec::new();
    let mut add = |columns: Vec<String>, max_tuples: usize| {
        let same = |known: &TableKeys| known.columns.len() == columns.len() && columns.iter().all(|column| known.columns.contains(column));
        if !found.iter().any(same) {
            found.push(TableKeys { columns, support: Support::Exact, max_tuples, max_bytes: 0 });
        }
    };
    for access in &resource.lookups {
        add(columns(access), most_keys(access));
    }
    let Some(main) = &resource.main else { return found };
    if main.needs.is_empty() {
        for column in &resource.columns {
            if let Some((_, size)) = key_filter(column) {
                add(vec![column.name.clone()], size.saturating_mul(4).max(MAX_KEYS));
            }
        }
    } else {
        add(columns(main), MAX_KEYS);
    }
    found
}

/// How many keys a query by a look-up may have.
fn most_keys(access: &Access) -> usize {
    access.batch.as_ref().map_or(MAX_KEYS, |(size, _)| size.saturating_mul(4).max(MAX_KEYS))
}

fn collation(collation: CollationConfig) -> Collation {
    match collation {
        CollationConfig::Binary => Collation::Binary,
        CollationConfig::CaseInsensitive => Collation::CaseInsensitive,
        CollationConfig::Linguistic => Collation::Linguistic,
    }
}

fn column(column: &Column, resource: &Resource, nulls: Option<NullsConfig>) -> ColumnCapabilities {
    let support =
        |filter: Option<&Filter>| filter.map_or(Support::None, |filter| if filter.exact { Support::Exact } else { Support::Inexact });
    let of = |operator: Operator| support(column.filters.get(&operator));
    let looked_up = look_up(resource, column);
    let equal = match looked_up {
        Some(_) => Support::Exact,
        None => support(column.filters.get(&Operator::Eq).or_else(|| column.filters.get(&Operator::In))),
    };
    let functions =
        [(Operator::Contains, Function::Contains), (Operator::StartsWith, Function::StartsWith), (Operator::EndsWith, Function::EndsWith)];
    let functions: BTreeMap<Function, Support> = functions
        .into_iter()
        .map(|(operator, function)| (function, of(operator)))
        .filter(|(_, support)| *support != Support::None)
        .collect();
    let mut capabilities = ColumnCapabilities {
        filter: None,
        comparisons: Some(ColumnComparisons {
            equal,
            not_equal: support(column.filters.get(&Operator::Ne).or_else(|| column.filters.get(&Operator::NotIn))),
            less: of(Operator::Lt),
            less_or_equal: of(Operator::Le),
            greater: of(Operator::Gt),
            greater_or_equal: of(Operator::Ge),
            distinct_from: Support::None,
            is_null: of(Operator::IsNull),
        }),
        max_in_list: Some(max_in_list(column, looked_up.map(most_keys))),
        functions: Some(functions),
        once: !column.repeatable,
        sort: Some(if column.sort && resource.sort.is_some() && (!column.nullable || nulls.is_some()) {
            Support::Exact
        } else {
            Support::None
        }),
        collation: column.collation.map(collation),
    };
    // What the parameters of texts do not say is left to the server's rules: an order by them is not that of code points.
    if column.scalar_type == ScalarType::Json {
        capabilities.sort = Some(Support::None);
    }
    capabilities
}

/// Values of one list, wanted (so many of them by a look-up) or not, as far as both can be said.
fn max_in_list(column: &Column, by_look_up: Option<usize>) -> usize {
    let has = |operator: Operator| column.filters.contains_key(&operator);
    let many = column.max_in_list;
    let by_parameter = if has(Operator::In) { Some(many) } else { has(Operator::Eq).then_some(1) };
    let wanted = by_look_up.or(by_parameter);
    let unwanted =
        if has(Operator::NotIn) || (has(Operator::Ne) && column.repeatable) { Some(many) } else { has(Operator::Ne).then_some(1) };
    match (wanted, unwanted) {
        (Some(wanted), Some(unwanted)) => wanted.min(unwanted),
        (Some(most), None) | (None, Some(most)) => most,
        (None, None) => 0,
    }
}
