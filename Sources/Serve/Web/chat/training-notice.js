// @ts-check
import { announce, byId } from "../common/dom.js";
import { attempt } from "./feedback.js";

/**
 * The notice beside the message box that chats may be used for training, with a switch: of the conversation, or of all chats of a guest in
 * this browser. Without such use, as of a guest whose chats the server does not collect, there is no notice.
 * @param {import("../page.js").Page} page
 */
export function showTraining(page) {
  const { conversation, session, settings, connection, isLeftOut } = page;
  const isUsed = session.isGuest ? settings.mayCollect : conversation.own.training && !isLeftOut;
  const chats = session.isGuest ? "Your chats" : "This chat", mayTrain = connection.health.training && (!session.isGuest || page.collects);
  byId("training").hidden = !mayTrain;
  byId("training-text").textContent = isUsed ? `${chats} may be used to train the model.`
    : isLeftOut && !session.isGuest ? "Your account is left out of training."
      : `${chats} ${session.isGuest ? "are" : "is"} not used for training.`;
  const button = byId("training-switch");
  button.hidden = isLeftOut && !session.isGuest;
  button.textContent = isUsed ? "Leave out" : "Allow";
  button.setAttribute("aria-label", `${isUsed ? "Leave out of training" : "Allow training"}: ${chats.toLowerCase()}`);
  byId("guest-training").hidden = !mayTrain || !session.isGuest;
  byId("may-collect").checked = settings.mayCollect;
  byId("training-section").hidden = !connection.health.training;
}

/** Adds the event listeners of the switches. @param {import("../page.js").Page} page */
export function prepareTraining(page) {
  const setGuest = (/** @type {boolean} */ mayCollect) => {
    page.settings.mayCollect = mayCollect;
    showTraining(page);
  };
  byId("training-switch").addEventListener("click", () => attempt(async () => {
    const { conversation, settings, session } = page;
    if (session.isGuest) setGuest(!settings.mayCollect);
    else await conversation.change({ training: !conversation.own.training });
    showTraining(page);
    announce(byId("training-text").textContent);
  }));
  byId("may-collect").addEventListener("change", () => setGuest(byId("may-collect").checked));
  byId("account-training").addEventListener("change", async () => {
    const box = byId("account-training"), training = box.checked;
    box.checked = await attempt(() => page.api.request("PATCH", "/api/me", { training })) ? training : !training;
    page.isLeftOut = !box.checked;
    showTraining(page);
  });
}
