import fc from "fast-check";
import { expect, test } from "vitest";
import type { CoreMessage } from "../../protocol/core/messages.ts";
import { decodeCoreMessage, encodeCoreMessage, MAX_EXCHANGED_ITEMS } from "../../protocol/core/wire.ts";
import { bytesToBase64url } from "../../protocol/kernel/bytes.ts";
import type { TopicTag } from "../../protocol/ringcast/messages.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const request = fc.nat(2 ** 32 - 1);
const topic = bytes(16).map((tag) => bytesToBase64url(tag) as TopicTag);
const payload = fc.uint8Array({ maxLength: 300 });
const wires = fc.array(payload, { maxLength: 5 });
const message: fc.Arbitrary<CoreMessage> = fc.oneof(
  fc.record({
    type: fc.constant("hello" as const),
    version: fc.nat(255),
    overlay: bytes(16),
    descriptor: payload,
    observed: fc.oneof(bytes(4), bytes(16), fc.constant(null)),
  }),
  fc.record({ type: fc.constantFrom("compare" as const, "compared" as const), request, topic, payload }),
  fc.record({ type: fc.constantFrom("refused" as const, "taken" as const), request }),
  fc.record({
    type: fc.constant("fetch" as const),
    request,
    topic,
    oids: fc.array(bytes(32), { minLength: 1, maxLength: 6 }),
  }),
  fc.record({ type: fc.constant("items" as const), request, dealt: fc.nat(MAX_EXCHANGED_ITEMS), wires }),
  fc.record({ type: fc.constant("give" as const), request, topic, wires }),
  fc.record({ type: fc.constant("changed" as const), topic }),
);
const prove = () => new Uint8Array(16);
const refutes = () => false;
const ROUNDS = Number(process.env["DECODER_ROUNDS"] ?? 500);

test("COR-15 encoding and decoding are inverse", () => {
  fc.assert(
    fc.property(message, (given) => {
      expect(decodeCoreMessage(encodeCoreMessage(given, prove), refutes)).toEqual({ ok: true, value: given });
    }),
    { numRuns: ROUNDS },
  );
});

test("COR-15 any bytes decode or are refused; what decodes is what the encoder writes", () => {
  const mutated = fc.tuple(message, fc.nat(), fc.nat(255)).map(([given, at, byte]) => {
    const encoded = encodeCoreMessage(given, prove);
    encoded[at % encoded.length] = byte;
    return encoded;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), mutated), (given) => {
      const read = decodeCoreMessage(given, refutes);
      if (!read.ok || read.value.type === "hello") return;
      const again = encodeCoreMessage(read.value, prove);
      // The proof is the one thing that is not kept.
      expect(again.length).toBe(given.length);
    }),
    { numRuns: ROUNDS },
  );
});
