//! Golden metadata documents.

mod read_json;
mod read_xml;
mod whole;

use super::csdl::{Document, Element, Expression};
use super::{Abilities, MetadataFormat, SERVICE, describe, document, languages, listing, service_document, written};
use crate::fixtures::model;
use expect_test::{expect, expect_file};
use portico_catalog::ModelView;
pub(crate) use whole::{build_model, remote, whole_view};

/// A view of a model that uses everything that definitions can say.
pub(crate) fn everything() -> ModelView {
    whole::view()
}

/// A service that does everything, so that everything is described.
const EVERY: Abilities = Abilities {
    asynchronous: true,
    batch: &["multipart/mixed", "application/json"],
    cross_join: true,
    search: true,
    search_without: &["phrase", "group"],
    levels: true,
    apply: true,
    operations: true,
    ..SERVICE
};

fn everything_as(format: MetadataFormat, language: Option<&str>) -> Vec<u8> {
    written(&describe::document(&everything(), language, &EVERY), format).unwrap()
}

fn xml(view: &ModelView) -> String {
    String::from_utf8(document(view, MetadataFormat::Xml, None).unwrap()).unwrap()
}

#[test]
fn csdl_is_as_agreed() {
    let document = xml(&model());
    assert!(!document.contains("Secret"), "what is hidden is not there");
    assert_eq!(document, xml(&model()), "the same view gives the same bytes");
    expect_file!["golden.xml"].assert_eq(&document);
}

/// Reads the document back: every element is closed, every type and target that is named exists.
#[test]
fn csdl_refers_only_to_what_it_defines() {
    let document = xml(&model());
    let mut reader = quick_xml::Reader::from_str(&document);
    reader.config_mut().check_end_names = true;
    let (mut types, mut sets, mut used) = (vec![], vec![], vec![]);
    let mut depth = 0;
    loop {
        use quick_xml::events::Event;
        let (event, opens) = match reader.read_event().unwrap() {
            Event::Start(element) => (element.into_owned(), 1),
            Event::Empty(element) => (element.into_owned(), 0),
            Event::End(_) => {
                depth -= 1;
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        depth += opens;
        let attribute = |name: &str| event.attributes().flatten().find(|a| a.key.as_ref() == name).map(|a| a.value.to_string());
        match event.name().as_ref() {
            "EntityType" => types.push(format!("Portico.crm.{}", attribute("Name").unwrap())),
            "EntitySet" => {
                sets.push(attribute("Name").unwrap());
                used.push(attribute("EntityType").unwrap());
            }
            "NavigationProperty" => {
                used.push(attribute("Type").unwrap().trim_start_matches("Collection(").trim_end_matches(')').to_owned())
            }
            "NavigationPropertyBinding" => used.push(format!("Portico.crm.{}", attribute("Target").unwrap())),
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    assert_eq!(sets, ["Customers", "Orders", "Lines", "Types"]);
    assert!(!used.is_empty() && used.iter().all(|name| types.contains(name)), "{used:?}");
}

#[test]
fn control_characters_do_not_break_the_document() {
    let mut view = model();
    let customers = view.tables.get_mut("Customers").unwrap();
    let mut table = (*customers.table).clone();
    table.description = Some("a\u{0}b\u{1F}\u{FFFE}c <&>\"'".to_owned());
    customers.table = std::sync::Arc::new(table);
    let document = xml(&view);
    assert!(document.contains("a\u{FFFD}b\u{FFFD}\u{FFFD}c &lt;&amp;&gt;&quot;&apos;"), "{document}");
}

#[test]
fn service_document_lists_the_sets() {
    let document = String::from_utf8(service_document(&model(), "https://x.example/odata/crm/")).unwrap();
    serde_json::from_str::<serde_json::Value>(&document).unwrap();
    expect![[r#"{"@odata.context":"https://x.example/odata/crm/$metadata","value":[{"name":"Customers","kind":"EntitySet","url":"Customers"},{"name":"Orders","kind":"EntitySet","url":"Orders"},{"name":"Lines","kind":"EntitySet","url":"Lines"},{"name":"Types","kind":"EntitySet","url":"Types"}]}"#]].assert_eq(&document);
}

/// What a form does not tell apart is made the same: JSON writes paths and members of enumerations as text, because the term says what
/// they are.
fn told_by_both(mut document: Document) -> Document {
    fn simple(value: &mut Expression) {
        match value {
            Expression::EnumMember(_, members) => *value = Expression::Text(members.join(",")),
            Expression::PropertyPath(path) | Expression::NavigationPropertyPath(path) => *value = Expression::Text(path.clone()),
            Expression::Collection(items) => items.iter_mut().for_each(simple),
            Expression::Record(_, values) => values.iter_mut().for_each(|(_, value)| simple(value)),
            Expression::Text(_) | Expression::Boolean(_) | Expression::Integer(_) | Expression::Decimal(_) | Expression::Path(_) => {}
        }
    }
    let all = |annotations: &mut Vec<super::csdl::Annotation>| annotations.iter_mut().for_each(|annotation| simple(&mut annotation.value));
    for schema in &mut document.schemas {
        all(&mut schema.annotations);
        for element in &mut schema.elements {
            match element {
                Element::Entity(entity) => {
                    all(&mut entity.annotations);
                    entity.properties.iter_mut().for_each(|property| all(&mut property.annotations));
                    entity.navigations.iter_mut().for_each(|navigation| all(&mut navigation.annotations));
                }
                Element::Complex(complex) => complex.properties.iter_mut().for_each(|property| all(&mut property.annotations)),
                Element::Enumeration(enumeration) => {
                    all(&mut enumeration.annotations);
                    enumeration.members.iter_mut().for_each(|(_, _, annotations)| all(annotations));
                }
                Element::Operation(operation) => {
                    all(&mut operation.annotations);
                    operation.parameters.iter_mut().for_each(|parameter| all(&mut parameter.annotations));
                }
                Element::Container(container) => {
                    all(&mut container.annotations);
                    container.sets.iter_mut().chain(&mut container.singletons).for_each(|set| all(&mut set.annotations));
                }
                Element::Term(_) => {}
            }
        }
    }
    document
}

#[test]
fn both_forms_say_the_same() {
    for (view, abilities) in [(model(), SERVICE), (everything(), SERVICE), (everything(), EVERY)] {
        for language in [None, Some("de")] {
            let described = describe::document(&view, language, &abilities);
            let as_written = |format| written(&described, format).unwrap();
            let from_xml = read_xml::read(&String::from_utf8(as_written(MetadataFormat::Xml)).unwrap());
            assert_eq!(from_xml, described, "XML tells everything");
            let from_json = read_json::read(&as_written(MetadataFormat::Json));
            assert_eq!(from_json, told_by_both(from_xml));
            let newer = String::from_utf8(as_written(MetadataFormat::Xml401)).unwrap();
            assert!(newer.contains("Version=\"4.01\""));
            assert_eq!(read_xml::read(&newer), described);
        }
    }
}

#[test]
fn a_model_that_uses_everything_is_described() {
    expect_file!["everything.xml"].assert_eq(&String::from_utf8(everything_as(MetadataFormat::Xml, None)).unwrap());
    let json: serde_json::Value = serde_json::from_slice(&everything_as(MetadataFormat::Json, None)).unwrap();
    expect_file!["everything.json"].assert_eq(&serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn labels_are_those_of_the_language_or_the_default() {
    let view = everything();
    let named = |language| String::from_utf8(document(&view, MetadataFormat::Xml, language).unwrap()).unwrap();
    assert_eq!(languages(&view).into_iter().collect::<Vec<_>>(), ["de", "en", "fr"]);
    assert!(named(Some("de-CH")).contains("Geschäftspartner") && named(Some("de")).contains("Offen"));
    assert!(named(Some("fr")).contains("Nom") && named(Some("fr")).contains("\"Partners\""), "where there is none, the default");
    assert!(!named(None).contains("Offen"));
}

#[test]
fn annotations_do_not_tell_of_what_is_hidden() {
    let mut view = everything();
    let partners = view.tables.get_mut("Accounts").unwrap();
    let hidden = [partners.table.column("vat").unwrap(), partners.table.column("addr_city").unwrap()];
    partners.columns.retain(|column| !hidden.contains(column));
    let document = xml(&view);
    assert!(!document.contains("vat\"") && !document.contains("Address/city"), "{document}");
    assert!(document.contains("Path=\"name\""), "what is seen of a collection stays");
}

#[test]
fn a_caller_that_sees_nothing_finds_no_container() {
    let mut view = model();
    view.tables.clear();
    assert!(!xml(&view).contains("EntityContainer"));
    let json: serde_json::Value = serde_json::from_slice(&document(&view, MetadataFormat::Json, None).unwrap()).unwrap();
    assert_eq!(json.get("$EntityContainer"), None);
}

#[test]
fn service_document_lists_singletons_and_functions_that_need_nothing() {
    let document = String::from_utf8(listing(&everything(), "https://x", &EVERY)).unwrap();
    expect![[r#"{"@odata.context":"https://x/$metadata","value":[{"name":"Accounts","kind":"EntitySet","url":"Accounts"},{"name":"Tags","kind":"EntitySet","url":"Tags"},{"name":"Odd","kind":"EntitySet","url":"Odd"},{"name":"Me","kind":"Singleton","url":"Me"},{"name":"Today","kind":"FunctionImport","url":"Today"}]}"#]].assert_eq(&document);
}

#[test]
fn what_is_not_executed_is_not_advertised() {
    let without = Abilities { apply: false, operations: false, ..SERVICE };
    let view = everything();
    let document = String::from_utf8(written(&describe::document(&view, None, &without), MetadataFormat::Xml).unwrap()).unwrap();
    for part in ["Important", "Recalculate", "<Function", "<Action", "ApplySupported"] {
        assert!(!document.contains(part), "{part} is in\n{document}");
    }
    assert!(!String::from_utf8(listing(&view, "https://x", &without)).unwrap().contains("Today"));
}
