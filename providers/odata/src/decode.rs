//! What answers look like: where rows and links stand, how each column is written, and stored forms of values. Pure; it must not know how
//! answers come.

mod joined;

use crate::metadata::{Edm, Operation, Property, Protocol};
use crate::translate::ETAG;
use crate::translate::reached::Sets;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use joined::Meeting;
use portico_provider_api::arrays::{array_from_values, value_at};
use portico_provider_api::evaluate::cast_value;
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, SourceQuery, TableColumn, Value};
use portico_provider_sql::{Stored, decode as decode_stored, stored_type};
use portico_provider_web::json::{Json, JsonColumn, JsonType, Missing, PageShape, Pointer, ValueReader};
use std::sync::Arc;

/// What a page of entities looks like.
pub struct Shape {
    /// For the reader of pages.
    pub page: PageShape,
    /// The columns, as they are wanted.
    columns: Vec<TableColumn>,
    /// How many of them are returned.
    returned: usize,
    /// What is expanded.
    meetings: Vec<Meeting>,
}

/// Where the rows of an answer stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Entities of a set.
    Entities,
    /// One entity.
    Entity,
}

/// How a column of a set is written in an answer.
fn column(protocol: Protocol, property: Option<&Property>, wanted: &TableColumn, name: &str) -> JsonColumn {
    let path: Vec<String> = if wanted.name == ETAG {
        match protocol {
            Protocol::V4 => vec![ETAG.to_owned()],
            Protocol::V2 => vec!["__metadata".to_owned(), "etag".to_owned()],
        }
    } else {
        wanted.name.split('/').map(str::to_owned).collect()
    };
    let held = wanted.codec.map_or(wanted.scalar_type, stored_type);
    let reader = match protocol {
        Protocol::V2 if wanted.name != ETAG => property.and_then(|property| v2_reader(property.edm)),
        Protocol::V4 if property.is_some_and(|property| property.truncated) => Some(crate::moments::truncated as ValueReader),
        Protocol::V2 | Protocol::V4 => None,
    };
    JsonColumn {
        name: name.to_owned(),
        path,
        json_type: JsonType::Scalar(held),
        // What is held in another form may be null in that form alone.
        nullable: wanted.nullable || wanted.codec.is_some(),
        // An entity without an ETag has none to say.
        missing: if wanted.name == ETAG { Missing::Null } else { Missing::Refused },
        reader,
    }
}

impl Shape {
    /// For entities of a set of which these columns are wanted, under these names.
    ///
    /// # Errors
    /// Never with what this kind makes.
    pub fn of_entities<'a>(
        protocol: Protocol,
        answer: Answer,
        property: impl Fn(&str) -> Option<&'a Property>,
        wanted: &[(TableColumn, String)],
    ) -> Result<Shape, String> {
        let columns = wanted.iter().map(|(column_, name)| column(protocol, property(&column_.name), column_, name)).collect();
        let (rows, links) = match (protocol, answer) {
            (Protocol::V4, Answer::Entities) => ("/value", vec!["/@odata.nextLink", "/@nextLink"]),
            (Protocol::V2, Answer::Entities) => ("/d/results", vec!["/d/__next"]),
            (Protocol::V4, Answer::Entity) => ("", Vec::new()),
            (Protocol::V2, Answer::Entity) => ("/d", Vec::new()),
        };
        Shape::new(rows, links, answer == Answer::Entity, columns, wanted.iter().map(|(column, _)| column.clone()).collect())
    }

    /// For what an operation returns.
    ///
    /// # Errors
    /// Never with what this kind makes.
    pub fn of_operation(protocol: Protocol, operation: &Operation, wanted: &[(TableColumn, String)]) -> Result<Shape, String> {
        let Some(returns) = &operation.returns else { return Err("the operation returns nothing".to_owned()) };
        let property = |name: &str| returns.columns.iter().find(|property| property.name == name);
        let mut columns: Vec<JsonColumn> =
            wanted.iter().map(|(column_, name)| column(protocol, property(&column_.name), column_, name)).collect();
        let wanted_columns = wanted.iter().map(|(column, _)| column.clone()).collect();
        if !returns.composite {
            // A plain value has no name where there are many, and another one in OData 2.0.
            for column in &mut columns {
                column.path = match (protocol, returns.many) {
                    (_, true) => Vec::new(),
                    (Protocol::V4, false) => vec!["value".to_owned()],
                    (Protocol::V2, false) => vec![operation.name.clone()],
                };
            }
        }
        let (rows, links) = match (protocol, returns.many) {
            (Protocol::V4, true) => ("/value", vec!["/@odata.nextLink", "/@nextLink"]),
            (Protocol::V2, true) => ("/d/results", vec!["/d/__next"]),
            (Protocol::V4, false) => ("", Vec::new()),
            (Protocol::V2, false) => ("/d", Vec::new()),
        };
        Shape::new(rows, links, !returns.many, columns, wanted_columns)
    }

    fn new(rows: &str, links: Vec<&str>, single: bool, columns: Vec<JsonColumn>, wanted: Vec<TableColumn>) -> Result<Shape, String> {
        let links = links.into_iter().map(Pointer::parse).collect::<Result<Vec<_>, _>>()?;
        let page = PageShape::new(Pointer::parse(rows)?, columns, links)?;
        let page = if single { page.single() } else { page };
        Ok(Shape { page, returned: wanted.len(), columns: wanted, meetings: Vec::new() })
    }

    /// For the outputs of a query of several sets, of which one is asked and the others are expanded.
    ///
    /// # Errors
    /// Never with what this kind makes.
    pub fn of_sets(protocol: Protocol, sets: &Sets<'_>, query: &SourceQuery) -> Result<Shape, String> {
        let mut page = Page { protocol, sets, columns: Vec::new(), wanted: Vec::new(), positions: Vec::new() };
        for output in &query.output {
            page.add(output.expr.as_column().ok_or("an output is no column")?, &output.name)?;
        }
        let returned = page.columns.len();
        let mut meetings: Vec<Meeting> = Vec::new();
        for (index, reached) in sets.all.iter().enumerate() {
            let Some(by) = &reached.by else { continue };
            let path = reached.path.join("/");
            let of_partner = page.positions.iter().take(returned).enumerate();
            let of_partner = of_partner.filter_map(|(at, position)| Some((at, !reached.column((*position)?)?.nullable)));
            let columns = of_partner.collect();
            let mut pairs = Vec::new();
            for (own, key) in &by.pairs {
                pairs.push((page.at(*own)?, page.at(*key)?));
            }
            let present = page.present(&path, &reached.path);
            meetings.push(Meeting { path, from: by.from.checked_sub(1), inner: by.inner, present, pairs, columns });
            // The first set is no meeting, and every other one is.
            if meetings.len() != index {
                return Err("a set is reached from nowhere".to_owned());
            }
        }
        let (rows, links) = match protocol {
            Protocol::V4 => ("/value", vec!["/@odata.nextLink", "/@nextLink"]),
            Protocol::V2 => ("/d/results", vec!["/d/__next"]),
        };
        let shape = Shape::new(rows, links, false, page.columns, page.wanted)?;
        Ok(Shape { returned, meetings, ..shape })
    }

    /// A batch of a page in the promised form: values that are held in another form are what they stand for.
    ///
    /// # Errors
    /// Names the column of which a value does not decode; never with the value.
    pub fn promised(&self, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
        for (column, array) in self.columns.iter().zip(batch.columns()) {
            arrays.push(match column.codec {
                None => Arc::clone(array),
                Some(codec) => {
                    let wrong = |reason: String| format!("column '{}': {reason}", column.name);
                    let held = stored_type(codec);
                    let mut values = Vec::with_capacity(array.len());
                    for row in 0..array.len() {
                        let value = value_at(array.as_ref(), row, held).map_err(|error| wrong(error.to_string()))?;
                        let stored = stored(&value).ok_or_else(|| wrong("it is held in a form that is not read".to_owned()))?;
                        values.push(decode_stored(codec, column.scalar_type, stored).map_err(wrong)?);
                    }
                    if !column.nullable && values.iter().any(Value::is_null) {
                        return Err(wrong("null where no null is declared".to_owned()));
                    }
                    array_from_values(column.scalar_type, &values).map_err(|error| wrong(error.to_string()))?
                }
            });
        }
        let mut rows = batch.num_rows();
        if !self.meetings.is_empty() {
            (arrays, rows) = joined::met(&self.meetings, arrays, rows, self.returned)?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(|error| error.to_string())
    }
}

/// The columns of a page while they are listed.
struct Page<'a> {
    protocol: Protocol,
    sets: &'a Sets<'a>,
    columns: Vec<JsonColumn>,
    wanted: Vec<TableColumn>,
    /// Which columns of the relation they are.
    positions: Vec<Option<usize>>,
}

impl Page<'_> {
    /// Where a column of the relation stands; it is added where it does not.
    fn at(&mut self, position: usize) -> Result<usize, String> {
        match self.positions.iter().position(|known| *known == Some(position)) {
            Some(at) => Ok(at),
            None => self.add(position, "").map(|()| self.positions.len() - 1),
        }
    }

    /// Adds a column of the relation.
    fn add(&mut self, position: usize, name: &str) -> Result<(), String> {
        let found = self.sets.all.iter().find_map(|reached| Some((reached, reached.column(position)?)));
        let (reached, own) = found.ok_or("a column outside the relation")?;
        let mut wanted = own.clone();
        let mut json = column(self.protocol, reached.set.property(&own.name), own, name);
        if !reached.path.is_empty() {
            let outer = reached.path.iter().map(|part| (*part).to_owned());
            json.path = outer.chain(std::mem::take(&mut json.path)).collect();
            (json.nullable, wanted.nullable) = (true, true);
            // In OData 2.0 a link may stand in the place of a partner.
            if self.protocol == Protocol::V2 {
                json.missing = Missing::Null;
            }
        }
        self.columns.push(json);
        self.wanted.push(wanted);
        self.positions.push(Some(position));
        Ok(())
    }

    /// The column that is null where no partner came.
    fn present(&mut self, name: &str, path: &[&str]) -> usize {
        self.columns.push(JsonColumn {
            name: name.to_owned(),
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            json_type: JsonType::Struct(Vec::new()),
            nullable: true,
            missing: Missing::Refused,
            reader: None,
        });
        self.wanted.push(TableColumn::computed(name, ScalarType::Json, true));
        self.positions.push(None);
        self.columns.len() - 1
    }
}

fn stored(value: &Value) -> Option<Stored<'_>> {
    Some(match value {
        Value::Null(_) => Stored::Null,
        Value::Text(text) => Stored::Text(text),
        Value::Int16(number) => Stored::Integer((*number).into()),
        Value::Int32(number) => Stored::Integer((*number).into()),
        Value::Int64(number) => Stored::Integer(*number),
        Value::Binary(bytes) => Stored::Bytes(bytes),
        Value::Boolean(_)
        | Value::Float32(_)
        | Value::Float64(_)
        | Value::Decimal { .. }
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Guid(_)
        | Value::Json(_) => return None,
    })
}

/// How OData 2.0 writes values of a type, where that is not as usual.
fn v2_reader(edm: Edm) -> Option<ValueReader> {
    match edm {
        Edm::DateTime | Edm::DateTimeOffset | Edm::DateOnly => Some(v2_moment),
        Edm::Time => Some(v2_time),
        Edm::Integer => Some(v2_integer),
        Edm::Single | Edm::Double => Some(v2_float),
        Edm::Boolean
        | Edm::Int64
        | Edm::Decimal
        | Edm::String
        | Edm::Guid
        | Edm::Binary
        | Edm::Date
        | Edm::TimeOfDay
        | Edm::Duration
        | Edm::FineMoment
        | Edm::FineTime
        | Edm::Enumeration
        | Edm::Flags
        | Edm::Json => None,
    }
}

const DAY: i64 = 86_400_000_000;

/// `/Date(milliseconds[+minutes])/`: the milliseconds count from 1970 in UTC, and the minutes say in which zone it was meant, which the
/// moment does not depend on. A date is one at midnight. ISO forms are read as well.
fn v2_moment(json: &Json, to: ScalarType) -> Option<Value> {
    if *json == Json::Null {
        return Some(Value::Null(to));
    }
    let text = json.text()?;
    let micros = match text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        Some(inner) => {
            let sign = inner.char_indices().skip(1).find(|(_, character)| matches!(character, '+' | '-')).map(|(at, _)| at);
            let (millis, offset) = sign.map_or((inner, ""), |at| inner.split_at(at));
            if !offset.is_empty() && offset.get(1..)?.parse::<u16>().is_err() {
                return None;
            }
            millis.parse::<i64>().ok()?.checked_mul(1_000)?
        }
        None => match cast_value(&Value::text(text), ScalarType::TimestampTz).ok()? {
            Value::TimestampTz(micros) => micros,
            _ => return None,
        },
    };
    match to {
        ScalarType::Timestamp => Some(Value::Timestamp(micros)),
        ScalarType::TimestampTz => Some(Value::TimestampTz(micros)),
        ScalarType::Date if micros % DAY == 0 => i32::try_from(micros / DAY).ok().map(Value::Date),
        _ => None,
    }
}

/// `PT11H20M5.5S`: hours, minutes and seconds of a day.
fn v2_time(json: &Json, to: ScalarType) -> Option<Value> {
    if *json == Json::Null {
        return Some(Value::Null(to));
    }
    let text = json.text()?;
    let Some(mut rest) = text.strip_prefix("PT") else {
        return cast_value(&Value::text(text), to).ok();
    };
    let mut micros: i64 = 0;
    for (unit, worth) in [('H', 3_600_000_000_i64), ('M', 60_000_000), ('S', 1_000_000)] {
        let Some(at) = rest.find(unit) else { continue };
        let (number, after) = rest.split_at(at);
        rest = after.get(1..)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.trim_end_matches('0');
        if (!fraction.is_empty() && unit != 'S') || fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let parts: i64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<6}").parse().ok()? };
        micros = micros.checked_add(whole.parse::<u32>().ok().map(i64::from)?.checked_mul(worth)?)?.checked_add(parts)?;
    }
    (rest.is_empty() && micros < DAY && to == ScalarType::Time).then_some(Value::Time(micros))
}

/// Some services write numbers of every width as texts.
fn v2_integer(json: &Json, to: ScalarType) -> Option<Value> {
    if *json == Json::Null {
        return Some(Value::Null(to));
    }
    let number = json.integer()?;
    match to {
        ScalarType::Int16 => i16::try_from(number).ok().map(Value::Int16),
        ScalarType::Int32 => i32::try_from(number).ok().map(Value::Int32),
        ScalarType::Int64 => Some(Value::Int64(number)),
        _ => None,
    }
}

/// A double, as a number or as a text.
fn v2_float(json: &Json, to: ScalarType) -> Option<Value> {
    let text = match json {
        Json::Null => return Some(Value::Null(to)),
        Json::Number(text) | Json::Text(text) => text,
        Json::Boolean(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    match (to, text.as_str()) {
        (ScalarType::Float64, "NaN") => Some(Value::float64(f64::NAN)),
        (ScalarType::Float64, "INF" | "Infinity") => Some(Value::float64(f64::INFINITY)),
        (ScalarType::Float64, "-INF" | "-Infinity") => Some(Value::float64(f64::NEG_INFINITY)),
        (ScalarType::Float32, "NaN") => Some(Value::Float32(Float(f64::NAN))),
        (ScalarType::Float32, "INF" | "Infinity") => Some(Value::Float32(Float(f64::INFINITY))),
        (ScalarType::Float32, "-INF" | "-Infinity") => Some(Value::Float32(Float(f64::NEG_INFINITY))),
        (ScalarType::Float64, text) if plain(text) => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Value::float64),
        (ScalarType::Float32, text) if plain(text) => {
            text.parse().ok().filter(|value: &f32| value.is_finite()).map(|value| Value::Float32(Float(value.into())))
        }
        (_, _) => None,
    }
}
