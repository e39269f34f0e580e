//! Expansion: fetches the children of a batch of parents along each expanded relationship, by their distinct keys, and gives each parent its
//! own. Several relationships are fetched at a time, and so are the chunks of keys that a source takes.

use crate::error::EngineError;
use crate::execute::questions::splits;
use crate::execute::run::{Run, start};
use crate::plan::entities::{AroundSlot, EntityChild, EntityNode, EtagColumns, Identity};
use crate::plan::key_set::KeySlot;
use crate::pushdown::fragments;
use crate::values::{typed_as, value_as, value_from_scalar};
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use hmac::{Hmac, KeyInit, Mac};
use portico_odata::{EntityBatch, ExpandForm, ExpandedRows};
use portico_provider_api::capabilities::KeyCapabilities;
use portico_provider_api::{ScalarType, Value};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// How many relationships are fetched at a time.
const CHILDREN_AT_ONCE: usize = 4;

/// A batch of entities with everything that is expanded below them.
pub(crate) fn expand<'a>(
    node: &'a EntityNode,
    rows: RecordBatch,
    session: &'a SessionState,
    run: &'a Arc<Run>,
) -> BoxFuture<'a, Result<EntityBatch, EngineError>> {
    below(node, rows, Lineage::default(), CHILDREN_AT_ONCE, session, run)
}

fn below<'a>(
    node: &'a EntityNode,
    rows: RecordBatch,
    lineage: Lineage,
    most: usize,
    session: &'a SessionState,
    run: &'a Arc<Run>,
) -> BoxFuture<'a, Result<EntityBatch, EngineError>> {
    Box::pin(async move {
        // The slots of levels around are shared: who fills one reads by it before another does.
        let shared = node.children.iter().any(|child| !child.around.is_empty());
        let at_once = if shared { 1 } else { most };
        // Levels below share what is allowed: one request must not fill the queue of a source by itself.
        let each = (most / node.children.len().max(1)).max(1);
        let of_children = node.children.iter().map(|child| children(child, &rows, &lineage, each, session, run));
        let of_children: Vec<BoxFuture<'_, _>> = of_children.map(|one| Box::pin(one) as BoxFuture<'_, _>).collect();
        let expanded = stream::iter(of_children).buffered(at_once).try_collect().await?;
        let rows = match &node.etag {
            Some(made_of) => with_etags(&rows, made_of, &run.settings.etag_key)?,
            None => rows,
        };
        Ok(EntityBatch { rows, expanded })
    })
}

async fn children(
    child: &EntityChild,
    parents: &RecordBatch,
    lineage: &Lineage,
    most: usize,
    session: &SessionState,
    run: &Arc<Run>,
) -> Result<ExpandedRows, EngineError> {
    let tuples = if child.of_groups { group_tuples } else { key_tuples };
    let mut parent_keys = tuples(parents, &child.parent_keys, &child.key_types)?;
    // What is only referred to has nothing below it.
    for (key, _) in parent_keys.iter_mut().zip(&lineage.circular).filter(|(_, circular)| **circular) {
        *key = None;
    }
    if let Some((discriminator, values)) = &child.only {
        leave_out(&mut parent_keys, parents, *discriminator, values)?;
    }
    let mut wanted: Vec<Vec<Value>> = Vec::new();
    let mut number: HashMap<&[Value], usize> = HashMap::new();
    for key in parent_keys.iter().flatten() {
        number.entry(key).or_insert_with(|| {
            wanted.push(key.clone());
            wanted.len() - 1
        });
    }
    // To a parent without key nothing belongs, of which something may be computed all the same.
    let keyless = (child.node.of_nothing && parent_keys.contains(&None)).then_some(wanted.len());
    let fetched = fetch(child, &wanted, keyless.is_some(), session, run).await?;
    let group_of = |key: &Option<Vec<Value>>| match key {
        Some(key) => number.get(key.as_slice()).copied(),
        None => keyless,
    };
    let parent_groups: Vec<Option<usize>> = parent_keys.iter().map(group_of).collect();
    if child.form == ExpandForm::Count {
        return counted(child, &fetched, &parent_groups, wanted.len(), group_of);
    }
    let mut groups: Vec<Vec<u64>> = vec![Vec::new(); wanted.len() + usize::from(keyless.is_some())];
    for (row, key) in tuples(&fetched, &child.child_keys, &child.key_types)?.into_iter().enumerate() {
        // A source whose equality is wider than ours may return rows that belong to nobody here.
        if let Some(group) = group_of(&key) {
            groups[group].push(row as u64);
        }
    }
    let counts: Vec<u64> = groups.iter().map(|group| group.len() as u64).collect();
    let (ranges, order, more) = kept(child, groups)?;
    let ends = if child.page > 0 { Some(ends(child, &fetched, &ranges, &order, &more)?) } else { None };
    let mut of_parents: Vec<Range<usize>> = parent_groups.iter().map(|group| group.map_or(0..0, |group| ranges[group].clone())).collect();
    let (mut order, mut lineage_below) = (order, Lineage::default());
    if let Some(identity) = &child.identity {
        let most = run.settings.query_memory / (fetched.get_array_memory_size() / fetched.num_rows().max(1)).max(1);
        if of_parents.iter().map(Range::len).fold(0, usize::saturating_add) > most {
            return Err(too_large(child, run));
        }
        order = apart(&mut of_parents, &order);
        lineage_below = lineage.below(identity, parents, &fetched, (&of_parents, &order))?;
    }
    let rows = take_record_batch(&fetched, &UInt64Array::from(order)).map_err(arrow_error)?;
    let circular = lineage_below.circular.contains(&true).then(|| lineage_below.circular.clone());
    let entities = below(&child.node, rows, lineage_below, most, session, run).await?;
    Ok(ExpandedRows {
        ranges: of_parents,
        circular,
        counts: child.count.then(|| parent_groups.iter().map(|group| group.map_or(0, |group| counts[group])).collect()),
        next_links: None,
        ends: ends.map(|ends| parent_groups.iter().map(|group| group.and_then(|group| ends[group].clone())).collect()),
        entities,
    })
}

/// How many children each parent has: nothing else of them is shown.
fn counted(
    child: &EntityChild,
    fetched: &RecordBatch,
    parent_groups: &[Option<usize>],
    groups: usize,
    group_of: impl Fn(&Option<Vec<Value>>) -> Option<usize>,
) -> Result<ExpandedRows, EngineError> {
    let mut counts = vec![0_u64; groups];
    for (key, counted) in key_tuples(fetched, &child.child_keys, &child.key_types)?.iter().zip(numbers(child, fetched)?) {
        if let Some(count) = group_of(key).and_then(|group| counts.get_mut(group)) {
            *count += counted;
        }
    }
    Ok(ExpandedRows {
        ranges: vec![0..0; parent_groups.len()],
        counts: Some(parent_groups.iter().map(|group| group.map_or(0, |group| counts[group])).collect()),
        next_links: None,
        ends: None,
        circular: None,
        entities: EntityBatch { rows: fetched.slice(0, 0), expanded: Vec::new() },
    })
}

/// The entities above others, where one of them may be met again.
#[derive(Default)]
struct Lineage {
    /// For each row what is above it; empty where nobody asks.
    above: Vec<Option<Arc<Ancestor>>>,
    /// For each row whether it is one of those above it; empty where nobody asks.
    circular: Vec<bool>,
}

/// An entity, and what is above it.
struct Ancestor {
    table: Arc<str>,
    key: Vec<Value>,
    above: Option<Arc<Ancestor>>,
}

impl Lineage {
    /// That of the children: `ranges` says for each parent which of the rows in `order` are its own.
    fn below(
        &self,
        (near, far): &(Identity, Identity),
        parents: &RecordBatch,
        fetched: &RecordBatch,
        (ranges, order): (&[Range<usize>], &[u64]),
    ) -> Result<Lineage, EngineError> {
        let parent_keys = key_tuples(parents, &near.columns, &near.types)?;
        let own_keys = key_tuples(fetched, &far.columns, &far.types)?;
        let mut below = Lineage { above: vec![None; order.len()], circular: vec![false; order.len()] };
        for ((parent, key), range) in parent_keys.into_iter().enumerate().zip(ranges) {
            let above = self.above.get(parent).cloned().flatten();
            let parent = key.map(|key| Arc::new(Ancestor { table: Arc::clone(&near.table), key, above }));
            for at in range.clone() {
                let own = order.get(at).and_then(|row| own_keys.get(usize::try_from(*row).ok()?)?.as_ref());
                if let (Some(slot), Some(circular)) = (below.above.get_mut(at), below.circular.get_mut(at)) {
                    *circular = own.is_some_and(|own| is_above(parent.as_deref(), &far.table, own));
                    slot.clone_from(&parent);
                }
            }
        }
        Ok(below)
    }
}

/// Whether an entity is among others.
fn is_above(mut nearest: Option<&Ancestor>, table: &str, key: &[Value]) -> bool {
    while let Some(ancestor) = nearest {
        if *ancestor.table == *table && ancestor.key == key {
            return true;
        }
        nearest = ancestor.above.as_deref();
    }
    false
}

/// Gives every parent rows of its own: what is below a row differs by what is above it.
fn apart(ranges: &mut [Range<usize>], order: &[u64]) -> Vec<u64> {
    let mut apart = Vec::with_capacity(order.len());
    for range in ranges {
        let begin = apart.len();
        apart.extend(order.get(range.clone()).unwrap_or_default());
        *range = begin..apart.len();
    }
    apart
}

fn too_large(child: &EntityChild, run: &Run) -> EngineError {
    EngineError::Limit(format!(
        "the entities expanded by '{}' need more than {} bytes for one chunk of parents; ask for fewer, or use $top",
        child.name, run.settings.query_memory
    ))
}

/// Takes the keys from the parents that are not of the type that is expanded.
fn leave_out(keys: &mut [Option<Vec<Value>>], parents: &RecordBatch, discriminator: usize, values: &[Value]) -> Result<(), EngineError> {
    for (row, key) in keys.iter_mut().enumerate() {
        let cell = ScalarValue::try_from_array(parents.column(discriminator), row)?;
        let is_one = values.iter().any(|value| value_as(&cell, value.scalar_type()).flatten().as_ref() == Some(value));
        if !is_one {
            *key = None;
        }
    }
    Ok(())
}

/// How many children each row of a count stands for.
fn numbers(child: &EntityChild, counted: &RecordBatch) -> Result<Vec<u64>, EngineError> {
    let column = counted.columns().get(child.child_keys.len()).and_then(|column| column.as_any().downcast_ref::<Int64Array>());
    let column = column.ok_or_else(|| EngineError::Internal("a count had no numbers".to_owned()))?;
    Ok(column.iter().map(|number| number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)).collect())
}

/// For each key where its children end, when there are more: the values of the sort keys, then of the key, of its last one.
fn ends(
    child: &EntityChild,
    fetched: &RecordBatch,
    ranges: &[Range<usize>],
    order: &[u64],
    more: &[bool],
) -> Result<Vec<Option<Vec<Value>>>, EngineError> {
    let end = |(range, more): (&Range<usize>, &bool)| {
        let last = range.end.checked_sub(1).filter(|last| *more && *last >= range.start).and_then(|last| order.get(last));
        let Some(row) = last.and_then(|row| usize::try_from(*row).ok()) else { return Ok(None) };
        let values = child.node.position_columns.iter().map(|position| {
            let cell = ScalarValue::try_from_array(fetched.column(*position), row)?;
            value_from_scalar(&cell).map_err(EngineError::Internal)
        });
        values.collect::<Result<Vec<_>, EngineError>>().map(Some)
    };
    ranges.iter().zip(more).map(end).collect()
}

/// The rows that each key keeps after `$skip` and `$top`, side by side, where each key's are, and whether there are more than fit its page.
type Kept = (Vec<Range<usize>>, Vec<u64>, Vec<bool>);

fn kept(child: &EntityChild, groups: Vec<Vec<u64>>) -> Result<Kept, EngineError> {
    let (mut ranges, mut order, mut more) = (Vec::with_capacity(groups.len()), Vec::new(), Vec::with_capacity(groups.len()));
    for group in groups {
        if !child.many && group.len() > 1 {
            return Err(EngineError::Invalid(format!(
                "'{}' should lead to at most one entity, but leads to several: the relationship is to-many",
                child.name
            )));
        }
        let begin = order.len();
        let skip = usize::try_from(child.skip).unwrap_or(usize::MAX);
        let top = child.top.map_or(usize::MAX, |top| usize::try_from(top).unwrap_or(usize::MAX));
        let wanted = group.len().saturating_sub(skip).min(top);
        let page = if child.page == 0 { usize::MAX } else { usize::try_from(child.page).unwrap_or(usize::MAX) };
        more.push(wanted > page);
        order.extend(group.into_iter().skip(skip).take(top.min(page)));
        ranges.push(begin..order.len());
    }
    Ok((ranges, order, more))
}

/// All children of these keys. The chunks that a source takes are its scan's work, several at a time; where what is asked of it holds for all
/// keys together, there are no more of them at once than it takes.
async fn fetch(
    child: &EntityChild,
    keys: &[Vec<Value>],
    keyless: bool,
    session: &SessionState,
    run: &Arc<Run>,
) -> Result<RecordBatch, EngineError> {
    let is_filled = |slot: &KeySlot| *slot == child.slot || child.around.iter().any(|around| around.slot == *slot);
    let mut limits = KeyCapabilities { max_tuples: run.settings.expand_chunk.max(1), ..KeyCapabilities::default() };
    for fragment in fragments(&child.node.plan) {
        let Some((columns, _)) = fragment.key_slot.as_ref().filter(|(_, slot)| is_filled(slot)) else { continue };
        if splits(&fragment, columns) {
            continue;
        }
        let own = fragment.chunk_limits(columns);
        limits.max_tuples = limits.max_tuples.min(own.max_tuples).max(1);
        let bytes = [limits.max_bytes, own.max_bytes].into_iter().filter(|bytes| *bytes > 0).min();
        limits.max_bytes = bytes.unwrap_or(0);
    }
    let schema = Arc::new(child.node.plan.schema().as_arrow().clone());
    let (mut batches, mut bytes) = (Vec::new(), 0_usize);
    let none: &[Vec<Value>] = &[];
    // Those without key are asked for with the first keys there are, or by themselves.
    let alone = (keyless && keys.is_empty()).then_some(none);
    for (number, keys) in limits.chunks(keys).into_iter().chain(alone).enumerate() {
        child.slot.fill(keys.to_vec());
        child.slot.hold_null(keyless && number == 0);
        child.around.iter().for_each(|around| fill_around(around, keys));
        let (_, mut rows) = start(&child.node.plan, session, run).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            bytes = bytes.saturating_add(batch.get_array_memory_size());
            if bytes > run.settings.query_memory {
                return Err(too_large(child, run));
            }
            batches.push(batch);
        }
    }
    let schema = batches.first().map_or(schema, RecordBatch::schema);
    concat_batches(&schema, &batches).map_err(arrow_error)
}

/// Puts into the slot of a level around what the keys of groups begin with: that level is read again, for these groups.
fn fill_around(around: &AroundSlot, keys: &[Vec<Value>]) {
    let (mut seen, mut begins, mut null) = (HashSet::new(), Vec::new(), false);
    for key in keys {
        let Some(begin) = key.get(..around.key_types.len()) else { continue };
        if around.of_groups {
            begins.extend(seen.insert(begin.to_vec()).then(|| begin.to_vec()));
            continue;
        }
        if begin.iter().any(Value::is_null) {
            null = true;
            continue;
        }
        let typed: Option<Vec<Value>> = begin.iter().zip(&around.key_types).map(|(value, of)| typed_as(value.clone(), *of)).collect();
        if let Some(typed) = typed.filter(|typed| seen.insert(typed.clone())) {
            begins.push(typed);
        }
    }
    around.slot.fill(begins);
    around.slot.hold_null(null);
}

/// The same of what tells groups apart: null is a value like any other.
fn group_tuples(rows: &RecordBatch, columns: &[usize], types: &[ScalarType]) -> Result<Vec<Option<Vec<Value>>>, EngineError> {
    (0..rows.num_rows())
        .map(|row| {
            let value = |(column, scalar_type): (&usize, &ScalarType)| {
                let cell = ScalarValue::try_from_array(rows.column(*column), row)?;
                if cell.is_null() {
                    return Ok(Value::Null(*scalar_type));
                }
                let value = value_as(&cell, *scalar_type).flatten();
                value.ok_or_else(|| EngineError::Internal("the groups and what they hold are told apart by different types".to_owned()))
            };
            columns.iter().zip(types).map(value).collect::<Result<Vec<_>, EngineError>>().map(Some)
        })
        .collect()
}

/// The key of each row, as values of the given types; `None` where a part is null or cannot occur on the other side.
pub fn key_tuples(rows: &RecordBatch, columns: &[usize], types: &[ScalarType]) -> Result<Vec<Option<Vec<Value>>>, EngineError> {
    (0..rows.num_rows())
        .map(|row| {
            let mut tuple = Vec::with_capacity(columns.len());
            for (column, scalar_type) in columns.iter().zip(types) {
                let cell = ScalarValue::try_from_array(rows.column(*column), row)?;
                if cell.is_null() {
                    return Ok(None);
                }
                let value = value_as(&cell, *scalar_type).ok_or_else(|| {
                    EngineError::Invalid(format!(
                        "the two sides of a relationship have types that cannot be compared: {} and {scalar_type}",
                        cell.data_type()
                    ))
                })?;
                match value {
                    Some(value) => tuple.push(value),
                    None => return Ok(None),
                }
            }
            Ok(Some(tuple))
        })
        .collect()
}

/// Appends the ETags.
fn with_etags(rows: &RecordBatch, made_of: &EtagColumns, key: &[u8]) -> Result<RecordBatch, EngineError> {
    let parts: Vec<ArrayRef> = made_of.columns.iter().map(|position| Arc::clone(rows.column(*position))).collect();
    let tags = etags(&parts, made_of.whole_row, rows.num_rows(), key)?;
    let mut fields = rows.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("@etag", DataType::Utf8, false)));
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns.push(Arc::new(tags));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(arrow_error)
}

/// The ETag of each row, of its version or of the whole of it. The hash of a whole row takes a key: without one, who sees the ETag could
/// try out what the columns hold that it does not see.
pub fn etags(parts: &[ArrayRef], whole_row: bool, rows: usize, key: &[u8]) -> Result<StringArray, EngineError> {
    let texts = match parts {
        _ if whole_row => Arc::new(row_hashes(parts, rows, key)?) as ArrayRef,
        [version] => cast(version, &DataType::Utf8).map_err(arrow_error)?,
        _ => return Err(EngineError::Internal("an ETag has no row version".to_owned())),
    };
    let texts = texts.as_any().downcast_ref::<StringArray>().ok_or_else(|| EngineError::Internal("an ETag is not text".to_owned()))?;
    Ok(texts.iter().map(|text| Some(etag(text))).collect())
}

/// The first 16 bytes of HMAC-SHA-256 over each row, in hexadecimal.
fn row_hashes(columns: &[ArrayRef], rows: usize, key: &[u8]) -> Result<StringArray, EngineError> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(arrow_error)?;
    let encoded = converter.convert_columns(columns).map_err(arrow_error)?;
    let hashes = (0..rows).map(|row| keyed_digest(encoded.row(row).as_ref(), key)).collect::<Result<Vec<_>, _>>()?;
    Ok(StringArray::from_iter_values(hashes))
}

fn keyed_digest(bytes: &[u8], key: &[u8]) -> Result<String, EngineError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| EngineError::Internal(error.to_string()))?;
    mac.update(bytes);
    Ok(hexadecimal(&mac.finalize().into_bytes()))
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The weak ETag of a row version or row hash. A version with characters that do not belong in a header is hashed.
fn etag(version: Option<&str>) -> String {
    let Some(version) = version else { return "W/\"null\"".to_owned() };
    let plain = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:+".contains(&byte));
    if plain {
        return format!("W/\"{version}\"");
    }
    format!("W/\"~{}\"", hexadecimal(&Sha256::digest(version.as_bytes())))
}

fn arrow_error(error: arrow::error::ArrowError) -> EngineError {
    EngineError::Internal(error.to_string())
}
