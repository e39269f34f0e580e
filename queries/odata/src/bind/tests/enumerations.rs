//! Golden bound enumerations, durations, casts and type tests, over a view with enumerations.

use super::*;

/// The same model, where `Types/Small` is of an enumeration stored as numbers, `Types/Label` of one stored as codes, and `Types/Medium` of
/// flags.
fn enumerated() -> portico_catalog::ModelView {
    use portico_catalog::Enumeration;
    use portico_catalog::overlay::EnumerationMember;
    use std::sync::Arc;
    let enumeration = |name: &str, flags: bool, members: &[(&str, i64, Value)]| {
        let members = members.iter().map(|(name, value, stored)| EnumerationMember {
            name: (*name).to_owned(),
            value: *value,
            stored: stored.clone(),
            description: None,
            labels: portico_catalog::overlay::Labels::new(),
        });
        Arc::new(Enumeration {
            name: name.to_owned(),
            flags,
            underlying: portico_provider_api::ScalarType::Int32,
            members: members.collect(),
            description: None,
            labels: portico_catalog::overlay::Labels::new(),
        })
    };
    let mut view = model();
    let table = &mut view.tables["Types"].table;
    let columns = &mut Arc::make_mut(table).columns;
    let status = enumeration("Status", false, &[("Open", 0, Value::Int16(0)), ("Shut", 1, Value::Int16(1))]);
    let grade = enumeration("Grade", false, &[("Low", 1, Value::text("L")), ("High", 2, Value::text("H"))]);
    let rights = enumeration("Rights", true, &[("Read", 1, Value::Int32(1)), ("Write", 2, Value::Int32(2)), ("All", 3, Value::Int32(3))]);
    for (column, enumeration) in [("Small", status), ("Label", grade), ("Medium", rights)] {
        columns.iter_mut().find(|known| known.name == column).unwrap().enumeration = Some(enumeration);
    }
    view
}

#[test]
fn enumerations_durations_and_types() {
    let outcome = |text: &str| {
        let encoded: String = text.replace('%', "%25").replace('+', "%2B").replace('&', "%26").replace('#', "%23");
        let read = parse::request("Types", Some(&format!("$filter={encoded}"))).and_then(|request| read(&request, &enumerated()));
        match read {
            Ok(read) => expr(&read.query.filter.unwrap()),
            Err(error) => format!("{:?} {:?}: {}", error.kind, error.position, error.message),
        }
    };
    let filters = [
        "Small eq 'Open'",
        "Small eq Portico.crm.Status'Shut'",
        "Small ne 1",
        "Small eq '7' or Small eq 7 or Small eq Portico.crm.Status'-7'",
        "Small eq '70000'",
        "Label eq '7'",
        "Small in ('Open',Portico.crm.Status'Shut',null)",
        "Small gt 'Open'",
        "Label ge 'Low'",
        "Label eq 'Medium'",
        "Small eq Medium",
        "Small eq Portico.crm.Grade'Low'",
        "Medium has 'Read,Write'",
        "Medium has Portico.crm.Rights'Write'",
        "Medium has 4",
        "Large has 6",
        "Small has 'Open'",
        "Double has 1",
        "cast(Label,Edm.String) eq 'Low'",
        "cast(Small,Edm.String) eq '7'",
        "contains(cast(Medium,Edm.String),'Read')",
        "cast('Read,Write',Portico.crm.Rights) eq 'All' or cast(Large,Portico.crm.Rights) has 'Read'",
        "cast(Label,Edm.Int32) eq 2",
        "cast(Large,Portico.crm.Grade) eq 'High'",
        "cast(Day,Edm.String) eq '2026-08-01' and cast(Flag,'Edm.String') eq 'true'",
        "cast(Large,Edm.Byte) eq 1 and cast(Large,Edm.Decimal) gt 1.5",
        "isof(Label,Edm.Int32) or isof(Portico.crm.Types)",
        "cast(Day,Edm.Stream) eq null",
        "cast(Day,Strange) eq null",
        "isof(Portico.crm.Orders)",
        "Instant add duration'P1D' gt 2026-08-01T00:00:00Z",
        "Day sub duration'PT36H' eq 2026-08-01",
        "Instant sub Local gt duration'PT1H' and Day sub 2026-08-01 le 'P7D'",
        "duration'PT1H' add duration'PT1M' eq -duration'PT61M'",
        "duration'PT1H' mul Large gt duration'PT1H' divby 1.5",
        "totalseconds(Instant sub Local) ge 3600",
        "Instant add 1 gt null",
        "Instant mul duration'P1D' gt null",
        "Day eq duration'P1D'",
        "duration'P1Y' eq null",
        "maxdatetime() gt Instant and mindatetime() lt Instant",
        "totaloffsetminutes(2026-08-01T00:00:00-05:30) eq totaloffsetminutes(Instant)",
        "year(2026-08-01T00:00:00+02:00) eq 2026",
        "matchesPattern(Document,'a') or matchesPattern('x','^\\d+$')",
        "matchespattern('a','(?=b)')",
        "matchespattern('a','(')",
        "matchespattern('a',cast(Large,Edm.String))",
        "Large divby 4 eq 2.5 and Large divby Medium eq 1",
        "Large divby Large eq 2.5 and Amount divby 0 eq 1",
        "substring('abc',-1) eq 'c'",
        "substring('abc',1,-1) eq 'c'",
        "geo.distance(Label,Label) eq 1",
        "Label eq geography'POINT(1 1)'",
        "case(Flag:1,true:2.5) gt 1",
        "case(Flag:1,true:'a') eq null",
    ];
    let shown: String = filters.iter().map(|text| format!("{text}\n  {}\n", outcome(text))).collect();
    expect![[r#"
        Small eq 'Open'
          (#1 Eq 0:int16)
        Small eq Portico.crm.Status'Shut'
          (#1 Eq 1:int16)
        Small ne 1
          (#1 Ne 1:int16)
        Small eq '7' or Small eq 7 or Small eq Portico.crm.Status'-7'
          (((#1 Eq 7:int16) Or (#1 Eq 7:int16)) Or (#1 Eq -7:int16))
        Small eq '70000'
          BadRequest Some(0): Small (Status) cannot be compared with or applied to '70000': '70000' is not a member of the enumeration Status
        Label eq '7'
          BadRequest Some(0): Label (Grade) cannot be compared with or applied to '7': '7' is not a member of the enumeration Grade
        Small in ('Open',Portico.crm.Status'Shut',null)
          (#1 In [0:int16 1:int16 null:int16])
        Small gt 'Open'
          (#1 Gt 0:int16)
        Label ge 'Low'
          (Case((#8 Eq 'L') : 1:int64, (#8 Eq 'H') : 2:int64):int64 Ge 1:int64)
        Label eq 'Medium'
          BadRequest Some(0): Label (Grade) cannot be compared with or applied to 'Medium': 'Medium' is not a member of the enumeration Grade
        Small eq Medium
          BadRequest Some(0): Small (Status) and Medium (Rights) do not go together
        Small eq Portico.crm.Grade'Low'
          BadRequest Some(0): Small (Status) cannot be compared with or applied to Portico.crm.Grade'Low': Portico.crm.Grade'Low' is not of type Status
        Medium has 'Read,Write'
          HasFlags((#2 as int64), 3:int64):boolean
        Medium has Portico.crm.Rights'Write'
          HasFlags((#2 as int64), 2:int64):boolean
        Medium has 4
          HasFlags((#2 as int64), 4:int64):boolean
        Large has 6
          HasFlags(#3, 6:int64):boolean
        Small has 'Open'
          BadRequest Some(0): 'has' expects an enumeration of flags, not Small (Status)
        Double has 1
          BadRequest Some(0): 'has' expects an enumeration of flags, not Double (Edm.Double)
        cast(Label,Edm.String) eq 'Low'
          (Case((#8 Eq 'L') : 'Low', (#8 Eq 'H') : 'High'):text Eq 'Low')
        cast(Small,Edm.String) eq '7'
          (Case((#1 Eq 0:int16) : 'Open', (#1 Eq 1:int16) : 'Shut', (#1 Ne null:int16) : (#1 as text)):text Eq '7')
        contains(cast(Medium,Edm.String),'Read')
          Contains((#2 converted from Rights to text), 'Read'):boolean
        cast('Read,Write',Portico.crm.Rights) eq 'All' or cast(Large,Portico.crm.Rights) has 'Read'
          ((('Read,Write' converted from text to Rights) Eq 3:int32) Or HasFlags(((#3 converted from int64 to int32) as int64), 1:int64):boolean)
        cast(Label,Edm.Int32) eq 2
          ((Case((#8 Eq 'L') : 1:int64, (#8 Eq 'H') : 2:int64):int64 converted from int64 to int32) Eq 2:int32)
        cast(Large,Portico.crm.Grade) eq 'High'
          (Case((#3 Eq 1:int64) : 'L', (#3 Eq 2:int64) : 'H'):text Eq 'H')
        cast(Day,Edm.String) eq '2026-08-01' and cast(Flag,'Edm.String') eq 'true'
          (((#10 converted from date to text) Eq '2026-08-01') And ((#0 converted from boolean to text) Eq 'true'))
        cast(Large,Edm.Byte) eq 1 and cast(Large,Edm.Decimal) gt 1.5
          ((Case((((#3 converted from int64 to int16) Ge 0:int16) And ((#3 converted from int64 to int16) Le 255:int16)) : (#3 converted from int64 to int16)):int16 Eq 1:int16) And (((#3 as decimal(19,0)) as decimal(20,1)) Gt 15e-1:decimal(20,1)))
        isof(Label,Edm.Int32) or isof(Portico.crm.Types)
          (Case((#8 Ne null:text) : ((Case((#8 Eq 'L') : 1:int64, (#8 Eq 'H') : 2:int64):int64 converted from int64 to int32) Ne null:int32)):boolean Or (#13 Ne null:guid))
        cast(Day,Edm.Stream) eq null
          NotImplemented Some(9): the type Edm.Stream in an expression is not supported yet
        cast(Day,Strange) eq null
          BadRequest Some(9): 'Strange' is not a type; names of types are qualified
        isof(Portico.crm.Orders)
          BadRequest Some(5): 'Portico.crm.Orders' is not a type derived from that of 'Types'
        Instant add duration'P1D' gt 2026-08-01T00:00:00Z
          (ShiftInstant(#15, 86400000000:int64):timestamptz Gt 1785542400000000:timestamptz)
        Day sub duration'PT36H' eq 2026-08-01
          (ShiftDate(#10, -129600000000:int64):date Eq 20666:date)
        Instant sub Local gt duration'PT1H' and Day sub 2026-08-01 le 'P7D'
          ((Elapsed(#15, (#12 as timestamptz)):int64 Gt 3600000000:int64) And (ElapsedDays(#10, 20666:date):int64 Le 604800000000:int64))
        duration'PT1H' add duration'PT1M' eq -duration'PT61M'
          ((3600000000:int64 Add 60000000:int64):int64 Eq (- 3660000000:int64))
        duration'PT1H' mul Large gt duration'PT1H' divby 1.5
          ((3600000000:int64 Mul #3):int64 Gt WholeNumber(((3600000000:int64 as float64) DivBy 1.5:float64):float64):int64)
        totalseconds(Instant sub Local) ge 3600
          (TotalSeconds(Elapsed(#15, (#12 as timestamptz)):int64):decimal(19,6) Ge 3600000000e-6:decimal(19,6))
        Instant add 1 gt null
          BadRequest Some(0): 'add' does not apply to Instant (Edm.DateTimeOffset) and 1 (Edm.Int32)
        Instant mul duration'P1D' gt null
          BadRequest Some(0): 'mul' does not apply to Instant (Edm.DateTimeOffset) and 'P1D' (Edm.Duration)
        Day eq duration'P1D'
          BadRequest Some(0): Day (Edm.Date) cannot be compared with or applied to 'P1D': 'P1D' is not of type Edm.Date
        duration'P1Y' eq null
          BadRequest Some(0): 'P1Y' is not a duration such as P1DT12H30M5.5S (microseconds are the finest)
        maxdatetime() gt Instant and mindatetime() lt Instant
          ((253402300799999999:timestamptz Gt #15) And (-62135596800000000:timestamptz Lt #15))
        totaloffsetminutes(2026-08-01T00:00:00-05:30) eq totaloffsetminutes(Instant)
          (-330:int32 Eq TotalOffsetMinutes(#15):int32)
        year(2026-08-01T00:00:00+02:00) eq 2026
          BadRequest Some(0): year of 2026-08-01T00:00:00+02:00 needs the instant in UTC: write it with 'Z'
        matchesPattern(Document,'a') or matchesPattern('x','^\d+$')
          NotImplemented Some(15): an expression over the JSON property 'Document' is not supported yet
        matchespattern('a','(?=b)')
          NotImplemented Some(0): a pattern that looks ahead in matchesPattern is not supported yet
        matchespattern('a','(')
          BadRequest Some(0): matchesPattern: the pattern is not a regular expression: a group has no closing parenthesis
        matchespattern('a',cast(Large,Edm.String))
          NotImplemented Some(0): a pattern that is not a literal in matchesPattern is not supported yet
        Large divby 4 eq 2.5 and Large divby Medium eq 1
          BadRequest Some(25): 'divby' expects numbers, not Medium (Rights)
        Large divby Large eq 2.5 and Amount divby 0 eq 1
          ((((#3 as float64) DivBy (#3 as float64)):float64 Eq 2.5:float64) And (((#6 as float64) DivBy 0:float64):float64 Eq 1:float64))
        substring('abc',-1) eq 'c'
          (Substring('abc', -1:int64):text Eq 'c')
        substring('abc',1,-1) eq 'c'
          BadRequest Some(0): substring expects a whole number as its length that is not negative, not -1
        geo.distance(Label,Label) eq 1
          BadRequest Some(0): geo.distance expects a Point and a Point, not Label (Grade)
        Label eq geography'POINT(1 1)'
          BadRequest Some(0): Label (Grade) cannot be compared with or applied to 'POINT(1 1)': 'POINT(1 1)' is not of type Grade
        case(Flag:1,true:2.5) gt 1
          (Case(#0 : 10e-1:decimal(11,1), true : 25e-1:decimal(11,1)):decimal(11,1) Gt 10e-1:decimal(11,1))
        case(Flag:1,true:'a') eq null
          BadRequest Some(0): 1 (Edm.Int32) and 'a' (Edm.String) do not go together
    "#]].assert_eq(&shown);
}
