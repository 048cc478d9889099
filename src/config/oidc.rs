//! `[oidc]`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use garde::Validate;
use serde::Deserialize;
use url::{Host, Url};

use super::{PasswordText, ServerConfig};
use crate::domain::{Permission, Scope};
use crate::oidc::RolesClaim;

/// The OpenID provider that people may sign in to the console by.
#[derive(Clone, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct OidcConfig {
    /// Its URL, letter by letter as it names itself; absent: people sign in with keys alone.
    #[garde(inner(custom(is_an_issuer)), custom(is_complete(self)))]
    pub issuer: Option<String>,
    /// Its name, on the button that leads to it.
    #[garde(length(chars, min = 1, max = 50))]
    pub name: String,
    /// Who Limen is to it.
    #[garde(length(bytes, min = 1, max = 255))]
    pub client_id: String,
    /// The secret itself, for the variable `LIMEN_OIDC__CLIENT_SECRET`.
    #[garde(skip)]
    pub client_secret: Option<PasswordText>,
    /// The file with the secret; absent, and no secret: Limen is a public client to it.
    #[garde(skip)]
    pub client_secret_file: Option<PathBuf>,
    /// What is asked for beside `openid`.
    #[garde(length(max = 20), inner(length(bytes, min = 1, max = 100)))]
    pub scopes: Vec<String>,
    /// Whether it is to ask for the password anew each time, whoever is signed in to it already.
    #[garde(skip)]
    pub ask_anew: bool,
    /// The claim that says what somebody is.
    #[garde(skip)]
    #[serde(deserialize_with = "claim")]
    pub roles_claim: RolesClaim,
    /// What it says, and what whoever has that may.
    #[garde(custom(are_for_people))]
    pub roles: BTreeMap<String, BTreeSet<Scope>>,
    /// Milliseconds that its answers to one sign-in are awaited.
    #[garde(range(min = 100, max = 60_000))]
    pub timeout_ms: u64,
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            name: "your organisation's account".to_owned(),
            client_id: "limen".to_owned(),
            client_secret: None,
            client_secret_file: None,
            scopes: ["profile", "email"].map(str::to_owned).into(),
            ask_anew: false,
            roles_claim: "groups".parse().expect("the name of a claim"),
            roles: BTreeMap::new(),
            timeout_ms: 5_000,
        }
    }
}

impl OidcConfig {
    /// [`Self::timeout_ms`] as a duration.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// What of `[server]` does not go together with a provider.
    pub(super) fn amiss(&self, server: &ServerConfig) -> Vec<String> {
        let mut errors = Vec::new();
        let base = server.base_url.as_ref().map(|base| base.as_str());
        match base.and_then(|base| base.parse::<Url>().ok()) {
            None => errors.push(
                "oidc.issuer: `base_url` of [server] must say where the provider sends people back to",
            ),
            // Elsewhere browsers keep no cookie that is for this host over TLS alone, and the console is at the root.
            Some(base) if !is_private(&base) || base.path() != "/" => errors.push(
                "server.base_url: signing in by a provider needs an https address without a path (on this machine, http)",
            ),
            Some(_) => {}
        }
        if self.timeout() >= server.request_timeout() {
            errors.push("oidc.timeout_ms: must be less than request_timeout_ms of [server]");
        }
        errors.into_iter().map(str::to_owned).collect()
    }
}

fn claim<'de, D: serde::Deserializer<'de>>(from: D) -> Result<RolesClaim, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

/// What proves who somebody is does not travel in the clear, but within this machine.
fn is_an_issuer(issuer: &str, (): &()) -> garde::Result {
    let url: Url =
        issuer.parse().map_err(|error| garde::Error::new(format!("not a URL: {error}")))?;
    if !is_private(&url) {
        return Err(garde::Error::new("a provider is asked by https alone, but on this machine"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(garde::Error::new("must have neither a query nor a fragment"));
    }
    Ok(())
}

/// Whether what is sent there stays between both.
fn is_private(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

fn is_complete(config: &OidcConfig) -> impl FnOnce(&Option<String>, &()) -> garde::Result {
    move |issuer, ()| {
        if config.client_secret.is_some() && config.client_secret_file.is_some() {
            return Err(garde::Error::new(
                "client_secret and client_secret_file are both set: the secret comes from one place",
            ));
        }
        if issuer.is_some() && config.roles.is_empty() {
            return Err(garde::Error::new(
                "[oidc.roles] names nobody: nobody could sign in by the provider",
            ));
        }
        Ok(())
    }
}

/// Turnstiles and Prometheus do not sign in.
fn are_for_people(roles: &BTreeMap<String, BTreeSet<Scope>>, (): &()) -> garde::Result {
    for (role, scopes) in roles {
        let machine = scopes.iter().find(|scope| !scope.allows(Permission::SeePeople));
        if let Some(scope) = machine {
            return Err(garde::Error::new(format!(
                "{role:?}: {scope} is for machines, and people sign in: viewer, enroller, officer, admin"
            )));
        }
        if scopes.is_empty() {
            return Err(garde::Error::new(format!("{role:?} may nothing: leave it out")));
        }
    }
    Ok(())
}
