//! Writes as they were configured, and what is sent for a change. Pure; it must not know how requests travel.

use crate::config::{Format, Returns, VersionConfig, WriteConfig, WriteRequestConfig};
use crate::form;
use crate::resource::{Access, Column, Need, Place, Resource, body_of};
use crate::template::{Context, Template};
use crate::translate::{Call, Refusal, begun};
use portico_provider_api::capabilities::WriteCapabilities;
use portico_provider_api::{ChangeValue, TableRelation, Value};

/// How rows are written, made ready.
#[derive(Debug, Clone)]
pub struct Write {
    /// New rows.
    pub insert: Option<WriteRequest>,
    /// Changes.
    pub update: Option<WriteRequest>,
    /// Rows that are made or changed.
    pub upsert: Option<WriteRequest>,
    /// Statuses that say that an upsert made one.
    pub created: Vec<u16>,
    /// Removals.
    pub delete: Option<WriteRequest>,
    /// What a change is made under.
    pub version: Option<Version>,
    /// Statuses that say that the row was changed.
    pub changed: Vec<u16>,
    /// Statuses that say that there is none.
    pub not_found: Vec<u16>,
    /// Statuses that say that there is one.
    pub duplicate: Vec<u16>,
}

/// A request that writes.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// Method, path, headers and body.
    pub access: Access,
    /// Whether the body is an object of what is given.
    pub plain: bool,
    /// What comes back.
    pub returns: Returns,
    /// Whether what is not given is lost.
    pub replaces: bool,
}

/// What a change is made under.
#[derive(Debug, Clone)]
pub enum Version {
    /// A column's value, in a header.
    Header {
        /// The column.
        column: String,
        /// The header.
        header: String,
        /// How it is written there.
        value: Template,
    },
    /// A column's value, in the body.
    Body {
        /// The column.
        column: String,
    },
    /// The ETag of an answer with the row alone.
    Etag,
}

impl Write {
    /// From the configuration.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn new(config: &WriteConfig, format: Format) -> Result<Write, String> {
        let request = |own: &Option<WriteRequestConfig>, method: &str, returns: Returns| {
            let made = own.as_ref().map(|own| WriteRequest::new(own, method, returns, format)).transpose();
            made.map_err(|wrong| format!("'write': {wrong}"))
        };
        let version = config.version.as_ref().map(Version::new).transpose().map_err(|wrong| format!("'write.version': {wrong}"))?;
        let or = |own: &Vec<u16>, default: &[u16]| if own.is_empty() { default.to_vec() } else { own.clone() };
        let made = Write {
            insert: request(&config.insert, "POST", Returns::Row)?,
            update: request(&config.update, "PATCH", Returns::Row)?,
            upsert: request(&config.upsert, "PUT", Returns::Row)?,
            created: or(&config.created, &[201]),
            delete: request(&config.delete, "DELETE", Returns::Nothing)?,
            changed: or(&config.changed, if version.is_some() { &[412, 409] } else { &[412] }),
            not_found: or(&config.not_found, &[404, 410]),
            duplicate: or(&config.duplicate, &[409]),
            version,
        };
        if made.insert.is_none() && made.update.is_none() && made.upsert.is_none() && made.delete.is_none() {
            return Err("'write' has neither 'insert', 'update', 'upsert' nor 'delete'".to_owned());
        }
        if made.upsert.is_none() && !config.created.is_empty() {
            return Err("'write.created' is for an 'upsert', and there is none".to_owned());
        }
        let replaces = [&config.insert, &config.update, &config.delete].into_iter().flatten().any(|request| request.replaces.is_some());
        if replaces {
            return Err("'replaces' is for an 'upsert'".to_owned());
        }
        Ok(made)
    }

    /// What can only be seen beside the resource.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn checked(&self, resource: &Resource) -> Result<(), String> {
        let requests = [("insert", &self.insert), ("update", &self.update), ("upsert", &self.upsert), ("delete", &self.delete)];
        for (name, request) in requests.into_iter().filter_map(|(name, request)| Some((name, request.as_ref()?))) {
            for Need { column, .. } in &request.access.needs {
                let known = resource.column(column).ok_or_else(|| format!("'write.{name}': '{column}' is no column"))?;
                let body = request.access.body.as_ref().is_some_and(|(body, _)| body.names().contains(&column.as_str()));
                if name != "insert" && !body && !resource.key.contains(&known.name) {
                    return Err(format!("'write.{name}': '{column}' is none of the key's columns, by which a row is found"));
                }
            }
            if name != "insert" && resource.key.is_empty() {
                return Err(format!("'write.{name}': the resource has no 'key' by which a row is found"));
            }
            if name == "upsert" && matches!(request.returns, Returns::Key | Returns::Location) {
                return Err("'write.upsert': its key is known: it returns the 'row', or 'nothing'".to_owned());
            }
            if request.returns == Returns::Location && resource.key.len() != 1 {
                return Err(format!("'write.{name}': 'Location' ends with the key, which must be one column"));
            }
        }
        match &self.version {
            Some(Version::Header { column, .. } | Version::Body { column }) if resource.column(column).is_none() => {
                Err(format!("'write.version': '{column}' is no column"))
            }
            Some(Version::Body { .. }) if [&self.update, &self.delete].into_iter().flatten().any(|request| !request.plain) => {
                Err("'write.version': a version in the body needs a body of the given columns: write 'header', or leave 'body' out"
                    .to_owned())
            }
            Some(Version::Etag) if self.single(resource).is_none() => {
                Err("'write.version': the ETag comes with the row alone: there must be a look-up by the key that is 'single'".to_owned())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The way to one row by its key.
    pub fn single<'r>(&self, resource: &'r Resource) -> Option<&'r Access> {
        let key: Vec<&str> = resource.key.iter().map(String::as_str).collect();
        resource.lookups.iter().chain(&resource.main).find(|access| access.single && !key.is_empty() && access.takes(&key))
    }

    /// What is declared: what is checked in the step that writes, and nothing else.
    pub fn capabilities(&self) -> WriteCapabilities {
        let returns =
            |request: &Option<WriteRequest>, what: &[Returns]| request.as_ref().is_none_or(|request| what.contains(&request.returns));
        let writes = self.insert.is_some() || self.update.is_some() || self.upsert.is_some();
        let rows = [&self.insert, &self.update, &self.upsert].into_iter().all(|request| returns(request, &[Returns::Row]));
        let etag = matches!(self.version, Some(Version::Etag));
        // A version in the body is compared where there is a body.
        let body = matches!(self.version, Some(Version::Body { .. }));
        WriteCapabilities {
            insert: self.insert.is_some(),
            update: self.update.is_some(),
            upsert: self.upsert.is_some(),
            delete: self.delete.is_some(),
            returning: writes && rows,
            returning_key: self.insert.is_some() && returns(&self.insert, &[Returns::Row, Returns::Key, Returns::Location]),
            version: self.version.is_some() && !(body && self.delete.is_some()),
            unchanged: etag,
            visible: etag,
            ..WriteCapabilities::default()
        }
    }
}

impl Version {
    fn new(config: &VersionConfig) -> Result<Version, String> {
        match (&config.column, &config.header, config.etag) {
            (None, None, true) => Ok(Version::Etag),
            (Some(column), None, false) => Ok(Version::Body { column: column.clone() }),
            (Some(column), Some(header), false) => {
                let value = Template::parse(config.value.as_deref().unwrap_or("{value}"), Context::Plain)?;
                Ok(Version::Header { column: column.clone(), header: header.clone(), value })
            }
            (_, _, _) => Err("it is one of 'etag: true', 'column', and 'column' with 'header'".to_owned()),
        }
    }
}

impl WriteRequest {
    fn new(config: &WriteRequestConfig, method: &str, returns: Returns, format: Format) -> Result<WriteRequest, String> {
        if config.path.contains(['?', '#']) {
            return Err(format!("the path '{}' holds parameters: they belong into 'query'", config.path));
        }
        let segments = config.path.trim_matches('/').split('/').filter(|segment| !segment.is_empty());
        let path = segments.map(|segment| Template::parse(segment, Context::Plain)).collect::<Result<Vec<_>, _>>()?;
        let header = |(name, text): (&String, &String)| Ok::<_, String>((name.clone(), Template::parse(text, Context::Plain)?));
        let body = config.body.as_ref().map(|body| body_of(body, config.content_type.as_deref(), format)).transpose()?;
        let method = config.method.clone().unwrap_or_else(|| method.to_owned());
        let replaces = config.replaces.unwrap_or(method == "PUT");
        if format == Format::Xml && config.row.as_deref().is_some_and(|row| Place::parse(row).is_ok_and(|row| row.names().is_none())) {
            return Err("'row': of XML, names alone lead to a row".to_owned());
        }
        let mut access = Access {
            path,
            slash: config.path.len() > 1 && config.path.ends_with('/'),
            query: config.query.iter().map(header).collect::<Result<_, _>>()?,
            headers: config.headers.iter().map(header).collect::<Result<_, _>>()?,
            plain_body: body.is_none().then(|| config.content_type.clone().unwrap_or_else(|| "application/json".to_owned())),
            body,
            rows: Place::parse(config.row.as_deref().unwrap_or_default())?,
            single: true,
            paging: crate::paging::Paging::default(),
            batch: None,
            needs: Vec::new(),
            method,
        };
        let mut names: Vec<String> = Vec::new();
        let templates = access.path.iter().chain(access.query.iter().chain(&access.headers).map(|(_, template)| template));
        for name in templates.chain(access.body.iter().map(|(body, _)| body)).flat_map(Template::names) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        access.needs = names.into_iter().map(|name| Need { column: name.clone(), place: name }).collect();
        let plain = access.body.is_none();
        Ok(WriteRequest { access, plain, returns: config.returns.unwrap_or(returns), replaces })
    }

    /// The request of a change. `values` are those that are given, `key` those of the row.
    ///
    /// # Errors
    /// When a value is missing, or cannot stand in its place.
    pub fn call(
        &self,
        resource: &Resource,
        table: &TableRelation,
        key: &[(usize, Value)],
        values: &[(usize, ChangeValue)],
        with_body: bool,
    ) -> Result<Call, Refusal> {
        let given = given(table, values)?;
        let named = |name: &str| {
            let column = resource.column(name)?;
            let of = |index: &usize| table.columns.get(*index).is_some_and(|column| column.name == name);
            let value = given.iter().find(|(index, _)| of(index)).or_else(|| key.iter().find(|(index, _)| of(index)));
            form::held(&value?.1, column.codec).ok()
        };
        // A place for a column that is not given is null: a body of a fixed form has no other word for it.
        let filled = |name: &str| {
            let null = resource.column(name).filter(|_| self.access.body.is_some() && !resource.key.iter().any(|key| key == name));
            named(name).or_else(|| null.map(|column| Value::Null(column.scalar_type)))
        };
        let mut call = begun(&self.access, &filled)?;
        if self.plain && with_body {
            let kind = self.access.plain_body.clone().unwrap_or_else(|| "application/json".to_owned());
            call.body = Some((object(resource, table, &given)?, kind));
        }
        Ok(call)
    }
}

/// What an upsert gives: the key, and the values beside it.
pub fn upserted(key: &[(usize, Value)], values: &[(usize, ChangeValue)]) -> Vec<(usize, ChangeValue)> {
    let beside = values.iter().filter(|(index, _)| !key.iter().any(|(of_key, _)| of_key == index)).cloned();
    key.iter().map(|(index, value)| (*index, ChangeValue::Given(value.clone()))).chain(beside).collect()
}

/// The values that are given; null is one.
pub fn given(table: &TableRelation, values: &[(usize, ChangeValue)]) -> Result<Vec<(usize, Value)>, Refusal> {
    let one = |(index, value): &(usize, ChangeValue)| {
        let column = table.columns.get(*index).ok_or_else(|| Refusal::Unsupported("a column outside the table".to_owned()))?;
        match value {
            ChangeValue::Given(value) => Ok((*index, value.clone())),
            ChangeValue::Null => Ok((*index, Value::Null(column.scalar_type))),
            ChangeValue::FromChange { .. } => Err(Refusal::Unsupported("a value from another change".to_owned())),
        }
    };
    values.iter().map(one).collect()
}

/// An object of values, each at its column's place.
fn object(resource: &Resource, table: &TableRelation, values: &[(usize, Value)]) -> Result<String, Refusal> {
    let mut root = Node::default();
    for (index, value) in values {
        let column = table.columns.get(*index).and_then(|column| resource.column(&column.name));
        let column: &Column = column.ok_or_else(|| Refusal::Unsupported("a column outside the table".to_owned()))?;
        if column.asked || column.selected.is_some() {
            return Err(Refusal::Unsupported(format!("writing '{}', which has no place of its own in a row", column.name)));
        }
        root.put(&column.path, form::json(&form::held(value, column.codec).map_err(Refusal::Data)?));
    }
    Ok(root.text())
}

/// An object that is put together.
#[derive(Default)]
struct Node {
    value: Option<String>,
    members: Vec<(String, Node)>,
}

impl Node {
    fn put(&mut self, path: &[String], value: String) {
        let Some((name, rest)) = path.split_first() else {
            self.value = Some(value);
            return;
        };
        let at = self.members.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.members.push((name.clone(), Node::default()));
            self.members.len() - 1
        });
        if let Some((_, inner)) = self.members.get_mut(at) {
            inner.put(rest, value);
        }
    }

    fn text(&self) -> String {
        if let Some(value) = &self.value {
            return value.clone();
        }
        let member = |(name, inner): &(String, Node)| format!("{}:{}", serde_json::Value::from(name.as_str()), inner.text());
        format!("{{{}}}", self.members.iter().map(member).collect::<Vec<_>>().join(","))
    }
}
