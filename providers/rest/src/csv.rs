//! Comma-separated values as JSON: a line of names, then a row per line, each value a text. Pure.

/// The rows as an array of objects.
///
/// # Errors
/// Names the line that is not as long as the line of names, or not readable.
pub fn document(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let names = reader.headers().map_err(|error| error.to_string())?.clone();
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|known| known == name) {
            return Err(format!("the line of names has '{name}' twice"));
        }
    }
    let mut document = String::from("[");
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != names.len() {
            return Err(format!("line {line} has {} values, and there are {} names", record.len(), names.len()));
        }
        document.push_str(if document.len() > 1 { ",{" } else { "{" });
        for (at, (name, value)) in names.iter().zip(&record).enumerate() {
            if at > 0 {
                document.push(',');
            }
            document.push_str(&serde_json::Value::from(name).to_string());
            document.push(':');
            document.push_str(&serde_json::Value::from(value).to_string());
        }
        document.push('}');
    }
    document.push(']');
    Ok(document.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_rows() {
        let text = |bytes: &[u8]| document(bytes).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(text(b"\xef\xbb\xbfa,b\n1,\"x, \"\"y\"\"\"\n").unwrap(), r#"[{"a":"1","b":"x, \"y\""}]"#);
        assert_eq!(text(b"a,b\n").unwrap(), "[]");
        assert!(text(b"a,b\n1\n").unwrap_err().contains("line 2"));
        assert!(text(b"a,a\n1,2\n").unwrap_err().contains("twice"));
        assert!(text(b"a\n\xff\n").is_err());
    }
}
