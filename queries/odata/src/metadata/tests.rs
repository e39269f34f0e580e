//! Golden metadata documents.

use super::{service_document, xml};
use crate::fixtures::model;
use expect_test::{expect, expect_file};

#[test]
fn csdl_is_as_agreed() {
    let document = xml(&model()).unwrap();
    assert!(!document.contains("Secret"), "what is hidden is not there");
    assert_eq!(document, xml(&model()).unwrap(), "the same view gives the same bytes");
    expect_file!["golden.xml"].assert_eq(&document);
}

/// Reads the document back: every element is closed, every type and target that is named exists.
#[test]
fn csdl_refers_only_to_what_it_defines() {
    let document = xml(&model()).unwrap();
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
    let document = xml(&view).unwrap();
    assert!(document.contains("a\u{FFFD}b\u{FFFD}\u{FFFD}c &lt;&amp;&gt;&quot;&apos;"), "{document}");
}

#[test]
fn service_document_lists_the_sets() {
    let document = String::from_utf8(service_document(&model(), "https://x.example/odata/crm/")).unwrap();
    serde_json::from_str::<serde_json::Value>(&document).unwrap();
    expect![[r#"{"@odata.context":"https://x.example/odata/crm/$metadata","value":[{"name":"Customers","kind":"EntitySet","url":"Customers"},{"name":"Orders","kind":"EntitySet","url":"Orders"},{"name":"Lines","kind":"EntitySet","url":"Lines"},{"name":"Types","kind":"EntitySet","url":"Types"}]}"#]].assert_eq(&document);
}
