//! Comparisons, `IN`, key sets and functions as MySQL and MariaDB spell them: exact whatever the collation of a column, with a looser
//! condition beside it where an index can serve that. It must not know statements around them.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::expr::{Render, is_integer, unsupported, whole_literal};
use crate::keys::KeyColumn;
use crate::mysql::{comparand, has_characters, index_serves, index_serves_prefix, integer_within, is_exact, is_native_guid, not_negative};
use crate::mysql_limits::{Comparison, comparison};
use crate::scope::Held;
use portico_provider_api::{CompareOp, Expr, Function, ScalarType, TableColumn, Unsupported, Value};
use std::rc::Rc;

/// Positions are counted in fewer bits by the server; no text is longer.
const LONGEST_TEXT: i64 = 1 << 40;

fn symbol(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "<>",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
        CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => "<=>",
    }
}

pub(crate) fn compared(op: CompareOp, left: &str, right: &str) -> String {
    let plain = format!("({left} {} {right})", symbol(op));
    if op == CompareOp::IsDistinctFrom { format!("(NOT {plain})") } else { plain }
}

/// Whether an equality of a column as it is stored with a literal as it is sent can stand beside the exact one, so that an index can
/// serve: it must hold wherever the exact one does.
fn index_serves_for(column: &TableColumn, value: &Value) -> bool {
    if let (Value::Guid(guid), true) = (value, is_native_guid(column)) {
        return is_storable_guid(guid);
    }
    let sendable = if let Value::Text(text) = value { has_characters(column, text) } else { true };
    index_serves(column) && sendable
}

/// MariaDB refuses GUIDs of a version above 5 whose variant is that of before there were versions. A comparison with one would be a
/// comparison with null, and in a change an error.
fn is_storable_guid(guid: &str) -> bool {
    let digit = |at: usize| guid.as_bytes().get(at).and_then(|byte| char::from(*byte).to_digit(16)).unwrap_or_default();
    digit(14) <= 5 || digit(19) >= 8
}

fn plain_column(render: &Render<'_>, expr: &Expr) -> Option<Rc<Held>> {
    if let Expr::Column(index) = expr { render.column(*index).ok() } else { None }
}

impl Render<'_> {
    /// An operand in a form in which the server's comparison is the IR's.
    fn mysql_operand(&mut self, expr: &Expr) -> Result<String, Unsupported> {
        let scalar_type = self.scalar_type(expr)?;
        if self.is_text(scalar_type) {
            return Ok(format!("CAST({} AS BINARY)", self.value(expr)?));
        }
        if let Expr::Column(index) = expr {
            let column = self.column(*index)?;
            if column.codec.is_none() && !column.computed {
                return Ok(comparand(&column, self.stored(&column)));
            }
        }
        self.value(expr)
    }

    /// A comparison whose left side is no literal unless both are.
    pub(crate) fn mysql_compare(&mut self, op: CompareOp, left: &Expr, right: &Expr) -> Result<String, Unsupported> {
        if let Expr::Literal(value) = right
            && !value.is_null()
        {
            return match comparison(op, value) {
                Comparison::With(op, value) => self.mysql_compare_literal(op, left, &value),
                Comparison::Constant(holds) => {
                    let operand = self.null_tested(left)?;
                    Ok(self.constant(op, holds, &operand))
                }
            };
        }
        let as_stored = self.mysql_compare_as_stored(op, left, right)?;
        if let Some((stored, true)) = as_stored {
            return Ok(stored);
        }
        let exact = compared(op, &self.mysql_operand(left)?, &self.mysql_operand(right)?);
        Ok(match as_stored {
            Some((stored, _)) => format!("({stored} AND {exact})"),
            None => exact,
        })
    }

    /// Two columns that are held alike as they are stored, so that an index can serve a join, and whether that is exact by itself. If not,
    /// it holds wherever the exact comparison does.
    fn mysql_compare_as_stored(&self, op: CompareOp, left: &Expr, right: &Expr) -> Result<Option<(String, bool)>, Unsupported> {
        let (Some(left), Some(right)) = (self.plain(left)?, self.plain(right)?) else { return Ok(None) };
        let alike = left.native_type == right.native_type && left.scalar_type == right.scalar_type;
        if !alike || left.computed || right.computed || left.codec.is_some() || right.codec.is_some() {
            return Ok(None);
        }
        let stored = compared(op, &self.stored(&left), &self.stored(&right));
        if is_exact(&left) {
            return Ok(Some((stored, true)));
        }
        let equality = matches!(op, CompareOp::Eq | CompareOp::IsNotDistinctFrom);
        Ok((equality && (index_serves(&left) || is_native_guid(&left))).then(|| (stored, is_native_guid(&left))))
    }

    fn mysql_compare_literal(&mut self, op: CompareOp, left: &Expr, value: &Value) -> Result<String, Unsupported> {
        let equality = matches!(op, CompareOp::Eq | CompareOp::IsNotDistinctFrom);
        if let Expr::Column(index) = left {
            let column = self.column(*index)?;
            let stored = self.stored(&column);
            if is_exact(&column) {
                return Ok(compared(op, &stored, &self.raw_parameter(value)));
            }
            if equality && index_serves_for(&column, value) {
                let placeholder = self.raw_parameter(value);
                let exact = compared(op, &self.mysql_operand(left)?, &format!("CAST({placeholder} AS BINARY)"));
                return Ok(format!("({} AND {exact})", compared(op, &stored, &placeholder)));
            }
        }
        let operand = self.mysql_operand(left)?;
        let literal = self.mysql_operand(&Expr::Literal(value.clone()))?;
        if self.shielded && is_integer(value.scalar_type()) && matches!(left, Expr::Column(_)) {
            // An inequality under a negation is an equality to the server, too.
            match op {
                CompareOp::Eq => return Ok(shielded_equality(&operand, &literal)),
                CompareOp::NotEq => return Ok(format!("({operand} < {literal} OR {operand} > {literal})")),
                CompareOp::Lt
                | CompareOp::LtEq
                | CompareOp::Gt
                | CompareOp::GtEq
                | CompareOp::IsDistinctFrom
                | CompareOp::IsNotDistinctFrom => {}
            }
        }
        Ok(compared(op, &operand, &literal))
    }

    /// `IN` over literals; a plain column's stored form is compared by the caller.
    pub(crate) fn mysql_in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<String, Unsupported> {
        let loose = plain_column(self, expr).filter(|_| !negated);
        let serves = |column: &Rc<Held>| list.iter().all(|item| matches!(item, Expr::Literal(value) if index_serves_for(column, value)));
        let loose = loose.filter(serves);
        let (mut raw, mut exact) = (Vec::with_capacity(list.len()), Vec::with_capacity(list.len()));
        for item in list {
            let Expr::Literal(value) = item else {
                exact.push(self.mysql_operand(item)?);
                continue;
            };
            if value.is_nan() || (!value.is_null() && comparison(CompareOp::Eq, value) == Comparison::Constant(false)) {
                continue;
            }
            if loose.is_some() {
                let placeholder = self.raw_parameter(value);
                exact.push(format!("CAST({placeholder} AS BINARY)"));
                raw.push(placeholder);
            } else {
                exact.push(self.mysql_operand(item)?);
            }
        }
        if list.is_empty() {
            // An empty list holds nothing, not even for null.
            return Ok(if negated { self.dialect.true_constant } else { self.dialect.false_constant }.to_owned());
        }
        if exact.is_empty() {
            let operand = self.null_tested(expr)?;
            return Ok(self.constant(CompareOp::Eq, negated, &operand));
        }
        let operand = self.mysql_operand(expr)?;
        let mut integers = list.iter().map(|item| if let Expr::Literal(value) = item { value.as_integer() } else { None });
        if let (true, Some(Some(first)), [literal, ..]) = (self.shielded, integers.next(), exact.as_slice())
            && matches!(expr, Expr::Column(_))
            && integers.all(|other| other == Some(first))
        {
            let equal = shielded_equality(&operand, literal);
            return Ok(if negated { format!("(NOT {equal})") } else { equal });
        }
        let plain = format!("({operand} {}IN ({}))", if negated { "NOT " } else { "" }, exact.join(", "));
        Ok(match loose {
            Some(column) => format!("({} IN ({}) AND {plain})", self.stored(&column), raw.join(", ")),
            None => plain,
        })
    }

    /// The tuples of a key set: as they are, so that an index can serve, and for text exactly as well. They are filled up by repeating the
    /// last one, so that few numbers of them occur and prepared statements are met again.
    pub(crate) fn mysql_keys(&mut self, columns: &[KeyColumn], tuples: &[Vec<Value>]) -> Result<String, Unsupported> {
        let exact_needed = columns.iter().any(|key| self.is_text(key.scalar_type));
        let mut loose_serves = true;
        let (mut raw, mut exact) = (Vec::new(), Vec::new());
        for tuple in tuples {
            let (mut raw_row, mut exact_row) = (Vec::with_capacity(tuple.len()), Vec::with_capacity(tuple.len()));
            if !tuple.iter().all(|value| matches!(comparison(CompareOp::Eq, value), Comparison::With(..))) {
                continue;
            }
            for (key, value) in columns.iter().zip(tuple) {
                if self.is_text(key.scalar_type) {
                    loose_serves &= index_serves_for(&key.column, value);
                    raw_row.push(self.raw_parameter(value));
                    exact_row.extend(raw_row.last().map(|placeholder| format!("CAST({placeholder} AS BINARY)")));
                } else {
                    raw_row.push(if key.as_stored { self.raw_parameter(value) } else { self.mysql_literal(value)? });
                    exact_row.extend(raw_row.last().cloned());
                }
            }
            raw.push(raw_row);
            exact.push(exact_row);
        }
        if raw.is_empty() {
            return Ok(self.dialect.false_constant.to_owned());
        }
        let mut operands = Vec::with_capacity(columns.len());
        for key in columns {
            operands.push(match key.column.codec {
                _ if self.is_text(key.scalar_type) => {
                    let own = if key.as_stored { self.stored(&key.column) } else { self.decoded(&key.column)? };
                    (self.stored(&key.column), format!("CAST({own} AS BINARY)"))
                }
                None if !key.column.computed => {
                    let operand = comparand(&key.column, self.stored(&key.column));
                    (operand.clone(), operand)
                }
                None | Some(_) => (key.operand.clone(), key.operand.clone()),
            });
        }
        let (loose_operands, exact_operands): (Vec<_>, Vec<_>) = operands.into_iter().unzip();
        if let ([only], true) = (exact.as_slice(), self.shielded) {
            let equal = columns.iter().zip(&exact_operands).zip(only).map(|((key, operand), literal)| match is_integer(key.scalar_type) {
                true => shielded_equality(operand, literal),
                false => compared(CompareOp::Eq, operand, literal),
            });
            return Ok(format!("({})", equal.collect::<Vec<_>>().join(" AND ")));
        }
        let exact = among(&exact_operands, exact);
        Ok(if exact_needed && loose_serves { format!("({} AND {exact})", among(&loose_operands, raw)) } else { exact })
    }

    pub(crate) fn mysql_call(&mut self, function: Function, arguments: &[Expr]) -> Result<String, Unsupported> {
        let Some(first) = arguments.first() else { return Err(unsupported("a function without arguments")) };
        let first_type = self.scalar_type(first)?;
        match function {
            Function::Contains => {
                let [text, part] = self.pair(arguments)?;
                Ok(format!("(LOCATE({part}, {text} COLLATE utf8mb4_bin) > 0)"))
            }
            Function::StartsWith => self.mysql_starts_with(arguments),
            Function::EndsWith => {
                let [text, part] = self.pair(arguments)?;
                let bytes = format!("CAST({part} AS BINARY)");
                Ok(format!("(RIGHT(CAST({text} AS BINARY), LENGTH({bytes})) = {bytes})"))
            }
            // The session's mode leaves the backslash alone in a literal.
            Function::Like => {
                let [text, pattern] = self.pair(arguments)?;
                Ok(format!("({text} COLLATE utf8mb4_bin LIKE {pattern} ESCAPE '\\')"))
            }
            Function::Length => Ok(format!("CHAR_LENGTH({})", self.value(first)?)),
            Function::Position => {
                let [text, part] = self.pair(arguments)?;
                Ok(format!("LOCATE({part}, {text} COLLATE utf8mb4_bin)"))
            }
            Function::Substring => self.mysql_substring(arguments),
            // Follow the collation and its version.
            Function::Lower => Err(unsupported("lower case")),
            Function::Upper => Err(unsupported("upper case")),
            Function::Trim => Ok(format!("TRIM(BOTH ' ' FROM {})", self.value(first)?)),
            Function::Concat => {
                let [left, right] = self.pair(arguments)?;
                Ok(format!("CONCAT({left}, {right})"))
            }
            Function::Year => Ok(format!("YEAR({})", self.value(first)?)),
            Function::Month => Ok(format!("MONTH({})", self.value(first)?)),
            Function::Day => Ok(format!("DAYOFMONTH({})", self.value(first)?)),
            Function::Hour => Ok(format!("HOUR({})", self.value(first)?)),
            Function::Minute => Ok(format!("MINUTE({})", self.value(first)?)),
            Function::Second => Ok(format!("SECOND({})", self.value(first)?)),
            // Rounds a double half to even.
            Function::Round if !matches!(first_type, ScalarType::Decimal { .. }) => Err(unsupported(format!("rounding of {first_type}"))),
            Function::Round => Ok(format!("ROUND({})", self.value(first)?)),
            // Held in a table of the server's own, a whole float would have 17 digits at most.
            Function::Floor if is_float(first_type) => Ok(format!("CAST(FLOOR({}) AS DOUBLE)", self.value(first)?)),
            Function::Ceiling if is_float(first_type) => Ok(format!("CAST(CEILING({}) AS DOUBLE)", self.value(first)?)),
            Function::Floor if !is_integer(first_type) => Ok(format!("FLOOR({})", self.value(first)?)),
            Function::Ceiling if !is_integer(first_type) => Ok(format!("CEILING({})", self.value(first)?)),
            Function::Floor | Function::Ceiling => Err(unsupported(format!("rounding of {first_type}"))),
            Function::Abs => Ok(integer_within(&format!("ABS({})", self.value(first)?), first_type)),
        }
    }

    /// A prefix is looked for in bytes; where it is known and an index can serve it, also by a pattern under the column's collation.
    fn mysql_starts_with(&mut self, arguments: &[Expr]) -> Result<String, Unsupported> {
        let loose = match arguments {
            [text, Expr::Literal(Value::Text(prefix))] if !prefix.is_empty() => {
                match plain_column(self, text).filter(|column| index_serves_prefix(column) && has_characters(column, prefix)) {
                    Some(column) => {
                        let mut pattern = String::with_capacity(prefix.len() + 1);
                        for character in prefix.chars() {
                            if matches!(character, '%' | '_' | '\\') {
                                pattern.push('\\');
                            }
                            pattern.push(character);
                        }
                        pattern.push('%');
                        let pattern = self.raw_parameter(&Value::Text(pattern));
                        Some(format!("{} LIKE {pattern} ESCAPE '\\'", self.stored(&column)))
                    }
                    None => None,
                }
            }
            _ => None,
        };
        let [text, part] = self.pair(arguments)?;
        let bytes = format!("CAST({part} AS BINARY)");
        let exact = format!("(LEFT(CAST({text} AS BINARY), LENGTH({bytes})) = {bytes})");
        Ok(match loose {
            Some(loose) => format!("({loose} AND {exact})"),
            None => exact,
        })
    }

    /// The server counts a negative start from the end, and has no text before the first character.
    fn mysql_substring(&mut self, arguments: &[Expr]) -> Result<String, Unsupported> {
        let (text, start, length) = match arguments {
            [text, start] => (text, start, None),
            [text, start, length] => (text, start, Some(length)),
            _ => return Err(unsupported("a function with a wrong number of arguments")),
        };
        let text = self.value(text)?;
        if let (Some(from), Some(count)) = (whole_literal(start), length.map_or(Some(i64::MAX), whole_literal))
            && count >= 0
        {
            let end = i128::from(from) + i128::from(count);
            let first = i128::from(from).max(1);
            let longest = i128::from(LONGEST_TEXT);
            let count = (end - first).clamp(0, longest);
            let bounded = |value: i128| Value::Int64(i64::try_from(value).unwrap_or(LONGEST_TEXT));
            let (first, count) = (bounded(first.min(longest)), bounded(count));
            let first = self.mysql_literal(&first)?;
            return Ok(format!("SUBSTRING({text}, {first}, {})", self.mysql_literal(&count)?));
        }
        let bounded = |value: &str| format!("GREATEST(LEAST({value}, {LONGEST_TEXT}), -{LONGEST_TEXT})");
        let start = bounded(&self.value(start)?);
        Ok(match length {
            None => format!("SUBSTRING({text}, GREATEST({start}, 1))"),
            Some(length) => {
                // Of no text, or from nowhere, there is no part, however long.
                let length =
                    bounded(&format!("CASE WHEN {text} IS NULL OR {start} IS NULL THEN 0 ELSE {} END", not_negative(&self.value(length)?)));
                format!("SUBSTRING({text}, GREATEST({start}, 1), GREATEST({start} + {length} - GREATEST({start}, 1), 0))")
            }
        })
    }
}

fn is_float(scalar_type: ScalarType) -> bool {
    matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64)
}

/// An equality that the server does not take for one, though an index serves it: see [`Render::shielded`].
fn shielded_equality(operand: &str, literal: &str) -> String {
    format!("({operand} >= {literal} AND {operand} <= {literal})")
}

/// `operand IN (…)`, or of rows; the list is filled up to a power of two.
fn among(operands: &[String], mut rows: Vec<Vec<String>>) -> String {
    let full = rows.len().next_power_of_two();
    if let Some(last) = rows.last().cloned() {
        rows.resize(full, last);
    }
    match operands {
        [operand] => format!("({operand} IN ({}))", rows.into_iter().flatten().collect::<Vec<_>>().join(", ")),
        _ => {
            let rows: Vec<_> = rows.iter().map(|row| format!("({})", row.join(", "))).collect();
            format!("(({}) IN ({}))", operands.join(", "), rows.join(", "))
        }
    }
}
