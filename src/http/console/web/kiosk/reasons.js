// What a turnstile shows for each answer, as docs/REASONS.md has it: a word to be read from afar, and what to do.

const AT_THE_DESK = ["Closed", "See the desk"];
const CLOSED = ["Closed", "This gate is closed"];

/** By reason: what is said, and what helps. */
export const SHOWN = {
  granted: ["Welcome", "Go through"],
  no_face: ["Try again", "Look at the camera"],
  multiple_faces: ["Try again", "One person at a time"],
  too_small: ["Try again", "Move closer"],
  too_dark: ["Try again", "Turn towards the light"],
  too_bright: ["Try again", "Turn away from the light"],
  too_blurred: ["Try again", "Hold still"],
  turned_away: ["Try again", "Look at the camera"],
  unclear: ["Try again", "Uncover your face and look at the camera"],
  already_granted: ["Already open", "The gate is open, or was a moment ago"],
  ambiguous_person: ["Show your badge", "Your face alone does not tell who you are"],
  spoof: ["No entry", "This is not taken for a living face"],
  unknown_person: ["No entry", "Not recognised"],
  frames_disagree: ["No entry", "One person at a time"],
  unknown_badge: ["No entry", "Badge unknown"],
  not_enrolled: ["No entry", "No photo of you is enrolled: please see the desk"],
  face_does_not_match_badge: ["No entry", "The face is not that of the badge's owner"],
  badge_required: ["Show your badge", "The face alone does not open this gate"],
  suspended: AT_THE_DESK,
  revoked: AT_THE_DESK,
  not_yet_valid: AT_THE_DESK,
  expired: AT_THE_DESK,
  no_access: ["No entry", "You have no access here"],
  outside_hours: ["No entry", "Not at this hour"],
  passed_elsewhere: ["No entry", "You went through another gate a moment ago"],
  anti_passback: AT_THE_DESK,
  template_removed: AT_THE_DESK,
  stale_frame: ["Try again", "That took too long"],
  frame_from_future: ["Try again", "The clock of this device is ahead"],
  key_revoked: CLOSED,
  gate_disabled: CLOSED,
};

/** Where nothing but the same face again is asked for: who stands there is asked again by itself. */
const AGAIN = new Set(["no_face", "multiple_faces", "too_small", "too_dark", "too_bright", "too_blurred", "turned_away", "unclear", "stale_frame", "frame_from_future"]);
/** Where a badge, or another one, helps. */
const BADGE = new Set(["ambiguous_person", "badge_required", "unknown_badge"]);

/** Of what the service refuses: what helps whoever looks after the device. */
const REFUSED = {
  bad_signature: "The service does not take this device's credential: it ended, or was revoked. Pair the device anew.",
  stale_request: "The clock of this device is wrong. Set it.",
  not_found: "The gate of this device is gone. Pair the device anew.",
  wrong_gate: "The credential is another gate's. Pair the device anew.",
  too_many_frames: "The service takes fewer pictures at once. Try again.",
};

/**
 * The screen of an answer: `{open, title, text, openMs, again, badge}`. It opens on an explicit grant alone; whatever
 * else an answer may be, known or not, is a refusal. `again`: the same face may be asked about at once; `badge`: a
 * badge is asked for.
 */
export function screenOf(answer) {
  const open = answer?.decision === "grant" && answer.reason === "granted" && answer.open_ms > 0;
  const known = Object.hasOwn(SHOWN, answer?.reason ?? "") && (open || answer.reason !== "granted");
  const [title, text] = known ? SHOWN[answer.reason] : ["No entry", "Please see the desk"];
  return { open, title, text, openMs: open ? answer.open_ms : 0, again: AGAIN.has(answer?.reason), badge: BADGE.has(answer?.reason) };
}

/** The screen where there was no answer, a refusal of the request itself, or no picture to send. */
export const screenOfTrouble = (problem) =>
  ({ open: false, title: "Closed", text: REFUSED[problem.code] || (problem.status === 0 ? "No connection" : problem.message), openMs: 0 });
