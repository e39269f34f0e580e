//! Credentials → [`Principal`]. Deny by default: without a configured way in nobody gets one. It must not know which door the
//! credentials came through, and nothing in it prints them.

mod token;
mod verify;

pub use token::Tokens;

use crate::config::file::{AccessFile, AnonymousFile, KeyPlace};
use crate::error::{Code, RequestError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portico_engine::{Attribute, Principal};
use portico_provider_api::CallerToken;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use verify::PasswordVerifier;

/// The header that carries an API key.
pub const KEY_HEADER: &str = "x-api-key";
/// The query parameter that carries an API key, where the key may be used so. It is taken out of the URL before anything reads or
/// logs it.
pub const KEY_PARAMETER: &str = "api_key";

/// What a caller presents. No debug form: it holds secrets.
pub enum Credentials {
    /// Nothing.
    Absent,
    /// An API key in a header.
    HeaderKey(String),
    /// An API key in the URL.
    QueryKey(String),
    /// A user and a password.
    Basic(String, String),
    /// `Authorization: Bearer`: an API key, or a token from a Flight handshake.
    Bearer(String),
}

impl Credentials {
    /// Reads what a request carries: the values of `X-Api-Key` and `Authorization`, and of the query parameter.
    ///
    /// # Errors
    /// `Unauthenticated` when there are several, or one is malformed.
    pub fn read(key_header: Option<&str>, authorization: Option<&str>, key_parameter: Option<String>) -> Result<Credentials, RequestError> {
        let given = [key_header.is_some(), authorization.is_some(), key_parameter.is_some()].into_iter().filter(|given| *given).count();
        if given > 1 {
            return Err(refused("the request carries credentials in several places: send one"));
        }
        if let Some(key) = key_parameter {
            return Ok(Credentials::QueryKey(key));
        }
        if let Some(key) = key_header {
            return Ok(Credentials::HeaderKey(key.trim().to_owned()));
        }
        authorization.map_or(Ok(Credentials::Absent), Credentials::from_authorization)
    }

    /// The bearer token, for sources that know callers by it.
    pub fn token(&self) -> Option<CallerToken> {
        match self {
            Credentials::Bearer(token) => Some(CallerToken::new(token)),
            Credentials::Absent | Credentials::HeaderKey(_) | Credentials::QueryKey(_) | Credentials::Basic(..) => None,
        }
    }

    /// Reads an `Authorization` header.
    ///
    /// # Errors
    /// `Unauthenticated` when it is malformed or of another scheme.
    pub fn from_authorization(text: &str) -> Result<Credentials, RequestError> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
            return Ok(Credentials::Bearer(rest.to_owned()));
        }
        if scheme.eq_ignore_ascii_case("basic") {
            let malformed = || refused("the Authorization header is malformed: Basic takes base64 of user:password");
            let decoded = STANDARD.decode(rest).map_err(|_| malformed())?;
            let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
            let (user, password) = decoded.split_once(':').ok_or_else(malformed)?;
            return Ok(Credentials::Basic(user.to_owned(), password.to_owned()));
        }
        Err(refused("the Authorization header is not understood: send Basic or Bearer"))
    }
}

/// Who there is.
pub struct Identities {
    keys: Vec<Key>,
    users: BTreeMap<String, User>,
    anonymous: Option<Arc<Principal>>,
    verifier: PasswordVerifier,
}

struct Key {
    sha256: [u8; 32],
    header: bool,
    query: bool,
    principal: Arc<Principal>,
}

struct User {
    argon2: String,
    principal: Arc<Principal>,
}

fn refused(message: &str) -> RequestError {
    RequestError::new(Code::Unauthenticated, message)
}

impl Identities {
    /// Everybody in the configuration, which has been checked.
    pub fn new(access: &AccessFile) -> Identities {
        let principal = |name: &str, roles: &[String], attributes: &BTreeMap<String, Attribute>| {
            let operator = roles.iter().any(|role| access.operators.contains(role));
            Arc::new(Principal { name: name.to_owned(), roles: roles.to_vec(), attributes: attributes.clone(), operator })
        };
        let keys = access
            .keys
            .iter()
            .filter_map(|(name, key)| {
                let places = key.places.as_deref().unwrap_or(&[KeyPlace::Header]);
                Some(Key {
                    sha256: hexadecimal(&key.sha256)?,
                    header: places.contains(&KeyPlace::Header),
                    query: places.contains(&KeyPlace::Query),
                    principal: principal(name, &key.roles, &key.attributes),
                })
            })
            .collect();
        let users = access
            .users
            .iter()
            .map(|(name, user)| {
                (name.clone(), User { argon2: user.argon2.clone(), principal: principal(name, &user.roles, &user.attributes) })
            })
            .collect();
        let anonymous = match &access.anonymous {
            AnonymousFile::Nobody(_) => None,
            AnonymousFile::Roles(anonymous) => Some(principal("anonymous", &anonymous.roles, &anonymous.attributes)),
        };
        Identities { keys, users, anonymous, verifier: PasswordVerifier::default() }
    }

    /// Who presents these credentials. Wrong ones are refused even where callers without any are let in.
    ///
    /// # Errors
    /// `Unauthenticated`; the message never says which part was wrong.
    pub async fn authenticate(&self, credentials: Credentials) -> Result<Arc<Principal>, RequestError> {
        match credentials {
            Credentials::Absent => self.anonymous.clone().ok_or_else(|| refused("credentials are required")),
            Credentials::HeaderKey(key) | Credentials::Bearer(key) => self.by_key(&key, |known| known.header),
            Credentials::QueryKey(key) => self.by_key(&key, |known| known.query),
            Credentials::Basic(user, password) => self.by_password(&user, password).await,
        }
    }

    /// Every configured key is compared, each in constant time, so that the time says nothing about how near a guess was.
    fn by_key(&self, key: &str, allowed: impl Fn(&Key) -> bool) -> Result<Arc<Principal>, RequestError> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut found = None;
        for known in &self.keys {
            if verify::equal(&known.sha256, &hash) && allowed(known) {
                found = Some(&known.principal);
            }
        }
        found.cloned().ok_or_else(|| refused("the key is not accepted"))
    }

    async fn by_password(&self, name: &str, password: String) -> Result<Arc<Principal>, RequestError> {
        let user = self.users.get(name);
        let good = self.verifier.verify(name, password, user.map(|user| user.argon2.as_str())).await?;
        match user {
            Some(user) if good => Ok(Arc::clone(&user.principal)),
            _ => Err(refused("the user name or the password is wrong")),
        }
    }

    /// The caller of that name: for tokens, and for `explain --as`.
    pub fn named(&self, name: &str) -> Option<Arc<Principal>> {
        let key = self.keys.iter().map(|key| &key.principal).find(|principal| principal.name == name);
        let anonymous = self.anonymous.as_ref().filter(|principal| principal.name == name);
        key.or_else(|| self.users.get(name).map(|user| &user.principal)).or(anonymous).cloned()
    }

    /// All names, for suggestions.
    pub fn names(&self) -> Vec<&str> {
        let keys = self.keys.iter().map(|key| key.principal.name.as_str());
        keys.chain(self.users.keys().map(String::as_str)).chain(self.anonymous.as_ref().map(|principal| principal.name.as_str())).collect()
    }
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
