//! What a translation yields: text, parameters, and how the columns of the answer are held. It must not know how either is sent.

use crate::dialect::{Dialect, Placeholder};
use portico_provider_api::{Codec, NativeRequest, ScalarType, Unsupported, Value};
use thiserror::Error;

/// A bound parameter. Its position in [`Statement::parameters`] plus one is its number in the text; where placeholders have no number, the
/// one that stands there in the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// One value. In the Postgres dialect the text casts every placeholder (`$1::int8`), so the parameter's type is the value's
    /// type. In the SQLite dialect the value is always `Int64`, `Float64`, `Text`, `Binary` or `Null`; in that of MySQL never a decimal, a
    /// GUID or JSON, which are text there.
    Value(Value),
    /// A column of values that are sent as one array (`$1::int8[]`), never null.
    Array {
        /// Type of the elements.
        scalar_type: ScalarType,
        /// The elements.
        values: Vec<Value>,
    },
    /// A value that each run brings: that of a parameter of the query, never null.
    Later {
        /// The parameter's number.
        index: u32,
        /// Its type.
        scalar_type: ScalarType,
    },
}

/// How one column of the answer is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Name in the result's schema.
    pub name: String,
    /// The type readers see.
    pub scalar_type: ScalarType,
    /// Whether it may be null.
    pub nullable: bool,
    /// The stored form that [`decode`](crate::decode) turns into the type; absent when the column is the dialect's own form of the type.
    pub codec: Option<Codec>,
    /// The remote table and column that a plain column comes from, for messages; absent for computed ones.
    pub origin: Option<String>,
    /// The source's own name of the column's type, for plain columns where the table relation has it.
    pub native_type: Option<String>,
}

/// SQL text with parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text. It holds no literal of the query.
    pub text: String,
    /// The parameters, `$1` or `?1` first.
    pub parameters: Vec<Parameter>,
    /// The columns of the answer, by position; empty when the statement returns no rows.
    pub columns: Vec<ResultColumn>,
}

impl Statement {
    /// A statement of numbered placeholders. A dialect without numbers gets its parameters in the order of the text, each as often as it
    /// stands there.
    pub(crate) fn new(dialect: &Dialect, text: String, parameters: Vec<Parameter>, columns: Vec<ResultColumn>) -> Statement {
        match dialect.placeholder {
            Placeholder::DollarTyped | Placeholder::QuestionNumbered | Placeholder::Dollar => Statement { text, parameters, columns },
            Placeholder::Question | Placeholder::QuestionTyped => {
                let (text, parameters) = in_order(&text, &parameters, dialect.quote);
                Statement { text, parameters, columns }
            }
        }
    }

    /// The statement as EXPLAIN and logs show it.
    pub fn native_request(&self) -> NativeRequest {
        NativeRequest { language: "sql".to_owned(), text: self.text.clone(), parameters: self.parameters.len() }
    }
}

/// `?3 … ?1` becomes `? … ?` with the parameters in that order. Quoted identifiers and literals are left alone.
fn in_order(text: &str, parameters: &[Parameter], quote: char) -> (String, Vec<Parameter>) {
    let (mut plain, mut ordered) = (String::with_capacity(text.len()), Vec::with_capacity(parameters.len()));
    let mut inside = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        plain.push(character);
        match inside {
            // A doubled quote ends the quotation and begins it again.
            Some(end) if end == character => inside = None,
            Some(_) => {}
            None if character == quote || character == '\'' => inside = Some(character),
            None if character == '?' => {
                let mut number = 0_usize;
                while let Some(digit) = characters.peek().and_then(|next| next.to_digit(10)) {
                    number = number.saturating_mul(10).saturating_add(digit as usize);
                    characters.next();
                }
                ordered.extend(number.checked_sub(1).and_then(|at| parameters.get(at)).cloned());
            }
            None => {}
        }
    }
    (plain, ordered)
}

/// Why a change has no statement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TranslateError {
    /// The dialect cannot say it.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A value does not fit the column that shall hold it.
    #[error("{0}")]
    Data(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_follow_the_text() {
        let parameters: Vec<_> = ["a", "b", "c"].map(|text| Parameter::Value(Value::text(text))).to_vec();
        let text = "SELECT `?1``?2` FROM t WHERE a = ?3 AND b LIKE ?1 ESCAPE '?2\\' AND c IN (?2, ?3)".to_owned();
        let statement = Statement::new(&crate::dialect::MYSQL, text.clone(), parameters.clone(), Vec::new());
        assert_eq!(statement.text, "SELECT `?1``?2` FROM t WHERE a = ? AND b LIKE ? ESCAPE '?2\\' AND c IN (?, ?)");
        let order: Vec<_> = [2, 0, 1, 2].map(|at: usize| parameters[at].clone()).to_vec();
        assert_eq!(statement.parameters, order);
        assert_eq!(Statement::new(&crate::dialect::SQLITE, text.clone(), parameters, Vec::new()).text, text);
    }
}
