// @ts-check
import { el, icon } from "./dom.js";

/** @typedef {{ label: string, icon: string, action: () => void, danger?: boolean }} Choice */

/** @type {(() => void) | null} closes the open menu */
let closeCurrent = null;

/**
 * Opens a menu at a button. Arrow keys move, Enter chooses, Escape or a click outside closes the menu and the focus returns to the button.
 * @param {HTMLElement} button @param {Choice[]} choices
 */
export function openMenu(button, choices) {
  const isOpen = button.getAttribute("aria-expanded") === "true";
  closeCurrent?.();
  if (isOpen) return;
  const items = choices.map((choice) => {
    const onclick = () => {
      close();
      choice.action();
    };
    const attributes = { type: "button", role: "menuitem", tabindex: -1, class: choice.danger && "danger", onclick };
    return el("button", attributes, icon(choice.icon), choice.label);
  });
  const menu = el("div", { class: "menu", role: "menu", "aria-label": button.getAttribute("aria-label") }, ...items);
  /** @param {KeyboardEvent} event */
  const keyDown = (event) => {
    const current = items.indexOf(document.activeElement);
    const next = { ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: -1 }[event.key];
    if (next !== undefined) items.at(next % items.length)?.focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  /** @param {Event} event */
  const pointerDown = (event) => {
    const target = /** @type {Node} */ (event.target);
    if (!menu.contains(target) && !button.contains(target)) close(false);
  };
  const close = (returnFocus = true) => {
    menu.remove();
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", pointerDown, true);
    removeEventListener("resize", closeWithoutFocus);
    closeCurrent = null;
    if (returnFocus) button.focus();
  };
  const closeWithoutFocus = () => close(false);
  closeCurrent = closeWithoutFocus;
  menu.addEventListener("keydown", keyDown);
  document.addEventListener("pointerdown", pointerDown, true);
  addEventListener("resize", closeWithoutFocus);
  // Inside the landmark of the button, for screen readers that navigate by landmarks.
  (button.closest("aside, main") ?? document.body).append(menu);
  position(menu, button);
  button.setAttribute("aria-expanded", "true");
  items[0].focus();
}

/**
 * Positions the menu below the button, or above it if there is no space, within the window.
 * @param {HTMLElement} menu @param {HTMLElement} button
 */
function position(menu, button) {
  const anchor = button.getBoundingClientRect(), gap = 4, edge = 8;
  const fitsBelow = anchor.bottom + gap + menu.offsetHeight < innerHeight - edge;
  menu.style.top = (fitsBelow ? anchor.bottom + gap : Math.max(edge, anchor.top - gap - menu.offsetHeight)) + "px";
  menu.style.left = Math.min(Math.max(edge, anchor.right - menu.offsetWidth), innerWidth - menu.offsetWidth - edge) + "px";
}
