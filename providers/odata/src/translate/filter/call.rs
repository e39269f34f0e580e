//! Functions of text in conditions. Pure.
#![deny(clippy::wildcard_enum_match_arm)]

use super::super::text::Said;
use super::{Filters, Refused, Truth, beyond, close, name};
use crate::metadata::Protocol;
use portico_provider_api::{Expr, Function, Value};

impl Filters<'_> {
    pub(super) fn call(&self, function: Function, arguments: &[Expr], wanted: bool) -> Result<Truth, Refused> {
        let word = match function {
            Function::Contains if self.protocol == Protocol::V2 => "substringof",
            Function::Contains => "contains",
            Function::StartsWith => "startswith",
            Function::EndsWith => "endswith",
            Function::Like
            | Function::Length
            | Function::Position
            | Function::Substring
            | Function::Lower
            | Function::Upper
            | Function::Trim
            | Function::Concat
            | Function::Year
            | Function::Month
            | Function::Day
            | Function::Hour
            | Function::Minute
            | Function::Second
            | Function::Round
            | Function::Floor
            | Function::Ceiling
            | Function::Abs => return Err(beyond("a function")),
        };
        let [text, part] = arguments else { return Err(beyond("a function of other arguments")) };
        let mut said = Vec::new();
        for argument in [text, part] {
            said.push(match argument {
                Expr::Column(index) => name(self.property(*index)?),
                Expr::Literal(value) if value.is_null() => return Ok(Truth::Never),
                Expr::Literal(Value::Text(text)) => Said::value(format!("'{}'", text.replace('\'', "''"))),
                Expr::Literal(_)
                | Expr::OuterColumn { .. }
                | Expr::Parameter { .. }
                | Expr::Compare { .. }
                | Expr::InList { .. }
                | Expr::And(_)
                | Expr::Or(_)
                | Expr::Not(_)
                | Expr::IsNull(_)
                | Expr::Arithmetic { .. }
                | Expr::Negate(_)
                | Expr::Case { .. }
                | Expr::Cast { .. }
                | Expr::Call { .. }
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::Window { .. } => return Err(beyond("a function of something computed")),
            });
        }
        if word == "substringof" {
            said.reverse();
        }
        let call = Said::plain(word).and(&Said::joined(&said, ",").in_brackets());
        Ok(close(if wanted { call } else { call.then(" eq false") }))
    }
}
