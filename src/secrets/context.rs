//! The place that something sealed belongs to.

/// The place that something sealed belongs to: the associated data of its encryption. Each field goes in with
/// its length, so that no two places have the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context(Vec<u8>);

impl Context {
    /// A place of this kind, e.g. a row of a table; its fields say which one.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self(Vec::with_capacity(128)).field(kind.as_bytes())
    }

    /// One more field. The order counts.
    #[must_use]
    pub fn field(mut self, value: &[u8]) -> Self {
        self.0.extend_from_slice(&(value.len() as u64).to_be_bytes());
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn context(fields: &[Vec<u8>]) -> Context {
        fields.iter().fold(Context::new("row"), |context, value| context.field(value))
    }

    proptest! {
        #[test]
        fn other_fields_are_another_place(
            a in prop::collection::vec(prop::collection::vec(0u8..2, 0..4), 0..4),
            b in prop::collection::vec(prop::collection::vec(0u8..2, 0..4), 0..4),
        ) {
            prop_assert_eq!(context(&a) == context(&b), a == b);
        }
    }
}
