// @ts-check
import { clearTexts, stored } from "./storage.js";

/**
 * The login session. The token is in `localStorage`: the page runs only its own scripts and shares no origin with other sites.
 *
 *     session.addEventListener("change", () => …);       // logged in or out, in this tab or another
 *     session.addEventListener("expired", () => …);
 */
export class Session extends EventTarget {
  #token = stored("token", "");
  #username = stored("username", "");
  #expiry = stored("expires", 0);
  /** Whose texts are in the storage after the session has expired. */
  #lastUser = stored("last-user", "");
  #timer = 0;

  constructor() {
    super();
    if (this.#token.value && this.#expiry.value <= Date.now()) this.#clear();
    addEventListener("storage", (event) => {
      if (event.key === this.#token.key || event.key === null) this.#changed();
    });
    this.#watchExpiry();
  }

  get token() { return this.#token.value; }
  get username() { return this.#username.value; }
  get isGuest() { return !this.token; }

  /** @param {string} username @param {{ access_token: string, expires_in: number }} grant */
  start(username, grant) {
    if (this.#lastUser.value && this.#lastUser.value.toLowerCase() !== username.toLowerCase()) clearTexts();
    this.#lastUser.value = username;
    this.#username.value = username;
    this.renew(grant);
    this.#changed();
  }

  /** Replaces the token of the same user. @param {{ access_token: string, expires_in: number }} grant */
  renew(grant) {
    this.#expiry.value = Date.now() + grant.expires_in * 1000;
    this.#token.value = grant.access_token;
    this.#watchExpiry();
  }

  /** Logs out and removes the user's unsent texts. */
  end() {
    this.#clear();
    this.#lastUser.value = "";
    clearTexts();
    this.#changed();
  }

  /** Ends the session because the server rejected its token. Has no effect if the token has been replaced. @param {string} token */
  expire(token) {
    if (token !== this.token) return;
    this.#clear();
    this.dispatchEvent(new Event("expired"));
    this.#changed();
  }

  #clear() {
    this.#token.value = "";
    this.#username.value = "";
    this.#expiry.value = 0;
  }

  #changed() {
    this.#watchExpiry();
    this.dispatchEvent(new Event("change"));
  }

  /** Ends the session when it expires, so that the user is asked to log in before sending a message. */
  #watchExpiry() {
    clearTimeout(this.#timer);
    const token = this.token;
    if (!token) return;
    const remaining = this.#expiry.value - Date.now();
    const check = () => (this.#expiry.value <= Date.now() ? this.expire(token) : this.#watchExpiry());
    this.#timer = setTimeout(check, Math.min(Math.max(remaining, 0), 2 ** 31 - 1));       // the limit of setTimeout
  }
}
