// @ts-check
import { byId } from "../common/dom.js";
import { count, number } from "../common/quantities.js";

/** Shows how much of the context window is used. @param {{ used: number, size: number } | null} context null if unknown */
export function showContext(context) {
  const meter = byId("context");
  meter.hidden = !context || !(context.size > 0);
  if (!context || meter.hidden) return;
  const { used, size } = context, fraction = Math.min(used / size, 1);
  meter.classList.toggle("full", fraction > 0.85);
  byId("context-bar").style.width = `${(fraction * 100).toFixed(1)}%`;
  byId("context-text").textContent = `${number(used)} / ${number(size)} tokens`;
  const gauge = byId("context-gauge");
  gauge.setAttribute("aria-valuemax", String(size));
  gauge.setAttribute("aria-valuenow", String(Math.min(used, size)));
  gauge.setAttribute("aria-valuetext", `${used} of ${size} tokens of the context window`);
}

/**
 * Shows whether the server collects chats as training data, how many it has, and whether they are enough for a fine-tuning run.
 * @param {{ count: number, ready: boolean, collecting: boolean } | null} stats
 */
export function showCollected(stats) {
  byId("collected").hidden = !stats?.collecting;
  if (!stats) return;
  // Of collected chats, the notice below the message box speaks.
  byId("guest-notice").textContent = stats.collecting ? "" : "Your chats are not stored on the server.";
  const chats = stats.conversations ?? stats.count;
  byId("collected-text").textContent = `${count(chats, "chat")} collected for training`;
  byId("training-file").hidden = !stats.file;
  byId("collected-ready").hidden = !stats.ready;
}

/**
 * Counts the tokens of a conversation of which the server has not said how many it has: nothing was answered since it was opened, or the
 * connection was closed during the last answer.
 * @param {import("../common/api.js").API} api @param {import("./conversation.js").Conversation} conversation
 * @param {number | undefined} size
 */
export async function measure(api, conversation, size) {
  const known = conversation.context;
  if ((known && !conversation.contextIsOld) || conversation.isAnswering || conversation.sent.length === 0 || !size) return;
  const prompt = conversation.own.system_prompt;
  const messages = conversation.sent.map(({ role, content, correction }) => ({ role, content: correction ?? content }));
  if (prompt) messages.unshift({ role: /** @type {any} */ ("system"), content: prompt });
  const found = await api.request("POST", "/tokenize", { messages }).catch(() => null);
  if (!found || conversation.context !== known) return;
  conversation.context = { used: found.count, size };
  conversation.contextIsOld = false;
}
