// @ts-check
import { byId, el } from "./dom.js";

/** @typedef {{ keys: string[], label: string, deed?: () => void, single?: boolean }} Shortcut `deed` is missing where another module listens */

const isMac = /mac|iphone|ipad/i.test(navigator.platform);

/** Listens for shortcuts and fills the dialog that lists them. @param {Shortcut[]} shortcuts @param {() => boolean} singleKeys whether those without a modifier hold */
export function listen(shortcuts, singleKeys) {
  byId("shortcuts-list").replaceChildren(...shortcuts.map(({ keys, label }) =>
    el("div", {}, el("dt", {}, label), el("dd", {}, ...keys.map((key) => el("kbd", {}, key === "Mod" ? (isMac ? "⌘" : "Ctrl") : key))))));
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey || document.querySelector("dialog[open]")) return;
    const found = shortcuts.find((one) => one.deed && fits(event, one));
    if (!found || (found.single && (!singleKeys() || isTyping(event.target)))) return;
    event.preventDefault();
    found.deed?.();
  });
}

/** @param {KeyboardEvent} event @param {Shortcut} shortcut */
function fits(event, { keys }) {
  const modified = isMac ? event.metaKey : event.ctrlKey;
  if (keys.includes("Mod") !== modified || (isMac ? event.ctrlKey : event.metaKey)) return false;
  const key = keys[keys.length - 1];
  // A sign such as "?" needs Shift on some keyboards and not on others.
  if (/^[a-z]$/i.test(key) && keys.includes("Shift") !== event.shiftKey) return false;
  return event.key.toLowerCase() === (key === "Esc" ? "escape" : key.toLowerCase());
}

/** @param {EventTarget | null} target */
const isTyping = (target) => target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
