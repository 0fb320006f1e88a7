import { expect, test } from "vitest";
import { privacyVectors } from "./privacy-vectors.ts";

/** Distinct ids an attacker needs so that every counter of one victim is shared with probability above 1 - eta. */
const targetedEffort = (columns: number, rows: number, eta: number): number => {
  let ids = 2;
  while ((1 - (1 - 1 / columns) ** (ids - 1)) ** rows <= 1 - eta) ids += 1;
  return ids;
};

/** Distinct ids needed to hit every counter of one row with probability above 1 - eta (coupon collector). */
const floodingEffort = (columns: number, eta: number): number => {
  let law = new Float64Array(columns + 1);
  law[0] = 1;
  for (let ids = 1; ; ids++) {
    const next = new Float64Array(columns + 1);
    for (let hit = 1; hit <= columns; hit++) {
      next[hit] = ((law[hit] as number) * hit) / columns + ((law[hit - 1] as number) * (columns - hit + 1)) / columns;
    }
    law = next;
    if ((law[columns] as number) > 1 - eta) return ids;
  }
};

test.each(privacyVectors.urps)("[URP-3] attack effort at k = $k, s = $s, eta = $eta", ({ k, s, eta, L, E }) => {
  expect(targetedEffort(k, s, eta)).toBe(L);
  if (E !== null) expect(floodingEffort(k, eta)).toBe(E);
});
