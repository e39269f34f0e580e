//! OpenAPI documents: the columns of a schema, and a source's settings for what a document describes. Pure; it must not know where documents
//! come from.

use crate::config::ColumnConfig;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// How deep objects are taken apart; what is deeper is JSON. References beyond are circles, or as good as.
const MAX_DEPTH: usize = 4;
const MAX_REFERENCES: usize = 32;

/// Reads a document, JSON or YAML.
///
/// # Errors
/// When it is neither, or no OpenAPI document.
pub fn document(text: &str) -> Result<Value, String> {
    let read = serde_json::from_str(text).ok().or_else(|| serde_saphyr::from_str::<Value>(text).ok());
    let document: Value = read.ok_or("it is neither JSON nor YAML")?;
    let version = document.get("openapi").or_else(|| document.get("swagger")).and_then(Value::as_str).unwrap_or_default();
    if version.starts_with('3') || version.starts_with("2.") {
        Ok(document)
    } else {
        Err("it is no OpenAPI document of version 2 or 3: it has neither 'openapi' nor 'swagger'".to_owned())
    }
}

/// What a reference stands for.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let mut at = schema;
    for _ in 0..MAX_REFERENCES {
        let Some(reference) = at.get("$ref").and_then(Value::as_str) else { return at };
        let Some(found) = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer)) else { return &Value::Null };
        at = found;
    }
    &Value::Null
}

/// The columns of rows that are asked for by a path, or of a schema by its name; and where the rows stand in an answer.
///
/// # Errors
/// When the document does not have it.
pub fn columns(document: &Value, path: Option<&str>, schema: Option<&str>) -> Result<IndexMap<String, ColumnConfig>, String> {
    if let Some(name) = schema {
        let known = document.pointer(&format!("/components/schemas/{name}")).or_else(|| document.pointer(&format!("/definitions/{name}")));
        return Ok(of_schema(document, known.ok_or_else(|| format!("the OpenAPI document has no schema '{name}'"))?));
    }
    let path = path.ok_or("neither a path nor a schema is named")?;
    let answer = document.get("paths").and_then(|paths| paths.get(path)).and_then(|item| item.get("get"));
    let answer = answer.ok_or_else(|| format!("the OpenAPI document has no GET {path}: name the rows' 'schema'"))?;
    let schema = answered(document, answer).ok_or_else(|| format!("the OpenAPI document says not what GET {path} answers"))?;
    Ok(of_schema(document, rows_of(document, schema).1))
}

/// The schema of an answer of success.
fn answered<'d>(document: &'d Value, operation: &'d Value) -> Option<&'d Value> {
    let responses = operation.get("responses")?.as_object()?;
    let response = ["200", "201", "2XX", "default"].iter().find_map(|status| responses.get(*status))?;
    let response = resolved(document, response);
    // Version 2 has the schema here, version 3 under the media type.
    if let Some(schema) = response.get("schema") {
        return Some(resolved(document, schema));
    }
    let content = response.get("content")?.as_object()?;
    let json = content.iter().find(|(kind, _)| kind.contains("json"))?;
    Some(resolved(document, json.1.get("schema")?))
}

/// Where rows stand in an answer, the schema of one, and whether there is just one.
fn rows_of<'d>(document: &'d Value, schema: &'d Value) -> (String, &'d Value, bool) {
    if let Some(items) = schema.get("items") {
        return (String::new(), resolved(document, items), false);
    }
    let lists = schema.get("properties").and_then(Value::as_object).into_iter().flatten().filter_map(|(name, property)| {
        let items = resolved(document, resolved(document, property).get("items")?);
        items.get("properties").or_else(|| items.get("allOf")).map(|_| (name, items))
    });
    match lists.collect::<Vec<_>>().as_slice() {
        // One list among whatever else: an envelope.
        [(name, items)] if is_envelope(schema) => (format!("/{}", name.replace('~', "~0").replace('/', "~1")), items, false),
        _ => (String::new(), schema, true),
    }
}

/// Whether what stands beside a list tells of the list: totals, links, cursors.
fn is_envelope(schema: &Value) -> bool {
    let telling = [
        "total",
        "count",
        "next",
        "prev",
        "previous",
        "page",
        "per_page",
        "limit",
        "offset",
        "meta",
        "links",
        "cursor",
        "has_more",
        "size",
        "pagination",
    ];
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties.filter(|(_, property)| property.get("items").is_none()).all(|(name, _)| {
        let name = name.to_ascii_lowercase();
        telling.iter().any(|word| name.contains(word))
    })
}

fn of_schema(document: &Value, schema: &Value) -> IndexMap<String, ColumnConfig> {
    let mut found = IndexMap::new();
    take(document, resolved(document, schema), "", true, 0, &mut found);
    found
}

/// The properties of an object, those of what it is made of included.
fn properties<'d>(document: &'d Value, schema: &'d Value, depth: usize) -> (Vec<(&'d String, &'d Value)>, Vec<&'d str>) {
    let mut found: Vec<(&String, &Value)> = schema.get("properties").and_then(Value::as_object).into_iter().flatten().collect();
    let mut required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if depth < MAX_REFERENCES {
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let (more, names) = properties(document, resolved(document, part), depth + 1);
            found.extend(more);
            required.extend(names);
        }
    }
    (found, required)
}

fn take(document: &Value, schema: &Value, prefix: &str, there: bool, depth: usize, found: &mut IndexMap<String, ColumnConfig>) {
    let (properties, required) = self::properties(document, schema, 0);
    for (name, property) in properties {
        let name_here = name.replace('~', "~0").replace('/', "~1");
        let path = if prefix.is_empty() { name_here } else { format!("{prefix}/{name_here}") };
        let property = resolved(document, property);
        let (kind, null) = kind(property);
        let there = there && required.contains(&name.as_str());
        let inner = !self::properties(document, property, 0).0.is_empty()
            && property.get("additionalProperties").is_none_or(|more| more == &Value::Bool(false));
        if inner && depth < MAX_DEPTH && matches!(kind, "object" | "") {
            take(document, property, &path, there && !null, depth + 1, found);
            continue;
        }
        let scalar_type = scalar_type(kind, property);
        let text = scalar_type == "text";
        let length = property.get("maxLength").and_then(Value::as_u64).and_then(|length| u32::try_from(length).ok()).filter(|_| text);
        let column = ColumnConfig {
            scalar_type: Some(scalar_type),
            nullable: (there && !null).then_some(false),
            optional: (!there).then_some(true),
            max_length: length,
            description: property.get("description").and_then(Value::as_str).map(str::to_owned),
            ..ColumnConfig::default()
        };
        found.entry(path).or_insert(column);
    }
}

/// The type of a schema, and whether null is one of its values.
fn kind(schema: &Value) -> (&str, bool) {
    let nullable = schema.get("nullable").or_else(|| schema.get("x-nullable")).and_then(Value::as_bool).unwrap_or(false);
    match schema.get("type") {
        Some(Value::String(kind)) => (kind, nullable),
        Some(Value::Array(kinds)) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            let plain: Vec<&str> = kinds.iter().copied().filter(|kind| *kind != "null").collect();
            (if let [only] = plain.as_slice() { only } else { "any" }, nullable || kinds.len() > plain.len())
        }
        _ => ("", nullable),
    }
}

fn scalar_type(kind: &str, schema: &Value) -> String {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    match (kind, format) {
        ("integer", "int32") => "int32",
        ("integer", _) => "int64",
        ("number", "float" | "double") => "float64",
        // Exact: a number that does not fit is told, and the type is then declared.
        ("number", _) => "decimal(38,18)",
        ("boolean", _) => "boolean",
        ("string", "date") => "date",
        ("string", "date-time") => "timestamptz",
        ("string", "uuid") => "guid",
        ("string", "byte") => "binary",
        ("string", _) => "text",
        (_, _) => "json",
    }
    .to_owned()
}

/// The settings of a source for what a document describes: a resource per path that lists, with the paths of single rows as look-ups.
///
/// # Errors
/// When it describes nothing that can be read as a table.
pub fn settings(document: &Value) -> Result<Value, String> {
    if document.get("openapi").is_none() {
        return Err("it is a Swagger 2.0 document, whose parameters mean other things: convert it to OpenAPI 3. PostgREST, which writes one, needs none: 'preset: postgrest'".to_owned());
    }
    let paths = document.get("paths").and_then(Value::as_object).ok_or("it has no 'paths'")?;
    let mut resources: IndexMap<String, (String, Map<String, Value>)> = IndexMap::new();
    let readable = |path: &str| -> Option<(&Value, (String, &Value, bool))> {
        let operation = paths.get(path)?.get("get")?;
        Some((operation, rows_of(document, answered(document, operation)?)))
    };
    for path in paths.keys() {
        let Some((operation, (rows, schema, single))) = readable(path).filter(|(_, (_, _, single))| !single) else { continue };
        let columns = of_schema(document, schema);
        if columns.is_empty() {
            continue;
        }
        let resource = resource(document, path, operation, &rows, &columns, single);
        let name = name_of(path, &resources);
        resources.insert(name, (path.clone(), resource));
    }
    for path in paths.keys().filter(|path| path.ends_with('}')) {
        let Some((_, (rows, _, true))) = readable(path) else { continue };
        let Some((around, last)) = path.rsplit_once('/') else { continue };
        let key = last.trim_matches(['{', '}']);
        let Some((_, resource)) = resources.values_mut().find(|(list, _)| list == around) else { continue };
        let known = resource.get("columns").and_then(|columns| columns.get(key)).is_some();
        if known {
            resource.insert("key".to_owned(), json!([key]));
            resource.insert("lookups".to_owned(), json!([{"path": path, "single": true, "rows": rows}]));
            if let Some(column) = resource.get_mut("columns").and_then(|columns| columns.get_mut(key)).and_then(Value::as_object_mut) {
                column.shift_remove("optional");
                column.insert("nullable".to_owned(), Value::Bool(false));
            }
        }
    }
    if resources.is_empty() {
        return Err("it describes no list of objects that GET answers".to_owned());
    }
    let resources: Map<String, Value> = resources.into_iter().map(|(name, (_, resource))| (name, Value::Object(resource))).collect();
    Ok(json!({"kind": "rest", "url": url(document), "resources": resources}))
}

fn url(document: &Value) -> String {
    if let Some(url) = document.pointer("/servers/0/url").and_then(Value::as_str).filter(|url| url.starts_with("http")) {
        return url.to_owned();
    }
    // A place on the server that the document came from, which it does not say.
    let below = document.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or_default();
    format!("https://api.example.com{below}")
}

/// A name for a path: its last word that is no parameter.
fn name_of(path: &str, taken: &IndexMap<String, (String, Map<String, Value>)>) -> String {
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty() && !word.starts_with('{')).collect();
    let short = words.last().copied().unwrap_or("root").to_owned();
    let free = |name: &String| !taken.contains_key(name);
    let long = words.join("_");
    Some(short).filter(free).or_else(|| Some(long.clone()).filter(free)).unwrap_or_else(|| format!("{long}_{}", taken.len()))
}

fn resource(
    document: &Value,
    path: &str,
    operation: &Value,
    rows: &str,
    columns: &IndexMap<String, ColumnConfig>,
    single: bool,
) -> Map<String, Value> {
    // Those of the path hold for all that is done there.
    let around = document.get("paths").and_then(|paths| paths.get(path)?.get("parameters"));
    let listed = [operation.get("parameters"), around].into_iter().flatten().filter_map(Value::as_array).flatten();
    let parameters: Vec<&Value> = listed.map(|one| resolved(document, one)).collect();
    let text = |parameter: &Value, member: &str| parameter.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let of = |place: &str| parameters.iter().filter(|one| text(one, "in") == place).map(|one| text(one, "name")).collect::<Vec<_>>();
    let (query, in_path) = (of("query"), of("path"));
    let mut resource = Map::new();
    if let Some(summary) = operation.get("summary").and_then(Value::as_str) {
        resource.insert("description".to_owned(), summary.into());
    }
    resource.insert("path".to_owned(), path.into());
    if !rows.is_empty() {
        resource.insert("rows".to_owned(), rows.into());
    }
    if single {
        resource.insert("single".to_owned(), true.into());
    }
    let has = |name: &str| query.iter().any(|known| known == name);
    let paging = [
        ("offset", "limit", "offset"),
        ("skip", "take", "offset"),
        ("page", "per_page", "page"),
        ("page", "page_size", "page"),
        ("page", "size", "page"),
    ];
    if let Some((parameter, size, by)) = paging.into_iter().find(|(parameter, size, _)| has(parameter) && has(size)) {
        resource.insert("paging".to_owned(), json!({"by": by, "parameter": parameter, "size_parameter": size, "size": 100}));
    }
    let mut described = Map::new();
    for (name, column) in columns {
        let mut own = Map::new();
        own.insert("type".to_owned(), column.scalar_type.clone().unwrap_or_default().into());
        if column.nullable == Some(false) {
            own.insert("nullable".to_owned(), false.into());
        }
        if column.optional == Some(true) {
            own.insert("optional".to_owned(), true.into());
        }
        if let Some(length) = column.max_length {
            own.insert("max_length".to_owned(), length.into());
        }
        if has(name) {
            // How exactly the server compares is not said: what comes back is looked at again.
            own.insert("filter".to_owned(), json!({"eq": {"send": format!("{name}={{value}}"), "exact": false}}));
        }
        described.insert(name.clone(), Value::Object(own));
    }
    // What stands in the path must be known, and is a column with the value that was asked for unless rows have it.
    for name in in_path.iter().filter(|name| !columns.contains_key(*name)) {
        described.insert(name.clone(), json!({"type": "text", "asked": true}));
    }
    resource.insert("columns".to_owned(), Value::Object(described));
    resource
}

/// A value as YAML, indented.
pub fn yaml(value: &Value, indent: usize) -> String {
    let space = "  ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() && indent < 6 => {
            let member = |(name, value): (&String, &Value)| {
                let name = if plain(name) { name.clone() } else { Value::from(name.as_str()).to_string() };
                match value {
                    Value::Object(inner) if !inner.is_empty() && indent < 5 => format!("{space}{name}:\n{}", yaml(value, indent + 1)),
                    other => format!("{space}{name}: {}\n", flow(other)),
                }
            };
            members.iter().map(member).collect()
        }
        other => format!("{space}{}\n", flow(other)),
    }
}

fn plain(text: &str) -> bool {
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let first = text.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
    first
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '-'))
        && !reserved.contains(&text.to_ascii_lowercase().as_str())
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if plain(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let name = if plain(name) { name.clone() } else { Value::from(name.as_str()).to_string() };
                format!("{name}: {}", flow(value))
            };
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const SHOP: &str = r##"
openapi: 3.0.3
info: { title: Shop, version: "1" }
servers: [ { url: "https://shop.example.com/v2" } ]
paths:
  /orders:
    get:
      summary: All orders
      parameters:
        - { name: status, in: query, schema: { type: string } }
        - { name: limit, in: query, schema: { type: integer } }
        - { name: offset, in: query, schema: { type: integer } }
      responses:
        "200": { description: ok, content: { application/json: { schema: { type: object, properties: { data: { type: array, items: { $ref: "#/components/schemas/Order" } }, total: { type: integer } } } } } }
  /orders/{id}:
    get:
      responses:
        "200": { description: ok, content: { application/json: { schema: { $ref: "#/components/schemas/Order" } } } }
  /customers/{customer}/notes:
    get:
      parameters: [ { name: customer, in: path, required: true, schema: { type: string } } ]
      responses:
        "200": { description: ok, content: { application/json: { schema: { type: array, items: { type: object, properties: { text: { type: string } } } } } } }
components:
  schemas:
    Base: { type: object, required: [id], properties: { id: { type: integer, format: int64 } } }
    Order:
      allOf:
        - { $ref: "#/components/schemas/Base" }
        - type: object
          required: [status, customer]
          properties:
            status: { type: string, maxLength: 20 }
            placed: { type: string, format: date-time, nullable: true }
            total: { type: number }
            customer: { type: object, required: [name], properties: { name: { type: string }, parent: { $ref: "#/components/schemas/Order" } } }
            lines: { type: array, items: { type: object } }
"##;

    #[test]
    fn a_document_gives_settings() {
        let mut settings = settings(&document(SHOP).unwrap()).unwrap();
        let resource = settings["resources"]["orders"].as_object_mut().unwrap();
        let columns = resource["columns"].as_object_mut().unwrap();
        columns.retain(|name, _| !name.starts_with("customer/parent"));
        expect![[r#"
            kind: rest
            url: "https://shop.example.com/v2"
            resources:
              orders:
                description: "All orders"
                path: "/orders"
                rows: "/data"
                paging:
                  by: offset
                  parameter: offset
                  size_parameter: limit
                  size: 100
                columns:
                  id:
                    type: int64
                    nullable: false
                  status:
                    type: text
                    nullable: false
                    max_length: 20
                    filter:
                      eq: { send: "status={value}", exact: false }
                  placed:
                    type: timestamptz
                    optional: true
                  total:
                    type: "decimal(38,18)"
                    optional: true
                  customer/name:
                    type: text
                    nullable: false
                  lines:
                    type: json
                    optional: true
                key: [id]
                lookups: [{ path: "/orders/{id}", single: true, rows: "" }]
              notes:
                path: "/customers/{customer}/notes"
                columns:
                  text:
                    type: text
                    optional: true
                  customer:
                    type: text
                    asked: true
        "#]]
        .assert_eq(&yaml(&settings, 0));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        assert!(document("a: 1").unwrap_err().contains("no OpenAPI"));
        assert!(document("{").unwrap_err().contains("neither"));
        let empty = document(r#"{"openapi":"3.1.0","paths":{}}"#).unwrap();
        assert!(settings(&empty).unwrap_err().contains("no list"));
        assert!(columns(&document(SHOP).unwrap(), Some("/nothing"), None).unwrap_err().contains("/nothing"));
    }
}
