//! Marks the conditions that take rows away from a caller, so that they stay recognisable when the optimiser has mixed them with the
//! caller's own. A condition of the caller that can fail is only ever evaluated on rows that the marked ones let through: its error
//! would otherwise tell what the hidden rows hold.

use crate::plan::key_set::KEY_SLOT_PREFIX;
use crate::pushdown::translate::widens_decimal;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DataFusionResult, internal_err};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit, when,
};

/// The name of the mark. Callers cannot name it.
pub const RULE: &str = "@rule";

/// Functions that have a value for every argument.
const TOTAL: [&str; 17] = [
    "contains",
    "starts_with",
    "ends_with",
    "character_length",
    "strpos",
    "lower",
    "upper",
    "btrim",
    "date_part",
    "isnan",
    "coalesce",
    "nullif",
    "convert",
    "has_flags",
    "matches_pattern",
    "total_seconds",
    RULE,
];

/// `@rule(condition) -> boolean`: the condition itself.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Rule {
    signature: Signature,
}

impl ScalarUDFImpl for Rule {
    fn name(&self) -> &str {
        RULE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, mut arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        match arguments.args.pop() {
            Some(condition) => Ok(condition),
            None => internal_err!("a marked condition is missing"),
        }
    }
}

/// The condition, each of its conjuncts marked.
pub fn marked(condition: Expr) -> Expr {
    let rule = ScalarUDF::from(Rule { signature: Signature::exact(vec![DataType::Boolean], Volatility::Immutable) });
    let parts = split_conjunction_owned(condition).into_iter().map(|part| rule.call(vec![part]));
    parts.reduce(Expr::and).unwrap_or_else(|| lit(true))
}

/// What the mark is on, if there is one.
pub fn unmarked(condition: &Expr) -> Option<&Expr> {
    match condition {
        Expr::ScalarFunction(call) if call.func.name() == RULE => call.args.first(),
        _ => None,
    }
}

/// The same conjuncts, where those that can fail ask the marked ones first.
///
/// # Errors
/// When a condition is not of a type that can be asked.
pub fn guarded(conjuncts: Vec<Expr>, schema: &DFSchema) -> DataFusionResult<Vec<Expr>> {
    let rules = conjuncts.iter().filter_map(unmarked).cloned().reduce(Expr::and);
    let Some(rules) = rules else { return Ok(conjuncts) };
    let guard = |conjunct: Expr| {
        if unmarked(&conjunct).is_some() || cannot_fail(&conjunct, schema)? {
            return Ok(conjunct);
        }
        when(rules.clone(), conjunct).otherwise(lit(false))
    };
    conjuncts.into_iter().map(guard).collect()
}

/// Whether an expression has a value whatever its columns hold. Doubt counts as no.
fn cannot_fail(expression: &Expr, schema: &DFSchema) -> DataFusionResult<bool> {
    let mut total = true;
    expression.apply(|node| {
        total &= match node {
            Expr::Column(_)
            | Expr::Literal(..)
            | Expr::Placeholder(_)
            | Expr::Alias(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::InList(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::Like(_) => true,
            Expr::BinaryExpr(binary) => {
                binary.op.supports_propagation() || matches!(binary.op, Operator::And | Operator::Or | Operator::StringConcat)
            }
            Expr::ScalarFunction(call) => TOTAL.contains(&call.func.name()) || call.func.name().starts_with(KEY_SLOT_PREFIX),
            Expr::Cast(cast) => widens(&cast.expr.get_type(schema)?, cast.field.data_type()),
            _ => false,
        };
        Ok(if total { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(total)
}

/// Whether every value of one type is one of the other.
pub fn widens(from: &DataType, to: &DataType) -> bool {
    let digits = |data_type: &DataType| match data_type {
        DataType::Int8 => Some(3),
        DataType::Int16 => Some(5),
        DataType::Int32 => Some(10),
        DataType::Int64 => Some(19),
        _ => None,
    };
    match (from, to) {
        _ if from == to => true,
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        | (DataType::Float32, DataType::Float64) => true,
        _ => match (digits(from), digits(to), to) {
            (Some(from), Some(to), _) => from <= to,
            (Some(from), None, DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale)) => {
                i16::from(*precision) - i16::from(*scale) >= from && *scale >= 0
            }
            _ => widens_decimal(from, to),
        },
    }
}
