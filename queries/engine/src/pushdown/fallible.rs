//! Which expressions of the IR have a value whatever their columns hold. It must not know plans.
#![deny(clippy::wildcard_enum_match_arm)]

use portico_provider_api::{Expr, Function, ScalarType, TableColumn};

/// Whether evaluating an expression may fail for some values. Doubt counts as yes.
pub fn can_fail(expression: &Expr, columns: &[TableColumn]) -> bool {
    let own = match expression {
        Expr::Column(_)
        | Expr::OuterColumn { .. }
        | Expr::Literal(_)
        | Expr::Parameter { .. }
        | Expr::Compare { .. }
        | Expr::InList { .. }
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::Case { .. } => false,
        Expr::Arithmetic { .. } | Expr::Negate(_) | Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::Window { .. } => true,
        Expr::Cast { expr, to } => expr.scalar_type(columns).is_none_or(|from| !widens(from, *to)),
        Expr::Call { function, arguments: _ } => !is_total(*function),
    };
    own || expression.children().into_iter().any(|child| can_fail(child, columns))
}

fn is_total(function: Function) -> bool {
    match function {
        Function::Contains
        | Function::StartsWith
        | Function::EndsWith
        | Function::Like
        | Function::Length
        | Function::Position
        | Function::Lower
        | Function::Upper
        | Function::Trim
        | Function::Concat
        | Function::Year
        | Function::Month
        | Function::Day
        | Function::Hour
        | Function::Minute
        | Function::Second => true,
        // A negative length, the least integer, one digit more.
        Function::Substring | Function::Abs | Function::Round | Function::Floor | Function::Ceiling => false,
    }
}

/// Whether every value of one type is one of the other.
fn widens(from: ScalarType, to: ScalarType) -> bool {
    let digits = |scalar_type: ScalarType| match scalar_type {
        ScalarType::Int16 => Some(5),
        ScalarType::Int32 => Some(10),
        ScalarType::Int64 => Some(19),
        ScalarType::Boolean
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
        | ScalarType::Json => None,
    };
    match (digits(from), to) {
        _ if from == to => true,
        (Some(_), ScalarType::Text) => true,
        (Some(digits), ScalarType::Decimal { precision, scale }) => i16::from(precision) - i16::from(scale) >= digits,
        (Some(own), to) => digits(to).is_some_and(|wider| wider >= own),
        (None, _) => false,
    }
}
