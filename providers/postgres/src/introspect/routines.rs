//! Functions and procedures: what the catalog says of them, and what that is as operations. A routine that cannot be called is kept, with
//! the reason: who names it is told. It must not know how a call is spelt.

use super::catalog::Column;
use super::types;
use portico_provider_api::{RemoteOperation, RemoteParameter, RemoteResult, RemoteTableName, ScalarType, TableColumn};
use tokio_postgres::Row;

/// Which routines are meant: `$1` schemas or null, `$2` names or null. What an extension brings, aggregates and window functions are no operations.
const WANTED: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast_)?temp_' \
    AND p.prokind IN ('f', 'p') AND has_schema_privilege(n.oid, 'USAGE') AND ($1::text[] IS NULL OR n.nspname = ANY ($1)) \
    AND ($2::text[] IS NULL OR p.proname = ANY ($2)) \
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d \
        WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')";

/// A function or procedure.
#[derive(Debug, Clone, PartialEq)]
pub struct Routine {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// `f` function, `p` procedure.
    pub kind: String,
    /// `i` immutable, `s` stable, `v` volatile.
    pub volatility: String,
    pub returns_set: bool,
    /// How many of the last parameters that are passed may be left out.
    pub defaults: i16,
    pub executable: bool,
    pub comment: Option<String>,
}

/// A part of a routine's signature: an argument, what it returns, or a column of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub routine: u32,
    /// `i` in, `o` out, `b` both, `v` variadic, `t` column of a table; `r` for what is returned as a whole, `c` for a column of its type.
    pub mode: String,
    /// Name and type, described as a column.
    pub column: Column,
}

/// The routines.
pub fn routines_sql() -> String {
    format!(
        "SELECT p.oid, n.nspname::text, p.proname::text, p.prokind::text, p.provolatile::text, p.proretset, p.pronargdefaults, \
            has_function_privilege(p.oid, 'EXECUTE'), obj_description(p.oid, 'pg_proc') \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
         WHERE {WANTED} ORDER BY n.nspname COLLATE \"C\", p.proname COLLATE \"C\", pg_get_function_identity_arguments(p.oid) COLLATE \"C\""
    )
}

/// The parts of their signatures, in order: arguments, then what is returned, then the columns of a composite type.
pub fn parts_sql() -> String {
    format!(
        "WITH RECURSIVE domain(oid, base, typmod) AS ( \
            SELECT t.oid, t.typbasetype, t.typtypmod FROM pg_catalog.pg_type t WHERE t.typtype = 'd' \
            UNION ALL \
            SELECT d.oid, t.typbasetype, CASE WHEN d.typmod >= 0 THEN d.typmod ELSE t.typtypmod END \
            FROM domain d JOIN pg_catalog.pg_type t ON t.oid = d.base WHERE t.typtype = 'd'), \
         routine AS (SELECT p.* FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE {WANTED}), \
         part(routine, section, place, mode, name, type, typmod, coll) AS ( \
            SELECT p.oid, 1, a.place, coalesce(a.mode, 'i'), coalesce(a.name, ''), a.type, -1, 0::oid FROM routine p \
                CROSS JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes::text[], p.proargnames) \
                    WITH ORDINALITY AS a(type, mode, name, place) \
            UNION ALL \
            SELECT p.oid, 2, 0, 'r', p.proname::text, p.prorettype, -1, 0::oid FROM routine p WHERE p.prorettype <> 0 \
            UNION ALL \
            SELECT p.oid, 3, a.attnum, 'c', a.attname::text, a.atttypid, a.atttypmod, a.attcollation FROM routine p \
                JOIN pg_catalog.pg_type t ON t.oid = p.prorettype AND t.typtype = 'c' \
                JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) \
         SELECT p.routine, p.mode::text, p.name::text, \
            CASE WHEN tn.nspname = 'pg_catalog' OR t.typname = 'citext' THEN t.typname::text ELSE tn.nspname || '.' || t.typname END, \
            tn.nspname = 'pg_catalog', t.typtype::text, CASE WHEN p.typmod >= 0 THEN p.typmod ELSE coalesce(d.typmod, -1) END, \
            coalesce(NOT co.collisdeterministic, false), t.typcategory = 'A' \
         FROM part p \
         LEFT JOIN (SELECT x.* FROM domain x JOIN pg_catalog.pg_type b ON b.oid = x.base WHERE b.typtype <> 'd') d ON d.oid = p.type \
         JOIN pg_catalog.pg_type t ON t.oid = coalesce(d.base, p.type) JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace \
         LEFT JOIN pg_catalog.pg_collation co ON co.oid = p.coll \
         ORDER BY p.routine, p.section, p.place"
    )
}

/// A routine from a row of the catalog.
///
/// # Errors
/// When it is not what was asked for.
pub fn routine(row: &Row) -> Result<Routine, tokio_postgres::Error> {
    Ok(Routine {
        oid: row.try_get(0)?,
        schema: row.try_get(1)?,
        name: row.try_get(2)?,
        kind: row.try_get(3)?,
        volatility: row.try_get(4)?,
        returns_set: row.try_get(5)?,
        defaults: row.try_get(6)?,
        executable: row.try_get(7)?,
        comment: row.try_get(8)?,
    })
}

/// A part from a row of the catalog.
///
/// # Errors
/// When it is not what was asked for.
pub fn part(row: &Row) -> Result<Part, tokio_postgres::Error> {
    let routine = row.try_get(0)?;
    Ok(Part {
        routine,
        mode: row.try_get(1)?,
        column: Column {
            relation: routine,
            name: row.try_get(2)?,
            type_name: row.try_get(3)?,
            system_type: row.try_get(4)?,
            type_kind: row.try_get(5)?,
            type_modifier: row.try_get(6)?,
            not_null: false,
            has_default: false,
            generated: false,
            loose_collation: row.try_get(7)?,
            // Rows of a call are read as they come: nothing is compared there.
            own_collation: false,
            is_array: row.try_get(8)?,
            // What is given is cast to the declared type, which knows its labels.
            label_length: None,
            comment: None,
        },
    })
}

/// A routine as an operation.
pub fn operation(routine: &Routine, parts: &[&Part]) -> RemoteOperation {
    let procedure = routine.kind == "p";
    let given: Vec<&&Part> = parts.iter().filter(|part| matches!(part.mode.as_str(), "i" | "b" | "v")).collect();
    let required = given.len().saturating_sub(usize::try_from(routine.defaults).unwrap_or_default());
    let parameters = given.iter().enumerate().map(|(index, part)| RemoteParameter {
        name: part.column.name.clone(),
        native_type: types::native_type(&part.column),
        scalar_type: types::published(&part.column).0,
        optional: index >= required,
    });
    let name = RemoteTableName(vec![routine.schema.clone(), routine.name.clone()]);
    let taken: Vec<&str> = given.iter().map(|part| part.column.type_name.as_str()).collect();
    let result = result(routine, parts, procedure);
    let unavailable = match (routine.executable, &result) {
        (false, _) => Some("the source's login has no right to execute it".to_owned()),
        (true, Err(reason)) => Some(reason.clone()),
        (true, Ok(_)) => given.iter().enumerate().find_map(|(index, part)| parameter_fault(index, part)),
    };
    RemoteOperation {
        signature: format!("{name}({})", taken.join(", ")),
        name,
        description: routine.comment.clone(),
        procedure,
        parameters: parameters.collect(),
        result: result.unwrap_or_default(),
        changes: procedure || routine.volatility == "v",
        unavailable,
    }
}

fn parameter_fault(index: usize, part: &Part) -> Option<String> {
    let Part { mode, column, .. } = part;
    let name = if column.name.is_empty() { format!("its parameter {}", index + 1) } else { format!("its parameter '{}'", column.name) };
    if column.name.is_empty() {
        return Some(format!("{name} has no name to pass a value by"));
    }
    if mode == "v" {
        return Some(format!("{name} stands for any number of values"));
    }
    let carried = !column.is_array && matches!(column.type_kind.as_str(), "b" | "e");
    (!carried).then(|| format!("{name} is {}, a type that is not carried", column.type_name))
}

fn result(routine: &Routine, parts: &[&Part], procedure: bool) -> Result<Option<RemoteResult>, String> {
    let of = |modes: &[&str]| -> Vec<&&Part> { parts.iter().filter(|part| modes.contains(&part.mode.as_str())).collect() };
    let (outputs, whole, own) = (of(&["o", "b", "t"]), of(&["r"]), of(&["c"]));
    let (columns, composite) = match whole.first() {
        _ if !outputs.is_empty() => {
            let several = outputs.len() > 1;
            (outputs, several && !procedure)
        }
        None => return Ok(None),
        Some(_) if procedure => return Ok(None),
        Some(whole) => match (whole.column.type_kind.as_str(), whole.column.type_name.as_str()) {
            ("p", "void") => return Ok(None),
            ("p", "record") => return Err("it returns records whose columns it does not say".to_owned()),
            ("p", "trigger" | "event_trigger") => return Err("it is a trigger's".to_owned()),
            ("p", name) => return Err(format!("it returns {name}, a type that is not carried")),
            ("c", _) => (own, true),
            _ => (vec![*whole], false),
        },
    };
    if let Some(part) = columns.iter().find(|part| part.column.type_kind == "p") {
        return Err(format!("it returns '{}' as {}, a type that is not carried", part.column.name, part.column.type_name));
    }
    // Nothing can be converted at the server in what a procedure returns.
    if let Some(part) = columns.iter().find(|part| procedure && !is_sent_as_it_is(&part.column)) {
        let (name, type_name) = (&part.column.name, &part.column.type_name);
        return Err(format!("it is a procedure that returns '{name}' as {type_name}, which is not carried from one"));
    }
    let numbered = columns.iter().enumerate().map(|(index, part)| table_column(&part.column, index));
    Ok(Some(RemoteResult { columns: numbered.collect(), many: routine.returns_set, composite }))
}

/// Whether the form in which the server sends the type is that of its published type.
fn is_sent_as_it_is(column: &Column) -> bool {
    let (scalar_type, _) = types::published(column);
    match scalar_type {
        ScalarType::Text => column.system_type && matches!(column.type_name.as_str(), "text" | "varchar"),
        ScalarType::Json => false,
        ScalarType::Int64 => column.type_name == "int8",
        ScalarType::Boolean
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Decimal { .. }
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz
        | ScalarType::Guid => true,
    }
}

fn table_column(column: &Column, index: usize) -> TableColumn {
    TableColumn {
        // An output needs no name of its own.
        name: if column.name.is_empty() { format!("column{}", index + 1) } else { column.name.clone() },
        scalar_type: types::published(column).0,
        nullable: true,
        codec: None,
        native_type: Some(types::native_type(column)),
    }
}
