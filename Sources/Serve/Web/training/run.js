// @ts-check
import { confirmed } from "../common/dialog.js";
import { announce, el } from "../common/dom.js";
import { count, number } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";
import { curve } from "./curve.js";
import { button, decimal, duration, facts, linkButton, loss, note, statePill, when } from "./parts.js";
import { isActive, progress } from "./runs.js";
import { settingsText } from "./settings.js";

/** @typedef {import("./runs.js").Run} Run */

/** What a state means, as a sentence. @type {Record<string, string>} */
const SENTENCES = {
  queued: "The run waits until another one has ended.",
  running: "The run trains at low priority. You can leave this page.",
  stopping: "The run saves its checkpoint and stops.",
  stopped: "The run was stopped. It can be resumed from its last checkpoint.",
  finished: "The run has finished.",
  failed: "The run has failed.",
};

/** A run: its curve, samples and log, while it trains and afterwards. */
export class RunView {
  /** @param {import("./area.js").TrainingArea} area @param {string} id */
  constructor(area, id) {
    this.area = area;
    this.path = `/api/training/runs/${encodeURIComponent(id)}`;
    /** @type {Run | null} */
    this.run = null;
    this.title = el("h2", { id: "area-title", tabindex: -1, dir: "auto" }, "Run");
    this.state = el("span", { role: "status" });
    this.buttons = el("div", { class: "area-buttons" });
    this.summary = el("div", {});
    this.curve = el("div", {});
    this.samples = el("div", {});
    this.log = el("pre", { class: "log", tabindex: 0, role: "region", "aria-label": "Log" });
    this.body = el("div", { class: "run" });
    this.element = el("section", { "aria-labelledby": "area-title" },
      el("p", {}, el("a", { href: "#/training/runs" }, "All runs")),
        el("div", { class: "area-head" }, this.title, this.state, this.buttons), this.body);
    this.keys = [
      { keys: ["s"], label: "Stop the run, or resume it", action: () => this.#toggle() },
      { keys: ["Escape"], label: "All runs", action: () => area.go("#/training/runs") },
    ];
    this.reload();
  }

  reload() {
    return this.area.load(this.body, () => this.area.api.get(this.path), (run) => {
      this.body.replaceChildren(this.summary, el("h3", {}, "Loss"), this.curve, el("h3", {}, "Samples"), this.samples, el("h3", {}, "Log"),
        this.log);
      const isFirst = this.run === null;
      this.#show(run);
      if (isFirst) this.area.poll(() => this.#poll(), 2);
    });
  }

  async #poll() {
    const before = this.run?.state;
    if (this.run && !isActive(this.run)) return 15;
    this.#show(await this.area.api.get(this.path));
    if (this.run?.state !== before) announce(SENTENCES[this.run?.state ?? ""] ?? "");
    return 2;
  }

  /** @param {Run} run */
  #show(run) {
    const old = this.run;
    this.run = { ...old, ...run };
    const now = this.run;
    this.title.textContent = visible(now.name);
    if (old?.state !== now.state) {
      this.state.replaceChildren(statePill(now.state));
      this.#showButtons(now);
    }
    const kind = now.state === "failed" ? "bad" : now.state === "stopped" ? "warn" : "good";
    const sentence = now.message ?? SENTENCES[now.state] ?? "";
    const data = now.data;
    this.summary.replaceChildren(
      now.state === "failed" || now.state === "stopped" || now.message ? note(sentence, kind) : el("p", { class: "help" }, sentence),
        progress(now) ?? "",
      facts([["Step", now.step == null ? "–" : `${number(now.step)}${now.steps ? ` of ${number(now.steps)}` : ""}`],
        ["Training loss (last)", loss(now.loss)],
        ["Validation loss (last)", loss(now.val_loss)],
        ["Validation loss (best)", loss(now.best_val_loss)],
          ["Speed", now.tokens_per_s == null ? null : `${decimal(now.tokens_per_s, 0)} tokens/s`],
        ["Time left", isActive(now) && now.seconds_left != null ? duration(now.seconds_left) : null],
        ["Took", now.started_at && now.finished_at ? duration((Date.parse(now.finished_at) - Date.parse(now.started_at)) / 1000) : null],
        ["Settings", settingsText(now.settings) || null],
        ["Data", data ? [count(data.chats ?? 0, "chat"), count(data.preferences ?? 0, "preference"),
          count(data.tokens ?? 0, "token")].join(", ")
          : null],
        ["Started", el("span", {}, when(now.started_at ?? now.created_at), now.created_by ? ` by ${visible(now.created_by)}` : "")]]));
    if (JSON.stringify(old?.curve) !== JSON.stringify(now.curve)) {
      const isOpen = this.curve.querySelector("details")?.open ?? false;
      this.curve.replaceChildren(curve(now.curve ?? []));
      const details = this.curve.querySelector("details");
      if (details) details.open = isOpen;
    }
    if (JSON.stringify(old?.samples) !== JSON.stringify(now.samples) || !old) this.samples.replaceChildren(samples(now.samples ?? []));
    if (old?.log !== now.log || !old) {
      const isAtEnd = this.log.scrollHeight - this.log.clientHeight - this.log.scrollTop < 40;
      this.log.textContent = visible(now.log || "Nothing has been written yet.");
      if (isAtEnd || !old) this.log.scrollTop = this.log.scrollHeight;
    }
  }

  /** @param {Run} run */
  #showButtons(run) {
    const hadFocus = this.buttons.contains(document.activeElement);
    this.buttons.replaceChildren(
      run.model ? linkButton("Compare the model", `#/training/compare/${encodeURIComponent(run.model)}`, "primary") : "",
      run.state === "running" || run.state === "queued" ? button("Stop", () => this.#toggle()) : "",
      run.can_resume ? button("Resume", () => this.#toggle(), { class: "primary" }) : "",
      isActive(run) ? "" : button("Delete…", () => this.#delete(), { class: "danger", "aria-haspopup": "dialog" }));
    if (hadFocus) (this.buttons.querySelector("a, button") ?? this.title).focus();
  }

  async #toggle() {
    const { run } = this;
    if (!run) return;
    const action = run.state === "running" || run.state === "queued" ? "stop" : run.can_resume ? "resume" : null;
    if (!action) return;
    const found = await this.area.run(() => this.area.api.request("POST", `${this.path}/${action}`));
    if (found === undefined) return;
    if (found?.id) this.#show(found);
    else await this.area.run(() => this.#poll());
    announce(SENTENCES[this.run?.state ?? ""] ?? "");
  }

  async #delete() {
    const { run } = this;
    if (!run) return;
    const kept = run.model ? "The model that it made stays in the registry." : "Its checkpoints are deleted, too.";
    if (!await confirmed(`Delete ${run.name}?`, [`The log, the data set and the curve of this run are deleted. ${kept}`], "Delete",
      true)) return;
    const found = await this.area.run(() => this.area.api.request("DELETE", this.path));
    if (found !== undefined) this.area.go("#/training/runs", true);
  }
}

/** @param {any[]} list */
function samples(list) {
  if (!list.length) return el("p", { class: "help" }, "The model's answers to some questions appear here while it trains.");
  const newest = [...list].reverse();
  const row = (/** @type {any} */ { step, question, answer }) =>
    el("li", { class: "sample" }, el("p", { class: "help" }, `Step ${number(step)}`),
    question && el("p", { class: "question", dir: "auto" }, visible(question)),
      el("div", { class: "plain-text", dir: "auto" }, visible(answer ?? "")));
  const last = newest[0].step, current = newest.filter(({ step }) => step === last), older = newest.filter(({ step }) => step !== last);
  return el("div", {}, el("ul", { class: "samples" }, ...current.map(row)),
    older.length > 0 && el("details", {}, el("summary", {}, `${number(older.length)} earlier`),
      el("ul", { class: "samples" }, ...older.map(row))));
}
