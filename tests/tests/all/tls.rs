//! TLS on both doors, with a certificate made for the test: clients that trust it get in, and everybody else is refused.

use super::fixture::{FULL, Sources, invoices};
use super::flight::{Caller, adbc_as};
use super::gateway::{Ended, Gateway, run_within};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Makes a self-signed certificate for this machine and its key: `NAME.cert.pem` and `NAME.key.pem`.
fn make_certificate(directory: &Path, name: &str) -> PathBuf {
    let (certificate, key) = (directory.join(format!("{name}.cert.pem")), directory.join(format!("{name}.key.pem")));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN=Portico test {name}"), "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl is installed: run tests/run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    certificate
}

/// Runs curl: whether it ended well, and what it wrote.
fn curl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("curl").args(["-sS", "--noproxy", "*", "-m", "60"]).args(arguments).output().expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

pub fn with_tls(directory: &Path, listen: &str) -> String {
    let (cert, key) = (directory.join("own.cert.pem"), directory.join("own.key.pem"));
    format!("{{ listen: \"{listen}\", tls: {{ cert: {}, key: {} }} }}", cert.display(), key.display())
}

/// A gateway whose doors for clients are encrypted, and the certificate to trust.
async fn serve(sources: &Sources) -> (Gateway, PathBuf) {
    let directory = sources.directory.path();
    let certificate = make_certificate(directory, "own");
    let door = |listen: &str| with_tls(directory, listen);
    let gateway = Gateway::start_with_doors(directory, &sources.config(), door, &sources.environment()).await.ready().await;
    (gateway, certificate)
}

#[tokio::test(flavor = "multi_thread")]
async fn http_is_encrypted() {
    let sources = Sources::create().await;
    let (gateway, certificate) = serve(&sources).await;
    let (trusted, key) = (certificate.to_str().unwrap(), format!("X-Api-Key: {FULL}"));
    assert!(gateway.http.starts_with("https://"), "{}", gateway.http);
    for version in ["--http1.1", "--http2"] {
        let page = format!("{}/odata/Invoices?$top=2&$orderby=id&$select=id", gateway.http);
        let (well, text) = curl(&[version, "--cacert", trusted, "-H", &key, &page]);
        assert!(well, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        let ids: Vec<&Value> = answer["value"].as_array().unwrap().iter().map(|entity| &entity["id"]).collect();
        assert_eq!(ids, [&json!(1), &json!(2)], "{text}");
        let context = answer["@odata.context"].as_str().unwrap();
        assert!(context.starts_with(&gateway.http), "links have the door's own scheme: {context}");
    }
    let body = r#"{"sql": "SELECT count(*) AS n FROM \"Invoices\""}"#;
    let sql = format!("{}/sql", gateway.http);
    let (well, text) = curl(&[
        "--cacert",
        trusted,
        "-H",
        &key,
        "-H",
        "Content-Type: application/json",
        "-H",
        "Accept: application/json",
        "-d",
        body,
        &sql,
    ]);
    assert!(well && text.contains(&invoices().len().to_string()), "{text}");
    // Who does not trust the certificate, trusts another one, calls it another name, or speaks plain text gets nothing.
    let other = make_certificate(sources.directory.path(), "other");
    let by_name = gateway.http.replace("127.0.0.1", "portico.invalid");
    let resolve = format!("portico.invalid:{}:127.0.0.1", gateway.http.rsplit_once(':').unwrap().1);
    let plain = gateway.http.replace("https://", "http://");
    for (arguments, part) in [
        (vec!["-H", &key, &sql], "certificate"),
        (vec!["--cacert", other.to_str().unwrap(), "-H", &key, &sql], "certificate"),
        (vec!["--cacert", trusted, "--resolve", &resolve, "-H", &key, &by_name], "portico.invalid"),
        (vec!["--cacert", trusted, "--tls-max", "1.1", &sql], ""),
        (vec!["-H", &key, &plain], ""),
    ] {
        let (well, text) = curl(&arguments);
        assert!(!well && text.contains(part) && !text.contains("odata"), "{arguments:?}: {text}");
    }
    let (well, text) = curl(&["--cacert", trusted, "-o", "/dev/null", "-w", "%{http_code}", &format!("{}/odata/Invoices", gateway.http)]);
    assert!(well && text == "401", "the door is still open, and asks who it is: {text}");
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_is_encrypted() {
    let sources = Sources::create().await;
    let (gateway, certificate) = serve(&sources).await;
    let trusted = std::fs::read_to_string(certificate).unwrap();
    assert!(gateway.flight.starts_with("grpc+tls://"), "{}", gateway.flight);
    let caller = Caller { roots: Some(trusted.clone()), ..Caller::key(FULL) };
    let question = [json!({ "query": "SELECT count(*) FROM \"Invoices\"" })];
    let ask = |address: &str, caller: &Caller| adbc_as(address, caller, &question).remove(0);
    assert_eq!(ask(&gateway.flight, &caller)["rows"], json!([[invoices().len()]]));
    let other = std::fs::read_to_string(make_certificate(sources.directory.path(), "other")).unwrap();
    for (address, roots, part) in [
        (gateway.flight.clone(), None, "certificate"),
        (gateway.flight.clone(), Some(other), "certificate"),
        (gateway.flight.replace("grpc+tls://", "grpc://"), None, ""),
    ] {
        let answer = ask(&address, &Caller { roots, ..Caller::key(FULL) });
        let message = answer["error"].as_str().unwrap_or_else(|| panic!("{address} was answered: {answer}"));
        assert!(message.contains("Unavailable") && message.contains(part), "{message}");
    }
    assert_eq!(ask(&gateway.flight, &caller)["rows"], json!([[invoices().len()]]), "the door is still open");
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_stops_the_start() {
    let sources = Sources::create().await;
    let directory = sources.directory.path();
    make_certificate(directory, "own");
    make_certificate(directory, "other");
    std::fs::write(directory.join("empty.pem"), "").unwrap();
    std::fs::write(directory.join("broken.pem"), "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n").unwrap();
    // The certificate and the key, the line of the mistake among the two, and what is said.
    for (cert, key, wrong, part) in [
        ("missing.pem", "own.key.pem", "cert", "missing.pem cannot be read"),
        ("own.cert.pem", "missing.pem", "key", "missing.pem cannot be read"),
        ("empty.pem", "own.key.pem", "cert", "no PEM certificate"),
        ("own.key.pem", "own.key.pem", "cert", "no PEM certificate"),
        ("broken.pem", "own.key.pem", "cert", "not PEM"),
        ("own.cert.pem", "own.cert.pem", "key", "no PEM private key"),
        ("own.cert.pem", "other.key.pem", "cert", "do not fit"),
    ] {
        for door in ["http", "flight"] {
            let text = format!(
                "gateway:\n  {door}:\n    listen: \"127.0.0.1:0\"\n    tls:\n      cert: {cert}\n      key: {key}\n  admin: {{ listen: \
                 \"127.0.0.1:0\" }}\n{}",
                sources.config()
            );
            std::fs::write(directory.join("tls.yaml"), text).unwrap();
            let line = if wrong == "cert" { 5 } else { 6 };
            for command in ["serve", "check"] {
                let (ended, output) =
                    run_within(Duration::from_secs(20), directory, &[command, "--config", "tls.yaml"], &sources.environment());
                let placed = output.contains(&format!("tls.yaml:{line}:")) && output.contains(&format!("gateway.{door}.tls.{wrong}"));
                assert!(ended == Ended::Badly && placed && output.contains(part), "{command} {cert} {key}: {ended:?} {output}");
                assert!(!output.contains("panicked") && !output.contains("PRIVATE KEY"), "{output}");
            }
        }
    }
}
