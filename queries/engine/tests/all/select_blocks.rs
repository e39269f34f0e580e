//! Whole select blocks: random SQL with joins, groups, nested blocks, unions and sub-queries means the same over one source, over several, and
//! where nothing is pushed down. `PORTICO_SEED` repeats a run, `PORTICO_CASES` changes the number of statements.

use crate::harness::{context, principal};
use crate::kinds::{Column, KINDS, World};
use crate::null_logic::{number, seed};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use fastrand::Rng;
use futures::StreamExt;
use portico_engine::{Answer, EngineError, SqlStatement, Statement};
use portico_provider_api::{ScalarType, Value};

const DECIMAL: ScalarType = ScalarType::Decimal { precision: 9, scale: 2 };

pub fn columns() -> Vec<Column> {
    let column = |name, scalar_type, nullable| Column { name, scalar_type, nullable };
    vec![
        column("Id", ScalarType::Int64, false),
        column("N", ScalarType::Int32, true),
        column("M", ScalarType::Int64, true),
        column("S", ScalarType::Text, true),
        column("D", DECIMAL, true),
        column("B", ScalarType::Boolean, true),
        column("T", ScalarType::Date, true),
        column("G", ScalarType::Guid, true),
    ]
}

pub fn rows(random: &mut Rng) -> Vec<Vec<Value>> {
    let texts = ["", "a", "A", "ab", "é", "a ", "𝔸", "%"];
    // Such as every kind stores as they are.
    let guids = ["00000000-0000-0000-8000-000000000000", "6f9619ff-8b86-d011-842d-00c04fc964ff"];
    (0..30)
        .map(|id| {
            let mut row = vec![
                Value::Int64(id),
                Value::Int32(random.i32(-3..4)),
                Value::Int64(random.i64(0..30)),
                Value::text(texts[random.usize(0..texts.len())]),
                Value::Decimal { unscaled: random.i64(-300..300).into(), precision: 9, scale: 2 },
                Value::Boolean(random.bool()),
                Value::Date(random.i32(-400..400)),
                Value::Guid(guids[random.usize(0..2)].to_owned()),
            ];
            for cell in &mut row[1..] {
                if random.u8(0..5) == 0 {
                    *cell = Value::Null(cell.scalar_type());
                }
            }
            row
        })
        .collect()
}

/// Writes statements in which `{0}`, `{1}`, `{2}` stand for tables.
pub struct Writer<'a> {
    pub random: &'a mut Rng,
}

impl Writer<'_> {
    fn pick<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.random.usize(0..choices.len())]
    }

    fn column(&mut self, aliases: &[&str]) -> String {
        let alias = self.pick(aliases).to_owned();
        format!("{alias}.{}", self.pick(&["Id", "N", "M", "S", "D", "B", "T", "G"]))
    }

    fn number(&mut self, aliases: &[&str]) -> String {
        let alias = self.pick(aliases).to_owned();
        match self.random.u8(0..8) {
            0 => format!("({alias}.N + {alias}.M)"),
            1 => format!("({alias}.D * {alias}.N)"),
            2 => format!("CASE WHEN {alias}.B THEN {alias}.D ELSE -{alias}.D END"),
            3 => format!("({alias}.D / 7)"),
            _ => format!("{alias}.{}", self.pick(&["N", "M", "D", "Id"])),
        }
    }

    fn predicate(&mut self, aliases: &[&str], depth: u8) -> String {
        if depth > 0 && self.random.bool() {
            let (left, right) = (self.predicate(aliases, depth - 1), self.predicate(aliases, depth - 1));
            return match self.random.u8(0..5) {
                0 => format!("NOT ({left})"),
                1 | 2 => format!("({left} OR {right})"),
                _ => format!("({left} AND {right})"),
            };
        }
        let op = self.pick(&["=", "<>", "<", "<=", ">", ">="]);
        let one = self.pick(aliases).to_owned();
        let other = self.pick(aliases).to_owned();
        match self.random.u8(0..12) {
            0 => format!("{} {op} {}", self.number(aliases), self.random.i32(-3..10)),
            1 => format!("{one}.S {op} {}", self.pick(&["'a'", "'A'", "'é'", "''", "'a '"])),
            2 => format!("{one}.S LIKE {}", self.pick(&["'a%'", "'%'", "'_'"])),
            3 => format!("{one}.{0} IS {1}NULL", self.pick(&["N", "S", "D", "B", "T"]), self.pick(&["", "NOT "])),
            4 => format!("{one}.M {op} {other}.Id"),
            5 => format!("{one}.S {op} {other}.S"),
            6 => format!("{one}.D {op} {other}.N"),
            7 => format!("{one}.T {op} DATE '1970-01-01'"),
            8 => format!("{one}.N IN ({}, {}, 2, 3)", self.random.i32(-3..4), self.random.i32(-3..4)),
            9 => format!("{one}.B"),
            10 => format!("date_part('year', {one}.T) {op} 1970"),
            _ => format!("{one}.{0} IS {1}DISTINCT FROM {other}.{0}", self.pick(&["N", "S", "D", "T", "G"]), self.pick(&["", "NOT "])),
        }
    }

    /// A `FROM` clause, and the aliases in it.
    fn from(&mut self) -> (String, Vec<&'static str>) {
        let mut text = "{0} a".to_owned();
        let mut aliases = vec!["a"];
        for (alias, table) in [("b", "{1}"), ("c", "{2}")] {
            if self.random.u8(0..3) == 0 {
                break;
            }
            let other = self.pick(&aliases).to_owned();
            let on = match self.random.u8(0..6) {
                0 => format!("{other}.Id = {alias}.M"),
                1 => format!("{other}.S = {alias}.S"),
                2 => format!("{other}.N = {alias}.N AND {other}.B = {alias}.B"),
                3 => format!("{other}.M = {alias}.Id AND {other}.D < {alias}.D"),
                _ => format!("{other}.M = {alias}.Id"),
            };
            let kind = self.pick(&["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN"]);
            let table = match self.random.u8(0..6) {
                0 => format!("(SELECT DISTINCT Id, N, M, S, D, B, T, G FROM {table} WHERE Id < 20)"),
                1 => format!(
                    "(SELECT M AS Id, min(N) AS N, count(*) AS M, min(S) AS S, sum(D) AS D, true AS B, max(T) AS T, G FROM {table} GROUP BY M, G)"
                ),
                2 => format!("(SELECT * FROM {table} ORDER BY Id LIMIT 12)"),
                _ => table.to_owned(),
            };
            let narrowed = if table.starts_with("(SELECT M") { on.replace("c.D", "CAST(c.D AS DECIMAL(9,2))") } else { on };
            text.push_str(&format!(" {kind} {table} {alias} ON {narrowed}"));
            aliases.push(alias);
        }
        (text, aliases)
    }

    fn subquery_condition(&mut self, aliases: &[&str]) -> String {
        let one = self.pick(aliases).to_owned();
        let inner = self.predicate(&["x"], 1);
        match self.random.u8(0..6) {
            0 => format!("EXISTS (SELECT 1 FROM {{1}} x WHERE x.M = {one}.Id AND {inner})"),
            1 => format!("NOT EXISTS (SELECT 1 FROM {{1}} x WHERE x.M = {one}.Id AND {inner})"),
            2 => format!("{one}.M IN (SELECT x.Id FROM {{1}} x WHERE {inner})"),
            3 => format!("{one}.Id NOT IN (SELECT x.M FROM {{1}} x WHERE x.M IS NOT NULL AND {inner})"),
            4 => format!("{one}.N > (SELECT min(x.N) FROM {{1}} x WHERE {inner})"),
            _ => format!("{one}.D <= (SELECT avg(x.D) FROM {{1}} x WHERE x.S = {one}.S)"),
        }
    }

    fn aggregate(&mut self, aliases: &[&str]) -> String {
        let column = self.column(aliases);
        let number = self.number(aliases);
        let one = self.pick(aliases).to_owned();
        match self.random.u8(0..9) {
            0 => "count(*)".to_owned(),
            1 => format!("count({column})"),
            2 => format!("count(DISTINCT {column})"),
            3 => format!("sum({number})"),
            4 => format!("avg({number})"),
            5 => format!("min({one}.{})", self.pick(&["S", "N", "D", "T", "M"])),
            6 => format!("max({one}.{})", self.pick(&["S", "N", "D", "T", "M"])),
            7 => format!("sum({one}.D) FILTER (WHERE {})", self.predicate(aliases, 1)),
            _ => format!("sum(DISTINCT {one}.N)"),
        }
    }

    fn filter(&mut self, aliases: &[&str]) -> String {
        let mut parts = Vec::new();
        if self.random.u8(0..4) > 0 {
            parts.push(self.predicate(aliases, 2));
        }
        if self.random.u8(0..3) == 0 {
            parts.push(self.subquery_condition(aliases));
        }
        if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) }
    }

    /// Groups that are read more than once.
    fn named_groups(&mut self) -> String {
        let (from, aliases) = self.from();
        let filter = self.filter(&aliases);
        let (one, two) = (self.column(&aliases), self.column(&aliases));
        let value = self.pick(&["D", "N", "M"]);
        let groups = format!(
            "SELECT {one} AS k, {two} AS l, sum(a.{value}) AS s, count(*) AS n, max(a.S) AS t FROM {from}{filter} GROUP BY {one}, {two}"
        );
        let rows = match self.random.u8(0..5) {
            0 => "SELECT k, l, n FROM g WHERE s = (SELECT max(s) FROM g)",
            1 => "SELECT x.l, x.s, y.n FROM g x JOIN g y ON x.k = y.k WHERE x.n <= (SELECT min(n) FROM g WHERE s IS NOT NULL)",
            2 => "SELECT k, t FROM g WHERE n > 1 UNION ALL SELECT k, t FROM g WHERE l IS NOT NULL",
            3 => "SELECT z.Id, g.s FROM {2} z JOIN g ON g.n = z.M WHERE z.N < (SELECT max(n) FROM g)",
            _ => "SELECT t, count(*) AS n FROM g WHERE k NOT IN (SELECT k FROM g WHERE n > 2 AND k IS NOT NULL) GROUP BY t",
        };
        format!("WITH g AS ({groups}) {rows}")
    }

    /// The first rows of an order in which no two rows are equal, with something above that no source computes; or of several sources.
    fn first_rows(&mut self) -> String {
        let (filter, other) = (self.predicate(&["a"], 1), self.predicate(&["a"], 1));
        let key = self.pick(&["a.N", "a.M", "a.S", "a.D", "a.T", "a.D * 2"]);
        let order = format!("{key} {} NULLS {}, a.Id", self.pick(&["ASC", "DESC"]), self.pick(&["FIRST", "LAST"]));
        let end = format!("LIMIT {} OFFSET {}", self.random.u8(1..9), self.random.u8(0..4));
        match self.random.u8(0..4) {
            0 => format!("SELECT a.Id, regexp_replace(a.S, 'a', 'x') AS r, a.D FROM {{0}} a WHERE {filter} ORDER BY {order} {end}"),
            1 => format!(
                "SELECT a.Id, a.D, b.S, c.N FROM {{0}} a LEFT JOIN {{1}} b ON a.M = b.Id LEFT JOIN {{2}} c ON b.M = c.Id \
                 WHERE {filter} ORDER BY {order} {end}"
            ),
            2 => format!(
                "SELECT a.Id, b.D, regexp_replace(a.S, 'a', 'x') AS r FROM {{1}} b RIGHT JOIN {{0}} a ON b.Id = a.M ORDER BY {order} {end}"
            ),
            _ => format!(
                "SELECT a.Id, a.N, a.t FROM (SELECT Id, N, M, S, D, T, regexp_replace(S, 'a', 'x') AS t FROM {{0}} a WHERE {filter} \
                 UNION ALL SELECT Id + 100, M % 5, N, S, D, T, S || 'x' FROM {{1}} a WHERE {other}) a ORDER BY {order} {end}"
            ),
        }
    }

    /// Groups of what comes of two branches.
    fn groups_of_a_union(&mut self) -> String {
        let (one, two) = (self.predicate(&["a"], 1), self.predicate(&["a"], 1));
        let key = self.pick(&["k", "l", "k, l", "date_part('year', t)", "t"]);
        let call = self.pick(&["sum(n)", "sum(d)", "count(DISTINCT l)", "sum(m)", "avg(d)", "sum(d) FILTER (WHERE n > 0)", "sum(n + 1)"]);
        let union = format!(
            "(SELECT G AS k, S AS l, N AS n, M AS m, D AS d, T AS t FROM {{0}} a WHERE {one} \
             UNION ALL SELECT G, S, N, Id, D, T FROM {{1}} a WHERE {two}) u"
        );
        match self.random.u8(0..6) {
            4 => format!("SELECT S, M, sum(D) AS x, count(*) AS c FROM {{0}} a WHERE regexp_like(S, '[aé]') AND {one} GROUP BY S, M"),
            5 => format!(
                "SELECT b.S, sum(a.D) AS x FROM {{0}} a JOIN {{0}} b ON a.M = b.Id WHERE regexp_like(b.S, 'a') AND {one} GROUP BY b.S"
            ),
            0 => format!("SELECT {call} AS x, count(*) AS c, min(l) AS y, max(t) AS z, count(d) AS w FROM {union}"),
            1 => format!("SELECT DISTINCT {key} FROM {union}"),
            _ => format!("SELECT {key}, {call} AS x, count(*) AS c, min(d) AS y, max(l) AS z, count(n) AS w FROM {union} GROUP BY {key}"),
        }
    }

    pub fn statement(&mut self) -> String {
        match self.random.u8(0..12) {
            0 => return self.named_groups(),
            10 | 11 => return self.groups_of_a_union(),
            1 | 2 => return self.first_rows(),
            _ => {}
        }
        let (from, aliases) = self.from();
        let filter = self.filter(&aliases);
        match self.random.u8(0..6) {
            0 | 1 => {
                let keys: Vec<String> = (0..self.random.usize(1..3)).map(|_| self.column(&aliases)).collect();
                let mut calls: Vec<String> = (0..self.random.usize(1..4)).map(|_| self.aggregate(&aliases)).collect();
                calls.dedup();
                let having = if self.random.u8(0..3) == 0 { " HAVING count(*) > 1" } else { "" };
                let list: Vec<String> = keys.iter().chain(&calls).enumerate().map(|(at, text)| format!("{text} AS o{at}")).collect();
                format!("SELECT {} FROM {from}{filter} GROUP BY {}{having}", list.join(", "), keys.join(", "))
            }
            2 => format!("SELECT {} AS x, {} AS y FROM {from}{filter}", self.aggregate(&aliases), self.aggregate(&aliases)),
            3 => {
                let (one, two) = (self.column(&aliases), self.column(&aliases));
                format!("SELECT DISTINCT {one} AS x, {two} AS y FROM {from}{filter}")
            }
            4 => {
                let ids: Vec<String> = aliases.iter().map(|alias| format!("{alias}.Id")).collect();
                let order: Vec<String> = ids.iter().map(|id| format!("{id} DESC NULLS LAST")).collect();
                let number = self.number(&aliases);
                // Blocks without a key are ordered by all that they return.
                let rest = aliases
                    .iter()
                    .map(|alias| format!("{alias}.N, {alias}.M, {alias}.S, {alias}.D, {alias}.G"))
                    .collect::<Vec<_>>()
                    .join(", ");
                format!(
                    "SELECT {} AS v, {} FROM {from}{filter} ORDER BY {}, {rest} LIMIT {} OFFSET {}",
                    number,
                    ids.iter().enumerate().map(|(at, id)| format!("{id} AS i{at}")).collect::<Vec<_>>().join(", "),
                    order.join(", "),
                    self.random.u8(1..20),
                    self.random.u8(0..3)
                )
            }
            _ => {
                let (number, other) = (self.number(&aliases), self.pick(&["N", "Id", "M"]));
                format!(
                    "SELECT count(*) AS n, sum(u.x) AS s FROM (SELECT {number} AS x FROM {from}{filter} UNION ALL SELECT {other} FROM {{2}} WHERE B) u WHERE u.x > -2"
                )
            }
        }
    }
}

async fn answered(world: &World, text: &str) -> Result<String, EngineError> {
    let statement = Statement::Sql(SqlStatement { text: text.to_owned(), parameters: Vec::new() });
    let context = context(&principal("all"));
    let plan = world.engine.plan(&statement, &context.principal)?;
    let pushed = world.engine.push_down(world.engine.permit(plan, &context.principal)?)?;
    let Answer::Table(mut answer) = world.engine.execute(pushed, &context).await? else { panic!("not a table") };
    let mut batches: Vec<RecordBatch> = Vec::new();
    while let Some(batch) = answer.batches.next().await {
        batches.push(batch?);
    }
    let shown = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<&str> = shown.lines().skip(3).filter(|line| line.starts_with('|')).collect();
    if !text.contains("ORDER BY a.") {
        lines.sort_unstable();
    }
    Ok(lines.join("\n"))
}

pub fn over(text: &str, tables: [&str; 3]) -> String {
    tables.iter().enumerate().fold(text.to_owned(), |text, (at, table)| text.replace(&format!("{{{at}}}"), table))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_statements_mean_the_same_wherever_they_are_evaluated() {
    let seed = seed();
    let cases = number("PORTICO_CASES").unwrap_or(150);
    let mut random = Rng::with_seed(seed);
    let rows = rows(&mut random);
    let world = World::new(&columns(), &rows).await;
    let (mut whole, mut refused, mut differences) = (0_u64, 0_u64, Vec::new());
    for _ in 0..cases {
        let text = Writer { random: &mut random }.statement();
        let wanted = match answered(&world, &over(&text, ["Incapable"; 3])).await {
            Ok(wanted) => wanted,
            Err(EngineError::Arithmetic(_)) => continue,
            // What DataFusion does not plan, it plans nowhere.
            Err(EngineError::Unsupported(_) | EngineError::Invalid(_)) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("seed {seed}: {text}: {error:?}"),
        };
        let mut places: Vec<[&str; 3]> = KINDS.into_iter().filter(|kind| *kind != "Incapable").map(|kind| [kind; 3]).collect();
        places.push(std::array::from_fn(|_| KINDS[random.usize(0..KINDS.len())]));
        for tables in places {
            let placed = over(&text, tables);
            world.forget();
            match answered(&world, &placed).await {
                Ok(came) if came == wanted => {}
                Ok(came) => {
                    differences.push(format!("{placed}\n  sent: {}\n  wanted\n{wanted}\n  came\n{came}", world.sent().join("\n    ")))
                }
                Err(error) => differences.push(format!("{placed}\n  sent: {}\n  failed: {error:?}", world.sent().join("\n    "))),
            }
            whole += u64::from(tables[0] == "Postgres" && tables[1] == "Postgres" && world.sent().len() == 1);
        }
        assert!(differences.len() < 3, "seed {seed}: the first differences:\n{}", differences.join("\n\n"));
    }
    assert!(differences.is_empty(), "seed {seed}: {} differences:\n{}", differences.len(), differences.join("\n\n"));
    println!("{cases} statements, {refused} refused, {whole} were one request to PostgreSQL");
    assert!(refused * 10 < cases, "{refused} of {cases} statements were refused");
    assert!(whole * 10 > cases * 6, "only {whole} of {cases} statements were one request to PostgreSQL");
}
