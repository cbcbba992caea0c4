// @ts-check
import { announce, byId, el } from "../common/dom.js";
import { endingOf, MessageView } from "./message.js";

/** @typedef {import("./conversation.js").Message} Message */

// The view scrolls with the answer if it is within this many pixels of the end.
const FOLLOW_DISTANCE = 80;

/** The list of messages of the open conversation. */
export class Thread {
  /** @param {import("./message.js").Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.list = byId("thread");
    this.scroller = byId("scroller");
    this.endButton = byId("to-end");
    this.follows = true;
    /** @type {Map<Message, MessageView>} */
    this.views = new Map();
    /** @type {Set<Message>} messages to render in the next frame */
    this.pending = new Set();
    this.scroller.addEventListener("scroll", () => this.#updateFollows(), { passive: true });
    this.endButton.addEventListener("click", () => { this.follows = true; this.#scroll(true); });
    new ResizeObserver(() => this.#scroll()).observe(this.list);
  }

  get isEditing() { return [...this.views.values()].some((view) => view.editing); }

  clear() {
    this.views.clear();
    this.list.replaceChildren();
    this.follows = true;
    this.endButton.hidden = true;
  }

  /** @param {Message[]} messages */
  show(messages) {
    const old = this.views;
    this.views = new Map(messages.map((message) => [message, old.get(message) ?? new MessageView(message, this.actions)]));
    for (const [message, view] of old) if (!this.views.has(message)) view.element.remove();
    let next = this.list.firstElementChild;
    for (const view of this.views.values()) {
      view.show();
      if (view.element === next) next = next.nextElementSibling;
      else this.list.insertBefore(view.element, next);
    }
    byId("welcome").hidden = messages.length > 0;
    this.list.hidden = messages.length === 0;
    this.#scroll();
  }

  /** Renders a changed message in the next frame, at most once a frame. @param {Message} message */
  update(message) {
    if (this.pending.size === 0) requestAnimationFrame(() => this.#renderPending());
    this.pending.add(message);
  }

  #renderPending() {
    for (const message of this.pending) this.views.get(message)?.show();
    this.pending.clear();
    this.#scroll();
  }

  scrollToEnd() {
    this.follows = true;
    this.#scroll();
  }

  /** Announces a complete answer to screen readers, which cannot follow single tokens. @param {Message} answer */
  announceAnswer(answer) {
    // Without the contents of what is folded.
    const text = this.views.get(answer)?.body.innerText ?? "";
    const ending = answer.state === "failed" ? "The answer was interrupted." : endingOf(answer);
    announce(`${text ? "Answer: " + text : ""} ${ending}`.trim());
  }

  #updateFollows() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    this.follows = scrollHeight - clientHeight - scrollTop < FOLLOW_DISTANCE;
    this.endButton.hidden = this.follows;
  }

  /** @param {boolean} [smooth] */
  #scroll(smooth = false) {
    // An editor or a form in which the user writes stays where it is.
    if (!this.follows || document.activeElement?.closest("#thread form")) return;
    const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth && !reducedMotion ? "smooth" : "instant" });
  }
}

/** Gray lines shown while messages are loading. */
export const skeleton = () =>
  el("li", { class: "skeleton", "aria-hidden": "true" }, ...[70, 95, 82, 40].map((width) => el("span", { class: "w" + width })));
