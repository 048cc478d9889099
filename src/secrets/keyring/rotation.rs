//! A ring that is changed, one step at a time, so that whoever still has the one before opens what is sealed.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::{Keyring, KeyringError};
use crate::secrets::{KeyId, MasterKey};

impl Keyring {
    /// The ring with a further key, which opens and does not seal yet.
    ///
    /// # Errors
    /// When it has the key already, or as many as it may.
    pub fn staged(self, key: MasterKey) -> Result<Self, KeyringError> {
        let keys = self.0.into_iter().map(|opened| opened.master);
        Self::new(keys.chain([key]).collect())
    }

    /// The ring with this key in front, which seals from then on; none when it does not have it.
    #[must_use]
    pub fn promoted(mut self, id: KeyId) -> Option<Self> {
        let at = self.0.iter().position(|key| key.id == id)?;
        let key = self.0.remove(at);
        self.0.insert(0, key);
        Some(self)
    }

    /// The ring with the key that seals alone.
    #[must_use]
    pub fn retired(mut self) -> Self {
        self.0.truncate(1);
        self
    }

    /// Its text: a key a line, with its id as a comment. A secret.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * 80));
        for key in &self.0 {
            let secret = key.master.secret();
            let _ = writeln!(text, "{} # {}", *secret, key.id);
        }
        text
    }
}
