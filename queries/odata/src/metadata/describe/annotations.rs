//! Annotations of types, properties and navigation properties: names for people, what may be written, and those of the model's own. It
//! must not know what sets can do.

use super::super::csdl::{Annotation, Container, Document, Element, Expression, OperationElement, Property, Reference};
use super::super::has_hierarchies;
use super::{Describe, ORIGINAL_NAME, OWN_NAMESPACE};
use crate::bound::hierarchy::TREE_COLUMNS;
use portico_catalog::overlay::{self, AnnotationValue, Labels, Mutability};
use portico_catalog::vocabulary::{self, VOCABULARIES};
use portico_catalog::{Column, ModelView, Relationship, TableView};
use portico_provider_api::ScalarType;

/// Vocabularies whose terms describe entity types rather than sets.
const OF_TYPES: [&str; 6] = ["UI", "Common", "Communication", "PersonalData", "Analytics", "Hierarchy"];

impl Describe<'_> {
    /// Description and label.
    pub(super) fn described(&self, description: Option<&str>, labels: &Labels) -> Vec<Annotation> {
        let label = overlay::label(labels, self.language).map(|text| Annotation::text("Common.Label", text));
        description.map(|text| Annotation::text("Core.Description", text)).into_iter().chain(label).collect()
    }

    /// Names for people of a column.
    pub(super) fn names(&self, column: &Column) -> Vec<Annotation> {
        let mut annotations = self.described(column.description.as_deref(), &column.labels);
        if let Some(original) = &column.original_name {
            annotations.push(Annotation::text(format!("{OWN_NAMESPACE}.{ORIGINAL_NAME}"), original));
        }
        annotations
    }

    /// Annotations of a property.
    pub(super) fn of_column(&self, column: &Column, is_key: bool) -> Vec<Annotation> {
        let mut annotations = self.names(column);
        if column.generated || column.mutability == Mutability::Computed {
            annotations.push(Annotation::flag("Core.Computed", true));
        } else if column.read_only {
            annotations.push(Annotation::new("Core.Permissions", super::super::csdl::member("Org.OData.Core.V1.Permission", "Read")));
        } else {
            if is_key || column.mutability == Mutability::Immutable {
                annotations.push(Annotation::flag("Core.Immutable", true));
            }
            if column.has_default && column.default.is_none() {
                annotations.push(Annotation::flag("Core.ComputedDefaultValue", true));
            }
        }
        if column.scalar_type == ScalarType::Json {
            annotations.push(Annotation::text("Core.MediaType", "application/json"));
        }
        // What names other properties is said where the properties are known to be seen: at the type.
        annotations.extend(column.annotations.iter().filter(|annotation| !has_paths(annotation)).map(own));
        annotations
    }

    /// Annotations of a navigation property.
    pub(super) fn of_relationship(&self, table: &TableView, link: &Relationship) -> Vec<Annotation> {
        let mut annotations = self.described(None, &link.labels);
        annotations.extend(seen(self.view, table, &link.annotations));
        annotations
    }

    /// Annotations of an entity type: those of the model's own that describe types, and hierarchies.
    pub(super) fn of_type(&self, table: &TableView) -> Vec<Annotation> {
        let overlay = &table.table.overlay;
        let own = overlay.annotations.iter().filter(|annotation| describes_types(annotation)).cloned().collect::<Vec<_>>();
        let mut annotations = seen(self.view, table, &own);
        for hierarchy in &overlay.hierarchies {
            let node = table.property_path(hierarchy.node);
            let parent = table.relationships.iter().find(|link| link.index == hierarchy.parent).map(|link| link.name.clone());
            if let (Some(node), Some(parent)) = (node, parent) {
                let values = vec![
                    ("NodeProperty".to_owned(), Expression::PropertyPath(node)),
                    ("ParentNavigationProperty".to_owned(), Expression::NavigationPropertyPath(parent)),
                ];
                let annotation = |term: &str, values| Annotation {
                    term: term.to_owned(),
                    qualifier: Some(hierarchy.qualifier.clone()),
                    value: Expression::Record(None, values),
                };
                annotations.push(annotation("Aggregation.RecursiveHierarchy", values));
                // What `$apply` adds to nodes, unless a property of theirs has the name already.
                let taken = |name: &str| table.column(name).is_some() || overlay.complex.iter().any(|complex| complex.name == name);
                let shown = TREE_COLUMNS.iter().filter(|name| has_hierarchies(table) && !taken(name));
                let shown: Vec<_> = shown.map(|name| ((*name).to_owned(), Expression::Path((*name).to_owned()))).collect();
                if !shown.is_empty() {
                    annotations.push(annotation("Hierarchy.RecursiveHierarchy", shown));
                }
            }
        }
        annotations
    }

    /// Annotations of the model's own that describe a set.
    pub(super) fn of_set(&self, table: &TableView) -> Vec<Annotation> {
        let own = table.table.overlay.annotations.iter().filter(|annotation| !describes_types(annotation)).cloned().collect::<Vec<_>>();
        seen(self.view, table, &own)
    }

    /// Annotations of columns that name other properties, by the path of the column's property.
    pub(super) fn with_paths(&self, table: &TableView, column: &Column) -> Vec<Annotation> {
        let own: Vec<_> = column.annotations.iter().filter(|annotation| has_paths(annotation)).cloned().collect();
        seen(self.view, table, &own)
    }
}

/// Whether an annotation of a table is said of its type. What is the value of a property is of each entity, not of the set.
fn describes_types(annotation: &overlay::Annotation) -> bool {
    matches!(annotation.value, AnnotationValue::Path(_))
        || vocabulary::of_term(&annotation.term).is_some_and(|(vocabulary, _)| OF_TYPES.contains(&vocabulary.alias))
}

fn has_paths(annotation: &overlay::Annotation) -> bool {
    let mut paths = Vec::new();
    annotation.value.paths(&mut paths);
    !paths.is_empty()
}

/// The annotations without what names something that the caller does not see.
fn seen(view: &ModelView, table: &TableView, annotations: &[overlay::Annotation]) -> Vec<Annotation> {
    let shown = |path: &str| is_seen(view, table, path);
    annotations
        .iter()
        .filter_map(|annotation| {
            let value = annotation.value.seen(&shown)?;
            Some(own(&overlay::Annotation { value, ..annotation.clone() }))
        })
        .collect()
}

/// Whether every step of a path is one that the caller sees. What follows a property of a plain type is an annotation or a count.
fn is_seen(view: &ModelView, table: &TableView, path: &str) -> bool {
    let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    if first.contains(['.', '@']) {
        return rest.is_none_or(|rest| is_seen(view, table, rest));
    }
    if let Some(link) = table.relationship(first) {
        let other = view.table(&link.to);
        return rest.is_none_or(|rest| rest == "$count" || other.is_some_and(|other| is_seen(view, other, rest)));
    }
    let mut shown = table.columns.iter().filter_map(|index| table.property_path(*index));
    // A column that is shown inside another property is not there under its own name.
    shown.any(|known| known == path || known == first || known.split_once('/').is_some_and(|(complex, _)| complex == path))
}

fn own(annotation: &overlay::Annotation) -> Annotation {
    Annotation { term: annotation.term.clone(), qualifier: annotation.qualifier.clone(), value: expression(&annotation.value) }
}

fn expression(value: &AnnotationValue) -> Expression {
    match value {
        AnnotationValue::Text(text) => Expression::Text(text.clone()),
        AnnotationValue::Boolean(flag) => Expression::Boolean(*flag),
        AnnotationValue::Integer(number) => Expression::Integer(*number),
        AnnotationValue::Decimal(text) => Expression::Decimal(text.clone()),
        AnnotationValue::Path(path) => Expression::Path(path.clone()),
        AnnotationValue::PropertyPath(path) => Expression::PropertyPath(path.clone()),
        AnnotationValue::EnumMember(text) => {
            let parts: Vec<(&str, &str)> = text.split(' ').filter_map(|part| part.split_once('/')).collect();
            let of = parts.first().map_or_else(String::new, |(of, _)| namespaced(of));
            Expression::EnumMember(of, parts.iter().map(|(_, member)| (*member).to_owned()).collect())
        }
        AnnotationValue::Collection(items) => Expression::Collection(items.iter().map(expression).collect()),
        AnnotationValue::Record { type_name, values } => {
            let values = values.iter().map(|(name, value)| (name.clone(), expression(value)));
            Expression::Record(type_name.as_deref().map(namespaced), values.collect())
        }
    }
}

/// A qualified name with its vocabulary's namespace rather than its alias, which only annotations' terms may have in every form.
fn namespaced(name: &str) -> String {
    vocabulary::of_term(name).map_or_else(|| name.to_owned(), |(vocabulary, name)| format!("{}.{name}", vocabulary.namespace))
}

/// The vocabularies whose terms a document uses, in a fixed order.
pub fn used_vocabularies(document: &Document) -> Vec<Reference> {
    let mut aliases: Vec<String> = Vec::new();
    let mut note = |annotations: &[Annotation]| {
        for annotation in annotations {
            let alias = annotation.term.rsplit_once('.').map_or("", |(alias, _)| alias);
            if !aliases.iter().any(|known| known == alias) {
                aliases.push(alias.to_owned());
            }
            types(&annotation.value, &mut aliases);
        }
    };
    for schema in &document.schemas {
        note(&schema.annotations);
        for element in &schema.elements {
            of_element(element, &mut note);
        }
    }
    let used = VOCABULARIES.iter().filter(|known| aliases.iter().any(|alias| alias == known.alias || alias == known.namespace));
    used.map(|known| Reference { uri: known.uri.to_owned(), namespace: known.namespace.to_owned(), alias: known.alias.to_owned() })
        .collect()
}

fn types(value: &Expression, aliases: &mut Vec<String>) {
    let mut used = |name: &str| {
        if let Some((namespace, _)) = name.rsplit_once('.') {
            aliases.push(namespace.to_owned());
        }
    };
    match value {
        Expression::EnumMember(of, _) => used(of),
        Expression::Record(of, values) => {
            of.iter().for_each(|of| used(of));
            values.iter().for_each(|(_, value)| types(value, aliases));
        }
        Expression::Collection(items) => items.iter().for_each(|item| types(item, aliases)),
        Expression::Text(_)
        | Expression::Boolean(_)
        | Expression::Integer(_)
        | Expression::Decimal(_)
        | Expression::Path(_)
        | Expression::PropertyPath(_)
        | Expression::NavigationPropertyPath(_) => {}
    }
}

fn of_element(element: &Element, note: &mut impl FnMut(&[Annotation])) {
    let mut properties = |properties: &[Property]| properties.iter().for_each(|property| note(&property.annotations));
    match element {
        Element::Entity(entity) => {
            properties(&entity.properties);
            note(&entity.annotations);
            entity.navigations.iter().for_each(|navigation| note(&navigation.annotations));
        }
        Element::Complex(complex) => properties(&complex.properties),
        Element::Enumeration(enumeration) => {
            note(&enumeration.annotations);
            enumeration.members.iter().for_each(|(_, _, annotations)| note(annotations));
        }
        Element::Operation(OperationElement { parameters, annotations, .. }) => {
            properties(parameters);
            note(annotations);
        }
        Element::Container(Container { sets, singletons, annotations, .. }) => {
            note(annotations);
            sets.iter().chain(singletons).for_each(|set| note(&set.annotations));
        }
        Element::Term(_) => {}
    }
}
