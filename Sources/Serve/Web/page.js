// @ts-check
import { Refusal } from "./api.js";
import { Conversation, guestMessages, keepGuest } from "./conversation.js";
import { byId, el } from "./dom.js";
import { closeDrawer, showTitle } from "./frame.js";
import { draft, kept } from "./kept.js";
import { measure, showCollected, showContext } from "./meter.js";
import { skeleton } from "./thread.js";
import { showPerson } from "./account.js";

/** @typedef {import("./conversation.js").Message} Message */

/** A question that did not reach the server, until it does: it outlives a reload. @param {string} place */
const unsent = (place) => kept("unsent." + place, "");

/** What is open: a conversation, or the page to sign in; and the answers that go on while another one is looked at. */
export class Page {
  /** @param {{ api: any, session: import("./session.js").Session, connection: import("./connection.js").Connection, settings: any, sidebar: any, thread: any, composer: any, account: any }} parts */
  constructor(parts) {
    this.api = parts.api;
    this.session = parts.session;
    this.connection = parts.connection;
    this.sidebar = parts.sidebar;
    this.thread = parts.thread;
    this.composer = parts.composer;
    this.account = parts.account;
    this.settings = parts.settings;
    /** @type {Conversation} */
    this.conversation = new Conversation(this.api, this.settings);
    /** @type {Map<string, Conversation>} */
    this.answering = new Map();
    /** Why the next page to sign in is shown, and where the reader was. */
    this.reason = "";
    this.before = "#/";
    this.failedToLoad = false;
  }

  /** Shows what the address says. */
  async route() {
    const [, first, second] = location.hash.split("/");
    const signsIn = first === "login" || first === "register";
    byId("account").hidden = !signsIn;
    byId("chat").hidden = signsIn;
    closeDrawer();
    if (signsIn && this.session.isGuest) {
      showTitle(first === "login" ? "Log in" : "Create an account");
      this.account.open(first, this.reason);
      return;
    }
    this.reason = "";
    if (signsIn) return this.#goBack();
    const id = first === "c" && second ? second : "";
    if (id && this.session.isGuest) return this.askToSignIn("Log in to read this conversation.");
    const isOpen = id ? id === this.conversation.id && !this.failedToLoad : this.session.isGuest && this.conversation.isAnswering;
    if (isOpen) this.#drawn();
    else await this.#open(id);
  }

  /** @param {string} hash */
  go(hash) {
    if (location.hash === hash || (hash === "#/" && location.hash === "")) this.route();
    else location.hash = hash;
  }

  /** @param {string} reason */
  askToSignIn(reason) {
    if (!/^#\/(login|register)/.test(location.hash)) this.before = location.hash || "#/";
    this.reason = reason;
    this.go("#/login");
  }

  /** Signed in: to where the reader was. */
  #goBack() {
    const before = this.before;
    this.before = "#/";
    this.go(before);
  }

  /** An empty conversation. A guest's former one is gone: it was kept nowhere else. */
  startOver() {
    if (this.session.isGuest) {
      this.conversation.stop();
      this.conversation = new Conversation(this.api, this.settings);
      guestMessages.value = [];
    }
    this.go("#/");
  }

  /** Another person than before, or none: nothing of the former stays on the screen. */
  personChanged() {
    for (const conversation of this.answering.values()) conversation.stop();
    this.conversation.stop();
    this.answering.clear();
    this.conversation = new Conversation(this.api, this.settings);
    this.thread.clear();
    this.sidebar.load();
    this.refresh();
    this.route();
  }

  /** @param {string} id */
  async #open(id) {
    const answering = this.answering.get(id);
    const known = this.session.isGuest ? { messages: guestMessages.value } : {};
    const conversation = this.conversation = answering ?? new Conversation(this.api, this.settings, { id: id || undefined, ...known });
    this.failedToLoad = false;
    this.composer.open(id || "new");
    this.thread.clear();
    this.composer.setBusy(false);
    if (id && !answering) await this.#load(conversation);
    if (conversation !== this.conversation) return;
    if (!answering) conversation.addEventListener("change", (event) => this.#changed(conversation, /** @type {CustomEvent} */ (event).detail));
    if (!answering) conversation.addEventListener("answered", (event) => this.#answered(conversation, /** @type {CustomEvent} */ (event).detail));
    const lost = unsent(id || "new");
    if (lost.value) {
      this.composer.giveBack(lost.value);
      lost.value = "";
    }
    if (this.failedToLoad) return;
    this.#drawn();
    this.measure(conversation);
    // Not on a phone, where its keyboard would cover half of the page; and not away from an offer to undo.
    if (matchMedia("(pointer: fine)").matches && !document.activeElement?.closest(".toast")) this.composer.box.focus();
  }

  #drawn() {
    const { conversation } = this;
    showTitle(conversation.title);
    this.thread.show(conversation.messages);
    this.composer.setBusy(conversation.isAnswering);
    this.sidebar.mark(conversation.id ?? "");
    showContext(conversation.context);
    byId("export").hidden = conversation.messages.length === 0;
  }

  /** @param {Conversation} conversation */
  async #load(conversation) {
    showTitle("");
    byId("welcome").hidden = true;
    this.thread.list.hidden = false;
    this.thread.list.replaceChildren(skeleton());
    try {
      const found = await this.api.get("/api/conversations/" + encodeURIComponent(conversation.id ?? ""));
      conversation.title = found.title;
      conversation.createdAt = found.created_at;
      conversation.messages = found.messages.map((/** @type {Message} */ { id, role, content, created_at }) => ({ id, role, content, created_at }));
      if (conversation === this.conversation) this.thread.list.replaceChildren();
    } catch (error) {
      if (conversation === this.conversation) this.#notLoaded(/** @type {Error} */ (error));
    }
  }

  /** @param {Error} error */
  #notLoaded(error) {
    this.failedToLoad = true;
    const missing = error instanceof Refusal && error.status === 404;
    showTitle(missing ? "Not found" : "Not loaded");
    const retry = el("button", { type: "button", onclick: () => (missing ? this.go("#/") : this.#open(this.conversation.id ?? "")) }, missing ? "New chat" : "Try again");
    this.thread.list.replaceChildren(el("li", { class: "failed", role: "alert" }, el("p", {}, missing ? "This conversation does not exist, or is not yours." : error.message), retry));
  }

  /** @param {Conversation} conversation @param {Message} [message] */
  #changed(conversation, message) {
    if (conversation.id && conversation.isAnswering) this.answering.set(conversation.id, conversation);
    if (conversation !== this.conversation) return;
    if (conversation.id && this.composer.place === "new" && !this.session.isGuest) this.#becameReal(conversation.id);
    if (message && this.thread.views.has(message) && conversation.isAnswering) this.thread.grow(message);
    else this.#drawn();
    showContext(conversation.context);
  }

  /** A new conversation has its id: the address and what is being typed belong to it from here on. @param {string} id */
  #becameReal(id) {
    draft(id).value = draft("new").value;
    draft("new").value = "";
    this.composer.place = id;
    history.replaceState(null, "", "#/c/" + encodeURIComponent(id));
    showTitle(this.conversation.title);
    this.sidebar.current = id;
    this.sidebar.load();
  }

  /** @param {Conversation} conversation @param {{ answer: Message, begun: string | undefined }} detail */
  #answered(conversation, { answer, begun }) {
    if (conversation.id) this.answering.delete(conversation.id);
    this.#keepUnsent(conversation, begun ?? "new");
    if (this.session.isGuest && conversation === this.conversation) keepGuest(conversation.messages);
    if (conversation === this.conversation) {
      this.#drawn();
      if (conversation.messages.includes(answer)) this.thread.tell(answer);
    }
    if (!this.session.isGuest) this.#catchUp(conversation);
    this.refresh();
  }

  /** What waits in vain survives a reload; what waits for its writer to log in goes back to the box. @param {Conversation} conversation @param {string} place */
  #keepUnsent(conversation, place) {
    const waiting = conversation.unsent, text = waiting.map(({ content }) => content).join("\n");
    if (waiting.some(({ error }) => error instanceof Refusal && error.status === 401)) {
      conversation.messages = conversation.sent;
      this.composer.giveBack(text, place);
      unsent(place).value = "";
    } else unsent(place).value = text;
  }

  /** A conversation moves to the top of the list; messages that were stopped before their ids came get them. @param {Conversation} conversation */
  async #catchUp(conversation) {
    this.sidebar.load();
    if (!conversation.id || conversation.sent.every(({ id }) => id)) return;
    const found = await this.api.get("/api/conversations/" + encodeURIComponent(conversation.id)).catch(() => null);
    found?.messages.forEach((/** @type {Message} */ stored, /** @type {number} */ index) => {
      const message = conversation.sent[index];
      if (message?.role === stored.role && !message.id) message.id = stored.id;
    });
  }

  /** Not worth an error. @param {Conversation} conversation */
  async measure(conversation = this.conversation) {
    await measure(this.api, conversation, this.connection.health.context);
    if (conversation === this.conversation) showContext(conversation.context);
  }

  /** What the corners of the page say. */
  async refresh() {
    showPerson(this.session);
    showCollected(await this.api.get("/stats").catch(() => null));
  }
}
