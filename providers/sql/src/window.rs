//! Window functions. Their frame is always written, although it is SQL's own default. It must not know statements around them.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::dialect::Family;
use crate::expr::{Render, unsupported};
use crate::select::Computed;
use portico_provider_api::{AggregateFunction, Expr, ScalarType, SortKey, Unsupported, WindowFunction};

impl Render<'_> {
    pub(crate) fn window(
        &mut self,
        function: WindowFunction,
        arguments: &[Expr],
        partition_by: &[Expr],
        order_by: &[SortKey],
        result: ScalarType,
    ) -> Result<String, Unsupported> {
        if matches!(self.dialect.family, Family::Mysql | Family::Standard) {
            // No kind of these families declares them.
            return Err(unsupported("window functions"));
        }
        let argument = match arguments {
            [] => None,
            [argument] => Some(argument),
            _ => return Err(unsupported("a window function with several arguments")),
        };
        let ranking = |name: &str, over: &str| match argument {
            // Numbers are unsigned there.
            None if self.dialect.family == Family::DataFusion => Ok(format!("CAST({name}(){over} AS BIGINT)")),
            None => Ok(format!("{name}(){over}")),
            Some(_) => Err(unsupported("a rank with an argument")),
        };
        let aggregate = match function {
            WindowFunction::RowNumber => return ranking("ROW_NUMBER", &self.over(partition_by, order_by, "")?),
            WindowFunction::Rank => return ranking("RANK", &self.over(partition_by, order_by, "")?),
            WindowFunction::DenseRank => return ranking("DENSE_RANK", &self.over(partition_by, order_by, "")?),
            WindowFunction::Count if argument.is_none() => AggregateFunction::CountRows,
            WindowFunction::Count => AggregateFunction::Count,
            WindowFunction::Sum => AggregateFunction::Sum,
            WindowFunction::Min => AggregateFunction::Min,
            WindowFunction::Max => AggregateFunction::Max,
        };
        let argument = argument.map(|argument| Ok::<_, Unsupported>((self.value(argument)?, self.scalar_type(argument)?))).transpose()?;
        let frame = match order_by {
            [] => "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            // Rows tied with this one are among them.
            [_, ..] => "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        };
        let over = self.over(partition_by, order_by, frame)?;
        self.aggregate(aggregate, argument.as_ref().map(|(text, scalar_type)| (text.as_str(), *scalar_type)), false, &over, result)
    }

    /// What rows are numbered by. DataFusion has no ranges of times of day and of bytes: they are counted, and spelt, in the same order.
    pub(crate) fn window_order(&mut self, keys: &[SortKey], computed: Option<&Computed<'_>>) -> Result<Vec<String>, Unsupported> {
        if self.dialect.family != Family::DataFusion {
            return self.sort_list(keys, computed);
        }
        let ranged = |key: &SortKey| {
            let text = self.placed(&key.expr, computed, true)?;
            let text = match self.scalar_type(&key.expr)? {
                ScalarType::Time => format!("CAST({text} AS BIGINT)"),
                ScalarType::Binary => format!("encode({text}, 'hex')"),
                ScalarType::Boolean
                | ScalarType::Int16
                | ScalarType::Int32
                | ScalarType::Int64
                | ScalarType::Float32
                | ScalarType::Float64
                | ScalarType::Decimal { .. }
                | ScalarType::Text
                | ScalarType::Date
                | ScalarType::Timestamp
                | ScalarType::TimestampTz
                | ScalarType::Guid
                | ScalarType::Json => text,
            };
            Ok(self.directed(&text, key))
        };
        keys.iter().map(ranged).collect()
    }

    fn over(&mut self, partition_by: &[Expr], order_by: &[SortKey], frame: &str) -> Result<String, Unsupported> {
        let mut parts = Vec::new();
        let partition = partition_by.iter().map(|key| self.placed(key, None, false)).collect::<Result<Vec<_>, _>>()?;
        if !partition.is_empty() {
            parts.push(format!("PARTITION BY {}", partition.join(", ")));
        }
        let order = self.window_order(order_by, None)?;
        if !order.is_empty() {
            parts.push(format!("ORDER BY {}", order.join(", ")));
        }
        if !frame.is_empty() {
            parts.push(frame.to_owned());
        }
        Ok(format!(" OVER ({})", parts.join(" ")))
    }
}
