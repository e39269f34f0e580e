//! Files of text: what is inferred, what is declared, and what is told of a mistake.

use super::directory::{Directory, rows, schema, types};
use super::fixtures::text;
use portico_provider_api::{SourceErrorKind, Value};
use serde_json::{Value as Json, json};

fn shown(rows: &[Vec<Value>]) -> String {
    rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect::<Vec<_>>().join("\n")
}

async fn read(directory: &Directory, settings: Json) -> Result<(String, String), String> {
    let source = directory.source(json!({ "tables": { "t": settings } }));
    let schema = schema(&source).await;
    let Some(found) = schema.tables.first() else { return Err(schema.notes.join("; ")) };
    rows(&source, "t").await.map(|rows| (types(found), shown(&rows))).map_err(|error| error.to_string())
}

#[tokio::test]
async fn types_are_those_of_all_rows() {
    let directory = Directory::new();
    let mut lines = String::from("id,price,code,day,at,zoned,ok,mixed,empty\n");
    for id in 0..20_000 {
        lines += &format!("{id},{id}.5,007,2024-02-29,2024-02-29 10:00:00,2024-02-29T10:00:00+01:00,true,{id},\n");
    }
    lines += "20000,0.125,12,2024-03-01,2024-02-29 10:00:00.25,2024-02-29T10:00:00Z,FALSE,n/a,\"\"\n";
    directory.write("t.csv", lines);
    let source = directory.source(json!({}));
    let schema = schema(&source).await;
    let expected =
        "id int64, price decimal(18,3), code text, day date, at timestamp, zoned timestamptz, ok boolean, mixed text, empty text";
    assert_eq!(types(&schema.tables[0]), expected);
    assert_eq!(schema.tables[0].row_estimate, Some(20_001));
    // A single value that made a text of numbers is told, and where it is.
    assert!(
        schema.notes.iter().any(|note| note.contains("'mixed'") && note.contains("t.csv, line 20002") && !note.contains("n/a")),
        "{:?}",
        schema.notes
    );
    let rows = rows(&source, "t").await.unwrap();
    assert_eq!(rows.len(), 20_001);
    assert_eq!(
        rows[20_000].iter().map(text).collect::<Vec<_>>().join("|"),
        "20000|0.125|12|2024-03-01|2024-02-29 10:00:00.250000|2024-02-29 10:00:00Z|false|n/a|"
    );
    assert_eq!(rows[20_000][8], Value::text(""), "quotes around nothing are a text");
    assert_eq!(rows[0][8], Value::Null(portico_provider_api::ScalarType::Text));
}

#[tokio::test]
async fn numbers_and_dates_are_read_as_they_are_declared() {
    let directory = Directory::new();
    directory.write(
        "t.csv",
        b"Betrag;Tag;Zeit;Name\r\n1.234,50;29.02.2024;29.02.2024 08:05;M\xfcller\r\n-0,5;01.12.1999;01.12.1999 23:59;\x80\r\n;;;\r\n",
    );
    let settings = json!({
        "path": "t.csv", "delimiter": ";", "encoding": "windows-1252", "decimal": ",", "thousands": ".",
        "columns": {
            "Betrag": { "type": "decimal(13,2)" },
            "Tag": { "type": "date", "format": "%d.%m.%Y" },
            "Zeit": { "type": "timestamp", "format": "%d.%m.%Y %H:%M" }
        }
    });
    let (types, rows) = read(&directory, settings).await.unwrap();
    assert_eq!(types, "Betrag decimal(13,2), Tag date, Zeit timestamp, Name text");
    assert_eq!(rows, "1234.50|2024-02-29|2024-02-29 08:05:00|Müller\n-0.50|1999-12-01|1999-12-01 23:59:00|€\n|||");
}

#[tokio::test]
async fn a_mistake_is_told_with_file_row_and_column() {
    let directory = Directory::new();
    let declared = json!({
        "path": "t.csv", "key": ["id"],
        "columns": { "id": { "type": "int32" }, "amount": { "type": "decimal(5,2)" }, "name": { "type": "text", "max_length": 3, "nullable": false } }
    });
    for (content, expected) in [
        ("id,amount,name\n1,1.00,a\n2,x,b\n", "t.csv, line 3, column 'amount': the text is no decimal(5,2)"),
        ("id,amount,name\n1,1.005,a\n", "t.csv, line 2, column 'amount': the text is no decimal(5,2)"),
        ("id,amount,name\n1,1000.00,a\n", "t.csv, line 2, column 'amount'"),
        ("id,amount,name\n1,1,abcd\n", "column 'name': the value has more than 3 characters"),
        ("id,amount,name\n1,1,\n", "line 2, column 'name': a value is missing"),
        ("id,amount,name\n2147483648,1,a\n", "column 'id': the text is no int32"),
        ("id,amount,name\n1,1,a\n2,1,b\n1,1,c\n", "the key (id) of table 't' is none: t.csv, line 2 and t.csv, line 4 have the same"),
        ("id,amount,name\n,1,a\n", "t.csv, line 2, column 'id': a value is missing"),
        ("id,amount,name\n1,\"1\n\n\",a\n5,y,b\n", "line 5, column 'amount'"),
        ("id,amount,name\n1,1\n", "t.csv, line 2: a record of 2 values, where there are 3 columns"),
        ("id,amount,name\n1,\"1,a\n2,2,b\n", "t.csv, line 2, column 'amount': a value begins with a quote that is never closed"),
        ("id,amount,name\n1,\"1\"2,a\n", "t.csv, line 2, column 'amount': characters stand between a closing quote and the next separator"),
        ("id,amount,name\n1,1\"2,a\n", "t.csv, line 2, column 'amount': a quote stands inside a value"),
        ("id,amount,amount\n", "t.csv, line 1: two columns are called 'amount'"),
        ("id,amount\n", "there is no column 'name' in its files"),
        ("", "t.csv is empty"),
    ] {
        directory.write("t.csv", content);
        let message = read(&directory, declared.clone()).await.unwrap_err();
        assert!(message.contains(expected), "{content:?}: {message}");
        assert!(!message.contains("abcd") && !message.contains("1.005") && !message.contains("1000"), "a value is told: {message}");
    }
}

#[tokio::test]
async fn files_of_a_pattern_are_one_table_of_one_shape() {
    let directory = Directory::new();
    directory.write("2024/orders-1.csv", "id,amount\n1,10\n");
    directory.write("2024/orders-2.csv", "amount,id\n20.5,2\n");
    directory.write("2024/~orders-3.csv", "nothing");
    directory.write("2024/orders-4.csv.tmp", "nothing");
    let settings = json!({ "path": "*/orders-*.csv", "format": "csv", "key": ["id"] });
    let (types, rows) = read(&directory, settings.clone()).await.unwrap();
    assert_eq!((types.as_str(), rows.as_str()), ("id int64, amount decimal(18,1)", "1|10.0\n2|20.5"));
    directory.write("2025/orders-1.csv", "id,amount\n1,5\n");
    let message = read(&directory, settings.clone()).await.unwrap_err();
    assert!(message.contains("2024/orders-1.csv, line 2 and 2025/orders-1.csv, line 2 have the same"), "{message}");
    directory.write("2025/orders-1.csv", "id,total\n3,5\n");
    let message = read(&directory, settings).await.unwrap_err();
    assert!(message.contains("2025/orders-1.csv: the files before it have no column 'total'"), "{message}");
}

#[tokio::test]
async fn files_without_names_have_the_columns_that_are_declared() {
    let directory = Directory::new();
    directory.write("t.tsv", "made by a program\n1\ta\n2\tb\n");
    let settings = json!({ "path": "t.tsv", "header": false, "skip_lines": 1, "columns": { "id": { "type": "int32" }, "name": {} } });
    assert_eq!(read(&directory, settings).await.unwrap(), ("id int32, name text".to_owned(), "1|a\n2|b".to_owned()));
    assert_eq!(
        read(&directory, json!({ "path": "t.tsv", "header": false, "skip_lines": 1 })).await.unwrap(),
        ("column1 int64, column2 text".to_owned(), "1|a\n2|b".to_owned())
    );
}

#[tokio::test]
async fn objects_have_the_members_of_all_of_them() {
    let directory = Directory::new();
    directory.write(
        "t.json",
        r#" [ {"id": 1, "n": 12345678901234567.25}, {"id": 2, "s": "x", "o": {"a": [1, "]}"]}},
        {"s": "2024-02-29", "id": 3, "m": 1}, {"id": 4, "m": "x", "n": null} ] "#,
    );
    let (types, rows) = read(&directory, json!({ "path": "t.json", "key": ["id"] })).await.unwrap();
    assert_eq!(types, "id int64, n decimal(38,2), s text, o json, m json");
    assert_eq!(rows, "1|12345678901234567.25|||\n2||x|{\"a\": [1, \"]}\"]}|\n3||2024-02-29||1\n4||||\"x\"");
    for (content, expected) in [
        ("{}", "t.json is no list of objects"),
        ("[{\"a\":1}", "object 1: the list is cut off"),
        ("[{\"a\":1},{\"a\":", "object 2: it is cut off"),
        ("[{\"a\":1,\"a\":2}]", "object 1: it has two members 'a'"),
        ("[{\"a\":1} {\"a\":2}]", "object 1: neither ',' nor ']' follows"),
        ("[{\"a\":01}]", "object 1: it is no JSON"),
        ("[[1]]", "object 1: it is no object"),
        ("[{\"a\":1}] x", "something follows the list"),
    ] {
        directory.write("t.json", content);
        let message = read(&directory, json!({ "path": "t.json" })).await.unwrap_err();
        assert!(message.contains(expected), "{content}: {message}");
    }
    directory.write("t.ndjson", "{\"id\":1}\n\n{\"id\":1.5}\n");
    let message = read(&directory, json!({ "path": "t.ndjson", "columns": { "id": { "type": "int64" } } })).await.unwrap_err();
    assert!(message.contains("t.ndjson, line 3, column 'id': the number is no int64"), "{message}");
}

#[tokio::test]
async fn limits_are_errors() {
    let directory = Directory::new();
    directory.write("t.csv", "id\n1\n2\n3\n");
    let source = directory.source(json!({ "max_rows": 2 }));
    assert!(schema(&source).await.notes.join(" ").contains("more than the 2 rows"));
    let source = directory.source(json!({ "max_file_size": "5B", "tables": { "t": { "path": "t.csv" } } }));
    assert!(schema(&source).await.notes.join(" ").contains("t.csv is larger than the 5 bytes"));
}

#[tokio::test]
async fn settings_are_checked() {
    let directory = Directory::new();
    for (settings, setting, expected) in [
        (json!({ "path": "../t.csv" }), "path", "leads out of it"),
        (json!({ "path": "/etc/passwd" }), "path", "no path below the directory"),
        (json!({ "path": "t.dat" }), "path", "does not say the form"),
        (json!({ "path": "t.csv", "encoding": "klingon" }), "encoding", "no encoding"),
        (json!({ "path": "t.parquet", "delimiter": ";" }), "delimiter", "means nothing"),
        (json!({ "path": "t.csv", "sheet": "x" }), "sheet", "means nothing"),
        (json!({ "path": "t.csv", "delimiter": "€" }), "delimiter", "one ASCII character"),
        (json!({ "path": "t.csv", "columns": { "a": { "type": "money" } } }), "type", "is not a type"),
        (json!({ "path": "t.csv", "columns": { "a": { "format": "%d" } } }), "format", "declare the column's 'type'"),
        (json!({ "path": "t.csv", "columns": { "a": { "type": "date", "format": "%Q" } } }), "format", "no form of dates"),
        (json!({ "path": "t.xlsx", "range": "B3" }), "range", "no range of cells"),
    ] {
        let error = directory.connect(json!({ "tables": { "t": settings } })).err().unwrap();
        assert!(error.message.contains(expected), "{error}");
        assert_eq!(error.setting().last().map(String::as_str), Some(setting), "{error}");
    }
    assert!(directory.connect(json!({ "delimeter": ";" })).is_err());
    let nowhere = directory.source(json!({ "directory": "nowhere" }));
    assert_eq!(nowhere.probe(&portico_provider_api::QueryContext::default()).await.unwrap_err().kind, SourceErrorKind::Unavailable);
}

#[tokio::test]
async fn large_tables_are_described_by_their_beginnings_where_all_types_are_declared() {
    let directory = Directory::new();
    let file = |mistake: &str| (0..1_000).map(|id| format!("{id},{id}.50\n")).collect::<String>() + mistake;
    directory.write("t.csv", format!("id,amount\n{}", file("x,1\n")));
    let typed = json!({ "id": { "type": "int64" }, "amount": { "type": "decimal(9,2)" } });
    let settings = |check: &str, columns: &Json| json!({ "check_at_start": check, "tables": { "t": { "path": "t.csv", "key": ["id"], "columns": columns } } });
    // A small one is read, and its mistakes are told with it.
    let found = schema(&directory.source(settings("16MiB", &typed))).await;
    assert_eq!(found.tables[0].row_estimate, Some(1_001));
    assert!(found.notes[0].contains("t.csv, line 1002, column 'id': the text is no int64"), "{:?}", found.notes);
    // Of a large one the mistakes are told by its queries, of every version.
    let source = directory.source(settings("0B", &typed));
    let found = schema(&source).await;
    assert_eq!(types(&found.tables[0]), "id int64, amount decimal(9,2)");
    let estimate = found.tables[0].row_estimate.unwrap();
    assert!((900..1_200).contains(&estimate), "{estimate}");
    assert!(found.notes.len() == 1 && found.notes[0].contains("mistakes in it are found in the background"), "{:?}", found.notes);
    let failure = rows(&source, "t").await.unwrap_err();
    assert!(failure.message.contains("t.csv, line 1002, column 'id': the text is no int64"), "{failure}");
    directory.write("t.csv", format!("id,amount\n{}", file("7,1\n")));
    let failure = rows(&source, "t").await.unwrap_err();
    assert!(failure.message.contains("the key (id) of table 't' is none: t.csv, line 9 and t.csv, line 1002"), "{failure}");
    directory.write("t.csv", format!("id,amount\n{}", file("1000,1\n")));
    assert_eq!(rows(&source, "t").await.unwrap().len(), 1_001);
    // What was read whole says how many rows there are.
    let found = schema(&source).await;
    assert_eq!((found.tables[0].row_estimate, found.notes), (Some(1_001), Vec::new()));
    // A type that is not declared is that of all rows.
    directory.write("t.csv", format!("id,amount\n{}", file("1000,x\n")));
    let found = schema(&directory.source(settings("0B", &json!({ "id": { "type": "int64" } })))).await;
    assert_eq!(types(&found.tables[0]), "id int64, amount text");
    // The names of columns are looked at in any case.
    directory.write("t.csv", "id,total\n");
    let found = schema(&directory.source(settings("0B", &typed))).await;
    assert!(found.tables.is_empty() && found.notes[0].contains("there is no column 'amount'"), "{:?}", found.notes);
}
