//! `$levels=max` over rows that are related in circles: every branch ends at a row that it has met already, with a reference to it, or
//! where the service stops. What is expected is walked by hand. `PORTICO_SEED` repeats a run.

use crate::kinds::{KINDS, World, numbers};
use crate::null_logic::{key, seed};
use crate::odata_random::{columns, rows};
use fastrand::Rng;
use portico_engine::Paging;
use portico_odata::EntityBatch;
use portico_odata::bind::MAX_EXPAND_DEPTH;
use portico_provider_api::Value;
use std::fmt::Write as _;

/// Rows of a batch with all that is below them: `1(2(@1),3())`.
fn shown(batch: &EntityBatch, row: usize) -> String {
    let mut text = format!("{}", numbers(batch, 0)[row]);
    if let Some(children) = batch.expanded.first() {
        let below = children.ranges[row].clone().map(|child| match &children.circular {
            Some(circular) if circular[child] => format!("@{}", numbers(&children.entities, 0)[child]),
            _ => shown(&children.entities, child),
        });
        write!(text, "({})", below.collect::<Vec<_>>().join(",")).unwrap();
    }
    text
}

/// The same, from the rows: `links` gives the keys that a row leads to.
fn walked(path: &mut Vec<i64>, links: &dyn Fn(i64) -> Vec<i64>) -> String {
    let own = *path.last().unwrap();
    let mut text = own.to_string();
    if path.len() <= MAX_EXPAND_DEPTH {
        let below = links(own).into_iter().map(|next| {
            if path.contains(&next) {
                return format!("@{next}");
            }
            path.push(next);
            let below = walked(path, links);
            path.pop();
            below
        });
        write!(text, "({})", below.collect::<Vec<_>>().join(",")).unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circles_end_with_references() {
    let seed = seed();
    let mut random = Rng::with_seed(seed);
    let columns = columns();
    let world = World::new(&columns, &rows(&mut random, &columns, 0..24)).await;
    let big = columns.iter().position(|column| column.name == "Big").unwrap();
    let rows: Vec<(i64, i64)> =
        world.rows[0].iter().filter_map(|row| if let Value::Int64(big) = row[big] { Some((key(row), big)) } else { None }).collect();
    let known = |id: i64| world.rows[0].iter().any(|row| key(row) == id);
    let next = |id: i64| rows.iter().filter(|row| row.0 == id && known(row.1)).map(|row| row.1).collect::<Vec<_>>();
    let previous = |id: i64| rows.iter().filter(|row| row.1 == id).map(|row| row.0).collect::<Vec<_>>();
    let mut circles = 0;
    for (name, options, links) in [
        ("Next", "$select=Id", &next as &dyn Fn(i64) -> Vec<i64>),
        ("Previous", "$select=Id;$orderby=Id", &previous as &dyn Fn(i64) -> Vec<i64>),
    ] {
        let wanted: Vec<String> = world.rows[0].iter().map(|row| walked(&mut vec![key(row)], links)).collect();
        circles += wanted.iter().filter(|text| text.contains('@')).count();
        for (kind, kind_name) in KINDS.into_iter().enumerate() {
            let expand = format!("{name}($levels=max;{options})");
            let query = world.bind(kind, &[("$select", "Id"), ("$orderby", "Id"), ("$expand", &expand)]).unwrap();
            let (batches, _) =
                world.batches(query, Paging::default()).await.unwrap_or_else(|error| panic!("{kind_name} {name}: {error:?}"));
            let found: Vec<String> = batches.iter().flat_map(|batch| (0..batch.rows.num_rows()).map(|row| shown(batch, row))).collect();
            assert_eq!(found, wanted, "seed {seed}: {kind_name}: $expand={expand}");
        }
    }
    println!("{circles} rows lead into circles");
}
