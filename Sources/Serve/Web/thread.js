// @ts-check
import { announce, byId, el } from "./dom.js";
import { MessageView } from "./message.js";

/** @typedef {import("./conversation.js").Message} Message */

// Within so many pixels of the end the view follows the answer; who scrolled up to read is left in peace.
const NEAR = 80;

/** The list of messages on the page, for one conversation at a time. */
export class Thread {
  /** @param {import("./message.js").Deeds} deeds */
  constructor(deeds) {
    this.deeds = deeds;
    this.list = byId("thread");
    this.scroller = byId("scroller");
    this.down = byId("to-end");
    this.follows = true;
    /** @type {Map<Message, MessageView>} */
    this.views = new Map();
    /** @type {Set<Message>} */
    this.grown = new Set();
    this.scroller.addEventListener("scroll", () => this.#look(), { passive: true });
    this.down.addEventListener("click", () => { this.follows = true; this.#follow(true); });
    new ResizeObserver(() => this.#follow()).observe(this.list);
  }

  clear() {
    this.views.clear();
    this.list.replaceChildren();
    this.follows = true;
  }

  /** @param {Message[]} messages */
  show(messages) {
    const old = this.views;
    this.views = new Map(messages.map((message) => [message, old.get(message) ?? new MessageView(message, this.deeds)]));
    for (const [message, view] of old) if (!this.views.has(message)) view.element.remove();
    let at = this.list.firstElementChild;
    for (const view of this.views.values()) {
      view.show();
      if (view.element === at) at = at.nextElementSibling;
      else this.list.insertBefore(view.element, at);
    }
    byId("welcome").hidden = messages.length > 0;
    this.list.hidden = messages.length === 0;
    this.#follow();
  }

  /** A message grew: it is drawn with the next frame, however many tokens come until then. @param {Message} message */
  grow(message) {
    if (this.grown.size === 0) requestAnimationFrame(() => this.#draw());
    this.grown.add(message);
  }

  #draw() {
    for (const message of this.grown) this.views.get(message)?.show();
    this.grown.clear();
    this.#follow();
  }

  toEnd() {
    this.follows = true;
    this.#follow();
  }

  /** The whole answer, once it is there: a screen reader that was told each token would stutter. @param {Message} answer */
  tell(answer) {
    const text = this.views.get(answer)?.body.textContent ?? "";
    const ending = answer.state === "stopped" ? "Stopped." : answer.state === "broken" ? "The answer broke off." : "";
    announce(`${text ? "Answer: " + text : ""} ${ending}`.trim());
  }

  #look() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    this.follows = scrollHeight - clientHeight - scrollTop < NEAR;
    this.down.hidden = this.follows;
  }

  /** @param {boolean} [gently] */
  #follow(gently = false) {
    if (!this.follows) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: gently && !still ? "smooth" : "instant" });
  }
}

/** Grey lines where messages will be. */
export const skeleton = () => el("li", { class: "skeleton", "aria-hidden": "true" }, ...[70, 95, 82, 40].map((width) => el("span", { class: "w" + width })));
