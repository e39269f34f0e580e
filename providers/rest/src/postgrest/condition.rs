//! Conditions as the URLs of PostgREST say them: comparisons, alternatives, names, values and patterns, each escaped for where it stands. Pure;
//! it must not know queries.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::form;
use crate::resource::Resource;
use crate::translate::{Pair, Refusal};
use portico_provider_api::Value;

/// A condition that holds or does not: what is unknown has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Always, or never.
    Constant(bool),
    /// One comparison.
    Leaf(Leaf),
    /// All of them.
    All(Vec<Condition>),
    /// Any of them.
    Any(Vec<Condition>),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    pub(super) column: String,
    pub(super) negated: bool,
    pub(super) op: &'static str,
    pub(super) operand: Operand,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    Word(&'static str),
    One(String),
    List(Vec<String>),
}

/// A text as a regular expression of PostgreSQL that matches just it.
pub(super) fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        if character.is_ascii()
            && !character.is_ascii_alphanumeric()
            && !character.is_ascii_control()
            && character != '_'
            && character != ' '
        {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

pub(super) fn like(pattern: &str) -> Result<String, Refusal> {
    let mut regular = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => regular.push_str(".*"),
            '_' => regular.push('.'),
            '\\' => {
                let next = characters.next().ok_or_else(|| Refusal::Data("a pattern ends with its escape character".to_owned()))?;
                regular.push_str(&escaped(&next.to_string()));
            }
            other => regular.push_str(&escaped(&other.to_string())),
        }
    }
    Ok(regular)
}

/// A value as PostgreSQL reads it.
pub(super) fn text(value: &Value) -> String {
    if let Value::Binary(bytes) = value {
        return format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    form::text(value)
}

/// A value of a body, as PostgreSQL reads it from JSON.
pub fn json(value: &Value) -> String {
    if matches!(value, Value::Binary(_)) { serde_json::Value::from(text(value)).to_string() } else { form::json(value) }
}

/// A name as it stands in parameters.
pub fn name(name: &str) -> String {
    let plain = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    let reserved = matches!(name, "select" | "order" | "limit" | "offset" | "and" | "or" | "columns" | "on_conflict" | "not");
    if plain && !reserved && !name.is_empty() { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Condition {
    /// All of them.
    pub fn all(parts: Vec<Condition>) -> Condition {
        Condition::joined(parts, true)
    }

    /// Any of them.
    pub fn any(parts: Vec<Condition>) -> Condition {
        Condition::joined(parts, false)
    }

    fn joined(parts: Vec<Condition>, all: bool) -> Condition {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Condition::Constant(value) if value == all => {}
                Condition::Constant(value) => return Condition::Constant(value),
                Condition::All(inner) if all => flat.extend(inner),
                Condition::Any(inner) if !all => flat.extend(inner),
                other @ (Condition::Leaf(_) | Condition::All(_) | Condition::Any(_)) => flat.push(other),
            }
        }
        match (flat.len(), flat.pop()) {
            (0, _) | (_, None) => Condition::Constant(all),
            (1, Some(only)) => only,
            (_, Some(last)) => {
                flat.push(last);
                if all { Condition::All(flat) } else { Condition::Any(flat) }
            }
        }
    }

    /// As it stands inside of `and=(…)`; `shown` has `?` for values.
    fn nested(&self, shown: bool) -> String {
        let list = |parts: &[Condition]| parts.iter().map(|part| part.nested(shown)).collect::<Vec<_>>().join(",");
        match self {
            Condition::Constant(_) => String::new(),
            Condition::Leaf(leaf) => format!("{}.{}", name(&leaf.column), leaf.operation(true, shown)),
            Condition::All(parts) => format!("and({})", list(parts)),
            Condition::Any(parts) => format!("or({})", list(parts)),
        }
    }

    fn values(&self) -> usize {
        match self {
            Condition::Constant(_) => 0,
            Condition::Leaf(leaf) => match &leaf.operand {
                Operand::Word(_) => 0,
                Operand::One(_) => 1,
                Operand::List(list) => list.len(),
            },
            Condition::All(parts) | Condition::Any(parts) => parts.iter().map(Condition::values).sum(),
        }
    }
}

impl Leaf {
    fn operation(&self, nested: bool, shown: bool) -> String {
        let not = if self.negated { "not." } else { "" };
        let operand = match &self.operand {
            Operand::Word(word) => (*word).to_owned(),
            Operand::One(_) if shown => "?".to_owned(),
            Operand::List(list) if shown => {
                format!("({}{})", vec!["?"; list.len().min(3)].join(","), if list.len() > 3 { ",…" } else { "" })
            }
            Operand::One(value) if nested => quoted(value),
            Operand::One(value) => value.clone(),
            Operand::List(list) => format!("({})", list.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(",")),
        };
        format!("{not}{}.{operand}", self.op)
    }
}

/// The parameters of a condition.
pub fn condition_pairs(condition: &Condition, resource: &Resource, pairs: &mut Vec<Pair>) {
    let mut one = |part: &Condition| match part {
        Condition::Constant(true) => {}
        Condition::Constant(false) => {
            // There is no word for it: a column that is null and is not.
            let column = name(resource.columns.first().map_or("", |column| column.name.as_str()));
            pairs.push(Pair::constant("and", format!("({column}.is.null,{column}.not.is.null)")));
        }
        Condition::Leaf(leaf) => {
            pairs.push(Pair::bound(name(&leaf.column), leaf.operation(false, false), leaf.operation(false, true), part.values()));
        }
        Condition::All(_) | Condition::Any(_) => {
            let (word, rest) = if matches!(part, Condition::All(_)) { ("and", 3) } else { ("or", 2) };
            let text = |shown| part.nested(shown).get(rest..).unwrap_or_default().to_owned();
            pairs.push(Pair::bound(word, text(false), text(true), part.values()));
        }
    };
    if let Condition::All(parts) = condition { parts.iter().for_each(one) } else { one(condition) }
}
