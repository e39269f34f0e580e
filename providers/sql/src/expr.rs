//! Expressions in the dialect's own form of every type. It must not know statements around them.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::casts::sqlite_cast;
use crate::codec::stored_type;
use crate::decimals;
use crate::dialect::{Dialect, Family, Placeholder};
use crate::mysql::ZERO_IS_NULL;
use crate::pages::PageRange;
use crate::product::Product;
use crate::scope::{Held, Scope};
use crate::select::SharedBlock;
use crate::statement::Parameter;
use portico_provider_api::{ArithmeticOp, Codec, Expr, ScalarType, TableColumn, TableRelation, Unsupported, Value};

pub(crate) fn unsupported(feature: impl Into<String>) -> Unsupported {
    Unsupported { feature: feature.into() }
}

/// Renders expressions over the columns in scope and collects their parameters.
pub(crate) struct Render<'a> {
    pub(crate) dialect: &'a Dialect,
    pub(crate) scope: Scope,
    /// What is in scope where each enclosing sub-query stands, the outermost first.
    pub(crate) enclosing: Vec<Scope>,
    pub(crate) parameters: Vec<Parameter>,
    /// Whether something in the statement can fail on values that no row has: a database that puts the literal of an equality in the
    /// place of its column, everywhere in a condition, must not be shown such an equality.
    pub(crate) shielded: bool,
    /// Aliases given so far.
    pub(crate) tables: usize,
    pub(crate) blocks: usize,
    /// How many blocks enclose the one being written, by `FROM`.
    pub(crate) enclosed: usize,
    /// The pages of its one table that the outermost block reads, where it does not read all.
    pub(crate) pages: Option<PageRange>,
    /// Blocks that are written in front of the statement.
    pub(crate) shared: Vec<SharedBlock<'a>>,
}

impl<'a> Render<'a> {
    /// With nothing in scope.
    pub(crate) fn new(dialect: &'a Dialect) -> Render<'a> {
        Render {
            dialect,
            scope: Scope::default(),
            enclosing: Vec::new(),
            parameters: Vec::new(),
            shielded: false,
            tables: 0,
            blocks: 0,
            enclosed: 0,
            pages: None,
            shared: Vec::new(),
        }
    }

    /// Over the bare columns of the one table that a change is about.
    pub(crate) fn of_change(dialect: &'a Dialect, table: &TableRelation) -> Render<'a> {
        Render { scope: Scope::table(dialect, table, ""), ..Render::new(dialect) }
    }

    /// A column as it is stored.
    pub(crate) fn stored(&self, column: &Held) -> String {
        column.reference.clone()
    }

    fn placeholder(&mut self, scalar_type: ScalarType, suffix: &str, parameter: Parameter) -> String {
        self.parameters.push(parameter);
        let number = self.parameters.len();
        match self.dialect.placeholder {
            Placeholder::DollarTyped => format!("${number}::{}{suffix}", (self.dialect.type_name)(scalar_type)),
            Placeholder::QuestionTyped => format!("?{number}::{}{suffix}", (self.dialect.type_name)(scalar_type)),
            // Numbered here as well: `Statement::new` puts the parameters into the order of the text.
            Placeholder::QuestionNumbered | Placeholder::Question => format!("?{number}"),
            Placeholder::Dollar => format!("${number}"),
        }
    }

    /// A parameter that is sent just as it is: a stored form, or a value for a column to hold.
    pub(crate) fn raw_parameter(&mut self, value: &Value) -> String {
        let bound = (self.dialect.bind)(value);
        self.placeholder(value.scalar_type(), "", Parameter::Value(bound))
    }

    /// A column of values as one array parameter.
    pub(crate) fn array_parameter(&mut self, scalar_type: ScalarType, values: Vec<Value>) -> String {
        self.placeholder(scalar_type, "[]", Parameter::Array { scalar_type, values })
    }

    /// A value that comes with each run. Only where a literal of any value is sent as it is does the text not depend on it.
    fn later(&mut self, index: u32, scalar_type: ScalarType) -> Result<String, Unsupported> {
        match self.dialect.family {
            Family::Postgres => Ok(self.placeholder(scalar_type, "", Parameter::Later { index, scalar_type })),
            Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Standard | Family::Product(_) => {
                Err(unsupported("an unbound parameter"))
            }
        }
    }

    /// A literal in the dialect's own form.
    pub(crate) fn literal(&mut self, value: &Value) -> Result<String, Unsupported> {
        if value.is_nan() && self.dialect.nan_equals_itself.is_none() {
            return Err(unsupported("not-a-number as a value"));
        }
        match self.dialect.family {
            Family::Mysql => return self.mysql_literal(value),
            Family::DataFusion => return Ok(self.datafusion_literal(value)),
            Family::Product(product) => return self.product_literal(product, value),
            Family::Postgres | Family::Sqlite | Family::Standard => {}
        }
        let placeholder = self.raw_parameter(value);
        Ok(match (self.dialect.family, value.scalar_type()) {
            (Family::Sqlite, ScalarType::Decimal { .. }) => format!("portico_decimal({placeholder})"),
            _ => placeholder,
        })
    }

    pub(crate) fn scalar_type(&self, expr: &Expr) -> Result<ScalarType, Unsupported> {
        expr.scalar_type(self.scope.columns()).ok_or_else(|| unsupported("an expression without a type"))
    }

    /// Whether values of a type are text to the dialect, and so have a collation.
    pub(crate) fn is_text(&self, scalar_type: ScalarType) -> bool {
        match scalar_type {
            ScalarType::Text | ScalarType::Json => true,
            ScalarType::Guid => matches!(self.dialect.family, Family::Sqlite | Family::Mysql | Family::DataFusion),
            ScalarType::Date => self.dialect.family == Family::Product(Product::Sqlite),
            ScalarType::Boolean
            | ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::Decimal { .. }
            | ScalarType::Binary
            | ScalarType::Time
            | ScalarType::Timestamp
            | ScalarType::TimestampTz => false,
        }
    }

    pub(crate) fn values(&mut self, expressions: &[Expr]) -> Result<Vec<String>, Unsupported> {
        expressions.iter().map(|expression| self.value(expression)).collect()
    }

    /// An expression in the dialect's own form of its type. Booleans may stand as predicates.
    pub(crate) fn value(&mut self, expr: &Expr) -> Result<String, Unsupported> {
        match expr {
            Expr::Column(index) => {
                let decoded = self.decoded(&*self.column(*index)?)?;
                Ok(self.tested(decoded, self.scalar_type(expr)?))
            }
            Expr::Literal(value) => self.literal(value),
            Expr::Compare { op, left, right } => self.compare(*op, left, right),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::And(parts) => self.connect(parts, " AND ", self.dialect.true_constant),
            Expr::Or(parts) => self.connect(parts, " OR ", self.dialect.false_constant),
            Expr::Not(inner) => Ok(format!("(NOT {})", self.value(inner)?)),
            Expr::IsNull(inner) => Ok(format!("({} IS NULL)", self.null_tested(inner)?)),
            Expr::Arithmetic { op, left, right } => self.arithmetic(*op, left, right),
            Expr::Negate(inner) => self.negate(inner),
            Expr::Case { branches, otherwise } => self.case(branches, otherwise.as_deref()),
            Expr::Cast { expr, to } => self.cast(expr, *to),
            Expr::Call { function, arguments } => self.call(*function, arguments),
            Expr::OuterColumn { depth, index, scalar_type: _ } => self.decoded(&*self.outer_column(*depth, *index)?),
            Expr::Parameter { index, scalar_type } => self.later(*index, *scalar_type),
            Expr::ScalarSubquery(query) => self.scalar_subquery(query),
            Expr::Exists(query) => self.exists(query),
            Expr::Window { function, arguments, partition_by, order_by } => {
                let scalar_type = self.scalar_type(expr)?;
                self.window(*function, arguments, partition_by, order_by, scalar_type)
            }
        }
    }

    fn connect(&mut self, parts: &[Expr], operator: &str, empty: &str) -> Result<String, Unsupported> {
        Ok(match parts {
            [] => empty.to_owned(),
            _ => format!("({})", balanced(&self.values(parts)?, operator)),
        })
    }

    /// What IS NULL is asked about: a plain column as it is stored, so that an index can serve.
    pub(crate) fn null_tested(&mut self, inner: &Expr) -> Result<String, Unsupported> {
        let Expr::Column(index) = inner else { return self.value(inner) };
        let column = self.column(*index)?;
        // SAP's dates hold null as text.
        let null_as_value =
            column.codec == Some(Codec::SapDate) || column.native_type.as_deref().is_some_and(|name| name.ends_with(ZERO_IS_NULL));
        // A composite value all of whose parts are null is told to be null, and one with some is told to be neither.
        let null_by_parts =
            self.dialect.family == Family::Postgres && column.scalar_type == ScalarType::Json && is_rendered(column.native_type.as_deref());
        let null_as_value = null_as_value || null_by_parts;
        if null_as_value { self.decoded(&column) } else { Ok(self.stored(&column)) }
    }

    fn case(&mut self, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) -> Result<String, Unsupported> {
        let mut text = "CASE".to_owned();
        for (when, then) in branches {
            text.push_str(&format!(" WHEN {} THEN {}", self.value(when)?, self.value(then)?));
        }
        if let Some(otherwise) = otherwise {
            text.push_str(&format!(" ELSE {}", self.value(otherwise)?));
        }
        text.push_str(" END");
        Ok(format!("({text})"))
    }

    fn arithmetic(&mut self, op: ArithmeticOp, left: &Expr, right: &Expr) -> Result<String, Unsupported> {
        let scalar_type = self.scalar_type(left)?;
        let right_type = self.scalar_type(right)?;
        let integers = is_integer(scalar_type) && right_type == scalar_type;
        let decimals = matches!((scalar_type, right_type), (ScalarType::Decimal { .. }, ScalarType::Decimal { .. }));
        let divisor = if let Expr::Literal(value) = right { Some(value) } else { None };
        let (left, right) = (self.value(left)?, self.value(right)?);
        match self.dialect.family {
            Family::Mysql => self.mysql_arithmetic(op, (scalar_type, right_type), &left, &right, divisor),
            Family::Sqlite if integers || decimals => {
                Ok(format!("portico_arithmetic('{}', '{scalar_type}', {left}, '{right_type}', {right})", arithmetic_name(op)))
            }
            Family::Postgres if integers => Ok(format!("({left} {} {right})", arithmetic_symbol(op))),
            Family::Postgres if decimals => decimals::arithmetic(op, (&left, scalar_type), (&right, right_type)),
            Family::DataFusion if scalar_type == right_type || decimals => Ok(format!("({left} {} {right})", arithmetic_symbol(op))),
            Family::Sqlite | Family::Postgres | Family::DataFusion | Family::Standard | Family::Product(_) => {
                Err(unsupported(format!("'{}' of {scalar_type}", arithmetic_symbol(op))))
            }
        }
    }

    fn negate(&mut self, inner: &Expr) -> Result<String, Unsupported> {
        let scalar_type = self.scalar_type(inner)?;
        let value = self.value(inner)?;
        match self.dialect.family {
            Family::Mysql => self.mysql_negate(&value, scalar_type),
            // A float would be exact too, but it is only declared together with the rest of its arithmetic.
            Family::Sqlite if is_integer(scalar_type) || matches!(scalar_type, ScalarType::Decimal { .. }) => {
                Ok(format!("portico_negate('{scalar_type}', {value})"))
            }
            Family::Postgres | Family::DataFusion if scalar_type.is_numeric() => Ok(format!("(- {value})")),
            Family::Sqlite | Family::Postgres | Family::DataFusion | Family::Standard | Family::Product(_) => {
                Err(unsupported(format!("negation of {scalar_type}")))
            }
        }
    }

    fn cast(&mut self, expr: &Expr, to: ScalarType) -> Result<String, Unsupported> {
        let from = self.scalar_type(expr)?;
        let value = self.value(expr)?;
        if from == to {
            return Ok(value);
        }
        match self.dialect.family {
            Family::Postgres => self.postgres_cast(&value, from, to),
            Family::Sqlite => sqlite_cast(&value, from, to),
            Family::Mysql => self.mysql_cast(&value, from, to),
            Family::DataFusion => crate::datafusion::cast(&value, from, to),
            Family::Standard | Family::Product(_) => Err(unsupported(format!("the conversion from {from} to {to}"))),
        }
    }

    /// A column without a codec as it is returned to readers.
    pub(crate) fn returned(&self, column: &Held) -> Result<String, Unsupported> {
        match self.dialect.family {
            Family::Postgres | Family::Sqlite | Family::DataFusion | Family::Standard | Family::Product(_) => self.decoded(column),
            Family::Mysql if column.native_type.as_deref().is_some_and(|name| name.ends_with(ZERO_IS_NULL)) => self.decoded(column),
            Family::Mysql => Ok(self.stored(column)),
        }
    }

    /// A column in the dialect's own form of its declared type.
    pub(crate) fn decoded(&self, column: &Held) -> Result<String, Unsupported> {
        let stored = self.stored(column);
        if column.computed {
            return Ok(stored);
        }
        match self.dialect.family {
            Family::Postgres => Ok(postgres_decoded(column, stored)),
            Family::Sqlite => sqlite_decoded(column, stored),
            Family::Mysql => crate::mysql::decoded(column, stored),
            Family::DataFusion => crate::datafusion_codec::decoded(column, stored),
            Family::Standard => crate::standard::decoded(column, stored),
            Family::Product(_) => crate::product::decoded(column, stored),
        }
    }
}

/// An integer that is written out.
pub(crate) fn whole_literal(expr: &Expr) -> Option<i64> {
    if let Expr::Literal(value) = expr { value.as_integer() } else { None }
}

pub(crate) fn is_integer(scalar_type: ScalarType) -> bool {
    matches!(scalar_type, ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64)
}

pub(crate) fn is_float(scalar_type: ScalarType) -> bool {
    matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64)
}

pub(crate) fn arithmetic_symbol(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Subtract => "-",
        ArithmeticOp::Multiply => "*",
        ArithmeticOp::Divide => "/",
        ArithmeticOp::Modulo => "%",
    }
}

fn arithmetic_name(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "add",
        ArithmeticOp::Subtract => "subtract",
        ArithmeticOp::Multiply => "multiply",
        ArithmeticOp::Divide => "divide",
        ArithmeticOp::Modulo => "modulo",
    }
}

/// What PostgreSQL's native type of a text column ends with when its collation finds different texts equal.
pub(crate) const LOOSE_COLLATION: &str = " collate nondeterministic";

/// What it ends with when the collation is another than the database's, but finds only equal texts equal.
pub(crate) const OWN_COLLATION: &str = " collate deterministic";

/// Whether a native type compares and returns as plain text does.
pub(crate) fn is_plain_text(native_type: Option<&str>) -> bool {
    let plain = native_type.map(|name| name.strip_suffix(OWN_COLLATION).unwrap_or(name));
    matches!(plain, None | Some("text" | "varchar" | "character varying"))
}

/// Whether a column that is published as a JSON document is of another type of PostgreSQL's: an array, a composite type.
pub(crate) fn is_rendered(native_type: Option<&str>) -> bool {
    native_type.is_some_and(|name| !matches!(name, "json" | "jsonb"))
}

/// Whether a column of a native type has the database's own collation as text, which mixes with every other.
pub(crate) fn has_usual_collation(native_type: Option<&str>) -> bool {
    native_type.is_none_or(|name| name != "name" && !name.ends_with(LOOSE_COLLATION) && !name.ends_with(OWN_COLLATION))
}

fn postgres_decoded(column: &TableColumn, stored: String) -> String {
    let Some(codec) = column.codec else {
        match (column.scalar_type, column.native_type.as_deref()) {
            // A system type without an order or a conversion to numbers; its text is its digits.
            (ScalarType::Int64, Some("xid")) => return format!("({stored}::text::int8)"),
            // Compared with a number as it is, the number would have to fit an oid.
            (ScalarType::Int64, Some("oid")) => return format!("({stored}::int8)"),
            (ScalarType::Text, Some(native_type)) if native_type.ends_with(LOOSE_COLLATION) => {
                return format!("({stored}::text COLLATE \"C\")");
            }
            _ => {}
        }
        // Padded, case-insensitive and enumerated types have an order and equality of their own; as text they have the IR's.
        let as_text = match column.scalar_type {
            ScalarType::Text => !is_plain_text(column.native_type.as_deref()),
            ScalarType::Json if is_rendered(column.native_type.as_deref()) => return format!("to_json({stored})::text"),
            ScalarType::Json => true,
            ScalarType::Boolean
            | ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::Decimal { .. }
            | ScalarType::Binary
            | ScalarType::Date
            | ScalarType::Time
            | ScalarType::Timestamp
            | ScalarType::TimestampTz
            | ScalarType::Guid => false,
        };
        return if as_text { format!("{stored}::text") } else { stored };
    };
    match codec {
        Codec::DecimalText => format!("{stored}::numeric"),
        Codec::DecimalUnscaled => {
            if let ScalarType::Decimal { scale: scale @ 1.., .. } = column.scalar_type {
                format!("({stored}::numeric * 0.{}1)", "0".repeat(usize::from(scale.unsigned_abs()) - 1))
            } else {
                format!("{stored}::numeric")
            }
        }
        Codec::DateText => format!("{stored}::date"),
        Codec::SapDate => format!("NULLIF(NULLIF({stored}::text, ''), '00000000')::date"),
        Codec::DateDays => format!("(DATE '1970-01-01' + {stored}::int4)"),
        Codec::TimeText => format!("{stored}::time"),
        Codec::TimeMicros => format!("(TIME '00:00' + {stored} * INTERVAL '1 microsecond')"),
        Codec::TimestampText if column.scalar_type == ScalarType::TimestampTz => format!("{stored}::timestamptz"),
        Codec::TimestampText => format!("{stored}::timestamp"),
        Codec::TimestampSeconds => postgres_instant(column, &stored, "86400", "second"),
        Codec::TimestampMillis => postgres_instant(column, &stored, "86400000", "millisecond"),
        Codec::TimestampMicros => postgres_instant(column, &stored, "86400000000", "microsecond"),
        Codec::GuidText => format!("{stored}::uuid"),
        Codec::GuidBytes => format!("encode({stored}, 'hex')::uuid"),
        Codec::BoolInt => format!("({stored} = 1)"),
        Codec::BoolText => format!(
            "(CASE WHEN lower({stored}::text) IN ('y', 'x', 'true', 't', '1') THEN TRUE \
             WHEN lower({stored}::text) IN ('n', '', 'false', 'f', '0') THEN FALSE END)"
        ),
    }
}

/// An interval times a number goes through a double, so days and the rest of the day are added apart: both are exact.
fn postgres_instant(column: &TableColumn, stored: &str, per_day: &str, unit: &str) -> String {
    let local =
        format!("(TIMESTAMP '1970-01-01' + ({stored} / {per_day}) * INTERVAL '1 day' + ({stored} % {per_day}) * INTERVAL '1 {unit}')");
    if column.scalar_type == ScalarType::TimestampTz { format!("({local} AT TIME ZONE 'UTC')") } else { local }
}

fn sqlite_decoded(column: &TableColumn, stored: String) -> Result<String, Unsupported> {
    let Some(codec) = column.codec else {
        return match column.scalar_type {
            ScalarType::Decimal { .. } => Ok(format!("portico_decimal({stored})")),
            // A column without text affinity may hold numbers: readers see their text, so their text is what compares.
            ScalarType::Text if !has_text_affinity(column.native_type.as_deref()) => Ok(format!("CAST({stored} AS TEXT)")),
            ScalarType::Date | ScalarType::Time | ScalarType::Timestamp | ScalarType::TimestampTz => {
                Err(unsupported(format!("column '{}' of type {} without a stored form", column.name, column.scalar_type)))
            }
            ScalarType::Boolean
            | ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::Text
            | ScalarType::Binary
            | ScalarType::Guid
            | ScalarType::Json => Ok(stored),
        };
    };
    let name = match codec {
        Codec::DecimalText => return Ok(format!("portico_decimal({stored})")),
        Codec::DecimalUnscaled => {
            let ScalarType::Decimal { scale, .. } = column.scalar_type else {
                return Err(unsupported(format!("column '{}' with a decimal's stored form", column.name)));
            };
            return Ok(format!("portico_unscaled({stored}, {scale})"));
        }
        Codec::DateDays | Codec::TimeMicros | Codec::TimestampMicros => return Ok(stored),
        Codec::TimestampText if column.scalar_type == ScalarType::TimestampTz => "timestamptz_text",
        Codec::TimestampText => "timestamp_text",
        Codec::DateText => "date_text",
        Codec::SapDate => "sap_date",
        Codec::TimeText => "time_text",
        Codec::TimestampSeconds => "timestamp_seconds",
        Codec::TimestampMillis => "timestamp_millis",
        Codec::GuidText => "guid_text",
        Codec::GuidBytes => "guid_bytes",
        Codec::BoolInt => "bool_int",
        Codec::BoolText => "bool_text",
    };
    Ok(format!("portico_stored('{name}', {stored})"))
}

/// Whether SQLite turns numbers into text when they are stored in a column declared so.
fn has_text_affinity(native_type: Option<&str>) -> bool {
    let Some(declared) = native_type.map(str::to_ascii_uppercase) else { return true };
    !declared.contains("INT") && ["CHAR", "CLOB", "TEXT"].iter().any(|part| declared.contains(part))
}

/// The type in which a column is stored.
pub(crate) fn column_stored_type(column: &TableColumn) -> ScalarType {
    column.codec.map_or(column.scalar_type, stored_type)
}

/// How many operands stand beside each other. A parser makes a chain a tree that leans to one side, and SQLite takes none that is higher
/// than a thousand.
const BESIDE: usize = 100;

/// The operands with the operator between them; many of them in brackets, so that the tree stays low.
fn balanced(operands: &[String], operator: &str) -> String {
    if operands.len() <= BESIDE {
        return operands.join(operator);
    }
    let groups: Vec<String> =
        operands.chunks(operands.len().div_ceil(BESIDE)).map(|group| format!("({})", balanced(group, operator))).collect();
    groups.join(operator)
}
