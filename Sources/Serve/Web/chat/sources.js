// @ts-check
import { byId, el } from "../common/dom.js";
import { visible, visibleCode } from "../common/sanitize.js";

/**
 * @typedef {{ documents?: string, file: string, title: string, heading: string, page?: number, line: number, text: string }} Passage
 * @typedef {{ passages: Passage[], words: string[], prompt: string, note?: string }} Sources what the server has found for a question
 */

/** Where a passage is in its file. @param {Passage} passage */
const place = ({ page, line }) => (page === undefined ? `line ${line}` : `page ${page}`);

/** "pump.md, line 3: Pump > Reset", for an export. @param {Passage} passage */
export const sourceText = (passage) => `${passage.file}, ${place(passage)}${passage.heading ? `: ${passage.heading}` : ""}`;

/** The numbered sources of an answer, each of which opens its passage. @param {Sources} sources */
export function sourceList(sources) {
  const items = sources.passages.map((passage, index) => el("li", {}, el("button", {
    type: "button", class: "source", "aria-haspopup": "dialog", onclick: () => openPassage(sources, index),
  }, el("span", { class: "source-number" }, String(index + 1)), el("span", { class: "source-place" },
    el("span", { dir: "auto" }, visible(passage.file)), " ", el("small", { dir: "auto" }, visible(
      [place(passage), passage.heading].filter(Boolean).join(" · ")))))));
  const show = () => openPanel("What the model was given", "The passages and the question, as one message.", visibleCode(sources.prompt));
  return el("section", { class: "sources" }, el("h3", {}, "Sources"), el("ol", {}, ...items),
    el("button", { type: "button", class: "link-button", "aria-haspopup": "dialog", onclick: show }, "What the model was given"));
}

/** Turns the numbers of passages in an answer, such as [1], into buttons. @param {HTMLElement} body @param {Sources} sources */
export function linkCitations(body, sources) {
  const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT, (node) =>
    (node.parentElement?.closest("code, pre, a, button") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
  const found = [];
  while (walker.nextNode()) if (CITATION.test(walker.currentNode.nodeValue ?? "")) found.push(walker.currentNode);
  for (const node of found) {
    const parts = (node.nodeValue ?? "").split(CITATIONS).flatMap((part, index) => (index % 2 === 0 ? [part] : citation(part, sources)));
    /** @type {ChildNode} */ (node).replaceWith(...parts);
  }
}

// "[1]" or "[1, 3]". The numbers of passages have at most two digits.
const CITATION = /\[\d{1,2}(?:, ?\d{1,2})*\]/;
const CITATIONS = /(\[\d{1,2}(?:, ?\d{1,2})*\])/;

/** @param {string} text of a citation @param {Sources} sources @returns {(string | Node)[]} */
function citation(text, sources) {
  return text.split(/(\d+)/).map((part) => {
    const index = Number(part) - 1, passage = sources.passages[index];
    if (!passage) return part;
    const label = `Source ${part}: ${visible(passage.file)}`;
    return el("button", {
      type: "button", class: "citation", "aria-label": label, title: label, "aria-haspopup": "dialog",
      onclick: () => openPassage(sources, index),
    }, part);
  });
}

/** Opens a passage with the words of the question. @param {Sources} sources @param {number} index */
function openPassage({ passages, words }, index) {
  const passage = passages[index], { documents, title, heading } = passage;
  // Headings begin with the title, if the document has one.
  const name = title === passage.file || heading.startsWith(title) ? "" : title;
  const where = [documents, name, heading, place(passage)].filter(Boolean).join(" · ");
  openPanel(`[${index + 1}] ${visible(passage.file)}`, visible(where), ...marked(visibleCode(passage.text), words));
}

/** @param {string} heading @param {string} where @param {...(Node | string)} text */
function openPanel(heading, where, ...text) {
  byId("passage-title").textContent = heading;
  byId("passage-place").textContent = where;
  byId("passage-text").replaceChildren(...text);
  byId("passage").showModal();
  byId("passage-body").scrollTop = 0;
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
