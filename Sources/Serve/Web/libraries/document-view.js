// @ts-check
import { changeOf, LIMIT, startOf } from "../chat/passage-panel.js";
import { marked, place } from "../chat/sources.js";
import { byId, el } from "../common/dom.js";
import { visible, visibleCode } from "../common/sanitize.js";

/** @typedef {import("../chat/sources.js").Passage} Passage */

/**
 * The passages of a file in their order, from around a cited one on in both directions.
 *
 *     const view = new DocumentView(api, path, query, passage, words);
 *     await view.load();
 *     panel.append(view.element);
 *     view.reveal();
 */
export class DocumentView {
  /**
   * @param {import("../common/api.js").API} api @param {string} path of the passages of the file
   * @param {Record<string, string> | undefined} query what their requests have besides
   * @param {Passage | null} cited @param {string[]} words of the question, which are marked in the cited passage
   */
  constructor(api, path, query, cited, words) {
    this.api = api;
    this.path = path;
    this.query = query;
    this.cited = cited;
    this.words = words;
    this.total = 0;
    /** The positions that are shown: from `start` until `end`. */
    this.start = this.end = startOf(cited);
    this.list = el("ol", { class: "document" });
    this.note = el("p", { class: "notice", hidden: true });
    this.earlier = el("button", { type: "button", class: "button", onclick: () => this.#extend(true) }, "Earlier");
    this.later = el("button", { type: "button", class: "button", onclick: () => this.#extend(false) }, "Later");
    this.status = el("p", { class: "help", role: "status" });
    this.element = el("div", { class: "document-view" }, this.note, this.earlier, this.list, this.later, this.status);
  }

  /** Loads the first passages. */
  async load() {
    const found = await this.#request(this.start, LIMIT), { passages } = found;
    const cited = passages.find(({ text }) => text === this.cited?.text);
    this.note.textContent = changeOf(found, this.cited);
    this.note.hidden = this.note.textContent === "";
    this.end = this.start + passages.length;
    this.list.replaceChildren(...passages.map((passage) => this.#part(passage, passage === cited)));
    this.#showRange();
  }

  /** Scrolls to the cited passage. */
  reveal() { this.list.querySelector("[aria-current]")?.scrollIntoView({ block: "center" }); }

  /** @param {number} from @param {number} limit @returns {Promise<import("../chat/passage-panel.js").FilePassages>} */
  async #request(from, limit) {
    const found = await this.api.get(this.path, { ...this.query, from, limit });
    this.total = found.total;
    return found;
  }

  /** Shows the passages before or after those that are shown. @param {boolean} isBefore */
  async #extend(isBefore) {
    const button = isBefore ? this.earlier : this.later, from = isBefore ? Math.max(0, this.start - LIMIT) : this.end;
    button.disabled = true;
    try {
      const { passages } = await this.#request(from, isBefore ? this.start - from : LIMIT);
      const parts = passages.map((passage) => this.#part(passage, false));
      if (isBefore) this.#prepend(parts);
      else this.list.append(...parts);
      this.start = isBefore ? from : this.start;
      this.end = isBefore ? this.end : from + passages.length;
      this.#showRange();
    } catch (error) {
      this.status.textContent = visible(/** @type {Error} */ (error).message);
    }
    button.disabled = false;
    // A button that is hidden or was disabled has lost the focus.
    (button.hidden ? byId("passage-body") : button).focus({ preventScroll: true });
  }

  /** Adds passages before the others, which stay where they are on the screen. @param {HTMLElement[]} parts */
  #prepend(parts) {
    const scroller = byId("passage-body"), height = scroller.scrollHeight;
    this.list.prepend(...parts);
    scroller.scrollTop += scroller.scrollHeight - height;
  }

  #showRange() {
    this.earlier.hidden = this.start === 0;
    this.later.hidden = this.end >= this.total;
    this.status.textContent = this.end > this.start ? `Passages ${this.start + 1} to ${this.end} of ${this.total}` : "No passages.";
  }

  /** @param {Passage} passage @param {boolean} isCited */
  #part(passage, isCited) {
    const text = visibleCode(passage.text), where = [place(passage), passage.heading].filter(Boolean).join(" · ");
    return el("li", { class: "document-part", "aria-current": isCited && "true" },
      el("p", { class: "help" }, el("span", { dir: "auto" }, visible(where)), isCited && el("b", {}, " Cited passage")),
      el("div", { class: "document-text", dir: "auto" }, ...(isCited ? marked(text, this.words) : [text])));
  }
}
