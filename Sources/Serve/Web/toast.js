// @ts-check
import { byId, el, iconButton } from "./dom.js";

/**
 * A sentence at the foot of the window, with something to do about it. It waits while it is pointed at or has the focus.
 *
 *     toast("Deleted “Hello”", { label: "Undo", deed: restore });
 *
 * @param {string} sentence @param {{ label: string, deed: () => void }} [offer] @param {number} [seconds]
 */
export function toast(sentence, offer, seconds = offer ? 20 : 6) {
  const close = () => {
    clearTimeout(timer);
    const hadFocus = item.contains(document.activeElement);
    item.remove();
    if (hadFocus) byId("message").focus();
  };
  const item = el("div", { class: "toast" }, el("p", { dir: "auto" }, sentence),
    offer && el("button", { type: "button", onclick: () => { close(); offer.deed(); } }, offer.label), iconButton("Dismiss", "close", close));
  let timer = 0;
  const start = () => { clearTimeout(timer); timer = setTimeout(close, seconds * 1000); };
  const wait = () => clearTimeout(timer);
  item.addEventListener("pointerenter", wait);
  item.addEventListener("pointerleave", start);
  item.addEventListener("focusin", wait);
  item.addEventListener("focusout", start);
  byId("toasts").replaceChildren(item);
  start();
  return item;
}
