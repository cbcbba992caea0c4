// @ts-check
import { byId } from "../common/dom.js";
import { draft } from "../common/storage.js";

/** The message box. The browser stores its text for each conversation until it is sent. */
export class Composer {
  /** @param {{ send: (text: string) => void, stop: () => void, editLast: () => void }} actions */
  constructor(actions) {
    this.form = byId("composer");
    this.box = byId("message");
    this.button = byId("send");
    this.stopButton = byId("stop");
    this.actions = actions;
    /** The key of the draft: the conversation's id, or "new". */
    this.key = "new";
    this.busy = false;
    this.box.addEventListener("input", () => { draft(this.key).value = this.box.value; this.#fit(); });
    this.box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#keyDown(event));
    this.form.addEventListener("submit", (/** @type {Event} */ event) => { event.preventDefault(); this.#send(); });
    this.stopButton.addEventListener("click", () => { actions.stop(); this.box.focus(); });
    this.#fit();
  }

  /** @param {string} key the conversation's id, or "new" */
  open(key) {
    this.key = key;
    this.box.value = draft(key).value;
    this.#fit();
  }

  /** Puts an unsent message back, before the text typed since. @param {string} text @param {string} [key] */
  restore(text, key = this.key) {
    const typed = draft(key).value;
    draft(key).value = typed && typed !== text ? text + "\n" + typed : text;
    if (key === this.key) this.open(key);
  }

  /** @param {string} text */
  fill(text) {
    draft(this.key).value = text;
    this.open(this.key);
    this.box.focus();
  }

  /** @param {boolean} busy */
  setBusy(busy) {
    this.busy = busy;
    this.stopButton.hidden = !busy;
    this.button.hidden = busy;
    this.#fit();
  }

  #send() {
    const text = this.box.value.trim();
    if (!text || this.busy) return;
    this.box.value = "";
    draft(this.key).value = "";
    this.#fit();
    this.actions.send(text);
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    if (event.isComposing) return;                     // Enter confirms a word of an input method, such as Chinese or Japanese
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "ArrowUp" && this.box.value === "") {
      event.preventDefault();
      this.actions.editLast();
    }
  }

  /** Fits the height to the text, up to the maximum in the style sheet. */
  #fit() {
    this.button.disabled = this.box.value.trim() === "";
    this.box.style.height = "auto";
    this.box.style.height = this.box.scrollHeight + "px";
  }
}
