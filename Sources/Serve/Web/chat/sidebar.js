// @ts-check
import { NetworkError } from "../common/api.js";
import { groupOf } from "./dates.js";
import { announce, byId, el, iconButton, narrow } from "../common/dom.js";
import { openMenu } from "../common/menu.js";
import { visible } from "../common/sanitize.js";
import { toast } from "../common/toast.js";

/** @typedef {{ id: string, title: string, created_at: string, updated_at: string }} Summary */

const PAGE_SIZE = 40;

/**
 * The conversation list with search, rename, delete and undo. Dispatches "deleted", "renamed", and "changed" once
 * the server has stored a change, with the conversation as `detail`.
 */
export class Sidebar extends EventTarget {
  /**
   * @param {import("../common/api.js").API} api
   * @param {(summary: Summary) => import("../common/menu.js").Choice[]} exportChoices the menu items that export a conversation
   */
  constructor(api, exportChoices) {
    super();
    this.api = api;
    this.exportChoices = exportChoices;
    /** Whether chats may be used for training, so that a deletion says that this one is not. */
    this.saysTraining = () => false;
    this.list = byId("conversations");
    this.search = byId("search");
    /** @type {Summary[]} */
    this.summaries = [];
    /** @type {string | null} the cursor of the next page */
    this.cursor = null;
    this.current = "";
    /** The number of requests sent. Responses to earlier requests are ignored. */
    this.requests = 0;
    /** While a title is edited, the list is not rendered. */
    this.isRenaming = false;
    let debounce = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(debounce);
      debounce = setTimeout(() => this.load(), 200);
    });
    this.search.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#leaveSearch(event));
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#keyDown(event));
  }

  /** Escape clears the search and returns to the message box. A drawer is closed by the page. @param {KeyboardEvent} event */
  #leaveSearch(event) {
    if (event.key !== "Escape" || event.isComposing) return;
    if (this.search.value) {
      this.search.value = "";
      this.load();
    }
    if (narrow.matches) return;
    event.preventDefault();
    byId("message").focus();
  }

  /** Reloads the list. */
  async load() {
    if (this.api.session.isGuest) {
      this.summaries = [];
      this.list.replaceChildren();
      return;
    }
    await this.#loadPage(null);
  }

  /** @param {string | null} cursor */
  async #loadPage(cursor) {
    const request = ++this.requests;
    const search = this.search.value.trim();
    const limit = cursor ? PAGE_SIZE : Math.min(Math.max(this.summaries.length, PAGE_SIZE), 100);
    this.list.setAttribute("aria-busy", "true");
    try {
      const page = await this.api.get("/api/conversations", { limit, cursor, search });
      if (request !== this.requests) return;
      this.summaries = cursor ? [...this.summaries, ...page.conversations] : page.conversations;
      this.cursor = page.next_cursor ?? null;
      this.render();
      if (search) announce(`${this.summaries.length} found`);
    } catch (error) {
      if (request === this.requests && !this.api.session.isGuest) this.#showError(/** @type {Error} */ (error), cursor);
    } finally {
      if (request === this.requests) this.list.setAttribute("aria-busy", "false");
    }
  }

  /** @param {Error} error @param {string | null} cursor */
  #showError(error, cursor) {
    // The banner shows network errors; keep the list.
    if (error instanceof NetworkError && this.summaries.length > 0) return;
    const button = el("button", { type: "button", onclick: () => this.#loadPage(cursor) }, "Try again");
    const row = el("div", { class: "empty" }, el("p", {}, error.message), button);
    if (cursor) this.list.lastElementChild?.replaceWith(row);
    else this.list.replaceChildren(row);
  }

  render() {
    if (this.isRenaming) return;
    const focused = /** @type {HTMLElement | null} */ (this.list.contains(document.activeElement) ? document.activeElement : null);
    const id = focused?.closest("li")?.querySelector("a")?.dataset.id;
    const groups = Map.groupBy ? Map.groupBy(this.summaries, (summary) => groupOf(summary.updated_at)) : grouped(this.summaries);
    const nodes = [...groups].map(([name, summaries]) =>
      el("section", {}, el("h2", {}, name), el("ul", {}, ...summaries.map((summary) => this.#row(summary)))));
    if (nodes.length === 0) nodes.push(el("p", { class: "empty" }, this.search.value.trim() ? "No results." : "No conversations yet."));
    if (this.cursor) {
      nodes.push(el("button", { type: "button", class: "more", onclick: () => this.#loadPage(this.cursor) }, "Load more"));
    }
    this.list.replaceChildren(...nodes);
    const link = id && this.#link(id);
    if (link) /** @type {HTMLElement} */ (focused?.tagName === "A" ? link : link.nextElementSibling)?.focus();
  }

  /** Marks the open conversation. @param {string} id "" for a new one */
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
    const href = "#/c/" + encodeURIComponent(summary.id), current = summary.id === this.current && "page";
    const link = el("a", { href, "data-id": summary.id, dir: "auto", title, "aria-current": current }, title);
    const onclick = () => openMenu(button, [
      { label: "Rename", icon: "edit", action: () => this.#rename(summary) },
      ...this.exportChoices(summary),
      { label: "Delete", icon: "trash", danger: true, action: () => this.remove(summary) },
    ]);
    const button = iconButton(`Options for ${title}`, "dots", onclick,
      { title: "Rename, export, delete", "aria-haspopup": "menu", "aria-expanded": "false" });
    return el("li", {}, link, button);
  }

  /** Turns the title into a text box. Enter saves, Escape cancels. @param {Summary} summary */
  #rename(summary) {
    const row = this.#link(summary.id)?.parentElement;
    if (!row) return;
    const box = el("input", { type: "text", "aria-label": "Title", maxlength: 200, dir: "auto" });
    box.value = summary.title;
    let finished = false;
    const finish = async (/** @type {boolean} */ save) => {
      if (finished) return;
      finished = true;
      this.isRenaming = false;
      const title = box.value.trim(), old = summary.title, hadFocus = document.activeElement === box;
      const isChanged = save && title && title !== old;
      if (isChanged) this.#setTitle(summary, title);
      this.render();
      if (hadFocus) this.#link(summary.id)?.focus();
      if (!isChanged) return;
      try {
        await this.api.request("PATCH", "/api/conversations/" + encodeURIComponent(summary.id), { title });
        announce("Renamed");
        this.#changed(summary);
      } catch (error) {
        this.#setTitle(summary, old);
        this.render();
        toast(/** @type {Error} */ (error).message);
      }
    };
    box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.isComposing) finish(true);
      else if (event.key === "Escape") finish(false);
    });
    box.addEventListener("blur", () => finish(true));
    this.isRenaming = true;
    row.replaceChildren(box);
    box.select();
  }

  /** Sets the title of a summary and of its copy in a list that was reloaded meanwhile. @param {Summary} summary @param {string} title */
  #setTitle(summary, title) {
    for (const one of [summary, ...this.summaries.filter(({ id }) => id === summary.id)]) one.title = title;
    this.dispatchEvent(new CustomEvent("renamed", { detail: summary }));
  }

  /** @param {Summary} summary */
  async remove(summary) {
    const index = this.summaries.findIndex(({ id }) => id === summary.id);
    const path = "/api/conversations/" + encodeURIComponent(summary.id);
    try {
      await this.api.request("DELETE", path);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, { label: "Try again", action: () => this.remove(summary) });
      return;
    }
    this.summaries = this.summaries.filter(({ id }) => id !== summary.id);
    this.render();
    this.dispatchEvent(new CustomEvent("deleted", { detail: summary }));
    this.#changed(summary);
    const undo = async () => {
      try {
        await this.api.request("POST", path + "/restore");
        await this.load();
        this.#changed(summary);
        location.hash = "#/c/" + encodeURIComponent(summary.id);
        this.#link(summary.id)?.focus();
      } catch (error) {
        toast(/** @type {Error} */ (error).message);
      }
    };
    const stays = !byId("training-file").hidden;
    const training = !this.saysTraining() ? ""
      : stays ? " It is left out of later training, but a copy in the server's file of collected chats may stay."
        : " It is not used for training any more.";
    const item = toast(`“${visible(summary.title)}” was deleted.${training}`, { label: "Undo", action: undo });
    // Move the focus from the removed row to its neighbor or to the Undo button; otherwise the browser moves it to the top of the page.
    const neighbor = this.summaries[Math.min(index, this.summaries.length - 1)];
    const focusNeighbor = neighbor && summary.id !== this.current && !narrow.matches;
    (focusNeighbor ? this.#link(neighbor.id) : item.querySelector("button"))?.focus();
  }

  /** Reports a change that the server has stored. @param {Summary} summary */
  #changed(summary) { this.dispatchEvent(new CustomEvent("changed", { detail: summary })); }

  /** @param {string} id @returns {HTMLElement | undefined} */
  #link(id) { return [...this.list.querySelectorAll("a")].find((link) => link.dataset.id === id); }

  /** Up and Down move the focus, F2 renames, Delete deletes. @param {KeyboardEvent} event */
  #keyDown(event) {
    const links = [...this.list.querySelectorAll("a")], index = links.indexOf(/** @type {any} */ (document.activeElement));
    if (index < 0) return;
    const summary = this.summaries.find(({ id }) => id === links[index].dataset.id);
    if (event.key === "ArrowDown") links[Math.min(index + 1, links.length - 1)].focus();
    else if (event.key === "ArrowUp") (links[index - 1] ?? this.search).focus();
    else if (event.key === "F2" && summary) this.#rename(summary);
    else if (event.key === "Delete" && summary) this.remove(summary);
    else return;
    event.preventDefault();
  }
}

/** `Map.groupBy` for older browsers. @param {Summary[]} summaries @returns {Map<string, Summary[]>} */
function grouped(summaries) {
  const groups = new Map();
  for (const summary of summaries) {
    const name = groupOf(summary.updated_at);
    groups.set(name, [...(groups.get(name) ?? []), summary]);
  }
  return groups;
}
