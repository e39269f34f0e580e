//! Files that change: what is read is one version, or nothing.

use super::directory::{Directory, answer, relation, rows, table, types};
use futures::StreamExt;
use portico_provider_api::{QueryContext, SourceErrorKind, SourceQuery, Value};
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;

fn lines(rows: u32, word: &str) -> String {
    let filler = word.repeat(200);
    (0..rows).fold("id,filler\n".to_owned(), |mut lines, id| {
        writeln!(lines, "{id},{filler}").unwrap();
        lines
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_changed_is_read_again() {
    let directory = Directory::new();
    directory.write("t.csv", "id,name\n1,a\n");
    let source = directory.source(json!({ "tables": { "t": { "path": "t.csv", "key": ["id"] } } }));
    let state = source.probe(&QueryContext::default()).await.unwrap();
    assert_eq!(source.probe(&QueryContext::default()).await.unwrap(), state);
    let described = table(&source, "t").await;
    directory.write("t.csv", "id,name\n1,b\n2,c\n");
    assert_ne!(source.probe(&QueryContext::default()).await.unwrap(), state);
    let query = SourceQuery::scan(relation(&described));
    assert_eq!(answer(&source, query.clone()).await.unwrap(), [[Value::Int64(1), Value::text("b")], [Value::Int64(2), Value::text("c")]]);
    // What does not fit any more is told, and the key is looked at again.
    directory.write("t.csv", "id,name\nx,b\n");
    let error = answer(&source, query.clone()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::SchemaChanged, "{error}");
    directory.write("t.csv", "id,name\n7,b\n7,b\n");
    let error = answer(&source, query.clone()).await.unwrap_err();
    assert!(error.message.contains("line 2 and t.csv, line 3"), "{error}");
    std::fs::remove_file(directory.path("t.csv")).unwrap();
    let error = answer(&source, query).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (SourceErrorKind::Unavailable, "there is no file 't.csv'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_is_read_to_its_end() {
    let directory = Directory::new();
    directory.write("t.csv", lines(50_000, "old "));
    let source = directory.source(json!({}));
    let query = SourceQuery::scan(relation(&table(&source, "t").await));
    let mut stream = source.query(query.clone(), &QueryContext::default()).await.unwrap();
    let mut count = stream.next().await.unwrap().unwrap().num_rows();
    directory.write("new.csv", lines(10, "new "));
    std::fs::rename(directory.path("new.csv"), directory.path("t.csv")).unwrap();
    while let Some(batch) = stream.next().await {
        count += batch.unwrap().num_rows();
    }
    assert_eq!(count, 50_000, "the old version, all of it");
    assert_eq!(answer(&source, query).await.unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_changed_in_place_while_it_is_read_is_an_error() {
    for change in ["same size", "longer", "shorter", "time set back"] {
        let directory = Directory::new();
        directory.write("t.csv", lines(50_000, "old "));
        let before = std::fs::metadata(directory.path("t.csv")).unwrap().modified().unwrap();
        let source = directory.source(json!({}));
        let query = SourceQuery::scan(relation(&table(&source, "t").await));
        let mut stream = source.query(query, &QueryContext::default()).await.unwrap();
        stream.next().await.unwrap().unwrap();
        // Writing into the file itself: its name stays with the same file.
        match change {
            "shorter" => std::fs::write(directory.path("t.csv"), lines(10, "new ")).unwrap(),
            "longer" => std::fs::write(directory.path("t.csv"), lines(60_000, "new ")).unwrap(),
            _ => std::fs::write(directory.path("t.csv"), lines(50_000, "new ")).unwrap(),
        }
        if change == "time set back" {
            std::fs::File::options().write(true).open(directory.path("t.csv")).unwrap().set_modified(before).unwrap();
        }
        let mut failure = None;
        while let Some(batch) = stream.next().await {
            match batch {
                Ok(batch) => {
                    let text = arrow::array::AsArray::as_string::<i32>(batch.column(1));
                    assert!(text.iter().all(|text| text.unwrap().starts_with("old ")), "{change}: a row of the new version");
                }
                Err(error) => failure = Some(error),
            }
        }
        let error = failure.unwrap_or_else(|| panic!("{change}: the answer ended well"));
        assert!(error.message.contains("t.csv was changed while it was read"), "{change}: {error}");
        assert!(stream.report().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_written_is_waited_for() {
    let directory = Directory::new();
    directory.write("t.csv", "id\n1\n");
    let source = directory.source(json!({ "settle": "300ms" }));
    let query = SourceQuery::scan(relation(&table(&source, "t").await));
    std::fs::write(directory.path("t.csv"), "id\n1\n2\n").unwrap();
    let path = directory.path("t.csv");
    // Somebody goes on writing for a while.
    let writer = std::thread::spawn(move || {
        for id in 3..6 {
            std::thread::sleep(Duration::from_millis(100));
            let mut file = std::fs::File::options().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, format!("{id}\n").as_bytes()).unwrap();
        }
    });
    assert_eq!(answer(&source, query.clone()).await.unwrap().len(), 5, "all that was written");
    writer.join().unwrap();
    // Who never stops is not waited for.
    let (path, (stop, stopped)) = (directory.path("t.csv"), std::sync::mpsc::channel::<()>());
    let writer = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(20)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let mut file = std::fs::File::options().append(true).open(&path).unwrap();
            std::io::Write::write_all(&mut file, b"9\n").unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = answer(&source, query).await.unwrap_err();
    drop(stop);
    writer.join().unwrap();
    assert_eq!(error.kind, SourceErrorKind::Unavailable);
    assert!(error.message.contains("t.csv is being written"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_of_the_directory_is_read() {
    use std::os::unix::fs::symlink;
    let (outside, directory) = (Directory::new(), Directory::new());
    outside.write("secret.csv", "id\n1\n");
    directory.write("..data/v1/t.csv", "id\n2\n");
    symlink(outside.path("secret.csv"), directory.path("link.csv")).unwrap();
    symlink(outside.root(), directory.path("folder")).unwrap();
    // As Kubernetes mounts files: a link to a link, all within the directory.
    symlink("..data/v1/t.csv", directory.path("inside.csv")).unwrap();
    let tables = json!({ "link": { "path": "link.csv" }, "any": { "path": "folder/*.csv" }, "below": { "path": "folder/secret.csv" }, "inside": { "path": "inside.csv" } });
    let source = directory.source(json!({ "tables": tables }));
    let schema = super::directory::schema(&source).await;
    assert_eq!(schema.tables.iter().map(|table| table.name.to_string()).collect::<Vec<_>>(), ["inside"]);
    assert_eq!(schema.notes.iter().filter(|note| note.contains("leads out of the source's directory")).count(), 3, "{:?}", schema.notes);
    assert!(schema.notes.iter().all(|note| !note.contains(outside.root().to_str().unwrap())));
    assert_eq!(rows(&source, "inside").await.unwrap(), [[Value::Int64(2)]]);
    assert_eq!(types(&table(&source, "inside").await), "id int64");
    // Nor is a pipe, for which one would wait.
    let pipe = directory.path("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let source = directory.source(json!({ "tables": { "pipe": { "path": "pipe.csv" } } }));
    assert!(super::directory::schema(&source).await.notes[0].contains("pipe.csv is no regular file"));
}
