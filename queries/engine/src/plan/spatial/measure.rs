//! How far, how long, inside or not. On the globe lengths are those of the shortest lines on the ellipsoid WGS 84, in metres, by Karney's
//! algorithm ("Algorithms for geodesics", Journal of Geodesy 87, 2013), which is right to 15 nanometres; in the plane they are Euclid's.
//! Areas are bounded by lines that are straight in longitude and latitude, as RFC 7946 (section 3.1.1) has it: they do not cross the
//! 180th meridian. Altitudes count for nothing. It must not know plans.

use geographiclib_rs::{Geodesic, InverseGeodesic};
use portico_odata::spatial::Position;
use robust::{Coord, orient2d};

/// The distance of two positions.
pub fn distance(from: &Position, to: &Position, globe: Option<&Geodesic>) -> f64 {
    match globe {
        Some(globe) => globe.inverse(from.y, from.x, to.y, to.x),
        None => (from.x - to.x).hypot(from.y - to.y),
    }
}

/// The length of a line.
pub fn length(line: &[Position], globe: Option<&Geodesic>) -> f64 {
    line.windows(2).map(|pair| if let [from, to] = pair { distance(from, to, globe) } else { 0.0 }).sum()
}

/// Whether a position is inside a polygon or on its boundary.
pub fn inside(position: &Position, rings: &[Vec<Position>], globe: bool) -> bool {
    if within(position, rings) {
        return true;
    }
    // The 180th meridian has two names.
    globe && position.x.abs() == 180.0 && within(&Position { x: -position.x, ..*position }, rings)
}

fn within(position: &Position, rings: &[Vec<Position>]) -> bool {
    let Some((outer, holes)) = rings.split_first() else { return false };
    match side(position, outer) {
        Side::Boundary => true,
        Side::Outside => false,
        Side::Inside => holes.iter().all(|hole| side(position, hole) != Side::Inside),
    }
}

#[derive(PartialEq, Eq)]
enum Side {
    Inside,
    Boundary,
    Outside,
}

/// Where a position is, seen from a closed ring: how many of its edges a ray to the right crosses. An edge has its lower end, not its
/// upper one, so that a corner is counted once. On which side of an edge the position is, is computed exactly.
fn side(position: &Position, ring: &[Position]) -> Side {
    let coord = |position: &Position| Coord { x: position.x, y: position.y };
    let mut inside = false;
    for edge in ring.windows(2) {
        let [from, to] = edge else { continue };
        let turn = orient2d(coord(from), coord(to), coord(position));
        let beside =
            (from.x.min(to.x)..=from.x.max(to.x)).contains(&position.x) && (from.y.min(to.y)..=from.y.max(to.y)).contains(&position.y);
        if turn == 0.0 && beside {
            return Side::Boundary;
        }
        let upwards = from.y <= position.y && position.y < to.y;
        let downwards = to.y <= position.y && position.y < from.y;
        if (upwards && turn > 0.0) || (downwards && turn < 0.0) {
            inside = !inside;
        }
    }
    if inside { Side::Inside } else { Side::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64, y: f64) -> Position {
        Position::new(x, y)
    }

    /// Flinders Peak to Buninyong on the ellipsoid GRS 80 is the example of Geoscience Australia for Vincenty's formula (54,972.271 m),
    /// which WGS 84 differs from by less than a tenth of a millimetre; the others are GeographicLib's own test cases and known lengths.
    #[test]
    fn distances_are_the_published_ones() {
        let globe = Geodesic::wgs84();
        let degrees = |degrees: f64, minutes: f64, seconds: f64| degrees + minutes / 60.0 + seconds / 3600.0;
        let cases = [
            (
                (degrees(144.0, 25.0, 29.52440), -degrees(37.0, 57.0, 3.72030)),
                (degrees(143.0, 55.0, 35.38390), -degrees(37.0, 39.0, 10.15610)),
                54_972.271,
                0.001,
            ),
            // One degree of the equator, and a quarter of a meridian.
            ((0.0, 0.0), (1.0, 0.0), 111_319.490_793_273_57, 1e-6),
            ((0.0, 0.0), (0.0, 90.0), 10_001_965.729_312_7, 1e-3),
            // GeodTest: the first case of Karney's test set.
            ((0.0, 36.530042355041), (5.762_344_694_676_511, -48.164_270_779_097_77), 9_398_502.043_426_0, 1.0),
            // JFK to SIN, of the documentation of GeographicLib.
            ((-73.8, 40.6), (103.99, 1.36), 15_347_628.0, 1.0),
            // Nearly antipodal, where Vincenty's formula fails.
            ((0.0, 0.5), (179.7, -0.5), 19_936_288.579, 0.001),
            ((179.9, 0.0), (-179.9, 0.0), 22_263.898, 0.001),
        ];
        for ((x1, y1), (x2, y2), expected, close) in cases {
            let found = distance(&at(x1, y1), &at(x2, y2), Some(&globe));
            assert!((found - expected).abs() <= close, "{x1} {y1} - {x2} {y2}: {found}, not {expected}");
        }
        assert_eq!(distance(&at(0.0, 0.0), &at(3.0, 4.0), None), 5.0);
        assert_eq!(length(&[at(0.0, 0.0), at(3.0, 4.0), at(3.0, 0.0)], None), 9.0);
        assert_eq!(length(&[], None), 0.0);
        let there = length(&[at(0.0, 0.0), at(1.0, 0.0), at(2.0, 0.0)], Some(&globe));
        assert!((there - 222_638.981_586_547_14).abs() < 1e-6, "{there}");
    }

    /// Where a point is by the angle that a ring turns through, seen from it: another way than that above, over whole numbers.
    fn oracle(point: (i32, i32), ring: &[(i32, i32)]) -> bool {
        let mut turned = 0.0_f64;
        for edge in ring.windows(2) {
            let [from, to] = edge else { continue };
            let (ax, ay, bx, by) = (from.0 - point.0, from.1 - point.1, to.0 - point.0, to.1 - point.1);
            let (cross, dot) = (ax * by - ay * bx, ax * bx + ay * by);
            if cross == 0 && dot <= 0 {
                return true;
            }
            turned += f64::from(cross).atan2(f64::from(dot));
        }
        // A ring that crosses itself is inside where it turns an odd number of times, as everywhere in this gateway.
        ((turned / std::f64::consts::TAU).round() as i64) % 2 != 0
    }

    #[test]
    fn a_point_is_inside_where_the_ring_turns_around_it() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut inside_count, mut outside_count) = (0, 0);
        for _ in 0..20_000 {
            let corners = random.usize(3..8);
            let mut ring: Vec<(i32, i32)> = (0..corners).map(|_| (random.i32(-5..=5), random.i32(-5..=5))).collect();
            ring.push(ring[0]);
            let point = (random.i32(-6..=6), random.i32(-6..=6));
            let position = |(x, y): (i32, i32)| at(x.into(), y.into());
            let found = inside(&position(point), &[ring.iter().copied().map(position).collect()], false);
            assert_eq!(found, oracle(point, &ring), "{point:?} in {ring:?}");
            if found {
                inside_count += 1;
            } else {
                outside_count += 1;
            }
        }
        assert!(inside_count > 2_000 && outside_count > 2_000, "{inside_count} {outside_count}");
    }

    #[test]
    fn holes_boundaries_and_the_180th_meridian() {
        let square = |low: f64, high: f64| vec![at(low, low), at(high, low), at(high, high), at(low, high), at(low, low)];
        let rings = [square(0.0, 10.0), square(4.0, 6.0)];
        for (x, y, expected) in
            [(1.0, 1.0, true), (5.0, 5.0, false), (4.0, 5.0, true), (10.0, 3.0, true), (10.000_001, 3.0, false), (0.0, 0.0, true)]
        {
            assert_eq!(inside(&at(x, y), &rings, false), expected, "{x} {y}");
        }
        let east = [vec![at(170.0, -10.0), at(180.0, -10.0), at(180.0, 10.0), at(170.0, 10.0), at(170.0, -10.0)]];
        assert!(inside(&at(-180.0, 0.0), &east, true) && inside(&at(180.0, 0.0), &east, true));
        assert!(!inside(&at(-180.0, 0.0), &east, false) && !inside(&at(-179.9, 0.0), &east, true));
        assert!(!inside(&at(0.0, 0.0), &[], true));
    }
}
