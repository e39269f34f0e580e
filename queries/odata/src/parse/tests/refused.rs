//! Malformed requests with their places, limits, and text that must not panic.

use super::{request, shown};
use crate::ODataErrorKind;
use expect_test::expect;
use proptest::prelude::*;

#[test]
fn malformed_options_name_the_culprit_and_its_place() {
    let all = [
        "$filter=",
        "$filter=a eq",
        "$filter=a eq 1 and",
        "$filter=a b",
        "$filter=a eq 'x",
        "$filter=a eq 1)",
        "$filter=(a eq 1",
        "$filter=a in (1,",
        "$filter=a eq 5x",
        "$filter=a  eq %27ä%27 %26",
        "$filter=contains(a",
        "$filter=contains(a,)",
        "$filter=a eq [1]",
        "$filter=Orders/any(o)",
        "$filter=Orders/$count($filter=a) gt 1",
        "$filter=case(a:1)",
        "$filter=a/ eq 1",
        "$filter=1 eq%zz",
        "$top=-1",
        "$top=1.5",
        "$top=x",
        "$top=99999999999999999999",
        "$skip=",
        "$skip=18446744073709551616",
        "$count=yes",
        "$count=1",
        "$orderby=",
        "$orderby=a up",
        "$orderby=a,",
        "$orderby=a desc b",
        "$select=",
        "$select=a,,b",
        "$select=a b",
        "$expand=",
        "$expand=a(",
        "$expand=a()",
        "$expand=a($filter=)",
        "$expand=a($fliter=1)",
        "$expand=a($levels=2)",
        "$expand=a($format=json)",
        "$expand=a($top=1;$top=2)",
        "$expand=a(foo=1)",
        "$expand=a($filter=x eq 1",
        "$expand=a(@p=1)",
        "$filter=a&$filter=b",
        "$filter=a&filter=b",
        "$top=1&$TOP=1",
        "$fliter=a",
        "$unknown=1",
        "$search=a",
        "search=a",
        "$apply=x",
        "$compute=x",
        "$levels=1",
        "$deltatoken=1",
        "$schemaversion=1",
        "$index=1",
        "$id=x",
        "$filter=Price/@Core.Unit eq 'x'",
        "$filter=@a/any(x:x)",
        "$filter=Sales/aggregate(Amount with sum) gt 1",
        "$select=@Core.Unit",
        "$select=Fn(a,b)",
        "$at=2026-08-01",
        "$format=atom",
        "$format=xml",
        "@p=1&@p=2",
        "@=1",
        "@p=",
        "@p=1 2",
        "%zz=1",
        "$filter=%ff",
    ];
    let shown: String = all
        .iter()
        .map(|query| {
            let error = request("Set", Some(query)).expect_err(query);
            assert!(!error.message.is_empty());
            format!("{query}\n  {:?} {} {:?}: {}\n", error.kind, error.target.as_deref().unwrap_or("-"), error.position, error.message)
        })
        .collect();
    expect![[r#"
        $filter=
          BadRequest $filter Some(0): $filter is malformed at character 0: expected a property, literal or function, found the end
        $filter=a eq
          BadRequest $filter Some(4): $filter is malformed at character 4: expected a property, literal or function, found the end
        $filter=a eq 1 and
          BadRequest $filter Some(10): $filter is malformed at character 10: expected a property, literal or function, found the end
        $filter=a b
          BadRequest $filter Some(2): $filter is malformed at character 2: expected the end or an operator, found 'b'
        $filter=a eq 'x
          BadRequest $filter Some(5): $filter: the text that begins at character 5 has no closing quote
        $filter=a eq 1)
          BadRequest $filter Some(6): $filter is malformed at character 6: expected the end or an operator, found ')'
        $filter=(a eq 1
          BadRequest $filter Some(7): $filter is malformed at character 7: expected ')' to close the parenthesis, found the end
        $filter=a in (1,
          BadRequest $filter Some(8): $filter is malformed at character 8: expected a property, literal or function, found the end
        $filter=a eq 5x
          BadRequest $filter Some(5): $filter is malformed at character 5: expected a property, literal or function, found '5x'
        $filter=a  eq %27ä%27 %26
          BadRequest $filter Some(10): $filter is malformed at character 10: expected the end or an operator, found '&'
        $filter=contains(a
          BadRequest $filter Some(10): $filter is malformed at character 10: expected ',' or ')' after the argument, found the end
        $filter=contains(a,)
          BadRequest $filter Some(11): $filter is malformed at character 11: expected a property, literal or function, found ')'
        $filter=a eq [1]
          NotImplemented $filter Some(5): a JSON array or object in an expression is not supported yet
        $filter=Orders/any(o)
          BadRequest $filter Some(12): $filter is malformed at character 12: expected ':' after the variable, found ')'
        $filter=Orders/$count($filter=a) gt 1
          NotImplemented $filter Some(7): $count with options in an expression is not supported yet
        $filter=case(a:1)
          NotImplemented $filter Some(0): the function case is not supported yet
        $filter=a/ eq 1
          BadRequest $filter Some(2): $filter is malformed at character 2: expected a name after '/', found ' eq'
        $filter=1 eq%zz
          BadRequest $filter Some(4): $filter holds '%' without two hexadecimal digits after it; a percent sign is %25
        $top=-1
          BadRequest $top Some(0): $top is malformed at character 0: expected a whole number from 0, found '-1'
        $top=1.5
          BadRequest $top Some(1): $top is malformed at character 1: expected the end, found '.5'
        $top=x
          BadRequest $top Some(0): $top is malformed at character 0: expected a whole number from 0, found 'x'
        $top=99999999999999999999
          BadRequest $top Some(0): the value of $top is greater than 18446744073709551615
        $skip=
          BadRequest $skip Some(0): $skip is malformed at character 0: expected a whole number from 0, found the end
        $skip=18446744073709551616
          BadRequest $skip Some(0): the value of $skip is greater than 18446744073709551615
        $count=yes
          BadRequest $count Some(0): $count is malformed at character 0: expected true or false, found 'yes'
        $count=1
          BadRequest $count Some(0): $count is malformed at character 0: expected true or false, found '1'
        $orderby=
          BadRequest $orderby Some(0): $orderby is malformed at character 0: expected a property, literal or function, found the end
        $orderby=a up
          BadRequest $orderby Some(2): $orderby is malformed at character 2: expected asc, desc, ',' or an operator, found 'up'
        $orderby=a,
          BadRequest $orderby Some(2): $orderby is malformed at character 2: expected a property, literal or function, found the end
        $orderby=a desc b
          BadRequest $orderby Some(7): $orderby is malformed at character 7: expected the end or an operator, found 'b'
        $select=
          BadRequest $select Some(0): $select is malformed at character 0: expected a property name or '*', found the end
        $select=a,,b
          BadRequest $select Some(2): $select is malformed at character 2: expected a property name or '*', found ',b'
        $select=a b
          BadRequest $select Some(2): $select is malformed at character 2: expected ',' or the end, found 'b'
        $expand=
          BadRequest $expand Some(0): $expand is malformed at character 0: expected a property name or '*', found the end
        $expand=a(
          BadRequest $expand Some(2): $expand is malformed at character 2: expected a nested query option such as $filter or $select, found the end
        $expand=a()
          BadRequest $expand Some(2): $expand is malformed at character 2: expected a nested query option such as $filter or $select, found ')'
        $expand=a($filter=)
          BadRequest $expand Some(10): $expand is malformed at character 10: expected a property, literal or function, found ')'
        $expand=a($fliter=1)
          BadRequest $expand Some(2): there is no query option '$fliter'; did you mean '$filter'?
        $expand=a($levels=2)
          NotImplemented $expand Some(2): the query option $levels inside parentheses is not supported yet
        $expand=a($format=json)
          BadRequest $expand Some(2): '$format' cannot stand inside parentheses
        $expand=a($top=1;$top=2)
          BadRequest $expand Some(9): the query option $top is given twice
        $expand=a(foo=1)
          BadRequest $expand Some(2): 'foo' cannot stand inside parentheses
        $expand=a($filter=x eq 1
          BadRequest $expand Some(16): $expand is malformed at character 16: expected ')' or ';' after the nested option, found the end
        $expand=a(@p=1)
          NotImplemented $expand Some(2): a parameter alias defined inside parentheses is not supported yet
        $filter=a&$filter=b
          BadRequest $filter None: the query option $filter is given twice
        $filter=a&filter=b
          BadRequest $filter None: the query option $filter is given twice
        $top=1&$TOP=1
          BadRequest $top None: the query option $top is given twice
        $fliter=a
          BadRequest $fliter None: there is no query option '$fliter'; did you mean '$filter'?
        $unknown=1
          BadRequest $unknown None: there is no query option '$unknown'
        $search=a
          NotImplemented $search None: the query option $search is not supported yet
        search=a
          NotImplemented $search None: the query option $search is not supported yet
        $apply=x
          NotImplemented $apply None: the query option $apply is not supported yet
        $compute=x
          NotImplemented $compute None: the query option $compute is not supported yet
        $levels=1
          NotImplemented $levels None: the query option $levels is not supported yet
        $deltatoken=1
          NotImplemented $deltatoken None: the query option $deltatoken is not supported yet
        $schemaversion=1
          NotImplemented $schemaversion None: the query option $schemaversion is not supported yet
        $index=1
          NotImplemented $index None: the query option $index is not supported yet
        $id=x
          NotImplemented $id None: the query option $id is not supported yet
        $filter=Price/@Core.Unit eq 'x'
          NotImplemented $filter Some(6): an annotation in an expression is not supported yet
        $filter=@a/any(x:x)
          NotImplemented $filter Some(0): an annotation, or a path that begins with an alias, is not supported yet
        $filter=Sales/aggregate(Amount with sum) gt 1
          NotImplemented $filter Some(6): aggregate in an expression is not supported yet
        $select=@Core.Unit
          NotImplemented $select Some(0): an annotation in $select or $expand is not supported yet
        $select=Fn(a,b)
          NotImplemented $select Some(0): an operation in $select is not supported yet
        $at=2026-08-01
          NotImplemented $at None: the query option $at is not supported yet
        $format=atom
          NotImplemented $format Some(0): the format 'atom' is not supported yet
        $format=xml
          NotImplemented $format Some(0): the format 'xml' is not supported yet
        @p=1&@p=2
          BadRequest @p None: the parameter alias @p is defined twice
        @=1
          BadRequest @ Some(0): '@' is not a parameter alias: a name must follow the '@'
        @p=
          BadRequest @p Some(0): @p is malformed at character 0: expected a property, literal or function, found the end
        @p=1 2
          BadRequest @p Some(2): @p is malformed at character 2: expected the end or an operator, found '2'
        %zz=1
          BadRequest the name of a query option Some(0): the name of a query option holds '%' without two hexadecimal digits after it; a percent sign is %25
        $filter=%ff
          BadRequest $filter Some(0): $filter is not UTF-8 once its percent-escapes are resolved
    "#]].assert_eq(&shown);
}

#[test]
fn options_apply_to_data_only() {
    for path in ["", "$metadata", "$batch"] {
        let error = request(path, Some("sap-language=EN&$filter=a")).unwrap_err();
        assert_eq!((error.kind, error.target.as_deref()), (ODataErrorKind::BadRequest, Some("$filter")), "{path}");
        assert!(request(path, Some("sap-language=EN")).is_ok());
    }
    assert!(request("$metadata", Some("$format=application/xml")).is_ok());
    assert!(request("", Some("$format=application/json;odata.metadata=minimal")).is_ok());
}

#[test]
fn limits_hold() {
    let deep =
        |open: &str, middle: &str, close: &str, count: usize| format!("$filter={}{middle}{}", open.repeat(count), close.repeat(count));
    let kind = |query: &str| request("Set", Some(query)).map_err(|error| (error.kind, error.message));
    for query in [
        deep("(", "a", ")", 100_000),
        deep("not ", "a", "", 100_000),
        deep("-", "a", "", 100_000),
        deep("length(", "a", ")", 100_000),
        deep("a/any(x:", "x", ")", 5_000),
    ] {
        let (kind, message) = kind(&query).unwrap_err();
        assert_eq!(kind, ODataErrorKind::BadRequest);
        assert!(message.contains("100 levels"), "{message}");
    }
    assert!(kind(&deep("(", "a", ")", 90)).is_ok());
    let chain = |count: usize, word: &str| format!("$filter=a eq 1{}", format!(" {word} a eq 1").repeat(count));
    assert!(kind(&chain(4_000, "or")).is_ok(), "long chains of one logical operator are flat");
    assert!(kind(&chain(100_000, "or")).unwrap_err().1.contains("parts"));
    assert!(kind(&format!("$filter=a{} eq 1", " add 1".repeat(200))).unwrap_err().1.contains("100 levels"));
    assert!(kind(&format!("$expand={}a{}", "a($expand=".repeat(5_000), ")".repeat(5_000))).unwrap_err().1.contains("100 levels"));
    assert!(request(&"a/".repeat(1_000), None).unwrap_err().message.contains("32 segments"));
}

/// Parsing twice as much takes about twice as long: no backtracking that multiplies. The bound is loose, as tests share a machine.
#[test]
fn time_is_linear() {
    for unit in [
        "a eq 'x' or ",
        "(((a)))eq((1)) or ",
        "not contains(a,'b') or ",
        "a in (1,2,3) and ",
        "aaaa-bbbb or ",
        "12345678-1234-1234-1234-12345678901 or ",
        "ä eq 'ö' or ",
    ] {
        let time = |count: usize| {
            let query = format!("$filter={}b eq 1", unit.repeat(count));
            let start = std::time::Instant::now();
            for _ in 0..3 {
                let _ = std::hint::black_box(request("Set", Some(&query)));
            }
            start.elapsed()
        };
        time(500);
        let (small, large) = (time(500), time(2_000));
        assert!(large < small * 40 + std::time::Duration::from_millis(50), "{unit}: {small:?} for 500, {large:?} for 2000");
    }
}

proptest! {
    #[test]
    fn random_text_never_panics(path_text in "\\PC{0,40}", query in "\\PC{0,80}") {
        let _ = request(&path_text, Some(&query));
    }

    #[test]
    fn random_words_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        "a", "eq", "and", "or", "not", "(", ")", "'x'", "'", "1", "-", "-1", ",", "in", "contains(", "/", "any(x:", "$count", "@p", "null", "2026-08-01", "12:30", "add", "has", " ", "=", ";", "%27", "+", "ä", "$it", "[", "1e5", "INF",
    ]), 0..40)) {
        let text = words.concat();
        let spaced = words.join("%20");
        for text in [text, spaced] {
            for option in ["$filter", "$orderby", "$select", "$expand", "@p"] {
                if let Err(error) = request("Set", Some(&format!("{option}={text}"))) {
                    let length = text.chars().count();
                    prop_assert!(error.position.is_none_or(|position| position <= length), "{error:?}");
                    prop_assert!(!error.message.is_empty());
                }
            }
            let _ = request(&format!("Set({text})"), None);
        }
    }

    #[test]
    fn quoted_text_survives(text in any::<String>()) {
        let mut encoded = String::new();
        for byte in text.replace('\'', "''").bytes() {
            encoded.push_str(&format!("%{byte:02x}"));
        }
        let request = request("Set", Some(&format!("$filter=a eq '{encoded}'"))).unwrap();
        prop_assert_eq!(shown(&request.options.filter.unwrap()), format!("(a eq Text:{text})"));
    }
}
