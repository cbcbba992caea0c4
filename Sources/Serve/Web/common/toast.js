// @ts-check
import { byId, el, iconButton } from "./dom.js";

/**
 * Shows a message at the bottom of the window, with an optional button. It stays while the pointer is over it or it has the focus.
 *
 *     toast("Deleted “Hello”", { label: "Undo", action: restore });
 *
 * @param {string} message @param {{ label: string, action: () => void }} [button] @param {number} [seconds]
 */
export function toast(message, button, seconds = button ? 20 : 6) {
  const close = () => {
    clearTimeout(timer);
    const hadFocus = item.contains(document.activeElement);
    item.remove();
    if (hadFocus) byId("message").focus();
  };
  const item = el("div", { class: "toast" }, el("p", { dir: "auto" }, message),
    button && el("button", { type: "button", onclick: () => { close(); button.action(); } }, button.label),
    iconButton("Dismiss", "close", close));
  let timer = 0;
  const start = () => { clearTimeout(timer); timer = setTimeout(close, seconds * 1000); };
  const pause = () => clearTimeout(timer);
  item.addEventListener("pointerenter", pause);
  item.addEventListener("pointerleave", start);
  item.addEventListener("focusin", pause);
  item.addEventListener("focusout", start);
  byId("toasts").replaceChildren(item);
  start();
  return item;
}
