//! The one list of source kinds. A new kind is added here and nowhere else. It must not know what a kind's settings mean.

use portico_provider_api::SourceKind;

/// Every kind that this build knows, in the order in which they are listed to people.
pub fn kinds() -> Vec<SourceKind> {
    vec![
        portico_provider_memory::kind(),
        portico_provider_sqlite::kind(),
        portico_provider_postgres::kind(),
        portico_provider_mysql::kind(),
        portico_provider_flightsql::kind(),
        portico_provider_odata::kind(),
        portico_provider_rest::kind(),
        portico_provider_tryton::kind(),
        portico_provider_files::kind(),
        #[cfg(feature = "odbc")]
        portico_provider_odbc::kind(),
    ]
}

/// Kinds that only some builds know, and the feature that brings each.
const BY_FEATURE: &[(&str, &str)] = &[("odbc", "odbc")];

/// The settings of a `rest` source for what an OpenAPI document describes, as YAML to be put under `sources`.
///
/// # Errors
/// When it is no such document, or describes nothing that can be read as a table.
pub fn source_of_openapi(text: &str, name: &str) -> Result<String, String> {
    use portico_provider_rest::openapi;
    let settings = openapi::settings(&openapi::document(text)?)?;
    Ok(openapi::yaml(&serde_json::json!({ "sources": { name: settings } }), 0))
}

/// The kind of that name.
///
/// # Errors
/// When there is none: what is wrong, the kinds there are, and the nearest of them if one is near.
pub fn find(name: &str) -> Result<SourceKind, UnknownKind> {
    let known: Vec<&'static str> = kinds().iter().map(|kind| kind.name).collect();
    match kinds().into_iter().find(|kind| kind.name == name) {
        Some(kind) => Ok(kind),
        None => {
            let feature = BY_FEATURE.iter().find(|(kind, _)| *kind == name).map(|(_, feature)| *feature);
            let suggestion = if feature.is_some() { None } else { nearest(name, &known) };
            Err(UnknownKind { name: name.to_owned(), suggestion, known, feature })
        }
    }
}

/// A kind that this build does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKind {
    /// What was asked for.
    pub name: String,
    /// The kinds there are.
    pub known: Vec<&'static str>,
    /// The one that was probably meant.
    pub suggestion: Option<&'static str>,
    /// The feature of the program that has it, where this build was made without.
    pub feature: Option<&'static str>,
}

impl std::fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(feature) = self.feature {
            let name = &self.name;
            return write!(
                f,
                "the source kind '{name}' is not part of this build of the gateway, which was made without the feature '{feature}': \
                 cargo build --release --features {feature}"
            );
        }
        write!(f, "there is no source kind '{}': the kinds are {}", self.name, self.known.join(", "))
    }
}

impl std::error::Error for UnknownKind {}

/// The usual other names of a kind, and the nearest name by edits.
fn nearest(wrong: &str, known: &[&'static str]) -> Option<&'static str> {
    let folded = wrong.to_lowercase();
    let by_alias = match folded.as_str() {
        "postgresql" | "pg" | "psql" => Some("postgres"),
        "mariadb" => Some("mysql"),
        "sqlite3" => Some("sqlite"),
        "flight" | "flight_sql" | "flight-sql" | "portico" | "arrow" => Some("flightsql"),
        "mem" | "inline" => Some("memory"),
        "http" | "soap" | "postgrest" | "openapi" | "api" => Some("rest"),
        "sap" | "dynamics" | "dynamics365" | "dataverse" | "odata2" | "odata4" => Some("odata"),
        "file" | "csv" | "json" | "excel" | "xlsx" | "parquet" => Some("files"),
        _ => None,
    };
    by_alias.filter(|alias| known.contains(alias)).or_else(|| {
        let distance = |kind: &&'static str| strsim::damerau_levenshtein(&folded, kind);
        known.iter().copied().min_by_key(distance).filter(|kind| distance(kind) <= (kind.len() / 3).max(1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_distinct_names_and_closed_settings() {
        let names: std::collections::BTreeSet<_> = kinds().iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), kinds().len());
        for kind in kinds() {
            let schema = (kind.config_schema)();
            assert_eq!(schema.get("additionalProperties"), Some(&serde_json::Value::Bool(false)), "{} accepts unknown keys", kind.name);
        }
    }

    #[test]
    #[cfg(not(feature = "odbc"))]
    fn a_kind_of_another_build_is_named_with_its_feature() {
        let error = find("odbc").err().unwrap();
        assert_eq!((error.suggestion, error.feature), (None, Some("odbc")));
        assert!(error.to_string().contains("--features odbc"), "{error}");
        assert_eq!(find("odcb").err().unwrap().feature, None);
    }

    #[test]
    #[cfg(feature = "odbc")]
    fn a_build_with_the_feature_has_its_kind() {
        assert_eq!(find("odbc").ok().unwrap().name, "odbc");
        assert_eq!(find("obdc").err().unwrap().suggestion, Some("odbc"));
    }

    #[test]
    fn an_unknown_kind_gets_a_suggestion() {
        assert!(find("postgres").is_ok());
        for (wrong, meant) in [
            ("postgresql", Some("postgres")),
            ("Postgres", Some("postgres")),
            ("sqllite", Some("sqlite")),
            ("MariaDB", Some("mysql")),
            ("flight_sql", Some("flightsql")),
            ("oracle", None),
        ] {
            let error = find(wrong).err().unwrap();
            assert_eq!(error.suggestion, meant, "{wrong}");
            assert!(error.to_string().contains("memory, sqlite, postgres, mysql, flightsql, odata, rest, tryton, files"));
        }
    }
}
