// One person: their faces, whether and where they may pass, and what is stored about them.

import { get } from "/assets/parts/api.js";
import { fill, h } from "/assets/parts/dom.js";
import { forgetPerson } from "/assets/parts/people.js";
import { consents } from "/assets/pages/person/consents.js";
import { data } from "/assets/pages/person/data.js";
import { details } from "/assets/pages/person/details.js";
import { faces } from "/assets/pages/person/faces.js";
import { groups } from "/assets/pages/person/groups.js";
import { invitations } from "/assets/pages/person/invitations.js";
import { lookalikes } from "/assets/pages/person/lookalikes.js";
import { passages } from "/assets/pages/person/passages.js";
import { statusButtons, statusTags } from "/assets/pages/person/status.js";

/** Shows the person that the address names. */
export async function show(view, { path: [id], may, go }) {
  let person = await get(`/v1/employees/${encodeURIComponent(id)}`);
  document.title = `${person.name} · Limen`;
  // Of somebody on the blocklist only those change anything who may put people there.
  const mayOf = (permission) => may(permission) && (person.status !== "blocked" || may("block_people"));
  const heading = h("div", { class: "stack" });
  const facts = h("div");
  const parting = h("div");
  const alike = may("see_candidates") && lookalikes(id);
  const photos = faces(person, { mayChange: mayOf("change_people"), changed: facesChanged });
  fill(view,
    h("p", {}, h("a", { href: "/console/people" }, "All people")),
    heading,
    h("div", { class: "columns" },
      h("div", { class: "stack" },
        photos.element,
        groups(id, { mayChange: mayOf("change_members") }).element,
        alike && alike.element,
        may("see_trail") && passages(id)),
      h("div", { class: "stack" },
        facts,
        consents(id, { mayChange: mayOf("change_people"), facesGone: photos.reload }).element,
        invitations(id, { mayChange: mayOf("change_people") }).element,
        parting)));
  showPerson();
  // Somebody who was just added: the dialog that had the focus is gone.
  if (document.activeElement === document.body) heading.querySelector("h1").focus();
  return photos.leave;

  /** What of the page says how the person now is. */
  function showPerson() {
    fill(heading, h("div", { class: "heading" },
      h("div", { class: "row" }, h("h1", { tabindex: "-1" }, person.name), statusTags(person)),
      h("div", { class: "row" }, statusButtons(person, { may, changed }))));
    fill(facts, details(person, { mayChange: mayOf("change_people"), changed }));
    fill(parting, data(person, { may, mayChange: mayOf("change_people"), gone: () => (forgetPerson(id), go("/console/people", { replace: true })) }));
  }

  /** Another face may make somebody a look-alike, who then needs a badge. */
  async function facesChanged() {
    if (alike) alike.reload();
    person = await get(`/v1/employees/${id}`).catch(() => person);
    showPerson();
  }

  function changed(now) {
    const blocks = now.status === "blocked" || person.status === "blocked";
    person = now;
    forgetPerson(id);
    // Who may change what is another then.
    if (blocks) return go(location.pathname, { replace: true });
    showPerson();
    heading.querySelector("h1").focus();
  }
}
