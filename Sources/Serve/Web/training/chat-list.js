// @ts-check
import { el } from "../common/dom.js";
import { count } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";
import { pill, statePill, when } from "./parts.js";

/** @typedef {import("./chats.js").ReviewedChat} ReviewedChat */

/** The rows of the list: one is the current one, any number are selected. */
export class ChatList {
  /** @param {{ open: (id: string) => void, selectionChanged: () => void }} actions */
  constructor(actions) {
    this.actions = actions;
    this.element = el("ul", { class: "chat-rows", "aria-label": "Chats" });
    /** @type {Map<string, ReviewedChat>} */
    this.chats = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    /** @type {Set<string>} */
    this.selected = new Set();
    this.currentID = "";
    /** The chat that is read. */
    this.markedID = "";
    /** Where a range begins that Shift extends. */
    this.anchor = "";
    this.element.addEventListener("click", (/** @type {MouseEvent} */ event) => this.#click(event));
    this.element.addEventListener("focusin", (/** @type {FocusEvent} */ event) => {
      const id = /** @type {HTMLElement} */ (event.target).closest("li")?.dataset.id;
      if (id) this.#setCurrent(id);
    });
  }

  get size() { return this.rows.size; }
  get ids() { return [...this.rows.keys()]; }

  /** @param {ReviewedChat[]} chats */
  show(chats) {
    this.chats.clear();
    this.rows.clear();
    this.currentID = "";
    this.anchor = "";
    this.element.replaceChildren();
    this.append(chats);
  }

  /** @param {ReviewedChat[]} chats */
  append(chats) {
    for (const chat of chats) {
      if (this.rows.has(chat.id)) continue;
      const row = el("li", { "data-id": chat.id }, el("input", { type: "checkbox" }));
      this.rows.set(chat.id, row);
      this.#fill(row, chat);
      this.element.append(row);
    }
  }

  /** Shows a changed chat in its row. @param {ReviewedChat} chat */
  replace(chat) {
    const row = this.rows.get(chat.id);
    if (!row) return;
    const hadFocus = row.querySelector("a") === document.activeElement;
    this.#fill(row, { ...this.chats.get(chat.id), ...chat });
    const link = row.querySelector("a");
    if (chat.id === this.markedID) link?.setAttribute("aria-current", "true");
    if (hadFocus) link?.focus({ preventScroll: true });
  }

  /**
   * The row and its checkbox stay. A new row would take the size of rows outside of the window until the next frame,
   * and the rows below it would move while they are clicked.
   * @param {HTMLElement} row @param {ReviewedChat} chat
   */
  #fill(row, chat) {
    this.chats.set(chat.id, chat);
    const title = visible(chat.title || "Untitled");
    const marks = [
      chat.good > 0 && pill(`${chat.good} good`, "good"), chat.bad > 0 && pill(`${chat.bad} bad`, "bad"),
      chat.corrections + chat.owner_corrections > 0 && pill("corrected", "good"), chat.preferences > 0 && pill("preference"),
      chat.personal.length > 0 && pill(visible(chat.personal.join(", ")), "warn"),
      chat.duplicates > 0 && pill(count(chat.duplicates, "near-duplicate"), "warn"),
      chat.held_out && pill("held out", "busy"), ...chat.tags.map((tag) => el("span", { class: "tag", dir: "auto" }, visible(tag))),
    ];
    const source = { account: chat.person, guest: chat.person ? `${chat.person} (guest)` : "Guest", import: "Imported" }[chat.source]
      ?? chat.person;
    row.querySelector("input")?.setAttribute("aria-label", `Select ${title}`);
    for (const old of row.querySelectorAll("input ~ *")) old.remove();
    row.append(
      el("a", { href: `#/training/chats/${encodeURIComponent(chat.id)}`, dir: "auto" }, title),
      el("div", { class: "row-facts" }, statePill(chat.state), el("span", { dir: "auto" }, visible(source ?? "")),
        el("span", {}, count(chat.turns, "turn")),
        when(chat.updated_at)),
      el("div", { class: "row-marks" }, ...marks));
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const target = /** @type {HTMLElement} */ (event.target), id = target.closest("li")?.dataset.id;
    if (!id) return;
    if (target.matches("input")) {
      if (event.shiftKey && this.anchor) this.#selectRange(this.anchor, id, /** @type {HTMLInputElement} */ (target).checked);
      else this.#set(id, /** @type {HTMLInputElement} */ (target).checked);
      this.anchor = id;
      this.actions.selectionChanged();
      return;
    }
    // A click that opens the address in another tab, or that ends a selection of text.
    if (event.button !== 0 || event.altKey || (target.closest("a") && (event.ctrlKey || event.metaKey))) return;
    event.preventDefault();
    if (event.shiftKey) {
      this.#selectRange(this.anchor || this.currentID || id, id, true);
      this.actions.selectionChanged();
    } else this.actions.open(id);
    this.#setCurrent(id);
    this.focus(id);
  }

  /** @param {string} from @param {string} to @param {boolean} isOn */
  #selectRange(from, to, isOn) {
    const { ids } = this, ends = [ids.indexOf(from), ids.indexOf(to)].sort((a, b) => a - b);
    for (const id of ids.slice(Math.max(ends[0], 0), ends[1] + 1)) this.#set(id, isOn);
  }

  /** @param {string} id @param {boolean} isOn */
  #set(id, isOn) {
    if (isOn) this.selected.add(id);
    else this.selected.delete(id);
    this.#paint(id);
  }

  /** @param {string[]} ids all that are selected */
  select(ids) {
    const old = [...this.selected];
    this.selected = new Set(ids);
    for (const id of new Set([...old, ...ids])) this.#paint(id);
    this.actions.selectionChanged();
  }

  /** @param {string} id */
  #paint(id) {
    const row = this.rows.get(id), box = row?.querySelector("input");
    if (!row || !box) return;
    box.checked = this.selected.has(id);
    row.classList.toggle("selected", box.checked);
    row.classList.toggle("current", id === this.currentID);
  }

  toggleCurrent() {
    if (!this.currentID) return this.move(0);
    this.#set(this.currentID, !this.selected.has(this.currentID));
    this.anchor = this.currentID;
    this.actions.selectionChanged();
  }

  /** @param {string} id */
  #setCurrent(id) {
    const old = this.currentID;
    this.currentID = id;
    this.#paint(old);
    this.#paint(id);
  }

  /** Marks the chat that is read. @param {string} id */
  mark(id) {
    this.rows.get(this.markedID)?.querySelector("a")?.removeAttribute("aria-current");
    this.rows.get(id)?.querySelector("a")?.setAttribute("aria-current", "true");
    this.markedID = id;
    if (id && this.rows.has(id)) this.#setCurrent(id);
  }

  /** @param {string} id */
  focus(id) {
    const link = this.rows.get(id)?.querySelector("a");
    link?.focus();
  }

  /** Moves to another row; 0 stays, or begins. @param {number} by @param {boolean} [reads] whether to open it */
  move(by, reads = false) {
    const { ids } = this, at = ids.indexOf(this.currentID);
    const id = ids[at < 0 ? 0 : Math.min(Math.max(at + by, 0), ids.length - 1)];
    if (!id) return;
    this.#setCurrent(id);
    this.focus(id);
    this.anchor = id;
    if (reads) this.actions.open(id);
  }

  /** Moves and selects the rows that are passed. @param {number} by */
  extend(by) {
    const { ids } = this, at = ids.indexOf(this.currentID);
    const id = ids[Math.min(Math.max(at + by, 0), ids.length - 1)];
    if (!id) return;
    if (this.currentID) this.#set(this.currentID, true);
    this.#set(id, true);
    this.#setCurrent(id);
    this.focus(id);
    this.actions.selectionChanged();
  }
}
