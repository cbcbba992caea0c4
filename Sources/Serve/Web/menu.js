// @ts-check
import { el, icon } from "./dom.js";

/** @typedef {{ label: string, icon: string, deed: () => void, danger?: boolean }} Choice */

/** @type {(() => void) | null} */
let close = null;

/**
 * Opens a menu at a button: arrows walk, Enter chooses, Escape or a click elsewhere closes, and the focus goes back to the button.
 * @param {HTMLElement} button @param {Choice[]} choices
 */
export function openMenu(button, choices) {
  const again = button.getAttribute("aria-expanded") === "true";
  close?.();
  if (again) return;
  const items = choices.map((choice) => el("button", { type: "button", role: "menuitem", tabindex: -1, class: choice.danger && "danger", onclick: () => {
    shut();
    choice.deed();
  } }, icon(choice.icon), choice.label));
  const menu = el("div", { class: "menu", role: "menu", "aria-label": button.getAttribute("aria-label") }, ...items);
  /** @param {KeyboardEvent} event */
  const walk = (event) => {
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to !== undefined) items.at(to % items.length)?.focus();
    else if (event.key === "Escape" || event.key === "Tab") shut();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  /** @param {Event} event */
  const elsewhere = (event) => { if (!menu.contains(/** @type {Node} */ (event.target)) && !button.contains(/** @type {Node} */ (event.target))) shut(false); };
  const shut = (back = true) => {
    menu.remove();
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", elsewhere, true);
    removeEventListener("resize", away);
    close = null;
    if (back) button.focus();
  };
  const away = () => shut(false);
  close = away;
  menu.addEventListener("keydown", walk);
  document.addEventListener("pointerdown", elsewhere, true);
  addEventListener("resize", away);
  // Within the part of the page that it belongs to, where who walks by landmarks finds it.
  (button.closest("aside, main") ?? document.body).append(menu);
  place(menu, button);
  button.setAttribute("aria-expanded", "true");
  items[0].focus();
}

/** Below the button, or above it where there is more room, and always within the window. @param {HTMLElement} menu @param {HTMLElement} button */
function place(menu, button) {
  const at = button.getBoundingClientRect(), gap = 4, edge = 8;
  const below = at.bottom + gap + menu.offsetHeight < innerHeight - edge;
  menu.style.top = (below ? at.bottom + gap : Math.max(edge, at.top - gap - menu.offsetHeight)) + "px";
  menu.style.left = Math.min(Math.max(edge, at.right - menu.offsetWidth), innerWidth - menu.offsetWidth - edge) + "px";
}
