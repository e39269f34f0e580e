//! Workbooks that are made part by part: what stands in their cells, what they may cost, and what is told of those that are broken.

use super::directory::{Directory, rows, schema, types};
use super::fixtures::text;
use expect_test::expect;
use serde_json::{Value as Json, json};
use std::io::Write;
use zip::write::SimpleFileOptions;

const SHEET: &str = "xl/worksheets/sheet1.xml";
const STRINGS: &str = "xl/sharedStrings.xml";

/// A workbook with these parts, beside those that every one has.
fn workbook(parts: &[(&str, &str)]) -> Vec<u8> {
    let relation = |id: &str, kind: &str, target: &str| {
        let kind = format!("http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}");
        format!("<Relationship Id=\"{id}\" Type=\"{kind}\" Target=\"{target}\"/>")
    };
    let relations = |inner: &str| format!("<Relationships>{inner}</Relationships>");
    let usual = [
        ("_rels/.rels", relations(&relation("r1", "officeDocument", "xl/workbook.xml"))),
        ("xl/_rels/workbook.xml.rels", relations(&relation("r1", "worksheet", "worksheets/sheet1.xml"))),
        ("xl/workbook.xml", "<workbook><sheets><sheet name=\"One &amp; only\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>".to_owned()),
    ];
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let all = usual.iter().map(|(name, part)| (*name, part.as_str())).filter(|(name, _)| !parts.iter().any(|(own, _)| own == name));
    for (name, part) in all.chain(parts.iter().copied()) {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(part.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn sheet(rows: &str) -> String {
    format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")
}

/// Says of a part that it has another size than it has, wherever the archive says that.
fn lie(mut archive: Vec<u8>, part: &str, size: u32) -> Vec<u8> {
    for (signature, size_at, name_at) in [(b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)] {
        let places: Vec<usize> = archive.windows(4).enumerate().filter(|(_, found)| found == signature).map(|(at, _)| at).collect();
        for at in places {
            if archive[at + name_at..].starts_with(part.as_bytes()) {
                archive[at + size_at..at + size_at + 4].copy_from_slice(&size.to_le_bytes());
            }
        }
    }
    archive
}

async fn read(workbook: Vec<u8>, settings: Json) -> String {
    let directory = Directory::new();
    directory.write("t.xlsx", workbook);
    let mut settings = settings;
    settings["tables"] = json!({ "t": { "path": "t.xlsx" } });
    let source = directory.source(settings);
    let schema = schema(&source).await;
    let Some(found) = schema.tables.first() else { return schema.notes.join("\n") };
    match rows(&source, "t").await {
        Ok(rows) => {
            let rows = rows.iter().map(|row| row.iter().map(|value| format!("{:?}", text(value))).collect::<Vec<_>>().join(" ") + "\n");
            format!("{}\n{}", types(found), rows.collect::<String>())
        }
        Err(error) => error.to_string(),
    }
}

async fn of_rows(rows: &str) -> String {
    read(workbook(&[(SHEET, &sheet(rows))]), json!({})).await
}

#[tokio::test]
async fn cells_are_read_as_they_are_stored() {
    let strings = "<sst><si><t>name</t></si><si><r><t xml:space=\"preserve\">one </t></r><r><rPr><b/></rPr><t>two</t></r><rPh><t>spoken</t></rPh></si>\
                   <si/><si><t>x_x000D_y_x005F_x0041__x</t></si><si><t>&#228;&lt;<![CDATA[&]]></t></si></sst>";
    let styles = "<styleSheet><numFmts><numFmt numFmtId=\"170\" formatCode=\"hh:mm\"/></numFmts><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/>\
                  <xf numFmtId=\"22\"/><xf numFmtId=\"170\"/><xf numFmtId=\"57\"/><xf numFmtId=\"46\"/></cellXfs></styleSheet>";
    // The first row has no addresses; the third is only formatted.
    let cells = "<row><c t=\"s\"><v>0</v></c><c t=\"inlineStr\"><is><t>day</t></is></c><c t=\"str\"><v>at</v></c><c t=\"str\"><v>opens</v></c>\
                 <c><v>2024</v></c><c t=\"str\"><v>ok</v></c><c t=\"str\"><v>span</v></c></row>\
                 <row r=\"2\"><c r=\"A2\" t=\"s\"><v>1</v></c><c r=\"B2\" s=\"1\"><v>45351</v></c><c r=\"C2\" s=\"2\"><v>45351</v></c>\
                 <c r=\"D2\" s=\"3\"><v>0.5</v></c><c r=\"E2\"><v>1.5</v></c><c r=\"F2\" t=\"b\"><v>1</v></c><c r=\"G2\" s=\"5\"><v>1.25</v></c></row>\
                 <row r=\"3\"><c r=\"A3\" s=\"1\"/><c r=\"B3\" s=\"2\"></c></row>\
                 <row r=\"5\"><c r=\"A5\" t=\"s\"><v>3</v></c><c r=\"B5\" t=\"d\"><v>2024-03-01</v></c><c r=\"D5\" s=\"3\"><f>NOW()</f><v>0.25</v></c>\
                 <c r=\"F5\" t=\"b\"><v>0</v></c></row>\
                 <row r=\"6\"><c r=\"A6\" t=\"s\"><v>4</v></c><c r=\"B6\" s=\"4\"><v>45352</v></c></row>\
                 <row r=\"7\"><c r=\"A7\" t=\"str\"><f>REPT(1,0)</f><v></v></c><c r=\"E7\"><v>-1E-3</v></c></row>";
    let found = read(workbook(&[(SHEET, &sheet(cells)), (STRINGS, strings), ("xl/styles.xml", styles)]), json!({})).await;
    expect![[r#"
        name text, day date, at timestamp, opens time, 2024 float64, ok boolean, span float64
        "one two" "2024-02-29" "2024-02-29 00:00:00" "12:00:00" "1.5" "true" "1.25"
        "x\ry_x0041__x" "2024-03-01" "" "06:00:00" "" "false" ""
        "ä<&" "2024-03-01" "" "" "" "" ""
        "" "" "" "" "-0.001" "" ""
    "#]]
    .assert_eq(&found);
    // Parts may have prefixes and other cases, and lie elsewhere.
    let elsewhere = [
        (
            "_rels/.rels",
            "<p:Relationships><p:Relationship Id=\"a\" Type=\"x/relationships/officeDocument\" Target=\"/data/book.xml\"/></p:Relationships>",
        ),
        (
            "data/_rels/book.xml.rels",
            "<Relationships><Relationship Id=\"b\" Type=\"x/worksheet\" Target=\"/pages/p1.xml\"/></Relationships>",
        ),
        ("Data/Book.xml", "<x:workbook><x:sheets><x:sheet name=\"p\" sheetId=\"1\" r:id=\"b\"/></x:sheets></x:workbook>"),
        ("pages/p1.xml", "<x:worksheet><x:sheetData><x:row><x:c t=\"s\"><x:v>0</x:v></x:c></x:row></x:sheetData></x:worksheet>"),
        ("data/sharedStrings.xml", "<x:sst><x:si><x:t>name</x:t></x:si></x:sst>"),
    ];
    expect![[r#"
        name text
    "#]]
    .assert_eq(&read(workbook(&elsewhere), json!({})).await);
}

#[tokio::test]
async fn what_a_cell_must_not_have_is_refused() {
    let found = of_rows("<row><c t=\"str\"><v>a</v></c></row><row><c t=\"e\"><v>#N/A</v></c></row>").await;
    assert!(found.contains("t.xlsx, sheet 'One & only', row 2, column 'a': an error of the spreadsheet is no text"), "{found}");
    for (cell, expected) in [
        ("<c><f>A1</f></c>", "t.xlsx, cell One & only!A2: the formula has no stored result"),
        ("<c><f>A1</f><v/></c>", "t.xlsx, cell One & only!A2: the formula has no stored result"),
        ("<c r=\"C2\"><v>1</v></c>", "t.xlsx, cell One & only!C2: a value stands in a column that has no name"),
        ("<c t=\"n\"><v>secret</v></c>", "t.xlsx, cell One & only!A1, or what follows it: a cell is no number"),
        ("<c t=\"e\"><v>#SECRET</v></c>", "t.xlsx, cell One & only!A1, or what follows it: a cell has an error that is none"),
        ("<c t=\"secret\"><v>1</v></c>", "t.xlsx, cell One & only!A1, or what follows it: a cell is of a kind"),
        ("<c t=\"s\"><v>7</v></c>", "t.xlsx, cell One & only!A1, or what follows it: Cell string index not found"),
        ("<c t=\"d\"><v>secret</v></c>", "t.xlsx, cell One & only!A2: it is no date or time"),
        ("<c r=\"XFE2\"><v>1</v></c>", "t.xlsx, sheet 'One & only' has a cell that no sheet has"),
        ("<c><v>1</v>", "t.xlsx, cell One & only!A1, or what follows it: "),
    ] {
        let found = of_rows(&format!("<row><c t=\"str\"><v>a</v></c></row><row>{cell}</row>")).await;
        assert!(found.contains(expected) && !found.to_lowercase().contains("secret"), "{cell}: {found}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_no_panic() {
    let cell = "<row><c t=\"str\"><v>a</v></c></row>";
    let mut told = String::new();
    for (part, content) in [
        (SHEET, sheet("<row><c r=\"1\"><v>1</v></c></row>")),
        (SHEET, "<worksheet/>".to_owned()),
        (SHEET, String::new()),
        (STRINGS, "<sst uniqueCount=\"18446744073709551615\"><si><t>a</t></si></sst>".to_owned()),
        (STRINGS, "<sst a='1' uniqueCount = '99999999999'/>".to_owned()),
        (STRINGS, "<sst><si><t>&secret;</t></si></sst>".to_owned()),
        ("xl/workbook.xml", "<workbook/>".to_owned()),
        ("xl/_rels/workbook.xml.rels", String::new()),
        ("_rels/.rels", "<Relationships/>".to_owned()),
    ] {
        let mut parts = vec![(part, content.as_str())];
        let usual = sheet(cell);
        if part != SHEET {
            parts.push((SHEET, &usual));
        }
        let found = read(workbook(&parts), json!({})).await;
        told += &found.replace("table 't' is left out: ", "");
        told.push('\n');
    }
    expect![[r#"
        t.xlsx, sheet 'One & only', its first cell: it is not what a workbook has there
        t.xlsx, sheet 'One & only': it is no worksheet
        t.xlsx, sheet 'One & only': it ends inside of 'worksheet'
        t.xlsx is no workbook: its part 'xl/sharedStrings.xml' says that it has more texts than it can have
        t.xlsx is no workbook: its part 'xl/sharedStrings.xml' says that it has more texts than it can have
        t.xlsx: it is not what a workbook has there
        t.xlsx has no worksheet
        t.xlsx has no worksheet
        t.xlsx is no workbook: its part '_rels/.rels' names no workbook
    "#]]
    .assert_eq(&told);
    // Sums of these are too large: with checks of sums it is a panic that is caught, and without them another address.
    for sheet in [
        format!("<worksheet><dimension ref=\"C3:A1\"/><sheetData>{cell}</sheetData></worksheet>"),
        sheet(&format!("{cell}<row r=\"99999999999\"><c><v>1</v></c></row>")),
        sheet(&format!("{cell}<row><c r=\"AAAAAAAAAAAAAA1\"><v>1</v></c></row>")),
    ] {
        let found = read(workbook(&[(SHEET, &sheet)]), json!({})).await;
        let is_named = found.contains("t.xlsx, sheet 'One & only'") || found.contains("t.xlsx, cell One & only!A");
        assert!(is_named && !found.contains("unexpectedly") || found == "a text\n", "{sheet}: {found}");
    }
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let rows = format!("<row><c t=\"str\"><v>a</v></c></row>{}", " ".repeat(3 << 20));
    let bomb = workbook(&[(SHEET, &sheet(&rows))]);
    assert!(bomb.len() < 64 << 10);
    assert_eq!(read(bomb.clone(), json!({})).await, "a text\n");
    let found = read(bomb.clone(), json!({ "max_file_size": "1MiB" })).await;
    assert!(found.contains("t.xlsx is no workbook: its part 'xl/worksheets/sheet1.xml' is larger than 1048576 bytes"), "{found}");
    // An archive that says less than there is gives no more than it says.
    let found = read(lie(bomb, SHEET, 1 << 10), json!({ "max_file_size": "1MiB" })).await;
    assert!(found.contains("t.xlsx is no workbook: its part 'xl/worksheets/sheet1.xml' is damaged"), "{found}");
    // What is held in memory is bounded whatever files may have.
    let strings = workbook(&[(SHEET, &sheet("<row><c t=\"s\"><v>0</v></c></row>")), (STRINGS, "<sst><si><t>a</t></si></sst>")]);
    assert_eq!(read(strings.clone(), json!({})).await, "a text\n");
    for (size, expected) in [
        (513 << 20, "t.xlsx is no workbook: its part 'xl/sharedStrings.xml' is larger than 536870912 bytes when it is unpacked"),
        (20, "has there: I/O error: File is larger than its declared uncompressed size"),
        (400 << 20, "t.xlsx is no workbook: its part 'xl/sharedStrings.xml' is damaged"),
    ] {
        let found = read(lie(strings.clone(), STRINGS, size), json!({})).await;
        assert!(found.contains(expected), "{size}: {found}");
    }
    // Every style has a copy of its font's name.
    let name = "x".repeat(200_000);
    let styles = format!(
        "<styleSheet><fonts><font><name val=\"{name}\"/></font></fonts><cellXfs>{}</cellXfs></styleSheet>",
        "<xf fontId=\"0\"/>".repeat(10_000)
    );
    let found = read(workbook(&[(SHEET, &sheet(&rows)), ("xl/styles.xml", &styles)]), json!({})).await;
    assert!(found.contains("its part 'xl/styles.xml' has more styles than can be held"), "{found}");
}
