//! What is wrong with a number that a type refuses.

/// A number outside the range that its type promises.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what} must be {range}, not {value}")]
pub struct OutOfRange {
    /// What the number was meant for.
    pub what: &'static str,
    /// The range, in words.
    pub range: &'static str,
    /// The number.
    pub value: f32,
}
