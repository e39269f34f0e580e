//! Select blocks. Aliases are the translator's own (`t0`, `q0`, `c0`, …), columns of the answer are told apart by position alone.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::codec::stored_type;
use crate::compare::orders_as_stored;
use crate::dialect::{Dialect, Family};
use crate::expr::{Render, unsupported};
use crate::mysql::{self, query_can_fail};
use crate::pages::{PageRange, is_split_by_pages};
use crate::shared::{Shared, shared};
use crate::statement::{ResultColumn, Statement};
use portico_provider_api::{Codec, Expr, LimitPer, ScalarType, SortKey, SourceQuery, Unsupported};

/// Translates a query. Capabilities are not looked at: ask them first.
///
/// # Errors
/// Names the first part that the dialect cannot say exactly.
pub fn select(query: &SourceQuery, dialect: &Dialect) -> Result<Statement, Unsupported> {
    let mut render = Render::new(dialect);
    render.shielded = query_can_fail(query);
    let shared = if dialect.shares_blocks { shared(query) } else { None };
    let query = match &shared {
        Some(Shared { query, groups }) => {
            render.shared = groups.iter().map(|groups| SharedBlock { block: groups, written: None }).collect();
            query
        }
        None => query,
    };
    let Block { text, columns } = render.block(query, Form::Stored)?;
    let mut written: Vec<&(usize, Block)> = render.shared.iter().filter_map(|shared| shared.written.as_ref()).collect();
    written.sort_by_key(|(number, _)| *number);
    let with: Vec<String> = written.into_iter().map(|(number, block)| format!("w{number} AS ({})", block.text)).collect();
    let text = if with.is_empty() { text } else { format!("WITH {} {text}", with.join(", ")) };
    Ok(Statement::new(dialect, text, render.parameters, columns))
}

/// Translates a query that reads one table, for the rows of some of its pages: [`is_split_by_pages`] says which queries can be. Together,
/// ranges that cover the table give the rows of the query, each once, as long as all are read from one snapshot.
///
/// # Errors
/// As [`select`], and for any other query or dialect.
pub fn select_pages(query: &SourceQuery, dialect: &Dialect, pages: PageRange) -> Result<Statement, Unsupported> {
    if !is_split_by_pages(query, dialect) {
        return Err(unsupported("reading this query by pages of a table"));
    }
    let mut render = Render::new(dialect);
    render.pages = Some(pages);
    let Block { text, columns } = render.block(query, Form::Stored)?;
    Ok(Statement::new(dialect, text, render.parameters, columns))
}

/// The form in which a block returns plain columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are stored; who reads them decodes them.
    Stored,
    /// In the dialect's own form of their type, like everything that is computed.
    Own,
}

/// A block that stands in a statement several times, and is written in front of it once.
pub(crate) struct SharedBlock<'a> {
    block: &'a SourceQuery,
    /// Its number among those that have been written, which may read from earlier ones.
    written: Option<(usize, Block)>,
}

/// A translated block.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) text: String,
    pub(crate) columns: Vec<ResultColumn>,
}

impl Render<'_> {
    /// The name and the columns of a block in front of the statement; nothing where the block is none of those.
    pub(crate) fn shared_block(&mut self, query: &SourceQuery) -> Result<Option<(String, Vec<ResultColumn>)>, Unsupported> {
        let Some(at) = self.shared.iter().position(|shared| shared.block == query) else { return Ok(None) };
        if self.shared.get(at).is_some_and(|shared| shared.written.is_none()) {
            let block = self.block(query, Form::Stored)?;
            let number = self.shared.iter().filter(|shared| shared.written.is_some()).count();
            if let Some(shared) = self.shared.get_mut(at) {
                shared.written = Some((number, block));
            }
        }
        let written = self.shared.get(at).and_then(|shared| shared.written.as_ref());
        Ok(written.map(|(number, block)| (format!("w{number}"), block.columns.clone())))
    }

    pub(crate) fn block(&mut self, query: &SourceQuery, form: Form) -> Result<Block, Unsupported> {
        self.enclosed += 1;
        let from = self.relation(&query.from);
        self.enclosed -= 1;
        let from = from?;
        let visible = query.visible_columns();
        self.within(from.scope, |render| {
            let mut source = format!(" FROM {}", from.text);
            let mut conditions = from.conditions;
            if let Some(pages) = render.pages.filter(|_| render.enclosed == 0) {
                conditions.push(pages.condition(&from.alias)?);
            }
            if let Some(keys) = &query.keys {
                conditions.push(render.key_set(keys)?);
            }
            if let Some(filter) = &query.filter {
                conditions.push(render.value(filter)?);
            }
            if !conditions.is_empty() {
                source.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
            }
            let Some(aggregate) = &query.aggregate else { return render.ended(query, &source, form) };
            let refers = query.output.iter().any(|output| !output.expr.columns().is_empty());
            let grouped = render.grouped(aggregate, &visible, refers)?;
            source.push_str(&grouped.text);
            render.within(grouped.scope, |render| render.ended(query, &source, form))
        })
    }

    /// Outputs, order and limits of what stands behind `SELECT …`.
    fn ended(&mut self, query: &SourceQuery, source: &str, form: Form) -> Result<Block, Unsupported> {
        let (outputs, columns) = self.outputs(query, form)?;
        let text = if query.distinct {
            self.distinct(query, &outputs, &columns, source, form)?
        } else if let Some(per) = &query.limit_per {
            let base = Base { outputs: &outputs, columns: &columns, source: source.to_owned(), computed: None, sent: false };
            self.limited_per(query, &base, per, form)?
        } else {
            let list: Vec<_> = outputs
                .iter()
                .zip(&columns)
                .enumerate()
                .map(|(at, (text, column))| {
                    let text = self.transported(text, column, form);
                    format!("{text} AS {}", self.dialect.identifier(&format!("c{at}")))
                })
                .collect();
            let order = self.order_by(query, None)?;
            format!("SELECT {}{source}{}", select_list(&list), self.ending(&order, query))
        };
        Ok(Block { text, columns })
    }

    fn outputs(&mut self, query: &SourceQuery, form: Form) -> Result<(Vec<String>, Vec<ResultColumn>), Unsupported> {
        let mut texts = Vec::with_capacity(query.output.len());
        let mut columns = Vec::with_capacity(query.output.len());
        for (output, promised) in query.output.iter().zip(query.result_columns()) {
            let scalar_type = self.scalar_type(&output.expr)?;
            let mut column = ResultColumn {
                name: promised.name,
                scalar_type,
                nullable: promised.nullable,
                codec: None,
                origin: None,
                native_type: None,
            };
            let text = if let Expr::Column(index) = &output.expr {
                let held = self.column(*index)?;
                column.origin.clone_from(&held.origin);
                column.native_type.clone_from(&held.native_type);
                column.codec = if held.computed { None } else { stored_codec(self.dialect, held.codec, held.scalar_type) };
                match column.codec {
                    // One value may have several stored forms: they are the same row to DISTINCT only as values.
                    Some(codec) if form == Form::Own || query.distinct && !orders_as_stored(codec) => {
                        column.codec = None;
                        column.native_type = None;
                        self.decoded(&held)?
                    }
                    Some(_) => self.stored(&held),
                    // Only readers are given what is stored; whatever is made of an enclosed block goes by the dialect's own form.
                    None if form == Form::Own || self.enclosed > 0 || query.distinct => self.decoded(&held)?,
                    None => self.returned(&held)?,
                }
            } else {
                let text = self.value(&output.expr)?;
                self.fixed(&text, scalar_type)
            };
            // What encloses this block, or tells its rows apart, may mix it with other texts.
            let mixes = (self.enclosed > 0 || query.distinct) && column.codec.is_none() && !self.usual(&output.expr)?;
            texts.push(if mixes { self.usually_collated(text, scalar_type) } else { text });
            columns.push(column);
        }
        Ok((texts, columns))
    }

    /// A computed expression with the type that it is promised to have, whatever its operands' own types were.
    pub(crate) fn fixed(&self, text: &str, scalar_type: ScalarType) -> String {
        match self.dialect.family {
            Family::Postgres => format!("({text})::{}", (self.dialect.type_name)(scalar_type)),
            Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Standard | Family::Product(_) => text.to_owned(),
        }
    }

    /// What readers are sent instead of an output: only they, not a block around this one.
    fn transported(&self, text: &str, column: &ResultColumn, form: Form) -> String {
        let readers = self.enclosed == 0 && self.enclosing.is_empty() && form == Form::Stored;
        let sent = if readers { (self.dialect.transport)(text, column.scalar_type, column.codec) } else { None };
        sent.unwrap_or_else(|| text.to_owned())
    }

    /// Order and limits.
    fn ending(&self, order: &str, query: &SourceQuery) -> String {
        match self.dialect.family {
            Family::Product(product) => crate::product::ending(product, order, query.limit, query.offset),
            Family::Postgres | Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Standard => {
                format!("{order}{}", limit(query, self.dialect))
            }
        }
    }

    /// Text that is compared for equality further on, where it may have come from texts of several collations.
    pub(crate) fn usually_collated(&self, text: String, scalar_type: ScalarType) -> String {
        match self.usual_collation(scalar_type) {
            "" => text,
            collation => format!("({text}{collation})"),
        }
    }

    /// `GROUP BY` and `ORDER BY` would take a bare constant for the number of an output.
    pub(crate) fn not_an_ordinal(&self, text: &str) -> String {
        let constant = text == self.dialect.true_constant || text == self.dialect.false_constant;
        if constant { format!("CAST({text} AS {})", (self.dialect.type_name)(ScalarType::Boolean)) } else { text.to_owned() }
    }
}

/// A query may ask for no columns, only for rows; SQL may not.
fn select_list(list: &[String]) -> String {
    if list.is_empty() { "1".to_owned() } else { list.join(", ") }
}

/// The stored form in which a plain column is read. SQLite has no decimals of its own, so there they always have one.
fn stored_codec(dialect: &Dialect, codec: Option<Codec>, scalar_type: ScalarType) -> Option<Codec> {
    match (dialect.family, scalar_type) {
        (Family::Sqlite, ScalarType::Decimal { .. }) => codec.or(Some(Codec::DecimalText)),
        _ => codec,
    }
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
pub(crate) struct Computed<'a> {
    query: &'a SourceQuery,
}

/// What a numbering of rows is put around.
struct Base<'a> {
    outputs: &'a [String],
    columns: &'a [ResultColumn],
    /// From ` FROM` on.
    source: String,
    computed: Option<Computed<'a>>,
    /// Whether the outputs are what readers are sent already.
    sent: bool,
}

impl Render<'_> {
    /// An expression as it is sorted or grouped by.
    pub(crate) fn placed(&mut self, expr: &Expr, computed: Option<&Computed<'_>>, order: bool) -> Result<String, Unsupported> {
        let collation = self.sort_collation(expr, order)?;
        let text = match (computed, expr) {
            (Some(computed), expr) => {
                let at = computed.query.output.iter().position(|output| output.expr == *expr);
                let at = at.ok_or_else(|| unsupported("ordering distinct rows by something that is not returned"))?;
                format!("d.{}", self.dialect.identifier(&format!("c{at}")))
            }
            (None, expr) if self.dialect.family == Family::Mysql => self.mysql_sorted(expr)?,
            (None, Expr::Column(index)) => {
                let column = self.column(*index)?;
                if column.codec.is_some_and(orders_as_stored) { self.stored(&column) } else { self.decoded(&column)? }
            }
            (None, other) => self.value(other)?,
        };
        if self.dialect.family == Family::DataFusion {
            let scalar_type = self.scalar_type(expr)?;
            return Ok(self.not_an_ordinal(&self.one_zero(text, scalar_type)));
        }
        Ok(format!("{}{collation}", self.not_an_ordinal(&text)))
    }

    pub(crate) fn sort_collation(&self, expr: &Expr, order: bool) -> Result<&'static str, Unsupported> {
        let mut scalar_type = self.scalar_type(expr)?;
        if let Expr::Column(index) = expr
            && self.column(*index)?.codec == Some(Codec::DateText)
        {
            scalar_type = ScalarType::Text;
        }
        Ok(self.collation(scalar_type, order))
    }

    pub(crate) fn sort_list(&mut self, keys: &[SortKey], computed: Option<&Computed<'_>>) -> Result<Vec<String>, Unsupported> {
        keys.iter()
            .map(|key| {
                let text = self.placed(&key.expr, computed, true)?;
                Ok(self.directed(&text, key))
            })
            .collect()
    }

    /// Something sorted by, with its direction and the place of nulls.
    pub(crate) fn directed(&self, text: &str, key: &SortKey) -> String {
        let direction = if key.descending { "DESC" } else { "ASC" };
        let nullable = key.expr.nullable(self.scope.columns());
        match self.dialect.family {
            // An index serves an order only if it places nulls where the order does, even where there are none.
            Family::Postgres | Family::Sqlite | Family::DataFusion | Family::Standard if !nullable => format!("{text} {direction}"),
            Family::Postgres | Family::Sqlite | Family::DataFusion | Family::Standard => {
                let nulls = if key.nulls_first { "FIRST" } else { "LAST" };
                format!("{text} {direction} NULLS {nulls}")
            }
            // Null is the least value; asked for at the other end, it is a key of its own.
            Family::Mysql if key.nulls_first != key.descending || !nullable => format!("{text} {direction}"),
            Family::Mysql => format!("({text} IS NULL) {}, {text} {direction}", if key.nulls_first { "DESC" } else { "ASC" }),
            Family::Product(product) => crate::product::directed(product, text, direction, nullable.then_some(key.nulls_first)),
        }
    }

    fn order_by(&mut self, query: &SourceQuery, computed: Option<&Computed<'_>>) -> Result<String, Unsupported> {
        let mut keys = query.order_by.clone();
        if matches!(self.dialect.family, Family::Product(_)) {
            // Sorted by it already; SQL Server refuses it a second time.
            let mut seen: Vec<Expr> = Vec::new();
            keys.retain(|key| {
                !seen.contains(&key.expr) && {
                    seen.push(key.expr.clone());
                    true
                }
            });
        }
        let list = self.sort_list(&keys, computed)?;
        Ok(if list.is_empty() { String::new() } else { format!(" ORDER BY {}", list.join(", ")) })
    }

    fn distinct(
        &mut self,
        query: &SourceQuery,
        outputs: &[String],
        columns: &[ResultColumn],
        source: &str,
        form: Form,
    ) -> Result<String, Unsupported> {
        let dialect = self.dialect;
        let list: Vec<_> = outputs
            .iter()
            .zip(columns)
            .enumerate()
            .map(|(at, (text, column))| {
                let collation = self.collation(column.scalar_type, false);
                let name = dialect.identifier(&format!("c{at}"));
                let is_text = self.is_text(column.codec.map_or(column.scalar_type, stored_type));
                match dialect.family {
                    Family::Mysql if is_text => format!("CAST({text} AS BINARY) AS {name}"),
                    Family::DataFusion => format!("{} AS {name}", self.one_zero(text.clone(), column.scalar_type)),
                    Family::Postgres | Family::Sqlite | Family::Mysql | Family::Standard | Family::Product(_) => {
                        format!("{text}{collation} AS {name}")
                    }
                }
            })
            .collect();
        let inner = format!("SELECT DISTINCT {}{source}", select_list(&list));
        // Told apart as bytes, texts become texts again for an enclosing block.
        let enclosed = self.enclosed > 0 || form == Form::Own;
        let as_bytes = |column: &ResultColumn| {
            enclosed && dialect.family == Family::Mysql && column.codec.is_none() && self.is_text(column.scalar_type)
        };
        let transported = |column: &ResultColumn| !self.transported("", column, form).is_empty();
        if query.order_by.is_empty() && query.limit_per.is_none() && !columns.iter().any(as_bytes) && !columns.iter().any(transported) {
            return Ok(format!("{inner}{}", self.ending("", query)));
        }
        let computed = Computed { query };
        let names: Vec<_> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let name = format!("d.{}", dialect.identifier(&format!("c{at}")));
                if as_bytes(column) { mysql::text(&name) } else { self.transported(&name, column, form) }
            })
            .collect();
        if let Some(per) = &query.limit_per {
            let base = Base { outputs: &names, columns, source: format!(" FROM ({inner}) AS d"), computed: Some(computed), sent: true };
            return self.limited_per(query, &base, per, form);
        }
        let order = self.order_by(query, Some(&computed))?;
        let names: Vec<_> =
            names.iter().enumerate().map(|(at, text)| format!("{text} AS {}", dialect.identifier(&format!("c{at}")))).collect();
        Ok(format!("SELECT {} FROM ({inner}) AS d{}", select_list(&names), self.ending(&order, query)))
    }

    fn limited_per(&mut self, query: &SourceQuery, base: &Base<'_>, per: &LimitPer, form: Form) -> Result<String, Unsupported> {
        let dialect = self.dialect;
        let name = |prefix: &str, at: usize| dialect.identifier(&format!("{prefix}{at}"));
        let computed = base.computed.as_ref();
        let mut partition = Vec::with_capacity(per.columns.len());
        for column in &per.columns {
            partition.push(self.placed(column, computed, false)?);
        }
        let sort = self.window_order(&query.order_by, computed)?;
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
            list.push(format!("{} AS {}", self.placed(&key.expr, computed, true)?, name("s", at)));
            let collation = self.sort_collation(&key.expr, true)?;
            outer_order.push(self.directed(&format!("q.{}{collation}", name("s", at)), key));
        }
        list.push(format!("ROW_NUMBER() OVER ({}) AS {}", window.join(" "), dialect.identifier("n")));
        let names: Vec<_> = base
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let sent = self.transported(&format!("q.{}", name("c", at)), column, if base.sent { Form::Own } else { form });
                format!("{sent} AS {}", name("c", at))
            })
            .collect();
        let most = i64::MAX.unsigned_abs();
        let (first, last) = (per.offset.min(most), per.offset.saturating_add(per.limit).min(most));
        let order = if outer_order.is_empty() { String::new() } else { format!(" ORDER BY {}", outer_order.join(", ")) };
        let number = format!("q.{}", dialect.identifier("n"));
        Ok(format!(
            "SELECT {} FROM (SELECT {}{}) AS q WHERE {number} > {first} AND {number} <= {last}{}",
            select_list(&names),
            list.join(", "),
            base.source,
            self.ending(&order, query)
        ))
    }
}
