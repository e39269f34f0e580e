//! Calls of functions: which overload is meant, what its parameters are, and what is refused.

use super::bound_in;
use crate::fixtures::model;
use crate::{ODataErrorKind, ReadKind, bind, parse};
use portico_catalog::overlay::{
    Binding, Enumeration, EnumerationMember, Operation, OperationBody, Parameter, ReturnKind, Returns, SourceBody,
};
use portico_catalog::{Column, Labels, ModelView};
use portico_provider_api::{RemoteOperation, RemoteParameter, RemoteTableName, ScalarType, Value};
use std::sync::Arc;

fn parameter(name: &str, scalar_type: ScalarType) -> Parameter {
    Parameter { name: name.to_owned(), scalar_type, enumeration: None, nullable: false, optional: false, max_length: None }
}

fn function(name: &str, binding: Option<(&str, bool)>, parameters: Vec<Parameter>, table: &str, many: bool) -> Operation {
    Operation {
        name: name.to_owned(),
        action: false,
        binding: binding.map(|(table, many)| Binding { table: table.to_owned(), many }),
        parameters,
        returns: Some(Returns { kind: ReturnKind::Entity { table: table.to_owned() }, many, nullable: !many }),
        body: OperationBody::Sql(vec!["SELECT 1".to_owned()]),
        composable: true,
        roles: None,
        description: None,
        labels: Labels::new(),
    }
}

fn colour() -> Arc<Enumeration> {
    let member = |name: &str, value: i64| EnumerationMember {
        name: name.to_owned(),
        value,
        stored: Value::Int32(i32::try_from(value).unwrap()),
        description: None,
        labels: Labels::new(),
    };
    let members = vec![member("Red", 1), member("Green", 2)];
    Arc::new(Enumeration {
        name: "Colour".to_owned(),
        description: None,
        labels: Labels::new(),
        flags: false,
        underlying: ScalarType::Int32,
        members,
    })
}

fn callable() -> ModelView {
    let text = |name: &str| Parameter { max_length: Some(3), ..parameter(name, ScalarType::Text) };
    let optional = |parameter: Parameter| Parameter { nullable: true, optional: true, ..parameter };
    let painted = Parameter { enumeration: Some(colour()), ..parameter("c", ScalarType::Int32) };
    let day = ScalarType::Date;
    let values = |scalar_type, many| Some(Returns { kind: ReturnKind::Scalar { scalar_type }, many, nullable: !many });
    let members = vec![Column::plain("Year", 0, ScalarType::Int32, false), Column::plain("Total", 1, ScalarType::Float64, true)];
    let rows =
        |many| Some(Returns { kind: ReturnKind::Complex { type_name: "Sum".to_owned(), members: members.clone() }, many, nullable: !many });
    let action = |name: &str, binding, parameters, returns| Operation {
        action: true,
        composable: false,
        returns,
        ..function(name, binding, parameters, "CustomersTable", true)
    };
    let entities = |many| Some(Returns { kind: ReturnKind::Entity { table: "CustomersTable".to_owned() }, many, nullable: !many });
    let operations = vec![
        function("Near", None, vec![parameter("d", ScalarType::Int16)], "CustomersTable", true),
        function("Near", None, vec![parameter("d", ScalarType::Int16), text("t")], "CustomersTable", true),
        function("Free", None, vec![optional(text("a")), optional(parameter("b", day))], "CustomersTable", true),
        function("Painted", None, vec![painted], "CustomersTable", true),
        function("Best", Some(("CustomersTable", true)), vec![], "CustomersTable", false),
        function("Late", Some(("CustomersTable", false)), vec![parameter("d", day)], "OrdersTable", true),
        Operation { composable: false, ..function("Plain", None, vec![], "CustomersTable", true) },
        Operation { returns: values(day, false), composable: false, ..function("Today", None, vec![], "", false) },
        Operation { returns: values(day, false), ..function("Yesterday", None, vec![], "", false) },
        Operation {
            returns: values(ScalarType::Int64, true),
            ..function("Numbers", None, vec![parameter("least", ScalarType::Int32)], "", true)
        },
        Operation { returns: rows(true), ..function("Sums", Some(("CustomersTable", false)), vec![], "", true) },
        Operation { returns: rows(false), ..function("Total", None, vec![], "", true) },
        action("Close", Some(("CustomersTable", false)), vec![text("why"), optional(parameter("on", day))], None),
        action("Close", Some(("CustomersTable", true)), vec![], values(ScalarType::Int64, false)),
        action("Open", None, vec![parameter("n", ScalarType::Int32)], entities(false)),
        action("All", None, vec![], entities(true)),
        Operation {
            body: OperationBody::Source(Box::new(of_source())),
            ..action("Remote", None, vec![text("a"), optional(parameter("b", day))], None)
        },
    ];
    let operations: Vec<_> = operations.into_iter().map(Arc::new).collect();
    ModelView { results: ModelView::results_of(&operations), operations, ..model() }
}

/// An operation of a source that has a value of its own for its second parameter.
fn of_source() -> SourceBody {
    let parameter =
        |name: &str, scalar_type, optional| RemoteParameter { name: name.to_owned(), native_type: String::new(), scalar_type, optional };
    let operation = RemoteOperation {
        name: RemoteTableName(vec!["o".to_owned()]),
        signature: "o(text, date)".to_owned(),
        description: None,
        procedure: false,
        parameters: vec![parameter("a", ScalarType::Text, false), parameter("b", ScalarType::Date, true)],
        result: None,
        changes: true,
        unavailable: None,
    };
    let arguments = vec![(0, "a".to_owned()), (1, "b".to_owned())];
    SourceBody { source: "s".to_owned(), operation, arguments, returned: Vec::new(), before: Vec::new(), touches: Vec::new() }
}

#[test]
fn parameters_are_given_in_every_form() {
    let view = callable();
    let text = |text: &str| Value::text(text);
    for (url, expected) in [
        ("Near(d=5)", vec![("d", Value::Int16(5))]),
        ("Near(d=@x)?@x=5", vec![("d", Value::Int16(5))]),
        ("Near?d=-5", vec![("d", Value::Int16(-5))]),
        ("Near?@d=5&t=%27%2541%27", vec![("d", Value::Int16(5)), ("t", text("%41"))]),
        ("Near?d=@x&@x=7", vec![("d", Value::Int16(7))]),
        ("Near(t='a''b',d=5)?t='ignored'", vec![("d", Value::Int16(5)), ("t", text("a'b"))]),
        ("Free", vec![("a", Value::Null(ScalarType::Text)), ("b", Value::Null(ScalarType::Date))]),
        ("Free()", vec![("a", Value::Null(ScalarType::Text)), ("b", Value::Null(ScalarType::Date))]),
        ("Free(b=1970-01-02)?other=1", vec![("a", Value::Null(ScalarType::Text)), ("b", Value::Date(1))]),
        ("Free(a=@nowhere)", vec![("a", Value::Null(ScalarType::Text)), ("b", Value::Null(ScalarType::Date))]),
        ("Painted(c=Portico.crm.Colour'Green')", vec![("c", Value::Int32(2))]),
        ("Painted(c='Red')", vec![("c", Value::Int32(1))]),
        ("Customers(4)/Portico.crm.Late(d=1970-01-03)", vec![("d", Value::Date(2)), ("Id", Value::Int32(4))]),
    ] {
        let call = bound_in(url, &view).unwrap_or_else(|error| panic!("{url}: {error}")).query.call.unwrap();
        let given: Vec<(&str, Value)> = call.arguments.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(given, expected, "{url}");
    }
}

#[test]
fn what_follows_is_as_after_a_set() {
    let view = callable();
    for (url, table, kind) in [
        ("Near(d=5)?$filter=City eq 'Ulm'&$orderby=Name&$top=1&$expand=Orders", "CustomersTable", ReadKind::Collection),
        ("Near(d=5)(3)", "CustomersTable", ReadKind::Entity),
        ("Near(d=5)/3/Name/$value", "CustomersTable", ReadKind::Value),
        ("Near(d=5)/$count?$filter=Active", "CustomersTable", ReadKind::Count),
        ("Near?d=5&$apply=aggregate($count as N)", "CustomersTable", ReadKind::Collection),
        ("Customers/Portico.crm.Best()", "CustomersTable", ReadKind::Entity),
        ("Customers/Portico.crm.Best/City", "CustomersTable", ReadKind::Property),
        ("Customers(1)/Portico.crm.Late(d=2020-01-01)(7)", "OrdersTable", ReadKind::Entity),
        ("Plain()", "CustomersTable", ReadKind::Collection),
        ("Yesterday", "(date)", ReadKind::Property),
        ("Yesterday()/$value", "(date)", ReadKind::Value),
        ("Today()", "(date)", ReadKind::Property),
        ("Numbers(least=1)?$filter=$it gt 5 and $it lt 9&$orderby=$it desc&$top=1&$skip=1&$count=true", "(int64)", ReadKind::Collection),
        ("Numbers(least=1)/$count?$filter=$it gt 5", "(int64)", ReadKind::Count),
        ("Numbers(least=1)/$filter($it gt 5)/$count", "(int64)", ReadKind::Count),
        ("Customers(1)/Portico.crm.Sums()?$filter=Year gt 5&$orderby=Total&$select=Year", "Sum", ReadKind::Collection),
        ("Total()?$select=Year", "Sum", ReadKind::Entity),
        ("Total()/Year", "Sum", ReadKind::Property),
        ("Total()/Year/$value", "Sum", ReadKind::Value),
    ] {
        let read = bound_in(&url.replace(' ', "%20"), &view).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!((read.query.table.as_str(), read.kind), (table, kind), "{url}");
        assert!(read.query.call.is_some(), "{url}");
    }
    let call = bound_in("Customers(1)/Portico.crm.Late(d=2020-01-01)", &view).unwrap().query.call.unwrap();
    assert_eq!(call.bound_to.unwrap().key, Some(vec![Value::Int32(1)]));
}

#[test]
fn what_does_not_fit_is_refused() {
    use ODataErrorKind::{BadRequest, NotAllowed, NotFound, NotImplemented};
    let view = callable();
    for (url, kind, part) in [
        ("Near", NotFound, "takes the parameters (d) or (d,t)"),
        ("Near(t='a')", NotFound, "takes the parameters"),
        ("Near(x=1)", NotFound, "no parameter 'x'"),
        ("Near(5)", BadRequest, "by name"),
        ("Near(d=40000)", BadRequest, "40000 is no Edm.Int16"),
        ("Near(d='a')", BadRequest, "parameter 'd'"),
        ("Near(d=null)", BadRequest, "cannot be null"),
        ("Near(d=@gone)", BadRequest, "cannot be null"),
        ("Near?d=1&@d=2", BadRequest, "given twice"),
        ("Near?d=1&d=2", BadRequest, "given twice"),
        ("Near?d=1 or 2", BadRequest, "parameter 'd'"),
        ("Near(d=1,t='abcd')", BadRequest, "more than 3"),
        ("Painted(c='Blue')", BadRequest, "'Blue'"),
        ("Painted(c=Other.Colour'Red')", BadRequest, "not its type"),
        ("Plain()?$filter=Active", BadRequest, "not composable"),
        ("Plain()/$count", NotFound, "not composable"),
        ("Near(d=1)/Orders", NotFound, "belongs to one entity"),
        ("Plain()(1)", NotFound, "not composable"),
        ("Plain()/$filter(Active)", NotFound, "not composable"),
        ("Today()/$value", NotFound, "not composable"),
        ("Numbers(least=1)(1)", NotFound, "takes no key"),
        ("Numbers(least=1)/$ref", NotFound, "values without keys"),
        ("Numbers(least=1)/1", NotFound, "values without keys"),
        ("Numbers(least=1)?$select=x", BadRequest, "does not apply"),
        ("Numbers(least=1)?$filter=x eq 1", BadRequest, "no property 'x'"),
        ("Numbers(least=1)?$filter=$it eq 'a'", BadRequest, "Int64"),
        ("Total()/Yaer", NotFound, "did you mean 'Year'?"),
        ("Total()/$value", BadRequest, "one value"),
        ("Total()(1)", NotFound, "takes no key"),
        ("Total()?$expand=Orders", BadRequest, "Orders"),
        ("Customers(1)/Portico.crm.Sums()?$apply=aggregate($count as N)", NotImplemented, "$apply"),
        ("Customers?$filter=Portico.crm.Sums() eq 1", NotImplemented, "'Portico.crm.Sums'"),
        ("Customers?$filter=Portico.crm.Nothing() eq 1", BadRequest, "no function"),
        ("Customers/$filter(Active)/Portico.crm.Best()", NotImplemented, "'Portico.crm.Best'"),
        ("Orders(1)/Customer/Portico.crm.Late(d=2020-01-01)", NotImplemented, "no key"),
        ("Customers(1)/Portico.crm.Best()", NotFound, "not bound"),
        ("Customers/Portico.crm.Best()(1)", NotFound, "takes no key"),
        ("Customers(1)/Portico.crm.Close", NotAllowed, "called with POST"),
        ("Open", NotAllowed, "called with POST"),
    ] {
        let error = bound_in(&url.replace(' ', "%20"), &view).unwrap_err();
        assert!(error.kind == kind && error.message.contains(part), "{url}: {:?} {}", error.kind, error.message);
    }
    let view = callable();
    for url in ["Near?d=1", "Customers/Portico.crm.Best()"] {
        let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        let request = parse::request(path, query).unwrap();
        assert_eq!(bind::insert(&request, &view, b"{}", false).unwrap_err().kind, ODataErrorKind::NotAllowed, "{url}");
        assert_eq!(bind::delete(&request, &view, crate::MatchCondition::Any).unwrap_err().kind, ODataErrorKind::NotAllowed, "{url}");
    }
}

#[test]
fn a_path_goes_on_after_a_function() {
    let view = callable();
    for (url, table, from) in [
        ("Near(d=5)(3)/Orders", "OrdersTable", Some(vec![Value::Int32(3)])),
        ("Customers/Portico.crm.Best()/Orders?$top=1", "OrdersTable", None),
        ("Near?d=5&$filter=Active", "", None),
    ] {
        let read = bound_in(&url.replace(' ', "%20"), &view).unwrap_or_else(|error| panic!("{url}: {error}"));
        if table.is_empty() {
            assert_eq!(read.query.calls().len(), 1);
            continue;
        }
        assert_eq!(read.query.table, table, "{url}");
        assert!(read.query.call.is_none() && read.query.calls().len() == 1, "{url}");
        let via = read.query.via.unwrap();
        assert_eq!(via.key, from, "{url}");
        assert!(via.call.is_some(), "{url}");
    }
    // What a function is bound to may itself come from one.
    let late = bound_in("Near(d=5)(3)/Portico.crm.Late(d=2020-01-01)", &view).unwrap().query;
    assert_eq!(late.calls().iter().map(|call| call.operation.name.as_str()).collect::<Vec<_>>(), ["Late", "Near"]);
}

fn posted(url: &str, body: &str) -> Result<Option<crate::BoundAction>, crate::ODataError> {
    let view = callable();
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    bind::action(&parse::request(path, query).unwrap(), &view, body.as_bytes(), crate::MatchCondition::Absent, true)
}

#[test]
fn actions_take_their_parameters_from_the_body() {
    let given = |url: &str, body: &str| {
        let action = posted(url, body).unwrap_or_else(|error| panic!("{url} {body}: {error}")).unwrap();
        let arguments = action.call.arguments.iter().map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>();
        (arguments, action.call.bound_to.and_then(|entity| entity.key), action.read.map(|read| (read.query.table.clone(), read.kind)))
    };
    let named = |name: &str, value: Value| (name.to_owned(), value);
    let close = given("Customers(4)/Portico.crm.Close", r#"{"why":"odd"}"#);
    let on = Value::Null(ScalarType::Date);
    assert_eq!(close.0, [named("why", Value::text("odd")), named("on", on), named("Id", Value::Int32(4))]);
    assert_eq!((close.1, close.2), (Some(vec![Value::Int32(4)]), None));
    // What is left out of an operation of a source has the value that the source has for it; a null is a null.
    assert_eq!(given("Remote", r#"{"a":"x"}"#).0, [named("a", Value::text("x"))]);
    let null = Value::Null(ScalarType::Date);
    assert_eq!(given("Remote", r#"{"b":null,"a":"x"}"#).0, [named("a", Value::text("x")), named("b", null)]);
    assert_eq!(given("Customers/Portico.crm.Close()", "").2, Some(("(int64)".to_owned(), ReadKind::Property)));
    assert_eq!(given("Open", r#"{"n":1}"#).2, Some(("CustomersTable".to_owned(), ReadKind::Entity)));
    assert_eq!(given("All?$filter=Active&$select=Name&$expand=Orders", " ").2, Some(("CustomersTable".to_owned(), ReadKind::Collection)));
    assert!(posted("Customers", "{}").unwrap().is_none() && posted("Near", "{}").unwrap().is_none());
}

#[test]
fn calls_of_actions_that_do_not_fit_are_refused() {
    use ODataErrorKind::{BadRequest, NotFound, NotImplemented};
    for (url, body, kind, part) in [
        ("Open", "", BadRequest, "'n' is required"),
        ("Open", r#"{"n":null}"#, BadRequest, "'n' cannot be null"),
        ("Open", r#"{"n":"x"}"#, BadRequest, "'n'"),
        ("Open", r#"{"n":4294967296}"#, BadRequest, "'n'"),
        ("Open", r#"{"n":1,"n":2}"#, BadRequest, "'n'"),
        ("Open", r#"{"n":1,"m":2}"#, BadRequest, "no parameter 'm'"),
        ("Open", "[1]", BadRequest, "JSON object"),
        ("Open", r#"{"n":1"#, BadRequest, "well-formed"),
        ("Open(n=1)", r#"{"n":1}"#, BadRequest, "stand in the body"),
        ("Open?$skiptoken=x", r#"{"n":1}"#, BadRequest, "comes at once"),
        ("Open?$top=1", r#"{"n":1}"#, BadRequest, "$top"),
        ("Customers(4)/Portico.crm.Close?$select=Name", r#"{"why":"odd"}"#, BadRequest, "returns nothing"),
        ("Customers(4)/Portico.crm.Close", r#"{"why":"too long"}"#, BadRequest, "'why'"),
        ("Orders(4)/Portico.crm.Close", "{}", NotFound, "not bound"),
        ("Customers/$filter(Active)/Portico.crm.Close", "{}", NotImplemented, "whole entity set"),
        ("Orders(1)/Customer/Portico.crm.Close", "{}", NotImplemented, "no key"),
        ("Remote", "{}", BadRequest, "'a' is required"),
    ] {
        let error = posted(url, body).unwrap_err();
        assert!(error.kind == kind && error.message.contains(part), "{url} {body}: {:?} {}", error.kind, error.message);
    }
}
