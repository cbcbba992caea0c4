// @ts-check
/** What is sent if libraries have changed. It is the id of no conversation. */
const LIBRARIES = "libraries";

/**
 * Tells the other tabs of this browser what has changed, and dispatches what they say: "changed", with the id of a conversation as
 * `detail`, for its messages, and "libraries" for libraries and their files. When the window gets the focus, it dispatches both, the id
 * empty: another device may have changed anything.
 */
export class Tabs extends EventTarget {
  /** @type {BroadcastChannel | null} */
  #channel = typeof BroadcastChannel === "function" ? new BroadcastChannel("slm") : null;

  constructor() {
    super();
    this.#channel?.addEventListener("message", ({ data }) => {
      if (data === LIBRARIES) this.#dispatchLibraries();
      else this.#dispatch(typeof data === "string" ? data : "");
    });
    addEventListener("focus", () => {
      this.#dispatch("");
      this.#dispatchLibraries();
    });
  }

  /** @param {string} id of the changed conversation */
  announce(id) { this.#channel?.postMessage(id); }

  announceLibraries() { this.#channel?.postMessage(LIBRARIES); }

  /** @param {string} id */
  #dispatch(id) { this.dispatchEvent(new CustomEvent("changed", { detail: id })); }

  #dispatchLibraries() { this.dispatchEvent(new Event("libraries")); }
}
