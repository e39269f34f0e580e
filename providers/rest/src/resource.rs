//! Resources as they were configured, checked and made ready: what stands where, and what is sent for what. Pure; it must not know queries.

use crate::config::{
    CollationConfig, ColumnConfig, FilterConfig, Format, LookupConfig, Operator, RequireConfig, ResourceConfig, RestConfig,
};
use crate::form;
use crate::paging::Paging;
use crate::template::{Context, Template};
use crate::write::Write;
use portico_provider_api::{Codec, ForeignKey, RemoteColumn, RemoteTable, RemoteTableName, Requirement, ScalarType};
use portico_provider_web::json::Missing;
use std::collections::BTreeMap;

/// Values in one list, where nothing else is said.
const MAX_IN_LIST: usize = 50;

/// A resource, made ready.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The remote table's name.
    pub name: String,
    /// Comment.
    pub description: Option<String>,
    /// The columns in order.
    pub columns: Vec<Column>,
    /// The key's columns.
    pub key: Vec<String>,
    /// References.
    pub references: Vec<ForeignKey>,
    /// The form of answers.
    pub format: Format,
    /// How failures are told in answers of success.
    pub errors: Vec<ErrorRule>,
    /// How the rows are asked for without a key, or with the keys that its places need.
    pub main: Option<Access>,
    /// Other ways, by keys.
    pub lookups: Vec<Access>,
    /// What must be known, any one of these lists.
    pub requires: Vec<Vec<Requirement>>,
    /// How an order is asked for.
    pub sort: Option<Sort>,
    /// How columns are asked for: parameter and separator.
    pub select: Option<(String, String)>,
    /// Where the array of rows stands in a row of what is asked, where this is a part of another resource.
    pub inside: Option<Vec<String>>,
    /// How rows are written.
    pub write: Option<Write>,
    /// Whether it is a table of PostgREST's, which takes conditions of any form.
    pub postgrest: bool,
    /// Whether it can be written by the preset's own means.
    pub writable: bool,
}

/// A column, made ready.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type that readers see.
    pub scalar_type: ScalarType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Where it stands in a row.
    pub path: Vec<String>,
    /// How it is held.
    pub codec: Option<Codec>,
    /// What a row means that lacks it.
    pub missing: Missing,
    /// Whether its value is what was asked for.
    pub asked: bool,
    /// Whether it stands in the parent's row; `path` is there then.
    pub of_parent: bool,
    /// What is sent for conditions.
    pub filters: BTreeMap<Operator, Filter>,
    /// Whether parameters can be repeated.
    pub repeatable: bool,
    /// Values of a list at most.
    pub max_in_list: usize,
    /// How its text compares.
    pub collation: Option<CollationConfig>,
    /// Whether the server sorts by it.
    pub sort: bool,
    /// Greatest length.
    pub max_length: Option<u32>,
    /// Comment.
    pub description: Option<String>,
    /// The server gives it.
    pub generated: bool,
    /// The server gives it to a row without.
    pub has_default: bool,
    /// The source's own name of its type.
    pub native_type: Option<String>,
}

/// What is sent for a condition.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The parameter.
    pub parameter: String,
    /// Its value, with `{value}` or `{values}`.
    pub value: Template,
    /// Whether just the right rows come back.
    pub exact: bool,
    /// Between the values of a list.
    pub separator: String,
    /// The parameter is given once per value.
    pub repeat: bool,
}

/// How a failure is told in an answer of success.
#[derive(Debug, Clone)]
pub struct ErrorRule {
    /// Where.
    pub at: Vec<String>,
    /// Where its text stands below.
    pub message: Option<Vec<String>>,
    /// What is no failure there.
    pub except: Vec<serde_json::Value>,
}

/// How an order is asked for.
#[derive(Debug, Clone)]
pub struct Sort {
    /// The parameter.
    pub parameter: String,
    /// An ascending column.
    pub ascending: Template,
    /// A descending column.
    pub descending: Template,
    /// Between columns.
    pub separator: String,
}

/// A way to rows.
#[derive(Debug, Clone)]
pub struct Access {
    /// Segments of the path.
    pub path: Vec<Template>,
    /// Whether the path ends with a `/`.
    pub slash: bool,
    /// Parameters.
    pub query: Vec<(String, Template)>,
    /// Headers.
    pub headers: Vec<(String, Template)>,
    /// Method.
    pub method: String,
    /// Body and media type.
    pub body: Option<(Template, String)>,
    /// The media type of a body that is made of what is given, where one is.
    pub plain_body: Option<String>,
    /// Where the rows stand.
    pub rows: Vec<String>,
    /// What stands there is one row.
    pub single: bool,
    /// How answers come in pages.
    pub paging: Paging,
    /// How many keys go into one request, and what is between them.
    pub batch: Option<(usize, String)>,
    /// Columns that must be known: here, and in the places of the templates.
    pub needs: Vec<Need>,
}

/// A column whose value has a place in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The column here.
    pub column: String,
    /// Its name in templates.
    pub place: String,
}

/// Reads `/data/items`, `$.data.items`, `$.data.items[*]`, or nothing for the whole document.
///
/// # Errors
/// When it is none of them.
pub fn pointer(text: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("'{text}' is no place in a document: write /data/items or $.data.items");
    if let Some(path) = text.strip_prefix('$') {
        let path = path.strip_suffix("[*]").unwrap_or(path);
        if path.contains(['[', ']', '*', '?', '@']) || path.contains("..") {
            return Err(format!("{}; of JSONPath names alone are understood", wrong()));
        }
        return Ok(path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect());
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let inner = text.strip_prefix('/').ok_or_else(wrong)?;
    Ok(inner.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

/// Names from the outside in: `customer/city`, `$.customer.city`.
fn path(text: &str) -> Result<Vec<String>, String> {
    if text.starts_with('$') { pointer(text) } else { pointer(&format!("/{}", text.trim_start_matches('/'))) }
}

/// All resources of a configuration.
///
/// # Errors
/// Names the resource, and what of it is wrong.
pub fn all(config: &RestConfig) -> Result<Vec<Resource>, String> {
    let mut found: Vec<Resource> = Vec::new();
    for (name, own) in config.resources.iter().filter(|(_, own)| own.parent.is_none()) {
        found.push(resource(name, own, config).map_err(|wrong| format!("resource '{name}': {wrong}"))?);
    }
    for (name, own) in &config.resources {
        if let Some(parent) = &own.parent {
            let place = |wrong: String| format!("resource '{name}': {wrong}");
            let of = found.iter().find(|known| known.name == parent.resource && known.inside.is_none());
            let of = of.ok_or_else(|| place(format!("there is no resource '{}' that it could be a part of", parent.resource)))?;
            let child = child(name, own, of, config).map_err(place)?;
            found.push(child);
        }
    }
    let known: Vec<&str> = config.resources.keys().map(String::as_str).collect();
    for resource in &found {
        let unknown = resource.references.iter().find(|reference| !known.contains(&reference.references.table()));
        if let Some(unknown) = unknown {
            return Err(format!("resource '{}': it refers to '{}', which is no resource", resource.name, unknown.references));
        }
    }
    Ok(found)
}

fn resource(name: &str, own: &ResourceConfig, config: &RestConfig) -> Result<Resource, String> {
    let format = own.format.unwrap_or(config.format);
    let columns = own.columns.iter().map(|(name, own)| column(name, own, format, config)).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Err("it has no columns: declare 'columns', or give a 'sample' or an 'openapi' document to take them from".to_owned());
    }
    let main = match &own.path {
        Some(path) => Some(main(path, own, format, config)?),
        None => None,
    };
    let lookups = own.lookups.iter().map(|lookup| look_up(lookup, own, format)).collect::<Result<Vec<_>, _>>()?;
    if main.is_none() && lookups.is_empty() {
        return Err("it has neither a 'path' nor 'lookups': there is no way to its rows".to_owned());
    }
    let mut made = Resource {
        name: name.to_owned(),
        description: own.description.clone(),
        columns,
        key: own.key.clone(),
        references: references(name, own),
        format,
        errors: errors(config, own, format)?,
        main,
        lookups,
        requires: Vec::new(),
        sort: sort(own)?,
        select: own.select.as_ref().map(|select| (select.parameter.clone(), select.separator.clone())),
        inside: None,
        write: own.write.as_ref().map(|write| Write::new(write, format)).transpose()?,
        postgrest: false,
        writable: false,
    };
    made.requires = requires(own, &made)?;
    checked(&made)?;
    if let Some(write) = &made.write {
        write.checked(&made)?;
    }
    Ok(made)
}

fn child(name: &str, own: &ResourceConfig, parent: &Resource, config: &RestConfig) -> Result<Resource, String> {
    let settings = own.parent.as_ref().ok_or("it has no parent")?;
    if own.path.is_some() || !own.lookups.is_empty() || own.write.is_some() || own.sort.is_some() || own.select.is_some() {
        return Err(
            "it is a part of another resource, which is what is asked: 'path', 'lookups', 'sort', 'select' and 'write' are that one's"
                .to_owned(),
        );
    }
    let mut columns = Vec::new();
    for (name, of) in &settings.columns {
        let found = parent.columns.iter().find(|column| column.name == *of);
        let found = found.ok_or_else(|| format!("its parent has no column '{of}'"))?;
        columns.push(Column { name: name.clone(), of_parent: true, sort: false, ..found.clone() });
    }
    for (name, own) in &own.columns {
        let made = column(name, own, parent.format, config)?;
        if !made.filters.is_empty() || made.asked || made.sort {
            return Err(format!("column '{name}' stands in an array: the server cannot be asked for it"));
        }
        columns.push(made);
    }
    // A place for the parent's column is filled by the child's column that stands for it.
    let mapped = |access: &Access| {
        let needs = access.needs.iter().map(|need| {
            let own = settings.columns.iter().find(|(_, of)| **of == need.column).map(|(own, _)| own.clone());
            own.map(|column| Need { column, place: need.place.clone() })
        });
        needs.collect::<Option<Vec<_>>>().map(|needs| Access { needs, ..access.clone() })
    };
    let (main, lookups) = (parent.main.as_ref().and_then(mapped), parent.lookups.iter().filter_map(mapped).collect::<Vec<_>>());
    if main.is_none() && lookups.is_empty() {
        return Err("its parent is asked by columns that are none of its own: name them under 'parent.columns'".to_owned());
    }
    let mut made = Resource {
        name: name.to_owned(),
        description: own.description.clone(),
        columns,
        key: own.key.clone(),
        references: references(name, own),
        main,
        lookups,
        requires: Vec::new(),
        sort: None,
        select: None,
        inside: Some(path(&settings.rows)?),
        write: None,
        ..parent.clone()
    };
    made.requires = requires(own, &made)?;
    checked(&made)?;
    Ok(made)
}

fn references(name: &str, own: &ResourceConfig) -> Vec<ForeignKey> {
    let reference = |(index, reference): (usize, &crate::config::ReferenceConfig)| ForeignKey {
        name: format!("{name}_fk{}", index + 1),
        columns: reference.columns.clone(),
        references: RemoteTableName(vec![reference.to.clone()]),
        referenced_columns: reference.referenced.clone(),
    };
    own.references.iter().enumerate().map(reference).collect()
}

fn errors(config: &RestConfig, own: &ResourceConfig, format: Format) -> Result<Vec<ErrorRule>, String> {
    let rule = |rule: &crate::config::ErrorConfig| {
        let message = rule.message.as_deref().map(path).transpose()?;
        Ok::<_, String>(ErrorRule { at: pointer(&rule.at)?, message, except: rule.except.clone() })
    };
    let mut rules = config.errors.iter().chain(&own.errors).map(rule).collect::<Result<Vec<_>, _>>()?;
    if format == Format::Xml {
        let fault = |message: &[&str]| ErrorRule {
            at: ["Envelope", "Body", "Fault"].map(str::to_owned).to_vec(),
            message: Some(message.iter().map(|name| (*name).to_owned()).collect()),
            except: Vec::new(),
        };
        rules.extend([fault(&["faultstring"]), fault(&["Reason", "Text"])]);
    }
    Ok(rules)
}

fn sort(own: &ResourceConfig) -> Result<Option<Sort>, String> {
    let Some(sort) = &own.sort else { return Ok(None) };
    let template = |text: &str| {
        let template = Template::parse(text, Context::Plain)?;
        if template.names() == ["column"] { Ok(template) } else { Err(format!("'sort': '{text}' must have just '{{column}}' for a value")) }
    };
    Ok(Some(Sort {
        parameter: sort.parameter.clone(),
        ascending: template(&sort.ascending)?,
        descending: template(&sort.descending)?,
        separator: sort.separator.clone(),
    }))
}

fn column(name: &str, own: &ColumnConfig, format: Format, config: &RestConfig) -> Result<Column, String> {
    let place = |wrong: String| format!("column '{name}': {wrong}");
    let scalar_type: ScalarType = match &own.scalar_type {
        Some(text) => text.parse().map_err(place)?,
        None => return Err(place("it has no 'type'".to_owned())),
    };
    let codec = own.codec.as_ref().map(|codec| codec_named(codec)).transpose().map_err(place)?;
    let nullable = own.nullable.unwrap_or(true) && !own.asked;
    let optional = own.optional.unwrap_or(nullable && format == Format::Xml);
    if optional && !nullable && !own.asked {
        return Err(place("it is optional, and may not be null: what would a row without it mean?".to_owned()));
    }
    let filters = own.filter.iter().map(|(operator, filter)| Ok((*operator, self::filter(*operator, filter)?)));
    let filters: BTreeMap<Operator, Filter> = filters.collect::<Result<_, String>>().map_err(place)?;
    let text_only = [Operator::Contains, Operator::StartsWith, Operator::EndsWith];
    if scalar_type != ScalarType::Text && text_only.iter().any(|operator| filters.contains_key(operator)) {
        return Err(place("only texts contain, start and end with others".to_owned()));
    }
    Ok(Column {
        name: name.to_owned(),
        scalar_type,
        nullable,
        path: path(own.path.as_deref().unwrap_or(name)).map_err(place)?,
        codec,
        missing: if optional { Missing::Null } else { Missing::Refused },
        asked: own.asked,
        of_parent: false,
        filters,
        repeatable: own.repeatable,
        max_in_list: own.max_in_list.unwrap_or(MAX_IN_LIST),
        collation: own.collation.or(config.collation),
        sort: own.sort.unwrap_or(false),
        max_length: own.max_length,
        description: own.description.clone(),
        generated: own.generated.unwrap_or(false),
        has_default: own.has_default.unwrap_or(false),
        native_type: None,
    })
}

fn codec_named(name: &str) -> Result<Codec, String> {
    let codec: Option<Codec> = serde_json::from_value(serde_json::Value::from(name)).ok();
    codec.filter(|codec| form::is_known(*codec)).ok_or_else(|| format!("'{name}' is no codec of this kind"))
}

fn filter(operator: Operator, own: &FilterConfig) -> Result<Filter, String> {
    let (send, exact, separator, repeat) = match own {
        FilterConfig::Short(send) => (send, true, None, false),
        FilterConfig::Long(long) => (&long.send, long.exact, long.separator.clone(), long.repeat),
    };
    let (parameter, value) = send.split_once('=').ok_or_else(|| format!("'{send}' is no parameter: write name={{value}}"))?;
    let value = Template::parse(value, Context::Plain)?;
    let wanted: &[&str] = match (operator, repeat) {
        (Operator::In, false) => &["values"],
        (Operator::IsNull, _) => &[],
        (_, _) => &["value"],
    };
    if value.names() != wanted {
        let wanted = wanted.first().map_or("no value".to_owned(), |name| format!("just '{{{name}}}'"));
        return Err(format!("'{send}' must have {wanted}"));
    }
    Ok(Filter { parameter: parameter.to_owned(), value, exact, separator: separator.unwrap_or_else(|| ",".to_owned()), repeat })
}

fn main(path: &str, own: &ResourceConfig, format: Format, config: &RestConfig) -> Result<Access, String> {
    let paging = own.paging.as_ref().or(config.paging.as_ref()).map(Paging::new).transpose()?.unwrap_or_default();
    let lookup = LookupConfig {
        path: Some(path.to_owned()),
        query: own.query.clone(),
        headers: own.headers.clone(),
        method: own.method.clone(),
        body: own.body.clone(),
        rows: own.rows.clone(),
        single: own.single,
        ..LookupConfig::default()
    };
    access(&lookup, own, format, paging)
}

fn look_up(lookup: &LookupConfig, own: &ResourceConfig, format: Format) -> Result<Access, String> {
    let inherited = LookupConfig {
        path: lookup.path.clone().or_else(|| own.path.clone()),
        headers: if lookup.headers.is_empty() { own.headers.clone() } else { lookup.headers.clone() },
        method: lookup.method.clone().or_else(|| own.method.clone()),
        rows: lookup.rows.clone().or_else(|| own.rows.clone().filter(|_| !lookup.single)),
        ..lookup.clone()
    };
    let made = access(&inherited, own, format, Paging::default())?;
    if made.needs.is_empty() {
        return Err("a look-up has no place for a key: write {column} in its path, query, headers or body".to_owned());
    }
    Ok(made)
}

fn access(lookup: &LookupConfig, own: &ResourceConfig, format: Format, paging: Paging) -> Result<Access, String> {
    let path = lookup.path.as_deref().ok_or("it has no 'path'")?;
    if path.contains(['?', '#']) {
        return Err(format!("'path': '{path}' holds parameters: they belong into 'query'"));
    }
    let segments = path.trim_matches('/').split('/').filter(|segment| !segment.is_empty());
    let segments = segments.map(|segment| Template::parse(segment, Context::Plain)).collect::<Result<Vec<_>, _>>()?;
    let plain = |(name, text): (&String, &String)| Ok::<_, String>((name.clone(), Template::parse(text, Context::Plain)?));
    let method = lookup.method.clone().unwrap_or_else(|| if lookup.body.is_some() { "POST".to_owned() } else { "GET".to_owned() });
    if !matches!(method.as_str(), "GET" | "POST" | "QUERY" | "REPORT" | "SEARCH") {
        return Err(format!("'method': '{method}' does not read; those that do are GET and POST"));
    }
    let body = lookup.body.as_ref().map(|body| body_of(body, own.content_type.as_deref(), format)).transpose()?;
    let mut made = Access {
        path: segments,
        slash: path.len() > 1 && path.ends_with('/'),
        query: lookup.query.iter().map(plain).collect::<Result<_, _>>()?,
        headers: lookup.headers.iter().map(plain).collect::<Result<_, _>>()?,
        method,
        body,
        plain_body: None,
        rows: pointer(lookup.rows.as_deref().unwrap_or_default())?,
        single: lookup.single,
        paging,
        batch: lookup.batch.map(|size| (size.max(1), lookup.separator.clone().unwrap_or_else(|| ",".to_owned()))),
        needs: Vec::new(),
    };
    let mut names: Vec<String> = Vec::new();
    let templates = made.path.iter().chain(made.query.iter().chain(&made.headers).map(|(_, template)| template));
    for name in templates.chain(made.body.iter().map(|(body, _)| body)).flat_map(Template::names) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    made.needs = names.into_iter().map(|name| Need { column: name.clone(), place: name }).collect();
    if made.batch.is_some() && (made.needs.len() != 1 || made.body.is_some()) {
        return Err("'batch' joins the keys of one column in one place of the URL".to_owned());
    }
    Ok(made)
}

/// A body and its media type.
///
/// # Errors
/// When it is no template.
pub fn body_of(body: &str, content_type: Option<&str>, format: Format) -> Result<(Template, String), String> {
    let by_format = if format == Format::Xml { "text/xml; charset=utf-8" } else { "application/json" };
    let content_type = content_type.unwrap_or(by_format).to_owned();
    let context = match content_type.to_ascii_lowercase() {
        kind if kind.contains("xml") => Context::Xml,
        kind if kind.contains("json") => Context::Json,
        kind if kind.contains("form-urlencoded") => Context::Form,
        _ => return Err(format!("'content_type': values cannot be written into a body of {content_type}")),
    };
    Ok((Template::parse(body, context)?, content_type))
}

fn requires(own: &ResourceConfig, made: &Resource) -> Result<Vec<Vec<Requirement>>, String> {
    let key = |need: &Need| Requirement::Key(need.column.clone());
    if own.requires.is_empty() {
        let open = made.main.as_ref().is_some_and(|main| main.needs.is_empty());
        let ways = made.main.iter().chain(&made.lookups).filter(|_| !open);
        return Ok(ways.map(|access| access.needs.iter().map(key).collect()).collect());
    }
    let one = |one: &RequireConfig| match one {
        RequireConfig::Key(name) => Ok(Requirement::Key(name.clone())),
        RequireConfig::Bound(bound) => match (&bound.from, &bound.to) {
            (Some(name), None) => Ok(Requirement::From(name.clone())),
            (None, Some(name)) => Ok(Requirement::To(name.clone())),
            (_, _) => Err("'requires': a bound is one of 'from' and 'to'".to_owned()),
        },
    };
    own.requires.iter().map(|list| list.iter().map(one).collect()).collect()
}

/// What can only be seen of the whole.
fn checked(resource: &Resource) -> Result<(), String> {
    let known = |name: &str| resource.column(name).ok_or_else(|| format!("'{name}' is no column"));
    for name in resource.key.iter().chain(resource.references.iter().flat_map(|reference| &reference.columns)) {
        known(name)?;
    }
    for access in resource.main.iter().chain(&resource.lookups) {
        for need in &access.needs {
            known(&need.column)?;
        }
        // A value that was asked for is that of every row of an answer, so that each key needs a request of its own.
        if access.batch.is_some() && access.needs.iter().any(|need| resource.column(&need.column).is_some_and(|column| column.asked)) {
            return Err("a 'batch' of keys whose column is 'asked': no row would tell which of them it is for".to_owned());
        }
    }
    for column in resource.columns.iter().filter(|column| column.asked) {
        let everywhere =
            resource.main.iter().chain(&resource.lookups).all(|access| access.needs.iter().any(|need| need.column == column.name));
        if !everywhere {
            return Err(format!("column '{}' is 'asked', and is not a part of every request", column.name));
        }
    }
    parameters(resource)
}

/// A parameter that is not repeatable stands for one thing.
fn parameters(resource: &Resource) -> Result<(), String> {
    let mut taken: Vec<(&str, String)> = Vec::new();
    if let Some(main) = &resource.main {
        taken.extend(main.query.iter().map(|(name, _)| (name.as_str(), "'query'".to_owned())));
        taken.extend(main.paging.parameters().into_iter().map(|name| (name, "'paging'".to_owned())));
    }
    taken.extend(resource.sort.iter().map(|sort| (sort.parameter.as_str(), "'sort'".to_owned())));
    taken.extend(resource.select.iter().map(|(name, _)| (name.as_str(), "'select'".to_owned())));
    for column in &resource.columns {
        for (operator, filter) in &column.filters {
            // `=` and a list are never asked of one column at once.
            let kind = if *operator == Operator::In { Operator::Eq } else { *operator };
            let own = format!("column '{}', {kind:?}", column.name);
            let other = taken.iter().find(|(name, by)| *name == filter.parameter && *by != own);
            if let Some((name, by)) = other.filter(|_| !column.repeatable) {
                return Err(format!(
                    "the parameter '{name}' is used by {by} and by {own}; if it can be given several times, the column is 'repeatable'"
                ));
            }
            taken.push((&filter.parameter, own));
        }
    }
    Ok(())
}

impl Resource {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Its name in the contract.
    pub fn table(&self) -> RemoteTableName {
        RemoteTableName(vec![self.name.clone()])
    }

    /// As the contract describes it.
    pub fn remote(&self) -> RemoteTable {
        let column = |column: &Column| RemoteColumn {
            description: column.description.clone(),
            native_type: column.native_type.clone().unwrap_or_else(|| column.scalar_type.to_string()),
            codec: column.codec,
            max_length: column.max_length,
            has_default: column.has_default,
            generated: column.generated || column.asked,
            ..RemoteColumn::plain(&column.name, column.scalar_type, column.nullable)
        };
        RemoteTable {
            name: self.table(),
            description: self.description.clone(),
            columns: self.columns.iter().map(column).collect(),
            primary_key: self.key.clone(),
            unique_keys: Vec::new(),
            foreign_keys: self.references.clone(),
            row_estimate: None,
            writable: self.write.is_some() || self.writable,
            row_version: None,
        }
    }
}

impl Access {
    /// Whether these are just the columns that it needs.
    pub fn takes(&self, columns: &[&str]) -> bool {
        self.needs.len() == columns.len() && self.needs.iter().all(|need| columns.contains(&need.column.as_str()))
    }
}
