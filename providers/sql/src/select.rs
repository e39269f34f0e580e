//! Queries. Aliases are the translator's own (`t0`, `c0`, …), columns of the answer are told apart by position alone.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::codec::stored_type;
use crate::compare::orders_as_stored;
use crate::dialect::{Dialect, Family};
use crate::expr::{Render, unsupported};
use crate::mysql::can_fail;
use crate::statement::{ResultColumn, Statement};
use portico_provider_api::{Codec, Expr, LimitPer, Relation, ScalarType, SortKey, SourceQuery, TableRelation, Unsupported};

/// Translates a query. Capabilities are not looked at: ask them first.
///
/// # Errors
/// Names the first part that the dialect cannot say exactly.
pub fn select(query: &SourceQuery, dialect: &Dialect) -> Result<Statement, Unsupported> {
    let table = match &query.from {
        Relation::Table(table) => table,
        Relation::Join(_) => return Err(unsupported("a join")),
        Relation::Query(_) => return Err(unsupported("a nested query")),
        Relation::Union(_) => return Err(unsupported("a union")),
    };
    if query.counts_rows()? {
        return row_count(query, table, dialect);
    }
    let mut render = Render::new(dialect, &table.columns, "t0.");
    render.shielded = query.expressions().into_iter().any(can_fail);
    let (outputs, columns) = outputs(query, table, &mut render)?;
    let source = format!("{} AS t0", dialect.table(&table.table));
    let text = if query.distinct {
        distinct(query, &mut render, &outputs, &columns, &source)?
    } else if let Some(per) = &query.limit_per {
        let filter = filter(query, &mut render)?;
        let base = Base { outputs: &outputs, columns: &columns, from: format!("{source}{filter}"), computed: None };
        limited_per(query, &mut render, &base, per)?
    } else {
        let list: Vec<_> =
            outputs.iter().enumerate().map(|(at, text)| format!("{text} AS {}", dialect.identifier(&format!("c{at}")))).collect();
        let filter = filter(query, &mut render)?;
        let order = order_by(query, &mut render, None)?;
        format!("SELECT {} FROM {source}{filter}{order}{}", select_list(&list), limit(query, dialect))
    };
    Ok(Statement::new(dialect, text, render.parameters, columns))
}

/// The number of rows. `count(*)` is a 64-bit integer in every dialect.
fn row_count(query: &SourceQuery, table: &TableRelation, dialect: &Dialect) -> Result<Statement, Unsupported> {
    let mut render = Render::new(dialect, &table.columns, "t0.");
    render.shielded = query.expressions().into_iter().any(can_fail);
    let filter = filter(query, &mut render)?;
    let list: Vec<_> = (0..query.output.len()).map(|at| format!("count(*) AS {}", dialect.identifier(&format!("c{at}")))).collect();
    let column = |name: &str| ResultColumn {
        name: name.to_owned(),
        scalar_type: ScalarType::Int64,
        nullable: false,
        codec: None,
        origin: None,
        native_type: None,
    };
    let columns = query.output.iter().map(|output| column(&output.name)).collect();
    let text = format!("SELECT {} FROM {} AS t0{filter}", list.join(", "), dialect.table(&table.table));
    Ok(Statement::new(dialect, text, render.parameters, columns))
}

/// A query may ask for no columns, only for rows; SQL may not.
fn select_list(list: &[String]) -> String {
    if list.is_empty() { "1".to_owned() } else { list.join(", ") }
}

fn outputs(query: &SourceQuery, table: &TableRelation, render: &mut Render<'_>) -> Result<(Vec<String>, Vec<ResultColumn>), Unsupported> {
    let mut texts = Vec::with_capacity(query.output.len());
    let mut columns = Vec::with_capacity(query.output.len());
    for output in &query.output {
        let scalar_type = render.scalar_type(&output.expr)?;
        let nullable = output.expr.nullable(&table.columns);
        let mut column = ResultColumn { name: output.name.clone(), scalar_type, nullable, codec: None, origin: None, native_type: None };
        let text = if let Expr::Column(index) = &output.expr {
            let held = render.column(*index)?;
            column.origin = Some(format!("{}.{}", table.table, held.name));
            column.native_type.clone_from(&held.native_type);
            column.codec = stored_codec(render.dialect, held.codec, held.scalar_type);
            match column.codec {
                // One value may have several stored forms: they are the same row to DISTINCT only as values.
                Some(codec) if query.distinct && !orders_as_stored(codec) => {
                    column.codec = None;
                    column.native_type = None;
                    render.decoded(held)?
                }
                Some(_) => render.stored(held),
                None if query.distinct => render.decoded(held)?,
                None => render.returned(held)?,
            }
        } else {
            let text = render.value(&output.expr)?;
            match render.dialect.family {
                // Fixes the type, whatever the operands' own types were.
                Family::Postgres => format!("({text})::{}", (render.dialect.type_name)(scalar_type)),
                Family::Sqlite | Family::Mysql => text,
            }
        };
        texts.push(text);
        columns.push(column);
    }
    Ok((texts, columns))
}

/// The stored form in which a plain column is read. SQLite has no decimals of its own, so there they always have one.
fn stored_codec(dialect: &Dialect, codec: Option<Codec>, scalar_type: ScalarType) -> Option<Codec> {
    match (dialect.family, scalar_type) {
        (Family::Sqlite, ScalarType::Decimal { .. }) => codec.or(Some(Codec::DecimalText)),
        _ => codec,
    }
}

fn filter(query: &SourceQuery, render: &mut Render<'_>) -> Result<String, Unsupported> {
    let mut parts = Vec::new();
    if let Some(keys) = &query.keys {
        parts.push(render.key_set(keys)?);
    }
    if let Some(filter) = &query.filter {
        parts.push(render.value(filter)?);
    }
    Ok(if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) })
}

fn limit(query: &SourceQuery, dialect: &Dialect) -> String {
    // Databases count in 63 bits; nobody has more rows.
    let most = i64::MAX.unsigned_abs();
    let offset = match query.offset {
        0 => String::new(),
        offset => format!(" OFFSET {}", offset.min(most)),
    };
    match (query.limit, dialect.no_limit) {
        (Some(limit), _) => format!(" LIMIT {}{offset}", limit.min(most)),
        (None, Some(none)) if query.offset > 0 => format!(" LIMIT {none}{offset}"),
        (None, _) => offset,
    }
}

/// The outputs of an enclosed `SELECT DISTINCT d`, which is all that sorting may refer to.
struct Computed<'a> {
    query: &'a SourceQuery,
}

/// An expression as it is sorted or grouped by.
fn placed(render: &mut Render<'_>, expr: &Expr, computed: Option<&Computed<'_>>, order: bool) -> Result<String, Unsupported> {
    let collation = sort_collation(render, expr, order)?;
    let text = match (computed, expr) {
        (Some(computed), expr) => {
            let at = computed.query.output.iter().position(|output| output.expr == *expr);
            let at = at.ok_or_else(|| unsupported("ordering distinct rows by something that is not returned"))?;
            format!("d.{}", render.dialect.identifier(&format!("c{at}")))
        }
        (None, expr) if render.dialect.family == Family::Mysql => render.mysql_sorted(expr)?,
        (None, Expr::Column(index)) => {
            let column = render.column(*index)?;
            if column.codec.is_some_and(orders_as_stored) { render.stored(column) } else { render.decoded(column)? }
        }
        (None, other) => render.value(other)?,
    };
    Ok(format!("{text}{collation}"))
}

fn sort_collation(render: &Render<'_>, expr: &Expr, order: bool) -> Result<&'static str, Unsupported> {
    let mut scalar_type = render.scalar_type(expr)?;
    if let Expr::Column(index) = expr
        && render.column(*index)?.codec == Some(Codec::DateText)
    {
        scalar_type = ScalarType::Text;
    }
    Ok(render.collation(scalar_type, order))
}

/// Something sorted by, with its direction and the place of nulls.
fn directed(render: &Render<'_>, text: &str, key: &SortKey) -> String {
    let direction = if key.descending { "DESC" } else { "ASC" };
    match render.dialect.family {
        Family::Postgres | Family::Sqlite => {
            let nulls = if key.nulls_first { "FIRST" } else { "LAST" };
            format!("{text} {direction} NULLS {nulls}")
        }
        // Null is the least value; asked for at the other end, it is a key of its own.
        Family::Mysql if key.nulls_first != key.descending || !key.expr.nullable(render.columns) => format!("{text} {direction}"),
        Family::Mysql => format!("({text} IS NULL) {}, {text} {direction}", if key.nulls_first { "DESC" } else { "ASC" }),
    }
}

fn sort_list(keys: &[SortKey], render: &mut Render<'_>, computed: Option<&Computed<'_>>) -> Result<Vec<String>, Unsupported> {
    keys.iter()
        .map(|key| {
            let text = placed(render, &key.expr, computed, true)?;
            Ok(directed(render, &text, key))
        })
        .collect()
}

fn order_by(query: &SourceQuery, render: &mut Render<'_>, computed: Option<&Computed<'_>>) -> Result<String, Unsupported> {
    let list = sort_list(&query.order_by, render, computed)?;
    Ok(if list.is_empty() { String::new() } else { format!(" ORDER BY {}", list.join(", ")) })
}

fn distinct(
    query: &SourceQuery,
    render: &mut Render<'_>,
    outputs: &[String],
    columns: &[ResultColumn],
    source: &str,
) -> Result<String, Unsupported> {
    let dialect = render.dialect;
    let list: Vec<_> = outputs
        .iter()
        .zip(columns)
        .enumerate()
        .map(|(at, (text, column))| {
            let collation = render.collation(column.scalar_type, false);
            let name = dialect.identifier(&format!("c{at}"));
            let is_text = render.is_text(column.codec.map_or(column.scalar_type, stored_type));
            match dialect.family {
                Family::Mysql if is_text => format!("CAST({text} AS BINARY) AS {name}"),
                Family::Postgres | Family::Sqlite | Family::Mysql => format!("{text}{collation} AS {name}"),
            }
        })
        .collect();
    let filter = filter(query, render)?;
    let inner = format!("SELECT DISTINCT {} FROM {source}{filter}", select_list(&list));
    if query.order_by.is_empty() && query.limit_per.is_none() {
        return Ok(format!("{inner}{}", limit(query, dialect)));
    }
    let computed = Computed { query };
    let names: Vec<_> = (0..outputs.len()).map(|at| format!("d.{}", dialect.identifier(&format!("c{at}")))).collect();
    if let Some(per) = &query.limit_per {
        let base = Base { outputs: &names, columns, from: format!("({inner}) AS d"), computed: Some(computed) };
        return limited_per(query, render, &base, per);
    }
    let order = order_by(query, render, Some(&computed))?;
    Ok(format!("SELECT {} FROM ({inner}) AS d{order}{}", select_list(&names), limit(query, dialect)))
}

/// What a numbering of rows is put around.
struct Base<'a> {
    outputs: &'a [String],
    columns: &'a [ResultColumn],
    from: String,
    computed: Option<Computed<'a>>,
}

fn limited_per(query: &SourceQuery, render: &mut Render<'_>, base: &Base<'_>, per: &LimitPer) -> Result<String, Unsupported> {
    let dialect = render.dialect;
    let name = |prefix: &str, at: usize| dialect.identifier(&format!("{prefix}{at}"));
    // The text of the filter comes before that of the window in `parameters`, which numbered placeholders do not mind.
    let computed = base.computed.as_ref();
    let mut partition = Vec::with_capacity(per.columns.len());
    for column in &per.columns {
        partition.push(placed(render, column, computed, false)?);
    }
    let sort = sort_list(&query.order_by, render, computed)?;
    let mut window = Vec::new();
    if !partition.is_empty() {
        window.push(format!("PARTITION BY {}", partition.join(", ")));
    }
    if !sort.is_empty() {
        window.push(format!("ORDER BY {}", sort.join(", ")));
    }
    let mut list: Vec<_> = base.outputs.iter().enumerate().map(|(at, text)| format!("{text} AS {}", name("c", at))).collect();
    let mut outer_order = Vec::with_capacity(query.order_by.len());
    for (at, key) in query.order_by.iter().enumerate() {
        list.push(format!("{} AS {}", placed(render, &key.expr, computed, true)?, name("s", at)));
        let collation = sort_collation(render, &key.expr, true)?;
        outer_order.push(directed(render, &format!("q.{}{collation}", name("s", at)), key));
    }
    list.push(format!("ROW_NUMBER() OVER ({}) AS {}", window.join(" "), dialect.identifier("n")));
    let names: Vec<_> = (0..base.columns.len()).map(|at| format!("q.{}", name("c", at))).collect();
    let most = i64::MAX.unsigned_abs();
    let (first, last) = (per.offset.min(most), per.offset.saturating_add(per.limit).min(most));
    let order = if outer_order.is_empty() { String::new() } else { format!(" ORDER BY {}", outer_order.join(", ")) };
    let number = format!("q.{}", dialect.identifier("n"));
    Ok(format!(
        "SELECT {} FROM (SELECT {} FROM {}) AS q WHERE {number} > {first} AND {number} <= {last}{order}{}",
        select_list(&names),
        list.join(", "),
        base.from,
        limit(query, dialect)
    ))
}
