//! Keys as GUIDs, for clients that know no other keys (Dataverse). A key of any types becomes a UUID of version 8 (RFC 9562, 5.8), and
//! back. It does no IO: where the form that cannot be undone is remembered is for others.
//!
//! The 122 bits that RFC 9562 leaves free hold, from the most significant on:
//!
//! | bits | |
//! |---|---|
//! | 1 | 0: the key is packed, and the GUID says it; 1: it is hashed |
//! | 4 | packed: how many bytes the key has, 0 to 14 |
//! | 5 | a tag made of the table's name, so that the GUID of one table is (nearly always) none of another |
//! | 112 | packed: the key's bytes, then zeros |
//!
//! The hashed form is for keys that need more than 14 bytes: the first bits of their SHA-256 stand where length and bytes would.
//!
//! A part that is not the last says where it ends: whole numbers from -124 to 123 take one byte, others one byte and as many as they
//! need; decimals and texts have their length in a byte before them. The last part is just its bytes: a whole number or decimal as many
//! as it needs in two's complement, a text its UTF-8. So a single number always fits, and so does a text of 14 bytes.
//!
//! A GUID is a key only if packing what it unpacks to gives the same GUID: nothing has two names.

#[cfg(test)]
mod tests;

use crate::edm;
use arrow::datatypes::i256;
use portico_provider_api::number::Number;
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};
use sha2::{Digest, Sha256};
use std::fmt;

/// Most bytes of a key that is packed.
const MAX_PACKED: usize = 14;
/// Bits that hold the bytes of a packed key.
const PAYLOAD_BITS: u32 = 112;
/// First byte of a whole number from which on it says how many bytes follow.
const LONG_INTEGER: u8 = 248;

/// A GUID that stands for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyGuid(u128);

impl fmt::Display for KeyGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        write!(f, "{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
    }
}

impl KeyGuid {
    /// Reads a GUID, letters in either case; `None` for anything else. Any GUID is read: whether it is somebody's key,
    /// [`KeyPacking::unpack`] says.
    #[must_use]
    pub fn parse(text: &str) -> Option<KeyGuid> {
        let Some(Value::Guid(text)) = edm::guid(text) else { return None };
        u128::from_str_radix(&text.replace('-', ""), 16).ok().map(KeyGuid)
    }

    /// The GUID with these 122 bits.
    fn from_bits(bits: u128) -> KeyGuid {
        let (high, middle, low) = (bits >> 74, (bits >> 62) & 0xfff, bits & ((1 << 62) - 1));
        KeyGuid(high << 80 | 8 << 76 | middle << 64 | 0b10 << 62 | low)
    }

    /// The 122 bits of a GUID of version 8 and the variant of RFC 9562; `None` for another.
    fn bits(self) -> Option<u128> {
        let (version, variant) = ((self.0 >> 76) & 0xf, (self.0 >> 62) & 0b11);
        let bits = (self.0 >> 80) << 74 | ((self.0 >> 64) & 0xfff) << 62 | self.0 & ((1 << 62) - 1);
        (version == 8 && variant == 0b10).then_some(bits)
    }
}

/// A key as a GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedKey {
    /// The GUID.
    pub guid: KeyGuid,
    /// Whether the key cannot be had back from it, so that somebody must remember it.
    pub hashed: bool,
}

/// What a GUID says of the key that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpacked {
    /// These values, of the key's types.
    Key(Vec<Value>),
    /// It is hashed: whoever remembers it knows.
    Hashed,
    /// It stands for no key of this table.
    Nobody,
}

/// How the keys of one table are packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPacking {
    table: String,
    types: Vec<ScalarType>,
    tag: u128,
}

impl KeyPacking {
    /// The packing of a table's keys: the table's name in the model, and the types of its key in key order.
    #[must_use]
    pub fn new(table: &str, types: Vec<ScalarType>) -> KeyPacking {
        let digest = Sha256::digest(table.as_bytes());
        let tag = u128::from(digest.first().copied().unwrap_or(0) >> 3);
        KeyPacking { table: table.to_owned(), types, tag }
    }

    /// The table's name in the model.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The types of the key, in key order.
    #[must_use]
    pub fn types(&self) -> &[ScalarType] {
        &self.types
    }

    /// Whether every key fits into its GUID, so that none is ever hashed.
    #[must_use]
    pub fn always_fits(&self) -> bool {
        let sizes = self.types.iter().enumerate().map(|(index, scalar_type)| {
            let last = index + 1 == self.types.len();
            let header = usize::from(!last);
            match scalar_type {
                ScalarType::Boolean => Some(1),
                ScalarType::Int16 => Some(2 + header),
                ScalarType::Int32 | ScalarType::Date => Some(4 + header),
                ScalarType::Int64 | ScalarType::Timestamp | ScalarType::TimestampTz => Some(8 + header),
                ScalarType::Time => Some(5 + header),
                // So many decimal digits take at most this many bytes, with the sign.
                ScalarType::Decimal { precision, .. } => Some((usize::from(*precision) * 3_322 / 1_000 + 2).div_ceil(8) + header),
                ScalarType::Float32 | ScalarType::Float64 => Some(8),
                ScalarType::Guid | ScalarType::Text | ScalarType::Json | ScalarType::Binary => None,
            }
        });
        sizes.sum::<Option<usize>>().is_some_and(|size| size <= MAX_PACKED)
    }

    /// The GUID of a key. The values may be of other types than the key's, as those of a foreign key are, if they are values of the
    /// key's types too; `None` when they are not (then nothing has such a key), or when one is null.
    #[must_use]
    pub fn pack(&self, key: &[Value]) -> Option<PackedKey> {
        if key.len() != self.types.len() {
            return None;
        }
        let values = key.iter().zip(&self.types).map(|(value, to)| conform(value, *to)).collect::<Option<Vec<_>>>()?;
        let guid = match packed_bytes(&values) {
            Some(bytes) => self.packed(&bytes),
            None => return Some(PackedKey { guid: self.hashed(&values), hashed: true }),
        };
        Some(PackedKey { guid, hashed: false })
    }

    /// The key that a GUID stands for.
    #[must_use]
    pub fn unpack(&self, guid: KeyGuid) -> Unpacked {
        let Some(bits) = guid.bits().filter(|bits| (bits >> PAYLOAD_BITS) & 0x1f == self.tag) else { return Unpacked::Nobody };
        if bits >> 121 == 1 {
            return Unpacked::Hashed;
        }
        let length = usize::try_from((bits >> 117) & 0xf).unwrap_or(usize::MAX);
        let payload = (bits & ((1 << PAYLOAD_BITS) - 1)).to_be_bytes();
        let key = payload.get(2..).and_then(|payload| payload.get(..length)).and_then(|bytes| unpacked_values(bytes, &self.types));
        // Unpacking is lenient (zeros that are not needed, numbers out of range); packing is not.
        match key {
            Some(key) if self.pack(&key) == Some(PackedKey { guid, hashed: false }) => Unpacked::Key(key),
            Some(_) | None => Unpacked::Nobody,
        }
    }

    fn packed(&self, bytes: &[u8]) -> KeyGuid {
        let payload = bytes.iter().fold(0_u128, |payload, byte| payload << 8 | u128::from(*byte));
        let shift = PAYLOAD_BITS as usize - 8 * bytes.len();
        KeyGuid::from_bits((bytes.len() as u128) << 117 | self.tag << PAYLOAD_BITS | payload << shift)
    }

    fn hashed(&self, values: &[Value]) -> KeyGuid {
        let mut hasher = Sha256::new();
        // Lengths make the concatenation unambiguous.
        let mut add = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        add(self.table.as_bytes());
        for value in values {
            add(&bare_bytes(value));
        }
        let digest = hasher.finalize();
        let number = digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let (length, payload) = ((number >> PAYLOAD_BITS) & 0xf, number & ((1 << PAYLOAD_BITS) - 1));
        KeyGuid::from_bits(1 << 121 | length << 117 | self.tag << PAYLOAD_BITS | payload)
    }
}

/// The same value as one of another type; `None` when that type has no such value.
pub(crate) fn conform(value: &Value, to: ScalarType) -> Option<Value> {
    if value.is_null() {
        return None;
    }
    if value.scalar_type() == to {
        return Some(value.clone());
    }
    match (value, to) {
        (Value::Int16(_) | Value::Int32(_) | Value::Int64(_) | Value::Decimal { .. }, _) if to.is_numeric() => {
            let mut text = Vec::new();
            match value {
                Value::Decimal { unscaled, scale, .. } => crate::json::push_decimal(&unscaled.to_string(), *scale, &mut text),
                other => text.extend(integer(other)?.to_string().into_bytes()),
            }
            edm::number_value(&Number::parse(std::str::from_utf8(&text).ok()?)?, to).ok()
        }
        (Value::Text(text), ScalarType::Guid) => edm::guid(text),
        (Value::Guid(text), ScalarType::Text) => Some(Value::Text(text.clone())),
        (Value::Timestamp(micros), ScalarType::TimestampTz) => Some(Value::TimestampTz(*micros)),
        (Value::TimestampTz(micros), ScalarType::Timestamp) => Some(Value::Timestamp(*micros)),
        _ => None,
    }
}

/// What is carried as a whole number.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int16(value) => Some((*value).into()),
        Value::Int32(value) | Value::Date(value) => Some((*value).into()),
        Value::Int64(value) | Value::Time(value) | Value::Timestamp(value) | Value::TimestampTz(value) => Some(*value),
        Value::Null(_)
        | Value::Boolean(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal { .. }
        | Value::Text(_)
        | Value::Binary(_)
        | Value::Guid(_)
        | Value::Json(_) => None,
    }
}

/// As few bytes as hold a number in two's complement; none for zero.
fn shortest(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [first, rest @ ..] = bytes {
        let sign_of_rest = rest.first().map_or(0, |byte| if byte & 0x80 == 0 { 0 } else { 0xff });
        if *first != sign_of_rest {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// A part's bytes without any mark of where it ends.
fn bare_bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Null(_) => Vec::new(),
        Value::Boolean(value) => vec![u8::from(*value)],
        Value::Int16(_)
        | Value::Int32(_)
        | Value::Int64(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_) => shortest(&integer(value).unwrap_or(0).to_be_bytes()).to_vec(),
        Value::Decimal { unscaled, .. } => shortest(&unscaled.to_be_bytes()).to_vec(),
        Value::Float32(value) | Value::Float64(value) => value.0.to_bits().to_be_bytes().to_vec(),
        Value::Text(text) | Value::Json(text) => text.as_bytes().to_vec(),
        Value::Guid(text) => KeyGuid::parse(text).map_or_else(Vec::new, |guid| guid.0.to_be_bytes().to_vec()),
        Value::Binary(bytes) => bytes.clone(),
    }
}

/// The bytes of a key; `None` when they are too many to be packed.
fn packed_bytes(values: &[Value]) -> Option<Vec<u8>> {
    let mut packed = Vec::with_capacity(MAX_PACKED);
    for (index, value) in values.iter().enumerate() {
        let bytes = bare_bytes(value);
        if index + 1 < values.len() {
            match value {
                Value::Boolean(_) | Value::Guid(_) | Value::Float32(_) | Value::Float64(_) => {}
                other => match integer(other) {
                    Some(number) => {
                        push_integer(number, &mut packed);
                        continue;
                    }
                    None => packed.push(u8::try_from(bytes.len()).ok()?),
                },
            }
        }
        packed.extend(bytes);
        if packed.len() > MAX_PACKED {
            return None;
        }
    }
    (packed.len() <= MAX_PACKED).then_some(packed)
}

/// A whole number that says where it ends; numbers near zero take one byte.
fn push_integer(number: i64, out: &mut Vec<u8>) {
    let folded = (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned();
    match u8::try_from(folded).ok().filter(|byte| *byte < LONG_INTEGER) {
        Some(byte) => out.push(byte),
        None => {
            let bytes = folded.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            out.push(LONG_INTEGER + (7 - zeros) as u8);
            out.extend(bytes.iter().skip(zeros));
        }
    }
}

/// The first bytes, which are taken off.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(head)
}

fn take_integer(bytes: &mut &[u8]) -> Option<i64> {
    let first = *take(bytes, 1)?.first()?;
    if first < LONG_INTEGER {
        return Some(unfold(first.into()));
    }
    let digits = take(bytes, usize::from(first - LONG_INTEGER) + 1)?;
    Some(unfold(digits.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))))
}

fn unfold(folded: u64) -> i64 {
    (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed()
}

/// Two's complement of any length to one of a fixed length; `None` when it is longer.
fn extended<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let fill = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut all = [fill; N];
    all.get_mut(N.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(all)
}

fn unpacked_values(bytes: &[u8], types: &[ScalarType]) -> Option<Vec<Value>> {
    let mut bytes = bytes;
    let mut values = Vec::with_capacity(types.len());
    for (index, scalar_type) in types.iter().enumerate() {
        values.push(take_value(&mut bytes, *scalar_type, index + 1 == types.len())?);
    }
    bytes.is_empty().then_some(values)
}

fn take_value(bytes: &mut &[u8], scalar_type: ScalarType, last: bool) -> Option<Value> {
    let integer = |bytes: &mut &[u8]| match last {
        true => extended::<8>(std::mem::take(bytes)).map(i64::from_be_bytes),
        false => take_integer(bytes),
    };
    let delimited = |bytes: &mut &[u8]| -> Option<Vec<u8>> {
        let length = if last { bytes.len() } else { usize::from(*take(bytes, 1)?.first()?) };
        take(bytes, length).map(<[u8]>::to_vec)
    };
    Some(match scalar_type {
        ScalarType::Boolean => match take(bytes, 1)? {
            [0] => Value::Boolean(false),
            [1] => Value::Boolean(true),
            _ => return None,
        },
        ScalarType::Int16 => Value::Int16(integer(bytes)?.try_into().ok()?),
        ScalarType::Int32 => Value::Int32(integer(bytes)?.try_into().ok()?),
        ScalarType::Int64 => Value::Int64(integer(bytes)?),
        ScalarType::Date => Value::Date(integer(bytes)?.try_into().ok()?),
        ScalarType::Time => Value::Time(integer(bytes)?),
        ScalarType::Timestamp => Value::Timestamp(integer(bytes)?),
        ScalarType::TimestampTz => Value::TimestampTz(integer(bytes)?),
        ScalarType::Decimal { precision, scale } => {
            let unscaled = i256::from_be_bytes(extended::<32>(&delimited(bytes)?)?);
            Value::Decimal { unscaled, precision, scale }
        }
        ScalarType::Float32 | ScalarType::Float64 => {
            let value = Float(f64::from_bits(u64::from_be_bytes(take(bytes, 8)?.try_into().ok()?)));
            if scalar_type == ScalarType::Float32 { Value::Float32(value) } else { Value::Float64(value) }
        }
        ScalarType::Text => Value::Text(String::from_utf8(delimited(bytes)?).ok()?),
        ScalarType::Json => Value::Json(String::from_utf8(delimited(bytes)?).ok()?),
        ScalarType::Binary => Value::Binary(delimited(bytes)?),
        // Sixteen bytes never fit.
        ScalarType::Guid => return None,
    })
}
