//! Counting rows: the aggregation that some sources know and no other, and that is answered without holding a row.

use crate::expr::Expr;
use crate::query::{AggregateCall, AggregateFunction, Aggregation, SourceQuery};
use crate::types::ScalarType;

impl Aggregation {
    /// Whether this counts rows and does nothing else: no groups, one `CountRows` over all rows as `int64`.
    pub fn is_row_count(&self) -> bool {
        match (self.group_by.as_slice(), self.calls.as_slice(), &self.having) {
            ([], [call], None) => call.is_row_count(),
            (_, _, _) => false,
        }
    }
}

impl AggregateCall {
    /// The number of rows.
    pub fn row_count() -> AggregateCall {
        AggregateCall {
            function: AggregateFunction::CountRows,
            argument: None,
            distinct: false,
            filter: None,
            scalar_type: ScalarType::Int64,
        }
    }

    fn is_row_count(&self) -> bool {
        *self == AggregateCall::row_count()
    }
}

impl SourceQuery {
    /// Whether the answer is one row with nothing but the number of rows that `keys` and `filter` keep, once or several times.
    pub fn is_row_count(&self) -> bool {
        let cut = self.limit.is_some() || self.offset > 0 || self.limit_per.is_some();
        self.aggregate.as_ref().is_some_and(Aggregation::is_row_count)
            && !cut
            && !self.distinct
            && self.order_by.is_empty()
            && !self.output.is_empty()
            && self.output.iter().all(|output| output.expr == Expr::Column(0))
    }
}
