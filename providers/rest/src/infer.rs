//! Columns from a sample of an answer: what all of its rows have in common, the same each time that it is read. Pure.

use crate::config::ColumnConfig;
use indexmap::IndexMap;
use portico_provider_api::ScalarType;
use portico_provider_api::Value as Scalar;
use portico_provider_api::evaluate::cast_value;
use serde_json::Value;

/// How deep objects are taken apart; what is deeper is JSON.
const MAX_DEPTH: usize = 4;

/// What is known of a column.
#[derive(Debug, Clone, Default)]
struct Seen {
    kind: Option<Kind>,
    rows: usize,
    nulls: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Fraction,
    Date,
    Timestamp,
    Guid,
    Text,
    Json,
}

/// The columns of rows, which stand at `place` of the sample.
///
/// # Errors
/// When there are no rows, or they are no objects.
pub fn columns(rows: &[Value], place: &str) -> Result<IndexMap<String, ColumnConfig>, String> {
    if rows.is_empty() {
        return Err(format!("there are no rows at {place}"));
    }
    let mut seen: IndexMap<String, Seen> = IndexMap::new();
    for row in rows {
        let Value::Object(_) = row else { return Err(format!("a row at {place} is no object")) };
        look("", row, 0, &mut seen);
    }
    // A place that is an object in one row and something else in another is read as a whole.
    let whole: Vec<String> = seen.iter().filter(|(_, seen)| seen.kind == Some(Kind::Json)).map(|(name, _)| format!("{name}/")).collect();
    seen.retain(|name, _| !whole.iter().any(|whole| name.starts_with(whole.as_str())));
    let inner: Vec<String> = seen.keys().cloned().collect();
    // An object that is null in some rows says nothing of its own.
    seen.retain(|name, of| of.kind.is_some() || !inner.iter().any(|other| other.starts_with(&format!("{name}/"))));
    let count = rows.len();
    Ok(seen.into_iter().map(|(name, seen)| (name, seen.column(count))).collect())
}

fn look(prefix: &str, object: &Value, depth: usize, seen: &mut IndexMap<String, Seen>) {
    for (name, value) in object.as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { escaped(name) } else { format!("{prefix}/{}", escaped(name)) };
        if let Value::Object(members) = value
            && depth < MAX_DEPTH
            && !members.is_empty()
        {
            if let Some(known) = seen.get_mut(&path).filter(|known| known.kind.is_some()) {
                known.note(Some(Kind::Json));
            }
            look(&path, value, depth + 1, seen);
            continue;
        }
        let apart = seen.keys().any(|known| known.starts_with(&format!("{path}/")));
        let kind = if apart && !value.is_null() { Some(Kind::Json) } else { kind_of(value) };
        seen.entry(path).or_default().note(kind);
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn kind_of(value: &Value) -> Option<Kind> {
    let cast = |text: &str, to| cast_value(&Scalar::text(text), to).is_ok();
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => Kind::Boolean,
        Value::Number(number) if number.is_i64() => Kind::Integer,
        Value::Number(_) => Kind::Fraction,
        Value::Array(_) | Value::Object(_) => Kind::Json,
        Value::String(text) if text.len() == 10 && cast(text, ScalarType::Date) => Kind::Date,
        Value::String(text) if text.len() > 16 && text.contains('T') && cast(text, ScalarType::TimestampTz) => Kind::Timestamp,
        Value::String(text) if text.len() == 36 && cast(text, ScalarType::Guid) => Kind::Guid,
        Value::String(_) => Kind::Text,
    })
}

impl Seen {
    fn note(&mut self, kind: Option<Kind>) {
        self.rows += 1;
        self.nulls += usize::from(kind.is_none());
        self.kind = match (self.kind, kind) {
            (None, other) | (other, None) => other,
            (Some(one), Some(other)) if one == other => Some(one),
            (Some(Kind::Integer), Some(Kind::Fraction)) | (Some(Kind::Fraction), Some(Kind::Integer)) => Some(Kind::Fraction),
            (Some(one), Some(other)) => {
                let text = |kind| matches!(kind, Kind::Text | Kind::Date | Kind::Timestamp | Kind::Guid);
                Some(if text(one) && text(other) { Kind::Text } else { Kind::Json })
            }
        };
    }

    fn column(&self, rows: usize) -> ColumnConfig {
        let scalar_type = match self.kind {
            Some(Kind::Boolean) => ScalarType::Boolean,
            Some(Kind::Integer) => ScalarType::Int64,
            // Exact: a number that does not fit is told, and the type is then declared.
            Some(Kind::Fraction) => ScalarType::UNCONSTRAINED_DECIMAL,
            Some(Kind::Date) => ScalarType::Date,
            Some(Kind::Timestamp) => ScalarType::TimestampTz,
            Some(Kind::Guid) => ScalarType::Guid,
            Some(Kind::Text) => ScalarType::Text,
            Some(Kind::Json) | None => ScalarType::Json,
        };
        // A sample shows what may be there, and not what must: nothing is said never to be null.
        ColumnConfig { scalar_type: Some(scalar_type.to_string()), optional: (self.rows < rows).then_some(true), ..ColumnConfig::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sample_gives_columns() {
        let sample = json!({"data": [
            {"id": 1, "price": 1, "when": "2026-01-02T03:04:05Z", "day": "2026-01-02", "a": {"b": {"c": "x"}}, "tags": [1], "x": null, "mixed": 1},
            {"id": 2, "price": 1.5, "when": null, "day": "soon", "a": null, "tags": [], "x": null, "mixed": "1", "later": true}
        ]});
        let columns = columns(sample["data"].as_array().unwrap(), "/data").unwrap();
        let text: Vec<String> = columns
            .iter()
            .map(|(name, column)| {
                format!("{name} {}{}", column.scalar_type.as_deref().unwrap(), if column.optional == Some(true) { "?" } else { "" })
            })
            .collect();
        assert_eq!(
            text,
            [
                "id int64",
                "price decimal(38,18)",
                "when timestamptz",
                "day text",
                "a/b/c text?",
                "tags json",
                "x json",
                "mixed json",
                "later boolean?"
            ]
        );
        assert!(super::columns(&[], "/data").unwrap_err().contains("no rows at /data"));
        assert!(super::columns(&[json!(1)], "").unwrap_err().contains("no object"));
    }
}
