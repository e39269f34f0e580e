//! Which instance annotations an answer has. The model's annotations whose value is a path to a property of the same entity say something
//! else of every row, and so may be shown with each; all others are the same for all rows, and `$metadata` says them once. It must not know
//! how they are written.

use crate::bound::{BoundAnnotation, BoundQuery};
use crate::header::AnnotationPatterns;
use portico_catalog::overlay::{Annotation, AnnotationValue};
use portico_catalog::{ModelView, TableView};

/// Adds the annotations that are wanted to a query and to what it expands. What the caller does not see is not shown.
pub fn annotate(query: &mut BoundQuery, view: &ModelView, patterns: &AnnotationPatterns) {
    if let Some(table) = view.by_virtual_table(&query.table).filter(|_| query.apply.is_none()) {
        query.annotations = wanted(query, table, patterns);
    }
    for expand in &mut query.expand {
        annotate(&mut expand.query, view, patterns);
    }
    for part in &mut query.cross {
        annotate(&mut part.query, view, patterns);
    }
}

/// Whether anything of a query's answer is annotated.
#[must_use]
pub fn is_annotated(query: &BoundQuery) -> bool {
    let parts = query.cross.iter().map(|part| &part.query);
    !query.annotations.is_empty() || query.expand.iter().map(|expand| &expand.query).chain(parts).any(is_annotated)
}

fn wanted(query: &BoundQuery, table: &TableView, patterns: &AnnotationPatterns) -> Vec<BoundAnnotation> {
    let of = |target: Option<usize>, annotation: &Annotation| {
        let AnnotationValue::Path(path) = &annotation.value else { return None };
        if !patterns.wants(&annotation.term, annotation.qualifier.as_deref()) {
            return None;
        }
        let holds = |index: &usize| table.property_path(*index).is_some_and(|known| known == *path);
        let plain = |index: &usize| !table.table.overlay.is_stream_content(*index);
        let column = table.columns.iter().copied().filter(plain).find(holds)?;
        let qualifier = annotation.qualifier.as_ref().map(|qualifier| format!("#{qualifier}")).unwrap_or_default();
        Some(BoundAnnotation { target, name: format!("{}{qualifier}", annotation.term), column })
    };
    let mut found: Vec<BoundAnnotation> = table.table.overlay.annotations.iter().filter_map(|one| of(None, one)).collect();
    for index in &query.select {
        let own = table.table.columns.get(*index).map(|column| column.annotations.as_slice()).unwrap_or_default();
        found.extend(own.iter().filter_map(|one| of(Some(*index), one)));
    }
    found
}
