// @ts-check
import { byId } from "../common/dom.js";
import { attempt } from "./feedback.js";
import { showTraining } from "./training-notice.js";

/** The dialog with what is set for all answers of the open conversation. @param {import("../page.js").Page} page */
export function openConversationDialog(page) {
  const { own } = page.conversation;
  byId("system-prompt").value = own.system_prompt;
  byId("conversation-training").checked = own.training;
  byId("conversation-training-row").hidden = page.session.isGuest || !page.connection.health.training;
  byId("conversation-model").textContent = page.conversation.model ?? "";
  byId("conversation").showModal();
}

/** @param {import("../page.js").Page} page */
export function prepareConversationDialog(page) {
  byId("conversation-form").addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const changes = { system_prompt: byId("system-prompt").value.trim(), training: byId("conversation-training").checked };
    if (!await attempt(() => page.conversation.change(changes))) return;
    byId("conversation").close();
    page.settingsChanged();
    showTraining(page);
  });
}
