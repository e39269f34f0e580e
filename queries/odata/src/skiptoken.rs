//! Continuations: signed, opaque, versioned tokens that say where a page ended. They hold keys and sort values of one row, so the
//! signature matters: nobody else can make one, and one is good for the query it was made for only. It knows no clock and no key store.

mod compact;

use crate::bound::RestRequest;
use crate::error::{ODataError, ODataErrorKind};
use crate::json::push_encoded;
use crate::syntax::Request;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use portico_provider_api::Value;
use sha2::{Digest, Sha256};

/// The first byte of a token; another one means a token of another release.
const VERSION: u8 = 2;
const SIGNATURE_BYTES: usize = 16;

/// Identifies what was asked, apart from where in it to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueryHash(pub [u8; 16]);

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkipToken {
    /// The query that is continued.
    pub query_hash: QueryHash,
    /// Sort values, then key values, of the last row of the page; nulls included.
    pub position: Vec<Value>,
    /// How many rows `$top` still allows; `None` without `$top`.
    pub remaining_top: Option<u64>,
    /// Rows returned so far, for limits over all pages.
    pub returned: u64,
    /// Rows to leave out after `position`, where rows are not told apart by it; 0 normally.
    pub skip: u64,
    /// Version of the model that the positions belong to.
    pub model_version: String,
}

impl SkipToken {
    /// The token as text that needs no escaping in a URL.
    ///
    /// # Errors
    /// A key that cannot sign; none that there is.
    pub fn encode(&self, key: &[u8]) -> Result<String, ODataError> {
        let body = compact::write(self);
        let mut token = Vec::with_capacity(body.len() + 1 + SIGNATURE_BYTES);
        token.push(VERSION);
        token.extend_from_slice(&signature(key, &body)?);
        token.extend_from_slice(&body);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Reads a token and checks that it was made here, for this query and this model.
    ///
    /// # Errors
    /// `BadRequest` when it was not made with this key; `Gone` when it belongs to another query, model or release.
    pub fn decode(text: &str, key: &[u8], query_hash: QueryHash, model_version: &str) -> Result<SkipToken, ODataError> {
        let forged = || ODataError::bad_request("the $skiptoken is not one that this service made").at("$skiptoken", Some(0));
        let gone = |why: &str| {
            ODataError::new(ODataErrorKind::Gone, format!("the $skiptoken {why}: start again from the first page"))
                .at("$skiptoken", Some(0))
        };
        let token = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| forged())?;
        let (version, rest) = token.split_first().ok_or_else(forged)?;
        if *version != VERSION {
            return Err(forged());
        }
        let (given, body) = rest.split_at_checked(SIGNATURE_BYTES).ok_or_else(forged)?;
        let mut mac = keyed(key)?;
        mac.update(&[VERSION]);
        mac.update(body);
        mac.verify_truncated_left(given).map_err(|_| forged())?;
        let token: SkipToken = compact::read(body).ok_or_else(|| gone("was made by another release"))?;
        if token.query_hash != query_hash {
            return Err(gone("belongs to another query"));
        }
        if token.model_version != model_version {
            return Err(gone("is out of date, because the published tables have changed since"));
        }
        Ok(token)
    }
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>, ODataError> {
    // HMAC takes keys of any length; the error exists for other constructions only.
    Hmac::<Sha256>::new_from_slice(key).map_err(|_| ODataError::bad_request("the continuation cannot be signed"))
}

fn signature(key: &[u8], body: &[u8]) -> Result<[u8; SIGNATURE_BYTES], ODataError> {
    let mut mac = keyed(key)?;
    mac.update(&[VERSION]);
    mac.update(body);
    let full = mac.finalize().into_bytes();
    let mut short = [0; SIGNATURE_BYTES];
    short.copy_from_slice(&full[..SIGNATURE_BYTES]);
    Ok(short)
}

/// The hash of a request's path and options. `$top`, `$skip` and `$skiptoken` (which a next link does not repeat), `$format` and custom
/// options are not part of it, because they change no rows, except those that are `parameters` of the functions in the path. Names are
/// canonical, so `filter` equals `$filter`.
pub fn query_hash(request: &Request, parameters: &[&str]) -> QueryHash {
    let mut hasher = Sha256::new();
    // Lengths make the concatenation unambiguous.
    let mut add = |name: &str, value: &str| {
        for text in [name, value] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
    };
    for (name, value) in &request.canonical {
        if !matches!(name.as_str(), "$top" | "$skip" | "$skiptoken" | "$format") {
            add(name, value);
        }
    }
    let mut implicit: Vec<_> = request.custom.iter().filter(|option| parameters.contains(&option.name.as_str())).collect();
    implicit.sort_by(|left, right| left.name.cmp(&right.name));
    for option in implicit {
        add(&option.name, option.value.as_deref().unwrap_or_default());
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize()[..16]);
    QueryHash(short)
}

/// The link to the next page: the request's own URL with all its options as written, except `$skip`, `$top` and `$skiptoken`,
/// which the token replaces.
pub fn next_link(original_url: &str, token: &str) -> String {
    let (base, query) = original_url.split_once('?').unwrap_or((original_url, ""));
    let mut link = String::with_capacity(original_url.len() + token.len() + 16);
    link.push_str(base);
    link.push('?');
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let name = option.split('=').next().unwrap_or_default().replace("%24", "$").to_ascii_lowercase();
        if matches!(name.strip_prefix('$').unwrap_or(&name), "skip" | "top" | "skiptoken") {
            continue;
        }
        link.push_str(option);
        link.push('&');
    }
    link.push_str("$skiptoken=");
    link.push_str(token);
    link
}

/// The path (below the service root) and query, percent-encoded, that ask for the children of one parent by themselves. `with` are
/// options of the whole request that they may refer to: parameter aliases; what the rest defines itself wins.
pub fn rest_request(parent: &str, rest: &RestRequest, with: &[(String, String)]) -> (String, String) {
    let own = |name: &str| rest.options.iter().any(|(option, _)| option == name);
    let others = with.iter().filter(|(name, _)| !own(name));
    let mut query = String::new();
    for (name, value) in rest.options.iter().chain(others) {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        push_encoded(value, &mut query);
    }
    let path: Vec<String> = rest.path.split('/').map(|step| if step.starts_with('$') { step.to_owned() } else { encoded(step) }).collect();
    (format!("{parent}/{}", path.join("/")), query)
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    push_encoded(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use portico_provider_api::ScalarType;
    use proptest::prelude::*;

    fn hash(url: &str) -> QueryHash {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        query_hash(&parse::request(path, Some(query)).unwrap(), &[])
    }

    fn token(url: &str) -> SkipToken {
        SkipToken {
            query_hash: hash(url),
            position: vec![Value::Null(ScalarType::Text), Value::text("a'ö"), Value::float64(f64::NAN), Value::Int64(i64::MIN)],
            remaining_top: Some(7),
            returned: 93,
            skip: 0,
            model_version: "m1".to_owned(),
        }
    }

    #[test]
    fn tokens_come_back_whole_and_only_whole() {
        let token = token("Orders?$filter=a eq 1");
        let text = token.encode(b"key").unwrap();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        assert_eq!(SkipToken::decode(&text, b"key", token.query_hash, "m1").unwrap(), token);
        let refused = |text: &str, key: &[u8], hash, version| SkipToken::decode(text, key, hash, version).unwrap_err();
        let kind = |text: &str, key: &[u8], hash, version| refused(text, key, hash, version).kind;
        assert_eq!(kind(&text, b"other", token.query_hash, "m1"), ODataErrorKind::BadRequest);
        assert_eq!(kind(&text, b"key", hash("Orders?$filter=a eq 2"), "m1"), ODataErrorKind::Gone);
        assert_eq!(kind(&text, b"key", token.query_hash, "m2"), ODataErrorKind::Gone);
        for bad in ["", "x", "AQ", "****", &text[..text.len() - 3], &format!("{text}AAAA")] {
            let error = refused(bad, b"key", token.query_hash, "m1");
            assert_eq!((error.kind, error.target.as_deref()), (ODataErrorKind::BadRequest, Some("$skiptoken")), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_token_is_refused(index in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let token = token("Orders");
            let mut bytes = URL_SAFE_NO_PAD.decode(token.encode(b"key").unwrap()).unwrap();
            let at = index.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let error = SkipToken::decode(&URL_SAFE_NO_PAD.encode(bytes), b"key", token.query_hash, "m1").unwrap_err();
            prop_assert_eq!(error.kind, ODataErrorKind::BadRequest);
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let decimal = (any::<i128>(), 0..128_u32, 1..=76_u8, -3..=76_i8).prop_map(|(unscaled, shift, precision, scale)| {
            let unscaled = arrow::datatypes::i256::from_i128(unscaled >> shift);
            Value::Decimal { unscaled, precision, scale }
        });
        let null = prop_oneof![
            Just(ScalarType::Text),
            Just(ScalarType::Guid),
            Just(ScalarType::Decimal { precision: 13, scale: 2 }),
            Just(ScalarType::TimestampTz)
        ];
        prop_oneof![
            null.prop_map(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i16>().prop_map(Value::Int16),
            any::<i32>().prop_map(Value::Int32),
            (any::<i64>(), 0..64_u32).prop_map(|(value, shift)| Value::Int64(value >> shift)),
            any::<f64>().prop_map(Value::float64),
            any::<f32>().prop_map(|value| Value::Float32(portico_provider_api::value::Float(value.into()))),
            decimal,
            any::<String>().prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Binary),
            any::<i32>().prop_map(Value::Date),
            any::<i64>().prop_map(Value::Time),
            any::<i64>().prop_map(Value::Timestamp),
            any::<i64>().prop_map(Value::TimestampTz),
            "[0-9a-f]{8}".prop_map(Value::Guid),
            any::<String>().prop_map(Value::Json),
        ]
    }

    proptest! {
        #[test]
        fn every_position_comes_back(
            position in prop::collection::vec(value(), 0..6), remaining_top in any::<Option<u64>>(), returned in any::<u64>(), skip in any::<u64>(),
        ) {
            let token = SkipToken { position, remaining_top, returned, skip, ..token("Orders") };
            let text = token.encode(b"key").unwrap();
            prop_assert_eq!(SkipToken::decode(&text, b"key", token.query_hash, "m1").unwrap(), token);
        }

        #[test]
        fn random_bytes_are_no_token_and_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = compact::read(&bytes);
        }
    }

    #[test]
    fn extremes_come_back() {
        let digits = |text: &str| arrow::datatypes::i256::from_string(text).unwrap();
        let decimal = |unscaled| Value::Decimal { unscaled, precision: 76, scale: 10 };
        let position = vec![
            decimal(digits(&"9".repeat(76))),
            decimal(digits(&format!("-{}", "9".repeat(76)))),
            decimal(digits("0")),
            decimal(digits("-1")),
            decimal(digits("128")),
            decimal(digits("-129")),
            Value::Time(i64::MIN),
            Value::Int64(i64::MAX),
        ];
        let token = SkipToken { position, remaining_top: Some(u64::MAX), returned: u64::MAX, skip: u64::MAX, ..token("Orders") };
        let text = token.encode(b"key").unwrap();
        assert_eq!(SkipToken::decode(&text, b"key", token.query_hash, "m1").unwrap(), token);
    }

    /// Tokens stand in URLs, of which some clients send no more than 2,000 characters: a few values must leave room for the query, and long
    /// ones must cost no more than base64 does.
    #[test]
    fn tokens_are_short() {
        let of = |position| SkipToken { position, remaining_top: None, ..token("Orders") }.encode(b"key").unwrap().len();
        assert!(of(vec![Value::Int64(1_234_567)]) < 70);
        assert!(
            of(vec![
                Value::text("ALFKI"),
                Value::Guid("3f2504e0-4f89-11d3-9a0c-0305e82c3301".into()),
                Value::TimestampTz(1_785_542_400_123_000)
            ]) < 140
        );
        for length in [100, 1_000, 4_000] {
            let text = |c: &str| of(vec![Value::text(c.repeat(length))]);
            assert!(text("x") < length * 4 / 3 + 80, "{length}");
            assert_eq!(text("\u{1}"), text("x"), "what JSON would escape costs no more");
        }
    }

    #[test]
    fn the_hash_is_that_of_the_question() {
        let same = [
            "Orders?$filter=a eq 1&$count=true",
            "Orders?count=true&%24filter=a+eq+1",
            "/Orders?$filter=a%20eq%201&$count=true&$top=5&$skip=2&$skiptoken=x&custom=1&$format=json",
        ];
        let other = [
            "Orders?$filter=a eq 1",
            "Orders(1)?$filter=a eq 1&$count=true",
            "Orders?$filter=a eq 1&$count=false",
            "Orders?$filter=a eq 1&$count=true&$select=a",
            "Orders?$filter=a eq 1&$count=true&@p=1",
        ];
        for url in same {
            assert_eq!(hash(url), hash(same[0]), "{url}");
        }
        for url in other {
            assert_ne!(hash(url), hash(same[0]), "{url}");
        }
    }

    #[test]
    fn next_links_keep_everything_but_paging() {
        let link = next_link("https://x/odata/Orders?$filter=a%20eq%20'%26'&$top=5&SKIP=3&api-key=k&%24skiptoken=old&$select=a", "TOKEN");
        assert_eq!(link, "https://x/odata/Orders?$filter=a%20eq%20'%26'&api-key=k&$select=a&$skiptoken=TOKEN");
        assert_eq!(next_link("https://x/Orders", "T"), "https://x/Orders?$skiptoken=T");
        let (path, query) = link.split_once('?').map(|(base, query)| (base.rsplit('/').next().unwrap(), query)).unwrap();
        let original = parse::request("Orders", Some("$filter=a%20eq%20'%26'&$top=5&SKIP=3&$select=a")).unwrap();
        assert_eq!(query_hash(&parse::request(path, Some(query)).unwrap(), &[]), query_hash(&original, &[]));
    }

    #[test]
    fn parameters_of_functions_that_are_options_belong_to_the_question() {
        let hash = |query: &str| query_hash(&parse::request("Rich", Some(query)).unwrap(), &["least", "Region"]);
        assert_ne!(hash("least=1"), hash("least=2"));
        assert_ne!(hash("least=1"), hash("least=1&Region='x'"));
        assert_eq!(hash("least=1&Region='x'&$top=3"), hash("Region='x'&other=5&least=1"));
    }
}
