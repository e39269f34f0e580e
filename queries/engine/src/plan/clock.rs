//! The clock of SQL: `now()`, `current_timestamp`, `current_date` and `current_time` are one instant for a whole request, in UTC. Each
//! call carries that instant, so that it is a constant for whoever plans it; DataFusion's own wait for a session that knows the time, and
//! count in nanoseconds, which no column has. It must not know where a call stands.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::scalar::ScalarValue;
use std::time::{SystemTime, UNIX_EPOCH};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What a function of the clock tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reading {
    /// The instant itself.
    Instant,
    /// Its day.
    Date,
    /// Its time of day.
    Time,
}

/// The function of that name, in lower case, if it is one of the clock.
pub fn function(name: &str, now: SystemTime) -> Option<ScalarUDF> {
    let reading = match name {
        "now" | "current_timestamp" => Reading::Instant,
        "current_date" | "today" => Reading::Date,
        "current_time" => Reading::Time,
        _ => return None,
    };
    let micros = match now.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
    };
    Some(ScalarUDF::from(Clock { reading, micros, signature: Signature::nullary(Volatility::Immutable) }))
}

/// Whether a plan that has not been optimised asks for the time.
///
/// # Errors
/// When the plan cannot be walked.
pub fn is_read(plan: &LogicalPlan) -> DataFusionResult<bool> {
    let mut read = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            read |= expression.exists(|part| Ok(matches!(part, Expr::ScalarFunction(call) if call.func.inner().is::<Clock>())))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(read)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Clock {
    reading: Reading,
    /// Microseconds since 1970-01-01T00:00:00Z.
    micros: i64,
    signature: Signature,
}

impl Clock {
    fn value(&self) -> ScalarValue {
        match self.reading {
            Reading::Instant => ScalarValue::TimestampMicrosecond(Some(self.micros), Some("UTC".into())),
            Reading::Date => ScalarValue::Date32(i32::try_from(self.micros.div_euclid(MICROS_PER_DAY)).ok()),
            Reading::Time => ScalarValue::Time64Microsecond(Some(self.micros.rem_euclid(MICROS_PER_DAY))),
        }
    }
}

impl ScalarUDFImpl for Clock {
    fn name(&self) -> &str {
        match self.reading {
            Reading::Instant => "now",
            Reading::Date => "current_date",
            Reading::Time => "current_time",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(match self.reading {
            Reading::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Reading::Date => DataType::Date32,
            Reading::Time => DataType::Time64(TimeUnit::Microsecond),
        })
    }

    /// A literal reaches sources, where a call would not.
    fn simplify(&self, _arguments: Vec<Expr>, _context: &SimplifyContext) -> DataFusionResult<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(lit(self.value())))
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value()))
    }
}
