// @ts-check
import { trimmedEnd } from "../common/sanitize.js";

/**
 * @typedef {{ kind: "paragraph" | "rule", text: string }
 *   | { kind: "heading", text: string, size: number, level: number }
 *   | { kind: "code", text: string, language: string }
 *   | { kind: "quote", blocks: Block[] }
 *   | { kind: "table", rows: string[][] }
 *   | { kind: "fold", label: string, blocks: Block[] }
 *   | { kind: "list", ordered: boolean, start: number, items: Block[][] }} Block
 */

// Deeper nesting is shown as plain text, to limit the recursion.
const MAX_DEPTH = 6;
const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`\n]{0,60})$/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(.+)$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const ITEM = /^( {0,12})([-*+•]|\d{1,9}[.)])(?:[ \t]+|$)/;
const QUOTE = /^ {0,3}> ?/;
const FOLD = /^ {0,3}(<think>|<tool_call>|<tool_response>|\[TOOL_CALLS\])/;
const THOUGHT_END = "</think>";
const TABLE_LINE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

/**
 * Parses Markdown into blocks, in linear time for any input. Incomplete blocks, as in a streamed answer, are allowed.
 *
 *     blocksOf("# Hello\n\n- one\n- two")      // a heading and a list
 *
 * @param {string} text
 * @returns {Block[]}
 */
export function blocksOf(text) {
  const plain = text.replace(/\r\n?/g, "\n");
  // The templates of some models write the first mark of a thought into the prompt.
  const isThought = thoughtLength(plain) > 0 && !plain.trimStart().startsWith("<think>");
  const blocks = parse((isThought ? "<think>" + plain : plain).split("\n"), 0);
  levelHeadings(blocks);
  return blocks;
}

/** The answer without what the model has thought before it. @param {string} text */
export const withoutThought = (text) => text.slice(thoughtLength(text)).trimStart();

/** The length of the thought that an answer begins with, with its marks; 0 without one. @param {string} text */
function thoughtLength(text) {
  const end = text.indexOf(THOUGHT_END), next = end + THOUGHT_END.length;
  if (text.trimStart().startsWith("<think>")) return end < 0 ? text.length : next;
  if (end < 0) return 0;
  const before = text.slice(0, end), fences = before.match(/^ {0,3}(?:`{3}|~{3})/gm) ?? [];
  const isThought = /^[ \t]*(?:\r?\n|$)/.test(text.slice(next)) && !before.includes("<think>") && fences.length % 2 === 0;
  return isThought ? next : 0;
}

/** @param {string[]} lines @param {number} depth @returns {Block[]} */
function parse(lines, depth) {
  /** @type {Block[]} */
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const special = depth < MAX_DEPTH
      && (fold(lines, at, depth, blocks) ?? fence(lines, at) ?? ruleOrHeading(lines, at) ?? table(lines, at)
        ?? quote(lines, at, depth) ?? list(lines, at, depth));
    const [block, next] = special || paragraph(lines, at, depth);
    if (block) blocks.push(block);
    at = next;
  }
  return blocks;
}

/** @param {string} line */
const isBlank = (line) => line.trim() === "";
/** @param {string} line */
const indent = (line) => line.length - line.trimStart().length;
/** Does not apply most patterns to very long lines, to bound the time. @param {RegExp} pattern @param {string} line */
const matches = (pattern, line) => (line.length > 2000 && pattern !== QUOTE && pattern !== ITEM ? null : pattern.exec(line));

/**
 * A thought, a tool call or a tool's result, up to its closing mark or the end. A thought has only such blocks before it; an empty one is
 * left out. What follows a closing mark becomes a line of its own.
 * @param {string[]} lines @param {number} at @param {number} depth @param {Block[]} before @returns {[Block | null, number] | null}
 */
function fold(lines, at, depth, before) {
  const mark = depth === 0 && FOLD.exec(lines[at])?.[1];
  if (!mark || (mark === "<think>" && before.some(({ kind }) => kind !== "fold"))) return null;
  const closing = mark.startsWith("[") ? null : mark.replace("<", "</");
  const inside = [lines[at].slice(lines[at].indexOf(mark) + mark.length)];
  let next = at + 1, isClosed = false;
  for (;;) {
    const line = inside[inside.length - 1], end = closing ? line.indexOf(closing) : -1;
    if (closing && end >= 0) {
      inside[inside.length - 1] = line.slice(0, end);
      lines[next -= 1] = line.slice(end + closing.length);
      isClosed = true;
    }
    if (isClosed || next >= lines.length) break;
    inside.push(lines[next]);
    next += 1;
  }
  if (inside.every(isBlank)) return [null, next];
  if (mark === "<think>") return [{ kind: "fold", label: isClosed ? "Thoughts" : "Thinking…", blocks: parse(inside, depth + 1) }, next];
  const text = inside.join("\n").trim(), label = mark === "<tool_response>" ? "Tool result" : toolCallLabel(text);
  return [{ kind: "fold", label, blocks: [{ kind: "code", text, language: "json" }] }, next];
}

/** @param {string} text the JSON of a call or of a list of calls */
function toolCallLabel(text) {
  try {
    const calls = [JSON.parse(text)].flat(), names = calls.map(({ name }) => String(name).slice(0, 64));
    return `Tool call: ${names.join(", ")}`;
  } catch {
    return "Tool call";
  }
}

/** @param {string[]} lines @param {number} at @returns {[Block, number] | null} */
function fence(lines, at) {
  const open = matches(FENCE, lines[at]);
  if (!open) return null;
  const margin = indent(lines[at]), mark = open[1];
  /** @param {string} line */
  const closes = (line) =>
    line.trimStart().startsWith(mark) && indent(line) <= margin + 3 && isBlank(line.trimStart().slice(mark.length));
  let end = at + 1;
  while (end < lines.length && !closes(lines[end])) end += 1;
  const text = lines.slice(at + 1, end).map((line) => line.slice(Math.min(margin, indent(line)))).join("\n");
  return [{ kind: "code", text, language: open[2].trim().split(/\s/)[0] }, end + 1];
}

/** @param {string[]} lines @param {number} at @returns {[Block, number] | null} */
function ruleOrHeading(lines, at) {
  if (matches(RULE, lines[at])) return [{ kind: "rule", text: "" }, at + 1];
  const found = matches(HEADING, lines[at]);
  return found ? [{ kind: "heading", text: trimmedEnd(found[2], " \t#"), size: found[1].length, level: 3 }, at + 1] : null;
}

/** @param {string[]} lines @param {number} at @returns {[Block, number] | null} */
function table(lines, at) {
  if (at + 1 >= lines.length || !lines[at].includes("|") || !lines[at + 1].includes("|")) return null;
  if (!matches(TABLE_LINE, lines[at + 1])) return null;
  const columns = cells(lines[at]).length;
  if (columns > 20 || cells(lines[at + 1]).length !== columns) return null;
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && !isBlank(lines[end])) end += 1;
  const rows = [lines[at], ...lines.slice(at + 2, end)].map((line) => cells(line).slice(0, columns));
  return [{ kind: "table", rows }, end];
}

/** @param {string} line */
const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

/** @param {string[]} lines @param {number} at @param {number} depth @returns {[Block, number] | null} */
function quote(lines, at, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  if (end === at) return null;
  return [{ kind: "quote", blocks: parse(lines.slice(at, end).map((line) => line.replace(QUOTE, "")), depth + 1) }, end];
}

/** @param {string[]} lines @param {number} at @param {number} depth @returns {[Block, number] | null} */
function list(lines, at, depth) {
  const first = ITEM.exec(lines[at]);
  if (!first || first[1].length > 3) return null;
  const ordered = /\d/.test(first[2]);
  /** @type {string[][]} */
  const items = [];
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (item && item[1].length <= first[1].length + 1) {
      if (/\d/.test(item[2]) !== ordered || matches(RULE, lines[end])) break;
      items.push([lines[end].slice(item[0].length)]);
    } else if (isBlank(lines[end])) {
      // A blank line ends a list unless the next line is an item or is indented.
      const next = lines[end + 1] ?? "";
      if (isBlank(next) || !(ITEM.test(next) || indent(next) >= 2)) break;
      items[items.length - 1].push("");
    } else if (indent(lines[end]) >= 2) {
      const margin = Math.min(indent(lines[end]), first[0].length);
      items[items.length - 1].push(lines[end].slice(margin));
    } else if (isBlank(lines[end - 1]) || startsBlock(lines, end)) break;
    else items[items.length - 1].push(lines[end]);
    end += 1;
  }
  const start = ordered ? Number.parseInt(first[2], 10) : 1;
  return [{ kind: "list", ordered, start, items: items.map((item) => parse(item, depth + 1)) }, end];
}

/** @param {string[]} lines @param {number} at @param {number} depth @returns {[Block, number]} */
function paragraph(lines, at, depth) {
  let end = at + 1;
  while (end < lines.length && !isBlank(lines[end]) && !(depth < MAX_DEPTH && startsBlock(lines, end))) end += 1;
  return [{ kind: "paragraph", text: lines.slice(at, end).join("\n") }, end];
}

/** Whether a block other than a paragraph starts here. @param {string[]} lines @param {number} at */
function startsBlock(lines, at) {
  const item = ITEM.exec(lines[at]);
  return Boolean(FOLD.test(lines[at]) || QUOTE.test(lines[at])
    || matches(FENCE, lines[at]) || matches(HEADING, lines[at]) || matches(RULE, lines[at])
    || (item && item[1].length <= 3 && item[0].length < lines[at].length));
}

/** Numbers heading levels from h3, below the page's h1 and h2, without gaps, for screen readers. @param {Block[]} blocks */
function levelHeadings(blocks) {
  const sizes = blocks.flatMap((block) => (block.kind === "heading" ? [block.size] : []));
  const largest = Math.min(...sizes);
  let last = 2;
  for (const block of blocks) {
    if (block.kind !== "heading") continue;
    last = block.level = Math.min(3 + block.size - largest, last + 1, 6);
  }
}
