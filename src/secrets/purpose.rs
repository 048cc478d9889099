//! What a key is for.

/// What is sealed. Each has a key of its own, so that what was sealed as one thing never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A person's encoding.
    Template,
    /// A secret shared with a device.
    DeviceSecret,
    /// What deliveries to a webhook are signed with.
    WebhookSecret,
    /// The picture of an enrolled face.
    Photo,
}

impl Purpose {
    /// Every purpose, in the order of its discriminants.
    pub(super) const ALL: [Self; 4] =
        [Self::Template, Self::DeviceSecret, Self::WebhookSecret, Self::Photo];

    /// What HKDF derives its key by. Another text is another key: nothing sealed before would open.
    pub(super) const fn info(self) -> &'static str {
        match self {
            Self::Template => "limen template encryption v1",
            Self::DeviceSecret => "limen device secret encryption v1",
            Self::WebhookSecret => "limen webhook secret encryption v1",
            Self::Photo => "limen photo encryption v1",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn purposes_stand_at_their_place_and_share_no_key() {
        for (place, purpose) in Purpose::ALL.into_iter().enumerate() {
            assert_eq!(purpose as usize, place);
        }
        let infos: HashSet<_> = Purpose::ALL.into_iter().map(Purpose::info).collect();
        assert_eq!(infos.len(), Purpose::ALL.len());
    }
}
