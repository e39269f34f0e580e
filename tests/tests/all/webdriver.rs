//! A browser without a window: Chromium, driven over the WebDriver protocol by its own driver. It knows the protocol and nothing of the
//! pages.

use super::gateway::{free_port, http_client};
use base64::Engine;
use reqwest::Client;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The key under which the protocol names elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one page. Dropping it ends it and its driver.
pub struct Browser {
    driver: Child,
    session: String,
    client: Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub async fn start() -> Browser {
        let port = free_port();
        let profile = tempfile::tempdir().unwrap();
        // A home of its own: the browser leaves nothing in that of the user.
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver does not start ({error}): tests/run installs it"));
        let client = http_client();
        let root = format!("http://127.0.0.1:{port}");
        let mut browser = Browser { driver, session: root.clone(), client, _profile: profile };
        let end = Instant::now() + PATIENCE;
        while browser.client.get(format!("{root}/status")).send().await.is_err() {
            assert!(Instant::now() < end, "chromedriver does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--no-first-run".to_owned(),
            "--window-size=1280,1600".to_owned(),
            format!("--user-data-dir={}", browser._profile.path().join("profile").display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        }}});
        let answer = browser.post("/session", wanted).await;
        browser.session = format!("{root}/session/{}", answer["sessionId"].as_str().unwrap());
        browser
    }

    async fn answer(&self, request: reqwest::RequestBuilder, what: &str) -> Result<Value, String> {
        let response = request.timeout(PATIENCE).send().await.map_err(|error| format!("{what}: {error}"))?;
        let status = response.status();
        let mut body: Value = response.json().await.map_err(|error| format!("{what}: {error}"))?;
        if status.is_success() { Ok(body["value"].take()) } else { Err(format!("{what}: {status} {}", body["value"]["message"])) }
    }

    async fn try_post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.answer(self.client.post(format!("{}{path}", self.session)).json(&body), path).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// What an expression in the page's script is.
    pub async fn evaluate(&self, expression: &str) -> Value {
        self.post("/execute/sync", json!({ "script": format!("return {expression}"), "args": [] })).await
    }

    /// Waits until an expression is what is expected, and says what it was instead if it never is.
    pub async fn wait_for(&self, expression: &str, expected: &Value) {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.try_post("/execute/sync", json!({ "script": format!("return {expression}"), "args": [] })).await;
            if found.as_ref() == Ok(expected) {
                return;
            }
            if Instant::now() > end {
                let (log, picture) = (self.complaints().await, self.picture("failed").await);
                panic!("{expression}\nexpected {expected}\nfound {found:?}\nthe log: {log:#?}\nthe page: {}", picture.display());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn element(&self, selector: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.try_post("/element", json!({ "using": "css selector", "value": selector })).await {
                Ok(found) => return found[ELEMENT].as_str().unwrap().to_owned(),
                Err(error) => assert!(Instant::now() < end, "{selector}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Clicks on an element as a user does: it must be there, visible and not covered.
    pub async fn click(&self, selector: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let element = self.element(selector).await;
            match self.try_post(&format!("/element/{element}/click"), json!({})).await {
                Ok(_) => return,
                // Covered by an indicator, or replaced while the page is drawn.
                Err(error) => assert!(Instant::now() < end, "{selector}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Replaces the text of an input by typing, and leaves it with the Enter key.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
        // Control and A, then the text, then Enter.
        self.post(&format!("/element/{element}/value"), json!({ "text": format!("\u{e009}a\u{e000}{text}\u{e007}") })).await;
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("/se/log", json!({ "type": kind })).await;
        entries.as_array().cloned().unwrap_or_default()
    }

    /// Errors and warnings that the page or the browser has written since this was asked last.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        let bad = entries.iter().filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        bad.map(|entry| format!("{} {}", entry["level"].as_str().unwrap_or_default(), entry["message"].as_str().unwrap_or_default()))
            .collect()
    }

    /// What went over the network since this was asked last: each event's `method` and `params`.
    pub async fn network(&self) -> Vec<Value> {
        let entries = self.log("performance").await;
        let events = entries.iter().filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
        events
            .map(|mut event| event["message"].take())
            .filter(|event| event["method"].as_str().is_some_and(|m| m.starts_with("Network.")))
            .collect()
    }

    /// Takes a picture of the page, and says where it is: outside of the checkout, beside the compiled files.
    pub async fn picture(&self, name: &str) -> PathBuf {
        let answer = self.answer(self.client.get(format!("{}/screenshot", self.session)), "screenshot").await;
        let bytes = base64::engine::general_purpose::STANDARD.decode(answer.unwrap().as_str().unwrap()).unwrap();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{name}.png"));
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session ends the browser; a runtime of its own, as this one may be ending.
        let session = self.session.clone();
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = http_client();
                let _ = client.delete(session).timeout(Duration::from_secs(10)).send().await;
            });
        });
        let _ = ended.join();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
