//! What integrators are given, against a real service: the C example and the client crate.

#[path = "../api/answer.rs"]
#[allow(dead_code, reason = "the harness of the API's tests, not all of which is needed here")]
mod answer;
mod client;
mod codes;
mod firmware;
#[path = "../api/frame.rs"]
#[allow(dead_code, reason = "as above")]
mod frame;
mod line;
#[path = "../api/promise.rs"]
mod promise;
#[path = "../api/service.rs"]
#[allow(dead_code, reason = "as above")]
mod service;
mod signing;
