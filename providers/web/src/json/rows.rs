//! One row after the other into the builders of the columns. It must not know how a page comes.

use super::columns::{Builder, JsonColumn, absent, by_reader};
use super::{Fault, Place};
use portico_provider_api::json::{Reader, Token};

/// The columns of rows, by where they stand.
#[derive(Debug)]
pub(super) struct Rows {
    columns: Vec<JsonColumn>,
    builders: Vec<Builder>,
    root: Node,
    /// Which columns the current row has given.
    given: Vec<bool>,
}

/// A place in a row: columns that stand there, and places below it.
#[derive(Debug, Default)]
struct Node {
    columns: Vec<usize>,
    below: Vec<(String, Node)>,
}

impl Node {
    fn at(&mut self, path: &[String]) -> &mut Node {
        let Some((name, rest)) = path.split_first() else { return self };
        let index = match self.below.iter().position(|(known, _)| known == name) {
            Some(index) => index,
            None => {
                self.below.push((name.clone(), Node::default()));
                self.below.len() - 1
            }
        };
        self.below[index].1.at(rest)
    }
}

impl Rows {
    pub(super) fn new(columns: Vec<JsonColumn>) -> Rows {
        let mut root = Node::default();
        for (index, column) in columns.iter().enumerate() {
            root.at(&column.path).columns.push(index);
        }
        let builders = columns.iter().map(|column| Builder::new(&column.json_type)).collect();
        let given = vec![false; columns.len()];
        Rows { columns, builders, root, given }
    }

    pub(super) fn builders(&mut self) -> &mut [Builder] {
        &mut self.builders
    }

    /// Adds a row, and tells how many bytes it takes, roughly.
    pub(super) fn add(&mut self, text: &str) -> Result<usize, Fault> {
        self.given.fill(false);
        let Rows { columns, builders, root, given } = self;
        let mut reader = Reader::new(text);
        let mut row = Row { columns, builders, given };
        let mut bytes = row.place(root, &mut reader, &Place::ROW)?;
        reader.end()?;
        for ((column, builder), _) in columns.iter().zip(builders).zip(given).filter(|(_, given)| !**given) {
            let missing = absent(builder, column.nullable, column.missing);
            bytes += missing.map_err(|message| Fault::Value { place: path(column), message })?;
        }
        Ok(bytes)
    }
}

fn path(column: &JsonColumn) -> String {
    super::Pointer(column.path.clone()).to_string()
}

struct Row<'a> {
    columns: &'a [JsonColumn],
    builders: &'a mut [Builder],
    given: &'a mut [bool],
}

impl Row<'_> {
    /// Reads the value of a place that is wanted.
    fn place(&mut self, node: &Node, reader: &mut Reader<'_>, place: &Place<'_>) -> Result<usize, Fault> {
        match node.columns.as_slice() {
            [] => self.below(node, reader, place),
            [only] if node.below.is_empty() => self.column(*only, reader, place),
            // Several read the same value.
            several => {
                let text = reader.skip()?;
                let mut bytes = 0;
                for column in several {
                    bytes += self.column(*column, &mut Reader::new(text), place)?;
                }
                if !node.below.is_empty() {
                    bytes += self.below(node, &mut Reader::new(text), place)?;
                }
                Ok(bytes)
            }
        }
    }

    fn column(&mut self, index: usize, reader: &mut Reader<'_>, place: &Place<'_>) -> Result<usize, Fault> {
        let (Some(column), Some(builder)) = (self.columns.get(index), self.builders.get_mut(index)) else { return Ok(0) };
        if self.given.get_mut(index).is_some_and(|given| std::mem::replace(given, true)) {
            return Err(place.fault("is given twice"));
        }
        match column.reader {
            Some(read) => by_reader(builder, read, reader, column.nullable, place),
            None => builder.read(reader, column.nullable, place),
        }
    }

    /// Reads what is wanted below a place: of an object that is null, everything is null.
    fn below(&mut self, node: &Node, reader: &mut Reader<'_>, place: &Place<'_>) -> Result<usize, Fault> {
        match reader.token()? {
            Token::Object => {}
            Token::Null if place.outer.is_some() => return self.null(node, place),
            token => return Err(place.fault(super::value::misfit(&token, "object", false))),
        }
        let (mut bytes, mut first, mut expected) = (0, true, 0);
        while let Some(name) = reader.name(std::mem::replace(&mut first, false))? {
            // Members mostly come in the same order.
            let known = |(known, _): &&(String, Node)| *known == *name;
            let at = match node.below.get(expected).filter(known) {
                Some(_) => Some(expected),
                None => node.below.iter().position(|below| known(&below)),
            };
            match at.and_then(|at| Some((at, node.below.get(at)?))) {
                Some((at, (_, inner))) => {
                    expected = at + 1;
                    bytes += self.place(inner, reader, &place.member(&name))?;
                }
                None => {
                    reader.skip()?;
                }
            }
        }
        Ok(bytes)
    }

    fn null(&mut self, node: &Node, place: &Place<'_>) -> Result<usize, Fault> {
        let mut bytes = 0;
        for (name, inner) in &node.below {
            let place = place.member(name);
            for column in &inner.columns {
                bytes += self.column(*column, &mut Reader::new("null"), &place)?;
            }
            bytes += self.null(inner, &place)?;
        }
        Ok(bytes)
    }
}
