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
    pub database: String,
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
        Erp::serve(&environment, directory, "demo", "uri = sqlite://\npath = {directory}\n", settings)
    }

    /// On PostgreSQL, with a new database that has the fixtures' models alone.
    pub fn start_on_postgres() -> Erp {
        let environment = environment();
        let directory = tempfile::tempdir().unwrap();
        let url = std::env::var("PORTICO_TEST_POSTGRES_URL").expect("PORTICO_TEST_POSTGRES_URL names a PostgreSQL server");
        let (server, _) = url.rsplit_once('/').unwrap();
        let name = format!("tryton_{:08x}", fastrand::u32(..));
        // The server's own client makes it: its environment has one.
        let script = format!(
            "import psycopg; psycopg.connect({url:?}, autocommit=True).execute('CREATE DATABASE {name} ENCODING UTF8 TEMPLATE template0')"
        );
        let python = environment.join("python/bin/python");
        assert!(Command::new(&python).args(["-c", &script]).status().unwrap().success(), "the database could not be made");
        let config = directory.path().join("build.conf");
        std::fs::write(&config, format!("[database]\nuri = {}\n", server.replacen("postgres://", "postgresql://", 1))).unwrap();
        let admin = |arguments: &[&str]| {
            let mut command = Command::new(environment.join("python/bin/trytond-admin"));
            command.arg("-c").arg(&config).args(["-d", &name]).args(arguments).env("TRYTONPASSFILE", environment.join("password"));
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        admin(&["--all", "--email", "admin@example.org"]);
        admin(&["-u", "portico_fixture"]);
        let large = format!(
            "import psycopg; psycopg.connect('{server}/{name}', autocommit=True).execute(\"INSERT INTO portico_fixture_large (id, create_uid, create_date, filler) \
             SELECT n, 1, now(), repeat('portico ', 100) FROM generate_series(1, 30000) n\")"
        );
        assert!(Command::new(&python).args(["-c", &large]).status().unwrap().success(), "the large table could not be filled");
        let uri = format!("uri = {}\n", server.replacen("postgres://", "postgresql://", 1));
        Erp::serve(&environment, directory, &name, &uri, "")
    }

    fn serve(environment: &Path, directory: tempfile::TempDir, name: &str, database: &str, settings: &str) -> Erp {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = directory.path().join("trytond.conf");
        let database = database.replace("{directory}", &directory.path().display().to_string());
        std::fs::write(&config, format!("[database]\n{database}[web]\nlisten = 127.0.0.1:{port}\n{settings}\n")).unwrap();
        let child = run(environment, &config, directory.path(), name);
        let mut erp = Erp { child, directory, port, database: name.to_owned() };
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
        if self.database != "demo"
            && let (Ok(url), Ok(environment)) = (std::env::var("PORTICO_TEST_POSTGRES_URL"), std::env::var("PORTICO_TEST_TRYTON"))
        {
            let drop = format!(
                "import psycopg; psycopg.connect({url:?}, autocommit=True).execute('DROP DATABASE {} WITH (FORCE)')",
                self.database
            );
            let _ = Command::new(Path::new(&environment).join("python/bin/python")).args(["-c", &drop]).status();
        }
    }
}

fn run(environment: &Path, config: &Path, directory: &Path, database: &str) -> Child {
    let log = std::fs::File::create(directory.join("trytond.log")).unwrap();
    let mut command = Command::new(environment.join("python/bin/trytond"));
    command.arg("-c").arg(config).args(["-d", database]).current_dir(directory).stdin(Stdio::null());
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
