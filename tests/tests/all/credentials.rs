//! Users with passwords and keys in URLs, at both doors; and that no secret gets into the log.

use super::fixture::{EMEA, FULL, Sources};
use super::flight::{Caller, adbc_as};
use super::gateway::Gateway;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::process::Command;

/// With everything in it that is written differently somewhere: a colon, a blank, and a letter of more than one byte.
const PASSWORD: &str = "pass:wörd of ann";
const WRONG: &str = "guess-of-a-stranger";

/// The fixture's gateway with the user `ann`, who sees invoices, logging as much as it can.
async fn serve(sources: &Sources) -> Gateway {
    // Cheap, so that the test does not wait for it.
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
    let hash = argon2.hash_password(PASSWORD.as_bytes()).unwrap().to_string();
    let config = sources
        .config()
        .replace("  anonymous: none", &format!("  users:\n    ann: {{ argon2: \"{hash}\", roles: [clerk] }}\n  anonymous: none"));
    let settings = "  log: { level: debug }\n";
    Gateway::start_with(sources.directory.path(), &config, settings, &sources.environment()).await.ready().await
}

fn assert_no_secrets(gateway: &Gateway, sources: &Sources) {
    // A request is logged when its answer has been sent, so its client may be ahead of the log.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !gateway.log().contains("\"principal\":\"ann\"") {
        assert!(std::time::Instant::now() < end, "the log says who asked:\n{}", gateway.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let log = gateway.log();
    let encoded = "cGFzczp3";
    for secret in [PASSWORD, "pass:w", WRONG, FULL, EMEA, encoded, super::gateway::TOKEN_KEY, &sources.database.url, "pt1.", "argon2id"] {
        assert!(!log.contains(secret), "'{secret}' is in the log:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_over_http() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    let ask = async |path: &str, user: &str, password: &str| {
        let response = gateway.request(Method::GET, path, "").basic_auth(user, Some(password)).send().await.unwrap();
        let challenge = response.headers().get("WWW-Authenticate").map(|value| value.to_str().unwrap().to_owned());
        (response.status(), challenge, response.text().await.unwrap())
    };
    for _ in 0..2 {
        let (status, _, text) = ask("/odata/Invoices?$top=1", "ann", PASSWORD).await;
        assert_eq!(status, StatusCode::OK, "{text}");
    }
    let (status, _, text) = ask("/odata/Customers?$top=1", "ann", PASSWORD).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "her role has no customers: {text}");
    let mut refusals = Vec::new();
    for (user, password) in [("ann", WRONG), ("ann", ""), ("Ann", PASSWORD), ("bob", PASSWORD), ("", ""), ("full", FULL)] {
        let (status, challenge, text) = ask("/odata/Invoices?$top=1", user, password).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{user}: {text}");
        assert!(challenge.is_some_and(|challenge| challenge.contains("Basic")), "a browser must know what to ask for");
        assert!(!text.contains(WRONG) && !text.contains(PASSWORD), "{text}");
        refusals.push(serde_json::from_str::<Value>(&text).unwrap()["error"]["message"].clone());
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "what was wrong is not told: {refusals:?}");
    let sql = gateway.request(Method::POST, "/sql", "").basic_auth("ann", Some(PASSWORD)).header("Accept", "application/json");
    let response =
        sql.json(&json!({ "sql": "SELECT count(*) AS n FROM \"Invoices\" WHERE id = ?", "parameters": [1] })).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    for header in ["Basic", "Basic ???", "Basic YW5u", "Digest username=\"ann\"", "Bearer", ""] {
        let response = gateway.request(Method::GET, "/odata/Invoices", "").header("Authorization", header).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{header}");
    }
    // Real clients write it this way.
    let url = format!("{}/odata/Invoices?$top=1", gateway.http);
    let output = Command::new("curl").args(["-sS", "--noproxy", "*", "-u", &format!("ann:{PASSWORD}"), &url]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"value\""), "{output:?}");
    assert_no_secrets(&gateway, &sources);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_over_flight() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    let questions = [json!({ "query": "SELECT count(*) FROM \"Invoices\"" }), json!({ "query": "SELECT * FROM \"Customers\"" })];
    let ask = |caller: Caller| adbc_as(&gateway.flight, &caller, &questions);
    let with_handshake = |user: &str, password: &str| Caller { user: Some((user.to_owned(), password.to_owned())), ..Caller::default() };
    let per_call = |header: &str| Caller { authorization: Some(header.to_owned()), ..Caller::default() };
    // "ann:" and the password in Base64.
    let basic = "Basic YW5uOnBhc3M6d8O2cmQgb2YgYW5u";
    for caller in [with_handshake("ann", PASSWORD), per_call(basic)] {
        let answers = ask(caller);
        assert_eq!(answers[0]["rows"], json!([[120]]), "{}", answers[0]);
        assert!(answers[1]["error"].as_str().is_some_and(|message| message.contains("Customers")), "{}", answers[1]);
    }
    for caller in [
        with_handshake("ann", WRONG),
        with_handshake("bob", PASSWORD),
        per_call("Basic YW5uOmd1ZXNz"),
        per_call("Basic ???"),
        // A token that nobody signed, and one whose time is over.
        per_call("Bearer pt1.MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI5OTk5OTk5OTk5OmFubg"),
        Caller::default(),
    ] {
        let answer = ask(caller).remove(0);
        let message = answer["error"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(message.contains("Unauthenticated") || message.contains("UNAUTHENTICATED"), "{message}");
        assert!(!message.contains(WRONG) && !message.contains(PASSWORD), "{message}");
    }
    assert_no_secrets(&gateway, &sources);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_taken_from_the_url_only_where_it_may_stand_there() {
    let sources = Sources::create().await;
    let gateway = serve(&sources).await;
    let status = async |path: &str| gateway.get(path, "").await.status();
    assert_eq!(status(&format!("/odata/Invoices?$top=1&api_key={EMEA}")).await, StatusCode::OK);
    assert_eq!(status(&format!("/odata/Invoices?api_key={EMEA}&$top=1")).await, StatusCode::OK);
    assert_eq!(status(&format!("/odata/Invoices?$top=1&api_key={FULL}")).await, StatusCode::UNAUTHORIZED, "this one is for headers");
    assert_eq!(status(&format!("/odata/Invoices?$top=1&api_key={WRONG}")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status("/odata/Invoices?$top=1&api_key=").await, StatusCode::UNAUTHORIZED);
    let both = gateway.get(&format!("/odata/Invoices?$top=1&api_key={EMEA}"), EMEA).await.status();
    assert_eq!(both, StatusCode::UNAUTHORIZED, "two keys in one request are not understood");
    // Links in answers do not carry it further.
    let page = gateway.request(Method::GET, &format!("/odata/Invoices?api_key={EMEA}"), "").header("Prefer", "odata.maxpagesize=5");
    let text = page.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("@odata.nextLink") && !text.contains(EMEA) && !text.contains("api_key"), "{text}");
    let response = gateway.request(Method::GET, "/odata/Invoices?$top=1", "").basic_auth("ann", Some(PASSWORD)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_no_secrets(&gateway, &sources);
}
