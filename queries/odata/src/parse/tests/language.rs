//! Golden trees of what the language has beyond plain filters, and the two modes.

use super::shown;
use crate::ODataError;
use crate::parse::{self, Strictness, query_options};
use expect_test::expect;

fn tree(query: &str, strictness: Strictness) -> String {
    match query_options(query, strictness) {
        Ok(request) => {
            let aliases = request.aliases.iter().map(|alias| format!("{}={}", alias.name, shown::shown(&alias.value)));
            let custom = request.custom.iter().map(|option| format!("custom {} {:?}", option.name, option.value));
            aliases.chain(custom).chain([shown::options(&request.options)]).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" & ")
        }
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &ODataError) -> String {
    format!("{:?} {} {:?}: {}", error.kind, error.target.as_deref().unwrap_or("-"), error.position, error.message)
}

fn trees(queries: &[&str], strictness: Strictness, expected: expect_test::Expect) {
    let shown: String = queries.iter().map(|query| format!("{query}\n  {}\n", tree(query, strictness))).collect();
    expected.assert_eq(&shown);
}

#[test]
fn expressions() {
    trees(
        &[
            "$filter=case(A gt 1:'x', true : null) eq 'x'",
            "$filter=Tags eq [\"a\", 'b', 1 add 2, {\"c\" : [ ] }]",
            "$filter=Price/@Core.Unit%23q eq @Core.Unit",
            "$filter=@p/Name eq @p",
            "$filter=Orders/$count($filter=Total gt 1;$search=a b) gt 2",
            "$filter=Orders/$filter(Total gt 1)(5)/Name eq Ns.Fn(a=1)(2)/Name",
            "$filter=$these/aggregate(Total with sum from A,B with max) gt 1",
            "$filter=$root/Set/1/Name eq 'x'",
            "$filter=Name in Names and (Name) in [\"a\"]",
            "@p={\"a\":$root/Set(1)}&x=1&y",
        ],
        Strictness::Strict,
        expect![[r#"
            $filter=case(A gt 1:'x', true : null) eq 'x'
              $filter=(case((A gt Integer:1): Text:x, Boolean:true: Null:null) eq Text:x)
            $filter=Tags eq ["a", 'b', 1 add 2, {"c" : [ ] }]
              $filter=(Tags eq array["a" Text:b (Integer:1 add Integer:2) {"c": array[]}])
            $filter=Price/@Core.Unit%23q eq @Core.Unit
              $filter=(Price/@Core.Unit#q eq @Core.Unit)
            $filter=@p/Name eq @p
              $filter=(@p/Name eq @p)
            $filter=Orders/$count($filter=Total gt 1;$search=a b) gt 2
              $filter=(Orders/$count($search=(AND a b);$filter=(Total gt Integer:1)) gt Integer:2)
            $filter=Orders/$filter(Total gt 1)(5)/Name eq Ns.Fn(a=1)(2)/Name
              $filter=(Orders/$filter((Total gt Integer:1))/<Integer:5>/Name eq Ns.Fn(a=Integer:1)/<Integer:2>/Name)
            $filter=$these/aggregate(Total with sum from A,B with max) gt 1
              $filter=($these/aggregate(Total with sum from [A B] with max) gt Integer:1)
            $filter=$root/Set/1/Name eq 'x'
              $filter=($root/Set/1/Name eq Text:x)
            $filter=Name in Names and (Name) in ["a"]
              $filter=(And (Name in Names) (Name in array["a"]))
            @p={"a":$root/Set(1)}&x=1&y
              @p={"a": $root/Set(Integer:1)} & custom x Some("1") & custom y None
        "#]],
    );
}

#[test]
fn searches() {
    trees(
        &[
            "$search=a",
            "$search=a b OR c AND NOT d",
            "$search=a OR b c OR d",
            "$search=NOT a b",
            "$search=NOT (a OR b)",
            "$search=(a)",
            "$search=AND",
            "$search=OR AND NOT",
            "$search=a AND",
            "$search=a OR",
            "$search=NOT NOT a",
            "$search=\"a OR b\" c",
            "$search='a ''OR'' b",
            "$search='a ''OR'' b'",
            "$search=O'Neil a%3Bb",
            "$search=a;b",
            "$expand=X($search=a b;$top=1)",
        ],
        Strictness::Lenient,
        expect![[r#"
            $search=a
              $search=a
            $search=a b OR c AND NOT d
              $search=(OR (AND a b) (AND c (NOT d)))
            $search=a OR b c OR d
              $search=(OR a (AND b c) d)
            $search=NOT a b
              $search=(AND (NOT a) b)
            $search=NOT (a OR b)
              $search=(NOT (OR a b))
            $search=(a)
              $search=a
            $search=AND
              $search=AND
            $search=OR AND NOT
              $search=(AND OR NOT)
            $search=a AND
              $search=(AND a AND)
            $search=a OR
              $search=(AND a OR)
            $search=NOT NOT a
              $search=(NOT (NOT a))
            $search="a OR b" c
              $search=(AND "a OR b" c)
            $search='a ''OR'' b
              BadRequest $search Some(0): $search: the text that begins at character 0 has no closing quote
            $search='a ''OR'' b'
              $search='a 'OR' b'
            $search=O'Neil a%3Bb
              $search=(AND O'Neil a;b)
            $search=a;b
              BadRequest $search Some(1): $search is malformed at character 1: expected the end or an operator, found ';b'
            $expand=X($search=a b;$top=1)
              $expand=X($search=(AND a b);$top=1)
        "#]],
    );
}

#[test]
fn transformations() {
    trees(
        &[
            "$apply=identity/top(3)/skip(1)/orderby(A desc,B)/search(a b)",
            "$apply=filter(A gt 1)/compute(A add 1 as B,C as D)",
            "$apply=aggregate(A with sum as B,$count as C,Forecast,X/Y with Ns.m from P,Q/R with max from S with min as T)",
            "$apply=groupby((A,B/C,rollup(D,E),rollup(H)),aggregate(A with max as B)/top(1))",
            "$apply=groupby((rolluprecursive($root/S,H,N,descendants($root/S,H,N,filter(A),2,keep start))))",
            "$apply=concat(identity,top(1)/skip(2))",
            "$apply=join(Sales as Sale,filter(A))/outerjoin(Sales as S)",
            "$apply=addnested(Sales,filter(A) as F,top(1) as G)/nest(groupby((A)) as H)",
            "$apply=topcount(2,A)/bottomsum(1 add 1,B)/toppercent(50,C)",
            "$apply=ancestors($root/S('a')/N,H,P/Q,search(East)/top(3),keep start)",
            "$apply=traverse($root/S,H,N,postorder,filter(A),B desc,C)/traverse($root/S,H,N,preorder,concat(A,B))",
            "$apply=Ns.Fn(a=1)/identity",
            "$apply=FILTER(A)/GroupBy((A))/aggregate(A WITH Sum AS B)",
            "$compute=A as B,case(true:1) as C",
        ],
        Strictness::Lenient,
        expect![[r#"
            $apply=identity/top(3)/skip(1)/orderby(A desc,B)/search(a b)
              $apply=identity / top(3) / skip(1) / orderby(A desc, B) / search((AND a b))
            $apply=filter(A gt 1)/compute(A add 1 as B,C as D)
              $apply=filter((A gt Integer:1)) / compute((A add Integer:1) as B, C as D)
            $apply=aggregate(A with sum as B,$count as C,Forecast,X/Y with Ns.m from P,Q/R with max from S with min as T)
              $apply=aggregate(A with sum as B, $count as C, Forecast, X/Y with Ns.m from [P Q/R] with max from [S] with min as T)
            $apply=groupby((A,B/C,rollup(D,E),rollup(H)),aggregate(A with max as B)/top(1))
              $apply=groupby([A B/C rollup[D E] rollup[H]] then [aggregate(A with max as B) / top(1)])
            $apply=groupby((rolluprecursive($root/S,H,N,descendants($root/S,H,N,filter(A),2,keep start))))
              $apply=groupby([rolluprecursive[$root/S H N to [relatives(descendants=true $root/S H N start [filter(A)] Some(2) keep=true)]]] then [])
            $apply=concat(identity,top(1)/skip(2))
              $apply=concat([identity] [top(1) / skip(2)])
            $apply=join(Sales as Sale,filter(A))/outerjoin(Sales as S)
              $apply=join(outer=false Sales as Sale then [filter(A)]) / join(outer=true Sales as S then [])
            $apply=addnested(Sales,filter(A) as F,top(1) as G)/nest(groupby((A)) as H)
              $apply=nest(Some("Sales") [filter(A)] as F, [top(1)] as G) / nest(None [groupby([A] then [])] as H)
            $apply=topcount(2,A)/bottomsum(1 add 1,B)/toppercent(50,C)
              $apply=TopCount(Integer:2, A) / BottomSum((Integer:1 add Integer:1), B) / TopPercent(Integer:50, C)
            $apply=ancestors($root/S('a')/N,H,P/Q,search(East)/top(3),keep start)
              $apply=relatives(descendants=false $root/S(Text:a)/N H P/Q start [search(East) / top(3)] None keep=true)
            $apply=traverse($root/S,H,N,postorder,filter(A),B desc,C)/traverse($root/S,H,N,preorder,concat(A,B))
              $apply=traverse($root/S H N postorder=true start [filter(A)] B desc, C) / traverse($root/S H N postorder=false start [] concat(A,B))
            $apply=Ns.Fn(a=1)/identity
              $apply=Ns.Fn(a=Integer:1) / identity
            $apply=FILTER(A)/GroupBy((A))/aggregate(A WITH Sum AS B)
              $apply=filter(A) / groupby([A] then []) / aggregate(A with sum as B)
            $compute=A as B,case(true:1) as C
              $compute=A as B, case(Boolean:true: Integer:1) as C
        "#]],
    );
}

#[test]
fn items_and_small_options() {
    trees(
        &[
            "$select=A,B/C,Ns.T/D,Ns.*,*,@Core.U%23q,F(p,q),G($filter=x;$top=1;@a=$this),H($select=*)",
            "$expand=A($levels=max),B/$ref($top=1),C/$count($search=a),*($levels=2),*/$ref,D/Ns.E/F,G(@m=$this;$expand=H;$at=@m/From)",
            "$schemaversion=1.2&$index=-5&$deltatoken=abc&$id=urn:x&$at=2026-08-01&$from=min&$to=max&$toInclusive=A",
            "SCHEMAVERSION=*&Index=3&at=1",
            "$format=json&$format=xml",
        ],
        Strictness::Lenient,
        expect![[r#"
            $select=A,B/C,Ns.T/D,Ns.*,*,@Core.U%23q,F(p,q),G($filter=x;$top=1;@a=$this),H($select=*)
              $select=A, B/C, Ns.T/D, Ns.*, *, @Core.U#q, F(p,q), G(@a=$this;$filter=x;$top=1), H($select=*)
            $expand=A($levels=max),B/$ref($top=1),C/$count($search=a),*($levels=2),*/$ref,D/Ns.E/F,G(@m=$this;$expand=H;$at=@m/From)
              $expand=A($levels=Max), B/$ref($top=1), C/$count($search=a), *($levels=Count(2)), */$ref, D/Ns.E/F, G(@m=$this;At=@m/From;$expand=H)
            $schemaversion=1.2&$index=-5&$deltatoken=abc&$id=urn:x&$at=2026-08-01&$from=min&$to=max&$toInclusive=A
              $index=-5;$schemaversion=1.2;$deltatoken=abc;$id=urn:x;At=Date:2026-08-01;From=min;To=max;ToInclusive=A
            SCHEMAVERSION=*&Index=3&at=1
              custom at Some("1") & $index=3;$schemaversion=*
            $format=json&$format=xml
              $format=json
        "#]],
    );
}

#[test]
fn strict_mode_refuses_what_only_leniency_takes() {
    let lenient_only = [
        "$filter=(A)eq(B)",
        "$filter=A eq 5L",
        "$filter=A eq 1.5m",
        "$filter=A eq 2f",
        "$filter=A eq guid'01234567-89ab-cdef-0123-456789abcdef'",
        "$filter=A eq datetime'2026-08-01T00:00:00'",
        "$filter=A eq 2026-08-01T00:00:00",
        "$filter=A eq X'1F'",
        "$filter=A eq binary'A'",
        "$filter=A eq duration'P1Y'",
        "$filter=A eq geography'POINT(1 2)'",
        "$filter=A eq 2026-13-01",
        "$filter=A eq 24:00",
        "$filter=A eq Colour'Red'",
        "$filter=A eq 'a b'",
        "$filter=A eq 'a/b'",
        "$filter=A+eq+1",
        "$filter=A eq +1",
        "$filter= A",
        "$filter=A ",
        "$select=A, B",
        "$orderby=A , B",
        "$expand=A( $top=1)",
        "$expand=A($top=1;)",
        "$expand=A($top = 1)",
        "$apply=FILTER(A)",
        "$apply=aggregate(A with Sum as B)",
        "$filter=A/all()",
        "$format=foo",
        "$skiptoken=",
        "$top=1&&$skip=1",
        "$filter=F(a =1)",
        "$search=a[b",
        "$filter=A eq 'a|b'",
    ];
    let shown: String = lenient_only
        .iter()
        .map(|query| {
            assert!(query_options(query, Strictness::Lenient).is_ok(), "{query}: {:?}", query_options(query, Strictness::Lenient));
            format!("{query}\n  {}\n", tree(query, Strictness::Strict))
        })
        .collect();
    expect![[r#"
        $filter=(A)eq(B)
          BadRequest $filter Some(3): $filter is malformed at character 3: expected a space before the operator, found 'eq(B'
        $filter=A eq 5L
          BadRequest $filter Some(5): $filter: 5L is a form of earlier versions of the protocol
        $filter=A eq 1.5m
          BadRequest $filter Some(5): $filter: 1.5m is a form of earlier versions of the protocol
        $filter=A eq 2f
          BadRequest $filter Some(5): $filter: 2f is a form of earlier versions of the protocol
        $filter=A eq guid'01234567-89ab-cdef-0123-456789abcdef'
          BadRequest $filter Some(5): $filter: guid'01234567-89ab-cdef- is a form of earlier versions of the protocol
        $filter=A eq datetime'2026-08-01T00:00:00'
          BadRequest $filter Some(5): $filter: datetime'2026-08-01T00:0 is a form of earlier versions of the protocol
        $filter=A eq 2026-08-01T00:00:00
          BadRequest $filter Some(5): $filter: 2026-08-01T00:00:00 is a form of earlier versions of the protocol
        $filter=A eq X'1F'
          BadRequest $filter Some(5): $filter: X'1F' is a form of earlier versions of the protocol
        $filter=A eq binary'A'
          BadRequest $filter Some(5): $filter: binary'A' is not a literal
        $filter=A eq duration'P1Y'
          BadRequest $filter Some(5): $filter: duration'P1Y' is not a literal
        $filter=A eq geography'POINT(1 2)'
          BadRequest $filter Some(5): $filter: geography'POINT(1 is not a literal
        $filter=A eq 2026-13-01
          BadRequest $filter Some(5): $filter: 2026-13-01 is not a literal
        $filter=A eq 24:00
          BadRequest $filter Some(5): $filter: 24:00 is not a literal
        $filter=A eq Colour'Red'
          BadRequest $filter Some(5): $filter: Colour'Red' is a form of earlier versions of the protocol
        $filter=A eq 'a b'
          BadRequest $filter Some(7): $filter: ' ' in a literal is written %20
        $filter=A eq 'a/b'
          BadRequest $filter Some(7): $filter: '/' in a literal is written %2F
        $filter=A+eq+1
          BadRequest $filter Some(1): $filter is malformed at character 1: expected the end or an operator, found '+eq+1'
        $filter=A eq +1
          BadRequest $filter Some(5): $filter: '+' in a literal is written %2B
        $filter= A
          BadRequest $filter Some(0): $filter is malformed at character 0: expected a property, literal or function, found ' A'
        $filter=A 
          BadRequest $filter Some(1): $filter is malformed at character 1: expected the end or an operator, found ' '
        $select=A, B
          BadRequest $select Some(2): $select is malformed at character 2: expected a property name or '*', found ' B'
        $orderby=A , B
          BadRequest $orderby Some(1): $orderby is malformed at character 1: expected the end or an operator, found ' '
        $expand=A( $top=1)
          BadRequest $expand Some(2): $expand is malformed at character 2: expected a nested query option such as $filter or $select, found ' $top=1'
        $expand=A($top=1;)
          BadRequest $expand Some(9): $expand is malformed at character 9: expected a nested query option such as $filter or $select, found ')'
        $expand=A($top = 1)
          BadRequest $expand Some(6): $expand is malformed at character 6: expected '=' after $top, found ' ='
        $apply=FILTER(A)
          BadRequest $apply Some(0): $apply: there is no transformation 'FILTER'
        $apply=aggregate(A with Sum as B)
          BadRequest $apply Some(17): $apply: there is no aggregation method 'Sum': there are sum, min, max, average, countdistinct
        $filter=A/all()
          BadRequest $filter Some(6): $filter is malformed at character 6: expected a variable, as in any(x:x/Name eq 'a'), found ')'
        $format=foo
          BadRequest $format Some(0): $format is malformed at character 0: expected json, xml, atom or a media type, found 'foo'
        $skiptoken=
          BadRequest $skiptoken Some(0): $skiptoken is malformed at character 0: expected a value without blanks, brackets and quotes, found the end
        $top=1&&$skip=1
          BadRequest query None: a query option is empty: '&' stands between two options
        $filter=F(a =1)
          BadRequest $filter Some(4): $filter is malformed at character 4: expected ',' or ')' after the argument, found '=1'
        $search=a[b
          BadRequest $search Some(1): $search is malformed at character 1: expected the end or an operator, found '[b'
        $filter=A eq 'a|b'
          BadRequest $filter Some(7): $filter holds '|', which a URL writes %7C
    "#]].assert_eq(&shown);
}

#[test]
fn strict_mode_takes_what_the_grammar_has() {
    for query in [
        "$filter=not (A)",
        "$filter=A%20eq%20%27O%27%27Neil%27",
        "$filter=A eq 'a%20b%2Fc'",
        "$filter=A eq %2B1.5e-3",
        "$filter=A%09EQ 2026-08-01T24%3A00%3A00Z or A eq 2026-08-01T23%3A59%3A60.5%2B14:00",
        "$filter=contains( A , 'x' ) and ( B )",
        "filter=A&TOP=1&$Count=true",
        "$filter=A eq geography'SRID=4326;Point(1.5 -2)'",
        "$filter=A in ( 1 , 2 )",
    ] {
        let result = query_options(query, Strictness::Strict);
        let bad_hour = query.contains("T24");
        assert_eq!(result.is_ok(), !bad_hour, "{query}: {result:?}");
    }
    assert!(parse::literal("binary'Zg=='", Strictness::Strict).is_ok());
    assert!(parse::search("a OR b", Strictness::Strict).is_ok());
    assert_eq!(parse::literal("5x", Strictness::Lenient).unwrap_err().position, Some(0));
}

#[test]
fn conditions_in_paths_hold_paths() {
    let segments = |text: &str| match parse::language(text, None, Strictness::Lenient) {
        Ok(request) => match request.resource {
            crate::syntax::Resource::EntitySet(segments) => segments.iter().map(shown::segment).collect::<Vec<_>>().join(" | "),
            other => format!("{other:?}"),
        },
        Err(error) => refusal(&error),
    };
    let all = [
        "A/$filter(B/C eq 'x(')/$count",
        "A/$filter(@p)(1)/B",
        "A/Ns.F(a='/',b=@c)(1)/B",
        "A/$each",
        "A/O'Neil/B",
        "A/x%2Fy/-1",
        "A/Smart(phone/B",
        "$crossjoin(A,B)/$query",
        "$all/Ns.T",
        "A/$filter(B",
        "A/$filter()",
        "$crossjoin()",
        "$crossjoin",
        "$all(1)",
    ];
    expect![[r#"
        A/$filter(B/C eq 'x(')/$count
          A | $filter((B/C eq Text:x()) | $count
        A/$filter(@p)(1)/B
          A | $filter(@p)(Integer:1) | B
        A/Ns.F(a='/',b=@c)(1)/B
          A | Ns.F(a=Text:/ b=@c)(Integer:1) | B
        A/$each
          A | $each
        A/O'Neil/B
          A | <O'Neil> | B
        A/x%2Fy/-1
          A | <x/y> | <-1>
        A/Smart(phone/B
          BadRequest path Some(8): path is malformed at character 8: expected a key value (text in single quotes, a number, a GUID, a date, …), found 'phone'
        $crossjoin(A,B)/$query
          $crossjoin(A B) | $query
        $all/Ns.T
          $all | Ns.T
        A/$filter(B
          BadRequest path Some(11): path is malformed at character 11: expected ')' or an operator after the condition, found the end
        A/$filter()
          BadRequest path Some(10): path is malformed at character 10: expected a property, literal or function, found ')'
        $crossjoin()
          BadRequest path Some(11): path is malformed at character 11: expected an entity set, found ')'
        $crossjoin
          NotFound path Some(0): $crossjoin names entity sets in parentheses, as in $crossjoin(A,B)
        $all(1)
          NotFound path Some(0): $all takes no key
    "#]].assert_eq(&all.iter().map(|text| format!("{text}\n  {}\n", segments(text))).collect::<String>());
}
