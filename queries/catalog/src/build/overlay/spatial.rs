//! Geographic and geometric values: text columns that hold them, and points over two numeric columns. It must not know how values are
//! read.

use super::super::{Work, below, error_at};
use super::check_name;
use crate::definition::{PointDefinition, SpatialDefinition, TableDefinition};
use crate::model::VirtualTable;
use crate::overlay::Overlay;
use crate::spatial::{PointProperty, SpatialColumn, SpatialFamily, SpatialType, WGS84};
use portico_provider_api::ScalarType;

/// Greatest number of a reference system: the range that EPSG leaves to numbers of one's own ends below it.
const MAX_SRID: u32 = 998_999;

/// What a text column holds.
pub(super) fn column(
    work: &mut Work<'_>,
    table: &str,
    (name, index): (&str, usize),
    definition: &SpatialDefinition,
    path: &[String],
) -> Option<SpatialColumn> {
    let before = work.errors.len();
    let here = below(path, &["spatial"]);
    let built = work.tables.get(table)?.table.clone();
    let scalar_type = built.columns.get(index)?.scalar_type;
    if scalar_type != ScalarType::Text {
        let message =
            format!("spatial values are held as text: '{name}' is {scalar_type}. Two numeric columns make a point under `points`");
        work.error(error_at(here.clone(), message));
    }
    if built.key.contains(&index) {
        work.error(error_at(here.clone(), format!("'{name}' is part of the key, which cannot be a spatial value")));
    }
    let Some((family, shape)) = SpatialType::parse(&definition.type_name) else {
        let names = SpatialType::names();
        let message = format!("'{}' is not a spatial type, such as GeographyPoint or GeometryPolygon", definition.type_name);
        let error = error_at(below(&here, &["type"]), message);
        work.error(error.suggesting(&definition.type_name, names.iter().map(String::as_str)));
        return None;
    };
    let srid = srid(work, definition.srid.unwrap_or_else(|| family.default_srid()), family, &here);
    (work.errors.len() == before).then_some(SpatialColumn { of: SpatialType { family, shape, srid }, format: definition.format })
}

/// A reference system that values of a family can be in.
fn srid(work: &mut Work<'_>, srid: u32, family: SpatialFamily, path: &[String]) -> u32 {
    if srid > MAX_SRID || (srid == 0 && family == SpatialFamily::Geography) {
        let message = format!("{srid} is not the EPSG number of a reference system for values of type {}", family.name());
        work.error(error_at(below(path, &["srid"]), message));
    }
    srid
}

/// Resolves the points of a table.
pub(super) fn points(work: &mut Work<'_>, table: &str, definition: &TableDefinition, overlay: &mut Overlay, path: &[String]) {
    for (name, point) in &definition.points {
        let here = below(path, &["points", name]);
        let Some(built) = work.tables.get(table).map(|built| built.table.clone()) else { continue };
        let named = check_name(work, name, &here);
        if let Some(property) = one(work, &built, name, point, overlay, &here).filter(|_| named) {
            overlay.points.push(property);
        }
    }
    refuse_taken(work, table, overlay, path);
}

fn one(
    work: &mut Work<'_>,
    table: &VirtualTable,
    name: &str,
    definition: &PointDefinition,
    overlay: &Overlay,
    path: &[String],
) -> Option<PointProperty> {
    let before = work.errors.len();
    let latitude = coordinate(work, table, ("latitude", &definition.latitude), overlay, path);
    let longitude = coordinate(work, table, ("longitude", &definition.longitude), overlay, path);
    if let Some(srid) = definition.srid.filter(|srid| *srid != WGS84) {
        let message =
            format!("a point over two columns is in {WGS84}, not {srid}: points in other systems are held as text, under `spatial`");
        work.error(error_at(below(path, &["srid"]), message));
    }
    let (latitude, longitude) = (latitude?, longitude?);
    if latitude == longitude {
        work.error(error_at(below(path, &["longitude"]), format!("'{}' is the latitude already", definition.longitude)));
    }
    (work.errors.len() == before).then(|| PointProperty { name: name.to_owned(), latitude, longitude })
}

fn coordinate(work: &mut Work<'_>, table: &VirtualTable, (role, name): (&str, &str), overlay: &Overlay, path: &[String]) -> Option<usize> {
    let here = below(path, &[role]);
    let Some(index) = table.column(name) else {
        let error = error_at(here, format!("{} has no published column '{name}'", table.name));
        work.error(error.suggesting(name, table.columns.iter().map(|column| column.name.as_str())));
        return None;
    };
    let column = table.columns.get(index)?;
    if !matches!(column.scalar_type, ScalarType::Float32 | ScalarType::Float64 | ScalarType::Decimal { .. }) {
        let message = format!("'{name}' is {}: coordinates are degrees, in a column of floats or decimals", column.scalar_type);
        work.error(error_at(here, message));
    } else if table.key.contains(&index) {
        work.error(error_at(here, format!("'{name}' is part of the key, which stands by itself")));
    } else if let Some(complex) = overlay.complex_of(index).map(|(complex, _)| complex) {
        work.error(error_at(here, format!("'{name}' is a member of '{}' already", complex.name)));
    } else if let Some(other) = overlay.point_of(index) {
        work.error(error_at(here, format!("'{name}' is a coordinate of '{}' already", other.name)));
    }
    Some(index)
}

/// Refuses a point that would be called as another property.
fn refuse_taken(work: &mut Work<'_>, table: &str, overlay: &Overlay, path: &[String]) {
    let Some(built) = work.tables.get(table) else { return };
    let alone = |index: usize| overlay.complex_of(index).is_none() && overlay.point_of(index).is_none();
    let columns = built.table.columns.iter().enumerate().filter(|(index, _)| alone(*index)).map(|(_, column)| column.name.clone());
    let mut taken: Vec<String> = columns.chain(overlay.complex.iter().map(|complex| complex.name.clone())).collect();
    for point in &overlay.points {
        if let Some(other) = taken.iter().find(|other| other.to_lowercase() == point.name.to_lowercase()) {
            work.error(error_at(below(path, &["points", &point.name]), format!("{table} has a property named '{other}' already")));
        }
        taken.push(point.name.clone());
    }
}
