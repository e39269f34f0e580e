//! GeoJSON (RFC 7946), with the `crs` that OData adds to it (JSON Format, section 7.1). It must not know which values are right, only
//! how they are written.

use super::{Geometry, Given, MAX_DEPTH, Position};
use portico_catalog::spatial::{SpatialType, WGS84};
use portico_provider_api::json::{self, Json};
use std::fmt::Write;

/// Reads a document.
pub(super) fn read(text: &str) -> Result<Given, String> {
    let json =
        json::read(text.as_bytes()).map_err(|error| format!("it is not well-formed JSON at byte {}: {}", error.at, error.message))?;
    from_json(&json)
}

/// Reads a value.
pub(super) fn from_json(json: &Json) -> Result<Given, String> {
    let srid = match members(json)?.iter().find(|(name, _)| name == "crs") {
        None | Some((_, Json::Null)) => None,
        Some((_, crs)) => Some(reference(crs)?),
    };
    Ok(Given { srid, geometry: geometry(json, 0)? })
}

fn members(json: &Json) -> Result<&[(String, Json)], String> {
    let expected = "a GeoJSON object such as {\"type\":\"Point\",\"coordinates\":[7.4,46.9]} is expected";
    match json {
        Json::Object(members) => Ok(members),
        Json::Null | Json::Boolean(_) | Json::Number(_) | Json::Text(_) | Json::Array(_) => Err(expected.to_owned()),
    }
}

/// The number of a reference system: `{"type":"name","properties":{"name":"EPSG:4326"}}`.
fn reference(crs: &Json) -> Result<u32, String> {
    let inner = members(crs).ok().and_then(|members| members.iter().find(|(name, _)| name == "properties"));
    let name = inner.and_then(|(_, properties)| members(properties).ok()?.iter().find(|(name, _)| name == "name"));
    let srid = match name {
        Some((_, Json::Text(name))) if name.ends_with(":CRS84") => Some(WGS84),
        Some((_, Json::Text(name))) => {
            let number = name.strip_prefix("EPSG:").or_else(|| name.strip_prefix("urn:ogc:def:crs:EPSG::"));
            number.and_then(|number| number.parse().ok())
        }
        _ => None,
    };
    srid.ok_or_else(|| "its crs is not like {\"type\":\"name\",\"properties\":{\"name\":\"EPSG:4326\"}}".to_owned())
}

fn geometry(json: &Json, depth: usize) -> Result<Geometry, String> {
    let members = members(json)?;
    let (mut kind, mut content) = (None, None);
    for (name, value) in members {
        let twice = match (name.as_str(), value) {
            ("type", Json::Text(text)) => kind.replace(text.as_str()).is_some(),
            ("coordinates" | "geometries", value) => content.replace((name.as_str(), value)).is_some(),
            ("crs", _) if depth == 0 => false,
            // What a value fills is told by its positions.
            ("bbox", _) => false,
            (other, _) if other.contains('@') => false,
            (other, _) => return Err(format!("a GeoJSON object has no member '{other}' such as this")),
        };
        if twice {
            return Err(format!("the member '{name}' is given twice"));
        }
    }
    let kind = kind.ok_or("a GeoJSON object says its type")?;
    let wanted = if kind == "GeometryCollection" { "geometries" } else { "coordinates" };
    let content = content.filter(|(name, _)| *name == wanted).map(|(_, content)| content);
    let content = content.ok_or_else(|| format!("a {kind} has {wanted}"))?;
    Ok(match kind {
        "Point" => Geometry::Point(position(content)?),
        "LineString" => Geometry::LineString(line(content)?),
        "MultiPoint" => Geometry::MultiPoint(line(content)?),
        "Polygon" => Geometry::Polygon(lines(content)?),
        "MultiLineString" => Geometry::MultiLineString(lines(content)?),
        "MultiPolygon" => Geometry::MultiPolygon(items(content)?.iter().map(lines).collect::<Result<_, _>>()?),
        "GeometryCollection" if depth >= MAX_DEPTH => return Err("its collections are nested too deeply".to_owned()),
        "GeometryCollection" => {
            Geometry::Collection(items(content)?.iter().map(|item| geometry(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        other => return Err(format!("'{other}' is not a type of GeoJSON geometries")),
    })
}

fn items(json: &Json) -> Result<&[Json], String> {
    match json {
        Json::Array(items) => Ok(items),
        Json::Null | Json::Boolean(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => {
            Err("its coordinates are not nested as its type has it".to_owned())
        }
    }
}

fn position(json: &Json) -> Result<Position, String> {
    let number = |json: &Json| match json {
        Json::Number(text) => text.parse::<f64>().ok(),
        Json::Null | Json::Boolean(_) | Json::Text(_) | Json::Array(_) | Json::Object(_) => None,
    };
    let numbers = items(json)?.iter().map(number).collect::<Option<Vec<f64>>>();
    let position = numbers.and_then(|numbers| Position::of(&numbers));
    position.ok_or_else(|| "a position is an array of two to four numbers, longitude (or x) first".to_owned())
}

fn line(json: &Json) -> Result<Vec<Position>, String> {
    items(json)?.iter().map(position).collect()
}

fn lines(json: &Json) -> Result<Vec<Vec<Position>>, String> {
    items(json)?.iter().map(line).collect()
}

/// Writes a value: type, coordinates, then the reference system where it is not the usual one.
pub(super) fn write(geometry: &Geometry, of: &SpatialType, out: &mut String) {
    push(geometry, out);
    if of.srid != of.family.default_srid() {
        out.truncate(out.len() - 1);
        // Writing to a text cannot fail.
        let _ = write!(out, ",\"crs\":{{\"type\":\"name\",\"properties\":{{\"name\":\"EPSG:{}\"}}}}}}", of.srid);
    }
}

fn push(geometry: &Geometry, out: &mut String) {
    let (name, content) = match geometry {
        Geometry::Point(_) => ("Point", "coordinates"),
        Geometry::LineString(_) => ("LineString", "coordinates"),
        Geometry::Polygon(_) => ("Polygon", "coordinates"),
        Geometry::MultiPoint(_) => ("MultiPoint", "coordinates"),
        Geometry::MultiLineString(_) => ("MultiLineString", "coordinates"),
        Geometry::MultiPolygon(_) => ("MultiPolygon", "coordinates"),
        Geometry::Collection(_) => ("GeometryCollection", "geometries"),
    };
    let _ = write!(out, "{{\"type\":\"{name}\",\"{content}\":");
    match geometry {
        Geometry::Point(position) => push_position(position, out),
        Geometry::LineString(positions) | Geometry::MultiPoint(positions) => push_line(positions, out),
        Geometry::Polygon(lines) | Geometry::MultiLineString(lines) => push_lines(lines, out),
        Geometry::MultiPolygon(polygons) => list(polygons, &mut |rings, out| push_lines(rings, out), out),
        Geometry::Collection(items) => list(items, &mut push, out),
    }
    out.push('}');
}

fn list<T>(items: &[T], push: &mut dyn FnMut(&T, &mut String), out: &mut String) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push(item, out);
    }
    out.push(']');
}

fn push_position(position: &Position, out: &mut String) {
    let numbers: Vec<f64> = position.numbers().collect();
    let push = &mut |number: &f64, out: &mut String| {
        // Writing to a text cannot fail.
        let _ = write!(out, "{number}");
    };
    list(&numbers, push, out);
}

fn push_line(line: &[Position], out: &mut String) {
    list(line, &mut push_position, out);
}

fn push_lines(lines: &[Vec<Position>], out: &mut String) {
    list(lines, &mut |line: &Vec<Position>, out: &mut String| push_line(line, out), out);
}
