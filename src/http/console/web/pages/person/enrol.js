// Enrolling a photo, and what its answer says.

import { post } from "/assets/parts/api.js";

/** Enrols a photo of a person: `{text, kind, other}`, `other` the id of somebody whom the face is like. */
export async function enrol(id, photo) {
  const face = await post(`/v1/employees/${id}/faces`, photo);
  if (!face.looks_like) return { text: "Enrolled.", kind: "good" };
  const both = face.badge_required ? " From now on neither passes without a badge." : "";
  return { text: `Enrolled, but the face is like somebody else's: a look-alike, or the same person entered twice.${both} `, kind: "warn", other: face.looks_like };
}
