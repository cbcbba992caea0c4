// @ts-check
import { decoded } from "./addresses.js";
import { showUser } from "./account/login.js";
import { APIError } from "./common/api.js";
import { Conversation, guestMessages, guestSystemPrompt, saveGuestMessages } from "./chat/conversation.js";
import { announce, byId, el } from "./common/dom.js";
import { attempt } from "./chat/feedback.js";
import { loadDocuments, showDocuments } from "./chat/documents.js";
import { closeDrawer, showTitle } from "./common/layout.js";
import { measure, showCollected, showContext } from "./chat/meter.js";
import { draft, stored } from "./common/storage.js";
import { skeleton } from "./chat/thread.js";
import { showTraining } from "./chat/training-notice.js";
import { showModelName } from "./chat/welcome.js";

/** @typedef {import("./chat/conversation.js").Message} Message */

/** The messages that did not reach the server, so that they survive a reload. @param {string} key the conversation's id, or "new" */
const unsent = (key) => stored("unsent." + key, "");

/** The titles of the pages that guests see instead of a conversation. @type {Record<string, string>} */
const LOGIN_TITLES = { login: "Log in", register: "Create an account", reset: "Set a new password" };

/**
 * Shows a conversation, the account page or the login page according to the URL hash. Answers of other conversations continue in the
 * background.
 */
export class Page {
  /**
   * @param {{ api: any, session: import("./common/session.js").Session, connection: import("./common/connection.js").Connection,
   *   settings: any, sidebar: any, thread: any, composer: any, account: any, accountPage: any,
   *   tabs: import("./common/tabs.js").Tabs }} parts
   */
  constructor(parts) {
    this.api = parts.api;
    this.session = parts.session;
    this.connection = parts.connection;
    this.sidebar = parts.sidebar;
    this.thread = parts.thread;
    this.composer = parts.composer;
    this.account = parts.account;
    this.accountPage = parts.accountPage;
    this.tabs = parts.tabs;
    this.settings = parts.settings;
    /** @type {Conversation} */
    this.conversation = new Conversation(this.api, this.settings);
    /** @type {Map<string, Conversation>} */
    this.answering = new Map();
    /** The message on the login page, and the hash to return to. */
    this.loginReason = "";
    this.returnHash = "#/";
    this.failedToLoad = false;
    /** Whether the account is left out of training. */
    this.isLeftOut = false;
    /** Whether the server collects the chats of guests. It stores those of accounts. */
    this.collects = true;
    /** The training area of owners, once it has been opened. @type {import("./training/area.js").TrainingArea | null} */
    this.trainingArea = null;
  }

  /** Shows what is set for the open conversation. */
  settingsChanged() {
    this.settings.answering = this.conversation.model;
    showModelName(this.conversation.model);
    showDocuments(this);
    showTraining(this);
    byId("open-conversation").classList.toggle("set", this.conversation.own.system_prompt !== "");
  }

  /** Chooses the model of further answers: of the open conversation, and of new ones. @param {string} model */
  async chooseModel(model) {
    this.settings.model = model;
    const { conversation } = this;
    if (conversation.id && !this.session.isGuest) await attempt(() => conversation.change({ model }));
    this.settingsChanged();
  }

  /** Chooses the documents of further answers: of the open conversation, and of new ones. @param {string[]} documents their ids */
  async chooseDocuments(documents) {
    await this.conversation.change({ documents });
    this.settings.newDocuments = documents;
    this.settingsChanged();
  }

  /** Shows an alternative of a message. @param {string} id @param {string} label of the button, which keeps the focus */
  async switchTo(id, label) {
    const { conversation } = this;
    await conversation.switchTo(id);
    if (conversation !== this.conversation) return;
    const message = conversation.messages.find((one) => one.id === id);
    const view = message && this.thread.views.get(message);
    const button = view?.footer.querySelector(`[aria-label="${label}"]:enabled`) ?? view?.footer.querySelector(".alternatives :enabled");
    button?.focus();
    if (message) announce(`${message.alternatives?.indexOf(id) + 1} of ${message.alternatives?.length}`);
    this.tabs.announce(conversation.id);
    this.measure(conversation);
  }

  /** Shows the page of the current hash. */
  async route() {
    const [, first, second] = location.hash.split("/");
    const isLogin = Object.hasOwn(LOGIN_TITLES, first ?? ""), isAccount = first === "account" && !this.session.isGuest;
    const isTraining = /^#\/?training\b/.test(location.hash);
    byId("account").hidden = !isLogin;
    byId("account-page").hidden = !isAccount;
    byId("training-area").hidden = !isTraining || this.session.isGuest;
    byId("chat").hidden = isLogin || isAccount || isTraining;
    closeDrawer();
    if (!isTraining) this.trainingArea?.close();
    if (isLogin && this.session.isGuest) {
      showTitle(LOGIN_TITLES[first]);
      this.account.open(first, this.loginReason, first === "register" ? decoded(second ?? "") : "");
      return;
    }
    this.loginReason = "";
    if (isLogin) return this.#returnFromLogin();
    if (first === "account" && !isAccount) return this.askToLogIn("Log in to see your account.");
    if (isTraining && this.session.isGuest) return this.askToLogIn("Log in as an owner to open the training area.");
    if (isTraining) return this.#openTraining();
    if (isAccount) {
      showTitle("Your account");
      byId("export").hidden = true;
      this.sidebar.mark("");
      return this.accountPage.open();
    }
    const id = first === "c" && second ? second : "";
    if (id && this.session.isGuest) return this.askToLogIn("Log in to read this conversation.");
    const isOpen = id ? id === this.conversation.id && !this.failedToLoad : this.session.isGuest && this.conversation.isAnswering;
    if (isOpen) this.#render();
    else await this.#open(id);
  }

  /** Opens the training area. Its code is loaded when it is opened for the first time, so that the chat page stays small. */
  async #openTraining() {
    byId("export").hidden = true;
    this.sidebar.mark("");
    showTitle("Training");
    try {
      const { TrainingArea } = await import("./training/area.js");
      this.trainingArea ??= new TrainingArea(this);
    } catch {
      const reload = el("button", { type: "button", onclick: () => location.reload() }, "Reload the page");
      byId("training-area").replaceChildren(
        el("div", { class: "load-error", role: "alert" }, el("p", {}, "The training area could not be loaded."), reload));
      return;
    }
    // Another address may have been opened while the code was loading.
    if (!byId("training-area").hidden) await this.trainingArea.open();
  }

  /** @param {string} hash */
  go(hash) {
    if (location.hash === hash || (hash === "#/" && location.hash === "")) this.route();
    else location.hash = hash;
  }

  /** @param {string} reason */
  askToLogIn(reason) {
    if (!Object.hasOwn(LOGIN_TITLES, location.hash.split("/")[1] ?? "")) this.returnHash = location.hash || "#/";
    this.loginReason = reason;
    this.go("#/login");
  }

  #returnFromLogin() {
    const hash = this.returnHash;
    this.returnHash = "#/";
    this.go(hash);
  }

  /** Starts a new conversation. Deletes a guest's current one. */
  startOver() {
    if (this.session.isGuest) {
      this.conversation.abort();
      this.conversation = new Conversation(this.api, this.settings);
      guestMessages.value = [];
      guestSystemPrompt.value = "";
    }
    this.go("#/");
  }

  /** Logs out. Nothing that was typed is kept. */
  logOut() {
    for (const conversation of [...this.answering.values(), this.conversation]) conversation.messages = [];
    this.session.end();
    this.go("#/");
  }

  /** Removes everything of the previous user from the page after a login or logout. */
  userChanged() {
    for (const conversation of this.answering.values()) conversation.abort();
    this.conversation.abort();
    this.answering.clear();
    this.conversation = new Conversation(this.api, this.settings);
    this.thread.clear();
    this.sidebar.load();
    this.refresh();
    this.loadAccount();
    this.loadDocuments();
    this.route();
  }

  /** @param {string} id */
  async #open(id) {
    const answering = this.answering.get(id);
    const initial = this.session.isGuest ? { messages: guestMessages.value, systemPrompt: guestSystemPrompt.value } : {};
    const conversation = this.conversation = answering ?? new Conversation(this.api, this.settings, { id: id || undefined, ...initial });
    this.failedToLoad = false;
    this.composer.open(id || "new");
    this.thread.clear();
    this.composer.setBusy(false);
    if (id && !answering) await this.#load(conversation);
    if (conversation !== this.conversation) return;
    if (!answering) {
      conversation.addEventListener("change", (event) => this.#changed(conversation, /** @type {CustomEvent} */ (event).detail));
      conversation.addEventListener("answered", (event) => this.#answered(conversation, /** @type {CustomEvent} */ (event).detail));
    }
    const lost = unsent(id || "new");
    if (lost.value) {
      this.composer.restore(lost.value);
      lost.value = "";
    }
    if (this.failedToLoad) return;
    this.#render();
    this.measure(conversation);
    // Not on touch screens, where the on-screen keyboard would cover half of the page, and not if the Undo button of a toast has the focus.
    if (matchMedia("(pointer: fine)").matches && !document.activeElement?.closest(".toast")) this.composer.box.focus();
  }

  #render() {
    const { conversation } = this;
    this.thread.show(conversation.messages);
    this.composer.setBusy(conversation.isAnswering);
    showContext(conversation.context);
    if (this.showsChat) {
      showTitle(conversation.heading);
      this.sidebar.mark(conversation.id ?? "");
      byId("export").hidden = conversation.messages.length === 0;
    }
    this.settingsChanged();
  }

  /** Whether the conversation is what is shown. An answer may begin or end while another page is. */
  get showsChat() { return !byId("chat").hidden; }

  /** Shows the title of the open conversation, unless another page is shown, which keeps its own. @param {string} title */
  showChatTitle(title) {
    if (this.showsChat) showTitle(title);
  }

  /** @param {Conversation} conversation */
  async #load(conversation) {
    this.showChatTitle("");
    byId("welcome").hidden = true;
    this.thread.list.hidden = false;
    this.thread.list.replaceChildren(skeleton());
    try {
      const found = await this.api.get("/api/conversations/" + encodeURIComponent(conversation.id ?? ""));
      conversation.load(found);
      if (conversation === this.conversation) this.thread.list.replaceChildren();
    } catch (error) {
      if (conversation === this.conversation) this.#showLoadError(/** @type {Error} */ (error));
    }
  }

  /** @param {Error} error */
  #showLoadError(error) {
    this.failedToLoad = true;
    const missing = error instanceof APIError && error.status === 404;
    this.showChatTitle(missing ? "Not found" : "Could not be loaded");
    const message = missing ? "This conversation does not exist or belongs to another user." : error.message;
    const onclick = () => (missing ? this.go("#/") : this.#open(this.conversation.id ?? ""));
    const button = el("button", { type: "button", onclick }, missing ? "New chat" : "Try again");
    this.thread.list.replaceChildren(el("li", { class: "load-error", role: "alert" }, el("p", {}, message), button));
  }

  /** @param {Conversation} conversation @param {Message} [message] */
  #changed(conversation, message) {
    if (conversation.id && conversation.isAnswering) this.answering.set(conversation.id, conversation);
    if (conversation !== this.conversation) return;
    if (conversation.id && this.composer.key === "new" && !this.session.isGuest) this.#conversationCreated(conversation.id);
    if (message && this.thread.views.has(message) && conversation.isAnswering) this.thread.update(message);
    else this.#render();
    showContext(conversation.context);
  }

  /** Moves the URL, the title and the draft of a new conversation to its id. @param {string} id */
  #conversationCreated(id) {
    draft(id).value = draft("new").value;
    draft("new").value = "";
    this.composer.key = id;
    if (this.showsChat) {
      history.replaceState(null, "", "#/c/" + encodeURIComponent(id));
      showTitle(this.conversation.title);
      this.sidebar.current = id;
    }
    this.sidebar.load();
    this.tabs.announce(id);
  }

  /**
   * Shows what another tab or device has changed: the list, and the messages of the open conversation.
   * @param {string} id of the changed conversation; empty if it is unknown
   */
  async changedElsewhere(id) {
    if (this.session.isGuest) return;
    this.sidebar.load();
    const { conversation } = this;
    const canReload = () => conversation === this.conversation && !conversation.isAnswering && !this.failedToLoad
      && conversation.unsent.length === 0 && !this.thread.isEditing;
    if (!conversation.id || (id && id !== conversation.id) || !canReload()) return;
    const found = await this.api.get("/api/conversations/" + encodeURIComponent(conversation.id)).catch(() => null);
    if (!found || !canReload()) return;
    conversation.title = found.title;
    this.showChatTitle(found.title);
    const keys = (/** @type {Message[]} */ messages) => JSON.stringify(messages.map(
      ({ id, content, alternatives, rating, correction }) => [id, content, alternatives, rating, correction]));
    const settings = JSON.stringify([found.system_prompt ?? "", found.model ?? "", found.training ?? true, found.documents ?? []]);
    const { system_prompt, model, training, documents } = conversation.own;
    const isSame = settings === JSON.stringify([system_prompt, model, training, documents]);
    if (isSame && keys(found.messages) === keys(conversation.messages)) return;
    conversation.load(found);
    this.#render();
    this.measure(conversation);
  }

  /** @param {Conversation} conversation @param {{ answer: Message, initialID: string | undefined }} detail */
  #answered(conversation, { answer, initialID }) {
    if (conversation.id) this.answering.delete(conversation.id);
    this.#saveUnsent(conversation, initialID ?? "new");
    if (this.session.isGuest && conversation === this.conversation) saveGuestMessages(conversation.messages);
    if (conversation === this.conversation) {
      this.#render();
      if (conversation.messages.includes(answer)) this.thread.announceAnswer(answer);
    }
    if (conversation.messages.includes(answer)) this.measure(conversation);
    if (!this.session.isGuest) this.#sync(conversation);
    this.refresh();
  }

  /**
   * Stores unsent messages for a reload. If the session has expired, moves them back to the message box.
   * @param {Conversation} conversation @param {string} key
   */
  #saveUnsent(conversation, key) {
    const messages = conversation.unsent, text = messages.map(({ content }) => content).join("\n");
    if (messages.some(({ error }) => error instanceof APIError && error.status === 401)) {
      conversation.messages = conversation.sent;
      this.composer.restore(text, key);
      unsent(key).value = "";
    } else unsent(key).value = text;
  }

  /** Reloads the sidebar, and the ids of messages that were stopped before the server sent them. @param {Conversation} conversation */
  async #sync(conversation) {
    this.sidebar.load();
    if (conversation.id) this.tabs.announce(conversation.id);
    if (!conversation.id || conversation.sent.every(({ id }) => id)) return;
    const found = await this.api.get("/api/conversations/" + encodeURIComponent(conversation.id)).catch(() => null);
    found?.messages.forEach((/** @type {Message} */ saved, /** @type {number} */ index) => {
      const message = conversation.sent[index];
      if (message?.role === saved.role && !message.id) message.id = saved.id;
    });
  }

  /** Shows how much of the context window is used. Ignores errors. @param {Conversation} conversation */
  async measure(conversation = this.conversation) {
    await measure(this.api, conversation, this.connection.health.context);
    if (conversation === this.conversation) showContext(conversation.context);
  }

  /** Updates the user and the number of collected chats. */
  async refresh() {
    showUser(this.session);
    const stats = await this.api.get("/stats").catch(() => null);
    this.collects = stats?.collecting ?? true;
    showCollected(stats);
    showTraining(this);
  }

  /** Finds out which documents the server has. */
  loadDocuments() { return loadDocuments(this); }

  /** Finds out whether the account is an owner's and whether it is left out of training. */
  async loadAccount() {
    const { token } = this.session, me = token ? await this.api.get("/api/me").catch(() => null) : null;
    if (token !== this.session.token) return;
    this.isLeftOut = me?.training === false;
    byId("training-link").hidden = me?.role !== "owner";
    this.settingsChanged();
  }
}
