//! What clients send, byte by byte, and what they need to find in the answer. The requests of each client are data, in a file for each
//! kind of client, and each says how sure it is that the client sends it; none is a recording. What real clients send is tested with real
//! clients, in `client_olingo` and `client_openui5`.

mod crm;
mod generated;
mod grids;
mod profiles;
mod raw;
mod reporting;
mod sap;

use super::clients::{Served, serve};
use super::fixture::FULL;
use raw::Answer;
use serde_json::Value;

/// How sure it is that a client sends a request.
#[derive(Debug, Clone, Copy)]
pub enum Evidence {
    /// The vendor says so.
    Documented,
    /// The client's source was read.
    Source,
    /// Somebody has seen it on the wire, and described it.
    Observed,
    /// Nothing but memory.
    Memory,
}

/// What must be true of an answer. In every text, `{http}` stands for the gateway's address.
pub enum Check {
    /// The header is there once, with this value.
    Header(&'static str, &'static str),
    /// The header is there once, and holds this text.
    HeaderHas(&'static str, &'static str),
    /// The JSON value at a pointer is this one, given as JSON.
    Json(&'static str, &'static str),
    /// There is nothing at the pointer.
    Missing(&'static str),
    /// The property of this name of all entities, as JSON.
    Each(&'static str, &'static str),
    /// The body is this text.
    Is(&'static str),
    /// The body holds this text.
    Has(&'static str),
    /// The body does not hold this text.
    Lacks(&'static str),
    /// Anything else.
    Holds(fn(&Answer) -> Result<(), String>),
}

/// A request, and what must be true of its answer.
pub struct Case {
    pub evidence: Evidence,
    pub about: &'static str,
    pub method: &'static str,
    /// Path and query, as they are sent.
    pub path: &'static str,
    /// Besides those that the client always sends, which these replace; an empty value takes one away.
    pub headers: &'static [(&'static str, &'static str)],
    pub body: &'static str,
    pub status: u16,
    pub checks: &'static [Check],
}

/// A client, and what it sends with each request.
pub struct Client {
    pub name: &'static str,
    pub headers: &'static [(&'static str, &'static str)],
    pub cases: &'static [Case],
}

/// A GET without headers of its own.
pub const fn get(evidence: Evidence, about: &'static str, path: &'static str, status: u16, checks: &'static [Check]) -> Case {
    Case { evidence, about, method: "GET", path, headers: &[], body: "", status, checks }
}

fn check(check: &Check, answer: &Answer, http: &str) -> Result<(), String> {
    let meant = |text: &str| text.replace("{http}", http);
    let json = || answer.json().ok_or_else(|| "the body is no JSON".to_owned());
    let fail = |holds: bool, message: String| if holds { Ok(()) } else { Err(message) };
    match check {
        Check::Header(name, value) => {
            let found = answer.headers(name);
            fail(found == [meant(value)], format!("{name} is {found:?}, not {:?}", meant(value)))
        }
        Check::HeaderHas(name, text) => {
            let found = answer.headers(name);
            fail(found.len() == 1 && found[0].contains(&meant(text)), format!("{name} is {found:?}, without {:?}", meant(text)))
        }
        Check::Json(pointer, expected) => {
            let expected: Value = serde_json::from_str(&meant(expected)).unwrap();
            let (json, none) = (json()?, Value::Null);
            let found = json.pointer(pointer).ok_or_else(|| format!("there is nothing at {pointer}")).unwrap_or(&none);
            fail(json.pointer(pointer).is_some() && *found == expected, format!("{pointer} is {found}, not {expected}"))
        }
        Check::Missing(pointer) => fail(json()?.pointer(pointer).is_none(), format!("there is something at {pointer}")),
        Check::Each(name, expected) => {
            let expected: Value = serde_json::from_str(expected).unwrap();
            let json = json()?;
            let found: Value = json["value"].as_array().into_iter().flatten().map(|entity| entity[name].clone()).collect();
            fail(found == expected, format!("{name} of the entities is {found}, not {expected}"))
        }
        Check::Is(text) => fail(answer.text() == meant(text), format!("the body is not {:?}", meant(text))),
        Check::Has(text) => fail(answer.text().contains(&meant(text)), format!("{:?} is not in the body", meant(text))),
        Check::Lacks(text) => fail(!answer.text().contains(&meant(text)), format!("{:?} is in the body", meant(text))),
        Check::Holds(holds) => holds(answer),
    }
}

async fn run(served: &Served, client: &Client) -> Vec<String> {
    let http = &served.gateway.http;
    let mut wrong = Vec::new();
    for case in client.cases {
        let mut headers: Vec<(&str, String)> = Vec::new();
        for (name, value) in case.headers.iter().chain(client.headers).chain(&[("X-Api-Key", FULL)]) {
            if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                headers.push((name, value.replace("{http}", http)));
            }
        }
        // An empty value takes a header away.
        headers.retain(|(_, value)| !value.is_empty());
        let path = case.path.replace("{http}", http);
        let answer = raw::send(http, case.method, &path, &headers, &case.body.replace("{http}", http)).await;
        let mut failures = Vec::new();
        if answer.status != case.status {
            failures.push(format!("the status is {}, not {}", answer.status, case.status));
        } else {
            failures.extend(case.checks.iter().filter_map(|one| check(one, &answer, http).err()));
        }
        if !failures.is_empty() {
            wrong.push(format!(
                "{} ({:?}): {}\n  {} {}\n  {}\n  {:?}\n  {}\n",
                client.name,
                case.evidence,
                case.about,
                case.method,
                case.path,
                failures.join("\n  "),
                answer.all_headers(),
                answer.text().chars().take(1_500).collect::<String>(),
            ));
        }
    }
    wrong
}

async fn hold(clients: &[&Client]) {
    let served = serve().await;
    let mut wrong = Vec::new();
    for client in clients {
        wrong.extend(run(&served, client).await);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reporting_tools() {
    hold(&[&reporting::POWER_QUERY, &reporting::TABLEAU]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crm_front_ends() {
    hold(&[&crm::DATAVERSE, &crm::SALESFORCE_40, &crm::SALESFORCE_401]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sap_clients() {
    hold(&[&sap::UI5, &sap::UI5_BATCH, &sap::CAP]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_clients() {
    hold(&[&generated::OLINGO, &generated::MICROSOFT]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grids() {
    hold(&[&grids::DEVEXTREME, &grids::SYNCFUSION, &grids::KENDO]).await;
}
