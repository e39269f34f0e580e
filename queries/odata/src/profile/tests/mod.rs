//! What is published, asked and answered in a service for Dataverse, against the same asked and answered natively.

mod lint;

use super::*;
use crate::bind;
use crate::fixtures::model;
use crate::json::{JsonOptions, JsonWriter, context_url, entity_links};
use crate::rows::{EntityBatch, EntityShape, ExpandShape, ExpandedRows, PropertyShape};
use crate::{BoundRead, ODataError, ODataErrorKind, metadata, parse};
use arrow::array::{ArrayRef, Date32Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray};
use arrow::datatypes::{Field, Schema};
use bytes::BytesMut;
use expect_test::expect;
use portico_catalog::overlay::EnumerationMember;
use portico_catalog::profile::Published;
use portico_catalog::{Column, Enumeration, ModelView, Profile, VirtualTable};
use portico_provider_api::ScalarType;
use std::sync::Arc;

fn member(name: &str, value: i64, stored: &str) -> EnumerationMember {
    EnumerationMember { name: name.to_owned(), value, stored: Value::text(stored), description: None, labels: Default::default() }
}

/// The fixture with a choice over codes, as column 4 of Lines, for Dataverse.
fn published() -> Published {
    let mut view = model();
    view.profile = Profile::Dataverse;
    let lines = view.tables.get_mut("Lines").unwrap();
    let mut table: VirtualTable = (*lines.table).clone();
    let members = vec![member("Open", 1, "O"), member("Closed", 2, "C")];
    let state = Enumeration {
        name: "State".to_owned(),
        flags: false,
        underlying: ScalarType::Int32,
        members,
        description: None,
        labels: Default::default(),
    };
    table.columns.push(Column { enumeration: Some(Arc::new(state)), ..Column::plain("State", 0, ScalarType::Text, true) });
    lines.table = Arc::new(table);
    lines.columns.push(4);
    Published::of(Arc::new(view))
}

fn guid(table: &str, types: &[ScalarType], key: &[Value]) -> String {
    KeyPacking::new(table, types.to_vec()).pack(key).unwrap().guid.to_string()
}

fn customer(id: i32) -> String {
    guid("CustomersTable", &[ScalarType::Int32], &[Value::Int32(id)])
}

fn order(id: i64) -> String {
    guid("OrdersTable", &[ScalarType::Int64], &[Value::Int64(id)])
}

fn line(order: i64, number: i16) -> String {
    guid("LinesTable", &[ScalarType::Int64, ScalarType::Int16], &[Value::Int64(order), Value::Int16(number)])
}

fn bound(url: &str, view: &ModelView) -> Result<BoundRead, ODataError> {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    bind::read(&parse::request(path, query)?, view)
}

fn translated(url: &str, published: &Published) -> Result<BoundRead, ODataError> {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let (request, _) = native_request(&parse::request(path, query)?, published, &|_, _| None)?;
    bind::read(&request, &published.native)
}

/// The left one, with its GUIDs, means the right one.
fn same(published: &Published, asked: &str, native: &str) {
    // How the rest of an expanded collection is asked for stays as clients write it.
    fn without_rest(query: &mut crate::BoundQuery) {
        for expand in &mut query.expand {
            expand.rest = crate::bound::RestRequest::default();
            without_rest(&mut expand.query);
        }
    }
    let shown = |read: Result<BoundRead, ODataError>| {
        let mut read = read.map_err(|error| format!("{error:?}"))?;
        without_rest(&mut read.query);
        Ok::<_, String>(read)
    };
    let (left, right) = (shown(translated(asked, published)), shown(bound(native, &published.native)));
    assert_eq!(left, right, "\n {asked}\n {native}");
    assert!(left.is_ok(), "{asked}: {left:?}");
}

#[test]
fn keys_lead_to_the_native_row() {
    let published = published();
    let (c, o, l) = (customer(7), order(-3), line(4_711, 2));
    for (asked, native) in [
        (format!("Customers({c})"), "Customers(7)".to_owned()),
        (format!("Customers(CustomersKey={c})"), "Customers(7)".to_owned()),
        (format!("Customers/{c}"), "Customers(7)".to_owned()),
        (format!("Customers({})", c.to_uppercase()), "Customers(7)".to_owned()),
        (format!("Customers({c})/Orders?$filter=Total gt 5"), "Customers(7)/Orders?$filter=Total gt 5".to_owned()),
        (format!("Customers({c})/Orders/$count"), "Customers(7)/Orders/$count".to_owned()),
        (format!("Orders({o})/Customer"), "Orders(-3)/Customer".to_owned()),
        (format!("Lines({l})"), "Lines(OrderId=4711,LineNo=2)".to_owned()),
        // Another way to say which row.
        ("Lines(OrderId=4711,LineNo=2)".to_owned(), "Lines(OrderId=4711,LineNo=2)".to_owned()),
        ("Types(f81d4fae-7dec-41d0-a765-00a0c91e6bf6)".to_owned(), "Types(f81d4fae-7dec-41d0-a765-00a0c91e6bf6)".to_owned()),
    ] {
        same(&published, &asked, &native);
    }
    let refused = |url: &str| translated(url, &published).unwrap_err();
    let (stranger, made_up) = (order(7), "f81d4fae-7dec-41d0-a765-00a0c91e6bf6");
    for url in [format!("Customers({stranger})"), format!("Customers({made_up})"), format!("Lines/{made_up}")] {
        assert_eq!(refused(&url).kind, ODataErrorKind::NotFound, "{url}");
    }
    for url in ["Customers(7)", "Customers('x')", "Customers(CustomersKey=7)"] {
        let error = refused(url);
        assert_eq!((error.kind, error.target.as_deref()), (ODataErrorKind::BadRequest, Some("path")), "{url}");
        assert!(error.message.contains("CustomersKey"), "{error}");
    }
}

#[test]
fn guids_in_filters_are_native_comparisons() {
    let published = published();
    let (c, c2, o, l, l2) = (customer(7), customer(8), order(5), line(5, 2), line(6, 3));
    let nobody = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6";
    for (asked, native) in [
        (format!("Customers?$filter=CustomersKey eq {c}"), "Customers?$filter=Id eq 7"),
        (format!("Customers?$filter={c} eq CustomersKey"), "Customers?$filter=Id eq 7"),
        (format!("Customers?$filter=CustomersKey eq '{c}' and Active"), "Customers?$filter=Id eq 7 and Active"),
        (format!("Customers?$filter=CustomersKey eq @k&@k={c}"), "Customers?$filter=Id eq 7&@k=1"),
        (format!("Customers?$filter=CustomersKey ne {c}"), "Customers?$filter=not (Id eq 7)"),
        (format!("Customers?$filter=CustomersKey in ({c},{nobody},{c2})"), "Customers?$filter=Id in (7,8)"),
        (format!("Customers?$filter=CustomersKey eq {nobody}"), "Customers?$filter=false"),
        (format!("Customers?$filter=CustomersKey in ({nobody})"), "Customers?$filter=false"),
        ("Customers?$filter=CustomersKey eq null".to_owned(), "Customers?$filter=Id eq null"),
        (format!("Orders?$filter=CustomerKey eq {c}"), "Orders?$filter=CustomerId eq 7"),
        ("Orders?$filter=CustomerKey ne null".to_owned(), "Orders?$filter=not (CustomerId eq null)"),
        ("Orders?$filter=CustomerKey eq @missing".to_owned(), "Orders?$filter=CustomerId eq null"),
        (format!("Orders?$filter=CustomerKey in ({c},null)"), "Orders?$filter=CustomerId eq null or CustomerId in (7)"),
        (format!("Lines?$filter=LinesKey eq {l}"), "Lines?$filter=OrderId eq 5 and LineNo eq 2"),
        (format!("Lines?$filter=LinesKey ne {l}"), "Lines?$filter=not (OrderId eq 5 and LineNo eq 2)"),
        (format!("Lines?$filter=LinesKey in ({l},{l2})"), "Lines?$filter=(OrderId eq 5 and LineNo eq 2) or (OrderId eq 6 and LineNo eq 3)"),
        (format!("Lines?$filter=OrderKey eq {o}"), "Lines?$filter=OrderId eq 5"),
        (format!("Customers?$expand=Orders($filter=OrdersKey eq {o})"), "Customers?$expand=Orders($filter=Id eq 5)"),
        ("Lines?$orderby=LinesKey desc,Product".to_owned(), "Lines?$orderby=OrderId desc,LineNo desc,Product"),
        ("Orders?$orderby=CustomerKey".to_owned(), "Orders?$orderby=CustomerId"),
        ("Orders?$select=CustomerKey,Total".to_owned(), "Orders?$select=CustomerId,Total"),
        ("Lines?$select=LinesKey".to_owned(), "Lines?$select=OrderId,LineNo"),
        (
            "Customers?$expand=Orders($select=CustomerKey;$orderby=OrdersKey)".to_owned(),
            "Customers?$expand=Orders($select=CustomerId;$orderby=Id)",
        ),
        ("Orders?$apply=groupby((CustomerKey))".to_owned(), "Orders?$apply=groupby((CustomerId))"),
        (
            "Lines?$apply=filter(LinesKey ne null)/groupby((LinesKey),aggregate(State with countdistinct as N))&$orderby=LinesKey"
                .to_owned(),
            "Lines?$apply=filter(not (OrderId eq null or LineNo eq null))/groupby((OrderId,LineNo),aggregate(State with countdistinct as N))\
             &$orderby=OrderId,LineNo",
        ),
        ("Lines?$compute=State as S&$filter=S eq 1&$select=S".to_owned(), "Lines?$compute=State as S&$filter=S eq 'Open'&$select=S"),
    ] {
        same(&published, &asked, native);
    }
    for (url, kind) in [
        (format!("Customers?$filter=CustomersKey gt {c}"), ODataErrorKind::NotImplemented),
        ("Orders?$filter=OrdersKey eq CustomerKey".to_owned(), ODataErrorKind::NotImplemented),
        ("Orders?$filter=length(CustomerKey) eq 3".to_owned(), ODataErrorKind::NotImplemented),
        ("Orders?$apply=aggregate(CustomerKey with max as Last)".to_owned(), ODataErrorKind::NotImplemented),
        ("Orders?$apply=join(Customer as C)".to_owned(), ODataErrorKind::NotImplemented),
        ("Orders?$compute=CustomerKey as Key".to_owned(), ODataErrorKind::NotImplemented),
        ("Lines?$apply=aggregate(State with max as Last)".to_owned(), ODataErrorKind::NotImplemented),
        ("Lines?$apply=groupby((rollup($all,LinesKey)))".to_owned(), ODataErrorKind::NotImplemented),
        (format!("Orders({o})/OrdersKey"), ODataErrorKind::NotImplemented),
        ("Orders?$filter=CustomerKey eq 7".to_owned(), ODataErrorKind::BadRequest),
        ("Orders?$filter=CustomerKye eq null".to_owned(), ODataErrorKind::BadRequest),
        ("Types?$filter=Bytes eq null".to_owned(), ODataErrorKind::BadRequest),
        ("Types?$select=Bytes".to_owned(), ODataErrorKind::BadRequest),
    ] {
        let error = translated(&url, &published).unwrap_err();
        assert_eq!(error.kind, kind, "{url}: {error}");
    }
    let error = translated("Orders?$filter=CustomerKye eq null", &published).unwrap_err();
    assert_eq!((error.message.as_str(), error.position), ("'Orders' has no property 'CustomerKye'; did you mean 'CustomerKey'?", Some(0)));
}

#[test]
fn what_is_widened_compares_with_what_clients_send() {
    let published = published();
    for (asked, native) in [
        (
            "Customers?$filter=Since ge 2024-05-01T00:00:00Z and Since lt 2024-06-01T00:00:00Z",
            "Customers?$filter=Since ge 2024-05-01 and Since lt 2024-06-01",
        ),
        ("Customers?$filter=Since eq 2024-05-01T00:00:00Z", "Customers?$filter=Since eq 2024-05-01"),
        ("Customers?$filter=Since eq 2024-05-01T02:00:00%2B02:00", "Customers?$filter=Since eq 2024-05-01"),
        ("Customers?$filter=Since eq 2024-05-01T12:00:00Z", "Customers?$filter=false"),
        ("Customers?$filter=Since ne 2024-05-01T12:00:00Z", "Customers?$filter=true"),
        ("Customers?$filter=Since lt 2024-05-01T12:00:00Z", "Customers?$filter=Since le 2024-05-01"),
        ("Customers?$filter=Since le 2024-05-01T12:00:00Z", "Customers?$filter=Since le 2024-05-01"),
        ("Customers?$filter=Since gt 2024-05-01T12:00:00Z", "Customers?$filter=Since gt 2024-05-01"),
        ("Customers?$filter=Since ge 2024-05-01T12:00:00Z", "Customers?$filter=Since gt 2024-05-01"),
        ("Customers?$filter=2024-05-01T12:00:00Z lt Since", "Customers?$filter=Since gt 2024-05-01"),
        ("Customers?$filter=Since in (2024-05-01T00:00:00Z,2024-05-01T01:00:00Z,null)", "Customers?$filter=Since in (2024-05-01,null)"),
        ("Customers?$filter=Since eq null", "Customers?$filter=Since eq null"),
        ("Customers?$filter=Since ge 2024-05-01", "Customers?$filter=Since ge 2024-05-01"),
        ("Customers?$filter=year(Since) eq 2024", "Customers?$filter=year(Since) eq 2024"),
        ("Customers?$filter=date(Since) eq 2024-05-01", "Customers?$filter=Since eq 2024-05-01"),
        ("Customers?$orderby=Since", "Customers?$orderby=Since"),
        (
            "Types?$filter=Clock eq '12:30:00' and Small lt 70000 and Single eq 0.5",
            "Types?$filter=Clock eq 12:30:00 and Small lt 70000 and Single eq 0.5",
        ),
        ("Types?$filter=Small add 1 gt 2", "Types?$filter=Small add 1 gt 2"),
        ("Lines?$filter=State eq null", "Lines?$filter=State eq null"),
        ("Lines?$filter=State eq 9", "Lines?$filter=false"),
        ("Lines?$filter=State ne 9", "Lines?$filter=true"),
        ("Lines?$filter=State in (8,9)", "Lines?$filter=false"),
    ] {
        same(&published, asked, native);
    }
    for url in [
        "Customers?$filter=Since gt now()",
        "Customers?$filter=hour(Since) eq 1",
        "Types?$filter=contains(Clock,'12')",
        "Lines?$filter=State gt 1",
        "Lines?$orderby=State",
    ] {
        assert_eq!(translated(url, &published).unwrap_err().kind, ODataErrorKind::NotImplemented, "{url}");
    }
    // A choice's number is its member.
    let (request, _) = native_request(&parse::request("Lines", Some("$filter=State eq 2")).unwrap(), &published, &|_, _| None).unwrap();
    let (wanted, _) =
        native_request(&parse::request("Lines", Some("$filter=State eq 'Closed'")).unwrap(), &published, &|_, _| None).unwrap();
    let kinds = |request: &crate::syntax::Request| match &request.options.filter.as_ref().unwrap().kind {
        crate::syntax::ExprKind::Binary { right, .. } => right.kind.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kinds(&request), kinds(&wanted));
}

#[test]
fn hashed_keys_are_looked_up() {
    let mut view = model();
    view.profile = Profile::Dataverse;
    let customers = view.tables.get_mut("Customers").unwrap();
    let mut table = (*customers.table).clone();
    table.key = vec![1];
    customers.table = Arc::new(table);
    let published = Published::of(Arc::new(view));
    let key = vec![Value::text("a name that is longer than fourteen bytes")];
    let (guids, hashed) = published_key(&published, "Customers", &key);
    let hashed = hashed.unwrap();
    let Value::Guid(text) = &guids[0] else { panic!("{guids:?}") };
    assert_eq!((hashed.guid.to_string(), &hashed.key, hashed.table.as_str()), (text.clone(), &key, "CustomersTable"));
    let ask = |remembered: &Remembered<'_>| {
        let request = parse::request(&format!("Customers({text})"), None).unwrap();
        let (request, _) = native_request(&request, &published, remembered)?;
        bind::read(&request, &published.native)
    };
    let known = ask(&|packing, guid| (packing.table() == "CustomersTable" && guid == hashed.guid).then(|| key.clone())).unwrap();
    assert_eq!(known.query.key, Some(key.clone()));
    assert_eq!(ask(&|_, _| None).unwrap_err().kind, ODataErrorKind::NotFound);
    assert_eq!(ask(&|_, _| Some(vec![Value::text("another")])).unwrap_err().kind, ODataErrorKind::NotFound, "a memory that is wrong");
}

fn batch(columns: Vec<(&str, ArrayRef)>, expanded: Vec<ExpandedRows>) -> EntityBatch {
    let fields: Vec<_> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    EntityBatch { rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap(), expanded }
}

fn property(name: &str, position: usize, scalar_type: ScalarType) -> PropertyShape {
    PropertyShape::column(name, position, scalar_type.into())
}

#[test]
fn answers_hold_guids_and_widened_values() {
    let published = published();
    let url = "Lines?$select=LinesKey,OrderKey,State&$expand=Order($select=PlacedAt)";
    let request = parse::request("Lines", url.split_once('?').map(|(_, query)| query)).unwrap();
    let (request, shown) = native_request(&request, &published, &|_, _| None).unwrap();
    let bound = bind::read(&request, &published.native).unwrap();
    let read = published_read(&bound, &published, &shown);
    expect!["https://x/$metadata#Lines(LinesKey,State,OrderKey,Order(OrdersKey,PlacedAt))"].assert_eq(&context_url(
        "https://x",
        &published.view,
        &read,
        crate::header::Version::V4_0,
    ));
    let order_shape = EntityShape {
        entity_set: "Orders".to_owned(),
        properties: vec![property("Id", 0, ScalarType::Int64), property("PlacedAt", 1, ScalarType::TimestampTz)],
        ..EntityShape::default()
    };
    let shape = EntityShape {
        entity_set: "Lines".to_owned(),
        properties: vec![
            property("OrderId", 1, ScalarType::Int64),
            property("LineNo", 0, ScalarType::Int16),
            property("State", 2, ScalarType::Text),
        ],
        etag: Some(3),
        expands: vec![ExpandShape {
            name: "Order".to_owned(),
            many: false,
            shape: order_shape,
            form: Default::default(),
            ..ExpandShape::default()
        }],
        ..EntityShape::default()
    };
    let orders = batch(
        vec![
            ("Id", Arc::new(Int64Array::from(vec![5]))),
            ("PlacedAt", Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC"))),
        ],
        vec![],
    );
    let rows = batch(
        vec![
            ("LineNo", Arc::new(Int16Array::from(vec![2, 3]))),
            ("OrderId", Arc::new(Int64Array::from(vec![5, 6]))),
            ("State", Arc::new(StringArray::from(vec![Some("C"), None]))),
            ("@etag", Arc::new(StringArray::from(vec!["W/\"1\"", "W/\"2\""]))),
        ],
        vec![ExpandedRows { ranges: vec![0..1, 1..1], counts: None, next_links: None, ends: None, circular: None, entities: orders }],
    );
    let translation = Translation::new(&shape, &published, &shown);
    let mut hashed = Vec::new();
    let rows = translation.batch(&rows, &mut hashed).unwrap();
    assert!(hashed.is_empty());
    let mut out = BytesMut::new();
    let options = JsonOptions { root_url: "https://x".into(), links: entity_links(&published.view), ..JsonOptions::default() };
    JsonWriter::new(translation.shape(), options).write_batch(&rows, &mut out).unwrap();
    let text = String::from_utf8(out.to_vec()).unwrap();
    let (l, l2, o, o2) = (line(5, 2), line(6, 3), order(5), order(6));
    let wanted = format!(
        r#"{{"@odata.etag":"W/\"1\"","LinesKey":"{l}","State":2,"OrderKey":"{o}","Order":{{"OrdersKey":"{o}","PlacedAt":"1970-01-01T00:00:00Z"}}}},{{"@odata.etag":"W/\"2\"","LinesKey":"{l2}","State":null,"OrderKey":"{o2}","Order":null}}"#
    );
    assert_eq!(text, wanted);
}

#[test]
fn dates_and_times_are_written_as_clients_take_them() {
    let published = published();
    let shape = EntityShape {
        entity_set: "Types".to_owned(),
        properties: vec![
            property("Uid", 0, ScalarType::Guid),
            property("Day", 1, ScalarType::Date),
            property("Clock", 2, ScalarType::Time),
            property("Small", 3, ScalarType::Int16),
        ],
        ..EntityShape::default()
    };
    let rows = batch(
        vec![
            ("Uid", Arc::new(StringArray::from(vec!["f81d4fae-7dec-41d0-a765-00a0c91e6bf6"]))),
            ("Day", Arc::new(Date32Array::from(vec![19_844]))),
            ("Clock", Arc::new(Time64MicrosecondArray::from(vec![45_000_500_000]))),
            ("Small", Arc::new(Int16Array::from(vec![-5]))),
        ],
        vec![],
    );
    let translation = Translation::new(&shape, &published, &Shown::default());
    let rows = translation.batch(&rows, &mut Vec::new()).unwrap();
    let mut out = BytesMut::new();
    JsonWriter::new(translation.shape(), JsonOptions::default()).write_batch(&rows, &mut out).unwrap();
    expect![[r#"{"Small":-5,"Day":"2024-05-01T00:00:00Z","Clock":"12:30:00.500","Uid":"f81d4fae-7dec-41d0-a765-00a0c91e6bf6"}"#]]
        .assert_eq(std::str::from_utf8(&out).unwrap());
    let far = batch(
        vec![
            ("Uid", Arc::new(StringArray::from(vec!["x"]))),
            ("Day", Arc::new(Date32Array::from(vec![i32::MAX]))),
            ("Clock", Arc::new(Time64MicrosecondArray::from(vec![0]))),
            ("Small", Arc::new(Int16Array::from(vec![0]))),
        ],
        vec![],
    );
    assert_eq!(translation.batch(&far, &mut Vec::new()).unwrap_err().property, "Day");
}

#[test]
fn an_orphan_and_a_long_foreign_key_are_told_apart() {
    let published = published();
    let shape = EntityShape {
        entity_set: "Orders".to_owned(),
        properties: vec![property("Id", 0, ScalarType::Int64), property("CustomerId", 1, ScalarType::Int32)],
        ..EntityShape::default()
    };
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let rows = batch(vec![("Id", ids), ("CustomerId", Arc::new(Int32Array::from(vec![Some(7), None])))], vec![]);
    let translation = Translation::new(&shape, &published, &Shown::default());
    let rows = translation.batch(&rows, &mut Vec::new()).unwrap();
    let at = translation.shape().properties.iter().find(|property| property.name == "CustomerKey").unwrap().column_type().unwrap().0;
    let keys = rows.rows.column(at).as_any().downcast_ref::<StringArray>().unwrap();
    assert_eq!((keys.value(0), arrow::array::Array::is_null(keys, 1)), (customer(7).as_str(), true));
}

#[test]
fn bodies_set_native_columns() {
    let published = published();
    let orders = published.native.table("Orders").unwrap().clone();
    let customers = published.native.table("Customers").unwrap().clone();
    let lines = published.native.table("Lines").unwrap().clone();
    let (c, o) = (customer(7), order(5));
    let made_up = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6";
    let native = |table, text: &str, key: Option<&[Value]>| {
        native_body(text.as_bytes(), &published, table, key, &|_, _| None).map(|body| String::from_utf8(body).unwrap())
    };
    let five = [Value::Int64(5)];
    let ok = [
        (&orders, format!(r#"{{"CustomerKey":"{c}","Total":1.50}}"#), None, r#"{"CustomerId":7,"Total":1.50}"#),
        (&orders, format!(r#"{{"CustomerKey":"{c}","CustomerId":7}}"#), None, r#"{"CustomerId":7}"#),
        (&orders, format!(r#"{{"CustomerId":7,"CustomerKey":"{c}"}}"#), None, r#"{"CustomerId":7}"#),
        (&orders, format!(r#"{{"CustomerKey":null,"OrdersKey":"{o}"}}"#), Some(&five[..]), r#"{"CustomerId":null}"#),
        (&orders, format!(r#"{{"OrdersKey":"{made_up}","Note":"a\"b"}}"#), None, r#"{"Note":"a\"b"}"#),
        (&lines, format!(r#"{{"LinesKey":"{}","State":2}}"#, line(5, 2)), None, r#"{"OrderId":5,"LineNo":2,"State":"Closed"}"#),
        (&customers, r#"{"Since":"2024-05-01T00:00:00Z","Credit":12.50}"#.to_owned(), None, r#"{"Since":"2024-05-01","Credit":12.50}"#),
        (&customers, r#"{"Since":null,"@odata.type":"x"}"#.to_owned(), None, r#"{"Since":null,"@odata.type":"x"}"#),
    ];
    for (table, body, key, wanted) in ok {
        assert_eq!(native(table, &body, key).as_deref(), Ok(wanted), "{body}");
    }
    let refused = [
        (&orders, format!(r#"{{"CustomerKey":"{c}","CustomerId":8}}"#), None, "CustomerId"),
        (&orders, format!(r#"{{"CustomerKey":"{made_up}"}}"#), None, "CustomerKey"),
        (&orders, r#"{"CustomerKey":7}"#.to_owned(), None, "CustomerKey"),
        (&orders, format!(r#"{{"OrdersKey":"{}"}}"#, order(6)), Some(&five[..]), "OrdersKey"),
        (&orders, format!(r#"{{"OrdersKey":"{made_up}"}}"#), Some(&five[..]), "OrdersKey"),
        (&orders, r#"{"CustomerKye":null}"#.to_owned(), None, "did you mean 'CustomerKey'"),
        (&customers, r#"{"Since":"2024-05-01T12:00:00Z"}"#.to_owned(), None, "midnight"),
        (&lines, r#"{"State":9}"#.to_owned(), None, "no choice 9"),
        (&lines, "{".to_owned(), None, "not well-formed"),
    ];
    for (table, body, key, wanted) in refused {
        let error = native(table, &body, key).unwrap_err();
        assert!(error.kind == ODataErrorKind::BadRequest && error.message.contains(wanted), "{body}: {error}");
    }
}

#[test]
fn the_metadata_shows_what_is_published() {
    let published = published();
    let document = String::from_utf8(metadata::document(&published.view, metadata::MetadataFormat::Xml, None).unwrap()).unwrap();
    for wanted in [
        r#"<PropertyRef Name="LinesKey"/>"#,
        r#"<Property Name="OrderKey" Type="Edm.Guid" Nullable="false""#,
        r#"<ReferentialConstraint Property="OrderKey" ReferencedProperty="OrdersKey"/>"#,
        r#"<ReferentialConstraint Property="CustomerKey" ReferencedProperty="CustomersKey"/>"#,
        r#"<Property Name="Since" Type="Edm.DateTimeOffset""#,
        r#"<Property Name="State" Type="Edm.Int32""#,
        r#"<Property Name="Clock" Type="Edm.String" Nullable="true" MaxLength="15""#,
        r#"<Property Name="City" Type="Edm.String" Nullable="true" MaxLength="4000""#,
        r#"<PropertyRef Name="Uid"/>"#,
    ] {
        assert!(document.contains(wanted), "{wanted} is not in\n{document}");
    }
    for unwanted in ["Edm.Int16", "Edm.Single", "Edm.Date\"", "Edm.TimeOfDay", "Edm.Binary", "EnumType", "UidKey", "TypesKey", "\"max\""] {
        assert!(!document.contains(unwanted), "{unwanted} is in\n{document}");
    }
}
