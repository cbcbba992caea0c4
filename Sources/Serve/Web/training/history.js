// @ts-check
import { el } from "../common/dom.js";
import { visible } from "../common/sanitize.js";
import { button, nothing, section, table, when } from "./parts.js";

const PAGE = 50;

/** The lines of the audit log that belong to the training area. @param {import("./area.js").TrainingArea} area */
export function open(area) {
  const host = el("div", {}), more = button("Show more", () => load(), { hidden: true });
  /** @type {any[]} */
  let lines = [];
  const request = () => area.api.get("/api/training/audit", { limit: PAGE, offset: lines.length });
  const show = (/** @type {any} */ found) => {
    lines = [...lines, ...found.entries];
    more.hidden = lines.length >= found.total;
    const columns = ["Time", "Who", "Change", "Model, run or chat", "Reason"];
    host.replaceChildren(lines.length ? table("What was changed in the training area", columns, lines.map((line) =>
      [when(line.at), visible(line.actor ?? ""), visible(String(line.action ?? "").replaceAll(/[_.]/g, " ")),
        visible(line.target_name ?? line.target ?? ""), visible(line.reason ?? "")]))
      : nothing("Nothing yet", "Every change in this area leaves a line here."));
  };
  const load = async () => {
    const found = await area.run(request);
    if (found) show(found);
  };
  area.load(host, request, show);
  return {
    element: section("History", [], "The lines of the audit log that belong to this area, newest first.", host, more),
  };
}
