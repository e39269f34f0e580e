//! Ranges of dates and instants reach the source however they are written: what is asked of each kind, in its own language.

use crate::kinds::{Column, KINDS, World};
use expect_test::expect;
use portico_engine::Paging;
use portico_provider_api::{ScalarType, Value};

async fn world() -> World {
    let column = |name, scalar_type, nullable| Column { name, scalar_type, nullable };
    let columns = [
        column("Id", ScalarType::Int64, false),
        column("Day", ScalarType::Date, true),
        column("At", ScalarType::Timestamp, true),
        column("Zoned", ScalarType::TimestampTz, true),
    ];
    let day = 86_400_000_000_i64;
    let row = |id: i64, days: i32, micros: i64| {
        let at = i64::from(days) * day + micros;
        vec![Value::Int64(id), Value::Date(days), Value::Timestamp(at), Value::TimestampTz(at)]
    };
    // 20089 is 2025-01-01.
    let mut rows =
        vec![row(0, 20_088, day - 1), row(1, 20_089, 0), row(2, 20_089, 1), row(3, 20_090, 0), row(4, 20_453, day - 1), row(5, 20_454, 0)];
    rows.push(vec![
        Value::Int64(6),
        Value::Null(ScalarType::Date),
        Value::Null(ScalarType::Timestamp),
        Value::Null(ScalarType::TimestampTz),
    ]);
    World::new(&columns, &rows).await
}

/// The filter, and the rows that it keeps.
const FILTERS: &[(&str, &[i64])] = &[
    ("Zoned ge 2025-01-01T00:00:00Z and Zoned lt 2026-01-01T00:00:00Z", &[1, 2, 3, 4]),
    ("Zoned ge 2025-01-01T01:00:00+01:00 and Zoned lt 2025-01-02T00:00:00+00:00", &[1, 2]),
    ("At ge 2025-01-01T00:00:00Z and At lt 2025-01-02T00:00:00Z", &[1, 2]),
    ("Zoned ge 2025-01-01 and Zoned lt 2025-01-02", &[1, 2]),
    ("Day ge 2025-01-01 and Day lt 2025-01-02", &[1, 2]),
    ("date(Zoned) ge 2025-01-01 and date(Zoned) lt 2025-01-02", &[1, 2]),
    ("date(At) eq 2025-01-01", &[1, 2]),
    ("date(Zoned) ne 2025-01-01", &[0, 3, 4, 5, 6]),
    ("not (date(Zoned) gt 2025-01-01)", &[0, 1, 2, 6]),
    ("2025-01-01 lt date(At)", &[3, 4, 5]),
    ("date(Zoned) in (2025-01-01,2026-01-01)", &[1, 2, 5]),
    ("year(Zoned) eq 2025", &[1, 2, 3, 4]),
    ("year(Day) ge 2026 or year(At) lt 2025", &[0, 5]),
    ("year(At) in (2024,2026)", &[0, 5]),
    ("cast(Zoned,Edm.Date) le 2025-01-01", &[0, 1, 2]),
    ("cast(Day,Edm.DateTimeOffset) ge 2025-01-01T00:00:00.000001Z", &[3, 4, 5]),
    ("Zoned add duration'P1D' gt 2025-01-02T00:00:00Z", &[2, 3, 4, 5]),
    ("At sub duration'PT1H' le 2024-12-31T23:00:00Z", &[0, 1]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_of_dates_and_instants_reach_every_kind() {
    let world = world().await;
    let mut sent = String::new();
    for (text, wanted) in FILTERS {
        sent += &format!("{text}\n");
        for (kind, name) in KINDS.into_iter().enumerate() {
            let query = world.bind(kind, &[("$filter", text)]).unwrap_or_else(|error| panic!("{text}: {}", error.message));
            let (mut keys, _) = world.keys(query.clone(), Paging::default()).await.unwrap();
            keys.sort_unstable();
            assert_eq!(keys, *wanted, "{name}: {text}");
            if kind == 1 {
                continue;
            }
            for native in world.asked(query).await {
                let condition = native.split_once("WHERE").map_or("nothing", |(_, condition)| condition.trim());
                let shown = if kind == 0 { native.as_str() } else { condition };
                sent += &format!("  {name}: {}\n", shown.trim().replace('\n', " "));
            }
        }
    }
    expect![[r#"
        Zoned ge 2025-01-01T00:00:00Z and Zoned lt 2026-01-01T00:00:00Z
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (Zoned >= $1 and Zoned < $2)
          Sqlite: ((portico_stored('timestamptz_text', t0."Zoned") >= ?1) AND (portico_stored('timestamptz_text', t0."Zoned") < ?2))
          Postgres: ((t0."Zoned" >= $1::timestamptz) AND (t0."Zoned" < $2::timestamptz))
          Mysql: ((t0.`Zoned` >= CAST(? AS DATETIME(6))) AND (t0.`Zoned` < CAST(? AS DATETIME(6))))
        Zoned ge 2025-01-01T01:00:00+01:00 and Zoned lt 2025-01-02T00:00:00+00:00
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (Zoned >= $1 and Zoned < $2)
          Sqlite: ((portico_stored('timestamptz_text', t0."Zoned") >= ?1) AND (portico_stored('timestamptz_text', t0."Zoned") < ?2))
          Postgres: ((t0."Zoned" >= $1::timestamptz) AND (t0."Zoned" < $2::timestamptz))
          Mysql: ((t0.`Zoned` >= CAST(? AS DATETIME(6))) AND (t0.`Zoned` < CAST(? AS DATETIME(6))))
        At ge 2025-01-01T00:00:00Z and At lt 2025-01-02T00:00:00Z
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (At >= $1 and At < $2)
          Sqlite: ((portico_stored('timestamp_text', t0."At") >= ?1) AND (portico_stored('timestamp_text', t0."At") < ?2))
          Postgres: ((t0."At" >= $1::timestamp) AND (t0."At" < $2::timestamp))
          Mysql: ((t0.`At` >= CAST(? AS DATETIME(6))) AND (t0.`At` < CAST(? AS DATETIME(6))))
        Zoned ge 2025-01-01 and Zoned lt 2025-01-02
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (Zoned >= $1 and Zoned < $2)
          Sqlite: ((portico_stored('timestamptz_text', t0."Zoned") >= ?1) AND (portico_stored('timestamptz_text', t0."Zoned") < ?2))
          Postgres: ((t0."Zoned" >= $1::timestamptz) AND (t0."Zoned" < $2::timestamptz))
          Mysql: ((t0.`Zoned` >= CAST(? AS DATETIME(6))) AND (t0.`Zoned` < CAST(? AS DATETIME(6))))
        Day ge 2025-01-01 and Day lt 2025-01-02
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (Day >= $1 and Day < $2)
          Sqlite: ((t0."Day" COLLATE BINARY >= ?1) AND (t0."Day" COLLATE BINARY < ?2))
          Postgres: ((t0."Day" >= $1::date) AND (t0."Day" < $2::date))
          Mysql: ((t0.`Day` >= CAST(? AS DATE)) AND (t0.`Day` < CAST(? AS DATE)))
        date(Zoned) ge 2025-01-01 and date(Zoned) lt 2025-01-02
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (Zoned >= $1 and Zoned < $2)
          Sqlite: ((portico_stored('timestamptz_text', t0."Zoned") >= ?1) AND (portico_stored('timestamptz_text', t0."Zoned") < ?2))
          Postgres: ((t0."Zoned" >= $1::timestamptz) AND (t0."Zoned" < $2::timestamptz))
          Mysql: ((t0.`Zoned` >= CAST(? AS DATETIME(6))) AND (t0.`Zoned` < CAST(? AS DATETIME(6))))
        date(At) eq 2025-01-01
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (At >= $1 and At < $2)
          Sqlite: ((portico_stored('timestamp_text', t0."At") >= ?1) AND (portico_stored('timestamp_text', t0."At") < ?2))
          Postgres: ((t0."At" >= $1::timestamp) AND (t0."At" < $2::timestamp))
          Mysql: ((t0.`At` >= CAST(? AS DATETIME(6))) AND (t0.`At` < CAST(? AS DATETIME(6))))
        date(Zoned) ne 2025-01-01
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (Zoned < $1 or Zoned is null or Zoned >= $2 or Zoned is null)
          Sqlite: ((portico_stored('timestamptz_text', t0."Zoned") < ?1) OR (t0."Zoned" IS NULL) OR (portico_stored('timestamptz_text', t0."Zoned") >= ?2) OR (t0."Zoned" IS NULL))
          Postgres: ((t0."Zoned" < $1::timestamptz) OR (t0."Zoned" IS NULL) OR (t0."Zoned" >= $2::timestamptz) OR (t0."Zoned" IS NULL))
          Mysql: ((t0.`Zoned` < CAST(? AS DATETIME(6))) OR (t0.`Zoned` IS NULL) OR (t0.`Zoned` >= CAST(? AS DATETIME(6))) OR (t0.`Zoned` IS NULL))
        not (date(Zoned) gt 2025-01-01)
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (Zoned < $1 or Zoned is null)
          Sqlite: ((portico_stored('timestamptz_text', t0."Zoned") < ?1) OR (t0."Zoned" IS NULL))
          Postgres: ((t0."Zoned" < $1::timestamptz) OR (t0."Zoned" IS NULL))
          Mysql: ((t0.`Zoned` < CAST(? AS DATETIME(6))) OR (t0.`Zoned` IS NULL))
        2025-01-01 lt date(At)
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where At >= $1
          Sqlite: (portico_stored('timestamp_text', t0."At") >= ?1)
          Postgres: (t0."At" >= $1::timestamp)
          Mysql: (t0.`At` >= CAST(? AS DATETIME(6)))
        date(Zoned) in (2025-01-01,2026-01-01)
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where ((Zoned >= $1 and Zoned < $2) or (Zoned >= $3 and Zoned < $4))
          Sqlite: (((portico_stored('timestamptz_text', t0."Zoned") >= ?1) AND (portico_stored('timestamptz_text', t0."Zoned") < ?2)) OR ((portico_stored('timestamptz_text', t0."Zoned") >= ?3) AND (portico_stored('timestamptz_text', t0."Zoned") < ?4)))
          Postgres: (((t0."Zoned" >= $1::timestamptz) AND (t0."Zoned" < $2::timestamptz)) OR ((t0."Zoned" >= $3::timestamptz) AND (t0."Zoned" < $4::timestamptz)))
          Mysql: (((t0.`Zoned` >= CAST(? AS DATETIME(6))) AND (t0.`Zoned` < CAST(? AS DATETIME(6)))) OR ((t0.`Zoned` >= CAST(? AS DATETIME(6))) AND (t0.`Zoned` < CAST(? AS DATETIME(6)))))
        year(Zoned) eq 2025
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (Zoned >= $1 and Zoned < $2)
          Sqlite: ((portico_stored('timestamptz_text', t0."Zoned") >= ?1) AND (portico_stored('timestamptz_text', t0."Zoned") < ?2))
          Postgres: ((t0."Zoned" >= $1::timestamptz) AND (t0."Zoned" < $2::timestamptz))
          Mysql: ((t0.`Zoned` >= CAST(? AS DATETIME(6))) AND (t0.`Zoned` < CAST(? AS DATETIME(6))))
        year(Day) ge 2026 or year(At) lt 2025
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where (Day >= $1 or At < $2)
          Sqlite: ((t0."Day" COLLATE BINARY >= ?1) OR (portico_stored('timestamp_text', t0."At") < ?2))
          Postgres: ((t0."Day" >= $1::date) OR (t0."At" < $2::timestamp))
          Mysql: ((t0.`Day` >= CAST(? AS DATE)) OR (t0.`At` < CAST(? AS DATETIME(6))))
        year(At) in (2024,2026)
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where ((At >= $1 and At < $2) or (At >= $3 and At < $4))
          Sqlite: (((portico_stored('timestamp_text', t0."At") >= ?1) AND (portico_stored('timestamp_text', t0."At") < ?2)) OR ((portico_stored('timestamp_text', t0."At") >= ?3) AND (portico_stored('timestamp_text', t0."At") < ?4)))
          Postgres: (((t0."At" >= $1::timestamp) AND (t0."At" < $2::timestamp)) OR ((t0."At" >= $3::timestamp) AND (t0."At" < $4::timestamp)))
          Mysql: (((t0.`At` >= CAST(? AS DATETIME(6))) AND (t0.`At` < CAST(? AS DATETIME(6)))) OR ((t0.`At` >= CAST(? AS DATETIME(6))) AND (t0.`At` < CAST(? AS DATETIME(6)))))
        cast(Zoned,Edm.Date) le 2025-01-01
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where Zoned < $1
          Sqlite: (portico_stored('timestamptz_text', t0."Zoned") < ?1)
          Postgres: (t0."Zoned" < $1::timestamptz)
          Mysql: (t0.`Zoned` < CAST(? AS DATETIME(6)))
        cast(Day,Edm.DateTimeOffset) ge 2025-01-01T00:00:00.000001Z
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where Day >= $1
          Sqlite: (t0."Day" COLLATE BINARY >= ?1)
          Postgres: (t0."Day" >= $1::date)
          Mysql: (t0.`Day` >= CAST(? AS DATE))
        Zoned add duration'P1D' gt 2025-01-02T00:00:00Z
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where Zoned > $1
          Sqlite: (portico_stored('timestamptz_text', t0."Zoned") > ?1)
          Postgres: (t0."Zoned" > $1::timestamptz)
          Mysql: (t0.`Zoned` > CAST(? AS DATETIME(6)))
        At sub duration'PT1H' le 2024-12-31T23:00:00Z
          Memory: select Id as c0, Day as c1, At as c2, Zoned as c3 from t where At <= $1
          Sqlite: (portico_stored('timestamp_text', t0."At") <= ?1)
          Postgres: (t0."At" <= $1::timestamp)
          Mysql: (t0.`At` <= CAST(? AS DATETIME(6)))
    "#]].assert_eq(&sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_by_the_time_that_has_passed_are_of_one_instant() {
    let world = world().await;
    for text in ["now() sub Zoned", "Zoned sub now() desc", "case(Zoned lt now():now() sub Zoned) desc"] {
        for (kind, name) in KINDS.into_iter().enumerate() {
            let query = world.bind(kind, &[("$orderby", text)]).unwrap();
            let (whole, _) = world.keys(query.clone(), Paging::default()).await.unwrap();
            let (mut pages, mut position) = (Vec::new(), None);
            loop {
                let (keys, next) = world.keys(query.clone(), Paging { size: 2, position }).await.unwrap();
                pages.extend(keys);
                position = next;
                if position.is_none() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            assert_eq!(pages, whole, "{name}: {text}");
        }
    }
}
