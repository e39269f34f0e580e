//! A Tryton server of a test's own: a process on a free port, over a copy of the database that `server/environment.sh` has made. Dropping it stops it.

pub mod fixtures;

use portico_provider_api::{ConnectContext, Source};
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The password that `environment.sh` gives the user `admin`.
pub const PASSWORD: &str = "tests-of-portico";

/// A running server.
pub struct Erp {
    child: Child,
    directory: tempfile::TempDir,
    pub port: u16,
}

/// What `environment.sh` has made.
fn environment() -> PathBuf {
    let missing = "PORTICO_TEST_TRYTON names no environment: make one with providers/tryton/tests/server/environment.sh build DIR";
    let directory = PathBuf::from(std::env::var("PORTICO_TEST_TRYTON").expect(missing));
    assert!(directory.join("complete").exists(), "{missing}");
    directory
}

impl Erp {
    /// Starts it, and waits until it listens.
    pub fn start() -> Erp {
        Erp::start_with("")
    }

    /// The same with further lines of its configuration.
    pub fn start_with(settings: &str) -> Erp {
        let environment = environment();
        let directory = tempfile::tempdir().unwrap();
        std::fs::copy(environment.join("demo.sqlite"), directory.path().join("demo.sqlite")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = directory.path().join("trytond.conf");
        let path = directory.path().display();
        std::fs::write(&config, format!("[database]\nuri = sqlite://\npath = {path}\n[web]\nlisten = 127.0.0.1:{port}\n{settings}\n"))
            .unwrap();
        let child = run(&environment, &config, directory.path());
        let mut erp = Erp { child, directory, port };
        erp.wait();
        erp
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(self.directory.path().join("trytond.log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < end, "trytond did not come up ({ended:?}):\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Settings of a source that asks it, and more of them.
    pub fn settings(&self, more: Value) -> Value {
        settings(self.port, more)
    }

    /// A source that asks it.
    pub fn source(&self, more: Value) -> Arc<dyn Source> {
        source(self.settings(more)).unwrap()
    }
}

impl Drop for Erp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(environment: &Path, config: &Path, directory: &Path) -> Child {
    let log = std::fs::File::create(directory.join("trytond.log")).unwrap();
    let mut command = Command::new(environment.join("python/bin/trytond"));
    command.arg("-c").arg(config).args(["-d", "demo"]).current_dir(directory).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().expect("trytond starts")
}

/// Settings of a source that asks a server at a port.
pub fn settings(port: u16, more: Value) -> Value {
    let mut settings = json!({"url": format!("http://127.0.0.1:{port}/"), "database": "demo", "user": "admin", "password": PASSWORD,
        "backend": "sqlite", "text_order": "binary"});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

/// A source with these settings.
pub fn source(settings: Value) -> Result<Arc<dyn Source>, portico_provider_api::SourceError> {
    let context = ConnectContext {
        source_name: "erp".to_owned(),
        base_directory: ".".into(),
        max_connections: 8,
        timeout: Duration::from_secs(60),
        request_time: Duration::from_secs(120),
    };
    (portico_provider_tryton::kind().connect)(settings, context)
}
