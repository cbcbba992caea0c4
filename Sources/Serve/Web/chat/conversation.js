// @ts-check
import { APIError, NetworkError } from "../common/api.js";
import { stored } from "../common/storage.js";

/** @typedef {{ rating: "good" | "bad", reason?: string, comment?: string }} Rating */
/**
 * @typedef {object} Message
 * @property {string} [id] the server's id; messages of guests have none
 * @property {"user" | "assistant"} role
 * @property {string} content
 * @property {string} [reasoning] what the model has thought before it answered, where the server sends it apart
 * @property {string} [created_at]
 * @property {string[]} [alternatives] the ids of all messages that follow the same message, this one included
 * @property {Rating} [rating]
 * @property {string} [correction] the answer as the user has corrected it
 * @property {string} [model] the model of an answer
 * @property {import("./sources.js").Sources} [sources] the passages of documents that an answer is from
 * @property {"waiting" | "streaming" | "stopped" | "length" | "unsent" | "failed"} [state] undefined if the message is complete
 * @property {{ answer_tokens: number, tokens_per_s: number, seconds: number, first_token_seconds?: number }} [metrics]
 * @property {{ dropped_turns: number, cut: boolean }} [warning] parts of the history that did not fit into the context window
 * @property {Error} [error] why the message was not sent or the answer failed
 */

// The server answers one message of a conversation at a time. Right after a stop, it may not have noticed the closed connection yet.
const MAX_ATTEMPTS = 4;

// How long the end of a stopped answer may take, in milliseconds, before the connection is closed.
const STOP_TIMEOUT = 3_000;

/**
 * What is set for all answers of a conversation.
 * @typedef {{ system_prompt: string, model: string, training: boolean, documents: string[] }} ConversationSettings
 */

/**
 * A conversation: its messages and the answer being generated. Dispatches "change" with the message as `detail`, and "answered".
 *
 *     const conversation = new Conversation(api, settings);
 *     await conversation.send("Hello");
 *     conversation.stop();
 */
export class Conversation extends EventTarget {
  /**
   * @param {import("../common/api.js").API} api @param {import("./settings.js").Settings} settings
   * @param {{ id?: string, title?: string, messages?: Message[], systemPrompt?: string }} [initial]
   */
  constructor(api, settings, initial = {}) {
    super();
    this.api = api;
    this.settings = settings;
    this.id = initial.id;
    this.title = initial.title ?? "";
    this.createdAt = new Date().toISOString();
    /** @type {Message[]} */
    this.messages = initial.messages ?? [];
    /** @type {ConversationSettings} the model is "" for the one that the user has chosen last */
    this.own = { system_prompt: initial.systemPrompt ?? "", model: "", training: true, documents: initial.id ? [] : settings.newDocuments };
    /** @type {AbortController | null} */
    this.running = null;
    /** Whether the server was asked to stop the answer. */
    this.isStopping = false;
    /** @type {{ used: number, size: number } | null} the context window in tokens */
    this.context = null;
    /** Whether messages have changed since the context was counted. */
    this.contextIsOld = false;
  }

  get isAnswering() { return this.running !== null; }

  /** The title, or the beginning of the first message: the server titles no conversations of guests. */
  get heading() { return this.title || (this.messages[0]?.content.split("\n", 1)[0].slice(0, 80) ?? ""); }

  /** Sends a message. Resolves when the answer is finished or failed; errors are stored in the messages. @param {string} text */
  send(text) { return this.#generate(text, undefined); }

  /**
   * Sends a message again, replacing all later messages. A message that never reached the server is sent at the end.
   * @param {Message} prompt @param {string} [text]
   */
  async resend(prompt, text = prompt.content) {
    if (prompt.state === "unsent") await this.#findStored(prompt);
    const index = this.messages.indexOf(prompt);
    if (index < 0 || this.isAnswering) return;
    if (prompt.state === "unsent" && !prompt.id) this.messages.splice(index, 1);
    else this.messages.length = index;
    await this.#generate(text, prompt);
  }

  /**
   * Generates another answer to the same message. The server keeps the earlier one as an alternative; a guest has one answer only.
   * @param {Message} answer
   */
  async regenerate(answer) {
    const index = this.messages.indexOf(answer), prompt = this.messages[index - 1];
    if (!prompt || this.isAnswering) return;
    if (this.api.session.isGuest || !prompt.id) return this.resend(prompt);
    const before = this.messages;
    answer.error = undefined;
    this.messages = before.slice(0, index);
    /** @type {Message} */
    const other = { role: "assistant", content: "", state: "waiting" };
    await this.#answer({ conversation_id: this.id, regenerate: prompt.id }, prompt, other);
    if (other.content === "" && answer.content !== "") {
      // Nothing was stored, so that the earlier answer is still the one that the server shows.
      answer.error = other.error ?? (other.state === "stopped" ? undefined : new Error("This time the model had nothing to say."));
      this.messages = before;
      this.#changed();
    } else if (answer.id && other.id) {
      other.alternatives = [...(answer.alternatives ?? [answer.id]), other.id];
      this.#changed();
    }
  }

  /** Shows another message in the place of this one. @param {string} id one of its alternatives */
  async switchTo(id) {
    if (!this.id || this.isAnswering) return;
    this.load(await this.api.request("POST", `${this.#path}/messages/${encodeURIComponent(id)}/activate`, {}));
  }

  /** Rates an answer; null removes the rating. @param {Message} answer @param {Rating | null} rating */
  async rate(answer, rating) {
    const path = this.#pathOf(answer) + "/rating";
    await (rating ? this.api.request("PUT", path, rating) : this.api.request("DELETE", path));
    answer.rating = rating ?? undefined;
    this.#changed(answer);
  }

  /** Stores a corrected text beside an answer; null removes it. @param {Message} answer @param {string | null} text */
  async correct(answer, text) {
    const path = this.#pathOf(answer) + "/correction";
    const changed = text !== null && text !== answer.content;
    await (changed ? this.api.request("PUT", path, { content: text }) : this.api.request("DELETE", path));
    answer.correction = changed ? text : undefined;
    this.#changed(answer);
  }

  /** Changes what is set for all answers. @param {Partial<ConversationSettings>} changes */
  async change(changes) {
    if (this.id && !this.api.session.isGuest) await this.api.request("PATCH", this.#path, changes);
    Object.assign(this.own, changes);
    if (this.api.session.isGuest) guestSystemPrompt.value = this.own.system_prompt;
    this.#changed();
  }

  get #path() { return "/api/conversations/" + encodeURIComponent(this.id ?? ""); }

  /** @param {Message} message */
  #pathOf(message) { return `${this.#path}/messages/${encodeURIComponent(message.id ?? "")}`; }

  /** Takes over a conversation as the server sends it. @param {any} found */
  load(found) {
    this.title = found.title;
    this.createdAt = found.created_at;
    this.messages = messagesOf(found);
    const { system_prompt, model, training = true, documents = [] } = found;
    this.own = { system_prompt: system_prompt ?? "", model: model ?? "", training, documents };
    this.context = null;
    this.#changed();
  }

  /** The ids of the documents of further answers. A new conversation has those of the last one that the server still has. */
  get documents() {
    if (this.id && !this.api.session.isGuest) return this.own.documents;
    return this.own.documents.filter((id) => this.settings.documents.some((one) => one.id === id));
  }

  /** The model that answers next. */
  get model() {
    const { models, model } = this.settings;
    return models.includes(this.own.model) ? this.own.model : (this.id ? models[0] : model) ?? "";
  }

  /**
   * Stops the answer and keeps the text received so far. The server is asked, and then ends the stream with what it has stored: a proxy
   * may not pass on that a connection was closed. A second call, or no response, closes the connection.
   */
  stop() {
    const running = this.running;
    if (!running) return;
    const hasBegun = this.messages.at(-1)?.state === "streaming";
    if (this.isStopping || !hasBegun || !this.id || this.api.session.isGuest) return running.abort();
    this.isStopping = true;
    const timer = setTimeout(() => running.abort(), STOP_TIMEOUT);
    this.addEventListener("answered", () => clearTimeout(timer), { once: true });
    this.api.request("POST", `/api/conversations/${encodeURIComponent(this.id)}/stop`, {}).catch(() => running.abort());
  }

  /** Closes the connection of the answer, after which the server stops it. */
  abort() { this.running?.abort(); }

  /**
   * Finds out whether the server stored a message before the connection was lost, so that it is replaced instead of sent twice.
   * @param {Message} prompt
   */
  async #findStored(prompt) {
    if (prompt.id || !this.id || this.api.session.isGuest) return;
    const found = await this.api.get("/api/conversations/" + this.id).catch(() => null);
    const last = found?.messages.at(-1);
    if (last?.role === "user" && last.content === prompt.content) prompt.id = last.id;
  }

  /** The messages that the server has stored, or a guest's history. */
  get sent() { return this.messages.filter((message) => message.state !== "unsent"); }

  /** The messages that still have to be sent. */
  get unsent() { return this.messages.filter((message) => message.state === "unsent"); }

  /** @param {string} text @param {Message} [replaced] a message whose place this one takes */
  async #generate(text, replaced) {
    /** @type {Message} */
    const prompt = { role: "user", content: text, created_at: new Date().toISOString(), id: replaced?.id };
    /** @type {Message} */
    const answer = { role: "assistant", content: "", state: "waiting" };
    const history = this.sent.filter((message) => message.content !== "").map(({ role, content }) => ({ role, content }));
    this.messages.push(prompt);
    await this.#answer({ message: text, ...this.#target(history, replaced?.id) }, prompt, answer);
    if (replaced?.id && prompt.id && prompt.id !== replaced.id) {
      prompt.alternatives = [...(replaced.alternatives ?? [replaced.id]), prompt.id];
      this.#changed();
    }
  }

  /** The fields of a request that say what is answered. @param {{ role: string, content: string }[]} history @param {string} [replaced] */
  #target(history, replaced) {
    const { system_prompt, training } = this.own, { documents } = this, chosen = documents.length > 0 ? { documents } : {};
    if (this.api.session.isGuest) {
      const system = system_prompt ? [{ role: "system", content: system_prompt }] : [];
      const collect = this.settings.mayCollect ? {} : { collect: false };
      return { history: [...system, ...history], ...chosen, ...this.settings.modelField, ...collect };
    }
    if (this.id) return { conversation_id: this.id, replace_from: replaced };
    // Without those that the server does not have any more.
    this.own.documents = documents;
    return { ...chosen, ...this.settings.modelField, ...(system_prompt ? { system_prompt } : {}), ...(training ? {} : { training }) };
  }

  /** Receives an answer, which becomes the last message. @param {any} target @param {Message} prompt @param {Message} answer */
  async #answer(target, prompt, answer) {
    this.messages.push(answer);
    this.contextIsOld = true;
    const running = this.running = new AbortController();
    const initialID = this.id;
    this.#changed();
    try {
      await this.#receive({ ...this.settings.changed, ...target }, prompt, answer, running.signal);
    } catch (error) {
      const isStopped = running.signal.aborted || this.isStopping;
      this.#handleError(/** @type {Error} */ (error), prompt, answer, isStopped, "regenerate" in target);
    } finally {
      this.running = null;
      this.isStopping = false;
      this.#changed(answer);
      this.dispatchEvent(new CustomEvent("answered", { detail: { answer, initialID } }));
    }
  }

  /** @param {any} body @param {Message} prompt @param {Message} answer @param {AbortSignal} signal */
  async #receive(body, prompt, answer, signal) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        for await (const { event, data } of this.api.chat(body, signal)) this.#handleEvent(event, data, prompt, answer);
        // The stream ended without "done" or "error".
        if (answer.state === "waiting" || answer.state === "streaming") throw new NetworkError();
        return;
      } catch (error) {
        if (!(error instanceof APIError && error.status === 409 && attempt < MAX_ATTEMPTS)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250 * attempt));
        if (signal.aborted) throw error;
      }
    }
  }

  /** @param {string} event @param {any} data @param {Message} prompt @param {Message} answer */
  #handleEvent(event, data, prompt, answer) {
    switch (event) {
      case "start":
        this.#handleStart(data, prompt, answer);
        break;
      case "reasoning":
        answer.reasoning = (answer.reasoning ?? "") + data.text;
        break;
      case "token":
        answer.content += data.text;
        answer.state = "streaming";
        break;
      case "sources":
        answer.sources = data;
        break;
      case "warning":
        answer.warning = data;
        break;
      case "done":
        answer.state = stateOf(data.reason);
        answer.metrics = data;
        this.contextIsOld = false;
        if (this.context) this.context = { ...this.context, used: data.prompt_tokens + data.answer_tokens };
        break;
      case "error":
        throw new APIError(200, data.error ?? {});
    }
    this.#changed(answer);
  }

  /** @param {any} data @param {Message} prompt @param {Message} answer */
  #handleStart(data, prompt, answer) {
    prompt.id = data.message_id ?? undefined;
    answer.id = data.answer_id ?? undefined;
    answer.model = data.model ?? (this.model || undefined);
    if (data.model && !this.id) this.own.model = this.settings.modelField.model ?? "";
    answer.state = "streaming";
    this.id = data.conversation_id ?? this.id;
    this.context = { size: data.context, used: data.prompt_tokens ?? this.context?.used ?? 0 };
    if (data.title) this.title = data.title;
  }

  /** @param {Error} error @param {Message} prompt @param {Message} answer @param {boolean} stopped @param {boolean} isStored */
  #handleError(error, prompt, answer, stopped, isStored) {
    const started = answer.state === "streaming";
    if (stopped && !(error instanceof APIError)) {
      answer.state = "stopped";
      return;
    }
    answer.error = error;
    answer.state = "failed";
    if (!started && !isStored) {
      // Probably not received by the server: show the message with a button that sends it again.
      prompt.error = error;
      prompt.state = "unsent";
      this.messages = this.messages.filter((message) => message !== answer);
    }
  }

  /** @param {Message} [message] the message that changed; undefined if any may have changed */
  #changed(message) { this.dispatchEvent(new CustomEvent("change", { detail: message })); }
}

/** @param {string | undefined} reason why an answer ended @returns {Message["state"]} */
const stateOf = (reason) => (reason === "length" ? "length" : reason === "cancelled" ? "stopped" : undefined);

/** A message as the server sends it. @param {any} stored @returns {Message} */
const messageOf = ({ reason, id, role, content, created_at, alternatives, rating, correction, model, sources, metrics }) => {
  const state = reason === "interrupted"
    ? { state: /** @type {const} */ ("failed"), error: new Error("The answer was interrupted.") } : { state: stateOf(reason) };
  return { id, role, content, created_at, alternatives, rating, correction, model, sources, metrics, ...state };
};

/**
 * The messages of a conversation as the server sends it. A question without an answer gets one that can be generated again.
 * @param {any} conversation @returns {Message[]}
 */
function messagesOf({ messages, answering }) {
  const list = messages.map(messageOf);
  if (!answering && list.at(-1)?.role === "user") {
    list.push({ role: "assistant", content: "", state: "failed", error: new Error("No answer to this message was stored.") });
  }
  return list;
}

/** The conversation of a guest, stored until the tab is closed. */
export const guestMessages = stored("guest", /** @type {Message[]} */ ([]), sessionStorage);

/** The system prompt of a guest's conversation. */
export const guestSystemPrompt = stored("guest-system", "", sessionStorage);

/** @param {Message[]} messages */
export function saveGuestMessages(messages) {
  const sent = messages.filter((message) => message.state !== "unsent");
  guestMessages.value = sent.map(({ role, content, created_at, model, sources, metrics, state }) => (
    { role, content, created_at, model, sources, metrics, state: state === "length" || state === "stopped" ? state : undefined }));
}
