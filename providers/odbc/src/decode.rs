//! From what drivers hand out to Arrow, exactly. Pure. Most values come as text, which no driver converts in a way of its own; what does not
//! fit its promised type is an error that names the column. It must not know connections.

use crate::server::Server;
use crate::translate::is_carried;
use arrow::array::ArrayRef;
use portico_provider_api::value::Float;
use portico_provider_api::{Codec, ColumnBuilder, ScalarType, Value};
use portico_provider_sql::{
    Carried, ResultColumn, Stored, decode, from_hex, parse_date, parse_decimal, parse_time, parse_timestamp, parse_timestamp_tz, rescale,
    stored_type,
};

/// As what a column is asked of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Text that spells the value.
    Text,
    /// Text that says how SQLite stores the value.
    Carried,
    /// A double.
    Double,
    /// A single.
    Single,
    /// Bytes.
    Binary,
}

impl Reading {
    /// How a column of a server is read.
    pub fn of(server: Server, column: &ResultColumn) -> Reading {
        if is_carried(server) {
            return Reading::Carried;
        }
        match (server, column.codec, column.scalar_type) {
            (Server::Postgres, _, _) => Reading::Text,
            (_, Some(Codec::GuidBytes), _) | (_, None, ScalarType::Binary) => Reading::Binary,
            (_, None, ScalarType::Float64) => Reading::Double,
            (_, None, ScalarType::Float32) => Reading::Single,
            (_, _, _) => Reading::Text,
        }
    }
}

/// Collects the cells of one column.
#[derive(Debug)]
pub struct ColumnDecoder {
    column: ResultColumn,
    /// As what its cells are asked of the driver.
    pub reading: Reading,
    builder: ColumnBuilder,
}

impl ColumnDecoder {
    /// For a column of an answer.
    pub fn new(column: ResultColumn, reading: Reading) -> ColumnDecoder {
        let builder = ColumnBuilder::new(column.scalar_type);
        ColumnDecoder { column, reading, builder }
    }

    /// Adds a null.
    ///
    /// # Errors
    /// Where none was promised.
    pub fn append_null(&mut self) -> Result<usize, String> {
        if !self.column.nullable {
            return Err("holds null, which it must not".to_owned());
        }
        self.builder.append(Value::Null(self.column.scalar_type))
    }

    /// Adds a value that came as UTF-16, and tells how many bytes it takes, roughly.
    ///
    /// # Errors
    /// Says what is wrong with it, without it.
    pub fn append_wide(&mut self, units: &[u16]) -> Result<usize, String> {
        let text = String::from_utf16(units).map_err(|_| "holds text that is not Unicode".to_owned())?;
        if let (None, ScalarType::Text) = (self.column.codec, self.column.scalar_type) {
            return self.builder.append_text(&text);
        }
        let value = self.spelt(&text)?;
        self.append(value)
    }

    /// Adds a value that came as UTF-8 with how SQLite stores it.
    ///
    /// # Errors
    /// Says what is wrong with it, without it.
    pub fn append_utf8(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "holds text that is not UTF-8".to_owned())?;
        let value = self.carried(text)?;
        self.append(value)
    }

    /// Adds a float.
    ///
    /// # Errors
    /// When the column holds no floats.
    pub fn append_float(&mut self, number: f64) -> Result<usize, String> {
        let single = self.column.scalar_type == ScalarType::Float32;
        self.append(if single { Value::Float32(Float(number)) } else { Value::float64(number) })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// When they are not what they should be.
    pub fn append_bytes(&mut self, bytes: &[u8]) -> Result<usize, String> {
        match self.column.codec {
            Some(codec) => self.append(decode(codec, self.column.scalar_type, Stored::Bytes(bytes))?),
            None => self.append(Value::Binary(bytes.to_vec())),
        }
    }

    /// The column so far; the decoder is empty afterwards.
    pub fn finish(&mut self) -> ArrayRef {
        self.builder.finish()
    }

    /// What the column is called in messages.
    pub fn label(&self) -> String {
        match &self.column.origin {
            Some(origin) => format!("column {origin}"),
            None => format!("output '{}'", self.column.name),
        }
    }

    /// Whether it comes from a table as it is.
    pub fn is_plain(&self) -> bool {
        self.column.origin.is_some()
    }

    fn misfit(&self) -> String {
        format!("holds a value that does not fit {}", self.column.scalar_type)
    }

    /// A value from its text.
    fn spelt(&self, text: &str) -> Result<Value, String> {
        let scalar_type = self.column.scalar_type;
        if let Some(codec) = self.column.codec {
            return match stored_type(codec) {
                ScalarType::Int64 => decode(codec, scalar_type, whole(text).map_or(Stored::Text(text), Stored::Integer)),
                ScalarType::Binary => {
                    let bytes = text.strip_prefix("\\x").and_then(from_hex).ok_or_else(|| self.misfit())?;
                    decode(codec, scalar_type, Stored::Bytes(&bytes))
                }
                // A number that holds eight digits of a date.
                _ => decode(codec, scalar_type, Stored::Text(text.trim_end_matches(if codec == Codec::SapDate { ' ' } else { '\0' }))),
            };
        }
        value_of(scalar_type, text).ok_or_else(|| self.misfit())
    }

    /// A value from what says how SQLite stores it. SQLite lets any column hold anything.
    fn carried(&self, text: &str) -> Result<Value, String> {
        let carried = Carried::read(text).ok_or_else(|| "came in another form than it was asked for".to_owned())?;
        let scalar_type = self.column.scalar_type;
        if let Some(codec) = self.column.codec {
            return decode(codec, scalar_type, carried.stored());
        }
        let value = match (scalar_type, &carried) {
            (ScalarType::Boolean, Carried::Integer(number @ (0 | 1))) => Some(Value::Boolean(*number == 1)),
            (ScalarType::Int16, Carried::Integer(number)) => i16::try_from(*number).ok().map(Value::Int16),
            (ScalarType::Int32, Carried::Integer(number)) => i32::try_from(*number).ok().map(Value::Int32),
            (ScalarType::Int64, Carried::Integer(number)) => Some(Value::Int64(*number)),
            (ScalarType::Float64, Carried::Real(number)) => Some(Value::float64(*number)),
            (ScalarType::Float32, Carried::Real(number)) => {
                (f64::from(*number as f32) == *number).then_some(Value::Float32(Float(*number)))
            }
            // A view's expression may yield an integer where its column yields reals.
            (ScalarType::Float64, Carried::Integer(number)) if number.unsigned_abs() <= 1 << 53 => Some(Value::float64(*number as f64)),
            (ScalarType::Float32, Carried::Integer(number)) if number.unsigned_abs() <= 1 << 24 => {
                Some(Value::Float32(Float(*number as f64)))
            }
            (ScalarType::Text, Carried::Text(text)) => Some(Value::Text(text.clone())),
            (ScalarType::Binary, Carried::Blob(bytes)) => Some(Value::Binary(bytes.clone())),
            (ScalarType::Date, Carried::Text(text)) => parse_date(text).map(Value::Date),
            (ScalarType::Json, Carried::Text(text)) => Some(Value::Json(text.clone())),
            (ScalarType::Json, Carried::Integer(number)) => Some(Value::Json(number.to_string())),
            (ScalarType::Json, Carried::Real(number)) if number.is_finite() => Some(Value::Json(number.to_string())),
            _ => None,
        };
        value.ok_or_else(|| format!("is declared as {scalar_type}, and another class of values is stored"))
    }

    fn append(&mut self, value: Value) -> Result<usize, String> {
        if value.is_null() { self.append_null() } else { self.builder.append(value) }
    }
}

/// An integer, also where a driver spells it as a decimal.
fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0')).map_or(text, |(whole, _)| whole);
    text.parse().ok()
}

fn value_of(scalar_type: ScalarType, text: &str) -> Option<Value> {
    Some(match scalar_type {
        ScalarType::Boolean => Value::Boolean(match text.trim() {
            "t" | "true" => true,
            "f" | "false" => false,
            number => whole(number)? != 0,
        }),
        ScalarType::Int16 => Value::Int16(whole(text)?.try_into().ok()?),
        ScalarType::Int32 => Value::Int32(whole(text)?.try_into().ok()?),
        ScalarType::Int64 => Value::Int64(whole(text)?),
        ScalarType::Float32 => Value::Float32(Float(f64::from(text.trim().parse::<f32>().ok()?))),
        ScalarType::Float64 => Value::float64(text.trim().parse().ok()?),
        ScalarType::Decimal { precision, scale } => {
            // Oracle leaves a leading zero out.
            let (sign, rest) = text.trim().strip_prefix('-').map_or(("", text.trim()), |rest| ("-", rest));
            let spelt = if rest.starts_with('.') { format!("{sign}0{rest}") } else { format!("{sign}{rest}") };
            Value::Decimal { unscaled: rescale(parse_decimal(&spelt)?, precision, scale)?, precision, scale }
        }
        ScalarType::Text => Value::Text(text.to_owned()),
        ScalarType::Json => Value::Json(text.to_owned()),
        ScalarType::Binary => Value::Binary(from_hex(text.strip_prefix("\\x").unwrap_or(text))?),
        ScalarType::Date => Value::Date(parse_date(text)?),
        ScalarType::Time => Value::Time(parse_time(&in_micros(text)?)?),
        ScalarType::Timestamp => Value::Timestamp(parse_timestamp(&in_micros(text)?)?),
        ScalarType::TimestampTz => {
            Value::TimestampTz(parse_timestamp_tz(&in_micros(text)?).or_else(|| parse_timestamp(&in_micros(text)?))?)
        }
        ScalarType::Guid => match decode(Codec::GuidText, scalar_type, Stored::Text(text.trim_matches(['{', '}']))) {
            Ok(value) => value,
            Err(_) => return None,
        },
    })
}

/// A moment with more than six digits behind the point is spelt with six where the others are zeros; otherwise it does not fit.
fn in_micros(text: &str) -> Option<String> {
    let Some((whole, rest)) = text.split_once('.') else { return Some(text.to_owned()) };
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, zone) = rest.split_at_checked(end)?;
    let (kept, more) = digits.split_at_checked(digits.len().min(6))?;
    more.bytes().all(|byte| byte == b'0').then(|| format!("{whole}.{kept}{}", zone.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_exactly_or_not_at_all() {
        let of = |scalar_type, text| value_of(scalar_type, text);
        assert_eq!(of(ScalarType::Int64, "9007199254740993"), Some(Value::Int64(9_007_199_254_740_993)));
        assert_eq!(of(ScalarType::Int16, "70000"), None);
        assert_eq!(of(ScalarType::Int32, "1.5"), None);
        assert_eq!(of(ScalarType::Int32, "1.000"), Some(Value::Int32(1)));
        assert_eq!(of(ScalarType::Boolean, "5"), Some(Value::Boolean(true)));
        let decimal = ScalarType::Decimal { precision: 5, scale: 2 };
        assert_eq!(of(decimal, "-.5"), Some(Value::Decimal { unscaled: (-50).into(), precision: 5, scale: 2 }));
        assert_eq!(of(decimal, "1.005"), None);
        assert_eq!(of(ScalarType::Date, "infinity"), None);
        assert_eq!(of(ScalarType::Date, "0001-01-01 BC"), None);
        assert_eq!(of(ScalarType::Timestamp, "1970-01-01 00:00:00.0000010"), Some(Value::Timestamp(1)));
        assert_eq!(of(ScalarType::Timestamp, "1970-01-01 00:00:00.0000001"), None);
        assert_eq!(of(ScalarType::TimestampTz, "1970-01-01 01:00:00.0000000 +01:00"), Some(Value::TimestampTz(0)));
        assert_eq!(of(ScalarType::Binary, "\\x00ff"), Some(Value::Binary(vec![0, 255])));
        assert_eq!(
            of(ScalarType::Guid, "{7FFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF}"),
            Some(Value::Guid("7fffffff-ffff-4fff-bfff-ffffffffffff".to_owned()))
        );
    }

    #[test]
    fn what_another_class_of_values_is_stored_for_is_an_error() {
        let column =
            |scalar_type| ResultColumn { name: "x".to_owned(), scalar_type, nullable: false, codec: None, origin: None, native_type: None };
        let mut decoder = ColumnDecoder::new(column(ScalarType::Int64), Reading::Carried);
        assert!(decoder.append_utf8(b"i5").is_ok());
        for wrong in ["t5", "r5.0", "b05", "5", ""] {
            assert!(decoder.append_utf8(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(decoder.append_null().is_err());
        assert!(decoder.append_wide(&[0xd800]).is_err());
    }
}
