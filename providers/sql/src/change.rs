//! Changes: one remote row at a time, by key. It must not know transactions; the kind runs the plan inside one.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::codec::encode;
use crate::dialect::{Dialect, Family};
use crate::expr::{LOOSE_COLLATION, OWN_COLLATION, Render, is_plain_text, is_rendered, unsupported};
use crate::mysql::can_fail;
use crate::statement::{ResultColumn, Statement, TranslateError};
use portico_provider_api::{Change, ChangeValue, Codec, CompareOp, Expr, Precondition, ScalarType, TableColumn, TableRelation, Value};

/// How one change is carried out, inside a transaction.
///
/// Run `statement`. When it returns a row (or, for a delete or unlink, affects one) the change is `Done`: the row's first columns are
/// `statement.columns`, and when `requires` is set one more boolean column follows, which must be true, or the change is `Refused`.
/// When it returns none: run `otherwise` (an upsert's insert; the change is then `created`), else `probe`: a row there means `Changed`,
/// none means `NotFound`. Zero, one or (when the key is not unique) several rows: several must roll back. Where the dialect cannot return
/// the row from the statement itself, `returning` is false and `stored` selects it afterwards, or, for an insert, [`stored_row`] with the
/// key that the new row got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePlan {
    /// The write, with `RETURNING` where there is an image to return.
    pub statement: Statement,
    /// Whether the statement returns rows (as opposed to a count of affected rows).
    pub returning: bool,
    /// Whether a boolean column follows the columns of the row, which says whether the new image is allowed.
    pub requires: bool,
    /// An upsert's insert, when the update found no row. It returns the same columns.
    pub otherwise: Option<Statement>,
    /// Selects the row by key and visibility alone.
    pub probe: Option<Statement>,
    /// Where `statement` changes a row without returning it: selects it by its key, which may be new. It returns the same columns, the
    /// boolean included.
    pub stored: Option<Statement>,
}

impl ChangePlan {
    fn returning(statement: Statement, require: Option<&Expr>) -> ChangePlan {
        ChangePlan { statement, returning: true, requires: require.is_some(), otherwise: None, probe: None, stored: None }
    }

    fn counting(statement: Statement) -> ChangePlan {
        ChangePlan { statement, returning: false, requires: false, otherwise: None, probe: None, stored: None }
    }
}

/// Translates a change of a row; an operation is called with [`invoke`](crate::invoke). References to earlier changes must have been resolved (see [`resolve_references`]).
///
/// # Errors
/// When the dialect cannot say it, or a value does not fit its column.
pub fn change(change: &Change, dialect: &Dialect) -> Result<ChangePlan, TranslateError> {
    match change {
        Change::Insert { table, values, require } => {
            let plan = ChangePlan::returning(insert(table, values, require.as_ref(), dialect)?, require.as_ref());
            Ok(ChangePlan { returning: dialect.insert_returns, ..plan })
        }
        Change::Update { table, key, values, precondition, visible, require } => {
            let target = Target { table, key, precondition, visible: visible.as_ref() };
            let probe = Some(probe(&target, dialect)?);
            Ok(ChangePlan { probe, ..updating(&target, values, require.as_ref(), dialect)? })
        }
        Change::Upsert { table, key, values, require } => upsert(table, key, values, require.as_ref(), dialect),
        Change::Delete { table, key, precondition, visible } => {
            let target = Target { table, key, precondition, visible: visible.as_ref() };
            let mut render = Render::of_change(dialect, table);
            let filter = target.filter(&mut render, true)?;
            let text = format!("DELETE FROM {} WHERE {filter}", dialect.table(&table.table));
            let statement = Statement::new(dialect, text, render.parameters, Vec::new());
            Ok(ChangePlan { probe: Some(probe(&target, dialect)?), ..ChangePlan::counting(statement) })
        }
        Change::Link { table, values } => {
            let values: Vec<_> = values.iter().map(|(index, value)| (*index, given(value))).collect();
            Ok(ChangePlan { returning: dialect.insert_returns, ..ChangePlan::returning(insert(table, &values, None, dialect)?, None) })
        }
        Change::Unlink { table, values } => {
            let target = Target { table, key: values, precondition: &Precondition::None, visible: None };
            let mut render = Render::of_change(dialect, table);
            let filter = target.filter(&mut render, false)?;
            let text = format!("DELETE FROM {} WHERE {filter}", dialect.table(&table.table));
            Ok(ChangePlan::counting(Statement::new(dialect, text, render.parameters, Vec::new())))
        }
        // It has no row that a plan could look for.
        Change::Invoke { operation, .. } => Err(unsupported(format!("the operation '{}' as a change of a row", operation.name)).into()),
    }
}

fn given(value: &Value) -> ChangeValue {
    if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value.clone()) }
}

/// Which row is meant.
struct Target<'a> {
    table: &'a TableRelation,
    key: &'a [(usize, Value)],
    precondition: &'a Precondition,
    visible: Option<&'a Expr>,
}

impl Target<'_> {
    fn filter(&self, render: &mut Render<'_>, with_precondition: bool) -> Result<String, TranslateError> {
        if self.key.is_empty() {
            // Without a key the statement would reach every row.
            return Err(unsupported("a change without a key").into());
        }
        render.shielded = self.visible.is_some_and(can_fail);
        let mut parts = Vec::new();
        for (index, value) in self.key {
            if value.is_null() {
                return Err(TranslateError::Data(format!("key column '{}' is null", render.column(*index)?.name)));
            }
            parts.push(render.compare(CompareOp::Eq, &Expr::Column(*index), &Expr::Literal(value.clone()))?);
        }
        if with_precondition {
            match self.precondition {
                Precondition::None => {}
                Precondition::Version { column, value } => parts.push(render.unchanged(*column, value)?),
                Precondition::Unchanged(values) => {
                    for (index, value) in values {
                        parts.push(render.unchanged(*index, value)?);
                    }
                }
            }
        }
        if let Some(visible) = self.visible {
            parts.push(render.value(visible)?);
        }
        Ok(parts.join(" AND "))
    }
}

/// The list that returns the stored row, and whether it is allowed.
fn returned(render: &mut Render<'_>, table: &TableRelation, require: Option<&Expr>) -> Result<(String, Vec<ResultColumn>), TranslateError> {
    let mut texts = Vec::with_capacity(table.columns.len() + 1);
    let mut columns = Vec::with_capacity(table.columns.len());
    for index in 0..table.columns.len() {
        let column = render.column(index)?;
        let codec = match (render.dialect.family, column.scalar_type) {
            (Family::Sqlite, ScalarType::Decimal { .. }) => column.codec.or(Some(Codec::DecimalText)),
            _ => column.codec,
        };
        texts.push(if codec.is_some() { render.stored(&column) } else { render.returned(&column)? });
        columns.push(ResultColumn {
            name: column.name.clone(),
            scalar_type: column.scalar_type,
            nullable: column.nullable,
            codec,
            origin: column.origin.clone(),
            native_type: column.native_type.clone(),
        });
    }
    if let Some(require) = require {
        texts.push(render.value(require)?);
    }
    if texts.is_empty() {
        texts.push("1".to_owned());
    }
    Ok((texts.join(", "), columns))
}

/// A value as a column takes it.
fn assigned(render: &mut Render<'_>, table: &TableRelation, index: usize, value: &ChangeValue) -> Result<String, TranslateError> {
    let column = render.column(index)?;
    let value = match value {
        ChangeValue::Given(value) => value.clone(),
        ChangeValue::Null => Value::Null(column.scalar_type),
        ChangeValue::FromChange { .. } => return Err(unsupported("a reference to an earlier change that was not resolved").into()),
    };
    let stored = stored_value(&column, &value).map_err(|reason| TranslateError::Data(format!("column '{}': {reason}", column.name)))?;
    if render.dialect.nan_equals_itself.is_none() && stored.is_nan() {
        return Err(TranslateError::Data(format!("column '{}' cannot hold not-a-number", column.name)));
    }
    let parameter = render.raw_parameter(&stored);
    if render.dialect.family == Family::Postgres && column.scalar_type == ScalarType::Json && is_rendered(column.native_type.as_deref()) {
        // An array or a composite value is read out of its document as the column that it is for, whatever its type is made of.
        let (row, name) = (render.dialect.table(&table.table), render.dialect.identifier(&column.name));
        let key = column.name.replace('\'', "''");
        return Ok(format!("(json_populate_record(NULL::{row}, json_build_object('{key}', {parameter}::json))).{name}"));
    }
    Ok(match (render.dialect.family, native_cast(&column)) {
        (Family::Postgres, Some(native_type)) => {
            let parts: Vec<_> = native_type.split('.').map(|part| render.dialect.identifier(part)).collect();
            format!("{parameter}::{}", parts.join("."))
        }
        (Family::Postgres | Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Standard | Family::Product(_), _) => parameter,
    })
}

/// The type to which text must be converted before a column takes it, where that is not automatic.
fn native_cast(column: &TableColumn) -> Option<&str> {
    let native_type = column.native_type.as_deref();
    let native_type =
        native_type.map(|name| [LOOSE_COLLATION, OWN_COLLATION].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name));
    match (column.scalar_type, column.codec) {
        (ScalarType::Text, None) if !is_plain_text(native_type) && !matches!(native_type, Some("bpchar" | "character")) => native_type,
        (ScalarType::Json, None) => Some(native_type.unwrap_or("json")),
        _ => None,
    }
}

fn stored_value(column: &TableColumn, value: &Value) -> Result<Value, String> {
    if let Some(codec) = column.codec {
        return encode(codec, column.scalar_type, value);
    }
    let same = value.is_null()
        || portico_provider_api::TypeClass::of(value.scalar_type()) == portico_provider_api::TypeClass::of(column.scalar_type);
    match (column.scalar_type, value) {
        _ if !same => Err(format!("a {} is given where a {} is held", value.scalar_type(), column.scalar_type)),
        (ScalarType::Decimal { precision, scale }, Value::Decimal { unscaled, scale: given, .. }) => {
            let digits = crate::decimal::Digits { unscaled: *unscaled, scale: *given };
            crate::decimal::rescale(digits, precision, scale)
                .map(|unscaled| Value::Decimal { unscaled, precision, scale })
                .ok_or_else(|| format!("the value does not fit {}", column.scalar_type))
        }
        _ => Ok(value.clone()),
    }
}

fn insert(
    table: &TableRelation,
    values: &[(usize, ChangeValue)],
    require: Option<&Expr>,
    dialect: &Dialect,
) -> Result<Statement, TranslateError> {
    let mut render = Render::of_change(dialect, table);
    let mut names = Vec::with_capacity(values.len());
    let mut given = Vec::with_capacity(values.len());
    for (index, value) in values {
        names.push(dialect.identifier(&render.column(*index)?.name));
        given.push(assigned(&mut render, table, *index, value)?);
    }
    let (list, columns) = returned(&mut render, table, require)?;
    let values = match dialect.family {
        Family::Postgres | Family::Sqlite if names.is_empty() => "DEFAULT VALUES".to_owned(),
        Family::Postgres | Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Standard | Family::Product(_) => {
            format!("({}) VALUES ({})", names.join(", "), given.join(", "))
        }
    };
    let returning = if dialect.insert_returns { format!(" RETURNING {list}") } else { String::new() };
    let text = format!("INSERT INTO {} {values}{returning}", dialect.table(&table.table));
    Ok(Statement::new(dialect, text, render.parameters, columns))
}

/// An update, and how the stored row is come by.
fn updating(
    target: &Target<'_>,
    values: &[(usize, ChangeValue)],
    require: Option<&Expr>,
    dialect: &Dialect,
) -> Result<ChangePlan, TranslateError> {
    let plan = ChangePlan::returning(update(target, values, require, dialect)?, require);
    if dialect.update_returns || values.is_empty() {
        return Ok(plan);
    }
    let mut key = target.key.to_vec();
    for (index, value) in &mut key {
        if let Some((_, assigned)) = values.iter().find(|(at, _)| at == index) {
            *value = match assigned {
                ChangeValue::Given(value) => value.clone(),
                ChangeValue::Null | ChangeValue::FromChange { .. } => return Err(unsupported("a key that becomes null").into()),
            };
        }
    }
    let stored = Some(stored_row(target.table, &key, require, dialect)?);
    Ok(ChangePlan { returning: false, stored, ..plan })
}

/// Selects a row by its key as it is stored, with the columns of the table in scope and whether it is allowed.
///
/// # Errors
/// When the key is null or the dialect cannot say it.
pub fn stored_row(
    table: &TableRelation,
    key: &[(usize, Value)],
    require: Option<&Expr>,
    dialect: &Dialect,
) -> Result<Statement, TranslateError> {
    let target = Target { table, key, precondition: &Precondition::None, visible: None };
    let mut render = Render::of_change(dialect, table);
    let filter = target.filter(&mut render, false)?;
    let (list, columns) = returned(&mut render, table, require)?;
    let text = format!("SELECT {list} FROM {} WHERE {filter}", dialect.table(&table.table));
    Ok(Statement::new(dialect, text, render.parameters, columns))
}

/// What makes a read within a write see, and lock, what is there now.
fn locking(dialect: &Dialect) -> &'static str {
    match dialect.family {
        Family::Postgres | Family::Sqlite | Family::DataFusion | Family::Standard | Family::Product(_) => "",
        Family::Mysql => " FOR UPDATE",
    }
}

fn update(
    target: &Target<'_>,
    values: &[(usize, ChangeValue)],
    require: Option<&Expr>,
    dialect: &Dialect,
) -> Result<Statement, TranslateError> {
    let mut render = Render::of_change(dialect, target.table);
    let mut assignments = Vec::with_capacity(values.len());
    for (index, value) in values {
        let name = dialect.identifier(&render.column(*index)?.name);
        assignments.push(format!("{name} = {}", assigned(&mut render, target.table, *index, value)?));
    }
    let filter = target.filter(&mut render, true)?;
    let (list, columns) = returned(&mut render, target.table, require)?;
    let table = dialect.table(&target.table.table);
    let text = if assignments.is_empty() {
        // Nothing is changed, but the row must still be there and the preconditions hold.
        format!("SELECT {list} FROM {table} WHERE {filter}{}", locking(dialect))
    } else {
        let returning = if dialect.update_returns { format!(" RETURNING {list}") } else { String::new() };
        format!("UPDATE {table} SET {} WHERE {filter}{returning}", assignments.join(", "))
    };
    Ok(Statement::new(dialect, text, render.parameters, columns))
}

fn upsert(
    table: &TableRelation,
    key: &[(usize, Value)],
    values: &[(usize, ChangeValue)],
    require: Option<&Expr>,
    dialect: &Dialect,
) -> Result<ChangePlan, TranslateError> {
    let target = Target { table, key, precondition: &Precondition::None, visible: None };
    let is_key = |index: &usize| key.iter().any(|(at, _)| at == index);
    let others: Vec<_> = values.iter().filter(|(index, _)| !is_key(index)).cloned().collect();
    let mut all: Vec<_> = key.iter().map(|(index, value)| (*index, given(value))).collect();
    all.extend(others.iter().cloned());
    let otherwise = Some(insert(table, &all, require, dialect)?);
    Ok(ChangePlan { otherwise, ..updating(&target, &others, require, dialect)? })
}

fn probe(target: &Target<'_>, dialect: &Dialect) -> Result<Statement, TranslateError> {
    let mut render = Render::of_change(dialect, target.table);
    let filter = target.filter(&mut render, false)?;
    let text = format!("SELECT 1 FROM {} WHERE {filter}{}", dialect.table(&target.table.table), locking(dialect));
    Ok(Statement::new(dialect, text, render.parameters, Vec::new()))
}

/// Replaces [`FromChange`](portico_provider_api::ChangeValue::FromChange) by the value in the row that the earlier change stored.
/// `rows` holds the stored row of every earlier change, where it has one.
///
/// # Errors
/// When a reference points to a change without a row, or outside of it.
pub fn resolve_references(change: &Change, rows: &[Option<Vec<Value>>]) -> Result<Change, TranslateError> {
    let mut resolved = change.clone();
    match &mut resolved {
        Change::Insert { values, .. } | Change::Update { values, .. } | Change::Upsert { values, .. } => {
            for (_, value) in values {
                resolve(value, rows)?;
            }
        }
        Change::Invoke { arguments, .. } => {
            for (_, value) in arguments {
                resolve(value, rows)?;
            }
        }
        Change::Delete { .. } | Change::Link { .. } | Change::Unlink { .. } => {}
    }
    Ok(resolved)
}

fn resolve(value: &mut ChangeValue, rows: &[Option<Vec<Value>>]) -> Result<(), TranslateError> {
    let ChangeValue::FromChange { change, column } = value else { return Ok(()) };
    let found = rows.get(*change).and_then(Option::as_ref).and_then(|row| row.get(*column));
    let found =
        found.ok_or_else(|| TranslateError::Data(format!("change {change} of the set has no stored value at position {column}")))?;
    *value = given(found);
    Ok(())
}
