//! The client profile of a service at work: requests are translated before they are bound, answers before they are written, and keys
//! whose GUIDs cannot be undone are remembered before such a GUID is sent. It must not know what is asked or how it is written.

use crate::error::{Code, RequestError};
use crate::http::call::Service;
use crate::startup::Gateway;
use crate::state::{Entry, StateError, StateStore};
use portico_catalog::profile::Published;
use portico_catalog::{ModelView, Profile, TableView};
use portico_engine::{EntityAnswer, EntityRows};
use portico_odata::guid_key::{KeyGuid, KeyPacking};
use portico_odata::header::Version;
use portico_odata::profile::{HashedKey, Remembered, Shown, Translation, native_body, native_request, published_key};
use portico_odata::syntax::Request;
use portico_odata::{EntityBatch, EntityShape, ODataError};
use portico_provider_api::Value;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Where keys are remembered. The value's first byte is the version of its form.
const NAMESPACE: &str = "guid-keys";
const VERSION: u8 = 1;
/// Views that are kept as published, so that a request need not make them.
const MAX_PUBLISHED: usize = 64;
/// Keys that this process knows to be remembered, so that they are not written again with every answer.
const MAX_KNOWN: usize = 200_000;

/// Most rows of a page for Salesforce.
const SALESFORCE_ROWS: u64 = 2_000;
/// Most bytes of a page for Salesforce, which takes 8 MB; what ends the page needs some of them.
const SALESFORCE_BYTES: usize = 8_000_000 - 64 * 1_024;

/// What profiles keep between requests.
#[derive(Default)]
pub struct Profiles {
    published: RwLock<Vec<Arc<Published>>>,
    known: Mutex<HashSet<KeyGuid>>,
}

impl Profiles {
    /// A view as its profile publishes it.
    pub fn published(&self, view: &Arc<ModelView>) -> Arc<Published> {
        let known = |kept: &[Arc<Published>]| kept.iter().find(|known| Arc::ptr_eq(&known.native, view)).cloned();
        if let Some(known) = known(&self.published.read().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let mut kept = self.published.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known(&kept) {
            return known;
        }
        let published = Arc::new(Published::of(Arc::clone(view)));
        if kept.len() == MAX_PUBLISHED {
            kept.remove(0);
        }
        kept.push(Arc::clone(&published));
        published
    }
}

/// The size of a page: what is configured and asked for, within what the client of the profile takes.
pub fn page_size(profile: Profile, configured: u64, asked: Option<u64>) -> u64 {
    let configured = match (profile, configured) {
        // Reports read whole tables, and a page would cost them a query more; they are streamed.
        (Profile::Powerbi, _) => 0,
        (Profile::Salesforce, 0) => SALESFORCE_ROWS,
        (Profile::Salesforce, configured) => configured.min(SALESFORCE_ROWS),
        (Profile::Standard | Profile::Dataverse, configured) => configured,
    };
    match (configured, asked) {
        (0, asked) => asked.unwrap_or(0),
        (configured, asked) => asked.map_or(configured, |asked| asked.min(configured)),
    }
}

/// Most bytes of a page; none where the client has no limit.
pub fn page_bytes(profile: Profile) -> Option<usize> {
    (profile == Profile::Salesforce).then_some(SALESFORCE_BYTES)
}

/// The version whose context URLs an answer has: Power Query reads those of 4.0 only, whatever version it is asked in.
pub fn context_version(profile: Profile, asked: Version) -> Version {
    if profile == Profile::Powerbi { Version::V4_0 } else { asked }
}

fn failed(error: &StateError) -> RequestError {
    RequestError::new(Code::Internal, format!("the keys behind GUIDs cannot be remembered: {error}"))
}

fn store_key(table: &str, guid: KeyGuid) -> Vec<u8> {
    format!("{table}\0{guid}").into_bytes()
}

fn stored_value(bytes: &[u8]) -> Option<Vec<Value>> {
    let (version, json) = bytes.split_first()?;
    (*version == VERSION).then(|| serde_json::from_slice(json).ok()).flatten()
}

/// Runs a translation as often as it comes upon GUIDs that must be looked up.
async fn with_keys<T>(store: &dyn StateStore, translate: impl Fn(&Remembered<'_>) -> Result<T, ODataError>) -> Result<T, RequestError> {
    let mut known: HashMap<(String, KeyGuid), Option<Vec<Value>>> = HashMap::new();
    loop {
        let outcome = {
            let missing = RefCell::new(Vec::new());
            let remembered = |packing: &KeyPacking, guid: KeyGuid| {
                let key = (packing.table().to_owned(), guid);
                let found = known.get(&key).cloned();
                if found.is_none() {
                    missing.borrow_mut().push(key);
                }
                found.flatten()
            };
            let translated = translate(&remembered);
            (translated, missing.into_inner())
        };
        let (translated, missing) = outcome;
        if missing.is_empty() {
            return Ok(translated?);
        }
        let keys = missing.iter().map(|(table, guid)| store_key(table, *guid)).collect();
        let values = store.get(NAMESPACE, keys).await.map_err(|error| failed(&error))?;
        let values = values.into_iter().map(|value| value.as_deref().and_then(stored_value));
        known.extend(missing.into_iter().zip(values));
    }
}

/// A request over the tables as they are, and what of them it asked to see.
///
/// # Errors
/// What cannot be translated; the state store's.
pub async fn request<'a>(gateway: &Gateway, service: &Service, request: &'a Request) -> Result<(Cow<'a, Request>, Shown), RequestError> {
    if !service.published.translates() {
        return Ok((Cow::Borrowed(request), Shown::default()));
    }
    let (request, shown) = with_keys(&*gateway.state, |remembered| native_request(request, &service.published, remembered)).await?;
    Ok((Cow::Owned(request), shown))
}

/// A body over the tables as they are; `key` is that of the entity to update.
///
/// # Errors
/// What cannot be translated; the state store's.
pub async fn body(
    gateway: &Gateway,
    service: &Service,
    table: &TableView,
    key: Option<&[Value]>,
    bytes: &[u8],
) -> Result<Vec<u8>, RequestError> {
    if !service.published.translates() {
        return Ok(bytes.to_vec());
    }
    with_keys(&*gateway.state, |remembered| native_body(bytes, &service.published, table, key, remembered)).await
}

/// The key of an entity as its clients know it. It is remembered, where that is needed.
///
/// # Errors
/// The state store's.
pub async fn key(gateway: &Gateway, service: &Service, entity_set: &str, key: &[Value]) -> Result<Vec<Value>, RequestError> {
    let (key, hashed) = published_key(&service.published, entity_set, key);
    remember(gateway, hashed.into_iter().collect()).await?;
    Ok(key)
}

/// Remembers keys. Only then may their GUIDs be sent.
async fn remember(gateway: &Gateway, mut keys: Vec<HashedKey>) -> Result<(), RequestError> {
    {
        let known = gateway.profiles.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = HashSet::new();
        keys.retain(|key| !known.contains(&key.guid) && seen.insert(key.guid));
    }
    if keys.is_empty() {
        return Ok(());
    }
    let mut entries = Vec::with_capacity(keys.len());
    for key in &keys {
        let mut value = vec![VERSION];
        let written = serde_json::to_writer(&mut value, &key.key);
        written.map_err(|_| RequestError::new(Code::Internal, "a key cannot be written down"))?;
        entries.push(Entry { key: store_key(&key.table, key.guid), value, lifetime: None });
    }
    gateway.state.put(NAMESPACE, entries).await.map_err(|error| failed(&error))?;
    let mut known = gateway.profiles.known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() + keys.len() > MAX_KNOWN {
        known.clear();
    }
    known.extend(keys.iter().map(|key| key.guid));
    Ok(())
}

/// Entities as they are published.
pub struct Rows {
    rows: EntityRows,
    translation: Option<Translation>,
    gateway: Arc<Gateway>,
}

impl Rows {
    /// An answer as it is published, and its count.
    pub fn of(gateway: &Arc<Gateway>, service: &Service, answer: EntityAnswer, shown: &Shown) -> (Arc<EntityShape>, Option<u64>, Rows) {
        let translation = service.published.translates().then(|| Translation::new(&answer.shape, &service.published, shown));
        let shape = translation.as_ref().map_or(answer.shape, |translation| Arc::new(translation.shape().clone()));
        (shape, answer.count, Rows { rows: answer.rows, translation, gateway: Arc::clone(gateway) })
    }

    /// The next batch; `None` at the end of the page. Its keys are remembered.
    pub async fn next(&mut self) -> Option<Result<EntityBatch, RequestError>> {
        let batch = match self.rows.next().await? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error.into())),
        };
        Some(match &self.translation {
            None => Ok(batch),
            Some(translation) => translated(&self.gateway, translation, &batch).await,
        })
    }

    /// After the end: where the page ended, when there are more entities.
    pub fn next_position(&self) -> Option<&[Value]> {
        self.rows.next_position()
    }

    /// Where a page ends that ends with a row of a batch, which must not be a translated one.
    ///
    /// # Errors
    /// A value that no continuation can hold.
    pub fn position_of(&self, batch: &EntityBatch, row: usize) -> Result<Vec<Value>, RequestError> {
        Ok(self.rows.position_of(batch, row)?)
    }
}

/// One batch as it is published. Its keys are remembered.
///
/// # Errors
/// A value that cannot be published; the state store's.
async fn translated(gateway: &Gateway, translation: &Translation, batch: &EntityBatch) -> Result<EntityBatch, RequestError> {
    let mut hashed = Vec::new();
    let batch = translation.batch(batch, &mut hashed).map_err(|error| RequestError::new(Code::DataError, error.to_string()))?;
    remember(gateway, hashed).await?;
    Ok(batch)
}

/// A written entity as it is published. Its keys are remembered.
///
/// # Errors
/// A value that cannot be published; the state store's.
pub async fn entity(
    gateway: &Gateway,
    service: &Service,
    (shape, batch): &(EntityShape, EntityBatch),
    shown: &Shown,
) -> Result<(EntityShape, EntityBatch), RequestError> {
    if !service.published.translates() {
        return Ok((shape.clone(), batch.clone()));
    }
    let translation = Translation::new(shape, &service.published, shown);
    let batch = translated(gateway, &translation, batch).await?;
    Ok((translation.shape().clone(), batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_as_large_as_the_client_takes() {
        use Profile::{Dataverse, Powerbi, Salesforce, Standard};
        for (profile, configured, asked, wanted) in [
            (Standard, 1_000, None, 1_000),
            (Standard, 1_000, Some(50), 50),
            (Standard, 0, Some(50), 50),
            (Dataverse, 5_000, Some(9_000), 5_000),
            (Salesforce, 0, None, 2_000),
            (Salesforce, 5_000, None, 2_000),
            (Salesforce, 500, Some(9_000), 500),
            (Powerbi, 1_000, None, 0),
            (Powerbi, 1_000, Some(3_000), 3_000),
        ] {
            assert_eq!(page_size(profile, configured, asked), wanted, "{profile:?} {configured} {asked:?}");
        }
    }
}
