//! Grouping and aggregates: what each function means exactly, in every dialect's words. It must not know statements around them.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::compare::orders_as_stored;
use crate::decimals;
use crate::dialect::Family;
use crate::expr::{Render, is_float, is_integer, unsupported};
use crate::mysql_aggregate;
use crate::scope::{Held, Scope};
use portico_provider_api::{AggregateCall, AggregateFunction, Aggregation, Expr, ScalarType, TableColumn, Unsupported};
use std::rc::Rc;

/// What stands behind `WHERE`, and the columns that the rest of the query sees: group keys, then calls.
pub(crate) struct Grouped {
    pub(crate) text: String,
    pub(crate) scope: Scope,
}

impl Render<'_> {
    /// The grouping of a block whose outputs refer to these columns.
    pub(crate) fn grouped(&mut self, aggregate: &Aggregation, visible: &[TableColumn], refers: bool) -> Result<Grouped, Unsupported> {
        let Aggregation { group_by, calls, having } = aggregate;
        let mut held = Vec::with_capacity(group_by.len() + calls.len());
        let mut keys = Vec::with_capacity(group_by.len());
        for (key, column) in group_by.iter().zip(visible) {
            let (key, text) = self.group_key(key, column)?;
            keys.push(text);
            held.push(key);
        }
        for (call, column) in calls.iter().zip(visible.iter().skip(group_by.len())) {
            held.push(Rc::new(Held::computed(column.clone(), self.aggregate_call(call)?)));
        }
        let scope = Scope::new(held);
        let mut text = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
        if let Some(having) = having {
            let having = self.within(scope.clone(), |render| render.value(having))?;
            text.push_str(&format!(" HAVING {having}"));
        } else if keys.is_empty() && !refers {
            // Nothing else says that there is one row, whatever is read.
            text.push_str(" HAVING count(*) >= 0");
        }
        Ok(Grouped { text, scope })
    }

    /// A key as it is seen above the groups, and as it is grouped by: values that are equal are one group, whatever their stored forms.
    fn group_key(&mut self, key: &Expr, visible: &TableColumn) -> Result<(Rc<Held>, String), Unsupported> {
        if self.dialect.family == Family::Mysql {
            return self.mysql_group_key(key, visible);
        }
        let collation = self.collation(self.scalar_type(key)?, false);
        if self.dialect.family == Family::DataFusion && is_float(visible.scalar_type) {
            let text = self.value(key)?;
            let text = self.one_zero(text, visible.scalar_type);
            return Ok((Rc::new(Held::computed(visible.clone(), text.clone())), text));
        }
        if let Expr::Column(index) = key {
            let held = self.column(*index)?;
            let decoded = self.decoded(&held)?;
            if held.codec.is_some_and(orders_as_stored) || held.codec.is_none() && decoded == held.reference {
                let collation = self.sort_collation(key, false)?;
                let text = self.not_an_ordinal(&held.reference);
                return Ok((held, format!("{text}{collation}")));
            }
            let origin = held.origin.clone();
            let computed = Held { origin, ..Held::computed(visible.clone(), decoded.clone()) };
            return Ok((Rc::new(computed), format!("{decoded}{collation}")));
        }
        let text = self.value(key)?;
        let text = self.usually_collated(self.fixed(&text, visible.scalar_type), visible.scalar_type);
        let grouped = format!("{}{collation}", self.not_an_ordinal(&text));
        Ok((Rc::new(Held::computed(visible.clone(), text)), grouped))
    }

    fn aggregate_call(&mut self, call: &AggregateCall) -> Result<String, Unsupported> {
        let AggregateCall { function, argument, distinct, filter, scalar_type } = call;
        let filter = filter.as_ref().map(|filter| self.value(filter)).transpose()?;
        let argument = match argument {
            // Whether there is a value can be asked of the stored form.
            Some(argument) if *function == AggregateFunction::Count && !distinct => {
                Some((self.null_tested(argument)?, self.scalar_type(argument)?))
            }
            Some(argument) => Some((self.value(argument)?, self.scalar_type(argument)?)),
            None => None,
        };
        match (function, &argument) {
            (AggregateFunction::CountRows, Some(_)) => return Err(unsupported("counting rows with an argument")),
            (AggregateFunction::CountRows, None) if *distinct => return Err(unsupported("counting distinct rows")),
            (AggregateFunction::CountRows, None) => {}
            (_, None) => return Err(unsupported("an aggregate without an argument")),
            (_, Some(_)) => {}
        }
        let given = |argument: &Option<(String, ScalarType)>, suffix: &str, render: &Self| {
            let argument = argument.as_ref().map(|(text, scalar_type)| (text.as_str(), *scalar_type));
            render.aggregate(*function, argument, *distinct, suffix, *scalar_type)
        };
        match filter {
            None => given(&argument, "", self),
            Some(filter) if self.dialect.aggregate_filter => given(&argument, &format!(" FILTER (WHERE {filter})"), self),
            Some(filter) => match argument {
                None => Ok(format!("{}(CASE WHEN {filter} THEN 1 END)", self.dialect.family.count())),
                Some((text, scalar_type)) => given(&Some((format!("(CASE WHEN {filter} THEN {text} END)"), scalar_type)), "", self),
            },
        }
    }

    /// A call in the dialect's own form of the result type. `suffix` is a filter or a window.
    pub(crate) fn aggregate(
        &self,
        function: AggregateFunction,
        argument: Option<(&str, ScalarType)>,
        distinct: bool,
        suffix: &str,
        result: ScalarType,
    ) -> Result<String, Unsupported> {
        let Some((text, scalar_type)) = argument else {
            return if function == AggregateFunction::CountRows {
                Ok(format!("{}(*){suffix}", self.dialect.family.count()))
            } else {
                Err(unsupported("an aggregate without an argument"))
            };
        };
        let one_zero;
        let text = if distinct && self.dialect.family == Family::DataFusion {
            one_zero = self.one_zero(text.to_owned(), scalar_type);
            one_zero.as_str()
        } else {
            text
        };
        let call = Call { text, scalar_type, distinct: if distinct { "DISTINCT " } else { "" }, suffix, result };
        match function {
            AggregateFunction::CountRows => Err(unsupported("counting rows with an argument")),
            AggregateFunction::Count => {
                if distinct && self.dialect.family == Family::Mysql && self.is_text(scalar_type) {
                    return Ok(format!("count(DISTINCT CAST({text} AS BINARY)){suffix}"));
                }
                let collation = if distinct { self.collation(scalar_type, false) } else { "" };
                Ok(format!("{}({}{text}{collation}){suffix}", self.dialect.family.count(), call.distinct))
            }
            AggregateFunction::Sum => match self.dialect.family {
                Family::Postgres => self.postgres_sum(&call),
                Family::Sqlite => sqlite_sum(&call),
                Family::Mysql => mysql_aggregate::sum(&call),
                Family::DataFusion => Ok(call.plain("sum")),
                Family::Standard => Err(call.refused("the sum")),
                Family::Product(product) => crate::product::sum(product, &call),
            },
            AggregateFunction::Min | AggregateFunction::Max => match self.dialect.family {
                Family::Postgres => self.postgres_extreme(function == AggregateFunction::Min, &call),
                Family::Sqlite | Family::DataFusion | Family::Product(_) => {
                    Ok(self.native_extreme(function == AggregateFunction::Min, &call))
                }
                Family::Standard => Err(call.refused("the least or greatest")),
                Family::Mysql => mysql_aggregate::extreme(function == AggregateFunction::Min, &call, self.is_text(scalar_type)),
            },
            AggregateFunction::Average => match self.dialect.family {
                Family::Postgres => postgres_average(&call),
                Family::Sqlite => sqlite_average(&call),
                Family::Mysql => mysql_aggregate::average(&call),
                Family::DataFusion => Ok(call.plain("avg")),
                Family::Standard | Family::Product(_) => Err(call.refused("the average")),
            },
        }
    }

    fn postgres_sum(&self, call: &Call<'_>) -> Result<String, Unsupported> {
        let Call { text, scalar_type, distinct, suffix, result } = *call;
        let result_name = (self.dialect.type_name)(result);
        let plain = format!("sum({distinct}{text}){suffix}");
        let natural = match scalar_type {
            ScalarType::Int16 | ScalarType::Int32 => ScalarType::Int64,
            // Of 64-bit integers it is a numeric here, which the conversion makes fail when it does not fit.
            ScalarType::Int64 => return Ok(format!("({plain})::{result_name}")),
            ScalarType::Decimal { precision, .. } => {
                let ScalarType::Decimal { precision: kept, scale } = result else { return Err(call.refused("the sum")) };
                // Ten more digits are enough for every table.
                let fits = u16::from(precision) + 10 <= u16::from(kept);
                return Ok(if fits { plain } else { format!("({plain})::numeric({kept},{scale})") });
            }
            // A sum of singles would itself be added up as a single.
            ScalarType::Float32 => return Ok(format!("sum({distinct}{text}::float8){suffix}")),
            ScalarType::Float64 => ScalarType::Float64,
            ScalarType::Boolean
            | ScalarType::Text
            | ScalarType::Binary
            | ScalarType::Date
            | ScalarType::Time
            | ScalarType::Timestamp
            | ScalarType::TimestampTz
            | ScalarType::Guid
            | ScalarType::Json => return Err(call.refused("the sum")),
        };
        Ok(if result == natural { plain } else { format!("({plain})::{result_name}") })
    }

    /// The least or greatest value. Not every type has the function in every version, so these are said by one that orders alike.
    fn postgres_extreme(&self, least: bool, call: &Call<'_>) -> Result<String, Unsupported> {
        let Call { text, suffix, .. } = *call;
        let name = if least { "min" } else { "max" };
        match call.scalar_type {
            ScalarType::Boolean => Ok(format!("{}({text}){suffix}", if least { "bool_and" } else { "bool_or" })),
            ScalarType::Guid => Ok(format!("({name}({text}::text COLLATE \"C\"){suffix})::uuid")),
            ScalarType::Binary => Ok(format!("decode({name}(encode({text}, 'hex') COLLATE \"C\"){suffix}, 'hex')")),
            ScalarType::Json => Err(call.refused("the least or greatest")),
            ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::Decimal { .. }
            | ScalarType::Text
            | ScalarType::Date
            | ScalarType::Time
            | ScalarType::Timestamp
            | ScalarType::TimestampTz => Ok(self.native_extreme(least, call)),
        }
    }

    fn native_extreme(&self, least: bool, call: &Call<'_>) -> String {
        let collation = self.collation(call.scalar_type, true);
        format!("{}({}{collation}){}", if least { "min" } else { "max" }, call.text, call.suffix)
    }
}

/// One call, as it is put into words.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) text: &'a str,
    pub(crate) scalar_type: ScalarType,
    /// `DISTINCT `, or nothing.
    pub(crate) distinct: &'a str,
    pub(crate) suffix: &'a str,
    pub(crate) result: ScalarType,
}

impl Call<'_> {
    /// The function of that name and nothing around it.
    fn plain(&self, name: &str) -> String {
        format!("{name}({}{}){}", self.distinct, self.text, self.suffix)
    }

    pub(crate) fn refused(&self, what: &str) -> Unsupported {
        unsupported(format!("{what} of {}", self.scalar_type))
    }
}

fn postgres_average(call: &Call<'_>) -> Result<String, Unsupported> {
    let Call { text, scalar_type, distinct, suffix, result } = *call;
    let count = format!("count({distinct}{text}){suffix}");
    match (scalar_type, result) {
        (ScalarType::Decimal { precision: digits, .. }, ScalarType::Decimal { precision, scale }) => {
            Ok(decimals::average(&format!("sum({distinct}{text}){suffix}"), &count, digits, (precision, scale)))
        }
        // The exact sum, then one conversion and one division.
        (_, ScalarType::Float64) if is_integer(scalar_type) => Ok(format!("((sum({distinct}{text}){suffix})::float8 / {count})")),
        (ScalarType::Float64, ScalarType::Float64) => Ok(format!("(sum({distinct}{text}){suffix} / {count})")),
        (ScalarType::Float32, ScalarType::Float64) => Ok(format!("(sum({distinct}{text}::float8){suffix} / {count})")),
        _ => Err(call.refused("the average")),
    }
}

/// SQLite's own `sum` fails over an intermediate result, and knows no decimals.
fn sqlite_sum(call: &Call<'_>) -> Result<String, Unsupported> {
    let Call { text, scalar_type, distinct, suffix, result } = *call;
    match (scalar_type, result) {
        (_, ScalarType::Int64) if is_integer(scalar_type) => Ok(format!("portico_sum_integer({distinct}{text}){suffix}")),
        (_, result) if is_integer(scalar_type) && is_integer(result) => {
            Ok(format!("portico_cast('int64', '{result}', portico_sum_integer({distinct}{text}){suffix})"))
        }
        (ScalarType::Decimal { .. }, ScalarType::Decimal { .. }) => {
            Ok(format!("portico_fitted('{result}', portico_sum_decimal({distinct}{text}){suffix})"))
        }
        (ScalarType::Float32 | ScalarType::Float64, ScalarType::Float32 | ScalarType::Float64) => {
            Ok(format!("portico_sum_float({distinct}{text}){suffix}"))
        }
        _ => Err(call.refused("the sum")),
    }
}

fn sqlite_average(call: &Call<'_>) -> Result<String, Unsupported> {
    let Call { text, scalar_type, distinct, suffix, result } = *call;
    let count = format!("count({distinct}{text}){suffix}");
    match (scalar_type, result) {
        (ScalarType::Decimal { .. }, ScalarType::Decimal { .. }) => {
            Ok(format!("portico_average('{result}', portico_sum_decimal({distinct}{text}){suffix}, {count})"))
        }
        (_, ScalarType::Float64) if is_integer(scalar_type) => {
            Ok(format!("portico_average('{result}', portico_sum_decimal({distinct}{text}){suffix}, {count})"))
        }
        (ScalarType::Float32 | ScalarType::Float64, ScalarType::Float64) => {
            Ok(format!("(portico_sum_float({distinct}{text}){suffix} / {count})"))
        }
        _ => Err(call.refused("the average")),
    }
}
