import fc from "fast-check";
import { expect, test } from "vitest";
import { selectRing } from "../../protocol/vicinity/selection.ts";
import { decodeVicinityMessage, encodeVicinityMessage } from "../../protocol/vicinity/wire.ts";
import { createCandidates } from "../../protocol/view/candidates.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { stubDescriptors } from "../support/stub-descriptors.ts";

const ROUNDS = Number(process.env["PROPERTY_ROUNDS"] ?? 1);
const nodes = stubDescriptors(40);
const neighbor = fc.record({ descriptor: fc.constantFrom(...nodes), age: fc.integer({ min: 0, max: 255 }) });
const message = fc.record({
  type: fc.constantFrom("vicinityRequest" as const, "vicinityResponse" as const),
  exchange: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  neighbors: fc.uniqueArray(neighbor, { maxLength: 20, selector: ({ descriptor }) => descriptor.id }),
});

test("VIC-W1 decoding inverts encoding", () => {
  fc.assert(
    fc.property(message, (original) => {
      expect(decodeVicinityMessage(encodeVicinityMessage(original))).toEqual({ ok: true, value: original });
    }),
    { numRuns: 100 * ROUNDS },
  );
});

test("VIC-W2 no bytes make the decoder throw, and what it accepts it would have written", () => {
  const mutated = fc
    .tuple(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }), fc.nat())
    .map(([original, edits, cut]) => {
      const bytes = encodeVicinityMessage(original);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      return cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 500 }), mutated), (bytes) => {
      const decoded = decodeVicinityMessage(bytes);
      if (decoded.ok) expect(encodeVicinityMessage(decoded.value)).toEqual(bytes);
    }),
    { numRuns: 1500 * ROUNDS },
  );
});

test("VIC-4 the ring selection equals a sorted list's both ends", () => {
  const place = (shortId: number): number => shortId * 2 ** 23;
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(nodes.length - 2), { maxLength: 30 }),
      fc.integer({ min: 1, max: 8 }),
      (names, half) => {
        const reference = nodes[nodes.length - 1]!;
        const candidates = createCandidates();
        candidates.reset(reference);
        for (const name of names) candidates.add(nodes[name]!, 0);
        const chosen = new Set(
          selectRing(({ shortId }) => place(shortId))(2 * half, reference, candidates, createSeededRandom(1)).map(
            ({ descriptor }) => descriptor.id,
          ),
        );
        const ring = names.map((name) => nodes[name]!).sort((a, b) => a.shortId - b.shortId);
        const above = ring.filter(({ shortId }) => shortId > reference.shortId);
        const clockwiseOrder = [...above, ...ring.filter(({ shortId }) => shortId <= reference.shortId)];
        const successors = clockwiseOrder.slice(0, half);
        const expected = new Set(successors.map(({ id }) => id));
        for (const descriptor of [...clockwiseOrder].reverse())
          if (expected.size < Math.min(2 * half, ring.length)) expected.add(descriptor.id);
        expect(chosen).toEqual(expected);
      },
    ),
    { numRuns: 300 * ROUNDS },
  );
});
