// @ts-check
import { announce, el, iconButton } from "../common/dom.js";
import { toast } from "../common/toast.js";

/** @typedef {import("./conversation.js").Message} Message */

/** The reasons of a rating, as in the API. @type {Record<"good" | "bad", [string, string][]>} */
export const REASONS = {
  good: [
    ["accurate", "Accurate"], ["followed_instructions", "Followed my instructions"], ["well_written", "Well written"],
    ["creative", "Creative"], ["other", "Other"],
  ],
  bad: [
    ["incorrect", "Not correct"], ["ignored_instructions", "Ignored my instructions"], ["poorly_written", "Poorly written"],
    ["incomplete", "Incomplete"], ["too_long", "Too long"], ["refused", "Refused to answer"], ["harmful", "Harmful"], ["other", "Other"],
  ],
};

/** Runs an action of a button and shows its error. @param {() => Promise<any>} action */
export async function attempt(action) {
  try {
    await action();
    return true;
  } catch (error) {
    toast(/** @type {Error} */ (error).message);
    return false;
  }
}

/**
 * The buttons that rate an answer. A second press removes the rating.
 * @param {Message} message @param {import("./message.js").Actions} actions @param {() => void} askWhy shows the form with the reasons
 */
export function ratingButtons(message, actions, askWhy) {
  const button = (/** @type {"good" | "bad"} */ value, /** @type {string} */ label) => {
    const isPressed = message.rating?.rating === value;
    const onclick = async () => {
      if (!await attempt(() => actions.rate(message, isPressed ? null : { rating: value }))) return;
      announce(isPressed ? "Rating removed" : `Rated: ${label}`);
      if (!isPressed) askWhy();
    };
    return iconButton(label, value, onclick, { "aria-pressed": String(isPressed) });
  };
  return [button("good", "Good answer"), button("bad", "Bad answer")];
}

let forms = 0;

/**
 * A form that asks why an answer is good or bad.
 * @param {Message} message @param {import("./message.js").Actions} actions @param {() => void} close
 */
export function reasonForm(message, actions, close) {
  const { rating, reason, comment } = message.rating ?? { rating: "good" };
  const name = `reason-${forms += 1}`;
  const options = REASONS[rating].map(([value, label]) => el("label", {},
    el("input", { type: "radio", name, value, checked: value === reason }), el("span", {}, label)));
  const box = el("input", {
    type: "text",
    maxlength: 2000,
    dir: "auto",
    placeholder: "In your own words (optional)",
    "aria-label": "Why, in your own words",
    autocomplete: "off",
  });
  box.value = comment ?? "";
  const onsubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const chosen = /** @type {HTMLInputElement | null} */ (form.querySelector(":checked"))?.value;
    const text = box.value.trim();
    const why = { ...(chosen && { reason: chosen }), ...(text && { comment: text }) };
    if (!await attempt(() => actions.rate(message, { rating, ...why }))) return;
    close();
    announce("Thank you");
  };
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  };
  const form = el("form", { class: "reasons", onsubmit, onkeydown },
    el("fieldset", {},
      el("legend", {}, rating === "good" ? "What was good?" : "What was wrong?"), el("div", { class: "chips" }, ...options)),
    box,
    el("div", { class: "buttons" },
      el("button", { type: "button", onclick: close }, "Skip"), el("button", { class: "primary" }, "Send")));
  return form;
}

/**
 * A form that corrects an answer.
 * @param {Message} message @param {import("./message.js").Actions} actions @param {() => void} close
 */
export function correctionForm(message, actions, close) {
  const save = async (/** @type {string | null} */ text) => {
    if (!await attempt(() => actions.correct(message, text))) return;
    close();
    announce(text === null ? "Your correction was removed" : "Your correction is stored beside the answer");
  };
  return correctionEditor("Correct the answer", message.correction ?? message.content, message.correction !== undefined, save, close);
}

/**
 * A form with a text that corrects another one.
 * @param {string} label @param {string} text @param {boolean} canRemove whether there is a correction already
 * @param {(text: string | null) => void} save stores a correction; null removes it
 * @param {() => void} close
 */
export function correctionEditor(label, text, canRemove, save, close) {
  const box = el("textarea", { rows: 3, dir: "auto", maxlength: 100000, "aria-label": label });
  box.value = text;
  const onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (box.value.trim()) save(box.value.trim());
  };
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  };
  const form = el("form", { class: "edit correct", onsubmit, onkeydown }, box, el("div", { class: "buttons" },
    canRemove && el("button", { type: "button", onclick: () => save(null) }, "Remove correction"),
    el("button", { type: "button", onclick: close }, "Cancel"), el("button", { class: "primary" }, "Save correction")));
  return form;
}

/**
 * "2 of 3" with buttons that show the other alternatives; nothing if there is no other one.
 * @param {Message} message @param {import("./message.js").Actions} actions
 */
export function alternatives(message, actions) {
  const { alternatives: ids = [], id, role } = message, index = ids.indexOf(id ?? "");
  if (ids.length < 2 || index < 0) return null;
  const noun = role === "user" ? "message" : "answer";
  const button = (/** @type {number} */ to, /** @type {string} */ label, /** @type {string} */ name) =>
    iconButton(label, name, () => attempt(() => actions.switchTo(ids[to], label)),
      { disabled: !(to in ids) || actions.isBusy() });
  return el("div", { class: "alternatives", role: "group", "aria-label": `Alternatives of this ${noun}` },
    button(index - 1, `Previous ${noun}`, "left"), el("span", {}, `${index + 1} of ${ids.length}`),
    button(index + 1, `Next ${noun}`, "right"));
}
