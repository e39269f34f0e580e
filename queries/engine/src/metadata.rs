//! `$metadata` documents, kept as they were written: making one for many tables takes long enough to be noticed. It must not know how
//! they are asked for.

use crate::error::EngineError;
use portico_catalog::ModelView;
use portico_odata::metadata::{self, MetadataFormat};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of documents that are kept; beyond, all are forgotten and made again.
const MOST_BYTES: usize = 64 << 20;

/// A written document.
#[derive(Debug, PartialEq, Eq)]
pub struct MetadataDocument {
    /// The document.
    pub body: Vec<u8>,
    /// Its entity tag, quotes included.
    pub etag: String,
}

impl MetadataDocument {
    /// A document with the tag of its bytes.
    pub fn of(body: Vec<u8>) -> MetadataDocument {
        let hash: String = Sha256::digest(&body).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        MetadataDocument { body, etag: format!("\"{hash}\"") }
    }
}

impl AsRef<[u8]> for MetadataDocument {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Whose view of which service: roles and service.
type Owner = (Vec<String>, String);
/// A document of an owner: its form, and the language of its labels.
type Form = (Owner, MetadataFormat, Option<String>);

/// The documents of one model.
#[derive(Default)]
pub struct MetadataCache {
    documents: Mutex<HashMap<Form, Arc<MetadataDocument>>>,
    languages: Mutex<HashMap<Owner, Arc<Vec<String>>>>,
}

impl MetadataCache {
    /// The document of a view in a form. Two callers that come at once may both make it.
    ///
    /// # Errors
    /// `Invalid`, which no view causes.
    pub fn document(
        &self,
        view: &ModelView,
        roles: &[String],
        format: MetadataFormat,
        language: Option<&str>,
    ) -> Result<Arc<MetadataDocument>, EngineError> {
        let key = ((roles.to_vec(), view.service.clone()), format, language.map(str::to_owned));
        let kept = self.documents.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(document) = kept {
            return Ok(document);
        }
        let body = metadata::document(view, format, language).map_err(|error| EngineError::Internal(error.message))?;
        let document = Arc::new(MetadataDocument::of(body));
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = documents.values().map(|document| document.body.len()).sum();
        if kept + document.body.len() > MOST_BYTES {
            documents.clear();
        }
        documents.insert(key, Arc::clone(&document));
        Ok(document)
    }

    /// The languages that labels of a view are in.
    pub fn languages(&self, view: &ModelView, roles: &[String]) -> Arc<Vec<String>> {
        let key = (roles.to_vec(), view.service.clone());
        let kept = self.languages.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        kept.unwrap_or_else(|| {
            let languages = Arc::new(metadata::languages(view).into_iter().map(str::to_owned).collect::<Vec<_>>());
            let mut all = self.languages.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= crate::snapshot::MOST_REMEMBERED {
                all.clear();
            }
            all.insert(key, Arc::clone(&languages));
            languages
        })
    }
}
