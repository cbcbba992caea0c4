// @ts-check
import { el } from "../common/dom.js";
import { safeURL, trimmedEnd, visible, visibleCode } from "../common/sanitize.js";

/**
 * Parses the text of a block into nodes: emphasis, code, strikethrough and links. The search for closing delimiters is bounded, so that
 * it takes linear time. Nesting deeper than four levels is shown as plain text.
 *
 *     paragraph.append(...inline("a *fine* [place](https://example.org)"));
 *
 * @param {string} text
 * @param {number} [depth]
 * @returns {Node[]}
 */
export function inline(text, depth = 0) {
  /** @type {Node[]} */
  const nodes = [];
  /** @type {Set<string>} delimiters that do not occur in the rest of the text */
  const missing = new Set();
  let plain = 0;
  SPECIAL.lastIndex = 0;
  for (let at = next(text, 0); at < text.length;) {
    const found = special(text, at, depth, missing);
    if (!found) {
      at = next(text, at + 1);
      continue;
    }
    if (at > plain) nodes.push(plainText(text.slice(plain, at)));
    nodes.push(found.node);
    plain = found.end;
    at = next(text, plain);
  }
  if (plain < text.length) nodes.push(plainText(text.slice(plain)));
  return nodes;
}

const SPECIAL = /[`*_~[!\\]|\bhttps?:\/\//gi;

/** @param {string} text @param {number} from */
function next(text, from) {
  SPECIAL.lastIndex = from;
  return SPECIAL.exec(text)?.index ?? text.length;
}

/** @param {string} text */
const plainText = (text) => document.createTextNode(visible(text));

/**
 * @param {string} text @param {number} at @param {number} depth @param {Set<string>} missing
 * @returns {{ node: Node, end: number } | null}
 */
function special(text, at, depth, missing) {
  switch (text[at]) {
    case "\\": return /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? { node: plainText(text[at + 1]), end: at + 2 } : null;
    case "`": return code(text, at, missing);
    case "*": case "_": case "~": return depth < 4 ? emphasis(text, at, depth, missing) : null;
    case "[": return link(text, at, at);
    case "!": return text[at + 1] === "[" ? link(text, at, at + 1) : null;
    default: return bareLink(text, at);
  }
}

/** @param {string} text @param {string} mark @param {number} from @param {Set<string>} missing */
function indexOf(text, mark, from, missing) {
  if (missing.has(mark)) return -1;
  const index = text.indexOf(mark, from);
  if (index < 0) missing.add(mark);
  return index;
}

/** @param {string} text @param {number} at @param {Set<string>} missing */
function code(text, at, missing) {
  const ticks = /`+/y;
  ticks.lastIndex = at;
  const fence = /** @type {RegExpExecArray} */ (ticks.exec(text))[0].slice(0, 20);
  const end = indexOf(text, fence, at + fence.length, missing);
  if (end <= at + fence.length) return null;
  const inside = text.slice(at + fence.length, end);
  const shown = visibleCode(/^ .*\S.* $/s.test(inside) ? inside.slice(1, -1) : inside);
  return { node: el("code", { dir: "auto" }, shown), end: end + fence.length };
}

/** @type {Record<string, string[]>} */
const EMPHASIS = {
  "***": ["strong", "em"], "**": ["strong"], "*": ["em"], "___": ["strong", "em"], "__": ["strong"], "_": ["em"], "~~": ["del"],
};

/** @param {string} text @param {number} at @param {number} depth @param {Set<string>} missing */
function emphasis(text, at, depth, missing) {
  const sign = text[at];
  let length = 1;
  while (length < 4 && text[at + length] === sign) length += 1;
  const mark = sign.repeat(length), tags = EMPHASIS[mark], from = at + length;
  // A delimiter opens before a word. Within a word, an underscore is a letter: snake_case.
  if (!tags || /\s|^$/.test(text[from] ?? "") || (sign === "_" && /[\p{L}\p{N}]/u.test(text[at - 1] ?? " "))) return null;
  let end = from;
  for (let tries = 0; tries < 20; tries += 1) {
    end = indexOf(text, mark, end + 1, missing);
    if (end < 0) return null;
    const isLonger = length < 3 && text[end + length] === sign && text[end - 1] !== sign;
    if (isLonger) {                                     // a longer delimiter nested here: **a *b* c**
      while (text[end + 1] === sign) end += 1;
      continue;
    }
    if (/\s/.test(text[end - 1]) || (sign === "_" && /[\p{L}\p{N}]/u.test(text[end + length] ?? " "))) continue;
    const content = inline(text.slice(from, end), depth + 1);
    const node = tags.reduceRight((/** @type {Node[]} */ inner, tag) => [el(tag, {}, ...inner)], content)[0];
    return { node, end: end + length };
  }
  return null;
}

const TARGET = /\]\(\s*<?([^\s()<>]{1,2000}(?:\([^\s()<>]{0,200}\)[^\s()<>]{0,200}){0,3})>?(?:\s+["'(][^\n"']{0,300}["')])?\s*\)/y;

/**
 * Parses `[label](url)` and `![label](url)`. Images are never loaded; they are shown as links.
 * @param {string} text @param {number} at @param {number} open
 */
function link(text, at, open) {
  const close = open + text.slice(open, open + 500).indexOf("](");
  if (close < open || text.lastIndexOf("[", close) !== open) return null;
  TARGET.lastIndex = close;
  const target = TARGET.exec(text);
  if (!target) return null;
  const url = safeURL(target[1]);
  if (!url) return null;
  return { node: anchor(text.slice(open + 1, close) || url.href, url), end: TARGET.lastIndex };
}

/** @param {string} text @param {number} at */
function bareLink(text, at) {
  const written = /https?:\/\/[^\s<>"'`|\\^{}\u202a-\u202e\u2066-\u2069]{1,2000}/iy;
  written.lastIndex = at;
  let found = trimmedEnd(written.exec(text)?.[0] ?? "", ".,:;!?*_~])");
  if (found && found.includes("(") && !found.includes(")") && text[at + found.length] === ")") found += ")";
  const url = found && safeURL(found);
  return found && url ? { node: anchor(found, url), end: at + found.length } : null;
}

/**
 * A link that shows its host after the label, so that the label cannot disguise it. The host is in ASCII (Punycode), so that letters of
 * other alphabets cannot pass for Latin ones.
 * @param {string} label @param {URL} url
 */
function anchor(label, url) {
  const isURL = label === url.href || label + "/" === url.href;
  const attributes = { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow", title: url.href, dir: "auto" };
  const host = isURL ? null : el("span", { class: "destination", dir: "ltr" }, ` (${url.host})`);
  return el("a", attributes, el("bdi", {}, visibleCode(label)), host);
}
