//! Columns that hold their values in another form, as DataFusion reads them. It must not know expressions.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::datafusion::converted;
use crate::expr::unsupported;
use portico_provider_api::{Codec, ScalarType, TableColumn, Unsupported};

/// A column in DataFusion's own form of its declared type.
pub(crate) fn decoded(column: &TableColumn, stored: String) -> Result<String, Unsupported> {
    let Some(codec) = column.codec else { return Ok(stored) };
    let scalar_type = column.scalar_type;
    let counted = |in_a_second: i64| {
        // Only microseconds are what the type counts in.
        let micros = 1_000_000 / in_a_second;
        let wide = converted(&stored, ScalarType::Int64);
        let wide = if micros == 1 { wide } else { format!("({wide} * {})", converted(&micros.to_string(), ScalarType::Int64)) };
        converted(&wide, scalar_type)
    };
    Ok(match codec {
        Codec::DecimalText | Codec::DateText | Codec::TimeText | Codec::TimestampText => converted(&stored, scalar_type),
        Codec::DecimalUnscaled => {
            let ScalarType::Decimal { precision, scale } = scalar_type else {
                return Err(unsupported(format!("column '{}' with a decimal's stored form", column.name)));
            };
            let most = if precision > 38 { 76 } else { 38 };
            let digits = converted(&stored, ScalarType::Decimal { precision: 19, scale: 0 });
            let unit = match scale {
                1.. => format!("'0.{}1'", "0".repeat(usize::from(scale.unsigned_abs()) - 1)),
                _ => "'1'".to_owned(),
            };
            let unit = converted(&unit, ScalarType::Decimal { precision: scale.unsigned_abs().max(1).min(most), scale });
            converted(&format!("({digits} * {unit})"), scalar_type)
        }
        Codec::SapDate => {
            let text = format!("NULLIF(NULLIF({stored}, ''), '00000000')");
            let part = |start: u8, length: u8| format!("substr({text}, {start}, {length})");
            converted(&format!("({} || '-' || {} || '-' || {})", part(1, 4), part(5, 2), part(7, 2)), ScalarType::Date)
        }
        Codec::DateDays => converted(&converted(&stored, ScalarType::Int32), ScalarType::Date),
        Codec::TimeMicros => converted(&converted(&stored, ScalarType::Int64), ScalarType::Time),
        Codec::TimestampSeconds => counted(1),
        Codec::TimestampMillis => counted(1_000),
        Codec::TimestampMicros => counted(1_000_000),
        Codec::GuidText => format!("lower({stored})"),
        Codec::GuidBytes => {
            let hex = format!("encode({stored}, 'hex')");
            let part = |start: u8, length: u8| format!("substr({hex}, {start}, {length})");
            let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)];
            format!("({})", parts.join(" || '-' || "))
        }
        Codec::BoolInt => format!("({stored} = 1)"),
        Codec::BoolText => format!(
            "(CASE WHEN lower({stored}) IN ('y', 'x', 'true', 't', '1') THEN TRUE \
             WHEN lower({stored}) IN ('n', '', 'false', 'f', '0') THEN FALSE END)"
        ),
    })
}
