// @ts-check
import { el } from "../common/dom.js";
import { withoutControls } from "../common/sanitize.js";
import { sourceText } from "./sources.js";

/** @typedef {{ title: string, createdAt?: string, messages: ExportedMessage[] }} Exported */
/** @typedef {{ role: string, content: string, created_at?: string, correction?: string, model?: string,
 *   sources?: import("./sources.js").Sources }} ExportedMessage */

/** One line of training data in the format of `slm finetune --data`. @param {Exported} conversation */
const asTrainingData = ({ messages }) =>
  JSON.stringify({ messages: messages.map(({ role, content, correction }) => ({ role, content: correction ?? content })) }) + "\n";

/** @param {Exported} conversation */
function asJSON({ title, createdAt, messages }) {
  const fields = messages.map(({ role, content, created_at, correction, sources }) => ({ role, content, created_at, correction, sources }));
  return JSON.stringify({ title, created_at: createdAt, messages: fields }, null, 2) + "\n";
}

/** @param {Exported} conversation */
const asMarkdown = ({ title, messages }) =>
  `# ${title || "Conversation"}\n\n`
  + messages.map(({ role, content, correction, model, sources }) =>
    `**${role === "user" ? "You" : model ?? "slm"}:**\n\n${correction ?? content}\n${sourceLines(sources)}`).join("\n");

/** The sources of an answer, one on each line. @param {import("./sources.js").Sources} [sources] */
const sourceLines = (sources) =>
  (sources?.passages.length ? `\n${sources.passages.map((one, index) => `- [${index + 1}] ${sourceText(one)}\n`).join("")}` : "");

/**
 * The export formats of the menu.
 * @type {{ label: string, extension: string, type: string, write: (conversation: Exported) => string }[]}
 */
export const FORMATS = [
  { label: "Export as Markdown", extension: ".md", type: "text/markdown", write: asMarkdown },
  { label: "Export as JSON", extension: ".json", type: "application/json", write: asJSON },
  { label: "Export as training data", extension: ".jsonl", type: "application/jsonl", write: asTrainingData },
];

/** @param {Exported} conversation @param {typeof FORMATS[0]} format */
export function download(conversation, format) {
  const exported = { ...conversation, messages: conversation.messages.filter(({ content }) => content !== "") };
  save(format.write(exported), fileName(conversation.title) + format.extension, format.type);
}

/** Saves a text or bytes as a file. @param {BlobPart} content @param {string} name @param {string} type */
export function save(content, name, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Saves a file of the server under its name, without the folders in it. @param {Blob} content @param {string} name */
export const saveFile = (content, name) =>
  save(content, withoutControls(name.split("/").at(-1) ?? "") || "file", "application/octet-stream");

/** Keeps letters and digits of all languages and replaces everything else by dashes. @param {string} title */
const fileName = (title) =>
  title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "conversation";
