//! Files that other programs have written: `samples/make.py` says which.

use super::directory::{Directory, answer, relation, rows, schema, table, types};
use super::fixtures::text;
use expect_test::expect;
use portico_provider_api::{CompareOp, Expr, SourceQuery, Value};
use serde_json::{Value as Json, json};

fn with(sample: &str) -> Directory {
    let directory = Directory::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/");
    directory.write(sample, std::fs::read(format!("{path}{sample}")).unwrap());
    directory
}

async fn all(sample: &str, settings: Json) -> String {
    let directory = with(sample);
    let source = directory.source(json!({ "tables": { "t": settings } }));
    let schema = schema(&source).await;
    let Some(found) = schema.tables.first() else { return schema.notes.join("\n") };
    let rows = match rows(&source, "t").await {
        Ok(rows) => rows
            .iter()
            .map(|row| row.iter().map(|value| format!("{:?}", text(value))).collect::<Vec<_>>().join(" ") + "\n")
            .collect::<String>(),
        Err(error) => error.to_string(),
    };
    format!("{}\n{rows}", types(found))
}

#[tokio::test]
async fn a_workbook_of_openpyxl() {
    let prices = all("openpyxl.xlsx", json!({ "path": "openpyxl.xlsx", "sheet": "Prices", "key": ["Article"] })).await;
    expect![[r#"
        Article text, Price float64, Since date, Changed timestamp, Opens time, Active boolean, Note text, 2024 int64
        "A-1" "19.99" "2024-02-29" "2024-03-01 12:30:15" "08:30:00" "true" "ä & <b>" "1"
        "A-2" "0.3" "1900-03-01" "1999-12-31 23:59:59" "00:00:00" "false" "" "2"
        "007" "1e-7" "9999-12-31" "2024-01-01 00:00:00" "23:59:59" "true" "two\nlines" "3"
    "#]]
    .assert_eq(&prices);
    // What is declared is read from fifteen digits, exactly.
    let columns = json!({ "Price": { "type": "decimal(13,7)" }, "2024": { "type": "text" }, "Changed": { "type": "text" } });
    let declared = all("openpyxl.xlsx", json!({ "path": "openpyxl.xlsx", "sheet": "Prices", "columns": columns })).await;
    expect![[r#"
        Article text, Price decimal(13,7), Since date, Changed text, Opens time, Active boolean, Note text, 2024 text
        "A-1" "19.9900000" "2024-02-29" "2024-03-01 12:30:15" "08:30:00" "true" "ä & <b>" "1"
        "A-2" "0.3000000" "1900-03-01" "1999-12-31 23:59:59" "00:00:00" "false" "" "2"
        "007" "0.0000001" "9999-12-31" "2024-01-01 00:00:00" "23:59:59" "true" "two\nlines" "3"
    "#]]
    .assert_eq(&declared);
    let cents =
        all("openpyxl.xlsx", json!({ "path": "openpyxl.xlsx", "sheet": "Prices", "columns": { "Price": { "type": "decimal(13,2)" } } }))
            .await;
    expect![[r#"
        Article text, Price decimal(13,2), Since date, Changed timestamp, Opens time, Active boolean, Note text, 2024 int64
        source 'lists': openpyxl.xlsx, sheet 'Prices', row 5, column 'Price': the number is no decimal(13,2)"#]]
    .assert_eq(&cents);
    expect![[r#"
        Region text, Amount float64
        "North" "100.0"
        "South" "250.5"
    "#]]
    .assert_eq(&all("openpyxl.xlsx", json!({ "path": "openpyxl.xlsx", "sheet": "Budget", "range": "C4:D6" })).await);
    expect!["table 't' is left out: openpyxl.xlsx, cell Budget!C4: a value stands in a column that has no name"]
        .assert_eq(&all("openpyxl.xlsx", json!({ "path": "openpyxl.xlsx", "sheet": "Budget" })).await);
    expect!["table 't' is left out: openpyxl.xlsx has several sheets: say with 'sheet' which one is meant of 'Prices', 'Budget'"]
        .assert_eq(&all("openpyxl.xlsx", json!({ "path": "openpyxl.xlsx" })).await);
    expect!["table 't' is left out: formula-without-result.xlsx, cell Sheet!B2: the formula has no stored result: open the workbook in a spreadsheet program and save it"].assert_eq(&all("formula-without-result.xlsx", json!({ "path": "formula-without-result.xlsx" })).await);
}

#[tokio::test]
async fn a_workbook_of_xlsxwriter() {
    expect![[r#"
        Day date, Double float64, Text text, Length float64, Failed text
        source 'lists': xlsxwriter.xlsx, sheet 'Days 1904', row 2, column 'Failed': an error of the spreadsheet is no text"#]]
    .assert_eq(&all("xlsxwriter.xlsx", json!({ "path": "xlsxwriter.xlsx" })).await);
    expect![[r#"
        Day date, Double float64, Text text, Length float64, Failed text
        "2024-02-29" "2.0" "one two three" "1.5" ""
        "1904-01-02" "0.3333333333333333" "xx" "0.25" ""
    "#]]
    .assert_eq(&all("xlsxwriter.xlsx", json!({ "path": "xlsxwriter.xlsx", "nulls": ["#DIV/0!"] })).await);
}

#[tokio::test]
async fn every_sheet_is_a_table_where_none_is_configured() {
    let directory = with("openpyxl.xlsx");
    let one = with("xlsxwriter.xlsx");
    std::fs::copy(one.path("xlsxwriter.xlsx"), directory.path("one.xlsx")).unwrap();
    directory.age("one.xlsx", 60);
    directory.write("orders.csv", "a\n1\n");
    directory.write("orders.json", "[]");
    directory.write("notes.txt", "nothing");
    let schema = schema(&directory.source(json!({}))).await;
    let names: Vec<_> = schema.tables.iter().map(|table| table.name.0.join("/")).collect();
    assert_eq!(names, ["one", "openpyxl/Prices", "orders"], "{:?}", schema.notes);
    assert!(schema.notes.iter().any(|note| note.contains("orders.json is left out")), "{:?}", schema.notes);
    // Its table does not begin in the first row, which only a configuration can say.
    assert!(schema.notes.iter().any(|note| note.contains("'openpyxl.Budget' is left out")), "{:?}", schema.notes);
}

#[tokio::test]
async fn damaged_workbooks_are_refused() {
    let directory = with("openpyxl.xlsx");
    let whole = std::fs::read(directory.path("openpyxl.xlsx")).unwrap();
    for (name, bytes) in [
        ("cut.xlsx", whole[..whole.len() - 30].to_vec()),
        ("old.xlsx", [0xd0, 0xcf, 0x11, 0xe0, 0, 0, 0, 0].to_vec()),
        ("text.xlsx", b"a,b\n1,2\n".to_vec()),
        ("empty.xlsx", Vec::new()),
    ] {
        directory.write(name, bytes);
        let source = directory.source(json!({ "tables": { "t": { "path": name, "sheet": "Prices" } } }));
        let schema = schema(&source).await;
        assert!(schema.tables.is_empty() && schema.notes[0].contains(name), "{name}: {:?}", schema.notes);
    }
    // A byte that is another, anywhere in the packed sheets, is never a value that is another.
    let expected = all("openpyxl.xlsx", json!({ "path": "openpyxl.xlsx", "sheet": "Prices" })).await;
    for at in (30..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        directory.write("damaged.xlsx", bytes);
        let source = directory.source(json!({ "tables": { "t": { "path": "damaged.xlsx", "sheet": "Prices" } } }));
        let schema = schema(&source).await;
        if let Some(found) = schema.tables.first() {
            let rows = answer(&source, SourceQuery::scan(relation(found))).await;
            let rows = rows.map(|rows| {
                rows.iter()
                    .map(|row| row.iter().map(|value| format!("{:?}", text(value))).collect::<Vec<_>>().join(" ") + "\n")
                    .collect::<String>()
            });
            assert!(rows.is_err() || rows.is_ok_and(|rows| expected.ends_with(&rows)), "byte {at}");
        }
    }
}

#[tokio::test]
async fn a_parquet_file_of_pyarrow() {
    let directory = with("pyarrow.parquet");
    let source = directory.source(json!({ "tables": { "t": { "path": "pyarrow.parquet", "key": ["id"] } } }));
    let described = table(&source, "t").await;
    assert_eq!(types(&described), "id int64, small int16, amount decimal(13,2), name text, at timestamp, zoned timestamptz");
    assert!(schema(&source).await.notes[0].contains("without column 'tags'"));
    let relation = relation(&described);
    let mut query = SourceQuery::scan(relation.clone());
    query.filter = Some(Expr::compare(CompareOp::Eq, Expr::Column(3), Expr::Literal(Value::text("name 0450"))));
    let found = answer(&source, query).await.unwrap();
    assert_eq!(
        found.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect::<Vec<_>>(),
        ["450|50|4.50|name 0450|1970-01-01 00:07:30|1970-01-01 00:07:30Z"]
    );
    for (op, column, value, count) in [
        (CompareOp::Lt, 0, Value::Int64(150), 150),
        (CompareOp::GtEq, 2, Value::Decimal { unscaled: 995.into(), precision: 13, scale: 2 }, 5),
        (CompareOp::Gt, 4, Value::Timestamp(998_000_000), 1),
        (CompareOp::NotEq, 1, Value::Int16(5), 995),
        (CompareOp::Eq, 0, Value::Int64(5_000), 0),
    ] {
        let mut query = SourceQuery::scan(relation.clone());
        query.filter = Some(Expr::compare(op, Expr::Column(column), Expr::Literal(value)));
        assert_eq!(answer(&source, query).await.unwrap().len(), count, "{op:?} {column}");
    }
}

#[tokio::test]
async fn what_has_more_digits_than_a_type_is_an_error() {
    let found = all("nanoseconds.parquet", json!({ "path": "nanoseconds.parquet" })).await;
    expect![[r#"
        at timestamp
        source 'lists': nanoseconds.parquet, row 2, column 'at': the value is no timestamp: it has more digits than that"#]]
    .assert_eq(&found);
}
