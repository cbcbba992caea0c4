// @ts-check
import { announce, el, iconButton } from "../common/dom.js";
import { REASONS, correctionEditor } from "../chat/feedback.js";
import { count, number } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";
import { tagsIn } from "./bulk.js";
import { button, facts, note, pill, when } from "./parts.js";

/** @typedef {import("./chats.js").ReviewedChat} ReviewedChat */

/** Names of kinds of personal data. @type {Record<string, string>} */
const KINDS = { email: "email address", phone: "phone number", key: "key or password", iban: "bank account", card: "card number",
  ip: "IP address", url: "URL with a password" };
/** @type {[string, string][]} */
const STATES = [["included", "Include"], ["excluded", "Exclude"], ["new", "New"]];
const LOADED_AFTER = 120;

/** The chat that is read: its messages, and the owner's changes. */
export class ChatReader {
  /** @param {any} section */
  constructor(section) {
    this.section = section;
    this.area = section.area;
    this.id = "";
    /** @type {ReviewedChat | null} */
    this.chat = null;
    /** @type {Map<string, () => void>} open the correction of a message */
    this.editors = new Map();
    this.timer = 0;
    this.element = el("article", { class: "reader", "aria-label": "Chat" });
    this.clear();
  }

  clear() {
    this.id = "";
    this.chat = null;
    clearTimeout(this.timer);
    this.element.replaceChildren(el("div", { class: "reader-empty" }, el("p", {}, "Choose a chat to read it."),
      el("p", { class: "help" }, "With the keyboard: J and K move, I includes, E excludes, ? shows all keys.")));
  }

  get isEditing() { return this.element.querySelector(".correct textarea") !== null; }

  /** @param {string} id */
  open(id) {
    if (id === this.id) return;
    const wasOpen = this.id !== "";
    this.id = id;
    this.chat = null;
    clearTimeout(this.timer);
    // Moving quickly through the list loads only where it stops.
    this.timer = setTimeout(() => this.#load(), wasOpen ? LOADED_AFTER : 0);
  }

  reload() {
    if (this.id && !this.isEditing) this.#load(true);
  }

  /** @param {boolean} [isQuiet] */
  async #load(isQuiet = false) {
    const { id } = this;
    await this.area.load(this.element, () => this.area.api.get(`/api/training/chats/${encodeURIComponent(id)}`),
        (/** @type {ReviewedChat} */ chat) => {
      if (id === this.id) this.#show(chat);
    }, isQuiet);
  }

  /** @param {ReviewedChat} chat the changed chat, perhaps without its messages */
  changed(chat) {
    if (!this.chat || chat.id !== this.id) return;
    this.#show({ ...this.chat, ...chat, messages: chat.messages ?? this.chat.messages });
  }

  /** @param {ReviewedChat} chat */
  #show(chat) {
    const focusLabel = this.element.contains(document.activeElement) ? document.activeElement?.getAttribute("data-focus") : null;
    const isFirst = this.chat?.id !== chat.id, scroll = isFirst ? 0 : this.element.scrollTop;
    this.chat = chat;
    this.editors.clear();
    const back = iconButton("Back to the list", "left", () => {
      this.section.openChat("");
      this.section.list.focus(chat.id);
    }, { class: "icon-button reader-back" });
    this.element.replaceChildren(
      el("header", { class: "reader-head" }, back, el("h3", { tabindex: -1, dir: "auto" }, visible(chat.title || "Untitled"))),
      this.#stateButtons(chat), this.#tags(chat), ...this.#notes(chat), this.#facts(chat),
      chat.system_prompt ? el("div", { class: "reader-message" }, el("h4", {}, "System prompt"),
        el("div", { class: "plain-text", dir: "auto" }, visible(chat.system_prompt))) : "",
      el("ol", { class: "reader-messages" }, ...(chat.messages ?? []).map((message) => this.#message(message))));
    this.element.scrollTop = scroll;
    // On a narrow window, the chat takes the place of the list, which had the focus.
    if (isFirst && !this.section.pane.checkVisibility()) this.element.querySelector("h3")?.focus();
    if (focusLabel) /** @type {any} */ (this.element.querySelector(`[data-focus="${CSS.escape(focusLabel)}"]`))?.focus();
  }

  /** @param {ReviewedChat} chat */
  #stateButtons(chat) {
    return el("div", { class: "segments", role: "group", "aria-label": "State of this chat" },
        ...STATES.map(([state, label]) => el("button", {
      type: "button", "data-focus": state, "aria-pressed": String(chat.state === state), onclick: async () => {
        const found = await this.area.send("PUT", `chats/${encodeURIComponent(chat.id)}`, { state });
        if (found === undefined) return;
        this.section.changed(found ?? { ...chat, state });
        announce(`${label}: done`);
      },
    }, label)));
  }

  /** @param {ReviewedChat} chat */
  #tags(chat) {
    const set = async (/** @type {string[]} */ tags, /** @type {string} */ said) => {
      const found = await this.area.send("PUT", `chats/${encodeURIComponent(chat.id)}`, { tags });
      if (found === undefined) return;
      this.section.changed(found ?? { ...chat, tags });
      announce(said);
    };
    const box = el("input", { type: "text", "data-focus": "tags", placeholder: "Add a tag", "aria-label": "Add a tag", autocomplete: "off",
      dir: "auto", maxlength: 200 });
    return el("form", { class: "reader-tags", onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      const added = tagsIn(box.value);
      if (added.length) set([...new Set([...chat.tags, ...added])], `Tagged ${added.join(", ")}`);
    } }, ...chat.tags.map((tag) => el("span", { class: "tag", dir: "auto" }, visible(tag),
      iconButton(`Remove the tag ${visible(tag)}`, "close", () => set(chat.tags.filter((one) => one !== tag), `Removed ${tag}`)))), box);
  }

  /** @param {ReviewedChat} chat */
  #notes(chat) {
    const kinds = chat.personal.map((kind) => KINDS[kind] ?? kind);
    const notes = [];
    if (chat.held_out) notes.push(note("Held out: this chat compares models and is never trained on.", "good"));
    if (kinds.length) notes.push(note(`May contain personal data: ${kinds.join(", ")}. It is marked in the text.`));
    if (chat.duplicates > 0) {
      const text = note(`${count(chat.duplicates, "other chat")} ${chat.duplicates === 1 ? "is" : "are"} nearly the same.`);
      if (chat.duplicate_of) text.append(el("a", { href: `#/training/chats/${encodeURIComponent(chat.duplicate_of)}` },
        "Show the first one"));
      notes.push(text);
    }
    return notes;
  }

  /** @param {ReviewedChat} chat */
  #facts(chat) {
    const person = chat.person && el("a", { href: `#/training/chats?${new URLSearchParams({ person: chat.person })}` },
      visible(chat.person));
    const source = { account: "An account", guest: "A guest", import: "Imported" }[chat.source] ?? chat.source;
    const feedback = [chat.good && `${chat.good} good`, chat.bad && `${chat.bad} bad`,
      chat.corrections && count(chat.corrections, "correction"),
      chat.owner_corrections && `${count(chat.owner_corrections, "correction")} by owners`,
        chat.preferences && count(chat.preferences, "preference")];
    return facts([["From", source], ["Person", person || null], ["Model", chat.model], ["Changed", when(chat.updated_at)],
      ["Length", `${count(chat.turns, "turn")}, ${number(chat.characters)} characters`],
        ["Feedback", feedback.filter(Boolean).join(", ") || null],
      ["Reviewed", chat.reviewed_at ? el("span", {}, when(chat.reviewed_at), chat.reviewed_by ? ` by ${visible(chat.reviewed_by)}` : "")
        : null]]);
  }

  /** @param {any} message */
  #message(message) {
    const isAnswer = message.role === "assistant";
    const name = isAnswer ? "Model" : message.role === "system" ? "System prompt" : "Person";
    const others = (message.alternatives ?? []).filter((/** @type {any} */ one) => one.id !== message.id);
    const owner = message.owner_correction ?? null, user = message.correction ?? null;
    const texts = [this.#text("Original", marked(message.content, message.personal ?? []), owner === null && user === null, isAnswer)];
    if (user !== null) texts.push(this.#text("Corrected by the person", [visible(user)], owner === null, true));
    if (owner !== null) texts.push(this.#text("Corrected by an owner", [visible(owner)], true, true));
    const host = el("div", { class: "correction-host" });
    const item = el("li", { class: `reader-message ${message.role}` },
      el("div", { class: "reader-sender" }, el("h4", {}, name), message.chosen && pill("preferred", "good"), ratingPill(message.rating)),
      el("div", { class: texts.length > 1 ? "versions" : "" }, ...texts), host, others.length > 0 && this.#alternatives(others));
    if (isAnswer) {
      const edit = () => this.#edit(message, host);
      this.editors.set(message.id, edit);
      host.append(button(owner === null ? "Correct" : "Change the correction", edit,
        { class: "small", "data-focus": `correct-${message.id}` }));
    }
    return item;
  }

  /** @param {string} label @param {(Node | string)[]} content @param {boolean} isUsed @param {boolean} isAnswer */
  #text(label, content, isUsed, isAnswer) {
    return el("div", { class: `version${isUsed ? " used" : ""}` },
      isAnswer && label !== "Original" && el("p", { class: "version-label" }, label),
      isAnswer && label === "Original" && !isUsed && el("p", { class: "version-label" }, "Original, not trained on"),
      el("div", { class: "plain-text", dir: "auto" }, ...content));
  }

  /** @param {any[]} others */
  #alternatives(others) {
    return el("details", { class: "reader-alternatives" }, el("summary", {}, count(others.length, "alternative")),
      el("ul", {}, ...others.map((one) =>
        el("li", {}, el("div", { class: "reader-sender" }, one.chosen && pill("preferred", "good"), ratingPill(one.rating)),
        el("div", { class: "plain-text", dir: "auto" }, visible(one.content))))));
  }

  /** Opens the correction of the last answer. */
  correctLast() {
    [...this.editors.values()].at(-1)?.();
  }

  /** Corrects an answer in its place. @param {any} message @param {HTMLElement} host */
  #edit(message, host) {
    if (host.querySelector("textarea")) return;
    const path = `chats/${encodeURIComponent(this.id)}/corrections/${encodeURIComponent(message.id)}`;
    const close = () => {
      host.replaceChildren(button(message.owner_correction ? "Change the correction" : "Correct", () => this.#edit(message, host),
        { class: "small", "data-focus": `correct-${message.id}` }));
      host.querySelector("button")?.focus();
    };
    const save = async (/** @type {string | null} */ content) => {
      const found = await this.area.send(content === null ? "DELETE" : "PUT", path, content === null ? undefined : { content });
      if (found === undefined) return;
      close();
      if (found?.messages) this.section.changed(found);
      else await this.#load(true);
      announce(content === null ? "The correction was removed" : "The correction is stored beside the answer");
    };
    const text = message.owner_correction ?? message.correction ?? message.content;
    host.replaceChildren(
      correctionEditor("Your correction of this answer", text, message.owner_correction != null, save, close));
    host.querySelector("textarea")?.focus();
  }
}

/** @param {any} rating "good", or with a reason and a comment */
function ratingPill(rating) {
  if (!rating) return null;
  const value = typeof rating === "string" ? rating : rating.rating;
  const reasons = /** @type {[string, string][]} */ (REASONS[/** @type {"good" | "bad"} */ (value)] ?? []);
  const why = [reasons.find(([name]) => name === rating.reason)?.[1], rating.comment].filter(Boolean).join(": ");
  return pill(visible(`${value === "good" ? "Good" : "Bad"}${why ? ` (${why})` : ""}`), value === "good" ? "good" : "bad");
}

/**
 * A text whose personal data is marked.
 * @param {string} text @param {{ kind: string, start: number, end: number }[]} places in UTF-16 code units
 */
export function marked(text, places) {
  /** @type {(Node | string)[]} */
  const parts = [];
  let at = 0;
  for (const { kind, start, end } of [...places].sort((a, b) => a.start - b.start)) {
    if (start < at || end <= start || end > text.length) continue;
    const name = KINDS[kind] ?? visible(kind);
    parts.push(visible(text.slice(at, start)),
      el("mark", { title: name }, visible(text.slice(start, end)), el("span", { class: "visually-hidden" }, ` (${name})`)));
    at = end;
  }
  parts.push(visible(text.slice(at)));
  return parts;
}
