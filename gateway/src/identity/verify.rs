//! Password verification: slow on purpose (Argon2id), so it runs on a blocking thread, a few at a time, and what was found right is
//! remembered for a minute. It must not know users' roles.

use crate::error::{Code, RequestError};
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier as _};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How long a verified password is remembered: a revoked one is good for no longer than this, and a restart forgets all.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Entries at most; above, the oldest go.
const CAPACITY: usize = 1024;
/// Verifications at the same time. Each takes memory and a core; guesses must not take them all.
const AT_ONCE: usize = 4;
/// Verified against when there is no such user, so that the time does not tell.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$MmDO8BNsLc3rkZ9b0YtvRZ+DFPcWtxkQpkW9gHkl8rE";

/// Verifies passwords.
pub(super) struct PasswordVerifier {
    /// When a pair of user and password (and hash) was last found right, by a SHA-256 over all three. Passwords are not kept.
    verified: RwLock<HashMap<[u8; 32], Instant>>,
    permits: Semaphore,
}

impl Default for PasswordVerifier {
    fn default() -> Self {
        PasswordVerifier { verified: RwLock::default(), permits: Semaphore::new(AT_ONCE) }
    }
}

impl PasswordVerifier {
    /// Whether the password fits the hash; without a hash (no such user) never, after the same time.
    pub(super) async fn verify(&self, user: &str, password: String, hash: Option<&str>) -> Result<bool, RequestError> {
        let digest = digest(user, &password, hash.unwrap_or(NOBODY));
        if self.remembered(&digest) {
            return Ok(true);
        }
        let unavailable = |_| RequestError::new(Code::NotReady, "the gateway is stopping");
        let _permit = self.permits.acquire().await.map_err(unavailable)?;
        let known = hash.is_some();
        let hash = hash.unwrap_or(NOBODY).to_owned();
        let fits = tokio::task::spawn_blocking(move || fits(&password, &hash))
            .await
            .map_err(|_| RequestError::new(Code::Internal, "the password could not be verified"))?;
        if fits && known {
            self.remember(digest);
        }
        Ok(fits && known)
    }

    fn remembered(&self, digest: &[u8; 32]) -> bool {
        let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        verified.get(digest).is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    fn remember(&self, digest: [u8; 32]) {
        let mut verified = self.verified.write().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= CAPACITY {
            verified.retain(|_, since| since.elapsed() < REMEMBERED);
        }
        if verified.len() >= CAPACITY
            && let Some(oldest) = verified.iter().min_by_key(|(_, since)| **since).map(|(digest, _)| *digest)
        {
            verified.remove(&oldest);
        }
        verified.insert(digest, Instant::now());
    }
}

fn fits(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// Each part with its length, so that no two triples are the same bytes.
fn digest(user: &str, password: &str, hash: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in [user, password, hash] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Equality in constant time.
pub(super) fn equal(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}
