// @ts-check
import { announce, el, iconButton } from "../common/dom.js";
import { visible } from "../common/sanitize.js";
import { toast } from "../common/toast.js";
import { ComparisonView } from "./comparison.js";
import { field, form, linkButton, nothing, section, showProblem, when } from "./parts.js";
import { modelPills } from "./promote.js";

/** @typedef {import("./promote.js").Model} Model */

/** @param {import("./area.js").TrainingArea} area @param {string[]} path */
export const open = (area, [id = ""]) => (id ? new ComparisonView(area, id) : overview(area));

/**
 * The models that can be compared, the thresholds of the gate, and the owner's questions.
 * @param {import("./area.js").TrainingArea} area
 */
function overview(area) {
  const models = el("ul", { class: "cards", "aria-label": "Candidates" }), gate = el("div", {}), questions = el("div", {});
  const load = () => {
    area.load(models, () => area.api.get("/api/training/models"), ({ items }) => showModels(models, items));
    area.load(gate, () => area.api.get("/api/training/gate"), (found) => gate.replaceChildren(gateForm(area, found)));
    area.load(questions, () => area.api.get("/api/training/questions"), ({ items }) => showQuestions(area, questions, items));
  };
  load();
  return {
    reload: load,
    element: section("Compare", [],
      "A candidate is compared with the active model on chats that neither was trained on, on general chats, and on your questions.",
      models, el("h3", {}, "Gate"), gate, el("h3", {}, "Your questions"),
      el("p", { class: "help" },
        "Both models answer them in every comparison. You choose the better answer without knowing which model gave it."), questions),
  };
}

/** @param {HTMLElement} host @param {Model[]} items */
function showModels(host, items) {
  const shown = items.filter(({ state, comparison }) => state === "candidate" || (state !== "active" && comparison));
  host.replaceChildren(...shown.map((model) => el("li", { class: "card" },
    el("div", { class: "card-head" },
      el("a", { href: `#/training/compare/${encodeURIComponent(model.id)}`, dir: "auto" }, visible(model.name)), ...modelPills(model)),
    el("div", { class: "row-facts" }, when(model.created_at), el("span", {}, model.comparison ? "compared" : "not compared yet")))));
  if (!shown.length) {
    host.replaceChildren(el("li", {},
      nothing("No candidates", "A finished run adds its model here.", linkButton("Fine-tune", "#/training/runs/new", "primary"))));
  }
}

/** @param {import("./area.js").TrainingArea} area @param {any} gate */
function gateForm(area, gate) {
  const input = (/** @type {string} */ name, /** @type {Record<string, any>} */ limits) => {
    const element = el("input", { type: "number", step: "any", required: true, ...limits });
    element.value = gate[name];
    return element;
  };
  const inputs = {
    max_replay_loss_rise: input("max_replay_loss_rise", { min: 0, max: 10 }),
    min_held_out_gain: input("min_held_out_gain", { min: 0, max: 100 }),
    min_right_answers: input("min_right_answers", { min: 0, max: 1 }),
    significance: input("significance", { min: 0.0001, max: 0.5 }),
  };
  const better = el("input", { type: "checkbox", checked: gate.requires_better === true });
  const error = el("div", { role: "alert" });
  const save = async () => {
    const values = Object.fromEntries(Object.entries(inputs).map(([name, element]) => [name, Number(element.value)]));
    error.replaceChildren();
    try {
      await area.api.request("PUT", "/api/training/gate",
        { ...values, requires_better: better.checked, general: gate.general ?? null });
      toast("The gate was changed. It counts for the next comparison.");
    } catch (problem) {
      showProblem(error, problem, inputs);
    }
  };
  return form(save,
    el("div", { class: "settings-grid" },
      field("How much it may forget", inputs.max_replay_loss_rise,
        "How much worse than the active model it may predict general chats, as a share: 0.01 is 1 %."),
      field("Improvement needed to be better", inputs.min_held_out_gain, "On held-out chats, in bits per byte."),
      field("Right answers needed", inputs.min_right_answers, "Of your questions with an expected answer: 0.8 is 80 %."),
      field("Significance", inputs.significance, "The chance of a wrong verdict that you accept: 0.05 is 5 %.")),
    el("label", { class: "check" }, better, el("span", {}, "A model must be better, not only no worse")), error,
    el("div", { class: "buttons" }, el("button", { class: "button" }, "Save the gate")));
}

/** @param {import("./area.js").TrainingArea} area @param {HTMLElement} host @param {any[]} items */
function showQuestions(area, host, items) {
  const text = el("textarea", { rows: 2, maxlength: 10000, required: true, dir: "auto" });
  const expected = el("input", { type: "text", maxlength: 10000, dir: "auto", autocomplete: "off" });
  const reload = async () => {
    const found = await area.send("GET", "questions");
    if (found) showQuestions(area, host, found.items);
  };
  const remove = async (/** @type {any} */ question) => {
    const done = await area.send("DELETE", `questions/${encodeURIComponent(question.id)}`);
    if (done === undefined) return;
    await reload();
    host.querySelector("textarea")?.focus();
    announce("The question was removed");
  };
  const add = async () => {
    const done = await area.send("POST", "questions", { text: text.value.trim(), expected: expected.value.trim() || null });
    if (done === undefined) return;
    await reload();
    host.querySelector("textarea")?.focus();
    announce("The question was added");
  };
  host.replaceChildren(
    items.length ? el("ul", { class: "question-rows" }, ...items.map((question) => el("li", {},
      el("div", {}, el("p", { dir: "auto" }, visible(question.text)),
        question.expected && el("p", { class: "help", dir: "auto" }, `Expected: ${visible(question.expected)}`)),
      iconButton(`Remove the question ${visible(question.text.slice(0, 60))}`, "trash", () => remove(question)))))
      : el("p", { class: "help" }, "No questions yet."),
    form(add, field("Question", text),
      field("Expected answer (optional)", expected, "Shown beside the answers when you vote."),
      el("div", { class: "buttons" }, el("button", { class: "button" }, "Add the question"))));
}
