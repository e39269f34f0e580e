//! Geographic and geometric values in plans: functions over texts and numbers, which no source evaluates. A constant is read once, when
//! the plan is made. It must not know how requests name values.

pub mod bounds;
mod measure;

use crate::error::EngineError;
use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result as DataFusionResult, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit};
use geographiclib_rs::Geodesic;
use portico_catalog::spatial::{SpatialFamily, SpatialType};
use portico_odata::spatial::{self, Geometry};
use portico_odata::{BoundExpr, ODataFunction};
use portico_provider_api::Value;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Whether a function is lowered here.
pub fn is_spatial(function: ODataFunction) -> bool {
    matches!(
        function,
        ODataFunction::Distance | ODataFunction::LineLength | ODataFunction::Intersects | ODataFunction::PointAt | ODataFunction::Place
    )
}

/// A call of such a function; `value` lowers what is no spatial value.
///
/// # Errors
/// `Internal` for arguments that the binder does not make; those of `value`.
pub fn lower(
    function: ODataFunction,
    arguments: &[BoundExpr],
    value: &dyn Fn(&BoundExpr) -> Result<Expr, EngineError>,
) -> Result<Expr, EngineError> {
    let (operands, globe) = match (function, arguments) {
        (ODataFunction::Place | ODataFunction::PointAt, _) => {
            let whole = BoundExpr::Call { function, arguments: arguments.to_vec(), scalar_type: portico_provider_api::ScalarType::Text };
            (vec![whole], true)
        }
        (_, [operands @ .., BoundExpr::Literal(Value::Boolean(globe))]) => (operands.to_vec(), *globe),
        _ => return Err(unexpected()),
    };
    let family = if globe { SpatialFamily::Geography } else { SpatialFamily::Geometry };
    let (mut kinds, mut inputs) = (Vec::with_capacity(operands.len()), Vec::new());
    for operand in &operands {
        let (kind, columns) = Operand::of(operand, family)?;
        // Null in, null out.
        let Some(kind) = kind else { return Ok(lit(null(function))) };
        kinds.push(kind);
        for column in columns {
            inputs.push(value(column)?);
        }
    }
    let spatial = Spatial { function, globe, operands: kinds, signature: Signature::user_defined(Volatility::Immutable) };
    if inputs.is_empty() {
        let array = spatial.evaluate(&[], 1)?;
        return Ok(lit(ScalarValue::try_from_array(&array, 0)?));
    }
    Ok(ScalarUDF::from(spatial).call(inputs))
}

fn unexpected() -> EngineError {
    EngineError::Internal("a spatial function with other arguments than it takes".to_owned())
}

fn null(function: ODataFunction) -> ScalarValue {
    match function {
        ODataFunction::Distance | ODataFunction::LineLength => ScalarValue::Float64(None),
        ODataFunction::Intersects => ScalarValue::Boolean(None),
        _ => ScalarValue::Utf8(None),
    }
}

/// Where a spatial value comes from.
#[derive(Debug, Clone)]
enum Operand {
    /// It is always this one; with its text, which tells it from others.
    Constant(String, Geometry),
    /// A text column of a type, and what errors call it.
    Text(SpatialType, String),
    /// Two columns, degrees north and degrees east, and what errors call them.
    Point(String),
    /// A text that an expression has made of a spatial value.
    Made(SpatialFamily),
}

impl Operand {
    /// What an argument is, and the expressions whose values it is made of; nothing for null.
    fn of(argument: &BoundExpr, family: SpatialFamily) -> Result<(Option<Operand>, Vec<&BoundExpr>), EngineError> {
        let text = |expr: &BoundExpr| match expr {
            BoundExpr::Literal(Value::Text(text)) => Ok(text.clone()),
            _ => Err(unexpected()),
        };
        Ok(match argument {
            BoundExpr::Literal(Value::Text(text)) => {
                let (_, geometry) = spatial::literal(text, family).map_err(EngineError::Invalid)?;
                (Some(Operand::Constant(text.clone(), geometry)), Vec::new())
            }
            BoundExpr::Literal(_) => (None, Vec::new()),
            BoundExpr::Call { function: ODataFunction::Place, arguments, .. } => {
                let [held, name, BoundExpr::Literal(Value::Int64(srid)), source] = arguments.as_slice() else { return Err(unexpected()) };
                let (family, shape) = SpatialType::parse(&text(name)?).ok_or_else(unexpected)?;
                let of = SpatialType { family, shape, srid: u32::try_from(*srid).map_err(|_| unexpected())? };
                (Some(Operand::Text(of, text(source)?)), vec![held])
            }
            BoundExpr::Call { function: ODataFunction::PointAt, arguments, .. } => {
                let [latitude, longitude, source] = arguments.as_slice() else { return Err(unexpected()) };
                (Some(Operand::Point(text(source)?)), vec![latitude, longitude])
            }
            other => (Some(Operand::Made(family)), vec![other]),
        })
    }

    /// The values, of which the arrays that hold them are taken off the front.
    fn values<'a>(&'a self, arrays: &mut std::slice::Iter<'_, ArrayRef>) -> DataFusionResult<Values<'a>> {
        let wrong = |source: &str, why: String| data(format!("{source} holds a value that is none of its type: {why}"));
        let mut next = || arrays.next().ok_or_else(|| DataFusionError::Internal("a spatial value is missing".to_owned()));
        Ok(match self {
            Operand::Constant(_, geometry) => Values::One(geometry),
            Operand::Text(of, source) => Values::Many(texts(next()?, &|text| spatial::read(text, of).map_err(|why| wrong(source, why)))?),
            Operand::Made(family) => {
                let read = |text: &str| spatial::literal(text, *family).map(|(_, geometry)| geometry).map_err(data);
                Values::Many(texts(next()?, &read)?)
            }
            Operand::Point(source) => {
                let (latitude, longitude) = (next()?.clone(), next()?);
                Values::Many(spatial::points(&latitude, longitude).map_err(|why| wrong(source, why))?)
            }
        })
    }
}

fn data(message: String) -> DataFusionError {
    DataFusionError::External(Box::new(EngineError::Data(message)))
}

fn texts(array: &ArrayRef, read: &dyn Fn(&str) -> DataFusionResult<Geometry>) -> DataFusionResult<Vec<Option<Geometry>>> {
    let texts = cast(array, &DataType::Utf8)?;
    texts.as_string::<i32>().iter().map(|text| text.map(read).transpose()).collect()
}

/// The values of an operand.
enum Values<'a> {
    One(&'a Geometry),
    Many(Vec<Option<Geometry>>),
}

impl Values<'_> {
    fn get(&self, row: usize) -> Option<&Geometry> {
        match self {
            Values::One(geometry) => Some(geometry),
            Values::Many(geometries) => geometries.get(row)?.as_ref(),
        }
    }
}

#[derive(Debug)]
struct Spatial {
    function: ODataFunction,
    globe: bool,
    operands: Vec<Operand>,
    signature: Signature,
}

impl Operand {
    /// What tells an operand from others that read the same columns.
    fn identity(&self) -> (u8, &str, Option<SpatialType>) {
        match self {
            Operand::Constant(text, _) => (0, text, None),
            Operand::Text(of, source) => (1, source, Some(*of)),
            Operand::Point(source) => (2, source, None),
            Operand::Made(_) => (3, "", None),
        }
    }
}

impl PartialEq for Spatial {
    fn eq(&self, other: &Self) -> bool {
        (self.function, self.globe) == (other.function, other.globe)
            && self.operands.iter().map(Operand::identity).eq(other.operands.iter().map(Operand::identity))
    }
}

impl Eq for Spatial {}

impl Hash for Spatial {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.function, self.globe).hash(state);
        self.operands.iter().for_each(|operand| operand.identity().hash(state));
    }
}

impl Spatial {
    fn evaluate(&self, arrays: &[ArrayRef], rows: usize) -> DataFusionResult<ArrayRef> {
        let mut arrays = arrays.iter();
        let values = self.operands.iter().map(|operand| operand.values(&mut arrays)).collect::<DataFusionResult<Vec<_>>>()?;
        let globe = self.globe.then(Geodesic::wgs84);
        let at = |operand: usize, row: usize| values.get(operand).and_then(|values| values.get(row));
        Ok(match self.function {
            ODataFunction::Distance => {
                let distance = |row: usize| match (at(0, row)?, at(1, row)?) {
                    (Geometry::Point(from), Geometry::Point(to)) => Some(measure::distance(from, to, globe.as_ref())),
                    _ => None,
                };
                Arc::new((0..rows).map(distance).collect::<Float64Array>())
            }
            ODataFunction::LineLength => {
                let length = |row: usize| match at(0, row)? {
                    Geometry::LineString(line) => Some(measure::length(line, globe.as_ref())),
                    _ => None,
                };
                Arc::new((0..rows).map(length).collect::<Float64Array>())
            }
            ODataFunction::Intersects => {
                let inside = |row: usize| match (at(0, row)?, at(1, row)?) {
                    (Geometry::Point(position), Geometry::Polygon(rings)) => Some(measure::inside(position, rings, self.globe)),
                    _ => None,
                };
                Arc::new((0..rows).map(inside).collect::<BooleanArray>())
            }
            _ => {
                let srid = match self.operands.first() {
                    Some(Operand::Text(of, _)) => of.srid,
                    _ => spatial::POINT.srid,
                };
                let canonical = |row: usize| at(0, row).map(|geometry| spatial::canonical(geometry, srid));
                Arc::new((0..rows).map(canonical).collect::<StringArray>())
            }
        })
    }
}

impl ScalarUDFImpl for Spatial {
    fn name(&self) -> &str {
        match self.function {
            ODataFunction::Distance => "geo_distance",
            ODataFunction::LineLength => "geo_length",
            ODataFunction::Intersects => "geo_intersects",
            ODataFunction::PointAt => "geo_point",
            _ => "geo_value",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Operands come in the right types already.
    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(null(self.function).data_type())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let arrays =
            arguments.args.iter().map(|argument| argument.to_array(arguments.number_rows)).collect::<DataFusionResult<Vec<_>>>()?;
        if arrays.is_empty() {
            return plan_err!("'{}' without arguments is a constant", self.name());
        }
        Ok(ColumnarValue::Array(self.evaluate(&arrays, arguments.number_rows)?))
    }
}
