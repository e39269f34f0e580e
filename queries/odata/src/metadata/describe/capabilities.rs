//! What the service and its sets can do, said honestly: the Capabilities vocabulary, and the parts of Core that speak of the service. What
//! the service does as a whole is in [`SERVICE`]: whoever makes it do more changes that, and nothing else here.

use super::super::csdl::{Annotation, Expression, member, record, texts};
use super::Describe;
use crate::bind::MAX_EXPAND_DEPTH;
use crate::value_type::ValueType;
use portico_catalog::{Column, IfMatch, Profile, TableView};
use portico_provider_api::ScalarType;

/// What the service does, whichever set is asked.
pub struct Abilities {
    /// Protocol versions that are answered.
    pub versions: &'static str,
    /// The level that reads conform to.
    pub conformance: &'static str,
    /// Media types that are written.
    pub formats: &'static [&'static str],
    /// `respond-async`.
    pub asynchronous: bool,
    /// Media types of `$batch`; none when there is no `$batch`.
    pub batch: &'static [&'static str],
    /// `$crossjoin`.
    pub cross_join: bool,
    /// `/Customers/1`.
    pub key_as_segment: bool,
    /// `POST …/$query`.
    pub query_segment: bool,
    /// `$compute`.
    pub compute: bool,
    /// `$search`.
    pub search: bool,
    /// What `$search` does not take, as members of `SearchExpressions`.
    pub search_without: &'static [&'static str],
    /// `$levels` in `$expand`.
    pub levels: bool,
    /// `$apply` and what it takes; see [`super::super::apply_supported`].
    pub apply: bool,
    /// Functions and actions. What is not executed is not advertised.
    pub operations: bool,
}

/// What the service does.
pub const SERVICE: Abilities = Abilities {
    versions: "4.0 4.01",
    conformance: "Intermediate",
    formats: &["application/json;odata.metadata=minimal", "application/json;odata.metadata=full", "application/json;odata.metadata=none"],
    asynchronous: true,
    batch: &["multipart/mixed", "application/json"],
    cross_join: true,
    key_as_segment: true,
    query_segment: true,
    compute: true,
    search: true,
    search_without: &[],
    levels: true,
    apply: true,
    operations: true,
};

impl Describe<'_> {
    /// Annotations of the schema.
    pub(super) fn of_schema(&self) -> Vec<Annotation> {
        vec![Annotation::text("Core.SchemaVersion", &self.view.version)]
    }

    /// Annotations of the container.
    pub(super) fn of_container(&self) -> Vec<Annotation> {
        let level = member("Org.OData.Capabilities.V1.ConformanceLevelType", self.abilities.conformance);
        let mut annotations = vec![
            Annotation::text("Core.ODataVersions", self.abilities.versions),
            Annotation::new("Capabilities.ConformanceLevel", level),
            Annotation::new("Capabilities.SupportedFormats", texts(self.abilities.formats.iter().copied())),
            Annotation::new("Capabilities.SupportedMetadataFormats", texts(["application/xml", "application/json"])),
            Annotation::flag("Capabilities.AsynchronousRequestsSupported", self.abilities.asynchronous),
            Annotation::flag("Capabilities.BatchSupported", !self.abilities.batch.is_empty()),
            Annotation::flag("Capabilities.CrossJoinSupported", self.abilities.cross_join && self.view.profile != Profile::Dataverse),
            Annotation::flag("Capabilities.KeyAsSegmentSupported", self.abilities.key_as_segment),
            Annotation::flag("Capabilities.QuerySegmentSupported", self.abilities.query_segment),
            Annotation::new("Capabilities.FilterFunctions", texts(crate::bind::function_names())),
        ];
        if !self.abilities.batch.is_empty() {
            let values = vec![
                ("Supported", Expression::Boolean(true)),
                ("ContinueOnErrorSupported", Expression::Boolean(true)),
                ("ReferencesInRequestBodiesSupported", Expression::Boolean(false)),
                ("ReferencesAcrossChangeSetsSupported", Expression::Boolean(true)),
                ("EtagReferencesSupported", Expression::Boolean(true)),
                ("RequestDependencyConditionsSupported", Expression::Boolean(false)),
                ("SupportedFormats", texts(self.abilities.batch.iter().copied())),
            ];
            annotations.push(Annotation::record("Capabilities.BatchSupport", values));
        }
        annotations
    }

    /// What a set can do.
    pub(super) fn capabilities(&self, table: &TableView) -> Vec<Annotation> {
        let mut annotations = Vec::new();
        if table.if_match == IfMatch::Required && (table.updatable || table.deletable) {
            annotations.push(Annotation::new("Core.OptimisticConcurrency", Expression::Collection(Vec::new())));
        }
        annotations.push(filter(table));
        annotations.push(sort(table));
        annotations.push(Annotation::flag("Capabilities.TopSupported", true));
        annotations.push(Annotation::flag("Capabilities.SkipSupported", true));
        annotations.push(Annotation::flag("Capabilities.IndexableByKey", true));
        annotations.push(Annotation::flag("Capabilities.ComputeSupported", self.abilities.compute));
        annotations.push(Annotation::record("Capabilities.SelectSupport", vec![("Supported", Expression::Boolean(true))]));
        let countable = !table.table.overlay.restrictions.not_countable;
        annotations.push(Annotation::record("Capabilities.CountRestrictions", vec![("Countable", Expression::Boolean(countable))]));
        annotations.push(search(self.abilities, table));
        annotations.push(expand(self.abilities, table));
        if table.table.overlay.restrictions.not_readable {
            let by_key = record(vec![("Readable", Expression::Boolean(true))]);
            let values = vec![("Readable", Expression::Boolean(false)), ("ReadByKeyRestrictions", by_key)];
            annotations.push(Annotation::record("Capabilities.ReadRestrictions", values));
        }
        annotations.extend(writes(table));
        if self.abilities.apply {
            annotations.push(Annotation::new("Aggregation.ApplySupported", super::super::apply_supported(self.view, table)));
            annotations.extend(self.custom_aggregates(table));
        }
        annotations
    }

    /// The names of aggregates, each with the type of its values (Data Aggregation 4.0, section 5.1.2).
    fn custom_aggregates(&self, table: &TableView) -> impl Iterator<Item = Annotation> {
        let namespace = super::super::namespace(self.view);
        table.table.overlay.aggregates.iter().filter_map(move |aggregate| {
            let type_name = match crate::bind::custom_type(table, aggregate)? {
                ValueType::Enumeration(enumeration, _) => format!("{namespace}.{}", enumeration.name),
                value_type => crate::edm::type_name(value_type.scalar()).to_owned(),
            };
            let annotation = Annotation::text("Aggregation.CustomAggregate", type_name);
            Some(Annotation { qualifier: Some(aggregate.name.clone()), ..annotation })
        })
    }
}

/// Adds a collection of paths, where there are any.
fn with_paths<'a>(mut values: Vec<(&'a str, Expression)>, name: &'a str, paths: Vec<Expression>) -> Vec<(&'a str, Expression)> {
    if !paths.is_empty() {
        values.push((name, Expression::Collection(paths)));
    }
    values
}

/// The visible columns of which something holds, as paths of their properties.
fn properties(table: &TableView, holds: impl Fn(usize, &Column) -> bool) -> Vec<Expression> {
    let found = table.visible().filter(|(index, column)| holds(*index, column));
    found.filter_map(|(index, _)| table.property_path(index)).map(Expression::PropertyPath).collect()
}

fn filter(table: &TableView) -> Annotation {
    let restrictions = &table.table.overlay.restrictions;
    let streamed = |index: usize| table.table.overlay.is_stream_content(index);
    let not = properties(table, |index, column| {
        column.scalar_type == ScalarType::Json || restrictions.not_filterable.contains(&index) || streamed(index)
    });
    let required = properties(table, |index, _| restrictions.required_in_filter.contains(&index));
    let mut values = vec![("Filterable", Expression::Boolean(true))];
    if !restrictions.required_in_filter.is_empty() {
        values.push(("RequiresFilter", Expression::Boolean(true)));
    }
    let values = with_paths(with_paths(values, "RequiredProperties", required), "NonFilterableProperties", not);
    Annotation::record("Capabilities.FilterRestrictions", values)
}

fn sort(table: &TableView) -> Annotation {
    let restrictions = &table.table.overlay.restrictions;
    let streamed = |index: usize| table.table.overlay.is_stream_content(index);
    let not = properties(table, |index, column| {
        // A point has two columns, and is named once.
        let unordered = matches!(column.scalar_type, ScalarType::Json | ScalarType::Binary)
            || column.spatial.is_some()
            || table.table.overlay.point_of(index).is_some_and(|point| point.longitude == index);
        if table.table.overlay.point_of(index).is_some_and(|point| point.latitude == index) {
            return false;
        }
        unordered || restrictions.not_sortable.contains(&index) || streamed(index)
    });
    Annotation::record(
        "Capabilities.SortRestrictions",
        with_paths(vec![("Sortable", Expression::Boolean(true))], "NonSortableProperties", not),
    )
}

fn search(abilities: &Abilities, table: &TableView) -> Annotation {
    let searchable = abilities.search && table.visible().any(|(_, column)| column.searchable);
    let mut values = vec![("Searchable", Expression::Boolean(searchable))];
    if searchable && !abilities.search_without.is_empty() {
        let members = abilities.search_without.iter().map(|name| (*name).to_owned()).collect();
        values.push(("UnsupportedExpressions", Expression::EnumMember("Org.OData.Capabilities.V1.SearchExpressions".to_owned(), members)));
    }
    Annotation::record("Capabilities.SearchRestrictions", values)
}

fn expand(abilities: &Abilities, table: &TableView) -> Annotation {
    let restrictions = &table.table.overlay.restrictions;
    let not = table.relationships.iter().filter(|link| restrictions.not_expandable.contains(&link.index));
    let not: Vec<Expression> = not.map(|link| Expression::NavigationPropertyPath(link.name.clone())).collect();
    let expandable = table.relationships.len() > not.len();
    let mut values = vec![("Expandable", Expression::Boolean(expandable))];
    if abilities.levels {
        values.push(("LevelsSupported", Expression::Boolean(true)));
    }
    values.push(("MaxLevels", Expression::Integer(i64::try_from(MAX_EXPAND_DEPTH).unwrap_or(i64::MAX))));
    Annotation::record("Capabilities.ExpandRestrictions", with_paths(values, "NonExpandableProperties", not))
}

fn writes(table: &TableView) -> Vec<Annotation> {
    let flag = |name: &'static str, value: bool| (name, Expression::Boolean(value));
    vec![
        Annotation::record("Capabilities.InsertRestrictions", vec![flag("Insertable", table.insertable)]),
        Annotation::record("Capabilities.UpdateRestrictions", vec![flag("Updatable", table.updatable), flag("Upsertable", false)]),
        Annotation::record("Capabilities.DeleteRestrictions", vec![flag("Deletable", table.deletable)]),
    ]
}
