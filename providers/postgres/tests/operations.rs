//! Functions and procedures of a real database: what is said of them, how they are called, what they answer, and how they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod database;

use database::{Database, rows, within};
use portico_provider_api::{
    Change, ChangeOutcome, ChangeSet, ChangeValue, ConstraintKind, Limits, OperationCall, QueryContext, RemoteOperation, ScalarType,
    Selection, Source, SourceError, SourceErrorKind, SourceQuery, Value,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUTINES: &str = r#"
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN small AS int CHECK (VALUE < 100);
CREATE TABLE entries (id int PRIMARY KEY, note text NOT NULL, amount numeric(12,2) CHECK (amount >= 0));
INSERT INTO entries VALUES (1, 'one', 1.50), (2, 'two', 2.50);
CREATE FUNCTION total(lowest numeric DEFAULT 0) RETURNS numeric STABLE LANGUAGE sql AS 'SELECT sum(amount) FROM entries WHERE amount >= lowest';
COMMENT ON FUNCTION total IS 'What all entries amount to';
CREATE FUNCTION price(id int) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'int ' || id $$;
CREATE FUNCTION price(id text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'text ' || id $$;
CREATE FUNCTION price(id int, by small) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'both ' || id || ' ' || by $$;
CREATE FUNCTION found(id int) RETURNS entries STABLE LANGUAGE sql AS 'SELECT * FROM entries e WHERE e.id = found.id';
CREATE FUNCTION listed(lowest int) RETURNS TABLE ("Id" int, "a ""note""" text, how mood) STABLE LANGUAGE sql AS $$ SELECT id, note, 'glad'::mood FROM entries WHERE id >= lowest ORDER BY id $$;
CREATE FUNCTION numbers(upto int) RETURNS SETOF int IMMUTABLE LANGUAGE sql AS 'SELECT generate_series(1, upto)';
CREATE FUNCTION feel(m mood, d date DEFAULT NULL, j jsonb DEFAULT '{}', u uuid DEFAULT NULL, i interval DEFAULT '1 day') RETURNS TABLE (m mood, d date, j jsonb, u uuid, i interval) IMMUTABLE LANGUAGE sql AS 'SELECT $1, $2, $3, $4, $5';
CREATE FUNCTION touch(id int) RETURNS void LANGUAGE sql AS $$ UPDATE entries e SET note = 'touched' WHERE e.id = touch.id $$;
CREATE FUNCTION put(id int, note text, amount numeric) RETURNS int LANGUAGE sql AS 'INSERT INTO entries VALUES (id, note, amount) RETURNING id';
CREATE PROCEDURE move(a int, INOUT b int, OUT note text) LANGUAGE plpgsql AS $$ BEGIN UPDATE entries SET id = b WHERE id = a; b := b + 1; note := 'moved'; END $$;
CREATE PROCEDURE clear() LANGUAGE sql AS 'DELETE FROM entries';
CREATE FUNCTION refuse(code text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'nothing for %', code USING ERRCODE = code, DETAIL = 'hidden', HINT = 'hidden'; END $$;
CREATE FUNCTION lie() RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM touch(1); RETURN 1; END $$;
CREATE FUNCTION wait(s float8) RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(s)';
CREATE FUNCTION list_of(ids int[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION nameless(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION many(VARIADIC ids int[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION untold() RETURNS record LANGUAGE sql AS 'SELECT 1, 2';
CREATE FUNCTION poly(x anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT x';
CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE AGGREGATE product(int) (SFUNC = int4mul, STYPE = int);
CREATE EXTENSION citext;
"#;

async fn database() -> (Database, Arc<dyn Source>, Vec<RemoteOperation>) {
    let database = Database::create().await;
    database.run(ROUTINES).await;
    let source = database.source(3);
    let operations = operations(&source).await;
    (database, source, operations)
}

async fn operations(source: &Arc<dyn Source>) -> Vec<RemoteOperation> {
    // Which tables are wanted says nothing about operations.
    source.remote_schema(&Selection::Tables(Vec::new()), &QueryContext::default()).await.unwrap().operations
}

#[tokio::test]
async fn a_selection_limits_the_operations() {
    let (_database, source, all) = database().await;
    let found = async |wanted: &[&str]| {
        let operations = wanted.iter().map(|name| (*name).to_owned()).collect();
        let wanted = Selection::Named { tables: Some(Vec::new()), operations };
        let schema = source.remote_schema(&wanted, &QueryContext::default()).await.unwrap();
        assert!(schema.tables.is_empty());
        schema.operations
    };
    assert!(found(&[]).await.is_empty());
    let wanted = ["total", "public.price(int4)", "no_such_thing"];
    let expected: Vec<RemoteOperation> = all.into_iter().filter(|one| wanted.iter().any(|name| one.is_named(name))).collect();
    assert_eq!((expected.len(), found(&wanted).await), (2, expected));
}

fn named<'a>(operations: &'a [RemoteOperation], name: &str) -> &'a RemoteOperation {
    let mut found = operations.iter().filter(|one| one.is_named(name));
    let (only, None) = (found.next().unwrap_or_else(|| panic!("no {name}")), found.next()) else { panic!("several {name}") };
    only
}

fn arguments(operation: &RemoteOperation, given: &[(&str, Value)]) -> Vec<(usize, Value)> {
    let position = |name: &str| operation.parameters.iter().position(|parameter| parameter.name == name).unwrap();
    given.iter().map(|(name, value)| (position(name), value.clone())).collect()
}

async fn read(source: &Arc<dyn Source>, operation: &RemoteOperation, given: &[(&str, Value)]) -> Result<Vec<Vec<Value>>, SourceError> {
    let call = OperationCall { operation: operation.clone(), arguments: arguments(operation, given) };
    rows(source, SourceQuery::call(call), &QueryContext::default()).await
}

fn invocation(operation: &RemoteOperation, given: &[(&str, Value)]) -> Change {
    let given = arguments(operation, given).into_iter();
    let arguments = given.map(|(at, value)| (at, if value.is_null() { ChangeValue::Null } else { ChangeValue::Given(value) }));
    Change::Invoke { operation: Box::new(operation.clone()), arguments: arguments.collect() }
}

async fn write(source: &Arc<dyn Source>, changes: Vec<Change>, context: &QueryContext) -> Result<Vec<ChangeOutcome>, SourceError> {
    source.writable().unwrap().write(ChangeSet { changes, idempotency_key: None }, context).await
}

async fn invoke(source: &Arc<dyn Source>, operation: &RemoteOperation, given: &[(&str, Value)]) -> Result<Vec<Vec<Value>>, SourceError> {
    let mut outcomes = write(source, vec![invocation(operation, given)], &QueryContext::default()).await?;
    let (Some(ChangeOutcome::Returned(rows)), None) = (outcomes.pop(), outcomes.pop()) else { panic!("another outcome") };
    Ok(rows)
}

fn decimal(unscaled: i128) -> Value {
    let ScalarType::Decimal { precision, scale } = ScalarType::UNCONSTRAINED_DECIMAL else { panic!("not a decimal") };
    Value::Decimal {
        unscaled: arrow::datatypes::i256::from_i128(unscaled * 10_i128.pow(scale.unsigned_abs().into()) / 100),
        precision,
        scale,
    }
}

#[tokio::test]
async fn what_is_there_is_told() {
    let (_database, _, operations) = database().await;
    let told: Vec<String> = operations
        .iter()
        .map(|one| {
            let (changes, procedure) = (if one.changes { " changes" } else { "" }, if one.procedure { " procedure" } else { "" });
            let why = one.unavailable.as_ref().map(|why| format!(" -- {why}")).unwrap_or_default();
            format!("{} = {}{changes}{procedure}{why}", one.signature, one.readable())
        })
        .collect();
    expect_test::expect![[r#"
        public.clear() = public.clear() changes procedure
        public.feel(public.mood, date, jsonb, uuid, interval) = public.feel(m text, d date default, j json default, u guid default, i text default) returns many of m text, d date, j json, u guid, i text
        public.found(int4) = public.found(id int32) returns id int32, note text, amount decimal(12,2)
        public.hook() = public.hook() changes -- it is a trigger's
        public.lie() = public.lie() returns lie int32
        public.list_of(_int4) = public.list_of(ids json) returns list_of int32 changes -- its parameter 'ids' is _int4, a type that is not carried
        public.listed(int4) = public.listed(lowest int32) returns many of Id int32, a "note" text, how text
        public.many(_int4) = public.many(ids json) returns many int32 changes -- its parameter 'ids' stands for any number of values
        public.move(int4, int4) = public.move(a int32, b int32) returns b int32, note text changes procedure
        public.nameless(int4) = public.nameless(? int32) returns nameless int32 changes -- its parameter 1 has no name to pass a value by
        public.numbers(int4) = public.numbers(upto int32) returns many of numbers int32
        public.poly(anyelement) = public.poly(x text) changes -- it returns anyelement, a type that is not carried
        public.price(int4) = public.price(id int32) returns price text
        public.price(int4, int4) = public.price(id int32, by int32) returns price text
        public.price(text) = public.price(id text) returns price text
        public.put(int4, text, numeric) = public.put(id int32, note text, amount decimal(38,18)) returns put int32 changes
        public.refuse(text) = public.refuse(code text) returns refuse int32 changes
        public.total(numeric) = public.total(lowest decimal(38,18) default) returns total decimal(38,18)
        public.touch(int4) = public.touch(id int32) changes
        public.untold() = public.untold() changes -- it returns records whose columns it does not say
        public.wait(float8) = public.wait(s float64) returns wait int32 changes"#]].assert_eq(&told.join("\n"));
    assert_eq!(named(&operations, "total").description.as_deref(), Some("What all entries amount to"));
    assert_eq!(named(&operations, "public.price(int4, int4)").parameters.len(), 2);
}

#[tokio::test]
async fn a_login_without_the_right_is_told_so() {
    let (database, _, _) = database().await;
    let role = format!("reader_of_{}", database.name);
    database.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'reader'; REVOKE EXECUTE ON FUNCTION total FROM PUBLIC")).await;
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let url = format!("{scheme}://{role}:reader@{}", rest.split_once('@').unwrap().1);
    let source = database::connect(&url, 1).unwrap();
    let seen = operations(&source).await;
    let total = named(&seen, "total");
    assert_eq!(total.unavailable.as_deref(), Some("the source's login has no right to execute it"));
    let refused = read(&source, total, &[]).await.unwrap_err();
    assert_eq!((refused.kind, refused.message.as_str()), (SourceErrorKind::Credentials, "permission denied for function total"));
    drop(source);
    database.run(&format!("GRANT EXECUTE ON FUNCTION total TO PUBLIC; DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn functions_are_read_from() {
    let (_database, source, operations) = database().await;
    let call = async |name: &str, given: &[(&str, Value)]| read(&source, named(&operations, name), given).await.unwrap();
    assert_eq!(call("total", &[]).await, [[decimal(400)]], "what is left out has the default");
    assert_eq!(call("total", &[("lowest", decimal(200))]).await, [[decimal(250)]]);
    assert_eq!(
        call("total", &[("lowest", Value::Null(ScalarType::UNCONSTRAINED_DECIMAL))]).await,
        [[Value::Null(ScalarType::UNCONSTRAINED_DECIMAL)]]
    );
    assert_eq!(call("public.price(int4)", &[("id", Value::Int32(7))]).await, [[Value::text("int 7")]]);
    assert_eq!(call("public.price(text)", &[("id", Value::text("7'); --"))]).await, [[Value::text("text 7'); --")]]);
    assert_eq!(call("public.price(int4, int4)", &[("id", Value::Int32(7)), ("by", Value::Int32(3))]).await, [[Value::text("both 7 3")]]);
    assert_eq!(call("found", &[("id", Value::Int32(2))]).await.len(), 1);
    assert!(call("found", &[("id", Value::Int32(3))]).await.is_empty(), "a row of nulls is none");
    let listed = call("listed", &[("lowest", Value::Int32(1))]).await;
    assert_eq!(
        listed,
        [[Value::Int32(1), Value::text("one"), Value::text("glad")], [Value::Int32(2), Value::text("two"), Value::text("glad")]]
    );
    assert_eq!(call("numbers", &[("upto", Value::Int32(3))]).await, [[Value::Int32(1)], [Value::Int32(2)], [Value::Int32(3)]]);
    assert!(call("numbers", &[("upto", Value::Int32(0))]).await.is_empty());
    let guid = "00112233-4455-6677-8899-aabbccddeeff";
    let given = [
        ("m", Value::text("sad")),
        ("d", Value::Date(19_000)),
        ("j", Value::Json("{\"a\": 1}".to_owned())),
        ("u", Value::Guid(guid.to_owned())),
        ("i", Value::text("P1M")),
    ];
    let felt = call("feel", &given).await;
    assert_eq!(felt, [given.map(|(_, value)| value)]);
    let wrong = read(&source, named(&operations, "public.price(int4, int4)"), &[("id", Value::Int32(1)), ("by", Value::Int32(100))]).await;
    assert!(matches!(wrong.unwrap_err().kind, SourceErrorKind::Constraint { kind: ConstraintKind::Check, .. }), "a domain's rule");
}

#[tokio::test]
async fn what_may_change_something_is_not_read_from() {
    let (database, source, operations) = database().await;
    for name in ["touch", "clear"] {
        let given: &[_] = if name == "touch" { &[("id", Value::Int32(1))] } else { &[] };
        let refused = read(&source, named(&operations, name), given).await.unwrap_err();
        assert_eq!(refused.kind, SourceErrorKind::Unsupported, "{refused}");
    }
    // One that says that it changes nothing, and lies, is found out by the server.
    let lie = read(&source, named(&operations, "lie"), &[]).await.unwrap_err();
    assert!(lie.message.contains("UPDATE"), "{lie}");
    assert_eq!(database.text("SELECT count(*)::text FROM entries WHERE note = 'touched'").await, "0");
}

#[tokio::test]
async fn operations_are_invoked_and_return_what_they_say() {
    let (database, source, operations) = database().await;
    let call = async |name: &str, given: &[(&str, Value)]| invoke(&source, named(&operations, name), given).await.unwrap();
    assert!(call("touch", &[("id", Value::Int32(1))]).await.is_empty());
    assert_eq!(database.text("SELECT note FROM entries WHERE id = 1").await, "touched");
    let put = [("id", Value::Int32(3)), ("note", Value::text("three")), ("amount", decimal(350))];
    assert_eq!(call("put", &put).await, [[Value::Int32(3)]]);
    assert_eq!(call("move", &[("a", Value::Int32(1)), ("b", Value::Int32(9))]).await, [[Value::Int32(10), Value::text("moved")]]);
    assert_eq!(database.text("SELECT note FROM entries WHERE id = 9").await, "touched");
    assert_eq!(call("listed", &[("lowest", Value::Int32(9))]).await.len(), 1, "what only reads can be invoked too");
    let mut narrow = QueryContext::default();
    narrow.request.limits = Limits { max_rows: 2, max_bytes: 0 };
    let numbers = invocation(named(&operations, "numbers"), &[("upto", Value::Int32(3))]);
    assert_eq!(write(&source, vec![numbers.clone()], &narrow).await.unwrap_err().kind, SourceErrorKind::Unsupported);
    narrow.request.limits = Limits { max_rows: 3, max_bytes: 10 };
    assert_eq!(write(&source, vec![numbers.clone()], &narrow).await.unwrap_err().kind, SourceErrorKind::Unsupported);
    narrow.request.limits = Limits { max_rows: 3, max_bytes: 1_000 };
    assert!(write(&source, vec![numbers], &narrow).await.is_ok());
    assert!(call("clear", &[]).await.is_empty());
    assert_eq!(database.text("SELECT count(*)::text FROM entries").await, "0");
}

#[tokio::test]
async fn all_of_a_set_or_nothing() {
    let (database, source, operations) = database().await;
    let touch = invocation(named(&operations, "touch"), &[("id", Value::Int32(1))]);
    let put = |id| invocation(named(&operations, "put"), &[("id", Value::Int32(id)), ("note", Value::text("x")), ("amount", decimal(1))]);
    let clash = write(&source, vec![touch.clone(), put(2)], &QueryContext::default()).await.unwrap_err();
    let SourceErrorKind::Constraint { kind: ConstraintKind::Unique, columns } = clash.kind else { panic!("{clash}") };
    assert_eq!(columns, ["id"]);
    assert_eq!(database.text("SELECT count(*)::text FROM entries WHERE note = 'touched'").await, "0");
    // A value that an operation has returned goes into the next change.
    let put_after = |change| match put(5) {
        Change::Invoke { operation, mut arguments } => {
            arguments[1].1 = ChangeValue::Given(Value::text("after"));
            arguments[0].1 = ChangeValue::FromChange { change, column: 0 };
            Change::Invoke { operation, arguments }
        }
        other => other,
    };
    let moved = invocation(named(&operations, "move"), &[("a", Value::Int32(1)), ("b", Value::Int32(20))]);
    let done = write(&source, vec![moved, put_after(0)], &QueryContext::default()).await.unwrap();
    assert_eq!(done[1], ChangeOutcome::Returned(vec![vec![Value::Int32(21)]]));
    assert_eq!(database.text("SELECT note FROM entries WHERE id = 21").await, "after");
}

#[tokio::test]
async fn what_they_raise_is_told_without_its_detail() {
    let (_database, source, operations) = database().await;
    let refuse = named(&operations, "refuse");
    let raised = async |code: &str| invoke(&source, refuse, &[("code", Value::text(code))]).await.unwrap_err();
    for (code, kind) in [
        ("P0001", SourceErrorKind::Data),
        ("22023", SourceErrorKind::Data),
        ("U0001", SourceErrorKind::Data),
        ("42501", SourceErrorKind::Data),
        ("40001", SourceErrorKind::Conflict),
        ("23514", SourceErrorKind::Constraint { kind: ConstraintKind::Check, columns: Vec::new() }),
    ] {
        let error = raised(code).await;
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!((error.message.as_str(), error.native_code()), (format!("nothing for {code}").as_str(), Some(code)));
    }
}

#[tokio::test]
async fn a_call_ends_with_its_deadline_and_with_whoever_waits_for_it() {
    let (database, source, operations) = database().await;
    let wait = invocation(named(&operations, "wait"), &[("s", Value::float64(60.0))]);
    let started = Instant::now();
    let late = write(&source, vec![wait.clone()], &within(Duration::from_millis(400))).await.unwrap_err();
    assert_eq!(late.kind, SourceErrorKind::Timeout);
    assert!(started.elapsed() < Duration::from_secs(30) && database.quiet(Duration::from_secs(5)).await);
    let given_up = tokio::time::timeout(Duration::from_millis(400), write(&source, vec![wait], &QueryContext::default())).await;
    assert!(given_up.is_err() && database.quiet(Duration::from_secs(5)).await);
}
