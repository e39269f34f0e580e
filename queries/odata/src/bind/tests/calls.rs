//! Calls of functions: which overload is meant, what its parameters are, and what is refused.

use super::bound_in;
use crate::fixtures::model;
use crate::{ODataErrorKind, ReadKind, bind, parse};
use portico_catalog::overlay::{Binding, Enumeration, EnumerationMember, Operation, OperationBody, Parameter, ReturnKind, Returns};
use portico_catalog::{Labels, ModelView};
use portico_provider_api::{ScalarType, Value};
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
    let scalar = Returns { kind: ReturnKind::Scalar { scalar_type: day }, many: false, nullable: true };
    let operations = vec![
        function("Near", None, vec![parameter("d", ScalarType::Int16)], "CustomersTable", true),
        function("Near", None, vec![parameter("d", ScalarType::Int16), text("t")], "CustomersTable", true),
        function("Free", None, vec![optional(text("a")), optional(parameter("b", day))], "CustomersTable", true),
        function("Painted", None, vec![painted], "CustomersTable", true),
        function("Best", Some(("CustomersTable", true)), vec![], "CustomersTable", false),
        function("Late", Some(("CustomersTable", false)), vec![parameter("d", day)], "OrdersTable", true),
        Operation { composable: false, ..function("Plain", None, vec![], "CustomersTable", true) },
        Operation { returns: Some(scalar), composable: false, ..function("Today", None, vec![], "CustomersTable", false) },
        Operation { action: true, ..function("Close", Some(("CustomersTable", false)), vec![], "CustomersTable", true) },
    ];
    ModelView { operations: operations.into_iter().map(Arc::new).collect(), ..model() }
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
    use ODataErrorKind::{BadRequest, NotFound, NotImplemented};
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
        ("Near(d=1)(1)/Orders", NotImplemented, "navigation property after the function 'Near'"),
        ("Customers/$filter(Active)/Portico.crm.Best()", NotImplemented, "'Best'"),
        ("Orders(1)/Customer/Portico.crm.Late(d=2020-01-01)", NotImplemented, "no key"),
        ("Customers(1)/Portico.crm.Best()", NotFound, "not bound"),
        ("Customers/Portico.crm.Best()(1)", NotFound, "takes no key"),
        ("Customers(1)/Portico.crm.Close", NotImplemented, "Portico.crm.Close"),
        ("Today()", NotImplemented, "'Today'"),
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
