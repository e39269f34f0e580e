//! How far north, south, east and west what is near can be: a condition over the two columns that hold points, which a source evaluates,
//! by an index where it has one. It leaves out no row that is near enough; which of the others are, is computed after it.

use portico_odata::spatial::{self, Geometry, POINT, Position};
use portico_odata::{BoundExpr, ComparisonOperator, ODataFunction};
use portico_provider_api::value::Float;
use portico_provider_api::{ScalarType, Value};

/// Semi-major axis of the ellipsoid WGS 84 in metres: no parallel is shorter than this times the cosine of its latitude.
const A: f64 = 6_378_137.0;
/// Radius of curvature of the meridian at the equator, in metres, where it is the least: a(1-e²).
const M: f64 = 6_335_439.327;
/// Degrees by which the box is wider than it need be, for what is lost in rounding: eleven metres.
const MARGIN: f64 = 1e-4;
/// Beyond this latitude all longitudes are near each other.
const POLAR: f64 = 89.9;

/// The condition beside `geo.distance(point, constant) lt metres`, if there is one. `type_of` says the type of an expression.
pub fn of_comparison(
    op: ComparisonOperator,
    left: &BoundExpr,
    right: &BoundExpr,
    type_of: &dyn Fn(&BoundExpr) -> Option<ScalarType>,
) -> Option<BoundExpr> {
    use ComparisonOperator::{Ge, Gt, Le, Lt};
    let (distance, most) = match (op, left, right) {
        (Lt | Le, distance, BoundExpr::Literal(Value::Float64(most))) => (distance, most.0),
        (Gt | Ge, BoundExpr::Literal(Value::Float64(most)), distance) => (distance, most.0),
        _ => return None,
    };
    let BoundExpr::Call { function: ODataFunction::Distance, arguments, .. } = distance else { return None };
    let [first, second, _] = arguments.as_slice() else { return None };
    let (columns, centre) = match (first, second) {
        (BoundExpr::Call { function: ODataFunction::PointAt, arguments, .. }, BoundExpr::Literal(Value::Text(centre)))
        | (BoundExpr::Literal(Value::Text(centre)), BoundExpr::Call { function: ODataFunction::PointAt, arguments, .. }) => {
            (arguments, centre)
        }
        _ => return None,
    };
    let [latitude, longitude, _] = columns.as_slice() else { return None };
    let Ok((_, Geometry::Point(centre))) = spatial::literal(centre, POINT.family) else { return None };
    let bounds = Bounds::of(&centre, most)?;
    let north = between(latitude, type_of(latitude)?, bounds.latitude)?;
    let east: Option<Vec<BoundExpr>> = bounds.longitude.iter().map(|range| between(longitude, type_of(longitude)?, *range)).collect();
    let east = east?.into_iter().reduce(|left, right| BoundExpr::Or(Box::new(left), Box::new(right)));
    BoundExpr::both(Some(north), east)
}

/// What is near a position is within these, in degrees.
#[derive(Debug, PartialEq)]
struct Bounds {
    latitude: (f64, f64),
    /// Several ranges where the 180th meridian is among them; none where all longitudes are.
    longitude: Vec<(f64, f64)>,
}

impl Bounds {
    /// Nothing where a distance bounds nothing.
    fn of(centre: &Position, metres: f64) -> Option<Bounds> {
        // No two positions are farther apart.
        if !(0.0..2.1e7).contains(&metres) {
            return None;
        }
        // The shortest way between two parallels is along a meridian.
        let reach = (metres / M).to_degrees() + MARGIN;
        let latitude = (centre.y - reach, centre.y + reach);
        let farthest = latitude.0.abs().max(latitude.1.abs());
        if farthest >= POLAR {
            return Some(Bounds { latitude, longitude: Vec::new() });
        }
        // A line of that length does not leave those latitudes, and goes nowhere farther east than on the shortest of their parallels.
        let reach = (metres / (A * farthest.to_radians().cos())).to_degrees() + MARGIN;
        let (west, east) = (centre.x - reach, centre.x + reach);
        let longitude = if reach >= 180.0 {
            Vec::new()
        } else if west < -180.0 {
            vec![(west + 360.0, 180.0), (-180.0, east)]
        } else if east > 180.0 {
            vec![(west, 180.0), (-180.0, east - 360.0)]
        } else if west <= -180.0 + MARGIN || east >= 180.0 - MARGIN {
            // The meridian itself has two names.
            vec![(west, east), (-180.0, -180.0), (180.0, 180.0)]
        } else {
            vec![(west, east)]
        };
        Some(Bounds { latitude, longitude })
    }
}

/// Whether a column is in a range, as far as its type tells.
fn between(column: &BoundExpr, of: ScalarType, (least, most): (f64, f64)) -> Option<BoundExpr> {
    let above = BoundExpr::compare(ComparisonOperator::Ge, column.clone(), BoundExpr::Literal(value(of, least, f64::floor)?));
    let below = BoundExpr::compare(ComparisonOperator::Le, column.clone(), BoundExpr::Literal(value(of, most, f64::ceil)?));
    Some(BoundExpr::And(Box::new(above), Box::new(below)))
}

/// The value of a type on that side of a number of degrees.
fn value(of: ScalarType, degrees: f64, outwards: fn(f64) -> f64) -> Option<Value> {
    match of {
        ScalarType::Float64 => Some(Value::float64(degrees)),
        // What is lost is less than the margin.
        ScalarType::Float32 => Some(Value::Float32(Float(f64::from(degrees as f32)))),
        ScalarType::Decimal { precision, scale } if (0..=15).contains(&scale) => {
            let unscaled = outwards(degrees * 10_f64.powi(scale.into()));
            let digits = i32::from(precision).min(17);
            // Degrees that the type does not hold bound nothing; the margin takes what doubles lose of so many digits.
            (unscaled.abs() < 10_f64.powi(digits)).then(|| Value::Decimal { unscaled: (unscaled as i128).into(), precision, scale })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poles_and_the_180th_meridian_are_minded() {
        let of = |x: f64, y: f64, metres: f64| Bounds::of(&Position::new(x, y), metres);
        let near = of(7.0, 46.0, 10_000.0).unwrap();
        assert!(near.latitude.0 > 45.9 && near.latitude.1 < 46.1, "{near:?}");
        assert!(
            matches!(near.longitude.as_slice(), [(west, east)] if *west > 6.8 && *west < 6.9 && *east > 7.1 && *east < 7.2),
            "{near:?}"
        );
        assert_eq!(of(0.0, 89.5, 50_000.0).unwrap().longitude, []);
        assert!(
            matches!(of(179.9, 0.0, 50_000.0).unwrap().longitude.as_slice(), [(west, 180.0), (-180.0, east)] if *west < 179.6 && *east > -179.7)
        );
        assert!(matches!(of(-180.0, 0.0, 0.0).unwrap().longitude.as_slice(), [(west, 180.0), (-180.0, _)] if *west < 180.0));
        assert_eq!((of(0.0, 0.0, f64::NAN), of(0.0, 0.0, -1.0), of(0.0, 0.0, f64::INFINITY)), (None, None, None));
    }
}
