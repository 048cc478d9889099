// Where the console begins.

import { get } from "/assets/parts/api.js";

/** Of the views that somebody may see, the one that comes first: on an empty installation the guided start. */
export async function firstView(views) {
  if (!views.includes("start")) return views[0];
  const lists = ["/v1/gates", "/v1/employees"].map((path) => get(path, { limit: 1 }).then(({ items }) => items.length));
  // What cannot be asked is told by the view itself.
  const counts = await Promise.all(lists).catch(() => [1]);
  return counts.some(Boolean) ? views[0] : "start";
}
