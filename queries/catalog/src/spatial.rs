//! Geographic and geometric values in the model: which kinds there are, and how columns hold them. It must not know how a value is read
//! or measured, only what it is called.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The spatial reference system that longitudes and latitudes are in when nothing else is said: WGS 84.
pub const WGS84: u32 = 4326;

/// The type of spatial values: `Edm.GeographyPoint` in reference system 4326, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpatialType {
    /// On the globe or in the plane.
    pub family: SpatialFamily,
    /// Points, lines, areas.
    pub shape: SpatialShape,
    /// The reference system of the coordinates, by its EPSG number; 0 for a plane that is nowhere.
    pub srid: u32,
}

/// Whether coordinates are on the globe or in the plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpatialFamily {
    /// Longitude and latitude in degrees.
    Geography,
    /// Any x and y.
    Geometry,
}

/// What a spatial value consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpatialShape {
    /// One position.
    Point,
    /// Positions joined by straight lines.
    LineString,
    /// An area inside a ring, less those inside further rings.
    Polygon,
    /// Several points.
    MultiPoint,
    /// Several lines.
    MultiLineString,
    /// Several areas.
    MultiPolygon,
    /// Values of any shape.
    Collection,
}

/// How a text column holds spatial values. What is read may be in any of these forms; what is written is in this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpatialFormat {
    /// Well-known text: `POINT(7.4 46.9)`.
    #[default]
    Wkt,
    /// Well-known text after its reference system: `SRID=4326;POINT(7.4 46.9)`.
    Ewkt,
    /// `{"type":"Point","coordinates":[7.4,46.9]}`.
    Geojson,
}

/// What a text column holds, where it holds spatial values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpatialColumn {
    /// Of which type they are.
    pub of: SpatialType,
    /// How they are written.
    pub format: SpatialFormat,
}

/// A property over two numeric columns: a point of the globe. It is null where one of them is. Positions are those of
/// [`crate::VirtualTable::columns`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointProperty {
    /// Its name.
    pub name: String,
    /// The column with degrees north.
    pub latitude: usize,
    /// The column with degrees east.
    pub longitude: usize,
}

const SHAPES: [(&str, SpatialShape); 7] = [
    ("Point", SpatialShape::Point),
    ("LineString", SpatialShape::LineString),
    ("Polygon", SpatialShape::Polygon),
    ("MultiPoint", SpatialShape::MultiPoint),
    ("MultiLineString", SpatialShape::MultiLineString),
    ("MultiPolygon", SpatialShape::MultiPolygon),
    ("Collection", SpatialShape::Collection),
];

impl SpatialFamily {
    /// Its name, with which those of its types begin.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SpatialFamily::Geography => "Geography",
            SpatialFamily::Geometry => "Geometry",
        }
    }

    /// The reference system of values that name none.
    #[must_use]
    pub fn default_srid(self) -> u32 {
        match self {
            SpatialFamily::Geography => WGS84,
            SpatialFamily::Geometry => 0,
        }
    }
}

impl SpatialShape {
    /// Its name in type names.
    #[must_use]
    pub fn name(self) -> &'static str {
        SHAPES.iter().find(|(_, shape)| *shape == self).map_or("", |(name, _)| name)
    }
}

impl SpatialType {
    /// The name of the type without its namespace: `GeographyPoint`.
    #[must_use]
    pub fn name(self) -> String {
        format!("{}{}", self.family.name(), self.shape.name())
    }

    /// The family and shape that a name stands for.
    #[must_use]
    pub fn parse(name: &str) -> Option<(SpatialFamily, SpatialShape)> {
        let name = name.strip_prefix("Edm.").unwrap_or(name);
        [SpatialFamily::Geography, SpatialFamily::Geometry].into_iter().find_map(|family| {
            let shape = name.strip_prefix(family.name())?;
            SHAPES.iter().find(|(known, _)| *known == shape).map(|(_, shape)| (family, *shape))
        })
    }

    /// The names of all types.
    #[must_use]
    pub fn names() -> Vec<String> {
        let families = [SpatialFamily::Geography, SpatialFamily::Geometry];
        families.into_iter().flat_map(|family| SHAPES.iter().map(move |(shape, _)| format!("{}{shape}", family.name()))).collect()
    }
}

impl PointProperty {
    /// The type of its values.
    #[must_use]
    pub fn of(&self) -> SpatialType {
        SpatialType { family: SpatialFamily::Geography, shape: SpatialShape::Point, srid: WGS84 }
    }

    /// Whether a column is one of its two.
    #[must_use]
    pub fn holds(&self, column: usize) -> bool {
        self.latitude == column || self.longitude == column
    }
}
