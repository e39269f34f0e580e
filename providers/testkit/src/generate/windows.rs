//! Window functions as outputs: by every class of partition, order and argument, over groups, and filtered by a block above.

use super::blocks::{Block, all, call, class_of, condition, grouped, nested, relation, scan, summable};
use super::{Literals, total_order};
use crate::run::Table;
use portico_provider_api::{AggregateCall, AggregateFunction, CompareOp, Expr, Output, SortKey, SourceQuery, Value, WindowFunction};

const NUMBERING: [WindowFunction; 3] = [WindowFunction::RowNumber, WindowFunction::Rank, WindowFunction::DenseRank];
const AGGREGATING: [WindowFunction; 4] = [WindowFunction::Count, WindowFunction::Sum, WindowFunction::Min, WindowFunction::Max];

/// Windows over every table.
pub(crate) fn windows(tables: &[Table], literals: &mut Literals<'_>) -> Vec<Block> {
    let mut found = Vec::new();
    for table in tables.iter().filter(|table| !table.primary_key().is_empty()) {
        for column in 0..table.relation.columns.len() {
            found.extend(numbering(table, column, literals));
            found.extend(aggregating(table, column, literals));
        }
        found.extend(above_and_below(table, literals));
    }
    found
}

/// The table's key, and the window beside it.
fn beside_key(table: &Table, window: Expr) -> SourceQuery {
    let key = table.primary_key().into_iter().map(|column| Output { name: format!("key{column}"), expr: Expr::Column(column) });
    let output = key.chain([Output { name: "w".to_owned(), expr: window }]).collect();
    SourceQuery { output, ..scan(table) }
}

fn over(function: WindowFunction, arguments: Vec<Expr>, partition_by: Vec<Expr>, order_by: Vec<SortKey>) -> Expr {
    Expr::Window { function, arguments, partition_by, order_by }
}

fn sort(column: usize, literals: &mut Literals<'_>) -> SortKey {
    SortKey { expr: Expr::Column(column), descending: literals.rng.bool(), nulls_first: literals.rng.bool() }
}

fn numbering(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Block> {
    let Some(class) = class_of(table, column) else { return Vec::new() };
    let mut found = Vec::new();
    for function in NUMBERING {
        let other = Expr::Column(literals.rng.usize(0..table.relation.columns.len()));
        for (feature, partition_by) in [("", Vec::new()), (" in partitions", vec![other])] {
            let mut order_by = vec![sort(column, literals)];
            // Rows that are tied have no numbers of their own.
            if function == WindowFunction::RowNumber {
                order_by.extend(total_order(table));
            }
            let window = over(function, Vec::new(), partition_by, order_by);
            found.push((format!("{function:?} by {class:?}{feature}"), beside_key(table, window)));
        }
    }
    found
}

fn aggregating(table: &Table, column: usize, literals: &mut Literals<'_>) -> Vec<Block> {
    let Some(class) = class_of(table, column) else { return Vec::new() };
    let argument = Expr::Column(column);
    let mut found = Vec::new();
    for function in AGGREGATING {
        let Some(aggregate) = function.aggregate() else { continue };
        let known = call(aggregate, column, &relation(table)).is_some();
        if !known || (aggregate == AggregateFunction::Sum && !summable(&argument, table)) {
            continue;
        }
        let by = literals.rng.usize(0..table.relation.columns.len());
        let partition = || vec![Expr::Column(by)];
        let order = vec![sort(literals.rng.usize(0..table.relation.columns.len()), literals)];
        let arguments = || vec![argument.clone()];
        let name = format!("{function:?} {class:?}");
        found.push((format!("{name} over all"), beside_key(table, over(function, arguments(), Vec::new(), Vec::new()))));
        found.push((format!("{name} over partitions"), beside_key(table, over(function, arguments(), partition(), Vec::new()))));
        found.push((format!("{name} so far"), beside_key(table, over(function, arguments(), partition(), order))));
    }
    let rows = over(WindowFunction::Count, Vec::new(), vec![argument], Vec::new());
    found.push((format!("rows of partitions by {class:?}"), beside_key(table, rows)));
    found
}

/// Windows under a filter, in a computation, over groups, and filtered by the block around them.
fn above_and_below(table: &Table, literals: &mut Literals<'_>) -> Vec<Block> {
    let by = literals.rng.usize(0..table.relation.columns.len());
    let numbered = beside_key(table, over(WindowFunction::RowNumber, Vec::new(), vec![Expr::Column(by)], total_order(table)));
    let filtered = SourceQuery { filter: Some(condition(table, 0, literals)), ..numbered.clone() };
    let last = numbered.output.len().saturating_sub(1);
    let first = |column: usize| Expr::compare(CompareOp::LtEq, Expr::Column(column), Expr::Literal(Value::Int64(1)));
    let above = SourceQuery { filter: Some(first(last)), ..all(nested(numbered.clone())) };
    let mut computed = numbered.clone();
    if let Some(output) = computed.output.last_mut() {
        output.expr = Expr::compare(CompareOp::Eq, output.expr.clone(), Expr::Literal(Value::Int64(1)));
    }
    let mut groups = grouped(scan(table), vec![Expr::Column(by)], vec![AggregateCall::row_count()]);
    let order = SortKey { expr: Expr::Column(1), descending: true, nulls_first: false };
    groups.output.push(Output { name: "w".to_owned(), expr: over(WindowFunction::Rank, Vec::new(), Vec::new(), vec![order]) });
    let cut = SourceQuery { order_by: total_order(table), limit: Some(3), ..numbered };
    vec![
        ("window above a filter".to_owned(), filtered),
        ("filter above a window".to_owned(), above),
        ("computed of a window".to_owned(), computed),
        ("window over groups".to_owned(), groups),
        ("window below a limit".to_owned(), cut),
    ]
}
