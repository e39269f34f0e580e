//! Which parts of a file can be left out, by the least and the greatest value that they have: those in which a condition of the query can hold
//! of no row. Pure. Where it is not sure, nothing is left out.

use portico_provider_api::evaluate::compare_values;
use portico_provider_api::{CompareOp, Expr, Relation, ScalarType, SourceQuery, TableColumn, Value};
use std::cmp::Ordering;

/// The least and the greatest value of a column in a part of a file; nulls count as none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) least: Value,
    pub(crate) greatest: Value,
}

/// The conditions of a query that bounds say something of. All of them must hold of a row.
#[derive(Debug, Clone)]
pub(crate) struct Pruning {
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Condition {
    column: String,
    scalar_type: ScalarType,
    wanted: Wanted,
}

#[derive(Debug, Clone)]
enum Wanted {
    /// A comparison, the column on its left.
    Compared(CompareOp, Value),
    /// One of these.
    Among(Vec<Value>),
}

/// Values to look for in a list at most: more of them take longer than what they save.
const MOST_VALUES: usize = 1_000;

impl Pruning {
    /// Of a query over one table; nothing where bounds would say nothing.
    pub(crate) fn of(query: &SourceQuery) -> Option<Pruning> {
        let Relation::Table(table) = &query.from else { return None };
        let mut conditions = Vec::new();
        for part in query.filter.iter().flat_map(conjuncts) {
            conditions.extend(condition(part, &table.columns));
        }
        if let Some(keys) = &query.keys
            && keys.tuples.len() <= MOST_VALUES
        {
            for (at, column) in keys.columns.iter().enumerate() {
                let values = keys.tuples.iter().filter_map(|tuple| tuple.get(at).cloned()).collect();
                conditions.extend(of_column(*column, &table.columns, Wanted::Among(values)));
            }
        }
        (!conditions.is_empty()).then_some(Pruning { conditions })
    }

    /// Whether a part of a file may have a row for which all conditions hold.
    pub(crate) fn may_have(&self, bounds: &dyn Fn(&str, ScalarType) -> Option<Bounds>) -> bool {
        self.conditions
            .iter()
            .all(|condition| bounds(&condition.column, condition.scalar_type).is_none_or(|bounds| condition.wanted.may_be(&bounds)))
    }
}

fn conjuncts(filter: &Expr) -> Vec<&Expr> {
    match filter {
        Expr::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// A condition on a column. Floats are left out: what bounds say of what is no number is not sure; and columns that are held as another type,
/// because their bounds are those of what is held.
fn of_column(index: usize, columns: &[TableColumn], wanted: Wanted) -> Option<Condition> {
    let column = columns.get(index)?;
    let is_sure = column.codec.is_none()
        && !matches!(
            column.scalar_type,
            ScalarType::Float32 | ScalarType::Float64 | ScalarType::Json | ScalarType::Binary | ScalarType::Guid
        );
    is_sure.then(|| Condition { column: column.name.clone(), scalar_type: column.scalar_type, wanted })
}

fn condition(part: &Expr, columns: &[TableColumn]) -> Option<Condition> {
    if let Expr::Compare { op, left, right } = part {
        return match (left.as_ref(), right.as_ref()) {
            (Expr::Column(index), Expr::Literal(value)) if !value.is_null() => {
                of_column(*index, columns, Wanted::Compared(*op, value.clone()))
            }
            (Expr::Literal(value), Expr::Column(index)) if !value.is_null() => {
                of_column(*index, columns, Wanted::Compared(turned(*op), value.clone()))
            }
            _ => None,
        };
    }
    if let Expr::InList { expr, list, negated: false } = part
        && let Expr::Column(index) = expr.as_ref()
        && list.len() <= MOST_VALUES
    {
        let values = list.iter().map(|item| if let Expr::Literal(value) = item { Some(value.clone()) } else { None });
        let values = values.collect::<Option<Vec<_>>>()?;
        return of_column(*index, columns, Wanted::Among(values.into_iter().filter(|value| !value.is_null()).collect()));
    }
    None
}

fn turned(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        CompareOp::Eq | CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => op,
    }
}

impl Wanted {
    fn may_be(&self, bounds: &Bounds) -> bool {
        match self {
            Wanted::Compared(op, value) => {
                let (Ok(Some(least)), Ok(Some(greatest))) = (compare_values(&bounds.least, value), compare_values(&bounds.greatest, value))
                else {
                    return true;
                };
                match op {
                    CompareOp::Eq | CompareOp::IsNotDistinctFrom => least != Ordering::Greater && greatest != Ordering::Less,
                    CompareOp::Lt => least == Ordering::Less,
                    CompareOp::LtEq => least != Ordering::Greater,
                    CompareOp::Gt => greatest == Ordering::Greater,
                    CompareOp::GtEq => greatest != Ordering::Less,
                    CompareOp::NotEq | CompareOp::IsDistinctFrom => true,
                }
            }
            Wanted::Among(values) => values.iter().any(|value| Wanted::Compared(CompareOp::Eq, value.clone()).may_be(bounds)),
        }
    }
}
