//! Conditions: by protocol and product, of text, and of what a property cannot be.

use super::{at, compare, decimal, query, requests, service};
use crate::golden::{read, v2, v4};
use crate::metadata::Service;
use expect_test::expect;
use portico_provider_api::{CompareOp, Expr, Function, KeySet, ScalarType, SortKey, SourceQuery, Value};
use serde_json::json;

fn filters(service: &Service) -> Vec<Expr> {
    let of = |name: &str, op, value| compare(service, name, op, value);
    let column = |name: &str| Expr::Column(at(service, name));
    vec![
        of("Id", CompareOp::Eq, Value::Int64(9_007_199_254_740_993)),
        of("Total", CompareOp::Gt, decimal(-1250)),
        Expr::Not(Box::new(of("Total", CompareOp::Gt, decimal(1250)))),
        of("Total", CompareOp::NotEq, decimal(0)),
        Expr::Not(Box::new(of("Total", CompareOp::Eq, decimal(0)))),
        of("Name", CompareOp::Eq, Value::text("it's 50% + ü")),
        of("At", CompareOp::GtEq, Value::TimestampTz(1_709_208_000_123_456)),
        of("Day", CompareOp::Lt, Value::Date(19_782)),
        of("Day", CompareOp::Lt, Value::Date(10_000_000)),
        of("Ref", CompareOp::Eq, Value::Guid("00112233-4455-6677-8899-aabbccddeeff".to_owned())),
        of("Time", CompareOp::LtEq, Value::Time(45_296_500_000)),
        column("Open"),
        Expr::Not(Box::new(column("Open"))),
        Expr::IsNull(Box::new(column("Name"))),
        Expr::InList { expr: Box::new(column("Id")), list: [1, 2].map(|id| Expr::Literal(Value::Int64(id))).to_vec(), negated: false },
        Expr::InList { expr: Box::new(column("Id")), list: [1, 2].map(|id| Expr::Literal(Value::Int64(id))).to_vec(), negated: true },
        Expr::And(vec![
            Expr::Or(vec![of("Id", CompareOp::Eq, Value::Int64(1)), of("Id", CompareOp::Eq, Value::Int64(2))]),
            of("Total", CompareOp::Gt, decimal(1)),
        ]),
        Expr::Not(Box::new(Expr::Or(vec![of("Id", CompareOp::Lt, Value::Int64(1)), Expr::IsNull(Box::new(column("Total")))]))),
        Expr::Call { function: Function::Contains, arguments: vec![column("Name"), Expr::Literal(Value::text("a'b"))] },
        of("Name", CompareOp::Eq, Value::Null(ScalarType::Text)),
        Expr::Or(vec![Expr::Literal(Value::Boolean(true)), of("Id", CompareOp::Eq, Value::Int64(1))]),
    ]
}

fn all_filters(version: u8, settings: &serde_json::Value) -> String {
    let service = service(version);
    let of = |filter: Expr| requests(&service, settings.clone(), 8000, &SourceQuery { filter: Some(filter), ..query(&service, &["Id"]) });
    filters(&service).into_iter().map(of).collect()
}

#[test]
fn conditions_of_v4_to_the_letter() {
    expect![[r#"
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%209007199254740993
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20gt%20-12.5
          /data/Orders?sap-client=…&$select=Id&$filter=Total gt ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20le%2012.5
          /data/Orders?sap-client=…&$select=Id&$filter=Total le ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20ne%200%20and%20Total%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Total ne ? and Total ne null with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20ne%200%20and%20Total%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Total ne ? and Total ne null with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Name%20eq%20%27it%27%27s%2050%25%20%2B%20%C3%BC%27
          /data/Orders?sap-client=…&$select=Id&$filter=Name eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=At%20ge%202024-02-29T12:00:00.123456Z
          /data/Orders?sap-client=…&$select=Id&$filter=At ge ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Day%20lt%202024-02-29
          /data/Orders?sap-client=…&$select=Id&$filter=Day lt ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Day%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Day ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Ref%20eq%2000112233-4455-6677-8899-aabbccddeeff
          /data/Orders?sap-client=…&$select=Id&$filter=Ref eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Time%20le%2012:34:56.500000
          /data/Orders?sap-client=…&$select=Id&$filter=Time le ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Open%20eq%20true
          /data/Orders?sap-client=…&$select=Id&$filter=Open eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Open%20eq%20false
          /data/Orders?sap-client=…&$select=Id&$filter=Open eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Name%20eq%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Name eq null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20in%20(1,2)
          /data/Orders?sap-client=…&$select=Id&$filter=Id in (?,?) with 2
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20ne%201%20and%20Id%20ne%202
          /data/Orders?sap-client=…&$select=Id&$filter=Id ne ? and Id ne ? with 2
        /data/Orders?sap-client=100&$select=Id&$filter=(Id%20eq%201%20or%20Id%20eq%202)%20and%20Total%20gt%200.01
          /data/Orders?sap-client=…&$select=Id&$filter=(Id eq ? or Id eq ?) and Total gt ? with 3
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20ge%201%20and%20Total%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Id ge ? and Total ne null with 1
        /data/Orders?sap-client=100&$select=Id&$filter=contains(Name,%27a%27%27b%27)
          /data/Orders?sap-client=…&$select=Id&$filter=contains(Name,?) with 1
        nothing is asked
        /data/Orders?sap-client=100&$select=Id
          /data/Orders?sap-client=…&$select=Id with 0
    "#]]
    .assert_eq(&all_filters(4, &json!({"product": "portico"})));
}

#[test]
fn conditions_of_a_generic_v4_service() {
    expect![[r#"
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%209007199254740993
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20gt%20-12.5
          /data/Orders?sap-client=…&$select=Id&$filter=Total gt ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20le%2012.5
          /data/Orders?sap-client=…&$select=Id&$filter=Total le ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20ne%200%20and%20Total%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Total ne ? and Total ne null with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20ne%200%20and%20Total%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Total ne ? and Total ne null with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Name%20eq%20%27it%27%27s%2050%25%20%2B%20%C3%BC%27
          /data/Orders?sap-client=…&$select=Id&$filter=Name eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=At%20ge%202024-02-29T12:00:00.123456Z
          /data/Orders?sap-client=…&$select=Id&$filter=At ge ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Day%20lt%202024-02-29
          /data/Orders?sap-client=…&$select=Id&$filter=Day lt ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Day%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Day ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Ref%20eq%2000112233-4455-6677-8899-aabbccddeeff
          /data/Orders?sap-client=…&$select=Id&$filter=Ref eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Time%20le%2012:34:56.500000
          /data/Orders?sap-client=…&$select=Id&$filter=Time le ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Open%20eq%20true
          /data/Orders?sap-client=…&$select=Id&$filter=Open eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Open%20eq%20false
          /data/Orders?sap-client=…&$select=Id&$filter=Open eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Name%20eq%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Name eq null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%201%20or%20Id%20eq%202
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? or Id eq ? with 2
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20ne%201%20and%20Id%20ne%202
          /data/Orders?sap-client=…&$select=Id&$filter=Id ne ? and Id ne ? with 2
        /data/Orders?sap-client=100&$select=Id&$filter=(Id%20eq%201%20or%20Id%20eq%202)%20and%20Total%20gt%200.01
          /data/Orders?sap-client=…&$select=Id&$filter=(Id eq ? or Id eq ?) and Total gt ? with 3
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20ge%201%20and%20Total%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Id ge ? and Total ne null with 1
        the filter is not supported by this source
        nothing is asked
        /data/Orders?sap-client=100&$select=Id
          /data/Orders?sap-client=…&$select=Id with 0
    "#]]
    .assert_eq(&all_filters(4, &json!({})));
}

#[test]
fn conditions_of_a_generic_v2_service() {
    expect![[r#"
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%209007199254740993L
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20gt%20-12.5m
          /data/Orders?sap-client=…&$select=Id&$filter=Total gt ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20le%2012.5m
          /data/Orders?sap-client=…&$select=Id&$filter=Total le ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20ne%200m%20and%20Total%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Total ne ? and Total ne null with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20ne%200m%20and%20Total%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Total ne ? and Total ne null with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Name%20eq%20%27it%27%27s%2050%25%20%2B%20%C3%BC%27
          /data/Orders?sap-client=…&$select=Id&$filter=Name eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=At%20ge%20datetimeoffset%272024-02-29T12:00:00.124Z%27
          /data/Orders?sap-client=…&$select=Id&$filter=At ge ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Day%20lt%20datetime%272024-02-29T00:00:00%27
          /data/Orders?sap-client=…&$select=Id&$filter=Day lt ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Day%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Day ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Ref%20eq%20guid%2700112233-4455-6677-8899-aabbccddeeff%27
          /data/Orders?sap-client=…&$select=Id&$filter=Ref eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Time%20le%20time%27PT12H34M56.5S%27
          /data/Orders?sap-client=…&$select=Id&$filter=Time le ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Open%20eq%20true
          /data/Orders?sap-client=…&$select=Id&$filter=Open eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Open%20eq%20false
          /data/Orders?sap-client=…&$select=Id&$filter=Open eq ? with 1
        the filter is not supported by this source
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%201L%20or%20Id%20eq%202L
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? or Id eq ? with 2
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20ne%201L%20and%20Id%20ne%202L
          /data/Orders?sap-client=…&$select=Id&$filter=Id ne ? and Id ne ? with 2
        /data/Orders?sap-client=100&$select=Id&$filter=(Id%20eq%201L%20or%20Id%20eq%202L)%20and%20Total%20gt%200.01m
          /data/Orders?sap-client=…&$select=Id&$filter=(Id eq ? or Id eq ?) and Total gt ? with 3
        the filter is not supported by this source
        the filter is not supported by this source
        nothing is asked
        /data/Orders?sap-client=100&$select=Id
          /data/Orders?sap-client=…&$select=Id with 0
    "#]]
    .assert_eq(&all_filters(2, &json!({})));
}

#[test]
fn conditions_of_s4hana() {
    expect![[r#"
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%209007199254740993L
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20gt%20-12.5m
          /data/Orders?sap-client=…&$select=Id&$filter=Total gt ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20le%2012.5m
          /data/Orders?sap-client=…&$select=Id&$filter=Total le ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20ne%200m
          /data/Orders?sap-client=…&$select=Id&$filter=Total ne ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Total%20ne%200m
          /data/Orders?sap-client=…&$select=Id&$filter=Total ne ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Name%20eq%20%27it%27%27s%2050%25%20%2B%20%C3%BC%27
          /data/Orders?sap-client=…&$select=Id&$filter=Name eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=At%20ge%20datetimeoffset%272024-02-29T12:00:00.124Z%27
          /data/Orders?sap-client=…&$select=Id&$filter=At ge ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Day%20lt%20datetime%272024-02-29T00:00:00%27
          /data/Orders?sap-client=…&$select=Id&$filter=Day lt ? with 1
        /data/Orders?sap-client=100&$select=Id
          /data/Orders?sap-client=…&$select=Id with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Ref%20eq%20guid%2700112233-4455-6677-8899-aabbccddeeff%27
          /data/Orders?sap-client=…&$select=Id&$filter=Ref eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Time%20le%20time%27PT12H34M56.5S%27
          /data/Orders?sap-client=…&$select=Id&$filter=Time le ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Open%20eq%20true
          /data/Orders?sap-client=…&$select=Id&$filter=Open eq ? with 1
        /data/Orders?sap-client=100&$select=Id&$filter=Open%20eq%20false
          /data/Orders?sap-client=…&$select=Id&$filter=Open eq ? with 1
        the filter is not supported by this source
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%201L%20or%20Id%20eq%202L
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? or Id eq ? with 2
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20ne%201L%20and%20Id%20ne%202L
          /data/Orders?sap-client=…&$select=Id&$filter=Id ne ? and Id ne ? with 2
        /data/Orders?sap-client=100&$select=Id&$filter=(Id%20eq%201L%20or%20Id%20eq%202L)%20and%20Total%20gt%200.01m
          /data/Orders?sap-client=…&$select=Id&$filter=(Id eq ? or Id eq ?) and Total gt ? with 3
        the filter is not supported by this source
        /data/Orders?sap-client=100&$select=Id&$filter=substringof(%27a%27%27b%27,Name)
          /data/Orders?sap-client=…&$select=Id&$filter=substringof(?,Name) with 1
        nothing is asked
        /data/Orders?sap-client=100&$select=Id
          /data/Orders?sap-client=…&$select=Id with 0
    "#]]
    .assert_eq(&all_filters(2, &json!({"product": "s4hana"})));
}

/// Text of an ABAP system compares loosely, and is sorted by bytes.
#[test]
fn text_is_sorted_where_it_is_not_compared() {
    let types = r#"<EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.String" Nullable="false"/><Property Name="Note" Type="Edm.String"/></EntityType>"#;
    let service = read(&v2(types, r#"<EntitySet Name="Orders" EntityType="NS.Order"/>"#));
    let plain = query(&service, &["Id"]);
    let key = |name: &str| vec![SortKey { expr: Expr::Column(at(&service, name)), descending: false, nulls_first: true }];
    let of = |op, value| Some(compare(&service, "Id", op, value));
    let queries = [
        SourceQuery { order_by: key("Id"), limit: Some(5), ..plain.clone() },
        SourceQuery { order_by: key("Note"), ..plain.clone() },
        SourceQuery { filter: of(CompareOp::Eq, Value::text("a")), ..plain.clone() },
        SourceQuery { filter: of(CompareOp::Eq, Value::text("a")), limit: Some(5), ..plain.clone() },
        SourceQuery { filter: of(CompareOp::Lt, Value::text("a")), ..plain.clone() },
        SourceQuery { keys: Some(KeySet { columns: vec![0], tuples: vec![vec![Value::text("a")]] }), ..plain },
    ];
    let of =
        |settings: serde_json::Value| queries.iter().map(|query| requests(&service, settings.clone(), 8000, query)).collect::<String>();
    expect![[r#"
        /data/Orders?sap-client=100&$select=Id&$orderby=Id&$top=5
          /data/Orders?sap-client=…&$select=Id&$orderby=Id&$top=5 with 0
        /data/Orders?sap-client=100&$select=Id&$orderby=Note
          /data/Orders?sap-client=…&$select=Id&$orderby=Note with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%20%27a%27
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? with 1
        a limit above an inexact filter is not supported by this source
        the filter is not supported by this source
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%20%27a%27
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? with 1
        --
        sorting by column 'Id' is not supported by this source
        sorting by column 'Note' is not supported by this source
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%20%27a%27
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? with 1
        a limit above an inexact filter is not supported by this source
        the filter is not supported by this source
        /data/Orders?sap-client=100&$select=Id&$filter=Id%20eq%20%27a%27
          /data/Orders?sap-client=…&$select=Id&$filter=Id eq ? with 1
    "#]]
    .assert_eq(&format!("{}--\n{}", of(json!({"product": "s4hana"})), of(json!({}))));
}

#[test]
fn members_of_an_enumeration() {
    let service = service(4);
    let of = |op, member: &str| {
        let filter = Some(compare(&service, "Color", op, Value::text(member)));
        requests(&service, json!({}), 8000, &SourceQuery { filter, ..query(&service, &["Color"]) })
    };
    let all = [
        of(CompareOp::Eq, "Red"),
        of(CompareOp::NotEq, "Red"),
        of(CompareOp::Eq, "Pink"),
        of(CompareOp::NotEq, "Pink"),
        of(CompareOp::Lt, "Red"),
    ];
    expect![[r#"
        /data/Orders?sap-client=100&$select=Color&$filter=Color%20eq%20NS.Color%27Red%27
          /data/Orders?sap-client=…&$select=Color&$filter=Color eq ? with 1
        /data/Orders?sap-client=100&$select=Color&$filter=Color%20ne%20NS.Color%27Red%27%20and%20Color%20ne%20null
          /data/Orders?sap-client=…&$select=Color&$filter=Color ne ? and Color ne null with 1
        nothing is asked
        /data/Orders?sap-client=100&$select=Color&$filter=Color%20ne%20null
          /data/Orders?sap-client=…&$select=Color&$filter=Color ne null with 0
        the filter is not supported by this source
    "#]]
    .assert_eq(&all.concat());
}

#[test]
fn properties_are_compared_with_each_other() {
    let types = r#"<EntityType Name="Order"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/><Property Name="Wanted" Type="Edm.Date"/>
        <Property Name="Sent" Type="Edm.Date"/><Property Name="Due" Type="Edm.Date" Nullable="false"/><Property Name="Low" Type="Edm.Double"/><Property Name="High" Type="Edm.Double"/>
        <Property Name="Byte" Type="Edm.Byte"/><Property Name="SByte" Type="Edm.SByte"/></EntityType>"#;
    let service = read(&v4(types, r#"<EntitySet Name="Orders" EntityType="NS.Order"/>"#));
    let compare = |op, left: &str, right: &str| Expr::compare(op, Expr::Column(at(&service, left)), Expr::Column(at(&service, right)));
    let not = |expr| Expr::Not(Box::new(expr));
    let of = |settings: serde_json::Value| {
        let all = [
            compare(CompareOp::Gt, "Sent", "Wanted"),
            not(compare(CompareOp::Gt, "Sent", "Wanted")),
            compare(CompareOp::Eq, "Sent", "Wanted"),
            compare(CompareOp::Eq, "Sent", "Due"),
            compare(CompareOp::NotEq, "Sent", "Due"),
            not(compare(CompareOp::NotEq, "Sent", "Wanted")),
            compare(CompareOp::IsDistinctFrom, "Sent", "Wanted"),
            not(compare(CompareOp::LtEq, "Low", "High")),
            compare(CompareOp::Lt, "Byte", "SByte"),
        ];
        let of =
            |filter: Expr| requests(&service, settings.clone(), 8000, &SourceQuery { filter: Some(filter), ..query(&service, &["Id"]) });
        all.into_iter().map(of).collect::<String>()
    };
    expect![[r#"
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20gt%20Wanted
          /data/Orders?sap-client=…&$select=Id&$filter=Sent gt Wanted with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20le%20Wanted%20and%20Sent%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Sent le Wanted and Sent ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20eq%20Wanted%20and%20Sent%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Sent eq Wanted and Sent ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20eq%20Due
          /data/Orders?sap-client=…&$select=Id&$filter=Sent eq Due with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20ne%20Due%20and%20Sent%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Sent ne Due and Sent ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20eq%20Wanted%20and%20Sent%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Sent eq Wanted and Sent ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20ne%20Wanted
          /data/Orders?sap-client=…&$select=Id&$filter=Sent ne Wanted with 0
        /data/Orders?sap-client=100&$select=Id&$filter=not%20(Low%20le%20High)%20and%20Low%20ne%20null%20and%20High%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=not (Low le High) and Low ne null and High ne null with 0
        the filter is not supported by this source
        --
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20gt%20Wanted
          /data/Orders?sap-client=…&$select=Id&$filter=Sent gt Wanted with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20le%20Wanted%20and%20Sent%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Sent le Wanted and Sent ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20eq%20Wanted%20and%20Sent%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Sent eq Wanted and Sent ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20eq%20Due
          /data/Orders?sap-client=…&$select=Id&$filter=Sent eq Due with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20ne%20Due%20and%20Sent%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Sent ne Due and Sent ne null with 0
        /data/Orders?sap-client=100&$select=Id&$filter=Sent%20eq%20Wanted%20and%20Sent%20ne%20null
          /data/Orders?sap-client=…&$select=Id&$filter=Sent eq Wanted and Sent ne null with 0
        the filter is not supported by this source
        the filter is not supported by this source
        the filter is not supported by this source
        --
        the filter is not supported by this source
        the filter is not supported by this source
        the filter is not supported by this source
        the filter is not supported by this source
        the filter is not supported by this source
        the filter is not supported by this source
        the filter is not supported by this source
        the filter is not supported by this source
        the filter is not supported by this source
    "#]]
    .assert_eq(&format!(
        "{}--\n{}--\n{}",
        of(json!({"product": "portico"})),
        of(json!({"capabilities": {"compare_columns": true}})),
        of(json!({}))
    ));
}
