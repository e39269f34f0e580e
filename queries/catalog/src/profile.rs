//! What a client profile makes of a service: which properties it has besides its columns, and how columns are published that the
//! client cannot take as they are. The rest of the gateway works on the model as it is; requests and answers are translated at its edge.
//! It must not know how either is written.
//!
//! For Dataverse every key is one GUID. A table whose key is something else has a property `<EntitySet>Key`, which is its key there,
//! and for each relationship to such a table a property `<Relationship>Key` that holds the same GUID. Its own key columns stay as
//! ordinary properties.

use crate::definition::Profile;
use crate::model::{Column, Relationship, VirtualTable};
use crate::overlay::{Enumeration, Overlay};
use crate::view::{ModelView, RelationshipView, TableView};
use indexmap::IndexMap;
use portico_provider_api::ScalarType;
use std::sync::Arc;

/// Length of texts whose source says none, in a service for Dataverse: the longest that is a single line there.
pub const DATAVERSE_TEXT: u32 = 4_000;
/// Length of texts whose source says none, in a service for Salesforce: the longest that is no long text area there, of which an
/// object can hold few.
pub const SALESFORCE_TEXT: u32 = 255;
/// Characters of a time of day as text: `12:30:00.123456`.
const TIME_TEXT: u32 = 15;

/// A property that holds a key as a GUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuidProperty {
    /// Its name.
    pub name: String,
    /// Positions of the columns that it stands for, in the order of the other table's key.
    pub columns: Vec<usize>,
    /// The virtual table whose key it is.
    pub table: String,
    /// Types of that key.
    pub types: Vec<ScalarType>,
    /// The relationship that it belongs to; absent for the table's own key.
    pub relationship: Option<String>,
}

/// How the values of a column are published where they are not published as they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Widening {
    /// A number as one of a wider type.
    Number(ScalarType),
    /// A date as its first instant in UTC.
    DateToInstant,
    /// A time of day as text.
    TimeToText,
    /// A member of an enumeration as its number.
    Enumeration(Arc<Enumeration>),
}

/// A service as its profile publishes it.
#[derive(Debug, Clone)]
pub struct Published {
    /// What requests are bound to: the model as it is, without what the profile leaves out.
    pub native: Arc<ModelView>,
    /// What clients are shown. Its tables have the columns of those in `native` at the same positions, then the GUID properties.
    pub view: Arc<ModelView>,
    tables: IndexMap<String, PublishedTable>,
}

/// A table as its profile publishes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PublishedTable {
    /// Its GUID properties, the one for its own key first where it has one; the first is at the position after the last column.
    pub guids: Vec<GuidProperty>,
    /// The columns that are widened.
    pub widened: IndexMap<usize, Widening>,
}

impl PublishedTable {
    /// The property for the table's own key.
    #[must_use]
    pub fn own_key(&self) -> Option<&GuidProperty> {
        self.guids.first().filter(|guid| guid.relationship.is_none())
    }

    /// The GUID property of that name.
    #[must_use]
    pub fn guid(&self, name: &str) -> Option<&GuidProperty> {
        self.guids.iter().find(|guid| guid.name == name)
    }
}

impl Published {
    /// The service as its profile publishes it. A profile that changes nothing shares the view.
    #[must_use]
    pub fn of(view: Arc<ModelView>) -> Published {
        match view.profile {
            Profile::Standard | Profile::Powerbi => Published { native: Arc::clone(&view), view, tables: IndexMap::new() },
            Profile::Salesforce => {
                let tables = view.tables.iter().map(|(name, table)| (name.clone(), with_lengths(table, SALESFORCE_TEXT)));
                let shown = ModelView { tables: tables.collect(), ..(*view).clone() };
                Published { native: view, view: Arc::new(shown), tables: IndexMap::new() }
            }
            Profile::Dataverse => dataverse(&view),
        }
    }

    /// What the profile does to the table of that name in the service; nothing is done to one that is not there.
    #[must_use]
    pub fn table(&self, entity_set: &str) -> Option<&PublishedTable> {
        self.tables.get(entity_set)
    }

    /// Whether requests and answers are to be translated.
    #[must_use]
    pub fn translates(&self) -> bool {
        !self.tables.is_empty()
    }
}

fn with_lengths(table: &TableView, length: u32) -> TableView {
    let mut shown = (*table.table).clone();
    for column in &mut shown.columns {
        set_length(column, length);
    }
    TableView { table: Arc::new(shown), ..table.clone() }
}

fn set_length(column: &mut Column, length: u32) {
    if matches!(column.scalar_type, ScalarType::Text | ScalarType::Json) && column.max_length.is_none() {
        column.max_length = Some(length);
    }
}

/// Whether a table's key is one GUID already.
fn has_guid_key(table: &VirtualTable) -> bool {
    matches!(table.key.as_slice(), [only] if table.columns.get(*only).is_some_and(|column| column.scalar_type == ScalarType::Guid))
}

fn key_types(table: &VirtualTable) -> Vec<ScalarType> {
    table.key.iter().filter_map(|index| table.columns.get(*index)).map(|column| column.scalar_type).collect()
}

/// The GUID that stands for a table's own key in a service for Dataverse; none where the key is a GUID already, or where there is no key.
#[must_use]
pub fn own_guid(entity_set: &str, table: &VirtualTable) -> Option<GuidProperty> {
    (!table.key.is_empty() && !has_guid_key(table)).then(|| GuidProperty {
        name: format!("{entity_set}Key"),
        columns: table.key.clone(),
        table: table.name.clone(),
        types: key_types(table),
        relationship: None,
    })
}

/// The GUID that stands for a foreign key in a service for Dataverse; none where the other table has no such key, or where the
/// relationship does not lead to its key.
#[must_use]
pub fn foreign_guid(relationship: &Relationship, to: &VirtualTable) -> Option<GuidProperty> {
    if relationship.many || relationship.through.is_some() || to.key.is_empty() || has_guid_key(to) {
        return None;
    }
    let own = |theirs: &usize| relationship.on.iter().find(|(_, column)| column == theirs).map(|(own, _)| *own);
    let columns = to.key.iter().map(own).collect::<Option<Vec<_>>>().filter(|columns| columns.len() == relationship.on.len())?;
    Some(GuidProperty {
        name: format!("{}Key", relationship.name),
        columns,
        table: to.name.clone(),
        types: key_types(to),
        relationship: Some(relationship.name.clone()),
    })
}

/// How Dataverse is shown a column; `None` as it is.
#[must_use]
pub fn widening(column: &Column) -> Option<Widening> {
    if let Some(enumeration) = &column.enumeration {
        return Some(Widening::Enumeration(Arc::clone(enumeration)));
    }
    match column.scalar_type {
        ScalarType::Int16 => Some(Widening::Number(ScalarType::Int32)),
        ScalarType::Float32 => Some(Widening::Number(ScalarType::Float64)),
        ScalarType::Date => Some(Widening::DateToInstant),
        ScalarType::Time => Some(Widening::TimeToText),
        ScalarType::Boolean
        | ScalarType::Int32
        | ScalarType::Int64
        | ScalarType::Float64
        | ScalarType::Decimal { .. }
        | ScalarType::Text
        | ScalarType::Binary
        | ScalarType::Timestamp
        | ScalarType::TimestampTz
        | ScalarType::Guid
        | ScalarType::Json => None,
    }
}

/// Whether Dataverse can be shown a column at all.
#[must_use]
pub fn is_shown(table: &VirtualTable, column: usize) -> bool {
    let streamed = table.overlay.is_stream_content(column);
    !streamed && table.columns.get(column).is_some_and(|column| column.scalar_type != ScalarType::Binary)
}

fn widen(column: &mut Column) {
    let widening = widening(column);
    if widening.is_some() {
        // What it is by default is a value of the other type.
        column.default = None;
    }
    match widening {
        Some(Widening::Number(scalar_type)) => column.scalar_type = scalar_type,
        Some(Widening::DateToInstant) => column.scalar_type = ScalarType::TimestampTz,
        Some(Widening::TimeToText) => {
            column.scalar_type = ScalarType::Text;
            column.max_length = Some(TIME_TEXT);
        }
        Some(Widening::Enumeration(_)) => {
            column.scalar_type = ScalarType::Int32;
            column.max_length = None;
            column.enumeration = None;
        }
        None => {}
    }
    set_length(column, DATAVERSE_TEXT);
}

/// The GUID properties of a table, of the visible relationships.
fn guids_of(view: &ModelView, table: &TableView) -> Vec<GuidProperty> {
    let foreign = |relationship: &RelationshipView| {
        let to = view.table(&relationship.to)?;
        foreign_guid(table.table.relationships.get(relationship.index)?, &to.table)
    };
    own_guid(&table.name, &table.table).into_iter().chain(table.relationships.iter().filter_map(foreign)).collect()
}

fn dataverse(view: &Arc<ModelView>) -> Published {
    let describe = |table: &TableView| {
        let widened = table.columns.iter().filter_map(|index| Some((*index, widening(table.table.columns.get(*index)?)?)));
        PublishedTable { guids: guids_of(view, table), widened: widened.collect() }
    };
    let tables: IndexMap<String, PublishedTable> = view.tables.iter().map(|(name, table)| (name.clone(), describe(table))).collect();
    let empty = PublishedTable::default();
    let shown = view.tables.iter().map(|(name, table)| (name.clone(), dataverse_table(view, table, &tables, &empty))).collect();
    // Operations take and give values as the tables have them.
    let shown = ModelView { tables: shown, operations: Vec::new(), ..(**view).clone() };
    Published { native: Arc::clone(view), view: Arc::new(shown), tables }
}

fn dataverse_table(view: &ModelView, table: &TableView, tables: &IndexMap<String, PublishedTable>, empty: &PublishedTable) -> TableView {
    let guids = &tables.get(&table.name).unwrap_or(empty).guids;
    let mut shown = (*table.table).clone();
    let natives = shown.columns.len();
    shown.columns.iter_mut().for_each(widen);
    shown.columns.extend(guids.iter().map(|guid| guid_column(guid, &table.table)));
    let own = guids.first().filter(|guid| guid.relationship.is_none()).map(|_| natives);
    if let Some(own) = own {
        shown.key = vec![own];
    }
    // A lookup is from GUID to GUID.
    for relationship in &table.relationships {
        let guid = guids.iter().position(|guid| guid.relationship.as_ref() == Some(&relationship.name));
        let to = view.table(&relationship.to).map(|to| to.table.columns.len());
        if let (Some(guid), Some(to), Some(known)) = (guid, to, shown.relationships.get_mut(relationship.index)) {
            known.on = vec![(natives + guid, to)];
        }
    }
    let Overlay { labels, annotations, restrictions, .. } = shown.overlay;
    // Properties are flat, of one type of entity, and no streams.
    shown.overlay = Overlay { labels, annotations, restrictions, ..Overlay::default() };
    let plain = table.columns.iter().copied().filter(|index| is_shown(&table.table, *index));
    let foreign = (natives..natives + guids.len()).filter(|index| Some(*index) != own);
    let columns = own.into_iter().chain(plain).chain(foreign).collect();
    TableView { table: Arc::new(shown), columns, ..table.clone() }
}

fn guid_column(guid: &GuidProperty, table: &VirtualTable) -> Column {
    let parts: Vec<&Column> = guid.columns.iter().filter_map(|index| table.columns.get(*index)).collect();
    let names: Vec<&str> = parts.iter().map(|column| column.name.as_str()).collect();
    let own = guid.relationship.is_none();
    Column {
        read_only: own || parts.iter().any(|column| column.read_only || column.generated),
        description: Some(format!("{} as a GUID", names.join(", "))),
        ..Column::plain(&guid.name, 0, ScalarType::Guid, !own && parts.iter().any(|column| column.nullable))
    }
}
