// @ts-check
const DAY = 86_400_000;

/**
 * The heading under which the sidebar lists a conversation: Today, Yesterday, Previous 7 days, Previous 30 days, a month, or a year.
 * Days start at midnight in the user's time zone.
 * @param {string} time @param {Date} [now]
 */
export function groupOf(time, now = new Date()) {
  const then = new Date(time);
  // Rounded, because days with a clock change have 23 or 25 hours.
  const days = Math.round((midnight(now) - midnight(then)) / DAY);
  if (!(days > 0)) return "Today";
  if (days === 1) return "Yesterday";
  if (days <= 7) return "Previous 7 days";
  if (days <= 30) return "Previous 30 days";
  return then.getFullYear() === now.getFullYear() ? then.toLocaleString("en", { month: "long" }) : String(then.getFullYear());
}

/** @param {Date} date */
const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
