//! A domain as a tree, and how it is spelt. It must not know where its leaves come from.

use serde_json::{Value, json};

/// How leaves are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// Lists, with `"OR"` or `"AND"` before what is joined: `["OR", [a], [b], [c]]`. Tryton.
    Infix,
    /// Operators of two operands before them: `["|", "|", [a], [b], [c]]`. Odoo.
    Prefix,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Name of the field, or a path along references (`party.name`).
    pub field: String,
    /// The server's operator.
    pub operator: &'static str,
    /// The value in the server's own JSON. An array holds as many values as it has items.
    pub value: Value,
    /// Whether the value is one of a query's, which is not shown to others than the server.
    pub is_parameter: bool,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// Every row.
    Everything,
    /// No row.
    Nothing,
    /// One comparison.
    Leaf(Leaf),
    /// All of these; two or more.
    All(Vec<Domain>),
    /// Any of these; two or more.
    Any(Vec<Domain>),
}

impl Domain {
    /// A comparison with a value of the query's.
    pub fn leaf(field: impl Into<String>, operator: &'static str, value: impl Into<Value>) -> Domain {
        Domain::Leaf(Leaf { field: field.into(), operator, value: value.into(), is_parameter: true })
    }

    /// A comparison with something that is always the same, such as null.
    pub fn fixed(field: impl Into<String>, operator: &'static str, value: impl Into<Value>) -> Domain {
        Domain::Leaf(Leaf { field: field.into(), operator, value: value.into(), is_parameter: false })
    }

    /// All of the given ones, as flat as can be.
    pub fn all(parts: impl IntoIterator<Item = Domain>) -> Domain {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Domain::Everything => {}
                Domain::Nothing => return Domain::Nothing,
                Domain::All(inner) => flat.extend(inner),
                Domain::Leaf(_) | Domain::Any(_) => flat.push(part),
            }
        }
        match flat.len() {
            0 => Domain::Everything,
            1 => flat.remove(0),
            _ => Domain::All(flat),
        }
    }

    /// Any of the given ones, as flat as can be.
    pub fn any(parts: impl IntoIterator<Item = Domain>) -> Domain {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Domain::Nothing => {}
                Domain::Everything => return Domain::Everything,
                Domain::Any(inner) => flat.extend(inner),
                Domain::Leaf(_) | Domain::All(_) => flat.push(part),
            }
        }
        match flat.len() {
            0 => Domain::Nothing,
            1 => flat.remove(0),
            _ => Domain::Any(flat),
        }
    }

    /// The domain as it is sent.
    pub fn spelt(&self, spelling: Spelling) -> Value {
        let mut writer = Writer { spelling, hides: false, hidden: 0 };
        writer.whole(self)
    }

    /// The domain as it is shown: values of the query's are `?`, and told by their number.
    pub fn shown(&self, spelling: Spelling) -> (String, usize) {
        let mut writer = Writer { spelling, hides: true, hidden: 0 };
        let text = writer.whole(self).to_string();
        (text.replace("\"?\"", "?"), writer.hidden)
    }
}

/// What no row satisfies: neither language has a word for it, and every record has a number.
fn nothing() -> Value {
    json!(["id", "in", []])
}

struct Writer {
    spelling: Spelling,
    hides: bool,
    hidden: usize,
}

impl Writer {
    fn whole(&mut self, domain: &Domain) -> Value {
        match domain {
            Domain::Everything => json!([]),
            Domain::Nothing => json!([nothing()]),
            Domain::Leaf(leaf) => json!([self.leaf(leaf)]),
            // A list is a conjunction in both.
            Domain::All(parts) => parts.iter().flat_map(|part| self.operand(part)).collect(),
            Domain::Any(parts) => match self.spelling {
                Spelling::Infix => self.infix("OR", parts),
                Spelling::Prefix => self.operand(domain).into(),
            },
        }
    }

    /// What stands for a domain in the place of an operand: one item infix, as many as it has operators and leaves prefix.
    fn operand(&mut self, domain: &Domain) -> Vec<Value> {
        match (domain, self.spelling) {
            (Domain::Everything, Spelling::Infix) => vec![json!([])],
            (Domain::Everything, Spelling::Prefix) => vec![json!([1, "=", 1])],
            (Domain::Nothing, _) => vec![nothing()],
            (Domain::Leaf(leaf), _) => vec![self.leaf(leaf)],
            (Domain::All(parts), Spelling::Infix) => vec![self.infix("AND", parts)],
            (Domain::Any(parts), Spelling::Infix) => vec![self.infix("OR", parts)],
            (Domain::All(parts), Spelling::Prefix) => self.prefix("&", parts),
            (Domain::Any(parts), Spelling::Prefix) => self.prefix("|", parts),
        }
    }

    fn infix(&mut self, operator: &str, parts: &[Domain]) -> Value {
        std::iter::once(json!(operator)).chain(parts.iter().flat_map(|part| self.operand(part))).collect()
    }

    fn prefix(&mut self, operator: &str, parts: &[Domain]) -> Vec<Value> {
        let operators = std::iter::repeat_n(json!(operator), parts.len().saturating_sub(1));
        operators.chain(parts.iter().flat_map(|part| self.operand(part))).collect()
    }

    fn leaf(&mut self, leaf: &Leaf) -> Value {
        let Leaf { field, operator, value, is_parameter } = leaf;
        if !(self.hides && *is_parameter) {
            return json!([field, operator, value]);
        }
        match value {
            Value::Array(items) => {
                self.hidden += items.len();
                let marks: Vec<&str> = items.iter().map(|_| "?").collect();
                json!([field, operator, marks])
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                self.hidden += 1;
                json!([field, operator, "?"])
            }
        }
    }
}
