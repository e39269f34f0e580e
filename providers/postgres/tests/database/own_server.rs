//! A server of one's own, which a test may stop in the middle of its work; ended and removed when it is dropped.

use std::path::PathBuf;
use std::process::Command;

/// A running server.
pub struct OwnServer {
    /// Where it is reached.
    pub url: String,
    directory: PathBuf,
}

/// Its first process.
const PID_FILE: &str = "data/postmaster.pid";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server.sh");

impl OwnServer {
    /// Starts it.
    pub fn start() -> OwnServer {
        let directory = std::env::temp_dir().join(format!("portico_server_{:016x}", fastrand::u64(..)));
        let started = Command::new("bash").arg(SCRIPT).arg("start").arg(&directory).output().expect("bash");
        let said = String::from_utf8_lossy(&started.stdout);
        assert!(started.status.success(), "the server does not start: {}", String::from_utf8_lossy(&started.stderr));
        let url = said.trim().split_once('=').expect("a url").1.to_owned();
        OwnServer { url, directory }
    }

    /// Sends a signal to all of its processes: `STOP` has it fall silent in the middle of whatever it does, `CONT` has it go on.
    pub fn signal(&self, signal: &str) {
        let first = std::fs::read_to_string(self.directory.join(PID_FILE)).expect("the server runs");
        let first = first.lines().next().unwrap_or_default().trim().to_owned();
        let command = format!("kill -{signal} {first} $(cat /proc/{first}/task/*/children)");
        let sent = Command::new("bash").arg("-c").arg(&command).status().expect("bash");
        assert!(sent.success(), "{command}");
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.signal("CONT");
        let stopped = Command::new("bash").arg(SCRIPT).arg("stop").arg(&self.directory).status();
        assert!(stopped.is_ok_and(|status| status.success()) || std::thread::panicking(), "the server does not stop");
    }
}
