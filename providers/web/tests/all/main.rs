//! The client against a real server on the loopback that misbehaves as it is told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod auth;
mod bodies;
mod paging;
mod recording;
mod repeating;
mod sessions;
mod setting;
mod travelling;
