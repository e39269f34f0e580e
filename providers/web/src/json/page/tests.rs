//! Pages, whole and in parts, against what they must become.

use super::super::{JsonField, JsonType, Missing};
use super::*;
use arrow::array::{Array, AsArray};
use arrow::datatypes::i256;
use arrow::datatypes::{Decimal128Type, Int32Type, Int64Type};
use portico_provider_api::arrays::value_at;
use portico_provider_api::{ScalarType, Value};
use proptest::prelude::*;

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

fn columns() -> Vec<JsonColumn> {
    let money = ScalarType::Decimal { precision: 13, scale: 2 };
    let id = JsonColumn { nullable: false, ..JsonColumn::scalar("id", ScalarType::Int64) };
    let city = JsonColumn { path: vec!["address".to_owned(), "city".to_owned()], ..JsonColumn::scalar("city", ScalarType::Text) };
    let note = JsonColumn { missing: Missing::Null, ..JsonColumn::scalar("note", ScalarType::Text) };
    vec![id, JsonColumn::scalar("amount", money), city, note]
}

fn scalar_type(column: &JsonColumn) -> ScalarType {
    match column.json_type {
        JsonType::Scalar(scalar_type) => scalar_type,
        JsonType::Struct(_) | JsonType::List(_) => ScalarType::Json,
    }
}

fn shape() -> PageShape {
    PageShape::new(pointer("/value"), columns(), vec![pointer("/@odata.nextLink"), pointer("/meta/count")]).unwrap()
}

fn read_in(shape: &PageShape, text: &[u8], part: usize) -> Result<(Vec<RecordBatch>, PageEnd), JsonError> {
    let mut reader = PageReader::new(shape);
    let mut batches = Vec::new();
    for part in text.chunks(part.max(1)) {
        reader.push(part)?;
        batches.extend(std::iter::from_fn(|| reader.batch()));
    }
    let (rest, end) = reader.finish()?;
    batches.extend(rest);
    Ok((batches, end))
}

fn error(text: &str) -> String {
    read_in(&shape(), text.as_bytes(), usize::MAX).unwrap_err().to_string()
}

const PAGE: &str = r#" {"@odata.context":"x","value":[
    {"id":1,"amount":10.50,"address":{"city":"Köln","zip":"1"},"note":"a\nb","other":[1,{"x":[]}]},
    {"amount":"0.01","id":"9007199254740993","address":null}, {"address":{"city":null},"id":3,"amount":null,"note":null}
  ],"meta":{"count":"3","x":{"y":[true,false,null,-1.5e3]}},"@odata.nextLink":"\u003f$skiptoken=1"} "#;

#[test]
fn a_page_becomes_rows_however_it_is_cut() {
    let (batches, end) = read_in(&shape(), PAGE.as_bytes(), usize::MAX).unwrap();
    let value = |row: usize, column: usize, to| value_at(batches[0].column(column), row, to).unwrap();
    let money = |unscaled: i128| Value::Decimal { unscaled: i256::from_i128(unscaled), precision: 13, scale: 2 };
    let rows: Vec<Vec<Value>> =
        (0..3).map(|row| columns().iter().enumerate().map(|(at, column)| value(row, at, scalar_type(column))).collect()).collect();
    let (no_amount, no_text) = (Value::Null(scalar_type(&columns()[1])), Value::Null(ScalarType::Text));
    assert_eq!(rows[0], [Value::Int64(1), money(1050), Value::text("Köln"), Value::text("a\nb")]);
    assert_eq!(rows[1], [Value::Int64(9_007_199_254_740_993), money(1), no_text.clone(), no_text.clone()]);
    assert_eq!(rows[2], [Value::Int64(3), no_amount, no_text.clone(), no_text]);
    assert_eq!(end.rows, 3);
    assert_eq!(end.others[0].as_ref().and_then(Json::text), Some("?$skiptoken=1"));
    assert_eq!(end.others[1].as_ref().and_then(Json::integer), Some(3));
    for part in 1..PAGE.len() {
        assert_eq!(read_in(&shape(), PAGE.as_bytes(), part).unwrap(), (batches.clone(), end.clone()), "in parts of {part}");
    }
}

#[test]
fn a_mistake_has_its_place() {
    let mut wrong = Vec::new();
    for (text, message) in [
        (r#"{"value":[{"id":1,"amount":"abc","address":{"city":"x"}}]}"#, r#"/value/0/amount: "abc" is no decimal(13,2)"#),
        (r#"{"value":[{"id":1,"amount":0.005,"address":{"city":"x"}}]}"#, "/value/0/amount: 0.005 does not fit decimal(13,2)"),
        (r#"{"value":[{"id":1,"amount":1,"address":{"city":7}}]}"#, "/value/0/address/city: 7 is no text"),
        (r#"{"value":[{"id":1,"amount":1,"address":[]}]}"#, "/value/0/address: an array is no object"),
        (r#"{"value":[{"id":1,"amount":1}]}"#, "/value/0/address/city: is missing"),
        (r#"{"value":[{"id":null,"amount":1,"address":null}]}"#, "/value/0/id: null, where a value of type int64 is needed"),
        (r#"{"value":[{"amount":1,"address":null}]}"#, "/value/0/id: is missing"),
        (r#"{"value":[{"id":1,"amount":1,"address":null,"id":2}]}"#, "/value/0/id: is given twice"),
        (r#"{"value":[{"id":1,"amount":1,"address":null,"address":{"city":"x"}}]}"#, "/value/0/address/city: is given twice"),
        (r#"{"value":[{"id":1.5,"amount":1,"address":null}]}"#, "/value/0/id: 1.5 does not fit int64"),
        (r#"{"value":[7]}"#, "/value/0: 7 is no object"),
        (r#"{"value":[null]}"#, "/value/0: null, where a value of type object is needed"),
        (r#"{"value":[{"id":01}]}"#, "/value/0: it is not well-formed JSON, byte 8 of it: a number is malformed"),
        (r#"{"value":{}}"#, "/value: an array of rows is expected"),
        (r#"{"value":null}"#, "/value: an array of rows is expected"),
        (r#"{"items":[]}"#, "/value: there is no array of rows in the answer"),
        (r#"{"value":[],"value":[]}"#, "/value: is given twice"),
        (r#"{"@odata.nextLink":"a","value":[],"@odata.nextLink":"b"}"#, "/@odata.nextLink: is given twice"),
        (r#"{"value":[{"id":1,"amou"#, "/value/0: it is not well-formed JSON, byte 10: it ends too early"),
        (r#"{"value":[]"#, "/value: it is not well-formed JSON, byte 11: it ends too early"),
        (r#"{"value":[]} x"#, "it is not well-formed JSON, byte 13: something follows the document"),
        (r#"{"value":[,]}"#, "/value/0: it is not well-formed JSON, byte 0 of it: a value is expected"),
        (r#"{"x":tru,"value":[]}"#, "/x: it is not well-formed JSON, byte 5: a value is expected"),
        (r#"{"x":{"y" 1}}"#, "/x/y: it is not well-formed JSON, byte 10: ':' is expected"),
        (r#"{"x":[1 2]}"#, "/x/0: it is not well-formed JSON, byte 8: ',' or ']' is expected"),
        ("", "it is not well-formed JSON, byte 0: it ends too early"),
        ("<html>", "it is not well-formed JSON, byte 0: a value is expected"),
    ] {
        let said = error(text);
        if said != message {
            wrong.push(format!("{text}\n  says {said}\n  not {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read_in(&shape(), b"{\"value\":[{\"id\":\"\xff\"}]}", 7).unwrap_err().to_string().contains("not UTF-8"));
    let deep = format!("{{\"x\":{}", "[".repeat(100));
    assert!(error(&deep).contains("nested too deeply"));
}

#[test]
fn rows_stand_where_they_are_said_to_stand() {
    let id = vec![JsonColumn::scalar("id", ScalarType::Int32)];
    let ids = |shape: &PageShape, text: &str| {
        let (batches, _) = read_in(shape, text.as_bytes(), 3).unwrap();
        batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int32Type>().values().to_vec()).collect::<Vec<i32>>()
    };
    let at = |place: &str| PageShape::new(pointer(place), id.clone(), vec![]).unwrap();
    assert_eq!(ids(&at(""), r#"[{"id":1},{"id":2}]"#), [1, 2]);
    assert_eq!(ids(&at("/d/results"), r#"{"d":{"results":[{"id":1}],"__next":null},"results":[7]}"#), [1]);
    assert_eq!(ids(&at("/a~1b/1/x"), r#"{"a/b":[{"x":3},{"x":[{"id":4}]}]}"#), [4]);
    assert_eq!(ids(&at("/d").single(), r#"{"d":{"id":5}}"#), [5]);
    assert_eq!(ids(&at("").single(), "\u{FEFF}{\"id\":6}"), [6]);
    let plain = JsonColumn { path: vec![], ..JsonColumn::scalar("id", ScalarType::Int32) };
    assert_eq!(ids(&PageShape::new(pointer(""), vec![plain], vec![]).unwrap(), "[8, 9 ]"), [8, 9]);
    assert!(PageShape::new(pointer("/d/results"), id.clone(), vec![pointer("/d")]).is_err());
    assert!(PageShape::new(pointer("/d"), id, vec![pointer("/d/x")]).is_err());
    assert!(Pointer::parse("value").is_err() && Pointer::parse("/a~2").is_err());
}

#[test]
fn objects_and_arrays_are_structs_and_lists() {
    let field = |name: &str, json_type, nullable| JsonField { name: name.to_owned(), json_type, nullable, missing: Missing::Null };
    let line = JsonType::Struct(vec![
        field("n", JsonType::Scalar(ScalarType::Int64), false),
        field("tags", JsonType::List(Box::new(JsonType::Scalar(ScalarType::Text))), true),
    ]);
    let lines = JsonColumn { json_type: JsonType::List(Box::new(line)), ..JsonColumn::scalar("lines", ScalarType::Text) };
    let raw = JsonColumn { path: vec!["lines".to_owned()], ..JsonColumn::scalar("raw", ScalarType::Json) };
    let shape = PageShape::new(pointer(""), vec![lines, raw], vec![]).unwrap();
    let text = r#"[{"lines":[{"n":1,"tags":["a",null]},{"n":2},null]},{"lines":null},{"lines":[]}]"#;
    let (batches, _) = read_in(&shape, text.as_bytes(), 5).unwrap();
    let (lines, raw) = (batches[0].column(0).as_list::<i32>(), batches[0].column(1).as_string::<i32>());
    assert_eq!((lines.value_length(0), lines.is_null(1), lines.value_length(2)), (3, true, 0));
    let items = lines.values().as_struct();
    assert_eq!((items.len(), items.is_null(2)), (3, true));
    assert_eq!(items.column(0).as_primitive::<Int64Type>().values()[..2], [1, 2]);
    let tags = items.column(1).as_list::<i32>();
    assert_eq!((tags.value(0).as_string::<i32>().value(0), tags.value(0).is_null(1), tags.is_null(1)), ("a", true, true));
    assert_eq!((raw.value(0), raw.is_null(1), raw.value(2)), (r#"[{"n":1,"tags":["a",null]},{"n":2},null]"#, true, "[]"));
    for (bad, message) in [
        (r#"[{"lines":[{"n":1},{"n":"x"}]}]"#, r#"/0/lines/1/n: "x" is no int64"#),
        (r#"[{"lines":[{}]}]"#, "/0/lines/0/n: is missing"),
        (r#"[{"lines":[{"n":1,"n":1}]}]"#, "/0/lines/0/n: is given twice"),
        (r#"[{"lines":{"n":1}}]"#, "/0/lines: an object is no array"),
    ] {
        assert_eq!(read_in(&shape, bad.as_bytes(), 9).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_column_may_have_a_form_of_its_own() {
    fn days(json: &Json, to: ScalarType) -> Option<Value> {
        if *json == Json::Null {
            return Some(Value::Null(to));
        }
        let millis: i64 = json.text()?.strip_prefix("/Date(")?.strip_suffix(")/")?.parse().ok()?;
        i32::try_from(millis / 86_400_000).ok().map(Value::Date)
    }
    let day = JsonColumn { reader: Some(days), nullable: false, ..JsonColumn::scalar("day", ScalarType::Date) };
    let shape = PageShape::new(pointer(""), vec![day], vec![]).unwrap();
    let (batches, _) = read_in(&shape, br#"[{"day":"/Date(86400000)/"}]"#, 4).unwrap();
    assert_eq!(batches[0].column(0).as_primitive::<arrow::datatypes::Date32Type>().values()[..], [1]);
    let of = |text: &str| read_in(&shape, text.as_bytes(), 4).unwrap_err().to_string();
    assert_eq!(of(r#"[{"day":"1970-01-02"}]"#), r#"/0/day: "1970-01-02" is no date"#);
    assert_eq!(of(r#"[{"day":null}]"#), "/0/day: null, where a value of type date is needed");
}

#[test]
fn large_pages_come_in_batches_and_memory_is_that_of_a_row() {
    let shape = PageShape::new(pointer("/value"), columns(), vec![]).unwrap();
    let mut reader = PageReader::new(&shape);
    let (mut rows, mut batches) = (0, 0);
    reader.push(br#"{"value":["#).unwrap();
    for index in 0..50_000 {
        let comma = if index == 0 { "" } else { "," };
        reader.push(format!(r#"{comma}{{"id":{index},"amount":{index}.25,"address":{{"city":"c"}}}}"#).as_bytes()).unwrap();
        while let Some(batch) = reader.batch() {
            assert_eq!(batch.column(1).as_primitive::<Decimal128Type>().value(0), (rows as i128) * 100 + 25);
            rows += batch.num_rows();
            batches += 1;
        }
    }
    reader.push(b"]}").unwrap();
    let (rest, end) = reader.finish().unwrap();
    assert_eq!((rows + rest.iter().map(RecordBatch::num_rows).sum::<usize>(), end.rows), (50_000, 50_000));
    assert!(batches >= 6);
}

proptest! {
    /// What is well-formed for another reader is so for this one, and the other way round, wherever it is cut.
    #[test]
    fn documents_are_checked_everywhere(text in "[\\[\\]{}\",:0-9e.a-z\\\\ -]{0,30}", part in 1usize..8) {
        let document = format!(r#"{{"value":[],"x":{text}}}"#);
        let shape = PageShape::new(pointer("/value"), vec![], vec![]).unwrap();
        let theirs = serde_json::from_str::<serde_json::Value>(&document);
        // The other reader keeps the last of two members, and numbers it cannot hold are errors to it.
        prop_assume!(!document[1..].contains("\"value\":[],\"x\":0,\"value\"") && !text.contains('e'));
        let ours = read_in(&shape, document.as_bytes(), part);
        prop_assert_eq!(theirs.is_ok(), ours.is_ok(), "{}: {:?}", document, ours);
    }

    #[test]
    fn rows_do_not_depend_on_how_they_are_cut(values in prop::collection::vec((any::<i64>(), ".{0,12}", any::<bool>()), 0..20), part in 1usize..40) {
        let rows: Vec<serde_json::Value> = values.iter().map(|(id, note, null)| {
            serde_json::json!({"id": id.to_string(), "amount": null, "note": if *null { None } else { Some(note) }, "address": {"city": note}})
        }).collect();
        let text = serde_json::json!({"value": rows}).to_string();
        let shape = PageShape::new(pointer("/value"), columns(), vec![]).unwrap();
        let (batches, end) = read_in(&shape, text.as_bytes(), part).unwrap();
        prop_assert_eq!(end.rows, values.len() as u64);
        let mut read = Vec::new();
        for batch in &batches {
            let (ids, cities, notes) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(2).as_string::<i32>(), batch.column(3).as_string::<i32>());
            read.extend((0..batch.num_rows()).map(|row| {
                let note = (!notes.is_null(row)).then(|| notes.value(row).to_owned());
                (ids.value(row), cities.value(row).to_owned(), note)
            }));
        }
        let expected: Vec<_> = values.into_iter().map(|(id, note, null)| (id, note.clone(), (!null).then_some(note))).collect();
        prop_assert_eq!(read, expected);
    }
}
