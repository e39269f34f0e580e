//! The HTTP client that the kinds share which ask a source over HTTP: who asks, at which pace, what is repeated, how much is read, and what a
//! failure means; and how rows are read from JSON. It knows the contract and HTTP, and no kind: neither OData nor any API of a vendor.

pub mod address;
mod auth;
pub mod body;
pub mod budget;
pub mod client;
pub mod config;
pub mod failure;
pub mod json;
pub mod links;
pub mod record;
pub mod request;
pub mod retry;
pub mod tls;
pub mod transport;
pub mod units;

pub use address::{Address, AddressError, Base};
pub use budget::{Budget, Pace, Turn};
pub use client::WebClient;
pub use config::WebConfig;
pub use failure::Reporter;
pub use links::{Endless, Pages};
pub use request::{Expects, Explained, Page, Request, Response};
pub use reqwest::header;
pub use reqwest::{Method, StatusCode, Url};
