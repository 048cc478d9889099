//! What there can be too much of at once.

/// What there is too much of; the request is sent away with 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overload {
    /// Frames that are looked at or wait.
    Frames,
    /// Frames that are looked at for a hint alone, while gates want the workers.
    FrameChecks,
    /// Bytes of frames in memory.
    FrameBytes,
    /// Requests of any kind.
    Requests,
    /// Lists that are read.
    Lists,
    /// Streams that are open.
    Streams,
    /// Streams that are open with one key.
    StreamsOfKey,
    /// Imports that run.
    Imports,
    /// Photos of invited people that come or are looked at.
    InvitedPhotos,
}

/// The names that the metrics know what there was too much of by.
#[must_use]
pub fn overload_limits() -> [&'static str; 9] {
    Overload::ALL.map(Overload::limit)
}

impl Overload {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Frames,
        Self::FrameChecks,
        Self::FrameBytes,
        Self::Requests,
        Self::Lists,
        Self::Streams,
        Self::StreamsOfKey,
        Self::Imports,
        Self::InvitedPhotos,
    ];

    /// Its name in the metrics: that of the setting which limits it, or of the constant.
    pub fn limit(self) -> &'static str {
        match self {
            Self::Frames => "queue_max",
            Self::FrameChecks => "frame_checks",
            Self::FrameBytes => "frame_bytes_in_flight_max",
            Self::Requests => "requests_max",
            Self::Lists => "connections_max",
            Self::Streams => "streams_max",
            Self::StreamsOfKey => "streams_per_key_max",
            Self::Imports => "imports_max",
            Self::InvitedPhotos => "invited_photos_max",
        }
    }

    /// What the client is told.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Frames => {
                "too many frames are being looked at; try again after retry-after seconds"
            }
            Self::FrameChecks => {
                "gates want the workers just now; try again after retry-after seconds"
            }
            Self::FrameBytes => {
                "too many bytes of frames are in memory; try again after retry-after seconds"
            }
            Self::Requests => {
                "too many requests are being answered; try again after retry-after seconds"
            }
            Self::Lists => "too many lists are being read; try again after retry-after seconds",
            Self::Streams => "too many streams are open; try again after retry-after seconds",
            Self::StreamsOfKey => {
                "too many streams are open with this key; try again after retry-after seconds"
            }
            Self::Imports => "too many imports are running; try again after retry-after seconds",
            Self::InvitedPhotos => {
                "too many photos of invited people are coming in; try again after retry-after seconds"
            }
        }
    }
}
