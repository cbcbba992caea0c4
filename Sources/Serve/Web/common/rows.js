// @ts-check
/** @template T @typedef {{ element: HTMLElement, update: (item: T) => void }} Row */

/**
 * A list whose elements stay as long as their items, so that an update takes neither the focus nor the button below the pointer.
 *
 *     const rows = new Rows(list, (file) => file.id, (file) => ({ element, update: (file) => { … } }));
 *     rows.show(files);
 *
 * @template T
 */
export class Rows {
  /** @type {Map<string, Row<T>>} */
  #rows = new Map();

  /** @param {HTMLElement} host @param {(item: T) => string} key @param {(item: T) => Row<T>} make */
  constructor(host, key, make) {
    this.host = host;
    this.key = key;
    this.make = make;
  }

  /** @param {T[]} items in the order in which they are shown */
  show(items) {
    const shown = new Map(items.map((item) => [this.key(item), this.#rows.get(this.key(item)) ?? this.make(item)]));
    for (const [key, { element }] of this.#rows) if (!shown.has(key)) element.remove();
    this.#rows = shown;
    let place = this.host.firstElementChild;
    for (const { element } of shown.values()) {
      if (element === place) place = place.nextElementSibling;
      else this.host.insertBefore(element, place);
    }
    for (const item of items) shown.get(this.key(item))?.update(item);
  }

  /** Updates one item, if it is shown. @param {T} item */
  update(item) { this.#rows.get(this.key(item))?.update(item); }

  /** The element of an item. @param {string} key */
  element(key) { return this.#rows.get(key)?.element; }
}
