//! Null logic: random OData expressions over random rows give what the specification says, whatever the source is and however much of
//! the expression it evaluates. `PORTICO_SEED` repeats a run, `PORTICO_CASES` changes the number of expressions.

use crate::kinds::{KINDS, World};
use crate::odata_random::{Writer, columns, literal, rows};
use crate::odata_reference::{BEYOND, Fault, Reference, sort_order};
use fastrand::Rng;
use portico_engine::{EngineError, Paging};
use portico_odata::{BoundExpr, ODataErrorKind};
use portico_provider_api::{SourceErrorKind, Value};
use std::time::{SystemTime, UNIX_EPOCH};

/// More expressions than these are asked over several sets of rows.
const CASES_PER_WORLD: u64 = 1_250;

pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

pub fn seed() -> u64 {
    let seed = number("PORTICO_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed} (set PORTICO_SEED to repeat)");
    seed
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

pub fn key(row: &[Value]) -> i64 {
    match row[0] {
        Value::Int64(key) => key,
        ref other => panic!("{other:?} is no key"),
    }
}

/// What the specification says of an expression over all rows.
pub struct Verdict {
    pub outcomes: Vec<(i64, Result<Value, Fault>)>,
    /// Whether some part of it fails on some row, so that the request may.
    pub may_fail: bool,
    /// Whether the interpreter has no opinion on some row.
    pub beyond: bool,
}

pub fn verdict(world: &World, kind: usize, expression: &BoundExpr) -> Verdict {
    let (mut may_fail, now, related) = (false, now(), world.related(kind));
    let outcomes: Vec<(i64, Result<Value, Fault>)> = world.rows[kind]
        .iter()
        .map(|row| {
            let reference = Reference::new(row, &related, &world.nullable, now);
            let outcome = reference.value_and_elsewhere(expression);
            may_fail |= reference.faulty.get();
            (key(row), outcome)
        })
        .collect();
    let long = |value: &Value| matches!(value, Value::Decimal { unscaled, .. } if unscaled.to_i128().is_none());
    let beyond = outcomes.iter().any(|(_, outcome)| outcome.as_ref().map_or_else(|fault| *fault == BEYOND, long));
    Verdict { outcomes, may_fail, beyond }
}

/// The keys of the rows where the condition is true; `Err` when the request must fail.
fn kept(world: &World, kind: usize, condition: &BoundExpr) -> Result<Vec<i64>, Fault> {
    let (now, related) = (now(), world.related(kind));
    let mut kept = Vec::new();
    for row in &world.rows[kind] {
        if Reference::new(row, &related, &world.nullable, now).keeps(condition)? {
            kept.push(key(row));
        }
    }
    Ok(kept)
}

impl Verdict {
    fn sorted(&self, descending: bool) -> Result<Vec<i64>, Fault> {
        let mut sorted = Vec::new();
        for (key, outcome) in &self.outcomes {
            sorted.push((outcome.as_ref().map_err(Clone::clone)?, *key));
        }
        sorted.sort_by(|left, right| {
            let order = sort_order(left.0, right.0);
            if descending { order.reverse() } else { order }.then(left.1.cmp(&right.1))
        });
        Ok(sorted.into_iter().map(|(_, key)| key).collect())
    }
}

fn is_constant(expression: &BoundExpr) -> bool {
    !["Column(", "Path {", "Related {"].iter().any(|reference| format!("{expression:?}").contains(reference))
}

/// What differs between what is wanted and what came; `None` when nothing does.
fn difference(wanted: &Result<Vec<i64>, Fault>, may_fail: bool, came: &Result<Vec<i64>, EngineError>) -> Option<String> {
    match (wanted, came) {
        (Ok(wanted), Ok(came)) if wanted == came => None,
        (Ok(wanted), Ok(came)) => {
            let only = |left: &[i64], right: &[i64]| left.iter().filter(|key| !right.contains(key)).copied().collect::<Vec<_>>();
            let (missing, surplus) = (only(wanted, came), only(came, wanted));
            Some(match missing.is_empty() && surplus.is_empty() {
                true => format!("in another order: wanted {wanted:?}, came {came:?}"),
                false => format!("missing {missing:?}, too many {surplus:?}"),
            })
        }
        (Err(Fault(why)), Ok(_)) => Some(format!("answered although: {why}")),
        (_, Err(error)) if may_fail && is_about_data(error) => None,
        (_, Err(error)) => Some(format!("failed: {error:?}")),
    }
}

/// Overflow, division by zero and the like: something about the values, not about the gateway.
fn is_about_data(error: &EngineError) -> bool {
    match error {
        EngineError::Arithmetic(_) | EngineError::Invalid(_) => true,
        EngineError::Source(error) => error.kind == SourceErrorKind::Data,
        _ => false,
    }
}

/// The rows that an answer is wrong about, for the message.
fn shown(world: &World, kind: usize, text: &str, difference: &str) -> String {
    let wrong = world.rows[kind].iter().filter(|row| {
        let key = key(row).to_string();
        difference.split(|c: char| !c.is_ascii_digit()).any(|word| word == key)
    });
    let named = |row: &Vec<Value>| {
        let cells = world.view.tables[KINDS[kind]].table.columns.iter().zip(row);
        let named = |name: &str| name == "Id" || text.split(|c: char| !c.is_alphanumeric()).any(|word| word == name);
        let cells = cells.filter(|(column, _)| named(&column.name));
        cells.map(|(column, value)| format!("{}={}", column.name, literal(value))).collect::<Vec<_>>().join(" ")
    };
    wrong.take(3).map(|row| format!("\n  {}", named(row))).collect()
}

#[derive(Default)]
pub struct Tally {
    pub evaluations: usize,
    may_fail: usize,
    pub refused: usize,
    beyond: usize,
    pushed: usize,
    pub differences: Vec<String>,
}

impl Tally {
    fn add(&mut self, part: Tally) {
        self.evaluations += part.evaluations;
        self.may_fail += part.may_fail;
        self.refused += part.refused;
        self.beyond += part.beyond;
        self.pushed += part.pushed;
        self.differences.extend(part.differences);
    }
}

/// A condition, half of the time one that compares with what it is worth in some row, so that the value itself is seen.
fn condition(world: &World, writer: &mut Writer<'_>) -> String {
    if writer.random.bool() {
        return writer.condition(3);
    }
    let class = writer.class();
    let operand = writer.operand(class, 3);
    let bound = match world.bind(0, &[("$orderby", &operand)]) {
        Ok(query) => query.order_by.into_iter().next().unwrap().expr,
        Err(_) => return writer.condition(3),
    };
    let row = &world.rows[0][writer.random.usize(0..world.rows[0].len())];
    match Reference::new(row, &world.related(0), &world.nullable, 0).value(&bound) {
        Ok(value) if !operand.contains("now()") => {
            let op = ["eq", "ne", "lt", "le", "gt", "ge"][writer.random.usize(0..6)];
            let plain = format!("{operand} {op} {}", literal(&value));
            if writer.random.u8(0..4) == 0 { format!("not ({plain})") } else { plain }
        }
        _ => writer.condition(3),
    }
}

pub async fn filter_case(world: &World, text: &str, tally: &mut Tally) {
    for (kind, name) in KINDS.into_iter().enumerate() {
        let query = match world.bind(kind, &[("$filter", text)]) {
            Ok(query) => query,
            Err(error) => {
                assert_eq!(error.kind, ODataErrorKind::BadRequest, "{text}: {}", error.message);
                tally.refused += 1;
                return;
            }
        };
        let condition = query.filter.clone().unwrap();
        let verdict = verdict(world, kind, &condition);
        world.memory.clear_log();
        if verdict.beyond {
            tally.beyond += 1;
            return;
        }
        let came = world.keys(query, Paging::default()).await.map(|(mut keys, _)| {
            keys.sort_unstable();
            keys
        });
        tally.pushed += usize::from(kind == 0 && world.memory.log().iter().any(|query| query.filter.is_some()));
        count(
            world,
            tally,
            kind,
            name,
            &format!("$filter={text}"),
            &verdict,
            difference(&kept(world, kind, &condition), verdict.may_fail, &came),
        );
    }
}

async fn order_case(world: &World, text: &str, descending: bool, tally: &mut Tally) {
    let text = if descending { format!("{text} desc") } else { text.to_owned() };
    for (kind, name) in KINDS.into_iter().enumerate() {
        let query = match world.bind(kind, &[("$orderby", &text)]) {
            Ok(query) => query,
            Err(error) => {
                assert_eq!(error.kind, ODataErrorKind::BadRequest, "{text}: {}", error.message);
                tally.refused += 1;
                return;
            }
        };
        let verdict = verdict(world, kind, &query.order_by[0].expr);
        if verdict.beyond {
            tally.beyond += 1;
            return;
        }
        if verdict.may_fail && is_constant(&query.order_by[0].expr) {
            // It orders nothing, so nobody has to compute it.
            return;
        }
        let came = world.keys(query, Paging::default()).await.map(|(keys, _)| keys);
        let differs = difference(&verdict.sorted(descending), verdict.may_fail, &came);
        count(world, tally, kind, name, &format!("$orderby={text}"), &verdict, differs);
    }
}

fn count(world: &World, tally: &mut Tally, kind: usize, name: &str, text: &str, verdict: &Verdict, differs: Option<String>) {
    tally.evaluations += verdict.outcomes.len();
    tally.may_fail += usize::from(verdict.may_fail);
    if let Some(differs) = differs {
        tally.differences.push(format!("{name}: {text}\n  {differs}{}", shown(world, kind, text, &differs)));
    }
}

/// Expressions over rows of their own in sources of their own, all from one seed.
async fn compared(seed: u64, cases: u64) -> Tally {
    let mut random = Rng::with_seed(seed);
    let columns = columns();
    let rows = rows(&mut random, &columns, 0..60);
    let world = World::new(&columns, &rows).await;
    let mut tally = Tally::default();
    for case in 0..cases {
        let mut writer = Writer::new(&mut random);
        if case % 4 == 0 {
            let class = writer.class();
            let (text, descending) = (writer.operand(class, 2), writer.random.bool());
            if !text.contains("Bytes") && !text.contains("Blob") && !text.starts_with("binary") {
                order_case(&world, &text, descending, &mut tally).await;
            }
        } else {
            let text = condition(&world, &mut writer);
            filter_case(&world, &text, &mut tally).await;
        }
    }
    tally
}

/// In parts that run side by side, each with a seed that follows from the first.
async fn compare_with_the_specification(cases: u64) {
    let (seed, started) = (seed(), std::time::Instant::now());
    let parts = cases.div_ceil(CASES_PER_WORLD);
    let running: Vec<_> = (0..parts).map(|part| tokio::spawn(compared(seed.wrapping_add(part), cases.div_ceil(parts)))).collect();
    let mut whole = Tally::default();
    for part in running {
        whole.add(part.await.unwrap());
    }
    let Tally { evaluations, may_fail, refused, beyond, pushed, differences } = whole;
    println!(
        "{cases} expressions, {evaluations} evaluations in {:?}: {refused} refused by the binder, {beyond} beyond the reference, {may_fail} may fail, {pushed} filters pushed down",
        started.elapsed()
    );
    let shown: Vec<&String> = differences.iter().take(number("PORTICO_SHOW").and_then(|n| usize::try_from(n).ok()).unwrap_or(5)).collect();
    assert!(
        differences.is_empty(),
        "seed {seed}: {} differences, the first:\n{}",
        differences.len(),
        shown.iter().map(|s| s.as_str()).collect::<Vec<_>>().join("\n")
    );
    assert!((refused + beyond) as u64 * 20 < cases, "{refused} of {cases} expressions were refused, {beyond} beyond the reference");
    assert!(may_fail * 3 < cases as usize * KINDS.len(), "{may_fail} of {} answers could fail", cases as usize * KINDS.len());
    assert!(pushed as u64 * 4 > cases, "hardly anything was pushed down: {pushed} of {cases}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expressions_mean_what_the_specification_says() {
    compare_with_the_specification(number("PORTICO_CASES").unwrap_or(300)).await;
}

/// What random expressions were once wrong about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expressions_that_failed_once() {
    let columns = columns();
    let rows = rows(&mut Rng::with_seed(1), &columns, 0..60);
    let (world, mut tally) = (World::new(&columns, &rows).await, Tally::default());
    for text in [
        "-28800 le year(Day)",
        "year(Due) lt 300000",
        "year(Due) ne -9000 and Due lt 9999-12-31",
        "length(substring(substring(null,1),1,N)) le null",
        "((totalseconds(duration'P1D') add year(Stamp)) mul totalseconds(duration'PT0S')) lt 0.000000000000",
        "floor(-(Big)) lt 7",
        "(N sub N) sub Big le 0",
    ] {
        filter_case(&world, text, &mut tally).await;
    }
    assert!(tally.differences.is_empty(), "{}", tally.differences.join("\n"));
    assert_eq!((tally.refused, tally.beyond), (0, 0));
}

/// Many more, which takes minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long"]
async fn ten_thousand_expressions_mean_what_the_specification_says() {
    compare_with_the_specification(10_000).await;
}
