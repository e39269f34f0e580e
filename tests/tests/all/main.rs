//! End-to-end tests. Each module starts the real program on free ports, over SQLite files and a PostgreSQL database of its own, and
//! asks it as clients do. What a test needs and does not find is a failure, never a skip.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::type_complexity, reason = "every line of this crate is a test")]

mod all_entities;
mod annotations;
mod bad_config;
mod bad_input;
mod caller;
mod chained;
mod client_olingo;
mod client_openui5;
mod clients;
mod credentials;
mod demo;
mod dependencies;
mod dml;
mod erp;
mod explain;
mod faults;
mod files;
mod fixture;
mod flight;
mod gateway;
mod geography;
mod hanging;
mod metrics;
mod model;
mod nested;
mod odata;
mod odata_outage;
mod odata_source;
mod openapi;
mod operations;
mod outage;
mod overload;
mod paths;
mod policy;
mod postgrest;
mod prepared;
mod profiles;
mod protocol;
mod proxy;
mod recovery;
mod rest_source;
mod source_files;
mod source_operations;
mod streaming;
mod tls;
mod webdriver;
mod wire;
mod writes;
