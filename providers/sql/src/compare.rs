//! Comparisons and `IN`, exactly as the IR means them: by code points, NaN equal to nothing, stored forms compared as the values they
//! stand for. It must not know statements around them.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::codec::{encode, stored_type};
use crate::decimal::Digits;
use crate::dialect::Family;
use crate::expr::{Render, column_stored_type, is_float, is_plain_text, unsupported};
use crate::mysql_compare::compared;
use crate::product::Product;
use crate::scope::Held;
use arrow::datatypes::i256;
use portico_provider_api::{Codec, CompareOp, Expr, ScalarType, TableColumn, Unsupported, Value};
use std::rc::Rc;

/// What a comparison of a column with a literal becomes on the stored form.
pub(crate) enum OnStored {
    /// Compare the stored form with this.
    Compare(CompareOp, Value),
    /// False for every value that is not null.
    Never,
    /// True for every value that is not null.
    Always,
    /// The stored form does not order or equal as the values do.
    NotPossible,
}

/// Whether an expression is a value that no row decides.
fn is_constant(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(_) | Expr::Parameter { .. })
}

fn flipped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => op,
    }
}

fn is_order(op: CompareOp) -> bool {
    matches!(op, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq)
}

/// Whether a stored form orders and equals just as the values it stands for.
pub(crate) fn orders_as_stored(codec: Codec) -> bool {
    match codec {
        Codec::DateText
        | Codec::DateDays
        | Codec::TimeMicros
        | Codec::TimestampSeconds
        | Codec::TimestampMillis
        | Codec::TimestampMicros
        | Codec::DecimalUnscaled
        | Codec::GuidBytes
        | Codec::BoolInt => true,
        // `1.5` and `1.50`, `10:00` and `10:00:00`, two letter cases: one value, several texts.
        Codec::DecimalText | Codec::SapDate | Codec::TimeText | Codec::TimestampText | Codec::GuidText | Codec::BoolText => false,
    }
}

/// Whether two columns of one type compare as stored just as their values do, so that an index can serve.
fn held_alike(left: &Held, right: &Held, op: CompareOp) -> bool {
    if left.codec != right.codec || left.computed || right.computed {
        return false;
    }
    let same_native = left.native_type == right.native_type;
    match left.codec {
        // Two padded texts are equal when they are without their blanks.
        None => same_native && left.native_type.as_deref() == Some("bpchar") && !is_order(op),
        Some(Codec::DecimalUnscaled) => left.scalar_type == right.scalar_type,
        Some(codec) => {
            let plain = |held: &Held| is_plain_text(held.native_type.as_deref()) && held.usual_as_stored();
            orders_as_stored(codec)
                && (same_native && !is_order(op) || stored_type(codec) != ScalarType::Text || plain(left) && plain(right))
        }
    }
}

/// A literal as a fraction of the unit in which an integer column counts.
fn fraction(codec: Codec, scalar_type: ScalarType, value: &Value) -> Option<(i256, i256)> {
    let one = i256::ONE;
    let micros = |micros: i64, unit: i64| (i256::from_i128(i128::from(micros)), i256::from_i128(i128::from(unit)));
    match (codec, value) {
        (Codec::DateDays, Value::Date(days)) => Some((i256::from_i128(i128::from(*days)), one)),
        (Codec::TimeMicros, Value::Time(time)) => Some(micros(*time, 1)),
        (Codec::TimestampSeconds, Value::Timestamp(time) | Value::TimestampTz(time)) => Some(micros(*time, 1_000_000)),
        (Codec::TimestampMillis, Value::Timestamp(time) | Value::TimestampTz(time)) => Some(micros(*time, 1_000)),
        (Codec::TimestampMicros, Value::Timestamp(time) | Value::TimestampTz(time)) => Some(micros(*time, 1)),
        (Codec::DecimalUnscaled, Value::Decimal { unscaled, scale, .. }) => {
            let ScalarType::Decimal { scale: column, .. } = scalar_type else { return None };
            let ten = i256::from_i128(10);
            let digits = Digits { unscaled: *unscaled, scale: *scale };
            let shift = u32::from((column - digits.scale).unsigned_abs());
            let factor = ten.checked_pow(shift)?;
            if column >= digits.scale { Some((digits.unscaled.checked_mul(factor)?, one)) } else { Some((digits.unscaled, factor)) }
        }
        (Codec::BoolInt, Value::Boolean(value)) => Some((i256::from_i128(i128::from(*value)), one)),
        _ => None,
    }
}

fn on_integers(op: CompareOp, numerator: i256, denominator: i256) -> Option<OnStored> {
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_rem(denominator)?;
    let exact = remainder == i256::ZERO;
    let floor = if remainder < i256::ZERO { quotient.checked_sub(i256::ONE)? } else { quotient };
    let ceiling = if exact { floor } else { floor.checked_add(i256::ONE)? };
    let bound = match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom if !exact => return Some(OnStored::Never),
        CompareOp::NotEq | CompareOp::IsDistinctFrom if !exact => return Some(OnStored::Always),
        CompareOp::Lt | CompareOp::GtEq => ceiling,
        CompareOp::LtEq | CompareOp::Gt | CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => {
            floor
        }
    };
    match bound.to_i128().and_then(|bound| i64::try_from(bound).ok()) {
        Some(bound) => Some(OnStored::Compare(op, Value::Int64(bound))),
        None => Some(beyond(op, bound > i256::ZERO)),
    }
}

/// The outcome when the literal lies above (or below) everything that the stored form can say.
pub(crate) fn beyond(op: CompareOp, above: bool) -> OnStored {
    let holds = match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom => false,
        CompareOp::NotEq | CompareOp::IsDistinctFrom => true,
        CompareOp::Lt | CompareOp::LtEq => above,
        CompareOp::Gt | CompareOp::GtEq => !above,
    };
    if holds { OnStored::Always } else { OnStored::Never }
}

/// What comparing a column with a literal that is not null becomes on its stored form.
pub(crate) fn on_stored(column: &TableColumn, op: CompareOp, value: &Value) -> OnStored {
    let Some(codec) = column.codec else { return OnStored::NotPossible };
    if !orders_as_stored(codec) {
        return OnStored::NotPossible;
    }
    match codec {
        Codec::DateText => match (encode(codec, column.scalar_type, value), value) {
            (Ok(stored), _) => OnStored::Compare(op, stored),
            (Err(_), Value::Date(days)) => beyond(op, *days > 0),
            (Err(_), _) => OnStored::NotPossible,
        },
        Codec::GuidBytes => encode(codec, column.scalar_type, value).map_or(OnStored::NotPossible, |stored| OnStored::Compare(op, stored)),
        Codec::DateDays
        | Codec::TimeMicros
        | Codec::TimestampSeconds
        | Codec::TimestampMillis
        | Codec::TimestampMicros
        | Codec::DecimalUnscaled
        | Codec::BoolInt => fraction(codec, column.scalar_type, value)
            .and_then(|(numerator, denominator)| on_integers(op, numerator, denominator))
            .unwrap_or(OnStored::NotPossible),
        Codec::DecimalText | Codec::SapDate | Codec::TimeText | Codec::TimestampText | Codec::GuidText | Codec::BoolText => {
            OnStored::NotPossible
        }
    }
}

impl Render<'_> {
    pub(crate) fn operator(&self, op: CompareOp) -> &'static str {
        match op {
            CompareOp::Eq => "=",
            CompareOp::NotEq => "<>",
            CompareOp::Lt => "<",
            CompareOp::LtEq => "<=",
            CompareOp::Gt => ">",
            CompareOp::GtEq => ">=",
            CompareOp::IsDistinctFrom => self.dialect.is_distinct,
            CompareOp::IsNotDistinctFrom => self.dialect.is_not_distinct,
        }
    }

    /// What is appended to an operand so that it compares by code points.
    pub(crate) fn collation(&self, scalar_type: ScalarType, order: bool) -> &'static str {
        match (self.is_text(scalar_type), order) {
            (false, _) => "",
            (true, true) => self.dialect.order_collation,
            (true, false) => self.dialect.equal_collation,
        }
    }

    /// False, but null where the operand is null.
    fn never(&self, operand: &str) -> String {
        match self.dialect.family {
            Family::Product(product) if product != Product::Sqlite => format!("({operand} <> {operand})"),
            Family::Postgres | Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Standard | Family::Product(_) => {
                format!("({operand} IS NULL AND NULL)")
            }
        }
    }

    /// True, but null where the operand is null.
    fn always(&self, operand: &str) -> String {
        match self.dialect.family {
            Family::Product(product) if product != Product::Sqlite => format!("({operand} = {operand})"),
            Family::Postgres | Family::Sqlite | Family::Mysql | Family::DataFusion | Family::Standard | Family::Product(_) => {
                format!("({operand} IS NOT NULL OR NULL)")
            }
        }
    }

    pub(crate) fn constant(&self, op: CompareOp, holds: bool, operand: &str) -> String {
        match (op, holds) {
            (CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom, true) => self.dialect.true_constant.to_owned(),
            (CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom, false) => self.dialect.false_constant.to_owned(),
            (_, true) => self.always(operand),
            (_, false) => self.never(operand),
        }
    }

    pub(crate) fn compare(&mut self, op: CompareOp, left: &Expr, right: &Expr) -> Result<String, Unsupported> {
        let (left_type, right_type) = (self.scalar_type(left)?, self.scalar_type(right)?);
        if portico_provider_api::TypeClass::of(left_type) != portico_provider_api::TypeClass::of(right_type) {
            return Err(unsupported(format!("a comparison of {left_type} with {right_type}")));
        }
        // A literal on the left changes sides, so that the rest need only look right.
        if is_constant(left) && !is_constant(right) {
            return self.compare(flipped(op), right, left);
        }
        if let Expr::Literal(value) = right {
            if value.is_nan() {
                let holds = matches!(op, CompareOp::NotEq | CompareOp::IsDistinctFrom);
                // The two-valued ones do not depend on the operand. It is not even written: a parameter of it that stands nowhere in
                // the text would have no type.
                let two_valued = matches!(op, CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom);
                let operand = if two_valued { String::new() } else { self.null_tested(left)? };
                return Ok(self.constant(op, holds, &operand));
            }
            if let Expr::Column(index) = left
                && !value.is_null()
            {
                let column = self.column(*index)?;
                match on_stored(&column, op, value) {
                    OnStored::Compare(op, stored) => return Ok(self.compare_stored(&column, op, &stored)),
                    OnStored::Never => return Ok(self.constant(op, false, &self.stored(&column))),
                    OnStored::Always => return Ok(self.constant(op, true, &self.stored(&column))),
                    OnStored::NotPossible => {}
                }
            }
        }
        match self.dialect.family {
            Family::Mysql => return self.mysql_compare(op, left, right),
            Family::Product(product) => return self.product_compare(product, op, left, right),
            Family::Postgres | Family::Sqlite | Family::DataFusion | Family::Standard => {}
        }
        if self.dialect.family == Family::DataFusion && is_float(left_type) {
            return self.datafusion_compare_floats(op, left, right, left_type);
        }
        if let (Some(left), Some(right)) = (self.plain(left)?, self.plain(right)?)
            && held_alike(&left, &right, op)
        {
            let collation = self.collation(column_stored_type(&left), is_order(op));
            return Ok(format!("({}{collation} {} {})", self.stored(&left), self.operator(op), self.stored(&right)));
        }
        let mut collation = self.collation(left_type, is_order(op));
        let (left_text, mut right_text) = (self.value(left)?, self.value(right)?);
        if collation.is_empty() && !(self.usual(left)? && self.usual(right)?) {
            collation = self.usual_collation(left_type);
            right_text.push_str(collation);
        }
        let plain = format!("{left_text}{collation} {} {right_text}", self.operator(op));
        let float = matches!(left_type, ScalarType::Float32 | ScalarType::Float64);
        match self.dialect.nan_equals_itself {
            Some(nan) if float => {
                Ok(guard_nan(op, &plain, &left_text, &right_text, matches!(right, Expr::Literal(value) if !value.is_null()), nan))
            }
            Some(_) | None => Ok(format!("({plain})")),
        }
    }

    /// What is appended to text that may have another collation than the usual one.
    pub(crate) fn usual_collation(&self, scalar_type: ScalarType) -> &'static str {
        if self.is_text(scalar_type) { self.dialect.usual_collation } else { "" }
    }

    /// Whether an expression, if it is text, mixes with text of the usual collation.
    pub(crate) fn usual(&self, expr: &Expr) -> Result<bool, Unsupported> {
        if is_constant(expr) {
            return Ok(true);
        }
        if matches!(expr, Expr::Call { .. } | Expr::Case { .. } | Expr::Cast { .. }) {
            return expr.children().into_iter().try_fold(true, |usual, child| Ok(usual && self.usual(child)?));
        }
        Ok(self.plain(expr)?.is_some_and(|held| held.usual))
    }

    /// The column that an expression is, of this query or of an enclosing one.
    pub(crate) fn plain(&self, expr: &Expr) -> Result<Option<Rc<Held>>, Unsupported> {
        match (expr.as_column(), expr) {
            (Some(index), _) => self.column(index).map(Some),
            (None, Expr::OuterColumn { depth, index, scalar_type: _ }) => self.outer_column(*depth, *index).map(Some),
            (None, _) => Ok(None),
        }
    }

    fn compare_stored(&mut self, column: &Held, op: CompareOp, stored: &Value) -> String {
        if self.dialect.family == Family::Mysql {
            let (column, value) = (self.stored(column), self.raw_parameter(stored));
            if stored.scalar_type() != ScalarType::Text {
                return compared(op, &column, &value);
            }
            return compared(op, &format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY)"), &format!("CAST({value} AS BINARY)"));
        }
        let collation = self.collation(stored.scalar_type(), is_order(op));
        format!("({}{collation} {} {})", self.stored(column), self.operator(op), self.raw_parameter(stored))
    }

    /// Null-safe equality with what was read before: here a NaN is the same as a NaN.
    pub(crate) fn unchanged(&mut self, index: usize, value: &Value) -> Result<String, Unsupported> {
        let column = self.column(index)?;
        if !value.is_nan() {
            return self.compare(CompareOp::IsNotDistinctFrom, &Expr::Column(index), &Expr::Literal(value.clone()));
        }
        let literal = self.literal(value)?;
        Ok(format!("({} {} {literal})", self.stored(&column), self.dialect.is_not_distinct))
    }

    pub(crate) fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<String, Unsupported> {
        let scalar_type = self.scalar_type(expr)?;
        let column = if let Expr::Column(index) = expr { Some(self.column(*index)?) } else { None };
        let stored_codec = column.as_ref().and_then(|column| column.codec).filter(|codec| orders_as_stored(*codec));
        if stored_codec.is_none() && self.dialect.family == Family::Mysql {
            return self.mysql_in_list(expr, list, negated);
        }
        if self.dialect.family == Family::DataFusion && is_float(scalar_type) {
            return self.datafusion_floats_in_list(expr, list, negated);
        }
        // The operand comes first, so that parameters are numbered as they appear.
        let (operand, operand_type) = match (&column, stored_codec) {
            (Some(column), Some(codec)) => (self.stored(column), stored_type(codec)),
            _ => (self.value(expr)?, scalar_type),
        };
        let mut candidates = Vec::with_capacity(list.len());
        for item in list {
            let Expr::Literal(value) = item else {
                if stored_codec.is_some() {
                    return Err(unsupported("IN over a stored form with candidates that are not literals"));
                }
                candidates.push(self.value(item)?);
                continue;
            };
            if value.is_nan() || self.is_beyond(value) {
                continue;
            }
            match (&column, stored_codec, value.is_null()) {
                (Some(column), Some(_), false) => match on_stored(column, CompareOp::Eq, value) {
                    OnStored::Compare(_, stored) => candidates.push(self.raw_parameter(&stored)),
                    OnStored::Never | OnStored::Always => {}
                    OnStored::NotPossible => return Err(unsupported(format!("IN over column '{}'", column.name))),
                },
                (Some(_), Some(codec), true) => candidates.push(self.raw_parameter(&Value::Null(stored_type(codec)))),
                _ => candidates.push(self.literal(value)?),
            }
        }
        if list.is_empty() {
            // An empty list holds nothing, not even for null.
            return Ok(if negated { self.dialect.true_constant } else { self.dialect.false_constant }.to_owned());
        }
        if candidates.is_empty() {
            return Ok(if negated { self.always(&operand) } else { self.never(&operand) });
        }
        if self.dialect.family == Family::Mysql && operand_type == ScalarType::Text {
            let candidates: Vec<_> = candidates.iter().map(|candidate| format!("CAST({candidate} AS BINARY)")).collect();
            let not = if negated { "NOT " } else { "" };
            return Ok(format!("(CAST(CONVERT({operand} USING utf8mb4) AS BINARY) {not}IN ({}))", candidates.join(", ")));
        }
        let collation = self.collation(operand_type, false);
        let not = if negated { "NOT " } else { "" };
        let plain = format!("{operand}{collation} {not}IN ({})", candidates.join(", "));
        Ok(format!("({plain})"))
    }
}

/// Restores IEEE 754 where the database holds that NaN equals itself and is greater than every number. Only NaN operands differ; a
/// literal is never NaN here. A comparison with null stays null, also for NaN.
pub(crate) fn guard_nan(op: CompareOp, plain: &str, left: &str, right: &str, right_is_number: bool, nan: &str) -> String {
    match op {
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom if right_is_number => {
            format!("({plain})")
        }
        CompareOp::Lt | CompareOp::LtEq if right_is_number => format!("({plain})"),
        CompareOp::Gt | CompareOp::GtEq if right_is_number => format!("({plain} AND {left} <> {nan})"),
        CompareOp::Eq | CompareOp::Gt | CompareOp::GtEq => format!("({plain} AND ({left} <> {nan} OR {right} IS NULL))"),
        CompareOp::NotEq => format!("({plain} OR ({left} = {nan} AND {right} IS NOT NULL))"),
        CompareOp::Lt | CompareOp::LtEq => format!("({plain} AND ({right} <> {nan} OR {left} IS NULL))"),
        CompareOp::IsDistinctFrom => format!("({plain} OR ({left} = {nan}) IS TRUE)"),
        CompareOp::IsNotDistinctFrom => format!("({plain} AND ({left} <> {nan}) IS NOT FALSE)"),
    }
}
