//! Parameters of SQL statements: `?` and `$1` in the text, the types that their places have, and the values that take their place. It
//! must not know how values arrive.

use crate::error::EngineError;
use crate::plan::rewrite;
use crate::values::{can_be_parameter, scalar_from_value, value_from_scalar};
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan, lit};
use datafusion::sql::parser::ParserInput;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use portico_odata::BoundExpr;
use portico_provider_api::Value;
use std::sync::Arc;

/// A text for the parser in which every parameter is written `$n`: the planner knows no other form of a parameter without a name.
///
/// # Errors
/// `Syntax` for parameters of another form than `?` and `$n`, or of both forms.
pub fn numbered(text: &str) -> Result<ParserInput<'_>, EngineError> {
    // What is no sequence of tokens is told better by the parser.
    let Ok(mut tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location() else { return Ok(ParserInput::Sql(text)) };
    let (mut marks, mut numbers) = (0_usize, 0_usize);
    for TokenWithSpan { token, .. } in &mut tokens {
        let Token::Placeholder(name) = token else { continue };
        if name == "?" {
            marks += 1;
            *name = format!("${marks}");
        } else {
            numbers += 1;
            *name = format!("${}", number(name)?);
        }
        if marks > 0 && numbers > 0 {
            return Err(EngineError::Syntax("parameters are written either ? or $1, $2, …; this statement has both".to_owned()));
        }
    }
    Ok(if marks + numbers == 0 { ParserInput::Sql(text) } else { ParserInput::Tokens(tokens) })
}

/// A text for the parser in which every parameter `$name` is written `$n`, and the names in the order of those numbers.
///
/// # Errors
/// `Syntax` for a parameter that is none of the known names.
pub fn named<'t, 'n>(text: &'t str, known: &[&'n str]) -> Result<(ParserInput<'t>, Vec<&'n str>), EngineError> {
    let mut used: Vec<&'n str> = Vec::new();
    let Ok(mut tokens) = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location() else {
        return Ok((ParserInput::Sql(text), used));
    };
    for TokenWithSpan { token, .. } in &mut tokens {
        let Token::Placeholder(written) = token else { continue };
        let name = written.strip_prefix('$').and_then(|name| known.iter().find(|known| **known == name));
        let name = *name.ok_or_else(|| {
            let names = known.iter().map(|name| format!("${name}")).collect::<Vec<_>>().join(", ");
            let there = if names.is_empty() { "there are none".to_owned() } else { format!("there are {names}") };
            EngineError::Syntax(format!("'{written}' is not a parameter here; {there}"))
        })?;
        let number = used.iter().position(|used| *used == name).unwrap_or_else(|| {
            used.push(name);
            used.len() - 1
        });
        *written = format!("${}", number + 1);
    }
    Ok(if used.is_empty() { (ParserInput::Sql(text), used) } else { (ParserInput::Tokens(tokens), used) })
}

fn number(name: &str) -> Result<usize, EngineError> {
    let digits = name.strip_prefix('$').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| EngineError::Syntax(format!("'{name}' is not a parameter: write ? for each, or $1, $2, …")))
}

/// The types of the parameters `$1`, `$2`, …, as far as their places have one.
///
/// # Errors
/// `Invalid` when a number is left out, or one parameter stands in places of different types.
pub fn types(plan: &LogicalPlan) -> Result<Vec<Option<DataType>>, EngineError> {
    let mut found = plan.get_parameter_types()?;
    // The planner knows the types of places beside an operator; how many rows to give is a place without one.
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for place in [&limit.skip, &limit.fetch].into_iter().flatten() {
                if let Expr::Placeholder(parameter) = place.as_ref() {
                    found.entry(parameter.id.clone()).or_default().get_or_insert(DataType::Int64);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let one = |number| {
        let missing = || EngineError::Invalid(format!("parameters are numbered from $1 on without a gap, and ${number} is not there"));
        found.get(&format!("${number}")).cloned().ok_or_else(missing)
    };
    (1..=found.len()).map(one).collect()
}

/// Puts values in the place of `$1`, `$2`, …; each is cast to the type that its place has.
///
/// # Errors
/// `Invalid` for too many values, too few, or one that is of no use in its place.
pub fn bind(plan: LogicalPlan, types: &[Option<DataType>], values: &[Value]) -> Result<LogicalPlan, EngineError> {
    if types.len() != values.len() {
        let (wanted, given) = (types.len(), values.len());
        return Err(EngineError::Invalid(format!("the statement has {wanted} parameters, but {given} values were given")));
    }
    if types.is_empty() {
        return Ok(plan);
    }
    let bound = values.iter().zip(types).enumerate().map(|(index, (value, wanted))| {
        let scalar = scalar_from_value(value);
        wanted.as_ref().map_or(Ok(scalar.clone()), |wanted| cast(scalar, wanted, index + 1))
    });
    Ok(plan.with_param_values(bound.collect::<Result<Vec<_>, _>>()?)?)
}

/// A parameter of a shape, numbered from zero: a value of a type, and no null.
pub fn placeholder(number: usize, data_type: &DataType) -> Expr {
    let id = format!("${}", number + 1);
    let field = Arc::new(Field::new(&id, data_type.clone(), false));
    Expr::Placeholder(Placeholder::new_with_field(id, Some(field)))
}

/// The number of a parameter of a shape.
pub fn number_of(parameter: &Placeholder) -> Option<usize> {
    parameter.id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

/// A constant or parameter as it stands in a plan; nothing for null.
///
/// # Errors
/// `Internal` for anything else.
pub fn constant(expression: &BoundExpr) -> Result<Option<Expr>, EngineError> {
    match expression {
        BoundExpr::Literal(value) => Ok((!value.is_null()).then(|| lit(scalar_from_value(value)))),
        BoundExpr::Parameter { number, scalar_type } => Ok(Some(placeholder(*number, &scalar_type.arrow()))),
        _ => Err(EngineError::Internal("a position is no constant".to_owned())),
    }
}

/// The plan with the parameters of a shape replaced by these values.
///
/// # Errors
/// When the plan cannot be rewritten.
pub fn put(plan: LogicalPlan, values: &[Value]) -> Result<LogicalPlan, EngineError> {
    rewrite::expressions(plan, |part, _| match &part {
        Expr::Placeholder(parameter) => match number_of(parameter).and_then(|number| values.get(number)) {
            Some(value) => Transformed::yes(lit(scalar_from_value(value))),
            None => Transformed::no(part),
        },
        _ => Transformed::no(part),
    })
}

/// The values of a statement's parameters as their places take them; nothing where one of them is not the same there, its place has no type,
/// or more than the answer depends on what it is there.
pub fn exact(values: &[Value], types: &[Option<DataType>]) -> Option<Vec<Value>> {
    let one = |(value, wanted): (&Value, &Option<DataType>)| {
        let wanted = wanted.as_ref()?;
        let there = cast(scalar_from_value(value), wanted, 0).ok().filter(|there| there.data_type() == *wanted)?;
        value_from_scalar(&there).ok().filter(can_be_parameter)
    };
    values.iter().zip(types).map(one).collect::<Option<Vec<_>>>().filter(|_| values.len() == types.len())
}

/// The plan of a statement whose parameters are those of a shape, of these types.
///
/// # Errors
/// When the plan cannot be rewritten.
pub fn typed(plan: LogicalPlan, types: &[Option<DataType>]) -> Result<LogicalPlan, EngineError> {
    rewrite::expressions(plan, |part, _| {
        let Expr::Placeholder(parameter) = &part else { return Transformed::no(part) };
        let number = number_of(parameter);
        match number.and_then(|number| types.get(number)?.as_ref().map(|wanted| placeholder(number, wanted))) {
            Some(typed) => Transformed::yes(typed),
            None => Transformed::no(part),
        }
    })
}

/// A number that its place's type would change (1.7 in the place of an integer) stays what it is, as if it stood in the text: then it
/// is compared by value, and not with another one.
fn cast(value: ScalarValue, to: &DataType, number: usize) -> Result<ScalarValue, EngineError> {
    let wrong = || EngineError::Invalid(format!("the value of parameter ${number} cannot be taken as {to}"));
    let from = value.data_type();
    if from.is_numeric() && to.is_numeric() {
        let kept = value.cast_to(to).ok().filter(|there| there.cast_to(&from).is_ok_and(|back| back == value));
        return Ok(kept.unwrap_or(value));
    }
    if let (Some(Some(text)), DataType::Decimal128(_, scale)) = (value.try_as_str(), to) {
        // The cast would round.
        let fraction = text.trim().split_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('0').len());
        if fraction > usize::try_from(*scale).unwrap_or(0) {
            return Err(wrong());
        }
    }
    value.cast_to(to).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, EngineError> {
        Ok(match numbered(text)? {
            ParserInput::Sql(text) => text.to_owned(),
            ParserInput::Tokens(tokens) => tokens.iter().map(|token| token.token.to_string()).collect(),
        })
    }

    #[test]
    fn what_decides_more_than_the_answer_is_no_parameter() {
        let there = |value: Value, wanted: DataType| exact(&[value], &[Some(wanted)]);
        assert_eq!(there(Value::Int32(5), DataType::Int64), Some(vec![Value::Int64(5)]));
        assert_eq!(there(Value::text("NaN"), DataType::Float64), None);
        assert_eq!(there(Value::text("-0"), DataType::Float64), None);
        assert_eq!(there(Value::text("true"), DataType::Boolean), None);
        assert_eq!(there(Value::text("x"), DataType::Int64), None);
    }

    #[test]
    fn marks_are_numbered_outside_quotes_and_comments() {
        for (text, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("SELECT ?, '?', \"?\", ? -- ?", "SELECT $1, '?', \"?\", $2 -- ?"),
            ("SELECT $2, $01 /* $7 */", "SELECT $2, $1 /* $7 */"),
            ("SELECT 'open ?", "SELECT 'open ?"),
        ] {
            assert_eq!(written(text).unwrap(), expected);
        }
        for (text, part) in [("SELECT $1, ?", "both"), ("SELECT $name", "$name"), ("SELECT $0", "$0"), ("SELECT ?7", "?7")] {
            assert!(matches!(written(text), Err(EngineError::Syntax(message)) if message.contains(part)), "{text}");
        }
    }

    #[test]
    fn names_are_numbered_by_first_use() {
        let (input, used) = named("SELECT $b, '$a', $a, $b -- $z", &["a", "b", "c"]).unwrap();
        let ParserInput::Tokens(tokens) = input else { panic!("the text has parameters") };
        assert_eq!(tokens.iter().map(|token| token.token.to_string()).collect::<String>(), "SELECT $1, '$a', $2, $1 -- $z");
        assert_eq!(used, ["b", "a"]);
        for wrong in ["SELECT $z", "SELECT ?", "SELECT $1", "SELECT $A"] {
            assert!(matches!(named(wrong, &["a"]), Err(EngineError::Syntax(message)) if message.contains("there are $a")), "{wrong}");
        }
    }

    #[test]
    fn a_value_is_cast_only_where_it_stays_the_same() {
        let int = DataType::Int64;
        let decimal = DataType::Decimal128(12, 2);
        assert_eq!(cast(ScalarValue::Int32(Some(7)), &int, 1).unwrap(), ScalarValue::Int64(Some(7)));
        assert_eq!(cast(ScalarValue::Float64(Some(1.0)), &int, 1).unwrap(), ScalarValue::Int64(Some(1)));
        assert_eq!(cast(ScalarValue::Float64(Some(1.7)), &int, 1).unwrap(), ScalarValue::Float64(Some(1.7)));
        assert_eq!(cast(ScalarValue::Utf8(None), &int, 1).unwrap(), ScalarValue::Int64(None));
        assert_eq!(cast(ScalarValue::Utf8(Some("1.50".into())), &decimal, 1).unwrap(), ScalarValue::Decimal128(Some(150), 12, 2));
        for (value, to) in [("1.555", &decimal), ("x", &decimal), ("1.7", &int), ("nonsense", &DataType::Date32)] {
            let error = cast(ScalarValue::Utf8(Some(value.into())), to, 3).unwrap_err();
            assert!(error.to_string().contains("parameter $3"), "{value}: {error}");
        }
    }
}
