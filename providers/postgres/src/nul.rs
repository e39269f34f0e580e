//! PostgreSQL's text cannot hold the character U+0000, so no stored text does, and no parameter may. A comparison with a literal
//! that holds one still has a meaning; this rewrites it into one that PostgreSQL can be asked. Pure.
#![deny(clippy::wildcard_enum_match_arm)]

use portico_provider_api::{
    AggregateCall, Aggregation, CompareOp, Expr, Function, Join, KeySet, LimitPer, Output, Relation, SortKey, SourceQuery, Value,
};

fn has_nul(expression: &Expr) -> Option<&str> {
    if let Expr::Literal(Value::Text(text)) = expression { text.contains('\0').then_some(text) } else { None }
}

/// The query without literals that hold U+0000, wherever their comparison can be said without them.
pub fn rewrite(query: SourceQuery) -> SourceQuery {
    let SourceQuery { from, filter, keys, aggregate, output, distinct, order_by, limit, offset, limit_per } = query;
    SourceQuery {
        from: relation(from),
        filter: filter.map(expression),
        keys: keys.map(|keys| KeySet { tuples: keys.tuples.into_iter().filter(|tuple| storable(tuple)).collect(), ..keys }),
        aggregate: aggregate.map(|Aggregation { group_by, calls, having }| Aggregation {
            group_by: all(group_by),
            calls: calls.into_iter().map(aggregate_call).collect(),
            having: having.map(expression),
        }),
        output: output.into_iter().map(|Output { name, expr }| Output { name, expr: expression(expr) }).collect(),
        distinct,
        order_by: sort_keys(order_by),
        limit,
        offset,
        limit_per: limit_per.map(|per| LimitPer { columns: all(per.columns), ..per }),
    }
}

fn relation(from: Relation) -> Relation {
    match from {
        Relation::Table(table) => Relation::Table(table),
        Relation::Call(call) => Relation::Call(call),
        Relation::Query(query) => Relation::Query(Box::new(rewrite(*query))),
        Relation::Union(queries) => Relation::Union(queries.into_iter().map(rewrite).collect()),
        Relation::Join(join) => {
            let Join { left, right, kind, on, residual, null_aware, null_equal } = *join;
            Relation::Join(Box::new(Join {
                left: relation(left),
                right: relation(right),
                kind,
                on: on.into_iter().map(|(left, right)| (expression(left), expression(right))).collect(),
                residual: residual.map(expression),
                null_aware,
                null_equal,
            }))
        }
    }
}

fn aggregate_call(call: AggregateCall) -> AggregateCall {
    AggregateCall { argument: call.argument.map(expression), filter: call.filter.map(expression), ..call }
}

fn sort_keys(keys: Vec<SortKey>) -> Vec<SortKey> {
    keys.into_iter().map(|key| SortKey { expr: expression(key.expr), ..key }).collect()
}

/// A tuple with such a text equals no stored one.
fn storable(tuple: &[Value]) -> bool {
    !tuple.iter().any(|value| has_nul(&Expr::Literal(value.clone())).is_some())
}

/// False where the operand is a value, null where it is null.
fn never(operand: Expr) -> Expr {
    Expr::compare(CompareOp::NotEq, operand.clone(), operand)
}

/// True where the operand is a value, null where it is null.
fn always(operand: Expr) -> Expr {
    Expr::compare(CompareOp::Eq, operand.clone(), operand)
}

fn compare(op: CompareOp, operand: Expr, text: &str) -> Expr {
    // Every stored text that begins like the literal ends before the literal's U+0000, or differs from it after a longer prefix:
    // the literal lies directly behind its part before the character.
    let before = Expr::Literal(Value::text(text.split('\0').next().unwrap_or_default()));
    match op {
        CompareOp::Eq => never(operand),
        CompareOp::NotEq => always(operand),
        CompareOp::Lt | CompareOp::LtEq => Expr::compare(CompareOp::LtEq, operand, before),
        CompareOp::Gt | CompareOp::GtEq => Expr::compare(CompareOp::Gt, operand, before),
        CompareOp::IsDistinctFrom => Expr::And(Vec::new()),
        CompareOp::IsNotDistinctFrom => Expr::Or(Vec::new()),
    }
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

fn boxed(inner: Expr) -> Box<Expr> {
    Box::new(expression(inner))
}

fn all(parts: Vec<Expr>) -> Vec<Expr> {
    parts.into_iter().map(expression).collect()
}

/// The expression, rewritten; what is not a comparison keeps its literal, which is refused when it is bound.
pub fn expression(expr: Expr) -> Expr {
    match expr {
        Expr::Compare { op, left, right } => match (has_nul(&left), has_nul(&right)) {
            (None, Some(text)) => compare(op, expression((*left).clone()), text),
            (Some(text), None) => compare(mirrored(op), expression((*right).clone()), text),
            (None, None) | (Some(_), Some(_)) => Expr::Compare { op, left: boxed(*left), right: boxed(*right) },
        },
        Expr::InList { expr, list, negated } => {
            let list: Vec<Expr> = list.into_iter().filter(|item| has_nul(item).is_none()).collect();
            let expr = boxed(*expr);
            match (list.is_empty(), negated) {
                (true, false) => never(*expr),
                (true, true) => always(*expr),
                (false, _) => Expr::InList { expr, list, negated },
            }
        }
        Expr::Call { function, arguments } => call(function, arguments),
        Expr::And(parts) => Expr::And(all(parts)),
        Expr::Or(parts) => Expr::Or(all(parts)),
        Expr::Not(inner) => Expr::Not(boxed(*inner)),
        Expr::IsNull(inner) => Expr::IsNull(boxed(*inner)),
        Expr::Negate(inner) => Expr::Negate(boxed(*inner)),
        Expr::Cast { expr, to } => Expr::Cast { expr: boxed(*expr), to },
        Expr::Arithmetic { op, left, right } => Expr::Arithmetic { op, left: boxed(*left), right: boxed(*right) },
        Expr::Case { branches, otherwise } => Expr::Case {
            branches: branches.into_iter().map(|(when, then)| (expression(when), expression(then))).collect(),
            otherwise: otherwise.map(|otherwise| boxed(*otherwise)),
        },
        Expr::ScalarSubquery(query) => Expr::ScalarSubquery(Box::new(rewrite(*query))),
        Expr::Exists(query) => Expr::Exists(Box::new(rewrite(*query))),
        Expr::Window { function, arguments, partition_by, order_by } => {
            Expr::Window { function, arguments: all(arguments), partition_by: all(partition_by), order_by: sort_keys(order_by) }
        }
        Expr::Column(_) | Expr::OuterColumn { .. } | Expr::Literal(_) | Expr::Parameter { .. } => expr,
    }
}

/// Looking for such a text in a stored one finds nothing.
fn call(function: Function, arguments: Vec<Expr>) -> Expr {
    let searched = matches!(function, Function::Contains | Function::StartsWith | Function::EndsWith);
    match arguments.as_slice() {
        [text, wanted] if searched && has_nul(wanted).is_some() && has_nul(text).is_none() => never(expression(text.clone())),
        _ => Expr::Call { function, arguments: all(arguments) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_provider_api::{AggregateFunction, JoinKind, RemoteTableName, ScalarType, TableRelation, WindowFunction};

    #[test]
    fn comparisons_with_nul_keep_their_meaning() {
        let column = || Expr::Column(0);
        let literal = || Expr::Literal(Value::text("ab\0c"));
        let before = || Expr::Literal(Value::text("ab"));
        let rewritten = |op| expression(Expr::compare(op, column(), literal()));
        assert_eq!(rewritten(CompareOp::Eq), Expr::compare(CompareOp::NotEq, column(), column()));
        assert_eq!(rewritten(CompareOp::Lt), Expr::compare(CompareOp::LtEq, column(), before()));
        assert_eq!(rewritten(CompareOp::GtEq), Expr::compare(CompareOp::Gt, column(), before()));
        assert_eq!(expression(Expr::compare(CompareOp::Lt, literal(), column())), Expr::compare(CompareOp::Gt, column(), before()));
        let list = Expr::InList { expr: Box::new(column()), list: vec![literal(), before()], negated: true };
        assert_eq!(expression(list), Expr::InList { expr: Box::new(column()), list: vec![before()], negated: true });
        let contains = Expr::Call { function: Function::Contains, arguments: vec![column(), literal()] };
        assert_eq!(expression(contains), Expr::compare(CompareOp::NotEq, column(), column()));
    }

    #[test]
    fn no_part_of_a_query_is_left_out() {
        let table = || Relation::Table(TableRelation { table: RemoteTableName(vec!["t".to_owned()]), columns: Vec::new() });
        let wrong = || Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::Literal(Value::text("a\0")));
        let output = || vec![Output { name: "o".to_owned(), expr: wrong() }];
        let key = || SortKey { expr: wrong(), descending: false, nulls_first: false };
        let inner = || SourceQuery { filter: Some(wrong()), ..SourceQuery::select(table(), output()) };
        let join = Join {
            left: Relation::Query(Box::new(inner())),
            right: Relation::Union(vec![inner(), inner()]),
            kind: JoinKind::Inner,
            on: vec![(wrong(), wrong())],
            residual: Some(Expr::Exists(Box::new(inner()))),
            null_aware: false,
            null_equal: false,
        };
        let call = AggregateCall {
            function: AggregateFunction::Count,
            argument: Some(wrong()),
            distinct: false,
            filter: Some(wrong()),
            scalar_type: ScalarType::Int64,
        };
        let window =
            Expr::Window { function: WindowFunction::Count, arguments: vec![wrong()], partition_by: vec![wrong()], order_by: vec![key()] };
        let query = SourceQuery {
            filter: Some(Expr::Not(Box::new(Expr::ScalarSubquery(Box::new(inner()))))),
            aggregate: Some(Aggregation { group_by: vec![wrong()], calls: vec![call], having: Some(wrong()) }),
            order_by: vec![key()],
            limit_per: Some(LimitPer { columns: vec![wrong()], offset: 0, limit: 1 }),
            ..SourceQuery::select(Relation::Join(Box::new(join)), vec![Output { name: "w".to_owned(), expr: window }])
        };
        let text = |query: &SourceQuery| String::from_utf8(query.canonical_bytes().unwrap()).unwrap();
        assert_eq!(text(&query).matches("\\u0000").count(), 21);
        assert_eq!(text(&rewrite(query)).matches("\\u0000").count(), 0);
    }
}
