//! Credentials: what is let in, what is refused, and that both say no more than they must.

use super::*;
use crate::config::SecretText;
use argon2::{Argon2, Params, PasswordHasher};
use std::time::Duration;

fn access() -> AccessFile {
    // Cheap parameters: the tests are about who gets in, not about how long it takes.
    let cheap = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, Params::new(64, 1, 1, None).unwrap());
    let hash = cheap.hash_password(b"p:a:ss").unwrap().to_string();
    let sha = |key: &str| Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    serde_json::from_value(serde_json::json!({
        "roles": { "sales": {}, "ops": {} }, "operators": ["ops"],
        "keys": {
            "app": { "sha256": sha("header-key"), "roles": ["sales"], "attributes": { "region": "EMEA" } },
            "feed": { "sha256": sha("query-key").to_uppercase(), "roles": ["ops"], "in": ["query"] }
        },
        "users": { "ann": { "argon2": hash, "roles": ["sales"] } }
    }))
    .unwrap()
}

async fn name_of(identities: &Identities, credentials: Credentials) -> Result<String, String> {
    identities.authenticate(credentials).await.map(|principal| principal.name.clone()).map_err(|error| error.message)
}

#[tokio::test]
async fn keys_are_accepted_where_they_may_be_used() {
    let identities = Identities::new(&access());
    assert_eq!(name_of(&identities, Credentials::HeaderKey("header-key".into())).await.unwrap(), "app");
    assert_eq!(name_of(&identities, Credentials::Bearer("header-key".into())).await.unwrap(), "app");
    assert_eq!(name_of(&identities, Credentials::QueryKey("query-key".into())).await.unwrap(), "feed");
    for wrong in
        [Credentials::QueryKey("header-key".into()), Credentials::HeaderKey("query-key".into()), Credentials::HeaderKey(String::new())]
    {
        assert!(name_of(&identities, wrong).await.is_err());
    }
    let app = identities.named("app").unwrap();
    assert_eq!(app.attributes["region"], Attribute::Text("EMEA".into()));
    assert!(!app.operator && identities.named("feed").unwrap().operator);
}

#[tokio::test]
async fn passwords_are_verified_and_remembered() {
    let identities = Identities::new(&access());
    let basic = |user: &str, password: &str| Credentials::Basic(user.to_owned(), password.to_owned());
    for _ in 0..2 {
        assert_eq!(name_of(&identities, basic("ann", "p:a:ss")).await.unwrap(), "ann");
    }
    let wrong_password = name_of(&identities, basic("ann", "p:a")).await.unwrap_err();
    let wrong_user = name_of(&identities, basic("bob", "p:a:ss")).await.unwrap_err();
    assert_eq!(wrong_password, wrong_user, "the message tells which users there are");
}

#[tokio::test]
async fn nobody_is_let_in_by_default() {
    let identities = Identities::new(&access());
    assert!(name_of(&identities, Credentials::Absent).await.is_err());
    let mut open = access();
    open.anonymous = serde_json::from_value(serde_json::json!({ "roles": ["sales"] })).unwrap();
    let identities = Identities::new(&open);
    assert_eq!(name_of(&identities, Credentials::Absent).await.unwrap(), "anonymous");
    // Wrong credentials are not the same as none.
    assert!(name_of(&identities, Credentials::Bearer("guess".into())).await.is_err());
}

#[test]
fn headers_are_read() {
    let basic = Credentials::from_authorization("basic YW5uOnA6YTpzcw==").ok().unwrap();
    assert!(matches!(basic, Credentials::Basic(user, password) if user == "ann" && password == "p:a:ss"));
    assert!(matches!(Credentials::from_authorization("Bearer  abc").ok().unwrap(), Credentials::Bearer(key) if key == "abc"));
    for wrong in ["Digest x", "Basic !!!", "Basic YW5u", "Bearer", "", "Basic /w=="] {
        assert!(Credentials::from_authorization(wrong).is_err(), "{wrong}");
    }
    assert!(Credentials::read(Some("a"), Some("Bearer b"), None).is_err());
    assert!(matches!(Credentials::read(None, None, None), Ok(Credentials::Absent)));
}

#[test]
fn tokens_are_signed_for_one_purpose_and_expire() {
    let tokens = Tokens::new(SecretText::new("0123456789abcdef"));
    let token = tokens.issue("ann", Duration::from_secs(60)).unwrap();
    assert!(Tokens::is_token(&token));
    assert_eq!(tokens.caller(&token).as_deref(), Some("ann"));
    assert_eq!(tokens.caller(&tokens.issue("ann", Duration::ZERO).unwrap()), None);
    assert_eq!(Tokens::new(SecretText::new("another key, as long")).caller(&token), None);
    let mut forged = token.clone();
    forged.replace_range(60..61, if &forged[60..61] == "A" { "B" } else { "A" });
    assert_eq!(tokens.caller(&forged), None);
    let sealed = tokens.seal("ticket", b"SELECT 1").unwrap();
    assert_eq!(tokens.open("ticket", &sealed), Some(b"SELECT 1".as_slice()));
    assert_eq!(tokens.open("bearer", &sealed), None);
}
