// @ts-check
import { el } from "./dom.js";

/** @typedef {{ title: string, createdAt?: string, messages: { role: string, content: string, created_at?: string }[] }} Exported */

/** A line of training data, in the form that `slm finetune --data` reads. @param {Exported} conversation */
export const asTraining = ({ messages }) => JSON.stringify({ messages: messages.map(({ role, content }) => ({ role, content })) }) + "\n";

/** @param {Exported} conversation */
export const asJSON = ({ title, createdAt, messages }) =>
  JSON.stringify({ title, created_at: createdAt, messages: messages.map(({ role, content, created_at }) => ({ role, content, created_at })) }, null, 2) + "\n";

/** @param {Exported} conversation */
export const asMarkdown = ({ title, messages }) =>
  `# ${title || "Conversation"}\n\n` + messages.map(({ role, content }) => `**${role === "user" ? "You" : "slm"}:**\n\n${content}\n`).join("\n");

/** The forms a conversation can be taken out in, for a menu. @type {{ label: string, ending: string, type: string, write: (conversation: Exported) => string }[]} */
export const FORMS = [
  { label: "Export as Markdown", ending: ".md", type: "text/markdown", write: asMarkdown },
  { label: "Export as JSON", ending: ".json", type: "application/json", write: asJSON },
  { label: "Export as training data", ending: ".jsonl", type: "application/jsonl", write: asTraining },
];

/** @param {Exported} conversation @param {typeof FORMS[0]} form */
export function download(conversation, form) {
  const whole = { ...conversation, messages: conversation.messages.filter(({ content }) => content !== "") };
  const address = URL.createObjectURL(new Blob([form.write(whole)], { type: form.type }));
  el("a", { href: address, download: fileName(conversation.title) + form.ending }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Letters and digits of any language; everything that means something to a file system becomes a dash. @param {string} title */
const fileName = (title) => title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "conversation";
