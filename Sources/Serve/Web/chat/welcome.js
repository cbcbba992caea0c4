// @ts-check
import { byId, el } from "../common/dom.js";

/** Shows the model that answers next in the header and on the empty page. @param {string | undefined} name */
export function showModelName(name) {
  if (!name) return;
  for (const id of ["model", "model-name"]) byId(id).textContent = name;
  byId("model-name").title = name;
  byId("model-choice").value = name;
}

/** Questions for a model on another server, whose training data is unknown. */
const GENERAL_QUESTIONS = ["Tell me a short story.", "What can you talk about?", "How was your day?"];

/**
 * Shows the model's name and its starter questions on the empty page, and the choice of a model if the server offers several.
 * @param {any} health the response of /api/health @param {import("./settings.js").Settings} settings
 * @param {(text: string) => void} choose @param {(model: string) => void} chooseModel
 */
export function showModel(health, settings, choose, chooseModel) {
  settings.models = health.models ?? [];
  settings.sampling = health.sampling ?? {};
  const select = /** @type {HTMLSelectElement} */ (byId("model-choice"));
  select.hidden = settings.models.length < 2;
  byId("model-name").hidden = settings.models.length !== 1;
  select.replaceChildren(...settings.models.map((name) => el("option", { value: name }, name)));
  select.onchange = () => chooseModel(select.value);
  if (health.remote) byId("model-kind").textContent = "A language model on another server";
  const questions = health.starter_questions?.length ? health.starter_questions : health.remote ? GENERAL_QUESTIONS : [];
  byId("starters").replaceChildren(...questions.map((/** @type {string} */ text) =>
    el("button", { type: "button", dir: "auto", onclick: () => choose(text) }, text)));
}
