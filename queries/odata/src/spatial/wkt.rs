//! Well-known text, with or without `SRID=…;` before it: `POINT(7.4 46.9)`, `LineString Z (1 2 3, 4 5 6)`, `POLYGON EMPTY`. It must not
//! know which values are right, only how they are written.

use super::{Geometry, Given, MAX_DEPTH, Position};
use std::fmt::Write;

/// Reads a value.
pub(super) fn read(text: &str) -> Result<Given, String> {
    let mut reader = Reader { text, at: 0, more: None };
    reader.space();
    let srid = reader.srid()?;
    let geometry = reader.geometry(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.wrong("nothing"));
    }
    Ok(Given { srid, geometry })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many numbers follow x and y in each position, where the value says so itself.
    more: Option<usize>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The value is not shown: it may be confidential.
    fn wrong(&self, expected: &str) -> String {
        let characters = self.text.get(..self.at).unwrap_or_default().chars().count();
        format!("it is not well-known text such as POINT(7.4 46.9): {expected} is expected at character {}", characters + 1)
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, symbol: char) -> bool {
        self.space();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len_utf8();
        }
        found
    }

    fn expect(&mut self, symbol: char) -> Result<(), String> {
        if self.eat(symbol) { Ok(()) } else { Err(self.wrong(&format!("'{symbol}'"))) }
    }

    /// Letters, in lower case.
    fn word(&mut self) -> String {
        self.space();
        let word: String = self.rest().chars().take_while(char::is_ascii_alphabetic).collect();
        self.at += word.len();
        word.to_ascii_lowercase()
    }

    fn srid(&mut self) -> Result<Option<u32>, String> {
        let start = self.at;
        if self.word() != "srid" {
            self.at = start;
            return Ok(None);
        }
        self.expect('=')?;
        self.space();
        let digits: String = self.rest().chars().take_while(char::is_ascii_digit).collect();
        let srid = digits.parse().map_err(|_| self.wrong("the number of a reference system"))?;
        self.at += digits.len();
        self.expect(';')?;
        Ok(Some(srid))
    }

    fn number(&mut self) -> Result<f64, String> {
        self.space();
        let is_part = |c: &char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        let text: String = self.rest().chars().take_while(is_part).collect();
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(|| self.wrong("a number"))?;
        self.at += text.len();
        Ok(number)
    }

    fn position(&mut self) -> Result<Position, String> {
        let mut numbers = vec![self.number()?, self.number()?];
        loop {
            self.space();
            if self.rest().starts_with([',', ')']) {
                break;
            }
            if numbers.len() == 4 {
                return Err(self.wrong("',' or ')'"));
            }
            numbers.push(self.number()?);
        }
        if self.more.is_some_and(|more| more + 2 != numbers.len()) {
            return Err(self.wrong("a position of as many numbers as the value says"));
        }
        Position::of(&numbers).ok_or_else(|| self.wrong("a position"))
    }

    /// Items between parentheses, or `EMPTY`.
    fn list<T>(&mut self, item: &mut dyn FnMut(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let start = self.at;
        if self.word() == "empty" {
            return Ok(Vec::new());
        }
        self.at = start;
        self.expect('(')?;
        let mut items = Vec::new();
        if self.eat(')') {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(')') {
                return Ok(items);
            }
            if !self.eat(',') {
                return Err(self.wrong("',' or ')'"));
            }
        }
    }

    fn line(&mut self) -> Result<Vec<Position>, String> {
        self.list(&mut Reader::position)
    }

    fn rings(&mut self) -> Result<Vec<Vec<Position>>, String> {
        self.list(&mut Reader::line)
    }

    /// A point among several, in parentheses of its own or without.
    fn member(&mut self) -> Result<Position, String> {
        let own = self.eat('(');
        let position = self.position()?;
        if own {
            self.expect(')')?;
        }
        Ok(position)
    }

    fn geometry(&mut self, depth: usize) -> Result<Geometry, String> {
        let start = self.at;
        let mut name = self.word();
        let known = ["point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "collection", "geometrycollection"];
        // The number of dimensions stands after the name, with a space between or without.
        let before = self.at;
        let mut dimensions = self.word();
        if !matches!(dimensions.as_str(), "z" | "m" | "zm") {
            self.at = before;
            dimensions.clear();
        }
        if dimensions.is_empty()
            && !known.contains(&name.as_str())
            && let Some((short, suffix)) = known.iter().find_map(|known| Some((*known, name.strip_prefix(known)?.to_owned())))
            && matches!(suffix.as_str(), "z" | "m" | "zm")
        {
            (name, dimensions) = (short.to_owned(), suffix);
        }
        self.more = match dimensions.as_str() {
            "z" => Some(1),
            "zm" => Some(2),
            "m" => return Err("measures without altitudes are not supported".to_owned()),
            _ => None,
        };
        Ok(match name.as_str() {
            "point" => {
                self.expect('(')?;
                let position = self.position()?;
                self.expect(')')?;
                Geometry::Point(position)
            }
            "linestring" => Geometry::LineString(self.line()?),
            "polygon" => Geometry::Polygon(self.rings()?),
            "multipoint" => Geometry::MultiPoint(self.list(&mut Reader::member)?),
            "multilinestring" => Geometry::MultiLineString(self.rings()?),
            "multipolygon" => Geometry::MultiPolygon(self.list(&mut Reader::rings)?),
            "collection" | "geometrycollection" if depth < MAX_DEPTH => {
                Geometry::Collection(self.list(&mut |reader| reader.geometry(depth + 1))?)
            }
            "collection" | "geometrycollection" => return Err("its collections are nested too deeply".to_owned()),
            _ => {
                self.at = start;
                return Err(self.wrong("the name of a shape"));
            }
        })
    }
}

/// Writes a value; names of shapes in capitals, as databases do, or as OData has them.
pub(super) fn write(geometry: &Geometry, capitals: bool, out: &mut String) {
    let name = match geometry {
        Geometry::Point(_) => "Point",
        Geometry::LineString(_) => "LineString",
        Geometry::Polygon(_) => "Polygon",
        Geometry::MultiPoint(_) => "MultiPoint",
        Geometry::MultiLineString(_) => "MultiLineString",
        Geometry::MultiPolygon(_) => "MultiPolygon",
        Geometry::Collection(_) => "GeometryCollection",
    };
    if capitals {
        out.push_str(&name.to_ascii_uppercase());
    } else {
        out.push_str(name);
    }
    // What is empty has no list in the text that databases read.
    if capitals && is_empty(geometry) {
        out.push_str(" EMPTY");
        return;
    }
    match geometry {
        Geometry::Point(position) => list(std::slice::from_ref(position), &mut push_position, out),
        Geometry::LineString(line) => push_line(line, out),
        Geometry::Polygon(lines) | Geometry::MultiLineString(lines) => push_lines(lines, out),
        Geometry::MultiPoint(points) => list(points, &mut |point, out| push_line(std::slice::from_ref(point), out), out),
        Geometry::MultiPolygon(polygons) => list(polygons, &mut |rings, out| push_lines(rings, out), out),
        Geometry::Collection(items) => list(items, &mut |item, out| write(item, capitals, out), out),
    }
}

fn is_empty(geometry: &Geometry) -> bool {
    match geometry {
        Geometry::Point(_) => false,
        Geometry::LineString(positions) | Geometry::MultiPoint(positions) => positions.is_empty(),
        Geometry::Polygon(lines) | Geometry::MultiLineString(lines) => lines.is_empty(),
        Geometry::MultiPolygon(polygons) => polygons.is_empty(),
        Geometry::Collection(items) => items.is_empty(),
    }
}

fn list<T>(items: &[T], push: &mut dyn FnMut(&T, &mut String), out: &mut String) {
    out.push('(');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(item, out);
    }
    out.push(')');
}

fn push_position(position: &Position, out: &mut String) {
    for (index, number) in position.numbers().enumerate() {
        let space = if index > 0 { " " } else { "" };
        // Writing to a text cannot fail.
        let _ = write!(out, "{space}{number}");
    }
}

fn push_line(line: &[Position], out: &mut String) {
    list(line, &mut push_position, out);
}

fn push_lines(lines: &[Vec<Position>], out: &mut String) {
    list(lines, &mut |line: &Vec<Position>, out: &mut String| push_line(line, out), out);
}
