// @ts-check
const DAY = 86_400_000;

/**
 * The group in which a conversation of this time stands: Today, Yesterday, Previous 7 days, Previous 30 days, a month of this year, a year.
 * Days begin at midnight of the place where the reader is.
 * @param {string} time @param {Date} [now]
 */
export function groupOf(time, now = new Date()) {
  const then = new Date(time);
  // Rounded: a day on which the clock changes has 23 or 25 hours.
  const days = Math.round((midnight(now) - midnight(then)) / DAY);
  if (!(days > 0)) return "Today";
  if (days === 1) return "Yesterday";
  if (days <= 7) return "Previous 7 days";
  if (days <= 30) return "Previous 30 days";
  return then.getFullYear() === now.getFullYear() ? then.toLocaleString("en", { month: "long" }) : String(then.getFullYear());
}

/** @param {Date} date */
const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
