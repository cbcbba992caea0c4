// @ts-check
import { byId } from "./dom.js";

/** How much of what the model can read at once is taken. @param {{ used: number, size: number } | null} context null: nobody knows */
export function showContext(context) {
  const meter = byId("context");
  meter.hidden = !context || !(context.size > 0);
  if (!context || meter.hidden) return;
  const { used, size } = context, share = Math.min(used / size, 1);
  meter.classList.toggle("full", share > 0.85);
  byId("context-bar").style.width = `${(share * 100).toFixed(1)}%`;
  byId("context-text").textContent = `${used.toLocaleString("en")} / ${size.toLocaleString("en")} tokens`;
  const gauge = byId("context-gauge");
  gauge.setAttribute("aria-valuemax", String(size));
  gauge.setAttribute("aria-valuenow", String(Math.min(used, size)));
  gauge.setAttribute("aria-valuetext", `${used} of ${size} tokens of the context`);
}

/**
 * Where the server collects chats: that it does, how many, and whether a fine-tuning is worth it.
 * @param {{ count: number, ready: boolean, collecting: boolean } | null} stats
 */
export function showCollected(stats) {
  byId("collected").hidden = !stats?.collecting;
  if (!stats) return;
  byId("guest-kept").textContent = stats.collecting ? "Your chat is collected to train with." : "Your chat is kept nowhere.";
  byId("collected-text").textContent = `${stats.count.toLocaleString("en")} ${stats.count === 1 ? "chat" : "chats"} collected to train with`;
  byId("collected-ready").hidden = !stats.ready;
}

/**
 * How much of the context a conversation takes that was not answered since it was opened.
 * @param {import("./api.js").API} api @param {import("./conversation.js").Conversation} conversation @param {number | undefined} size
 */
export async function measure(api, conversation, size) {
  if (conversation.context || conversation.sent.length === 0 || !size) return;
  const messages = conversation.sent.map(({ role, content }) => ({ role, content }));
  const found = await api.request("POST", "/tokenize", { messages }).catch(() => null);
  if (found && !conversation.context) conversation.context = { used: found.count, size };
}
