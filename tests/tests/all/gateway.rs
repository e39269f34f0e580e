//! The program under test: built, started with a configuration on free ports, waited for, asked over HTTP, and stopped. It knows the
//! command line and the admin port, and nothing of what is inside.

use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Long enough for a debug build on a busy machine.
const START: Duration = Duration::from_secs(60);

/// What the program under test signs with.
pub const TOKEN_KEY: &str = "0123456789abcdef0123456789abcdef";

/// A client that asks what is on the loopback, without proxies. It trusts no certificate: what is encrypted is asked by other clients.
pub fn http_client() -> Client {
    http_client_builder().build().unwrap()
}

/// The same, to be told more.
pub fn http_client_builder() -> ClientBuilder {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().unwrap().with_root_certificates(rustls::RootCertStore::empty());
    Client::builder().tls_backend_preconfigured(tls.with_no_client_auth()).no_proxy()
}

/// A running gateway. Dropping it stops it.
pub struct Gateway {
    child: Child,
    pub http: String,
    pub flight: String,
    pub admin: String,
    log: Arc<Mutex<String>>,
    client: Client,
}

/// The program, built when it is not there.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // …/debug/deps/all-1234 → …/debug/portico
        let own = std::env::current_exe().unwrap();
        let path = own.parent().and_then(Path::parent).unwrap().join("portico");
        if !path.exists() {
            let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
            let built = Command::new(env!("CARGO")).args(["build", "-p", "portico", "--manifest-path", manifest]).status().unwrap();
            assert!(built.success(), "the program does not build");
        }
        assert!(path.exists(), "{} is missing", path.display());
        path
    })
}

/// A door without settings of its own.
fn plain(listen: &str) -> String {
    format!("{{ listen: \"{listen}\" }}")
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Gateway {
    /// Starts the program with a configuration (without its `gateway:` part, which is added) and environment variables, and waits until
    /// it is alive. The file is written into `directory`.
    pub async fn start(directory: &Path, config: &str, environment: &[(&str, &str)]) -> Gateway {
        Gateway::start_with(directory, config, "", environment).await
    }

    /// The same with further lines for `gateway:`, each indented by two blanks.
    pub async fn start_with(directory: &Path, config: &str, settings: &str, environment: &[(&str, &str)]) -> Gateway {
        Gateway::launch(directory, config, settings, [&plain, &plain], environment).await
    }

    /// The same with further settings for the HTTP door, each with a comma before it.
    pub async fn start_with_http(directory: &Path, config: &str, http: &str, environment: &[(&str, &str)]) -> Gateway {
        let http_door = |listen: &str| format!("{{ listen: \"{listen}\"{http} }}");
        Gateway::launch(directory, config, "", [&http_door, &plain], environment).await
    }

    /// The same with doors for clients that are given as YAML for their address, and are encrypted if there is `tls` in it.
    pub async fn start_with_doors(directory: &Path, config: &str, door: impl Fn(&str) -> String, environment: &[(&str, &str)]) -> Gateway {
        Gateway::launch(directory, config, "", [&door, &door], environment).await
    }

    async fn launch(
        directory: &Path,
        config: &str,
        settings: &str,
        doors: [&dyn Fn(&str) -> String; 2],
        environment: &[(&str, &str)],
    ) -> Gateway {
        let (http, flight, admin) = (free_port(), free_port(), free_port());
        let (http_door, flight_door) = (doors[0](&format!("127.0.0.1:{http}")), doors[1](&format!("127.0.0.1:{flight}")));
        let text = format!(
            "gateway:\n  http: {http_door}\n  flight: {flight_door}\n  admin: {{ listen: \"127.0.0.1:{admin}\" }}\n  \
             token_key: {{ env: TEST_TOKEN_KEY }}\n{settings}{config}"
        );
        let (http_scheme, flight_scheme) = if http_door.contains("tls:") { ("https", "grpc+tls") } else { ("http", "grpc") };
        let file = directory.join("portico.yaml");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(program());
        command.arg("serve").arg("--config").arg(&file).env("TEST_TOKEN_KEY", TOKEN_KEY);
        command.envs(environment.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), log.clone());
        collect(child.stderr.take().unwrap(), log.clone());
        let gateway = Gateway {
            child,
            http: format!("{http_scheme}://127.0.0.1:{http}"),
            flight: format!("{flight_scheme}://127.0.0.1:{flight}"),
            admin: format!("http://127.0.0.1:{admin}"),
            log,
            client: http_client(),
        };
        gateway.wait_for("/live").await
    }

    async fn wait_for(mut self, path: &str) -> Gateway {
        let end = Instant::now() + START;
        loop {
            if let Ok(response) = self.client.get(format!("{}{path}", self.admin)).send().await
                && response.status().is_success()
            {
                return self;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "the gateway did not come up ({ended:?}):\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every source is ready.
    pub async fn ready(self) -> Gateway {
        self.wait_for("/ready").await
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn request(&self, method: Method, path: &str, key: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.http)).timeout(Duration::from_secs(120));
        if key.is_empty() { request } else { request.header("X-Api-Key", key) }
    }

    pub async fn get(&self, path: &str, key: &str) -> Response {
        self.request(Method::GET, path, key).send().await.unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// The JSON of a successful answer.
    pub async fn json(&self, path: &str, key: &str) -> Value {
        let response = self.get(path, key).await;
        let status = response.status();
        let text = response.text().await.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert!(status.is_success(), "GET {path}: {status} {text}\n{}", self.log());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("GET {path}: {error}: {text}"))
    }

    /// Runs SQL over HTTP.
    pub async fn sql(&self, sql: &str, key: &str) -> Response {
        let request = self.request(Method::POST, "/sql", key).header("Accept", "application/json");
        request.json(&serde_json::json!({ "sql": sql })).send().await.unwrap()
    }

    /// What the operators' door answers.
    pub async fn ask_admin(&self, path: &str) -> String {
        let response = self.client.get(format!("{}{path}", self.admin)).send().await.unwrap();
        response.text().await.unwrap()
    }

    /// Resident memory in bytes: now, and at its highest.
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
        };
        (field("VmRSS"), field("VmHWM"))
    }

    /// Asks the program to stop, and says whether it ended well within the time.
    pub fn stop(&mut self, within: Duration) -> bool {
        terminate(&self.child);
        let end = Instant::now() + within;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

fn terminate(child: &Child) {
    let asked = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(asked.success(), "the gateway could not be asked to stop");
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        terminate(&self.child);
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            panic!("the gateway did not stop when it was asked to:\n{}", self.log());
        }
    }
}

fn collect(stream: impl std::io::Read + Send + 'static, log: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    })
}

/// How a run of the program ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    Well,
    Badly,
    /// It was still running after the time it was given, and was killed.
    NotAtAll,
}

/// Runs the program with arguments to its end, and gives what it wrote.
pub fn run(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Ended, String) {
    run_within(START, directory, arguments, environment)
}

/// The same with a time of one's own.
pub fn run_within(time: Duration, directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Ended, String) {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(directory).env("TEST_TOKEN_KEY", TOKEN_KEY).envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let log = Arc::new(Mutex::new(String::new()));
    let collectors = [collect(child.stdout.take().unwrap(), log.clone()), collect(child.stderr.take().unwrap(), log.clone())];
    let end = Instant::now() + time;
    let ended = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break if status.success() { Ended::Well } else { Ended::Badly };
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            break Ended::NotAtAll;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // The collectors end with the streams.
    for collector in collectors {
        let _ = collector.join();
    }
    let text = log.lock().unwrap().clone();
    (ended, text)
}
