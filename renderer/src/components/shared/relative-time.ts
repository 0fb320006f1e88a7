const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

/** A moment as short as it stays unambiguous: the time today, the weekday this week, else the date. Unix milliseconds. */
export const shortTime = (at: number, now: number): string => {
  if (Math.abs(now - at) < MINUTE_MS) return "now";
  const date = new Date(at);
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  if (at >= midnight && at < midnight + DAY_MS) return time.format(date);
  if (at < midnight && at >= midnight - DAY_MS) return "Yesterday";
  if (at < midnight && at >= midnight - 6 * DAY_MS) return weekday.format(date);
  return new Date(now).getFullYear() === date.getFullYear() ? day.format(date) : full.format(date);
};

const namedDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const namedDayOfYear = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });

/** The day of a moment as a heading: today, yesterday, or its date. */
export const dayName = (at: number, now: number): string => {
  const today = new Date(now).setHours(0, 0, 0, 0);
  const midnight = new Date(at).setHours(0, 0, 0, 0);
  if (midnight === today) return "Today";
  if (midnight === new Date(today - 1).setHours(0, 0, 0, 0)) return "Yesterday";
  const isThisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (isThisYear ? namedDay : namedDayOfYear).format(at);
};

/** From when to when within a day; one time where both read alike. */
export const timeSpan = (from: number, to: number): string => {
  const [start, end] = [time.format(from), time.format(to)];
  return start === end ? end : `${start} – ${end}`;
};

/** When something happened, to end a sentence with: "just now" or its date and time. */
export const momentText = (at: number, now: number): string =>
  Math.abs(now - at) < MINUTE_MS ? "just now" : `on ${fullTime(at)}`;

/** Date and time in full, for tooltips and details. */
export const fullTime = (at: number): string =>
  new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
