//! Packing: there and back for keys of every type, and nothing that is not a key.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const MONEY: ScalarType = ScalarType::Decimal { precision: 20, scale: 2 };

fn text(value: &str) -> Value {
    Value::text(value)
}

fn packing(types: &[ScalarType]) -> KeyPacking {
    KeyPacking::new("Orders", types.to_vec())
}

/// Packs, and checks that the GUID is well-formed and gives the key back.
fn round(types: &[ScalarType], key: &[Value]) -> PackedKey {
    let packing = packing(types);
    let packed = packing.pack(key).unwrap();
    let shown = packed.guid.to_string();
    assert_eq!((shown.len(), shown.as_bytes()[14], KeyGuid::parse(&shown)), (36, b'8', Some(packed.guid)), "{shown}");
    assert!(matches!(shown.as_bytes()[19], b'8'..=b'9' | b'a'..=b'b'), "{shown}");
    let expected = if packed.hashed { Unpacked::Hashed } else { Unpacked::Key(key.to_vec()) };
    assert_eq!(packing.unpack(packed.guid), expected, "{key:?}");
    packed
}

#[test]
fn the_layout_is_as_agreed() {
    // A stored GUID must stay what it is: clients keep them.
    assert_eq!(round(&[ScalarType::Int32], &[Value::Int32(1)]).guid.to_string(), "0d804000-0000-8000-8000-000000000000");
    assert_eq!(round(&[ScalarType::Text], &[text("DE-0815")]).guid.to_string(), "3d91114b-4c0e-80c4-b500-000000000000");
}

#[test]
fn keys_of_up_to_fourteen_bytes_are_packed() {
    use ScalarType::{Int16, Int32, Int64, Text};
    let hashed = |types: &[ScalarType], key: &[Value]| round(types, key).hashed;
    for (length, too_long) in [(0, false), (13, false), (14, false), (15, true), (300, true)] {
        assert_eq!(hashed(&[Text], &[text(&"x".repeat(length))]), too_long, "{length}");
        assert_eq!(hashed(&[Text], &[text(&"\0".repeat(length))]), too_long, "{length} zeros");
    }
    // Bytes count, not characters.
    assert!(!hashed(&[Text], &[text("Zürich-ÄÖÜ")]) && !hashed(&[Text], &[text("日本語東")]) && hashed(&[Text], &[text("日本語東京")]));
    for number in [i64::MIN, -1_000_000, -129, -128, -125, -124, -1, 0, 1, 123, 124, 127, 128, 255, 256, i64::MAX] {
        assert!(!hashed(&[Int64], &[Value::Int64(number)]));
        assert!(!hashed(&[Int64, Int32], &[Value::Int64(number), Value::Int32(i32::MIN)]));
        assert!(!hashed(&[Int64, Text], &[Value::Int64(number), text("ABCDE")]));
    }
    assert!(!hashed(&[Int32, Int32, Int32], &[Value::Int32(i32::MIN), Value::Int32(i32::MAX), Value::Int32(i32::MIN)]));
    assert!(!hashed(&[Text, Text, Int16], &[text("1000"), text("4711"), Value::Int16(-10)]));
    assert!(hashed(&[Int64, Int64], &[Value::Int64(i64::MIN), Value::Int64(i64::MIN)]));
    assert!(hashed(&[ScalarType::Guid, Int16], &[Value::Guid("01234567-89ab-cdef-0123-456789abcdef".into()), Value::Int16(1)]));
}

#[test]
fn what_always_fits_is_said_truly() {
    use ScalarType::{Date, Int32, Int64, Text, Time, TimestampTz};
    let fits = |types: &[ScalarType]| packing(types).always_fits();
    assert!(fits(&[Int64]) && fits(&[Int64, Int32]) && fits(&[Int32, Int32, Int32]) && fits(&[Date, TimestampTz]));
    assert!(!fits(&[Text]) && !fits(&[Int64, Int64]) && !fits(&[Int32, Text]) && fits(&[Time, Date]));
    for precision in 1..=76_u8 {
        let types = [ScalarType::Decimal { precision, scale: 0 }];
        let greatest = i256::from_string(&format!("-{}", "9".repeat(precision.into()))).unwrap();
        let packed = round(&types, &[Value::Decimal { unscaled: greatest, precision, scale: 0 }]);
        assert!(!fits(&types) || !packed.hashed, "{precision}");
    }
}

#[test]
fn foreign_keys_of_another_type_have_the_same_guid() {
    let decimal = |unscaled: i128, precision, scale| Value::Decimal { unscaled: i256::from_i128(unscaled), precision, scale };
    let seven = packing(&[ScalarType::Int64]).pack(&[Value::Int64(7)]);
    for value in [Value::Int16(7), Value::Int32(7), decimal(7, 10, 0), decimal(700, 10, 2)] {
        assert_eq!(packing(&[ScalarType::Int64]).pack(&[value]), seven);
    }
    assert_eq!(packing(&[ScalarType::Int64]).pack(&[decimal(701, 10, 2)]), None, "no whole number");
    assert_eq!(packing(&[ScalarType::Int16]).pack(&[Value::Int32(70_000)]), None, "out of range");
    assert_eq!(packing(&[MONEY]).pack(&[Value::Int32(3)]), packing(&[MONEY]).pack(&[decimal(300, 20, 2)]));
    assert_eq!(packing(&[ScalarType::Int64]).pack(&[Value::Null(ScalarType::Int64)]), None);
    assert_eq!(packing(&[ScalarType::Text]).pack(&[Value::Int64(7)]), None);
    assert_eq!(packing(&[ScalarType::Text]).pack(&[]), None);
}

#[test]
fn other_guids_are_nobodys() {
    let packing = packing(&[ScalarType::Int32]);
    let guid = packing.pack(&[Value::Int32(1_000_000)]).unwrap().guid;
    assert_eq!(packing.unpack(guid), Unpacked::Key(vec![Value::Int32(1_000_000)]));
    for other in ["00000000-0000-0000-0000-000000000000", "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"] {
        assert_eq!(packing.unpack(KeyGuid::parse(other).unwrap()), Unpacked::Nobody, "{other}");
    }
    // Another table: of 32 tags one is the same by chance, and these are not.
    assert_eq!(KeyPacking::new("Customers", vec![ScalarType::Int32]).unpack(guid), Unpacked::Nobody);
    // Not the shortest form, out of range, too long, not UTF-8.
    let bits = |bytes: &[u8]| packing.packed(bytes);
    for bytes in [&[0][..], &[0, 7], &[0xff, 0xff], &[0x7f, 0, 0, 0, 0]] {
        assert_eq!(packing.unpack(bits(bytes)), Unpacked::Nobody, "{bytes:?}");
    }
    let texts = KeyPacking::new("Orders", vec![ScalarType::Text]);
    assert_eq!(texts.unpack(texts.packed(&[0xff])), Unpacked::Nobody);
    // A bit behind the end, and a length that there is not.
    let stray = KeyGuid(texts.pack(&[text("a")]).unwrap().guid.0 | 1);
    assert_eq!(texts.unpack(stray), Unpacked::Nobody);
    assert_eq!(texts.unpack(KeyGuid::from_bits(15 << 117 | texts.tag << PAYLOAD_BITS)), Unpacked::Nobody);
    assert_eq!((KeyGuid::parse("x"), KeyGuid::parse("f81d4fae7dec41d0a76500a0c91e6bf6")), (None, None));
}

fn value(scalar_type: ScalarType) -> BoxedStrategy<Value> {
    match scalar_type {
        ScalarType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        ScalarType::Int16 => any::<i16>().prop_map(Value::Int16).boxed(),
        ScalarType::Int32 => prop_oneof![any::<i32>(), -300..300_i32].prop_map(Value::Int32).boxed(),
        ScalarType::Int64 => prop_oneof![any::<i64>(), -70_000..70_000_i64].prop_map(Value::Int64).boxed(),
        ScalarType::Float32 => any::<f32>().prop_map(|value| Value::Float32(Float(value.into()))).boxed(),
        ScalarType::Float64 => any::<f64>().prop_map(Value::float64).boxed(),
        ScalarType::Decimal { precision, scale } => {
            let digits = prop_oneof![any::<i64>().prop_map(i128::from), -1_000..1_000_i128];
            digits.prop_map(move |digits| Value::Decimal { unscaled: i256::from_i128(digits), precision, scale }).boxed()
        }
        ScalarType::Text => prop_oneof![".{0,6}", "[A-Z0-9]{0,16}"].prop_map(Value::Text).boxed(),
        ScalarType::Json => ".{0,6}".prop_map(Value::Json).boxed(),
        ScalarType::Binary => prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Binary).boxed(),
        ScalarType::Date => any::<i32>().prop_map(Value::Date).boxed(),
        ScalarType::Time => (0..86_400_000_000_i64).prop_map(Value::Time).boxed(),
        ScalarType::Timestamp => any::<i64>().prop_map(Value::Timestamp).boxed(),
        ScalarType::TimestampTz => any::<i64>().prop_map(Value::TimestampTz).boxed(),
        ScalarType::Guid => any::<u128>().prop_map(|bits| Value::Guid(KeyGuid(bits).to_string())).boxed(),
    }
}

fn types() -> impl Strategy<Value = Vec<ScalarType>> {
    use ScalarType::*;
    let one = prop::sample::select(vec![
        Boolean,
        Int16,
        Int32,
        Int64,
        Float32,
        Float64,
        MONEY,
        Text,
        Json,
        Binary,
        Date,
        Time,
        Timestamp,
        TimestampTz,
        Guid,
    ]);
    prop::collection::vec(one, 1..4)
}

proptest! {
    #[test]
    fn keys_of_every_type_come_back((types, keys) in types().prop_flat_map(|types| {
        let key: Vec<_> = types.iter().map(|scalar_type| value(*scalar_type)).collect();
        (Just(types), prop::collection::vec(key, 1..30))
    })) {
        let mut seen: HashMap<KeyGuid, Vec<Value>> = HashMap::new();
        for key in keys {
            let packed = round(&types, &key);
            prop_assert!(!packing(&types).always_fits() || !packed.hashed);
            let known = seen.entry(packed.guid).or_insert_with(|| key.clone());
            prop_assert_eq!(&*known, &key, "one GUID for two keys");
        }
    }

    /// Whatever bits come: what unpacks, packs to the same.
    #[test]
    fn nothing_has_two_names(bits in any::<u128>(), length in 0..16_u128, types in types()) {
        let packing = packing(&types);
        let bits = bits & ((1 << PAYLOAD_BITS) - 1) >> (8 * (14 - length.min(14))) << (8 * (14 - length.min(14)));
        let guid = KeyGuid::from_bits(length << 117 | packing.tag << PAYLOAD_BITS | bits);
        if let Unpacked::Key(key) = packing.unpack(guid) {
            prop_assert_eq!(packing.pack(&key), Some(PackedKey { guid, hashed: false }));
        }
    }
}
