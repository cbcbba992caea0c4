// @ts-check
import { byId, el, iconButton } from "./dom.js";
import { visible } from "./sanitize.js";

let dialogs = 0;

/**
 * Shows a dialog that is removed when it is closed. Closing it returns the focus.
 * @param {string} title @param {Node[]} body @param {{ foot?: Node[], onclose?: (value: string) => void }} [options]
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, body, { foot = [], onclose } = {}) {
  const returnFocus = /** @type {HTMLElement | null} */ (document.activeElement);
  dialogs += 1;
  const id = `dialog-${dialogs}`;
  const dialog = el("dialog", { "aria-labelledby": id },
    el("div", { class: "dialog-head" }, el("h2", { id }, title), iconButton("Close", "close", () => dialog.close())),
    el("div", { class: "dialog-body", tabindex: 0, role: "region", "aria-labelledby": id }, ...body),
    foot.length > 0 && el("div", { class: "dialog-foot" }, ...foot));
  dialog.addEventListener("click", (/** @type {Event} */ event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    dialog.remove();
    // The browser has returned the focus. This event comes later: the person may already be elsewhere.
    if (document.activeElement === document.body && returnFocus?.isConnected) returnFocus.focus();
    onclose?.(dialog.returnValue);
  });
  // The training area has styles and errors of its own, and closes its dialogs when it is left.
  const area = byId("training-area");
  (area.hidden ? document.body : area).append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Asks before something that cannot be taken back.
 * @param {string} title @param {(string | Node)[]} paragraphs @param {string} label of the button @param {boolean} [isDanger]
 * @returns {Promise<boolean>}
 */
export const confirmed = (title, paragraphs, label, isDanger = false) => new Promise((resolve) => {
  const choice = (/** @type {string} */ text, /** @type {string} */ value, /** @type {string} */ kind) =>
    el("button", { type: "button", class: `button ${kind}`.trim(), onclick: () => dialog.close(value) }, text);
  const yes = choice(label, "yes", isDanger ? "danger" : "primary");
  const dialog = openDialog(title, paragraphs.map((text) => (typeof text === "string" ? el("p", {}, visible(text)) : text)), {
    foot: [choice("Cancel", "", ""), yes],
    onclose: (value) => resolve(value === "yes"),
  });
  yes.focus();
});
