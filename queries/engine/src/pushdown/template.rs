//! The query of a fragment whose plan is kept for requests that differ in constants only: it is never copied, each run brings its values, and
//! what its source has made of it is kept with it. It must not know how plans are kept.

use crate::values::typed_as;
use portico_provider_api::walk::{bind_parameters, number_parameters};
use portico_provider_api::{PreparedQuery, ScalarType, Source, SourceQuery, Value};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// A query with parameters, for any number of runs.
pub struct Template {
    /// Its parameters are numbered from 0 on.
    query: SourceQuery,
    /// Which of the request's constants each is, and of which type.
    parameters: Vec<(u32, ScalarType)>,
    prepared: OnceLock<Option<Arc<dyn PreparedQuery>>>,
}

impl Template {
    /// For a query whose parameters are numbered as the request's constants are.
    pub fn new(mut query: SourceQuery) -> Template {
        let parameters = number_parameters(&mut query);
        Template { query, parameters, prepared: OnceLock::new() }
    }

    /// The query with its parameters.
    pub fn query(&self) -> &SourceQuery {
        &self.query
    }

    /// The values of its parameters among a request's constants; nothing when one is of no use where it is wanted.
    pub fn values(&self, constants: &[Value]) -> Option<Vec<Value>> {
        let value = |(index, scalar_type): &(u32, ScalarType)| {
            let constant = constants.get(usize::try_from(*index).ok()?)?.clone();
            typed_as(constant, *scalar_type).filter(|value| value.scalar_type() == *scalar_type)
        };
        self.parameters.iter().map(value).collect()
    }

    /// The query with values in the place of its parameters.
    ///
    /// # Errors
    /// The number of the first parameter that has none.
    pub fn with(&self, values: &[Value]) -> Result<SourceQuery, u32> {
        let mut query = self.query.clone();
        bind_parameters(&mut query, &|index, _| values.get(usize::try_from(index).ok()?).cloned())?;
        Ok(query)
    }

    /// What the source has made of it, once for all runs.
    pub fn prepared(&self, source: &dyn Source) -> Option<&Arc<dyn PreparedQuery>> {
        self.prepared.get_or_init(|| source.prepare(&self.query)).as_ref()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("query", &self.query).field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        (&self.query, &self.parameters) == (&other.query, &other.parameters)
    }
}
impl Eq for Template {}
impl Hash for Template {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.query, &self.parameters).hash(state);
    }
}
