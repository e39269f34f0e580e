//! What is known of products beyond what their metadata says: data, a constant for each. What is said here of a product is what its
//! documentation says or what was seen; where neither tells, it is what is safe. It must not know documents or requests.

use crate::config::Product;
use portico_provider_api::{Collation, Support};

/// What a product does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    /// How text compares.
    pub collation: Collation,
    /// `or` between conditions on different properties.
    pub or: bool,
    /// `eq null` in OData 4.0.
    pub is_null: bool,
    /// `eq null` in OData 2.0, which does not say what it means: some services find nothing by it.
    pub is_null_v2: bool,
    /// Whether `ne null` is added to other comparisons, because there are nulls that they may find or not.
    pub not_null: bool,
    /// Whether `ne` and `lt` may also find what is returned as null: initial values of ABAP, empty dates.
    pub initial_is_null: bool,
    /// Comparisons as the standard says them, to the letter: floats, GUIDs in order, `ne` as two-valued.
    pub strict: bool,
    /// `contains`, `startswith`, `endswith`, where nothing is said of functions.
    pub text_functions: Support,
    /// Whether what the metadata says of functions is believed.
    pub believes_functions: bool,
    /// `in`.
    pub in_list: bool,
    /// Conditions at all.
    pub filter: Support,
    /// `$top`.
    pub top: bool,
    /// `$skip`.
    pub skip: bool,
    /// Whether entities that are asked for in no order come in one that stays, as the standard demands (OData 4.01, Part 1, section 11.2.6.4).
    pub stable_order: bool,
    /// `$orderby`.
    pub sort: bool,
    /// Whether text is sorted by code points though it does not compare so: ABAP's databases sort by bytes.
    pub sorts_text: bool,
    /// Whether nulls are sorted below all values; otherwise only by what is never null.
    pub nulls_lowest: bool,
    /// `/$count`.
    pub count: bool,
    /// Whether every entity has an ETag, whatever is said.
    pub always_etag: bool,
    /// Whether a change set of `$batch` is one transaction.
    pub change_sets: bool,
    /// Whether `PATCH` of what is not there inserts it.
    pub upsert: bool,
    /// Whether properties with a navigation property's constraint are written by a reference (`x@odata.bind`), and null removes it.
    pub binds: bool,
    /// `$apply`, where it is said of a set.
    pub apply: bool,
    /// Comparisons of one property with another.
    pub compare_columns: bool,
    /// `$expand` of what leads to one entity.
    pub expand: bool,
    /// The same within another one.
    pub expand_on: bool,
    /// Conditions on what a navigation property leads to, in OData 4.0.
    pub navigation_filter: bool,
    /// The same in OData 2.0.
    pub navigation_filter_v2: bool,
    /// Keys in one request.
    pub max_keys: usize,
    /// Properties of a key that are asked for by several values.
    pub max_key_columns: usize,
}

/// What every service does that keeps to the standard, in the more careful reading.
const GENERIC: Preset = Preset {
    collation: Collation::CaseInsensitive,
    or: true,
    is_null: true,
    is_null_v2: false,
    not_null: true,
    initial_is_null: false,
    strict: false,
    text_functions: Support::None,
    believes_functions: true,
    in_list: false,
    filter: Support::Exact,
    top: true,
    skip: true,
    stable_order: true,
    sort: true,
    sorts_text: false,
    nulls_lowest: false,
    count: true,
    always_etag: false,
    change_sets: false,
    upsert: false,
    binds: false,
    apply: false,
    compare_columns: false,
    expand: true,
    expand_on: true,
    navigation_filter: false,
    navigation_filter_v2: false,
    max_keys: 20,
    max_key_columns: 4,
};

const PORTICO: Preset = Preset {
    collation: Collation::Binary,
    strict: true,
    text_functions: Support::Exact,
    in_list: true,
    nulls_lowest: true,
    always_etag: true,
    apply: true,
    compare_columns: true,
    navigation_filter: true,
    max_keys: 50,
    ..GENERIC
};

const S4HANA: Preset = Preset {
    is_null: false,
    not_null: false,
    initial_is_null: true,
    text_functions: Support::Inexact,
    sorts_text: true,
    // What is null here is the least value there.
    nulls_lowest: true,
    change_sets: true,
    ..GENERIC
};

/// Services that were written by hand may leave out what they were not written for, and answer all the same: a condition keeps more rows
/// than it should, and everything else is done here.
const SAP_GATEWAY: Preset = Preset {
    filter: Support::Inexact,
    top: false,
    skip: false,
    sort: false,
    count: false,
    text_functions: Support::None,
    believes_functions: false,
    // What is expanded is written by hand as well.
    expand: false,
    change_sets: false,
    ..S4HANA
};

/// Its documentation says that pages by `$skip` may lose and repeat records.
const SUCCESSFACTORS: Preset = Preset { is_null_v2: true, text_functions: Support::Inexact, stable_order: false, ..GENERIC };

const FINANCE_OPERATIONS: Preset = Preset {
    is_null: false,
    not_null: false,
    initial_is_null: true,
    believes_functions: false,
    nulls_lowest: true,
    always_etag: true,
    change_sets: true,
    expand_on: false,
    ..GENERIC
};

const BUSINESS_CENTRAL: Preset = Preset {
    or: false,
    is_null: false,
    not_null: false,
    initial_is_null: true,
    text_functions: Support::Inexact,
    believes_functions: false,
    nulls_lowest: true,
    always_etag: true,
    max_key_columns: 1,
    ..GENERIC
};

const DATAVERSE: Preset = Preset {
    text_functions: Support::Inexact,
    believes_functions: false,
    skip: false,
    nulls_lowest: true,
    // It counts up to 5000.
    count: false,
    always_etag: true,
    change_sets: true,
    upsert: true,
    compare_columns: true,
    navigation_filter: true,
    binds: true,
    ..GENERIC
};

const SHAREPOINT: Preset = Preset {
    text_functions: Support::None,
    believes_functions: false,
    skip: false,
    count: false,
    nulls_lowest: true,
    always_etag: true,
    ..GENERIC
};

impl Product {
    /// What is known of it.
    pub fn preset(self) -> Preset {
        match self {
            Product::Generic => GENERIC,
            Product::Portico => PORTICO,
            Product::S4hana => S4HANA,
            Product::SapGateway => SAP_GATEWAY,
            Product::Successfactors => SUCCESSFACTORS,
            Product::FinanceOperations => FINANCE_OPERATIONS,
            Product::BusinessCentral => BUSINESS_CENTRAL,
            Product::Dataverse => DATAVERSE,
            Product::Sharepoint => SHAREPOINT,
        }
    }
}
