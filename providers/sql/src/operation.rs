//! Calls of a source's own operations, in named notation: every argument is a parameter that is cast to the type that the operation has
//! for it, which also tells overloads apart. It must not know transactions, nor whether a call may be made.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::dialect::{Dialect, Family};
use crate::expr::{LOOSE_COLLATION, Render, unsupported};
use crate::scope::Scope;
use crate::statement::{ResultColumn, Statement, TranslateError};
use portico_provider_api::{ChangeValue, RemoteOperation, RemoteParameter, TableRelation, TypeClass, Unsupported, Value};

/// The statement that calls an operation and returns its rows. References to earlier changes must have been resolved.
///
/// # Errors
/// When the dialect has no operations, or a value is of another type than its parameter.
pub fn invoke(operation: &RemoteOperation, arguments: &[(usize, ChangeValue)], dialect: &Dialect) -> Result<Statement, TranslateError> {
    let arguments = arguments.iter().map(|(index, value)| {
        let parameter = operation.parameters.get(*index).ok_or_else(|| unsupported("an argument without a parameter"))?;
        Ok((
            *index,
            match value {
                ChangeValue::Given(value) => value.clone(),
                ChangeValue::Null => Value::Null(parameter.scalar_type),
                ChangeValue::FromChange { .. } => return Err(unsupported("a reference to an earlier change that was not resolved").into()),
            },
        ))
    });
    let arguments = arguments.collect::<Result<Vec<_>, TranslateError>>()?;
    let mut render = Render::new(dialect);
    if operation.procedure {
        let text = procedure(operation, &arguments, &mut render)?;
        let columns = operation.columns().iter().map(|column| result_column(operation, column)).collect();
        return Ok(Statement::new(dialect, text, render.parameters, columns));
    }
    let Called { text: from, condition } = from(operation, &arguments, &mut render, ALIAS)?;
    let rows = TableRelation { table: operation.name.clone(), columns: operation.columns().to_vec() };
    let list = render.within(Scope::table(dialect, &rows, &format!("{ALIAS}.")), |render| {
        let columns = 0..operation.columns().len();
        columns.map(|column| render.decoded(&*render.column(column)?)).collect::<Result<Vec<_>, Unsupported>>()
    })?;
    let condition = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    let columns = operation.columns().iter().map(|column| result_column(operation, column)).collect();
    let list = if list.is_empty() { "1".to_owned() } else { list.join(", ") };
    Ok(Statement::new(dialect, format!("SELECT {list} FROM {from}{condition}"), render.parameters, columns))
}

fn result_column(operation: &RemoteOperation, column: &portico_provider_api::TableColumn) -> ResultColumn {
    ResultColumn {
        name: column.name.clone(),
        scalar_type: column.scalar_type,
        nullable: column.nullable,
        codec: column.codec,
        origin: Some(format!("{}.{}", operation.name, column.name)),
        native_type: column.native_type.clone(),
    }
}

/// The name under which the rows of an invoked operation are read.
const ALIAS: &str = "t0";

/// The call of a function as it stands behind `FROM`.
pub(crate) struct Called {
    pub(crate) text: String,
    /// What its rows must be asked, where a row of nulls stands for none.
    pub(crate) condition: Option<String>,
}

/// The call of a function under an alias.
pub(crate) fn from(
    operation: &RemoteOperation,
    arguments: &[(usize, Value)],
    render: &mut Render<'_>,
    alias: &str,
) -> Result<Called, TranslateError> {
    if operation.procedure {
        return Err(unsupported(format!("the procedure '{}' in a query", operation.name)).into());
    }
    let call = call(operation, arguments, render)?;
    let Some(result) = &operation.result else { return Ok(Called { text: format!("{call} AS {alias}"), condition: None }) };
    let names: Vec<String> = result.columns.iter().map(|column| render.dialect.identifier(&column.name)).collect();
    let condition = (result.composite && !result.many).then(|| format!("NOT ({alias}.* IS NULL)"));
    Ok(Called { text: format!("{call} AS {alias}({})", names.join(", ")), condition })
}

/// What a procedure returns is named among its arguments: PostgreSQL wants something there.
fn procedure(operation: &RemoteOperation, arguments: &[(usize, Value)], render: &mut Render<'_>) -> Result<String, TranslateError> {
    let mut named = named(operation, arguments, render)?;
    for column in operation.columns() {
        if !operation.parameters.iter().any(|parameter| parameter.name == column.name) {
            named.push(format!("{} => NULL", render.dialect.identifier(&column.name)));
        }
    }
    Ok(format!("CALL {}({})", render.dialect.table(&operation.name), named.join(", ")))
}

fn call(operation: &RemoteOperation, arguments: &[(usize, Value)], render: &mut Render<'_>) -> Result<String, TranslateError> {
    let named = named(operation, arguments, render)?;
    Ok(format!("{}({})", render.dialect.table(&operation.name), named.join(", ")))
}

fn named(operation: &RemoteOperation, arguments: &[(usize, Value)], render: &mut Render<'_>) -> Result<Vec<String>, TranslateError> {
    match render.dialect.family {
        Family::Postgres => {}
        Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Standard | Family::Product(_) => {
            return Err(unsupported(format!("the operation '{}'", operation.name)).into());
        }
    }
    let mut named = Vec::with_capacity(arguments.len());
    for (index, value) in arguments {
        let parameter = operation.parameters.get(*index).ok_or_else(|| unsupported("an argument without a parameter"))?;
        if !value.is_null() && TypeClass::of(value.scalar_type()) != TypeClass::of(parameter.scalar_type) {
            let message = format!("'{}' is {}, and not {}", parameter.name, parameter.scalar_type, value.scalar_type());
            return Err(TranslateError::Data(message));
        }
        // A null has no type of its own that matters.
        let value = if value.is_null() { Value::Null(parameter.scalar_type) } else { value.clone() };
        let placeholder = render.raw_parameter(&value);
        let name = render.dialect.identifier(&parameter.name);
        named.push(format!("{name} => {placeholder}{}", cast(parameter, value.scalar_type(), render.dialect)));
    }
    Ok(named)
}

/// From the type in which a value is sent to that of the parameter; nothing where they are the same.
fn cast(parameter: &RemoteParameter, sent: portico_provider_api::ScalarType, dialect: &Dialect) -> String {
    let native = parameter.native_type.strip_suffix(LOOSE_COLLATION).unwrap_or(&parameter.native_type);
    if native == (dialect.type_name)(sent) {
        return String::new();
    }
    let parts: Vec<String> = native.split('.').map(|part| dialect.identifier(part)).collect();
    format!("::{}", parts.join("."))
}

impl From<TranslateError> for Unsupported {
    /// A query is refused as a whole, whatever the reason.
    fn from(error: TranslateError) -> Unsupported {
        match error {
            TranslateError::Unsupported(unsupported) => unsupported,
            TranslateError::Data(message) => unsupported(message),
        }
    }
}
