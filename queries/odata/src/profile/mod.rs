//! Requests and answers of a service whose client profile publishes tables otherwise than they are: GUIDs for keys, wider types. A
//! request is rewritten, as a syntax tree, to one over the tables as they are, before it is bound: so everything behind the binder,
//! push-down included, sees native keys and columns. An answer is rewritten batch by batch before it is written. It does no IO: who
//! calls it remembers which key a hashed GUID stands for.

mod answer;
mod applied;
mod apply;
mod body;
mod dates;
mod expression;
mod guids;
mod lint;
mod path;
mod request;
#[cfg(test)]
mod tests;

pub use answer::{HashedKey, Translation};
pub(crate) use apply::TRANSFORMATIONS;
pub use body::native_body;
pub use lint::{Finding, lint};
pub use request::{Shown, native_request, published_read};

use crate::guid_key::{KeyGuid, KeyPacking, PackedKey};
use portico_catalog::profile::{GuidProperty, Published};
use portico_provider_api::Value;

/// Says which key a hashed GUID stands for, if that is remembered.
pub type Remembered<'a> = dyn Fn(&KeyPacking, KeyGuid) -> Option<Vec<Value>> + 'a;

/// How the keys that a property holds are packed.
fn packing(guid: &GuidProperty) -> KeyPacking {
    KeyPacking::new(&guid.table, guid.types.clone())
}

/// The key that a GUID stands for; `None` when it stands for none.
fn key_of(guid: &GuidProperty, text: &str, remembered: &Remembered<'_>) -> Option<Vec<Value>> {
    let packing = packing(guid);
    let guid = KeyGuid::parse(text)?;
    match packing.unpack(guid) {
        crate::guid_key::Unpacked::Key(key) => Some(key),
        // What is remembered is believed only if it is the key: the types of a table may have changed since.
        crate::guid_key::Unpacked::Hashed => {
            remembered(&packing, guid).filter(|key| packing.pack(key) == Some(PackedKey { guid, hashed: true }))
        }
        crate::guid_key::Unpacked::Nobody => None,
    }
}

/// The key of an entity as its clients know it, and what is to be remembered of it.
#[must_use]
pub fn published_key(published: &Published, entity_set: &str, key: &[Value]) -> (Vec<Value>, Option<HashedKey>) {
    let own = published.table(entity_set).and_then(|table| table.own_key());
    let packed = own.and_then(|own| Some((packing(own), packing(own).pack(key)?)));
    match packed {
        Some((packing, packed)) => {
            let hashed = packed.hashed.then(|| HashedKey { table: packing.table().to_owned(), guid: packed.guid, key: key.to_vec() });
            (vec![Value::Guid(packed.guid.to_string())], hashed)
        }
        None => (key.to_vec(), None),
    }
}
