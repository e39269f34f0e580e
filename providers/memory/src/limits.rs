//! What a table in the configuration can be asked, and by what it must be, where it is not one that can be asked everything: for a table
//! that stands in for a service's. Pure.

use crate::capabilities::{MAX_KEY_TUPLES, capabilities};
use crate::config::{ColumnLimits, Comparison, Config, Degree, RequirementConfig, TableConfig, TableLimits, WriteLimits};
use portico_provider_api::capabilities::{
    AggregateCapabilities, ColumnCapabilities, ColumnComparisons, Requirement, TableCapabilities, TableKeys, WriteCapabilities,
};
use portico_provider_api::{Capabilities, Function, RemoteTableName, Support};
use std::collections::BTreeMap;

/// The capabilities of a configured source: how many keys a request has, and what is particular to its tables.
///
/// # Errors
/// Names the table and the column or function that does not exist.
pub(crate) fn capabilities_of(config: &Config) -> Result<Capabilities, String> {
    let mut all = capabilities();
    let most = config.max_keys.map_or(MAX_KEY_TUPLES, |most| most.get().min(MAX_KEY_TUPLES));
    all.keys.max_tuples = most;
    for table in config.tables.iter().filter(|table| table.capabilities.is_some() || !table.required_keys.is_empty()) {
        let mut own = table.capabilities.as_ref().map_or(Ok(TableCapabilities::default()), |limits| of_table(table, limits))?;
        for keys in own.keys.iter_mut().flatten() {
            keys.max_tuples = keys.max_tuples.min(most);
        }
        own.required_keys = required_keys(table, own.keys.as_deref())?;
        all.tables.insert(RemoteTableName::parse(&table.name).to_string(), own);
    }
    Ok(all)
}

/// What a table cannot be asked without; `taken` are the only key sets that it takes, where they are named.
fn required_keys(table: &TableConfig, taken: Option<&[TableKeys]>) -> Result<Vec<Vec<Requirement>>, String> {
    let known = |name: &String| match table.columns.iter().any(|column| column.name == *name) {
        true => Ok(name.clone()),
        false => Err(format!("table '{}': required_keys name '{name}', which is no column of it", table.name)),
    };
    let requirement = |one: &RequirementConfig| match one {
        RequirementConfig::Key(name) => known(name).map(Requirement::Key),
        RequirementConfig::From { from } => known(from).map(Requirement::From),
        RequirementConfig::To { to } => known(to).map(Requirement::To),
    };
    if table.required_keys.iter().any(Vec::is_empty) {
        return Err(format!("table '{}': a list of required_keys is empty", table.name));
    }
    let required = table.required_keys.iter().map(|list| list.iter().map(requirement).collect::<Result<Vec<_>, _>>());
    let required = required.collect::<Result<Vec<_>, _>>()?;
    for list in &required {
        let keys: Vec<&String> = list.iter().filter_map(|one| if let Requirement::Key(name) = one { Some(name) } else { None }).collect();
        let same = |own: &TableKeys| own.columns.len() == keys.len() && own.columns.iter().all(|name| keys.contains(&name));
        if !keys.is_empty() && taken.is_some_and(|taken| !taken.iter().any(same)) {
            let keys = keys.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("table '{}': required_keys name [{keys}], which is no key set of its capabilities", table.name));
        }
    }
    Ok(required)
}

fn of_table(table: &TableConfig, limits: &TableLimits) -> Result<TableCapabilities, String> {
    let wrong = |what: String| format!("table '{}', capabilities: {what}", table.name);
    let known = |name: &String| match table.columns.iter().any(|column| column.name == *name) {
        true => Ok(()),
        false => Err(wrong(format!("there is no column '{name}'"))),
    };
    limits.columns.keys().try_for_each(known)?;
    limits.keys.iter().flatten().flat_map(|keys| &keys.columns).try_for_each(known)?;
    let column = |(name, limits): (&String, &ColumnLimits)| match of_column(limits) {
        Ok(own) => Ok((name.clone(), own)),
        Err(error) => Err(wrong(format!("column '{name}': {error}"))),
    };
    let keys = limits.keys.as_ref().map(|all| {
        let one = |keys: &crate::config::KeyLimits| TableKeys {
            columns: keys.columns.clone(),
            support: keys.support.map_or(Support::Exact, Support::from),
            max_tuples: keys.max_tuples,
            max_bytes: keys.max_bytes,
        };
        all.iter().map(one).collect()
    });
    // Without aggregates there are no groups either.
    let aggregate = limits.aggregate.map(|kept| if kept { capabilities().aggregate } else { AggregateCapabilities::default() });
    let given = |degree: Option<Degree>| degree.map(Support::from);
    Ok(TableCapabilities {
        filter: given(limits.filter),
        sort: given(limits.sort),
        limit: given(limits.limit),
        offset: given(limits.offset),
        keys,
        count: given(limits.count),
        aggregate,
        distinct: given(limits.distinct),
        joins: given(limits.joins),
        write: limits.write.map(of_writes),
        max_request_bytes: limits.max_request_bytes,
        columns: limits.columns.iter().map(column).collect::<Result<_, _>>()?,
        ..TableCapabilities::default()
    })
}

fn of_column(limits: &ColumnLimits) -> Result<ColumnCapabilities, String> {
    let degree = limits.filter.map_or(Support::Exact, Support::from);
    let function = |name: &String| {
        let parsed: Result<Function, _> = serde_json::from_value(serde_json::Value::String(name.clone()));
        parsed.map(|function| (function, degree)).map_err(|_| format!("there is no function '{name}'"))
    };
    let functions = limits.functions.as_ref().map(|names| names.iter().map(function).collect::<Result<BTreeMap<_, _>, _>>());
    Ok(ColumnCapabilities {
        filter: limits.filter.map(Support::from),
        comparisons: limits.comparisons.as_ref().map(|named| comparisons(named, degree)),
        max_in_list: limits.max_in_list,
        functions: functions.transpose()?,
        once: limits.once,
        sort: limits.sort.map(Support::from),
        collation: None,
    })
}

fn comparisons(named: &[Comparison], degree: Support) -> ColumnComparisons {
    let mut own = ColumnComparisons::default();
    for comparison in named {
        let place = match comparison {
            Comparison::Equal => &mut own.equal,
            Comparison::NotEqual => &mut own.not_equal,
            Comparison::Less => &mut own.less,
            Comparison::LessOrEqual => &mut own.less_or_equal,
            Comparison::Greater => &mut own.greater,
            Comparison::GreaterOrEqual => &mut own.greater_or_equal,
            Comparison::DistinctFrom => &mut own.distinct_from,
            Comparison::IsNull => &mut own.is_null,
        };
        *place = degree;
    }
    own
}

fn of_writes(limits: WriteLimits) -> WriteCapabilities {
    let WriteLimits { insert, update, upsert, delete, transactions, returning, returning_key, version, unchanged, visible, require } =
        limits;
    WriteCapabilities { insert, update, upsert, delete, transactions, returning, returning_key, version, unchanged, visible, require }
}

impl From<Degree> for Support {
    fn from(degree: Degree) -> Support {
        match degree {
            Degree::None => Support::None,
            Degree::Inexact => Support::Inexact,
            Degree::Exact => Support::Exact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(capabilities: &serde_json::Value) -> Result<Capabilities, String> {
        let columns = serde_json::json!([{ "name": "id", "type": "int32" }, { "name": "status", "type": "text" }]);
        let table =
            serde_json::json!({ "name": "api.orders", "columns": columns, "required_keys": [["id"]], "capabilities": capabilities });
        let config = serde_json::from_value(serde_json::json!({ "max_keys": 40, "tables": [table] }));
        capabilities_of(&config.map_err(|error| error.to_string())?)
    }

    #[test]
    fn a_table_is_limited_as_configured() {
        let limits = serde_json::json!({
            "keys": [{ "columns": ["id"], "max_tuples": 50 }],
            "offset": "none", "aggregate": false, "count": "exact", "max_request_bytes": 2000,
            "write": { "update": true, "version": true },
            "columns": { "status": { "comparisons": ["=", "is null"], "functions": ["contains"], "max_in_list": 3, "once": true } }
        });
        let all = read(&limits).unwrap();
        let own = &all.tables["api.orders"];
        // Of the two limits it is the smaller one.
        assert_eq!(own.keys.as_ref().unwrap()[0].limits().max_tuples, 40);
        assert_eq!(own.required_keys, [[Requirement::Key("id".to_owned())]]);
        assert_eq!((own.offset, own.limit, own.count), (Some(Support::None), None, Some(Support::Exact)));
        assert_eq!((own.aggregate.clone(), own.max_request_bytes), (Some(AggregateCapabilities::default()), Some(2000)));
        assert_eq!(own.write, Some(WriteCapabilities { update: true, version: true, ..WriteCapabilities::default() }));
        let status = &own.columns["status"];
        assert_eq!((status.max_in_list, status.once), (Some(3), true));
        let comparisons = ColumnComparisons { equal: Support::Exact, is_null: Support::Exact, ..ColumnComparisons::default() };
        assert_eq!(status.comparisons, Some(comparisons));
        assert_eq!(status.functions, Some(BTreeMap::from([(Function::Contains, Support::Exact)])));
    }

    #[test]
    fn what_does_not_exist_is_named() {
        for (limits, named) in [
            (serde_json::json!({ "columns": { "state": {} } }), "there is no column 'state'"),
            (serde_json::json!({ "keys": [{ "columns": ["no"], "max_tuples": 1 }] }), "there is no column 'no'"),
            (serde_json::json!({ "keys": [{ "columns": ["status"], "max_tuples": 1 }] }), "required_keys name [id]"),
            (serde_json::json!({ "columns": { "status": { "functions": ["shout"] } } }), "column 'status': there is no function 'shout'"),
            (serde_json::json!({ "columns": { "status": { "comparisons": ["~"] } } }), "unknown variant"),
            (serde_json::json!({ "ofset": "none" }), "unknown field"),
        ] {
            let error = read(&limits).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
