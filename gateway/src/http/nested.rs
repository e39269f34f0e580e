//! Pages of expanded relationships: how many entities one parent shows, and the link to the rest of them, which asks for them by themselves
//! and goes on after the last one. It must not know how entities are fetched or written.

use crate::config::SecretText;
use crate::error::{Code, RequestError};
use crate::http::call::Service;
use portico_odata::json::{EntityLinks, entity_links, entity_paths};
use portico_odata::skiptoken::{SkipToken, next_link, query_hash, rest_request};
use portico_odata::syntax::Request;
use portico_odata::{BoundExpand, BoundQuery, EntityBatch, EntityShape, ExpandForm, parse};
use portico_provider_api::Value;
use std::collections::BTreeMap;

/// Limits every expanded collection of a query to so many entities per parent.
pub fn limit(query: &mut BoundQuery, page: u64) {
    for expand in &mut query.expand {
        if expand.many && expand.made.is_none() && expand.form != ExpandForm::Count {
            expand.page = page;
        }
        limit(&mut expand.query, page);
    }
}

/// What links to the rest are made of.
#[derive(Clone)]
pub struct RestLinks {
    query: BoundQuery,
    root: String,
    links: BTreeMap<String, EntityLinks>,
    /// The parameter aliases of the request.
    aliases: Vec<(String, String)>,
    key: SecretText,
    model_version: String,
}

impl RestLinks {
    /// Those of a request; nothing when none of its expanded relationships has pages.
    pub fn new(service: &Service, request: &Request, query: &BoundQuery, key: &SecretText) -> Option<RestLinks> {
        fn paged(query: &BoundQuery) -> bool {
            query.expand.iter().any(|expand| expand.page > 0 || paged(&expand.query))
        }
        paged(query).then(|| RestLinks {
            query: query.clone(),
            root: service.root.clone(),
            links: entity_links(&service.published.view),
            aliases: request.canonical.iter().filter(|(name, _)| name.starts_with('@')).cloned().collect(),
            key: key.clone(),
            model_version: service.view.version.clone(),
        })
    }

    /// Adds the links to a batch, on every level.
    ///
    /// # Errors
    /// Entities whose key is not known, which there are none of.
    pub fn add(&self, shape: &EntityShape, batch: &mut EntityBatch) -> Result<(), RequestError> {
        self.level(&self.query, shape, batch)
    }

    fn level(&self, query: &BoundQuery, shape: &EntityShape, batch: &mut EntityBatch) -> Result<(), RequestError> {
        let mut parents = None;
        for ((expand, children), below) in query.expand.iter().zip(&mut batch.expanded).zip(&shape.expands) {
            if let Some(ends) = children.ends.take().filter(|ends| ends.iter().any(Option::is_some)) {
                if parents.is_none() {
                    let paths = entity_paths(shape, &batch.rows, &self.links);
                    parents = Some(paths.map_err(|error| RequestError::new(Code::Internal, error.to_string()))?);
                }
                let paths = parents.iter().flatten();
                let links = paths
                    .zip(&ends)
                    .zip(&children.ranges)
                    .map(|((parent, end), shown)| end.as_ref().map(|end| self.link(parent, expand, end, shown.len() as u64)).transpose());
                children.next_links = Some(links.collect::<Result<_, _>>()?);
            }
            self.level(&expand.query, &below.shape, &mut children.entities)?;
        }
        Ok(())
    }

    fn link(&self, parent: &str, expand: &BoundExpand, end: &[Value], shown: u64) -> Result<String, RequestError> {
        let (path, query) = rest_request(parent, &expand.rest, &self.aliases);
        let request = parse::request(&path, Some(&query))?;
        let token = SkipToken {
            query_hash: query_hash(&request, &[]),
            position: end.to_vec(),
            remaining_top: expand.query.top.map(|top| top.saturating_sub(shown)),
            returned: shown,
            skip: 0,
            model_version: self.model_version.clone(),
        };
        let url = format!("{}/{path}?{query}", self.root.trim_end_matches('/'));
        Ok(next_link(&url, &token.encode(self.key.reveal().as_bytes())?))
    }
}
