//! `matchesPattern`: whether a text matches a regular expression anywhere. Matching takes time in proportion to the text, whatever the
//! pattern; how large a compiled pattern may become is bounded. The pattern has been rewritten from ECMAScript's syntax already.

use crate::error::EngineError;
use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use regex::{Regex, RegexBuilder};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Bytes that a compiled pattern may take.
const MAX_SIZE: usize = 1 << 20;

/// The test of a text.
///
/// # Errors
/// `Invalid` when the pattern is none, or too large.
pub fn call(text: Expr, pattern: &str) -> Result<Expr, EngineError> {
    let regex = RegexBuilder::new(pattern).size_limit(MAX_SIZE).build().map_err(|error| {
        EngineError::Invalid(match error {
            regex::Error::CompiledTooBig(_) => "matchesPattern: the pattern is too large".to_owned(),
            _ => "matchesPattern: the pattern is not a regular expression".to_owned(),
        })
    })?;
    let function = MatchesPattern { regex, signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) };
    Ok(ScalarUDF::from(function).call(vec![text]))
}

#[derive(Debug)]
struct MatchesPattern {
    regex: Regex,
    signature: Signature,
}

impl PartialEq for MatchesPattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for MatchesPattern {}

impl Hash for MatchesPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.regex.as_str().hash(state);
    }
}

impl ScalarUDFImpl for MatchesPattern {
    fn name(&self) -> &str {
        "matches_pattern"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let [argument] = arguments.args.as_slice() else {
            return Err(DataFusionError::Internal("'matches_pattern' takes one argument".to_owned()));
        };
        let texts = cast(&argument.to_array(arguments.number_rows)?, &DataType::Utf8)?;
        let matched: BooleanArray = texts.as_string::<i32>().iter().map(|text| text.map(|text| self.regex.is_match(text))).collect();
        debug_assert_eq!(matched.len(), texts.len());
        Ok(ColumnarValue::Array(Arc::new(matched)))
    }
}
