//! Context URLs of what only an overlay makes possible: derived types, streams, singletons, operations (Protocol, sections 10.4 to 10.11).

use super::{bound_in, overlaid};
use crate::header::Version;
use crate::json::{context_url, entity_links, listed_members};
use portico_catalog::ModelView;
use portico_catalog::overlay::{Binding, Labels, Operation, OperationBody};
use std::sync::Arc;

fn view() -> ModelView {
    let operation = |name: &str, many| Operation {
        name: name.to_owned(),
        action: true,
        binding: Some(Binding { table: "PeopleTable".to_owned(), many }),
        parameters: Vec::new(),
        returns: None,
        body: OperationBody::Sql(vec!["SELECT 1".to_owned()]),
        composable: false,
        roles: None,
        description: None,
        labels: Labels::new(),
    };
    let operations = [("Praise", false), ("Praise", true), ("Sack", false), ("Count", true)];
    ModelView { operations: operations.map(|(name, many)| Arc::new(operation(name, many))).into(), ..overlaid() }
}

fn both(url: &str) -> [String; 2] {
    let read = bound_in(url, &view()).unwrap_or_else(|error| panic!("{url}: {error:?}"));
    [Version::V4_0, Version::V4_01].map(|version| context_url("", &view(), &read, version).replacen("/$metadata#", "", 1))
}

#[test]
fn lists_say_what_is_there_by_its_published_name() {
    let same = [
        // The property, not the column that holds its bytes.
        ("People?$select=Photo", "People(Id,Photo)"),
        (
            "People?$select=*",
            "People(Id,Name,Home/Street,Home/City,Kind,Portico.crm.Manager/Bonus,Portico.crm.Director/Level,Photo,photo_type,BossId,Secret)",
        ),
        // What only a derived type has is named with it, wherever that is not what all rows are.
        ("People?$select=Portico.crm.Manager/Bonus", "People(Id,Portico.crm.Manager/Bonus)"),
        ("People?$select=Portico.crm.Director/Bonus", "People(Id,Portico.crm.Manager/Bonus)"),
        ("People/Portico.crm.Manager?$select=Bonus", "People/Portico.crm.Manager(Id,Bonus)"),
        ("People/Portico.crm.Manager?$select=Portico.crm.Director/Level", "People/Portico.crm.Manager(Id,Portico.crm.Director/Level)"),
        ("People?$expand=Portico.crm.Manager/Boss($select=Name)", "People(Portico.crm.Manager/Boss(Id,Name))"),
        // What has no columns.
        ("People?$select=Boss", "People(Id,Boss)"),
        ("People?$select=Boss,Name&$expand=Boss($select=Id)", "People(Id,Name,Boss(Id))"),
        ("People?$select=Portico.crm.Praise,Name", "People(Id,Name,Portico.crm.Praise)"),
        ("People?$select=Portico.crm.*", "People(Id,Portico.crm.*)"),
        // References and counts are no entities.
        ("People?$expand=Reports/$ref", "People"),
        ("People?$expand=Reports/$count", "People"),
        ("People?$select=Name&$expand=Reports/$ref", "People(Id,Name)"),
        // Singletons are called by their name, whatever they are of.
        ("Only", "Only"),
        ("Me?$select=Name", "Me(Id,Name)"),
        ("Me/Portico.crm.Manager", "Me/Portico.crm.Manager"),
        ("Me/Boss", "People/$entity"),
        // After transformations too.
        ("People?$apply=filter(Id eq 1)&$select=Id&$expand=Reports($select=Name)", "People(Id,Reports(Id,Name))"),
        ("People?$apply=filter(Id eq 1)&$expand=Reports($select=Name)", "People(Reports(Id,Name))"),
        ("People?$apply=filter(Id eq 1)&$select=Id,Boss", "People(Id,Boss)"),
    ];
    for (url, expected) in same {
        assert_eq!(both(url), [expected, expected], "{url}");
    }
    let versions = [
        ("People?$expand=Portico.crm.Manager/Boss", ["People", "People(Portico.crm.Manager/Boss())"]),
        ("People?$expand=Boss($levels=2)", ["People", "People(Boss+())"]),
        ("People?$expand=Boss($levels=max)", ["People", "People(Boss+())"]),
        ("People?$select=Id&$expand=Boss($levels=max)", ["People(Id,Boss+)", "People(Id,Boss+())"]),
        ("People?$apply=filter(Id eq 1)&$expand=Reports", ["People", "People(Reports())"]),
        ("Only?$expand=Boss", ["Only", "Only(Boss())"]),
    ];
    for (url, expected) in versions {
        assert_eq!(both(url), expected, "{url}");
    }
}

#[test]
fn complex_properties_list_the_members_that_are_chosen() {
    let list = |url: &str| {
        let read = bound_in(url, &view()).unwrap();
        listed_members(&view(), &read.query, "Home").map(|list| list.into_iter().map(|item| item.name).collect::<Vec<_>>())
    };
    assert_eq!(list("People(1)/Home?$select=City"), Some(vec!["City".to_owned()]));
    assert_eq!(list("People(1)/Home"), None);
}

#[test]
fn entities_offer_the_operations_that_are_bound_to_one_of_them() {
    let links = entity_links(&view());
    assert_eq!(links["People"].operations, ["Portico.crm.Praise", "Portico.crm.Sack"]);
    assert_eq!(links["Me"].operations, links["People"].operations);
    assert!(links["Customers"].operations.is_empty());
}

#[test]
fn the_columns_behind_other_properties_are_not_suggested() {
    let message = |url: &str| bound_in(url, &view()).expect_err(url).message;
    assert_eq!(message("People?$filter=Photo ne null"), "the stream 'Photo' in an expression is not supported yet");
    for (url, hidden) in [
        ("People?$filter=phot ne null", "'photo'"),
        ("People?$filter=home_cit eq 'x'", "home_city"),
        ("People?$select=home_cit", "home_city"),
    ] {
        assert!(!message(url).contains(hidden), "{}", message(url));
    }
}
