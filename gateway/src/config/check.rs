//! What the schema cannot say: names that must exist, addresses, hashes, contradictions. It asks no source: what depends on one is
//! found when the model is built.

use crate::config::cidr::Network;
use crate::config::file::{AccessFile, AnonymousFile, ConfigFile, GatewayFile};
use argon2::password_hash::phc::PasswordHash;
use portico_catalog::{ModelError, ServiceTable};
use std::collections::HashMap;

/// All mistakes.
pub(super) fn check(file: &ConfigFile) -> Vec<ModelError> {
    let mut errors = Vec::new();
    gateway(&file.gateway, &mut errors);
    sources(file, &mut errors);
    tables(file, &mut errors);
    services(file, &mut errors);
    roles(file, &mut errors);
    identities(&file.access, &mut errors);
    errors
}

fn gateway(gateway: &GatewayFile, errors: &mut Vec<ModelError>) {
    let mut taken: HashMap<&str, &str> = HashMap::new();
    let doors = [
        ("http", gateway.http.listen.as_deref()),
        ("flight", gateway.flight.as_ref().map(|flight| flight.listen.as_str())),
        ("admin", gateway.admin.listen.as_deref()),
    ];
    for (door, listen) in doors {
        let Some(listen) = listen else { continue };
        if let Err(message) = listen_address(listen) {
            errors.push(ModelError::new(&["gateway", door, "listen"], message));
        } else if !listen.ends_with(":0")
            && let Some(other) = taken.insert(listen, door)
        {
            errors.push(ModelError::new(&["gateway", door, "listen"], format!("{listen} is already the address of '{other}'")));
        }
    }
    if let Some(url) = &gateway.http.public_url
        && let Err(message) = public_url(url)
    {
        errors.push(ModelError::new(&["gateway", "http", "public_url"], message));
    }
    for (index, proxy) in gateway.http.trusted_proxies.iter().enumerate() {
        if let Err(message) = Network::parse(proxy) {
            errors.push(ModelError::new(&["gateway", "http", "trusted_proxies", &index.to_string()], message));
        }
    }
    for (index, origin) in gateway.http.cors.iter().enumerate() {
        if !is_origin(origin) {
            let message =
                format!("'{origin}' is not an origin: write a scheme and host without a path, such as https://app.example.com, or *");
            errors.push(ModelError::new(&["gateway", "http", "cors", &index.to_string()], message));
        }
    }
    limits(gateway, errors);
}

fn limits(gateway: &GatewayFile, errors: &mut Vec<ModelError>) {
    crate::config::limits::check(&gateway.limits, errors);
    let zero_is_wrong = [
        (gateway.limits.query_memory.is_some_and(|size| size.0 == 0), ["gateway", "limits", "query_memory"]),
        (gateway.http.max_body.is_some_and(|size| size.0 == 0), ["gateway", "http", "max_body"]),
        (gateway.http.max_url.is_some_and(|size| size.0 == 0), ["gateway", "http", "max_url"]),
        (gateway.http.max_batch_body.is_some_and(|size| size.0 == 0), ["gateway", "http", "max_batch_body"]),
    ];
    for (wrong, path) in zero_is_wrong {
        if wrong {
            errors.push(ModelError::new(&path, "zero would refuse every request"));
        }
    }
}

/// An address to listen on: `host:port`, `[v6]:port`.
fn listen_address(text: &str) -> Result<(), String> {
    let wrong = || format!("'{text}' is not an address: write host and port, such as 127.0.0.1:8080");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    if host.is_empty() || (host.contains(':') && !host.starts_with('[')) {
        return Err(wrong());
    }
    port.parse::<u16>().map(drop).map_err(|_| format!("'{port}' is not a port: a port is a number from 0 to 65535"))
}

fn public_url(text: &str) -> Result<(), String> {
    let wrong = || format!("'{text}' is not a public URL: write https://host or https://host/path, without query");
    let uri: axum::http::Uri = text.parse().map_err(|_| wrong())?;
    let scheme_fits = matches!(uri.scheme_str(), Some("http" | "https"));
    if scheme_fits && uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none() && !text.contains('#') && !text.contains('@')
    {
        return Ok(());
    }
    Err(wrong())
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']))
}

fn sources(file: &ConfigFile, errors: &mut Vec<ModelError>) {
    if file.sources.is_empty() {
        errors.push(ModelError::new(&["sources"], "there is no source: configure at least one"));
    }
    for (name, source) in &file.sources {
        let fits =
            name.chars().next().is_some_and(char::is_alphabetic) && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        if !fits {
            let message = format!("'{name}' is not a source name: it starts with a letter and has letters, digits, _ and - only");
            errors.push(ModelError::new(&["sources", name], message));
        }
        if source.limits.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            errors.push(ModelError::new(&["sources", name, "limits", "timeout"], "zero would refuse every request"));
        }
        if source.limits.rate.as_ref().and_then(|rate| rate.per).is_some_and(|per| per.0.is_zero()) {
            errors.push(ModelError::new(&["sources", name, "limits", "rate", "per"], "a rate is in a time: 1s, 1m, 1h"));
        }
    }
}

fn tables(file: &ConfigFile, errors: &mut Vec<ModelError>) {
    for (name, table) in &file.tables {
        let path = ["tables", name.as_str()];
        match (&table.source, &table.sql) {
            (Some(_), Some(_)) => errors.push(ModelError::new(&path, "a table has either 'source' or 'sql', not both")),
            (None, None) => errors.push(ModelError::new(&path, "a table needs 'source' (a remote table) or 'sql' (a view)")),
            (Some(source), None) if !file.sources.contains_key(source) => {
                let error = ModelError::new(&["tables", name, "source"], format!("there is no source '{source}'"));
                errors.push(error.suggesting(source, file.sources.keys().map(String::as_str)));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if table.sql.is_some() {
            let misplaced = [("remote", table.remote.is_some()), ("where", table.window.is_some()), ("version", table.version.is_some())];
            for (key, _) in misplaced.into_iter().filter(|(_, given)| *given) {
                errors.push(ModelError::new(&["tables", name, key], format!("'{key}' has no meaning for a view")));
            }
        }
    }
}

/// The virtual tables, when the file alone says which there are: a source that no table names is published as it is.
fn known_tables(file: &ConfigFile) -> Option<Vec<&str>> {
    let named = |source: &str| file.tables.values().any(|table| table.source.as_deref() == Some(source));
    file.sources.keys().all(|source| named(source)).then(|| file.tables.keys().map(String::as_str).collect())
}

fn services(file: &ConfigFile, errors: &mut Vec<ModelError>) {
    let known = known_tables(file);
    let mut paths: HashMap<&str, &str> = HashMap::new();
    for (name, service) in &file.services {
        let path = service.path.trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        if !service.path.starts_with('/') || path.is_empty() || path.contains("//") || !path.chars().all(plain) {
            let message =
                format!("'{}' is not a path: write one such as /odata/{name}, of ASCII letters, digits, - _ . and /", service.path);
            errors.push(ModelError::new(&["services", name, "path"], message));
        } else if path == "/sql" {
            errors.push(ModelError::new(&["services", name, "path"], "/sql is where SQL is asked: choose another path"));
        }
        if let Some(other) = paths.insert(path, name) {
            errors.push(ModelError::new(&["services", name, "path"], format!("{path} is already the path of the service '{other}'")));
        }
        for (index, entry) in service.tables.iter().flatten().enumerate() {
            let place = ["services", name, "tables", &index.to_string()].map(str::to_owned);
            let place: Vec<&str> = place.iter().map(String::as_str).collect();
            let table = match entry {
                ServiceTable::Named(table) => table,
                ServiceTable::Renamed(pair) if pair.len() == 1 => &pair[0],
                ServiceTable::Renamed(_) => {
                    errors.push(ModelError::new(&place, "a renamed table is one pair: - NameInService: Table"));
                    continue;
                }
            };
            unknown_table(table, known.as_deref(), &place, errors);
        }
    }
}

fn unknown_table(table: &str, known: Option<&[&str]>, path: &[&str], errors: &mut Vec<ModelError>) {
    if let Some(known) = known
        && !known.contains(&table)
    {
        errors.push(ModelError::new(path, format!("there is no table '{table}'")).suggesting(table, known.iter().copied()));
    }
}

fn roles(file: &ConfigFile, errors: &mut Vec<ModelError>) {
    let known = known_tables(file);
    for (role, grants) in &file.access.roles {
        for (table, grant) in grants {
            let path = ["access", "roles", role.as_str(), table.as_str()];
            // `source.schema.table` names a remote table; which there are only the source knows.
            let remote = table.split_once('.').is_some_and(|(source, _)| file.sources.contains_key(source));
            if !remote {
                unknown_table(table, known.as_deref(), &path, errors);
            }
            for column in grant.hide.iter().filter(|column| grant.mask.contains_key(*column)) {
                let path = ["access", "roles", role.as_str(), table.as_str(), "mask", column.as_str()];
                errors.push(ModelError::new(&path, format!("'{column}' is hidden too: a column is either hidden or masked")));
            }
        }
    }
}

fn identities(access: &AccessFile, errors: &mut Vec<ModelError>) {
    let known: Vec<&str> = access.roles.keys().map(String::as_str).collect();
    let mut check_roles = |roles: &[String], path: &[&str]| {
        for (index, role) in roles.iter().enumerate().filter(|(_, role)| !known.contains(&role.as_str())) {
            let index = index.to_string();
            let path: Vec<&str> = path.iter().copied().chain([index.as_str()]).collect();
            errors.push(ModelError::new(&path, format!("there is no role '{role}'")).suggesting(role, known.iter().copied()));
        }
    };
    check_roles(&access.operators, &["access", "operators"]);
    for (name, key) in &access.keys {
        check_roles(&key.roles, &["access", "keys", name, "roles"]);
    }
    for (name, user) in &access.users {
        check_roles(&user.roles, &["access", "users", name, "roles"]);
    }
    if let AnonymousFile::Roles(anonymous) = &access.anonymous {
        check_roles(&anonymous.roles, &["access", "anonymous", "roles"]);
    }
    credentials(access, errors);
}

fn credentials(access: &AccessFile, errors: &mut Vec<ModelError>) {
    let mut hashes: HashMap<String, &str> = HashMap::new();
    for (name, key) in &access.keys {
        let path = ["access", "keys", name.as_str(), "sha256"];
        if key.sha256.len() != 64 || !key.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            errors
                .push(ModelError::new(&path, "this is not a SHA-256: write the 64 hexadecimal digits that `sha256sum` prints for the key"));
        } else if let Some(other) = hashes.insert(key.sha256.to_ascii_lowercase(), name) {
            errors.push(ModelError::new(&path, format!("this is the same key as '{other}': every key has one name")));
        }
        if key.places.as_ref().is_some_and(Vec::is_empty) {
            errors.push(ModelError::new(&["access", "keys", name, "in"], "the key would be accepted nowhere: name header, query or both"));
        }
    }
    for (name, user) in &access.users {
        let path = ["access", "users", name.as_str(), "argon2"];
        let parsed = PasswordHash::new(&user.argon2).ok().filter(|hash| hash.algorithm.as_str() == "argon2id" && hash.hash.is_some());
        if parsed.is_none() {
            errors.push(ModelError::new(&path, "this is not an Argon2id hash in PHC form: it starts with $argon2id$v=19$"));
        }
        if access.keys.contains_key(name) {
            errors.push(ModelError::new(
                &["access", "users", name],
                format!("'{name}' is also the name of a key: names of callers are unique"),
            ));
        }
        if name.contains(':') {
            errors.push(ModelError::new(&["access", "users", name], "a user name has no colon: it could not be told from the password"));
        }
    }
}
