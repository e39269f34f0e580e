//! What a caller sees of a service: the view of the model that the OData binder and `$metadata` read.

use crate::policy::access::WriteRight;
use crate::policy::rights::{Rights, TableRights};
use indexmap::IndexMap;
use portico_catalog::{IfMatch, Model, ModelView, Origin, Profile, RelationshipView, Service, TableView};

/// The view of a service for a caller with these rights. Tables without a key are not in it: OData cannot address their rows.
pub fn view(model: &Model, service: &Service, rights: &Rights) -> ModelView {
    let visible = |name: &str| -> Option<(&String, &TableRights)> {
        let (alias, table) = service.tables.iter().find(|(_, table)| table.as_str() == name)?;
        let rights = rights.tables.get(table)?;
        (!rights.table.key.is_empty()).then_some((alias, rights))
    };
    let mut tables = IndexMap::new();
    for (alias, name) in &service.tables {
        let Some(table) = rights.tables.get(name).filter(|rights| !rights.table.key.is_empty()) else { continue };
        tables.insert(alias.clone(), table_view(alias, table, service.profile, &visible));
    }
    ModelView {
        version: model.version.clone(),
        service: service.name.clone(),
        path: service.path.clone(),
        profile: service.profile,
        tables,
        singletons: IndexMap::new(),
        operations: Vec::new(),
    }
}

fn table_view<'a>(
    alias: &str,
    rights: &TableRights,
    profile: Profile,
    visible: &impl Fn(&str) -> Option<(&'a String, &'a TableRights)>,
) -> TableView {
    let table = &rights.table;
    // A link over a column that is hidden or masked on either side would tell what the column holds.
    let plain = |rights: &TableRights, column: usize| rights.columns.contains(&column) && !rights.is_treated(column);
    let relationships = table.relationships.iter().enumerate().filter_map(|(index, relationship)| {
        let (to, other) = visible(&relationship.to)?;
        let seen = relationship.on.iter().all(|(own, theirs)| plain(rights, *own) && plain(other, *theirs));
        let partner = relationship.partner.clone();
        seen.then(|| RelationshipView { index, name: relationship.name.clone(), to: to.clone(), many: relationship.many, partner })
    });
    let writable = matches!(table.origin, Origin::Single { writable: true, .. });
    let default = match profile {
        Profile::Standard | Profile::Powerbi => IfMatch::Required,
        // Dataverse and Salesforce send no If-Match.
        Profile::Dataverse | Profile::Salesforce => IfMatch::Optional,
    };
    TableView {
        name: alias.to_owned(),
        table: std::sync::Arc::clone(table),
        columns: rights.columns.clone(),
        relationships: relationships.collect(),
        insertable: writable && rights.may(WriteRight::Insert),
        updatable: writable && rights.may(WriteRight::Update),
        deletable: writable && rights.may(WriteRight::Delete),
        if_match: table.if_match.unwrap_or(default),
    }
}
