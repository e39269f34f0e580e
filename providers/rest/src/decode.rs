//! Answers as rows: where the columns stand, rows inside of rows, values that were only asked for, and failures that are told in answers of
//! success. Pure; it must not know how an answer came.

use crate::config::Format;
use crate::paging::Said;
use crate::resource::{Access, Column, ErrorRule, Resource};
use crate::{csv, form, xml};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Schema, SchemaRef};
use portico_provider_api::arrays::array_from_values;
use portico_provider_api::{ScalarType, TableColumn, Value};
use portico_provider_web::json::{Json, JsonColumn, JsonType, Missing, PageEnd, PageReader, PageShape, Pointer};
use std::borrow::Cow;
use std::sync::Arc;

/// The column that holds the rows inside of a row.
const INSIDE: &str = "\u{0}rows";

/// How the answers of one query are read.
#[derive(Debug, Clone)]
pub struct Decoder {
    page: PageShape,
    /// The rows inside of rows.
    inner: Option<PageShape>,
    places: Vec<Place>,
    schema: SchemaRef,
    types: Vec<ScalarType>,
    format: Format,
    rows: Vec<String>,
    /// What is wanted beside the rows: places, in the order in which they are read.
    others: Vec<Vec<String>>,
    said: [Option<usize>; 4],
    rules: Vec<(Option<usize>, ErrorRule)>,
}

/// Where a column of the result comes from.
#[derive(Debug, Clone)]
enum Place {
    Outer(usize),
    Inner(usize),
    Asked(String),
}

fn pointer(path: &[String]) -> Result<Pointer, String> {
    Pointer::parse(&path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect::<String>())
}

impl Decoder {
    /// For columns of a resource, as answers of an access have them.
    ///
    /// # Errors
    /// When two places cannot be read side by side.
    pub fn new(resource: &Resource, access: &Access, columns: &[TableColumn]) -> Result<Decoder, String> {
        let (mut outer, mut inner, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for wanted in columns {
            let column = resource.column(&wanted.name).ok_or_else(|| format!("there is no column '{}'", wanted.name))?;
            let list = if resource.inside.is_some() && !column.of_parent { &mut inner } else { &mut outer };
            if column.asked {
                places.push(Place::Asked(column.name.clone()));
                continue;
            }
            let at = list.len();
            list.push(json_column(resource, column, wanted));
            places.push(if resource.inside.is_some() && !column.of_parent { Place::Inner(at) } else { Place::Outer(at) });
        }
        if let Some(path) = &resource.inside {
            outer.push(JsonColumn {
                path: path.clone(),
                json_type: JsonType::List(Box::new(JsonType::Scalar(ScalarType::Json))),
                nullable: true,
                missing: if resource.format == Format::Xml { Missing::Null } else { Missing::Refused },
                ..JsonColumn::scalar(INSIDE, ScalarType::Json)
            });
        }
        let (others, said, rules) = beside(resource, access);
        let page = match resource.format {
            Format::Json => {
                let others = others.iter().map(|place| pointer(place)).collect::<Result<Vec<_>, _>>()?;
                PageShape::new(pointer(&access.rows)?, outer, others)?
            }
            Format::Xml => {
                let others = (0..others.len()).map(|index| pointer(&[index.to_string()])).collect::<Result<Vec<_>, _>>()?;
                PageShape::new(pointer(&["rows".to_owned()])?, outer, others)?
            }
            Format::Ndjson | Format::Csv => PageShape::new(pointer(&[])?, outer, Vec::new())?,
        };
        let page = if access.single && resource.format == Format::Json { page.single() } else { page };
        let inner = resource.inside.as_ref().map(|_| PageShape::new(pointer(&[])?, inner, Vec::new())).transpose()?;
        let fields: Vec<_> = columns.iter().map(|column| column.scalar_type.field(&column.name, column.nullable)).collect();
        Ok(Decoder {
            page,
            inner,
            places,
            schema: Arc::new(Schema::new(fields)),
            types: columns.iter().map(|column| column.scalar_type).collect(),
            format: resource.format,
            rows: access.rows.clone(),
            others,
            said,
            rules,
        })
    }

    /// A reader for one page of JSON.
    pub fn reader(&self) -> PageReader {
        PageReader::new(&self.page)
    }

    /// Whether an answer can be read as it comes.
    pub fn streams(&self) -> bool {
        self.format == Format::Json
    }

    /// An answer that is no JSON, as JSON.
    ///
    /// # Errors
    /// When it is not well-formed.
    pub fn document<'b>(&self, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, String> {
        match self.format {
            Format::Json => Ok(Cow::Borrowed(bytes)),
            Format::Ndjson => lines(bytes).map(Cow::Owned),
            Format::Csv => csv::document(bytes).map(Cow::Owned),
            Format::Xml => xml::document(bytes, &self.rows, &self.others).map(Cow::Owned),
        }
    }

    /// What a page has said beside its rows.
    pub fn said(&self, end: &PageEnd) -> Said {
        let [next, more, total, count] = self.said.map(|at| at.and_then(|at| end.others.get(at).cloned().flatten()));
        Said { rows: end.rows, next, more, total, count }
    }

    /// The failure that a page tells, if it tells one.
    pub fn failure(&self, end: &PageEnd) -> Option<String> {
        self.rules.iter().find_map(|(at, rule)| told(end.others.get((*at)?)?.as_ref()?, rule))
    }

    /// The failure that an answer tells whose rows could not be read.
    pub fn failure_instead(&self, bytes: &[u8]) -> Option<String> {
        let bytes = match self.format {
            Format::Xml => xml::whole(bytes).ok()?.into(),
            Format::Json | Format::Ndjson | Format::Csv => bytes.to_vec(),
        };
        let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let found = |rule: &ErrorRule| {
            let place = rule.at.iter().try_fold(&json, |json, name| json.get(name))?;
            told(&plain(place), rule)
        };
        self.rules.iter().find_map(|(_, rule)| found(rule))
    }

    /// The rows of the result, from those of a page.
    ///
    /// # Errors
    /// When rows inside of rows cannot be read, or a column may not be null and is.
    pub fn rows(&self, batch: &RecordBatch, asked: &[(String, Value)]) -> Result<RecordBatch, String> {
        let (inner, parents) = match &self.inner {
            Some(shape) => {
                let (inner, parents) = unfolded(batch, shape)?;
                (Some(inner), Some(parents))
            }
            None => (None, None),
        };
        let count = inner.as_ref().map_or(batch.num_rows(), RecordBatch::num_rows);
        let column = |(place, scalar_type): (&Place, &ScalarType)| -> Result<ArrayRef, String> {
            match place {
                Place::Outer(at) => {
                    let own = batch.columns().get(*at).ok_or("a column is missing")?;
                    match &parents {
                        Some(parents) => take(own, parents, None).map_err(|error| error.to_string()),
                        None => Ok(Arc::clone(own)),
                    }
                }
                Place::Inner(at) => {
                    inner.as_ref().and_then(|inner| inner.columns().get(*at)).cloned().ok_or_else(|| "a column is missing".to_owned())
                }
                Place::Asked(name) => {
                    let value = asked.iter().find(|(column, _)| column == name).map(|(_, value)| value.clone());
                    let value = value.ok_or_else(|| format!("no value was asked for in '{name}'"))?;
                    array_from_values(*scalar_type, &vec![value; count]).map_err(|error| error.to_string())
                }
            }
        };
        let columns = self.places.iter().zip(&self.types).map(column).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|error| error.to_string())
    }
}

fn json_column(resource: &Resource, column: &Column, wanted: &TableColumn) -> JsonColumn {
    let texts = matches!(resource.format, Format::Xml | Format::Csv);
    let codec = wanted.codec.or(column.codec);
    let reader = match wanted.scalar_type {
        ScalarType::Binary if resource.postgrest => Some(form::hexadecimal as portico_provider_web::json::ValueReader),
        scalar_type => form::reader(scalar_type, codec, texts),
    };
    JsonColumn {
        path: column.path.clone(),
        nullable: wanted.nullable,
        missing: column.missing,
        reader,
        ..JsonColumn::scalar(&column.name, wanted.scalar_type)
    }
}

type Beside = (Vec<Vec<String>>, [Option<usize>; 4], Vec<(Option<usize>, ErrorRule)>);

/// What is read beside the rows: what paging wants, and where failures are told, as far as that is not the rows' own place.
fn beside(resource: &Resource, access: &Access) -> Beside {
    let mut others: Vec<Vec<String>> = Vec::new();
    let mut place = |path: &[String]| {
        others.iter().position(|known| known == path).unwrap_or_else(|| {
            others.push(path.to_vec());
            others.len() - 1
        })
    };
    let said = access.paging.wanted().map(|path| path.map(&mut place));
    let free = |rule: &ErrorRule| {
        let apart = !rule.at.starts_with(&access.rows) && !access.rows.starts_with(&rule.at);
        apart && matches!(resource.format, Format::Json | Format::Xml)
    };
    let rules = resource.errors.iter().map(|rule| (free(rule).then(|| place(&rule.at)), rule.clone())).collect();
    (others, said, rules)
}

/// The text of a failure, if what stands there is one.
fn told(json: &Json, rule: &ErrorRule) -> Option<String> {
    let nothing = match json {
        Json::Null | Json::Boolean(false) => true,
        Json::Text(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Boolean(true) | Json::Number(_) => false,
    };
    if nothing || rule.except.iter().any(|known| plain(known) == *json) {
        return None;
    }
    let message = rule.message.iter().flatten();
    let inner = message.clone().try_fold(json, |json, name| json.member(name));
    match inner {
        Some(inner) => Some(text(inner)),
        None if rule.message.is_some() && resembles_other(json, rule) => None,
        None => Some(text(json)),
    }
}

/// Whether another rule at the same place will find its message: SOAP 1.1 and 1.2 call it differently.
fn resembles_other(json: &Json, rule: &ErrorRule) -> bool {
    rule.message.as_ref().is_some_and(|message| message == &["faultstring"]) && json.member("Reason").is_some()
}

fn text(json: &Json) -> String {
    match json {
        Json::Text(text) | Json::Number(text) => text.clone(),
        Json::Null => "null".to_owned(),
        Json::Boolean(flag) => flag.to_string(),
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("; "),
        Json::Object(members) => {
            let usual = ["message", "detail", "title", "description", "faultstring", "#text", "code"];
            let found = usual.iter().find_map(|name| json.member(name));
            found
                .map_or_else(|| members.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join(", "), text)
        }
    }
}

fn plain(json: &serde_json::Value) -> Json {
    match json {
        serde_json::Value::Null => Json::Null,
        serde_json::Value::Bool(flag) => Json::Boolean(*flag),
        serde_json::Value::Number(number) => Json::Number(number.to_string()),
        serde_json::Value::String(text) => Json::Text(text.clone()),
        serde_json::Value::Array(items) => Json::Array(items.iter().map(plain).collect()),
        serde_json::Value::Object(members) => Json::Object(members.iter().map(|(name, value)| (name.clone(), plain(value))).collect()),
    }
}

/// The rows inside of rows, and to which row each belongs.
fn unfolded(batch: &RecordBatch, shape: &PageShape) -> Result<(RecordBatch, UInt32Array), String> {
    let lists = batch.columns().last().ok_or("the rows inside of rows are missing")?;
    let lists = lists.as_list::<i32>();
    let (mut parents, mut document) = (Vec::new(), String::from("["));
    for row in 0..lists.len() {
        if lists.is_null(row) {
            continue;
        }
        let items = lists.value(row);
        let items = items.as_string::<i32>();
        for item in 0..items.len() {
            if !parents.is_empty() {
                document.push(',');
            }
            document.push_str(if items.is_null(item) { "null" } else { items.value(item) });
            parents.push(u32::try_from(row).map_err(|_| "there are too many rows")?);
        }
    }
    document.push(']');
    let mut reader = PageReader::new(shape);
    let read = reader.push(document.as_bytes());
    let read = read.and_then(|()| {
        let mut batches: Vec<RecordBatch> = std::iter::from_fn(|| reader.batch()).collect();
        reader.finish().map(|(rest, _)| {
            batches.extend(rest);
            batches
        })
    });
    let batches = read.map_err(|error| format!("rows inside of rows: {error}"))?;
    let schema = shape.schema();
    let rows = if schema.fields().is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(parents.len()));
        RecordBatch::try_new_with_options(schema, Vec::new(), &options).map_err(|error| error.to_string())?
    } else {
        arrow::compute::concat_batches(&schema, &batches).map_err(|error| error.to_string())?
    };
    Ok((rows, UInt32Array::from(parents)))
}

/// Lines of JSON as an array.
fn lines(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())?;
    let mut document = String::from("[");
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        // One line that is none could make two rows of one.
        serde_json::from_str::<serde::de::IgnoredAny>(line).map_err(|_| format!("line {} is no JSON", number + 1))?;
        if document.len() > 1 {
            document.push(',');
        }
        document.push_str(line);
    }
    document.push(']');
    Ok(document.into_bytes())
}

/// The failure that an answer tells which has no rows, such as that to a write.
pub fn failure_in(resource: &Resource, bytes: &[u8]) -> Option<String> {
    let document = match resource.format {
        Format::Xml => xml::whole(bytes).ok()?,
        Format::Json | Format::Ndjson | Format::Csv => bytes.to_vec(),
    };
    let json: serde_json::Value = serde_json::from_slice(&document).ok()?;
    resource.errors.iter().find_map(|rule| {
        let place = rule.at.iter().try_fold(&json, |json, name| json.get(name))?;
        told(&plain(place), rule)
    })
}
