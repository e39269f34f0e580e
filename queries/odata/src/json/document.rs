//! A value that was read is written again as a document, numbers as they were written. It must not know what the value is for.

use super::push_string;
use portico_provider_api::json::Json;

/// Appends a value as a document, numbers as they were written.
pub(crate) fn push_value(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Json::Number(lexeme) => out.extend_from_slice(lexeme.as_bytes()),
        Json::Text(text) => push_string(text, out),
        Json::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_value(item, out);
            }
            out.push(b']');
        }
        Json::Object(members) => {
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_string(name, out);
                out.push(b':');
                push_value(value, out);
            }
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portico_provider_api::json;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_read_is_written_the_same(text in "[\\[\\]{}\",:0-9eE+.a-z\\\\ -]{0,40}") {
            if let Ok(value) = json::read(text.as_bytes()) {
                let mut written = Vec::new();
                push_value(&value, &mut written);
                prop_assert_eq!(json::read(&written), Ok(value));
            }
        }
    }
}
