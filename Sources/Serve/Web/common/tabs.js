// @ts-check
/**
 * Tells the other tabs of this browser that a conversation has changed. Dispatches "changed", with the id as `detail`, for their messages,
 * and with an empty id when the window gets the focus: another device may have changed anything.
 */
export class Tabs extends EventTarget {
  /** @type {BroadcastChannel | null} */
  #channel = typeof BroadcastChannel === "function" ? new BroadcastChannel("slm") : null;

  constructor() {
    super();
    this.#channel?.addEventListener("message", (event) => this.#dispatch(typeof event.data === "string" ? event.data : ""));
    addEventListener("focus", () => this.#dispatch(""));
  }

  /** @param {string} id of the changed conversation */
  announce(id) { this.#channel?.postMessage(id); }

  /** @param {string} id */
  #dispatch(id) { this.dispatchEvent(new CustomEvent("changed", { detail: id })); }
}
