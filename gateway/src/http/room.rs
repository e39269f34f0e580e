//! How much a page may still hold where a client takes so many bytes at most, and where such a page ends. It must not know what rows are
//! written as.

use crate::error::{Code, RequestError};
use crate::http::profile;
use portico_catalog::Profile;
use portico_provider_api::Value;

/// The room that is left on a page.
pub struct Room {
    /// Bytes; none where a page has no limit.
    bytes: Option<usize>,
    /// Where the page would end if it ended before the current batch; kept only where it has a limit.
    last: Option<Vec<Value>>,
}

impl Room {
    /// For a page as the clients of a profile take it.
    pub fn of(profile: Profile) -> Room {
        Room { bytes: profile::page_bytes(profile), last: None }
    }

    /// Bytes that rows may take in a chunk that holds so many already.
    pub fn beside(&self, written: usize) -> usize {
        self.bytes.map_or(usize::MAX, |bytes| bytes.saturating_sub(written))
    }

    /// Notes that so many of the rows of a batch were written, which made a chunk of so many bytes. Says where the page ends if it ends
    /// among them; `position` says it of one row.
    ///
    /// # Errors
    /// `LimitExceeded` when a single entity is larger than a page; what `position` fails with.
    pub fn take(
        &mut self,
        (written, total): (usize, usize),
        bytes: usize,
        position: impl Fn(usize) -> Result<Vec<Value>, RequestError>,
    ) -> Result<Option<Vec<Value>>, RequestError> {
        if written < total {
            let end = match written.checked_sub(1) {
                Some(row) => Some(position(row)?),
                None => self.last.take(),
            };
            return end.map(Some).ok_or_else(|| {
                let message = "one entity alone is larger than a page may be for the clients of this service: select fewer properties";
                RequestError::new(Code::LimitExceeded, message)
            });
        }
        if let Some(room) = &mut self.bytes {
            *room = room.saturating_sub(bytes);
            // A page without a limit needs no position of its batches: the engine knows where it ends.
            self.last = total.checked_sub(1).map(position).transpose()?.or_else(|| self.last.take());
        }
        Ok(None)
    }
}
