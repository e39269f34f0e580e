//! A thousand faults between the gateway and its servers: connections that are reset, closed, half open, slow, that hang or carry garbage, and
//! servers that end their sessions as a restart does. An answer is whole and right, or it is none: never wrong, short or doubled.
//!
//! `PORTICO_FAULTS` is how often (100), `PORTICO_SEED` which faults; both are printed.

use super::fixture::{Database, FULL};
use super::gateway::{Gateway, sha256};
use super::proxy::{Fault, FaultyProxy};
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const ROWS: i64 = 4_000;
/// About what PostgreSQL or MariaDB sends for all of them.
const BYTES: u64 = 600_000;

/// A database of one's own at the MariaDB server, dropped at the end.
struct MariaDb {
    server: String,
    name: String,
}

impl MariaDb {
    async fn create() -> MariaDb {
        let server = std::env::var("PORTICO_TEST_MYSQL_URL").expect("PORTICO_TEST_MYSQL_URL is not set: run tests/run, or name a server");
        let name = format!("portico_{:016x}", fastrand::u64(..));
        let own = MariaDb { server, name };
        own.run(&format!("CREATE DATABASE {}", own.name)).await;
        own
    }

    async fn run(&self, sql: &str) {
        let mut connection = mysql_async::Conn::from_url(&self.server).await.expect("MariaDB answers");
        for statement in sql.split(";\n").filter(|statement| !statement.trim().is_empty()) {
            connection.query_drop(statement).await.unwrap_or_else(|error| panic!("{error}: {statement}"));
        }
        connection.disconnect().await.unwrap();
    }

    /// The server's address, and the database's url through a proxy.
    fn through(&self, port: u16) -> (String, String) {
        let (scheme, rest) = self.server.split_once("://").unwrap();
        let authority = rest.split('/').next().unwrap();
        let (user, address) = authority.rsplit_once('@').unwrap_or(("", authority));
        (address.to_owned(), format!("{scheme}://{user}@127.0.0.1:{port}/{}", self.name))
    }

    /// Ends all sessions in the database, as a restart does.
    async fn end_sessions(&self) {
        let mut connection = mysql_async::Conn::from_url(&self.server).await.expect("MariaDB answers");
        let list = format!("SELECT id FROM information_schema.processlist WHERE db = '{}'", self.name);
        let ids: Vec<u64> = connection.query(list).await.unwrap();
        for id in ids {
            // One that has ended meanwhile is no mistake.
            let _ = connection.query_drop(format!("KILL CONNECTION {id}")).await;
        }
        connection.disconnect().await.unwrap();
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let Ok(mut connection) = mysql_async::Conn::from_url(&server).await else { return };
                let _ = connection.query_drop(format!("DROP DATABASE IF EXISTS {name}")).await;
                let _ = connection.disconnect().await;
            });
        });
        let _ = dropped.join();
    }
}

const CONFIG: &str = r#"
sources:
  billing: { kind: postgres, url: { env: TEST_BILLING_URL }, limits: { timeout: 2s, connections: 4 } }
  shop: { kind: mysql, url: { env: TEST_SHOP_URL }, limits: { timeout: 2s, connections: 4 } }
tables:
  Orders:
    source: billing
    remote: orders
    relationships: { Items: { to: Items, on: { id: order_id }, many: true } }
  Items: { source: shop, remote: items }
access:
  roles: { full: { Orders: {}, Items: {} } }
  keys: { full: { sha256: "{full}", roles: [full] } }
"#;

/// Questions in an order, so that an answer is one text: of either server alone, and of both.
const PATHS: [&str; 4] = [
    "/odata/Orders?$orderby=id",
    "/odata/Items?$orderby=id",
    "/odata/Orders?$orderby=id&$expand=Items($orderby=id)",
    "/odata/Items?$orderby=id&$filter=amount gt 10&$count=true",
];
const JOIN: &str =
    "SELECT o.id, o.note, i.id AS item, i.amount FROM \"Orders\" o JOIN \"Items\" i ON i.order_id = o.id ORDER BY o.id, i.id";

struct World {
    database: Database,
    mariadb: MariaDb,
    proxies: [FaultyProxy; 2],
    gateway: Gateway,
    _directory: tempfile::TempDir,
}

async fn world() -> World {
    let (database, mariadb) = (Database::create().await, MariaDb::create().await);
    let fill = format!(
        "CREATE TABLE orders (id bigint PRIMARY KEY, note text NOT NULL);
         INSERT INTO orders SELECT g, repeat(md5(g::text), 4) FROM generate_series(1, {ROWS}) g; ANALYZE orders;"
    );
    database.run(&fill).await;
    let name = &mariadb.name;
    let fill = format!(
        "CREATE TABLE {name}.items (id BIGINT PRIMARY KEY, order_id BIGINT NOT NULL, amount DECIMAL(12,2) NOT NULL, note VARCHAR(200) NOT NULL);\n\
         INSERT INTO {name}.items SELECT seq, 1 + seq * 7 % {ROWS}, seq / 100, REPEAT(MD5(seq), 4) FROM {name}_numbers;\n"
    );
    // Numbers without a table of them.
    let numbers =
        format!("(WITH RECURSIVE n (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < {ROWS}) SELECT seq FROM n) AS numbers");
    mariadb.run(&format!("SET max_recursive_iterations = 1000000;\n{}", fill.replace(&format!("{name}_numbers"), &numbers))).await;
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let (authority, own) = rest.split_once('/').unwrap();
    let (user, address) = authority.rsplit_once('@').map_or((String::new(), authority), |(user, address)| (format!("{user}@"), address));
    let billing = FaultyProxy::start(address.to_owned()).await;
    let shop = FaultyProxy::start(mariadb.through(0).0).await;
    let urls = [format!("{scheme}://{user}127.0.0.1:{}/{own}", billing.port), mariadb.through(shop.port).1];
    let directory = tempfile::tempdir().unwrap();
    let environment = [("TEST_BILLING_URL", urls[0].as_str()), ("TEST_SHOP_URL", urls[1].as_str())];
    let gateway = Gateway::start(directory.path(), &CONFIG.replace("{full}", &sha256(FULL)), &environment).await.ready().await;
    World { database, mariadb, proxies: [billing, shop], gateway, _directory: directory }
}

/// What a client has seen of an answer.
#[derive(Debug, PartialEq)]
enum Seen {
    /// A whole answer, by its status and text.
    Whole(u16, String),
    /// One that broke off.
    Broken,
}

async fn ask(gateway: &Gateway, question: usize) -> Seen {
    let response = match PATHS.get(question) {
        Some(path) => gateway.get(path, FULL).await,
        None => gateway.sql(JOIN, FULL).await,
    };
    let status = response.status().as_u16();
    response.text().await.map_or(Seen::Broken, |text| Seen::Whole(status, text))
}

/// Does a fault to one of the servers. With a pause before it, an answer has begun.
async fn inflict(world: &World, server: usize, kind: u32, random: &mut fastrand::Rng) -> &'static str {
    let bytes = random.u64(0..BYTES * 6 / 5);
    let (fault, name) = match kind {
        0 => (Fault::Reset(bytes), "reset"),
        1 => (Fault::Close(bytes), "close"),
        2 => (Fault::HalfOpen(bytes), "half open"),
        3 => (Fault::Garbage(bytes), "garbage"),
        4 => (Fault::Slow(random.usize(500..9_000)), "slow"),
        5 => {
            tokio::time::sleep(Duration::from_millis(random.u64(0..60))).await;
            (Fault::Hang, "hang")
        }
        _ => {
            tokio::time::sleep(Duration::from_millis(random.u64(0..60))).await;
            if server == 0 {
                let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                           WHERE datname = current_database() AND pid <> pg_backend_pid()";
                world.database.number(sql).await;
            } else {
                world.mariadb.end_sessions().await;
            }
            (Fault::None, "restart")
        }
    };
    world.proxies[server].set(fault);
    name
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_wrong_short_or_doubled_whatever_happens_on_the_way() {
    let (times, seed) = (number("PORTICO_FAULTS", 100), number("PORTICO_SEED", fastrand::u64(..)));
    println!("{times} faults with PORTICO_SEED={seed}");
    let world = world().await;
    let mut expected = Vec::new();
    for question in 0..=PATHS.len() {
        let Seen::Whole(200, text) = ask(&world.gateway, question).await else {
            panic!("question {question} is not answered without a fault")
        };
        assert!(text.len() > 100_000, "{text}");
        expected.push(text);
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut outcomes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for time in 0..times {
        let (server, kind, question) = (random.usize(0..2), random.u32(0..7), random.usize(0..expected.len()));
        let (seen, fault) = tokio::join!(ask(&world.gateway, question), inflict(&world, server, kind, &mut random));
        let outcome = match seen {
            Seen::Whole(200, text) => {
                assert!(
                    text == expected[question],
                    "time {time}, {fault}: question {question} is answered with {} bytes that are wrong",
                    text.len()
                );
                "whole"
            }
            Seen::Whole(status, text) => {
                assert!([502, 503, 504].contains(&status), "time {time}, {fault}: {status} {text}");
                assert!(text.contains("billing") || text.contains("shop"), "the source is named: {text}");
                "refused"
            }
            Seen::Broken => "broken off",
        };
        *outcomes.entry((fault, outcome)).or_default() += 1;
        world.proxies.iter().for_each(|proxy| proxy.set(Fault::None));
    }
    println!("{outcomes:#?}");
    let whole: usize = outcomes.iter().filter(|((_, outcome), _)| *outcome == "whole").map(|(_, count)| count).sum();
    assert!(whole > 0 && whole < usize::try_from(times).unwrap(), "faults must be met and survived: {outcomes:?}");
    // And nothing is left of it.
    for (question, expected) in expected.iter().enumerate() {
        let end = Instant::now() + Duration::from_secs(30);
        while ask(&world.gateway, question).await != Seen::Whole(200, expected.clone()) {
            assert!(Instant::now() < end, "question {question} is not answered any more");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert!(world.database.quiet(Duration::from_secs(20)).await, "a query still runs at the source");
    assert!(world.proxies.iter().all(|proxy| proxy.connections() > 1), "the faults have made new connections necessary");
}
