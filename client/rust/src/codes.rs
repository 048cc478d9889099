//! The sets of codes, open at the end: a newer service may know more.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $code:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$of])* $variant,)*
            /// One that this version of the client does not know.
            Other(String),
        }

        impl $name {
            /// Those that this version of the client knows.
            pub const CODES: &'static [&'static str] = &[$($code),*];

            /// As the service writes it.
            #[must_use]
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }
        }

        impl From<String> for $name {
            fn from(code: String) -> Self {
                match code.as_str() {
                    $($code => Self::$variant,)*
                    _ => Self::Other(code),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.code())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from).map(Self::from)
            }
        }
    )*};
}

codes! {
    /// What a gate does. Anything but [`Grant`](Self::Grant) keeps it shut.
    Decision {
        /// It opens.
        Grant = "grant",
        /// It stays shut.
        Deny = "deny",
        /// It stays shut, and another frame may help.
        Retry = "retry",
    }

    /// Why a gate does it; docs/REASONS.md says what to show and what to do.
    Reason {
        /// The person may pass.
        Granted = "granted",
        /// No face was found.
        NoFace = "no_face",
        /// Several faces are about equally near.
        MultipleFaces = "multiple_faces",
        /// Too few pixels between the pupils.
        TooSmall = "too_small",
        /// Too little light on the face.
        TooDark = "too_dark",
        /// Too much light on the face.
        TooBright = "too_bright",
        /// The face is blurred.
        TooBlurred = "too_blurred",
        /// The head is turned to a side.
        TurnedAway = "turned_away",
        /// The encoder makes little of the face.
        Unclear = "unclear",
        /// The person was let through here a moment ago.
        AlreadyGranted = "already_granted",
        /// Two enrolled people are about equally near.
        AmbiguousPerson = "ambiguous_person",
        /// The face is taken for a print, a screen or a mask.
        Spoof = "spoof",
        /// Nobody enrolled is near enough.
        UnknownPerson = "unknown_person",
        /// The frames of one passage show different people.
        FramesDisagree = "frames_disagree",
        /// No employee carries the badge.
        UnknownBadge = "unknown_badge",
        /// The badge's owner has no face enrolled.
        NotEnrolled = "not_enrolled",
        /// The face is not that of the badge's owner.
        FaceDoesNotMatchBadge = "face_does_not_match_badge",
        /// A badge is wanted with the face.
        BadgeRequired = "badge_required",
        /// The face is that of somebody on the blocklist. The trail has it; no gate is told.
        Blocked = "blocked",
        /// The employee is suspended.
        Suspended = "suspended",
        /// The employee was revoked.
        Revoked = "revoked",
        /// The employee's validity has not begun.
        NotYetValid = "not_yet_valid",
        /// The employee's validity has ended.
        Expired = "expired",
        /// No group of the employee's may enter the zone.
        NoAccess = "no_access",
        /// A group of the employee's may enter the zone, but not at this hour.
        OutsideHours = "outside_hours",
        /// The person was let through another gate a moment ago.
        PassedElsewhere = "passed_elsewhere",
        /// The person would go the same way through the zone's gates a second time.
        AntiPassback = "anti_passback",
        /// The employee or the matched face was removed while the frame travelled.
        TemplateRemoved = "template_removed",
        /// The frame is older than the gate allows.
        StaleFrame = "stale_frame",
        /// The frame claims to be from the future.
        FrameFromFuture = "frame_from_future",
        /// The key that the gate asked with was revoked.
        KeyRevoked = "key_revoked",
        /// The gate is switched off.
        GateDisabled = "gate_disabled",
    }

    /// What came of a frame that no gate asked about.
    Outcome {
        /// The face is that of the employee named.
        Match = "match",
        /// The face is not that of the claimed employee.
        NoMatch = "no_match",
        /// The face is nobody's who is enrolled.
        Unknown = "unknown",
        /// Two enrolled people are about equally near.
        Ambiguous = "ambiguous",
        /// No face was found.
        NoFace = "no_face",
        /// Several faces are about equally near.
        MultipleFaces = "multiple_faces",
        /// The face is taken for a print, a screen or a mask.
        Spoof = "spoof",
        /// The face's picture is not good enough.
        LowQuality = "low_quality",
        /// The face is taken for a live one.
        Live = "live",
    }

    /// What is wrong with a picture.
    Issue {
        /// Too few pixels between the pupils.
        TooSmall = "too_small",
        /// Too little light on the face.
        TooDark = "too_dark",
        /// Too much light on the face.
        TooBright = "too_bright",
        /// The face is blurred.
        TooBlurred = "too_blurred",
        /// The head is turned to a side.
        TurnedAway = "turned_away",
        /// The encoder makes little of the face.
        Unclear = "unclear",
    }

    /// A figure of a picture that missed its limit.
    QualityFigure {
        /// Pixels between the pupils.
        PupilDistance = "pupil_distance_px",
        /// Mean luma of the face.
        Brightness = "brightness",
        /// Variance of the Laplacian.
        Sharpness = "sharpness",
        /// The turn to a side.
        Yaw = "yaw",
        /// How far the head is bent.
        Pitch = "pitch",
        /// The tilt.
        Roll = "roll_degrees",
        /// What the encoder makes of the face.
        FeatureNorm = "feature_norm",
    }

    /// What an administrator decided about an employee.
    EmployeeStatus {
        /// May pass.
        Active = "active",
        /// May not pass for now.
        Suspended = "suspended",
        /// May not pass again unless that is changed.
        Revoked = "revoked",
        /// On the blocklist.
        Blocked = "blocked",
    }

    /// Whether an employee may pass now, by status and validity.
    Standing {
        /// May pass.
        Good = "good",
        /// Suspended.
        Suspended = "suspended",
        /// Revoked.
        Revoked = "revoked",
        /// On the blocklist.
        Blocked = "blocked",
        /// The validity has not begun.
        NotYetValid = "not_yet_valid",
        /// The validity has ended.
        Expired = "expired",
    }

    /// Whom a gate compares a face with.
    GateMode {
        /// Everybody.
        Face = "face",
        /// The owner of the badge that must come along.
        BadgeAndFace = "badge_and_face",
        /// The owner of a badge where one comes along, else everybody.
        BadgeOrFace = "badge_or_face",
    }

    /// Which way a gate leads.
    Direction {
        /// Into its zone.
        In = "in",
        /// Out of its zone.
        Out = "out",
    }

    /// What a rule that only reports had to say.
    Notice {
        /// The person went the same way twice.
        AntiPassback = "anti_passback",
        /// The face is like that of somebody on the blocklist.
        LikeBlocked = "like_blocked",
    }

    /// What a gate noticed.
    Input {
        /// The door is open for longer than it may be.
        DoorHeld = "door_held",
        /// The door opened and nothing had let it.
        DoorForced = "door_forced",
        /// The door is shut again.
        DoorClosed = "door_closed",
        /// The button or the sensor inside opened it.
        RequestToExit = "request_to_exit",
        /// Somebody went through on the grant.
        RotationDone = "rotation_done",
        /// Nobody went through on the grant, and nobody can any more.
        GrantUnused = "grant_unused",
    }

    /// How far an invitation is.
    InvitationState {
        /// It may be used.
        Open = "open",
        /// A face was enrolled with it.
        Used = "used",
        /// It was taken back.
        Revoked = "revoked",
        /// Its time is over.
        Expired = "expired",
        /// Too many photos were refused.
        Exhausted = "exhausted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_not_known_is_kept_as_it_came() {
        let read = |text| serde_json::from_str::<Reason>(text).unwrap();
        assert_eq!(read(r#""spoof""#), Reason::Spoof);
        let new = read(r#""out_of_fuel""#);
        assert_eq!(new, Reason::Other("out_of_fuel".into()));
        assert_eq!(serde_json::to_string(&new).unwrap(), r#""out_of_fuel""#);
        assert_eq!(new.to_string(), "out_of_fuel");
    }
}
