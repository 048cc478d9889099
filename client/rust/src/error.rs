//! Why there is no answer.

use serde::Deserialize;

use crate::Issue;

/// Why there is no answer. A gate that gets one of these stays shut.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service refused, and says why.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The service was not reached, or the answer did not arrive whole and in time.
    #[error("no answer: {0}")]
    Transport(#[source] reqwest::Error),
    /// There was an answer, and it is none of Limen's.
    #[error("an answer with status {status} that cannot be read: {detail}")]
    Unreadable {
        /// The status of HTTP.
        status: u16,
        /// What is wrong.
        detail: String,
    },
    /// What was to be sent cannot be.
    #[error("{0}")]
    Unusable(String),
}

/// A refusal, as RFC 9457 has them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{status} {code}: {detail}")]
#[non_exhaustive]
pub struct Problem {
    /// The status of HTTP.
    pub status: u16,
    /// Which problem it is; the documentation lists them.
    pub code: String,
    /// What kind of problem.
    pub title: String,
    /// What exactly, for people.
    pub detail: String,
    /// The request's id, which the service's log has.
    #[serde(default)]
    pub instance: Option<String>,
    /// What is wrong with a photo.
    #[serde(default)]
    pub issues: Vec<Issue>,
    /// What a person can do about it.
    #[serde(default)]
    pub advice: Vec<String>,
}

impl Error {
    /// The code of a problem.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// Whether the same may be answered in a moment: the service was not reached, is starting, stopping or busy, or
    /// failed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            // A signed request that is not the newest is signed anew.
            Self::Problem(problem) => {
                problem.status >= 500
                    || ["overloaded", "timeout", "replayed_request"].contains(&&*problem.code)
            }
            Self::Transport(error) => !error.is_builder(),
            // Such as the bad gateway of a proxy.
            Self::Unreadable { status, .. } => *status >= 500 || *status == 429,
            Self::Unusable(_) => false,
        }
    }

    /// Whether the service may have done what it was asked all the same: it failed, or its answer got lost.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.status >= 500 || problem.code == "timeout",
            Self::Transport(error) => !error.is_builder() && !error.is_connect(),
            Self::Unreadable { status, .. } => *status < 400 || *status == 408 || *status >= 500,
            Self::Unusable(_) => false,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // An address may hold a password.
        Self::Transport(error.without_url())
    }
}
