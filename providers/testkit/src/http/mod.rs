//! A scripted HTTP server on the loopback, for the tests of kinds that ask a source over HTTP: real sockets, and every way in which a server can
//! misbehave. What it answers is a function of the test; faults are laid over it. It must not know any kind.
//!
//! ```no_run
//! # use portico_provider_testkit::http::{Answer, Faults, Server};
//! # async fn example() {
//! let server = Server::start(
//!     |request| Answer::json(format!(r#"{{"value":[],"asked":"{}"}}"#, request.path)),
//!     Faults { throttle_every: Some(7), ..Faults::default() },
//! )
//! .await;
//! println!("{} {:?}", server.url(), server.log());
//! # }
//! ```

mod answer;
mod connection;
mod faults;
mod pages;
mod server;

pub use answer::{Answer, End};
pub use faults::{Csrf, Faults, Tokens};
pub use pages::Paged;
pub use server::{Request, Server};
