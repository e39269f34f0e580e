//! Olingo's services of OData 2.0: every type, pages, what is asked.

use super::{all, at, relation, rows, select, source, written};
use crate::servers::v2;
use expect_test::expect;
use portico_provider_api::{CompareOp, Expr, QueryContext, Source, SourceQuery, Value};
use serde_json::json;
use std::sync::Arc;

fn types(name: &str) -> Arc<dyn Source> {
    source(&v2().url(&format!("{name}/types.svc/")), json!({}))
}

fn scenario(name: &str) -> Arc<dyn Source> {
    source(&v2().url(&format!("{name}/odata.svc/")), json!({}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_comes_as_it_is_held() {
    let source = types("primitives");
    expect![[r#"
        Id int32 <- Edm.Int32
        Text text? <- Edm.String
        Flag boolean? <- Edm.Boolean
        Byte int16? <- Edm.Byte
        SByte int16? <- Edm.SByte
        Int16 int16? <- Edm.Int16
        Int32 int32? <- Edm.Int32
        Int64 int64? <- Edm.Int64
        Single float32? <- Edm.Single
        Double float64? <- Edm.Double
        Decimal decimal(28,9)? <- Edm.Decimal
        DateTime timestamp? <- Edm.DateTime
        DateTimeOffset timestamptz? <- Edm.DateTimeOffset
        Time time? <- Edm.Time
        Guid guid? <- Edm.Guid
        Binary binary? <- Edm.Binary
        Place/City text? <- Edm.String
        Place/Latitude decimal(9,6)? <- Edm.Decimal
        -- 1
        Id = 1
        Text = "it's \"lowest\" \\ Ωμέγα 東京 🚢"
        Flag = false
        Byte = 0
        SByte = -128
        Int16 = -32768
        Int32 = -2147483648
        Int64 = -9223372036854775808
        Single = -3.4028235e38
        Double = -1.7976931348623157e308
        Decimal = -9999999999999999999.999999999
        DateTime = 0001-01-01 00:00:00
        DateTimeOffset = 1583-01-01 00:00:00Z
        Time = 00:00:00
        Guid = 00000000-0000-0000-0000-000000000000
        Binary =  (hex)
        Place/City = ""
        Place/Latitude = -90.000000
        -- 2
        Id = 2
        Text = ""
        Flag = true
        Byte = 255
        SByte = 127
        Int16 = 32767
        Int32 = 2147483647
        Int64 = 9223372036854775807
        Single = 3.4028235e38
        Double = 1.7976931348623157e308
        Decimal = 9999999999999999999.999999999
        DateTime = 9999-12-31 23:59:59.999000
        DateTimeOffset = 9999-12-31 23:59:59.999000Z
        Time = 23:59:59.999000
        Guid = ffffffff-ffff-ffff-ffff-ffffffffffff
        Binary = 0001feff (hex)
        Place/City = "O'Fallon"
        Place/Latitude = 89.999999
        -- 3
        Id = 3
        Text = null
        Flag = null
        Byte = null
        SByte = null
        Int16 = null
        Int32 = null
        Int64 = null
        Single = null
        Double = null
        Decimal = null
        DateTime = null
        DateTimeOffset = null
        Time = null
        Guid = null
        Binary = null
        Place/City = null
        Place/Latitude = null
        -- 4
        Id = 4
        Text = "zero"
        Flag = true
        Byte = 0
        SByte = 0
        Int16 = 0
        Int32 = 0
        Int64 = 9007199254740993
        Single = 0.1
        Double = 0.1
        Decimal = 0.100000000
        DateTime = 2024-02-29 12:34:56.789000
        DateTimeOffset = 2024-02-29 12:34:56.789000Z
        Time = 12:34:56
        Guid = 01234567-89ab-cdef-0123-456789abcdef
        Binary = 2a (hex)
        Place/City = null
        Place/Latitude = null
    "#]]
    .assert_eq(&written(&source, "AllTypes").await);
    expect![[r#"
        Text text <- Edm.String
        Flag boolean <- Edm.Boolean
        Int64 int64 <- Edm.Int64
        Decimal decimal(15,3) <- Edm.Decimal
        DateTime timestamp <- Edm.DateTime
        Time time <- Edm.Time
        Guid guid <- Edm.Guid
        Note text? <- Edm.String
        -- 1
        Text = "it's a/b?c#d%e & Ωμέγα"
        Flag = false
        Int64 = -9223372036854775808
        Decimal = -0.125
        DateTime = 2024-02-29 12:34:02
        Time = 01:02:02
        Guid = 00000000-0000-0001-0000-000000000002
        Note = "note 2"
        -- 2
        Text = "plain"
        Flag = true
        Int64 = 1
        Decimal = 1.500
        DateTime = 2024-02-29 12:34:01
        Time = 01:02:01
        Guid = 00000000-0000-0001-0000-000000000001
        Note = "note 1"
    "#]]
    .assert_eq(&written(&source, "Keys").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_and_complex_values_in_complex_values() {
    let source = scenario("employees");
    expect![[r#"
        EmployeeId text <- Edm.String
        EmployeeName text? <- Edm.String
        ManagerId text? <- Edm.String
        RoomId text? <- Edm.String
        TeamId text? <- Edm.String
        Location/City/PostalCode text? <- Edm.String
        Location/City/CityName text? <- Edm.String
        Location/Country text? <- Edm.String
        Age int16? <- Edm.Int16
        EntryDate timestamp? <- Edm.DateTime
        ImageUrl text? <- Edm.String
        -- 1
        EmployeeId = "1"
        EmployeeName = "Walter Winter"
        ManagerId = "1"
        RoomId = "1"
        TeamId = "1"
        Location/City/PostalCode = "69124"
        Location/City/CityName = "Heidelberg"
        Location/Country = "Germany"
        Age = 52
        EntryDate = 1999-01-01 00:00:00
        ImageUrl = "Employees('1')/$value"
        -- 2
        EmployeeId = "2"
        EmployeeName = "Frederic Fall"
        ManagerId = "1"
        RoomId = "2"
        TeamId = "1"
        Location/City/PostalCode = "69190"
        Location/City/CityName = "Walldorf"
        Location/Country = "Germany"
        Age = 32
        EntryDate = 2003-07-01 00:00:00
        ImageUrl = "Employees('2')/$value"
        -- 3
        EmployeeId = "3"
        EmployeeName = "Jonathan Smith"
        ManagerId = "1"
        RoomId = "2"
        TeamId = "1"
        Location/City/PostalCode = "69190"
        Location/City/CityName = "Walldorf"
        Location/Country = "Germany"
        Age = 56
        EntryDate = null
        ImageUrl = "Employees('3')/$value"
        -- 4
        EmployeeId = "4"
        EmployeeName = "Peter Burke"
        ManagerId = "3"
        RoomId = "2"
        TeamId = "2"
        Location/City/PostalCode = "69190"
        Location/City/CityName = "Walldorf"
        Location/Country = "Germany"
        Age = 39
        EntryDate = 2004-09-12 00:00:00
        ImageUrl = "Employees('4')/$value"
        -- 5
        EmployeeId = "5"
        EmployeeName = "John Field"
        ManagerId = "3"
        RoomId = "3"
        TeamId = "2"
        Location/City/PostalCode = "69190"
        Location/City/CityName = "Walldorf"
        Location/Country = "Germany"
        Age = 42
        EntryDate = 2001-02-01 00:00:00
        ImageUrl = "Employees('5')/$value"
        -- 6
        EmployeeId = "6"
        EmployeeName = "Susan Bay"
        ManagerId = "1"
        RoomId = "2"
        TeamId = "3"
        Location/City/PostalCode = "69190"
        Location/City/CityName = "Walldorf"
        Location/Country = "Germany"
        Age = 29
        EntryDate = 2010-12-01 00:00:00
        ImageUrl = "Employees('6')/$value"
    "#]]
    .assert_eq(&written(&source, "Employees").await);
    expect![[r#"
        Id text <- Edm.String
        Name text? <- Edm.String
        isScrumTeam boolean? <- Edm.Boolean
        -- 1
        Id = "1"
        Name = "Team 1"
        isScrumTeam = false
        -- 2
        Id = "2"
        Name = "Team 2"
        isScrumTeam = true
        -- 3
        Id = "3"
        Name = "Team 3"
        isScrumTeam = false
    "#]]
    .assert_eq(&written(&source, "Teams").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relative_link_leads_to_the_next_page() {
    let source = scenario("pages");
    let server = v2();
    let relation = relation(&source, "Rooms").await;
    server.forget("pages/requests");
    let found = all(&source, select(&relation, &["Id", "Seats", "@odata.etag"])).await;
    let mut keys: Vec<String> = found.iter().map(|row| super::said(&row[0])).collect();
    keys.sort();
    keys.dedup();
    assert_eq!((found.len(), keys.len()), (103, 103));
    assert_eq!(server.asked("pages/requests").len(), 2);
    assert_eq!(super::said(&found[0][2]), "\"W/\\\"1\\\"\"");
    // The service's second page is longer than what is left of the limit.
    let query = SourceQuery { limit: Some(102), ..select(&relation, &["Id"]) };
    assert_eq!(all(&source, query).await.len(), 102);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_are_asked_of_the_service_in_its_words() {
    let source = types("conditions");
    let server = v2();
    let relation = relation(&source, "AllTypes").await;
    let column = |name: &str| Expr::Column(at(&relation, name));
    let compare = |name: &str, op, value| Expr::compare(op, column(name), Expr::Literal(value));
    let cases = [
        (compare("Int64", CompareOp::Eq, Value::Int64(9_007_199_254_740_993)), "Int64 eq 9007199254740993L", vec![4]),
        (compare("SByte", CompareOp::Lt, Value::Int16(0)), "SByte lt 0", vec![1]),
        (compare("Byte", CompareOp::Eq, Value::Int16(255)), "Byte eq 255", vec![2]),
        (
            compare("Text", CompareOp::Eq, Value::text("it's \"lowest\" \\ Ωμέγα 東京 🚢")),
            "Text eq 'it''s \"lowest\" \\ Ωμέγα 東京 🚢'",
            vec![1],
        ),
        (
            compare("DateTime", CompareOp::Eq, Value::Timestamp(1_709_210_096_789_000)),
            "DateTime eq datetime'2024-02-29T12:34:56.789'",
            vec![4],
        ),
        (
            compare("DateTimeOffset", CompareOp::GtEq, Value::TimestampTz(1_709_210_096_789_000)),
            "DateTimeOffset ge datetimeoffset'2024-02-29T12:34:56.789Z'",
            vec![2, 4],
        ),
        (compare("Time", CompareOp::Eq, Value::Time(45_296_000_000)), "Time eq time'PT12H34M56S'", vec![4]),
        (
            compare("Guid", CompareOp::Eq, Value::Guid("01234567-89ab-cdef-0123-456789abcdef".into())),
            "Guid eq guid'01234567-89ab-cdef-0123-456789abcdef'",
            vec![4],
        ),
        (compare("Flag", CompareOp::Eq, Value::Boolean(false)), "Flag eq false", vec![1]),
        (compare("Int32", CompareOp::NotEq, Value::Int32(0)), "Int32 ne 0 and Int32 ne null", vec![1, 2]),
    ];
    for (filter, expected, keys) in cases {
        server.forget("conditions/requests");
        let query = SourceQuery { filter: Some(filter), ..select(&relation, &["Id"]) };
        let found = rows(&source, query, &QueryContext::default()).await.unwrap_or_else(|error| panic!("{expected}: {error}"));
        let mut found: Vec<i64> = found.iter().map(|row| row[0].as_integer().unwrap()).collect();
        found.sort_unstable();
        let asked: Vec<String> = server.asked("conditions/requests").into_iter().map(|asked| asked.target).collect();
        let asked: Vec<&str> = asked.iter().map(|target| target.split_once("$filter=").map_or("", |(_, filter)| filter)).collect();
        assert_eq!((asked, found), (vec![expected], keys));
    }
}
