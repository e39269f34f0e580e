//! Geographic and geometric values in expressions: what columns hold, made into values, and the functions that measure them (URL
//! Conventions, section 5.1.1.11). It must not know how anything is measured.

use super::functions::UNSUPPORTED;
use super::promote::Operand;
use super::scope::{Row, Scope};
use crate::bound::{BoundExpr, ComparisonOperator, ODataFunction};
use crate::error::ODataError;
use crate::spatial::POINT;
use crate::syntax::{Argument, Span};
use crate::value_type::ValueType;
use portico_catalog::spatial::{SpatialFamily, SpatialShape, SpatialType, WGS84};
use portico_provider_api::{ScalarType, Value};

/// A column of a row; what holds a spatial value is read as one.
pub(super) fn of_column(row: &Row<'_>, index: usize) -> BoundExpr {
    let raw = row.column(index);
    let Some(column) = row.rows.columns.get(index) else { return raw };
    match column.value_type {
        // What an expression has made is a value already.
        ValueType::Spatial(of) if !column.dynamic => {
            let arguments = vec![raw, text(&of.name()), BoundExpr::Literal(Value::Int64(of.srid.into())), source(row, &column.path)];
            BoundExpr::Call { function: ODataFunction::Place, arguments, scalar_type: ScalarType::Text }
        }
        ValueType::Spatial(_) | ValueType::Scalar(_) | ValueType::Duration | ValueType::Enumeration(..) => raw,
    }
}

/// The point of that name that a row has.
pub(super) fn of_point(row: &Row<'_>, path: &[&str]) -> Option<Operand> {
    let (latitude, longitude) = row.rows.point(path)?;
    let names: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
    let arguments = vec![row.column(latitude), row.column(longitude), source(row, &names)];
    let expr = BoundExpr::Call { function: ODataFunction::PointAt, arguments, scalar_type: ScalarType::Text };
    Some(Operand::typed(expr, ValueType::Spatial(POINT), path.join("/")))
}

fn text(text: &str) -> BoundExpr {
    BoundExpr::Literal(Value::text(text))
}

/// How errors call a property: `Places.Location`.
fn source(row: &Row<'_>, path: &[String]) -> BoundExpr {
    let table = row.table.map_or("", |table| table.name.as_str());
    let dot = if table.is_empty() { "" } else { "." };
    text(&format!("{table}{dot}{}", path.join("/")))
}

/// The condition that a spatial value is null, said of the columns that hold it: so a source can tell. Nothing of other expressions.
fn is_null(expr: &BoundExpr) -> Option<BoundExpr> {
    let null = |expr: &BoundExpr| {
        let null = BoundExpr::Literal(Value::Null(ScalarType::Text));
        BoundExpr::compare(ComparisonOperator::Eq, expr.clone(), null)
    };
    let BoundExpr::Call { function, arguments, .. } = expr else { return None };
    match (function, arguments.as_slice()) {
        (ODataFunction::Place, [held, ..]) => Some(null(held)),
        (ODataFunction::PointAt, [latitude, longitude, _]) => Some(BoundExpr::Or(Box::new(null(latitude)), Box::new(null(longitude)))),
        _ => None,
    }
}

impl Scope<'_> {
    /// A call of a function that measures spatial values.
    pub(super) fn measure(&self, name: &str, function: ODataFunction, arguments: &[Argument], span: Span) -> Result<Operand, ODataError> {
        let operands = arguments.iter().map(|argument| self.operand(&argument.value)).collect::<Result<Vec<_>, _>>()?;
        call(name, function, operands).map_err(|why| match why.strip_prefix(UNSUPPORTED) {
            Some(what) => self.not_built(span, what),
            None => self.wrong(span, why),
        })
    }

    /// What is special about comparing spatial values: they have no order, and the columns that hold them say whether they are null.
    pub(super) fn place_comparison(
        &self,
        op: ComparisonOperator,
        null_test: bool,
        operands: [&Operand; 2],
        span: Span,
    ) -> Result<Option<Operand>, ODataError> {
        let equality = matches!(op, ComparisonOperator::Eq | ComparisonOperator::Ne);
        let place = operands.into_iter().find(|operand| matches!(operand.value_type, Some(ValueType::Spatial(_))));
        match place {
            Some(place) if !equality => Err(self.wrong(span, format!("{} has no order: only eq and ne apply", place.description()))),
            Some(place) if null_test => Ok(is_null(&place.expr).map(|null| {
                let expr = if op == ComparisonOperator::Eq { null } else { BoundExpr::Not(Box::new(null)) };
                Operand::typed(expr, ScalarType::Boolean, "the comparison".to_owned())
            })),
            Some(_) | None => Ok(None),
        }
    }
}

/// Whether a function measures spatial values.
pub(super) fn is_measure(function: ODataFunction) -> bool {
    matches!(function, ODataFunction::Distance | ODataFunction::LineLength | ODataFunction::Intersects)
}

/// Binds a call of such a function, whose number of arguments has been checked.
fn call(name: &str, function: ODataFunction, arguments: Vec<Operand>) -> Result<Operand, String> {
    let (shapes, scalar_type): (&[SpatialShape], _) = match function {
        ODataFunction::LineLength => (&[SpatialShape::LineString], ScalarType::Float64),
        ODataFunction::Intersects => (&[SpatialShape::Point, SpatialShape::Polygon], ScalarType::Boolean),
        _ => (&[SpatialShape::Point, SpatialShape::Point], ScalarType::Float64),
    };
    let mut types: Vec<(SpatialType, String)> = Vec::with_capacity(arguments.len());
    for (argument, shape) in arguments.iter().zip(shapes) {
        match &argument.value_type {
            None => {}
            Some(ValueType::Spatial(of)) if of.shape == *shape => types.push((*of, argument.description())),
            Some(_) => {
                let shapes: Vec<String> = shapes.iter().map(|shape| format!("a {}", shape.name())).collect();
                return Err(format!("{name} expects {}, not {}", shapes.join(" and "), argument.description()));
            }
        }
    }
    if let [(left, first), (right, second)] = types.as_slice()
        && (left.family, left.srid) != (right.family, right.srid)
    {
        return Err(format!("{name} expects values of one reference system: {first} and {second} do not go together"));
    }
    let globe = types.first().is_some_and(|(of, _)| of.family == SpatialFamily::Geography);
    let elsewhere = types.first().filter(|(of, _)| globe && of.srid != WGS84 && function != ODataFunction::Intersects);
    if let Some((of, _)) = elsewhere {
        return Err(format!("{UNSUPPORTED}{name} in the reference system {} (the globe is measured in {WGS84})", of.srid));
    }
    let absent = |argument: &Operand| argument.value_type.is_none();
    let mut bound: Vec<BoundExpr> = arguments
        .into_iter()
        .map(|argument| if absent(&argument) { BoundExpr::Literal(Value::Null(ScalarType::Text)) } else { argument.expr })
        .collect();
    bound.push(BoundExpr::Literal(Value::Boolean(globe)));
    let expr = BoundExpr::Call { function, arguments: bound, scalar_type };
    Ok(Operand::typed(expr, scalar_type, format!("{name}(…)")))
}
