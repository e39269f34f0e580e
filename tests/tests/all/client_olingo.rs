//! Apache Olingo's Java client against the gateway: `tests/clients/olingo`, which compares what it reads itself. It must not know how.

use super::clients::serve;
use super::fixture::FULL;
use std::path::Path;
use std::process::{Command, Output};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The program, compiled into a directory; its class path.
fn compiled(directory: &Path) -> String {
    let jars = std::env::var("PORTICO_TEST_OLINGO").expect(
        "PORTICO_TEST_OLINGO is not set: tests/run fetches the jars that tests/clients/olingo/pom.xml names, and sets it to their folder",
    );
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/clients/olingo/src"));
    let files = std::fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path());
    let mut command = Command::new("javac");
    command.args(["-encoding", "UTF-8", "-d"]).arg(directory).arg("-cp").arg(format!("{jars}/*")).args(files);
    let output = command.output().unwrap_or_else(|error| panic!("javac does not start ({error}): tests/run installs it"));
    assert!(output.status.success(), "the client does not compile:\n{}", said(&output));
    format!("{}:{jars}/*", directory.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn olingo_reads_and_writes() {
    let served = serve().await;
    let classes = tempfile::tempdir().unwrap();
    let class_path = compiled(classes.path());
    let root = format!("{}/odata/", served.gateway.http);
    let run = move || {
        // A zone that is not UTC and a language with other decimal points: neither may show in what is sent.
        let settings = ["-Dfile.encoding=UTF-8", "-Duser.timezone=America/St_Johns", "-Duser.language=de", "-Duser.region=DE"];
        Command::new("java").args(settings).arg("-cp").arg(class_path).args(["Main", &root, FULL]).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(output.status.success(), "{}\n{}", said(&output), served.gateway.log());
}
