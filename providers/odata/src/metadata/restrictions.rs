//! What a set says that it cannot do, from annotations of the Capabilities vocabulary. What nothing is said of stays open: the product's
//! preset decides. It must not know how a set is asked.

use super::annotations::{Annotation, Expression};
use super::edmx::Document;
use super::{General, Property};

/// What is said of a set. `None` where nothing is said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Restrictions {
    /// Whether it can be read at all.
    pub readable: Option<bool>,
    /// Whether `$filter` is there.
    pub filterable: Option<bool>,
    /// Whether it cannot be read without a condition.
    pub requires_filter: bool,
    /// Properties that must be in the condition.
    pub required: Vec<String>,
    /// Whether `$orderby` is there.
    pub sortable: Option<bool>,
    /// Whether its entities are counted.
    pub countable: Option<bool>,
    /// `$top`.
    pub top: Option<bool>,
    /// `$skip`.
    pub skip: Option<bool>,
    /// New entities.
    pub insertable: Option<bool>,
    /// Changes.
    pub updatable: Option<bool>,
    /// Update or insert.
    pub upsertable: Option<bool>,
    /// Removals.
    pub deletable: Option<bool>,
    /// Functions that conditions may call, where it says which.
    pub filter_functions: Option<Vec<String>>,
    /// Whether `$apply` is there.
    pub apply: Option<bool>,
}

const CAPABILITIES: &str = "Org.OData.Capabilities.V1.";

/// What is said of the service as a whole.
pub(super) fn general(document: &Document) -> General {
    let mut general = General::default();
    let away = document.container.names.iter().flat_map(|name| document.said_of(name));
    for annotation in document.container.annotations.iter().chain(away) {
        let term = document.full(&annotation.term);
        match term.strip_prefix(CAPABILITIES) {
            Some("FilterFunctions") => general.filter_functions = Some(texts(&annotation.value)),
            Some("BatchSupported") => general.batch = annotation.value.truth(),
            Some("BatchSupport") => general.batch = annotation.value.flag("Supported").or(general.batch),
            _ if term == "Org.OData.Core.V1.ODataVersions" => {
                general.is_401 =
                    annotation.value.text().is_some_and(|versions| versions.split_whitespace().any(|version| version == "4.01"));
            }
            _ => {}
        }
    }
    general
}

/// What is said of a set; also of its properties, which are told by their paths.
pub(super) fn of_set<'a>(
    document: &Document,
    annotations: impl Iterator<Item = &'a Annotation>,
    properties: &mut [Property],
) -> Restrictions {
    let mut found = Restrictions::default();
    for annotation in annotations {
        let term = document.full(&annotation.term);
        let value = &annotation.value;
        if term == "Org.OData.Aggregation.V1.ApplySupported" {
            found.apply = Some(true);
        }
        let Some(term) = term.strip_prefix(CAPABILITIES) else { continue };
        match term {
            "FilterRestrictions" => {
                found.filterable = value.flag("Filterable").or(found.filterable);
                found.requires_filter |= value.flag("RequiresFilter").unwrap_or(false);
                found.required.extend(value.texts("RequiredProperties"));
                for path in value.texts("NonFilterableProperties") {
                    below(properties, &path, |property| property.filterable = Some(false));
                }
                expressions(value, properties);
            }
            "SortRestrictions" => {
                found.sortable = value.flag("Sortable").or(found.sortable);
                let one_way = [value.texts("AscendingOnlyProperties"), value.texts("DescendingOnlyProperties")].concat();
                for path in value.texts("NonSortableProperties").into_iter().chain(one_way) {
                    below(properties, &path, |property| property.sortable = Some(false));
                }
            }
            "CountRestrictions" => found.countable = value.flag("Countable").or(found.countable),
            "TopSupported" => found.top = value.truth(),
            "SkipSupported" => found.skip = value.truth(),
            "ReadRestrictions" => found.readable = value.flag("Readable").or(found.readable),
            "InsertRestrictions" => found.insertable = value.flag("Insertable").or(found.insertable),
            "UpdateRestrictions" => {
                found.updatable = value.flag("Updatable").or(found.updatable);
                found.upsertable = value.flag("Upsertable").or(found.upsertable);
            }
            "DeleteRestrictions" => found.deletable = value.flag("Deletable").or(found.deletable),
            "FilterFunctions" => found.filter_functions = Some(texts(value)),
            _ => {}
        }
    }
    found
}

/// Properties for which only some forms of conditions are there (`FilterExpressionRestrictions`): without a full range of comparisons they
/// count as not filterable, because what is there cannot be told exactly.
fn expressions(value: &Expression, properties: &mut [Property]) {
    let items = value.member("FilterExpressionRestrictions").map(Expression::items).unwrap_or_default();
    for item in items {
        let allowed = item.member("AllowedExpressions").and_then(Expression::text).unwrap_or_default();
        let whole = matches!(allowed, "MultiValue" | "MultiRange" | "MultiRangeOrSearchExpression");
        if let Some(path) = item.member("Property").and_then(Expression::text).filter(|_| !whole) {
            below(properties, path, |property| property.filterable = Some(false));
        }
    }
}

/// A property, and what a complex one has become.
fn below(properties: &mut [Property], path: &str, mut change: impl FnMut(&mut Property)) {
    let inside = format!("{path}/");
    properties.iter_mut().filter(|property| property.name == path || property.name.starts_with(&inside)).for_each(&mut change);
}

fn texts(value: &Expression) -> Vec<String> {
    value.items().iter().filter_map(|item| item.text().map(str::to_owned)).collect()
}
