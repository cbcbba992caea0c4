// @ts-check
import { confirmed, openDialog } from "../common/dialog.js";
import { announce, el } from "../common/dom.js";
import { openMenu } from "../common/menu.js";
import { bytes, count } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";
import { toast } from "../common/toast.js";
import { bar, button, decimal, facts, field, form, linkButton, loss, note, nothing, select, showProblem, when } from "./parts.js";
import { archive, gateText, modelPills, promote, removeModel } from "./promote.js";

/** @typedef {import("./promote.js").Model} Model */
/** @typedef {{ model: string, share: number }} Canary */

/** The order of the list. @type {Record<string, number>} */
const ORDER = { active: 0, candidate: 1, previous: 2, archived: 3 };

/** @param {import("./area.js").TrainingArea} area */
export const open = (area) => new ModelsSection(area);

/** The registry of models: which one answers, and how to change that. */
class ModelsSection {
  /** @param {import("./area.js").TrainingArea} area */
  constructor(area) {
    this.area = area;
    /** @type {Model[]} */
    this.models = [];
    /** @type {Canary | null} */
    this.canary = null;
    /** The models whose details are shown. @type {Set<string>} */
    this.opened = new Set();
    this.isWaiting = false;
    this.rollBack = button("Roll back", () => this.#rollBack(), { hidden: true });
    this.rows = el("ul", { class: "cards", "aria-labelledby": "area-title" });
    this.canaryHost = el("div", { class: "canary" });
    this.keysHost = el("div", {});
    this.disk = el("div", {});
    this.element = el("section", { "aria-labelledby": "area-title" },
      el("div", { class: "area-head" }, el("h2", { id: "area-title", tabindex: -1 }, "Models"), this.rollBack,
        button("Add a model…", () => this.#register(), { "aria-haspopup": "dialog" })),
      this.rows, el("h3", {}, "Canary"), this.canaryHost, el("h3", {}, "API keys"),
      el("p", { class: "help" }, "A pinned key always gets its model. All other keys get the active one."), this.keysHost,
        el("h3", {}, "Disk"), this.disk);
    this.reload();
  }

  reload() {
    this.area.load(this.rows, () => this.area.api.get("/api/training/models"), (found) => {
      this.#show(found);
      this.area.load(this.keysHost, () => this.#loadKeys(), (items) => this.#showKeys(items));
    });
  }

  /** All pages of the list of keys. */
  async #loadKeys() {
    const items = [];
    for (let after = null; ;) {
      const page = await this.area.api.get("/api/training/keys", { limit: 200, after });
      items.push(...page.items);
      if (!page.next) return items;
      after = page.next;
    }
  }

  /** Loads the registry again and keeps the focus. @param {string} [said] */
  async #refresh(said) {
    const found = await this.area.send("GET", "models");
    if (!found) return;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement), label = focused?.getAttribute("data-focus");
    const id = focused?.closest("[data-model]")?.getAttribute("data-model");
    this.#show(found);
    if (id && !focused?.isConnected) {
      const row = this.rows.querySelector(`[data-model="${CSS.escape(id)}"]`);
      /** @type {any} */ (row?.querySelector(`[data-focus="${label}"]`) ?? row?.querySelector("button")
        ?? this.element.querySelector("h2"))?.focus();
    } else if (!focused?.isConnected) this.element.querySelector("h2")?.focus();
    if (said) announce(said);
  }

  /** @param {{ items: Model[], canary: Canary | null, disk: any }} found */
  #show({ items, canary, disk }) {
    this.models = [...items].sort((a, b) => (ORDER[a.state] ?? 9) - (ORDER[b.state] ?? 9) || b.created_at.localeCompare(a.created_at));
    this.canary = canary;
    const previous = items.find(({ state }) => state === "previous");
    this.rollBack.hidden = !previous;
    if (previous) this.rollBack.textContent = `Roll back to ${visible(previous.name)}`;
    this.rows.replaceChildren(...this.models.map((model) => this.#card(model)));
    if (!items.length) this.rows.replaceChildren(el("li", {},
      nothing("No models", "The model of the command line appears here when the server has loaded it.")));
    this.canaryHost.replaceChildren(this.#canaryForm());
    this.#showDisk(disk);
    this.#refreshWhileLoading();
  }

  /** The server takes seconds to load a model that has become active. */
  #refreshWhileLoading() {
    const isLoading = this.models.some(({ state, is_served, error }) => state === "active" && !is_served && !error);
    if (!isLoading || this.isWaiting) return;
    this.isWaiting = true;
    this.area.poll(async () => {
      this.isWaiting = false;
      await this.#refresh();
    }, 1);
  }

  /** @param {Model} model */
  #card(model) {
    const isCanary = this.canary?.model === model.id;
    const more = el("button", {
      type: "button", class: "button", "data-focus": "more", "aria-haspopup": "menu", "aria-expanded": "false",
        "aria-label": `More about ${visible(model.name)}`,
      onclick: () => this.#menu(more, model),
    }, "More");
    const details = el("details", { open: this.opened.has(model.id), ontoggle: () => {
      if (details.open) this.opened.add(model.id);
      else this.opened.delete(model.id);
    } }, el("summary", {}, "Details"), this.#details(model));
    return el("li", { class: `card model ${model.state}`, "data-model": model.id },
      el("div", { class: "card-head" }, el("h3", { dir: "auto" }, visible(model.name)), ...modelPills(model),
        isCanary && el("span", { class: "pill busy" },
        `Canary, ${Math.round((this.canary?.share ?? 0) * 100)} %`), el("span", { class: "card-buttons" },
        model.state === "active" ? "" : linkButton("Compare", `#/training/compare/${encodeURIComponent(model.id)}`),
        model.state === "active" ? "" : button("Promote…", () => this.#promote(model),
          { "data-focus": "promote", "aria-haspopup": "dialog", "aria-label": `Promote ${visible(model.name)}` }),
            model.state !== "active" && more)),
      el("p", { class: "help" }, model.state === "active" ? "Answers all chats and keys that are not set otherwise."
        : model.state === "candidate" ? gateText(model) : ""),
      model.files_deleted_at && note("Its files were deleted by a clean-up."), model.error && note(model.error, "bad"),
        !model.error && model.state === "active" && !model.is_served
        && note("This server does not serve it yet: it is loading."),
      el("div", { class: "row-facts" }, el("span", {}, model.kind === "adapter" ? "LoRA adapter" : "Checkpoint"),
        el("span", {}, bytes(model.size_bytes)),
        model.metrics?.val_loss != null && el("span", {}, `validation loss ${loss(model.metrics.val_loss)} (best)`),
          when(model.promoted_at ?? model.created_at),
        model.keys > 0 && el("span", {}, count(model.keys, "pinned key"))), details);
  }

  /** @param {Model} model */
  #details(model) {
    const base = this.models.find(({ id }) => id === model.base);
    const by = (/** @type {string | null} */ time, /** @type {string | null} */ name) =>
      (time ? el("span", {}, when(time), name ? ` by ${visible(name)}` : "") : null);
    const plain = (/** @type {any} */ values) => (values ? Object.entries(values)
      .filter(([, value]) => value !== null && typeof value !== "object")
      .map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "number" ? decimal(value, 4) : String(value).slice(0, 40)}`)
      .join(", ") : null);
    return facts([["Created", by(model.created_at, model.created_by)], ["Promoted", by(model.promoted_at, model.promoted_by)],
      ["Base", base ? base.name : model.base],
        ["Run", model.run && el("a", { href: `#/training/runs/${encodeURIComponent(model.run)}` }, "Open the run")],
      ["Data", plain(model.data)], ["Metrics", plain(model.metrics)], ["File", el("code", { dir: "ltr" }, visible(model.path))],
      ["Served", model.is_served ? "by this server" : "not by this server"]]);
  }

  /** The actions on a model that is not active. @param {HTMLElement} at @param {Model} model */
  #menu(at, model) {
    const isCanary = this.canary?.model === model.id;
    openMenu(at, [
      { label: "Details", icon: "search", action: () => {
        this.opened.add(model.id);
        const details = this.rows.querySelector(`[data-model="${CSS.escape(model.id)}"] details`);
        if (details) /** @type {any} */ (details).open = true;
        details?.querySelector("summary")?.focus();
      } },
      ...(isCanary || model.state === "archived" ? []
        : [{ label: "Try as canary…", icon: "person", action: () => this.#focusCanary(model) }]),
      ...(model.state === "candidate" || model.state === "previous" ? [{ label: "Archive…", icon: "down", action: async () => {
        if (await archive(this.area, model) !== undefined) await this.#refresh(`${model.name} was archived`);
      } }] : []),
      { label: "Delete…", icon: "trash", danger: true, action: async () => {
        if (await removeModel(this.area, model) !== undefined) await this.#refresh(`${model.name} was deleted`);
      } },
    ]);
  }

  /** @param {Model} model */
  async #promote(model) {
    const done = await promote(this.area, model);
    if (!done) return;
    await this.#refresh(`${model.name} is active`);
    toast(`${model.name} is active.`, { label: "Roll back", action: () => this.#rollBack() }, 20);
  }

  async #rollBack() {
    const model = await this.area.send("POST", "rollback");
    if (model === undefined) return;
    await this.#refresh();
    toast(`${model?.name ?? "The previous model"} is active again.`);
  }

  /** @param {Model} model */
  #focusCanary(model) {
    const choice = this.canaryHost.querySelector("select");
    if (!choice) return;
    choice.value = model.id;
    choice.focus();
  }

  #canaryForm() {
    const models = this.models.filter(({ state }) => state === "candidate" || state === "previous");
    if (!models.length && !this.canary) return el("p", { class: "help" },
      "With a candidate, a share of the conversations can try it before it is promoted.");
    const choice = select(models.map(({ id, name }) => [id, visible(name)]), this.canary?.model ?? models[0]?.id);
    const share = el("input", { type: "range", min: 1, max: 100, step: 1 });
    share.value = String(Math.round((this.canary?.share ?? 0.1) * 100));
    const output = el("output", { for: "canary-share" }, `${share.value} %`);
    share.id = "canary-share";
    share.addEventListener("input", () => { output.textContent = `${share.value} %`; });
    const start = async () => {
      const done = await this.area.send("PUT", "canary", { model: choice.value, share: Number(share.value) / 100 });
      if (done === undefined) return;
      await this.#refresh();
      this.canaryHost.querySelector("button")?.focus();
      toast(`${share.value} % of the conversations get the canary.`);
    };
    const end = async () => {
      if (await this.area.send("DELETE", "canary") === undefined) return;
      await this.#refresh("The canary has ended");
    };
    return form(start,
      el("p", { class: "help" }, "A share of the conversations is answered by this model. A conversation stays with its model."),
      el("div", { class: "settings-grid" }, field("Model", choice),
        el("div", { class: "field" }, el("label", { for: "canary-share" }, "Share of conversations ", output), share)),
      el("div", { class: "buttons" }, this.canary ? button("End the canary", end) : "",
        el("button", { class: "button" }, this.canary ? "Change" : "Start")));
  }

  /** @param {any[]} items */
  #showKeys(items) {
    if (!items.length) return this.keysHost.replaceChildren(el("p", { class: "help" }, "There are no API keys."));
    const usable = this.models.filter(({ state, error }) => state !== "archived" && !error);
    const options = /** @type {[string, string][]} */ ([["", "The active model"], ...usable.map(({ id, name }) => [id, visible(name)])]);
    this.keysHost.replaceChildren(el("ul", { class: "question-rows" }, ...items.map((key) => {
      const known = key.model && !usable.some(({ id }) => id === key.model)
        ? [...options, /** @type {[string, string]} */ ([key.model, "A model that is not usable"])] : options;
      const choice = select(known, key.model ?? "",
        { "aria-label": `Model of the key ${visible(key.name)} of ${visible(key.user ?? "")}` });
      choice.addEventListener("change", async () => {
        const done = await this.area.send("PUT", `keys/${encodeURIComponent(key.id)}`, { model: choice.value || null });
        if (done === undefined) choice.value = key.model ?? "";
        else {
          key.model = choice.value || null;
          announce("Changed");
          this.#refresh();
        }
      });
      return el("li", {}, el("div", {}, el("p", { dir: "auto" }, visible(key.name)),
        el("p", { class: "help", dir: "auto" }, visible(key.user ?? ""), ", ",
        key.last_used_at ? "last used " : "never used", key.last_used_at ? when(key.last_used_at) : "")), choice);
    })));
  }

  /** @param {{ used_bytes: number, free_bytes: number } | undefined} disk */
  #showDisk(disk) {
    if (!disk) return this.disk.replaceChildren();
    const { used_bytes: used, free_bytes: free } = disk;
    const keep = el("input", { type: "number", min: 0, max: 100, value: 3, required: true });
    const cleanUp = async () => {
      const kept = Number(keep.value);
      const text = `The files of archived models and of all candidates except the newest ${kept} are deleted. `
        + "Active, previous, canary and pinned models stay.";
      if (!await confirmed("Clean up?", [text], "Clean up", true)) return;
      const found = await this.area.send("POST", "models/clean-up", { keep: kept });
      if (found === undefined) return;
      await this.#refresh();
      toast(found?.freed_bytes != null ? `Deleted ${count(found.deleted ?? 0, "model")}, ${bytes(found.freed_bytes)} are free again.`
        : "Cleaned up.");
    };
    this.disk.replaceChildren(el("p", {}, `Models use ${bytes(used)}; ${bytes(free)} are free.`),
      bar(used / Math.max(used + free, 1), "Disk"),
      form(cleanUp, field("Candidates to keep", keep, "Clean-up deletes files of archived models and of older candidates."),
        el("div", { class: "buttons" }, el("button", { class: "button" }, "Clean up…"))));
  }

  /** Adds a checkpoint that is on the server's machine. */
  #register() {
    const path = el("input", { type: "text", required: true, dir: "ltr", autocomplete: "off", spellcheck: "false", maxlength: 4096 });
    const name = el("input", { type: "text", required: true, maxlength: 64, dir: "auto", autocomplete: "off" });
    const error = el("div", { role: "alert" });
    const save = el("button", { class: "button primary" }, "Add");
    const add = async () => {
      save.disabled = true;
      try {
        const model = await this.area.api.request("POST", "/api/training/models", { path: path.value.trim(), name: name.value.trim() });
        dialog.close();
        await this.#refresh(`${model?.name ?? name.value} is a candidate`);
      } catch (problem) {
        showProblem(error, problem, { name }, path);
      } finally {
        save.disabled = false;
      }
    };
    const dialog = openDialog("Add a model", [form(add,
      field("File", path, "The path of a checkpoint on the machine of the server."),
      field("Name", name, "Letters, digits, '-', '_' and '.'."), error,
      el("div", { class: "buttons" }, button("Cancel", () => dialog.close()), save))]);
    path.focus();
  }
}
