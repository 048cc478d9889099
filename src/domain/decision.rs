//! The answer at the gate, and the reason for it.

use serde::{Deserialize, Serialize};

/// A closed set: an enum whose values have stable codes, the same in JSON, and the list of them all.
macro_rules! codes {
    ($(#[$meta:meta])* $set:ident { $($(#[$doc:meta])* $name:ident = $code:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $set {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl $set {
            /// Every value.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$name),*];

            /// The stable code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}
pub(super) use codes;

codes! {
    /// Whether the gate opens.
    Decision {
        /// Opens.
        Grant = "grant",
        /// Stays shut.
        Deny = "deny",
        /// Stays shut; another frame of the same person may fare better.
        Retry = "retry",
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal => $decision:ident,)*) => {
        codes! {
            /// Why a gate answered as it did. Firmware and reports may rely on the code.
            Reason { $($(#[$doc])* $name = $code,)* }
        }

        impl Reason {
            /// The decision that follows; only [`Reason::Granted`] opens.
            #[must_use]
            pub fn decision(self) -> Decision {
                match self { $(Self::$name => Decision::$decision,)* }
            }
        }
    };
}

reasons! {
    /// The face is the employee's, alive, and the employee may pass.
    Granted = "granted" => Grant,

    /// No face was found.
    NoFace = "no_face" => Retry,
    /// Several faces are about equally near.
    MultipleFaces = "multiple_faces" => Retry,
    /// Too few pixels between the pupils.
    TooSmall = "too_small" => Retry,
    /// Too little light on the face.
    TooDark = "too_dark" => Retry,
    /// Too much light on the face.
    TooBright = "too_bright" => Retry,
    /// The face is blurred.
    TooBlurred = "too_blurred" => Retry,
    /// The head is turned to a side.
    TurnedAway = "turned_away" => Retry,
    /// The encoder makes little of the face: covered, turned or badly lit.
    Unclear = "unclear" => Retry,
    /// The person was let through here a moment ago, or since the event that is repeated.
    AlreadyGranted = "already_granted" => Retry,
    /// Two enrolled people are about equally near.
    AmbiguousPerson = "ambiguous_person" => Retry,

    /// The face is taken for a print, a screen or a mask.
    Spoof = "spoof" => Deny,
    /// Nobody enrolled is near enough.
    UnknownPerson = "unknown_person" => Deny,
    /// The frames of one passage show different people.
    FramesDisagree = "frames_disagree" => Deny,
    /// No employee carries the badge.
    UnknownBadge = "unknown_badge" => Deny,
    /// The badge's owner has no face enrolled with this model.
    NotEnrolled = "not_enrolled" => Deny,
    /// The face is not that of the badge's owner.
    FaceDoesNotMatchBadge = "face_does_not_match_badge" => Deny,
    /// The gate wants a badge with the face, or the face is that of somebody who needs one.
    BadgeRequired = "badge_required" => Deny,
    /// The face is that of somebody on the blocklist.
    Blocked = "blocked" => Deny,
    /// The employee is suspended.
    Suspended = "suspended" => Deny,
    /// The employee was revoked.
    Revoked = "revoked" => Deny,
    /// The employee's validity has not begun.
    NotYetValid = "not_yet_valid" => Deny,
    /// The employee's validity has ended.
    Expired = "expired" => Deny,
    /// No group of the employee's may enter the zone.
    NoAccess = "no_access" => Deny,
    /// A group of the employee's may enter the zone, but not at this hour.
    OutsideHours = "outside_hours" => Deny,
    /// The person was let through another gate a moment ago, or since the event that is repeated.
    PassedElsewhere = "passed_elsewhere" => Deny,
    /// The person would go the same way through the zone's gates a second time.
    AntiPassback = "anti_passback" => Deny,
    /// The employee or the matched face was removed while the frame travelled.
    TemplateRemoved = "template_removed" => Deny,
    /// The frame is older than the gate allows.
    StaleFrame = "stale_frame" => Deny,
    /// The frame claims to be from the future.
    FrameFromFuture = "frame_from_future" => Deny,
    /// The key that the gate asked with was revoked while the frame travelled.
    KeyRevoked = "key_revoked" => Deny,
    /// The gate is switched off.
    GateDisabled = "gate_disabled" => Deny,
}

impl Reason {
    /// Whether the picture itself was too poor, so that neither liveness nor anybody's face was asked about.
    #[must_use]
    pub fn is_of_the_picture(self) -> bool {
        matches!(
            self,
            Self::NoFace
                | Self::MultipleFaces
                | Self::TooSmall
                | Self::TooDark
                | Self::TooBright
                | Self::TooBlurred
                | Self::TurnedAway
        )
    }
}

codes! {
    /// What somebody must hear of at once, and not at the gate.
    Alarm {
        /// Somebody on the blocklist showed their face.
        Blocked = "blocked",
        /// A gate's door was opened by force.
        DoorForced = "door_forced",
        /// A gate's door is held open.
        DoorHeld = "door_held",
    }
}

impl Reason {
    /// The alarm that it raises in silence, if any.
    #[must_use]
    pub fn alarm(self) -> Option<Alarm> {
        (self == Self::Blocked).then_some(Alarm::Blocked)
    }

    /// What the gate is told: where an alarm is raised in silence, what a stranger would hear. `by_badge`: the
    /// face was compared with a badge's owner.
    #[must_use]
    pub fn told(self, by_badge: bool) -> Self {
        match self.alarm() {
            None => self,
            Some(_) if by_badge => Self::FaceDoesNotMatchBadge,
            Some(_) => Self::UnknownPerson,
        }
    }
}

impl From<super::QualityIssue> for Reason {
    fn from(issue: super::QualityIssue) -> Self {
        use super::QualityIssue as Q;
        match issue {
            Q::TooSmall => Self::TooSmall,
            Q::TooDark => Self::TooDark,
            Q::TooBright => Self::TooBright,
            Q::TooBlurred => Self::TooBlurred,
            Q::TurnedAway => Self::TurnedAway,
            Q::Unclear => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_reason_opens_the_gate() {
        let opening: Vec<_> =
            Reason::ALL.iter().filter(|r| r.decision() == Decision::Grant).collect();
        assert_eq!(opening, [&Reason::Granted]);
    }

    #[test]
    fn no_gate_is_told_of_an_alarm_and_none_is_told_more_than_was_decided() {
        for (reason, by_badge) in Reason::ALL.into_iter().flat_map(|r| [(r, false), (r, true)]) {
            let told = reason.told(by_badge);
            assert_eq!(told.alarm(), None, "{reason:?}");
            assert_eq!(told.decision(), reason.decision(), "{reason:?}");
            assert_eq!(told == reason, reason.alarm().is_none(), "{reason:?}");
        }
    }

    #[test]
    fn reason_codes_are_unique_and_the_same_in_json() {
        let codes: std::collections::HashSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
        }
    }
}
