//! Counting rows, the one aggregation that sources are asked for so far: which queries do, and what every other aggregation is
//! refused as. The capabilities, the evaluator and the translators share it, so that they agree. It must not know any source.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::capabilities::{Capabilities, Support, TypeClass};
use crate::check::{ExprCheck, Unsupported, unsupported};
use crate::expr::Expr;
use crate::query::{AggregateCall, AggregateFunction, Aggregation, SourceQuery, TableRelation};
use crate::types::ScalarType;

impl Aggregation {
    /// Whether this counts rows and does nothing else: no groups, one `CountRows` over all rows as `int64`.
    pub fn is_row_count(&self) -> bool {
        self.beyond_row_count().is_none()
    }

    /// The first part that is more than counting rows.
    fn beyond_row_count(&self) -> Option<&'static str> {
        if !self.group_by.is_empty() {
            return Some("grouping");
        }
        if self.having.is_some() {
            return Some("a condition on groups");
        }
        match self.calls.as_slice() {
            [] => Some("an aggregation that computes nothing"),
            [call] => call.beyond_row_count(),
            [_, _, ..] => Some("several aggregates at once"),
        }
    }
}

impl AggregateCall {
    fn beyond_row_count(&self) -> Option<&'static str> {
        match self.function {
            AggregateFunction::CountRows => {}
            AggregateFunction::Count => return Some("counting values"),
            AggregateFunction::Sum => return Some("a sum"),
            AggregateFunction::Min => return Some("a least value"),
            AggregateFunction::Max => return Some("a greatest value"),
            AggregateFunction::Average => return Some("an average"),
        }
        if self.argument.is_some() {
            return Some("counting rows with an argument");
        }
        if self.distinct {
            return Some("counting distinct rows");
        }
        if self.filter.is_some() {
            return Some("a filter on an aggregate");
        }
        (self.scalar_type != ScalarType::Int64).then_some("a row count of another type than int64")
    }
}

impl SourceQuery {
    /// Whether the query asks for nothing but the number of rows that `keys` and `filter` keep. False when it does not aggregate.
    ///
    /// # Errors
    /// When it aggregates in any other way: names the first part that is more than that.
    pub fn counts_rows(&self) -> Result<bool, Unsupported> {
        let Some(aggregate) = &self.aggregate else { return Ok(false) };
        if let Some(part) = aggregate.beyond_row_count() {
            return Err(unsupported(part));
        }
        // One row is all there is to sort or to cut, so nobody has a reason to ask; each would need a meaning at every source.
        let more = [
            (self.distinct, "distinct above a row count"),
            (!self.order_by.is_empty(), "an order above a row count"),
            (self.limit_per.is_some(), "a limit per key above a row count"),
            (self.offset > 0, "an offset above a row count"),
            (self.limit.is_some(), "a limit above a row count"),
            (self.output.is_empty(), "a row count that is not returned"),
        ];
        if let Some((_, part)) = more.into_iter().find(|(asked, _)| *asked) {
            return Err(unsupported(part));
        }
        match self.output.iter().find(|output| output.expr != Expr::Column(0)) {
            Some(output) => Err(unsupported(format!("output '{}', which is not the row count itself,", output.name))),
            None => Ok(true),
        }
    }
}

impl Capabilities {
    /// Whether a query for which [`SourceQuery::counts_rows`] holds lies within the capabilities.
    pub(crate) fn check_row_count(&self, query: &SourceQuery, table: &TableRelation) -> Result<(), Unsupported> {
        let classes = self.aggregate.functions.get(&AggregateFunction::CountRows);
        if classes.and_then(|classes| classes.get(&TypeClass::Integer)) != Some(&Support::Exact) {
            return Err(unsupported("counting rows"));
        }
        let check = ExprCheck::new(self, table);
        if let Some(filter) = &query.filter {
            if filter.columns().iter().any(|index| *index >= table.columns.len()) {
                return Err(unsupported("a column outside the relation"));
            }
            match check.predicate(filter) {
                Support::Exact => {}
                Support::Inexact => return Err(unsupported("a row count above an inexact filter")),
                Support::None => return Err(unsupported("the filter")),
            }
        }
        self.check_keys(query.keys.as_ref(), &check, table)?;
        match query.keys.as_ref().map(|keys| check.key_columns(&keys.columns)) {
            None | Some(Support::Exact) => Ok(()),
            Some(Support::Inexact | Support::None) => Err(unsupported("a row count above an inexact key set")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capabilities::{Collation, ColumnCapabilities, ComparisonSupport, KeyCapabilities, TableCapabilities};
    use crate::expr::CompareOp;
    use crate::query::{KeySet, LimitPer, Output, Relation, SortKey, TableColumn};
    use crate::schema::RemoteTableName;
    use crate::value::Value;
    use std::collections::BTreeMap;

    fn call(function: AggregateFunction) -> AggregateCall {
        AggregateCall { function, argument: None, distinct: false, filter: None, scalar_type: ScalarType::Int64 }
    }

    fn counting() -> SourceQuery {
        let columns = vec![TableColumn::computed("id", ScalarType::Int32, false), TableColumn::computed("name", ScalarType::Text, true)];
        let from = Relation::Table(TableRelation { table: RemoteTableName(vec!["t".to_owned()]), columns });
        let calls = vec![call(AggregateFunction::CountRows)];
        SourceQuery {
            aggregate: Some(Aggregation { group_by: Vec::new(), calls, having: None }),
            ..SourceQuery::select(from, vec![output(0)])
        }
    }

    fn output(column: usize) -> Output {
        Output { name: format!("c{column}"), expr: Expr::Column(column) }
    }

    fn is(column: usize, value: Value) -> Expr {
        Expr::compare(CompareOp::Eq, Expr::Column(column), Expr::Literal(value))
    }

    fn by_name() -> KeySet {
        KeySet { columns: vec![1], tuples: vec![vec![Value::text("a")]] }
    }

    fn counts() -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.aggregate.functions =
            BTreeMap::from([(AggregateFunction::CountRows, BTreeMap::from([(TypeClass::Integer, Support::Exact)]))]);
        capabilities.filter.comparisons = TypeClass::ALL.map(|class| (class, ComparisonSupport::EXACT)).into();
        capabilities.keys = KeyCapabilities { support: Support::Exact, max_columns: 1, max_tuples: 1, max_bytes: 0 };
        capabilities
    }

    fn refused(query: &SourceQuery, capabilities: &Capabilities) -> Option<String> {
        capabilities.check(query).err().map(|refused| refused.feature)
    }

    #[test]
    fn a_row_count_may_have_a_filter_keys_and_several_outputs() {
        let (query, capabilities) = (counting(), counts());
        assert!(query.aggregate.as_ref().unwrap().is_row_count());
        assert_eq!(query.counts_rows(), Ok(true));
        assert_eq!(SourceQuery { aggregate: None, ..query.clone() }.counts_rows(), Ok(false));
        assert_eq!(refused(&query, &Capabilities::default()).as_deref(), Some("counting rows"));
        let full = SourceQuery {
            filter: Some(is(0, Value::Int32(1))),
            keys: Some(by_name()),
            output: vec![output(0), Output { name: "again".to_owned(), ..output(0) }],
            ..query.clone()
        };
        assert_eq!((refused(&query, &capabilities), refused(&full, &capabilities)), (None, None));
        let field = full.result_schema().field(1).clone();
        assert_eq!((field.name().as_str(), field.data_type(), field.is_nullable()), ("again", &arrow::datatypes::DataType::Int64, false));
    }

    /// The same question, asked of a source that counts but might count too much.
    #[test]
    fn only_exact_filters_and_keys_are_counted() {
        let query = counting();
        let filtered = SourceQuery { filter: Some(is(1, Value::text("a"))), ..query.clone() };
        let keyed = SourceQuery { keys: Some(by_name()), ..query.clone() };
        let lax = Capabilities { collation: Collation::CaseInsensitive, ..counts() };
        assert_eq!(refused(&filtered, &lax).as_deref(), Some("a row count above an inexact filter"));
        assert_eq!(refused(&keyed, &lax).as_deref(), Some("a row count above an inexact key set"));
        assert_eq!(refused(&query, &lax), None);
        let mut restricted = counts();
        let column = ColumnCapabilities { filter: Some(Support::Inexact), ..ColumnCapabilities::default() };
        let columns = BTreeMap::from([("name".to_owned(), column)]);
        restricted.tables.insert("t".to_owned(), TableCapabilities { columns, ..TableCapabilities::default() });
        assert_eq!(refused(&filtered, &restricted).as_deref(), Some("a row count above an inexact filter"));
        assert_eq!(refused(&keyed, &restricted).as_deref(), Some("a row count above an inexact key set"));
        let mut few = counts();
        few.filter.comparisons.clear();
        assert_eq!(refused(&filtered, &few).as_deref(), Some("the filter"));
        let outside = SourceQuery { filter: Some(is(7, Value::Int32(1))), ..query.clone() };
        assert_eq!(refused(&outside, &counts()).as_deref(), Some("a column outside the relation"));
        let mut inexact = counts();
        inexact.aggregate.functions =
            BTreeMap::from([(AggregateFunction::CountRows, BTreeMap::from([(TypeClass::Integer, Support::Inexact)]))]);
        assert_eq!(refused(&query, &inexact).as_deref(), Some("counting rows"));
        let mut keys_only = counts();
        keys_only.tables.insert("t".to_owned(), TableCapabilities { required_keys: vec!["id".to_owned()], ..TableCapabilities::default() });
        assert_eq!(refused(&query, &keys_only).as_deref(), Some("asking without keys for id"));
    }

    #[test]
    fn every_other_aggregation_is_named() {
        use AggregateFunction::{Average, Count, CountRows, Max, Min, Sum};
        let base = Aggregation { group_by: Vec::new(), calls: vec![call(CountRows)], having: None };
        let calls = |changed: AggregateCall| Aggregation { calls: vec![changed], ..base.clone() };
        let of = |function: AggregateFunction| calls(AggregateCall { argument: Some(Expr::Column(0)), ..call(function) });
        let always = || Some(Expr::Literal(Value::Boolean(true)));
        for (aggregate, part) in [
            (Aggregation { group_by: vec![Expr::Column(1)], ..base.clone() }, "grouping"),
            (Aggregation { having: always(), ..base.clone() }, "a condition on groups"),
            (Aggregation { calls: Vec::new(), ..base.clone() }, "an aggregation that computes nothing"),
            (Aggregation { calls: vec![call(CountRows), call(CountRows)], ..base.clone() }, "several aggregates at once"),
            (of(Count), "counting values"),
            (of(Sum), "a sum"),
            (of(Min), "a least value"),
            (of(Max), "a greatest value"),
            (of(Average), "an average"),
            (of(CountRows), "counting rows with an argument"),
            (calls(AggregateCall { distinct: true, ..call(CountRows) }), "counting distinct rows"),
            (calls(AggregateCall { filter: always(), ..call(CountRows) }), "a filter on an aggregate"),
            (calls(AggregateCall { scalar_type: ScalarType::Int32, ..call(CountRows) }), "a row count of another type than int64"),
        ] {
            assert!(!aggregate.is_row_count(), "{part}");
            let query = SourceQuery { aggregate: Some(aggregate), ..counting() };
            assert_eq!(refused(&query, &counts()).as_deref(), Some(part));
        }
    }

    #[test]
    fn every_other_part_of_the_query_is_named() {
        let query = counting();
        let order_by = vec![SortKey { expr: Expr::Column(0), descending: false, nulls_first: false }];
        let per = LimitPer { columns: vec![Expr::Column(0)], offset: 0, limit: 1 };
        let computed = Output { name: "more".to_owned(), expr: Expr::Negate(Box::new(Expr::Column(0))) };
        for (query, part) in [
            (SourceQuery { distinct: true, ..query.clone() }, "distinct above a row count"),
            (SourceQuery { order_by, ..query.clone() }, "an order above a row count"),
            (SourceQuery { limit_per: Some(per), ..query.clone() }, "a limit per key above a row count"),
            (SourceQuery { offset: 1, ..query.clone() }, "an offset above a row count"),
            (SourceQuery { limit: Some(1), ..query.clone() }, "a limit above a row count"),
            (SourceQuery { output: Vec::new(), ..query.clone() }, "a row count that is not returned"),
            (SourceQuery { output: vec![output(0), output(1)], ..query.clone() }, "output 'c1', which is not the row count itself,"),
            (SourceQuery { output: vec![computed], ..query }, "output 'more', which is not the row count itself,"),
        ] {
            assert_eq!(refused(&query, &counts()).as_deref(), Some(part));
        }
    }
}
