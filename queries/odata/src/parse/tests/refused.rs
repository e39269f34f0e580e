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
        "$filter=Orders/any(o)",
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
        "$expand=a($format=json)",
        "$expand=a($top=1;$top=2)",
        "$expand=a(foo=1)",
        "$expand=a($filter=x eq 1",
        "$filter=a&$filter=b",
        "$filter=a&filter=b",
        "$top=1&$TOP=1",
        "$fliter=a",
        "$unknown=1",
        "$filter=a eq [1",
        "$filter=a eq {b:1}",
        "$filter=Orders/$count($top=1) gt 1",
        "$filter=case(a)",
        "$filter=a/$filter(b",
        "$filter=$it(1)",
        "$filter=@",
        "$expand=a($levels=0)",
        "$expand=a($levels=04)",
        "$expand=a(@p=1;@p=2)",
        "$search=",
        "$search=\"a",
        "$search=\"a\"b",
        "$search=(a",
        "$search='a",
        "$search=a)",
        "$apply=x",
        "$apply=frob(x)",
        "$apply=aggregate(Amount with total as T)",
        "$apply=concat(identity)",
        "$apply=groupby(a)",
        "$apply=filter(a eq 1",
        "$apply=ancestors($root/A,H,Id,identity,1,2)",
        "$apply=traverse($root/A,H,Id,inorder)",
        "$filter=Sales/aggregate(Amount with sum as Total) gt 1",
        "$compute=a as",
        "$compute=a b",
        "$schemaversion=a b",
        "$index=x",
        "$compute=x",
        "$levels=1",
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
        $filter=Orders/any(o)
          BadRequest $filter Some(12): $filter is malformed at character 12: expected ':' after the variable, found ')'
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
        $expand=a($format=json)
          BadRequest $expand Some(2): '$format' cannot stand inside parentheses
        $expand=a($top=1;$top=2)
          BadRequest $expand Some(9): the query option $top is given twice
        $expand=a(foo=1)
          BadRequest $expand Some(2): 'foo' cannot stand inside parentheses
        $expand=a($filter=x eq 1
          BadRequest $expand Some(16): $expand is malformed at character 16: expected ')' or ';' after the nested option, found the end
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
        $filter=a eq [1
          BadRequest $filter Some(7): $filter is malformed at character 7: expected ',' or ']' in the array, found the end
        $filter=a eq {b:1}
          BadRequest $filter Some(6): $filter is malformed at character 6: expected text in double quotes, found 'b:1}'
        $filter=Orders/$count($top=1) gt 1
          BadRequest $filter Some(14): '$top' cannot stand here; there may stand $filter, $search
        $filter=case(a)
          BadRequest $filter Some(6): $filter is malformed at character 6: expected ':' after the condition, found ')'
        $filter=a/$filter(b
          BadRequest $filter Some(11): $filter is malformed at character 11: expected ')' or an operator after the condition, found the end
        $filter=$it(1)
          BadRequest $filter Some(3): $filter is malformed at character 3: expected '/' or an operator, found '(1'
        $filter=@
          BadRequest $filter Some(0): $filter is malformed at character 0: expected a parameter alias or annotation, found '@'
        $expand=a($levels=0)
          BadRequest $expand Some(10): $expand is malformed at character 10: expected max or a whole number from 1, without leading zeros, found '0'
        $expand=a($levels=04)
          BadRequest $expand Some(10): $expand is malformed at character 10: expected max or a whole number from 1, without leading zeros, found '04'
        $expand=a(@p=1;@p=2)
          BadRequest $expand Some(7): the parameter alias @p is defined twice
        $search=
          BadRequest $search Some(0): $search is malformed at character 0: expected a word, a phrase in double quotes or '(', found the end
        $search="a
          BadRequest $search Some(0): $search: the phrase that begins at character 0 has no closing quote
        $search="a"b
          BadRequest $search Some(3): $search is malformed at character 3: expected a space after the phrase, found 'b'
        $search=(a
          BadRequest $search Some(2): $search is malformed at character 2: expected ')' to close the parenthesis, found the end
        $search='a
          BadRequest $search Some(0): $search: the text that begins at character 0 has no closing quote
        $search=a)
          BadRequest $search Some(1): $search is malformed at character 1: expected the end or an operator, found ')'
        $apply=x
          BadRequest $apply Some(1): $apply is malformed at character 1: expected '(' after 'x', found the end
        $apply=frob(x)
          BadRequest $apply Some(0): $apply: there is no transformation 'frob'
        $apply=aggregate(Amount with total as T)
          BadRequest $apply Some(22): $apply: there is no aggregation method 'total': there are sum, min, max, average, countdistinct
        $apply=concat(identity)
          BadRequest $apply Some(0): $apply: concat takes at least two sequences of transformations
        $apply=groupby(a)
          BadRequest $apply Some(8): $apply is malformed at character 8: expected '(' before the grouping properties, found 'a'
        $apply=filter(a eq 1
          BadRequest $apply Some(13): $apply is malformed at character 13: expected ')' or ',' in filter(…), found the end
        $apply=ancestors($root/A,H,Id,identity,1,2)
          BadRequest $apply Some(34): $apply is malformed at character 34: expected 'keep start', found '2'
        $apply=traverse($root/A,H,Id,inorder)
          BadRequest $apply Some(22): $apply is malformed at character 22: expected preorder or postorder, found 'inorder'
        $filter=Sales/aggregate(Amount with sum as Total) gt 1
          BadRequest $filter Some(35): $filter: aggregate takes no alias in an expression
        $compute=a as
          BadRequest $compute Some(2): $compute is malformed at character 2: expected 'as' and a name, or an operator, found 'as'
        $compute=a b
          BadRequest $compute Some(2): $compute is malformed at character 2: expected 'as' and a name, or an operator, found 'b'
        $schemaversion=a b
          BadRequest $schemaversion Some(0): $schemaversion is malformed at character 0: expected '*' or a version of letters, digits, '-', '.', '_' and '~', found 'a'
        $index=x
          BadRequest $index Some(0): $index is malformed at character 0: expected a whole number, perhaps negative, found 'x'
        $compute=x
          BadRequest $compute Some(1): $compute is malformed at character 1: expected 'as' and a name, or an operator, found the end
        $levels=1
          BadRequest $levels None: '$levels' stands only in parentheses, in $expand
        $format=atom
          NotAcceptable $format Some(0): nothing here is written in the format 'atom'
        $format=xml
          NotAcceptable $format Some(0): nothing here is written in the format 'xml'
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
