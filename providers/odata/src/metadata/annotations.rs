//! Annotations of `$metadata`: those of the vocabularies that say what a service can do, or what its things are; others are left out while
//! they are read. It must not know what they are read for.

use super::xml::{Element, Xml};

/// Ends of the terms that are kept, after the namespace or its alias.
const KEPT: &[&str] = &[
    "FilterRestrictions",
    "SortRestrictions",
    "CountRestrictions",
    "SearchRestrictions",
    "InsertRestrictions",
    "UpdateRestrictions",
    "DeleteRestrictions",
    "ReadRestrictions",
    "ExpandRestrictions",
    "NavigationRestrictions",
    "FilterFunctions",
    "TopSupported",
    "SkipSupported",
    "BatchSupported",
    "BatchSupport",
    "QuerySegmentSupported",
    "ApplySupported",
    "ODataVersions",
    "ConformanceLevel",
    "Computed",
    "Immutable",
    "Permissions",
    "ComputedDefaultValue",
    "Description",
    "LongDescription",
    "OptimisticConcurrency",
    "Unit",
    "ISOCurrency",
    "Label",
    "QuickInfo",
    "IsUpperCase",
];

/// An annotation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Annotation {
    /// As it is written, with a namespace or its alias.
    pub(super) term: String,
    pub(super) value: Expression,
}

/// A value of an annotation, as far as it is constant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// No value: `true` for a tag.
    Default,
    Boolean(bool),
    /// A text, a number, a path or a member: all of them are words here.
    Text(String),
    Record(Vec<(String, Expression)>),
    Collection(Vec<Expression>),
    /// Computed, which is not followed.
    Other,
}

impl Expression {
    /// A boolean; a tag without a value is true.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Expression::Default => Some(true),
            Expression::Boolean(value) => Some(*value),
            Expression::Text(text) => text.parse().ok(),
            Expression::Record(_) | Expression::Collection(_) | Expression::Other => None,
        }
    }

    /// A text.
    pub(super) fn text(&self) -> Option<&str> {
        if let Expression::Text(text) = self { Some(text) } else { None }
    }

    /// A member of a record.
    pub(super) fn member(&self, name: &str) -> Option<&Expression> {
        let Expression::Record(members) = self else { return None };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A boolean that is a member of a record.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.member(name)?.truth()
    }

    /// The items of a collection.
    pub(super) fn items(&self) -> &[Expression] {
        if let Expression::Collection(items) = self { items } else { &[] }
    }

    /// The texts of a collection that is a member of a record.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let items = self.member(name).map(Expression::items).unwrap_or_default();
        items.iter().filter_map(|item| item.text().map(str::to_owned)).collect()
    }
}

/// All annotations of the `Annotations` element that was opened last.
pub(super) fn all(xml: &mut Xml<'_>) -> Result<Vec<Annotation>, String> {
    let mut read = Vec::new();
    while let Some(element) = xml.child()? {
        if element.name == "Annotation" { read.extend(one(xml, &element)?) } else { xml.skip()? }
    }
    Ok(read)
}

/// The annotation that was opened last, if it is one that is kept.
pub(super) fn one(xml: &mut Xml<'_>, element: &Element) -> Result<Option<Annotation>, String> {
    let term = element.get("Term");
    let last = term.rsplit('.').next().unwrap_or_default();
    if !KEPT.contains(&last) || element.maybe("Qualifier").is_some() {
        xml.skip()?;
        return Ok(None);
    }
    let value = value(xml, element)?;
    Ok(Some(Annotation { term, value }))
}

/// The value of an annotation or of a member: an attribute, or an element inside.
fn value(xml: &mut Xml<'_>, element: &Element) -> Result<Expression, String> {
    let mut found = in_attributes(element);
    while let Some(inner) = xml.child()? {
        if inner.name == "Annotation" { xml.skip()? } else { found = expression(xml, &inner)? }
    }
    Ok(found)
}

fn in_attributes(element: &Element) -> Expression {
    for (name, value) in element.attributes() {
        match name {
            "Bool" => return Expression::Boolean(value == "true"),
            "String"
            | "Int"
            | "Decimal"
            | "Float"
            | "Path"
            | "PropertyPath"
            | "NavigationPropertyPath"
            | "AnnotationPath"
            | "EnumMember"
            | "Date"
            | "DateTimeOffset"
            | "Duration"
            | "Guid"
            | "TimeOfDay" => return Expression::Text(value.to_owned()),
            _ => {}
        }
    }
    Expression::Default
}

fn expression(xml: &mut Xml<'_>, element: &Element) -> Result<Expression, String> {
    Ok(match element.name.as_str() {
        "Record" => {
            let mut members = Vec::new();
            while let Some(inner) = xml.child()? {
                if inner.name == "PropertyValue" {
                    let read = value(xml, &inner)?;
                    members.push((inner.get("Property"), read));
                } else {
                    xml.skip()?;
                }
            }
            Expression::Record(members)
        }
        "Collection" => {
            let mut items = Vec::new();
            while let Some(inner) = xml.child()? {
                items.push(expression(xml, &inner)?);
            }
            Expression::Collection(items)
        }
        "Bool" => Expression::Boolean(xml.content()? == "true"),
        "String"
        | "Int"
        | "Decimal"
        | "Float"
        | "Path"
        | "PropertyPath"
        | "NavigationPropertyPath"
        | "AnnotationPath"
        | "EnumMember"
        | "Date"
        | "DateTimeOffset"
        | "Duration"
        | "Guid"
        | "TimeOfDay" => Expression::Text(xml.content()?),
        _ => {
            xml.skip()?;
            Expression::Other
        }
    })
}
