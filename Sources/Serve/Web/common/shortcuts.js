// @ts-check
import { byId, el } from "./dom.js";

/**
 * A keyboard shortcut. Without `action`, another module handles it.
 * @typedef {{ keys: string[], label: string, action?: () => void, single?: boolean }} Shortcut
 */

const isMac = /mac|iphone|ipad/i.test(navigator.platform);

/**
 * Handles keyboard shortcuts and lists them in the dialog.
 * @param {Shortcut[]} shortcuts @param {() => boolean} singleKeysEnabled whether shortcuts without a modifier are enabled
 */
export function listen(shortcuts, singleKeysEnabled) {
  byId("shortcuts-list").replaceChildren(...shortcuts.map(({ keys, label }) => {
    const names = keys.map((key) => (key === "Mod" ? (isMac ? "⌘" : "Ctrl") : key));
    return el("div", {}, el("dt", {}, label), el("dd", {}, ...names.map((name) => el("kbd", {}, name))));
  }));
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey || document.querySelector("dialog[open]")) return;
    const found = shortcuts.find((shortcut) => shortcut.action && matches(event, shortcut));
    if (!found || (found.single && (!singleKeysEnabled() || isTextInput(event.target)))) return;
    event.preventDefault();
    found.action?.();
  });
}

/** @param {KeyboardEvent} event @param {Shortcut} shortcut */
function matches(event, { keys }) {
  const modified = isMac ? event.metaKey : event.ctrlKey;
  if (keys.includes("Mod") !== modified || (isMac ? event.ctrlKey : event.metaKey)) return false;
  const key = keys[keys.length - 1];
  // Shift is compared for letters only: some keyboard layouts need it for symbols such as "?", others do not.
  if (/^[a-z]$/i.test(key) && keys.includes("Shift") !== event.shiftKey) return false;
  return event.key.toLowerCase() === (key === "Esc" ? "escape" : key.toLowerCase());
}

/** @param {EventTarget | null} target */
const isTextInput = (target) => target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
