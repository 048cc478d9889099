//! How often it errs: labelled photos travel the road that serves, and the errors are counted.
//!
//! | module | what |
//! |---|---|
//! | [`dataset`] | labelled photos on disk |
//! | [`acquire`] | from photos to templates and liveness scores, cached |
//! | [`protocol`] | which are compared with which |
//! | [`metrics`] | the error rates of comparisons; says what each means and where it comes from |
//! | [`report`] | the page of curves, histograms, worst pairs and tables |

pub mod acquire;
pub mod dataset;
pub mod metrics;
pub mod protocol;
pub mod report;
