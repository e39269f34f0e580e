//! Along which navigation properties a service joins its sets. Pure.

use super::{Rules, support};
use crate::metadata::{Edm, EntitySet, Navigation, Protocol};
use portico_provider_api::capabilities::JoinReference;
use portico_provider_api::{Collation, RemoteTableName, Support};

impl Rules {
    /// The navigation properties of a set that are expanded, each with what the engine is told of it.
    pub fn references<'a>(&self, protocol: Protocol, set: &'a EntitySet) -> Vec<(&'a Navigation, JoinReference)> {
        let own = self.tables.get(&set.name);
        if !self.preset.expand || own.and_then(|own| own.expand) == Some(false) {
            return Vec::new();
        }
        let followed = |navigation: &'a Navigation| {
            let columns = match own.and_then(|own| own.references.get(&navigation.name)) {
                Some(said) => said.clone(),
                None => constrained(navigation).filter(|_| navigation.expandable != Some(false))?,
            };
            let reference = self.reference(protocol, set, navigation, columns)?;
            Some((navigation, reference))
        };
        set.navigation.iter().filter_map(followed).collect()
    }

    /// A reference by these columns, in the order of the key that they hold; nothing where their values are not compared.
    fn reference(&self, protocol: Protocol, set: &EntitySet, navigation: &Navigation, columns: Vec<String>) -> Option<JoinReference> {
        if columns.is_empty() || columns.len() != navigation.key.len() {
            return None;
        }
        let held = columns.iter().map(|column| set.property(column)).collect::<Option<Vec<_>>>()?;
        if !held.iter().all(|property| is_compared(property.edm) && !property.truncated) {
            return None;
        }
        // Where the service takes texts for equal that are not, it finds partners that are none.
        let pairs = || [(&set.name, &columns), (&navigation.target, &navigation.key)];
        let binary =
            || pairs().iter().all(|(set, columns)| columns.iter().all(|column| self.collation_of(set, column) == Collation::Binary));
        let exact = !held.iter().any(|property| property.edm == Edm::String) || binary();
        let preset = &self.preset;
        let v2 = protocol == Protocol::V2;
        let filter = support(exact && if v2 { preset.navigation_filter_v2 } else { preset.navigation_filter });
        let is_null = support(if v2 { preset.is_null_v2 } else { preset.is_null });
        Some(JoinReference {
            columns,
            table: RemoteTableName(vec![navigation.target.clone()]).to_string(),
            referenced_columns: navigation.key.clone(),
            filter,
            sort: filter.min(support(preset.strict && preset.nulls_lowest)),
            inner_limit: filter.min(is_null).min(if preset.filter == Support::Exact { Support::Exact } else { Support::None }),
            leads_on: preset.expand_on && !navigation.one_level,
        })
    }

    fn collation_of(&self, set: &str, column: &str) -> Collation {
        let own = self.tables.get(set).and_then(|own| own.columns.get(column)).and_then(|own| own.collation);
        own.map_or(self.preset.collation, Collation::from)
    }
}

/// The columns that hold the key which a navigation property leads to, in its order, where its constraint is on just the key.
fn constrained(navigation: &Navigation) -> Option<Vec<String>> {
    let own = |key: &String| navigation.constraint.iter().find(|(_, other)| other == key).map(|(own, _)| own.clone());
    (navigation.constraint.len() == navigation.key.len()).then(|| navigation.key.iter().map(own).collect())?
}

/// Whether values of a type are equal in an answer just when they are equal in the IR.
fn is_compared(edm: Edm) -> bool {
    match edm {
        Edm::Boolean
        | Edm::Integer
        | Edm::Int64
        | Edm::Decimal
        | Edm::String
        | Edm::Guid
        | Edm::Date
        | Edm::TimeOfDay
        | Edm::DateTimeOffset
        | Edm::DateTime
        | Edm::DateOnly
        | Edm::Time => true,
        Edm::Single
        | Edm::Double
        | Edm::Binary
        | Edm::Duration
        | Edm::FineMoment
        | Edm::FineTime
        | Edm::Enumeration
        | Edm::Flags
        | Edm::Json => false,
    }
}
