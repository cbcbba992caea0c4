// @ts-check
import { byId } from "./dom.js";

const FIRST_WAIT = 500, LONGEST_WAIT = 15_000;

/**
 * Whether the server is there. Once it was not, it is asked again and again, less and less often, until it is; a banner says so meanwhile.
 * Tells "back" then. What the server says of itself stands in `health`.
 */
export class Connection extends EventTarget {
  constructor() {
    super();
    this.banner = byId("banner");
    /** @type {{ status?: string, model?: string, context?: number }} */
    this.health = {};
    this.isLost = false;
    this.wait = FIRST_WAIT;
    this.timer = 0;
    byId("banner-retry").addEventListener("click", () => this.#try());
    addEventListener("online", () => { if (this.isLost) this.#try(); });
  }

  /** Asks once; afterwards only if nobody answered. */
  async check() {
    try {
      const response = await fetch("/api/health", { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(8000) });
      this.health = await response.json();
      if (response.ok) return this.#found();
    } catch {
      this.health = {};
    }
    this.lose();
  }

  lose() {
    this.#say();
    if (this.isLost) return;
    this.isLost = true;
    this.wait = FIRST_WAIT;
    this.#later();
  }

  #say() {
    const loading = this.health.status === "loading";
    const sentence = loading ? "The model is being loaded…" : "The server cannot be reached. Trying again…";
    this.banner.hidden = false;
    const place = byId("banner-text");
    if (place.textContent !== sentence) place.textContent = sentence;
    byId("banner-retry").hidden = loading;
  }

  #found() {
    this.banner.hidden = true;
    byId("banner-text").textContent = "";
    if (!this.isLost) return;
    this.isLost = false;
    clearTimeout(this.timer);
    this.dispatchEvent(new Event("back"));
  }

  #later() {
    clearTimeout(this.timer);
    // Somewhat random: a hundred pages don't all ask in the moment in which the server is back.
    this.timer = setTimeout(() => this.#try(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 1.7, LONGEST_WAIT);
  }

  async #try() {
    clearTimeout(this.timer);
    await this.check();
    if (this.isLost) this.#later();
  }
}
