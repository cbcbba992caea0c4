// @ts-check
import { byId } from "./dom.js";
import { draft } from "./kept.js";

/** Where questions are typed. What stands there is kept by the browser, per conversation, until it is sent. */
export class Composer {
  /** @param {{ send: (text: string) => void, stop: () => void, editLast: () => void }} deeds */
  constructor(deeds) {
    this.form = byId("composer");
    this.box = byId("message");
    this.button = byId("send");
    this.stopButton = byId("stop");
    this.deeds = deeds;
    this.place = "new";
    this.busy = false;
    this.box.addEventListener("input", () => { draft(this.place).value = this.box.value; this.#fit(); });
    this.box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    this.form.addEventListener("submit", (/** @type {Event} */ event) => { event.preventDefault(); this.#send(); });
    this.stopButton.addEventListener("click", () => { deeds.stop(); this.box.focus(); });
    this.#fit();
  }

  /** @param {string} place a conversation's id, or "new" */
  open(place) {
    this.place = place;
    this.box.value = draft(place).value;
    this.#fit();
  }

  /** What could not be sent comes back, before what was typed since. @param {string} text @param {string} [place] */
  giveBack(text, place = this.place) {
    const since = draft(place).value;
    draft(place).value = since && since !== text ? text + "\n" + since : text;
    if (place === this.place) this.open(place);
  }

  /** @param {string} text */
  fill(text) {
    draft(this.place).value = text;
    this.open(this.place);
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
    const place = this.place;
    this.box.value = "";
    draft(place).value = "";
    this.#fit();
    this.deeds.send(text);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing) return;                     // Enter ends a word of Chinese or Japanese there, not the message
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "ArrowUp" && this.box.value === "") {
      event.preventDefault();
      this.deeds.editLast();
    }
  }

  /** As high as its text; the style sheet says where it ends and scrolls. */
  #fit() {
    this.button.disabled = this.box.value.trim() === "";
    this.box.style.height = "auto";
    this.box.style.height = this.box.scrollHeight + "px";
  }
}
