//! What a client of a profile will make of a service: where it loses something, where it needs help, and what to do about it. It reads
//! the model and decides nothing.

use crate::guid_key::KeyPacking;
use portico_catalog::profile::{DATAVERSE_TEXT, SALESFORCE_TEXT, foreign_guid, is_shown, own_guid};
use portico_catalog::{Column, Model, Origin, Profile, Service, VirtualTable};
use portico_provider_api::ScalarType;
use std::collections::BTreeMap;
use std::fmt;

/// Longest name of a table or column that becomes an API name in Salesforce.
const SALESFORCE_NAME: usize = 40;
/// Longest name that Dataverse takes for a column.
const DATAVERSE_NAME: usize = 100;
/// Digits before and after the point of Dataverse's decimals.
const DATAVERSE_DIGITS: (i16, i16) = (11, 10);
/// Digits that a double, which is what most reports compute with, holds.
const DOUBLE_DIGITS: u8 = 15;

/// Something to know about a table in a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The service.
    pub service: String,
    /// The table's name in the service.
    pub table: String,
    /// The column, relationship or other part.
    pub part: Option<String>,
    /// What it is, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {}: {}", self.service, self.table)?;
        if let Some(part) = &self.part {
            write!(f, ".{part}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// What is to be known about a service, table by table.
#[must_use]
pub fn lint(model: &Model, service: &Service) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (entity_set, name) in &service.tables {
        let Some(table) = model.table(name) else { continue };
        let mut table = Table { model, service, entity_set, table, findings: &mut findings };
        table.any_client();
        match service.profile {
            Profile::Standard => {}
            Profile::Dataverse => table.dataverse(),
            Profile::Salesforce => table.salesforce(),
            Profile::Powerbi => table.powerbi(),
        }
    }
    if service.profile == Profile::Dataverse && !model.operations.is_empty() {
        let message = "functions and actions are not published: Dataverse has no notion of them; serve them under another profile";
        findings.push(Finding { service: service.name.clone(), table: "*".to_owned(), part: None, message: message.to_owned() });
    }
    findings
}

struct Table<'a> {
    model: &'a Model,
    service: &'a Service,
    entity_set: &'a str,
    table: &'a VirtualTable,
    findings: &'a mut Vec<Finding>,
}

impl Table<'_> {
    fn say(&mut self, part: Option<&str>, message: impl Into<String>) {
        self.findings.push(Finding {
            service: self.service.name.clone(),
            table: self.entity_set.to_owned(),
            part: part.map(str::to_owned),
            message: message.into(),
        });
    }

    /// What holds for every client.
    fn any_client(&mut self) {
        if self.table.key.is_empty() {
            self.say(None, "has no key, so OData does not serve it: name one with `key`");
        }
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let links = self.table.relationships.iter().map(|link| link.name.as_str());
        let names: Vec<&str> = self.table.columns.iter().map(|column| column.name.as_str()).chain(links).collect();
        for name in names {
            if let Some(other) = seen.insert(name.to_lowercase(), name) {
                self.say(
                    Some(name),
                    format!("differs from '{other}' only by letter case, which many clients ignore: call one something else"),
                );
            }
        }
        if !self.service.profile.knows_spatial() {
            self.spatial();
        }
        if matches!(self.table.origin, Origin::Single { writing, version: None, .. } if writing.any()) {
            let message = "can be written and has no row version: an ETag is made of the whole row, which must be read for it; name a column that changes with every update as `version`";
            self.say(None, message);
        }
    }

    /// Places, for clients that have no type for them.
    fn spatial(&mut self) {
        let message = "has no spatial type in this client";
        for point in &self.table.overlay.points {
            self.say(Some(&point.name), format!("{message}: its degrees north and east are published as numbers of their own"));
        }
        for column in self.table.columns.iter().filter(|column| column.spatial.is_some()) {
            self.say(Some(&column.name), format!("{message}: it is published as the text that the column holds"));
        }
    }

    fn names(&mut self, most: usize, client: &str) {
        let columns = self.table.columns.iter().map(|column| (Some(column.name.clone()), column.name.clone()));
        let all: Vec<_> = std::iter::once((None, self.entity_set.to_owned())).chain(columns).collect();
        for (part, name) in all {
            if !name.is_ascii() {
                self.say(
                    part.as_deref(),
                    format!("{client} makes names of ASCII letters, digits and underscores only: publish it under another name"),
                );
            }
            let length = name.chars().count();
            if length > most {
                self.say(
                    part.as_deref(),
                    format!("{client} cuts names after {most} characters, and this has {length}: publish it under a shorter one"),
                );
            }
        }
    }

    /// Texts without a length, and those longer than a single line.
    fn texts(&mut self, single: u32, declared: &str, longer: &str) {
        let texts = |column: &&Column| matches!(column.scalar_type, ScalarType::Text | ScalarType::Json) && column.enumeration.is_none();
        for column in self.table.columns.iter().filter(texts) {
            match column.max_length {
                None => {
                    let message = format!("has no length, and is declared with {single} characters {declared}: say its `max_length`");
                    self.findings.push(self.finding(&column.name, message));
                }
                Some(length) if length > single => {
                    let message = format!("has {length} characters, more than {single}: {longer}");
                    self.findings.push(self.finding(&column.name, message));
                }
                Some(_) => {}
            }
        }
    }

    fn finding(&self, part: &str, message: String) -> Finding {
        let (service, table) = (self.service.name.clone(), self.entity_set.to_owned());
        Finding { service, table, part: Some(part.to_owned()), message }
    }

    fn dataverse(&mut self) {
        self.names(DATAVERSE_NAME, "Dataverse");
        self.texts(DATAVERSE_TEXT, "(the longest single line of Dataverse)", "make it a text of several lines in Dataverse");
        if let Some(own) = own_guid(self.entity_set, self.table) {
            self.say(Some(&own.name), format!("is the key in this service, a GUID for {}", self.key_names()));
            if !KeyPacking::new(&own.table, own.types).always_fits() {
                let message = "keys of more than 14 bytes get a GUID that the gateway must remember: keep its state in a file (`gateway.state`), or such rows are not found by their GUIDs after a restart";
                self.say(Some(&own.name), message);
            }
        }
        for index in 0..self.table.columns.len() {
            self.dataverse_column(index);
        }
        let required = |column: &&Column| !column.nullable && !column.has_default && !column.generated && !column.read_only;
        let required: Vec<&str> = self.table.columns.iter().filter(required).map(|column| column.name.as_str()).collect();
        if !required.is_empty() && self.table.origin.writing().any() {
            let message = format!("{} cannot be null: set Business Required for them in Dataverse", required.join(", "));
            self.say(None, message);
        }
        for link in self.table.relationships.iter().filter(|link| !link.many) {
            let Some((_, to)) = self
                .service
                .tables
                .iter()
                .find(|(_, table)| **table == link.to)
                .and_then(|(_, name)| self.model.tables.get_key_value(name))
            else {
                continue;
            };
            let native = matches!((link.on.as_slice(), to.key.as_slice()), ([(_, theirs)], [key]) if theirs == key);
            if foreign_guid(link, to).is_none() && !native {
                let message = format!("cannot be a lookup in Dataverse, because it does not lead to the key of {}", link.to);
                self.findings.push(self.finding(&link.name, message));
            }
        }
        let overlay = &self.table.overlay;
        let flat = [
            ("complex properties", overlay.complex.is_empty(), "their parts are published as properties of their own"),
            ("derived types", overlay.derivation.is_none(), "all rows are published as the table's own type"),
            ("streams", overlay.streams.is_empty() && overlay.media.is_none(), "they are not published"),
        ];
        let messages: Vec<String> =
            flat.iter().filter(|(_, none, _)| !none).map(|(what, _, then)| format!("Dataverse knows no {what}: {then}")).collect();
        for message in messages {
            self.say(None, message);
        }
    }

    fn dataverse_column(&mut self, index: usize) {
        let Some(column) = self.table.columns.get(index) else { return };
        let message = match column.scalar_type {
            _ if !is_shown(self.table, index) => "holds bytes, which Dataverse cannot take: it is left out".to_owned(),
            _ if column.enumeration.is_some() => {
                let members = column.enumeration.iter().flat_map(|enumeration| &enumeration.members);
                if members.clone().all(|member| i32::try_from(member.value).is_ok()) {
                    "is a choice in Dataverse, published as the numbers of its members".to_owned()
                } else {
                    "has members whose numbers need more than 32 bits, and rows with them fail: give the members smaller numbers".to_owned()
                }
            }
            ScalarType::Decimal { precision, scale } => {
                let (whole, fraction) = (i16::from(precision) - i16::from(scale), i16::from(scale));
                if whole <= DATAVERSE_DIGITS.0 && fraction <= DATAVERSE_DIGITS.1 {
                    return;
                }
                format!(
                    "is decimal({precision},{scale}), but Dataverse holds {} digits before the point and {} after it: say a smaller `type`, if the values allow it",
                    DATAVERSE_DIGITS.0, DATAVERSE_DIGITS.1
                )
            }
            ScalarType::Time => "is a time of day, which Dataverse cannot take: it is published as text".to_owned(),
            ScalarType::Date => {
                "is a date, published as its first instant in UTC: set the column's behaviour to time zone independent in Dataverse"
                    .to_owned()
            }
            ScalarType::Json => "is a JSON document, published as text".to_owned(),
            ScalarType::Boolean
            | ScalarType::Int16
            | ScalarType::Int32
            | ScalarType::Int64
            | ScalarType::Float32
            | ScalarType::Float64
            | ScalarType::Text
            | ScalarType::Binary
            | ScalarType::Timestamp
            | ScalarType::TimestampTz
            | ScalarType::Guid => return,
        };
        let finding = self.finding(&column.name, message);
        self.findings.push(finding);
    }

    fn key_names(&self) -> String {
        let names = self.table.key.iter().filter_map(|index| self.table.columns.get(*index)).map(|column| column.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }

    fn salesforce(&mut self) {
        self.names(SALESFORCE_NAME, "Salesforce");
        self.texts(
            SALESFORCE_TEXT,
            "(the longest text of Salesforce)",
            "it becomes a long text area in Salesforce, of which an object can hold few, and cannot be sorted by or filtered on",
        );
        if self.table.key.len() > 1 {
            let message = format!(
                "the key has several parts ({}), and Salesforce makes its External ID of one: publish a column that is unique by itself as `key`",
                self.key_names()
            );
            self.say(None, message);
        }
        let bytes = self.table.columns.iter().enumerate().filter(|(index, _)| !is_shown(self.table, *index));
        let bytes: Vec<Finding> = bytes
            .map(|(_, column)| {
                self.finding(
                    &column.name,
                    "holds bytes, which Salesforce has no field for: leave it out of the table's `columns`".to_owned(),
                )
            })
            .collect();
        self.findings.extend(bytes);
        if !self.table.columns.iter().any(|column| column.searchable) {
            self.say(None, "no column is `searchable`: what people search for in Salesforce is looked for in no column of it");
        }
    }

    fn powerbi(&mut self) {
        let wide = |column: &&Column| matches!(column.scalar_type, ScalarType::Decimal { precision, .. } if precision > DOUBLE_DIGITS);
        let wide = self.table.columns.iter().filter(wide);
        let message = "has more than 15 digits, and Power BI computes with doubles where it is not loaded as a fixed decimal or text: mind its last digits";
        let wide: Vec<Finding> = wide.map(|column| self.finding(&column.name, message.to_owned())).collect();
        self.findings.extend(wide);
        let dated = |column: &Column| matches!(column.scalar_type, ScalarType::Date | ScalarType::Timestamp | ScalarType::TimestampTz);
        if !self.table.columns.iter().any(dated) {
            self.say(None, "has no date or timestamp, so it cannot be refreshed incrementally: every refresh reads it all");
        }
    }
}
