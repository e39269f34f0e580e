//! What a caller sees of a service: the view of the model that the OData binder and `$metadata` read. What the overlay says is seen
//! only as far as everything it needs is: a view's tables have an overlay of their own where some of it is hidden.

use crate::policy::access::WriteRight;
use crate::policy::possible;
use crate::policy::rights::{Rights, TableRights};
use indexmap::IndexMap;
use portico_catalog::overlay::{ComplexProperty, Derivation, DerivedType, MediaType, Operation, StreamProperty};
use portico_catalog::{IfMatch, Model, ModelView, Overlay, Profile, Relationship, RelationshipView, Service, SingletonView, TableView};
use portico_catalog::{VirtualTable, model::Through};
use std::sync::Arc;

/// The view of a service for a caller with these rights. Tables without a key are not in it: OData cannot address their rows.
pub fn view(model: &Model, service: &Service, rights: &Rights, roles: &[String]) -> ModelView {
    let seen = Seen { service, rights, roles };
    let operations: Vec<_> = model.operations.iter().filter(|operation| seen.operation(operation)).map(Arc::clone).collect();
    let mut tables = IndexMap::new();
    for (alias, name) in &service.tables {
        let Some(table) = rights.tables.get(name).filter(|rights| !rights.table.key.is_empty()) else { continue };
        tables.insert(alias.clone(), table_view(alias, table, service.profile, &seen));
    }
    let singletons = service.singletons.iter().filter_map(|(name, singleton)| {
        let (table, _) = seen.table(&singleton.table)?;
        Some((name.clone(), SingletonView { table: table.clone(), key: singleton.key.clone(), labels: singleton.labels.clone() }))
    });
    ModelView {
        version: model.version.clone(),
        service: service.name.clone(),
        path: service.path.clone(),
        profile: service.profile,
        singletons: singletons.collect(),
        tables,
        results: ModelView::results_of(&operations),
        operations,
    }
}

/// What there is, and what of it the caller sees.
struct Seen<'a> {
    service: &'a Service,
    rights: &'a Rights,
    roles: &'a [String],
}

impl<'a> Seen<'a> {
    /// A virtual table that the caller sees in the service: its name there, and the rights on it.
    fn table(&self, name: &str) -> Option<(&'a String, &'a TableRights)> {
        let (alias, table) = self.service.tables.iter().find(|(_, table)| table.as_str() == name)?;
        let rights = self.rights.tables.get(table)?;
        (!rights.table.key.is_empty()).then_some((alias, rights.as_ref()))
    }

    /// Whether the caller may call an operation, and sees what it is bound to and what it returns.
    fn operation(&self, operation: &Operation) -> bool {
        let bound = operation.binding.as_ref().is_none_or(|binding| self.table(&binding.table).is_some());
        let returned = operation.returns.as_ref().and_then(|returns| returns.kind.table());
        bound && operation.may_be_called_by(self.roles) && returned.is_none_or(|table| self.table(table).is_some())
    }

    /// Whether everything is seen that a relationship of a table equates. A link over a column that is hidden or masked on either
    /// side would tell what the column holds.
    fn link(&self, own: &TableRights, other: &TableRights, relationship: &Relationship) -> bool {
        let direct = relationship.on.iter().all(|(left, right)| plain(own, *left) && plain(other, *right));
        direct && relationship.through.as_ref().is_none_or(|through| self.link_table(own, other, through))
    }

    /// The link table itself need not be in the service, nor have a key, but the caller must have the right to read it.
    fn link_table(&self, own: &TableRights, other: &TableRights, through: &Through) -> bool {
        let Some(pairs) = self.rights.tables.get(&through.table) else { return false };
        let here = through.own.iter().all(|(left, right)| plain(own, *left) && plain(pairs, *right));
        here && through.other.iter().all(|(left, right)| plain(pairs, *left) && plain(other, *right))
    }
}

/// Whether the caller sees what a column holds.
fn plain(rights: &TableRights, column: usize) -> bool {
    rights.columns.contains(&column) && !rights.is_treated(column)
}

fn table_view(alias: &str, rights: &TableRights, profile: Profile, seen: &Seen<'_>) -> TableView {
    let table = &rights.table;
    let relationships: Vec<RelationshipView> = table
        .relationships
        .iter()
        .enumerate()
        .filter_map(|(index, relationship)| {
            let (to, other) = seen.table(&relationship.to)?;
            let back = relationship.partner.as_ref().and_then(|name| other.table.relationships.iter().find(|link| link.name == *name));
            seen.link(rights, other, relationship).then(|| RelationshipView {
                index,
                name: relationship.name.clone(),
                to: to.clone(),
                many: relationship.many,
                partner: back.filter(|back| seen.link(other, rights, back)).map(|back| back.name.clone()),
            })
        })
        .collect();
    let (table, columns) = seen_overlay(table, rights, profile, &relationships);
    let default = match profile {
        Profile::Standard | Profile::Powerbi => IfMatch::Required,
        // Dataverse and Salesforce send no If-Match.
        Profile::Dataverse | Profile::Salesforce => IfMatch::Optional,
    };
    let if_match = table.if_match.unwrap_or(default);
    TableView {
        name: alias.to_owned(),
        columns,
        relationships,
        insertable: possible::can_insert(rights),
        updatable: possible::can_change(rights, WriteRight::Update, if_match),
        deletable: possible::can_change(rights, WriteRight::Delete, if_match),
        if_match,
        table,
    }
}

/// The table with the part of its overlay that the caller sees, and the columns that it sees through it.
fn seen_overlay(
    table: &Arc<VirtualTable>,
    rights: &TableRights,
    profile: Profile,
    relationships: &[RelationshipView],
) -> (Arc<VirtualTable>, Vec<usize>) {
    let plainer = if profile.knows_spatial() { None } else { table.without_spatial().map(Arc::new) };
    let table = plainer.as_ref().unwrap_or(table);
    let whole = &table.overlay;
    let shown = |column: &usize| rights.columns.contains(column);
    let mut hidden: Vec<usize> = Vec::new();
    let mut stream = |stream: &StreamProperty| {
        let typed = match &stream.media_type {
            MediaType::Fixed(_) => true,
            MediaType::Column(column) => plain(rights, *column),
        };
        // Bytes of which the caller may not know what they are are not shown as a plain property instead.
        if !typed {
            hidden.push(stream.content);
        }
        (typed && shown(&stream.content)).then(|| stream.clone())
    };
    let streams = whole.streams.iter().filter_map(&mut stream).collect();
    let media = whole.media.as_ref().and_then(&mut stream);
    let complex = whole.complex.iter().map(|complex| ComplexProperty {
        members: complex.members.iter().filter(|(_, column)| shown(column)).cloned().collect(),
        ..complex.clone()
    });
    let derivation = whole.derivation.as_ref().filter(|derivation| plain(rights, derivation.discriminator)).map(|derivation| {
        let types = derivation.types.iter().map(|derived| DerivedType {
            columns: derived.columns.iter().copied().filter(|column| shown(column)).collect(),
            ..derived.clone()
        });
        Derivation { types: types.collect(), ..derivation.clone() }
    });
    // What a role is shown in place of a coordinate, or of a text that is a place, is none.
    let (points, lost): (Vec<_>, Vec<_>) =
        whole.points.iter().cloned().partition(|point| plain(rights, point.latitude) && plain(rights, point.longitude));
    hidden.extend(lost.iter().flat_map(|point| [point.latitude, point.longitude]));
    let spatial = table.columns.iter().enumerate().filter(|(_, column)| column.spatial.is_some()).map(|(index, _)| index);
    hidden.extend(spatial.filter(|index| !plain(rights, *index)));
    let hierarchies = whole.hierarchies.iter().filter(|hierarchy| {
        plain(rights, hierarchy.node) && relationships.iter().any(|relationship| relationship.index == hierarchy.parent)
    });
    // What is computed of a masked column is computed of what is shown in its place, as with a method in the request.
    let aggregates =
        whole.aggregates.iter().filter(|aggregate| aggregate.column.is_none_or(|column| shown(&column) && !hidden.contains(&column)));
    let overlay = Overlay {
        complex: complex.filter(|complex| !complex.members.is_empty()).collect(),
        points,
        derivation,
        streams,
        media,
        hierarchies: hierarchies.cloned().collect(),
        aggregates: aggregates.cloned().collect(),
        labels: whole.labels.clone(),
        annotations: whole.annotations.clone(),
        restrictions: whole.restrictions.clone(),
    };
    let columns = rights.columns.iter().copied().filter(|column| !hidden.contains(column)).collect();
    if overlay == *whole {
        return (Arc::clone(table), columns);
    }
    (Arc::new(VirtualTable { overlay, ..table.as_ref().clone() }), columns)
}
