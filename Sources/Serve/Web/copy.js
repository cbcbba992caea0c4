// @ts-check
import { announce, el, icon } from "./dom.js";

/** Puts a text on the clipboard; over plain HTTP from another machine browsers have no clipboard, and the old way is taken. @param {string} text */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = el("textarea", { class: "visually-hidden", "aria-hidden": "true", tabindex: -1 });
  area.value = text;
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  if (!done) throw new Error("The browser does not let this page copy.");
}

/** A button that copies and says so. @param {string} label @param {() => string} text */
export function copyButton(label, text) {
  const button = el("button", { type: "button", class: "icon-button copy", "aria-label": label, title: label, onclick: async () => {
    try {
      await copy(text());
      say("check", "Copied");
    } catch {
      say("alert", "Copying is not allowed here");
    }
  } }, icon("copy"));
  /** @param {string} drawing @param {string} sentence */
  function say(drawing, sentence) {
    button.replaceChildren(icon(drawing));
    announce(sentence);
    setTimeout(() => button.replaceChildren(icon("copy")), 1600);
  }
  return button;
}
