//! What a table cannot be asked without: whether a query has it. It must not know where keys come from.

use super::expression::mirrored;
use crate::capabilities::Requirement;
use crate::expr::{CompareOp, Expr};
use crate::query::TableColumn;

/// The first list of requirements that is met, as the columns (positions among `columns`) of which keys are needed; those are empty where
/// bounds are enough. `has` says of which columns there are keys, `filter` is what the source is asked besides.
#[must_use]
pub fn first_met(
    required: &[Vec<Requirement>],
    columns: &[TableColumn],
    filter: Option<&Expr>,
    has: &dyn Fn(usize) -> bool,
) -> Option<Vec<usize>> {
    let position = |name: &String| columns.iter().position(|column| column.name == *name);
    let met = |list: &Vec<Requirement>| {
        let mut keys = Vec::new();
        for requirement in list {
            match requirement {
                Requirement::Key(name) => keys.push(position(name).filter(|column| has(*column))?),
                Requirement::From(name) => bounded(filter?, position(name)?, true).then_some(())?,
                Requirement::To(name) => bounded(filter?, position(name)?, false).then_some(())?,
            }
        }
        Some(keys)
    };
    required.iter().find_map(met)
}

/// Whether a condition holds only from some constant on (`least`), or only up to one.
fn bounded(condition: &Expr, column: usize, least: bool) -> bool {
    match condition {
        Expr::And(parts) => parts.iter().any(|part| bounded(part, column, least)),
        Expr::Compare { op, left, right } => {
            let (op, constant) = match (left.as_ref(), right.as_ref()) {
                (Expr::Column(at), constant) if *at == column => (*op, constant),
                (constant, Expr::Column(at)) if *at == column => (mirrored(*op), constant),
                _ => return false,
            };
            let bounds = match op {
                CompareOp::Eq => true,
                CompareOp::Gt | CompareOp::GtEq => least,
                CompareOp::Lt | CompareOp::LtEq => !least,
                CompareOp::NotEq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => false,
            };
            bounds && matches!(constant, Expr::Literal(_) | Expr::Parameter { .. })
        }
        _ => false,
    }
}

/// Requirements for people: `id, or customer with a least placed`.
#[must_use]
pub fn required_text(required: &[Vec<Requirement>]) -> String {
    let list = |list: &Vec<Requirement>| {
        let keys: Vec<&str> =
            list.iter().filter_map(|one| if let Requirement::Key(name) = one { Some(name.as_str()) } else { None }).collect();
        let bounds = list.iter().filter_map(|one| match one {
            Requirement::Key(_) => None,
            Requirement::From(name) => Some(format!("a least {name}")),
            Requirement::To(name) => Some(format!("a greatest {name}")),
        });
        let bounds = bounds.collect::<Vec<_>>().join(" and ");
        [keys.join(", "), bounds].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" with ")
    };
    required.iter().map(list).collect::<Vec<_>>().join(", or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ScalarType;
    use crate::value::Value;

    fn column(name: &str) -> TableColumn {
        TableColumn { name: name.to_owned(), scalar_type: ScalarType::Int64, nullable: true, codec: None, native_type: None }
    }

    #[test]
    fn the_first_list_of_which_there_is_everything_is_met() {
        let columns: Vec<TableColumn> = ["id", "customer", "placed"].map(column).to_vec();
        let (key, from, to) =
            (|name: &str| Requirement::Key(name.to_owned()), Requirement::From("placed".to_owned()), Requirement::To("placed".to_owned()));
        let required = [vec![key("id")], vec![key("customer"), from.clone()], vec![from, to]];
        assert_eq!(required_text(&required), "id, or customer with a least placed, or a least placed and a greatest placed");
        let compare = |op, value: i64| Expr::compare(op, Expr::Column(2), Expr::Literal(Value::Int64(value)));
        let turned = Expr::compare(CompareOp::Gt, Expr::Literal(Value::Int64(9)), Expr::Column(2));
        let least = compare(CompareOp::GtEq, 1);
        let both = Expr::And(vec![least.clone(), turned.clone()]);
        let met = |keys: &[usize], filter: Option<&Expr>| first_met(&required, &columns, filter, &|column| keys.contains(&column));
        assert_eq!(met(&[0, 1], None), Some(vec![0]));
        assert_eq!(met(&[1], None), None);
        assert_eq!(met(&[1], Some(&least)), Some(vec![1]));
        assert_eq!(met(&[1], Some(&turned)), None);
        assert_eq!(met(&[], Some(&both)), Some(Vec::new()));
        assert_eq!(met(&[], Some(&compare(CompareOp::Eq, 4))), Some(Vec::new()));
        assert_eq!(met(&[], Some(&compare(CompareOp::NotEq, 4))), None);
        assert_eq!(met(&[], Some(&Expr::Or(vec![both, least]))), None);
    }
}
