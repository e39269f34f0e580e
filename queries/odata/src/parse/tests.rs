//! Golden syntax trees, malformed requests with their places, encodings, and limits.

use super::request;
use crate::ODataErrorKind;
use crate::syntax::{Argument, Expr, ExprKind, PathStep, Quantifier, Request, Resource, StepKind};
use expect_test::{Expect, expect};
use proptest::prelude::*;

/// An expression with every operator in parentheses, so that its structure shows; `[n]` literals keep their kind.
fn shown(expr: &Expr) -> String {
    let arguments = |arguments: &[Argument]| {
        let each = arguments.iter().map(|argument| match &argument.name {
            Some(name) => format!("{name}={}", shown(&argument.value)),
            None => shown(&argument.value),
        });
        each.collect::<Vec<_>>().join(",")
    };
    match &expr.kind {
        ExprKind::Literal(literal) => format!("{:?}:{}", literal.kind, literal.text),
        ExprKind::Alias(name) => name.clone(),
        ExprKind::Call { name, arguments: inner } => format!("{name}({})", arguments(inner)),
        ExprKind::Unary { op, operand } => format!("({op:?} {})", shown(operand)),
        ExprKind::Binary { op, left, right } => format!("({} {op} {})", shown(left), shown(right)),
        ExprKind::Logical { op, operands } => format!("({op:?} {})", operands.iter().map(shown).collect::<Vec<_>>().join(" ")),
        ExprKind::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        ExprKind::Path(steps) => {
            let step = |step: &PathStep| match &step.kind {
                StepKind::Name(name) | StepKind::Special(name) => name.clone(),
                StepKind::Call { name, arguments: inner } => format!("{name}({})", arguments(inner)),
                StepKind::Lambda { quantifier, body } => {
                    let name = if *quantifier == Quantifier::Any { "any" } else { "all" };
                    body.as_ref().map_or_else(|| format!("{name}()"), |(variable, body)| format!("{name}({variable}: {})", shown(body)))
                }
            };
            steps.iter().map(step).collect::<Vec<_>>().join("/")
        }
    }
}

fn tree(filter: &str) -> String {
    match request("Set", Some(&format!("$filter={filter}"))) {
        Ok(request) => shown(&request.options.filter.unwrap()),
        Err(error) => format!("{:?} at {:?}: {}", error.kind, error.position, error.message),
    }
}

fn trees(filters: &[&str], expected: Expect) {
    expected.assert_eq(&filters.iter().map(|filter| format!("{filter}\n  {}\n", tree(filter))).collect::<String>());
}

#[test]
fn precedence_is_the_specifications() {
    trees(
        &[
            "a eq 1 and b eq 2 or not c eq 3",
            "a or b and c or d",
            "not (a eq 1)",
            "not(a eq 1)",
            "not a in (1,2)",
            "not not a",
            "-a mul b add c",
            "a add b mul c sub d div e divby f mod g",
            "a gt b eq c lt d",
            "a add 1 gt 2 and x",
            "-1 in (1)",
            "- 1 sub -2",
            "a sub -b",
            "(a or b) and (c)",
            "a has Ns.Colour'Red' eq true",
            "A EQ 1 AND Not B",
            "(a)eq(b)",
            "not eq 5",
        ],
        expect![[r#"
            a eq 1 and b eq 2 or not c eq 3
              (Or (And (a eq Integer:1) (b eq Integer:2)) ((Not c) eq Integer:3))
            a or b and c or d
              (Or a (And b c) d)
            not (a eq 1)
              (Not (a eq Integer:1))
            not(a eq 1)
              (Not (a eq Integer:1))
            not a in (1,2)
              (Not (a in [Integer:1 Integer:2]))
            not not a
              (Not (Not a))
            -a mul b add c
              (((Negate a) mul b) add c)
            a add b mul c sub d div e divby f mod g
              ((a add (b mul c)) sub (((d div e) divby f) mod g))
            a gt b eq c lt d
              ((a gt b) eq (c lt d))
            a add 1 gt 2 and x
              (And ((a add Integer:1) gt Integer:2) x)
            -1 in (1)
              (Integer:-1 in [Integer:1])
            - 1 sub -2
              ((Negate Integer:1) sub Integer:-2)
            a sub -b
              (a sub (Negate b))
            (a or b) and (c)
              (And (Or a b) c)
            a has Ns.Colour'Red' eq true
              ((a has Enumeration:Ns.Colour'Red') eq Boolean:true)
            A EQ 1 AND Not B
              (And (A eq Integer:1) (Not B))
            (a)eq(b)
              (a eq b)
            not eq 5
              (not eq Integer:5)
        "#]],
    );
}

#[test]
fn literals_keep_their_form() {
    trees(
        &[
            "null",
            "true",
            "FALSE",
            "'O''Neil'",
            "'%'",
            "''",
            "-1",
            "1.50",
            "1e-3",
            "123L",
            "1.5m",
            "2f",
            "1.5d",
            "NaN",
            "-INF",
            "INF",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "12345678-0000-0000-0000-000000000000",
            "2026-08-01",
            "-0001-01-01",
            "12:30",
            "12:30:00.25",
            "2026-08-01T12:30:00Z",
            "2026-08-01T12:30:00.123-05:00",
            "2026-08-01T12:30",
            "binary'AQID'",
            "duration'P1D'",
            "Ns.Colour'Red,Blue'",
            "geography'SRID=0;Point(1 2)'",
            "guid'3f2504e0-4f89-11d3-9a0c-0305e82c3301'",
            "@p",
            "nullable",
            "trueish",
            "e5",
            "abcdef12",
        ]
        .map(|literal| literal.replace('%', "%25"))
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>(),
        expect![[r#"
            null
              Null:null
            true
              Boolean:true
            FALSE
              Boolean:false
            'O''Neil'
              Text:O'Neil
            '%25'
              Text:%
            ''
              Text:
            -1
              Integer:-1
            1.50
              Decimal:1.50
            1e-3
              Decimal:1e-3
            123L
              Integer:123
            1.5m
              Decimal:1.5
            2f
              Decimal:2
            1.5d
              Decimal:1.5
            NaN
              NotFinite:NaN
            -INF
              NotFinite:-INF
            INF
              NotFinite:INF
            3f2504e0-4f89-11d3-9a0c-0305e82c3301
              Guid:3f2504e0-4f89-11d3-9a0c-0305e82c3301
            12345678-0000-0000-0000-000000000000
              Guid:12345678-0000-0000-0000-000000000000
            2026-08-01
              Date:2026-08-01
            -0001-01-01
              Date:-0001-01-01
            12:30
              TimeOfDay:12:30
            12:30:00.25
              TimeOfDay:12:30:00.25
            2026-08-01T12:30:00Z
              DateTimeOffset:2026-08-01T12:30:00Z
            2026-08-01T12:30:00.123-05:00
              DateTimeOffset:2026-08-01T12:30:00.123-05:00
            2026-08-01T12:30
              DateTimeOffset:2026-08-01T12:30
            binary'AQID'
              Binary:AQID
            duration'P1D'
              Duration:P1D
            Ns.Colour'Red,Blue'
              Enumeration:Ns.Colour'Red,Blue'
            geography'SRID=0;Point(1 2)'
              Geo:SRID=0;Point(1 2)
            guid'3f2504e0-4f89-11d3-9a0c-0305e82c3301'
              Guid:3f2504e0-4f89-11d3-9a0c-0305e82c3301
            @p
              @p
            nullable
              nullable
            trueish
              trueish
            e5
              e5
            abcdef12
              abcdef12
        "#]],
    );
}

#[test]
fn paths_calls_and_lambdas() {
    trees(
        &[
            "contains( Name , 'a' )",
            "now()",
            "Customer/Address/City eq 'x'",
            "Orders/any(o:o/Total gt 1 and $it/Name eq o/Name)",
            "Orders/all( o : o/Lines/any() )",
            "Orders/$count gt 2",
            "$root/Customers(1)/Name eq $it/Name",
            "Ns.Type/Prop eq 1",
            "Ns.Fn(a=1,b='x')",
            "cast(Name,Edm.String) eq 'a'",
            "isof(Ns.Type)",
            "a in (1, 2,3)",
            "a in ()",
            "a in b",
            "a in (b)",
        ],
        expect![[r#"
            contains( Name , 'a' )
              contains(Name,Text:a)
            now()
              now()
            Customer/Address/City eq 'x'
              (Customer/Address/City eq Text:x)
            Orders/any(o:o/Total gt 1 and $it/Name eq o/Name)
              Orders/any(o: (And (o/Total gt Integer:1) ($it/Name eq o/Name)))
            Orders/all( o : o/Lines/any() )
              Orders/all(o: o/Lines/any())
            Orders/$count gt 2
              (Orders/$count gt Integer:2)
            $root/Customers(1)/Name eq $it/Name
              ($root/Customers(Integer:1)/Name eq $it/Name)
            Ns.Type/Prop eq 1
              (Ns.Type/Prop eq Integer:1)
            Ns.Fn(a=1,b='x')
              Ns.Fn(a=Integer:1,b=Text:x)
            cast(Name,Edm.String) eq 'a'
              (cast(Name,Edm.String) eq Text:a)
            isof(Ns.Type)
              isof(Ns.Type)
            a in (1, 2,3)
              (a in [Integer:1 Integer:2 Integer:3])
            a in ()
              (a in [])
            a in b
              (a in b)
            a in (b)
              (a in [b])
        "#]],
    );
}

#[test]
fn options_are_read_with_and_without_dollar() {
    let read = |query: &str| request("Orders", Some(query)).unwrap();
    let request = read("$top=5&SKIP=2&$Count=true&%24orderby=a desc,b&filter=a eq 1&sap-client=100&x=$filter&=&&$format=json");
    assert_eq!((request.options.top, request.options.skip, request.options.count), (Some(5), Some(2), Some(true)));
    let order = request.options.order_by.unwrap();
    assert_eq!(
        order.iter().map(|item| (shown(&item.expr), item.descending)).collect::<Vec<_>>(),
        [("a".into(), true), ("b".into(), false)]
    );
    assert!(request.options.filter.is_some());
    assert_eq!(request.options.format.as_deref(), Some("json"));
    let names: Vec<_> = request.canonical.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["$count", "$filter", "$format", "$orderby", "$skip", "$top", "path"]);
    assert_eq!(read("$orderby=a add b desc, c asc").options.order_by.unwrap().len(), 2);
    assert_eq!(read("@p=5&$filter=a eq @p").aliases.len(), 1);
}

#[test]
fn expand_nests() {
    let query = "$expand=Orders($filter=Note eq 'a;b)c';$select=Id,Total;orderby=Total desc;$top=3;$skip=1;$count=true;$expand=Lines($top=1)),Other/$ref&$select=Id, Name,*";
    let request = request("Customers", Some(query)).unwrap();
    let expand = request.options.expand.unwrap();
    assert_eq!(expand.len(), 2);
    assert_eq!(shown(expand[0].options.filter.as_ref().unwrap()), "(Note eq Text:a;b)c)");
    assert_eq!(expand[0].options.select.as_ref().unwrap().len(), 2);
    assert_eq!((expand[0].options.top, expand[0].options.skip, expand[0].options.count), (Some(3), Some(1), Some(true)));
    assert_eq!(expand[0].options.expand.as_ref().unwrap()[0].options.top, Some(1));
    assert_eq!(expand[1].path, ["Other", "$ref"]);
    assert_eq!(request.options.select.unwrap()[1].span, crate::syntax::Span { start: 4, end: 8 });
}

fn path(text: &str) -> String {
    match request(text, None) {
        Ok(Request { resource: Resource::EntitySet(segments), .. }) => {
            let segment = |segment: &crate::syntax::Segment| match &segment.key {
                None => segment.name.clone(),
                Some(key) => {
                    let part = |part: &crate::syntax::KeyPart| {
                        format!("{}{}", part.name.as_ref().map(|name| format!("{name}=")).unwrap_or_default(), shown(&part.value))
                    };
                    format!("{}({})", segment.name, key.parts.iter().map(part).collect::<Vec<_>>().join(" "))
                }
            };
            segments.iter().map(segment).collect::<Vec<_>>().join(" / ")
        }
        Ok(request) => format!("{:?}", request.resource),
        Err(error) => format!("{:?} at {:?}: {}", error.kind, error.position, error.message),
    }
}

#[test]
fn paths() {
    let all = [
        "",
        "/",
        "$metadata",
        "/$batch",
        "Orders",
        "Orders(1)",
        "Orders()",
        "Orders(Id=1)",
        "Lines(OrderId=1,LineNo=2)",
        "Lines(%20OrderId%3D1%2CLineNo%20=%202%20)",
        "Customers(%27O%27%27Neil%27)",
        "Customers('a%2Fb')",
        "Customers%28%27x%27%29",
        "Customers('a%2Cb')",
        "Customers('a+b')",
        "Customers(3f2504e0-4f89-11d3-9a0c-0305e82c3301)",
        "Days(2026-08-01)",
        "Customers(@p)",
        "Orders/$count",
        "Customers(1)/Orders/$count",
        "Orders/1",
        "Orders/",
        "Orders//x",
        "$all",
        "$crossjoin(A,B)",
        "$entity",
        "$metadat",
        "$metadata/x",
        "Orders(",
        "Orders(1",
        "Orders(1)x",
        "Orders(1,)",
        "Orders(A=1,A=2)",
        "Orders(a)",
        "1",
        "Orders('a)",
        "Ord%ers",
        "Ord%C3",
        "Kunden(%C3%A4)",
        "Überblick('ä')/%",
    ];
    let shown: String = all.iter().map(|text| format!("{text}\n  {}\n", path(text))).collect();
    expect![[r#"

          ServiceDocument
        /
          ServiceDocument
        $metadata
          Metadata
        /$batch
          Batch
        Orders
          Orders
        Orders(1)
          Orders(Integer:1)
        Orders()
          Orders()
        Orders(Id=1)
          Orders(Id=Integer:1)
        Lines(OrderId=1,LineNo=2)
          Lines(OrderId=Integer:1 LineNo=Integer:2)
        Lines(%20OrderId%3D1%2CLineNo%20=%202%20)
          Lines(OrderId=Integer:1 LineNo=Integer:2)
        Customers(%27O%27%27Neil%27)
          Customers(Text:O'Neil)
        Customers('a%2Fb')
          Customers(Text:a/b)
        Customers%28%27x%27%29
          Customers(Text:x)
        Customers('a%2Cb')
          Customers(Text:a,b)
        Customers('a+b')
          Customers(Text:a+b)
        Customers(3f2504e0-4f89-11d3-9a0c-0305e82c3301)
          Customers(Guid:3f2504e0-4f89-11d3-9a0c-0305e82c3301)
        Days(2026-08-01)
          Days(Date:2026-08-01)
        Customers(@p)
          Customers(@p)
        Orders/$count
          Orders / $count
        Customers(1)/Orders/$count
          Customers(Integer:1) / Orders / $count
        Orders/1
          NotImplemented at Some(7): a key as a path segment ('1'), instead of in parentheses, is not supported yet
        Orders/
          BadRequest at Some(7): the path has an empty segment
        Orders//x
          BadRequest at Some(7): the path has an empty segment
        $all
          NotImplemented at Some(0): $all is not supported yet
        $crossjoin(A,B)
          NotImplemented at Some(0): $crossjoin is not supported yet
        $entity
          NotImplemented at Some(0): $entity is not supported yet
        $metadat
          NotFound at Some(0): there is no resource '$metadat'; did you mean '$metadata'?
        $metadata/x
          NotFound at Some(10): nothing follows $metadata, but the path goes on with 'x'
        Orders(
          BadRequest at Some(7): path is malformed at character 7: expected a key value (text in single quotes, a number, a GUID, a date, …), found the end
        Orders(1
          BadRequest at Some(8): path is malformed at character 8: expected ',' or ')' in the key, found the end
        Orders(1)x
          BadRequest at Some(9): path is malformed at character 9: expected '/' or the end after the key, found 'x'
        Orders(1,)
          BadRequest at Some(9): path is malformed at character 9: expected a key value (text in single quotes, a number, a GUID, a date, …), found ')'
        Orders(A=1,A=2)
          BadRequest at Some(11): the key names 'A' twice
        Orders(a)
          BadRequest at Some(7): path is malformed at character 7: expected a key value (text in single quotes, a number, a GUID, a date, …), found 'a'
        1
          NotFound at Some(0): there is no resource '1'
        Orders('a)
          BadRequest at Some(7): path: the text that begins at character 7 has no closing quote
        Ord%ers
          BadRequest at Some(3): path holds '%' without two hexadecimal digits after it; a percent sign is %25
        Ord%C3
          BadRequest at Some(3): path is not UTF-8 once its percent-escapes are resolved
        Kunden(%C3%A4)
          BadRequest at Some(7): path is malformed at character 7: expected a key value (text in single quotes, a number, a GUID, a date, …), found 'ä'
        Überblick('ä')/%
          BadRequest at Some(15): path holds '%' without two hexadecimal digits after it; a percent sign is %25
    "#]].assert_eq(&shown);
}

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
