// @ts-check
/**
 * An element with its properties, attributes, listeners and children. Text always enters as text: there is no way from here to `innerHTML`.
 *
 *     el("button", { class: "quiet", type: "button", "aria-label": "Copy", onclick: copy }, icon("copy"))
 *
 * @param {string} tag
 * @param {Record<string, any>} [properties] `on…` are listeners, the rest attributes; false, null and undefined are left out
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** A drawing from the page's own set (the symbols at the end of index.html); hidden from screen readers. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", "#i-" + name);
  svg.append(use);
  return svg;
}

/** A button with a drawing and a name. @param {string} label @param {string} drawing @param {(event: Event) => void} onclick @param {Record<string, any>} [more] */
export const iconButton = (label, drawing, onclick, more = {}) =>
  el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...more }, icon(drawing));

/** An element that index.html has. @param {string} id @returns {any} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

/** Says something to a screen reader, and shows nothing. @param {string} text */
export function announce(text) {
  const region = byId("announcer");
  region.textContent = "";
  // Emptied first and filled a moment later: the same sentence twice is said twice.
  setTimeout(() => { region.textContent = text; }, 50);
}

/** Whether a narrow screen shows the sidebar as a drawer. */
export const narrow = matchMedia("(max-width: 767px)");
