import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToBase64url, concatBytes } from "../../protocol/kernel/bytes.ts";
import type { VerifiedDescriptor } from "../../protocol/identity/verified.ts";
import type { RingsMessage } from "../../protocol/poldercast/messages.ts";
import { createTopicRing } from "../../protocol/poldercast/topic-ring.ts";
import { decodeRingsMessage, encodeRingsMessage, type TopicSeal } from "../../protocol/poldercast/wire.ts";
import { stubDescriptors } from "../support/stub-descriptors.ts";

const ROUNDS = Number(process.env["PROPERTY_ROUNDS"] ?? 1);
const nodes = stubDescriptors(24);
/** Visible, but as long as a real one. */
const openSeal: TopicSeal = {
  seal: (_, plaintext) => concatBytes(new Uint8Array(28), plaintext),
  open: (_, sealed) =>
    sealed.length < 28 || sealed.subarray(0, 28).some((byte) => byte !== 0) ? undefined : sealed.subarray(28),
  prove: () => new Uint8Array(16),
  refutes: () => false,
};
const tag = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytesToBase64url);
const exchange = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const sender = fc.constantFrom(...nodes);
const neighbors = fc.uniqueArray(fc.record({ descriptor: sender, age: fc.nat(255) }), {
  maxLength: 4,
  selector: ({ descriptor }) => descriptor.id,
});
const topics = fc.uniqueArray(fc.record({ topic: tag, neighbors }), { maxLength: 4, selector: ({ topic }) => topic });
const message = fc.oneof(
  fc.record({ type: fc.constantFrom("ringRequest", "ringResponse"), exchange, sender, topics }),
  fc.record({ type: fc.constant("ringFind"), exchange, sender, topic: tag }),
  fc.record({ type: fc.constantFrom("ringFound", "ringLeave"), exchange, topics }),
) as fc.Arbitrary<RingsMessage>;

test("PLD-W1 decoding inverts encoding", () => {
  fc.assert(
    fc.property(message, (original) => {
      expect(decodeRingsMessage(encodeRingsMessage(original, openSeal), openSeal)).toEqual({
        ok: true,
        value: original,
      });
    }),
    { numRuns: 200 * ROUNDS },
  );
});

test("PLD-W2 no bytes make the decoder throw", () => {
  const mutated = fc
    .tuple(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }), fc.nat())
    .map(([original, edits, cut]) => {
      const bytes = encodeRingsMessage(original, openSeal);
      for (const [at, value] of edits) bytes[at % bytes.length] = value;
      return cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), mutated), (bytes) => {
      decodeRingsMessage(bytes, openSeal);
    }),
    { numRuns: 2000 * ROUNDS },
  );
});

test("PLD-1 however members come and go, a ring holds the nearest of those it was offered and not removed", () => {
  const step = fc.record({ name: fc.nat(nodes.length - 1), leaves: fc.boolean() });
  const place = (name: number): number => (name * 7_919) % 1_009;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const [self] = stubDescriptors(1, "self");
      const position = (descriptor: VerifiedDescriptor): number =>
        descriptor === self ? 500 : place(nodes.indexOf(descriptor));
      const ring = createTopicRing(position, self!, 24);
      const present = new Set<number>();
      for (const { name, leaves } of steps) {
        if (leaves) {
          expect(ring.remove(nodes[name]!.id)).toBe(present.delete(name));
        } else {
          ring.offer(nodes[name]!, 0);
          present.add(name);
        }
        const clockwise = (from: number, to: number): number => (to - from + 2 ** 53) % 2 ** 53;
        const expected = [...present].sort((a, b) => clockwise(500, place(a)) - clockwise(500, place(b)));
        expect(ring.successors()).toEqual(expected.map((each) => nodes[each]));
      }
    }),
    { numRuns: 200 * ROUNDS },
  );
});
