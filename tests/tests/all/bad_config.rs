//! Mistakes in the configuration: each is refused at the start with file, line and what was meant.

use super::fixture::{FULL, Sources};
use super::gateway::{Ended, run, run_within, sha256};
use std::time::Duration;

/// What is replaced in a good configuration, by what, the line of the mistake (as text that stands in it), and what the message says.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("kind: sqlite", "kind: sqlit", "kind: sqlit", "sqlite"),
    ("kind: sqlite, path", "kind: sqlite, pth", "pth", "path"),
    ("sources:", "surces:", "surces:", "sources"),
    ("tables:\n", "tabels:\n", "tabels:", "tables"),
    ("remote: customers", "remote: custmers", "remote: custmers", "customers"),
    ("remote: customers", "remot: customers", "remot: customers", "remote"),
    ("{ remote: name }", "{ remote: nme }", "nme", "name"),
    ("{ remote: name }", "{ remote: name, type: strng }", "strng", "not a type"),
    ("{ remote: name }", "{ remote: name, max_lenght: 3 }", "max_lenght", "max_length"),
    ("{ remote: name }", "{ remote: name, codec: date_txt }", "date_txt", "date_text"),
    ("{ remote: id }", "{ remote: id, max_length: 3 }", "max_length", "text and binary"),
    ("freshness: 1h", "freshness: 1 hour", "1 hour", "duration"),
    ("freshness: 1h", "freshness: 3600", "3600", ""),
    ("version: xmin", "version: xmn", "version: xmn", "xmin"),
    ("to: Invoices", "to: Invoice", "to: Invoice,", "Invoices"),
    ("{ Id: customer_id }", "{ Idd: customer_id }", "Idd", "Id"),
    ("{ Id: customer_id }", "{ Id: note }", "Id: note", "cannot be equal"),
    ("key: [Id]", "key: [ID]", "key: [ID]", "Id"),
    ("key: [Id]", "key: []", "key: []", "at least one"),
    ("FROM \"Customers\" c", "FROM \"Custmers\" c", "Custmers", "Custmers"),
    ("sum(i.amount) AS", "sum(i.amunt) AS", "amunt", "amunt"),
    ("sum(i.amount) AS", "sum(i.amount + ?) AS", "i.amount + ?", "no parameters"),
    ("SELECT c.\"Id\" AS \"Id\",", "DELETE FROM \"Customers\" --", "DELETE", ""),
    ("rows: \"Region = principal.region\"", "rows: \"Regon = principal.region\"", "Regon", "Region"),
    ("rows: \"Region = principal.region\"", "rows: \"Region = \"", "rows:", ""),
    ("hide: [TaxId]", "hide: [TaxID]", "TaxID", "TaxId"),
    ("mask: { City: \"'***'\" }", "mask: { Cty: \"'***'\" }", "Cty", "City"),
    ("mask: { City: \"'***'\" }", "mask: { City: \"left(\" }", "left(", ""),
    ("write: [update]", "write: [updat]", "[updat]", "update"),
    ("clerk:\n      Invoices", "clerk:\n      Invoicess", "Invoicess", "Invoices"),
    ("roles: [clerk]", "roles: [clark]", "clark", "clerk"),
    ("operators: [full]", "operators: [ful]", "[ful]", "full"),
    ("in: [header, query]", "in: [header, qery]", "qery", "query"),
    ("anonymous: none", "anonymous: nobody", "nobody", "none"),
    ("anonymous: none", "anonymous: none\nservices: { a: { path: \"a\" } }", "services:", "not a path"),
    ("anonymous: none", "anonymous: none\nservices: { a: { path: \"/sql\" } }", "services:", "/sql"),
    ("anonymous: none", "anonymous: none\nservices: { a: { path: \"/a\", tables: [Custmers] } }", "services:", "Customers"),
    ("anonymous: none", "anonymous: none\nservices: { a: { path: \"/a\", profil: dataverse } }", "services:", "profile"),
    ("anonymous: none", "anonymous: none\n  anonymous: none # again", "# again", "anonymous"),
    ("{ env: TEST_BILLING_URL }", "\"postgres://u:hush-hush@127.0.0.1/x\"", "hush-hush", "env"),
    ("{ env: TEST_BILLING_URL }", "{ env: TEST_NOT_SET_AT_ALL }", "TEST_NOT_SET_AT_ALL", "not set"),
    ("{ env: TEST_BILLING_URL }", "{ file: no-such-file }", "no-such-file", "no-such-file"),
    ("Regions: { source: crm", "Regions: { source: crn", "crn", "crm"),
    (
        "Lines: { source: billing, remote: lines }",
        "Lines: { source: billing, remote: lines }\n  \"Li nes\": { source: billing, remote: lines }",
        "Li nes",
        "Li_nes",
    ),
    ("Lines: { source: billing, remote: lines }", "Lines: {}", "Lines: {}", "source"),
    ("Lines: { source: billing, remote: lines }", "Lines: [a, b]", "Lines: [a", ""),
    ("anonymous: none", "anonymous: [", "", ""),
    ("anonymous: none", "\tanonymous: none", "anonymous", ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_refused_with_file_line_and_suggestion() {
    let sources = Sources::create().await;
    let good = format!("gateway:\n  token_key: {{ env: TEST_TOKEN_KEY }}\n{}", sources.config());
    let file = sources.directory.path().join("bad.yaml");
    let mut wrong = Vec::new();
    let hash = sha256(FULL);
    let mut mistakes: Vec<(String, String, String)> = Vec::new();
    for (from, to, line, part) in MISTAKES {
        assert!(good.contains(from), "the good configuration has no '{from}'");
        let text = good.replacen(from, to, 1);
        mistakes.push((text, (*line).to_owned(), (*part).to_owned()));
    }
    mistakes.push((good.replace(&hash, "0123"), "0123".to_owned(), "sha".to_owned()));
    mistakes.push((String::new(), String::new(), "sources".to_owned()));
    mistakes.push(("- 1".to_owned(), String::new(), String::new()));
    for (text, line, part) in mistakes {
        std::fs::write(&file, &text).unwrap();
        let time = Duration::from_secs(10);
        let (ended, output) = run_within(time, sources.directory.path(), &["serve", "--config", "bad.yaml"], &sources.environment());
        let number = text.lines().position(|candidate| !line.is_empty() && candidate.contains(&line)).map(|index| index + 1);
        let placed = number.is_none_or(|number| output.contains(&format!("bad.yaml:{number}:")));
        if ended != Ended::Badly
            || !output.contains("bad.yaml")
            || !placed
            || !output.to_lowercase().contains(&part.to_lowercase())
            || output.contains("panicked")
        {
            wrong.push(format!("line {number:?} '{line}' must be refused with '{part}': ended: {ended:?}; {output}"));
        }
        if output.contains("hush-hush") || output.contains(&sources.database.url) {
            wrong.push(format!("a secret is printed: {output}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        &["serve"][..],
        &["serve", "--config", "missing.yaml"],
        &["serve", "--confg", "x.yaml"],
        &["frobnicate"],
        &["demo", "--scale", "0"],
        &["demo", "--http", "nowhere"],
        &["explain", "--config", "missing.yaml", "SELECT 1"],
    ] {
        let (ended, output) = run(directory.path(), arguments, &[]);
        assert!(ended == Ended::Badly && !output.trim().is_empty() && !output.contains("panicked"), "{arguments:?}: {output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_of_the_configuration_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let (ended, output) = run(directory.path(), &["schema"], &[]);
    assert!(ended == Ended::Well, "{output}");
    let schema: serde_json::Value = serde_json::from_str(&output).unwrap();
    for key in ["sources", "tables", "services", "access", "gateway"] {
        assert!(schema["properties"].get(key).is_some(), "{key} is not in the schema");
    }
}
