import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToBase64url } from "../../protocol/kernel/bytes.ts";
import type { RingCastMessage } from "../../protocol/ringcast/messages.ts";
import { targetsOf } from "../../protocol/ringcast/targets.ts";
import { decodeRingCastMessage, encodeRingCastMessage } from "../../protocol/ringcast/wire.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { stubDescriptors } from "../support/stub-descriptors.ts";

const ROUNDS = Number(process.env["PROPERTY_ROUNDS"] ?? 1);
const text = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(bytesToBase64url);
const topic = text(16);
const message = fc.oneof(
  fc.record({
    type: fc.constant("publish"),
    topic,
    id: text(32),
    hops: fc.nat(255),
    link: fc.constantFrom("random", "ring", "tree", "pull"),
    payload: fc.uint8Array({ maxLength: 200 }),
  }),
  fc.record({ type: fc.constant("acknowledge"), topic, id: text(32) }),
  fc.record({ type: fc.constantFrom("announce", "want"), topic, ids: fc.array(text(32), { maxLength: 20 }) }),
  fc.record({ type: fc.constant("prune"), topic }),
  fc.record({ type: fc.constant("catchUp"), topic, known: fc.array(text(9), { maxLength: 20 }) }),
) as fc.Arbitrary<RingCastMessage>;

test("RNG-W1 decoding inverts encoding", () => {
  fc.assert(
    fc.property(message, (original) => {
      expect(decodeRingCastMessage(encodeRingCastMessage(original))).toEqual({ ok: true, value: original });
    }),
    { numRuns: 300 * ROUNDS },
  );
});

test("RNG-W2 no bytes make the decoder throw, and what it accepts it would have written", () => {
  const mutated = fc
    .tuple(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }), fc.nat())
    .map(([original, edits, cut]) => {
      const bytes = encodeRingCastMessage(original);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      return cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated), (bytes) => {
      const decoded = decodeRingCastMessage(bytes);
      if (decoded.ok) expect(encodeRingCastMessage(decoded.value)).toEqual(bytes);
    }),
    { numRuns: 3000 * ROUNDS },
  );
});

test("RNG-1 targets never contain the sender or a double, and never more than the fan-out or the two ring links", () => {
  const nodes = stubDescriptors(12);
  const list = fc.array(fc.constantFrom(...nodes), { maxLength: 8 });
  fc.assert(
    fc.property(
      list,
      list,
      list,
      fc.option(fc.constantFrom(...nodes), { nil: undefined }),
      fc.integer({ min: 1, max: 8 }),
      (successors, predecessors, members, from, fanout) => {
        const { ring, random } = targetsOf(
          { successors, predecessors, members },
          from?.id,
          fanout,
          createSeededRandom(1),
        );
        const ids = [...ring.map(({ descriptor }) => descriptor.id), ...random.map(({ id }) => id)];
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids).not.toContain(from?.id);
        expect(ids.length).toBeLessThanOrEqual(Math.max(fanout, 2));
      },
    ),
    { numRuns: 500 * ROUNDS },
  );
});
