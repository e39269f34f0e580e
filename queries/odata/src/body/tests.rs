//! Bodies: exact values, and what is refused.

use super::{Purpose, entity, parameters};
use crate::ODataErrorKind::{self, BadRequest, NotImplemented};
use crate::fixtures::model;
use crate::value_type::ValueType;
use portico_catalog::overlay::{ComplexProperty, Derivation, DerivedType, EnumerationMember, MediaType, Parameter, StreamProperty};
use portico_catalog::{Column, Enumeration, TableView};
use portico_provider_api::{ScalarType, Value};
use proptest::prelude::*;
use std::sync::Arc;

fn read(table: &str, purpose: Purpose, body: &str) -> Result<Vec<(usize, Value)>, crate::ODataError> {
    entity(body.as_bytes(), "N", model().table(table).unwrap(), purpose)
}

fn one(property: &str, json: &str) -> Result<Value, crate::ODataError> {
    read("Types", Purpose::Update, &format!("{{\"{property}\":{json}}}")).map(|mut values| values.remove(0).1)
}

fn decimal(unscaled: &str, precision: u8, scale: i8) -> Value {
    Value::Decimal { unscaled: arrow::datatypes::i256::from_string(unscaled).unwrap(), precision, scale }
}

#[test]
fn values_are_exact() {
    let uid = Value::Guid("3f2504e0-4f89-11d3-9a0c-0305e82c3301".into());
    for (property, json, expected) in [
        ("Flag", "true", Value::Boolean(true)),
        ("Flag", "null", Value::Null(ScalarType::Boolean)),
        ("Small", "-32768", Value::Int16(i16::MIN)),
        ("Medium", "1.0", Value::Int32(1)),
        ("Medium", "1e3", Value::Int32(1000)),
        ("Large", "9223372036854775807", Value::Int64(i64::MAX)),
        ("Large", "\"9223372036854775807\"", Value::Int64(i64::MAX)),
        ("Double", "0.1", Value::float64(0.1)),
        ("Double", "\"-INF\"", Value::float64(f64::NEG_INFINITY)),
        ("Single", "0.1", Value::Float32(portico_provider_api::value::Float(0.1_f32.into()))),
        ("Amount", "0.1", decimal("100000000", 38, 9)),
        ("Amount", "12345678901234567890.123456789", decimal("12345678901234567890123456789", 38, 9)),
        ("Amount", "\"12345678901234567890.123456789\"", decimal("12345678901234567890123456789", 38, 9)),
        ("Amount", "-1.5E-2", decimal("-15000000", 38, 9)),
        (
            "Huge",
            "12345678901234567890123456789012345678901234567890.0123456789",
            decimal("123456789012345678901234567890123456789012345678900123456789", 60, 10),
        ),
        ("Label", "\"a\\u0000\\ud83d\\ude00\"", Value::text("a\u{0}😀")),
        ("Bytes", "\"AQID-_8=\"", Value::Binary(vec![1, 2, 3, 0xFB, 0xFF])),
        ("Bytes", "\"AQID+/8\"", Value::Binary(vec![1, 2, 3, 0xFB, 0xFF])),
        ("Day", "\"2026-08-01\"", Value::Date(20_666)),
        ("Clock", "\"12:30:00.000001\"", Value::Time(45_000_000_001)),
        ("Local", "\"1970-01-01T00:00:01Z\"", Value::Timestamp(1_000_000)),
        ("Instant", "\"1970-01-01T01:00:00+01:00\"", Value::TimestampTz(0)),
        ("Uid", "\"3F2504E0-4F89-11D3-9A0C-0305E82C3301\"", uid),
        ("Document", "\"{\\\"a\\\": [1]}\"", Value::Json("{\"a\": [1]}".into())),
    ] {
        assert_eq!(one(property, json).unwrap(), expected, "{property}: {json}");
    }
}

#[test]
fn misfits_name_the_property_and_its_type() {
    for (property, json, culprit) in [
        ("Flag", "1", "Edm.Boolean, not a number"),
        ("Flag", "\"true\"", "Edm.Boolean, not this string"),
        ("Small", "32768", "whole number in the range"),
        ("Small", "1.5", "Edm.Int16"),
        ("Medium", "\"1\"", "Edm.Int32, not this string"),
        ("Medium", "true", "Edm.Int32, not a boolean"),
        ("Large", "9223372036854775808", "Edm.Int64"),
        ("Large", "\"x\"", "Edm.Int64, not this string"),
        ("Single", "1e39", "Edm.Single"),
        ("Double", "1e400", "Edm.Double"),
        ("Double", "\"1\"", "Edm.Double, not this string"),
        ("Amount", "0.1234567891", "29 digits before the point and 9 after it"),
        ("Amount", "1e29", "29 digits before"),
        ("Amount", "\"1,5\"", "Edm.Decimal, not this string"),
        ("Label", "5", "Edm.String, not a number"),
        ("Label", "{}", "Edm.String, not an object"),
        ("Label", "[\"a\"]", "Edm.String, not an array"),
        ("Bytes", "\"***\"", "base64url"),
        ("Bytes", "\"AQIDBAUGBwgJ\"", "at most 8 bytes, not 9"),
        ("Day", "\"2026-02-30\"", "Edm.Date"),
        ("Day", "\"2026-08-01T00:00:00Z\"", "Edm.Date"),
        ("Clock", "\"24:00:00\"", "Edm.TimeOfDay"),
        ("Instant", "\"2026-08-01\"", "Edm.DateTimeOffset"),
        ("Instant", "1785542400", "Edm.DateTimeOffset"),
        ("Uid", "\"x\"", "Edm.Guid"),
        ("Uid", "null", "cannot be null"),
        ("Document", "\"{\"", "JSON document"),
    ] {
        let error = one(property, json).unwrap_err();
        assert_eq!((error.kind, error.target.as_deref()), (BadRequest, Some(property)), "{property}: {json}");
        assert!(
            error.message.contains(culprit) && error.message.contains(&format!("'{property}'")),
            "{property}: {json}: {}",
            error.message
        );
    }
}

#[test]
fn entities_are_checked() {
    let bad: &[(&str, Purpose, &str, ODataErrorKind, &str)] = &[
        ("Customers", Purpose::Insert, "[]", BadRequest, "JSON object"),
        ("Customers", Purpose::Insert, "{\"Id\":1,", BadRequest, "line 1, column 9"),
        ("Customers", Purpose::Insert, "{\n\"Id\":x}", BadRequest, "line 2, column 6"),
        ("Customers", Purpose::Insert, "{\"Id\":1}", BadRequest, "'Name' is required"),
        ("Customers", Purpose::Insert, "{\"Id\":1,\"Name\":null}", BadRequest, "'Name' cannot be null"),
        ("Customers", Purpose::Update, "{\"Nme\":\"x\"}", BadRequest, "did you mean 'Name'"),
        ("Customers", Purpose::Update, "{\"SecretLimit\":1}", BadRequest, "no property 'SecretLimit'"),
        ("Customers", Purpose::Update, "{\"SecretLimi\":1}", BadRequest, "no property 'SecretLimi'"),
        ("Customers", Purpose::Update, "{\"Name\":\"a\",\"Name\":\"b\"}", BadRequest, "'Name' is given twice"),
        ("Customers", Purpose::Update, "{\"Name\":\"aaaaaaaaaaaaaaaaaaaaa\"}", BadRequest, "at most 20 characters, not 21"),
        ("Customers", Purpose::Insert, "{\"Id\":1,\"Name\":\"a\",\"Credit\":5}", BadRequest, "'Credit' is read-only"),
        ("Orders", Purpose::Insert, "{\"Id\":1,\"CustomerId\":1}", BadRequest, "'Id' is made by the source"),
        ("Customers", Purpose::Insert, "{\"Orders\":[]}", NotImplemented, "'Orders'"),
        ("Orders", Purpose::Update, "{\"Customer\":{\"Id\":1}}", NotImplemented, "'Customer'"),
        ("Orders", Purpose::Update, "{\"Customer@odata.bind\":\"Customers(1)\"}", NotImplemented, "'Customer@odata.bind'"),
        ("Orders", Purpose::Update, "{\"Customer@bind\":\"Customers(1)\"}", NotImplemented, "'Customer@bind'"),
        ("Customers", Purpose::Update, "{\"Orders@delta\":[]}", NotImplemented, "'Orders@delta'"),
        ("Customers", Purpose::Update, "{\"@removed\":{}}", NotImplemented, "removed"),
    ];
    for (table, purpose, body, kind, culprit) in bad {
        let error = read(table, *purpose, body).expect_err(body);
        assert_eq!(error.kind, *kind, "{body}: {error:?}");
        assert!(error.message.contains(culprit), "{body}: {error:?}");
        assert!(!error.message.contains("did you mean 'Secret"), "{body}: {error:?}");
    }
}

#[test]
fn control_information_is_left_out_and_whole_entities_are_taken() {
    let body = r##"{"@odata.context":"x","@odata.etag":"W/\"1\"","@id":"y","Id":1,"Name@odata.type":"#String","Name":"äöüäöüäöüäöüäöüäöüäö","@Ns.Term":5,"Active":true,"Credit":5.25}"##;
    let values = read("Customers", Purpose::Update, body).unwrap();
    assert_eq!(
        values.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
        [0, 1, 5, 4],
        "keys and read-only values are for the engine to compare"
    );
    let inserted = read("Customers", Purpose::Insert, r#"{"Id":1,"Name":"a","Credit":null}"#).unwrap();
    assert_eq!(
        inserted,
        [(0, Value::Int32(1)), (1, Value::text("a"))],
        "what has a default may be absent, nulls for read-only properties go"
    );
    assert_eq!(read("Customers", Purpose::Update, "{}").unwrap(), []);
}

/// Customers whose city and credit are an address, with a state of codes, rights of bits, and a photo.
fn with_overlay() -> TableView {
    let mut view = model().table("Customers").unwrap().clone();
    let mut table = (*view.table).clone();
    let enumeration = |name: &str, flags, members: &[(&str, i64, Value)]| {
        let member = |(name, value, stored): &(&str, i64, Value)| EnumerationMember {
            name: (*name).to_owned(),
            value: *value,
            stored: stored.clone(),
            description: None,
            labels: Default::default(),
        };
        let members = members.iter().map(member).collect();
        Arc::new(Enumeration {
            name: name.to_owned(),
            description: None,
            labels: Default::default(),
            flags,
            underlying: ScalarType::Int32,
            members,
        })
    };
    let states = enumeration("State", false, &[("Open", 1, Value::text("O")), ("Shut", 2, Value::text("S"))]);
    let rights = enumeration("Rights", true, &[("Read", 1, Value::Int16(1)), ("Write", 2, Value::Int16(2))]);
    table.columns.push(Column { enumeration: Some(states), ..Column::plain("State", 7, ScalarType::Text, true) });
    table.columns.push(Column { enumeration: Some(rights), ..Column::plain("Rights", 8, ScalarType::Int16, true) });
    table.columns.push(Column::plain("PhotoBytes", 9, ScalarType::Binary, true));
    table.overlay.complex.push(ComplexProperty {
        name: "Address".to_owned(),
        type_name: "Address".to_owned(),
        members: vec![("City".to_owned(), 2), ("Secret".to_owned(), 3), ("Active".to_owned(), 5)],
    });
    table.overlay.streams.push(StreamProperty {
        name: "Photo".to_owned(),
        content: 9,
        media_type: MediaType::Fixed("image/png".to_owned()),
    });
    view.columns.extend([7, 8, 9]);
    view.table = Arc::new(table);
    view
}

#[test]
fn complex_properties_and_enumerations() {
    let view = with_overlay();
    let update = |body: &str| entity(body.as_bytes(), "N", &view, Purpose::Update);
    for (body, expected) in [
        (r#"{"Address":{"City":"Bern"}}"#, vec![(2, Value::text("Bern"))]),
        (
            r##"{"Address":{"@odata.type":"#N.Address","City":null,"City@x.y":1,"Active":true}}"##,
            vec![(2, Value::Null(ScalarType::Text)), (5, Value::Boolean(true))],
        ),
        (r#"{"Address":{}}"#, vec![]),
        (r#"{"State":"Shut"}"#, vec![(7, Value::text("S"))]),
        (r#"{"State":2}"#, vec![(7, Value::text("S"))]),
        (r#"{"State":null}"#, vec![(7, Value::Null(ScalarType::Text))]),
        (r##"{"State@odata.type":"#N.State","State":"1"}"##, vec![(7, Value::text("O"))]),
        (r#"{"Rights":"Read, Write"}"#, vec![(8, Value::Int16(3))]),
        (r#"{"Rights":"Write"}"#, vec![(8, Value::Int16(2))]),
        (r#"{"Rights":3}"#, vec![(8, Value::Int16(3))]),
        (r#"{"Rights":0}"#, vec![(8, Value::Int16(0))]),
    ] {
        assert_eq!(update(body).expect(body), expected, "{body}");
    }
    for (body, kind, target, culprit) in [
        (r#"{"Address":null}"#, BadRequest, "Address/Active", "'Address/Active' cannot be null"),
        (r#"{"Address":"x"}"#, BadRequest, "Address", "an object or null"),
        (r#"{"Address":[{}]}"#, BadRequest, "Address", "an object or null"),
        (r#"{"Address":{"Cty":"x"}}"#, BadRequest, "Address/Cty", "did you mean 'City'"),
        (r#"{"Address":{"Secret":1}}"#, BadRequest, "Address/Secret", "no property 'Secret'"),
        (r#"{"Address":{"City":"a","City":"b"}}"#, BadRequest, "Address/City", "given twice"),
        (r#"{"Address":{"City":5}}"#, BadRequest, "Address/City", "'Address/City' is of type Edm.String, not a number"),
        (r#"{"City":"Bern"}"#, BadRequest, "City", "no property 'City'"),
        (r#"{"PhotoBytes":"AA"}"#, BadRequest, "PhotoBytes", "no property 'PhotoBytes'"),
        (r#"{"Photo":"AA"}"#, NotImplemented, "Photo", "stream 'Photo'"),
        (r#"{"State":"open"}"#, BadRequest, "State", "did you mean 'Open'"),
        (r#"{"State":"Open,Shut"}"#, BadRequest, "State", "not several"),
        (r#"{"State":3}"#, BadRequest, "State", "no member with the value 3"),
        (r#"{"State":true}"#, BadRequest, "State", "of type State (a string with the name of a member), not a boolean"),
        (r#"{"Rights":"Read,Own"}"#, BadRequest, "Rights", "no member 'Own'"),
        (r#"{"Rights":4}"#, BadRequest, "Rights", "no member with the value 4"),
        (r#"{"Rights":1.5}"#, BadRequest, "Rights", "takes a member"),
    ] {
        let error = update(body).expect_err(body);
        assert_eq!((error.kind, error.target.as_deref()), (kind, Some(target)), "{body}: {error:?}");
        assert!(error.message.contains(culprit), "{body}: {error:?}");
        assert!(!error.message.contains("did you mean 'Secret"), "{body}: {error:?}");
    }
}

#[test]
fn durations_are_read_as_they_are_written() {
    let wanted = super::value::Wanted { value_type: ValueType::Duration, max_length: None, spatial: None };
    let read = |json: &str| super::value::read("P", &portico_provider_api::json::read(json.as_bytes()).unwrap(), &wanted);
    assert_eq!(read("\"PT1.5S\"").unwrap(), Value::Int64(1_500_000));
    assert_eq!(read("null").unwrap(), Value::Null(ScalarType::Int64));
    for bad in ["\"P1Y\"", "5", "\"\"", "{}"] {
        assert!(read(bad).unwrap_err().message.contains("Edm.Duration"), "{bad}");
    }
}

#[test]
fn parameters_are_read_by_their_types() {
    let parameter = |name: &str, scalar_type, nullable, optional| Parameter {
        name: name.to_owned(),
        scalar_type,
        enumeration: None,
        nullable,
        optional,
        max_length: Some(3),
    };
    let declared = [
        parameter("id", ScalarType::Int64, false, false),
        parameter("note", ScalarType::Text, true, false),
        parameter("day", ScalarType::Date, false, true),
    ];
    let null = Value::Null;
    let read = |body: &str| parameters(body.as_bytes(), &declared);
    assert_eq!(read(r#"{"note":"abc","id":"7","@odata.context":"x"}"#).unwrap(), [Some(Value::Int64(7)), Some(Value::text("abc")), None]);
    assert_eq!(
        read(r#"{"id":7,"day":"1970-01-02","note":null}"#).unwrap(),
        [Some(Value::Int64(7)), Some(null(ScalarType::Text)), Some(Value::Date(1))]
    );
    for (body, target, culprit) in [
        ("", "id", "'id' is required"),
        ("{}", "id", "'id' is required"),
        ("[]", "body", "the parameters of the action"),
        (r#"{"id":null}"#, "id", "parameter 'id' cannot be null"),
        (r#"{"id":1,"day":null}"#, "day", "cannot be null"),
        (r#"{"id":1,"id":2}"#, "id", "given twice"),
        (r#"{"id":1,"dy":"x"}"#, "dy", "did you mean 'day'"),
        (r#"{"id":1.5}"#, "id", "the parameter 'id' is of type Edm.Int64"),
        (r#"{"id":1,"note":"abcd"}"#, "note", "the parameter 'note' takes at most 3 characters"),
    ] {
        let error = read(body).expect_err(body);
        assert_eq!((error.kind, error.target.as_deref()), (BadRequest, Some(target)), "{body}: {error:?}");
        assert!(error.message.contains(culprit), "{body}: {error:?}");
    }
    assert_eq!(parameters(b" \r\n", &[]).unwrap(), []);
}

proptest! {
    #[test]
    fn decimals_keep_every_digit(digits in "-?[1-9][0-9]{0,28}\\.[0-9]{1,9}", quoted in any::<bool>()) {
        let json = if quoted { format!("\"{digits}\"") } else { digits.clone() };
        let Value::Decimal { unscaled, scale: 9, .. } = one("Amount", &json).unwrap() else { panic!() };
        let mut written = Vec::new();
        let text = unscaled.to_string();
        let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
        let (whole, fraction) = text.split_at(text.len() - 9);
        written.extend_from_slice(format!("{sign}{whole}.{fraction}").as_bytes());
        let padded = format!("{digits}{}", "0".repeat(9 - digits.split_once('.').unwrap().1.len()));
        prop_assert_eq!(String::from_utf8(written).unwrap(), padded);
    }

    #[test]
    fn random_bodies_never_panic(body in "\\PC{0,60}") {
        let _ = read("Types", Purpose::Insert, &body);
    }
}

/// Customers told apart by their city: companies (C) are customers since a day, banks (B and K) are companies.
fn derived() -> TableView {
    let mut view = model().table("Customers").unwrap().clone();
    let mut table = (*view.table).clone();
    let type_of = |name: &str, base: Option<&str>, values: &[&str], columns: &[usize]| DerivedType {
        name: name.to_owned(),
        base: base.map(str::to_owned),
        values: values.iter().map(|value| Value::text(*value)).collect(),
        columns: columns.to_vec(),
    };
    let types = vec![type_of("Company", None, &["C"], &[6]), type_of("Bank", Some("Company"), &["B", "K"], &[])];
    table.overlay.derivation = Some(Derivation { discriminator: 2, is_abstract: false, types });
    view.table = Arc::new(table);
    view
}

#[test]
fn a_body_may_say_of_which_type_its_entity_is() {
    let view = derived();
    let inserted = |body: &str| entity(body.as_bytes(), "N", &view, Purpose::Insert);
    let city = |values: Vec<(usize, Value)>| values.into_iter().find(|(index, _)| *index == 2).map(|(_, value)| value);
    for (body, expected) in [
        (r##"{"@odata.type":"#N.Customers","Id":1,"Name":"x","Active":true}"##, None),
        (r##"{"@type":"#N.Company","Id":1,"Name":"x","Active":true,"Since":"2024-02-29"}"##, Some("C")),
        (r##"{"@odata.type":"#N.Bank","Id":1,"Name":"x","Active":true,"City":"K","Since":"2024-02-29"}"##, Some("K")),
        (r##"{"Id":1,"Name":"x","Active":true,"City":"C","Since":"2024-02-29"}"##, Some("C")),
        (r##"{"Id":1,"Name":"x","Active":true,"City":"P","Since":null}"##, Some("P")),
    ] {
        let values = inserted(body).unwrap_or_else(|error| panic!("{body}: {}", error.message));
        assert_eq!(city(values), expected.map(Value::text), "{body}");
    }
    for (body, part) in [
        (r##"{"@odata.type":"#N.Items","Id":1,"Name":"x","Active":true}"##, "are not of type 'N.Items'"),
        (r##"{"@odata.type":"#Other.Company","Id":1,"Name":"x","Active":true}"##, "are not of type"),
        (r##"{"@odata.type":5,"Id":1,"Name":"x","Active":true}"##, "name of a type"),
        (r##"{"@odata.type":"#N.Bank","Id":1,"Name":"x","Active":true}"##, "give its value"),
        (r##"{"@odata.type":"#N.Bank","Id":1,"Name":"x","Active":true,"City":"C"}"##, "not one of the type 'Bank'"),
        (r##"{"Id":1,"Name":"x","Active":true,"Since":"2024-02-29"}"##, "a property of the type 'Company'"),
        (r##"{"Id":1,"Name":"x","Active":true,"City":"P","Since":"2024-02-29"}"##, "a property of the type 'Company'"),
    ] {
        let error = inserted(body).unwrap_err();
        assert_eq!(error.kind, BadRequest, "{body}");
        assert!(error.message.contains(part), "{body}: {}", error.message);
    }
    let wrong = entity(br##"{"@odata.type":"#N.Items","Name":"x"}"##, "N", &view, Purpose::Update);
    assert!(wrong.unwrap_err().message.contains("are not of type"));
}
