//! The vocabularies whose terms annotations may have. It must not know what a term means.

/// A vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vocabulary {
    /// The short name under which terms are written: `Core`.
    pub alias: &'static str,
    /// Its namespace: `Org.OData.Core.V1`.
    pub namespace: &'static str,
    /// Where it is published, without the extension: `.xml` or `.json`.
    pub uri: &'static str,
}

macro_rules! oasis {
    ($alias:literal) => {
        Vocabulary {
            alias: $alias,
            namespace: concat!("Org.OData.", $alias, ".V1"),
            uri: concat!("https://oasis-tcs.github.io/odata-vocabularies/vocabularies/Org.OData.", $alias, ".V1"),
        }
    };
}

macro_rules! sap {
    ($alias:literal) => {
        Vocabulary {
            alias: $alias,
            namespace: concat!("com.sap.vocabularies.", $alias, ".v1"),
            uri: concat!("https://sap.github.io/odata-vocabularies/vocabularies/", $alias),
        }
    };
}

/// All that are known: those of OASIS, and SAP's, which UI5 reads.
pub const VOCABULARIES: [Vocabulary; 15] = [
    oasis!("Core"),
    oasis!("Capabilities"),
    oasis!("Measures"),
    oasis!("Aggregation"),
    oasis!("Validation"),
    oasis!("Authorization"),
    oasis!("Temporal"),
    sap!("Common"),
    sap!("UI"),
    sap!("Hierarchy"),
    sap!("Analytics"),
    sap!("Communication"),
    sap!("PersonalData"),
    sap!("CodeList"),
    sap!("Session"),
];

/// The vocabulary of a qualified term, by alias or namespace, and the term's own name.
pub fn of_term(term: &str) -> Option<(&'static Vocabulary, &str)> {
    let (prefix, name) = term.rsplit_once('.')?;
    VOCABULARIES.iter().find(|known| known.alias == prefix || known.namespace == prefix).map(|known| (known, name))
}
