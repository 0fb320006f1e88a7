import { expect, test } from "vitest";
import { createSeededRandom } from "../support/seeded-random.ts";
import { fuzzRound } from "../support/replica-fuzz.ts";

const ROUNDS = Number(process.env["REPLICA_FUZZ_ROUNDS"] ?? 300);
const START = Number(process.env["REPLICA_FUZZ_START"] ?? 0);
const ROUNDS_PER_TEST = 50;

for (let from = START; from < START + ROUNDS; from += ROUNDS_PER_TEST) {
  test(`RPL-1 equals Automerge in bytes, heads, content, spans and marks (seeds from ${from})`, () => {
    for (let seed = from; seed < Math.min(from + ROUNDS_PER_TEST, START + ROUNDS); seed++) {
      fuzzRound(createSeededRandom(`replica/${seed}`), (_, mine, theirs) => {
        expect(mine, `seed ${seed}`).toEqual(theirs);
      });
    }
  });
}
