//! A table of the configuration, checked: where its files are, how they are read, and what is known of its columns. It must not know files.

use crate::cell::Written;
use crate::config::{ColumnConfig, Config, Format, TableConfig};
use crate::pattern::Pattern;
use crate::rows::csv::Dialect;
use crate::rows::decoding;
use crate::xlsx::Area;
use encoding_rs::Encoding;
use portico_provider_api::{RemoteTableName, ScalarType};

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: RemoteTableName,
    pub(crate) pattern: Pattern,
    pub(crate) format: Format,
    pub(crate) config: TableConfig,
    pub(crate) encoding: Option<&'static Encoding>,
    pub(crate) dialect: Dialect,
    pub(crate) area: Area,
    /// The types that are declared, by position in `config.columns`.
    types: Vec<Option<ScalarType>>,
}

/// A mistake in a setting: which one, and what is wrong.
pub(crate) struct Mistake {
    pub(crate) setting: Vec<String>,
    pub(crate) message: String,
}

/// The tables that are configured; nothing where every file is a table.
pub(crate) fn configured(config: &Config) -> Result<Option<Vec<Table>>, Mistake> {
    let Some(tables) = &config.tables else { return Ok(None) };
    if tables.is_empty() {
        return Err(Mistake {
            setting: vec!["tables".to_owned()],
            message: "there are no tables: name some, or leave 'tables' out".to_owned(),
        });
    }
    let checked = tables.iter().map(|(name, table)| {
        let place = |Mistake { setting, message }: Mistake| Mistake {
            setting: ["tables".to_owned(), name.clone()].into_iter().chain(setting).collect(),
            message,
        };
        Table::new(RemoteTableName(vec![name.clone()]), table.clone()).map_err(place)
    });
    checked.collect::<Result<Vec<_>, Mistake>>().map(Some)
}

fn at<T>(setting: &[&str], message: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake { setting: setting.iter().map(|key| (*key).to_owned()).collect(), message: message.into() })
}

impl Table {
    pub(crate) fn new(name: RemoteTableName, config: TableConfig) -> Result<Table, Mistake> {
        let pattern = Pattern::parse(&config.path).or_else(|message| at(&["path"], message))?;
        let Some(format) = config.format.or_else(|| Format::of(&config.path)) else {
            return at(&["path"], format!("the ending of '{}' does not say the form of the file: say it with 'format'", config.path));
        };
        let encoding = match config.encoding.as_deref().map(|name| (name, decoding::encoding(name))) {
            Some((name, None)) => return at(&["encoding"], format!("there is no encoding '{name}'")),
            Some((_, encoding)) => encoding,
            None => None,
        };
        let area = match config.range.as_deref().map(Area::parse) {
            Some(Err(message)) => return at(&["range"], message),
            Some(Ok(area)) => area,
            None => Area::default(),
        };
        suits(&config, format)?;
        let dialect = dialect(&config)?;
        let mut types = Vec::new();
        for (column, own) in &config.columns {
            types.push(column_type(column, own, format)?);
        }
        if let Some(unknown) = config.key.iter().find(|key| config.header == Some(false) && !config.columns.contains_key(*key)) {
            return at(&["key"], format!("there is no column '{unknown}' among 'columns'"));
        }
        if config.header == Some(false) && config.columns.is_empty() && format == Format::Xlsx {
            return at(&["header"], "a sheet without names needs 'columns', in its order");
        }
        Ok(Table { name, pattern, format, encoding, dialect, area, types, config })
    }

    /// The names of the columns in their order, where the file does not say them.
    pub(crate) fn given_names(&self) -> Vec<String> {
        if self.config.header == Some(false) { self.config.columns.keys().cloned().collect() } else { Vec::new() }
    }

    pub(crate) fn header(&self) -> bool {
        self.config.header.unwrap_or(true)
    }

    /// What is declared of a column.
    pub(crate) fn column(&self, name: &str) -> Option<&ColumnConfig> {
        self.config.columns.get(name)
    }

    /// The type that is declared of a column.
    pub(crate) fn declared_type(&self, name: &str) -> Option<ScalarType> {
        self.types.get(self.config.columns.get_index_of(name)?).copied().flatten()
    }

    /// Whether the types of these columns are all declared.
    pub(crate) fn declares(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.declared_type(name).is_some())
    }

    /// How values of a column are written.
    pub(crate) fn written(&self, name: &str) -> Written {
        Written::of(self.format, &self.config, self.column(name))
    }

    /// Whether a column may be null.
    pub(crate) fn nullable(&self, name: &str) -> bool {
        let in_key = self.config.key.iter().any(|key| key == name);
        self.column(name).and_then(|column| column.nullable).unwrap_or(true) && !in_key
    }
}

/// Refuses settings that mean nothing of a form of files.
fn suits(config: &TableConfig, format: Format) -> Result<(), Mistake> {
    let (csv, sheet) = (format == Format::Csv, format == Format::Xlsx);
    let text = format != Format::Parquet;
    let settings = [
        ("encoding", config.encoding.is_some(), csv || matches!(format, Format::Json | Format::Ndjson)),
        ("delimiter", config.delimiter.is_some(), csv),
        ("quote", config.quote.is_some(), csv),
        ("quoted_nulls", config.quoted_nulls.is_some(), csv),
        ("skip_lines", config.skip_lines.is_some(), csv),
        ("header", config.header.is_some(), csv || sheet),
        ("sheet", config.sheet.is_some(), sheet),
        ("range", config.range.is_some(), sheet),
        ("nulls", config.nulls.is_some(), text),
        ("decimal", config.decimal.is_some(), text),
        ("thousands", config.thousands.is_some(), text),
    ];
    match settings.into_iter().find(|(_, is_set, suits)| *is_set && !suits) {
        Some((setting, _, _)) => at(&[setting], format!("'{setting}' means nothing of a file in the form {}", format.name())),
        None => Ok(()),
    }
}

fn dialect(config: &TableConfig) -> Result<Dialect, Mistake> {
    let is_tab =
        config.path.rsplit('.').next().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv") || ending.eq_ignore_ascii_case("tab"));
    let one = |setting: &'static str, given: Option<char>, usual: char| match u8::try_from(given.unwrap_or(usual)) {
        Ok(byte) if byte.is_ascii() && byte != b'\n' && byte != b'\r' => Ok(byte),
        _ => at(&[setting], format!("'{setting}' must be one ASCII character that ends no line")),
    };
    let delimiter = one("delimiter", config.delimiter, if is_tab { '\t' } else { ',' })?;
    let quote = one("quote", config.quote, '"')?;
    if delimiter == quote {
        return at(&["quote"], "'quote' and 'delimiter' are the same character");
    }
    Ok(Dialect { delimiter, quote, header: config.header.unwrap_or(true), skip_lines: config.skip_lines.unwrap_or(0) })
}

fn column_type(name: &str, column: &ColumnConfig, format: Format) -> Result<Option<ScalarType>, Mistake> {
    let wrong = |setting: &str, message: String| at(&["columns", name, setting], message);
    let scalar_type: Option<ScalarType> = match column.scalar_type.as_deref().map(str::parse) {
        Some(Err(message)) => return wrong("type", message),
        Some(Ok(scalar_type)) => Some(scalar_type),
        None => None,
    };
    if format == Format::Parquet {
        let of_text = [
            ("type", column.scalar_type.is_some()),
            ("nulls", column.nulls.is_some()),
            ("decimal", column.decimal.is_some()),
            ("thousands", column.thousands.is_some()),
            ("format", column.format.is_some()),
            ("nullable", column.nullable.is_some()),
            ("max_length", column.max_length.is_some()),
        ];
        if let Some((setting, _)) = of_text.into_iter().find(|(_, is_set)| *is_set) {
            return wrong(setting, format!("'{setting}' means nothing of a Parquet file, which says it itself"));
        }
    }
    let (decimal, thousands) = (column.decimal, column.thousands);
    if decimal.is_some() && decimal == thousands {
        return wrong("thousands", "'decimal' and 'thousands' are the same character".to_owned());
    }
    if let Some(format) = &column.format {
        if chrono::format::StrftimeItems::new(format).any(|item| item == chrono::format::Item::Error) {
            return wrong("format", format!("'{format}' is no form of dates and times: write %d.%m.%Y, for example"));
        }
        let is_moment = matches!(scalar_type, Some(ScalarType::Date | ScalarType::Time | ScalarType::Timestamp | ScalarType::TimestampTz));
        if !is_moment {
            return wrong("format", "'format' is of dates and times: declare the column's 'type' as one".to_owned());
        }
        if scalar_type == Some(ScalarType::TimestampTz) && !format.contains("%z") && !format.contains("%:z") && !format.contains("%+") {
            return wrong("format", "a timestamptz is written with its zone: '%z', or '%:z'".to_owned());
        }
    }
    let has_length = matches!(scalar_type, Some(ScalarType::Text | ScalarType::Binary));
    if column.max_length.is_some() && !has_length {
        return wrong("max_length", "'max_length' is of texts and bytes: declare the column's 'type' as one".to_owned());
    }
    Ok(scalar_type)
}
