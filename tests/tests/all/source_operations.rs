//! Functions and procedures of PostgreSQL, published as functions and actions and called as clients call them; and what is refused at the
//! start.

use super::fixture::{CLERK, EMEA, FULL, Sources};
use super::gateway::{Ended, Gateway, run};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::time::Duration;

const ROUTINES: &str = r#"
CREATE FUNCTION open_amount(customer bigint, lowest numeric DEFAULT 10) RETURNS numeric STABLE LANGUAGE sql
    AS 'SELECT sum(amount) FROM invoices WHERE customer_id = customer AND NOT paid AND amount >= lowest';
CREATE FUNCTION latest(customer bigint) RETURNS invoices STABLE LANGUAGE sql
    AS 'SELECT * FROM invoices WHERE customer_id = customer ORDER BY issued DESC, id DESC LIMIT 1';
CREATE FUNCTION unpaid(customer bigint) RETURNS SETOF invoices STABLE LANGUAGE sql
    AS 'SELECT * FROM invoices WHERE customer_id = customer AND NOT paid';
CREATE FUNCTION months(year int) RETURNS TABLE (month int, number bigint, total numeric) STABLE LANGUAGE sql
    AS 'SELECT extract(month FROM issued)::int, count(*), sum(amount) FROM invoices WHERE extract(year FROM issued) = year GROUP BY 1';
CREATE FUNCTION label(id bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'number ' || id $$;
CREATE FUNCTION label(id text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'text ' || id $$;
CREATE FUNCTION settle(invoice bigint, note text DEFAULT 'settled') RETURNS invoices LANGUAGE sql
    AS 'UPDATE invoices i SET paid = true, note = settle.note WHERE i.id = invoice RETURNING i.*';
CREATE FUNCTION settle_all(customer bigint) RETURNS TABLE (id bigint) LANGUAGE sql
    AS 'UPDATE invoices i SET paid = true WHERE i.customer_id = customer AND NOT i.paid RETURNING i.id';
CREATE FUNCTION purge() RETURNS void LANGUAGE sql AS $$ UPDATE invoices SET note = 'purged' $$;
CREATE FUNCTION guard(invoice bigint) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    IF invoice > 1000 THEN RAISE EXCEPTION 'invoice % is locked', invoice USING ERRCODE = 'IN001', DETAIL = 'secret detail'; END IF;
    INSERT INTO lines VALUES (invoice, 1, 'again');
    RETURN 1; END $$;
CREATE PROCEDURE renumber(line bigint, INOUT no int, OUT moved boolean) LANGUAGE plpgsql AS $$ BEGIN
    UPDATE lines l SET no = l.no + 10 WHERE l.invoice_id = line AND l.no = renumber.no; moved := FOUND; no := no + 10; END $$;
CREATE FUNCTION slow() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(30)';
CREATE FUNCTION slow_write() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(30)';
CREATE FUNCTION sum_of(ids bigint[]) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 1::bigint';
"#;

const OPERATIONS: &str = r#"
operations:
  OpenAmount:
    kind: function
    bound_to: Customers
    parameters: { lowest: { type: "decimal(12,2)", optional: true } }
    returns: { type: "decimal(15,2)" }
    source: { name: billing, operation: open_amount, arguments: { customer: Id } }
  Latest: { kind: function, parameters: { customer: int64 }, returns: { table: Invoices }, source: { name: billing, operation: latest } }
  Unpaid: { kind: function, bound_to: Customers, returns: { table: Invoices, many: true }, source: { name: billing, operation: unpaid, arguments: { customer: Id } } }
  Months: { kind: function, parameters: { year: int32 }, returns: { complex: Month, members: { month: int32, total: "decimal(15,2)", number: int64 }, many: true }, source: { name: billing, operation: months } }
  Number: { kind: function, parameters: { id: int64 }, returns: { type: text }, source: { name: billing, operation: label } }
  Text: { kind: function, parameters: { id: text }, returns: { type: text, nullable: false }, source: { name: billing, operation: "label(text)" } }
  Settle:
    kind: action
    bound_to: Invoices
    parameters: { note: { type: text, optional: true } }
    returns: { table: Invoices }
    source: { name: billing, operation: settle, arguments: { invoice: id }, touches: [Invoices] }
  SettleAll: { kind: action, bound_to: Customers, returns: { table: Invoices, many: true }, source: { name: billing, operation: settle_all, arguments: { customer: Id } } }
  Settled: { kind: action, bound_to: Invoices, returns: { complex: SettledInvoice, members: { id: int64, note: "text?" } }, source: { name: billing, operation: settle, arguments: { invoice: id } } }
  Purge: { kind: action, roles: [full], source: { name: billing, operation: purge } }
  Guarded:
    kind: action
    bound_to: Invoices
    parameters: { note: text }
    returns: { type: int32 }
    sql: "UPDATE \"Invoices\" SET note = $note WHERE id = $id"
    source: { name: billing, operation: guard, arguments: { invoice: id } }
  Renumber: { kind: action, parameters: { line: int64, no: int32 }, returns: { complex: Renumbered, members: { no: int32, moved: boolean } }, source: { name: billing, operation: renumber } }
  Slow: { kind: function, returns: { type: int32 }, source: { name: billing, operation: slow } }
  SlowWrite: { kind: action, returns: { type: int32 }, source: { name: billing, operation: slow_write } }
"#;

fn config(sources: &Sources) -> String {
    let cached = sources.config().replace("remote: public.invoices\n", "remote: public.invoices\n    freshness: 1h\n");
    cached.replace("access:\n", &format!("{}\naccess:\n", OPERATIONS.trim_end()))
}

async fn sources() -> Sources {
    let sources = Sources::create().await;
    sources.database.run(ROUTINES).await;
    sources
}

async fn post(gateway: &Gateway, path: &str, key: &str, body: Value) -> Response {
    gateway.request(Method::POST, &format!("/odata/{path}"), key).json(&body).send().await.unwrap()
}

async fn posted(gateway: &Gateway, path: &str, body: Value) -> Value {
    let response = post(gateway, path, FULL, body).await;
    let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
    assert_eq!(status, 200, "{path}: {text}\n{}", gateway.log());
    serde_json::from_str(&text).unwrap()
}

/// The context URL below the service root.
fn context(answer: &Value) -> &str {
    answer["@odata.context"].as_str().unwrap().rsplit("$metadata").next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_composed_with_like_others() {
    let sources = sources().await;
    let gateway = sources.serve_config(&config(&sources)).await;
    let get = async |path: &str| gateway.json(&format!("/odata/{}", path.replace(' ', "%20")), FULL).await;
    let cents =
        |sql: &str| format!("SELECT (100 * coalesce(sum(amount), 0))::bigint FROM invoices WHERE customer_id = 3 AND NOT paid {sql}");
    let (all, some) = (sources.database.number(&cents("")).await, sources.database.number(&cents("AND amount >= 500")).await);
    let amount = |answer: &Value| (answer["value"].as_f64().unwrap() * 100.0).round() as i64;
    let open = get("Customers(3)/Portico.odata.OpenAmount()").await;
    assert_eq!((context(&open), amount(&open)), ("#Edm.Decimal", all), "what is left out has the default of the source");
    assert_eq!(amount(&get("Customers(3)/Portico.odata.OpenAmount(lowest=500)").await), some);
    let null = gateway.get("/odata/Customers(3)/Portico.odata.OpenAmount(lowest=null)", FULL).await;
    assert_eq!(null.status(), 204, "a null is no default");

    let latest = get("Latest(customer=3)?$select=id&$expand=Lines,Customer($select=Name)").await;
    assert_eq!((context(&latest), latest["Lines"].as_array().unwrap().len()), ("#Invoices(id,Lines,Customer(Id,Name))/$entity", 2));
    assert_eq!(latest["Customer"]["Name"], "Customer 03");
    assert_eq!(gateway.get("/odata/Latest(customer=24)", FULL).await.status(), 204);
    let unpaid = get("Customers(3)/Portico.odata.Unpaid()?$orderby=id desc&$filter=id gt 20&$count=true&$top=2&$select=id,paid").await;
    let more = sources.database.number("SELECT count(*) FROM invoices WHERE customer_id = 3 AND NOT paid AND id > 20").await;
    assert_eq!((unpaid["@odata.count"].as_i64(), unpaid["value"].as_array().unwrap().len()), (Some(more), 2));
    assert!(unpaid["value"][0]["id"].as_i64() > unpaid["value"][1]["id"].as_i64() && unpaid["value"][0]["paid"] == false);
    let paged = gateway.request(Method::GET, "/odata/Customers(3)/Portico.odata.Unpaid()", FULL).header("Prefer", "maxpagesize=1");
    let first: Value = paged.send().await.unwrap().json().await.unwrap();
    assert!(first["value"].as_array().unwrap().len() == 1 && first["@odata.nextLink"].is_string(), "{first}");

    let months = get("Months(year=2024)?$orderby=month&$filter=month le 2&$count=true").await;
    assert_eq!((context(&months), months["@odata.count"].as_i64()), ("#Collection(Portico.odata.Month)", Some(2)));
    assert_eq!(months["value"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["month", "total", "number"]);
    let of_january = sources.database.number("SELECT count(*) FROM invoices WHERE extract(month FROM issued) = 1").await;
    assert_eq!(months["value"][0]["number"].as_i64(), Some(of_january));
    assert_eq!(
        (get("Number(id=7)").await["value"].clone(), get("Text(id='7')").await["value"].clone()),
        (json!("number 7"), json!("text 7"))
    );
    assert_eq!(gateway.get("/odata/Customers(999)/Portico.odata.OpenAmount()", FULL).await.status(), 404, "there is no such customer");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_they_name_are_read_with_the_rights_of_the_caller() {
    let sources = sources().await;
    let config =
        config(&sources).replace("    clerk:\n      Invoices: {}", "    clerk:\n      Invoices: { rows: \"id < 40\", hide: [note] }");
    let gateway = sources.serve_config(&config).await;
    let latest = async |customer: i64| gateway.get(&format!("/odata/Latest(customer={customer})"), CLERK).await;
    let number = sources.database.number("SELECT id FROM latest(3)").await;
    assert!(number >= 40, "{number}");
    assert_eq!(latest(3).await.status(), 204, "a row that the caller does not see");
    sources.database.run("DELETE FROM lines WHERE invoice_id >= 40; DELETE FROM invoices WHERE id >= 40").await;
    let seen: Value = latest(3).await.json().await.unwrap();
    assert!(seen["id"].as_i64().unwrap() < 40 && seen.get("note").is_none(), "{seen}");
    // An entity that the caller does not see is nothing to bind to: the source is not even asked.
    for path in ["Customers(1)/Portico.odata.OpenAmount()", "Customers(1)/Portico.odata.Unpaid()"] {
        assert_eq!(gateway.get(&format!("/odata/{path}"), EMEA).await.status(), 404, "{path}");
    }
    assert_eq!(post(&gateway, "Customers(1)/Portico.odata.SettleAll", EMEA, json!({})).await.status(), 404);
    for key in [EMEA, CLERK] {
        assert_eq!(post(&gateway, "Purge", key, json!({})).await.status(), 404, "another role's");
    }
    assert_eq!(sources.database.number("SELECT count(*) FROM invoices WHERE note = 'purged'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_return_what_the_operation_returns() {
    let sources = sources().await;
    let gateway = sources.serve_config(&config(&sources)).await;
    assert_ne!(gateway.json("/odata/Invoices(1)", FULL).await["note"], "by hand");
    let settled = posted(&gateway, "Invoices(1)/Portico.odata.Settle?$select=id,note,paid", json!({ "note": "by hand" })).await;
    assert_eq!(
        (context(&settled), &settled["note"], &settled["paid"]),
        ("#Invoices(id,paid,note)/$entity", &json!("by hand"), &json!(true))
    );
    assert_eq!(gateway.json("/odata/Invoices(1)", FULL).await["note"], "by hand", "what was cached is forgotten");
    assert_eq!(posted(&gateway, "Invoices(2)/Portico.odata.Settle", json!({})).await["note"], "settled", "the default of the source");
    assert_eq!(posted(&gateway, "Invoices(2)/Portico.odata.Settle", json!({ "note": null })).await["note"], Value::Null);
    let row = posted(&gateway, "Invoices(4)/Portico.odata.Settled", json!({})).await;
    assert_eq!((context(&row), &row["id"], &row["note"]), ("#Portico.odata.SettledInvoice", &json!(4), &json!("settled")));
    let open = sources.database.number("SELECT count(*) FROM invoices WHERE customer_id = 5 AND NOT paid").await;
    let all = posted(&gateway, "Customers(5)/Portico.odata.SettleAll?$orderby=id&$select=id,paid&$count=true", json!({})).await;
    assert_eq!((all["@odata.count"].as_i64(), &all["value"][0]["paid"]), (Some(open), &json!(true)));
    let none = posted(&gateway, "Customers(5)/Portico.odata.SettleAll", json!({})).await;
    assert_eq!(none["value"], json!([]), "it is not done twice");

    assert_eq!(gateway.json("/odata/Invoices(7)", FULL).await["id"], 7);
    let purged = post(&gateway, "Purge", FULL, json!({})).await;
    assert_eq!(purged.status(), 204);
    assert_eq!(gateway.json("/odata/Invoices(7)", FULL).await["note"], "purged", "it may have written anywhere");
    let renumbered = posted(&gateway, "Renumber", json!({ "line": 1, "no": 2 })).await;
    assert_eq!((&renumbered["no"], &renumbered["moved"]), (&json!(12), &json!(true)));
    assert_eq!(sources.database.number("SELECT count(*) FROM lines WHERE invoice_id = 1 AND no = 12").await, 1);
    let minimal = gateway.request(Method::POST, "/odata/Renumber", FULL).header("Prefer", "return=minimal");
    let minimal = minimal.json(&json!({ "line": 2, "no": 2 })).send().await.unwrap();
    assert_eq!(minimal.status(), 204);
    assert_eq!(sources.database.number("SELECT count(*) FROM lines WHERE invoice_id = 2 AND no = 12").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_and_the_operation_are_one() {
    let sources = sources().await;
    let gateway = sources.serve_config(&config(&sources)).await;
    let guarded =
        async |id: i64| post(&gateway, &format!("Invoices({id})/Portico.odata.Guarded"), FULL, json!({ "note": "guarded" })).await;
    let noted = async || sources.database.number("SELECT count(*) FROM invoices WHERE note = 'guarded'").await;
    // The operation comes after the statement, and breaks a constraint.
    let clash = guarded(1).await;
    assert_eq!((clash.status().as_u16(), noted().await), (409, 0), "{}", clash.text().await.unwrap());
    sources
        .database
        .run("INSERT INTO invoices VALUES (2000, 1, 1, '2025-01-01', false, NULL); DELETE FROM lines WHERE invoice_id = 5")
        .await;
    let raised = guarded(2000).await;
    let (status, text) = (raised.status().as_u16(), raised.text().await.unwrap());
    assert!(status == 400 && text.contains("invoice 2000 is locked") && text.contains("DataError"), "{status} {text}");
    assert!(!text.contains("secret detail") && !text.contains("plpgsql"), "{text}");
    assert_eq!(noted().await, 0);
    // The statement fails: the operation is not called. Who may not do the one may not do the other.
    assert_eq!(guarded(4000).await.status(), 404);
    let clerk = post(&gateway, "Invoices(5)/Portico.odata.Guarded", CLERK, json!({ "note": "guarded" })).await;
    assert_eq!(clerk.status(), 403);
    assert_eq!(sources.database.number("SELECT count(*) FROM lines WHERE invoice_id = 5").await, 0);
    assert_eq!(guarded(5).await.status(), 200);
    assert_eq!((noted().await, sources.database.number("SELECT count(*) FROM lines WHERE invoice_id = 5").await), (1, 1));
    sources.database.run("ALTER FUNCTION purge() RENAME TO gone").await;
    let gone = post(&gateway, "Purge", FULL, json!({})).await;
    assert_eq!(gone.status(), 502, "{}", gone.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_end_with_their_time() {
    let sources = sources().await;
    let limited = config(&sources).replace("url: { env: TEST_BILLING_URL } }", "url: { env: TEST_BILLING_URL }, limits: { timeout: 1s } }");
    let gateway = sources.serve_config(&limited).await;
    let read = gateway.get("/odata/Slow()", FULL).await;
    assert_eq!(read.status(), 504, "{}", read.text().await.unwrap());
    let written = post(&gateway, "SlowWrite", FULL, json!({})).await;
    assert_eq!(written.status(), 504, "{}", written.text().await.unwrap());
    assert!(sources.database.quiet(Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_told_of_and_explained() {
    let sources = sources().await;
    let gateway = sources.serve_config(&config(&sources)).await;
    let metadata = gateway.json("/odata/$metadata?$format=json", FULL).await;
    let schema = &metadata["Portico.odata"];
    assert_eq!(schema["Settle"][0]["$Kind"], "Action");
    assert_eq!(schema["OpenAmount"][0]["$Parameter"][1]["$Name"], "lowest");
    assert_eq!(schema["Months"][0]["$ReturnType"]["$Type"], "Portico.odata.Month");
    assert_eq!(schema["Container"]["Purge"]["$Action"], "Portico.odata.Purge");
    drop(gateway);
    std::fs::write(sources.directory.path().join("portico.yaml"), config(&sources)).unwrap();
    let (ended, text) =
        run(sources.directory.path(), &["explain", "--config", "portico.yaml", "/odata/Months(year=2024)"], &sources.environment());
    assert!(matches!(ended, Ended::Well), "{text}");
    let call = "FROM \"public\".\"months\"(\"year\" => $1::int4) AS t0(\"month\", \"number\", \"total\")";
    assert!(text.contains(call) && text.contains("1 parameters"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_is_printed_ready_to_use() {
    let sources = sources().await;
    let directory = sources.directory.path();
    std::fs::write(directory.join("portico.yaml"), config(&sources)).unwrap();
    let check = |arguments: &[&str]| run(directory, &[&["check", "--config", "portico.yaml"], arguments].concat(), &sources.environment());
    let (ended, text) = check(&["--operations"]);
    assert!(matches!(ended, Ended::Well), "{text}");
    for part in [
        "operation Purge (action, billing: public.purge())",
        "note: the operation SettleAll runs with the rights of the source's own login",
        "# billing: public.sum_of(_int8) cannot be called: its parameter 'ids' is _int8, a type that is not carried",
        "# crm offers none",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    // All of it, in place of the operations of the configuration.
    let (_, offered) = text.split_once("operations:\n").unwrap();
    std::fs::write(directory.join("portico.yaml"), sources.config().replace("access:\n", &format!("operations:\n{offered}access:\n")))
        .unwrap();
    let (ended, text) = check(&[]);
    assert!(
        matches!(ended, Ended::Well) && text.contains("operation label_2 (function, billing: public.label(id text) returns label text)"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_refused_at_the_start() {
    let sources = sources().await;
    let good = config(&sources);
    for (from, to, part) in [
        ("operation: purge }", "operation: purg }", "did you mean 'purge'?"),
        (
            "Purge: { kind: action,",
            "Purge: { kind: function, returns: { type: int32 },",
            "'public.purge()' may change something, and a function must not",
        ),
        ("operation: slow }", "operation: sum_of }", "its parameter 'ids' is _int8, a type that is not carried"),
        ("{ line: int64, no: int32 }", "{ line: int64, no: text }", "'no' is text, and 'no' of 'public.renumber' int32"),
        ("returns: { type: \"decimal(15,2)\" }", "returns: { type: text }", "as decimal(38,18), and not text"),
        ("touches: [Invoices]", "touches: [Invoice]", "did you mean 'Invoices'?"),
        (
            "UPDATE \\\"Invoices\\\" SET note = $note WHERE id",
            "UPDATE \\\"Customers\\\" SET \\\"Name\\\" = $note WHERE \\\"Id\\\"",
            "over several sources",
        ),
        ("note = $note WHERE id = $id\"", "note = $nte WHERE id = $id\"", "$nte"),
        (
            "source: { name: billing, operation: purge }",
            "source: { name: crm, operation: purge }",
            "source 'crm' offers no operations of its own",
        ),
    ] {
        let wrong = good.replace(from, to);
        assert_ne!(wrong, good, "{from}");
        std::fs::write(sources.directory.path().join("portico.yaml"), wrong).unwrap();
        let (ended, text) = run(sources.directory.path(), &["check", "--config", "portico.yaml"], &sources.environment());
        assert!(matches!(ended, Ended::Badly) && text.contains(part) && text.contains("portico.yaml:"), "{to}: {text}");
    }
    // A right that is missing is told before anybody calls.
    let role = format!("caller_of_{}", sources.database.name);
    let grants = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; REVOKE EXECUTE ON FUNCTION purge FROM PUBLIC"
    );
    sources.database.run(&grants).await;
    let (scheme, rest) = sources.database.url.split_once("://").unwrap();
    let url = format!("{scheme}://{role}:x@{}", rest.split_once('@').unwrap().1);
    std::fs::write(sources.directory.path().join("portico.yaml"), good).unwrap();
    let (_, text) = run(sources.directory.path(), &["check", "--config", "portico.yaml"], &[("TEST_BILLING_URL", url.as_str())]);
    assert!(text.contains("'public.purge()' cannot be called: the source's login has no right to execute it"), "{text}");
    sources.database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
