//! What the columns of a page are, and the Arrow arrays that their values are collected in: objects as structs, arrays as lists, all else by the
//! contract's builders. It must not know how a page comes.

use super::value;
use super::{Fault, Place};
use arrow::array::{ArrayRef, ListArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use portico_provider_api::json::{Json, Reader, Token};
use portico_provider_api::{ColumnBuilder, ScalarType, Value};
use std::fmt;
use std::sync::Arc;

/// The type of a value in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonType {
    /// A scalar. [`ScalarType::Json`] takes any value as it is written.
    Scalar(ScalarType),
    /// An object with these members; others are left out.
    Struct(Vec<JsonField>),
    /// An array of values of one type; items may be null.
    List(Box<JsonType>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonField {
    /// Its name in the object, and in Arrow.
    pub name: String,
    /// Type.
    pub json_type: JsonType,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it means that the object does not have it.
    pub missing: Missing,
}

/// What it means that a value is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is null.
    Null,
    /// The answer is not what it should be.
    Refused,
}

/// Reads a value in a form of its own, such as `/Date(0)/`. `None`: it is no value of the type.
pub type ValueReader = fn(&Json, ScalarType) -> Option<Value>;

/// A column of a page.
#[derive(Debug, Clone)]
pub struct JsonColumn {
    /// Its name in Arrow.
    pub name: String,
    /// Where it stands in a row: names of objects from the outside in. Empty: the row itself is the value.
    pub path: Vec<String>,
    /// Type.
    pub json_type: JsonType,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it means that a row does not have it.
    pub missing: Missing,
    /// How its values are written, where not as usual. Only for scalars.
    pub reader: Option<ValueReader>,
}

impl JsonColumn {
    /// A scalar column that stands in the row by its name, may be null, and must be there.
    pub fn scalar(name: impl Into<String>, scalar_type: ScalarType) -> JsonColumn {
        let name = name.into();
        let (path, json_type) = (vec![name.clone()], JsonType::Scalar(scalar_type));
        JsonColumn { name, path, json_type, nullable: true, missing: Missing::Refused, reader: None }
    }

    pub(super) fn field(&self) -> Field {
        Field::new(&self.name, self.json_type.arrow(), self.nullable)
    }
}

impl JsonType {
    /// The Arrow type that carries it.
    pub fn arrow(&self) -> DataType {
        match self {
            JsonType::Scalar(scalar_type) => scalar_type.arrow(),
            JsonType::Struct(fields) => DataType::Struct(arrow_fields(fields)),
            JsonType::List(item) => DataType::List(item_field(item)),
        }
    }
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonType::Scalar(scalar_type) => scalar_type.fmt(f),
            JsonType::Struct(_) => f.write_str("object"),
            JsonType::List(_) => f.write_str("array"),
        }
    }
}

fn arrow_fields(fields: &[JsonField]) -> Fields {
    fields.iter().map(|field| Field::new(&field.name, field.json_type.arrow(), field.nullable)).collect()
}

fn item_field(item: &JsonType) -> FieldRef {
    Arc::new(Field::new("item", item.arrow(), true))
}

/// Collects the values of one column, or of a part of one.
#[derive(Debug)]
pub(super) enum Builder {
    Scalar(ColumnBuilder),
    Struct { fields: Vec<JsonField>, members: Vec<Builder>, valid: Vec<bool> },
    List { item: JsonType, items: Box<Builder>, ends: Vec<i32>, count: i32, valid: Vec<bool> },
}

impl Builder {
    pub(super) fn new(json_type: &JsonType) -> Builder {
        match json_type {
            JsonType::Scalar(scalar_type) => Builder::Scalar(ColumnBuilder::new(*scalar_type)),
            JsonType::Struct(fields) => {
                let members = fields.iter().map(|field| Builder::new(&field.json_type)).collect();
                Builder::Struct { fields: fields.clone(), members, valid: Vec::new() }
            }
            JsonType::List(item) => {
                Builder::List { item: (**item).clone(), items: Box::new(Builder::new(item)), ends: Vec::new(), count: 0, valid: Vec::new() }
            }
        }
    }

    /// Adds a null, and tells how many bytes it takes, roughly.
    pub(super) fn null(&mut self) -> Result<usize, String> {
        match self {
            Builder::Scalar(builder) => builder.append(Value::Null(builder.scalar_type())),
            Builder::Struct { members, valid, .. } => {
                valid.push(false);
                members.iter_mut().try_fold(1, |bytes, member| Ok(bytes + member.null()?))
            }
            Builder::List { ends, count, valid, .. } => {
                valid.push(false);
                ends.push(*count);
                Ok(4)
            }
        }
    }

    /// Adds the value that begins here, and tells how many bytes it takes, roughly.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, nullable: bool, place: &Place<'_>) -> Result<usize, Fault> {
        if let Builder::Scalar(builder) = self {
            return scalar(builder, reader, nullable, place);
        }
        match (reader.token()?, self) {
            (Token::Null, builder) if nullable => builder.null().map_err(|message| place.fault(message)),
            (Token::Object, Builder::Struct { fields, members, valid }) => {
                valid.push(true);
                object(fields, members, reader, place)
            }
            (Token::Array, Builder::List { items, ends, count, valid, .. }) => {
                valid.push(true);
                let mut bytes = 4;
                let mut index = 0;
                while reader.item(index == 0)? {
                    bytes += items.read(reader, true, &place.item(index))?;
                    index += 1;
                }
                let more = i32::try_from(index).ok().and_then(|more| count.checked_add(more));
                *count = more.ok_or_else(|| place.fault("there are more items than a column can hold"))?;
                ends.push(*count);
                Ok(bytes)
            }
            (token, Builder::Struct { .. }) => Err(place.fault(value::misfit(&token, "object", false))),
            (token, Builder::List { .. } | Builder::Scalar(_)) => Err(place.fault(value::misfit(&token, "array", false))),
        }
    }

    /// The column so far; the builder is empty afterwards.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, String> {
        Ok(match self {
            Builder::Scalar(builder) => builder.finish(),
            Builder::Struct { fields, members, valid } => {
                let nulls = NullBuffer::from(std::mem::take(valid));
                if members.is_empty() {
                    return Ok(Arc::new(StructArray::new_empty_fields(nulls.len(), Some(nulls))));
                }
                let columns: Vec<ArrayRef> = members.iter_mut().map(Builder::finish).collect::<Result<_, _>>()?;
                // Below an object that is null everything is, also what may not be null in one that is there.
                let array = StructArray::try_new(arrow_fields(fields), columns, Some(nulls));
                Arc::new(array.map_err(|error| error.to_string())?)
            }
            Builder::List { item, items, ends, count, valid } => {
                *count = 0;
                let lengths = std::iter::once(0).chain(std::mem::take(ends)).collect::<Vec<i32>>();
                let offsets = OffsetBuffer::new(lengths.into());
                let nulls = NullBuffer::from(std::mem::take(valid));
                let array = ListArray::try_new(item_field(item), offsets, items.finish()?, Some(nulls));
                Arc::new(array.map_err(|error| error.to_string())?)
            }
        })
    }
}

fn scalar(builder: &mut ColumnBuilder, reader: &mut Reader<'_>, nullable: bool, place: &Place<'_>) -> Result<usize, Fault> {
    let to = builder.scalar_type();
    if to == ScalarType::Json {
        let text = reader.skip()?;
        return match text {
            "null" if nullable => builder.append(Value::Null(to)).map_err(|message| place.fault(message)),
            "null" => Err(place.fault(value::misfit(&Token::Null, to, false))),
            text => builder.append_text(text).map_err(|message| place.fault(message)),
        };
    }
    let token = reader.token()?;
    match &token {
        Token::Null if !nullable => Err(place.fault(value::misfit(&token, to, false))),
        // Most values are texts, and nobody needs a copy of one.
        Token::Text(text) if to == ScalarType::Text => builder.append_text(text).map_err(|message| place.fault(message)),
        token => {
            let read = value::scalar(token, to).ok_or_else(|| place.fault(value::misfit(token, to, to.is_numeric())))?;
            builder.append(read).map_err(|message| place.fault(message))
        }
    }
}

/// Adds a value that is written in a form of its own.
pub(super) fn by_reader(
    builder: &mut Builder,
    read: ValueReader,
    reader: &mut Reader<'_>,
    nullable: bool,
    place: &Place<'_>,
) -> Result<usize, Fault> {
    let Builder::Scalar(builder) = builder else { return Err(place.fault("only a scalar column has a form of its own")) };
    let to = builder.scalar_type();
    let text = reader.skip()?;
    let json = Reader::new(text).json()?;
    let value = read(&json, to).ok_or_else(|| {
        let token = Reader::new(text).token();
        place.fault(token.map_or_else(|malformed| malformed.message.to_owned(), |token| value::misfit(&token, to, to.is_numeric())))
    })?;
    if value.is_null() && !nullable {
        return Err(place.fault(value::misfit(&Token::Null, to, false)));
    }
    builder.append(value).map_err(|message| place.fault(message))
}

fn object(fields: &[JsonField], members: &mut [Builder], reader: &mut Reader<'_>, place: &Place<'_>) -> Result<usize, Fault> {
    let mut seen = vec![false; fields.len()];
    let (mut bytes, mut first) = (1, true);
    while let Some(name) = reader.name(std::mem::replace(&mut first, false))? {
        let found = fields.iter().position(|field| field.name == *name);
        let Some((index, field, member)) = found.and_then(|index| Some((index, fields.get(index)?, members.get_mut(index)?))) else {
            reader.skip()?;
            continue;
        };
        let inner = place.member(&name);
        if seen.get_mut(index).is_some_and(|seen| std::mem::replace(seen, true)) {
            return Err(inner.fault("is given twice"));
        }
        bytes += member.read(reader, field.nullable, &inner)?;
    }
    for ((field, member), _) in fields.iter().zip(members).zip(seen).filter(|(_, seen)| !seen) {
        bytes += absent(member, field.nullable, field.missing).map_err(|message| place.member(&field.name).fault(message))?;
    }
    Ok(bytes)
}

/// Adds what it means that a value is not there.
pub(super) fn absent(builder: &mut Builder, nullable: bool, missing: Missing) -> Result<usize, String> {
    match missing {
        Missing::Null if nullable => builder.null(),
        Missing::Null | Missing::Refused => Err("is missing".to_owned()),
    }
}
