//! Measures the JSON writer against `arrow-json`'s on the same batches, and prints throughput and ratios. Before that it checks that
//! both say the same. Figures are medians of several runs that alternate between the two; they are for one core.
//!
//! `cargo run --release -p portico-odata --example json-writer [-- ROWS [RUNS]]`

#![allow(clippy::print_stdout, reason = "a program that prints")]

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use arrow_json::writer::{JsonArray, WriterBuilder};
use bytes::BytesMut;
use portico_odata::json::{JsonOptions, JsonWriter};
use portico_odata::{EntityBatch, EntityShape, PropertyShape};
use portico_provider_api::ScalarType;
use serde_json::Value;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BATCH: usize = 8192;
const MONEY: ScalarType = ScalarType::Decimal { precision: 15, scale: 2 };
const SHIP_MODES: [&str; 7] = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"];
const WORDS: [&str; 12] =
    ["furiously", "carefully", "final", "deposits", "ironic", "requests", "sleep", "above", "the", "quickly", "pending", "\"bold\""];

type Failure = Box<dyn Error>;

/// A sequence that looks random and is the same in every run (SplitMix64).
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    /// Values of which one in twenty is null.
    fn column<T>(&mut self, rows: usize, mut value: impl FnMut(&mut Sequence) -> T) -> Vec<Option<T>> {
        (0..rows).map(|_| if self.below(20) == 0 { None } else { Some(value(self)) }).collect()
    }

    fn comment(&mut self) -> String {
        let words: Vec<&str> = (0..3 + self.below(6)).map(|_| WORDS[self.below(WORDS.len() as u64) as usize]).collect();
        words.join(" ")
    }

    /// The columns of one kind.
    fn make(&mut self, kind: ScalarType, plain: bool, rows: usize) -> Result<ArrayRef, Failure> {
        Ok(match kind {
            ScalarType::Int32 => Arc::new(Int32Array::from(self.column(rows, |random| random.below(2_000_000) as i32 - 1_000))),
            ScalarType::Int64 => Arc::new(Int64Array::from(self.column(rows, |random| (random.next() >> random.below(60)) as i64))),
            ScalarType::Float64 => Arc::new(Float64Array::from(self.column(rows, |random| random.below(1_000_000) as f64 / 64.0))),
            ScalarType::Decimal { precision, scale } => {
                let values = self.column(rows, |random| i128::from(random.below(100_000_000)) - 1_000_000);
                Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale)?)
            }
            ScalarType::TimestampTz => {
                let values = self.column(rows, |random| {
                    let coarse = [1, 1_000, 1_000_000][random.below(3) as usize];
                    (random.below(1_000_000_000_000_000) as i64 + 694_224_000_000_000) / coarse * coarse
                });
                Arc::new(TimestampMicrosecondArray::from(values).with_timezone("+00:00"))
            }
            _ if plain => Arc::new(StringArray::from(self.column(rows, |random| SHIP_MODES[random.below(7) as usize].to_owned()))),
            _ => Arc::new(StringArray::from(self.column(rows, Sequence::comment))),
        })
    }
}

/// A table: the kinds of its columns; texts that hold quotes are marked by `false`.
struct Table {
    name: &'static str,
    kinds: Vec<(ScalarType, bool)>,
}

fn tables() -> Vec<Table> {
    let of = |kind: ScalarType, count: usize| vec![(kind, true); count];
    let table = |name, kinds| Table { name, kinds };
    let text = ScalarType::Text;
    vec![
        table("8 32-bit integers", of(ScalarType::Int32, 8)),
        table("8 64-bit integers", of(ScalarType::Int64, 8)),
        table("8 decimals", of(MONEY, 8)),
        table("8 short texts", of(text, 8)),
        table("4 texts with quotes", vec![(text, false); 4]),
        table("8 timestamps", of(ScalarType::TimestampTz, 8)),
        table(
            "mixed, 12 columns",
            [
                of(ScalarType::Int64, 2),
                of(ScalarType::Int32, 2),
                of(MONEY, 3),
                of(text, 2),
                vec![(text, false)],
                of(ScalarType::TimestampTz, 2),
            ]
            .concat(),
        ),
        table("8 doubles", of(ScalarType::Float64, 8)),
    ]
}

fn batches(table: &Table, rows: usize) -> Result<(EntityShape, Vec<EntityBatch>), Failure> {
    let mut random = Sequence(1);
    let name = |index: usize| format!("{}{index}", ["Quantity", "Amount", "Name", "ChangedAt"][index % 4]);
    let property = |(index, (kind, _)): (usize, &(ScalarType, bool))| PropertyShape::column(name(index), index, (*kind).into());
    let shape = EntityShape {
        entity_set: "Rows".to_owned(),
        properties: table.kinds.iter().enumerate().map(property).collect(),
        ..EntityShape::default()
    };
    let mut made = Vec::new();
    for start in (0..rows).step_by(BATCH) {
        let count = BATCH.min(rows - start);
        let columns = table.kinds.iter().map(|(kind, plain)| random.make(*kind, *plain, count)).collect::<Result<Vec<_>, _>>()?;
        let fields: Vec<Field> =
            columns.iter().enumerate().map(|(index, column)| Field::new(name(index), column.data_type().clone(), true)).collect();
        made.push(EntityBatch { rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?, expanded: Vec::new() });
    }
    Ok((shape, made))
}

/// One run of ours. The bytes go nowhere, but are all made, batch by batch, as for an answer.
fn ours(shape: &EntityShape, batches: &[EntityBatch], keep: bool) -> Result<(Vec<u8>, usize), Failure> {
    let (mut kept, mut count) = (Vec::new(), 0);
    let mut writer = JsonWriter::new(shape, JsonOptions::default());
    let mut out = BytesMut::new();
    count += writer.start_collection(None).len();
    for batch in batches {
        out.clear();
        writer.write_batch(batch, &mut out)?;
        count += out.len();
        if keep {
            kept.extend_from_slice(&out);
        }
    }
    count += writer.finish_collection(None).len();
    Ok((kept, count))
}

/// One run of theirs, with nulls written as ours are; the bytes go into one buffer per batch as well.
fn theirs(batches: &[EntityBatch], keep: bool) -> Result<(Vec<u8>, usize), Failure> {
    let (mut kept, mut count) = (Vec::new(), 0);
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    for batch in batches {
        writer.write(&batch.rows)?;
        count += writer.get_ref().len();
        if keep {
            kept.extend_from_slice(writer.get_ref());
        }
        writer.get_mut().clear();
    }
    writer.finish()?;
    count += writer.get_ref().len();
    Ok((kept, count))
}

/// Whether two values are the same but for the form of timestamps and the zeros that end decimals.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|((a, x), (b, y))| a == b && same(x, y))
        }
        (Value::Number(ours), Value::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
        (Value::String(ours), Value::String(theirs)) => ours.trim_end_matches('Z') == theirs.trim_end_matches('Z'),
        _ => ours == theirs,
    }
}

fn check(shape: &EntityShape, batches: &[EntityBatch]) -> Result<(), Failure> {
    let first = batches.get(..1).unwrap_or_default();
    let ours: Vec<Value> = serde_json::from_slice(&[b"[", ours(shape, first, true)?.0.as_slice(), b"]"].concat())?;
    let theirs: Vec<Value> = serde_json::from_slice(&[theirs(first, true)?.0.as_slice(), b"]"].concat())?;
    match ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(ours, theirs)| same(ours, theirs)) {
        true => Ok(()),
        false => Err("the two writers do not say the same".into()),
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

fn timed(run: impl FnOnce() -> Result<(Vec<u8>, usize), Failure>) -> Result<(Duration, usize), Failure> {
    let start = Instant::now();
    let (_, bytes) = run()?;
    Ok((start.elapsed(), bytes))
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let rows: usize = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let runs: usize = arguments.next().map_or(Ok(7), |text| text.parse())?;
    println!("{rows} rows in batches of {BATCH}, median of {runs} runs");
    println!("{:<22}{:>24}{:>24}{:>16}", "", "portico-odata", "arrow-json", "ratio");
    println!("{:<22}{:>10}{:>14}{:>10}{:>14}{:>8}{:>8}", "table", "MB/s", "rows/s", "MB/s", "rows/s", "MB/s", "rows/s");
    for table in tables() {
        let (shape, batches) = batches(&table, rows)?;
        check(&shape, &batches)?;
        let (mut our_times, mut their_times, mut our_bytes, mut their_bytes) = (Vec::new(), Vec::new(), 0, 0);
        for _ in 0..runs {
            let (time, bytes) = timed(|| ours(&shape, &batches, false))?;
            our_times.push(time);
            our_bytes = bytes;
            let (time, bytes) = timed(|| theirs(&batches, false))?;
            their_times.push(time);
            their_bytes = bytes;
        }
        let (our_time, their_time) = (median(our_times), median(their_times));
        let rate = |bytes: usize, time: f64| (bytes as f64 / time / 1e6, rows as f64 / time);
        let (ours, theirs) = (rate(our_bytes, our_time), rate(their_bytes, their_time));
        println!(
            "{:<22}{:>10.0}{:>14.0}{:>10.0}{:>14.0}{:>8.2}{:>8.2}",
            table.name,
            ours.0,
            ours.1,
            theirs.0,
            theirs.1,
            ours.0 / theirs.0,
            ours.1 / theirs.1
        );
    }
    Ok(())
}
