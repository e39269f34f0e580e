//! Configurations that are refused, as data: the text, the place of the mistake, and what is said. And one that is accepted.

use super::*;
use std::path::Path;

const GOOD: &str = r#"
gateway:
  http:   { listen: "0.0.0.0:8080", public_url: "https://data.example.com/", cors: ["https://app.example.com"], trusted_proxies: [10.0.0.0/8], max_body: 4MiB }
  flight: { listen: "0.0.0.0:32010", token_lifetime: 1h }
  admin:  { listen: "127.0.0.1:9090" }
  limits: { request_time: 5m, cache: 0B, rows: 1000 }
sources:
  shop:  { kind: sqlite, path: shop.db, limits: { connections: 4, timeout: 10s }, contact: "shop@example.com" }
  books: { kind: postgres, url: { file: url } }
tables:
  Customers:
    source: shop
    remote: customer
    key: [id]
    freshness: 5m
    columns: { id: {}, born: { codec: date_text }, "*": {} }
    relationships: { Orders: { to: Orders, on: { id: customer_id }, many: true } }
  Orders: { source: books, remote: public.orders }
  Revenue: { sql: "SELECT 1 AS id", key: [id] }
services:
  crm: { path: /odata/crm, profile: dataverse, tables: [ { Accounts: Customers }, Orders ] }
access:
  operators: [ops]
  roles:
    ops: {}
    sales: { Customers: { rows: "region = principal.region", hide: [born], write: [update] }, Orders: {} }
  keys:
    app: { sha256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", roles: [sales], attributes: { region: EMEA, areas: [1, 2] }, in: [header, query] }
  users:
    ann: { argon2: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$MmDO8BNsLc3rkZ9b0YtvRZ+DFPcWtxkQpkW9gHkl8rE", roles: [ops] }
  anonymous: none
"#;

fn read(text: &str) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("url"), "postgres://u:p@h/d\n").unwrap();
    let file = directory.path().join("portico.yaml");
    load::parse(&file, text).map_err(|errors| errors.to_string().replace(&format!("{}:", file.display()), ""))
}

#[test]
fn a_whole_configuration_is_read() {
    let config = read(GOOD).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.gateway.http.public_url.as_deref(), Some("https://data.example.com"));
    assert_eq!(config.gateway.http.max_body, 4 << 20);
    assert_eq!(config.gateway.request_time, Duration::from_secs(300));
    assert_eq!((config.gateway.engine.cache_bytes, config.gateway.engine.max_rows), (0, 1000));
    assert_eq!(config.gateway.flight.as_ref().unwrap().token_lifetime, Duration::from_secs(3600));
    assert!(!config.gateway.token_key_configured && config.gateway.token_key.reveal().len() >= 32);
    assert_eq!(config.sources["books"].settings, serde_json::json!({ "url": "postgres://u:p@h/d" }));
    assert_eq!((config.sources["shop"].connections, config.sources["shop"].timeout), (4, Duration::from_secs(10)));
    assert_eq!(config.definition.sources, ["shop", "books"]);
    assert_eq!(config.definition.tables["Customers"].freshness, Some(Duration::from_secs(300)));
    assert_eq!(config.access.roles.roles["sales"]["Customers"].hide, ["born"]);
    assert!(!format!("{config:?}").contains("u:p@h"), "a secret is printed");
}

#[test]
fn the_least_configuration_denies_everything() {
    let config = read("sources: { a: { kind: sqlite, path: a.db } }").unwrap_or_else(|errors| panic!("{errors}"));
    assert!(config.gateway.flight.is_none());
    assert_eq!(config.gateway.http.listen, "127.0.0.1:8080");
    assert!(config.access.identities.keys.is_empty());
    assert!(matches!(config.access.identities.anonymous, file::AnonymousFile::Nobody(_)));
}

/// What is replaced in [`GOOD`], by what, and how the one error begins (line:column: path: …) and ends.
const BAD: &[(&str, &str, &str, &str)] = &[
    // Unknown keys, at every depth.
    ("gateway:", "gatway:", "2:1: gatway: unknown key 'gatway'", "did you mean 'gateway'?"),
    ("public_url:", "public_ulr:", "3:37: gateway.http.public_ulr: unknown key", "did you mean 'public_url'?"),
    ("token_lifetime: 1h", "lifetime: 1h", "4:38: gateway.flight.lifetime: unknown key", ""),
    ("request_time: 5m", "request_tim: 5m", "6:13: gateway.limits.request_tim: unknown key", "did you mean 'request_time'?"),
    ("path: shop.db", "pth: x, path: shop.db", "8:26: sources.shop.pth: unknown key 'pth'", "did you mean 'path'?"),
    ("connections: 4", "conections: 4", "8:51: sources.shop.limits.conections: unknown key", "did you mean 'connections'?"),
    ("remote: customer", "remot: customer", "13:5: tables.Customers.remot: unknown key", "did you mean 'remote'?"),
    ("codec: date_text", "code: date_text", "16:32: tables.Customers.columns.born.code: unknown key", "did you mean 'codec'?"),
    ("many: true", "manny: true", "17:69: tables.Customers.relationships.Orders.manny: unknown key", "did you mean 'many'?"),
    ("profile: dataverse", "profil: dataverse", "21:28: services.crm.profil: unknown key", "did you mean 'profile'?"),
    ("hide: [born]", "hid: [born]", "26:62: access.roles.sales.Customers.hid: unknown key", "did you mean 'hide'?"),
    ("attributes: {", "atributes: {", "28:104: access.keys.app.atributes: unknown key", "did you mean 'attributes'?"),
    // Values of the wrong kind.
    ("key: [id]\n", "key: id\n", "14:5: tables.Customers.key: expected a list, found text", ""),
    ("many: true", "many: \"yes\"", "17:69: tables.Customers.relationships.Orders.many: expected true or false, found text", ""),
    ("rows: 1000", "rows: many", "6:42: gateway.limits.rows: expected a whole number, found text", ""),
    ("rows: 1000", "rows: 0", "6:42: gateway.limits.rows: 0 is too small", ""),
    ("connections: 4", "connections: 0", "8:51: sources.shop.limits.connections: 0 is too small", ""),
    ("path: shop.db", "path: 7", "8:26: sources.shop.path: expected text, found a number", ""),
    ("url: { file: url }", "url: [a]", "9:28: sources.books.url: expected text, found a list", ""),
    (
        "profile: dataverse",
        "profile: datavers",
        "21:28: services.crm.profile: 'datavers' is not possible here",
        "did you mean 'dataverse'?",
    ),
    (
        "write: [update]",
        "write: [updat]",
        "26:84: access.roles.sales.Customers.write.0: 'updat' is not possible here",
        "did you mean 'update'?",
    ),
    ("in: [header, query]", "in: [header, url]", "28:162: access.keys.app.in.1: 'url' is not possible here", ""),
    (
        "codec: date_text",
        "codec: data_text",
        "16:32: tables.Customers.columns.born.codec: 'data_text' is not possible here",
        "did you mean 'date_text'?",
    ),
    ("anonymous: none", "anonymous: nobody", "31:3: access.anonymous: 'nobody' is not possible here", ""),
    (
        "anonymous: none",
        "anonymous: { roles: [sale] }",
        "31:24: access.anonymous.roles.0: there is no role 'sale'",
        "did you mean 'sales'?",
    ),
    // Units.
    ("request_time: 5m", "request_time: 5", "6:13: gateway.limits.request_time: expected text, found a number", ""),
    ("request_time: 5m", "request_time: 5min", "6:13: gateway.limits.request_time: '5min' is not a duration", ""),
    ("request_time: 5m", "request_time: 0s", "6:13: gateway.limits.request_time: zero would refuse every request", ""),
    ("freshness: 5m", "freshness: soon", "15:5: tables.Customers.freshness: 'soon' is not a duration", ""),
    ("max_body: 4MiB", "max_body: 4M", "3:144: gateway.http.max_body: '4M' is not a size", ""),
    // Addresses.
    ("\"0.0.0.0:8080\"", "\"0.0.0.0\"", "3:13: gateway.http.listen: '0.0.0.0' is not an address", ""),
    ("\"0.0.0.0:8080\"", "\"0.0.0.0:80800\"", "3:13: gateway.http.listen: '80800' is not a port", ""),
    ("\"0.0.0.0:32010\"", "\"0.0.0.0:8080\"", "4:13: gateway.flight.listen: 0.0.0.0:8080 is already the address of 'http'", ""),
    ("https://data.example.com/", "data.example.com", "3:37: gateway.http.public_url: 'data.example.com' is not a public URL", ""),
    ("[10.0.0.0/8]", "[10.0.0.0/33]", "3:131: gateway.http.trusted_proxies.0: '10.0.0.0/33' is neither", ""),
    (
        "[\"https://app.example.com\"]",
        "[\"https://app.example.com/x\"]",
        "3:85: gateway.http.cors.0: 'https://app.example.com/x' is not an origin",
        "",
    ),
    // Names that do not resolve.
    ("kind: sqlite", "kind: sqllite", "8:12: sources.shop.kind: there is no source kind 'sqllite'", "did you mean 'sqlite'?"),
    ("source: shop", "source: shpo", "12:5: tables.Customers.source: there is no source 'shpo'", "did you mean 'shop'?"),
    (
        "{ Accounts: Customers }, Orders",
        "{ Accounts: Custmers }, Orders",
        "21:58: services.crm.tables.0: there is no table 'Custmers'",
        "did you mean 'Customers'?",
    ),
    ("Orders: {} }", "Ordres: {} }", "26:95: access.roles.sales.Ordres: there is no table 'Ordres'", "did you mean 'Orders'?"),
    (
        "roles: [sales], attributes",
        "roles: [saels], attributes",
        "28:96: access.keys.app.roles.0: there is no role 'saels'",
        "did you mean 'sales'?",
    ),
    ("operators: [ops]", "operators: [opss]", "23:15: access.operators.0: there is no role 'opss'", "did you mean 'ops'?"),
    ("roles: [ops] }", "roles: [oops] }", "30:129: access.users.ann.roles.0: there is no role 'oops'", "did you mean 'ops'?"),
    // Contradictions and missing things.
    ("Revenue: { sql:", "Revenue: { source: shop, sql:", "19:3: tables.Revenue: a table has either 'source' or 'sql', not both", ""),
    ("Orders: { source: books, remote: public.orders }", "Orders: { description: x }", "18:3: tables.Orders: a table needs 'source'", ""),
    ("key: [id] }\n", "remote: x }\n", "19:37: tables.Revenue.remote: 'remote' has no meaning for a view", ""),
    ("kind: sqlite, ", "", "8:3: sources.shop: the key 'kind' is missing", ""),
    ("path: shop.db, ", "", "8:3: sources.shop: the key 'path' is missing", ""),
    ("roles: [sales], attributes", "attributes", "28:5: access.keys.app: the key 'roles' is missing", ""),
    ("hide: [born]", "hide: [born], mask: { born: \"null\" }", "26:84: access.roles.sales.Customers.mask.born: 'born' is hidden too", ""),
    ("path: /odata/crm", "path: odata/crm", "21:10: services.crm.path: 'odata/crm' is not a path", ""),
    ("path: /odata/crm", "path: /sql", "21:10: services.crm.path: /sql is where SQL is asked", ""),
    (
        "services:\n",
        "services:\n  other: { path: /odata/crm/ }\n",
        "22:10: services.crm.path: /odata/crm is already the path of the service 'other'",
        "",
    ),
    ("  shop:  {", "  1shop:  { kind: sqlite, path: x }\n  shop:  {", "8:3: sources.1shop: '1shop' is not a source name", ""),
    // Credentials.
    ("2c26b46b68", "2c26b46b6", "28:12: access.keys.app.sha256: this is not a SHA-256", ""),
    ("$argon2id$v=19$", "$argon2i$v=19$", "30:12: access.users.ann.argon2: this is not an Argon2id hash", ""),
    ("in: [header, query]", "in: []", "28:149: access.keys.app.in: the key would be accepted nowhere", ""),
    ("    ann:", "    app:", "30:5: access.users.app: 'app' is also the name of a key", ""),
    // Secrets.
    ("  admin:  {", "  token_key: hush\n  admin:  {", "5:3: gateway.token_key: a secret is not written into the file", ""),
    (
        "  admin:  {",
        "  token_key: { env: PORTICO_NOT_SET }\n  admin:  {",
        "5:3: gateway.token_key: the environment variable PORTICO_NOT_SET is not set",
        "",
    ),
    (
        "url: { file: url }",
        "url: { env: PORTICO_NOT_SET }",
        "9:28: sources.books.url: the environment variable PORTICO_NOT_SET is not set",
        "",
    ),
    ("url: { file: url }", "url: { file: nowhere }", "9:28: sources.books.url: the secret file", "cannot be read: entity not found"),
    // YAML itself.
    ("  Orders: { source", "  Customers: { source: shop }\n  Orders: { source", "18:3: this is not valid YAML", ""),
    ("access:\n", "access: [\n", "", ""),
];

#[test]
fn bad_configurations_are_refused_with_line_and_suggestion() {
    assert!(BAD.len() >= 60);
    let mut wrong = Vec::new();
    for (from, to, begins, ends) in BAD {
        assert_eq!(GOOD.matches(from).count().min(1), 1, "'{from}' is not in the good configuration");
        match read(&GOOD.replacen(from, to, 1)) {
            Ok(_) => wrong.push(format!("{from} -> {to}: accepted")),
            Err(told) => {
                let one = told.lines().count() == 1;
                if !one || !told.starts_with(begins) || !told.ends_with(ends) {
                    wrong.push(format!("{from} -> {to}\n  wanted {begins} … {ends}\n  got    {told}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[cfg(not(feature = "odbc"))]
fn a_kind_that_another_build_has_is_named_with_its_feature() {
    let told = read(&GOOD.replacen("kind: sqlite", "kind: odbc", 1)).unwrap_err();
    assert!(told.starts_with("8:") && told.contains("the feature 'odbc'") && told.ends_with("--features odbc"), "{told}");
}

#[test]
fn all_mistakes_are_reported_in_the_order_of_the_file() {
    let text = GOOD
        .replace("public_url:", "public_ulr:")
        .replace("kind: sqlite", "kind: sqllite")
        .replace("many: true", "manny: true")
        .replace("freshness: 5m", "freshness: soon");
    let told = read(&text).unwrap_err();
    let lines: Vec<&str> = told.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["3", "8", "15", "17"], "{told}");
}

#[test]
fn files_that_are_not_there_or_empty_say_so() {
    assert!(load(Path::new("/nowhere/portico.yaml")).unwrap_err().to_string().contains("cannot be read"));
    assert!(read("").unwrap_err().contains("empty"));
    assert!(read("- a\n- b\n").unwrap_err().contains("expected a mapping"));
    assert!(read("gateway: {}\n").unwrap_err().contains("the key 'sources' is missing"));
    assert!(read("sources: {}\n").unwrap_err().contains("there is no source"));
}

#[test]
fn a_literal_secret_is_never_repeated() {
    let told = read(&GOOD.replace("  admin:  {", "  token_key: very-secret-text\n  admin:  {")).unwrap_err();
    assert!(!told.contains("very-secret-text"), "{told}");
}

/// The pages that show configurations, as a reader would copy them: of the whole file, and of a kind's settings under its name.
fn documented() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let of = |folder: &str| std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let kinds = of("providers").map(|kind| kind.join("README.md")).filter(|page| page.exists());
    let pages = [root.join("README.md")].into_iter().chain(of("docs")).chain(of("docs/systems")).chain(kinds);
    let mut blocks = Vec::new();
    for page in pages.filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(&page).unwrap();
        let shown = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        blocks.extend(shown.filter(|block| block.starts_with("sources:")).map(|block| (page.display().to_string(), block.to_owned())));
    }
    blocks
}

#[test]
fn configurations_of_the_documentation_are_read() {
    let blocks = documented();
    assert!(blocks.len() >= 18, "{}", blocks.len());
    let mut wrong = String::new();
    for (page, block) in blocks {
        // The reader's secrets are not here: another variable stands for each.
        let mut text = String::new();
        for (index, part) in block.split("env: ").enumerate() {
            let rest = part.trim_start_matches(|character: char| matches!(character, 'A'..='Z' | '0'..='9' | '_'));
            text.push_str(&if index == 0 { part.to_owned() } else { format!("env: PATH{rest}") });
        }
        match read(&text) {
            Ok(_) => {}
            // A kind of another build; its page shows it.
            Err(errors) if errors.contains("without the feature 'odbc'") => {}
            Err(errors) => wrong.push_str(&format!("{page}:\n{errors}\n")),
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn no_secret_stands_where_it_would_be_shown() {
    let resource = "columns: { id: { type: int32, nullable: false } }, key: [id]";
    let of = |more: &str| {
        read(&format!("sources: {{ api: {{ kind: rest, url: 'https://h/', resources: {{ a: {{ {resource}, {more} }} }} }} }}"))
    };
    assert!(of("path: /a, query: { key: x }").is_ok());
    for place in [
        "path: { env: PATH }",
        "path: /a, query: { key: { env: PATH } }",
        "path: /a, headers: { x-key: { env: PATH } }",
        "path: /a, method: POST, body: { env: PATH }",
    ] {
        let told = of(place).unwrap_err();
        assert!(told.lines().count() == 1 && told.contains("no secret stands here") && told.contains("sources.api.resources.a."), "{told}");
    }
}
