// @ts-check
import { byId, el } from "./dom.js";

/** Questions for a model on another server, whose training data is unknown. */
const GENERAL_QUESTIONS = ["Tell me a short story.", "What can you talk about?", "How was your day?"];

/**
 * Shows the model's name and its starter questions on the empty page, and the choice of a model if the server offers several.
 * @param {any} health the response of /api/health @param {import("./settings.js").Settings} settings
 * @param {(text: string) => void} choose
 */
export function showModel(health, settings, choose) {
  settings.models = health.models ?? [];
  const showName = () => { if (health.model) byId("model").textContent = settings.model || health.model; };
  const select = /** @type {HTMLSelectElement} */ (byId("model-choice"));
  select.hidden = settings.models.length < 2;
  select.replaceChildren(...settings.models.map((name) => el("option", { value: name }, name)));
  select.value = settings.model;
  select.onchange = () => {
    settings.model = select.value;
    showName();
  };
  showName();
  if (health.remote) byId("model-kind").textContent = "A language model on another server";
  const questions = health.starter_questions?.length ? health.starter_questions : health.remote ? GENERAL_QUESTIONS : [];
  byId("starters").replaceChildren(...questions.map((/** @type {string} */ text) =>
    el("button", { type: "button", dir: "auto", onclick: () => choose(text) }, text)));
}
