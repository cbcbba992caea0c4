// @ts-check
import { kept } from "./kept.js";

/**
 * Who is signed in. The token lies in `localStorage`: the page runs no script but its own, and shares nothing with other sites.
 *
 *     session.addEventListener("change", () => …);       // signed in, signed out, in this tab or another
 *     session.addEventListener("expired", () => …);
 */
export class Session extends EventTarget {
  #token = kept("token", "");
  #name = kept("username", "");
  #expires = kept("expires", 0);
  #timer = 0;

  constructor() {
    super();
    if (this.#token.value && this.#expires.value <= Date.now()) this.#clear();
    addEventListener("storage", (event) => {
      if (event.key === this.#token.key || event.key === null) this.#changed();
    });
    this.#watch();
  }

  get token() { return this.#token.value; }
  get username() { return this.#name.value; }
  get isGuest() { return !this.token; }

  /** @param {string} username @param {{ access_token: string, expires_in: number }} grant */
  begin(username, grant) {
    this.#name.value = username;
    this.#expires.value = Date.now() + grant.expires_in * 1000;
    this.#token.value = grant.access_token;
    this.#changed();
  }

  end() {
    this.#clear();
    this.#changed();
  }

  /** The server no longer takes this token. One that came in the meantime stays. @param {string} token */
  expire(token) {
    if (token !== this.token) return;
    this.#clear();
    this.dispatchEvent(new Event("expired"));
    this.#changed();
  }

  #clear() {
    this.#token.value = "";
    this.#name.value = "";
    this.#expires.value = 0;
  }

  #changed() {
    this.#watch();
    this.dispatchEvent(new Event("change"));
  }

  /** Notices the end of the session by itself, so that nobody types a long question for nothing. */
  #watch() {
    clearTimeout(this.#timer);
    const token = this.token;
    if (!token) return;
    const left = this.#expires.value - Date.now();
    // A timer's longest wait is 2^31 ms.
    this.#timer = setTimeout(() => (this.#expires.value <= Date.now() ? this.expire(token) : this.#watch()), Math.min(Math.max(left, 0), 2 ** 31 - 1));
  }
}
