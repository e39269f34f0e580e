//! Reading a large table in parts: by the pages on which PostgreSQL keeps its rows. It must not know how many parts there are, nor who
//! reads them.

use crate::dialect::{Dialect, Family};
use crate::expr::unsupported;
use portico_provider_api::walk::visit_subqueries;
use portico_provider_api::{Expr, Relation, SourceQuery, Unsupported};

/// Pages of a table, counted from 0: from `first` up to, but not including, `end`; without an end all that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRange {
    /// The first page.
    pub first: u32,
    /// The first page that is not read any more.
    pub end: Option<u32>,
}

impl PageRange {
    /// A table of so many pages in ranges of about the same length, at most so many. The last has no end: pages that were added meanwhile
    /// hold nothing that the snapshot sees, but no row can be missed.
    pub fn split(pages: u32, ranges: u32) -> Vec<PageRange> {
        let length = pages.div_ceil(ranges.max(1)).max(1);
        let firsts = (0..pages.max(1)).step_by(length as usize);
        firsts.map(|first| PageRange { first, end: first.checked_add(length).filter(|end| *end < pages) }).collect()
    }

    /// The condition on the rows of the table with that alias. The server finds the pages by it, and reads no others.
    pub(crate) fn condition(self, alias: &str) -> Result<String, Unsupported> {
        if alias.is_empty() {
            return Err(unsupported("pages of something that is not one table"));
        }
        let PageRange { first, end } = self;
        let from = format!("{alias}.ctid >= '({first},0)'::tid");
        Ok(match end {
            Some(end) => format!("{from} AND {alias}.ctid < '({end},0)'::tid"),
            None => from,
        })
    }
}

/// Whether reading parts of its table one by one gives the rows of the query: it reads one table, and what becomes of a row depends on that
/// row alone, wherever it stands.
pub fn is_split_by_pages(query: &SourceQuery, dialect: &Dialect) -> bool {
    let SourceQuery { from, filter: _, keys, aggregate, output: _, distinct, order_by, limit, offset, limit_per } = query;
    let counted = limit.is_some() || *offset > 0 || limit_per.is_some();
    let whole = keys.is_none() && aggregate.is_none() && !distinct && order_by.is_empty() && !counted;
    let mut nested = false;
    for expression in query.expressions() {
        visit_subqueries(expression, &mut |_| nested = true);
    }
    whole && !nested && !has_window(query) && matches!(from, Relation::Table(_)) && dialect.family == Family::Postgres
}

fn has_window(query: &SourceQuery) -> bool {
    fn any(expression: &Expr) -> bool {
        matches!(expression, Expr::Window { .. }) || expression.children().into_iter().any(any)
    }
    query.expressions().into_iter().any(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_page_once() {
        for pages in [0, 1, 2, 7, 8, 1000, u32::MAX - 1] {
            for ranges in [0, 1, 3, 8, 64] {
                let split = PageRange::split(pages, ranges);
                assert_eq!(split[0].first, 0);
                assert!(split.len() <= ranges.max(1) as usize, "{pages} in {ranges}");
                assert_eq!(split[split.len() - 1].end, None);
                for pair in split.windows(2) {
                    assert_eq!(pair[0].end, Some(pair[1].first));
                    assert!(pair[0].first < pair[1].first);
                }
            }
        }
    }
}
