import { describe, expect, it } from "vitest";
import { checkLink, type SessionState } from "../../protocol/entry/chain.ts";
import { signRecord, type SignedRecord } from "../../protocol/entry/record.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { shuffle } from "../../protocol/kernel/random.ts";
import { filled, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const RUNS = Number(process.env["CHAIN_RUNS"] ?? 60);
const LENGTH = 12;
const device = native.signingKey(filled(3, 32));
const stranger = native.signingKey(filled(4, 32));

describe("session chains", () => {
  it("I7 whatever arrives in whatever order, only the honest chain is ever extended, link by link", () => {
    for (let run = 0; run < RUNS; run++) {
      const random = createSeededRandom(`chain/${run}`);
      const make = (seq: number, prev: Uint8Array, payload: number, aseqFrom: number, by = device): SignedRecord =>
        signRecord(
          native,
          by,
          {
            rid: filled(1, 16),
            sess: filled(5, 16),
            seq,
            prev,
            parents: [],
            acl: [],
            gen: seq,
            parts: [{ doc: filled(6, 16), aseqFrom, n: 1, lastChangeHash: filled(7, 32) }],
            ts: 0,
          },
          filled(payload, 4),
        );
      const chain: SignedRecord[] = [];
      for (let seq = 0; seq < LENGTH; seq++) chain.push(make(seq, chain[seq - 1]?.iid ?? filled(0, 32), 1, seq + 1));
      const hostile = chain.flatMap((link, seq) => {
        const prev = chain[seq - 1]?.iid ?? filled(0, 32);
        return [
          ...(seq === 0
            ? []
            : [
                make(seq, prev, 1, seq + 1, stranger),
                make(seq, prev, 1, seq + 2),
                make(seq, prev, 1, Math.max(1, seq)),
              ]),
          make(seq + 1, random.bytes(32), 1, seq + 2),
          make(seq + LENGTH, link.iid, 1, seq + 2),
        ];
      });
      const arrivals = shuffle(random, [...chain, ...hostile, ...chain]);
      const taken: string[] = [];
      let state: SessionState | undefined;
      for (let round = 0; round < LENGTH + 1; round++) {
        for (const record of arrivals) {
          const verdict = checkLink(state, record, () => true);
          if (verdict.type !== "extends") continue;
          taken.push(bytesToHex(record.iid));
          state = verdict.state;
        }
      }
      expect(taken, `run ${run}`).toEqual(chain.map(({ iid }) => bytesToHex(iid)));
    }
  });
});
