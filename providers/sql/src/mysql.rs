//! What MySQL and MariaDB spell in their own way: columns and literals in the dialect's own form of every type, arithmetic that
//! fails where the IR's does, conversions. It must not know comparisons or statements around them.
//!
//! The dialect's own form of text is `utf8mb4` under the collation `utf8mb4_bin`, which never clashes with a column's; that of a
//! boolean is 0 or 1, that of a GUID its 36 characters. Whatever a column's collation, texts are compared and sorted as bytes: UTF-8
//! sorts as its code points do, and bytes have no padding.
//!
//! The native type of a column tells what translation must know: the type's name, ` unsigned`, and for text its collation
//! (`varchar utf8mb4_general_ci`); see [`ZERO_IS_NULL`].
#![deny(clippy::wildcard_enum_match_arm)]

use crate::expr::{Render, is_integer, unsupported};
use crate::mysql_limits::{self, Range};
use arrow::datatypes::i256;
use portico_provider_api::walk::visit_subqueries;
use portico_provider_api::{ArithmeticOp, Codec, Expr, Function, Relation, ScalarType, SourceQuery, TableColumn, Unsupported, Value};

/// What the native type of a date or timestamp ends with when its zero (`0000-00-00`, also a zero month or day) is read as null.
pub const ZERO_IS_NULL: &str = " zero is null";

/// The name of a type without what follows it.
fn base(column: &TableColumn) -> &str {
    column.native_type.as_deref().and_then(|native| native.split(' ').next()).unwrap_or_default()
}

/// The collation of a text column, where it is known.
fn collation(column: &TableColumn) -> Option<&str> {
    match base(column) {
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => {
            column.native_type.as_deref()?.split(' ').nth(1)
        }
        _ => None,
    }
}

/// Whether a text column holds UTF-8, so that its own bytes are those of the dialect's form.
fn is_utf8(column: &TableColumn) -> bool {
    collation(column).is_some_and(|name| ["utf8mb4_", "utf8mb3_", "utf8_"].iter().any(|set| name.starts_with(set)))
}

/// Whether an equality under the column's own collation can stand beside the exact one, so that an index can serve: a text that is equal
/// byte for byte is equal under every collation.
pub(crate) fn index_serves(column: &TableColumn) -> bool {
    column.scalar_type == ScalarType::Text && column.codec.is_none() && is_utf8(column) && !matches!(base(column), "enum" | "set")
}

/// Whether the column's own collation is that of the IR: by code points and without padding. Such a column needs no conversion.
pub(crate) fn is_exact(column: &TableColumn) -> bool {
    let exact = matches!(collation(column), Some("utf8mb4_nopad_bin" | "utf8mb4_0900_bin"));
    exact && index_serves(column) && is_short(column)
}

/// Whether the column's character set has a text, as far as it is known to have UTF-8: that of three bytes lacks the code points beyond
/// U+FFFF, and a comparison with one of them as it is fails.
pub(crate) fn has_characters(column: &TableColumn, text: &str) -> bool {
    collation(column).is_some_and(|name| name.starts_with("utf8mb4_")) || text.chars().all(|character| character <= '\u{ffff}')
}

/// Whether a pattern with a known beginning can stand beside the exact condition. Under a collation of the `_bin` kind that pads with spaces
/// the server looks into its index from the beginning itself on, and so behind texts that go on with a character below the space.
pub(crate) fn index_serves_prefix(column: &TableColumn) -> bool {
    index_serves(column) && collation(column).is_some_and(|name| !name.ends_with("_bin"))
}

/// Whether the column is of MariaDB's own type of GUIDs.
pub(crate) fn is_native_guid(column: &TableColumn) -> bool {
    column.scalar_type == ScalarType::Guid && column.codec.is_none() && base(column) == "uuid"
}

/// Whether no value is longer than what a sort looks at (see the session's `max_sort_length`).
pub(crate) fn is_short(column: &TableColumn) -> bool {
    match column.scalar_type {
        ScalarType::Text | ScalarType::Binary if column.codec.is_none() => {
            matches!(
                base(column),
                "char"
                    | "varchar"
                    | "tinytext"
                    | "text"
                    | "enum"
                    | "set"
                    | "inet4"
                    | "inet6"
                    | "binary"
                    | "varbinary"
                    | "tinyblob"
                    | "blob"
            )
        }
        ScalarType::Guid => true,
        ScalarType::Text | ScalarType::Binary | ScalarType::Json => false,
        ScalarType::Boolean
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Decimal { .. }
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz => true,
    }
}

/// A column without a codec as a comparison of numbers, dates and bytes takes it: where possible as it is stored, so that an index can
/// serve. Text is not compared in this form.
pub(crate) fn comparand(column: &TableColumn, stored: String) -> String {
    match column.scalar_type {
        // Integers of both signs compare by value; a year alone would take 70 for 1970.
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 if !matches!(base(column), "year" | "bit") => stored,
        ScalarType::Decimal { .. } if base(column) != "bit" => stored,
        ScalarType::Boolean
        | ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Decimal { .. }
        | ScalarType::Text
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz
        | ScalarType::Guid
        | ScalarType::Json => own_form(column, stored),
    }
}

/// A column in the dialect's own form of its type.
pub(crate) fn decoded(column: &TableColumn, stored: String) -> Result<String, Unsupported> {
    match column.codec {
        Some(codec) => coded(column, codec, &stored),
        None => Ok(own_form(column, stored)),
    }
}

fn own_form(column: &TableColumn, stored: String) -> String {
    let native = column.native_type.as_deref().unwrap_or_default();
    match column.scalar_type {
        ScalarType::Boolean => format!("({stored} <> 0)"),
        // Arithmetic on unsigned integers would be unsigned.
        ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64
            if native.contains(" unsigned") || matches!(base(column), "year" | "bit") =>
        {
            format!("CAST({stored} AS SIGNED)")
        }
        ScalarType::Decimal { .. } if base(column) == "bit" => format!("CAST(CAST({stored} AS UNSIGNED) AS DECIMAL(20,0))"),
        ScalarType::Decimal { .. } if native.contains(" unsigned") && base(column) == "bigint" => {
            format!("CAST({stored} AS DECIMAL(20,0))")
        }
        ScalarType::Text if is_utf8(column) && collation(column).is_some_and(|name| name.starts_with("utf8mb4_")) => {
            format!("({stored} COLLATE utf8mb4_bin)")
        }
        ScalarType::Text | ScalarType::Json => text(&stored),
        ScalarType::Guid => format!("CAST({stored} AS CHAR CHARACTER SET utf8mb4)"),
        ScalarType::Date | ScalarType::Timestamp | ScalarType::TimestampTz if native.ends_with(ZERO_IS_NULL) => {
            format!("(CASE WHEN MONTH({stored}) > 0 AND DAYOFMONTH({stored}) > 0 THEN {stored} END)")
        }
        ScalarType::Int16
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Float32
        | ScalarType::Float64
        | ScalarType::Decimal { .. }
        | ScalarType::Binary
        | ScalarType::Date
        | ScalarType::Time
        | ScalarType::Timestamp
        | ScalarType::TimestampTz => stored,
    }
}

/// Anything printable as text in the dialect's own form.
pub(crate) fn text(value: &str) -> String {
    format!("(CONVERT({value} USING utf8mb4) COLLATE utf8mb4_bin)")
}

fn coded(column: &TableColumn, codec: Codec, stored: &str) -> Result<String, Unsupported> {
    let characters = text(stored);
    Ok(match codec {
        Codec::DecimalText => format!("CAST({characters} AS DECIMAL(65,30))"),
        Codec::DecimalUnscaled => {
            let whole = format!("CAST({stored} AS DECIMAL(20,0))");
            let ScalarType::Decimal { scale: scale @ 0..=30, .. } = column.scalar_type else {
                return Err(unsupported(format!("column '{}' with a decimal's stored form", column.name)));
            };
            match usize::from(scale.unsigned_abs()).checked_sub(1) {
                None => whole,
                Some(zeros) => format!("({whole} * 0.{}1)", "0".repeat(zeros)),
            }
        }
        Codec::DateText => format!("CAST({characters} AS DATE)"),
        Codec::SapDate => format!("CAST(NULLIF(NULLIF({characters}, ''), '00000000') AS DATE)"),
        Codec::DateDays => format!("CAST((DATE'1970-01-01' + INTERVAL {stored} DAY) AS DATE)"),
        Codec::TimeText => format!("CAST({characters} AS TIME(6))"),
        Codec::TimeMicros => format!("CAST(TIME(TIMESTAMP'1970-01-01 00:00:00.000000' + INTERVAL {stored} MICROSECOND) AS TIME(6))"),
        Codec::TimestampText if column.scalar_type == ScalarType::TimestampTz => instant(&characters),
        Codec::TimestampText => format!("CAST({characters} AS DATETIME(6))"),
        Codec::TimestampSeconds => moment(stored, "SECOND"),
        Codec::TimestampMillis => moment(&format!("({stored} * 1000)"), "MICROSECOND"),
        Codec::TimestampMicros => moment(stored, "MICROSECOND"),
        Codec::GuidText => format!("LOWER({characters})"),
        Codec::GuidBytes => {
            let part = |from: u8, length: u8| format!("SUBSTRING(HEX({stored}), {from}, {length})");
            let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(", '-', ");
            format!("CONVERT(LOWER(CONCAT({parts})) USING utf8mb4)")
        }
        Codec::BoolInt => format!("({stored} = 1)"),
        Codec::BoolText => format!(
            "(CASE WHEN LOWER({characters}) IN ('y', 'x', 'true', 't', '1') THEN TRUE \
             WHEN LOWER({characters}) IN ('n', '', 'false', 'f', '0') THEN FALSE END)"
        ),
    })
}

fn moment(count: &str, unit: &str) -> String {
    format!("CAST((TIMESTAMP'1970-01-01 00:00:00.000000' + INTERVAL {count} {unit}) AS DATETIME(6))")
}

/// ISO 8601 text with `Z`, an offset or neither as a moment in UTC.
fn instant(text: &str) -> String {
    let minutes = format!("CONCAT(SUBSTRING({text}, -6, 1), '1') * (SUBSTRING({text}, -5, 2) * 60 + SUBSTRING({text}, -2, 2))");
    format!(
        "(CASE WHEN RIGHT({text}, 1) IN ('Z', 'z') THEN CAST(LEFT({text}, CHAR_LENGTH({text}) - 1) AS DATETIME(6)) \
         WHEN SUBSTRING({text}, -6, 1) IN ('+', '-') AND SUBSTRING({text}, -3, 1) = ':' \
         THEN CAST((CAST(LEFT({text}, CHAR_LENGTH({text}) - 6) AS DATETIME(6)) - INTERVAL ({minutes}) MINUTE) AS DATETIME(6)) \
         ELSE CAST({text} AS DATETIME(6)) END)"
    )
}

/// The value as it is bound: what the kind's protocol has no type for travels as text.
pub(crate) fn bind(value: &Value) -> Value {
    match value {
        Value::Decimal { unscaled, scale, .. } => Value::Text(crate::decimal::format_decimal(*unscaled, *scale)),
        Value::Guid(value) | Value::Json(value) => Value::Text(value.clone()),
        Value::Null(_)
        | Value::Boolean(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_) => value.clone(),
    }
}

/// A type's name in a conversion.
pub(crate) fn type_name(scalar_type: ScalarType) -> &'static str {
    match scalar_type {
        ScalarType::Boolean | ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64 => "SIGNED",
        ScalarType::Float32 | ScalarType::Float64 => "DOUBLE",
        ScalarType::Decimal { .. } => "DECIMAL(65,30)",
        ScalarType::Text | ScalarType::Guid | ScalarType::Json => "CHAR CHARACTER SET utf8mb4",
        ScalarType::Binary => "BINARY",
        ScalarType::Date => "DATE",
        ScalarType::Time => "TIME(6)",
        ScalarType::Timestamp | ScalarType::TimestampTz => "DATETIME(6)",
    }
}

const LEAST: i128 = i64::MIN as i128;
const GREATEST: i128 = i64::MAX as i128;

/// An integer that fails outside of `least ..= greatest`, both within 64 bits: it is shifted to either end of the 64 bits, where the
/// server notices, and back. The operand stands in the text once.
fn within(value: &str, least: i128, greatest: i128) -> String {
    let mut text = value.to_owned();
    if greatest < GREATEST {
        let shift = GREATEST - greatest;
        text = format!("(({text} + {shift}) - {shift})");
    }
    if least > LEAST {
        let shift = least - LEAST;
        text = if shift > GREATEST {
            format!("(({text} - {GREATEST} - 1) + {GREATEST} + 1)")
        } else {
            format!("(({text} - {shift}) + {shift})")
        };
    }
    text
}

/// The value of an integer expression of a type, failing where the type cannot hold it.
pub(crate) fn integer_within(value: &str, scalar_type: ScalarType) -> String {
    if scalar_type == ScalarType::Int16 {
        within(value, i128::from(i16::MIN), i128::from(i16::MAX))
    } else if scalar_type == ScalarType::Int32 {
        within(value, i128::from(i32::MIN), i128::from(i32::MAX))
    } else {
        value.to_owned()
    }
}

/// An integer that fails when it is negative.
pub(crate) fn not_negative(value: &str) -> String {
    within(value, 0, GREATEST)
}

impl Render<'_> {
    /// A literal in the dialect's own form. Every one is converted, so that its type does not depend on what stands beside it.
    pub(crate) fn mysql_literal(&mut self, value: &Value) -> Result<String, Unsupported> {
        match mysql_limits::range(value) {
            Range::Within => {}
            Range::Below | Range::Above => {
                return Err(unsupported(format!("a {} outside of what the source can hold, as a value,", value.scalar_type())));
            }
        }
        let to = match value {
            Value::Decimal { unscaled, scale, .. } => {
                let Some((precision, scale)) = mysql_limits::digits(*unscaled, *scale) else {
                    return Err(unsupported("a decimal with more digits than the source can hold, as a value,"));
                };
                format!("DECIMAL({precision},{scale})")
            }
            Value::Null(_)
            | Value::Boolean(_)
            | Value::Int16(_)
            | Value::Int32(_)
            | Value::Int64(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Text(_)
            | Value::Binary(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_)
            | Value::TimestampTz(_)
            | Value::Guid(_)
            | Value::Json(_) => type_name(value.scalar_type()).to_owned(),
        };
        Ok(format!("CAST({} AS {to})", self.raw_parameter(value)))
    }

    pub(crate) fn mysql_arithmetic(
        &mut self,
        op: ArithmeticOp,
        types: (ScalarType, ScalarType),
        left: &str,
        right: &str,
        divisor: Option<&Value>,
    ) -> Result<String, Unsupported> {
        let (left_type, right_type) = types;
        if matches!((left_type, right_type), (ScalarType::Decimal { .. }, ScalarType::Decimal { .. })) {
            return match op {
                ArithmeticOp::Add => Ok(format!("({left} + {right})")),
                ArithmeticOp::Subtract => Ok(format!("({left} - {right})")),
                ArithmeticOp::Multiply | ArithmeticOp::Divide | ArithmeticOp::Modulo => Err(unsupported("products of decimals")),
            };
        }
        if !is_integer(left_type) || left_type != right_type {
            return Err(unsupported(format!("arithmetic on {left_type}")));
        }
        let text = match op {
            ArithmeticOp::Add => format!("({left} + {right})"),
            ArithmeticOp::Subtract if left_type == ScalarType::Int64 && divisor.is_none_or(|value| *value == Value::Int64(i64::MIN)) => {
                // MariaDB does not see that 0 minus the least integer is too large: the same by sums that overflow where the difference does.
                format!("(-1 - ((-1 - {left}) + {right}))")
            }
            ArithmeticOp::Subtract => format!("({left} - {right})"),
            ArithmeticOp::Multiply => format!("({left} * {right})"),
            ArithmeticOp::Divide => dividing(left, right, "DIV", divisor),
            ArithmeticOp::Modulo => dividing(left, right, "%", divisor),
        };
        Ok(integer_within(&text, left_type))
    }

    pub(crate) fn mysql_cast(&mut self, value: &str, from: ScalarType, to: ScalarType) -> Result<String, Unsupported> {
        if is_integer(from) && is_integer(to) {
            return Ok(integer_within(value, to));
        }
        if let (true, ScalarType::Decimal { precision, scale }) = (is_integer(from), to) {
            let whole = u32::from(precision.saturating_sub(scale.unsigned_abs()));
            // Nineteen digits hold every 64-bit integer. The fraction is zeros, however many are asked for.
            let fits = match 10_i128.checked_pow(whole).filter(|_| whole < 19) {
                Some(power) => within(value, 1 - power, power - 1),
                None => value.to_owned(),
            };
            let scale = scale.clamp(0, 30);
            return Ok(format!("CAST({fits} AS DECIMAL({},{scale}))", 19 + scale));
        }
        if is_integer(from) && to == ScalarType::Text || from == ScalarType::Date && to == ScalarType::Timestamp {
            return Ok(format!("CAST({value} AS {})", type_name(to)));
        }
        Err(unsupported(format!("the conversion from {from} to {to}")))
    }

    pub(crate) fn mysql_negate(&mut self, value: &str, scalar_type: ScalarType) -> Result<String, Unsupported> {
        if is_integer(scalar_type) {
            Ok(integer_within(&format!("(-1 * {value})"), scalar_type))
        } else if matches!(scalar_type, ScalarType::Decimal { .. }) {
            Ok(format!("(- {value})"))
        } else {
            Err(unsupported(format!("negation of {scalar_type}")))
        }
    }

    /// Text or bytes as something is sorted or partitioned by them: bytes. A sort looks at so many bytes of each value only: a value that
    /// is longer must not be sorted as if it ended there, so it makes the statement fail.
    pub(crate) fn mysql_sorted(&mut self, expr: &Expr) -> Result<String, Unsupported> {
        let scalar_type = self.scalar_type(expr)?;
        let value = if let Expr::Column(index) = expr {
            let column = self.column(*index)?;
            if column.codec.is_some_and(crate::compare::orders_as_stored) || is_exact(&column) {
                return Ok(self.stored(&column));
            }
            if !self.is_text(scalar_type) && scalar_type != ScalarType::Binary {
                let own = column.computed || column.codec.is_some();
                return if own { self.decoded(&column) } else { Ok(comparand(&column, self.stored(&column))) };
            }
            let value = self.decoded(&column)?;
            if is_short(&column) {
                return Ok(format!("CAST({value} AS BINARY)"));
            }
            value
        } else {
            self.value(expr)?
        };
        if !self.is_text(scalar_type) && scalar_type != ScalarType::Binary {
            return Ok(value);
        }
        // COT(0) is the server's shortest error.
        Ok(format!("CAST((CASE WHEN LENGTH({value}) > {SORTED_BYTES} THEN COT(0 * LENGTH({value})) ELSE {value} END) AS BINARY)"))
    }
}

/// Whether an expression, or a sub-query in it, fails on some values.
pub(crate) fn can_fail(expr: &Expr) -> bool {
    let mut own = matches!(expr, Expr::Arithmetic { .. } | Expr::Negate(_) | Expr::Cast { .. })
        || matches!(expr, Expr::Call { function: Function::Abs | Function::Substring, .. });
    visit_subqueries(expr, &mut |query| own |= query_can_fail(query));
    own || expr.children().into_iter().any(can_fail)
}

/// Whether any expression of a query fails on some values.
pub(crate) fn query_can_fail(query: &SourceQuery) -> bool {
    fn relation(from: &Relation) -> bool {
        match from {
            Relation::Table(_) | Relation::Call(_) => false,
            Relation::Join(join) => relation(&join.left) || relation(&join.right),
            Relation::Query(query) => query_can_fail(query),
            Relation::Union(queries) => queries.iter().any(query_can_fail),
        }
    }
    relation(&query.from) || query.expressions().into_iter().any(can_fail)
}

/// How many bytes of a value a sort looks at: more than a column of type TEXT holds. The kind's sessions are set up for it.
pub const SORTED_BYTES: u32 = 65_540;

/// Division that fails on zero, as the server's own does not.
fn dividing(left: &str, right: &str, operator: &str, divisor: Option<&Value>) -> String {
    let plain = format!("({left} {operator} {right})");
    match divisor.and_then(Value::as_integer) {
        Some(number) if number != 0 => plain,
        // Null divided by zero is null; anything else runs out of the 64 bits.
        _ => format!("(CASE WHEN {right} = 0 THEN ({left} * 0 + {GREATEST}) + 1 ELSE {plain} END)"),
    }
}

/// The digits of a decimal without zeros at the end of its fraction.
pub(crate) fn trimmed(mut unscaled: i256, mut scale: i8) -> (i256, i8) {
    let ten = i256::from_i128(10);
    while scale > 0 {
        let (Some(quotient), Some(rest)) = (unscaled.checked_div(ten), unscaled.checked_rem(ten)) else { break };
        if rest != i256::ZERO {
            break;
        }
        (unscaled, scale) = (quotient, scale - 1);
    }
    (unscaled, scale)
}
