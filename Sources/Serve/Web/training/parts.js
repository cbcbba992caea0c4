// @ts-check
// Elements and texts that the sections of the training area share.
import { el, icon } from "../common/dom.js";
import { errorText } from "../common/forms.js";
import { number } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";

/** "45 s", "12 min", "2 h 5 min". @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "unknown";
  const whole = Math.round(seconds);
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 90) return `${minutes} min`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest ? ` ${rest} min` : ""}`;
}

/** A loss with four decimals; a dash if it is unknown. @param {number | null | undefined} value */
export const loss = (value) => (typeof value === "number" && Number.isFinite(value) ? value.toFixed(4) : "–");

/** @param {number | null | undefined} value @param {number} [digits] */
export const decimal = (value, digits = 1) =>
  (typeof value === "number" && Number.isFinite(value) ? value.toLocaleString("en", { maximumFractionDigits: digits }) : "–");

/** @param {string} time */
const dateText = (time) =>
  new Date(time).toLocaleString("en",
    { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });

/** A time as an element; a dash if it is unknown. @param {string | null | undefined} time */
export const when = (time) => (time ? el("time", { datetime: time }, dateText(time)) : "–");

/** A word with a colored background. @param {string} text @param {"good" | "bad" | "warn" | "plain" | "busy"} [kind] */
export const pill = (text, kind = "plain") => el("span", { class: `pill ${kind}` }, text);

/** @param {string} label @param {(event: Event) => any} onclick @param {Record<string, any>} [attributes] */
export const button = (label, onclick, attributes = {}) =>
  el("button", { type: "button", ...attributes, class: `button ${attributes.class ?? ""}`.trim(), onclick }, label);

/** @param {string} label @param {string} href @param {string} [kind] */
export const linkButton = (label, href, kind = "") => el("a", { class: `button ${kind}`.trim(), href }, label);

/** A list of terms and values. Values that are null are left out. @param {[string, any][]} pairs */
export const facts = (pairs) => el("dl", { class: "facts" }, ...pairs.filter(([, value]) => value !== null && value !== undefined)
  .map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, typeof value === "string" ? visible(value) : value))));

/** What is shown instead of an empty list. @param {string} title @param {string} text @param {...(Node | false)} more */
export const nothing = (title, text, ...more) =>
  el("div", { class: "nothing" }, el("p", {}, el("strong", {}, title)), el("p", {}, text), ...more);

/** @param {string} text @param {"warn" | "bad" | "good"} [kind] */
export const note = (text, kind = "warn") =>
  el("p", { class: `area-note ${kind}` }, icon(kind === "good" ? "check" : "alert"), el("span", { dir: "auto" }, visible(text)));

/**
 * A section of the training area.
 * @param {string} title @param {Node[]} buttons beside the title @param {string} help @param {...Node} children
 */
export const section = (title, buttons, help, ...children) => el("section", { "aria-labelledby": "area-title" },
  el("div", { class: "area-head" }, el("h2", { id: "area-title", tabindex: -1 }, title), ...buttons),
  el("p", { class: "help" }, help), ...children);

/**
 * Shows why a form was refused, and moves the focus to the input that the server names.
 * @param {HTMLElement} host @param {any} problem @param {Record<string, any>} inputs by the names of the request's fields
 * @param {HTMLElement} [first] gets the focus if there is no such input
 */
export function showProblem(host, problem, inputs, first) {
  host.replaceChildren(note(errorText(problem), "bad"));
  (inputs[problem.field] ?? first)?.focus();
}

/** Gray lines while something is loading. */
export const loading = () => el("div", { class: "area-loading", role: "status" }, el("span", { class: "visually-hidden" }, "Loading…"),
  ...[70, 95, 82, 40].map((width) => el("span", { class: `line w${width}` })));

/**
 * A table that scrolls sideways where it is too wide.
 * @param {string} caption @param {string[]} head @param {any[][]} rows cells; the first of a row is its heading
 * @param {boolean} [hasHiddenCaption]
 */
export function table(caption, head, rows, hasHiddenCaption = true) {
  const cells = (/** @type {any[]} */ row) => row.map((cell, index) =>
    el(index === 0 ? "th" : "td", index === 0 ? { scope: "row" } : {}, typeof cell === "number" ? number(cell) : cell ?? "–"));
  return el("div", { class: "table area-table", tabindex: 0, role: "region", "aria-label": caption }, el("table", {},
    el("caption", { class: hasHiddenCaption && "visually-hidden" }, caption),
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells(row))))));
}

/** A form that the page handles. @param {() => any} onsubmit @param {...any} children */
export const form = (onsubmit, ...children) => el("form", { class: "area-form", onsubmit: (/** @type {Event} */ event) => {
  event.preventDefault();
  onsubmit();
} }, ...children);

let fields = 0;

/**
 * A labeled input with help.
 * @param {string} label @param {HTMLElement} input @param {string} [help]
 */
export function field(label, input, help) {
  fields += 1;
  input.id ||= `area-field-${fields}`;
  const helpID = `${input.id}-help`;
  if (help) input.setAttribute("aria-describedby", helpID);
  return el("div", { class: "field" }, el("label", { for: input.id }, label), input, help && el("p", { id: helpID, class: "help" }, help));
}

/** @param {[string, string][]} options values and labels @param {string} [value] @param {Record<string, any>} [attributes] */
export function select(options, value, attributes = {}) {
  const element = el("select", attributes, ...options.map(([name, label]) => el("option", { value: name }, label)));
  if (value !== undefined) element.value = value;
  return element;
}

/** @param {string} label @param {HTMLInputElement} input */
export const check = (label, input) => el("label", { class: "check" }, input, el("span", {}, label));

/** The names of states, and their colors. @type {Record<string, [string, "good" | "bad" | "warn" | "plain" | "busy"]>} */
export const STATES = {
  new: ["New", "plain"], included: ["Included", "good"], excluded: ["Excluded", "bad"],
  queued: ["Waiting", "plain"], running: ["Running", "busy"], stopping: ["Stopping", "busy"], stopped: ["Stopped", "warn"],
  finished: ["Finished", "good"], failed: ["Failed", "bad"],
  candidate: ["Candidate", "plain"], active: ["Active", "good"], previous: ["Previous", "warn"], archived: ["Archived", "plain"],
  better: ["Better", "good"], no_worse: ["No worse", "warn"], worse: ["Worse", "bad"],
  not_enough: ["Not enough to judge", "warn"],
};

/** @param {string | null | undefined} state */
export function statePill(state) {
  const [text, kind] = STATES[state ?? ""] ?? [state ?? "", "plain"];
  return pill(visible(text), kind);
}

/** Draws a share of a whole as a bar. @param {number} share 0…1 @param {string} label @param {boolean} [isFull] */
export function bar(share, label, isFull = false) {
  const inner = el("div", {});
  const value = Math.max(0, Math.min(1, share || 0));
  inner.style.width = `${value * 100}%`;
  return el("div", {
    class: `area-bar${isFull ? " full" : ""}`, role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100,
    "aria-valuenow": Math.round(value * 100),
  }, inner);
}
