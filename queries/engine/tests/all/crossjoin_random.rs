//! Random `$crossjoin` of the same rows in two kinds: what `$filter` keeps and `$orderby` sorts, whole and in pages, is what the reference
//! interpreter says of every combination. `PORTICO_SEED` repeats a run.

use crate::kinds::{KINDS, World, numbers};
use crate::null_logic::{key, seed};
use crate::odata_random::{columns, rows};
use crate::odata_reference::{Fault, Reference, sort_order};
use fastrand::Rng;
use portico_engine::{EngineError, Paging};
use portico_odata::BoundQuery;
use portico_provider_api::Value;
use std::cmp::Ordering;

/// Columns that every kind holds alike, many of them with nulls, all with duplicates.
const COLUMNS: [&str; 11] = ["Flag", "Small", "N", "M", "Big", "Amount", "Name", "Code", "Day", "Clock", "Uid"];
const NUMBERS: [&str; 5] = ["Small", "N", "M", "Big", "Id"];

struct Writer<'a> {
    random: &'a mut Rng,
    sets: [&'static str; 2],
}

impl Writer<'_> {
    fn row(&mut self) -> String {
        let along = self.random.choice(["", "", "", "Next/", "Fellow/", "Next/Next/"]).unwrap();
        format!("{}/{along}", self.random.choice(self.sets).unwrap())
    }

    fn number(&mut self) -> String {
        match self.random.u8(0..8) {
            0 => format!("{}{}/$count", self.row(), self.random.choice(["Previous", "Peers"]).unwrap()),
            1 => format!("length({}Name)", self.row()),
            2 => format!("({}N add {}M)", self.row(), self.row()),
            _ => format!("{}{}", self.row(), self.random.choice(NUMBERS).unwrap()),
        }
    }

    fn order(&mut self) -> String {
        let keys: Vec<String> = (0..self.random.usize(1..4))
            .map(|_| {
                let key = match self.random.u8(0..4) {
                    0 => self.number(),
                    _ => format!("{}{}", self.row(), self.random.choice(COLUMNS).unwrap()),
                };
                if self.random.bool() { format!("{key} desc") } else { key }
            })
            .collect();
        keys.join(",")
    }

    fn condition(&mut self, depth: u8) -> String {
        if depth > 0 {
            let (left, right) = (self.condition(depth - 1), self.condition(depth - 1));
            return match self.random.u8(0..5) {
                0 => format!("not ({left})"),
                1 | 2 => format!("({left} or {right})"),
                _ => format!("({left} and {right})"),
            };
        }
        let op = *self.random.choice(&["eq", "ne", "lt", "le", "gt", "ge"]).unwrap();
        match self.random.u8(0..8) {
            0 => format!("{}Previous/any(v:v/M {op} {})", self.row(), self.number()),
            1 => format!("{}Peers/all(v:v/{} {op} v/Id or {}Flag)", self.row(), self.random.choice(NUMBERS).unwrap(), self.row()),
            2 => format!("contains({}Name,{}Code)", self.row(), self.row()),
            3 => format!("{}Flag eq {}Sure", self.row(), self.row()),
            4 => format!("{}Code {op} {}Name", self.row(), self.row()),
            _ => format!("{} {op} {}", self.number(), self.number()),
        }
    }
}

type Combination = (i64, i64);

/// The combinations as the specification has them; nothing where some part of the request may fail.
fn wanted(world: &World, query: &BoundQuery) -> Option<Vec<Combination>> {
    // The rows of all kinds are the same but for floats, which no expression here is over.
    let (rows, related) = (&world.rows[0], world.related(0));
    let mut kept: Vec<(Vec<Value>, Combination)> = Vec::new();
    for first in rows {
        for second in rows {
            // The last set is the innermost.
            let reference = Reference { scopes: vec![second, first], ..Reference::new(second, &related, &world.nullable, 0) };
            let keeps = query.filter.as_ref().map_or(Ok(true), |filter| reference.keeps(filter));
            let values: Result<Vec<Value>, Fault> = query.order_by.iter().map(|order| reference.value(&order.expr)).collect();
            if reference.faulty.get() {
                return None;
            }
            if keeps.ok()? {
                kept.push((values.ok()?, (key(first), key(second))));
            }
        }
    }
    kept.sort_by(|left, right| {
        let keys = query.order_by.iter().zip(left.0.iter().zip(&right.0)).map(|(order, (left, right))| {
            let compared = sort_order(left, right);
            if order.descending { compared.reverse() } else { compared }
        });
        keys.fold(Ordering::Equal, Ordering::then).then(left.1.cmp(&right.1))
    });
    Some(kept.into_iter().map(|(_, combination)| combination).collect())
}

async fn page(
    world: &World,
    query: &BoundQuery,
    size: u64,
    position: Option<Vec<Value>>,
) -> Result<(Vec<Combination>, Option<Vec<Value>>), EngineError> {
    let (batches, next) = world.batches(query.clone(), Paging { size, position }).await?;
    Ok((batches.iter().flat_map(|batch| numbers(batch, 0).into_iter().zip(numbers(batch, 1))).collect(), next))
}

/// A random request that cannot fail: its text, and as it is bound.
fn request(world: &World, random: &mut Rng) -> (String, BoundQuery, Vec<Combination>) {
    loop {
        let first = random.usize(0..KINDS.len());
        let second = (first + random.usize(1..KINDS.len())) % KINDS.len();
        let sets = [KINDS[first], KINDS[second]];
        let mut writer = Writer { random, sets };
        let (order, condition) = (writer.order(), writer.condition(1));
        let path = format!("$crossjoin({},{})", sets[0], sets[1]);
        let options: &[(&str, &str)] = match random.u8(0..3) {
            0 => &[("$orderby", &order)],
            1 => &[("$filter", &condition)],
            _ => &[("$filter", &condition), ("$orderby", &order)],
        };
        let text = format!("{path}?{options:?}");
        let query = world.bind_path(&path, options).unwrap_or_else(|error| panic!("{text}: {error}"));
        if let Some(wanted) = wanted(world, &query) {
            return (text, query, wanted);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_random_combinations_are_the_whole() {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let columns = columns();
    let rows = rows(&mut random, &columns, 0..12);
    let world = World::new(&columns, &rows).await;
    let mut found = 0;
    for _ in 0..30 {
        let (text, query, wanted) = request(&world, &mut random);
        let size = random.u64(5..60);
        let (mut read, mut position) = (Vec::new(), None);
        loop {
            let (keys, next) = page(&world, &query, size, position).await.unwrap_or_else(|error| panic!("seed {seed}: {text}: {error:?}"));
            assert!(keys.len() as u64 == size || next.is_none(), "seed {seed}: {text}: a page of {} rows and more to come", keys.len());
            read.extend(keys);
            position = next;
            if position.is_none() || read.len() > 2 * wanted.len() {
                break;
            }
        }
        assert_eq!(read, wanted, "seed {seed}: {text} in pages of {size}");
        found += read.len();
    }
    assert!(found > 0, "seed {seed}: nothing was ever found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_between_pages_shift_no_combinations() {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let columns = columns();
    let initial = rows(&mut random, &columns, 0..9);
    let mut world = World::new(&columns, &initial).await;
    let mut next_id = 1_000;
    for _ in 0..8 {
        let (text, query, before) = request(&world, &mut random);
        if text.contains("$count") || text.contains("/any(") || text.contains("/all(") {
            // What rows are kept and sorted by changes with the rows that come.
            continue;
        }
        let size = random.u64(8..30);
        let (mut read, mut position, mut came): (Vec<Combination>, _, Vec<i64>) = (Vec::new(), None, Vec::new());
        loop {
            let last = read.last().copied();
            let outcome = page(&world, &query, size, position).await;
            let Some(now) = wanted(&world, &query) else { break };
            let (keys, next) = outcome.unwrap_or_else(|error| panic!("seed {seed}: {text}: {error:?}"));
            let from = last.map_or(0, |last| now.iter().position(|key| *key == last).expect("it is still there") + 1);
            let expected: Vec<Combination> = now[from..].iter().copied().take(keys.len()).collect();
            assert_eq!(keys, expected, "seed {seed}: {text} in pages of {size}, after {last:?}");
            read.extend(keys);
            position = next;
            if position.is_none() {
                let old = |key: &&Combination| !came.contains(&key.0) && !came.contains(&key.1);
                let old: Vec<Combination> = read.iter().filter(old).copied().collect();
                assert_eq!(old, before, "seed {seed}: {text} in pages of {size}");
                break;
            }
            if came.len() < 2 {
                let row = rows(&mut random, &columns, next_id..next_id + 1).remove(0);
                world.insert(&row).await;
                came.push(next_id);
                next_id += 1;
            }
        }
    }
}
