// The risk that is accepted, what it comes to for the people who are enrolled, and what another would.

import { get } from "/assets/parts/api.js";
import { card } from "/assets/parts/card.js";
import { field, fill, h, uniqueId } from "/assets/parts/dom.js";
import { count, figure } from "/assets/parts/format.js";
import { bigFigure, facts, refusal } from "/assets/parts/section.js";
import { copyButton } from "/assets/parts/secret.js";
import { afterTyping, table } from "/assets/parts/table.js";
import { detChart } from "/assets/pages/risk_chart.js";
import { amount, rateText, refusalNotice, riskText } from "/assets/pages/risk_words.js";

/** The risks of the slider: so many steps to each power of ten, from one in a million to one in two. */
const MANTISSAS = [1, 1.5, 2, 3, 5, 7];
const RISK_MAX = 0.5;

/** As many people as the API can be asked for. */
const PEOPLE_MAX = 4_294_967_295;

export async function show(view) {
  const first = await get("/v1/risk");
  const stops = stopsWith(first.configured.max_fpir);
  const people = Math.max(1, first.gallery);
  const risk = h("input", { type: "range", id: uniqueId("risk"), min: 0, max: stops.length - 1, step: 1, value: nearest(stops, first.max_fpir) });
  const riskShown = h("output", { for: risk.id, class: "number" });
  const perPerson = number(2, { min: 0, max: 1000, step: "any" });
  const strangers = number(first.strangers_per_day, { min: 0, max: 1e9, step: "any" });
  const misses = number(first.max_fnir * 100, { min: 0.1, max: 99, step: "any" });
  const other = number(Math.max(100, people * 10), { min: 1, max: PEOPLE_MAX, step: 1 });
  const figures = h("div", { class: "cards figures" });
  const spoken = h("p", { class: "visually-hidden", role: "status" });
  const verdict = h("div", { class: "stack" });
  const chart = h("div", { class: "stack" });
  const whatIf = h("div", { class: "stack" });
  const config = h("div", { class: "stack" });
  let turn = 0;
  let asking = null;
  let drawn = () => {};

  const chosen = () => stops[risk.value];

  /** What is asked of the service, for so many people. */
  const question = (of) => ({
    max_fpir: chosen(),
    max_fnir: misses.value / 100,
    people: of,
    mated_per_day: perPerson.value * of,
    strangers_per_day: strangers.value,
  });

  async function ask() {
    const wrong = [perPerson, strangers, misses, other].find((input) => !input.reportValidity());
    if (wrong) return;
    const mine = (turn += 1);
    asking?.abort();
    asking = new AbortController();
    try {
      const numbers = [people, Math.min(PEOPLE_MAX, people * 2), Number(other.value)];
      const answers = await Promise.all(numbers.map((of) => get("/v1/risk", question(of), asking.signal)));
      if (mine === turn) showAnswers(answers);
    } catch (problem) {
      if (problem.name !== "AbortError" && mine === turn) fill(verdict, refusal(problem, ask));
    }
  }

  function showAnswers(answers) {
    const [here] = answers;
    const { offer } = here;
    fill(figures, offer
      ? [
        bigFigure(figure(offer.threshold, 4), "τ: how near a face must be, as a squared distance"),
        bigFigure(`≤ ${amount(offer.false_entries_per_year)}`, "false entries a year: strangers let in"),
        bigFigure(amount(offer.honest_retries_per_day), "honest retries a day: enrolled people who must try again"),
        bigFigure(rateText(offer.fnir), "of the attempts of enrolled people fail"),
      ]
      : bigFigure("–", "no τ for this risk"));
    fill(verdict,
      offer ? null : refusalNotice(here, (smallest) => take(stops.findIndex((stop) => stop >= smallest))),
      here.limited_by_max_fmr && h("p", { class: "notice" }, `Among so few people max_fmr, ${rateText(here.configured.max_fmr)} for one comparison, is the stricter of the two, and decides.`));
    spoken.textContent = offer
      ? `τ ${figure(offer.threshold, 4)}, at most ${amount(offer.false_entries_per_year)} false entries a year, ${amount(offer.honest_retries_per_day)} honest retries a day.`
      : `Refused: ${here.refusal.reason}.`;
    drawn = detChart(chart, here);
    fill(whatIf, whatIfTable(answers));
    fill(config, howToSet(here));
  }

  function said() {
    const text = riskText(chosen());
    riskShown.textContent = text;
    risk.setAttribute("aria-valuetext", text);
  }

  function take(stop) {
    if (stop < 0) return;
    risk.value = stop;
    said();
    ask();
    risk.focus();
  }

  const soon = afterTyping(ask, 120);
  risk.addEventListener("input", () => {
    said();
    soon();
  });
  for (const input of [perPerson, strangers, misses, other]) input.addEventListener("input", afterTyping(ask, 400));
  said();

  fill(view,
    h("h1", {}, "Risk"),
    h("p", {}, "A face alone is compared with everybody who is enrolled. The more they are, the likelier a stranger is like one of them. You accept a risk; the threshold τ (tau) follows from it, from the encoder's measured error rates, and from the number of people."),
    inUse(first),
    card("Another risk", h("div", { class: "stack" },
      h("div", { class: "field" }, h("div", { class: "row" }, h("label", { for: risk.id }, "The chance that a stranger's attempt matches anybody"), riskShown), risk,
        h("div", { class: "ends soft small" }, h("span", {}, "fewer strangers"), h("span", {}, "fewer retries"))),
      figures, spoken, verdict, chart,
      h("details", {}, h("summary", {}, "Traffic, and how many may fail"),
        h("div", { class: "fields" },
          field("Attempts of each person a day", perPerson, "In and out is two."),
          field("Attempts of strangers a day", strangers),
          field("At most so many honest attempts may fail", misses, "Per cent: what fails more often is refused."))))),
    card("What if more are enrolled", whatIf, field("Any number of people", other)),
    card("To set it", config));
  await ask();

  const redraw = new ResizeObserver(() => drawn());
  redraw.observe(chart);
  return () => {
    redraw.disconnect();
    asking?.abort();
    turn += 1;
  };
}

const number = (value, limits) => h("input", { type: "number", value, required: true, ...limits });

/** The risks of the slider, that which is configured among them. */
function stopsWith(configured) {
  const stops = new Set([configured]);
  for (let power = -6; power < 0; power += 1) {
    for (const mantissa of MANTISSAS) {
      const risk = Number(`${mantissa}e${power}`);
      if (risk <= RISK_MAX) stops.add(risk);
    }
  }
  return [...stops].sort((a, b) => a - b);
}

const nearest = (stops, risk) => stops.reduce((best, stop, at) => (Math.abs(Math.log(stop / risk)) < Math.abs(Math.log(stops[best] / risk)) ? at : best), 0);

/** What faces are compared by now. */
function inUse({ gallery, configured, now, model_id: model }) {
  const fixed = configured.recognize_threshold !== null;
  return card("In use now",
    fixed && h("p", { class: "notice warn" }, "recognize_threshold in config.toml fixes τ, whatever the risk."),
    !now.supported && h("p", { class: "notice warn" }, "The encoder's data do not show errors as rare as this risk asks for so many people: τ is extrapolated, and the figures are those of the smallest risk that they do show. Ask for a badge as well, or accept more."),
    facts([
      ["People enrolled", gallery ? count(gallery) : "nobody yet: the figures are for one person"],
      ["Accepted risk", `${riskText(configured.max_fpir)} (max_fpir)`],
      ["With a badge", `${riskText(configured.max_fmr)} (max_fmr)`],
      ["τ", `${figure(now.threshold, 4)}${fixed ? ", fixed" : ""}`],
      ["False entries a year", `at most ${amount(now.false_entries_per_year)}`],
      ["Honest retries a day", amount(now.honest_retries_per_day)],
      ["Encoder", h("code", {}, model)],
    ]));
}

function whatIfTable(answers) {
  const names = ["Enrolled now", "Twice as many", "Any number"];
  const rows = answers.map((answer, at) => ({ answer, name: names[at] }));
  const value = (show) => ({ answer }) => (answer.offer ? show(answer.offer) : "refused");
  return table("The same risk for other numbers of people", [
    ["For", ({ name }) => h("strong", {}, name)],
    ["People", ({ answer }) => count(answer.people), "number"],
    ["τ", value((offer) => figure(offer.threshold, 4)), "number"],
    ["False entries a year", value((offer) => `≤ ${amount(offer.false_entries_per_year)}`), "number"],
    ["Honest retries a day", value((offer) => amount(offer.honest_retries_per_day)), "number"],
    ["Instead", ({ answer }) => answer.refusal && insteadText(answer)],
  ], rows);
}

/** In a cell: what there is in the place of what is refused. */
const insteadText = ({ refusal: { smallest_fpir: smallest, badge } }) =>
  [smallest && `a risk of ${rateText(smallest)}`, badge && "a badge first"].filter(Boolean).join(", or ") || "nothing with this encoder";

function howToSet({ max_fpir: risk, configured, people, offer }) {
  if (risk === configured.max_fpir) return h("p", {}, "This is the risk that is configured.");
  const lines = `[matching]\nmax_fpir = ${risk}`;
  return [
    h("p", {}, "The risk is part of the configuration, so that no session changes it by the way. Put this into config.toml and start the service again:"),
    h("pre", { class: "code", tabindex: "0", "aria-label": "For config.toml" }, lines),
    h("div", { class: "row" }, copyButton(lines)),
    !offer && h("p", { class: "notice warn" }, "The service would start with it, go on past what the data support, and say so in its log. Take what is possible instead."),
    h("p", { class: "soft small" }, "The same on the command line: ", h("code", {}, `limen threshold --gallery ${people} --fpir ${risk}`)),
  ];
}
