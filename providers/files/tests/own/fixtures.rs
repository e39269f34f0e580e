//! The fixtures of the conformance suite as files.

use super::directory::Directory;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use portico_provider_api::{ScalarType, Value};
use portico_provider_sql::{format_date, format_decimal, format_time, format_timestamp};
use portico_provider_testkit::FixtureTable;
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;
use std::sync::Arc;

/// A value as it is written into files of text.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null(_) => String::new(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Int16(number) => number.to_string(),
        Value::Int32(number) => number.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::Float32(number) => format!("{:?}", number.0 as f32),
        Value::Float64(number) => format!("{:?}", number.0),
        Value::Decimal { unscaled, scale, .. } => format_decimal(*unscaled, *scale),
        Value::Text(text) | Value::Guid(text) | Value::Json(text) => text.clone(),
        Value::Binary(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Value::Date(days) => format_date(*days).unwrap(),
        Value::Time(micros) => format_time(*micros),
        Value::Timestamp(micros) => format_timestamp(*micros).unwrap(),
        Value::TimestampTz(micros) => format!("{}Z", format_timestamp(*micros).unwrap()),
    }
}

/// A name of a file for a table: that of the fixtures may have any characters.
fn file(at: usize, ending: &str) -> String {
    format!("fixture-{at}.{ending}")
}

/// Settings of a source with these tables, all of whose columns are declared.
pub fn settings(tables: &[FixtureTable], ending: &str, declared: bool) -> Json {
    let mut all = Map::new();
    for (at, table) in tables.iter().enumerate() {
        let mut settings = json!({ "path": file(at, ending), "key": table.primary_key });
        if declared {
            let columns = table.columns.iter().map(|column| {
                let mut own = json!({ "type": column.scalar_type.to_string(), "nullable": column.nullable });
                if let Some(length) = column.max_length {
                    own["max_length"] = json!(length);
                }
                (column.name.clone(), own)
            });
            settings["columns"] = Json::Object(columns.collect());
        }
        all.insert(table.name.clone(), settings);
    }
    json!({ "tables": all })
}

/// Lines with a semicolon, texts in quotes, and `\N` for null.
pub fn write_csv(directory: &Directory, tables: &[FixtureTable]) {
    for (at, table) in tables.iter().enumerate() {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let names: Vec<_> = table.columns.iter().map(|column| quoted(&column.name)).collect();
        let mut lines = names.join(";") + "\r\n";
        for row in &table.rows {
            let cells: Vec<_> = row
                .iter()
                .map(|value| match value {
                    Value::Null(_) => "\\N".to_owned(),
                    Value::Text(text) | Value::Json(text) => quoted(text),
                    other => text(other),
                })
                .collect();
            lines += &(cells.join(";") + "\r\n");
        }
        directory.write(&file(at, "csv"), lines);
    }
}

/// An object per line; what JSON has no number for is a text.
pub fn write_ndjson(directory: &Directory, tables: &[FixtureTable]) {
    for (at, table) in tables.iter().enumerate() {
        let mut lines = String::new();
        for row in &table.rows {
            let members = table.columns.iter().zip(row).filter(|(_, value)| !value.is_null()).map(|(column, value)| {
                let name = Json::from(column.name.clone());
                let plain = text(value);
                let value = match value {
                    Value::Float32(number) | Value::Float64(number) if !number.0.is_finite() => Json::from(plain).to_string(),
                    Value::Boolean(_) | Value::Json(_) => plain,
                    number if number.scalar_type().is_numeric() => plain,
                    _ => Json::from(plain).to_string(),
                };
                format!("{name}: {value}")
            });
            lines += &format!("{{ {} }}\n", members.collect::<Vec<_>>().join(", "));
        }
        directory.write(&file(at, "ndjson"), lines);
    }
}

/// Parquet in row groups of few rows, with GUIDs and JSON as the types that it has for them.
pub fn write_parquet(directory: &Directory, tables: &[FixtureTable]) {
    for (at, table) in tables.iter().enumerate() {
        let batch = table.batch().unwrap();
        let fields = table.columns.iter().map(|column| {
            let field = Field::new(&column.name, column.scalar_type.arrow(), column.nullable);
            match column.scalar_type {
                ScalarType::Guid => {
                    Field::new(&column.name, DataType::FixedSizeBinary(16), column.nullable).with_metadata(extension("arrow.uuid"))
                }
                ScalarType::Json => field.with_metadata(extension("arrow.json")),
                _ => field,
            }
        });
        let fields: Vec<Field> = fields.collect();
        let arrays = batch.columns().iter().zip(&fields).map(|(array, field)| match field.data_type() {
            DataType::FixedSizeBinary(16) => guids(array),
            _ => Arc::clone(array),
        });
        let schema = Arc::new(Schema::new(fields.clone()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays.collect()).unwrap();
        let compression = match at % 3 {
            0 => Compression::ZSTD(ZstdLevel::default()),
            1 => Compression::SNAPPY,
            _ => Compression::UNCOMPRESSED,
        };
        let rows = if table.rows.len() > 1_000 { 10_000 } else { 7 };
        let properties = WriterProperties::builder().set_compression(compression).set_max_row_group_row_count(Some(rows)).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        directory.write(&file(at, "parquet"), bytes);
    }
}

fn extension(name: &str) -> HashMap<String, String> {
    HashMap::from([("ARROW:extension:name".to_owned(), name.to_owned()), ("ARROW:extension:metadata".to_owned(), String::new())])
}

fn guids(array: &arrow::array::ArrayRef) -> arrow::array::ArrayRef {
    use arrow::array::{AsArray, FixedSizeBinaryBuilder};
    let mut builder = FixedSizeBinaryBuilder::new(16);
    for text in array.as_string::<i32>() {
        match text {
            Some(text) => {
                let digits: String = text.chars().filter(|digit| *digit != '-').collect();
                let bytes: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap()).collect();
                builder.append_value(bytes).unwrap();
            }
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}
