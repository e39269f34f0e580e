//! XML as JSON: elements by their names without prefixes, attributes with an `@`, bounded in depth, and without any entity of its own. Pure.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

/// How deep elements may be nested.
const MAX_DEPTH: usize = 60;
/// Elements of a document at most: each takes more room than its text.
const MAX_ELEMENTS: usize = 5_000_000;

/// A document with the rows under `rows` and what is wanted beside them under numbers.
///
/// # Errors
/// When it is not well-formed, or has not what holds the rows.
pub fn document(bytes: &[u8], rows: &[String], others: &[Vec<String>]) -> Result<Vec<u8>, String> {
    let tree = tree(bytes)?;
    let mut found = Map::new();
    for (index, other) in others.iter().enumerate() {
        if let Some(value) = one(&tree, other) {
            found.insert(index.to_string(), value.clone());
        }
    }
    let list = list(&tree, rows);
    if list.is_none() && found.is_empty() {
        return Err(format!("/{}: what holds the rows is missing", rows.join("/")));
    }
    found.insert("rows".to_owned(), Value::Array(list.unwrap_or_default()));
    Ok(Value::Object(found).to_string().into_bytes())
}

/// The whole document.
///
/// # Errors
/// When it is not well-formed.
pub fn whole(bytes: &[u8]) -> Result<Vec<u8>, String> {
    tree(bytes).map(|tree| tree.to_string().into_bytes())
}

/// The first element at a place.
fn one<'t>(tree: &'t Value, path: &[String]) -> Option<&'t Value> {
    path.iter().try_fold(tree, |value, name| {
        let inner = value.get(name)?;
        Some(inner.as_array().and_then(|items| items.first()).unwrap_or(inner))
    })
}

/// Every element at a place. None of them is an empty list where the element around them is there.
fn list(tree: &Value, path: &[String]) -> Option<Vec<Value>> {
    let Some((last, around)) = path.split_last() else { return Some(vec![tree.clone()]) };
    let mut parents = vec![tree];
    for name in around {
        parents = parents.iter().flat_map(|parent| each(parent, name)).collect();
        if parents.is_empty() {
            return None;
        }
    }
    Some(parents.into_iter().flat_map(|parent| each(parent, last)).cloned().collect())
}

fn each<'t>(parent: &'t Value, name: &str) -> Vec<&'t Value> {
    match parent.get(name) {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(other) => vec![other],
        None => Vec::new(),
    }
}

struct Element {
    name: String,
    members: Map<String, Value>,
    text: String,
    nil: bool,
}

fn tree(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open = vec![Element { name: String::new(), members: Map::new(), text: String::new(), nil: false }];
    let mut count = 0_usize;
    loop {
        let at = reader.buffer_position();
        let place = |wrong: String| format!("byte {at}: {wrong}");
        match reader.read_event().map_err(|error| place(error.to_string()))? {
            Event::Start(start) => {
                count += 1;
                if open.len() > MAX_DEPTH || count > MAX_ELEMENTS {
                    return Err(place("it is nested too deeply, or has too many elements".to_owned()));
                }
                open.push(element(&start).map_err(place)?);
            }
            Event::Empty(start) => {
                count += 1;
                if count > MAX_ELEMENTS {
                    return Err(place("it has too many elements".to_owned()));
                }
                let element = element(&start).map_err(place)?;
                close(&mut open, element).map_err(place)?;
            }
            Event::End(_) => {
                let element =
                    open.pop().filter(|_| !open.is_empty()).ok_or_else(|| place("an element ends that never began".to_owned()))?;
                close(&mut open, element).map_err(place)?;
            }
            Event::Text(part) => {
                append(&mut open, &part.xml10_content()).map_err(place)?;
            }
            Event::CData(part) => {
                append(&mut open, &part.xml10_content()).map_err(place)?;
            }
            Event::GeneralRef(reference) => {
                let name = reference.to_string();
                let character = match reference.resolve_char_ref().map_err(|error| place(error.to_string()))? {
                    Some(character) => character.to_string(),
                    None => known_entity(&name).ok_or_else(|| place(format!("the entity '{name}' is not expanded")))?.to_owned(),
                };
                append(&mut open, &character).map_err(place)?;
            }
            Event::DocType(_) => return Err(place("it has a document type, which may define entities: that is not read".to_owned())),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(root), true) if !root.members.is_empty() => Ok(Value::Object(root.members)),
        (Some(_), true) => Err("it has no element".to_owned()),
        (_, _) => Err("it ends before its elements do".to_owned()),
    }
}

fn known_entity(name: &str) -> Option<&'static str> {
    Some(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let name = local(start.name().as_ref());
    let mut element = Element { name, members: Map::new(), text: String::new(), nil: false };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let full = attribute.key.as_ref().to_owned();
        if full == "xmlns" || full.starts_with("xmlns:") {
            continue;
        }
        let name = local(&full);
        let value = quick_xml::escape::unescape(&attribute.value).map_err(|error| error.to_string())?;
        if name == "nil" && matches!(value.as_ref(), "true" | "1") {
            element.nil = true;
        } else {
            element.members.insert(format!("@{name}"), Value::from(value.into_owned()));
        }
    }
    Ok(element)
}

fn append(open: &mut [Element], part: &str) -> Result<(), String> {
    let outermost = open.len() == 1;
    match open.last_mut() {
        Some(_) if outermost && part.trim().is_empty() => Ok(()),
        Some(_) if outermost => Err("there is text outside of the element".to_owned()),
        Some(element) => {
            element.text.push_str(part);
            Ok(())
        }
        None => Ok(()),
    }
}

/// What has ended becomes a member of what is around it; what comes again makes a list.
fn close(open: &mut [Element], element: Element) -> Result<(), String> {
    let outermost = open.len() == 1;
    let around = open.last_mut().ok_or("an element ends that never began")?;
    if outermost && !around.members.is_empty() {
        return Err("there are two elements at the top".to_owned());
    }
    let Element { name, mut members, text, nil } = element;
    let value = match (nil, members.is_empty()) {
        (true, _) => Value::Null,
        (false, true) => Value::from(text),
        (false, false) => {
            if !text.trim().is_empty() {
                members.insert("#text".to_owned(), Value::from(text));
            }
            Value::Object(members)
        }
    };
    match around.members.get_mut(&name) {
        Some(Value::Array(items)) => items.push(value),
        Some(other) => *other = Value::Array(vec![other.take(), value]),
        None => {
            around.members.insert(name, value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &str, rows: &[&str]) -> Result<String, String> {
        let rows: Vec<String> = rows.iter().map(|name| (*name).to_owned()).collect();
        document(xml.as_bytes(), &rows, &[]).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn elements_are_members() {
        let xml = "<?xml version='1.0'?><s:E xmlns:s='u'><s:B><r id='1'>a &amp; b&#33;</r><r><x>1</x><x>2</x></r><r i:nil='true' xmlns:i='j'/></s:B></s:E>";
        assert_eq!(read(xml, &["E", "B", "r"]).unwrap(), r##"{"rows":[{"@id":"1","#text":"a & b!"},{"x":["1","2"]},null]}"##);
        assert_eq!(read("<E><B/></E>", &["E", "B", "r"]).unwrap(), r#"{"rows":[]}"#);
        assert!(read("<E/>", &["E", "B", "r"]).is_err());
    }

    #[test]
    fn bombs_do_not_go_off() {
        let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]><x>&b;</x>";
        assert!(read(bomb, &["x"]).unwrap_err().contains("document type"));
        assert!(read("<x>&b;</x>", &["x"]).unwrap_err().contains("'b'"));
        let deep = format!("{}{}", "<x>".repeat(500), "</x>".repeat(500));
        assert!(read(&deep, &["x"]).unwrap_err().contains("deeply"));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for wrong in ["", "<x>", "<x></y>", "<x/><y/>", "<x/>text", "text", "<x a=1/>", "<x a='&b;'/>", "</x>"] {
            assert!(read(wrong, &["x"]).is_err(), "{wrong}");
        }
    }
}
