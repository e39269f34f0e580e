//! Templates of requests: text with `{name}` where a value stands, escaped for the place where it stands. It must not know where the
//! values come from.

use portico_provider_api::Value;

use crate::form;

/// Where a text goes, which decides how values in it are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// A parameter of the URL, or a segment of its path, which whoever sends it encodes as a whole.
    Plain,
    /// A body of JSON: inside quotes a value is escaped, outside it is written as a JSON value.
    Json,
    /// A body of XML, between tags or in an attribute.
    Xml,
    /// A body of a form: values are percent-encoded.
    Form,
}

/// A text with places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    context: Context,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value { name: String, quoted: bool },
}

impl Template {
    /// Reads `text {name} text`; `{{` and `}}` are the braces themselves. A brace of JSON that no name follows is one, too.
    ///
    /// # Errors
    /// Says what is wrong with the template.
    pub fn parse(text: &str, context: Context) -> Result<Template, String> {
        let (mut parts, mut plain, mut quoted, mut rest) = (Vec::new(), String::new(), false, text);
        while let Some(character) = rest.chars().next() {
            let after = rest.get(character.len_utf8()..).unwrap_or_default();
            if rest.starts_with("{{") || rest.starts_with("}}") {
                plain.push(character);
                rest = rest.get(2..).unwrap_or_default();
                continue;
            }
            if let Some(name) = (character == '{').then(|| named(after)).flatten() {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Value { name: name.to_owned(), quoted });
                rest = after.get(name.len() + 1..).unwrap_or_default();
                continue;
            }
            if matches!(character, '{' | '}') && context != Context::Json {
                return Err(format!("'{text}': a brace is written twice where it is not the place of a value, as in {{{{ and }}}}"));
            }
            if context == Context::Json && character == '"' && !ends_escaped(&plain) {
                quoted = !quoted;
            }
            plain.push(character);
            rest = after;
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { parts, context })
    }

    /// The names of its values, in order of appearance, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for part in &self.parts {
            if let Part::Value { name, .. } = part
                && !names.contains(&name.as_str())
            {
                names.push(name.as_str());
            }
        }
        names
    }

    /// Whether it has places for values.
    pub fn has_values(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value { .. }))
    }

    /// The text with every value in its place.
    ///
    /// # Errors
    /// Names the value that is not given, or cannot stand there.
    pub fn fill(&self, value: &dyn Fn(&str) -> Option<Value>) -> Result<String, String> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Value { name, quoted } => {
                    let value = value(name).ok_or_else(|| format!("there is no value for '{name}'"))?;
                    filled.push_str(&escaped(&value, self.context, *quoted).map_err(|wrong| format!("'{name}' {wrong}"))?);
                }
            }
        }
        Ok(filled)
    }

    /// The same with `?` in place of values, for people.
    pub fn shown(&self) -> String {
        self.parts.iter().map(|part| if let Part::Text(text) = part { text.as_str() } else { "?" }).collect()
    }
}

/// A name and the brace after it.
fn named(text: &str) -> Option<&str> {
    let name = text.get(..text.find('}')?)?;
    let first = name.chars().next()?;
    let plain = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '/' | '@' | '.');
    ((first.is_alphabetic() || matches!(first, '_' | '@')) && name.chars().all(plain)).then_some(name)
}

fn ends_escaped(text: &str) -> bool {
    text.chars().rev().take_while(|character| *character == '\\').count() % 2 == 1
}

fn escaped(value: &Value, context: Context, quoted: bool) -> Result<String, String> {
    if value.is_null() {
        return match context {
            Context::Json if !quoted => Ok("null".to_owned()),
            Context::Xml => Ok(String::new()),
            Context::Json | Context::Plain | Context::Form => Err("is null, which cannot be said here".to_owned()),
        };
    }
    let text = form::text(value);
    match context {
        Context::Plain => Ok(text),
        Context::Json if quoted => Ok(inside_quotes(&text)),
        Context::Json => Ok(form::json(value)),
        Context::Xml => xml(&text),
        Context::Form => Ok(percent(&text)),
    }
}

fn inside_quotes(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Text as it stands between tags and in attributes of XML.
///
/// # Errors
/// When it holds a character that XML 1.0 cannot hold.
pub fn xml(text: &str) -> Result<String, String> {
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    if !text.chars().all(legal) {
        return Err("holds a character that XML cannot hold".to_owned());
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // As they are, readers would change them.
            '\r' => escaped.push_str("&#13;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            other => escaped.push(other),
        }
    }
    Ok(escaped)
}

fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, context: Context, value: Value) -> Result<String, String> {
        Template::parse(template, context).unwrap().fill(&|name| (name == "v").then(|| value.clone()))
    }

    #[test]
    fn a_value_cannot_leave_its_place_in_json() {
        let nasty = Value::text("x\", \"admin\": true, \"y\": \"\\");
        for template in [r#"{"name": "{v}"}"#, r#"{"name": {v}}"#] {
            let body: serde_json::Value = serde_json::from_str(&fill(template, Context::Json, nasty.clone()).unwrap()).unwrap();
            assert_eq!(body, serde_json::json!({"name": "x\", \"admin\": true, \"y\": \"\\"}));
        }
        assert_eq!(fill(r#"{"n": {v}}"#, Context::Json, Value::Int32(7)).unwrap(), r#"{"n": 7}"#);
        let null = Value::Null(portico_provider_api::ScalarType::Text);
        assert_eq!(fill(r#"{"n":{v}}"#, Context::Json, null.clone()).unwrap(), r#"{"n":null}"#);
        assert!(fill(r#"{"n":"{v}"}"#, Context::Json, null).is_err());
        assert_eq!(fill(r#"{"a\"b": "{v}"}"#, Context::Json, Value::text("q\"")).unwrap(), r#"{"a\"b": "q\""}"#);
    }

    #[test]
    fn a_value_cannot_leave_its_place_in_xml() {
        let nasty = Value::text("</name><admin a=\"'\">&x;\r\n");
        let body = fill("<name a='{v}'>{v}</name>", Context::Xml, nasty).unwrap();
        assert!(!body.contains("</name><admin") && !body.contains("&x;"));
        assert_eq!(body.matches('<').count(), 2);
        assert!(fill("<a>{v}</a>", Context::Xml, Value::text("\u{0}")).is_err());
        assert!(fill("<a>{v}</a>", Context::Xml, Value::text("\u{ffff}")).is_err());
    }

    #[test]
    fn a_value_cannot_leave_its_place_in_a_form() {
        assert_eq!(fill("a={v}&b=1", Context::Form, Value::text("x&b=2 +%")).unwrap(), "a=x%26b%3D2%20%2B%25&b=1");
    }

    #[test]
    fn braces_and_names() {
        let template = Template::parse("a{{b}}{id}-{other_id}", Context::Plain).unwrap();
        assert_eq!((template.names(), template.shown()), (vec!["id", "other_id"], "a{b}?-?".to_owned()));
        assert!(Template::parse("a{", Context::Plain).is_err());
        assert!(Template::parse("a{b c}", Context::Plain).is_err());
        assert!(!Template::parse(r#"{"a": {"b": 1}}"#, Context::Json).unwrap().has_values());
        assert!(fill("{w}", Context::Plain, Value::Int32(1)).unwrap_err().contains("'w'"));
    }
}
