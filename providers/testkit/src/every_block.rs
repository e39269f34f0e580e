//! Every form of block over every column of two tables, without chance: for the tables with which a kind tests how it holds values. It
//! knows no kind; the conformance suite's generated queries come on top.

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use portico_provider_api::arrays::{batch_from_rows, row_at};
use portico_provider_api::evaluate::{evaluate_over, grouping_value};
use portico_provider_api::{
    AggregateCall, AggregateFunction, Aggregation, ArithmeticOp, CompareOp, EvaluateError, Expr, Join, JoinKind, LimitPer, Output,
    QueryContext, Relation, ScalarType, Selection, SortKey, Source, SourceError, SourceErrorKind, SourceQuery, TableColumn, TableRelation,
    TypeClass, Value, WindowFunction,
};
use std::collections::HashMap;
use std::sync::Arc;

type Rows = Vec<Vec<Value>>;

/// What came of asking every block.
#[derive(Debug, Default)]
pub struct EveryBlock {
    /// Blocks that were answered, or failed as they should.
    pub checked: usize,
    /// Those of them that failed at the source and at the evaluator.
    pub failed: usize,
    /// Blocks that are not declared and were refused.
    pub refused: usize,
    /// What was wrong: the native request, what was expected and what was found.
    pub wrong: Vec<String>,
}

/// Asks every block over two tables of a source, and compares with the evaluator over scans of them. Both tables have a first column of
/// type int32 without nulls.
///
/// # Errors
/// When the schema or a table cannot be read.
pub async fn ask_every_block(source: &Arc<dyn Source>, left: &TableRelation, right: &TableRelation) -> Result<EveryBlock, SourceError> {
    let capabilities = source.remote_schema(&Selection::All, &QueryContext::default()).await?.capabilities;
    let mut tables = HashMap::new();
    for table in [left, right] {
        tables.insert(table.table.clone(), scanned(source, table).await?);
    }
    let lookup = |table: &TableRelation| {
        let batch = tables.get(&table.table).cloned();
        batch.ok_or_else(|| EvaluateError::Invalid(format!("there is no table '{}'", table.table)))
    };
    let mut asked = EveryBlock::default();
    for query in every_block(left, right) {
        let found = rows(source, query.clone()).await;
        if capabilities.check(&query).is_err() {
            match found {
                Err(error) if error.kind == SourceErrorKind::Unsupported => asked.refused += 1,
                found => asked.wrong.push(format!("not refused: {query:?}\nfound {found:?}")),
            }
            continue;
        }
        let expected = evaluate_over(&query, &lookup).and_then(|batch| rows_of(&query, &batch));
        asked.checked += 1;
        let wrong = match (expected, found) {
            (Ok(expected), Ok(found)) => same_answer(&query, &expected, &found).err(),
            (Err(EvaluateError::Data(_)), Err(error)) if error.kind == SourceErrorKind::Data => {
                asked.failed += 1;
                None
            }
            (expected, found) => Some(format!("expected {expected:?}\nfound {found:?}")),
        };
        let native = || source.describe(&query).first().map_or_else(String::new, |native| native.text.clone());
        asked.wrong.extend(wrong.map(|wrong| format!("{}\n{wrong}", native())));
    }
    Ok(asked)
}

fn rows_of(query: &SourceQuery, batch: &RecordBatch) -> Result<Rows, EvaluateError> {
    let types: Vec<ScalarType> = query.result_columns().iter().map(|column| column.scalar_type).collect();
    (0..batch.num_rows()).map(|row| row_at(batch, row, &types)).collect()
}

async fn rows(source: &Arc<dyn Source>, query: SourceQuery) -> Result<Rows, SourceError> {
    let malformed = |error: EvaluateError| SourceError::new("test", SourceErrorKind::Malformed, error.to_string());
    let batches: Vec<RecordBatch> = source.query(query.clone(), &QueryContext::default()).await?.try_collect().await?;
    batches.iter().map(|batch| rows_of(&query, batch).map_err(malformed)).collect::<Result<Vec<_>, _>>().map(|rows| rows.concat())
}

async fn scanned(source: &Arc<dyn Source>, table: &TableRelation) -> Result<RecordBatch, SourceError> {
    let columns: Vec<_> = table.columns.iter().map(|column| (column.name.clone(), column.scalar_type, column.nullable)).collect();
    batch_from_rows(&columns, &rows(source, SourceQuery::scan(table.clone())).await?)
        .map_err(|error| SourceError::new("test", SourceErrorKind::Malformed, error.to_string()))
}

fn output(expr: Expr) -> Output {
    Output { name: "out".to_owned(), expr }
}

fn select(from: Relation, columns: &[usize]) -> SourceQuery {
    SourceQuery::select(from, columns.iter().map(|index| output(Expr::Column(*index))).collect())
}

fn key(index: usize, descending: bool) -> SortKey {
    SortKey { expr: Expr::Column(index), descending, nulls_first: descending }
}

fn class(column: &TableColumn) -> TypeClass {
    TypeClass::of(column.scalar_type)
}

fn every_block(left: &TableRelation, right: &TableRelation) -> Vec<SourceQuery> {
    let (of_left, of_right) = (|| Relation::Table(left.clone()), || Relation::Table(right.clone()));
    let mut queries = Vec::new();
    for (l, column) in left.columns.iter().enumerate() {
        queries.extend(groups(&of_left(), &left.columns, l));
        queries.extend(windows(&of_left(), &left.columns, l));
        let partners = right.columns.iter().enumerate().filter(|(_, other)| class(other) == class(column));
        for (r, other) in partners {
            queries.extend(joins(&of_left(), &of_right(), l, (r, left.columns.len())));
            queries.extend(subqueries(&of_left(), &of_right(), (l, column.scalar_type), r));
            if other.scalar_type == column.scalar_type {
                let union = Relation::Union(vec![select(of_left(), &[l]), select(of_right(), &[r])]);
                queries.push(SourceQuery {
                    filter: Some(Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(0)))))),
                    ..select(union.clone(), &[0])
                });
                queries.push(SourceQuery { distinct: true, ..select(union, &[0]) });
            }
            queries.extend(arithmetic(&of_left(), &of_right(), l, (r, left.columns.len()), column.scalar_type));
        }
    }
    queries
}

fn joins(left: &Relation, right: &Relation, l: usize, (r, width): (usize, usize)) -> Vec<SourceQuery> {
    let join = |kind: JoinKind| Join {
        left: left.clone(),
        right: right.clone(),
        kind,
        on: vec![(Expr::Column(l), Expr::Column(r))],
        residual: None,
        null_aware: false,
        null_equal: false,
    };
    let from = |join: Join| Relation::Join(Box::new(join));
    let both = [0, l, width, width + r];
    let residual = || Some(Expr::compare(CompareOp::Lt, Expr::Column(l), Expr::Column(width + r)));
    let unordered = Join { on: Vec::new(), residual: residual(), ..join(JoinKind::Left) };
    let nested = Join { left: from(join(JoinKind::Semi)), right: from(join(JoinKind::Anti)), on: Vec::new(), ..join(JoinKind::Inner) };
    let per = LimitPer { columns: vec![Expr::Column(l)], offset: 0, limit: 1 };
    vec![
        select(from(join(JoinKind::Inner)), &both),
        select(from(join(JoinKind::Left)), &both),
        select(from(unordered), &both),
        select(from(join(JoinKind::Semi)), &[0, l]),
        select(from(join(JoinKind::Anti)), &[0, l]),
        select(from(Join { residual: residual(), ..join(JoinKind::Anti) }), &[0]),
        select(from(Join { null_aware: true, ..join(JoinKind::Anti) }), &[0]),
        select(from(Join { null_aware: true, residual: residual(), ..join(JoinKind::Anti) }), &[0]),
        select(from(Join { null_equal: true, ..join(JoinKind::Left) }), &both),
        select(from(nested), &[0]),
        SourceQuery { limit_per: Some(per), order_by: vec![key(0, false), key(width, true)], ..select(from(join(JoinKind::Inner)), &both) },
        SourceQuery { distinct: true, ..select(from(join(JoinKind::Inner)), &[width + r]) },
    ]
}

fn groups(from: &Relation, columns: &[TableColumn], at: usize) -> Vec<SourceQuery> {
    let grouped = |keys: &[usize], calls: Vec<AggregateCall>, outputs: &[usize]| SourceQuery {
        aggregate: Some(Aggregation { group_by: keys.iter().map(|key| Expr::Column(*key)).collect(), calls, having: None }),
        ..select(from.clone(), outputs)
    };
    let mut queries = Vec::new();
    let filter = || Some(Expr::compare(CompareOp::Gt, Expr::Column(0), Expr::Literal(Value::Int32(2))));
    for function in AggregateFunction::ALL {
        let argument = if function == AggregateFunction::CountRows { None } else { Some(Expr::Column(at)) };
        let Some(call) = AggregateCall::new(function, argument, columns) else { continue };
        queries.push(grouped(&[], vec![call.clone()], &[0]));
        queries.push(grouped(&[], vec![AggregateCall { filter: filter(), ..call.clone() }], &[0]));
        if call.argument.is_some() {
            let distinct = AggregateCall { distinct: true, ..call.clone() };
            queries.push(grouped(&[], vec![AggregateCall { filter: filter(), ..distinct.clone() }, distinct], &[0, 1]));
        }
        let counted = AggregateCall::new(AggregateFunction::CountRows, None, columns);
        queries.push(grouped(&[at], [Some(call), counted].into_iter().flatten().collect(), &[0, 1, 2]));
    }
    let Some(counted) = AggregateCall::new(AggregateFunction::CountRows, None, columns) else { return queries };
    let mut having = grouped(&[at], vec![counted.clone()], &[0, 1]);
    if let Some(aggregate) = &mut having.aggregate {
        let more = Expr::compare(CompareOp::Gt, Expr::Column(1), Expr::Literal(Value::Int64(1)));
        let known = Expr::compare(CompareOp::LtEq, Expr::Column(0), Expr::Column(0));
        aggregate.having = Some(Expr::Or(vec![more, known]));
    }
    queries.push(SourceQuery { order_by: vec![key(0, true)], ..having.clone() });
    queries.push(SourceQuery {
        filter: Some(Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(0)))))),
        ..select(Relation::Query(Box::new(having)), &[0, 1])
    });
    let distinct = SourceQuery { distinct: true, ..select(from.clone(), &[at]) };
    queries.push(SourceQuery { order_by: vec![key(at, false)], ..distinct.clone() });
    // What a block returns of a column is still that column above it.
    let nested =
        Relation::Query(Box::new(SourceQuery { order_by: vec![key(0, false)], limit: Some(1_000), ..select(from.clone(), &[0, at]) }));
    let smaller = Expr::compare(CompareOp::LtEq, Expr::Column(1), Expr::Column(1));
    queries.push(SourceQuery { filter: Some(smaller), order_by: vec![key(1, true)], ..select(nested.clone(), &[0, 1]) });
    let counted_above = Some(Aggregation { group_by: vec![Expr::Column(1)], calls: vec![counted], having: None });
    queries.push(SourceQuery { aggregate: counted_above, ..select(nested, &[0, 1]) });
    queries
}

fn windows(from: &Relation, columns: &[TableColumn], at: usize) -> Vec<SourceQuery> {
    let window = |function, arguments: Vec<Expr>, partition: &[usize], order_by: Vec<SortKey>| Expr::Window {
        function,
        arguments,
        partition_by: partition.iter().map(|index| Expr::Column(*index)).collect(),
        order_by,
    };
    let mut expressions = vec![
        window(WindowFunction::RowNumber, vec![], &[at], vec![key(0, false)]),
        window(WindowFunction::Rank, vec![], &[], vec![key(at, true)]),
        window(WindowFunction::DenseRank, vec![], &[], vec![key(at, false)]),
        window(WindowFunction::Count, vec![], &[at], vec![]),
        window(WindowFunction::Count, vec![Expr::Column(at)], &[], vec![key(0, false)]),
    ];
    for function in [WindowFunction::Min, WindowFunction::Max, WindowFunction::Sum] {
        expressions.push(window(function, vec![Expr::Column(at)], &[], vec![key(0, true)]));
        expressions.push(window(function, vec![Expr::Column(at)], &[at], vec![]));
        expressions.push(window(function, vec![Expr::Column(0)], &[], vec![key(at, false)]));
    }
    expressions.retain(|expression| expression.scalar_type(columns).is_some());
    let one = |expr: Expr| SourceQuery::select(from.clone(), vec![output(Expr::Column(0)), output(expr)]);
    expressions.into_iter().map(one).collect()
}

fn subqueries(left: &Relation, right: &Relation, (l, scalar_type): (usize, ScalarType), r: usize) -> Vec<SourceQuery> {
    let outer = Expr::OuterColumn { depth: 1, index: l, scalar_type };
    let matching = SourceQuery { filter: Some(Expr::compare(CompareOp::Eq, Expr::Column(r), outer)), ..select(right.clone(), &[0]) };
    let greatest = AggregateCall::new(AggregateFunction::Max, Some(Expr::Column(r)), &right.columns());
    let greatest = Aggregation { group_by: vec![], calls: greatest.into_iter().collect(), having: None };
    let greatest = SourceQuery { aggregate: Some(greatest), ..select(right.clone(), &[0]) };
    let first = SourceQuery { order_by: vec![key(0, false)], limit: Some(1), ..select(right.clone(), &[r]) };
    let several = select(right.clone(), &[r]);
    let scalar = |query: &SourceQuery| Expr::ScalarSubquery(Box::new(query.clone()));
    let filters = [
        Expr::Exists(Box::new(matching.clone())),
        Expr::Not(Box::new(Expr::Exists(Box::new(matching)))),
        Expr::compare(CompareOp::Eq, Expr::Column(l), scalar(&greatest)),
        Expr::compare(CompareOp::GtEq, Expr::Column(l), scalar(&first)),
        Expr::compare(CompareOp::Eq, Expr::Column(l), scalar(&several)),
    ];
    let filtered = |filter: Expr| SourceQuery { filter: Some(filter), ..select(left.clone(), &[0, l]) };
    let mut queries: Vec<_> = filters.into_iter().map(filtered).collect();
    queries.push(SourceQuery::select(left.clone(), vec![output(scalar(&first)), output(scalar(&greatest))]));
    queries
}

fn arithmetic(left: &Relation, right: &Relation, l: usize, (r, width): (usize, usize), scalar_type: ScalarType) -> Vec<SourceQuery> {
    if !matches!(TypeClass::of(scalar_type), TypeClass::Integer | TypeClass::Decimal) {
        return Vec::new();
    }
    let join = Join {
        left: left.clone(),
        right: right.clone(),
        kind: JoinKind::Cross,
        on: Vec::new(),
        residual: None,
        null_aware: false,
        null_equal: false,
    };
    let from = Relation::Join(Box::new(join));
    let operators = [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply, ArithmeticOp::Divide, ArithmeticOp::Modulo];
    let computed = |op: ArithmeticOp| {
        let expr = Expr::Arithmetic { op, left: Box::new(Expr::Column(l)), right: Box::new(Expr::Column(width + r)) };
        let outputs = vec![output(Expr::Column(0)), output(Expr::Column(width)), output(expr.clone())];
        let zero = Expr::compare(CompareOp::NotEq, Expr::Column(width), Expr::Literal(Value::Int32(0)));
        expr.scalar_type(&from.columns()).map(|_| SourceQuery { filter: Some(zero), ..SourceQuery::select(from.clone(), outputs) })
    };
    operators.into_iter().filter_map(computed).collect()
}

/// Whether an answer has the oracle's rows, in its order where there is one. Floats may differ by the order in which they were added.
fn same_answer(query: &SourceQuery, expected: &[Vec<Value>], found: &[Vec<Value>]) -> Result<(), String> {
    let row = |row: &Vec<Value>| row.iter().cloned().map(comparable).collect::<Vec<_>>().join(", ");
    let (mut expected, mut found): (Vec<_>, Vec<_>) = (expected.iter().map(row).collect(), found.iter().map(row).collect());
    // Rows with equal sort keys may come in any order, and here every sorted output is returned.
    let ordered = query.limit_per.is_none() && query.order_by.len() == query.output.len();
    if !ordered {
        expected.sort();
        found.sort();
    }
    match expected == found {
        true => Ok(()),
        false => Err(format!("expected {expected:#?}\nfound {found:#?}")),
    }
}

fn comparable(value: Value) -> String {
    match grouping_value(value) {
        Value::Float32(number) | Value::Float64(number) => format!("{:.9e}", number.0),
        other => format!("{other:?}"),
    }
}
