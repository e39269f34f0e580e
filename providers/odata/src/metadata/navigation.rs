//! Navigation properties that lead to one entity of another set, and what is said of following them. It must not know queries.

use super::annotations::{Annotation, Expression};
use super::edmx::{Document, Navigation as RawNavigation, RawSet};
use super::properties;

/// A navigation property that leads to one entity of a set, or to none.
#[derive(Debug, Clone, PartialEq)]
pub struct Navigation {
    /// Name.
    pub name: String,
    /// The set that it leads to.
    pub target: String,
    /// Names of the properties of the key there.
    pub key: Vec<String>,
    /// Pairs of a property here and the one there that has the same value; empty where nothing is said of that.
    pub constraint: Vec<(String, String)>,
    /// Whether it can be expanded, where that is said.
    pub expandable: Option<bool>,
    /// Whether only this one is expanded, and none of what it leads to, where that is said.
    pub one_level: bool,
}

const CAPABILITIES: &str = "Org.OData.Capabilities.V1.";

/// What a set says of expanding.
#[derive(Default)]
struct Said {
    expandable: Option<bool>,
    one_level: bool,
    not: Vec<String>,
}

impl Said {
    fn of<'a>(document: &Document, annotations: impl Iterator<Item = &'a Annotation>) -> Said {
        let mut said = Said::default();
        for annotation in annotations {
            let term = document.full(&annotation.term);
            let value = &annotation.value;
            match term.strip_prefix(CAPABILITIES) {
                Some("ExpandRestrictions") => {
                    said.expandable = value.flag("Expandable").or(said.expandable);
                    said.not.extend(value.texts("NonExpandableProperties"));
                    said.one_level |= value.member("MaxLevels").and_then(Expression::text) == Some("1");
                    if value.member("MaxLevels").and_then(Expression::text) == Some("0") {
                        said.expandable = Some(false);
                    }
                }
                Some("NavigationRestrictions") => {
                    said.expandable = navigable(value).or(said.expandable);
                    said.one_level |= is_single(value);
                    let items = value.member("RestrictedProperties").map(Expression::items).unwrap_or_default();
                    for item in items {
                        let readable = item.member("ReadRestrictions").and_then(|read| read.flag("Readable"));
                        let named = item.member("NavigationProperty").and_then(Expression::text);
                        if navigable(item) == Some(false) || readable == Some(false) {
                            said.not.extend(named.map(str::to_owned));
                        }
                    }
                }
                _ => {}
            }
        }
        said
    }

    fn expandable(&self, name: &str) -> Option<bool> {
        if self.not.iter().any(|not| not == name) { Some(false) } else { self.expandable }
    }
}

/// Whether a `NavigationType` allows to follow at all.
fn navigable(value: &Expression) -> Option<bool> {
    let text = value.member("Navigability").and_then(Expression::text)?;
    text.ends_with("/None").then_some(false)
}

fn is_single(value: &Expression) -> bool {
    value.member("Navigability").and_then(Expression::text).is_some_and(|text| text.ends_with("/Single"))
}

/// Those of a set of OData 4.0 that are bound to a set whose entities are of just the type that they lead to.
pub(super) fn of_v4<'a>(document: &Document, raw: &RawSet, annotations: impl Iterator<Item = &'a Annotation>) -> Vec<Navigation> {
    let said = Said::of(document, annotations);
    let bound = |navigation: &RawNavigation| {
        let target = raw.bindings.iter().find(|(path, _)| *path == navigation.name).map(|(_, target)| target.as_str())?;
        let named = |set: &&RawSet| set.name == target || set.target == document.full_target(target);
        let target = document.container.sets.iter().find(named)?;
        let type_name = document.full(&navigation.type_name);
        (document.full(&target.entity_type) == type_name).then(|| Navigation {
            name: navigation.name.clone(),
            target: target.name.clone(),
            key: properties::key_of(document, &type_name),
            constraint: navigation.constraints.clone(),
            expandable: said.expandable(&navigation.name),
            one_level: said.one_level,
        })
    };
    of_type(document, raw).filter_map(bound).collect()
}

/// Those of a set of OData 2.0 whose association leads to one entity of a set.
pub(super) fn of_v2(document: &Document, raw: &RawSet) -> Vec<Navigation> {
    let bound = |navigation: &RawNavigation| {
        let relationship = document.full(&navigation.relationship);
        let association = document.associations.get(&relationship)?;
        let end = association.ends.iter().find(|(role, _, _)| *role == navigation.to_role)?;
        if end.2 == "*" {
            return None;
        }
        let mut sets = document.container.association_sets.iter().filter(|(name, _)| document.full(name) == relationship);
        let target = sets.find_map(|(_, ends)| {
            let other = ends.iter().find(|(role, _)| *role == navigation.to_role)?;
            ends.iter().any(|(role, set)| *role != navigation.to_role && *set == raw.name).then_some(&other.1)
        })?;
        let target = document.container.sets.iter().find(|set| set.name == *target)?;
        let type_name = document.full(&end.1);
        let (principal, dependent) = (&association.principal, &association.dependent);
        let refers = principal.0 == navigation.to_role && dependent.0 != navigation.to_role && principal.1.len() == dependent.1.len();
        let pairs = dependent.1.iter().cloned().zip(principal.1.iter().cloned());
        (document.full(&target.entity_type) == type_name).then(|| Navigation {
            name: navigation.name.clone(),
            target: target.name.clone(),
            key: properties::key_of(document, &type_name),
            constraint: if refers { pairs.collect() } else { Vec::new() },
            expandable: None,
            one_level: false,
        })
    };
    of_type(document, raw).filter_map(bound).collect()
}

/// The navigation properties of a set's type that do not lead to many.
fn of_type<'a>(document: &'a Document, raw: &RawSet) -> impl Iterator<Item = &'a RawNavigation> {
    let all = properties::lineage(document, &raw.entity_type).into_iter().flat_map(|structured| &structured.navigation);
    all.filter(|navigation| !navigation.type_name.starts_with("Collection("))
}
