//! The kind's own settings, beside those of every kind over HTTP. Unknown keys are refused. It must not know what they do.

use portico_provider_api::{Collation, ConnectContext, SourceError, SourceErrorKind};
use portico_provider_web::WebConfig;
use portico_provider_web::config::read as read_shared;
use portico_provider_web::units::Size;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A service that is asked through OData 4.0, 4.01 or 2.0.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OdataConfig {
    /// Which product answers: what it can do beyond and short of what its metadata says.
    #[serde(default)]
    pub product: Product,
    /// Which company's data, where the product keeps several apart by the path: a GUID (Business Central's APIs) or a name (its web
    /// services, and NAV's).
    #[serde(default)]
    pub company: Option<String>,
    /// Whether rows of all companies are read (Finance & Operations); otherwise those of the user's own.
    #[serde(default)]
    pub cross_company: bool,
    /// How text compares at the service. Without it: as the product's does.
    #[serde(default)]
    pub collation: Option<TextCollation>,
    /// How answers come in pages.
    #[serde(default)]
    pub paging: Paging,
    /// What conditions, orders and writes may ask, where it is not as the product's preset and the metadata say.
    #[serde(default)]
    pub capabilities: Overrides,
    /// The same for single entity sets.
    #[serde(default)]
    pub tables: BTreeMap<String, TableOverrides>,
    /// What becomes of moments and times of day of OData 4.0 that are, or may be, finer than a microsecond. Without it: those whose
    /// `Precision` says so are texts, and a value beyond what is said is an error.
    #[serde(default)]
    pub sub_microseconds: Option<SubMicroseconds>,
    /// How large `$metadata` may be, unpacked.
    #[serde(default)]
    pub max_metadata: Option<Size>,
}

/// Products, and what is known of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Nothing is known: only what every service does that keeps to the standard.
    #[default]
    Generic,
    /// Another gateway of this kind: the standard to the letter.
    Portico,
    /// SAP S/4HANA: released APIs.
    S4hana,
    /// SAP Gateway: services that were written by hand.
    SapGateway,
    /// SAP SuccessFactors.
    Successfactors,
    /// Dynamics 365 Finance & Operations.
    FinanceOperations,
    /// Dynamics 365 Business Central and NAV.
    BusinessCentral,
    /// Dataverse, and Dynamics 365 Sales, Customer Service and Field Service on it.
    Dataverse,
    /// SharePoint lists.
    Sharepoint,
}

/// How text compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextCollation {
    /// By code points.
    Binary,
    /// Upper and lower case are equal.
    CaseInsensitive,
    /// Equality is exact, and the order is a language's.
    Linguistic,
}

impl From<TextCollation> for Collation {
    fn from(collation: TextCollation) -> Collation {
        match collation {
            TextCollation::Binary => Collation::Binary,
            TextCollation::CaseInsensitive => Collation::CaseInsensitive,
            TextCollation::Linguistic => Collation::Linguistic,
        }
    }
}

/// How answers come in pages.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Rows in a page: what the service is asked to keep to, or with `client` what it is asked for.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub size: Option<u64>,
    /// Whether pages are asked for by `$top` and `$skip`, because the service makes none. It must be able to sort by the key.
    #[serde(default)]
    pub client: bool,
    /// Pages of one answer at most.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub most: Option<u64>,
}

/// What a service can be asked; what is not said, is as its product's preset says.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// `or` between conditions on different properties.
    #[serde(default)]
    pub or: Option<bool>,
    /// `eq null`.
    #[serde(default)]
    pub is_null: Option<bool>,
    /// `in` with a list, as in OData 4.01.
    #[serde(default)]
    pub r#in: Option<bool>,
    /// Functions of conditions that may be called: `contains`, `startswith`, `endswith`. Their answers are looked at again unless text
    /// compares by code points.
    #[serde(default)]
    pub functions: Option<Vec<TextFunction>>,
    /// `$top`.
    #[serde(default)]
    pub top: Option<bool>,
    /// `$skip`.
    #[serde(default)]
    pub skip: Option<bool>,
    /// `$orderby`.
    #[serde(default)]
    pub orderby: Option<bool>,
    /// `/$count`.
    #[serde(default)]
    pub count: Option<bool>,
    /// `$apply` with groups and aggregates.
    #[serde(default)]
    pub apply: Option<bool>,
    /// Whether entities that are asked for in no order come in one that stays from page to page.
    #[serde(default)]
    pub stable_order: Option<bool>,
    /// Comparisons of one property with another of the same type (`Shipped gt Promised`).
    #[serde(default)]
    pub compare_columns: Option<bool>,
    /// `$expand` of navigation properties that lead to one entity: joins along them.
    #[serde(default)]
    pub expand: Option<bool>,
    /// Conditions on what a navigation property leads to (`Customer/Country eq 'DE'`).
    #[serde(default)]
    pub navigation_filter: Option<bool>,
    /// Keys in one request at most.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_keys: Option<usize>,
    /// Whether reads whose URLs are longer than `http.max_url` go in a `$batch`: many keys, long conditions.
    #[serde(default)]
    pub batch_reads: Option<bool>,
    /// Whether a change set of `$batch` is one transaction.
    #[serde(default)]
    pub change_sets: Option<bool>,
}

/// Functions over text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TextFunction {
    /// `contains`; `substringof` in OData 2.0.
    Contains,
    /// `startswith`.
    Startswith,
    /// `endswith`.
    Endswith,
}

/// What is particular to one entity set.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableOverrides {
    /// Whether conditions are taken.
    #[serde(default)]
    pub filter: Option<bool>,
    /// Whether `$orderby` is taken.
    #[serde(default)]
    pub orderby: Option<bool>,
    /// `$top`.
    #[serde(default)]
    pub top: Option<bool>,
    /// `$skip`.
    #[serde(default)]
    pub skip: Option<bool>,
    /// `/$count`.
    #[serde(default)]
    pub count: Option<bool>,
    /// New entities.
    #[serde(default)]
    pub insert: Option<bool>,
    /// Changes.
    #[serde(default)]
    pub update: Option<bool>,
    /// Removals.
    #[serde(default)]
    pub delete: Option<bool>,
    /// Whether its entities have ETags.
    #[serde(default)]
    pub etag: Option<bool>,
    /// Whether its navigation properties are expanded.
    #[serde(default)]
    pub expand: Option<bool>,
    /// For navigation properties that lead to one entity, the columns of this set that hold its key, in the key's order: where the metadata
    /// does not say it. Without columns one is not expanded.
    #[serde(default)]
    pub references: BTreeMap<String, Vec<String>>,
    /// Whether properties that refer to an entity (by the constraint of a navigation property) are written as references, `x@odata.bind`.
    #[serde(default)]
    pub bind: Option<bool>,
    /// Columns without whose values it is not asked.
    #[serde(default)]
    pub required: Option<Vec<String>>,
    /// Columns that are not as the others.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnOverrides>,
}

/// What is particular to one column.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnOverrides {
    /// Whether it is taken in conditions.
    #[serde(default)]
    pub filter: Option<bool>,
    /// Whether it is taken in `$orderby`.
    #[serde(default)]
    pub orderby: Option<bool>,
    /// How its text compares.
    #[serde(default)]
    pub collation: Option<TextCollation>,
    /// The navigation property to one entity by which its value is written, as `x@odata.bind`: the value is the key of that entity.
    #[serde(default)]
    pub bind: Option<String>,
    /// The set in which that entity is, where it is another than the metadata says, or it says none.
    #[serde(default)]
    pub bind_to: Option<String>,
    /// What becomes of digits of a second beyond microseconds, also where its `Precision` says that there are none.
    #[serde(default)]
    pub sub_microseconds: Option<SubMicroseconds>,
}

/// What becomes of digits of a second beyond microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubMicroseconds {
    /// The whole value is a text, and not compared.
    Text,
    /// They are left out. Conditions find what is shown, and a change writes what is shown.
    Truncate,
}

/// Reads the settings.
///
/// # Errors
/// Names what is wrong, never with a value.
pub fn read(config: serde_json::Value, context: &ConnectContext) -> Result<(WebConfig, OdataConfig), SourceError> {
    let (web, own): (WebConfig, OdataConfig) = read_shared(config, context)?;
    let invalid = |message: &str, at: &[&str]| Err(SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message).at(at));
    if own.cross_company && own.product != Product::FinanceOperations {
        return invalid(
            "'cross_company' is of Finance & Operations alone: set 'product: finance_operations', or leave it out",
            &["cross_company"],
        );
    }
    if own.company.as_deref().is_some_and(|company| company.trim().is_empty()) {
        return invalid("'company' is empty", &["company"]);
    }
    if own.company.is_some() && own.product != Product::BusinessCentral {
        return invalid("'company' is of Business Central and NAV alone: set 'product: business_central', or leave it out", &["company"]);
    }
    if own.paging.size == Some(0) || own.paging.most == Some(0) || own.capabilities.max_keys == Some(0) {
        return invalid("'paging.size', 'paging.most' and 'capabilities.max_keys' must be at least 1", &["paging"]);
    }
    if own.paging.client && own.paging.size.is_none() {
        return invalid("'paging.client' needs 'paging.size'", &["paging", "client"]);
    }
    Ok((web, own))
}
