// @ts-check
import { byId } from "./dom.js";

const FIRST_DELAY = 500, MAX_DELAY = 15_000;

/**
 * Monitors whether the server is reachable. After a failed request, it polls with increasing delays and shows a banner until the server
 * responds, then dispatches "back". `health` is the last response of /api/health.
 */
export class Connection extends EventTarget {
  constructor() {
    super();
    this.banner = byId("banner");
    /**
     * @type {{
     *   status?: string, model?: string, context?: number, remote?: boolean, starter_questions?: string[], registration?: string,
     *   training?: boolean, models?: string[], sampling?: Record<string, Record<string, number>>
     * }}
     */
    this.health = {};
    this.isLost = false;
    this.delay = FIRST_DELAY;
    this.timer = 0;
    byId("banner-retry").addEventListener("click", () => this.#retry());
    addEventListener("online", () => { if (this.isLost) this.#retry(); });
  }

  /** Requests the server's health. Starts polling if it does not respond. */
  async check() {
    try {
      const response = await fetch("/api/health", { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(8000) });
      this.health = await response.json();
      if (response.ok && this.health.status === "ready") return this.#restored();
    } catch {
      this.health = {};
    }
    this.lose();
  }

  lose() {
    this.#showBanner();
    if (this.isLost) return;
    this.isLost = true;
    this.delay = FIRST_DELAY;
    this.#scheduleRetry();
  }

  #showBanner() {
    const loading = this.health.status === "loading";
    const message = loading ? "The model is loading…" : "The server cannot be reached. Trying again…";
    this.banner.hidden = false;
    const element = byId("banner-text");
    if (element.textContent !== message) element.textContent = message;
    byId("banner-retry").hidden = loading;
  }

  #restored() {
    this.banner.hidden = true;
    byId("banner-text").textContent = "";
    if (!this.isLost) return;
    this.isLost = false;
    clearTimeout(this.timer);
    this.dispatchEvent(new Event("back"));
  }

  #scheduleRetry() {
    clearTimeout(this.timer);
    // Jitter keeps many pages from requesting at the same time when the server is back.
    this.timer = setTimeout(() => this.#retry(), this.delay * (0.75 + Math.random() / 2));
    this.delay = Math.min(this.delay * 1.7, MAX_DELAY);
  }

  async #retry() {
    clearTimeout(this.timer);
    await this.check();
    if (this.isLost) this.#scheduleRetry();
  }
}
