// @ts-check
import { el } from "../common/dom.js";
import { count, number } from "../common/quantities.js";
import { decimal, loss, table } from "./parts.js";

/** @typedef {{ step: number, loss: number | null, val_loss: number | null, tokens_per_s?: number | null }} Point */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 720, HEIGHT = 260, LEFT = 52, RIGHT = 12, TOP = 12, BOTTOM = 30;
/** The most rows of the table behind the chart. */
const ROWS = 60;

/** @param {string} tag @param {Record<string, any>} attributes @param {...(Node | string)} children */
function shape(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Round numbers that divide a range into at most `most` parts. @param {number} low @param {number} high @param {number} most */
export function ticks(low, high, most) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const rough = span / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? power * 10;
  const found = [];
  // Counted in whole steps, so that rounding errors do not add up.
  for (let index = Math.ceil(low / step); index * step <= high + step * 1e-9; index += 1) found.push(index * step);
  return found;
}

const isNumber = (/** @type {any} */ value) => typeof value === "number" && Number.isFinite(value);

/** A chart of the training and validation loss, with a table of its values. @param {Point[]} points */
export function curve(points) {
  const values = points.flatMap((point) => [point.loss, point.val_loss]).filter(isNumber).map(Number);
  if (values.length < 2) return el("p", { class: "help" }, "The curve appears after the first steps.");
  const steps = points.map(({ step }) => step), first = Math.min(...steps), last = Math.max(...steps, first + 1);
  const lowest = Math.min(...values), highest = Math.max(...values), margin = (highest - lowest || 1) * 0.06;
  const low = lowest - margin, high = highest + margin;
  const x = (/** @type {number} */ step) => LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT);
  const y = (/** @type {number} */ value) => TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
  const line = (/** @type {"loss" | "val_loss"} */ name, /** @type {string} */ kind) => {
    const known = points.filter((point) => isNumber(point[name]));
    const at = known.map((point) => `${x(point.step).toFixed(1)},${y(Number(point[name])).toFixed(1)}`);
    // Few values, such as those of the validation, are also marked.
    const dots = known.length <= 40
      ? at.map((place) => shape("circle", { class: kind, cx: place.split(",")[0], cy: place.split(",")[1], r: 2.6 })) : [];
    return at.length ? [shape("polyline", { class: kind, points: at.join(" ") }), ...dots] : [];
  };
  const digits = high - low < 0.05 ? 4 : high - low < 0.5 ? 3 : 2;
  const grid = ticks(low, high, 5).flatMap((value) => [
    shape("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value).toFixed(1), y2: y(value).toFixed(1) }),
    shape("text", { x: LEFT - 8, y: (y(value) + 4).toFixed(1), "text-anchor": "end" }, value.toFixed(digits))]);
  const axis = ticks(first, last, 6).filter(Number.isInteger).map((step) =>
    shape("text", { x: x(step).toFixed(1), y: HEIGHT - 8, "text-anchor": step === last ? "end" : "middle" }, number(step)));
  const lastLoss = points.findLast((point) => isNumber(point.loss))?.loss, best = Math.min(...points.map((point) => point.val_loss)
    .filter(isNumber).map(Number));
  const bestText = Number.isFinite(best) ? `, best validation ${loss(best)}` : "";
  const text = `Loss over ${count(last, "step")}: training ${loss(lastLoss)} at the end${bestText}.`;
  const chart = shape("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": text },
    ...grid, ...axis, ...line("loss", "train"), ...line("val_loss", "validation"));
  const every = Math.ceil(points.length / ROWS), shown = points.filter((point, index) => index % every === 0 || index === points.length - 1
    || isNumber(point.val_loss)).slice(-2 * ROWS);
  return el("figure", { class: "chart" }, chart,
    el("figcaption", {}, el("span", { class: "key train" }, "Training loss"), el("span", { class: "key validation" }, "Validation loss")),
    el("details", {}, el("summary", {}, "Values as a table"),
      table("Loss by step", ["Step", "Training loss", "Validation loss", "Tokens per second"],
      shown.map((point) => [number(point.step), loss(point.loss), loss(point.val_loss), decimal(point.tokens_per_s, 0)]))));
}
