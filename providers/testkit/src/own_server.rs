//! A server of one's own, which a test may have fall silent in the middle of its work; ended and removed when it is dropped. It must not know which
//! server that is: the kind brings the script that starts and stops it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running server.
pub struct OwnServer {
    /// Where it is reached.
    pub url: String,
    script: PathBuf,
    directory: PathBuf,
    pid_file: &'static str,
}

impl OwnServer {
    /// Starts it by `SCRIPT start DIRECTORY`, which prints `NAME=URL`. The number of its first process stands in the first line of `pid_file`, below
    /// the directory.
    ///
    /// # Errors
    /// What the script says when it does not start.
    pub fn start(script: &Path, pid_file: &'static str) -> Result<OwnServer, String> {
        let directory = std::env::temp_dir().join(format!("portico_server_{:016x}", fastrand::u64(..)));
        let started = Command::new("bash").arg(script).arg("start").arg(&directory).output().map_err(|error| error.to_string())?;
        let (said, failure) = (String::from_utf8_lossy(&started.stdout), String::from_utf8_lossy(&started.stderr));
        let url = said.trim().split_once('=').filter(|_| started.status.success());
        let url = url.ok_or_else(|| format!("the server does not start: {said} {failure}"))?.1.to_owned();
        Ok(OwnServer { url, script: script.to_owned(), directory, pid_file })
    }

    /// Sends a signal to all of its processes: `STOP` has it fall silent in the middle of whatever it does, `CONT` has it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: &str) -> Result<(), String> {
        let first =
            std::fs::read_to_string(self.directory.join(self.pid_file)).map_err(|error| format!("the server does not run: {error}"))?;
        let first = first.lines().next().unwrap_or_default().trim().to_owned();
        let command = format!("kill -{signal} {first} $(cat /proc/{first}/task/*/children)");
        let sent = Command::new("bash").arg("-c").arg(&command).status().map_err(|error| error.to_string())?;
        if sent.success() { Ok(()) } else { Err(format!("{command}: {sent}")) }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let woken = self.signal("CONT");
        let stopped = Command::new("bash").arg(&self.script).arg("stop").arg(&self.directory).status();
        let ended = woken.is_ok() && stopped.is_ok_and(|status| status.success());
        assert!(ended || std::thread::panicking(), "the server does not stop");
        let left = left_over(&self.directory);
        assert!(left.is_empty() || std::thread::panicking(), "the server has stopped, and left behind: {left:?}");
    }
}

/// Command lines of processes that still name the directory after a while: what a server leaves running.
fn left_over(directory: &Path) -> Vec<String> {
    let name = directory.to_string_lossy();
    let running = || command_lines().into_iter().filter(|line| line.contains(name.as_ref())).collect::<Vec<_>>();
    for _ in 0..100 {
        if running().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    running()
}

/// Of all processes that there are. One that ends meanwhile has none.
fn command_lines() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}
