//! Golden syntax trees.

mod cost;
mod fuzz;
mod language;
mod refused;
mod shown;

use super::request;
use crate::syntax::{Request, Resource};
use expect_test::{Expect, expect};
use shown::shown;

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
              Geography:SRID=0;Point(1 2)
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
        Ok(Request { resource: Resource::EntitySet(segments), .. }) => segments.iter().map(shown::segment).collect::<Vec<_>>().join(" / "),
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
          Orders / <1>
        Orders/
          BadRequest at Some(7): the path has an empty segment
        Orders//x
          BadRequest at Some(7): the path has an empty segment
        $all
          $all
        $crossjoin(A,B)
          $crossjoin(A B)
        $entity
          $entity
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
