// @ts-check
import { announce, el, icon } from "../common/dom.js";
import { openMenu } from "../common/menu.js";
import { atLeast, count } from "../common/quantities.js";
import { toast } from "../common/toast.js";
import { BulkBar, changeChats, tagDialog } from "./bulk.js";
import { ChatList } from "./chat-list.js";
import { filterChips, filterFields, filterOf, requestFilter } from "./filter.js";
import { exportChats, openImport } from "./import.js";
import { button, nothing, select } from "./parts.js";
import { ChatReader } from "./reader.js";

/** @typedef {import("./filter.js").Filter} Filter */
/**
 * @typedef {{
 *   id: string, source: string, state: string, title: string, person: string | null, model: string | null, created_at: string,
   updated_at: string,
 *   turns: number, characters: number, good: number, bad: number, corrections: number, owner_corrections: number, preferences: number,
 *   tags: string[], duplicates: number, duplicate_of: string | null, personal: string[], held_out: boolean, reviewed_at: string | null,
 *   reviewed_by: string | null, messages?: any[], system_prompt?: string | null
 * }} ReviewedChat
 */

/** @type {[string, string][]} */
const STATES = [["", "All"], ["new", "New"], ["included", "Included"], ["excluded", "Excluded"]];
/** @type {[string, string][]} */
const ORDERS = [["newest", "Newest first"], ["oldest", "Oldest first"], ["longest", "Longest first"], ["shortest", "Shortest first"]];
const PAGE = 50;

/** @param {import("./area.js").TrainingArea} area @param {string[]} path @param {URLSearchParams} query */
export const open = (area, path, query) => new ChatsSection(area, path, query);

/** The chats that may be used for training: a list with filters, and the chat that is read. */
class ChatsSection {
  /** @param {import("./area.js").TrainingArea} area @param {string[]} path @param {URLSearchParams} query */
  constructor(area, path, query) {
    this.area = area;
    /** @type {Filter} */
    this.filter = {};
    this.sort = "newest";
    this.total = 0;
    this.isExact = true;
    /** The place of the next page; null after the last one. @type {string | null} */
    this.next = null;
    this.isLoading = false;
    /** Counts the loads of the list: an older response is not shown. */
    this.loads = 0;
    /** @type {{ tags: string[], models: string[] }} */
    this.known = { tags: [], models: [] };
    this.list = new ChatList({
      open: (id) => this.openChat(id), selectionChanged: () => this.#showBulk(),
    });
    this.bulk = new BulkBar({
      set: (state) => this.setState(state), tag: () => this.tag(),
      clear: () => this.list.select([]), selectAll: (isOn) => this.list.select(isOn ? this.list.ids : []),
    });
    this.reader = new ChatReader(this);
    this.#build();
    this.update(path, query);
    this.#loadTags();
    this.keys = this.#shortcuts();
  }

  #build() {
    this.search = el("input", { type: "search", autocomplete: "off", dir: "auto", maxlength: 200, placeholder: "Search",
      "aria-label": "Search in chats" });
    let timer = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.setFilter("q", this.search.value.trim()), 250);
    });
    this.search.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") this.list.move(0);
    });
    this.order = select(ORDERS, "newest", { "aria-label": "Order" });
    this.order.addEventListener("change", () => this.setFilter("sort", this.order.value));
    this.states = el("div", { class: "segments", role: "group", "aria-label": "State" });
    this.filters = el("div", { id: "chat-filters", hidden: true });
    this.filterButton = button("Filters", () => this.#toggleFilters(), { "aria-expanded": "false", "aria-controls": "chat-filters" });
    this.chips = el("div", { class: "filter-chips" });
    this.status = el("p", { class: "help", role: "status" });
    this.more = button("Show more", () => this.loadMore(), { class: "more-rows", hidden: true });
    const menu = el("button", {
      type: "button", class: "button", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": "Import and export",
        onclick: () => this.#menu(menu),
    }, icon("download"), "Import, export");
    this.listHost = el("div", { class: "chat-list-host" }, this.list.element, this.more);
    this.pane = el("div", { class: "chats-pane" },
      el("div", { class: "list-tools" }, el("div", { class: "search" }, icon("search"), this.search), this.order, this.filterButton),
      this.states, this.filters, this.chips, this.bulk.element, this.status, this.listHost);
    this.element = el("section", { class: "chats", "aria-labelledby": "area-title" },
      el("div", { class: "area-head" }, el("h2", { id: "area-title", tabindex: -1 }, "Chats"),
        button("Keys", () => this.area.showKeys(), { class: "keys-button", "aria-haspopup": "dialog" }), menu),
      el("p", { class: "help" }, "Only included chats are used to train. A tenth is held out to compare models and is never trained on."),
      el("div", { class: "chats-columns" }, this.pane, this.reader.element));
    new IntersectionObserver((entries) => { if (entries.some((one) => one.isIntersecting)) this.loadMore(); }, { rootMargin: "400px" })
      .observe(this.more);
    this.element.addEventListener("dragover", (/** @type {DragEvent} */ event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
    this.element.addEventListener("drop", (/** @type {DragEvent} */ event) => {
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      openImport(this, file);
    });
  }

  /** @param {string[]} path @param {URLSearchParams} query */
  update([id = ""], query) {
    const filter = filterOf(query), sort = query.get("sort") ?? "newest";
    const isSame = JSON.stringify([filter, sort]) === JSON.stringify([this.filter, this.sort]);
    this.filter = filter;
    this.sort = sort;
    if (!isSame || this.loads === 0) this.load();
    this.order.value = sort;
    if (document.activeElement !== this.search) this.search.value = filter.q ?? "";
    this.chips.replaceChildren(...filterChips(filter, (name) => this.setFilter(name, "")));
    const isOpen = this.element.classList.toggle("is-reading", id !== "");
    this.list.mark(id);
    if (isOpen) this.reader.open(id);
    else this.reader.clear();
  }

  reload() {
    if (this.list.element.querySelector(".load-error")) this.load();
    this.reader.reload();
  }

  /** The address of a chat, or of the list, with the filter. @param {string} [id] */
  address(id = "") {
    const query = new URLSearchParams({ ...this.filter, ...(this.sort !== "newest" && { sort: this.sort }) }).toString();
    return `#/training/chats${id && "/" + encodeURIComponent(id)}${query && "?" + query}`;
  }

  /** @param {string} id of the chat to show; empty to close it */
  openChat(id) {
    // The first chat adds a step to the history, so that the back button returns to the list; the others replace it.
    this.area.go(this.address(id), this.reader.id !== "" && id !== "");
  }

  /** @param {string} name of a parameter, or "sort" @param {string} value empty to remove it */
  setFilter(name, value) {
    const before = this.address(this.reader.id);
    if (name === "sort") this.sort = value;
    else if (value) this.filter = { ...this.filter, [name]: value };
    else delete this.filter[name];
    const after = this.address(this.reader.id);
    if (after === before) return;
    // `update` compares with what is shown.
    const { filter, sort } = this;
    this.filter = {};
    this.sort = "";
    history.replaceState(null, "", after);
    this.update(this.reader.id ? [this.reader.id] : [], new URLSearchParams({ ...filter, sort }));
    if (!this.filters.hidden && name !== "q") this.#fillFilters();
  }

  async load() {
    const load = this.loads += 1;
    this.list.select([]);
    this.more.hidden = true;
    this.isLoading = true;
    this.status.textContent = "";
    const isDone = await this.area.load(this.list.element, () => this.#request(null), (found) => {
      if (load !== this.loads) return;
      this.list.element.replaceChildren();
      this.#show(found, true);
    }, this.list.size > 0);
    if (load === this.loads) this.isLoading = false;
    if (!isDone) this.status.textContent = "";
  }

  async loadMore() {
    if (this.isLoading || this.next === null) return;
    this.isLoading = true;
    const load = this.loads, found = await this.area.run(() => this.#request(this.next));
    if (load !== this.loads) return;
    this.isLoading = false;
    if (found) this.#show(found, false);
  }

  /** @param {string | null} after */
  #request(after) {
    return this.area.api.get("/api/training/chats", { ...requestFilter(this.filter), sort: this.sort || "newest", limit: PAGE, after });
  }

  /**
   * @param {{ items: ReviewedChat[], next: string | null, total: number, total_is_exact?: boolean, counts: any, pending?: number }} found
   * @param {boolean} isFirst
   */
  #show({ items, next, total, total_is_exact: isExact = true, counts, pending = 0 }, isFirst) {
    this.next = next;
    this.total = total;
    this.isExact = isExact;
    this.more.hidden = next === null;
    for (const { model } of items) if (model && !this.known.models.includes(model)) this.known.models.push(model);
    if (isFirst) this.list.show(items);
    else this.list.append(items);
    this.#showCounts(counts, isExact);
    const isFiltered = Object.keys(this.filter).length > 0;
    if (total === 0) {
      this.list.element.replaceChildren(isFiltered
        ? nothing("No chat matches", "Change the search or remove filters.",
          button("Remove all filters", () => this.area.go("#/training/chats")))
        : nothing("No chats yet", "Chats appear here when people chat and have seen the notice about training. You can also import files.",
          button("Import a file", () => openImport(this))));
    }
    const matches = isFiltered ? " match" + (total === 1 ? "es" : "") : "";
    const matching = total === 0 ? "" : count(total, "chat", "chats", isExact) + matches;
    const waiting = pending > 0 ? `${count(pending, "changed chat")} will appear in a moment.` : "";
    this.status.replaceChildren([matching, waiting].filter(Boolean).join(". "), waiting && " ",
      waiting && button("Show", () => this.load(), { class: "small" }));
    this.#showBulk();
    this.list.mark(this.reader.id);
  }

  #showBulk() {
    this.bulk.show(this.list.selected.size, this.total, this.list.size, this.isExact);
  }

  /** @param {Record<string, number> | undefined} counts @param {boolean} isExact or lower bounds */
  #showCounts(counts, isExact) {
    const all = counts ? counts.new + counts.included + counts.excluded : null;
    this.states.replaceChildren(...STATES.map(([value, label]) => {
      const some = value ? counts?.[value] : all;
      return el("button", {
        type: "button", "aria-pressed": String((this.filter.state ?? "") === value), onclick: () => this.setFilter("state", value),
      }, label, some !== null && some !== undefined && el("span", { class: "count" }, " ", atLeast(some, isExact)));
    }), ...(counts?.included ? [el("span", { class: "held-out" }, `${atLeast(counts.held_out, isExact)} held out`)] : []));
  }

  /** Updates what depends on the numbers of chats, after changes. The rows stay, so that a list of new chats can be worked through. */
  async refreshCounts() {
    const load = this.loads, filter = requestFilter(this.filter);
    const found = await this.area.api.get("/api/training/chats", { ...filter, limit: 1 }).catch(() => null);
    if (!found || load !== this.loads) return;
    this.#showCounts(found.counts, found.total_is_exact !== false);
  }

  /** @param {ReviewedChat} chat that was changed */
  changed(chat) {
    this.list.replace(chat);
    if (this.reader.id === chat.id) this.reader.changed(chat);
    this.refreshCounts();
  }

  /** The chats that an action applies to: the selection, or the current chat. @returns {string[]} */
  get targets() {
    if (this.list.selected.size) return [...this.list.selected];
    const id = this.reader.id || this.list.currentID;
    return id ? [id] : [];
  }

  /** Sets the state of the selection, of all that match, or of the current chat. @param {string} state */
  async setState(state) {
    const ids = this.targets;
    if (!ids.length && !this.bulk.isAll) return;
    const isSingle = this.list.selected.size === 0;
    const changed = await changeChats(this, ids, { state });
    if (!changed || !isSingle) return;
    // One key a chat: the next one is shown.
    if (this.list.currentID === ids[0]) this.list.move(1, this.reader.id !== "");
  }

  async tag() {
    const ids = this.targets;
    if (!ids.length && !this.bulk.isAll) return toast("Select chats first.");
    const change = await tagDialog(this, ids);
    if (change) await changeChats(this, ids, change);
    this.#loadTags();
  }

  async #loadTags() {
    const found = await this.area.api.get("/api/training/tags").catch(() => null);
    this.known.tags = (found?.items ?? []).map((/** @type {any} */ one) => (typeof one === "string" ? one : one.tag));
  }

  #toggleFilters() {
    this.filters.hidden = !this.filters.hidden;
    this.filterButton.setAttribute("aria-expanded", String(!this.filters.hidden));
    if (!this.filters.hidden) this.#fillFilters();
  }

  #fillFilters() {
    const filter = { ...this.filter };
    const focused = /** @type {any} */ (document.activeElement),
      index = [...this.filters.querySelectorAll("input, select")].indexOf(focused);
    this.filters.replaceChildren(filterFields(filter, this.known, () => {
      const name = [...new Set([...Object.keys(filter), ...Object.keys(this.filter)])].find((one) => filter[one] !== this.filter[one]);
      if (name) this.setFilter(name, filter[name] ?? "");
    }));
    if (index >= 0) /** @type {any} */ (this.filters.querySelectorAll("input, select")[index])?.focus();
  }

  /** @param {HTMLElement} at */
  #menu(at) {
    const save = (/** @type {string} */ format) => exportChats(this, format);
    openMenu(at, [
      { label: "Import a file…", icon: "up", action: () => openImport(this) },
      { label: "Export chats", icon: "download", action: () => save("chats") },
      { label: "Export messages", icon: "download", action: () => save("messages") },
      { label: "Export preference pairs", icon: "download", action: () => save("pairs") },
      { label: "Export ratings", icon: "download", action: () => save("ratings") },
    ]);
  }

  /** @returns {import("./area.js").AreaKey[]} */
  #shortcuts() {
    const extend = (/** @type {number} */ by) => (/** @type {KeyboardEvent} */ event) =>
      (event.shiftKey ? this.list.extend(by) : this.list.move(by, this.reader.id !== ""));
    return [
      { keys: ["j", "ArrowDown"], label: "Next chat; with Shift, select it, too", action: extend(1) },
      { keys: ["k", "ArrowUp"], label: "Previous chat; with Shift, select it, too", action: extend(-1) },
      { keys: ["Enter"], label: "Read the chat", action: () => this.list.currentID && this.openChat(this.list.currentID) },
      { keys: ["i"], label: "Include", action: () => this.setState("included") },
      { keys: ["e"], label: "Exclude", action: () => this.setState("excluded") },
      { keys: ["n"], label: "Mark as new", action: () => this.setState("new") },
      { keys: ["t"], label: "Tag", action: () => this.tag() },
      { keys: ["x"], label: "Select or deselect", action: () => this.list.toggleCurrent() },
      { keys: ["c"], label: "Correct the last answer", action: () => this.reader.correctLast() },
      { keys: ["/"], label: "Search", action: () => this.search.focus() },
      { keys: ["Escape"], label: "Deselect; close the chat; leave the search", action: () => this.#escape() },
    ];
  }

  #escape() {
    if (document.activeElement === this.search) return this.list.move(0);
    if (this.list.selected.size) {
      this.list.select([]);
      return announce("Nothing is selected");
    }
    if (this.reader.id) {
      const id = this.reader.id;
      this.openChat("");
      this.list.focus(id);
    }
  }
}
