// Somebody's enrolled faces, and new ones: from files or from the camera.

import { get, remove } from "/assets/parts/api.js";
import { card, trouble } from "/assets/parts/card.js";
import { confirmDialog } from "/assets/parts/dialog.js";
import { busy, fill, h } from "/assets/parts/dom.js";
import { figure, moment } from "/assets/parts/format.js";
import { enrolmentCamera } from "/assets/pages/person/camera.js";
import { enrol } from "/assets/pages/person/enrol.js";
import { photoOf } from "/assets/parts/photo.js";
import { row, rows } from "/assets/parts/rows.js";

/** Files that are taken at once. */
const FILES_MAX = 20;

/** The card: `{element, reload, leave}`; `changed` is called when there is a face more or less. */
export function faces(person, { mayChange, changed }) {
  const path = `/v1/employees/${person.employee_id}/faces`;
  const list = h("div", { class: "stack" });
  const said = rows([], { "aria-live": "polite" });
  const problem = trouble();
  const place = h("div");
  let camera = null;

  async function reload() {
    try {
      const { items } = await get(path);
      fill(list, items.length ? rows(items.map(faceRow)) : h("p", { class: "soft" }, "No face is enrolled: gates do not know this person."));
    } catch (error) {
      problem.say(error);
    }
  }

  function faceRow(face) {
    const { pupil_distance_px, sharpness, yaw } = face.quality;
    const measured = `${figure(pupil_distance_px)} px between the eyes, sharpness ${figure(sharpness)}, turned ${figure(Math.abs(yaw), 2)}, ${face.model_id}`;
    return row(
      [h("span", {}, moment(face.created_at)), h("span", { class: "soft small" }, measured)],
      mayChange && h("button", { type: "button", class: "bare", "aria-label": `Remove the face of ${moment(face.created_at)}`, on: { click: () => removeFace(face) } }, "Remove"));
  }

  async function removeFace(face) {
    const done = await confirmDialog({ title: "Remove this face?", text: "Gates no longer know the person by it, at once.", action: "Remove", submit: () => remove(`${path}/${face.face_id}`) });
    if (done) hear();
  }

  function hear() {
    reload();
    changed();
  }

  /** Enrols a photo, and says what became of it. Throws what the service refuses. */
  async function take(photo, name) {
    const { text, kind, other } = await enrol(person.employee_id, photo);
    said.append(h("li", { class: `notice ${kind}` }, name && h("strong", {}, `${name}: `), text, other && h("a", { href: `/console/people/${other}` }, "look at them"), other && "."));
    hear();
  }

  const file = h("input", { type: "file", accept: "image/*", multiple: true, hidden: true, on: { change: async () => {
    const chosen = [...file.files].slice(0, FILES_MAX);
    file.value = "";
    fill(said);
    await busy(pick, async () => {
      for (const one of chosen) {
        try {
          await take(await photoOf(one), one.name);
        } catch (error) {
          said.append(h("li", { class: "notice bad" }, h("strong", {}, `${one.name}: `), error.message, error.advice?.length ? ` ${error.advice.join(", ")}.` : ""));
        }
      }
    });
  } } });
  const pick = h("button", { type: "button", on: { click: () => file.click() } }, "Add photos");
  const open = h("button", { type: "button", class: "quiet", on: { click: () => {
    fill(said);
    open.hidden = true;
    camera = enrolmentCamera({ take, closed: () => {
      camera = null;
      fill(place);
      open.hidden = false;
      open.focus();
    } });
    fill(place, camera.element);
    camera.start();
  } } }, "Use the camera");

  reload();
  return {
    element: card("Faces", list, mayChange && [h("div", { class: "row" }, pick, open), file], place, problem.element, said),
    reload,
    leave: () => camera?.stop(),
  };
}
