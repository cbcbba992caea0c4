// @ts-check
import { Refusal, Unreachable } from "./api.js";
import { kept } from "./kept.js";

/**
 * @typedef {object} Message
 * @property {string} [id] as the server knows it; a guest's have none
 * @property {"user" | "assistant"} role
 * @property {string} content
 * @property {string} [created_at]
 * @property {"waiting" | "streaming" | "stopped" | "length" | "unsent" | "broken"} [state] none: it is whole
 * @property {{ answer_tokens: number, tokens_per_second: number, seconds: number }} [figures]
 * @property {{ dropped_turns: number, cut: boolean }} [warning] what the model did not read for it
 * @property {Error} [error] why it was not sent, or broke off
 */

// A conversation answers one question at a time. A question right after a stop may come before the server noticed that the last reader is gone.
const BUSY_TRIES = 4;

/**
 * One conversation: its messages, and the answer that is on its way. Tells "change" with the message in `detail`, "rename" and "answered".
 *
 *     const conversation = new Conversation(api, settings);
 *     await conversation.send("Hello");
 *     conversation.stop();
 */
export class Conversation extends EventTarget {
  /** @param {import("./api.js").API} api @param {import("./settings.js").Settings} settings @param {{ id?: string, title?: string, messages?: Message[] }} [known] */
  constructor(api, settings, known = {}) {
    super();
    this.api = api;
    this.settings = settings;
    this.id = known.id;
    this.title = known.title ?? "";
    this.createdAt = new Date().toISOString();
    /** @type {Message[]} */
    this.messages = known.messages ?? [];
    /** @type {AbortController | null} */
    this.running = null;
    /** @type {{ used: number, size: number } | null} tokens of the context */
    this.context = null;
  }

  get isAnswering() { return this.running !== null; }

  /** Sends, and resolves when the answer is over, however it ended; what went wrong stands in the messages. @param {string} text */
  send(text) { return this.#ask(text, undefined); }

  /**
   * Asks once more; all that came after this question is replaced. One that the server never got is asked at the end instead.
   * @param {Message} question @param {string} [text]
   */
  async resend(question, text = question.content) {
    if (question.state === "unsent") await this.#lookUp(question);
    const index = this.messages.indexOf(question);
    if (index < 0 || this.isAnswering) return;
    if (question.state === "unsent" && !question.id) this.messages.splice(index, 1);
    else this.messages.length = index;
    await this.#ask(text, question.id);
  }

  /** Another answer to the question before this one. @param {Message} answer */
  async regenerate(answer) {
    const question = this.messages[this.messages.indexOf(answer) - 1];
    if (question) await this.resend(question);
  }

  /** What was said so far stays. */
  stop() { this.running?.abort(); }

  /** The connection may have broken after the server kept the question: then it is replaced, and does not stand there twice. @param {Message} question */
  async #lookUp(question) {
    if (question.id || !this.id || this.api.session.isGuest) return;
    const stored = await this.api.get("/api/conversations/" + this.id).catch(() => null);
    const last = stored?.messages.at(-1);
    if (last?.role === "user" && last.content === question.content) question.id = last.id;
  }

  /** Those that the server has, or a guest's history. */
  get sent() { return this.messages.filter((message) => message.state !== "unsent"); }

  /** Those that are still to be sent. */
  get unsent() { return this.messages.filter((message) => message.state === "unsent"); }

  /** @param {string} text @param {string | undefined} replaceFrom */
  async #ask(text, replaceFrom) {
    /** @type {Message} */
    const question = { role: "user", content: text, created_at: new Date().toISOString(), id: replaceFrom };
    /** @type {Message} */
    const answer = { role: "assistant", content: "", state: "waiting" };
    const history = this.sent.filter((message) => message.content !== "").map(({ role, content }) => ({ role, content }));
    this.messages.push(question, answer);
    const running = this.running = new AbortController();
    const begun = this.id;
    this.#changed();
    const body = { message: text, ...this.settings.changed, ...(this.api.session.isGuest ? { history } : { conversation_id: this.id, replace_from: replaceFrom }) };
    try {
      await this.#answer(body, question, answer, running.signal);
    } catch (error) {
      this.#failed(/** @type {Error} */ (error), question, answer, running.signal.aborted);
    } finally {
      this.running = null;
      this.#changed(answer);
      this.dispatchEvent(new CustomEvent("answered", { detail: { answer, begun } }));
    }
  }

  /** @param {any} body @param {Message} question @param {Message} answer @param {AbortSignal} signal */
  async #answer(body, question, answer, signal) {
    for (let tries = 1; ; tries += 1) {
      try {
        for await (const { event, data } of this.api.chat(body, signal)) this.#take(event, data, question, answer);
        // A stream without its last event was cut off.
        if (answer.state === "waiting" || answer.state === "streaming") throw new Unreachable();
        return;
      } catch (error) {
        if (!(error instanceof Refusal && error.status === 409 && tries < BUSY_TRIES)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250 * tries));
        if (signal.aborted) throw error;
      }
    }
  }

  /** @param {string} event @param {any} data @param {Message} question @param {Message} answer */
  #take(event, data, question, answer) {
    switch (event) {
      case "start":
        this.#started(data, question, answer);
        break;
      case "token":
        answer.content += data.text;
        answer.state = "streaming";
        break;
      case "warning":
        answer.warning = data;
        break;
      case "done":
        answer.state = data.reason === "length" ? "length" : data.reason === "cancelled" ? "stopped" : undefined;
        answer.figures = data;
        if (this.context) this.context = { ...this.context, used: data.prompt_tokens + data.answer_tokens };
        break;
      case "error":
        throw new Refusal(200, data.error ?? {});
    }
    this.#changed(answer);
  }

  /** @param {any} data @param {Message} question @param {Message} answer */
  #started(data, question, answer) {
    question.id = data.message_id ?? undefined;
    answer.id = data.answer_id ?? undefined;
    answer.state = "streaming";
    this.id = data.conversation_id ?? this.id;
    this.context = { size: data.context, used: data.prompt_tokens ?? this.context?.used ?? 0 };
    if (data.title && data.title !== this.title) {
      this.title = data.title;
      this.dispatchEvent(new Event("rename"));
    }
  }

  /** @param {Error} error @param {Message} question @param {Message} answer @param {boolean} stopped */
  #failed(error, question, answer, stopped) {
    const started = answer.state === "streaming";
    if (stopped && !(error instanceof Refusal)) {
      answer.state = "stopped";
      return;
    }
    answer.error = question.error = error;
    answer.state = "broken";
    if (started) question.error = undefined;
    else {
      // Nothing was said, and as far as we know nothing heard: the question stands there with a button that sends it again.
      question.state = "unsent";
      this.messages = this.messages.filter((message) => message !== answer);
    }
  }

  /** @param {Message} [message] none: anything may have changed */
  #changed(message) { this.dispatchEvent(new CustomEvent("change", { detail: message })); }
}

/** A guest's conversation lasts as long as the tab. */
export const guestMessages = kept("guest", /** @type {Message[]} */ ([]), sessionStorage);

/** The messages of a guest that are worth to be kept. @param {Message[]} messages */
export function keepGuest(messages) {
  guestMessages.value = messages.filter((message) => message.state !== "unsent").map(({ role, content, created_at }) => ({ role, content, created_at }));
}
