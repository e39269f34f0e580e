//! What services say of a failure, read so that the message names the field: the error objects of OData 2.0 and 4.0, SAP's details with
//! `propertyref` and `target`, and Microsoft's inner errors. Pure.

use portico_provider_web::Explained;
use serde_json::Value;

/// Details that go into a message at most.
const MOST: usize = 5;

/// Reads the body of a failure; `None` where it is no error object of OData.
pub fn explain(body: &[u8]) -> Option<Explained> {
    let whole: Value = serde_json::from_slice(body).ok()?;
    let error = whole.get("error").or_else(|| whole.get("odata.error"))?;
    let mut found = Explained::default();
    let mut parts: Vec<String> = Vec::new();
    add(&mut parts, &mut found.columns, error);
    let inner = error.get("innererror");
    let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
    let sap = inner.and_then(|inner| inner.get("errordetails"));
    // SAP writes a list, and older services an object with a list in it.
    let sap = sap.and_then(|sap| sap.as_array().or_else(|| sap.get("errordetail")?.as_array())).into_iter().flatten();
    for detail in details.chain(sap) {
        add(&mut parts, &mut found.columns, detail);
    }
    // Microsoft's services say no more than "An error has occurred" outside, and what it was inside.
    if let Some(message) = inner.and_then(deepest) {
        push(&mut parts, message);
    }
    parts.truncate(MOST);
    found.message = parts.join("; ");
    (!found.message.is_empty()).then_some(found)
}

/// One error or detail: its message, and the field in front of it.
fn add(parts: &mut Vec<String>, columns: &mut Vec<String>, error: &Value) {
    let message = match error.get("message") {
        Some(Value::String(text)) => Some(text.as_str()),
        Some(Value::Object(members)) => members.get("value").and_then(Value::as_str),
        _ => None,
    };
    let target =
        ["target", "propertyref"].iter().find_map(|name| error.get(*name)?.as_str()).map(str::trim).filter(|text| !text.is_empty());
    let column = target.and_then(field);
    if let Some(column) = &column
        && !columns.contains(column)
    {
        columns.push(column.clone());
    }
    let Some(message) = message.map(str::trim).filter(|message| !message.is_empty()) else { return };
    let named = column.filter(|column| !message.contains(column.as_str()));
    push(parts, &named.map_or_else(|| message.to_owned(), |column| format!("{column}: {message}")));
}

fn push(parts: &mut Vec<String>, message: &str) {
    let message = message.trim().trim_end_matches('.');
    if !message.is_empty() && !parts.iter().any(|known| known.ends_with(message)) {
        parts.push(message.to_owned());
    }
}

/// The field of a target: `/#TRANSIENT#/Amount`, `Set(1)/Address/City`, `input.Amount`.
fn field(target: &str) -> Option<String> {
    let path = target.rsplit_once('#').map_or(target, |(_, rest)| rest).trim_matches('/');
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && !part.contains('(')).collect();
    let path = parts.join("/");
    let plain = path.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '/' | '.'));
    (plain && !path.is_empty()).then_some(path)
}

/// The innermost message of Microsoft's nested inner errors.
fn deepest(inner: &Value) -> Option<&str> {
    let mut at = inner;
    let mut found = at.get("message").and_then(Value::as_str);
    for _ in 0..8 {
        let Some(next) = at.get("internalexception").or_else(|| at.get("innererror")) else { break };
        found = next.get("message").and_then(Value::as_str).filter(|text| !text.is_empty()).or(found);
        at = next;
    }
    found.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> (String, Vec<String>) {
        let explained = explain(body.as_bytes()).unwrap();
        (explained.message, explained.columns)
    }

    #[test]
    fn the_field_is_named() {
        let v4 = r#"{"error":{"code":"x","message":"Not valid","target":"Amount","details":[{"code":"y","message":"must be positive","target":"Amount"},{"message":"is missing","target":"/Items(1)/Note"}]}}"#;
        assert_eq!(
            of(v4),
            ("Amount: Not valid; Amount: must be positive; Note: is missing".to_owned(), vec!["Amount".to_owned(), "Note".to_owned()])
        );
        let sap = r#"{"error":{"code":"F5/1","message":{"lang":"en","value":"Country XX does not exist"},"innererror":{"transactionid":"1","errordetails":[{"code":"F5/1","message":"Country XX does not exist","propertyref":"","target":"/#TRANSIENT#/Country"},{"code":"F5/2","message":"Enter a language","propertyref":"Language"}]}}}"#;
        assert_eq!(
            of(sap),
            ("Country XX does not exist; Language: Enter a language".to_owned(), vec!["Country".to_owned(), "Language".to_owned()])
        );
        let microsoft = r#"{"error":{"code":"","message":"An error has occurred.","innererror":{"message":"Write failed for table row of type 'CustomersV3Entity'. Field 'Group' must be filled in.","type":"t","stacktrace":"secret stack","internalexception":{"message":"Field 'Group' must be filled in.","type":"t","stacktrace":"s"}}}}"#;
        assert_eq!(of(microsoft), ("An error has occurred; Field 'Group' must be filled in".to_owned(), Vec::new()));
    }

    #[test]
    fn what_is_no_error_object_is_left_to_others() {
        for body in ["", "<html>", "{}", r#"{"error":{}}"#, r#"{"message":"x"}"#] {
            assert_eq!(explain(body.as_bytes()), None, "{body}");
        }
    }
}
