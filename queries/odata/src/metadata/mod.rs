//! Model view → service document and `$metadata`. Only what the view shows; the same view gives the same bytes. `$metadata` is described
//! once, as data ([`csdl`]), and written as XML or as JSON, so that the two forms cannot say different things.

pub mod csdl;
mod describe;
mod write;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::{build_model, everything, remote, whole_view};

use crate::error::ODataError;
use crate::header::AnnotationPatterns;
use crate::json::push_string;
use portico_catalog::overlay::Labels;
use portico_catalog::{ModelView, Profile, TableView};
use std::collections::BTreeSet;

pub use describe::{Abilities, SERVICE};

/// The CSDL namespace of a service.
pub fn namespace(view: &ModelView) -> String {
    namespace_of(&view.service)
}

/// The CSDL namespace of the service of that name.
pub fn namespace_of(service: &str) -> String {
    format!("Portico.{}", portico_catalog::names::sanitise(service))
}

/// In which form `$metadata` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetadataFormat {
    /// CSDL XML as clients of OData 4.0 read it.
    Xml,
    /// CSDL XML as clients of OData 4.01 read it.
    Xml401,
    /// CSDL JSON, which is of OData 4.01.
    Json,
}

/// What `$apply` takes, as the value of `Aggregation.ApplySupported`. Rows of any set may be related to the nodes of a hierarchy.
pub(crate) fn apply_supported(view: &ModelView, table: &TableView) -> csdl::Expression {
    let searchable = table.visible().any(|(_, column)| column.searchable);
    let hierarchical = view.tables.values().any(has_hierarchies);
    let supported = |name: &str| match name {
        _ if view.profile == Profile::Dataverse && !crate::profile::TRANSFORMATIONS.contains(&name) => false,
        "search" => searchable,
        "ancestors" | "descendants" | "traverse" => hierarchical,
        crate::bind::TOP_LEVELS => has_hierarchies(table),
        _ => true,
    };
    let transformations = crate::bind::TRANSFORMATIONS.iter().copied().filter(|name| supported(name));
    csdl::record(vec![
        ("Transformations", csdl::texts(transformations)),
        ("Rollup", csdl::member("Org.OData.Aggregation.V1.RollupType", "MultipleHierarchies")),
        ("From", csdl::Expression::Boolean(true)),
    ])
}

/// Whether a table has hierarchies that can be walked: all of it has to be read for that.
pub(crate) fn has_hierarchies(table: &TableView) -> bool {
    let overlay = &table.table.overlay;
    !overlay.hierarchies.is_empty() && !overlay.restrictions.not_readable && overlay.restrictions.required_in_filter.is_empty()
}

/// The `$metadata` document, with labels in a language where there are any in it.
///
/// # Errors
/// None that a view can cause; the XML writer's, if it has any.
pub fn document(view: &ModelView, format: MetadataFormat, language: Option<&str>) -> Result<Vec<u8>, ODataError> {
    written(&describe::document(view, language, &SERVICE), format)
}

/// The `$metadata` document with the annotations that are wanted only.
///
/// # Errors
/// As [`document`].
pub fn document_with(
    view: &ModelView,
    format: MetadataFormat,
    language: Option<&str>,
    wanted: &AnnotationPatterns,
) -> Result<Vec<u8>, ODataError> {
    let mut described = describe::document(view, language, &SERVICE);
    described.retain(&|annotation| wanted.wants(&annotation.term, annotation.qualifier.as_deref()));
    described.references = describe::used_vocabularies(&described);
    written(&described, format)
}

fn written(described: &csdl::Document, format: MetadataFormat) -> Result<Vec<u8>, ODataError> {
    let failed = |_| ODataError::bad_request("the metadata document cannot be written");
    match format {
        MetadataFormat::Xml => write::xml::write(described, "4.0").map_err(failed),
        MetadataFormat::Xml401 => write::xml::write(described, "4.01").map_err(failed),
        MetadataFormat::Json => Ok(write::json::write(described)),
    }
}

/// The languages that the labels of a view are in, without the default.
pub fn languages(view: &ModelView) -> BTreeSet<&str> {
    let tables = view.tables.values().flat_map(|table| {
        let columns = table.visible().map(|(_, column)| &column.labels);
        let links = table.relationships.iter().filter_map(|link| table.table.relationships.get(link.index)).map(|link| &link.labels);
        std::iter::once(&table.table.overlay.labels).chain(columns).chain(links)
    });
    let enumerations = view.enumerations().into_values();
    let enumerations = enumerations.flat_map(|one| std::iter::once(&one.labels).chain(one.members.iter().map(|member| &member.labels)));
    let singletons = view.singletons.values().map(|singleton| &singleton.labels);
    let operations = view.operations.iter().map(|operation| &operation.labels);
    let all: Vec<&Labels> = tables.chain(enumerations).chain(singletons).chain(operations).collect();
    all.into_iter().flat_map(Labels::keys).map(String::as_str).filter(|language| !language.is_empty()).collect()
}

/// The service document (JSON). `root_url` is the absolute service root, with or without a trailing slash.
pub fn service_document(view: &ModelView, root_url: &str) -> Vec<u8> {
    listing(view, root_url, &SERVICE)
}

fn listing(view: &ModelView, root_url: &str, abilities: &Abilities) -> Vec<u8> {
    let root = root_url.trim_end_matches('/');
    let mut out = b"{\"@odata.context\":".to_vec();
    push_string(&format!("{root}/$metadata"), &mut out);
    out.extend_from_slice(b",\"value\":[");
    let sets = view.tables.keys().map(|name| (name.as_str(), "EntitySet"));
    let singletons = view.singletons.keys().map(|name| (name.as_str(), "Singleton"));
    let functions = describe::listed_functions(view, abilities);
    let all = sets.chain(singletons).chain(functions.iter().map(|name| (name.as_str(), "FunctionImport")));
    for (index, (name, kind)) in all.enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"name\":" } else { b",{\"name\":" });
        push_string(name, &mut out);
        out.extend_from_slice(b",\"kind\":");
        push_string(kind, &mut out);
        out.extend_from_slice(b",\"url\":");
        push_string(name, &mut out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}
