//! Settings of a kind, its own and those that it shares, read from one object; and the schema of both. A mistake is told by its place, never by
//! a value that may be a secret. It must not know what the settings do.

use super::WebConfig;
use portico_provider_api::{ConnectContext, SourceError, SourceErrorKind};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads the settings of a kind: those shared, and its own as `K`.
///
/// # Errors
/// Names the place of what is unknown, missing or of the wrong kind.
pub fn read<K: DeserializeOwned + JsonSchema>(config: Value, context: &ConnectContext) -> Result<(WebConfig, K), SourceError> {
    let invalid = |message: String| SourceError::new(&context.source_name, SourceErrorKind::Unsupported, message);
    let Value::Object(settings) = config else { return Err(invalid("the settings must be an object".to_owned())) };
    let (shared_names, own_names) = (properties::<WebConfig>(), properties::<K>());
    if let Some(unknown) = settings.keys().find(|key| !shared_names.contains(key) && !own_names.contains(key)) {
        let known: Vec<String> = shared_names.iter().chain(&own_names).map(|name| format!("'{name}'")).collect();
        return Err(invalid(format!("the settings are not valid: there is no '{unknown}', only {}", known.join(", "))));
    }
    let (own, shared): (Map<String, Value>, Map<String, Value>) = settings.into_iter().partition(|(key, _)| own_names.contains(key));
    let shared: WebConfig = typed(shared).map_err(invalid)?;
    checked(&shared).map_err(|message| invalid(message.to_owned()))?;
    Ok((shared, typed(own).map_err(invalid)?))
}

/// The JSON Schema of a kind's settings: those shared, and its own.
pub fn schema<K: JsonSchema>() -> Value {
    let mut whole = of::<WebConfig>();
    let own = of::<K>();
    for part in ["properties", "$defs"] {
        let added = own.get(part).and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(object) = whole.as_object_mut()
            && let Some(members) = object.entry(part).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
        {
            members.extend(added);
        }
    }
    let required = own.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(names) = whole.get_mut("required").and_then(Value::as_array_mut) {
        names.extend(required);
    }
    for said in ["title", "description"] {
        if let (Some(text), Some(object)) = (own.get(said), whole.as_object_mut()) {
            object.insert(said.to_owned(), text.clone());
        }
    }
    whole
}

fn of<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

fn properties<T: JsonSchema>() -> Vec<String> {
    of::<T>().get("properties").and_then(Value::as_object).map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

fn typed<T: DeserializeOwned>(settings: Map<String, Value>) -> Result<T, String> {
    serde_path_to_error::deserialize(Value::Object(settings)).map_err(|error| {
        let (path, message) = (error.path().to_string(), error.inner().to_string());
        let place = if path == "." { String::new() } else { format!(" at '{path}'") };
        format!("the settings are not valid{place}: {}", without_value(&message))
    })
}

/// What serde says, without the value that it did not expect: it may be a secret in the wrong place.
fn without_value(message: &str) -> String {
    let shows_value = ["invalid type", "invalid value", "unknown variant", "invalid length"].iter().any(|start| message.starts_with(start));
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if shows_value => format!("expected {}", expected.replace("struct ", "the settings of ")),
        None if shows_value => "it is of the wrong kind".to_owned(),
        _ => message.to_owned(),
    }
}

/// What the types alone do not say.
fn checked(config: &WebConfig) -> Result<(), &'static str> {
    if let Some(auth) = &config.auth {
        let ways = [auth.basic.is_some(), auth.bearer.is_some(), auth.api_key.is_some(), auth.oauth2.is_some()];
        let given = ways.iter().filter(|given| **given).count();
        if given > 1 || (given == 0 && auth.caller.is_none()) {
            return Err(
                "'auth' must be one of 'basic', 'bearer', 'api_key', 'oauth2' and 'caller'; one of the others may stand beside 'caller'",
            );
        }
        if auth.api_key.as_ref().is_some_and(|api_key| api_key.header.is_some() && api_key.query.is_some()) {
            return Err("'auth.api_key' is sent in a 'header' or in the 'query', not in both");
        }
    }
    if config.tls.certificate.is_some() != config.tls.key.is_some() {
        return Err("'tls.certificate' and 'tls.key' belong together: give both or none");
    }
    if config.http.max_url < 256 {
        return Err("'http.max_url' must be at least 256");
    }
    if config.http.retries > 20 || config.http.max_redirects > 20 {
        return Err("'http.retries' and 'http.max_redirects' must be at most 20");
    }
    let never = [config.http.connect_timeout, config.http.idle_timeout].iter().any(|time| time.0.is_zero());
    if never || config.http.max_page.0 == 0 || config.http.max_response.0 == 0 {
        return Err("'http' has a limit of zero, with which nothing could ever be read");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;
    use std::time::Duration;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Own {
        #[serde(default)]
        flavour: Option<String>,
    }

    fn context() -> ConnectContext {
        ConnectContext {
            source_name: "erp".to_owned(),
            base_directory: ".".into(),
            max_connections: 2,
            timeout: Duration::from_secs(3),
            request_time: Duration::from_secs(60),
        }
    }

    fn refused(config: Value) -> String {
        read::<Own>(config, &context()).err().map(|error| error.to_string()).unwrap()
    }

    #[test]
    fn shared_and_own_settings_are_read_together() {
        let config = json!({"url": "https://h/", "flavour": "v2", "http": {"max_page": "1MiB", "idle_timeout": "5s"},
            "auth": {"oauth2": {"token_url": "https://t/", "client_id": "c", "client_secret": "s", "scopes": ["a"]}}});
        let (shared, own) = read::<Own>(config, &context()).unwrap();
        assert_eq!(own.flavour.as_deref(), Some("v2"));
        assert_eq!((shared.http.max_page.0, shared.http.idle_timeout.0), (1 << 20, Duration::from_secs(5)));
        assert_eq!(shared.http.retries, 4, "what is not said has its default");
        assert_eq!(shared.secrets().len(), 1);
    }

    #[test]
    fn a_mistake_is_told_by_its_place() {
        let url = "https://h/";
        assert!(refused(json!({"url": url, "flavor": "v2"})).contains("no 'flavor'"));
        assert!(refused(json!({"url": url, "flavor": "v2"})).contains("'flavour'"));
        assert!(refused(json!({})).contains("url"));
        assert!(refused(json!({"url": url, "http": {"max_page": "12"}})).contains("'http.max_page'"));
        assert!(refused(json!({"url": url, "tls": {"cert": "x"}})).contains("'tls.cert'"));
        assert!(refused(json!({"url": url, "tls": {"certificate": "x"}})).contains("belong together"));
        assert!(refused(json!({"url": url, "auth": {}})).contains("must be one of"));
        assert!(refused(json!({"url": url, "auth": {"bearer": "a", "api_key": {"key": "b"}}})).contains("must be one of"));
        assert!(refused(json!({"url": url, "auth": {"api_key": {"key": "k", "header": "a", "query": "b"}}})).contains("not in both"));
        assert!(refused(json!({"url": url, "http": {"retries": 99}})).contains("at most 20"));
        assert!(refused(json!({"url": url, "http": {"idle_timeout": "0s"}})).contains("zero"));
    }

    #[test]
    fn a_secret_is_not_repeated() {
        for wrong in [
            json!({"auth": "hunter2"}),
            json!({"auth": {"basic": "hunter2"}}),
            json!({"auth": {"bearer": ["hunter2"]}}),
            json!({"auth": {"basic": {"user": "u", "password": {"x": "hunter2"}}}}),
            json!({"auth": {"caller": "hunter2"}}),
            json!({"headers": {"a": ["hunter2"]}}),
            json!({"headers": "hunter2"}),
            json!({"tls": {"certificate": "c", "key": ["hunter2"]}}),
            json!({"url": ["hunter2"]}),
        ] {
            let mut config = json!({"url": "https://h/"});
            config.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            let message = refused(config);
            assert!(!message.contains("hunter2") && message.contains("the settings are not valid at"), "{message}");
        }
    }

    #[test]
    fn the_schema_has_both() {
        let schema = schema::<Own>();
        let properties = schema["properties"].as_object().unwrap();
        assert!(["url", "auth", "tls", "headers", "csrf", "http", "flavour"].iter().all(|name| properties.contains_key(*name)));
        assert_eq!((&schema["additionalProperties"], &schema["required"]), (&json!(false), &json!(["url"])));
    }
}
