//! Whether a source answers a query whose constants may not be known yet. It must not know plans.

use arrow::datatypes::i256;
use portico_provider_api::value::Float;
use portico_provider_api::walk::bind_parameters;
use portico_provider_api::{Capabilities, ScalarType, SourceQuery, Support, Value};

/// How well a source answers a query. The values of its parameters do not matter: any of their types stand in for them.
pub fn support(capabilities: &Capabilities, query: &SourceQuery) -> Support {
    let mut probe = None;
    if query.has_parameters() {
        let mut bound = query.clone();
        if bind_parameters(&mut bound, &|_, scalar_type| Some(stand_in(scalar_type))).is_err() {
            return Support::None;
        }
        probe = Some(bound);
    }
    capabilities.support(probe.as_ref().unwrap_or(query)).unwrap_or(Support::None)
}

/// Some value of a type that every source can say.
fn stand_in(scalar_type: ScalarType) -> Value {
    match scalar_type {
        ScalarType::Boolean => Value::Boolean(true),
        ScalarType::Int16 => Value::Int16(1),
        ScalarType::Int32 => Value::Int32(1),
        ScalarType::Int64 => Value::Int64(1),
        ScalarType::Float32 => Value::Float32(Float(1.0)),
        ScalarType::Float64 => Value::float64(1.0),
        ScalarType::Decimal { precision, scale } => Value::Decimal { unscaled: i256::ONE, precision, scale },
        ScalarType::Text => Value::text("a"),
        ScalarType::Binary => Value::Binary(vec![0]),
        ScalarType::Date => Value::Date(0),
        ScalarType::Time => Value::Time(0),
        ScalarType::Timestamp => Value::Timestamp(0),
        ScalarType::TimestampTz => Value::TimestampTz(0),
        ScalarType::Guid => Value::Guid("00000000-0000-0000-0000-000000000000".to_owned()),
        ScalarType::Json => Value::Json("null".to_owned()),
    }
}
