//! Context URLs: known ones, and random ones that the grammar of the protocol must take.

use crate::fixtures::model;
use crate::header::Version;
use crate::json::{ContextOf, Listed, context, context_url, listed};
use crate::names::Names;
use crate::resolve;
use crate::rows::{EntityShape, ExpandForm, ExpandShape, PropertyShape};
use crate::{bind, parse};
use portico_provider_api::ScalarType;
use proptest::prelude::*;

fn both(url: &str) -> (String, String) {
    let view = model();
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let read = bind::read(&parse::request(path, query).unwrap(), &view).unwrap();
    let of = |version| context_url("http://h", &view, &read, version).strip_prefix("http://h/$metadata").unwrap().to_owned();
    (of(Version::V4_0), of(Version::V4_01))
}

#[test]
fn expansions_are_named_by_version() {
    for (url, old, new) in [
        ("Customers", "#Customers", "#Customers"),
        ("Customers?$select=Name", "#Customers(Id,Name)", "#Customers(Id,Name)"),
        ("Customers?$expand=Orders", "#Customers", "#Customers(Orders())"),
        ("Customers(1)?$expand=Orders&$select=Name", "#Customers(Id,Name,Orders)/$entity", "#Customers(Id,Name,Orders())/$entity"),
        ("Orders?$expand=Lines($expand=Order($select=Note))", "#Orders(Lines(Order(Id,Note)))", "#Orders(Lines(Order(Id,Note)))"),
    ] {
        assert_eq!(both(url), (old.to_owned(), new.to_owned()), "{url}");
    }
}

fn fragment(of: &ContextOf<'_>, version: Version) -> String {
    context("http://h/", of, version).strip_prefix("http://h/$metadata").unwrap().to_owned()
}

#[test]
fn every_kind_of_answer() {
    use Version::{V4_0, V4_01};
    let list = [Listed::plain("Address/Country"), Listed::expanded("Orders", vec![])];
    let narrowed = [Listed { recursive: true, ..Listed::expanded("DirectReports", vec![Listed::plain("FirstName")]) }, Listed::plain("*")];
    let entities = |cast, list, single| ContextOf::Entities { set: "Customers", cast, list, single };
    for (of, old, new) in [
        (ContextOf::Service, "", ""),
        (entities(None, None, true), "#Customers/$entity", "#Customers/$entity"),
        (
            entities(Some("N.Vip"), Some(&list[..]), false),
            "#Customers/N.Vip(Address/Country,Orders)",
            "#Customers/N.Vip(Address/Country,Orders())",
        ),
        (entities(None, Some(&narrowed[..]), false), "#Customers(DirectReports+(FirstName),*)", "#Customers(DirectReports+(FirstName),*)"),
        (ContextOf::Singleton { name: "Me", cast: None, list: None }, "#Me", "#Me"),
        (
            ContextOf::Property { entity: "Customers(1)", cast: None, path: &["Name"], list: None },
            "#Customers(1)/Name",
            "#Customers(1)/Name",
        ),
        (
            ContextOf::Property { entity: "Customers(%27A%27)", cast: Some("N.Vip"), path: &["Address", "City"], list: None },
            "#Customers(%27A%27)/N.Vip/Address/City",
            "#Customers(%27A%27)/N.Vip/Address/City",
        ),
        (ContextOf::Value { type_name: "Edm.String", many: true, list: None }, "#Collection(Edm.String)", "#Collection(Edm.String)"),
        (ContextOf::Value { type_name: "N.Address", many: false, list: None }, "#N.Address", "#N.Address"),
        (ContextOf::References { many: true }, "#Collection($ref)", "#Collection($ref)"),
        (ContextOf::References { many: false }, "#$ref", "#$ref"),
        (ContextOf::AnyEntities, "#Collection(Edm.EntityType)", "#Collection(Edm.EntityType)"),
        (ContextOf::CrossJoin, "#Collection(Edm.ComplexType)", "#Collection(Edm.ComplexType)"),
    ] {
        assert_eq!((fragment(&of, V4_0).as_str(), fragment(&of, V4_01).as_str()), (old, new), "{of:?}");
        let names = Names::default();
        let text = decoded(old);
        assert!(old.is_empty() || resolve::fragment(&text[1..], &names), "{old}");
    }
}

fn decoded(text: &str) -> String {
    text.replace("%27", "'")
}

#[test]
fn aggregated_rows_list_what_they_hold() {
    let country = PropertyShape::column("Country", 0, ScalarType::Text.into());
    let total = PropertyShape::column("Total", 1, ScalarType::Int64.into());
    let mut shape =
        EntityShape { properties: vec![super::shapes::complex("Customer", None, vec![country.clone()]), total], ..EntityShape::default() };
    let inner = EntityShape { properties: vec![country], ..EntityShape::default() };
    shape.expands.push(ExpandShape {
        name: "Sales".into(),
        many: true,
        shape: inner.clone(),
        form: ExpandForm::Entities,
        ..ExpandShape::default()
    });
    shape.expands.push(ExpandShape { name: "Other".into(), many: true, shape: inner, form: ExpandForm::Count, ..ExpandShape::default() });
    let list = listed(&shape);
    let of = ContextOf::Entities { set: "Sales", cast: None, list: Some(&list), single: false };
    assert_eq!(fragment(&of, Version::V4_0), "#Sales(Customer(Country),Total,Sales(Country))");
}

/// Lists whose names say what they are: `c…` complex, `n…` navigation, `p…` plain.
fn lists() -> impl Strategy<Value = Vec<Listed>> {
    let leaf = prop_oneof!["p[a-z]{1,3}".prop_map(Listed::plain), "c[a-z]/p[a-z]".prop_map(Listed::plain), Just(Listed::plain("*"))];
    let item = leaf.prop_recursive(4, 24, 4, |inner| {
        let items = prop::collection::vec(inner, 0..4);
        prop_oneof![
            ("n[a-z]{1,3}", items.clone(), any::<bool>())
                .prop_map(|(name, items, recursive)| Listed { recursive, ..Listed::expanded(name, items) }),
            ("c[a-z]{1,3}", items).prop_map(|(name, items)| Listed { items, ..Listed::plain(name) }),
        ]
    });
    prop::collection::vec(item, 0..5)
}

proptest! {
    #[test]
    fn the_grammar_takes_what_is_written(
        list in lists(), listed in any::<bool>(), single in any::<bool>(), cast in any::<bool>(), newer in any::<bool>(), singleton in any::<bool>(),
    ) {
        let version = if newer { Version::V4_01 } else { Version::V4_0 };
        let (cast, list) = (cast.then_some("N.Vip"), listed.then_some(list.as_slice()));
        let of = if singleton { ContextOf::Singleton { name: "Me", cast, list } } else { ContextOf::Entities { set: "Customers", cast, list, single } };
        let text = fragment(&of, version);
        let names = Names::default();
        prop_assert!(resolve::fragment(&text[1..], &names), "{}", text);
        prop_assert!(newer || !text.replace("Customers()", "").contains("()") || list.is_some_and(<[Listed]>::is_empty), "{}", text);
    }
}
