//! From a source query to what the kind runs: whether it lies within the capabilities, what is read for it, and how that is told. Pure.

use crate::layout::Layout;
use crate::problem::Problem;
use portico_provider_api::evaluate::check_query;
use portico_provider_api::readable::{Literals, readable};
use portico_provider_api::{
    AggregateCall, Aggregation, Capabilities, Expr, NativeRequest, Relation, ScalarType, SourceErrorKind, SourceQuery, TableRelation,
};

/// What a source can be asked.
pub(crate) struct Asked {
    /// The query as rows are judged by it; one that counts is asked for nothing but the number.
    pub(crate) query: SourceQuery,
    /// The table that it reads.
    pub(crate) table: TableRelation,
    /// For a query that counts: how many columns have the number, and whether there is a row with it at all.
    pub(crate) counted: Option<(usize, bool)>,
}

/// Refuses what lies beyond the capabilities.
pub(crate) fn check(query: &SourceQuery, able: &Capabilities) -> Result<(), Problem> {
    able.check(query).map_err(|refused| Problem::new(SourceErrorKind::Unsupported, refused.to_string()))?;
    check_query(query).map_err(|error| Problem::evaluation(&error))
}

/// Takes a query apart that lies within the capabilities.
pub(crate) fn asked(query: SourceQuery) -> Result<Asked, Problem> {
    let Relation::Table(table) = &query.from else {
        return Err(Problem::new(SourceErrorKind::Unsupported, "more than one table cannot be asked at a time"));
    };
    let table = table.clone();
    if query.aggregate.is_none() {
        return Ok(Asked { query, table, counted: None });
    }
    // Every aggregate within the capabilities is the number of all rows.
    let counted = Some((query.output.len(), query.limit != Some(0) && query.offset == 0));
    let aggregate = Some(Aggregation { group_by: Vec::new(), calls: vec![AggregateCall::row_count()], having: None });
    let one = query.output.into_iter().take(1).map(|output| portico_provider_api::Output { expr: Expr::Column(0), ..output });
    let query = SourceQuery { aggregate, output: one.collect(), limit: None, offset: 0, order_by: Vec::new(), ..query };
    Ok(Asked { query, table, counted })
}

/// The query as text, its literals as placeholders.
pub(crate) fn describe(query: &SourceQuery) -> NativeRequest {
    let (text, parameters) = readable(query, Literals::Placeholders);
    NativeRequest { language: "files".to_owned(), text, parameters }
}

/// Where the columns that a query sees stand in the layout.
///
/// # Errors
/// Names the column that is missing or of another type.
pub(crate) fn positions(relation: &TableRelation, layout: &Layout) -> Result<Vec<usize>, Problem> {
    let mut found = Vec::with_capacity(relation.columns.len());
    for column in &relation.columns {
        let changed = |what: String| {
            Problem::new(SourceErrorKind::SchemaChanged, format!("column '{}' of table '{}' {what}", column.name, relation.table))
        };
        let at = layout.position(&column.name).ok_or_else(|| changed("does not exist any more".to_owned()))?;
        let Some(own) = layout.columns.get(at).map(|own| &own.reading) else { continue };
        if column.codec.is_none() && own.scalar_type != column.scalar_type && !are_integers(own.scalar_type, column.scalar_type) {
            return Err(changed(format!("is {} now, and was {}", own.scalar_type, column.scalar_type)));
        }
        if own.nullable && !column.nullable && column.codec.is_none() {
            return Err(changed("may be null now".to_owned()));
        }
        found.push(at);
    }
    Ok(found)
}

fn are_integers(one: ScalarType, other: ScalarType) -> bool {
    [one, other].iter().all(|scalar_type| matches!(scalar_type, ScalarType::Int16 | ScalarType::Int32 | ScalarType::Int64))
}
