//! Answers of the tables as they are → answers as published: batch by batch, columns computed from columns.

use super::request::Shown;
use super::{applied, packing};
use crate::calendar::{self, MICROS_PER_DAY};
use crate::cells;
use crate::guid_key::{KeyGuid, KeyPacking};
use crate::json::WriteError;
use crate::rows::{AnnotationShape, EntityBatch, EntityShape, ExpandShape, ExpandedRows, PropertyShape, ValueShape};
use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int32Array, RecordBatch, RecordBatchOptions, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{self as types, Field, Schema};
use portico_catalog::Enumeration;
use portico_catalog::profile::{GuidProperty, Published, PublishedTable, Widening};
use portico_catalog::{TableView, VirtualTable};
use portico_provider_api::{ScalarType, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// A key whose GUID cannot be undone: to be remembered before the GUID is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedKey {
    /// The virtual table.
    pub table: String,
    /// The GUID.
    pub guid: KeyGuid,
    /// The key, of the types of the table's key or of a foreign key's columns.
    pub key: Vec<Value>,
}

/// How the batches of one answer are translated.
#[derive(Debug)]
pub struct Translation {
    shape: EntityShape,
    level: Level,
}

/// One level of an answer.
#[derive(Debug)]
struct Level {
    /// How the columns of a translated batch are made; absent where the batch stays as it is.
    columns: Option<Vec<Made>>,
    expands: Vec<Level>,
}

/// How a column is made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) from: From,
}

#[derive(Debug)]
pub(super) enum From {
    /// A column as it is.
    Column(usize),
    /// A column whose values are widened.
    Widened(usize, ScalarType, Widening),
    /// The GUID of the key in these columns.
    Guid(Vec<(usize, ScalarType)>, KeyPacking),
}

impl Translation {
    /// How an answer of this shape is translated.
    #[must_use]
    pub fn new(shape: &EntityShape, published: &Published, shown: &Shown) -> Translation {
        let (shape, level) = level(shape, published, shown);
        Translation { shape, level }
    }

    /// The shape of translated batches.
    #[must_use]
    pub fn shape(&self) -> &EntityShape {
        &self.shape
    }

    /// Translates a batch. Keys whose GUIDs cannot be undone are added to `hashed`.
    ///
    /// # Errors
    /// A value that cannot be published: a date out of range, a code that is no member of its enumeration.
    pub fn batch(&self, batch: &EntityBatch, hashed: &mut Vec<HashedKey>) -> Result<EntityBatch, WriteError> {
        translated(&self.level, batch, hashed)
    }
}

fn level(shape: &EntityShape, published: &Published, shown: &Shown) -> (EntityShape, Level) {
    if let Some(wanted) = &shown.applied {
        let (shape, columns) = applied::shape(shape, wanted);
        return (shape, Level { columns: Some(columns), expands: Vec::new() });
    }
    let mut told = shape.clone();
    let mut expands = Vec::with_capacity(shape.expands.len());
    for expand in &mut told.expands {
        let (inner, level) = level(&expand.shape, published, &shown.along(&expand.name));
        *expand = ExpandShape { shape: inner, ..expand.clone() };
        expands.push(level);
    }
    let names = (published.table(&shape.entity_set), published.native.table(&shape.entity_set), published.view.table(&shape.entity_set));
    let (Some(table), Some(native), Some(view)) = names else { return (told, Level { columns: None, expands }) };
    let mut columns = Vec::with_capacity(shape.properties.len() + 1);
    told.properties.clear();
    for index in &view.columns {
        let Some(column) = view.table.columns.get(*index) else { continue };
        if !shown.shows(&column.name, view.table.key.contains(index)) {
            continue;
        }
        let Some(from) = origin(*index, table, native, shape) else { continue };
        let property = PropertyShape::column(&column.name, columns.len(), column.scalar_type.into());
        columns.push(Made { name: column.name.clone(), from });
        let said = shape.properties.iter().find(|known| known.name == column.name && !known.dynamic);
        let annotations = carried(said.map(|said| said.annotations.as_slice()).unwrap_or_default(), &mut columns);
        told.properties.push(PropertyShape { default: column.default.clone(), annotations, ..property });
    }
    told.annotations = carried(&shape.annotations, &mut columns);
    // What no table has (`$compute`) stays at the end.
    for property in shape.properties.iter().filter(|property| property.dynamic) {
        if let ValueShape::Column { position, value_type } = &property.value {
            let (value_type, from) = applied::widened(*position, value_type);
            let value = ValueShape::Column { position: columns.len(), value_type };
            told.properties.push(PropertyShape { value, ..property.clone() });
            columns.push(Made { name: property.name.clone(), from });
        }
    }
    told.etag = shape.etag.map(|position| {
        columns.push(Made { name: "@etag".to_owned(), from: From::Column(position) });
        columns.len() - 1
    });
    told.presence = None;
    told.derivation = None;
    (told, Level { columns: Some(columns), expands })
}

/// Instance annotations, whose values stay as they are.
fn carried(annotations: &[AnnotationShape], columns: &mut Vec<Made>) -> Vec<AnnotationShape> {
    let carry = |annotation: &AnnotationShape| {
        columns.push(Made { name: annotation.name.clone(), from: From::Column(annotation.position) });
        AnnotationShape { position: columns.len() - 1, ..annotation.clone() }
    };
    annotations.iter().map(carry).collect()
}

/// Where a published property comes from; `None` when its columns were not asked for.
fn origin(index: usize, published: &PublishedTable, native: &TableView, shape: &EntityShape) -> Option<From> {
    let natives = native.table.columns.len();
    let Some(guid) = index.checked_sub(natives) else {
        let (position, scalar_type) = find(shape, &native.table, index)?;
        return Some(match published.widened.get(&index) {
            Some(widening) => From::Widened(position, scalar_type, widening.clone()),
            None => From::Column(position),
        });
    };
    let guid: &GuidProperty = published.guids.get(guid)?;
    let columns = guid.columns.iter().map(|column| find(shape, &native.table, *column)).collect::<Option<Vec<_>>>()?;
    Some(From::Guid(columns, packing(guid)))
}

/// Where the answer has a column: by itself, or as a member of a complex property.
fn find(shape: &EntityShape, table: &VirtualTable, column: usize) -> Option<(usize, ScalarType)> {
    let (name, member) = match table.overlay.complex_of(column) {
        Some((complex, member)) => (complex.name.as_str(), Some(member)),
        None => (table.columns.get(column)?.name.as_str(), None),
    };
    let property = shape.properties.iter().find(|property| property.name == name && !property.dynamic)?;
    match (&property.value, member) {
        (ValueShape::Complex { members, .. }, Some(member)) => members.iter().find(|known| known.name == member)?.column_type(),
        (ValueShape::Column { .. }, None) => property.column_type(),
        _ => None,
    }
}

fn translated(level: &Level, batch: &EntityBatch, hashed: &mut Vec<HashedKey>) -> Result<EntityBatch, WriteError> {
    let mut expanded = Vec::with_capacity(batch.expanded.len());
    for (index, children) in batch.expanded.iter().enumerate() {
        let entities = match level.expands.get(index) {
            Some(level) => translated(level, &children.entities, hashed)?,
            None => children.entities.clone(),
        };
        expanded.push(ExpandedRows { entities, ..children.clone() });
    }
    let Some(made) = &level.columns else { return Ok(EntityBatch { rows: batch.rows.clone(), expanded }) };
    let mut fields = Vec::with_capacity(made.len());
    let mut arrays = Vec::with_capacity(made.len());
    for column in made {
        let array = make(column, &batch.rows, hashed).map_err(|reason| WriteError::new(&column.name, reason))?;
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.rows.num_rows()));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    let rows = rows.map_err(|_| WriteError::new("*", "the columns are of different lengths"))?;
    Ok(EntityBatch { rows, expanded })
}

fn make(made: &Made, rows: &RecordBatch, hashed: &mut Vec<HashedKey>) -> Result<ArrayRef, String> {
    let column = |position: usize| rows.columns().get(position).ok_or_else(|| format!("the batch has no column at position {position}"));
    match &made.from {
        From::Column(position) => Ok(Arc::clone(column(*position)?)),
        From::Widened(position, scalar_type, widening) => widened(column(*position)?.as_ref(), *scalar_type, widening),
        From::Guid(columns, packing) => {
            let columns = columns.iter().map(|(position, scalar_type)| Ok((column(*position)?, *scalar_type)));
            guids(&columns.collect::<Result<Vec<_>, String>>()?, packing, rows.num_rows(), hashed)
        }
    }
}

fn guids(columns: &[(&ArrayRef, ScalarType)], packing: &KeyPacking, rows: usize, hashed: &mut Vec<HashedKey>) -> Result<ArrayRef, String> {
    let mut out = StringBuilder::with_capacity(rows, rows * 36);
    for row in 0..rows {
        let key = columns.iter().map(|(array, scalar_type)| cells::value(array.as_ref(), row, *scalar_type));
        let key = key.collect::<Option<Vec<_>>>().ok_or_else(|| "a column of the key holds another type than it declares".to_owned())?;
        // A null, or a value that the other table's key cannot have: it leads to nothing.
        let Some(packed) = packing.pack(&key) else {
            out.append_null();
            continue;
        };
        out.append_value(packed.guid.to_string());
        if packed.hashed {
            hashed.push(HashedKey { table: packing.table().to_owned(), guid: packed.guid, key });
        }
    }
    Ok(Arc::new(out.finish()))
}

fn widened(array: &dyn Array, scalar_type: ScalarType, widening: &Widening) -> Result<ArrayRef, String> {
    let other = || format!("it is declared as {scalar_type}, but the batch holds {}", array.data_type());
    Ok(match widening {
        Widening::Number(ScalarType::Int32) => {
            let narrow = array.as_primitive_opt::<types::Int16Type>().ok_or_else(other)?;
            Arc::new(narrow.unary::<_, types::Int32Type>(i32::from))
        }
        Widening::Number(ScalarType::Float64) => {
            let narrow = array.as_primitive_opt::<types::Float32Type>().ok_or_else(other)?;
            Arc::new(narrow.unary::<_, types::Float64Type>(f64::from)) as Arc<Float64Array>
        }
        Widening::Number(_) => return Err(other()),
        Widening::DateToInstant => {
            let days = array.as_primitive_opt::<types::Date32Type>().ok_or_else(other)?;
            let micros = days.try_unary::<_, types::TimestampMicrosecondType, String>(|days| {
                i64::from(days).checked_mul(MICROS_PER_DAY).ok_or_else(|| "a date is beyond the instants that there are".to_owned())
            })?;
            Arc::new(micros.with_timezone("UTC")) as Arc<TimestampMicrosecondArray>
        }
        Widening::TimeToText => {
            let times = array.as_primitive_opt::<types::Time64MicrosecondType>().ok_or_else(other)?;
            let mut out = StringBuilder::with_capacity(times.len(), times.len() * 8);
            let mut text = Vec::new();
            for time in times {
                text.clear();
                match time {
                    Some(micros) => {
                        calendar::push_time(micros, &mut text);
                        out.append_value(String::from_utf8_lossy(&text));
                    }
                    None => out.append_null(),
                }
            }
            Arc::new(out.finish())
        }
        Widening::Enumeration(enumeration) => Arc::new(numbers(array, scalar_type, enumeration)?),
    })
}

/// The numbers of members. A number that is in the column by itself needs no member: flags are sums of them.
fn numbers(array: &dyn Array, scalar_type: ScalarType, enumeration: &Enumeration) -> Result<Int32Array, String> {
    let stored: HashMap<&Value, i64> = enumeration.members.iter().map(|member| (&member.stored, member.value)).collect();
    let mut out = Int32Array::builder(array.len());
    for row in 0..array.len() {
        let value = cells::value(array, row, scalar_type)
            .ok_or_else(|| format!("it is declared as {scalar_type}, but the batch holds another type"))?;
        if value.is_null() {
            out.append_null();
            continue;
        }
        let number = stored.get(&value).copied().or(match &value {
            Value::Int16(number) => Some((*number).into()),
            Value::Int32(number) => Some((*number).into()),
            Value::Int64(number) => Some(*number),
            _ => None,
        });
        let number = number.ok_or_else(|| format!("a code is no member of the enumeration '{}'", enumeration.name))?;
        out.append_value(
            i32::try_from(number).map_err(|_| format!("a number of the enumeration '{}' needs more than 32 bits", enumeration.name))?,
        );
    }
    Ok(out.finish())
}
