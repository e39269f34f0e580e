//! A REST API over a database of PostgreSQL's: PostgREST, which `PORTICO_TEST_POSTGREST` names, and what it was asked.

use super::gateway::{free_port, http_client};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server. Dropping it stops it.
pub struct PostgRest {
    process: Child,
    pub port: u16,
    log: PathBuf,
}

impl PostgRest {
    /// Starts it over a database, and waits for it. Its log is a file of the directory.
    pub async fn start(database: &str, directory: &Path) -> PostgRest {
        let program = std::env::var("PORTICO_TEST_POSTGREST").expect("PORTICO_TEST_POSTGREST names the program of PostgREST");
        let (port, path) = (free_port(), directory.join("postgrest.log"));
        let log = std::fs::File::create(&path).unwrap();
        let mut command = Command::new(program);
        command.env("PGRST_DB_URI", database).env("PGRST_DB_SCHEMAS", "public").env("PGRST_DB_ANON_ROLE", "postgres");
        command.env("PGRST_SERVER_HOST", "127.0.0.1").env("PGRST_SERVER_PORT", port.to_string()).env("PGRST_LOG_LEVEL", "info");
        let process = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let server = PostgRest { process, port, log: path };
        let (client, end) = (http_client(), Instant::now() + Duration::from_secs(60));
        let ready = async || client.get(format!("http://127.0.0.1:{port}/")).send().await.is_ok_and(|answer| answer.status().is_success());
        while !ready().await {
            assert!(Instant::now() < end, "PostgREST did not come up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server
    }

    /// What it was asked so far, as `METHOD /path?query`, decoded. It writes its log when it has answered: what is waited for comes.
    pub async fn asked(&self, wanted: &str) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap();
            let request = |line: &str| Some(decoded(line.split('"').nth(1)?.strip_suffix(" HTTP/1.1")?));
            let asked: Vec<String> = log.lines().filter_map(request).collect();
            if asked.iter().any(|request| request.contains(wanted)) {
                return asked;
            }
            assert!(Instant::now() < end, "nobody asked for {wanted}:\n{}", asked.join("\n"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for PostgRest {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).unwrap()
}
