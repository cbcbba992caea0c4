// @ts-check
import { Refusal, Unreachable } from "./api.js";
import { harmless, visible } from "./characters.js";
import { copyButton } from "./copy.js";
import { el, icon, iconButton } from "./dom.js";
import { MarkdownView } from "./markdown.js";

/** @typedef {import("./conversation.js").Message} Message */
/** @typedef {{ regenerate: (message: Message) => void, resend: (message: Message, text?: string) => void, isBusy: () => boolean }} Deeds */

/** One message of the thread. `show()` brings it up to what its message says. */
export class MessageView {
  /** @param {Message} message @param {Deeds} deeds */
  constructor(message, deeds) {
    this.message = message;
    this.deeds = deeds;
    const isUser = message.role === "user";
    this.body = el("div", { class: "body", dir: isUser ? "auto" : null });
    this.notice = el("div", { class: "notices" });
    this.foot = el("div", { class: "foot" });
    this.element = el("li", { class: "message " + message.role }, el("article", {},
      el("h2", { class: isUser ? "visually-hidden" : "who" }, isUser ? "You" : "slm"), this.notice, this.body, this.foot));
    this.markdown = isUser ? null : new MarkdownView(this.body);
    this.shown = "";
  }

  show() {
    const { message } = this;
    if (this.markdown) this.markdown.show(message.content);
    else if (!this.editing) this.body.textContent = visible(message.content);
    const growing = message.state === "waiting" || message.state === "streaming";
    this.element.classList.toggle("growing", growing);
    this.element.classList.toggle("silent", growing && message.content === "");
    this.element.classList.toggle("unsent", message.state === "unsent");
    this.element.setAttribute("aria-busy", String(growing));
    // The buttons are made anew only when they change: a focus on one of them survives the tokens.
    const now = JSON.stringify([message.state, message.warning, message.figures, message.error?.message, message.id]);
    if (now === this.shown) return;
    this.shown = now;
    this.notice.replaceChildren(...notices(message));
    this.foot.replaceChildren(...(growing ? [] : this.#footOf(message)));
  }

  /** @param {Message} message @returns {Node[]} */
  #footOf(message) {
    const isUser = message.role === "user";
    const actions = el("div", { class: "actions" },
      copyButton(isUser ? "Copy question" : "Copy answer", () => harmless(message.content)),
      isUser ? iconButton("Edit question", "edit", () => this.edit()) : iconButton("Another answer", "again", () => this.deeds.regenerate(message)));
    const state = message.error ? problem(message.error, isUser, () => (isUser ? this.deeds.resend(message) : this.deeds.regenerate(message))) : null;
    return [state, actions, isUser ? null : figures(message)].filter((node) => node !== null);
  }

  /** The question becomes a text box; sending it replaces all that came after. */
  edit() {
    if (this.editing || this.deeds.isBusy()) return;
    this.editing = true;
    const box = el("textarea", { rows: 1, dir: "auto", "aria-label": "Edit your question" });
    box.value = this.message.content;
    const done = () => {
      this.editing = false;
      this.element.classList.remove("editing");
      this.show();
      this.foot.querySelector('[aria-label="Edit question"]')?.focus();
    };
    const form = el("form", { class: "edit", onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      if (box.value.trim()) this.deeds.resend(this.message, box.value.trim());
    }, onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") { event.stopPropagation(); done(); }
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
    } }, box, el("div", { class: "buttons" }, el("button", { type: "button", onclick: done }, "Cancel"), el("button", { class: "primary" }, "Send")));
    this.body.replaceChildren(form);
    this.element.classList.add("editing");
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}

/** What the model did not read. @param {Message} message */
function notices(message) {
  const { dropped_turns: dropped = 0, cut = false } = message.warning ?? {};
  const sentences = [
    dropped > 0 && `The conversation is longer than the model can read: the oldest ${dropped === 1 ? "message was" : `${dropped} messages were`} left out.`,
    cut && "Your message is longer than the model can read: only a part of it was.",
  ];
  return sentences.filter((sentence) => sentence !== false).map((sentence) => el("p", { class: "notice" }, icon("alert"), String(sentence)));
}

/** @param {number} seconds */
const duration = (seconds) => seconds < 1 ? `${Math.ceil(seconds * 1000)} ms` : `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;

/** @param {Message} message */
function figures({ figures, state }) {
  const parts = [
    state === "stopped" && "Stopped", state === "length" && "Ended at the longest answer",
    figures && `${figures.answer_tokens.toLocaleString("en")} ${figures.answer_tokens === 1 ? "token" : "tokens"}`,
    figures && figures.tokens_per_second > 0 && `${Math.round(figures.tokens_per_second).toLocaleString("en")} tokens/s`,
    figures && duration(figures.seconds),
  ].filter(Boolean);
  return parts.length ? el("p", { class: "figures", dir: "ltr" }, parts.join(" · ")) : null;
}

/** What went wrong, and a button that tries again; if the server said when, not before. @param {Error} error @param {boolean} unsent @param {() => void} retry */
function problem(error, unsent, retry) {
  const button = el("button", { type: "button", class: "retry", onclick: retry }, icon("again"), "Try again");
  const until = error instanceof Refusal && error.retryAfter ? Date.now() + error.retryAfter * 1000 : 0;
  const count = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    button.disabled = left > 0;
    button.lastChild.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left > 0) setTimeout(count, 500);
  };
  if (until) count();
  const sentence = error instanceof Unreachable && !unsent ? "The connection broke off." : visible(error.message);
  return el("div", { class: "problem", role: "alert" }, icon("alert"), el("p", { dir: "auto" }, unsent ? `Not sent. ${sentence}` : sentence), button);
}
