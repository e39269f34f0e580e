//! Golden bound operands: the types in which they meet, functions, and long chains of conditions.

use super::*;

#[test]
fn operands_meet_in_one_type() {
    let filters = [
        "Medium eq 5",
        "Medium eq 5L",
        "Medium eq 5.0",
        "Medium gt 5.5",
        "Medium gt 3000000000",
        "Small lt 40000",
        "Large gt 9223372036854775808",
        "Large eq 1e3",
        "Small eq Large",
        "5 eq Medium",
        "Amount eq 0.1",
        "Amount eq 0.1234567891",
        "Amount eq 12345678901234567890.123456789",
        "Amount gt 5",
        "Amount eq Medium",
        "Amount eq Huge",
        "Amount eq 1e40",
        "Amount eq Double",
        "Huge eq 1.5m",
        "Single eq 0.1",
        "Single eq 1e300",
        "Single eq Double",
        "Double eq 0.1",
        "Double eq 5",
        "Double eq NaN",
        "Single eq -INF",
        "Medium eq INF",
        "Amount lt INF",
        "Medium eq Double",
        "Medium eq Single",
        "Label eq 'x'",
        "'x' eq Label",
        "Label eq null",
        "null eq null",
        "null ne Medium",
        "Label gt Label",
        "Flag",
        "Flag eq true",
        "not Flag",
        "not (Flag eq null)",
        "true",
        "1 eq 1.0",
        "'2026-08-01' eq 2026-08-01",
        "Day eq 2026-08-01",
        "Day eq '2026-08-01'",
        "Clock gt 12:30",
        "Clock gt '12:30:00.5'",
        "Instant lt 2026-08-01T00:00:00+02:00",
        "Instant lt 2026-08-01",
        "Local ge 2026-08-01T00:00:00Z",
        "Local eq Instant",
        "Instant eq '2026-08-01T00:00:00Z'",
        "Uid eq 3F2504E0-4F89-11D3-9A0C-0305E82C3301",
        "Uid ne '3F2504E0-4F89-11D3-9A0C-0305E82C3301'",
        "Bytes eq binary'AQID'",
        "Bytes ne null",
        "Document eq null",
        "Medium in (1,2,null)",
        "Medium in (1,3000000000)",
        "Medium in (1,Small,2.5)",
        "Label in ('a')",
        "Uid in (3f2504e0-4f89-11d3-9a0c-0305e82c3301)",
        "null in (1,null)",
        "1 in (Small,Medium)",
        "Medium add 1 gt 2",
        "Small add Small eq 1",
        "Medium div 2 eq 1",
        "Medium divby 2 eq 1.5",
        "Medium mod 2 eq 1",
        "Amount mul 2 gt 1",
        "Amount add 0.5 gt 1",
        "Amount div Medium gt 1",
        "Single mul 1.5 gt 1",
        "Medium add null eq 1",
        "-Medium lt -5",
        "-(Amount) lt 0",
        "Medium mul -1 lt 0",
        "Flag and Medium gt 1 and not Flag or Flag",
        "Medium eq 1 or Medium eq 2 or Medium eq 3 or Medium eq 4 or Medium eq 5",
        "null and Flag",
        "@p eq Medium&@p=5",
        "@unset eq Label",
        "Day in (@a,@b)&@a=2026-08-01&@b='2026-08-02'",
    ];
    let urls: Vec<_> = filters.iter().map(|filter| format!("Types?$filter={}", filter.replace('+', "%2B"))).collect();
    let shown: String = urls
        .iter()
        .map(|url| match bound(url) {
            Ok(read) => format!("{}\n  {}\n", &url[14..], expr(read.query.filter.as_ref().unwrap())),
            Err(error) => panic!("{url}: {error:?}"),
        })
        .collect();
    expect![[r#"
        Medium eq 5
          (#2 Eq 5:int32)
        Medium eq 5L
          (#2 Eq 5:int32)
        Medium eq 5.0
          (#2 Eq 5:int32)
        Medium gt 5.5
          ((#2 as decimal(11,1)) Gt 55e-1:decimal(11,1))
        Medium gt 3000000000
          ((#2 as int64) Gt 3000000000:int64)
        Small lt 40000
          ((#1 as int32) Lt 40000:int32)
        Large gt 9223372036854775808
          ((#3 as decimal(19,0)) Gt 9223372036854775808e-0:decimal(19,0))
        Large eq 1e3
          (#3 Eq 1000:int64)
        Small eq Large
          ((#1 as int64) Eq #3)
        5 eq Medium
          (5:int32 Eq #2)
        Amount eq 0.1
          (#6 Eq 100000000e-9:decimal(38,9))
        Amount eq 0.1234567891
          ((#6 as decimal(39,10)) Eq 1234567891e-10:decimal(39,10))
        Amount eq 12345678901234567890.123456789
          (#6 Eq 12345678901234567890123456789e-9:decimal(38,9))
        Amount gt 5
          (#6 Gt 5000000000e-9:decimal(38,9))
        Amount eq Medium
          (#6 Eq (#2 as decimal(38,9)))
        Amount eq Huge
          ((#6 as decimal(60,10)) Eq #7)
        Amount eq 1e40
          ((#6 as decimal(50,9)) Eq 10000000000000000000000000000000000000000000000000e-9:decimal(50,9))
        Amount eq Double
          ((#6 as float64) Eq #5)
        Huge eq 1.5m
          (#7 Eq 15000000000e-10:decimal(60,10))
        Single eq 0.1
          (#4 Eq 0.10000000149011612:float32)
        Single eq 1e300
          ((#4 as float64) Eq 1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000:float64)
        Single eq Double
          ((#4 as float64) Eq #5)
        Double eq 0.1
          (#5 Eq 0.1:float64)
        Double eq 5
          (#5 Eq 5:float64)
        Double eq NaN
          (#5 Eq NaN:float64)
        Single eq -INF
          (#4 Eq -inf:float32)
        Medium eq INF
          ((#2 as float64) Eq inf:float64)
        Amount lt INF
          ((#6 as float64) Lt inf:float64)
        Medium eq Double
          ((#2 as float64) Eq #5)
        Medium eq Single
          ((#2 as float32) Eq #4)
        Label eq 'x'
          (#8 Eq 'x')
        'x' eq Label
          ('x' Eq #8)
        Label eq null
          (#8 Eq null:text)
        null eq null
          (null:boolean Eq null:boolean)
        null ne Medium
          (null:int32 Ne #2)
        Label gt Label
          (#8 Gt #8)
        Flag
          #0
        Flag eq true
          (#0 Eq true)
        not Flag
          (Not #0)
        not (Flag eq null)
          (Not (#0 Eq null:boolean))
        true
          true
        1 eq 1.0
          (1:int32 Eq 1:int32)
        '2026-08-01' eq 2026-08-01
          (20666:date Eq 20666:date)
        Day eq 2026-08-01
          (#10 Eq 20666:date)
        Day eq '2026-08-01'
          (#10 Eq 20666:date)
        Clock gt 12:30
          (#11 Gt 45000000000:time)
        Clock gt '12:30:00.5'
          (#11 Gt 45000500000:time)
        Instant lt 2026-08-01T00:00:00%2B02:00
          (#15 Lt 1785535200000000:timestamptz)
        Instant lt 2026-08-01
          (#15 Lt 1785542400000000:timestamptz)
        Local ge 2026-08-01T00:00:00Z
          (#12 Ge 1785542400000000:timestamp)
        Local eq Instant
          ((#12 as timestamptz) Eq #15)
        Instant eq '2026-08-01T00:00:00Z'
          (#15 Eq 1785542400000000:timestamptz)
        Uid eq 3F2504E0-4F89-11D3-9A0C-0305E82C3301
          (#13 Eq 3f2504e0-4f89-11d3-9a0c-0305e82c3301:guid)
        Uid ne '3F2504E0-4F89-11D3-9A0C-0305E82C3301'
          (#13 Ne 3f2504e0-4f89-11d3-9a0c-0305e82c3301:guid)
        Bytes eq binary'AQID'
          (#9 Eq [1, 2, 3]:binary)
        Bytes ne null
          (#9 Ne null:binary)
        Document eq null
          (#14 Eq null:json)
        Medium in (1,2,null)
          (#2 In [1:int32 2:int32 null:int32])
        Medium in (1,3000000000)
          ((#2 as int64) In [1:int64 3000000000:int64])
        Medium in (1,Small,2.5)
          (((#2 as decimal(11,1)) In [10e-1:decimal(11,1) 25e-1:decimal(11,1)]) Or ((#2 as decimal(11,1)) Eq (#1 as decimal(11,1))))
        Label in ('a')
          (#8 In ['a'])
        Uid in (3f2504e0-4f89-11d3-9a0c-0305e82c3301)
          (#13 In [3f2504e0-4f89-11d3-9a0c-0305e82c3301:guid])
        null in (1,null)
          (null:int32 In [1:int32 null:int32])
        1 in (Small,Medium)
          ((1:int32 Eq (#1 as int32)) Or (1:int32 Eq #2))
        Medium add 1 gt 2
          ((#2 Add 1:int32):int32 Gt 2:int32)
        Small add Small eq 1
          (((#1 as int32) Add (#1 as int32)):int32 Eq 1:int32)
        Medium div 2 eq 1
          ((#2 Div 2:int32):int32 Eq 1:int32)
        Medium divby 2 eq 1.5
          (((#2 as decimal(22,12)) Div 2e-0:decimal(10,0)):decimal(26,16) Eq 15000000000000000e-16:decimal(26,16))
        Medium mod 2 eq 1
          ((#2 Mod 2:int32):int32 Eq 1:int32)
        Amount mul 2 gt 1
          ((#6 Mul 2e-0:decimal(10,0)):decimal(38,9) Gt 1000000000e-9:decimal(38,9))
        Amount add 0.5 gt 1
          ((#6 Add 5e-1:decimal(1,1)):decimal(38,9) Gt 1000000000e-9:decimal(38,9))
        Amount div Medium gt 1
          ((#6 Div (#2 as decimal(10,0))):decimal(38,13) Gt 10000000000000e-13:decimal(38,13))
        Single mul 1.5 gt 1
          ((#4 Mul 1.5:float32):float32 Gt 1:float32)
        Medium add null eq 1
          ((#2 Add null:int32):int32 Eq 1:int32)
        -Medium lt -5
          ((- #2) Lt -5:int32)
        -(Amount) lt 0
          ((- #6) Lt 0e-9:decimal(38,9))
        Medium mul -1 lt 0
          ((#2 Mul -1:int32):int32 Lt 0:int32)
        Flag and Medium gt 1 and not Flag or Flag
          (((#0 And (#2 Gt 1:int32)) And (Not #0)) Or #0)
        Medium eq 1 or Medium eq 2 or Medium eq 3 or Medium eq 4 or Medium eq 5
          ((((#2 Eq 1:int32) Or (#2 Eq 2:int32)) Or ((#2 Eq 3:int32) Or (#2 Eq 4:int32))) Or (#2 Eq 5:int32))
        null and Flag
          (null:boolean And #0)
        @p eq Medium&@p=5
          (5:int32 Eq #2)
        @unset eq Label
          (null:text Eq #8)
        Day in (@a,@b)&@a=2026-08-01&@b='2026-08-02'
          (#10 In [20666:date 20667:date])
    "#]].assert_eq(&shown);
}

#[test]
fn functions_are_typed() {
    let filters = [
        "contains(Label,'a')",
        "startswith(Label,null)",
        "ENDSWITH(Label,Label)",
        "length(Label) eq 1",
        "indexof(Label,'x') eq -1",
        "substring(Label,1) eq 'a'",
        "substring(Label,Small,2) eq 'a'",
        "tolower(Label) eq 'a'",
        "toupper(trim(Label)) eq 'A'",
        "concat(concat(Label,', '),Label) eq 'x'",
        "year(Day) eq 2026",
        "month(Instant) eq 1",
        "day(Local) eq 1",
        "year('2026-08-01') eq 2026",
        "hour(Clock) eq 1",
        "minute(Instant) eq 1",
        "second(Local) eq 1",
        "fractionalseconds(Clock) lt 0.5",
        "date(Instant) eq 2026-08-01",
        "time(Local) lt 12:00",
        "Instant lt now()",
        "round(Amount) eq 1",
        "floor(Double) eq 1",
        "ceiling(Single) eq 1.5",
        "round(Medium) eq 1",
        "round(2.5) eq 3",
        "contains(Label,'a') eq false",
    ];
    let shown: String = filters
        .iter()
        .map(|filter| match bound(&format!("Types?$filter={filter}")) {
            Ok(read) => format!("{filter}\n  {}\n", expr(read.query.filter.as_ref().unwrap())),
            Err(error) => panic!("{filter}: {error:?}"),
        })
        .collect();
    expect![[r#"
        contains(Label,'a')
          Contains(#8, 'a'):boolean
        startswith(Label,null)
          StartsWith(#8, null:text):boolean
        ENDSWITH(Label,Label)
          EndsWith(#8, #8):boolean
        length(Label) eq 1
          (Length(#8):int32 Eq 1:int32)
        indexof(Label,'x') eq -1
          (IndexOf(#8, 'x'):int32 Eq -1:int32)
        substring(Label,1) eq 'a'
          (Substring(#8, 1:int64):text Eq 'a')
        substring(Label,Small,2) eq 'a'
          (Substring(#8, (#1 as int64), 2:int64):text Eq 'a')
        tolower(Label) eq 'a'
          (ToLower(#8):text Eq 'a')
        toupper(trim(Label)) eq 'A'
          (ToUpper(Trim(#8):text):text Eq 'A')
        concat(concat(Label,', '),Label) eq 'x'
          (Concat(Concat(#8, ', '):text, #8):text Eq 'x')
        year(Day) eq 2026
          (Year(#10):int32 Eq 2026:int32)
        month(Instant) eq 1
          (Month(#15):int32 Eq 1:int32)
        day(Local) eq 1
          (Day(#12):int32 Eq 1:int32)
        year('2026-08-01') eq 2026
          (Year(20666:date):int32 Eq 2026:int32)
        hour(Clock) eq 1
          (Hour(#11):int32 Eq 1:int32)
        minute(Instant) eq 1
          (Minute(#15):int32 Eq 1:int32)
        second(Local) eq 1
          (Second(#12):int32 Eq 1:int32)
        fractionalseconds(Clock) lt 0.5
          (FractionalSeconds(#11):decimal(7,6) Lt 500000e-6:decimal(7,6))
        date(Instant) eq 2026-08-01
          (Date(#15):date Eq 20666:date)
        time(Local) lt 12:00
          (Time(#12):time Lt 43200000000:time)
        Instant lt now()
          (#15 Lt Now():timestamptz)
        round(Amount) eq 1
          (Round((#6 as decimal(39,9))):decimal(39,9) Eq 1000000000e-9:decimal(39,9))
        floor(Double) eq 1
          (Floor(#5):float64 Eq 1:float64)
        ceiling(Single) eq 1.5
          (Ceiling(#4):float32 Eq 1.5:float32)
        round(Medium) eq 1
          (Round((#2 as decimal(10,0))):decimal(10,0) Eq 1e-0:decimal(10,0))
        round(2.5) eq 3
          (Round(25e-1:decimal(3,1)):decimal(3,1) Eq 30e-1:decimal(3,1))
        contains(Label,'a') eq false
          (Contains(#8, 'a'):boolean Eq false)
    "#]]
    .assert_eq(&shown);
}

#[test]
fn long_chains_bind_to_shallow_trees() {
    fn depth(inner: &BoundExpr) -> usize {
        match inner {
            BoundExpr::Or(left, right) | BoundExpr::And(left, right) => 1 + depth(left).max(depth(right)),
            _ => 0,
        }
    }
    let filter = vec!["Id eq 1"; 1_200].join(" or ");
    let read = bound(&format!("Customers?$filter={filter}")).unwrap();
    assert!(depth(read.query.filter.as_ref().unwrap()) <= 11);
}

#[test]
fn what_would_be_too_large_to_plan_is_refused() {
    let doubled = |count: usize| {
        let steps: Vec<String> = (1..=count).map(|n| format!("C{} add C{} as C{n}", n - 1, n - 1)).collect();
        format!("Id as C0,{}", steps.join(","))
    };
    let terms = |count: usize| vec!["Id ne 1"; count].join(" and ");
    for (url, part) in [
        (format!("Customers?$filter={}", terms(2_000)), "too large"),
        (format!("Customers?$orderby=case({}:1)", terms(2_000)), "too large"),
        (format!("Customers?$compute={}", doubled(30)), "too large"),
        (format!("Customers?$compute={}&$filter=C11 add C11 add C11 gt 0", doubled(11)), "too large"),
        (
            format!("Customers?$apply={}", doubled(30).split(',').map(|item| format!("compute({item})")).collect::<Vec<_>>().join("/")),
            "too large",
        ),
        (format!("Customers/$filter({})", terms(2_000)), "too large"),
    ] {
        let error = bound(&url).unwrap_err();
        assert_eq!(error.kind, crate::ODataErrorKind::BadRequest, "{}", error.message);
        assert!(error.message.contains(part), "{}", error.message);
    }
    assert!(bound(&format!("Customers?$compute={}&$filter=C10 gt 0", doubled(10))).is_ok());
}

proptest! {
    #[test]
    fn integers_mean_what_they_say(number in any::<i128>(), column in prop::sample::select(vec!["Small", "Medium", "Large"])) {
        let number = number >> (number.unsigned_abs() % 100);
        let read = bound(&format!("Types?$filter={column} eq {number}")).unwrap();
        let Some(BoundExpr::Compare { right, .. }) = read.query.filter else { panic!() };
        let BoundExpr::Literal(found) = *right else { panic!() };
        let text = match found {
            Value::Int16(value) => value.to_string(),
            Value::Int32(value) => value.to_string(),
            Value::Int64(value) => value.to_string(),
            Value::Decimal { unscaled, scale: 0, .. } => unscaled.to_string(),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(text, number.to_string());
    }

    #[test]
    fn random_filters_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        "Name", "Id", "Active", "Since", "Orders", "eq", "and", "or", "not", "(", ")", "'x'", "1", "-1", ",", "in", "contains(", "null", "2026-08-01", "add", "divby", "1.5", "round(", "true", "gt",
    ]), 0..20)) {
        let _ = bound(&format!("Customers?$filter={}", words.join(" ")));
    }
}
