// @ts-check
import { el } from "../common/dom.js";
import { visible } from "../common/sanitize.js";

/** @typedef {import("./passage-panel.js").PassagePanel} PassagePanel */
/**
 * @typedef {object} Passage
 * @property {string} [documents] the name of the documents
 * @property {string} [library_id] where the file belongs to a library
 * @property {string} [file_id]
 * @property {number} [position] its place among the passages of its file, from 0
 * @property {string} file
 * @property {string} title
 * @property {string} heading
 * @property {number} [page]
 * @property {number} line
 * @property {string} text
 */
/**
 * @typedef {{ passages: Passage[], words: string[], prompt: string, note?: string }} Sources what the server has found for a question
 */

/** Where a passage is in its file. @param {Passage} passage */
export const place = ({ page, line }) => (page === undefined ? `line ${line}` : `page ${page}`);

/** "pump.md, line 3: Pump > Reset", for an export. @param {Passage} passage */
export const sourceText = (passage) => `${passage.file}, ${place(passage)}${passage.heading ? `: ${passage.heading}` : ""}`;

/** The numbered sources of an answer, each of which opens its passage. @param {Sources} sources @param {PassagePanel} panel */
export function sourceList(sources, panel) {
  const items = sources.passages.map((passage, index) => el("li", {}, el("button", {
    type: "button", class: "source", "aria-haspopup": "dialog", onclick: () => panel.showPassage(sources, index),
  }, el("span", { class: "source-number" }, String(index + 1)), el("span", { class: "source-place" },
    el("span", { dir: "auto" }, visible(passage.file)), " ", el("small", { dir: "auto" }, visible(
      [place(passage), passage.heading].filter(Boolean).join(" · ")))))));
  return el("section", { class: "sources" }, el("h3", {}, "Sources"), el("ol", {}, ...items),
    el("button", { type: "button", class: "link-button", "aria-haspopup": "dialog", onclick: () => panel.showPrompt(sources) },
      "What the model was given"));
}

/**
 * Turns the numbers of passages in an answer, such as [1], into buttons.
 * @param {HTMLElement} body @param {Sources} sources @param {PassagePanel} panel
 */
export function linkCitations(body, sources, panel) {
  const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT, (node) =>
    (node.parentElement?.closest("code, pre, a, button") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
  const found = [];
  while (walker.nextNode()) if (CITATION.test(walker.currentNode.nodeValue ?? "")) found.push(walker.currentNode);
  for (const node of found) {
    const parts = (node.nodeValue ?? "").split(CITATIONS);
    const nodes = parts.flatMap((part, index) => (index % 2 === 0 ? [part] : citation(part, sources, panel)));
    /** @type {ChildNode} */ (node).replaceWith(...nodes);
  }
}

// "[1]" or "[1, 3]". The numbers of passages have at most two digits.
const CITATION = /\[\d{1,2}(?:, ?\d{1,2})*\]/;
const CITATIONS = /(\[\d{1,2}(?:, ?\d{1,2})*\])/;

/** @param {string} text of a citation @param {Sources} sources @param {PassagePanel} panel @returns {(string | Node)[]} */
function citation(text, sources, panel) {
  return text.split(/(\d+)/).map((part) => {
    const index = Number(part) - 1, passage = sources.passages[index];
    if (!passage) return part;
    const label = `Source ${part}: ${visible(passage.file)}`;
    return el("button", {
      type: "button", class: "citation", "aria-label": label, title: label, "aria-haspopup": "dialog",
      onclick: () => panel.showPassage(sources, index),
    }, part);
  });
}

/** A text in which the words of a question are marked. @param {string} text @param {string[]} words @returns {(Node | string)[]} */
export function marked(text, words) {
  const stems = new Set(words.map(stem));
  return text.split(/([\p{L}\p{N}\p{M}]+)/u).map((part, index) => (index % 2 === 1 && stems.has(stem(part)) ? el("mark", {}, part) : part));
}

/** A word without accents and the usual English endings, about as the search compares words. @param {string} word */
function stem(word) {
  const plain = word.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
  const short = plain.replace(/^(..+?)(ings?|ed|es|s|ly|e)$/, "$1");
  return short === plain ? plain : short.replace(/([bdgmnprt])\1$/, "$1");
}
