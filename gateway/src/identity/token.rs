//! Signed texts that clients bring back: Flight bearer tokens, statement tickets and prepared-statement handles. A signature binds a
//! text to its purpose, so that a ticket is no token. It must not know what a text says.

use crate::config::SecretText;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SIGNATURE_BYTES: usize = 32;
/// The first characters of a bearer token, so that one is told from an API key.
const TOKEN_PREFIX: &str = "pt1.";

/// Signs and verifies.
#[derive(Clone)]
pub struct Tokens {
    key: SecretText,
}

impl Tokens {
    /// With the gateway's key.
    pub fn new(key: SecretText) -> Tokens {
        Tokens { key }
    }

    fn mac(&self, purpose: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.reveal().as_bytes()).ok()?;
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose.as_bytes());
        Some(mac)
    }

    /// The content with a signature before it; `None` only if the key cannot be used.
    pub fn seal(&self, purpose: &str, content: &[u8]) -> Option<Vec<u8>> {
        let mut mac = self.mac(purpose)?;
        mac.update(content);
        let mut sealed = mac.finalize().into_bytes().to_vec();
        sealed.extend_from_slice(content);
        Some(sealed)
    }

    /// The content of what was sealed here for this purpose.
    pub fn open<'a>(&self, purpose: &str, sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (signature, content) = sealed.split_at_checked(SIGNATURE_BYTES)?;
        let mut mac = self.mac(purpose)?;
        mac.update(content);
        mac.verify_slice(signature).ok().map(|()| content)
    }

    /// A bearer token that names a caller, good for this long.
    pub fn issue(&self, caller: &str, lifetime: Duration) -> Option<String> {
        let expiry = SystemTime::now().checked_add(lifetime)?.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let sealed = self.seal("bearer", format!("{expiry}:{caller}").as_bytes())?;
        Some(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// The caller that a token names. `None` when it is not ours, or no longer good.
    pub fn caller(&self, token: &str) -> Option<String> {
        let sealed = URL_SAFE_NO_PAD.decode(token.strip_prefix(TOKEN_PREFIX)?).ok()?;
        let content = std::str::from_utf8(self.open("bearer", &sealed)?).ok()?;
        let (expiry, caller) = content.split_once(':')?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        (now < expiry.parse::<u64>().ok()?).then(|| caller.to_owned())
    }

    /// Whether a bearer text looks like a token rather than an API key.
    pub fn is_token(text: &str) -> bool {
        text.starts_with(TOKEN_PREFIX)
    }
}
