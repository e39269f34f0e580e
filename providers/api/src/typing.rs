//! The type and nullability of every expression and relation of the IR. It fixes them; sources must return just these.

use crate::expr::{ArithmeticOp, Expr, Function};
use crate::query::{AggregateCall, AggregateFunction, Aggregation, Join, JoinKind, Output, Relation, SourceQuery, TableColumn};
use crate::types::ScalarType;
use arrow::datatypes::{Schema, SchemaRef};
use std::sync::Arc;

impl TableColumn {
    /// A column without codec or native type: what a nested block or an aggregation yields.
    pub fn computed(name: impl Into<String>, scalar_type: ScalarType, nullable: bool) -> TableColumn {
        TableColumn { name: name.into(), scalar_type, nullable, codec: None, native_type: None }
    }
}

impl Relation {
    /// The columns that expressions over this relation see.
    pub fn columns(&self) -> Vec<TableColumn> {
        match self {
            Relation::Table(table) => table.columns.clone(),
            Relation::Call(call) => call.operation.columns().to_vec(),
            Relation::Query(query) => query.result_columns(),
            Relation::Union(queries) => {
                let mut blocks = queries.iter().map(SourceQuery::result_columns);
                let mut columns = blocks.next().unwrap_or_default();
                for block in blocks {
                    columns.iter_mut().zip(block).for_each(|(column, other)| column.nullable |= other.nullable);
                }
                columns
            }
            Relation::Join(join) => join.columns_of(join.left.columns(), join.right.columns()),
        }
    }
}

impl Join {
    /// The columns of the join, from those of its sides.
    pub(crate) fn columns_of(&self, left: Vec<TableColumn>, right: Vec<TableColumn>) -> Vec<TableColumn> {
        let mut columns = left;
        match self.kind {
            JoinKind::Semi | JoinKind::Anti => {}
            JoinKind::Inner | JoinKind::Cross => columns.extend(right),
            JoinKind::Left => columns.extend(right.into_iter().map(|column| TableColumn { nullable: true, ..column })),
        }
        columns
    }
}

impl Aggregation {
    /// What expressions above it see: group keys, then calls; `from` is what its own expressions see. An untyped key (which no source
    /// accepts) is text.
    pub fn columns(&self, from: &[TableColumn]) -> Vec<TableColumn> {
        let keys = self.group_by.iter().enumerate().map(|(index, key)| {
            TableColumn::computed(format!("key{index}"), key.scalar_type(from).unwrap_or(ScalarType::Text), key.nullable(from))
        });
        let calls = self.calls.iter().enumerate().map(|(index, call)| call.column(index));
        keys.chain(calls).collect()
    }
}

impl Output {
    /// The column that it returns; `visible` is what it sees. An untyped output (which no source accepts) is text.
    pub fn column(&self, visible: &[TableColumn]) -> TableColumn {
        let scalar_type = self.expr.scalar_type(visible).unwrap_or(ScalarType::Text);
        TableColumn::computed(self.name.clone(), scalar_type, self.expr.nullable(visible))
    }
}

impl SourceQuery {
    /// The columns that `output` and `order_by` see: those of `from`, or of the aggregation.
    pub fn visible_columns(&self) -> Vec<TableColumn> {
        let from = self.from.columns();
        match &self.aggregate {
            None => from,
            Some(aggregate) => aggregate.columns(&from),
        }
    }

    /// The columns of the result: one per output; an untyped output (which no source accepts) is text.
    pub fn result_columns(&self) -> Vec<TableColumn> {
        let visible = self.visible_columns();
        self.output.iter().map(|output| output.column(&visible)).collect()
    }

    /// The Arrow schema that every batch of the answer has.
    pub fn result_schema(&self) -> SchemaRef {
        let fields: Vec<_> = self.result_columns().iter().map(|column| column.scalar_type.field(&column.name, column.nullable)).collect();
        Arc::new(Schema::new(fields))
    }
}

impl AggregateFunction {
    /// The type of its result over arguments of a type; `argument` is absent for `CountRows` alone. Nothing when there is no such
    /// function. Sums of decimals have ten digits more, averages four more, all of them after the point; at most 38 digits in all (76
    /// when the argument has more than 38).
    pub fn result_type(self, argument: Option<ScalarType>) -> Option<ScalarType> {
        use AggregateFunction::{Average, Count, CountRows, Max, Min, Sum};
        let most = |precision: u8| if precision > 38 { 76 } else { 38 };
        match (self, argument) {
            (CountRows, None) | (Count, Some(_)) => Some(ScalarType::Int64),
            (Min | Max, Some(argument)) => Some(argument),
            (Sum, Some(ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64)) => Some(ScalarType::Int64),
            (Sum, Some(ScalarType::Decimal { precision, scale })) => {
                Some(ScalarType::Decimal { precision: precision.saturating_add(10).min(most(precision)), scale })
            }
            (Average, Some(ScalarType::Decimal { precision, scale })) => {
                let most = most(precision);
                let scale = scale.saturating_add(4).min(i8::try_from(most).unwrap_or(i8::MAX));
                Some(ScalarType::Decimal { precision: precision.saturating_add(4).min(most), scale })
            }
            (Sum | Average, Some(argument)) if argument.is_numeric() => Some(ScalarType::Float64),
            (CountRows, Some(_)) | (Count | Min | Max | Sum | Average, _) => None,
        }
    }
}

impl AggregateCall {
    /// A call with the result type that the IR gives it; nothing when there is no such function. `columns` are those of `from`.
    pub fn new(function: AggregateFunction, argument: Option<Expr>, columns: &[TableColumn]) -> Option<AggregateCall> {
        let scalar_type = match &argument {
            None => function.result_type(None)?,
            Some(argument) => function.result_type(Some(argument.scalar_type(columns)?))?,
        };
        Some(AggregateCall { function, argument, distinct: false, filter: None, scalar_type })
    }

    fn column(&self, index: usize) -> TableColumn {
        use AggregateFunction::{Average, Count, CountRows, Max, Min, Sum};
        let nullable = match self.function {
            CountRows | Count => false,
            Sum | Min | Max | Average => true,
        };
        TableColumn::computed(format!("call{index}"), self.scalar_type, nullable)
    }
}

impl Expr {
    /// The type of the expression over the given columns; `None` when it has none (unknown column, operands that do not fit).
    pub fn scalar_type(&self, columns: &[TableColumn]) -> Option<ScalarType> {
        match self {
            Expr::Column(index) => columns.get(*index).map(|column| column.scalar_type),
            Expr::OuterColumn { scalar_type, .. } => Some(*scalar_type),
            Expr::Literal(value) => Some(value.scalar_type()),
            Expr::Parameter { scalar_type, .. } => Some(*scalar_type),
            Expr::Compare { .. } | Expr::InList { .. } | Expr::And(_) | Expr::Or(_) | Expr::Not(_) | Expr::IsNull(_) | Expr::Exists(_) => {
                Some(ScalarType::Boolean)
            }
            Expr::Arithmetic { op, left, right } => arithmetic_type(*op, left.scalar_type(columns)?, right.scalar_type(columns)?),
            Expr::Negate(inner) => inner.scalar_type(columns).filter(|scalar_type| scalar_type.is_numeric()),
            Expr::Case { branches, otherwise } => {
                let first = branches.first().and_then(|(_, then)| then.scalar_type(columns));
                first.or_else(|| otherwise.as_ref().and_then(|otherwise| otherwise.scalar_type(columns)))
            }
            Expr::Cast { to, .. } => Some(*to),
            Expr::Call { function, arguments } => function_type(*function, arguments.first()?.scalar_type(columns)?),
            Expr::ScalarSubquery(query) => query.result_columns().first().map(|column| column.scalar_type),
            Expr::Window { function, arguments, .. } => match (function.aggregate(), arguments.first()) {
                (None, _) | (Some(AggregateFunction::Count), None) => Some(ScalarType::Int64),
                (Some(aggregate), argument) => aggregate.result_type(Some(argument?.scalar_type(columns)?)),
            },
        }
    }

    /// Whether the expression can be null.
    pub fn nullable(&self, columns: &[TableColumn]) -> bool {
        match self {
            Expr::Column(index) => columns.get(*index).is_none_or(|column| column.nullable),
            Expr::Literal(value) => value.is_null(),
            // Null is no value of a parameter: it decides how a comparison is written.
            Expr::IsNull(_) | Expr::Exists(_) | Expr::Parameter { .. } => false,
            Expr::Compare { op: crate::CompareOp::IsDistinctFrom | crate::CompareOp::IsNotDistinctFrom, .. } => false,
            Expr::OuterColumn { .. } | Expr::ScalarSubquery(_) | Expr::Window { .. } => true,
            Expr::Case { branches, otherwise } => {
                otherwise.as_ref().is_none_or(|otherwise| otherwise.nullable(columns))
                    || branches.iter().any(|(_, then)| then.nullable(columns))
            }
            Expr::Compare { .. }
            | Expr::InList { .. }
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::Arithmetic { .. }
            | Expr::Negate(_)
            | Expr::Cast { .. }
            | Expr::Call { .. } => self.children().into_iter().any(|child| child.nullable(columns)),
        }
    }
}

/// Whether the product of two decimals can have more digits after the point than its type, so that it is rounded.
pub(crate) fn product_is_rounded(left: ScalarType, right: ScalarType) -> bool {
    match (left, right, arithmetic_type(ArithmeticOp::Multiply, left, right)) {
        (ScalarType::Decimal { scale: s1, .. }, ScalarType::Decimal { scale: s2, .. }, Some(ScalarType::Decimal { scale, .. })) => {
            i16::from(s1) + i16::from(s2) > i16::from(scale)
        }
        _ => false,
    }
}

/// The type of an arithmetic result. Decimals follow DataFusion: addition and subtraction keep the greater scale and one more
/// digit, multiplication adds scales, division has scale `s1 + 4`; at most 38 digits (76 when an operand has more).
pub(crate) fn arithmetic_type(op: ArithmeticOp, left: ScalarType, right: ScalarType) -> Option<ScalarType> {
    match (left, right) {
        (ScalarType::Decimal { precision: p1, scale: s1 }, ScalarType::Decimal { precision: p2, scale: s2 }) => {
            let most: u8 = if p1 > 38 || p2 > 38 { 76 } else { 38 };
            let whole = (p1 as i16 - i16::from(s1)).max(p2 as i16 - i16::from(s2));
            let (precision, scale) = match op {
                ArithmeticOp::Add | ArithmeticOp::Subtract => (whole + i16::from(s1.max(s2)) + 1, i16::from(s1.max(s2))),
                ArithmeticOp::Multiply => (i16::from(p1) + i16::from(p2) + 1, i16::from(s1) + i16::from(s2)),
                ArithmeticOp::Divide => {
                    let scale = i16::from(s1) + 4;
                    (i16::from(p1) - i16::from(s1) + i16::from(s2) + scale, scale)
                }
                ArithmeticOp::Modulo => {
                    let scale = i16::from(s1.max(s2));
                    ((p1 as i16 - i16::from(s1)).min(p2 as i16 - i16::from(s2)) + scale, scale)
                }
            };
            let precision = precision.clamp(1, i16::from(most));
            let scale = scale.min(precision);
            Some(ScalarType::Decimal { precision: precision as u8, scale: scale as i8 })
        }
        (left, right) if left == right && left.is_numeric() => Some(left),
        _ => None,
    }
}

pub(crate) fn function_type(function: Function, first: ScalarType) -> Option<ScalarType> {
    match function {
        Function::Contains | Function::StartsWith | Function::EndsWith | Function::Like => Some(ScalarType::Boolean),
        Function::Length
        | Function::Position
        | Function::Year
        | Function::Month
        | Function::Day
        | Function::Hour
        | Function::Minute
        | Function::Second => Some(ScalarType::Int32),
        Function::Substring | Function::Lower | Function::Upper | Function::Trim | Function::Concat => Some(ScalarType::Text),
        Function::Round | Function::Floor | Function::Ceiling => {
            Some(first).filter(|first| matches!(first, ScalarType::Float32 | ScalarType::Float64 | ScalarType::Decimal { .. }))
        }
        Function::Abs => Some(first).filter(|first| first.is_numeric()),
    }
}
