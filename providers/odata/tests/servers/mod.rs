//! Starts the servers of this folder (README.md): each once for all tests of the program, in the folder that its environment variable names. It
//! knows how they are started and asked what they were asked, and nothing of OData.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "part of the tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A running server. It ends when its standard input is closed, which the end of this program does.
pub struct Server {
    _child: Child,
    /// `127.0.0.1:PORT`.
    host: String,
}

/// Olingo's services of OData 4.0.
pub fn v4() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("v4", "PORTICO_TEST_ODATA_V4"))
}

/// Olingo's services of OData 2.0.
pub fn v2() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("v2", "PORTICO_TEST_ODATA_V2"))
}

/// SAP's mock.
pub fn mock() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("mock", "PORTICO_TEST_ODATA_MOCK"))
}

/// What a server was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Below the service's root, as it was sent, decoded.
    pub target: String,
    pub status: u64,
    pub headers: serde_json::Value,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.headers.as_object()?;
        headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
    }
}

impl Server {
    fn start(kind: &str, variable: &str) -> Server {
        let folder = std::env::var(variable).unwrap_or_else(|_| {
            panic!("{variable} is not set: it names the folder that `tests/servers/prepare.sh {kind} FOLDER` made (tests/run does that)")
        });
        // From this crate's folder or another one's of the workspace.
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let script = folders.map(|folder| folder.join("providers/odata/tests/servers/start.sh")).find(|script| script.exists()).unwrap();
        let mut child = Command::new(script).args([kind, &folder]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let host = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        let host = host.unwrap_or_else(|| panic!("the server {kind} in {folder} did not come up: {line:?}")).to_owned();
        Server { _child: child, host }
    }

    /// The address of something at this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.host)
    }

    /// What it was asked under this path of its log, without questions for the metadata.
    pub fn asked(&self, log: &str) -> Vec<Asked> {
        // Who has an answer may be faster than the server's own book about it.
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let asked = self.logged(log);
            if asked.iter().all(|asked| asked.status != 0) || Instant::now() > end {
                return asked;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn logged(&self, log: &str) -> Vec<Asked> {
        let text = self.exchange("GET", log);
        let lines = text.lines().filter(|line| !line.is_empty()).map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let text = |key: &str| value[key].as_str().unwrap().to_owned();
            let target = decoded(&text("target"));
            Asked {
                method: text("method"),
                target,
                status: value["status"].as_u64().unwrap(),
                headers: value["headers"].clone(),
                body: text("body"),
            }
        });
        lines.filter(|asked| !asked.target.ends_with("/$metadata")).collect()
    }

    /// Forgets what it was asked.
    pub fn forget(&self, log: &str) {
        self.exchange("DELETE", log);
    }

    /// What stands at a path, read past the kind.
    pub fn get(&self, path: &str) -> String {
        self.exchange("GET", path)
    }

    fn exchange(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        // HTTP/1.0, so that the answer is not in chunks.
        write!(stream, "{method} /{path} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\n\r\n", self.host).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.lines().next().unwrap().contains(" 200"), "{method} {path}: {head}\n{body}");
        body.to_owned()
    }
}

/// What stands in an address, decoded.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match (first, after.get(..2).and_then(hex)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (first, _) => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
