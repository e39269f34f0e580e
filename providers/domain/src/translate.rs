//! From conditions of the contract to domains. Three truth values become two by asking for each comparison that it is true, or that it is false. It must not
//! know what a server makes of a comparison: the kind says that.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::domain::Domain;
use portico_provider_api::{CompareOp, Expr, Function, KeySet, TableColumn, Value};

/// A test of one column. None of them passes a null but `Null`.
#[derive(Debug, Clone, PartialEq)]
pub enum Test<'a> {
    /// It is null.
    Null,
    /// It is not null.
    NotNull,
    /// It compares with a value that is not null: `=`, `<>`, `<`, `<=`, `>`, `>=`.
    Compare(CompareOp, &'a Value),
    /// It equals one of these, none of which is null.
    In(Vec<&'a Value>),
    /// It is not null, and equals none of these.
    NotIn(Vec<&'a Value>),
    /// A function of it and a text holds, or (`false`) does not hold: `contains`, `starts_with`, `ends_with`, `like`.
    Matches(Function, &'a str, bool),
}

/// A domain that keeps all rows that are meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounded {
    /// The domain.
    pub domain: Domain,
    /// Whether it keeps no others.
    pub exact: bool,
}

impl Bounded {
    /// Just the rows that are meant.
    pub fn exact(domain: Domain) -> Bounded {
        Bounded { domain, exact: true }
    }

    /// Perhaps more rows than are meant.
    pub fn loose(domain: Domain) -> Bounded {
        Bounded { domain, exact: false }
    }

    /// All of these.
    pub fn all(parts: impl IntoIterator<Item = Bounded>) -> Bounded {
        Bounded::joined(parts, Domain::all)
    }

    /// Any of these.
    pub fn any(parts: impl IntoIterator<Item = Bounded>) -> Bounded {
        Bounded::joined(parts, Domain::any)
    }

    fn joined(parts: impl IntoIterator<Item = Bounded>, join: fn(Vec<Domain>) -> Domain) -> Bounded {
        let (mut domains, mut exact) = (Vec::new(), true);
        for part in parts {
            exact &= part.exact;
            domains.push(part.domain);
        }
        let domain = join(domains);
        // Of no rows there are none too many.
        Bounded { exact: exact || domain == Domain::Nothing, domain }
    }
}

/// What a test of a column is at the server.
pub type Leaves<'a> = &'a dyn Fn(&TableColumn, &Test<'_>) -> Bounded;

/// The rows for which a predicate is true.
pub fn predicate(expression: &Expr, columns: &[TableColumn], leaves: Leaves<'_>) -> Bounded {
    Translator { columns, leaves }.truth(expression, true)
}

/// The rows whose columns equal one of the tuples of a key set.
pub fn keys(keys: &KeySet, columns: &[TableColumn], leaves: Leaves<'_>) -> Bounded {
    let translator = Translator { columns, leaves };
    if let [column] = keys.columns.as_slice() {
        return translator.test(*column, &Test::In(keys.tuples.iter().filter_map(|tuple| tuple.first()).collect()));
    }
    Bounded::any(keys.tuples.iter().map(|tuple| {
        let equal = |(column, value): (&usize, _)| translator.test(*column, &Test::Compare(CompareOp::Eq, value));
        Bounded::all(keys.columns.iter().zip(tuple).map(equal))
    }))
}

struct Translator<'a> {
    columns: &'a [TableColumn],
    leaves: Leaves<'a>,
}

/// What cannot be asked: every row may be meant.
fn unknown() -> Bounded {
    Bounded::loose(Domain::Everything)
}

fn nothing() -> Bounded {
    Bounded::exact(Domain::Nothing)
}

impl Translator<'_> {
    fn test(&self, column: usize, test: &Test<'_>) -> Bounded {
        self.columns.get(column).map_or_else(unknown, |column| (self.leaves)(column, test))
    }

    /// The rows for which an expression is `wanted`, and not null.
    fn truth(&self, expression: &Expr, wanted: bool) -> Bounded {
        match expression {
            Expr::And(parts) if wanted => Bounded::all(parts.iter().map(|part| self.truth(part, true))),
            Expr::And(parts) => Bounded::any(parts.iter().map(|part| self.truth(part, false))),
            Expr::Or(parts) if wanted => Bounded::any(parts.iter().map(|part| self.truth(part, true))),
            Expr::Or(parts) => Bounded::all(parts.iter().map(|part| self.truth(part, false))),
            Expr::Not(inner) => self.truth(inner, !wanted),
            Expr::IsNull(inner) => match inner.as_column() {
                Some(column) => self.test(column, if wanted { &Test::Null } else { &Test::NotNull }),
                None => unknown(),
            },
            Expr::Column(column) => self.test(*column, &Test::Compare(CompareOp::Eq, &Value::Boolean(wanted))),
            Expr::Literal(Value::Boolean(value)) if *value == wanted => Bounded::exact(Domain::Everything),
            Expr::Literal(_) => nothing(),
            Expr::Compare { op, left, right } => match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), Expr::Literal(value)) => self.compare(*column, *op, value, wanted),
                (Expr::Literal(value), Expr::Column(column)) => self.compare(*column, mirrored(*op), value, wanted),
                (_, _) => unknown(),
            },
            Expr::InList { expr, list, negated } => match expr.as_column() {
                Some(column) => self.in_list(column, list, *negated != wanted),
                None => unknown(),
            },
            Expr::Call { function, arguments } => match arguments.as_slice() {
                [Expr::Column(column), Expr::Literal(Value::Text(text))] => self.test(*column, &Test::Matches(*function, text, wanted)),
                [Expr::Column(_), Expr::Literal(Value::Null(_))] => nothing(),
                _ => unknown(),
            },
            Expr::OuterColumn { .. }
            | Expr::Parameter { .. }
            | Expr::Arithmetic { .. }
            | Expr::Negate(_)
            | Expr::Case { .. }
            | Expr::Cast { .. }
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::Window { .. } => unknown(),
        }
    }

    fn compare(&self, column: usize, op: CompareOp, value: &Value, wanted: bool) -> Bounded {
        let null = |is_null: bool| self.test(column, if is_null { &Test::Null } else { &Test::NotNull });
        match (op, value.is_null()) {
            (CompareOp::IsNotDistinctFrom, true) => null(wanted),
            (CompareOp::IsDistinctFrom, true) => null(!wanted),
            (_, true) => nothing(),
            (CompareOp::IsNotDistinctFrom | CompareOp::IsDistinctFrom, false) => {
                if (op == CompareOp::IsNotDistinctFrom) == wanted {
                    return self.test(column, &Test::Compare(CompareOp::Eq, value));
                }
                Bounded::any([self.test(column, &Test::Compare(CompareOp::NotEq, value)), null(true)])
            }
            (op, false) if wanted => self.test(column, &Test::Compare(op, value)),
            // A number that is none compares with nothing, so that its comparisons have no opposites among each other.
            (op, false) => match self.columns.get(column).map(|column| column.scalar_type) {
                Some(scalar_type) if !is_float(scalar_type) => self.test(column, &Test::Compare(opposite(op), value)),
                _ if matches!(op, CompareOp::Eq | CompareOp::NotEq) => self.test(column, &Test::Compare(opposite(op), value)),
                _ => Bounded { exact: false, ..null(false) },
            },
        }
    }

    fn in_list(&self, column: usize, list: &[Expr], found: bool) -> Bounded {
        let mut values = Vec::with_capacity(list.len());
        let mut has_null = false;
        for item in list {
            let Expr::Literal(value) = item else { return unknown() };
            if value.is_null() {
                has_null = true;
            } else {
                values.push(value);
            }
        }
        match (found, has_null) {
            // Whether it is among values of which one is unknown is never sure to be false.
            (false, true) => nothing(),
            (true, _) if values.is_empty() => nothing(),
            (true, _) => self.test(column, &Test::In(values)),
            (false, false) => self.test(column, &Test::NotIn(values)),
        }
    }
}

fn is_float(scalar_type: portico_provider_api::ScalarType) -> bool {
    use portico_provider_api::ScalarType;
    matches!(scalar_type, ScalarType::Float32 | ScalarType::Float64)
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => op,
    }
}

fn opposite(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::NotEq,
        CompareOp::NotEq => CompareOp::Eq,
        CompareOp::Lt => CompareOp::GtEq,
        CompareOp::LtEq => CompareOp::Gt,
        CompareOp::Gt => CompareOp::LtEq,
        CompareOp::GtEq => CompareOp::Lt,
        CompareOp::IsDistinctFrom => CompareOp::IsNotDistinctFrom,
        CompareOp::IsNotDistinctFrom => CompareOp::IsDistinctFrom,
    }
}
