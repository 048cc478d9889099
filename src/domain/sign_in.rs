//! Who signs in to the console by an OpenID provider rather than with a key.

use std::collections::BTreeSet;

use super::{KeyName, Scope};

/// Somebody as their provider knows them. Names change, this does not (OpenID Connect Core 1.0, 5.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The provider: its URL, letter by letter.
    pub issuer: String,
    /// Whom it means: 1 to 255 characters.
    pub subject: String,
}

/// Somebody whom a provider has vouched for just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who that is.
    pub identity: Identity,
    /// As people know them.
    pub name: KeyName,
    /// What they are for, as the site reads what the provider says of them; none: nothing here.
    pub scopes: BTreeSet<Scope>,
}
