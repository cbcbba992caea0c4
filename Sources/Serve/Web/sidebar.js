// @ts-check
import { Unreachable } from "./api.js";
import { visible } from "./characters.js";
import { groupOf } from "./dates.js";
import { announce, byId, el, icon, narrow } from "./dom.js";
import { openMenu } from "./menu.js";
import { toast } from "./toast.js";

/** @typedef {{ id: string, title: string, created_at: string, updated_at: string }} Summary */

const PAGE = 40;

/** The list of conversations: found, renamed, deleted, brought back. Tells "deleted" and "renamed" with the conversation in `detail`. */
export class Sidebar extends EventTarget {
  /** @param {import("./api.js").API} api @param {(summary: Summary) => import("./menu.js").Choice[]} exports what the menu offers to export a conversation */
  constructor(api, exports) {
    super();
    this.api = api;
    this.exports = exports;
    this.list = byId("conversations");
    this.search = byId("search");
    /** @type {Summary[]} */
    this.summaries = [];
    /** @type {string | null} */
    this.cursor = null;
    this.current = "";
    /** Counts the requests: an answer that another request has overtaken is thrown away. */
    this.asked = 0;
    /** While a title is being typed, the list stays as it is. */
    this.isRenaming = false;
    let pause = 0;
    this.search.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(() => this.load(), 200); });
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#walk(event));
  }

  /** Reads the first page anew. */
  async load() {
    if (this.api.session.isGuest) {
      this.summaries = [];
      this.list.replaceChildren();
      return;
    }
    await this.#read(null);
  }

  /** @param {string | null} cursor */
  async #read(cursor) {
    const asked = ++this.asked;
    this.list.setAttribute("aria-busy", "true");
    try {
      const page = await this.api.get("/api/conversations", { limit: cursor ? PAGE : Math.min(Math.max(this.summaries.length, PAGE), 100), cursor, search: this.search.value.trim() });
      if (asked !== this.asked) return;
      this.summaries = cursor ? [...this.summaries, ...page.conversations] : page.conversations;
      this.cursor = page.next_cursor ?? null;
      this.draw();
      if (this.search.value.trim()) announce(`${this.summaries.length} found`);
    } catch (error) {
      if (asked === this.asked && !this.api.session.isGuest) this.#failed(/** @type {Error} */ (error), cursor);
    } finally {
      if (asked === this.asked) this.list.setAttribute("aria-busy", "false");
    }
  }

  /** @param {Error} error @param {string | null} cursor */
  #failed(error, cursor) {
    // The banner says it already, and what was there before is still worth more than a sentence.
    if (error instanceof Unreachable && this.summaries.length > 0) return;
    const row = el("div", { class: "empty" }, el("p", {}, error.message), el("button", { type: "button", onclick: () => this.#read(cursor) }, "Try again"));
    if (cursor) this.list.lastElementChild?.replaceWith(row);
    else this.list.replaceChildren(row);
  }

  draw() {
    if (this.isRenaming) return;
    const held = /** @type {HTMLElement | null} */ (this.list.contains(document.activeElement) ? document.activeElement : null);
    const id = held?.closest("li")?.querySelector("a")?.dataset.id;
    const groups = Map.groupBy ? Map.groupBy(this.summaries, (one) => groupOf(one.updated_at)) : grouped(this.summaries);
    const nodes = [...groups].map(([name, summaries]) => el("section", {}, el("h2", {}, name), el("ul", {}, ...summaries.map((one) => this.#row(one)))));
    if (nodes.length === 0) nodes.push(el("p", { class: "empty" }, this.search.value.trim() ? "Nothing found." : "No conversations yet."));
    if (this.cursor) nodes.push(el("button", { type: "button", class: "more", onclick: () => this.#read(this.cursor) }, "Show older"));
    this.list.replaceChildren(...nodes);
    const link = id && this.#link(id);
    if (link) /** @type {HTMLElement} */ (held?.tagName === "A" ? link : link.nextElementSibling)?.focus();
  }

  /** @param {string} id the conversation that is open, "" for a new one */
  mark(id) {
    this.current = id;
    for (const link of this.list.querySelectorAll("a")) {
      if (link.dataset.id === id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  /** @param {Summary} summary */
  #row(summary) {
    const title = visible(summary.title) || "Untitled";
    const link = el("a", { href: "#/c/" + encodeURIComponent(summary.id), "data-id": summary.id, dir: "auto", title, "aria-current": summary.id === this.current && "page" }, title);
    const button = el("button", { type: "button", class: "icon-button", "aria-label": `More about ${title}`, "aria-haspopup": "menu", "aria-expanded": "false",
      onclick: () => openMenu(button, [
        { label: "Rename", icon: "edit", deed: () => this.#rename(summary) },
        ...this.exports(summary),
        { label: "Delete", icon: "trash", danger: true, deed: () => this.remove(summary) },
      ]) }, icon("dots"));
    return el("li", {}, link, button);
  }

  /** The title becomes a text box: Enter keeps it, Escape does not. @param {Summary} summary */
  #rename(summary) {
    const row = this.#link(summary.id)?.parentElement;
    if (!row) return;
    const box = el("input", { type: "text", "aria-label": "Title", maxlength: 200, dir: "auto" });
    box.value = summary.title;
    let over = false;
    const end = async (/** @type {boolean} */ keep) => {
      if (over) return;
      over = true;
      this.isRenaming = false;
      const title = box.value.trim(), old = summary.title, hadFocus = document.activeElement === box;
      if (keep && title && title !== old) this.#titled(summary, title);
      this.draw();
      if (hadFocus) this.#link(summary.id)?.focus();
      if (!keep || !title || title === old) return;
      try {
        await this.api.request("PATCH", "/api/conversations/" + encodeURIComponent(summary.id), { title });
        announce("Renamed");
      } catch (error) {
        this.#titled(summary, old);
        this.draw();
        toast(/** @type {Error} */ (error).message);
      }
    };
    box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.isComposing) end(true);
      else if (event.key === "Escape") end(false);
    });
    box.addEventListener("blur", () => end(true));
    this.isRenaming = true;
    row.replaceChildren(box);
    box.select();
  }

  /** The list may have been read anew since this summary was shown. @param {Summary} summary @param {string} title */
  #titled(summary, title) {
    for (const one of [summary, ...this.summaries.filter(({ id }) => id === summary.id)]) one.title = title;
    this.dispatchEvent(new CustomEvent("renamed", { detail: summary }));
  }

  /** @param {Summary} summary */
  async remove(summary) {
    const index = this.summaries.findIndex((one) => one.id === summary.id);
    const path = "/api/conversations/" + encodeURIComponent(summary.id);
    try {
      await this.api.request("DELETE", path);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { label: "Try again", deed: () => this.remove(summary) });
      return;
    }
    this.summaries = this.summaries.filter((one) => one.id !== summary.id);
    this.draw();
    this.dispatchEvent(new CustomEvent("deleted", { detail: summary }));
    const item = toast(`“${visible(summary.title)}” was deleted.`, { label: "Undo", deed: async () => {
      try {
        await this.api.request("POST", path + "/restore");
        await this.load();
        location.hash = "#/c/" + encodeURIComponent(summary.id);
        this.#link(summary.id)?.focus();
      } catch (error) {
        toast(/** @type {Error} */ (error).message);
      }
    } });
    // The row that had the focus is gone: its neighbour takes it, or the offer to undo, so that the keyboard is not thrown to the top of the page.
    const neighbour = this.summaries[Math.min(index, this.summaries.length - 1)];
    (neighbour && summary.id !== this.current && !narrow.matches ? this.#link(neighbour.id) : item.querySelector("button"))?.focus();
  }

  /** @param {string} id @returns {HTMLElement | undefined} */
  #link(id) { return [...this.list.querySelectorAll("a")].find((link) => link.dataset.id === id); }

  /** Up and down walk the list, F2 renames, Delete deletes. @param {KeyboardEvent} event */
  #walk(event) {
    const links = [...this.list.querySelectorAll("a")], at = links.indexOf(/** @type {any} */ (document.activeElement));
    if (at < 0) return;
    const summary = this.summaries.find((one) => one.id === links[at].dataset.id);
    if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)].focus();
    else if (event.key === "ArrowUp") (links[at - 1] ?? this.search).focus();
    else if (event.key === "F2" && summary) this.#rename(summary);
    else if (event.key === "Delete" && summary) this.remove(summary);
    else return;
    event.preventDefault();
  }
}

/** @param {Summary[]} summaries @returns {Map<string, Summary[]>} */
function grouped(summaries) {
  const groups = new Map();
  for (const one of summaries) {
    const name = groupOf(one.updated_at);
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return groups;
}
