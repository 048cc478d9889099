//! What a provider says of a person, and what the site makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use openidconnect::AdditionalClaims;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::{KeyName, Scope};

/// Characters of what a claim holds that are logged.
const SAID_CHARS_MAX: usize = 300;

/// Whatever else is said.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct AllClaims {
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl AdditionalClaims for AllClaims {}

/// Where the provider says what somebody is: the name of a claim, or a JSON pointer (RFC 6901) into one that holds
/// others, `/realm_access/roles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolesClaim(String);

impl FromStr for RolesClaim {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text == "/" {
            return Err("the name of a claim, or a JSON pointer such as /realm_access/roles");
        }
        // A pointer to a claim is the claim, however it is written: what counts of one must not depend on that.
        Ok(Self(match text.strip_prefix('/') {
            Some(name) if !name.contains('/') => name.replace("~1", "/").replace("~0", "~"),
            _ => text.to_owned(),
        }))
    }
}

impl RolesClaim {
    fn of<'a>(&self, said: &'a Value) -> Option<&'a Value> {
        if self.0.starts_with('/') { said.pointer(&self.0) } else { said.get(&self.0) }
    }
}

/// What people may, by what their provider says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Where it says so.
    pub claim: RolesClaim,
    /// What it says there, a text or a list of texts, and what whoever has that may.
    pub scopes: BTreeMap<String, BTreeSet<Scope>>,
}

impl Roles {
    /// What is said there, for the log.
    pub(super) fn said(&self, said: &Value) -> String {
        let text = self.claim.of(said).map_or_else(|| "nothing".to_owned(), Value::to_string);
        text.chars().take(SAID_CHARS_MAX).collect()
    }

    /// Whether something was not said yet that is needed.
    pub(super) fn needs_more(&self, said: &Value) -> bool {
        self.claim.of(said).is_none() || names(said).next().is_none()
    }

    /// What somebody may. An address counts once the provider has seen that it is theirs: anybody could claim it.
    pub(super) fn scopes(&self, said: &Value) -> BTreeSet<Scope> {
        if self.claim.0 == "email" && said.get("email_verified") != Some(&Value::Bool(true)) {
            return BTreeSet::new();
        }
        let texts: Vec<&str> = match self.claim.of(said) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        texts.iter().filter_map(|text| self.scopes.get(*text)).flatten().copied().collect()
    }
}

/// How people know somebody: the first of these that can be a key's name, or else the subject.
pub(super) fn key_name(said: &Value, subject: &str) -> Result<KeyName, String> {
    match names(said).next() {
        Some(name) => Ok(name),
        None => subject.parse().map_err(|_| "there is no name that could be shown".to_owned()),
    }
}

fn names(said: &Value) -> impl Iterator<Item = KeyName> {
    let claims = ["preferred_username", "email", "name"].into_iter();
    let texts = claims.filter_map(|claim| said.get(claim)?.as_str());
    texts.filter_map(|text| text.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn roles(claim: &str) -> Roles {
        let scopes = [("desk", Scope::Officer), ("hr", Scope::Enroller), ("it", Scope::Admin)];
        Roles {
            claim: claim.parse().unwrap(),
            scopes: scopes.map(|(text, scope)| (text.to_owned(), [scope].into())).into(),
        }
    }

    #[test]
    fn who_is_several_things_may_what_any_of_them_may_and_what_is_not_named_counts_for_nothing() {
        let said = json!({"groups": ["desk", "hr", "everybody", 7, null]});
        assert_eq!(roles("groups").scopes(&said), [Scope::Officer, Scope::Enroller].into());
        assert_eq!(roles("groups").scopes(&json!({"groups": "it"})), [Scope::Admin].into());
        for nothing in [
            json!({}),
            json!({"groups": "IT"}),
            json!({"groups": "it "}),
            json!({"groups": {"it": true}}),
            json!({"groups": [["it"]]}),
            json!({"roles": ["it"]}),
            json!({"groups": "desk,it"}),
        ] {
            assert!(roles("groups").scopes(&nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn a_claim_may_lie_within_another_and_have_slashes_in_its_name() {
        let said = json!({"realm_access": {"roles": ["it"]}, "https://example.org/roles": ["hr"]});
        assert_eq!(roles("/realm_access/roles").scopes(&said), [Scope::Admin].into());
        assert_eq!(roles("https://example.org/roles").scopes(&said), [Scope::Enroller].into());
        assert!("".parse::<RolesClaim>().is_err() && "/".parse::<RolesClaim>().is_err());
    }

    #[test]
    fn an_address_that_the_provider_has_not_checked_makes_nobody_anything() {
        for claim in ["email", "/email"] {
            let mut roles = roles(claim);
            roles.scopes.insert("ann@example.org".to_owned(), [Scope::Admin].into());
            for (verified, may) in [
                (json!(true), true),
                (json!(false), false),
                (json!("true"), false),
                (json!(null), false),
            ] {
                let said = json!({"email": "ann@example.org", "email_verified": verified});
                assert_eq!(!roles.scopes(&said).is_empty(), may, "{claim} {said}");
            }
        }
    }

    #[test]
    fn people_are_called_what_a_key_can_be_called() {
        let called = |said: Value| key_name(&said, "id-7").map(|name| name.as_str().to_owned());
        assert_eq!(called(json!({"name": "Ann", "preferred_username": "ann"})).unwrap(), "ann");
        assert_eq!(called(json!({"name": "Ann\u{7}", "email": " "})).unwrap(), "id-7");
        assert_eq!(called(json!({"name": "Ann"})).unwrap(), "Ann");
        assert!(key_name(&json!({}), &"x".repeat(255)).is_err());
    }
}
