// @ts-check
import { el } from "../common/dom.js";

/**
 * @typedef {object} Language
 * @property {string[]} [line] what begins a comment to the end of the line
 * @property {[string, string][]} [block] what begins and ends a comment
 * @property {string} [quotes] what begins and ends a string on one line
 * @property {string[]} [multiline] what begins and ends a string of several lines, looked for before `quotes`
 * @property {string} [words] keywords
 * @property {string} [constants] literals such as `true`
 * @property {boolean} [ignoresCase] whether keywords may be in upper case
 * @property {boolean} [markup] tags and attributes
 * @property {RegExp} [letter] the characters of a name
 */

/** @type {Language} */
const c = {
  line: ["//", "#include", "#define", "#if", "#ifdef", "#ifndef", "#endif", "#pragma"], block: [["/*", "*/"]], quotes: "\"'",
  words: "auto break case char class const constexpr continue default delete do double else enum extern float for goto if inline int "
      + "long namespace new private protected public register restrict return short signed sizeof static struct switch template this "
      + "throw try typedef typename union unsigned using virtual void volatile while bool size_t",
  constants: "true false NULL nullptr",
};

/** @type {Language} */
const javascript = {
  line: ["//"], block: [["/*", "*/"]], quotes: "\"'", multiline: ["`"],
  words: "as async await break case catch class const continue debugger default delete do else enum export extends finally for from "
      + "function get if implements import in instanceof interface let new of private protected public readonly return set static "
      + "super switch this throw try type typeof var void while with yield",
  constants: "true false null undefined NaN Infinity",
};

/** @type {Record<string, Language>} */
const LANGUAGES = {
  c,
  javascript,
  python: {
    line: ["#"], quotes: "\"'", multiline: ['"""', "'''"],
    words: "and as assert async await break case class continue def del elif else except finally for from global if import in is lambda "
      + "match nonlocal not or pass raise return try while with yield",
    constants: "True False None self",
  },
  swift: {
    line: ["//"], block: [["/*", "*/"]], quotes: '"', multiline: ['"""'],
    words: "actor any as associatedtype async await borrowing break case catch class consuming continue default defer deinit do else "
      + "enum extension fallthrough fileprivate final for func get guard if import in indirect init inout internal is lazy let "
      + "mutating nonisolated open operator override package precedencegroup private protocol public repeat required rethrows return "
      + "sending set some static struct subscript super switch throw throws try typealias unowned var weak where while",
    constants: "true false nil self Self",
  },
  json: { quotes: '"', constants: "true false null" },
  shell: {
    line: ["#"], quotes: "\"'", letter: /[\w-]/,
    words: "case do done elif else esac export fi for function if in local return select then until while alias cd echo eval exec exit "
      + "read set shift source test trap unset sudo",
    constants: "true false",
  },
  sql: {
    line: ["--"], block: [["/*", "*/"]], quotes: "\"'", ignoresCase: true,
    words: "add all alter and as asc begin between by case check column commit constraint create cross default delete desc distinct drop "
      + "else end except exists foreign from full group having if in index inner insert intersect into is join key left like limit "
      + "not offset on or order outer primary references returning right rollback select set table then transaction trigger union "
      + "unique update using values view when where with bigint integer text varchar",
    constants: "true false null",
  },
  css: {
    block: [["/*", "*/"]], quotes: "\"'", letter: /[\w@-]/,
    words: "@media @import @font-face @keyframes @supports @layer @container !important", constants: "",
  },
  html: { block: [["<!--", "-->"]], quotes: "\"'", markup: true, letter: /[\w-]/ },
};

/** @type {Record<string, string>} */
const ALIASES = {
  py: "python", python3: "python", js: "javascript", jsx: "javascript", mjs: "javascript", ts: "javascript", typescript: "javascript",
  "c++": "c", cpp: "c", cc: "c", h: "c", hpp: "c", sh: "shell", bash: "shell", zsh: "shell", console: "shell", jsonl: "json", json5: "json",
  htm: "html", xml: "html", svg: "html", sqlite: "sql", postgresql: "sql", scss: "css",
};

// Longer code is shown in one color: each token is an element.
const MAX_LENGTH = 20_000;

/**
 * Code as text nodes and `<span class="t-…">` elements. Every character is read once, so the time is linear, and no text becomes HTML.
 *
 *     el("code", {}, ...highlighted("let x = 1", "swift"))
 *
 * @param {string} code @param {string} name the language as in the fence of a code block @returns {(Node | string)[]}
 */
export function highlighted(code, name) {
  const known = name.toLowerCase();
  const key = Object.hasOwn(ALIASES, known) ? ALIASES[known] : known;
  if (!Object.hasOwn(LANGUAGES, key) || code.length > MAX_LENGTH) return [code];
  return tokens(code, LANGUAGES[key]).map(([kind, text]) => (kind ? el("span", { class: "t-" + kind }, text) : text));
}

const LETTER = /[\p{L}\p{N}_$]/u, START = /[\p{L}_$@!-]/u, DIGIT = /[0-9]/;

/** @type {WeakMap<Language, Map<string, string>>} */
const dictionaries = new WeakMap();

/** The kind of each known word. @param {Language} language */
function dictionary(language) {
  let words = dictionaries.get(language);
  if (!words) {
    words = new Map();
    for (const word of (language.words ?? "").split(" ")) words.set(word, "word");
    for (const word of (language.constants ?? "").split(" ")) words.set(word, "constant");
    dictionaries.set(language, words);
  }
  return words;
}

/** @param {string} code @param {Language} language @returns {[string, string][]} kinds, "" for plain text, and texts */
export function tokens(code, language) {
  const words = dictionary(language), letter = language.letter ?? LETTER;
  /** @type {[string, string][]} */
  const found = [];
  let plain = 0, isInTag = false;
  /** @param {string} kind @param {number} start @param {number} end */
  const add = (kind, start, end) => {
    if (plain < start) found.push(["", code.slice(plain, start)]);
    if (start < end) found.push([kind, code.slice(start, end)]);
    plain = end;
    return end;
  };
  /** The end of what ends with a text: after it, or the end of the code. @param {string} text @param {number} from */
  const endOf = (text, from) => {
    const end = code.indexOf(text, from);
    return end < 0 ? code.length : end + text.length;
  };
  for (let i = 0; i < code.length;) {
    const at = i, character = code[i];
    const block = language.block?.find(([begin]) => code.startsWith(begin, at));
    const line = !block && language.line?.find((begin) => code.startsWith(begin, at));
    const quote = language.multiline?.find((begin) => code.startsWith(begin, at));
    if (block) i = add("comment", i, endOf(block[1], i + block[0].length));
    else if (line && (line !== "#" || i === 0 || /\s/.test(code[i - 1]))) {
      const end = code.indexOf("\n", i);
      i = add(line.length > 2 && line[0] === "#" ? "word" : "comment", i, end < 0 ? code.length : end);
    } else if (quote) i = add("text", i, endOf(quote, i + quote.length));
    else if (language.quotes?.includes(character) && (!language.markup || isInTag)) i = add("text", i, endOfString(code, i));
    else if (language.markup && (character === "<" || character === ">")) {
      const isTag = character === "<" && /[\p{L}/!?]/u.test(code[i + 1] ?? "");
      isInTag = isTag;
      if (!isTag) { i += 1; continue; }
      let end = i + 1;
      while (end < code.length && /[\w/!?:-]/.test(code[end])) end += 1;
      i = add("word", i, end);
    } else if (DIGIT.test(character)) {
      let end = i + 1;
      while (end < code.length && /[\w.]/.test(code[end])) end += 1;
      i = language.markup ? end : add("number", i, end);
    } else if (START.test(character) || letter.test(character)) {
      let end = i + 1;
      while (end < code.length && (letter.test(code[end]) || LETTER.test(code[end]))) end += 1;
      const word = code.slice(i, end);
      const kind = language.markup ? (isInTag ? "name" : "") : words.get(language.ignoresCase ? word.toLowerCase() : word) ?? "";
      i = kind ? add(kind, i, end) : end;
    } else i += 1;
  }
  add("", code.length, code.length);
  return found;
}

/**
 * The end of a string that begins at `start`: after its closing quote, or the end of its line.
 * @param {string} code @param {number} start
 */
function endOfString(code, start) {
  for (let i = start + 1; i < code.length; i += 1) {
    if (code[i] === "\\") i += 1;
    else if (code[i] === code[start]) return i + 1;
    else if (code[i] === "\n") return i;
  }
  return code.length;
}
