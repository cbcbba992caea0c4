// @ts-check
import { blocksOf } from "./blocks.js";
import { harmless, visible, visibleCode } from "./characters.js";
import { el } from "./dom.js";
import { inline } from "./inline.js";
import { copyButton } from "./copy.js";

/** @typedef {import("./blocks.js").Block} Block */

// An answer is limited by the model's context; beyond this it is not worth to be set.
const LONGEST = 200_000;

/**
 * Shows a text in Markdown inside an element, again and again while it grows: blocks that stay as they are keep their nodes, and with them what the reader
 * has selected in them.
 *
 *     const view = new MarkdownView(element);
 *     view.show("Hel"); view.show("Hello **you**");
 */
export class MarkdownView {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    /** @type {string[]} what each child of the element was made from */
    this.made = [];
  }

  /** @param {string} text */
  show(text) {
    /** @type {Block[]} */
    const blocks = text.length > LONGEST ? [{ kind: "paragraph", text }] : blocksOf(text);
    blocks.forEach((block, index) => {
      const source = JSON.stringify(block);
      if (this.made[index] === source) return;
      const node = text.length > LONGEST ? el("p", { dir: "auto" }, visible(text)) : draw(block), old = this.element.children[index];
      if (old) old.replaceWith(node);
      else this.element.append(node);
      this.made[index] = source;
    });
    this.made.length = blocks.length;
    while (this.element.children.length > blocks.length) this.element.lastElementChild?.remove();
  }
}

/** @param {Block} block @returns {HTMLElement} */
function draw(block) {
  switch (block.kind) {
    case "paragraph": return el("p", { dir: "auto" }, ...inline(block.text));
    case "heading": return el("h" + block.level, { class: "size" + block.size, dir: "auto" }, ...inline(block.text));
    case "rule": return el("hr");
    case "quote": return turned(el("blockquote", {}, ...block.blocks.map(draw)));
    case "list": return turned(el(block.ordered ? "ol" : "ul", { start: block.ordered && block.start !== 1 && block.start },
      ...block.items.map((item) => el("li", { dir: "auto" }, ...drawItem(item)))));
    case "code": return drawCode(block.text, block.language);
    case "table": return drawTable(block.rows);
  }
}

const RIGHT_TO_LEFT = /^[^\p{L}]*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

/** With the direction of its first letter. `dir=auto` would not do: it passes over children that have a direction of their own. @param {HTMLElement} element */
function turned(element) {
  element.dir = RIGHT_TO_LEFT.test(element.textContent ?? "") ? "rtl" : "ltr";
  return element;
}

/** An item of one line is a line and not a paragraph. @param {Block[]} blocks */
const drawItem = (blocks) => blocks.flatMap((block, index) => (block.kind === "paragraph" && index === 0 ? inline(block.text) : [draw(block)]));

/** @param {string} text @param {string} language */
function drawCode(text, language) {
  const pre = el("pre", { dir: "ltr", tabindex: 0, role: "region", "aria-label": language ? `Code, ${visibleCode(language)}` : "Code" }, el("code", {}, visibleCode(text)));
  return el("div", { class: "code" }, el("div", { class: "code-head" }, el("span", { dir: "auto" }, visibleCode(language) || "code"), copyButton("Copy code", () => harmless(text))), pre);
}

/** @param {string[][]} rows */
function drawTable([head, ...rows]) {
  return el("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Table" }, el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((cell) => el("th", { scope: "col", dir: "auto" }, ...inline(cell))))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...head.map((_, column) => el("td", { dir: "auto" }, ...inline(row[column] ?? ""))))))));
}
