//! Answers as rows: where the columns stand, rows inside of rows, values that were only asked for, and failures that are told in answers of
//! success. Pure; it must not know how an answer came.

mod document;
mod failure;
mod inner;

pub use document::values;
pub use failure::failure_in;

use crate::config::Format;
use crate::paging::Said;
use crate::resource::{Access, Column, ErrorRule, Place, Resource};
use crate::{csv, form, xml};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::take;
use arrow::datatypes::{Schema, SchemaRef};
use failure::{plain, told};
use inner::{Picks, unfolded};
use portico_provider_api::arrays::array_from_values;
use portico_provider_api::{ScalarType, TableColumn, Value};
use portico_provider_web::json::{JsonColumn, JsonError, JsonType, Missing, PageEnd, PageReader, PageShape, Pointer};
use std::borrow::Cow;
use std::sync::Arc;

/// The column that holds the rows inside of a row.
const INSIDE: &str = "\u{0}rows";
/// The column that holds the text of a row.
const WHOLE: &str = "\u{0}row";

/// How the answers of one query are read.
#[derive(Debug, Clone)]
pub struct Decoder {
    page: PageShape,
    /// The rows inside of rows: which column has them, and where.
    inner: Option<(usize, Place, PageShape)>,
    /// The columns that expressions select, and which column has the texts of rows.
    picks: Option<(usize, Picks)>,
    sources: Vec<Origin>,
    schema: SchemaRef,
    types: Vec<ScalarType>,
    format: Format,
    rows: Place,
    single: bool,
    /// Whether an answer must be there as a whole, because an expression looks for what is wanted.
    whole: bool,
    /// What is wanted beside the rows: places, in the order in which they are read.
    others: Vec<Place>,
    said: [Option<usize>; 4],
    rules: Vec<(Option<usize>, ErrorRule)>,
}

/// Where a column of the result comes from.
#[derive(Debug, Clone)]
enum Origin {
    Outer(usize),
    Inner(usize),
    Picked(usize),
    Asked(String),
}

fn pointer(path: &[String]) -> Result<Pointer, String> {
    Pointer::parse(&path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect::<String>())
}

impl Decoder {
    /// For columns of a resource, as answers of an access have them.
    ///
    /// # Errors
    /// When two places cannot be read side by side.
    pub fn new(resource: &Resource, access: &Access, columns: &[TableColumn]) -> Result<Decoder, String> {
        let (mut outer, mut inner, mut picked, mut sources) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for wanted in columns {
            let column = resource.column(&wanted.name).ok_or_else(|| format!("there is no column '{}'", wanted.name))?;
            let within = resource.inside.is_some() && !column.of_parent;
            if column.asked {
                sources.push(Origin::Asked(column.name.clone()));
            } else if let Some(path) = &column.selected {
                sources.push(Origin::Picked(picked.len()));
                picked.push((json_column(resource, column, wanted), Arc::clone(path)));
            } else {
                let list = if within { &mut inner } else { &mut outer };
                sources.push(if within { Origin::Inner(list.len()) } else { Origin::Outer(list.len()) });
                list.push(json_column(resource, column, wanted));
            }
        }
        let inside = resource.inside.as_ref().map(|place| {
            outer.push(inside(resource, place));
            (outer.len() - 1, place.clone())
        });
        // Only a resource's own columns are selected, never those of its parent.
        let picks = (!picked.is_empty()).then(|| Picks::new(picked)).transpose()?.map(|picks| {
            let list = if inside.is_some() { &mut inner } else { &mut outer };
            list.push(JsonColumn { path: Vec::new(), ..JsonColumn::scalar(WHOLE, ScalarType::Json) });
            (list.len() - 1, picks)
        });
        let (others, said, rules) = beside(resource, access);
        let whole = resource.format != Format::Xml && [&access.rows].into_iter().chain(&others).any(|place| place.names().is_none());
        let numbered = || (0..others.len()).map(|index| pointer(&[index.to_string()])).collect::<Result<Vec<_>, _>>();
        let page = match (resource.format, &access.rows) {
            (Format::Json, Place::Names(rows)) if !whole => {
                let others = others.iter().filter_map(Place::names).map(pointer).collect::<Result<Vec<_>, _>>()?;
                let page = PageShape::new(pointer(rows)?, outer, others)?;
                if access.single { page.single() } else { page }
            }
            (Format::Ndjson | Format::Csv, _) if !whole => PageShape::new(pointer(&[])?, outer, Vec::new())?,
            (Format::Json | Format::Ndjson | Format::Csv | Format::Xml, _) => {
                PageShape::new(pointer(&["rows".to_owned()])?, outer, numbered()?)?
            }
        };
        let inner =
            inside.map(|(at, place)| Ok::<_, String>((at, place, PageShape::new(pointer(&[])?, inner, Vec::new())?))).transpose()?;
        let fields: Vec<_> = columns.iter().map(|column| column.scalar_type.field(&column.name, column.nullable)).collect();
        Ok(Decoder {
            page,
            inner,
            picks,
            sources,
            schema: Arc::new(Schema::new(fields)),
            types: columns.iter().map(|column| column.scalar_type).collect(),
            format: resource.format,
            rows: access.rows.clone(),
            single: access.single,
            whole,
            others,
            said,
            rules,
        })
    }

    /// A reader for one page of JSON.
    pub fn reader(&self) -> PageReader {
        PageReader::new(&self.page)
    }

    /// Whether an answer can be read as it comes.
    pub fn streams(&self) -> bool {
        self.format == Format::Json && !self.whole
    }

    /// An answer as the JSON that a reader takes.
    ///
    /// # Errors
    /// When it is not well-formed, or what is looked for is not where it should be.
    pub fn document<'b>(&self, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, String> {
        let json = self.json(bytes)?;
        if self.whole { document::selected(&json, &self.rows, self.single, &self.others).map(Cow::Owned) } else { Ok(json) }
    }

    fn json<'b>(&self, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>, String> {
        let names = |place: &Place| place.names().map(<[String]>::to_vec).unwrap_or_default();
        match self.format {
            Format::Json => Ok(Cow::Borrowed(bytes)),
            Format::Ndjson => document::lines(bytes).map(Cow::Owned),
            Format::Csv => csv::document(bytes).map(Cow::Owned),
            Format::Xml => {
                let others: Vec<_> = self.others.iter().map(names).collect();
                xml::document(bytes, &names(&self.rows), &others).map(Cow::Owned)
            }
        }
    }

    /// An error with its place in the answer itself, where a reader was given what had been selected of it.
    pub fn placed(&self, error: JsonError, bytes: &[u8]) -> JsonError {
        let within = error.place.strip_prefix("/rows/").filter(|_| self.whole);
        let found = within.and_then(|rest| {
            let (row, below) = rest.split_once('/').map_or((rest, ""), |(row, _)| (row, rest.get(row.len()..).unwrap_or_default()));
            let outer = document::row_place(&self.json(bytes).ok()?, &self.rows, self.single, row.parse().ok()?)?;
            Some(format!("{outer}{below}"))
        });
        JsonError { place: found.unwrap_or(error.place), message: error.message }
    }

    /// What a page has said beside its rows.
    pub fn said(&self, end: &PageEnd) -> Said {
        let [next, more, total, count] = self.said.map(|at| at.and_then(|at| end.others.get(at).cloned().flatten()));
        Said { rows: end.rows, next, more, total, count }
    }

    /// The failure that a page tells, if it tells one.
    pub fn failure(&self, end: &PageEnd) -> Option<String> {
        self.rules.iter().find_map(|(at, rule)| told(end.others.get((*at)?)?.as_ref()?, rule))
    }

    /// The failure that an answer tells whose rows could not be read.
    pub fn failure_instead(&self, bytes: &[u8]) -> Option<String> {
        let bytes = match self.format {
            Format::Xml => xml::whole(bytes).ok()?,
            Format::Json | Format::Ndjson | Format::Csv => bytes.to_vec(),
        };
        let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let found = |rule: &ErrorRule| {
            let place = rule.at.iter().try_fold(&json, |json, name| json.get(name))?;
            told(&plain(place), rule)
        };
        self.rules.iter().find_map(|(_, rule)| found(rule))
    }

    /// The rows of the result, from those of a page.
    ///
    /// # Errors
    /// When rows inside of rows cannot be read, or a column may not be null and is.
    pub fn rows(&self, batch: &RecordBatch, asked: &[(String, Value)]) -> Result<RecordBatch, String> {
        let (inner, parents) = match &self.inner {
            Some((column, place, shape)) => {
                let (inner, parents) = unfolded(batch, *column, place, shape)?;
                (Some(inner), Some(parents))
            }
            None => (None, None),
        };
        let count = inner.as_ref().map_or(batch.num_rows(), RecordBatch::num_rows);
        let picked = self.picks.as_ref().map(|(at, picks)| picks.columns(inner.as_ref().unwrap_or(batch), *at)).transpose()?;
        let column = |(origin, scalar_type): (&Origin, &ScalarType)| -> Result<ArrayRef, String> {
            let of = |batch: &Option<RecordBatch>, at: usize| {
                batch.as_ref().and_then(|batch| batch.columns().get(at)).cloned().ok_or_else(|| "a column is missing".to_owned())
            };
            match origin {
                Origin::Outer(at) => {
                    let own = batch.columns().get(*at).ok_or("a column is missing")?;
                    match &parents {
                        Some(parents) => take(own, parents, None).map_err(|error| error.to_string()),
                        None => Ok(Arc::clone(own)),
                    }
                }
                Origin::Inner(at) => of(&inner, *at),
                Origin::Picked(at) => of(&picked, *at),
                Origin::Asked(name) => {
                    let value = asked.iter().find(|(column, _)| column == name).map(|(_, value)| value.clone());
                    let value = value.ok_or_else(|| format!("no value was asked for in '{name}'"))?;
                    array_from_values(*scalar_type, &vec![value; count]).map_err(|error| error.to_string())
                }
            }
        };
        let columns = self.sources.iter().zip(&self.types).map(column).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|error| error.to_string())
    }
}

fn json_column(resource: &Resource, column: &Column, wanted: &TableColumn) -> JsonColumn {
    let texts = matches!(resource.format, Format::Xml | Format::Csv);
    let codec = wanted.codec.or(column.codec);
    let reader = match wanted.scalar_type {
        ScalarType::Binary if resource.postgrest => Some(form::hexadecimal as portico_provider_web::json::ValueReader),
        scalar_type => form::reader(scalar_type, codec, texts),
    };
    JsonColumn {
        path: column.path.clone(),
        nullable: wanted.nullable,
        missing: column.missing,
        reader,
        ..JsonColumn::scalar(&column.name, wanted.scalar_type)
    }
}

/// The column with the rows inside of a row: their array, or the whole row where an expression looks for them.
fn inside(resource: &Resource, place: &Place) -> JsonColumn {
    let scalar = JsonColumn::scalar(INSIDE, ScalarType::Json);
    match place {
        Place::Selected(_) => JsonColumn { path: Vec::new(), ..scalar },
        Place::Names(names) => JsonColumn {
            path: names.clone(),
            json_type: JsonType::List(Box::new(JsonType::Scalar(ScalarType::Json))),
            nullable: true,
            missing: if resource.format == Format::Xml { Missing::Null } else { Missing::Refused },
            ..scalar
        },
    }
}

type Beside = (Vec<Place>, [Option<usize>; 4], Vec<(Option<usize>, ErrorRule)>);

/// What is read beside the rows: what paging wants, and where failures are told, as far as that is not the rows' own place.
fn beside(resource: &Resource, access: &Access) -> Beside {
    let mut others: Vec<Place> = Vec::new();
    let mut place = |place: &Place| {
        let same = |known: &Place| known.names().is_some() && known.names() == place.names();
        others.iter().position(same).unwrap_or_else(|| {
            others.push(place.clone());
            others.len() - 1
        })
    };
    let said = access.paging.wanted().map(|wanted| wanted.map(&mut place));
    let free = |rule: &ErrorRule| {
        let apart = access.rows.names().is_none_or(|rows| !rule.at.starts_with(rows) && !rows.starts_with(&rule.at));
        apart && matches!(resource.format, Format::Json | Format::Xml)
    };
    let rules = resource.errors.iter().map(|rule| (free(rule).then(|| place(&Place::Names(rule.at.clone()))), rule.clone())).collect();
    (others, said, rules)
}
