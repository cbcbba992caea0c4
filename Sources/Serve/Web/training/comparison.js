// @ts-check
import { announce, el } from "../common/dom.js";
import { bytes, number } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";
import { bar, button, decimal, linkButton, loss, note, statePill, table } from "./parts.js";
import { archive, gateText, promote } from "./promote.js";
import { VoteView } from "./vote.js";

/** @typedef {import("./promote.js").Model} Model */

/** A candidate against the active model: verdict, figures, blind vote; then it is promoted or archived. */
export class ComparisonView {
  /** @param {import("./area.js").TrainingArea} area @param {string} id of the model */
  constructor(area, id) {
    this.area = area;
    this.id = id;
    /** @type {Model | null} */
    this.model = null;
    /** @type {any} */
    this.comparison = null;
    this.isPolling = false;
    this.title = el("h2", { id: "area-title", tabindex: -1, dir: "auto" }, "Compare");
    this.state = el("span", { role: "status" });
    this.buttons = el("div", { class: "area-buttons" });
    this.result = el("div", {});
    this.vote = new VoteView(area, (comparison) => { this.comparison = comparison; });
    this.body = el("div", { class: "comparison" });
    this.element = el("section", { "aria-labelledby": "area-title" },
      el("p", {}, el("a", { href: "#/training/compare" }, "All candidates")),
      el("div", { class: "area-head" }, this.title, this.state, this.buttons), this.body);
    this.keys = [...this.vote.keys, { keys: ["Escape"], label: "All candidates", action: () => area.go("#/training/compare") }];
    this.reload();
  }

  async #request() {
    const { items } = await this.area.api.get("/api/training/models");
    const model = items.find((/** @type {Model} */ one) => one.id === this.id)
      ?? await this.area.api.get(`/api/training/models/${encodeURIComponent(this.id)}`);
    const comparison = model.comparison ? await this.area.api.get(`/api/training/comparisons/${encodeURIComponent(model.comparison)}`)
      : null;
    this.names = new Map(items.map((/** @type {Model} */ one) => [one.id, one.name]));
    return { model, comparison };
  }

  reload() {
    return this.area.load(this.body, () => this.#request(), ({ model, comparison }) => {
      this.body.replaceChildren(this.result, this.vote.element);
      this.#show(model, comparison);
    }, this.model !== null);
  }

  /** @param {Model} model @param {any} comparison */
  #show(model, comparison) {
    const before = this.comparison?.state;
    this.model = model;
    this.comparison = comparison;
    this.title.textContent = visible(model.name);
    this.state.replaceChildren(statePill(model.state));
    this.#showButtons();
    this.result.replaceChildren(...this.#result());
    this.vote.show(comparison);
    if (before === "running" && comparison?.state !== "running") announce(comparison?.message ?? gateText(model));
    if (comparison?.state === "running" && !this.isPolling) this.#poll();
  }

  #poll() {
    this.isPolling = true;
    this.area.poll(async () => {
      const comparison = await this.area.api.get(`/api/training/comparisons/${encodeURIComponent(this.comparison.id)}`);
      if (comparison.state === "running") {
        this.comparison = comparison;
        this.result.replaceChildren(...this.#result());
        return 2;
      }
      this.isPolling = false;
      const found = await this.#request();
      this.#show(found.model, found.comparison);
      return undefined;
    }, 1);
  }

  #showButtons() {
    const { model, comparison } = this;
    if (!model) return;
    const hadFocus = this.buttons.contains(document.activeElement);
    const isRunning = comparison?.state === "running", isActive = model.state === "active";
    this.buttons.replaceChildren(
      isActive || isRunning ? "" : button(comparison ? "Compare again" : "Compare", () => this.#start(),
        { class: comparison ? "" : "primary" }),
      isActive || isRunning ? ""
        : button("Promote…", () => this.#promote(), { class: comparison ? "primary" : "", "aria-haspopup": "dialog" }),
      model.state === "candidate" && !isRunning ? button("Archive…", () => this.#archive(), { "aria-haspopup": "dialog" }) : "",
      isActive ? linkButton("Models", "#/training/models") : "");
    if (hadFocus) (this.buttons.querySelector("a, button") ?? this.title).focus();
  }

  async #start() {
    const comparison = await this.area.send("POST", `models/${encodeURIComponent(this.id)}/compare`);
    if (comparison === undefined || !this.model) return;
    announce("The comparison has started");
    this.#show({ ...this.model, verdict: null, comparison: comparison.id }, comparison);
  }

  async #promote() {
    if (!this.model) return;
    const model = await promote(this.area, this.model, this.comparison?.reasons ?? []);
    if (!model) return;
    announce(`${model.name} is active`);
    this.#show(model, this.comparison);
  }

  async #archive() {
    if (!this.model) return;
    const model = await archive(this.area, this.model);
    if (model === undefined) return;
    announce("The model was archived");
    this.area.go("#/training/compare");
  }

  /** @returns {(Node | string)[]} */
  #result() {
    const { comparison, model } = this;
    if (!comparison) return [note("This model was not compared with the active model. A comparison takes some minutes at low priority."),
      model?.error ? note(model.error, "bad") : ""];
    if (comparison.state === "running") return [this.#progress(comparison)];
    if (comparison.state === "failed") return [note(comparison.message ?? "The comparison has failed.", "bad")];
    const against = this.names?.get(comparison.active) ?? comparison.active ?? "the active model";
    return [el("div", { class: `verdict ${comparison.verdict}` }, el("h3", {}, "Verdict: ", statePill(comparison.verdict)),
      el("ul", {}, ...(comparison.reasons ?? []).map((/** @type {string} */ reason) => el("li", { dir: "auto" }, visible(reason))))),
    comparison.message ? note(comparison.message) : "", el("h3", {}, `Against ${visible(against)}`), figures(comparison)];
  }

  /** @param {any} comparison */
  #progress({ progress }) {
    const share = progress?.total ? progress.done / progress.total : null;
    return el("div", { class: "run-progress" }, el("p", {}, "The comparison is running at low priority. You can leave this page."),
      share === null ? el("span", { class: "spinner", "aria-hidden": "true" }) : bar(share, "Progress"),
      share === null ? "" : el("span", { class: "help" }, `${number(progress.done)} of ${number(progress.total)}`));
  }
}

/** The figures of both models side by side. @param {any} comparison */
function figures({ held_out: heldOut, replay, own_text: ownText, speed, size, votes }) {
  const signed = (/** @type {any} */ value) =>
    (typeof value === "number" ? `${value > 0 ? "+" : value < 0 ? "−" : ""}${loss(Math.abs(value))}` : "–");
  const rows = [];
  /** @type {[string, any][]} */
  const sets = [["Held-out chats", heldOut], ["General chats", replay], ["Generated text", ownText]];
  for (const [name, found] of sets) {
    if (!found) continue;
    const p = typeof found.p !== "number" ? "" : found.p < 0.0005 ? ", p < 0.001" : `, p = ${decimal(found.p, 3)}`;
    const range = found.interval ? ` (${signed(found.interval[0])} to ${signed(found.interval[1])}${p})` : "";
    rows.push([`${name}: loss per token`, loss(found.candidate_loss), loss(found.active_loss),
      signed(found.candidate_loss - found.active_loss)]);
    const bits = found.bits_per_byte;
    if (bits) rows.push([`${name}: bits per byte`, loss(bits.candidate), loss(bits.active), signed(found.difference) + range]);
    if (found.chats_better != null) rows.push([`${name}: predicted better`, `${number(found.chats_better)} chats`,
      `${number(found.chats_worse)} chats`, ""]);
    const sizes = [found.chats && `${number(found.chats)} chats`,
      found.tokens && `${number(found.tokens)} tokens`].filter(Boolean).join(", ");
    if (sizes) rows.push([`${name}: size of the set`, sizes, sizes, ""]);
  }
  if (speed) {
    const { candidate_tokens_per_s: candidate, active_tokens_per_s: active } = speed;
    rows.push(["Speed, tokens per second", decimal(candidate), decimal(active),
      active ? `${candidate >= active ? "+" : "−"}${decimal(Math.abs(candidate / active - 1) * 100)} %` : ""]);
  }
  if (size?.candidate_parameters != null) rows.push(["Parameters", number(size.candidate_parameters), number(size.active_parameters ?? 0),
    ""]);
  if (size?.candidate_bytes != null) rows.push(["Size", bytes(size.candidate_bytes), bytes(size.active_bytes), ""]);
  if (votes && votes.candidate + votes.active + votes.ties > 0) rows.push(["Your votes", number(votes.candidate), number(votes.active),
    `${number(votes.ties)} ties`]);
  return table("Candidate against the active model", ["Measure", "Candidate", "Active", "Difference"], rows);
}
