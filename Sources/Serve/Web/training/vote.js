// @ts-check
import { announce, el } from "../common/dom.js";
import { count } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";
import { pill } from "./parts.js";

/** @typedef {"left" | "right" | "tie"} Choice */

/** The owner's questions with both answers side by side: which model gave which answer is shown after the vote. */
export class VoteView {
  /** @param {import("./area.js").TrainingArea} area @param {(comparison: any) => void} changed */
  constructor(area, changed) {
    this.area = area;
    this.changed = changed;
    /** @type {any} */
    this.comparison = null;
    this.isSending = false;
    this.element = el("section", { class: "votes", "aria-label": "Your questions" });
    this.keys = [
      { keys: ["1"], label: "The left answer is better", action: () => this.#vote("left") },
      { keys: ["2"], label: "The right answer is better", action: () => this.#vote("right") },
      { keys: ["0"], label: "Both are equally good", action: () => this.#vote("tie") },
    ];
  }

  get open() { return (this.comparison?.questions ?? []).filter((/** @type {any} */ question) => !question.vote); }

  /** @param {any} comparison */
  show(comparison) {
    this.comparison = comparison;
    const questions = comparison?.questions ?? [], { open } = this;
    this.element.hidden = !questions.length || comparison.state !== "finished";
    if (this.element.hidden) return;
    const done = questions.filter((/** @type {any} */ question) => question.vote);
    this.element.replaceChildren(el("h3", { tabindex: -1 }, "Your questions"),
      open.length ? this.#question(open[0], done.length + 1, questions.length) : el("p", {}, this.#summary()),
      done.length ? el("details", {}, el("summary", {}, count(done.length, "vote")),
        el("ul", { class: "vote-rows" }, ...done.map((/** @type {any} */ one) => this.#voted(one)))) : "");
  }

  #summary() {
    const { candidate = 0, active = 0, ties = 0 } = this.comparison.votes ?? {};
    const times = `the candidate ${count(candidate, "time")}, the active model ${count(active, "time")}`;
    return `You preferred ${times}, and found ${count(ties, "tie")}.`;
  }

  /** @param {any} question @param {number} index @param {number} total */
  #question(question, index, total) {
    const choose = (/** @type {string} */ label, /** @type {Choice} */ choice, /** @type {string} */ key) =>
      el("button", { type: "button", class: "button", onclick: () => this.#vote(choice) }, label,
        el("kbd", { "aria-hidden": "true" }, key));
    const answer = (/** @type {string} */ label, /** @type {string} */ text) => el("div", { class: "vote-answer" }, el("h4", {}, label),
      el("div", { class: "plain-text", dir: "auto" }, visible(text ?? "")));
    return el("div", { class: "vote" }, el("p", { class: "help" }, `Question ${index} of ${total}`),
      el("p", { class: "question", dir: "auto" }, visible(question.text)),
      question.expected ? el("p", { class: "help", dir: "auto" }, `Expected: ${visible(question.expected)}`) : "",
      el("div", { class: "vote-answers" }, answer("Left", question.left), answer("Right", question.right)),
      el("div", { class: "vote-buttons", role: "group", "aria-label": "Which answer is better?" },
        choose("Left is better", "left", "1"), choose("Equally good", "tie", "0"), choose("Right is better", "right", "2")));
  }

  /** @param {any} question */
  #voted({ text, left, right, vote, candidate_side: side }) {
    const name = (/** @type {string} */ one) => (side ? one === side ? "Candidate" : "Active" : one === "left" ? "Left" : "Right");
    const answer = (/** @type {string} */ one, /** @type {string} */ content) => el("div", { class: "vote-answer" },
      el("h4", {}, name(one), vote === one ? pill("preferred", "good") : ""),
        el("div", { class: "plain-text", dir: "auto" }, visible(content ?? "")));
    return el("li", {}, el("p", { class: "question", dir: "auto" }, visible(text), vote === "tie" ? pill("tie") : ""),
      el("div", { class: "vote-answers" }, answer("left", left), answer("right", right)));
  }

  /** @param {Choice} choice */
  async #vote(choice) {
    const question = this.open[0];
    if (!question || this.isSending || this.comparison.state !== "finished") return;
    this.isSending = true;
    const hadFocus = this.element.contains(document.activeElement);
    const path = `/api/training/comparisons/${encodeURIComponent(this.comparison.id)}`;
    const found = await this.area.run(async () => await this.area.api.request("POST", `${path}/votes`, { question: question.id, choice })
      ?? await this.area.api.get(path));
    this.isSending = false;
    if (found === undefined) return;
    const comparison = found.questions ? found : await this.area.run(() => this.area.api.get(path));
    if (!comparison) return;
    this.changed(comparison);
    this.show(comparison);
    announce(this.open.length ? `Voted. ${count(this.open.length, "question")} left.` : this.#summary());
    if (hadFocus) (this.element.querySelector(".vote-buttons button") ?? this.element.querySelector("h3"))?.focus();
  }
}
