//! Encryption against a server of one's own whose certificate is made here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod database;

use database::{client, connect_with};
use mysql_async::prelude::Queryable;
use portico_provider_api::{QueryContext, Selection, SourceErrorKind};
use std::path::PathBuf;
use std::process::Command;

/// A server with a certificate for 127.0.0.1; stopped and removed when it is dropped.
struct Server {
    folder: PathBuf,
    url: String,
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn script() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server.sh"))
}

impl Server {
    fn start() -> Server {
        let folder = std::env::temp_dir().join(format!("portico-mysql-tls-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        let mut server = Server { folder, url: String::new() };
        let commands = [
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2",
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out request.pem -subj /CN=server",
            "printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > extensions",
            "openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem",
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout other.key -out other.pem -subj /CN=other -days 2",
            "chmod 755 . && chmod 644 key.pem cert.pem",
        ];
        for command in commands {
            run(Command::new("sh").args(["-c", command]).current_dir(&server.folder));
        }
        let place = server.folder.display();
        let options = format!("--ssl-ca={place}/ca.pem --ssl-cert={place}/cert.pem --ssl-key={place}/key.pem");
        let started = run(script().arg("start").arg(server.folder.join("server")).env("PORTICO_TEST_MYSQL_OPTIONS", options));
        server.url = started.trim().strip_prefix("export PORTICO_TEST_MYSQL_URL=").unwrap().to_owned();
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = script().arg("stop").arg(self.folder.join("server")).output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_verified_and_encryption_is_kept_to() {
    let server = Server::start();
    let mut admin = client(&server.url).await;
    // Whoever logs in as this user is encrypted.
    admin.query_drop("CREATE USER guarded@'127.0.0.1' IDENTIFIED BY 'guarded-pw' REQUIRE SSL").await.unwrap();
    let place = server.url.rsplit('@').next().unwrap();
    let guarded = format!("mysql://guarded:guarded-pw@{place}");
    let ca = |name: &str| server.folder.join(name).display().to_string();
    let outcome = async |url: &str, tls: serde_json::Value| {
        let source = connect_with(serde_json::json!({ "url": url, "tls": tls }), 1).unwrap();
        source.remote_schema(&Selection::All, &QueryContext::default()).await.err()
    };
    for mode in ["prefer", "require"] {
        let trusted = outcome(&guarded, serde_json::json!({ "mode": mode, "ca": ca("ca.pem") })).await;
        assert!(trusted.is_none(), "{mode}: {trusted:?}");
        for tls in [serde_json::json!({ "mode": mode }), serde_json::json!({ "mode": mode, "ca": ca("other.pem") })] {
            let error = outcome(&server.url, tls).await.expect("an authority that is not trusted");
            assert_eq!(error.kind, SourceErrorKind::Unavailable, "{error:?}");
            assert!(error.message.contains("tls.ca") && error.retry == portico_provider_api::Retry::Never, "{error:?}");
        }
        // The certificate is for the address, not for the name.
        let named = guarded.replace("127.0.0.1", "localhost");
        let error = outcome(&named, serde_json::json!({ "mode": mode, "ca": ca("ca.pem") })).await.expect("another name");
        assert!(error.message.contains("tls.ca"), "{error:?}");
    }
    let plain = serde_json::json!({ "mode": "disable" });
    assert!(outcome(&server.url, plain.clone()).await.is_none());
    assert_eq!(outcome(&guarded, plain).await.unwrap().kind, SourceErrorKind::Credentials);
}
