// @ts-check
import { announce, el, icon } from "./dom.js";

/** Copies text to the clipboard. Over plain HTTP, browsers have no `navigator.clipboard`, so `execCommand` is used. @param {string} text */
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
  if (!done) throw new Error("The browser blocked copying.");
}

/**
 * A button that copies a text and confirms it.
 * @param {string} label @param {() => string} text @param {string} [caption] shown beside the icon
 */
export function copyButton(label, text, caption = "") {
  const onclick = async () => {
    try {
      await copy(text());
      confirm("check", "Copied");
    } catch {
      confirm("alert", "The browser blocked copying");
    }
  };
  const attributes = { type: "button", class: "icon-button copy", "aria-label": label, title: label, onclick };
  const button = el("button", attributes, icon("copy"), caption);
  /** @param {string} iconName @param {string} message */
  function confirm(iconName, message) {
    button.replaceChildren(icon(iconName), caption && message);
    announce(message);
    setTimeout(() => button.replaceChildren(icon("copy"), caption), 1600);
  }
  return button;
}
