// @ts-check
import { byId, el } from "./dom.js";

/** Questions for a model on another server, whose training data is unknown. */
const GENERAL_QUESTIONS = ["Tell me a short story.", "What can you talk about?", "How was your day?"];

/**
 * Shows the model's name and its starter questions on the empty page.
 * @param {any} health the response of /api/health @param {(text: string) => void} choose
 */
export function showModel(health, choose) {
  if (health.model) byId("model").textContent = health.model;
  if (health.remote) byId("model-kind").textContent = "A language model on another server";
  const questions = health.starter_questions?.length ? health.starter_questions : health.remote ? GENERAL_QUESTIONS : [];
  byId("starters").replaceChildren(...questions.map((/** @type {string} */ text) =>
    el("button", { type: "button", dir: "auto", onclick: () => choose(text) }, text)));
}
