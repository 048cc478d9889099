//! What the log was told last.

/// The same is not told again.
#[derive(Debug, Default)]
pub(super) struct Said(String);

impl Said {
    /// Has `say` tell this, unless it was told last.
    pub fn says(&mut self, text: String, say: impl FnOnce(&str)) {
        if self.0 != text {
            say(&text);
            self.0 = text;
        }
    }
}
