//! What the fields of a model are: from the server's own description of them to columns, and to the few words that travel in `native_type` and say all that a
//! translation needs. Pure; it must not know queries.

use portico_provider_api::{RemoteColumn, ScalarType};
use serde_json::Value;

/// Digits before the point where the server sets no limit to them.
const MOST_DIGITS: u8 = 38;

/// What kind of field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `boolean`.
    Boolean,
    /// `integer`.
    Integer,
    /// `float`.
    Float,
    /// `numeric`.
    Numeric,
    /// `char`, `text`, `fulltext`: in conditions, null is the empty text.
    Text,
    /// `selection`.
    Selection,
    /// `reference`: `model,number`.
    Reference,
    /// `many2one`, `one2one`: the number of a record.
    Many2One,
    /// `date`.
    Date,
    /// `datetime`, in UTC, in whole seconds.
    DateTime,
    /// `timestamp`, in UTC.
    Timestamp,
    /// `time`, in whole seconds.
    Time,
    /// `timedelta`.
    TimeDelta,
    /// `binary`.
    Binary,
    /// `dict`, `multiselection`: JSON.
    Document,
    /// The version of a record.
    Version,
}

/// The server's names of types, and what they are.
const KINDS: &[(&str, Kind)] = &[
    ("boolean", Kind::Boolean),
    ("integer", Kind::Integer),
    ("float", Kind::Float),
    ("numeric", Kind::Numeric),
    ("char", Kind::Text),
    ("text", Kind::Text),
    ("fulltext", Kind::Text),
    ("selection", Kind::Selection),
    ("reference", Kind::Reference),
    ("many2one", Kind::Many2One),
    ("one2one", Kind::Many2One),
    ("date", Kind::Date),
    ("datetime", Kind::DateTime),
    ("timestamp", Kind::Timestamp),
    ("time", Kind::Time),
    ("timedelta", Kind::TimeDelta),
    ("binary", Kind::Binary),
    ("dict", Kind::Document),
    ("multiselection", Kind::Document),
    ("_timestamp", Kind::Version),
];

/// A field as a translation needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Kind.
    pub kind: Kind,
    /// Whether the server looks for records by it as it stores it.
    pub searchable: bool,
    /// Whether the server orders records by its value.
    pub sortable: bool,
    /// Whether every record has a value: text that need not have one is empty in conditions where it is null.
    pub required: bool,
    /// Whether blanks at the ends of text are taken away, in what is stored and in what is looked for.
    pub stripped: bool,
}

/// The words of `native_type` after the server's own name of the type.
const WORDS: [&str; 4] = ["unsearchable", "unsortable", "required", "stripped"];

impl Field {
    /// From the words of `native_type`.
    pub fn parse(native_type: &str) -> Option<Field> {
        let mut words = native_type.split(' ');
        let name = words.next()?;
        let (_, kind) = KINDS.iter().find(|(known, _)| *known == name)?;
        let words: Vec<&str> = words.collect();
        let [unsearchable, unsortable, required, stripped] = WORDS.map(|word| words.contains(&word));
        Some(Field { kind: *kind, searchable: !unsearchable, sortable: !unsortable, required, stripped })
    }

    fn words(&self, name: &str) -> String {
        let said = [!self.searchable, !self.sortable, self.required, self.stripped];
        let said = WORDS.iter().zip(said).filter(|(_, said)| *said).map(|(word, _)| *word);
        std::iter::once(name).chain(said).collect::<Vec<_>>().join(" ")
    }
}

/// A field of the server's description.
#[derive(Debug, Clone, PartialEq)]
pub enum Described {
    /// A column, and the model that it refers to.
    Column(Box<RemoteColumn>, Option<String>),
    /// The other side of a reference: the records of `model` whose `field` is this record. Where `field` is unknown, a link in a table of its own.
    Many {
        /// The model of the records.
        model: String,
        /// Their field.
        field: Option<String>,
    },
    /// A type that has no counterpart.
    Unknown(String),
}

/// Fields that the server fills itself, and takes from nobody.
const OF_SERVER: &[&str] = &["id", "create_uid", "create_date", "write_uid", "write_date"];

/// One field as the server describes it.
pub fn described(name: &str, definition: &Value) -> Described {
    let text = |key: &str| definition.get(key).and_then(Value::as_str).map(str::to_owned);
    let flag = |key: &str| definition.get(key).and_then(Value::as_bool).unwrap_or(false);
    let native = text("type").unwrap_or_default();
    if matches!(native.as_str(), "one2many" | "many2many") {
        return Described::Many { model: text("relation").unwrap_or_default(), field: text("relation_field") };
    }
    let Some(scalar_type) = scalar_type(&native, definition) else { return Described::Unknown(native) };
    let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == native) else { return Described::Unknown(native) };
    // What is computed may be searched by a rule of its own, which need not be equality; then it is not sorted by.
    let stored = flag("searchable") && flag("sortable") && name != "rec_name";
    let of_server = OF_SERVER.contains(&name);
    let required = name == "id" || (stored && flag("required") && *kind != Kind::Boolean);
    let by_value = !matches!(
        kind,
        Kind::Many2One | Kind::Selection | Kind::Reference | Kind::TimeDelta | Kind::Binary | Kind::Document | Kind::Version
    );
    let compared = !matches!(kind, Kind::TimeDelta | Kind::Binary | Kind::Document | Kind::Version);
    let stripped = definition.get("strip").is_some_and(|strip| *strip != Value::Bool(false) && !strip.is_null());
    let field = Field { kind: *kind, searchable: stored && compared, sortable: stored && by_value, required, stripped };
    let column = RemoteColumn {
        description: text("help").filter(|help| !help.is_empty()).or_else(|| text("string")),
        native_type: field.words(&native),
        max_length: definition.get("size").and_then(size),
        generated: of_server || flag("readonly"),
        ..RemoteColumn::plain(name, scalar_type, !required)
    };
    Described::Column(Box::new(column), text("relation").filter(|_| *kind == Kind::Many2One))
}

/// The version of a record: when it was written last, as the server compares it.
pub fn row_version() -> RemoteColumn {
    let field = Field { kind: Kind::Version, searchable: false, sortable: false, required: false, stripped: false };
    RemoteColumn { native_type: field.words("_timestamp"), generated: true, ..RemoteColumn::plain("_timestamp", ScalarType::Text, true) }
}

fn scalar_type(native: &str, definition: &Value) -> Option<ScalarType> {
    Some(match native {
        "boolean" => ScalarType::Boolean,
        "integer" | "many2one" | "one2one" => ScalarType::Int32,
        "float" => ScalarType::Float64,
        "numeric" => decimal(definition.get("digits")),
        "char" | "text" | "fulltext" | "selection" | "reference" | "timedelta" => ScalarType::Text,
        "date" => ScalarType::Date,
        "datetime" | "timestamp" => ScalarType::TimestampTz,
        "time" => ScalarType::Time,
        "binary" => ScalarType::Binary,
        "dict" | "multiselection" => ScalarType::Json,
        _ => return None,
    })
}

/// The greatest length of a text: a number, or one as text. One that is computed is not known.
fn size(size: &Value) -> Option<u32> {
    let number = size.as_u64().or_else(|| size.as_str()?.parse().ok())?;
    u32::try_from(number).ok()
}

/// The digits of a decimal: `[16, 2]` as text, either of which may be null or computed. What is not known is as wide as can be.
fn decimal(digits: Option<&Value>) -> ScalarType {
    let parsed = digits.and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let number = |index: usize| parsed.as_ref()?.get(index)?.as_u64().and_then(|digits| u8::try_from(digits).ok());
    match (number(0), number(1)) {
        (Some(whole), Some(scale)) if scale <= 76 && (1..=76).contains(&(u16::from(whole) + u16::from(scale))) => {
            ScalarType::Decimal { precision: whole + scale, scale: scale as i8 }
        }
        (None, Some(scale)) if scale <= MOST_DIGITS => ScalarType::Decimal { precision: MOST_DIGITS, scale: scale as i8 },
        _ => ScalarType::UNCONSTRAINED_DECIMAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn column(name: &str, definition: Value) -> RemoteColumn {
        match described(name, &definition) {
            Described::Column(column, _) => *column,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fields_are_columns() {
        let stored = |mut definition: Value| {
            definition["searchable"] = true.into();
            definition["sortable"] = true.into();
            definition
        };
        for (definition, scalar_type, native) in [
            (json!({"type": "numeric", "digits": "[16, 2]"}), "decimal(18,2)", "numeric"),
            (json!({"type": "numeric", "digits": "[null, 4]"}), "decimal(38,4)", "numeric"),
            (json!({"type": "numeric", "digits": "\"currency\""}), "decimal(38,18)", "numeric"),
            (json!({"type": "numeric", "digits": "null"}), "decimal(38,18)", "numeric"),
            (json!({"type": "numeric", "digits": "[60, 60]"}), "decimal(38,18)", "numeric"),
            (json!({"type": "char", "strip": true, "required": true}), "text", "char required stripped"),
            (json!({"type": "char", "strip": "leading"}), "text", "char stripped"),
            (json!({"type": "text", "strip": false}), "text", "text"),
            (json!({"type": "boolean", "required": true}), "boolean", "boolean"),
            (json!({"type": "many2one", "relation": "party.party"}), "int32", "many2one unsortable"),
            (json!({"type": "timedelta"}), "text", "timedelta unsearchable unsortable"),
        ] {
            let column = column("x", stored(definition.clone()));
            assert_eq!((column.scalar_type.to_string().as_str(), column.native_type.as_str()), (scalar_type, native), "{definition}");
            assert!(Field::parse(&column.native_type).is_some());
        }
        let id = column("id", stored(json!({"type": "integer", "required": false})));
        assert!(!id.nullable && id.generated);
    }

    #[test]
    fn what_is_computed_is_not_searched() {
        let definition = json!({"type": "char", "searchable": true, "sortable": false, "required": true, "readonly": true});
        let computed = column("x", definition);
        assert!(computed.nullable && computed.generated);
        assert_eq!(computed.native_type, "char unsearchable unsortable");
        let name = column("rec_name", json!({"type": "char", "searchable": true, "sortable": true}));
        assert_eq!(name.native_type, "char unsearchable unsortable");
    }

    #[test]
    fn other_sides_and_unknown_types_are_no_columns() {
        let lines = described("lines", &json!({"type": "one2many", "relation": "sale.line", "relation_field": "sale"}));
        assert_eq!(lines, Described::Many { model: "sale.line".to_owned(), field: Some("sale".to_owned()) });
        assert_eq!(described("x", &json!({"type": "quaternion"})), Described::Unknown("quaternion".to_owned()));
        assert_eq!(Field::parse("quaternion"), None);
    }
}
