//! Olingo's technical service of OData 4.0: every type, pages, ETags, what is asked.

use super::{all, at, relation, rows, select, source, written};
use crate::servers::v4;
use expect_test::expect;
use portico_provider_api::{CompareOp, Expr, QueryContext, SortKey, SourceQuery, Value};
use serde_json::json;

fn at_data_set(name: &str) -> std::sync::Arc<dyn portico_provider_api::Source> {
    source(&v4().url(&format!("{name}/odata.svc/")), json!({}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_primitive_comes_as_it_is_held() {
    let source = at_data_set("primitives");
    expect![[r#"
        PropertyInt16 int16 <- Edm.Int16
        PropertyString text? <- Edm.String
        PropertyBoolean boolean? <- Edm.Boolean
        PropertyByte int16? <- Edm.Byte
        PropertySByte int16? <- Edm.SByte
        PropertyInt32 int32? <- Edm.Int32
        PropertyInt64 int64? <- Edm.Int64
        PropertySingle float32? <- Edm.Single
        PropertyDouble float64? <- Edm.Double
        PropertyDecimal decimal(38,10)? <- Edm.Decimal
        PropertyBinary binary? <- Edm.Binary
        PropertyDate date? <- Edm.Date
        PropertyDateTimeOffset timestamptz? <- Edm.DateTimeOffset
        PropertyDuration text? <- Edm.Duration
        PropertyGuid guid? <- Edm.Guid
        PropertyTimeOfDay time? <- Edm.TimeOfDay
        -- 1
        PropertyInt16 = 32767
        PropertyString = "First Resource - positive values"
        PropertyBoolean = true
        PropertyByte = 255
        PropertySByte = 127
        PropertyInt32 = 2147483647
        PropertyInt64 = 9223372036854775807
        PropertySingle = 1.79e20
        PropertyDouble = -1.79e19
        PropertyDecimal = 34.0000000000
        PropertyBinary = 0123456789abcdef (hex)
        PropertyDate = 2012-12-03
        PropertyDateTimeOffset = 2012-12-03 07:16:23Z
        PropertyDuration = "PT6S"
        PropertyGuid = 01234567-89ab-cdef-0123-456789abcdef
        PropertyTimeOfDay = 03:26:05
        -- 2
        PropertyInt16 = -32768
        PropertyString = "Second Resource - negative values"
        PropertyBoolean = false
        PropertyByte = 0
        PropertySByte = -128
        PropertyInt32 = -2147483648
        PropertyInt64 = -9223372036854775808
        PropertySingle = -179000000.0
        PropertyDouble = -179000.0
        PropertyDecimal = -34.0000000000
        PropertyBinary = 0123456789abcdef (hex)
        PropertyDate = 2015-11-05
        PropertyDateTimeOffset = 2005-12-03 07:17:08Z
        PropertyDuration = "PT9S"
        PropertyGuid = 76543201-23ab-cdef-0123-456789dddfff
        PropertyTimeOfDay = 23:49:14
        -- 3
        PropertyInt16 = 0
        PropertyString = ""
        PropertyBoolean = false
        PropertyByte = 0
        PropertySByte = 0
        PropertyInt32 = 0
        PropertyInt64 = 0
        PropertySingle = 0.0
        PropertyDouble = 0.0
        PropertyDecimal = 0.0000000000
        PropertyBinary =  (hex)
        PropertyDate = 1970-01-01
        PropertyDateTimeOffset = 2005-12-03 00:00:00Z
        PropertyDuration = "PT0S"
        PropertyGuid = 76543201-23ab-cdef-0123-456789cccddd
        PropertyTimeOfDay = 00:01:01
        -- 4
        PropertyInt16 = 10
        PropertyString = "Employee1@company.example"
        PropertyBoolean = false
        PropertyByte = 0
        PropertySByte = 0
        PropertyInt32 = 0
        PropertyInt64 = 0
        PropertySingle = 0.0
        PropertyDouble = 0.0
        PropertyDecimal = 0.0000000000
        PropertyBinary =  (hex)
        PropertyDate = 1970-01-01
        PropertyDateTimeOffset = 2005-12-03 00:00:00Z
        PropertyDuration = "PT0S"
        PropertyGuid = 76543201-23ab-cdef-0123-456789cccddd
        PropertyTimeOfDay = 00:01:01
    "#]]
    .assert_eq(&written(&source, "ESAllPrim").await);
    expect![[r#"
        PropertyKey int16 <- Edm.Int16
        PropertyInt16 int16? <- Edm.Int16
        PropertyString text? <- Edm.String
        PropertyBoolean boolean? <- Edm.Boolean
        PropertyByte int16? <- Edm.Byte
        PropertySByte int16? <- Edm.SByte
        PropertyInt32 int32? <- Edm.Int32
        PropertyInt64 int64? <- Edm.Int64
        PropertySingle float32? <- Edm.Single
        PropertyDouble float64? <- Edm.Double
        PropertyDecimal decimal(31,14)? <- Edm.Decimal
        PropertyBinary binary? <- Edm.Binary
        PropertyDate date? <- Edm.Date
        PropertyDateTimeOffset timestamptz? <- Edm.DateTimeOffset
        PropertyDuration text? <- Edm.Duration
        PropertyGuid guid? <- Edm.Guid
        PropertyTimeOfDay time? <- Edm.TimeOfDay
        CollPropertyString json? <- Collection(Edm.String)
        CollPropertyBoolean json? <- Collection(Edm.Boolean)
        CollPropertyByte json? <- Collection(Edm.Byte)
        CollPropertySByte json? <- Collection(Edm.SByte)
        CollPropertyInt16 json? <- Collection(Edm.Int16)
        CollPropertyInt32 json? <- Collection(Edm.Int32)
        CollPropertyInt64 json? <- Collection(Edm.Int64)
        CollPropertySingle json? <- Collection(Edm.Single)
        CollPropertyDouble json? <- Collection(Edm.Double)
        CollPropertyDecimal json? <- Collection(Edm.Decimal)
        CollPropertyBinary json? <- Collection(Edm.Binary)
        CollPropertyDate json? <- Collection(Edm.Date)
        CollPropertyDateTimeOffset json? <- Collection(Edm.DateTimeOffset)
        CollPropertyDuration json? <- Collection(Edm.Duration)
        CollPropertyGuid json? <- Collection(Edm.Guid)
        CollPropertyTimeOfDay json? <- Collection(Edm.TimeOfDay)
        -- 1
        PropertyKey = 1
        PropertyInt16 = null
        PropertyString = null
        PropertyBoolean = null
        PropertyByte = null
        PropertySByte = null
        PropertyInt32 = null
        PropertyInt64 = null
        PropertySingle = null
        PropertyDouble = null
        PropertyDecimal = null
        PropertyBinary = null
        PropertyDate = null
        PropertyDateTimeOffset = null
        PropertyDuration = null
        PropertyGuid = null
        PropertyTimeOfDay = null
        CollPropertyString = ["spiderman@comic.com",null,"spidergirl@comic.com"]
        CollPropertyBoolean = [true,null,false]
        CollPropertyByte = [50,null,249]
        CollPropertySByte = [-120,null,126]
        CollPropertyInt16 = [1000,null,30112]
        CollPropertyInt32 = [23232323,null,10000001]
        CollPropertyInt64 = ["929292929292",null,"444444444444"]
        CollPropertySingle = [1790.0,null,3210.0]
        CollPropertyDouble = [-17900.0,null,3210.0]
        CollPropertyDecimal = ["12",null,"1234"]
        CollPropertyBinary = ["q83v",null,"VGeJ"]
        CollPropertyDate = ["1958-12-03",null,"2013-06-25"]
        CollPropertyDateTimeOffset = ["2015-08-12T03:08:34Z",null,"1948-02-17T09:09:09Z"]
        CollPropertyDuration = ["PT13S",null,"PT1H0S"]
        CollPropertyGuid = ["ffffff67-89ab-cdef-0123-456789aaaaaa",null,"cccccc67-89ab-cdef-0123-456789cccccc"]
        CollPropertyTimeOfDay = ["04:14:13",null,"00:37:13"]
    "#]]
    .assert_eq(&written(&source, "ESAllNullable").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complex_values_are_flat_and_collections_json() {
    let source = at_data_set("complex");
    expect![[r##"
        PropertyInt16 int16 <- Edm.Int16
        CollPropertyString json? <- Collection(Edm.String)
        PropertyComp/PropertyInt16 int16? <- Edm.Int16
        PropertyComp/PropertyString text? <- Edm.String
        CollPropertyComp json? <- Collection(Namespace1_Alias.CTTwoPrim)
        -- 1
        PropertyInt16 = 32767
        CollPropertyString = ["Employee1@company.example","Employee2@company.example","Employee3@company.example"]
        PropertyComp/PropertyInt16 = 111
        PropertyComp/PropertyString = "TEST A"
        CollPropertyComp = [{"PropertyInt16":123,"PropertyString":"TEST 1"},{"PropertyInt16":456,"PropertyString":"TEST 2"},{"@odata.type":"#olingo.odata.test1.CTBase","PropertyInt16":789,"PropertyString":"TEST 3","AdditionalPropString":"ADD TEST"}]
        -- 2
        PropertyInt16 = 7
        CollPropertyString = ["Employee1@company.example","Employee2@company.example","Employee3@company.example"]
        PropertyComp/PropertyInt16 = 222
        PropertyComp/PropertyString = "TEST B"
        CollPropertyComp = [{"PropertyInt16":123,"PropertyString":"TEST 1"},{"PropertyInt16":456,"PropertyString":"TEST 2"},{"@odata.type":"#olingo.odata.test1.CTBase","PropertyInt16":789,"PropertyString":"TEST 3","AdditionalPropString":"ADD TEST"}]
        -- 3
        PropertyInt16 = 0
        CollPropertyString = ["Employee1@company.example","Employee2@company.example","Employee3@company.example"]
        PropertyComp/PropertyInt16 = 333
        PropertyComp/PropertyString = "TEST C"
        CollPropertyComp = [{"PropertyInt16":123,"PropertyString":"TEST 1"},{"PropertyInt16":456,"PropertyString":"TEST 2"},{"@odata.type":"#olingo.odata.test1.CTBase","PropertyInt16":789,"PropertyString":"TEST 3","AdditionalPropString":"ADD TEST"}]
    "##]].assert_eq(&written(&source, "ESMixPrimCollComp").await);
    expect![[r#"
        PropertyInt16 int16 <- Edm.Int16
        CollPropertyString json <- Collection(Edm.String)
        CollPropertyBoolean json? <- Collection(Edm.Boolean)
        CollPropertyByte json? <- Collection(Edm.Byte)
        CollPropertySByte json? <- Collection(Edm.SByte)
        CollPropertyInt16 json <- Collection(Edm.Int16)
        CollPropertyInt32 json? <- Collection(Edm.Int32)
        CollPropertyInt64 json? <- Collection(Edm.Int64)
        CollPropertySingle json? <- Collection(Edm.Single)
        CollPropertyDouble json? <- Collection(Edm.Double)
        CollPropertyDecimal json? <- Collection(Edm.Decimal)
        CollPropertyBinary json? <- Collection(Edm.Binary)
        CollPropertyDate json <- Collection(Edm.Date)
        CollPropertyDateTimeOffset json <- Collection(Edm.DateTimeOffset)
        CollPropertyDuration json <- Collection(Edm.Duration)
        CollPropertyGuid json? <- Collection(Edm.Guid)
        CollPropertyTimeOfDay json? <- Collection(Edm.TimeOfDay)
        -- 1
        PropertyInt16 = 1
        CollPropertyString = ["Employee1@company.example","Employee2@company.example","Employee3@company.example"]
        CollPropertyBoolean = [true,false,true]
        CollPropertyByte = [50,200,249]
        CollPropertySByte = [-120,120,126]
        CollPropertyInt16 = [1000,2000,30112]
        CollPropertyInt32 = [23232323,11223355,10000001]
        CollPropertyInt64 = ["929292929292","333333333333","444444444444"]
        CollPropertySingle = [1790.0,26600.0,3210.0]
        CollPropertyDouble = [-17900.0,-2.78E7,3210.0]
        CollPropertyDecimal = ["12","-2","1234"]
        CollPropertyBinary = ["q83v","ASNF","VGeJ"]
        CollPropertyDate = ["1958-12-03","1999-08-05","2013-06-25"]
        CollPropertyDateTimeOffset = ["2015-08-12T03:08:34Z","1970-03-28T12:11:10Z","1948-02-17T09:09:09Z"]
        CollPropertyDuration = ["PT13S","PT5H28M0S","PT1H0S"]
        CollPropertyGuid = ["ffffff67-89ab-cdef-0123-456789aaaaaa","eeeeee67-89ab-cdef-0123-456789bbbbbb","cccccc67-89ab-cdef-0123-456789cccccc"]
        CollPropertyTimeOfDay = ["04:14:13","23:59:59","01:12:33"]
        -- 2
        PropertyInt16 = 2
        CollPropertyString = ["Employee1@company.example","Employee2@company.example","Employee3@company.example"]
        CollPropertyBoolean = [true,false,true]
        CollPropertyByte = [50,200,249]
        CollPropertySByte = [-120,120,126]
        CollPropertyInt16 = [1000,2000,30112]
        CollPropertyInt32 = [23232323,11223355,10000001]
        CollPropertyInt64 = ["929292929292","333333333333","444444444444"]
        CollPropertySingle = [1790.0,26600.0,3210.0]
        CollPropertyDouble = [-17900.0,-2.78E7,3210.0]
        CollPropertyDecimal = ["12","-2","1234"]
        CollPropertyBinary = ["q83v","ASNF","VGeJ"]
        CollPropertyDate = ["1958-12-03","1999-08-05","2013-06-25"]
        CollPropertyDateTimeOffset = ["2015-08-12T03:08:34Z","1970-03-28T12:11:10Z","1948-02-17T09:09:09Z"]
        CollPropertyDuration = ["PT13S","PT5H28M0S","PT1H0S"]
        CollPropertyGuid = ["ffffff67-89ab-cdef-0123-456789aaaaaa","eeeeee67-89ab-cdef-0123-456789bbbbbb","cccccc67-89ab-cdef-0123-456789cccccc"]
        CollPropertyTimeOfDay = ["04:14:13","23:59:59","01:12:33"]
        -- 3
        PropertyInt16 = 3
        CollPropertyString = ["Employee1@company.example","Employee2@company.example","Employee3@company.example"]
        CollPropertyBoolean = [true,false,true]
        CollPropertyByte = [50,200,249]
        CollPropertySByte = [-120,120,126]
        CollPropertyInt16 = [1000,2000,30112]
        CollPropertyInt32 = [23232323,11223355,10000001]
        CollPropertyInt64 = ["929292929292","333333333333","444444444444"]
        CollPropertySingle = [1790.0,26600.0,3210.0]
        CollPropertyDouble = [-17900.0,-2.78E7,3210.0]
        CollPropertyDecimal = ["12","-2","1234"]
        CollPropertyBinary = ["q83v","ASNF","VGeJ"]
        CollPropertyDate = ["1958-12-03","1999-08-05","2013-06-25"]
        CollPropertyDateTimeOffset = ["2015-08-12T03:08:34Z","1970-03-28T12:11:10Z","1948-02-17T09:09:09Z"]
        CollPropertyDuration = ["PT13S","PT5H28M0S","PT1H0S"]
        CollPropertyGuid = ["ffffff67-89ab-cdef-0123-456789aaaaaa","eeeeee67-89ab-cdef-0123-456789bbbbbb","cccccc67-89ab-cdef-0123-456789cccccc"]
        CollPropertyTimeOfDay = ["04:14:13","23:59:59","01:12:33"]
    "#]].assert_eq(&written(&source, "ESCollAllPrim").await);
    expect![[r#"
        PropertyEnumString text <- olingo.odata.test1.ENString
        CollPropertyEnumString json? <- Collection(Namespace1_Alias.ENString)
        PropertyDefString text <- olingo.odata.test1.TDString
        CollPropertyDefString json? <- Collection(Namespace1_Alias.TDString)
        PropertyCompMixedEnumDef/PropertyEnumString text? <- olingo.odata.test1.ENString
        PropertyCompMixedEnumDef/CollPropertyEnumString json? <- Collection(Namespace1_Alias.ENString)
        PropertyCompMixedEnumDef/PropertyDefString text? <- olingo.odata.test1.TDString
        PropertyCompMixedEnumDef/CollPropertyDefString json? <- Collection(Namespace1_Alias.TDString)
        CollPropertyCompMixedEnumDef json? <- Collection(Namespace1_Alias.CTMixEnumDef)
        -- 1
        PropertyEnumString = "String1"
        CollPropertyEnumString = ["String1"]
        PropertyDefString = "key1"
        CollPropertyDefString = ["key1"]
        PropertyCompMixedEnumDef/PropertyEnumString = null
        PropertyCompMixedEnumDef/CollPropertyEnumString = null
        PropertyCompMixedEnumDef/PropertyDefString = null
        PropertyCompMixedEnumDef/CollPropertyDefString = null
        CollPropertyCompMixedEnumDef = []
        -- 2
        PropertyEnumString = "String1,String2"
        CollPropertyEnumString = ["String1,String2"]
        PropertyDefString = "key1"
        CollPropertyDefString = ["key1"]
        PropertyCompMixedEnumDef/PropertyEnumString = null
        PropertyCompMixedEnumDef/CollPropertyEnumString = null
        PropertyCompMixedEnumDef/PropertyDefString = null
        PropertyCompMixedEnumDef/CollPropertyDefString = null
        CollPropertyCompMixedEnumDef = []
        -- 3
        PropertyEnumString = "String3"
        CollPropertyEnumString = ["String3"]
        PropertyDefString = "key1"
        CollPropertyDefString = ["key1"]
        PropertyCompMixedEnumDef/PropertyEnumString = null
        PropertyCompMixedEnumDef/CollPropertyEnumString = null
        PropertyCompMixedEnumDef/PropertyDefString = null
        PropertyCompMixedEnumDef/CollPropertyDefString = null
        CollPropertyCompMixedEnumDef = []
    "#]]
    .assert_eq(&written(&source, "ESMixEnumDefCollComp").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complex_values_of_every_type_and_their_etag() {
    let source = at_data_set("compall");
    expect![[r#"
        PropertyInt16 int16 <- Edm.Int16
        PropertyComp/PropertyString text? <- Edm.String
        PropertyComp/PropertyBinary binary? <- Edm.Binary
        PropertyComp/PropertyBoolean boolean? <- Edm.Boolean
        PropertyComp/PropertyByte int16? <- Edm.Byte
        PropertyComp/PropertyDate date? <- Edm.Date
        PropertyComp/PropertyDateTimeOffset text? <- Edm.DateTimeOffset
        PropertyComp/PropertyDecimal decimal(11,5)? <- Edm.Decimal
        PropertyComp/PropertySingle float32? <- Edm.Single
        PropertyComp/PropertyDouble float64? <- Edm.Double
        PropertyComp/PropertyDuration text? <- Edm.Duration
        PropertyComp/PropertyGuid guid? <- Edm.Guid
        PropertyComp/PropertyInt16 int16? <- Edm.Int16
        PropertyComp/PropertyInt32 int32? <- Edm.Int32
        PropertyComp/PropertyInt64 int64? <- Edm.Int64
        PropertyComp/PropertySByte int16? <- Edm.SByte
        PropertyComp/PropertyTimeOfDay text? <- Edm.TimeOfDay
        -- 1
        PropertyInt16 = 32767
        PropertyComp/PropertyString = "First Resource - first"
        PropertyComp/PropertyBinary = 0123456789abcdef (hex)
        PropertyComp/PropertyBoolean = true
        PropertyComp/PropertyByte = 255
        PropertyComp/PropertyDate = 2012-10-03
        PropertyComp/PropertyDateTimeOffset = "2012-10-03T07:16:23.1234567Z"
        PropertyComp/PropertyDecimal = 34.27000
        PropertyComp/PropertySingle = 1.79e20
        PropertyComp/PropertyDouble = -1.79e19
        PropertyComp/PropertyDuration = "PT6S"
        PropertyComp/PropertyGuid = 01234567-89ab-cdef-0123-456789abcdef
        PropertyComp/PropertyInt16 = 32767
        PropertyComp/PropertyInt32 = 2147483647
        PropertyComp/PropertyInt64 = 9223372036854775807
        PropertyComp/PropertySByte = 127
        PropertyComp/PropertyTimeOfDay = "01:00:01"
        -- 2
        PropertyInt16 = 7
        PropertyComp/PropertyString = "Second Resource - second"
        PropertyComp/PropertyBinary = 0123456789abcdef (hex)
        PropertyComp/PropertyBoolean = true
        PropertyComp/PropertyByte = 255
        PropertyComp/PropertyDate = 2013-11-04
        PropertyComp/PropertyDateTimeOffset = "2013-11-04T07:16:23Z"
        PropertyComp/PropertyDecimal = 34.27000
        PropertyComp/PropertySingle = 1.79e20
        PropertyComp/PropertyDouble = -179.0
        PropertyComp/PropertyDuration = "PT6S"
        PropertyComp/PropertyGuid = 01234567-89ab-cdef-0123-456789abcdef
        PropertyComp/PropertyInt16 = 25
        PropertyComp/PropertyInt32 = 2147483647
        PropertyComp/PropertyInt64 = 9223372036854775807
        PropertyComp/PropertySByte = 127
        PropertyComp/PropertyTimeOfDay = "07:45:12.765"
        -- 3
        PropertyInt16 = 0
        PropertyComp/PropertyString = "Third Resource - third"
        PropertyComp/PropertyBinary = 0123456789abcdef (hex)
        PropertyComp/PropertyBoolean = true
        PropertyComp/PropertyByte = 255
        PropertyComp/PropertyDate = 2014-12-05
        PropertyComp/PropertyDateTimeOffset = "2014-12-05T08:17:45.1234567Z"
        PropertyComp/PropertyDecimal = 17.98000
        PropertyComp/PropertySingle = 1.79e20
        PropertyComp/PropertyDouble = -179.0
        PropertyComp/PropertyDuration = "PT6S"
        PropertyComp/PropertyGuid = 01234567-89ab-cdef-0123-456789abcdef
        PropertyComp/PropertyInt16 = -25
        PropertyComp/PropertyInt32 = 2147483647
        PropertyComp/PropertyInt64 = 9223372036854775807
        PropertyComp/PropertySByte = 127
        PropertyComp/PropertyTimeOfDay = "13:27:45"
        -- 4
        PropertyInt16 = -32768
        PropertyComp/PropertyString = null
        PropertyComp/PropertyBinary = null
        PropertyComp/PropertyBoolean = null
        PropertyComp/PropertyByte = null
        PropertyComp/PropertyDate = null
        PropertyComp/PropertyDateTimeOffset = null
        PropertyComp/PropertyDecimal = null
        PropertyComp/PropertySingle = null
        PropertyComp/PropertyDouble = null
        PropertyComp/PropertyDuration = null
        PropertyComp/PropertyGuid = null
        PropertyComp/PropertyInt16 = null
        PropertyComp/PropertyInt32 = null
        PropertyComp/PropertyInt64 = null
        PropertyComp/PropertySByte = null
        PropertyComp/PropertyTimeOfDay = null
    "#]]
    .assert_eq(&written(&source, "ESCompAllPrim").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_every_type() {
    let source = at_data_set("keys");
    expect![[r#"
        PropertyString text <- Edm.String
        PropertyBoolean boolean <- Edm.Boolean
        PropertyByte int16 <- Edm.Byte
        PropertySByte int16 <- Edm.SByte
        PropertyInt16 int16 <- Edm.Int16
        PropertyInt32 int32 <- Edm.Int32
        PropertyInt64 int64 <- Edm.Int64
        PropertyDecimal decimal(38,18) <- Edm.Decimal
        PropertyDate date <- Edm.Date
        PropertyDateTimeOffset timestamptz <- Edm.DateTimeOffset
        PropertyDuration text <- Edm.Duration
        PropertyGuid guid <- Edm.Guid
        PropertyTimeOfDay time <- Edm.TimeOfDay
        -- 1
        PropertyString = "First"
        PropertyBoolean = true
        PropertyByte = 255
        PropertySByte = 127
        PropertyInt16 = 32767
        PropertyInt32 = 2147483647
        PropertyInt64 = 9223372036854775807
        PropertyDecimal = 34.000000000000000000
        PropertyDate = 2012-12-03
        PropertyDateTimeOffset = 2012-12-03 07:16:23Z
        PropertyDuration = "PT6S"
        PropertyGuid = 01234567-89ab-cdef-0123-456789abcdef
        PropertyTimeOfDay = 02:48:21
        -- 2
        PropertyString = "Second"
        PropertyBoolean = true
        PropertyByte = 254
        PropertySByte = 124
        PropertyInt16 = 32764
        PropertyInt32 = 2147483644
        PropertyInt64 = 9223372036854775804
        PropertyDecimal = 34.000000000000000000
        PropertyDate = 2012-12-03
        PropertyDateTimeOffset = 2012-12-03 07:16:23Z
        PropertyDuration = "PT6S"
        PropertyGuid = 01234567-89ab-cdef-0123-456789abcdef
        PropertyTimeOfDay = 02:48:21
    "#]]
    .assert_eq(&written(&source, "ESAllKey").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_pages_come_and_no_more_than_wanted() {
    let source = at_data_set("pages");
    let server = v4();
    for (table, whole) in [("ESServerSidePaging", 503), ("ESStreamServerSidePaging", 504)] {
        let relation = relation(&source, table).await;
        server.forget("pages/requests");
        let mut scan = select(&relation, &["PropertyInt16"]);
        let numbers: Vec<i64> = all(&source, scan.clone()).await.iter().map(|row| row[0].as_integer().unwrap()).collect();
        assert_eq!(numbers.len(), whole, "{table}");
        assert!(numbers.is_sorted() && numbers.windows(2).all(|pair| pair[0] != pair[1]), "{table}: every row once");
        assert_eq!(server.asked("pages/requests").len(), 51, "{table}");
        if table == "ESStreamServerSidePaging" {
            continue;
        }
        server.forget("pages/requests");
        (scan.limit, scan.offset) = (Some(12), 5);
        scan.order_by = vec![SortKey { expr: Expr::Column(at(&relation, "PropertyInt16")), descending: true, nulls_first: false }];
        let numbers: Vec<i64> = all(&source, scan).await.iter().map(|row| row[0].as_integer().unwrap()).collect();
        assert_eq!(numbers, (487..=498).rev().collect::<Vec<i64>>());
        let asked: Vec<String> = server.asked("pages/requests").into_iter().map(|asked| asked.target).collect();
        assert_eq!(
            asked,
            [
                "/ESServerSidePaging?$select=PropertyInt16&$orderby=PropertyInt16 desc&$skip=5&$top=12",
                "/ESServerSidePaging?$select=PropertyInt16&$orderby=PropertyInt16 desc&$skip=5&$top=12&$skiptoken=1*10"
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_size_is_asked_for_and_pages_can_be_made_here() {
    let server = v4();
    let url = server.url("sizes/odata.svc/");
    let preferring = source(&url, json!({ "paging": { "size": 7 } }));
    let paged = relation(&preferring, "ESServerSidePaging").await;
    server.forget("sizes/requests");
    assert_eq!(all(&preferring, select(&paged, &["PropertyInt16"])).await.len(), 503);
    let asked = server.asked("sizes/requests");
    assert_eq!(asked.len(), 72);
    assert!(asked.iter().all(|asked| asked.header("prefer") == Some("odata.maxpagesize=7")));
    // A set of a service that makes no pages.
    let counting = source(&url, json!({ "paging": { "size": 3, "client": true } }));
    let plain = relation(&counting, "ESAllPrim").await;
    server.forget("sizes/requests");
    assert_eq!(all(&counting, select(&plain, &["PropertyString"])).await.len(), 4);
    let asked: Vec<String> = server.asked("sizes/requests").into_iter().map(|asked| asked.target).collect();
    assert_eq!(
        asked,
        [
            "/ESAllPrim?$select=PropertyString&$orderby=PropertyInt16&$top=3",
            "/ESAllPrim?$select=PropertyString&$orderby=PropertyInt16&$skip=3&$top=3",
            "/ESAllPrim?$select=PropertyString&$orderby=PropertyInt16&$skip=4&$top=3"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_are_asked_of_the_service_in_its_words() {
    let source = at_data_set("conditions");
    let server = v4();
    let relation = relation(&source, "ESAllPrim").await;
    let column = |name: &str| Expr::Column(at(&relation, name));
    let decimal = |unscaled: i64| {
        let portico_provider_api::ScalarType::Decimal { precision, scale } = relation.columns[at(&relation, "PropertyDecimal")].scalar_type
        else {
            panic!("no decimal")
        };
        Value::Decimal { unscaled: (i128::from(unscaled) * 10_i128.pow(u32::try_from(scale).unwrap())).into(), precision, scale }
    };
    let compare = |name: &str, op, value| Expr::compare(op, column(name), Expr::Literal(value));
    // Each with what is to be asked, and the keys that the service must answer.
    let cases = [
        (compare("PropertyInt16", CompareOp::Eq, Value::Int16(10)), "PropertyInt16 eq 10", vec![10]),
        (compare("PropertyInt64", CompareOp::Eq, Value::Int64(i64::MAX)), "PropertyInt64 eq 9223372036854775807", vec![32767]),
        (compare("PropertyInt64", CompareOp::Gt, Value::Int64(i64::MAX - 1)), "PropertyInt64 gt 9223372036854775806", vec![32767]),
        (compare("PropertyDecimal", CompareOp::Lt, decimal(0)), "PropertyDecimal lt 0", vec![-32768]),
        (compare("PropertyString", CompareOp::Eq, Value::text("it's")), "PropertyString eq 'it''s'", vec![]),
        (compare("PropertyString", CompareOp::Eq, Value::text("")), "PropertyString eq ''", vec![0]),
        (compare("PropertyDate", CompareOp::Eq, Value::Date(15_677)), "PropertyDate eq 2012-12-03", vec![32767]),
        (compare("PropertyTimeOfDay", CompareOp::LtEq, Value::Time(61_000_000)), "PropertyTimeOfDay le 00:01:01", vec![0, 10]),
        (
            compare("PropertyDateTimeOffset", CompareOp::GtEq, Value::TimestampTz(1_354_518_983_000_000)),
            "PropertyDateTimeOffset ge 2012-12-03T07:16:23Z",
            vec![32767],
        ),
        (compare("PropertyBoolean", CompareOp::Eq, Value::Boolean(true)), "PropertyBoolean eq true", vec![32767]),
    ];
    for (filter, expected, keys) in cases {
        server.forget("conditions/requests");
        let query = SourceQuery { filter: Some(filter), ..select(&relation, &["PropertyInt16"]) };
        let found = rows(&source, query, &QueryContext::default()).await.unwrap_or_else(|error| panic!("{expected}: {error}"));
        let mut found: Vec<i64> = found.iter().map(|row| row[0].as_integer().unwrap()).collect();
        let mut keys: Vec<i64> = keys;
        found.sort_unstable();
        keys.sort_unstable();
        let asked: Vec<String> = server.asked("conditions/requests").into_iter().map(|asked| asked.target).collect();
        let asked: Vec<&str> = asked.iter().map(|target| target.split_once("$filter=").map_or("", |(_, filter)| filter)).collect();
        assert_eq!((asked, found), (vec![expected], keys));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_tells_of_its_errors() {
    let source = source(&v4().url("errors/odata.svc/"), json!({ "capabilities": { "functions": ["contains"] } }));
    let relation = relation(&source, "ESTwoPrim").await;
    // This service cannot call functions over null, and says so.
    let contains = Expr::Call {
        function: portico_provider_api::Function::Contains,
        arguments: vec![Expr::Column(at(&relation, "PropertyString")), Expr::Literal(Value::text("1"))],
    };
    let query = SourceQuery { filter: Some(contains), ..select(&relation, &["PropertyInt16"]) };
    let error = rows(&source, query, &QueryContext::default()).await.unwrap_err();
    assert_eq!(error.kind, portico_provider_api::SourceErrorKind::Unsupported);
    assert!(error.to_string().contains("Filter expressions must return a value of type Edm.Boolean"), "{error}");
}
