// @ts-check
import { decoded } from "../addresses.js";
import { APIError } from "../common/api.js";
import { openDialog } from "../common/dialog.js";
import { byId, el } from "../common/dom.js";
import { errorText } from "../common/forms.js";
import { showTitle } from "../common/layout.js";
import { toast } from "../common/toast.js";
import { button, linkButton, loading } from "./parts.js";

/**
 * A key of the training area. @typedef {{ keys: string[], label: string, action?: (event: KeyboardEvent) => void }} AreaKey
 *
 * An open section. `update` shows another address of the same section; without it, the section is opened again.
 * @typedef {{
 *   element: HTMLElement, update?: (path: string[], query: URLSearchParams) => void, close?: () => void, reload?: () => void,
 *   keys?: AreaKey[]
 * }} Section
 */

/** The sections: their addresses, names and modules. @type {Record<string, { title: string, load: () => Promise<any> }>} */
const SECTIONS = {
  chats: { title: "Chats", load: () => import("./chats.js") },
  runs: { title: "Runs", load: () => import("./runs.js") },
  compare: { title: "Compare", load: () => import("./compare.js") },
  models: { title: "Models", load: () => import("./models.js") },
  schedule: { title: "Schedule", load: () => import("./schedule.js") },
  history: { title: "History", load: () => import("./history.js") },
};

/** The training area of owners: reviews chats, fine-tunes, compares, promotes. Its sections are loaded when they are opened. */
export class TrainingArea {
  /** @param {import("../page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.api = page.api;
    this.settings = page.settings;
    this.view = byId("training-area");
    this.name = "";
    /** @type {Section | null} */
    this.section = null;
    /** Ends with the open section: whatever it waits for is not shown any more. */
    this.controller = new AbortController();
    this.tabs = el("nav", { class: "area-tabs", "aria-label": "Training" }, ...Object.entries(SECTIONS).map(([name, { title }]) =>
      el("a", { href: `#/training/${name}` }, title)));
    this.body = el("div", { class: "area-body" });
    this.ready = this.#loadStyle();
    addEventListener("keydown", (event) => this.#keyDown(event), { capture: true });
  }

  get signal() { return this.controller.signal; }

  /** Shows the section of the address: `#/training/SECTION/PATH?QUERY`. */
  async open() {
    const [address, search = ""] = location.hash.replace(/^#\/?training\/?/, "").split("?");
    const [name = "", ...path] = address.split("/").map(decoded);
    if (!Object.hasOwn(SECTIONS, name)) return this.page.go("#/training/chats");
    const query = new URLSearchParams(search), { title, load } = SECTIONS[name];
    showTitle(`Training: ${title}`);
    byId("training-link").setAttribute("aria-current", "page");
    if (this.section?.update && name === this.name) return this.section.update(path, query);
    this.#end();
    this.name = name;
    const { signal } = this;
    for (const tab of this.tabs.children) {
      if (tab.getAttribute("href") === `#/training/${name}`) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    this.body.replaceChildren(loading());
    await this.ready;
    if (signal.aborted) return;
    if (this.tabs.parentElement !== this.view) this.view.replaceChildren(this.tabs, this.body);
    let module;
    try {
      module = await load();
    } catch {
      if (signal.aborted) return;
      this.api.onUnreachable();
      this.#showError(this.body, "This part of the page could not be loaded.", () => location.reload(), "Reload the page");
      return;
    }
    if (signal.aborted) return;
    this.section = module.open(this, path, query);
    this.body.replaceChildren(/** @type {Section} */ (this.section).element);
    this.body.querySelector("h2")?.focus();
  }

  /** Leaves the area. */
  close() {
    if (!this.name) return;
    this.#end();
    this.name = "";
    byId("training-link").removeAttribute("aria-current");
  }

  #end() {
    this.controller.abort();
    this.controller = new AbortController();
    this.section?.close?.();
    this.section = null;
    for (const dialog of this.view.querySelectorAll("dialog")) dialog.close();
  }

  /** Loads what is shown again: the server is back. */
  reload() {
    if (!this.name) return;
    if (this.section?.reload) this.section.reload();
    else if (!this.section || this.view.querySelector(".load-error")) this.open();
  }

  /** @param {string} hash @param {boolean} [replaces] the address instead of adding one to the history */
  go(hash, replaces = false) {
    // Not through `location`, which would show it only after an event: keys may follow each other quickly.
    if (replaces || hash === location.hash) history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
    this.open();
  }

  /**
   * Runs an action and shows its error. @template T @param {() => Promise<T>} action
   * @returns {Promise<T | undefined>} undefined after an error
   */
  async run(action) {
    const { signal } = this;
    try {
      return await action();
    } catch (error) {
      if (!this.#denied(error) && !signal.aborted) toast(errorText(/** @type {Error} */ (error)));
      return undefined;
    }
  }

  /**
   * Sends a request to the training area and shows its error.
   * @param {string} method @param {string} path @param {any} [body] @returns {Promise<any>} undefined after an error
   */
  send(method, path, body) { return this.run(() => this.api.request(method, `/api/training/${path}`, body)); }

  /**
   * Loads something and shows it in an element: a placeholder first, and an error with a button that tries again.
   * @param {HTMLElement} host @param {() => Promise<any>} request @param {(found: any) =>
     void} show @param {boolean} [isQuiet] no placeholder
   */
  async load(host, request, show, isQuiet = false) {
    const { signal } = this;
    if (!isQuiet) replaceContent(host, loading());
    try {
      const found = await request();
      if (!signal.aborted) show(found);
      return true;
    } catch (error) {
      if (signal.aborted || this.#denied(error)) return false;
      if (!(error instanceof APIError) && !(error instanceof Error && error.name === "NetworkError")) throw error;
      if (isQuiet && host.childElementCount) toast(errorText(error));
      else this.#showError(host, errorText(error), () => this.load(host, request, show));
      return false;
    }
  }

  /**
   * Repeats a request while the section is open and the tab is visible. Errors are left to the next one.
   * @param {() => Promise<number | void>} action returns the seconds until the next time, or nothing to end
   * @param {number} [first] seconds until the first time
   */
  poll(action, first = 0) {
    const { signal } = this;
    let failures = 0;
    const step = async () => {
      if (signal.aborted) return;
      let seconds = /** @type {number | void} */ (2);
      if (document.visibilityState === "visible") {
        try {
          seconds = await action();
          failures = 0;
        } catch (error) {
          if (this.#denied(error)) return;
          failures += 1;
          seconds = Math.min(2 ** failures, 15);
        }
      }
      if (typeof seconds === "number") setTimeout(step, seconds * 1000);
    };
    if (first) setTimeout(step, first * 1000);
    else step();
  }

  /** Shows that the account is not an owner's. @param {unknown} error @returns whether that is the error */
  #denied(error) {
    if (!(error instanceof APIError)) return false;
    // After 401, the login page says why.
    if (error.status === 401) return true;
    if (error.status !== 403) return false;
    this.#end();
    byId("training-link").hidden = true;
    this.body.replaceChildren(el("div", { class: "load-error", role: "alert" },
      el("h2", { tabindex: -1 }, "Only owners can open this page"),
      el("p", { dir: "auto" }, errorText(error)), linkButton("To the chats", "#/")));
    this.view.replaceChildren(this.body);
    this.body.querySelector("h2").focus();
    return true;
  }

  /** @param {HTMLElement} host @param {string} message @param {() => void} retry @param {string} [label] */
  #showError(host, message, retry, label = "Try again") {
    replaceContent(host, el("div", { class: "load-error", role: "alert" }, el("p", { dir: "auto" }, message), button(label, retry)));
  }

  #loadStyle() {
    return new Promise((resolve) => {
      const link = el("link", { rel: "stylesheet", href: "/web/training/area.css", onload: resolve, onerror: resolve });
      document.head.append(link);
    });
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    const { section } = this;
    if (!section || event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!this.settings.singleKeys || document.querySelector("dialog[open], .menu")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    // The form of a correction handles its keys.
    if (target.closest?.(".edit")) return;
    const isWriting = target.closest?.("textarea, select, [contenteditable], input:not([type='checkbox'], [type='radio'])");
    // Escape leaves the search; in other inputs, their forms handle it.
    if (isWriting && (event.key !== "Escape" || !target.matches("[type='search']"))) return;
    if (event.key === "?") {
      event.preventDefault();
      return this.showKeys();
    }
    // In a list of options, the arrow keys choose.
    const isChoosing = target.closest?.("[type='radio'], [role='menu'], [role='slider'], #sidebar");
    const found = section.keys?.find(({ keys }) => keys.some((key) => key.toLowerCase() === event.key.toLowerCase()));
    if (!found?.action || (isChoosing && event.key !== "Escape")) return;
    if (event.key === " " || (event.key === "Enter" && target.closest?.("a, button"))) return;
    event.preventDefault();
    found.action(event);
  }

  /** Lists the keys of the open section. */
  showKeys() {
    const keys = [...this.section?.keys ?? [], { keys: ["?"], label: "Show these keys" }];
    const rows = keys.map(({ keys: names, label }) => el("div", {}, el("dt", {}, label), el("dd", {},
      ...names.map((name) => el("kbd", {}, KEY_NAMES[name] ?? name)))));
    openDialog("Keys", [el("dl", { class: "key-list" }, ...rows)]);
  }
}

/** @type {Record<string, string>} */
const KEY_NAMES = { ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };

/** Shows an element in a host. A list may only have items. @param {HTMLElement} host @param {HTMLElement} element */
function replaceContent(host, element) {
  host.replaceChildren(host.tagName === "UL" ? el("li", {}, element) : element);
}
