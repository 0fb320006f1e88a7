/**
 * Padmé length (PURBs, Nikitin et al., PoPETs 2019, algorithm 1) with a floor of 256 bytes: the result is a function of
 * `length` only and hides all but O(log log) bits of it at an overhead of at most 12 %.
 */
export const padmeLength = (length: number): number => {
  if (length <= FLOOR) return FLOOR;
  const exponent = 31 - Math.clz32(length);
  const mantissaBits = 32 - Math.clz32(exponent);
  const step = 2 ** (exponent - mantissaBits);
  return Math.ceil(length / step) * step;
};

/** Hides which short record it is: a keystroke, a receipt and an ACL op all fill at least this. */
const FLOOR = 256;
