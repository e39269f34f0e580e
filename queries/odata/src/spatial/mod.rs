//! Geographic and geometric values: read from well-known text and GeoJSON, checked, and written in both. Every value that expressions
//! work on is carried as OData writes it in URLs, `SRID=4326;Point(7.4 46.9)`; a column may hold it in another form. It must not know
//! columns or expressions, nor how anything is measured.

mod geojson;
#[cfg(test)]
mod tests;
mod wkt;

use arrow::array::{Array, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use portico_catalog::spatial::{SpatialColumn, SpatialFamily, SpatialFormat, SpatialShape, SpatialType, WGS84};
use portico_provider_api::json::Json;

/// The type of points over two columns: those that receivers of satellites tell.
pub const POINT: SpatialType = SpatialType { family: SpatialFamily::Geography, shape: SpatialShape::Point, srid: WGS84 };

/// How deep collections may be nested.
const MAX_DEPTH: usize = 16;

/// A position: x and y, or longitude and latitude; perhaps an altitude and a measure, which nothing is computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// x, or degrees east.
    pub x: f64,
    /// y, or degrees north.
    pub y: f64,
    /// Altitude.
    pub z: Option<f64>,
    /// Measure; only beside an altitude.
    pub m: Option<f64>,
}

/// What a spatial value consists of.
#[derive(Debug, Clone, PartialEq)]
pub enum Geometry {
    /// A position.
    Point(Position),
    /// Positions joined by straight lines: none, or at least two.
    LineString(Vec<Position>),
    /// Rings, each closed, the outer one first.
    Polygon(Vec<Vec<Position>>),
    /// Several positions.
    MultiPoint(Vec<Position>),
    /// Several lines.
    MultiLineString(Vec<Vec<Position>>),
    /// Several polygons.
    MultiPolygon(Vec<Vec<Vec<Position>>>),
    /// Anything.
    Collection(Vec<Geometry>),
}

/// A spatial value as a client or a source gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// Its reference system, where it says one.
    pub srid: Option<u32>,
    /// What it consists of.
    pub geometry: Geometry,
}

impl Position {
    /// A position without altitude.
    #[must_use]
    pub fn new(x: f64, y: f64) -> Position {
        // There is one zero: equal positions are written alike.
        Position { x: x + 0.0, y: y + 0.0, z: None, m: None }
    }

    /// A position of two to four numbers.
    fn of(numbers: &[f64]) -> Option<Position> {
        if numbers.iter().any(|number| !number.is_finite()) {
            return None;
        }
        match *numbers {
            [x, y] => Some(Position::new(x, y)),
            [x, y, z] => Some(Position { z: Some(z + 0.0), ..Position::new(x, y) }),
            [x, y, z, m] => Some(Position { z: Some(z + 0.0), m: Some(m + 0.0), ..Position::new(x, y) }),
            _ => None,
        }
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        [Some(self.x), Some(self.y), self.z, self.m].into_iter().flatten()
    }
}

impl Geometry {
    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> SpatialShape {
        match self {
            Geometry::Point(_) => SpatialShape::Point,
            Geometry::LineString(_) => SpatialShape::LineString,
            Geometry::Polygon(_) => SpatialShape::Polygon,
            Geometry::MultiPoint(_) => SpatialShape::MultiPoint,
            Geometry::MultiLineString(_) => SpatialShape::MultiLineString,
            Geometry::MultiPolygon(_) => SpatialShape::MultiPolygon,
            Geometry::Collection(_) => SpatialShape::Collection,
        }
    }

    /// Whether it is well formed: lines of two positions or more, closed rings, longitudes and latitudes in range.
    fn check(&self, family: SpatialFamily) -> Result<(), String> {
        match self {
            Geometry::Point(position) => in_range(std::slice::from_ref(position), family),
            Geometry::MultiPoint(positions) => in_range(positions, family),
            Geometry::LineString(line) => check_line(line, family),
            Geometry::MultiLineString(lines) => lines.iter().try_for_each(|line| check_line(line, family)),
            Geometry::Polygon(rings) => check_rings(rings, family),
            Geometry::MultiPolygon(polygons) => polygons.iter().try_for_each(|rings| check_rings(rings, family)),
            Geometry::Collection(items) => items.iter().try_for_each(|item| item.check(family)),
        }
    }
}

fn in_range(positions: &[Position], family: SpatialFamily) -> Result<(), String> {
    if family == SpatialFamily::Geometry {
        return Ok(());
    }
    for position in positions {
        if !(-180.0..=180.0).contains(&position.x) {
            return Err(format!("{} is not a longitude: it is between -180 and 180, and comes first", position.x));
        }
        if !(-90.0..=90.0).contains(&position.y) {
            return Err(format!("{} is not a latitude: it is between -90 and 90, and comes second", position.y));
        }
    }
    Ok(())
}

fn check_line(line: &[Position], family: SpatialFamily) -> Result<(), String> {
    if line.len() == 1 {
        return Err("a line has at least two positions".to_owned());
    }
    in_range(line, family)
}

fn check_rings(rings: &[Vec<Position>], family: SpatialFamily) -> Result<(), String> {
    for ring in rings {
        let closed = ring.first().zip(ring.last()).is_some_and(|(first, last)| first.x == last.x && first.y == last.y);
        if ring.len() < 4 || !closed {
            return Err("a ring of a polygon has at least four positions and ends where it begins".to_owned());
        }
        in_range(ring, family)?;
    }
    Ok(())
}

/// A literal of OData: well-known text, with its reference system before it. Without one it is in the usual one of its family.
///
/// # Errors
/// Why it is none.
pub fn literal(text: &str, family: SpatialFamily) -> Result<(SpatialType, Geometry), String> {
    let given = wkt::read(text)?;
    given.geometry.check(family)?;
    let srid = given.srid.unwrap_or_else(|| family.default_srid());
    Ok((SpatialType { family, shape: given.geometry.shape(), srid }, given.geometry))
}

/// A value that must be of a type, in any form: GeoJSON, or well-known text with or without its reference system.
///
/// # Errors
/// Why it is no such value, without the value itself.
pub fn read(text: &str, of: &SpatialType) -> Result<Geometry, String> {
    let given = if text.trim_start().starts_with('{') { geojson::read(text) } else { wkt::read(text) }?;
    fitting(given, of)
}

/// A value of a JSON body that must be of a type.
pub(crate) fn from_json(json: &Json, of: &SpatialType) -> Result<Geometry, String> {
    fitting(geojson::from_json(json)?, of)
}

fn fitting(given: Given, of: &SpatialType) -> Result<Geometry, String> {
    if let Some(srid) = given.srid.filter(|srid| *srid != of.srid) {
        return Err(format!("its reference system is {srid}, not {}", of.srid));
    }
    let shape = given.geometry.shape();
    if shape != of.shape {
        return Err(format!("it is a {}, not a {}", shape.name(), of.shape.name()));
    }
    given.geometry.check(of.family)?;
    Ok(given.geometry)
}

/// The point that two columns hold.
///
/// # Errors
/// When a coordinate is none.
pub fn point(longitude: f64, latitude: f64) -> Result<Geometry, String> {
    let position = Position::of(&[longitude, latitude]).ok_or_else(|| "a coordinate is not a finite number".to_owned())?;
    in_range(&[position], SpatialFamily::Geography)?;
    Ok(Geometry::Point(position))
}

/// The points whose degrees north and east two columns hold; null where one of them is.
///
/// # Errors
/// When a coordinate is none.
pub fn points(latitude: &dyn Array, longitude: &dyn Array) -> Result<Vec<Option<Geometry>>, String> {
    let (north, east) = (degrees(latitude)?, degrees(longitude)?);
    let one = |(north, east): (Option<f64>, Option<f64>)| north.zip(east).map(|(north, east)| point(east, north)).transpose();
    north.iter().zip(east.iter()).map(one).collect()
}

/// Numbers as doubles. Those of single precision are what they are written as, not what they come nearest to.
fn degrees(array: &dyn Array) -> Result<Float64Array, String> {
    if let Some(singles) = array.as_any().downcast_ref::<Float32Array>() {
        return Ok(singles.iter().map(|single| single.and_then(|single| single.to_string().parse().ok())).collect());
    }
    let doubles = arrow::compute::cast(array, &DataType::Float64).map_err(|_| "coordinates are numbers".to_owned())?;
    Ok(doubles.as_primitive::<Float64Type>().clone())
}

/// The value as OData writes it in URLs: `SRID=4326;Point(7.4 46.9)`. Equal values are written alike.
#[must_use]
pub fn canonical(geometry: &Geometry, srid: u32) -> String {
    let mut out = format!("SRID={srid};");
    wkt::write(geometry, false, &mut out);
    out
}

/// The value as a column holds it.
#[must_use]
pub fn stored(geometry: &Geometry, column: &SpatialColumn) -> String {
    let mut out = String::new();
    match column.format {
        SpatialFormat::Geojson => geojson::write(geometry, &column.of, &mut out),
        SpatialFormat::Ewkt => {
            out = format!("SRID={};", column.of.srid);
            wkt::write(geometry, true, &mut out);
        }
        SpatialFormat::Wkt => wkt::write(geometry, true, &mut out),
    }
    out
}

/// The value as GeoJSON, with its reference system where that is not the usual one of its family (OData JSON Format, section 7.1).
#[must_use]
pub fn json(geometry: &Geometry, of: &SpatialType) -> String {
    let mut out = String::new();
    geojson::write(geometry, of, &mut out);
    out
}
