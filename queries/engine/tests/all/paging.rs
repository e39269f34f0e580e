//! Paging over every kind: the pages of a random order are the whole of it, and rows that come in between neither shift nor repeat what
//! was read. `PORTICO_SEED` repeats a run.

use crate::kinds::{KINDS, World};
use crate::null_logic::{key, seed, verdict};
use crate::odata_random::{Class, Writer, columns, rows};
use crate::odata_reference::sort_order;
use fastrand::Rng;
use portico_engine::{EngineError, Paging};
use portico_odata::BoundQuery;
use portico_provider_api::Value;
use std::cmp::Ordering;

/// A random `$orderby`: one to three keys, most of them columns with nulls and duplicates.
fn random_order(random: &mut Rng) -> String {
    let mut writer = Writer::new(random);
    let keys: Vec<String> = (0..writer.random.usize(1..4))
        .map(|_| {
            let class = loop {
                let class = writer.class();
                if class != Class::Binary {
                    break class;
                }
            };
            let depth = u8::from(writer.random.u8(0..3) == 0);
            let key = writer.operand(class, depth);
            if writer.random.bool() { format!("{key} desc") } else { key }
        })
        .collect();
    keys.join(",")
}

/// A random `$orderby` along to-one relationships, whose rows many share and some do not have, with expressions over them.
fn random_order_along_paths(random: &mut Rng) -> String {
    const COLUMNS: [&str; 14] = ["Flag", "Small", "N", "M", "Big", "Ratio", "Amount", "Name", "Code", "Day", "Clock", "Zoned", "Uid", "Id"];
    let keys: Vec<String> = (0..random.usize(1..4))
        .map(|_| {
            let mut path = || (0..random.usize(0..3)).map(|_| random.choice(["Next/", "Next/", "Fellow/"]).unwrap()).collect::<String>();
            let (one, other) = (path(), path());
            let key = match random.u8(0..12) {
                0 => format!("length({one}Name)"),
                1 => format!("{one}N add {other}M"),
                2 => format!("toupper({one}Code)"),
                3 => format!("year({one}Day)"),
                4 => format!("{one}M gt {other}M"),
                5 => format!("{one}Amount divby 4"),
                6 => format!("case({one}Flag:{other}Name,true:{one}Code)"),
                _ => format!("{one}{}", random.choice(COLUMNS).unwrap()),
            };
            if random.bool() { format!("{key} desc") } else { key }
        })
        .collect();
    keys.join(",")
}

/// The keys in the order that the specification gives them; `None` when some row has no value to be sorted by.
fn wanted(world: &World, kind: usize, query: &BoundQuery) -> Option<Vec<i64>> {
    let verdicts: Vec<_> = query.order_by.iter().map(|order| (verdict(world, kind, &order.expr), order.descending)).collect();
    if verdicts.iter().any(|(verdict, _)| verdict.may_fail || verdict.beyond) {
        return None;
    }
    let mut sorted: Vec<(usize, i64)> = world.rows[kind].iter().map(|row| key(row)).enumerate().collect();
    sorted.sort_by(|left, right| {
        let keys = verdicts.iter().map(|(verdict, descending)| {
            let value = |row: usize| verdict.outcomes[row].1.as_ref().expect("it cannot fail");
            let order = sort_order(value(left.0), value(right.0));
            if *descending { order.reverse() } else { order }
        });
        keys.fold(Ordering::Equal, Ordering::then).then(left.1.cmp(&right.1))
    });
    Some(sorted.into_iter().map(|(_, key)| key).collect())
}

async fn page(
    world: &World,
    query: &BoundQuery,
    size: u64,
    position: Option<Vec<Value>>,
) -> Result<(Vec<i64>, Option<Vec<Value>>), EngineError> {
    world.keys(query.clone(), Paging { size, position }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_random_order_are_the_whole() {
    pages_are_the_whole(random_order, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_random_order_along_paths_are_the_whole() {
    pages_are_the_whole(random_order_along_paths, 16).await;
}

async fn pages_are_the_whole(random_order: fn(&mut Rng) -> String, orders: usize) {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let columns = columns();
    let rows = rows(&mut random, &columns, 0..40);
    let world = World::new(&columns, &rows).await;
    let (mut compared, mut pages) = (0, 0);
    while compared < orders {
        let text = random_order(&mut random);
        let Ok(query) = world.bind(0, &[("$orderby", &text)]) else { continue };
        if wanted(&world, 0, &query).is_none() {
            continue;
        }
        compared += 1;
        let size = random.u64(3..25);
        for (kind, name) in KINDS.into_iter().enumerate() {
            let query = world.bind(kind, &[("$orderby", &text)]).unwrap();
            let Some(wanted) = wanted(&world, kind, &query) else { continue };
            let (mut read, mut position) = (Vec::new(), None);
            loop {
                let (keys, next) =
                    page(&world, &query, size, position).await.unwrap_or_else(|error| panic!("seed {seed}: {name}: {text}: {error:?}"));
                assert!(
                    keys.len() as u64 == size || next.is_none(),
                    "seed {seed}: {name}: {text}: a page of {} rows and more to come",
                    keys.len()
                );
                read.extend(keys);
                pages += 1;
                position = next;
                if position.is_none() || read.len() > 2 * wanted.len() {
                    break;
                }
            }
            assert_eq!(read, wanted, "seed {seed}: {name}: $orderby={text} in pages of {size}");
        }
    }
    println!("{compared} orders, {pages} pages");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_between_pages_shift_nothing() {
    later_rows_shift_nothing(random_order, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_between_pages_shift_nothing_along_paths() {
    later_rows_shift_nothing(random_order_along_paths, 6).await;
}

async fn later_rows_shift_nothing(random_order: fn(&mut Rng) -> String, orders: usize) {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let columns = columns();
    let initial = rows(&mut random, &columns, 0..30);
    let mut world = World::new(&columns, &initial).await;
    let mut next_id = 1_000;
    for _ in 0..orders {
        let text = loop {
            let text = random_order(&mut random);
            let bound = world.bind(0, &[("$orderby", &text)]);
            if bound.is_ok_and(|query| wanted(&world, 0, &query).is_some()) {
                break text;
            }
        };
        let queries: Vec<BoundQuery> = (0..KINDS.len()).map(|kind| world.bind(kind, &[("$orderby", &text)]).unwrap()).collect();
        let before: Vec<Option<Vec<i64>>> = queries.iter().enumerate().map(|(kind, query)| wanted(&world, kind, query)).collect();
        let size = random.u64(4..12);
        let mut read: Vec<Vec<i64>> = vec![Vec::new(); KINDS.len()];
        let mut positions: Vec<Option<Vec<Value>>> = vec![None; KINDS.len()];
        let mut done = vec![false; KINDS.len()];
        let mut came = Vec::new();
        while done.contains(&false) {
            for kind in 0..KINDS.len() {
                if done[kind] || before[kind].is_none() {
                    done[kind] = true;
                    continue;
                }
                let position = positions[kind].take();
                let last = read[kind].last().copied();
                let outcome = page(&world, &queries[kind], size, position).await;
                let (keys, next) = match outcome {
                    Ok(answer) => answer,
                    // A row that came since has no value for one of the keys.
                    Err(_) if wanted(&world, kind, &queries[kind]).is_none() => {
                        done[kind] = true;
                        continue;
                    }
                    Err(error) => panic!("seed {seed}: {}: {text}: {error:?}", KINDS[kind]),
                };
                if let Some(now) = wanted(&world, kind, &queries[kind]) {
                    // Exactly the rows that follow the last one read, as things are now.
                    let from = last.map_or(0, |last| now.iter().position(|key| *key == last).expect("it is still there") + 1);
                    let expected: Vec<i64> = now[from..].iter().copied().take(keys.len()).collect();
                    assert_eq!(keys, expected, "seed {seed}: {}: $orderby={text} in pages of {size}, after {last:?}", KINDS[kind]);
                }
                read[kind].extend(keys);
                done[kind] = next.is_none();
                positions[kind] = next;
            }
            if came.len() < 4 {
                let row = rows(&mut random, &columns, next_id..next_id + 1).remove(0);
                world.insert(&row).await;
                came.push(next_id);
                next_id += 1;
            }
        }
        for (kind, before) in before.into_iter().enumerate() {
            if wanted(&world, kind, &queries[kind]).is_some() {
                let old: Vec<i64> = read[kind].iter().copied().filter(|key| !came.contains(key)).collect();
                assert_eq!(Some(old), before, "seed {seed}: {}: $orderby={text} in pages of {size}", KINDS[kind]);
            }
        }
    }
}
