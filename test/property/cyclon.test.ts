import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultCyclonConfig } from "../../protocol/cyclon/config.ts";
import { createCyclon } from "../../protocol/cyclon/cyclon.ts";
import type { CyclonEvent, CyclonMessage } from "../../protocol/cyclon/messages.ts";
import { decodeCyclonMessage, encodeCyclonMessage, MAXIMUM_CYCLON_BYTES } from "../../protocol/cyclon/wire.ts";
import { durationMs, monotonicMs } from "../../protocol/kernel/time.ts";
import { createLivenessBook } from "../../protocol/view/liveness-book.ts";
import type { Neighbor } from "../../protocol/view/neighbor.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { stubDescriptors } from "../support/stub-descriptors.ts";

const ROUNDS = Number(process.env["PROPERTY_ROUNDS"] ?? 1);
const nodes = stubDescriptors(24);
const neighbor = fc.record({ descriptor: fc.constantFrom(...nodes), age: fc.integer({ min: 0, max: 255 }) });
const neighbors = (maxLength: number): fc.Arbitrary<Neighbor[]> =>
  fc.uniqueArray(neighbor, { maxLength, selector: ({ descriptor }) => descriptor.id });
const exchange = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const message: fc.Arbitrary<CyclonMessage> = fc.oneof(
  fc.record({ type: fc.constantFrom("shuffleRequest", "shuffleResponse"), exchange, neighbors: neighbors(16) }),
  fc.record({ type: fc.constant("joinRequest" as const), exchange, joiner: fc.constantFrom(...nodes) }),
  fc.record({
    type: fc.constant("joinWalk" as const),
    exchange,
    joiner: fc.constantFrom(...nodes),
    steps: fc.integer({ min: 0, max: 16 }),
  }),
  fc.record({ type: fc.constant("joinGift" as const), exchange, gift: neighbor }),
);

test("CYC-W1 decoding inverts encoding", () => {
  fc.assert(
    fc.property(message, (original) => {
      const bytes = encodeCyclonMessage(original);
      expect(bytes.length).toBeLessThanOrEqual(MAXIMUM_CYCLON_BYTES);
      expect(decodeCyclonMessage(bytes)).toEqual({ ok: true, value: original });
    }),
    { numRuns: 200 * ROUNDS },
  );
});

test("CYC-W2 no bytes make the decoder throw, and what it accepts it would have written", () => {
  const mutated = fc
    .tuple(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), fc.nat())
    .map(([original, edits, cut]) => {
      const bytes = encodeCyclonMessage(original);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      return cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), mutated), (bytes) => {
      const decoded = decodeCyclonMessage(bytes);
      if (decoded.ok) expect(encodeCyclonMessage(decoded.value)).toEqual(bytes);
    }),
    { numRuns: 2000 * ROUNDS },
  );
});

test("CYC-15 whatever happens, the view stays bounded, free of the owner and of doubles", () => {
  const peer = fc.constantFrom(...nodes.map(({ id }) => id));
  const event: fc.Arbitrary<CyclonEvent> = fc.oneof(
    fc.constant({ type: "deadlineReached" as const }),
    fc.record({
      type: fc.constant("messageReceived" as const),
      from: peer.filter((id) => id !== nodes[0]!.id),
      message,
    }),
    fc.record({ type: fc.constant("peerUnreachable" as const), peer }),
    fc.record({
      type: fc.constant("join" as const),
      contacts: fc.array(fc.constantFrom(...nodes.slice(1)), { maxLength: 3 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.integer(), (events, seed) => {
      const cyclon = createCyclon({
        config: { ...defaultCyclonConfig, viewLength: 6 },
        self: () => nodes[0]!,
        book: createLivenessBook({ addressCapacity: 8, tombstoneMs: durationMs(300_000) }),
        random: createSeededRandom(seed),
        startAt: monotonicMs(0),
      });
      let now = 0;
      for (const each of events) {
        now += 2_500;
        cyclon.handle(each, monotonicMs(now));
        const ids = cyclon.view.descriptors().map(({ id }) => id);
        expect(ids.length).toBeLessThanOrEqual(6);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids).not.toContain(nodes[0]!.id);
      }
    }),
    { numRuns: 200 * ROUNDS },
  );
});
