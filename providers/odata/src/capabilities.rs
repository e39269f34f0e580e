//! What a service can be asked: the product's preset, restricted by what the metadata says, and both changed by the configuration. Pure.

mod references;

use crate::config::{ColumnOverrides, OdataConfig, TableOverrides, TextFunction};
use crate::metadata::{Edm, EntitySet, General, Property, Protocol};
use crate::presets::Preset;
use portico_provider_api::capabilities::{
    AggregateCapabilities, ColumnCapabilities, ColumnComparisons, ComparisonSupport, FilterCapabilities, KeyCapabilities, NullOrdering,
    SortCapabilities, TableCapabilities, WriteCapabilities,
};
use portico_provider_api::{AggregateFunction, Capabilities, Collation, Function, Requirement, Support, TypeClass};
use std::collections::BTreeMap;

/// What decides: the product, the configuration, and the greatest length of a URL.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Of the product, as the configuration has changed it.
    pub preset: Preset,
    /// What the configuration says of single sets.
    pub tables: BTreeMap<String, TableOverrides>,
    /// Bytes of a URL at most.
    pub max_url: usize,
    /// Functions that the configuration names.
    functions: Option<Vec<TextFunction>>,
    /// Whether the configuration says something of `$apply`, `in` or others that the service may say, too.
    said_in: Option<bool>,
}

impl Rules {
    /// The rules of a configuration.
    pub fn new(config: &OdataConfig, max_url: usize) -> Rules {
        let mut preset = config.product.preset();
        let said = &config.capabilities;
        for (place, value) in [
            (&mut preset.or, said.or),
            (&mut preset.is_null, said.is_null),
            (&mut preset.is_null_v2, said.is_null),
            (&mut preset.in_list, said.r#in),
            (&mut preset.top, said.top),
            (&mut preset.skip, said.skip),
            (&mut preset.sort, said.orderby),
            (&mut preset.stable_order, said.stable_order),
            (&mut preset.count, said.count),
            (&mut preset.apply, said.apply),
            (&mut preset.change_sets, said.change_sets),
            (&mut preset.compare_columns, said.compare_columns),
            (&mut preset.expand, said.expand),
            (&mut preset.navigation_filter, said.navigation_filter),
            (&mut preset.navigation_filter_v2, said.navigation_filter),
        ] {
            *place = value.unwrap_or(*place);
        }
        preset.collation = config.collation.map_or(preset.collation, Collation::from);
        preset.max_keys = said.max_keys.unwrap_or(preset.max_keys);
        Rules { preset, tables: config.tables.clone(), max_url, functions: said.functions.clone(), said_in: said.r#in }
    }

    /// The same, with lists asked for by `in`, to find out whether they can be.
    pub fn with_in(&self) -> Rules {
        Rules { said_in: Some(true), ..self.clone() }
    }

    /// Whether lists are asked for by `in`.
    pub fn uses_in(&self, general: &General) -> bool {
        self.said_in.unwrap_or(self.preset.in_list || general.is_401)
    }

    /// What holds of a set whatever is said of it; the service itself may say more of functions.
    pub fn source(&self, protocol: Protocol, general: &General) -> Capabilities {
        let preset = &self.preset;
        Capabilities {
            filter: self.filters(protocol, general),
            collation: preset.collation,
            projection: Support::Exact,
            sort: SortCapabilities { columns: support(preset.sort), expressions: Support::None, nulls: NullOrdering::Lowest },
            limit: support(preset.top),
            offset: support(preset.skip),
            stable_order: preset.stable_order,
            keys: KeyCapabilities {
                support: preset.filter,
                max_columns: preset.max_key_columns,
                max_tuples: preset.max_keys,
                max_bytes: self.max_url / 8,
            },
            // What is between the values takes more room in a URL than it is counted with, and most of it is encoded.
            max_request_bytes: self.max_url / 3,
            calls: true,
            ..Capabilities::default()
        }
    }

    fn filters(&self, protocol: Protocol, general: &General) -> FilterCapabilities {
        let preset = &self.preset;
        FilterCapabilities {
            comparisons: TypeClass::ALL.into_iter().map(|class| (class, self.comparison(protocol, class))).collect(),
            and: Support::Exact,
            or: support(preset.or),
            not: Support::Exact,
            // What is shown without its finest digits is compared with them at the service.
            between_expressions: support(preset.compare_columns && !general.truncates),
            within_native_types: true,
            max_in_list: preset.max_keys,
            functions: self.functions(general.filter_functions.as_deref()),
            bare_boolean: Support::Exact,
            stored_forms: Some(Support::None),
            ..FilterCapabilities::default()
        }
    }

    fn comparison(&self, protocol: Protocol, class: TypeClass) -> ComparisonSupport {
        let preset = &self.preset;
        let is_null = support(if protocol == Protocol::V2 { preset.is_null_v2 } else { preset.is_null });
        // What is returned as null may compare as the least value at the service.
        let loose = if preset.initial_is_null { Support::Inexact } else { Support::Exact };
        let distinct_from = support(preset.strict);
        let ordered = ComparisonSupport {
            equal: Support::Exact,
            not_equal: Support::Exact,
            order: Support::Exact,
            distinct_from,
            sort: Support::Exact,
            is_null,
        };
        let nulls = ComparisonSupport { is_null, ..ComparisonSupport::default() };
        match class {
            TypeClass::Boolean => ComparisonSupport { order: Support::None, ..ordered },
            TypeClass::Integer | TypeClass::Decimal | TypeClass::Text => ordered,
            TypeClass::Date | TypeClass::Time | TypeClass::Timestamp | TypeClass::TimestampTz => {
                ComparisonSupport { not_equal: loose, order: loose, ..ordered }
            }
            TypeClass::Guid if preset.strict => ordered,
            TypeClass::Guid => ComparisonSupport { order: Support::None, sort: Support::None, ..ordered },
            TypeClass::Float if preset.strict => ComparisonSupport { distinct_from: Support::None, sort: Support::None, ..ordered },
            TypeClass::Float | TypeClass::Binary => nulls,
            TypeClass::Json => ComparisonSupport::default(),
        }
    }

    /// The functions that may be called: those that the configuration names, else those that the service names, else the product's.
    fn functions(&self, said: Option<&[String]>) -> BTreeMap<Function, Support> {
        let exactness = if self.preset.collation == Collation::CaseInsensitive { Support::Inexact } else { Support::Exact };
        let of = |function: TextFunction| match function {
            TextFunction::Contains => Function::Contains,
            TextFunction::Startswith => Function::StartsWith,
            TextFunction::Endswith => Function::EndsWith,
        };
        let all = [TextFunction::Contains, TextFunction::Startswith, TextFunction::Endswith];
        if let Some(named) = &self.functions {
            return named.iter().map(|function| (of(*function), exactness)).collect();
        }
        let preset = self.preset.text_functions;
        let spoken = said.filter(|_| self.preset.believes_functions);
        let names = |function: TextFunction, said: &[String]| {
            let name = format!("{function:?}").to_lowercase();
            said.iter().any(|known| known.rsplit('.').next().is_some_and(|known| known.eq_ignore_ascii_case(&name)))
        };
        match spoken {
            Some(said) => all.into_iter().filter(|function| names(*function, said)).map(|function| (of(function), exactness)).collect(),
            None if preset == Support::None => BTreeMap::new(),
            None => all.into_iter().map(|function| (of(function), preset.min(exactness))).collect(),
        }
    }

    /// What is particular to a set.
    pub fn table(&self, protocol: Protocol, set: &EntitySet) -> TableCapabilities {
        let unsaid = TableOverrides::default();
        let (own, said, preset) = (self.tables.get(&set.name).unwrap_or(&unsaid), &set.restrictions, &self.preset);
        let decided = |own: Option<bool>, said: Option<bool>, preset: bool| support(own.unwrap_or(preset && said.unwrap_or(true)));
        let filter = match own.filter.or(said.filterable) {
            Some(false) => Support::None,
            Some(true) if own.filter == Some(true) => Support::Exact,
            Some(true) | None => preset.filter,
        };
        let required: Vec<String> = own.required.clone().unwrap_or_else(|| said.required.clone());
        let columns = set.properties.iter().map(|property| {
            let own = own.columns.get(&property.name).cloned().unwrap_or_default();
            (property.name.clone(), self.column(property, &own))
        });
        let count = decided(own.count, said.countable, preset.count);
        TableCapabilities {
            filter: Some(filter),
            sort: Some(decided(own.orderby, said.sortable, preset.sort)),
            limit: Some(decided(own.top, said.top, preset.top)),
            offset: Some(decided(own.skip, said.skip, preset.skip)),
            count: Some(count),
            aggregate: self.applies(set).then(aggregates),
            distinct: self.applies(set).then_some(Support::Exact),
            joins: Some(Support::None),
            references: self.references(protocol, set).into_iter().map(|(_, reference)| reference).collect(),
            write: Some(self.write(set)),
            required_keys: if required.is_empty() { Vec::new() } else { vec![required.into_iter().map(Requirement::Key).collect()] },
            columns: columns.filter(|(_, column)| *column != ColumnCapabilities::INHERITED).collect(),
            ..TableCapabilities::default()
        }
    }

    fn column(&self, property: &Property, own: &ColumnOverrides) -> ColumnCapabilities {
        let in_path = property.name.contains('/');
        let by_type = match property.edm {
            Edm::Json | Edm::Flags | Edm::Binary => Some(Support::None),
            // A length of time, or what is finer than a microsecond, is a text to readers, and none to the service; only whole members of an enumeration are known to it.
            Edm::Duration | Edm::FineMoment | Edm::FineTime => Some(Support::None),
            Edm::Enumeration
            | Edm::Boolean
            | Edm::Integer
            | Edm::Int64
            | Edm::Single
            | Edm::Double
            | Edm::Decimal
            | Edm::String
            | Edm::Guid
            | Edm::Date
            | Edm::TimeOfDay
            | Edm::DateTimeOffset
            | Edm::DateTime
            | Edm::DateOnly
            | Edm::Time => None,
        };
        let filter = match own.filter.or(property.filterable) {
            Some(false) => Some(Support::None),
            // Paths into complex values are not asked about unless it is said that they can be.
            None if in_path && !self.preset.strict => Some(Support::None),
            Some(true) | None => None,
        };
        let unordered = property.edm == Edm::Enumeration || (property.nullable && !self.preset.nulls_lowest) || in_path;
        let sort = match own.orderby.or(property.sortable) {
            // What is equal here is in some order at the service, which decides before the next column of the order does.
            _ if property.truncated => Some(Support::None),
            Some(false) => Some(Support::None),
            None if unordered => Some(Support::None),
            Some(true) | None => None,
        };
        let unsaid = ColumnCapabilities { filter: by_type.or(filter), sort: by_type.or(sort), ..ColumnCapabilities::INHERITED };
        let preset = &self.preset;
        let sorted_apart = preset.sorts_text && preset.collation == Collation::CaseInsensitive && own.collation.is_none();
        match property.edm {
            // The names of members are told apart letter by letter.
            Edm::Enumeration => ColumnCapabilities {
                comparisons: Some(self.enumeration()),
                functions: Some(BTreeMap::new()),
                collation: Some(Collation::Binary),
                ..unsaid
            },
            // Equality finds more than it should, and the order is that of code points all the same.
            Edm::String if sorted_apart => ColumnCapabilities {
                comparisons: Some(ColumnComparisons {
                    equal: Support::Inexact,
                    is_null: support(preset.is_null),
                    ..ColumnComparisons::default()
                }),
                functions: Some(self.functions(None)),
                collation: Some(Collation::Binary),
                ..unsaid
            },
            Edm::String
            | Edm::Boolean
            | Edm::Integer
            | Edm::Int64
            | Edm::Single
            | Edm::Double
            | Edm::Decimal
            | Edm::Guid
            | Edm::Binary
            | Edm::Date
            | Edm::TimeOfDay
            | Edm::DateTimeOffset
            | Edm::DateTime
            | Edm::DateOnly
            | Edm::Time
            | Edm::Duration
            | Edm::FineMoment
            | Edm::FineTime
            | Edm::Flags
            | Edm::Json => ColumnCapabilities { collation: own.collation.map(Collation::from), ..unsaid },
        }
    }

    /// Members of an enumeration are equal or not; in which order they stand is not that of their names.
    fn enumeration(&self) -> ColumnComparisons {
        ColumnComparisons {
            equal: Support::Exact,
            not_equal: Support::Exact,
            is_null: support(self.preset.is_null),
            ..ColumnComparisons::default()
        }
    }

    /// What can be written. A service checks an ETag in the step that writes, and nothing else.
    pub fn write(&self, set: &EntitySet) -> WriteCapabilities {
        let unsaid = TableOverrides::default();
        let (own, said) = (self.tables.get(&set.name).unwrap_or(&unsaid), &set.restrictions);
        let keyed = !set.key.is_empty();
        let decided = |own: Option<bool>, said: Option<bool>| own.unwrap_or(said.unwrap_or(true));
        WriteCapabilities {
            insert: decided(own.insert, said.insertable),
            update: keyed && decided(own.update, said.updatable),
            delete: keyed && decided(own.delete, said.deletable),
            upsert: keyed && own.update != Some(false) && said.updatable != Some(false) && said.upsertable.unwrap_or(self.preset.upsert),
            transactions: self.preset.change_sets,
            returning: true,
            returning_key: true,
            version: self.has_etag(set),
            unchanged: false,
            visible: false,
            require: false,
        }
    }

    /// Whether groups and aggregates of a set are computed: where its product does, and the set says so.
    pub fn applies(&self, set: &EntitySet) -> bool {
        // Groups by what is cut here would be too small.
        self.preset.apply && set.restrictions.apply == Some(true) && !set.properties.iter().any(|property| property.truncated)
    }

    /// Whether entities of a set have an ETag.
    pub fn has_etag(&self, set: &EntitySet) -> bool {
        let own = self.tables.get(&set.name).and_then(|own| own.etag);
        !set.key.is_empty() && own.unwrap_or(set.etag || self.preset.always_etag)
    }
}

/// Sums, least and greatest values, and numbers of rows. How an average is rounded is the service's own affair.
fn aggregates() -> AggregateCapabilities {
    let exact = |classes: &[TypeClass]| classes.iter().map(|class| (*class, Support::Exact)).collect::<BTreeMap<_, _>>();
    let ordered = [TypeClass::Integer, TypeClass::Decimal, TypeClass::Date, TypeClass::Time, TypeClass::Timestamp, TypeClass::TimestampTz];
    AggregateCapabilities {
        group_by: Support::Exact,
        functions: [
            (AggregateFunction::CountRows, exact(&[TypeClass::Integer])),
            (AggregateFunction::Sum, exact(&[TypeClass::Integer, TypeClass::Decimal])),
            (AggregateFunction::Min, exact(&ordered)),
            (AggregateFunction::Max, exact(&ordered)),
        ]
        .into(),
        ..AggregateCapabilities::default()
    }
}

fn support(yes: bool) -> Support {
    if yes { Support::Exact } else { Support::None }
}
