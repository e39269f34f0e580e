//! What a service is asked to try one capability, and what the answer must be: pure. Rows that it has just given are the measure, by their
//! keys, so that an option which it ignores does not pass. It must not know how it is asked.

use crate::metadata::{Edm, EntitySet, Property};
use portico_provider_api::{
    AggregateCall, Aggregation, CompareOp, Expr, Function, Output, Relation, SortKey, SourceQuery, TableRelation, Value,
};

/// Rows that a service is asked for first.
pub const SAMPLE: u64 = 20;

/// Rows of a set: its key, and columns to compare.
pub struct Sample<'a> {
    pub set: &'a EntitySet,
    pub table: TableRelation,
    pub rows: Vec<Vec<Value>>,
}

/// What an answer must be.
pub enum Expected {
    /// Just these rows, in any order.
    Just(Vec<Vec<Value>>),
    /// Just these rows, in this order.
    InOrder(Vec<Vec<Value>>),
    /// At most so many rows.
    AtMost(u64),
    /// The first row's value of this column is not before that of any row that was given (or not after, with `true`).
    Extreme(usize, bool),
    /// So many rows are counted.
    Number(u64),
}

/// One question.
pub struct Asked {
    /// In the words of the settings.
    pub capability: String,
    pub query: SourceQuery,
    pub expected: Expected,
}

/// Columns that are asked for: the key, and some that take part in conditions as they are.
pub fn columns(set: &EntitySet) -> Vec<&Property> {
    let plain = |property: &&Property| {
        let comparable = matches!(
            property.edm,
            Edm::Boolean | Edm::Integer | Edm::Int64 | Edm::Decimal | Edm::String | Edm::Guid | Edm::Date | Edm::DateTimeOffset
        );
        comparable && !property.truncated && property.filterable != Some(false) && !property.name.contains('/')
    };
    let key = set.key.iter().filter_map(|name| set.property(name));
    let others = set.properties.iter().filter(|property| !set.key.contains(&property.name)).filter(plain).take(12);
    key.chain(others).collect()
}

impl Sample<'_> {
    /// A query of all columns.
    pub fn scan(table: &TableRelation) -> SourceQuery {
        let output =
            table.columns.iter().enumerate().map(|(index, column)| Output { name: column.name.clone(), expr: Expr::Column(index) });
        SourceQuery { limit: Some(SAMPLE), ..SourceQuery::select(Relation::Table(table.clone()), output.collect()) }
    }

    fn query(&self, filter: Option<Expr>) -> SourceQuery {
        SourceQuery { filter, ..Self::scan(&self.table) }
    }

    fn key(&self) -> std::ops::Range<usize> {
        0..self.set.key.len()
    }

    fn equal(index: usize, value: &Value) -> Expr {
        Expr::compare(CompareOp::Eq, Expr::Column(index), Expr::Literal(value.clone()))
    }

    /// That it is this row.
    fn is(&self, row: &[Value]) -> Vec<Expr> {
        self.key().zip(row).map(|(index, value)| Self::equal(index, value)).collect()
    }

    fn this_and(&self, row: &[Value], more: Vec<Expr>) -> Option<Expr> {
        let mut parts = self.is(row);
        parts.extend(more);
        Some(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn just(&self, capability: &str, row: &[Value], more: Vec<Expr>, found: bool) -> Asked {
        let expected = Expected::Just(if found { vec![row.to_vec()] } else { Vec::new() });
        Asked { capability: capability.to_owned(), query: self.query(self.this_and(row, more)), expected }
    }

    /// The questions for a condition by key.
    pub fn filter(&self) -> Vec<Asked> {
        self.rows.iter().rev().take(1).map(|row| self.just("filter", row, Vec::new(), true)).collect()
    }

    /// `or` between two properties: rows of either.
    pub fn or(&self) -> Vec<Asked> {
        let ([first, second, ..], 1) = (self.rows.as_slice(), self.key().len()) else { return Vec::new() };
        let other = (0..self.table.columns.len()).find(|index| {
            let (left, right) = (first.get(*index), second.get(*index));
            *index != 0 && right.is_some_and(|value| !value.is_null() && !matches!(value, Value::Boolean(_))) && left != right
        });
        let Some((other, value)) = other.and_then(|other| Some((other, second.get(other)?))) else { return Vec::new() };
        let (Some(one), Some(two)) = (first.first(), second.first()) else { return Vec::new() };
        let either = Expr::Or(vec![Self::equal(0, one), Self::equal(other, value)]);
        // Others may have that value, too.
        let of_both = Expr::Or(vec![Self::equal(0, one), Self::equal(0, two)]);
        let query = self.query(Some(Expr::And(vec![of_both, either])));
        vec![Asked { capability: "or".to_owned(), query, expected: Expected::Just(vec![first.clone(), second.clone()]) }]
    }

    /// `in` with the keys of two rows.
    pub fn in_list(&self) -> Vec<Asked> {
        let ([first, .., last], 1) = (self.rows.as_slice(), self.key().len()) else { return Vec::new() };
        let list = [first, last].into_iter().filter_map(|row| row.first()).map(|value| Expr::Literal(value.clone())).collect();
        let filter = Expr::InList { expr: Box::new(Expr::Column(0)), list, negated: false };
        let expected = Expected::Just(vec![first.clone(), last.clone()]);
        vec![Asked { capability: "in".to_owned(), query: self.query(Some(filter)), expected }]
    }

    /// `eq null` and `ne null`, of a row that has a null.
    pub fn is_null(&self) -> Vec<Asked> {
        let of = |row: &Vec<Value>| {
            let null = row.iter().position(Value::is_null)?;
            Some((row.clone(), Expr::IsNull(Box::new(Expr::Column(null)))))
        };
        let Some((row, is_null)) = self.rows.iter().find_map(of) else { return Vec::new() };
        let not = Expr::Not(Box::new(is_null.clone()));
        vec![self.just("is_null", &row, vec![is_null], true), self.just("is_null", &row, vec![not], false)]
    }

    /// A function over a text: a part that is there, and one that is not.
    pub fn function(&self, function: Function, name: &str) -> Vec<Asked> {
        let of = |row: &Vec<Value>| {
            let texts = row.iter().enumerate().skip(self.key().len());
            let mut found = texts.filter_map(|(index, value)| if let Value::Text(text) = value { Some((index, text)) } else { None });
            let (index, text) = found.find(|(_, text)| text.len() > 1 && text.trim() == &***text && !text.contains(['\'', '%', '_']))?;
            Some((row.clone(), index, text.to_string()))
        };
        let Some((row, index, text)) = self.rows.iter().find_map(of) else { return Vec::new() };
        let capability = format!("functions: {name}");
        let call = |part: String| Expr::Call { function, arguments: vec![Expr::Column(index), Expr::Literal(Value::text(&part))] };
        let last: String = text.chars().skip(1).collect();
        let first: String = text.chars().take(text.chars().count() - 1).collect();
        let there = if function == Function::StartsWith { first } else { last };
        vec![
            self.just(&capability, &row, vec![call(there)], true),
            // Longer than the whole.
            self.just(&capability, &row, vec![call(format!("{text}{text}"))], false),
        ]
    }

    /// `/$count` of one row.
    pub fn count(&self) -> Vec<Asked> {
        let Some(row) = self.rows.first() else { return Vec::new() };
        let aggregate = Some(Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count()], having: None });
        let output = vec![Output { name: "n".to_owned(), expr: Expr::Column(0) }];
        let query = SourceQuery { aggregate, output, limit: None, ..self.query(self.this_and(row, Vec::new())) };
        vec![Asked { capability: "count".to_owned(), query, expected: Expected::Number(1) }]
    }

    /// `$apply` with one group.
    pub fn apply(&self) -> Vec<Asked> {
        let Some(row) = self.rows.first() else { return Vec::new() };
        let mut query = SourceQuery { distinct: true, limit: None, ..self.query(self.this_and(row, Vec::new())) };
        query.output.truncate(self.key().len());
        let expected = Expected::Just(vec![row.iter().take(self.key().len()).cloned().collect()]);
        vec![Asked { capability: "apply".to_owned(), query, expected }]
    }

    /// `$orderby`, both ways, by a column whose order is the same everywhere.
    pub fn orderby(&self) -> Vec<Asked> {
        let ordered = |value: &Value| {
            matches!(
                value,
                Value::Int16(_) | Value::Int32(_) | Value::Int64(_) | Value::Decimal { .. } | Value::Date(_) | Value::TimestampTz(_)
            )
        };
        let of = |index: &usize| {
            let column = || self.rows.iter().filter_map(|row| row.get(*index));
            let sortable = self.table.columns.get(*index).and_then(|column| self.set.property(&column.name));
            let sortable = sortable.is_some_and(|property| property.sortable != Some(false));
            sortable && column().all(ordered) && column().zip(column().skip(1)).any(|(left, right)| left != right)
        };
        let Some(index) = (0..self.table.columns.len()).find(of) else { return Vec::new() };
        let asked = |descending| Asked {
            capability: "orderby".to_owned(),
            query: SourceQuery {
                order_by: vec![SortKey { expr: Expr::Column(index), descending, nulls_first: !descending }],
                limit: Some(1),
                ..self.query(None)
            },
            expected: Expected::Extreme(index, descending),
        };
        vec![asked(false), asked(true)]
    }

    /// `$top` and `$skip`, in the order that the service keeps.
    pub fn window(&self) -> Vec<Asked> {
        let two = SourceQuery { limit: Some(2), ..self.query(None) };
        let skipped = SourceQuery { offset: 1, limit: Some(1), ..self.query(None) };
        let second = self.rows.get(1).cloned();
        let skip = second.map(|row| Asked { capability: "skip".to_owned(), query: skipped, expected: Expected::InOrder(vec![row]) });
        std::iter::once(Asked { capability: "top".to_owned(), query: two, expected: Expected::AtMost(2) }).chain(skip).collect()
    }
}
