// @ts-check
import { copyButton } from "../common/copy.js";
import { el } from "../common/dom.js";
import { highlighted } from "./highlight.js";
import { blocksOf } from "./markdown-blocks.js";
import { inline } from "./markdown-inline.js";
import { visible, visibleCode, withoutControls } from "../common/sanitize.js";

/** @typedef {import("./markdown-blocks.js").Block} Block */

// Longer texts are shown without formatting.
const MAX_LENGTH = 200_000;

/**
 * Renders Markdown in an element while the text grows. Blocks that did not change keep their nodes, and so the user's selection.
 *
 *     const view = new MarkdownView(element);
 *     view.show("Hel"); view.show("Hello **you**");
 */
export class MarkdownView {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    /** @type {string[]} the source of each child of the element */
    this.sources = [];
  }

  /** @param {string} text */
  show(text) {
    if (text.length <= MAX_LENGTH) return this.showBlocks(blocksOf(text));
    this.element.replaceChildren(el("p", { dir: "auto" }, visible(text)));
    this.sources = [];
  }

  /** @param {Block[]} blocks */
  showBlocks(blocks) {
    blocks.forEach((block, index) => {
      const source = JSON.stringify(block);
      if (this.sources[index] === source) return;
      const old = this.element.children[index], node = block.kind === "fold" ? renderFold(block, old) : render(block);
      if (!old) this.element.append(node);
      else if (old !== node) old.replaceWith(node);
      this.sources[index] = source;
    });
    this.sources.length = blocks.length;
    while (this.element.children.length > blocks.length) this.element.lastElementChild?.remove();
  }
}

/** @param {Block} block @returns {HTMLElement} */
function render(block) {
  switch (block.kind) {
    case "paragraph": return el("p", { dir: "auto" }, ...inline(block.text));
    case "heading": return el("h" + block.level, { class: "size" + block.size, dir: "auto" }, ...inline(block.text));
    case "rule": return el("hr");
    case "quote": return withDirection(el("blockquote", {}, ...block.blocks.map(render)));
    case "list": return withDirection(el(block.ordered ? "ol" : "ul", { start: block.ordered && block.start !== 1 && block.start },
      ...block.items.map((item) => el("li", { dir: "auto" }, ...renderItem(item)))));
    case "code": return renderCode(block.text, block.language);
    case "table": return renderTable(block.rows);
    case "fold": return renderFold(block);
  }
}

/** The contents of folded blocks. @type {WeakMap<Element, MarkdownView>} */
const foldedViews = new WeakMap();

/**
 * A block that a click opens. While its text grows, its element stays, and so it stays open.
 * @param {Extract<Block, { kind: "fold" }>} block @param {Element} [old] the element in its place
 * @returns {HTMLElement}
 */
function renderFold({ label, blocks }, old) {
  const known = old && foldedViews.get(old);
  const contents = known?.element ?? el("div", {});
  const element = known ? old : el("details", { class: "fold" }, el("summary", {}), contents);
  const view = known ?? new MarkdownView(contents);
  foldedViews.set(element, view);
  element.firstElementChild.textContent = visible(label);
  view.showBlocks(blocks);
  return element;
}

const RIGHT_TO_LEFT =
  /^[^\p{L}]*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

/** Sets the direction of the first letter. `dir=auto` skips children with their own direction. @param {HTMLElement} element */
function withDirection(element) {
  element.dir = RIGHT_TO_LEFT.test(element.textContent ?? "") ? "rtl" : "ltr";
  return element;
}

/** Renders the first paragraph of an item without `<p>`. @param {Block[]} blocks */
const renderItem = (blocks) =>
  blocks.flatMap((block, index) => (block.kind === "paragraph" && index === 0 ? inline(block.text) : [render(block)]));

/** @param {string} text @param {string} language */
function renderCode(text, language) {
  const label = language ? `Code, ${visibleCode(language)}` : "Code";
  const header = el("div", { class: "code-head" },
    el("span", { dir: "auto" }, visibleCode(language) || "code"),
    copyButton("Copy code", () => withoutControls(text), "Copy"));
  const code = el("code", {}, ...highlighted(visibleCode(text), language));
  const pre = el("pre", { dir: "ltr", tabindex: 0, role: "region", "aria-label": label }, code);
  return el("div", { class: "code" }, header, pre);
}

/** @param {string[][]} rows */
function renderTable([head, ...rows]) {
  return el("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Table" }, el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((cell) => el("th", { scope: "col", dir: "auto" }, ...inline(cell))))),
    el("tbody", {}, ...rows.map((row) =>
      el("tr", {}, ...head.map((_, column) => el("td", { dir: "auto" }, ...inline(row[column] ?? ""))))))));
}
