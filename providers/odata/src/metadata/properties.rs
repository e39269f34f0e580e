//! The properties of a type as flat columns: inherited ones first, complex ones as paths, collections as JSON. It must not know sets.

use super::annotations::{Annotation, Expression};
use super::edmx::{Document, RawProperty, Structured};
use super::types::{Edm, Facets, primitive};
use super::{LookUp, Property};
use portico_provider_api::ScalarType;

/// How deep complex properties are flattened: what lies deeper is one column of JSON.
const MAX_DEPTH: usize = 8;

/// The properties of an entity type or complex type, and what of them is left out.
pub(super) fn of_type(document: &Document, name: &str, v2: bool) -> (Vec<Property>, Vec<String>) {
    let mut flat = Flat { document, v2, found: Vec::new(), left_out: Vec::new() };
    flat.structured(name, "", false, 0);
    (flat.found, flat.left_out)
}

/// The key of an entity type, its own or inherited.
pub(super) fn key_of(document: &Document, name: &str) -> Vec<String> {
    lineage(document, name).into_iter().find(|structured| !structured.key.is_empty()).map(|found| found.key.clone()).unwrap_or_default()
}

/// A type and those that it derives from, the outermost first.
pub(super) fn lineage<'a>(document: &'a Document, name: &str) -> Vec<&'a Structured> {
    let mut found = Vec::new();
    let mut name = document.full(name);
    while let Some(structured) = document.entity_types.get(&name).or_else(|| document.complex_types.get(&name)) {
        found.push(structured);
        // A type that derives from itself would never end.
        if found.len() > 64 {
            break;
        }
        match &structured.base {
            Some(base) => name = document.full(base),
            None => break,
        }
    }
    found.reverse();
    found
}

/// A single value: a parameter, or what is returned. A complex one is a document in OData 4.0.
pub(super) fn single(document: &Document, raw: &RawProperty, v2: bool) -> Option<Property> {
    let mut flat = Flat { document, v2, found: Vec::new(), left_out: Vec::new() };
    let is_complex = document.complex_types.contains_key(&document.full(&raw.type_name));
    if is_complex && v2 {
        return None;
    }
    flat.property(raw, "", false, if is_complex { MAX_DEPTH } else { 0 });
    flat.found.pop()
}

/// The properties of an entity type's key.
pub(super) fn of_key(document: &Document, name: &str, v2: bool) -> Vec<Property> {
    let lineage = lineage(document, name);
    let raw = |wanted: &String| lineage.iter().flat_map(|structured| &structured.properties).find(|property| property.name == *wanted);
    key_of(document, name).iter().filter_map(|key| single(document, raw(key)?, v2)).collect()
}

struct Flat<'a> {
    document: &'a Document,
    v2: bool,
    found: Vec<Property>,
    left_out: Vec<String>,
}

impl Flat<'_> {
    fn structured(&mut self, name: &str, prefix: &str, nullable: bool, depth: usize) {
        for structured in lineage(self.document, name) {
            for property in &structured.properties {
                self.property(property, prefix, nullable, depth);
            }
            if structured.open {
                let place = if prefix.is_empty() { String::new() } else { format!(" of '{}'", prefix.trim_end_matches('/')) };
                self.left_out.push(format!("properties{place} that are not declared: the type is open"));
            }
        }
    }

    /// One property. `within_null` says that a complex value around it may be null.
    fn property(&mut self, raw: &RawProperty, prefix: &str, within_null: bool, depth: usize) {
        let name = format!("{prefix}{}", raw.name);
        // In OData 4.0 and 2.0 what is not said to be otherwise may be null.
        let nullable = within_null || raw.nullable.unwrap_or(true);
        let type_name = self.document.full(&raw.type_name);
        let is_collection = type_name.starts_with("Collection(");
        let is_complex = self.document.complex_types.contains_key(&type_name);
        if is_complex && !is_collection && depth < MAX_DEPTH {
            return self.structured(&type_name, &format!("{name}/"), nullable, depth + 1);
        }
        // A definition's facets are those of the type, where the property has none.
        let definition = self.document.definitions.get(&type_name);
        let facets = Facets {
            max_length: raw.max_length.as_deref().or(definition.and_then(|definition| definition.max_length.as_deref())),
            precision: raw.precision.as_deref().or(definition.and_then(|definition| definition.precision.as_deref())),
            scale: raw.scale.as_deref().or(definition.and_then(|definition| definition.scale.as_deref())),
            v2: self.v2,
            date: raw.sap.iter().any(|(name, value)| name == "display-format" && value == "Date"),
        };
        let underlying = definition.map_or(type_name.as_str(), |definition| definition.type_name.as_str());
        let enumeration = self.document.enumerations.get(&type_name);
        let carried = match enumeration {
            _ if is_collection || is_complex => Some((Edm::Json, ScalarType::Json)),
            Some(enumeration) if enumeration.flags => Some((Edm::Flags, ScalarType::Text)),
            Some(_) => Some((Edm::Enumeration, ScalarType::Text)),
            None => primitive(underlying, &facets),
        };
        let Some((edm, scalar_type)) = carried else {
            self.left_out.push(format!("'{name}', whose type {} no column carries", raw.type_name));
            return;
        };
        let has_length = matches!(scalar_type, ScalarType::Text | ScalarType::Binary) && enumeration.is_none();
        let document = self.document;
        let said =
            |term: &str| raw.annotations.iter().find(|annotation| document.is_term(annotation, term)).map(|annotation| &annotation.value);
        let sap = |wanted: &str| raw.sap.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let core = |term: &str| said(&format!("Org.OData.Core.V1.{term}")).and_then(Expression::truth).unwrap_or(false);
        let read_only = said("Org.OData.Core.V1.Permissions").and_then(Expression::text).is_some_and(|text| text.ends_with("/Read"));
        let sap_computed = sap("creatable") == Some("false") && sap("updatable") == Some("false");
        self.found.push(Property {
            description: describe(raw, document),
            computed: core("Computed") || read_only || sap_computed,
            has_default: raw.has_default || core("ComputedDefaultValue"),
            members: enumeration.map(|enumeration| enumeration.members.clone()),
            filterable: sap("filterable").map(|text| text != "false"),
            sortable: sap("sortable").map(|text| text != "false"),
            // A collection is empty rather than null.
            nullable: nullable && !(is_collection && self.v2),
            max_length: if has_length { facets.length() } else { None },
            unsaid_precision: !self.v2 && facets.precision.is_none() && matches!(edm, Edm::DateTimeOffset | Edm::TimeOfDay),
            truncated: false,
            look_up: LookUp::Value,
            name,
            type_name,
            edm,
            scalar_type,
        });
    }
}

/// What a property is, from labels and units.
fn describe(raw: &RawProperty, document: &Document) -> Option<String> {
    let sap = |wanted: &str| raw.sap.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.trim()).filter(|text| !text.is_empty());
    let said = |term: &str| text_of(document, &raw.annotations, term);
    let label = said("com.sap.vocabularies.Common.v1.Label").or(sap("label"));
    let more = said("Org.OData.Core.V1.Description").or(said("com.sap.vocabularies.Common.v1.QuickInfo")).or(sap("quickinfo"));
    let unit = said("Org.OData.Measures.V1.Unit").or(said("Org.OData.Measures.V1.ISOCurrency")).or(sap("unit"));
    let mut text = match (label, more) {
        (Some(label), Some(more)) if label != more => format!("{label}: {more}"),
        (Some(only), _) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    };
    if let Some(unit) = unit {
        let separator = if text.is_empty() { "" } else { " " };
        text = format!("{text}{separator}(in {unit})");
    }
    Some(text).filter(|text| !text.is_empty())
}

/// The text of an annotation of that term.
pub(super) fn text_of<'a>(document: &Document, annotations: &'a [Annotation], term: &str) -> Option<&'a str> {
    let found = annotations.iter().find(|annotation| document.is_term(annotation, term))?;
    found.value.text().map(str::trim).filter(|text| !text.is_empty())
}
