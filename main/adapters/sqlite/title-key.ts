/** Titles are ordered by their beginning; what differs later may come in any order. */
const MAX_UNITS = 100;
/** Longer runs of digits are ordered as text. */
const MAX_DIGITS = 99;

const number = (digits: string): string => {
  const significant = digits.replace(/^0+(?=.)/, "").slice(0, MAX_DIGITS);
  return `${String(significant.length).padStart(2, "0")}${significant}`;
};

/** Key whose binary order is that of titles for people: without case and accents, and "note 9" before "note 10". */
export const titleKey = (title: string): string =>
  title.slice(0, MAX_UNITS).normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/\d+/g, number);
