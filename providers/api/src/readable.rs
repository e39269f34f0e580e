//! A query as text for people: EXPLAIN, logs, failing tests. It looks like SQL, and is no source's language.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::evaluate::cast_value;
use crate::expr::{ArithmeticOp, CompareOp, Expr};
use crate::query::{AggregateCall, Aggregation, JoinKind, KeySet, Relation, SortKey, SourceQuery, TableColumn};
use crate::types::ScalarType;
use crate::value::Value;

/// How literals appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literals {
    /// As they are.
    Shown,
    /// As `$1`, `$2`, … in order of appearance.
    Placeholders,
}

/// The text of a query, and how many literals it has.
pub fn readable(query: &SourceQuery, literals: Literals) -> (String, usize) {
    let mut writer = Writer { literals, count: 0 };
    let text = writer.query(query);
    (text, writer.count)
}

struct Writer {
    literals: Literals,
    count: usize,
}

impl Writer {
    fn query(&mut self, query: &SourceQuery) -> String {
        let from = query.from.columns();
        let visible = query.visible_columns();
        let outputs: Vec<String> = query.output.iter().map(|output| self.output(&output.name, &output.expr, &visible)).collect();
        let distinct = if query.distinct { "distinct " } else { "" };
        let mut text = format!("select {distinct}{} from {}", outputs.join(", "), self.relation(&query.from));
        if let Some(keys) = &query.keys {
            text.push_str(&self.keys(keys, &from));
        }
        if let Some(filter) = &query.filter {
            text.push_str(&format!(" where {}", self.expr(filter, &from)));
        }
        if let Some(aggregate) = &query.aggregate {
            text.push_str(&self.aggregation(aggregate, &from, &visible));
        }
        if !query.order_by.is_empty() {
            text.push_str(&format!(" order by {}", self.sort_keys(&query.order_by, &visible)));
        }
        if let Some(per) = &query.limit_per {
            let columns = self.list(&per.columns, &visible);
            text.push_str(&format!(" limit {} offset {} per ({columns})", per.limit, per.offset));
        }
        if query.offset > 0 {
            text.push_str(&format!(" offset {}", query.offset));
        }
        if let Some(limit) = query.limit {
            text.push_str(&format!(" limit {limit}"));
        }
        text
    }

    fn output(&mut self, name: &str, expr: &Expr, columns: &[TableColumn]) -> String {
        let text = self.expr(expr, columns);
        if text == name { text } else { format!("{text} as {name}") }
    }

    fn relation(&mut self, relation: &Relation) -> String {
        match relation {
            Relation::Table(table) => table.table.to_string(),
            Relation::Call(call) => {
                let arguments = call.arguments.iter().map(|(index, value)| {
                    let name = call.operation.parameters.get(*index).map_or("?", |parameter| parameter.name.as_str());
                    format!("{name} => {}", self.literal(value))
                });
                let arguments: Vec<String> = arguments.collect();
                format!("{}({})", call.operation.name, arguments.join(", "))
            }
            Relation::Query(query) => format!("({})", self.query(query)),
            Relation::Union(queries) => {
                let parts: Vec<String> = queries.iter().map(|query| self.query(query)).collect();
                format!("({})", parts.join(" union all "))
            }
            Relation::Join(join) => {
                let (left, right) = (join.left.columns(), join.right.columns());
                let kind = match join.kind {
                    JoinKind::Inner => "inner join",
                    JoinKind::Left => "left join",
                    JoinKind::Semi => "semi join",
                    JoinKind::Anti if join.null_aware => "null-aware anti join",
                    JoinKind::Anti => "anti join",
                    JoinKind::Cross => "cross join",
                };
                let equal = if join.null_equal { "is not distinct from" } else { "=" };
                let mut text = format!("({} {kind} {}", self.relation(&join.left), self.relation(&join.right));
                let mut conditions: Vec<String> = Vec::new();
                for (l, r) in &join.on {
                    conditions.push(format!("{} {equal} {}", self.expr(l, &left), self.expr(r, &right)));
                }
                if let Some(residual) = &join.residual {
                    conditions.push(self.expr(residual, &[left, right].concat()));
                }
                if !conditions.is_empty() {
                    text.push_str(&format!(" on {}", conditions.join(" and ")));
                }
                text.push(')');
                text
            }
        }
    }

    fn keys(&mut self, keys: &KeySet, columns: &[TableColumn]) -> String {
        let names: Vec<String> = keys.columns.iter().map(|index| column_name(*index, columns)).collect();
        // A long key set would drown the rest.
        const SHOWN: usize = 8;
        let mut tuples: Vec<String> = Vec::new();
        for tuple in &keys.tuples {
            let values: Vec<String> = tuple.iter().map(|value| self.literal(value)).collect();
            if tuples.len() < SHOWN {
                tuples.push(format!("({})", values.join(", ")));
            }
        }
        let more = keys.tuples.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        format!(" keys ({}) in [{}{more}]", names.join(", "), tuples.join(", "))
    }

    fn aggregation(&mut self, aggregate: &Aggregation, from: &[TableColumn], visible: &[TableColumn]) -> String {
        let keys = self.list(&aggregate.group_by, from);
        let calls: Vec<String> = aggregate.calls.iter().map(|call| self.call(call, from)).collect();
        let groups = if aggregate.group_by.is_empty() { String::new() } else { format!(" group by ({keys})") };
        let mut text = format!("{groups} aggregate ({})", calls.join(", "));
        if let Some(having) = &aggregate.having {
            text.push_str(&format!(" having {}", self.expr(having, visible)));
        }
        text
    }

    fn call(&mut self, call: &AggregateCall, columns: &[TableColumn]) -> String {
        let distinct = if call.distinct { "distinct " } else { "" };
        let argument = call.argument.as_ref().map_or_else(|| "*".to_owned(), |argument| self.expr(argument, columns));
        let filter = call.filter.as_ref().map(|filter| format!(" filter ({})", self.expr(filter, columns))).unwrap_or_default();
        format!("{}({distinct}{argument}){filter}", snake_case(&format!("{:?}", call.function)))
    }

    fn sort_keys(&mut self, keys: &[SortKey], columns: &[TableColumn]) -> String {
        let mut parts: Vec<String> = Vec::new();
        for key in keys {
            let direction = if key.descending { "desc" } else { "asc" };
            let nulls = if key.nulls_first { "first" } else { "last" };
            parts.push(format!("{} {direction} nulls {nulls}", self.expr(&key.expr, columns)));
        }
        parts.join(", ")
    }

    fn list(&mut self, expressions: &[Expr], columns: &[TableColumn]) -> String {
        let parts: Vec<String> = expressions.iter().map(|expression| self.expr(expression, columns)).collect();
        parts.join(", ")
    }

    fn connected(&mut self, parts: &[Expr], word: &str, empty: &str, columns: &[TableColumn]) -> String {
        if parts.is_empty() {
            return empty.to_owned();
        }
        let parts: Vec<String> = parts.iter().map(|part| self.expr(part, columns)).collect();
        format!("({})", parts.join(word))
    }

    fn literal(&mut self, value: &Value) -> String {
        self.count += 1;
        match self.literals {
            Literals::Placeholders => format!("${}", self.count),
            Literals::Shown => shown(value),
        }
    }

    fn expr(&mut self, expression: &Expr, columns: &[TableColumn]) -> String {
        match expression {
            Expr::Column(index) => column_name(*index, columns),
            Expr::OuterColumn { depth, index, scalar_type: _ } => format!("outer({depth}, {index})"),
            Expr::Literal(value) => self.literal(value),
            Expr::Parameter { index, scalar_type } => format!("parameter({index}: {scalar_type})"),
            Expr::Compare { op, left, right } => {
                format!("{} {} {}", self.expr(left, columns), compare_text(*op), self.expr(right, columns))
            }
            Expr::InList { expr, list, negated } => {
                let not = if *negated { "not " } else { "" };
                format!("{} {not}in ({})", self.expr(expr, columns), self.list(list, columns))
            }
            Expr::And(parts) => self.connected(parts, " and ", "true", columns),
            Expr::Or(parts) => self.connected(parts, " or ", "false", columns),
            Expr::Not(inner) => format!("not ({})", self.expr(inner, columns)),
            Expr::IsNull(inner) => format!("{} is null", self.expr(inner, columns)),
            Expr::Arithmetic { op, left, right } => {
                format!("({} {} {})", self.expr(left, columns), arithmetic_text(*op), self.expr(right, columns))
            }
            Expr::Negate(inner) => format!("-({})", self.expr(inner, columns)),
            Expr::Case { branches, otherwise } => {
                let mut text = "case".to_owned();
                for (when, then) in branches {
                    text.push_str(&format!(" when {} then {}", self.expr(when, columns), self.expr(then, columns)));
                }
                if let Some(otherwise) = otherwise {
                    text.push_str(&format!(" else {}", self.expr(otherwise, columns)));
                }
                text.push_str(" end");
                text
            }
            Expr::Cast { expr, to } => format!("cast({} as {to})", self.expr(expr, columns)),
            Expr::Call { function, arguments } => {
                format!("{}({})", snake_case(&format!("{function:?}")), self.list(arguments, columns))
            }
            Expr::ScalarSubquery(query) => format!("({})", self.query(query)),
            Expr::Exists(query) => format!("exists ({})", self.query(query)),
            Expr::Window { function, arguments, partition_by, order_by } => format!(
                "{}({}) over (partition by ({}) order by ({}))",
                snake_case(&format!("{function:?}")),
                self.list(arguments, columns),
                self.list(partition_by, columns),
                self.sort_keys(order_by, columns)
            ),
        }
    }
}

fn column_name(index: usize, columns: &[TableColumn]) -> String {
    columns.get(index).map_or_else(|| format!("column {index}"), |column| column.name.clone())
}

fn compare_text(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "<>",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
        CompareOp::IsDistinctFrom => "is distinct from",
        CompareOp::IsNotDistinctFrom => "is not distinct from",
    }
}

fn arithmetic_text(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Subtract => "-",
        ArithmeticOp::Multiply => "*",
        ArithmeticOp::Divide => "/",
        ArithmeticOp::Modulo => "%",
    }
}

/// A value with its type, text in quotes.
fn shown(value: &Value) -> String {
    let scalar_type = value.scalar_type();
    match value {
        Value::Null(_) => format!("null::{scalar_type}"),
        Value::Text(text) | Value::Json(text) | Value::Guid(text) => format!("{text:?}::{scalar_type}"),
        Value::Binary(bytes) => format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Value::Boolean(_)
        | Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal { .. }
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_) => match cast_value(value, ScalarType::Text) {
            Ok(Value::Text(text)) => format!("{text}::{scalar_type}"),
            Ok(_) | Err(_) => format!("?::{scalar_type}"),
        },
    }
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (at, character) in name.chars().enumerate() {
        if character.is_ascii_uppercase() && at > 0 {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}
