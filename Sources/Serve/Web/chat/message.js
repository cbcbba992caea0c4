// @ts-check
import { APIError, NetworkError } from "../common/api.js";
import { copyButton } from "../common/copy.js";
import { el, icon, iconButton } from "../common/dom.js";
import { count, number } from "../common/quantities.js";
import { alternatives, correctionForm, ratingButtons, reasonForm } from "./feedback.js";
import { withoutThought } from "./markdown-blocks.js";
import { MarkdownView } from "./markdown.js";
import { linkCitations, sourceList } from "./sources.js";
import { visible, withoutControls } from "../common/sanitize.js";

/** @typedef {import("./conversation.js").Message} Message */
/**
 * @typedef {object} Actions
 * @property {(message: Message) => void} regenerate
 * @property {(message: Message, text?: string) => void} resend
 * @property {(message: Message, rating: import("./conversation.js").Rating | null) => Promise<void>} rate
 * @property {(message: Message, text: string | null) => Promise<void>} correct
 * @property {(id: string, label: string) => Promise<void>} switchTo
 * @property {() => boolean} isBusy
 * @property {() => boolean} isGuest
 * @property {() => string} model the name of the model that answers next
 * @property {import("./passage-panel.js").PassagePanel} panel shows the sources of answers
 */

/** The view of one message. `show()` updates it. */
export class MessageView {
  /** @param {Message} message @param {Actions} actions */
  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    const isUser = message.role === "user";
    this.body = el("div", { class: "body", dir: isUser ? "auto" : null });
    this.notice = el("div", { class: "notices" });
    this.footer = el("div", { class: "message-footer" });
    this.sender = el("h2", { class: isUser ? "visually-hidden" : "sender", dir: "auto" }, "You");
    /** Takes the place of the text while it is corrected. */
    this.editor = el("div");
    /** The reasons of a rating, below the message. */
    this.form = el("div");
    this.element = el("li", { class: "message " + message.role },
      el("article", {}, this.sender, this.notice, this.body, this.editor, this.footer, this.form));
    this.markdown = isUser ? null : new MarkdownView(this.body);
    this.shownState = "";
    this.showsOriginal = false;
    this.showsMetrics = false;
    this.editing = false;
  }

  show() {
    const { message } = this;
    if (this.markdown) this.#showAnswer(this.markdown);
    else if (!this.editing) this.body.textContent = visible(message.content);
    const streaming = message.state === "waiting" || message.state === "streaming";
    this.element.classList.toggle("streaming", streaming);
    this.element.classList.toggle("no-text", streaming && message.content === "");
    this.element.classList.toggle("unsent", message.state === "unsent");
    this.element.setAttribute("aria-busy", String(streaming));
    // Buttons are replaced only if the state changed, so that they keep the focus while tokens arrive.
    const { state, warning, metrics, error, id, rating, correction, alternatives, sources } = message;
    const shown = JSON.stringify([
      state, warning, metrics, error?.message, id, rating, correction, alternatives, sources?.note, this.showsOriginal, this.showsMetrics,
      this.actions.isGuest(), this.actions.isBusy()]);
    if (shown === this.shownState) return;
    this.shownState = shown;
    const label = this.footer.contains(document.activeElement) && document.activeElement?.getAttribute("aria-label");
    this.notice.replaceChildren(...notices(message), ...this.#correctionNotice());
    this.footer.replaceChildren(...(streaming ? [] : this.#footerOf(message)));
    // A button that was pressed keeps the focus.
    if (label) this.footer.querySelector(`[aria-label="${label}"]`)?.focus();
  }

  /** @param {MarkdownView} markdown */
  #showAnswer(markdown) {
    const { reasoning, model } = this.message;
    markdown.show((reasoning ? `<think>${reasoning}${this.text && "</think>"}\n` : "") + this.text);
    if (this.message.sources) linkCitations(this.body, this.message.sources, this.actions.panel);
    this.sender.textContent = visible(model ?? this.actions.model()) || "slm";
  }

  /** The text that is shown: the corrected one, unless the user has asked for the original. */
  get text() { return this.showsOriginal ? this.message.content : this.message.correction ?? this.message.content; }

  #correctionNotice() {
    if (this.message.correction === undefined) return [];
    const onclick = () => {
      this.showsOriginal = !this.showsOriginal;
      this.show();
      this.notice.querySelector("button")?.focus();
    };
    const label = this.showsOriginal ? "Original answer" : "Corrected by you";
    return [el("p", { class: "corrected" }, el("span", {}, label),
      el("button", { type: "button", class: "link-button", onclick }, this.showsOriginal ? "Show correction" : "Show original"))];
  }

  /**
   * Shows a form.
   * @param {HTMLElement} place @param {(close: () => void) => HTMLElement} make @param {string} label of the button that opened it
   */
  #open(place, make, label) {
    const close = () => {
      place.replaceChildren();
      this.editing = false;
      this.element.classList.remove("correcting");
      this.footer.querySelector(`[aria-label="${label}"]`)?.focus();
    };
    const form = make(close);
    place.replaceChildren(form);
    /** @type {HTMLElement | null} */ (form.querySelector("input, textarea"))?.focus();
    form.scrollIntoView({ block: "nearest" });
  }

  #correct() {
    if (this.actions.isBusy()) return;
    this.showsOriginal = false;
    this.editing = true;
    this.form.replaceChildren();
    this.element.classList.add("correcting");
    this.#open(this.editor, (close) => correctionForm(this.message, this.actions, close), "Correct answer");
  }

  #askWhy() {
    const label = this.message.rating?.rating === "bad" ? "Bad answer" : "Good answer";
    this.#open(this.form, (close) => reasonForm(this.message, this.actions, close), label);
  }

  /** @param {Message} message @returns {Node[]} */
  #footerOf(message) {
    const isUser = message.role === "user", whenIdle = { disabled: this.actions.isBusy() };
    const buttons = el("div", { class: "actions" },
      copyButton(isUser ? "Copy message" : "Copy answer", () => withoutControls(isUser ? this.text : withoutThought(this.text))),
      isUser && iconButton("Edit message", "edit", () => this.edit(), whenIdle),
      !isUser && iconButton("Regenerate answer", "again", () => this.actions.regenerate(message), whenIdle),
      ...(isUser || this.actions.isGuest() || !message.id || message.content === "" ? [] : [
        ...ratingButtons(message, this.actions, () => this.#askWhy()),
        iconButton("Correct answer", "edit", () => this.#correct(), whenIdle),
      ]),
      !isUser && message.metrics && this.#metricsButton());
    const others = this.actions.isGuest() ? null : alternatives(message, this.actions);
    const retry = () => (isUser ? this.actions.resend(message) : this.actions.regenerate(message));
    const error = message.error ? errorBox(message.error, isUser, retry) : null;
    const metrics = message.metrics && this.showsMetrics ? metricsLine(message.metrics) : null;
    const sources = message.sources?.passages.length ? sourceList(message.sources, this.actions.panel) : null;
    return [error, sources, others, buttons, isUser ? null : endingLine(message), metrics].filter((node) => node !== null);
  }

  #metricsButton() {
    const onclick = () => {
      this.showsMetrics = !this.showsMetrics;
      this.show();
    };
    return iconButton("Speed and length", "speed", onclick, { "aria-expanded": String(this.showsMetrics) });
  }

  /** Turns a user message into a text box. Sending it replaces the message and all later ones. */
  edit() {
    if (this.editing || this.actions.isBusy()) return;
    this.editing = true;
    const box = el("textarea", { rows: 1, dir: "auto", "aria-label": "Edit your message" });
    box.value = this.message.content;
    const cancel = () => {
      this.editing = false;
      this.element.classList.remove("editing");
      this.show();
      this.footer.querySelector('[aria-label="Edit message"]')?.focus();
    };
    const onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      if (box.value.trim()) this.actions.resend(this.message, box.value.trim());
    };
    const onkeydown = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        cancel();
      }
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    };
    const form = el("form", { class: "edit", onsubmit, onkeydown }, box, el("div", { class: "buttons" },
      el("button", { type: "button", onclick: cancel }, "Cancel"), el("button", { class: "primary" }, "Send")));
    this.body.replaceChildren(form);
    this.element.classList.add("editing");
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
    form.scrollIntoView({ block: "nearest" });
  }
}

/**
 * The parts of the conversation that did not fit into the context window, and that no passage of the documents fits.
 * @param {Message} message
 */
function notices(message) {
  const { dropped_turns: dropped = 0, cut = false } = message.warning ?? {};
  const omitted = dropped === 1 ? "message was" : `${dropped} messages were`;
  const sentences = [
    dropped > 0 && `The conversation is longer than the context window: the oldest ${omitted} left out.`,
    cut && "Your message is longer than the context window: only a part of it was used.",
    message.sources?.note ?? false,
  ];
  return sentences.filter((sentence) => sentence !== false)
    .map((sentence) => el("p", { class: "notice" }, icon("alert"), String(sentence)));
}

/** @param {number} seconds */
const duration = (seconds) => (seconds < 1 ? `${Math.ceil(seconds * 1000)} ms` : `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`);

/** How an answer ended, unless it is a complete text: "" then. @param {Message} message */
export function endingOf({ state, error, content, correction }) {
  if (state === "stopped") return "Stopped.";
  if (state === "length") return "Stopped at the token limit.";
  return state === undefined && !error && withoutThought(correction ?? content) === "" ? "The model had nothing to say." : "";
}

/** @param {Message} message */
function endingLine(message) {
  const text = endingOf(message);
  return text ? el("p", { class: "ending" }, text) : null;
}

/** @param {NonNullable<Message["metrics"]>} metrics */
function metricsLine(metrics) {
  const parts = [
    count(metrics.answer_tokens, "token"),
    metrics.tokens_per_s > 0 && `${number(Math.round(metrics.tokens_per_s))} tokens/s`,
    duration(metrics.seconds),
    metrics.first_token_seconds !== undefined && `first token after ${duration(metrics.first_token_seconds)}`,
  ].filter(Boolean);
  return el("p", { class: "metrics", dir: "ltr" }, parts.join(" · "));
}

/**
 * An error with a retry button, which is disabled until the time given by the server.
 * @param {Error} error @param {boolean} unsent @param {() => void} retry
 */
function errorBox(error, unsent, retry) {
  const button = el("button", { type: "button", class: "retry", onclick: retry }, icon("again"), "Try again");
  const until = error instanceof APIError && error.retryAfter ? Date.now() + error.retryAfter * 1000 : 0;
  const countDown = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    button.disabled = seconds > 0;
    button.lastChild.textContent = seconds > 0 ? `Try again in ${seconds} s` : "Try again";
    if (seconds > 0) setTimeout(countDown, 500);
  };
  if (until) countDown();
  const sentence = error instanceof NetworkError && !unsent ? "The connection was lost." : visible(error.message);
  const text = el("p", { dir: "auto" }, unsent ? `Not sent. ${sentence}` : sentence);
  return el("div", { class: "error", role: "alert" }, icon("alert"), text, button);
}
