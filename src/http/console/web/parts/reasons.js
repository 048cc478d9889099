// The reasons that a gate may give (docs/REASONS.md); a test holds that none is missing.

export const REASONS = [
  "granted", "no_face", "multiple_faces", "too_small", "too_dark", "too_bright", "too_blurred", "turned_away",
  "unclear", "already_granted", "ambiguous_person", "spoof", "unknown_person", "frames_disagree", "unknown_badge",
  "not_enrolled", "face_does_not_match_badge", "badge_required", "blocked", "suspended", "revoked",
  "not_yet_valid", "expired", "no_access", "outside_hours", "passed_elsewhere", "anti_passback",
  "template_removed", "stale_frame", "frame_from_future", "key_revoked", "gate_disabled",
];
