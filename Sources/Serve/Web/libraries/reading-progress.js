// @ts-check
import { count } from "../common/quantities.js";

/** @typedef {import("./library-view.js").LibraryFile} LibraryFile */

// How long the reading is watched before the time left is estimated, in seconds.
const WATCHED = 4;

/** How long the server still reads the files of a library, estimated from what it has read since files were added last. */
export class ReadingProgress {
  /** In seconds. */
  #start = 0;
  /** How many bytes were to be read at the start, and when it was looked at last. */
  #total = 0;
  #left = 0;

  /** "reading 12 files, about 2 minutes left"; "" if none is waiting. @param {LibraryFile[]} files */
  text(files) {
    const waiting = files.filter(({ state }) => state === "waiting"), left = waiting.reduce((sum, file) => sum + file.bytes, 0);
    const now = performance.now() / 1000;
    if (left > this.#left) [this.#start, this.#total] = [now, left];
    this.#left = left;
    if (waiting.length === 0) return "";
    const seconds = now - this.#start, read = this.#total - left, text = `reading ${count(waiting.length, "file")}`;
    return seconds < WATCHED || read === 0 ? text + "…" : `${text}, ${timeText(left * seconds / read)} left`;
  }
}

/** @param {number} seconds */
function timeText(seconds) {
  if (seconds < 60) return "less than a minute";
  return seconds < 5400 ? `about ${count(Math.round(seconds / 60), "minute")}` : `about ${count(Math.round(seconds / 3600), "hour")}`;
}
