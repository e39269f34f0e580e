//! Sessions at a source: its cookies, and its token against forged requests. A session belongs to who asks. It must not know what is asked.

use reqwest::Url;
use reqwest::cookie::{CookieStore, Jar};
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions that are kept at once. Beyond that, the one that was not used for longest is forgotten.
const MOST: usize = 256;

/// The sessions of one source.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// The one used last stands last. The key is a digest: tokens of callers do not rest here.
    open: Mutex<Vec<([u8; 32], Arc<Session>)>>,
}

/// One session.
#[derive(Debug, Default)]
pub(crate) struct Session {
    cookies: Jar,
    /// The token against forged requests. Whoever finds none holds the lock while it fetches one.
    pub(crate) csrf: tokio::sync::Mutex<Option<HeaderValue>>,
}

impl Sessions {
    /// The session of who asks.
    pub(crate) fn of(&self, who: &str) -> Arc<Session> {
        let key: [u8; 32] = Sha256::digest(who.as_bytes()).into();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match open.iter().position(|(known, _)| *known == key) {
            Some(at) => open.remove(at).1,
            None => Arc::default(),
        };
        if open.len() >= MOST {
            open.remove(0);
        }
        open.push((key, Arc::clone(&session)));
        session
    }

    /// Forgets a session that the source no longer knows, unless that has been done already.
    pub(crate) fn forget(&self, session: &Arc<Session>) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, open)| !Arc::ptr_eq(open, session));
    }
}

impl Session {
    /// The cookies that go to a URL.
    pub(crate) fn cookies(&self, url: &Url) -> Option<HeaderValue> {
        let mut value = self.cookies.cookies(url)?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Keeps the cookies that came from a URL.
    pub(crate) fn keep(&self, headers: &HeaderMap, url: &Url) {
        self.cookies.set_cookies(&mut headers.get_all(SET_COOKIE).iter(), url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_do_not_meet_in_one_session() {
        let sessions = Sessions::default();
        let url = Url::parse("https://h/").unwrap();
        let headers: HeaderMap = [(SET_COOKIE, HeaderValue::from_static("s=ann; Path=/; HttpOnly"))].into_iter().collect();
        sessions.of("ann").keep(&headers, &url);
        assert_eq!(sessions.of("ann").cookies(&url).unwrap(), "s=ann");
        assert_eq!(sessions.of("bob").cookies(&url), None);
        assert_eq!(sessions.of("ann").cookies(&Url::parse("https://other/").unwrap()), None);
        sessions.forget(&sessions.of("ann"));
        assert_eq!(sessions.of("ann").cookies(&url), None);
    }

    #[test]
    fn the_oldest_session_goes_first() {
        let sessions = Sessions::default();
        let first = sessions.of("0");
        for who in 1..MOST {
            sessions.of(&who.to_string());
        }
        assert!(Arc::ptr_eq(&first, &sessions.of("0")));
        let second = sessions.of("1");
        for who in 0..MOST - 1 {
            sessions.of(&format!("new {who}"));
        }
        assert!(Arc::ptr_eq(&second, &sessions.of("1")));
        assert!(!Arc::ptr_eq(&first, &sessions.of("0")));
    }
}
