//! What expressions select: the examples of RFC 9535, and what is exact here.

use super::evaluate::Evaluation;
use super::{JsonPath, place};
use serde_json::{Value, json};

const STORE: &str = r#"{ "store": {
    "book": [
      { "category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95 },
      { "category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99 },
      { "category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99 },
      { "category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings", "isbn": "0-395-19395-8", "price": 22.99 }
    ],
    "bicycle": { "color": "red", "price": 399 }
  } }"#;

fn select(path: &str, document: &str) -> Vec<Value> {
    let path = JsonPath::parse(path).unwrap_or_else(|wrong| panic!("{wrong}"));
    let found = path.select(document).unwrap_or_else(|wrong| panic!("{wrong}"));
    found.into_iter().map(|value| serde_json::from_str(value).unwrap()).collect()
}

/// Section 1.5, figure 1 and table 2.
#[test]
fn the_bookstore() {
    let books: Value = serde_json::from_str(STORE).unwrap();
    let book = |index: usize| books["store"]["book"][index].clone();
    let author = |index: usize| book(index)["author"].clone();
    for path in ["$.store.book[*].author", "$..author"] {
        assert_eq!(select(path, STORE), [author(0), author(1), author(2), author(3)], "{path}");
    }
    assert_eq!(select("$.store.*", STORE), [books["store"]["book"].clone(), books["store"]["bicycle"].clone()]);
    assert_eq!(select("$.store..price", STORE), [json!(8.95), json!(12.99), json!(8.99), json!(22.99), json!(399)]);
    assert_eq!(select("$..book[2]", STORE), [book(2)]);
    assert_eq!(select("$..book[2].publisher", STORE), [] as [Value; 0]);
    for path in ["$..book[-1]", "$..book[-1:]", "$..book[?@.price > 20]", "$..book[?@.price == $.store.book[-1].price]"] {
        assert_eq!(select(path, STORE), [book(3)], "{path}");
    }
    for path in ["$..book[0,1]", "$..book[:2]", "$..book[?!@.isbn]", "$..book[?@.category=='reference' || search(@.author, 'Waugh$')]"] {
        assert_eq!(select(path, STORE), [book(0), book(1)], "{path}");
    }
    assert_eq!(select("$..book[?@.isbn]", STORE), [book(2), book(3)]);
    assert_eq!(select("$..book[?@.price<10]", STORE), [book(0), book(2)]);
    assert_eq!(select("$..*", STORE).len(), 27);
}

/// Sections 2.3.4.3, 2.3.5.3, 2.4 and 2.5.
#[test]
fn the_standard_s_other_examples() {
    let letters = r#"["a","b","c","d","e","f","g"]"#;
    for (path, expected) in [
        ("$[1:3]", json!(["b", "c"])),
        ("$[5:]", json!(["f", "g"])),
        ("$[1:5:2]", json!(["b", "d"])),
        ("$[5:1:-2]", json!(["f", "d"])),
        ("$[::-1]", json!(["g", "f", "e", "d", "c", "b", "a"])),
        ("$[-3:-1]", json!(["e", "f"])),
        ("$[2:100]", json!(["c", "d", "e", "f", "g"])),
        ("$[0:3:0]", json!([])),
        ("$[9]", json!([])),
        ("$[0,-1,0]", json!(["a", "g", "a"])),
    ] {
        assert_eq!(Value::from(select(path, letters)), expected, "{path}");
    }
    let table = r#"{ "a": [3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}], "o": {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}}, "e": "f" }"#;
    for (path, expected) in [
        ("$.a[?@.b == 'kilo']", json!([{"b": "kilo"}])),
        ("$.a[?(@.b == 'kilo')]", json!([{"b": "kilo"}])),
        ("$.a[?@>3.5]", json!([5, 4, 6])),
        ("$.a[?@.b]", json!([{"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}])),
        (
            "$[?@.*]",
            json!([[3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}], {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}}]),
        ),
        ("$[?@[?@.b]]", json!([[3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}]])),
        ("$.a[?@<2 || @.b == \"k\"]", json!([1, {"b": "k"}])),
        ("$.a[?match(@.b, \"[jk]\")]", json!([{"b": "j"}, {"b": "k"}])),
        ("$.a[?search(@.b, \"[jk]\")]", json!([{"b": "j"}, {"b": "k"}, {"b": "kilo"}])),
        ("$.o[?@>1 && @<4]", json!([2, 3])),
        ("$.o[?@.u || @.x]", json!([{"u": 6}])),
        ("$.a[?@.b == $.x]", json!([3, 5, 1, 2, 4, 6])),
        ("$.a[?length(@.b) == 4]", json!([{"b": "kilo"}])),
        ("$[?count(@.*) == 5]", json!([{"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}}])),
        ("$.a[?count(@.*) == 0]", json!([3, 5, 1, 2, 4, 6])),
        ("$.o[?value(@..u) == 6]", json!([{"u": 6}])),
        ("$['o']['t']['u']", json!([6])),
    ] {
        assert_eq!(Value::from(select(path, table)), expected, "{path}");
    }
    let odd = r#"{"k@":[{"a b":1}], "'": {"@": 2}, "\u263a": 3, "n": null}"#;
    for (path, expected) in [
        ("$['k@'][*]['a b']", json!([1])),
        (r#"$["'"]["@"]"#, json!([2])),
        (r"$['\'']", json!([{"@": 2}])),
        ("$.☺", json!([3])),
        (r"$['\u263A']", json!([3])),
        ("$[?@ == null]", json!([null])),
        (r"$ ['k@'] [ ? @['a b'] == 1 && ! @ ['it\'s x y'] ]", json!([{"a b": 1}])),
    ] {
        assert_eq!(Value::from(select(path, odd)), expected, "{path}");
    }
}

#[test]
fn numbers_are_what_is_written() {
    let ids = r#"[{"id":9007199254740992},{"id":9007199254740993,"n":1.0},{"id":90071992547409930e-1,"n":1},{"id":0.1},{"id":0.10000000000000000001}]"#;
    // As doubles the first three are equal, and so are the last two.
    assert_eq!(select("$[?@.id == $[1].id].n", ids), [json!(1.0), json!(1)]);
    assert_eq!(select("$[?@.id < $[1].id]", ids).len(), 3);
    assert_eq!(select("$[?@.id > $[3].id && @.id < 1]", ids).len(), 1);
    assert_eq!(select("$[?@.id == 0.1]", ids).len(), 1);
    assert_eq!(select("$[?@.n == 1]", ids).len(), 2);
    assert_eq!(select("$[?@.id == 9007199254740993.0]", ids).len(), 2);
    let kept = JsonPath::parse("$[2].id").unwrap();
    assert_eq!(kept.select(ids).unwrap(), ["90071992547409930e-1"]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (path, part) in [
        ("$.data[", "character 8: a name in quotes"),
        ("$.rows[?@.type='line']", "character 15: ',' or ']'"),
        ("$.a b", "character 4: '.' or '['"),
        ("$.a ", "character 4"),
        ("a", "character 1: '$'"),
        ("$. a", "character 3: a name"),
        ("$..", "character 4"),
        ("$.1", "character 3"),
        ("$[]", "character 3"),
        ("$[1,]", "character 5"),
        ("$.a[?@.b == @.c[*]]", "character 13: one value"),
        ("$.a[?length(@.b)]", "character 17: a value is no condition"),
        ("$.a[?length(@.*) > 1]", "character 13: one value"),
        ("$.a[?count(1) == 1]", "character 12: 'count' takes"),
        ("$.a[?match(@.b, @.c)]", "character 17: the pattern"),
        ("$.a[?match(@.b, '[')]", "no regular expression"),
        ("$.a[?match(@.b, 'x') == true]", "character 6: a condition is no value"),
        ("$.a[?in(@.b, @.c)]", "character 6: 'in' is no function"),
        ("$.a[?@.b == x]", "character 13: 'x' is no value"),
        ("$.a[?!@.b == 1]", "character 11"),
        ("$.a[?1]", "a value is no condition"),
        ("$.a[?(@.b]", "character 10: ')'"),
        ("$.a[?@.b == 01]", "'01' is no number"),
        ("$.a[01]", "character 5: a whole number"),
        ("$.a[-0]", "character 5: a whole number"),
        ("$.a[9007199254740992]", "character 5"),
        ("$['a", "character 3: a text has no end"),
        (r"$['\x']", "character 5"),
        (r#"$['\"']"#, "character 5"),
        (r"$['\ud800']", "character 5"),
        ("$['\u{7}']", "control character"),
    ] {
        let wrong = JsonPath::parse(path).unwrap_err();
        assert!(wrong.starts_with(&format!("'{path}' is no JSONPath: ")) && wrong.contains(part), "{wrong}");
        assert!(!wrong.contains('\n'), "{wrong}");
    }
    let deep = format!("$[?{}@.a{}]", "(".repeat(500), ")".repeat(500));
    assert!(JsonPath::parse(&deep).unwrap_err().contains("nested too deeply"));
    let twice = JsonPath::parse("$.a.b").unwrap().select(r#"{"a":1,"a":2}"#).unwrap_err();
    assert!(twice.contains("'a' is given twice"), "{twice}");
    for broken in ["", "{", "[1,]", "{\"a\":1}x", "nul"] {
        assert!(JsonPath::parse("$..a").unwrap().select(broken).unwrap_err().contains("well-formed"), "{broken}");
    }
    // No document makes it run for ever.
    let (endless, wide) = (JsonPath::parse("$..[*,*,*]..[*,*,*]..[*,*,*]").unwrap(), "[[[[1,1],[1,1]],[[1,1],[1,1]]]]");
    let wrong = Evaluation::new(wide, 200).select(&endless.query, wide).unwrap_err();
    assert!(wrong.contains("more than 200 values"), "{wrong}");
    assert!(Evaluation::new(wide, 50_000).select(&endless.query, wide).is_ok());
}

#[test]
fn places_are_those_of_the_document() {
    let document = r#" {"a": [ {"b/c": [1, [2]]}, {"b/c": []} ], "d": {} }"#;
    let found = |path: &str| {
        let path = JsonPath::parse(path).unwrap();
        path.select(document).unwrap().into_iter().map(|value| place(document, value)).collect::<Vec<_>>()
    };
    assert_eq!(found("$..*"), ["/a", "/d", "/a/0", "/a/1", "/a/0/b~1c", "/a/0/b~1c/0", "/a/0/b~1c/1", "/a/0/b~1c/1/0", "/a/1/b~1c"]);
    assert_eq!(found("$"), [""]);
}
