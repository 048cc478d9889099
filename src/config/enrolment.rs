//! `[enrolment]`

use garde::Validate;
use serde::Deserialize;

/// What a photo must be to be enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct EnrolmentConfig {
    /// Faces that one person may have.
    #[garde(range(min = 1, max = 100))]
    pub faces_max: u32,
    /// The smallest face, in pixels between the pupils.
    #[garde(range(min = 8.0, max = 1_000.0))]
    pub pupil_distance_px_min: f32,
    /// Whether a photo must look alive. Off: badge photos are often scans of prints.
    #[garde(skip)]
    pub liveness: bool,
    /// Whether a face that is like another person's makes both need their badge: the face alone opens for
    /// neither any longer.
    #[garde(skip)]
    pub lookalikes_need_badge: bool,
    /// Imports that run at once, of this replica.
    #[garde(range(min = 1, max = 100))]
    pub imports_max: usize,
    /// Rows of one import.
    #[garde(range(min = 1, max = 1_000_000))]
    pub import_rows_max: usize,
    /// Photos of all imports that are looked at at once; 0: as many as there are workers.
    #[garde(range(max = 1_000))]
    pub import_photos_at_once: usize,
}

impl Default for EnrolmentConfig {
    fn default() -> Self {
        Self {
            faces_max: 8,
            pupil_distance_px_min: 32.0,
            liveness: false,
            lookalikes_need_badge: true,
            imports_max: 2,
            import_rows_max: 100_000,
            import_photos_at_once: 0,
        }
    }
}
