import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { bytesToHex, concatBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { createHandshake, type HandshakeState } from "../../protocol/noise/handshake-state.ts";
import { createFrameDecoder, encodeHandshakeFrame, type Frame } from "../../protocol/noisesocket/framing.ts";
import {
  decodeNegotiationRequest,
  decodeNegotiationResponse,
  encodeNegotiationRequest,
  encodeNegotiationResponse,
} from "../../protocol/noisesocket/negotiation.ts";
import {
  createNoiseSocketSession,
  type NoiseSocketEvent,
  type NoiseSocketSession,
} from "../../protocol/noisesocket/session.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNativeProvider(createNobleProvider());
/** Mutated sessions; the nightly run does 100 000. */
const rounds = Number(process.env["NOISE_FUZZ_ROUNDS"] ?? 600);
const seed = Number(process.env["NOISE_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));

const value = <T>(result: Result<T, { readonly type: string }>): T => {
  if (!result.ok) throw new Error(result.error.type);
  return result.value;
};

test("NSK-2 any cutting of a stream gives the same frames, and less than one frame is held", () => {
  const field = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(field, field), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 30 })),
      fc.boolean(),
      (fields, cuts, isHandshake) => {
        const frames = fields.map(([a, b]) =>
          isHandshake ? encodeHandshakeFrame(a, b) : concatBytes(Uint8Array.of(0, b.length), b),
        );
        const stream = concatBytes(...frames);
        const decoder = createFrameDecoder();
        const seen: Frame[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + (cuts[i % cuts.length] ?? 7);
          decoder.push(stream.subarray(at, end));
          at = end;
          for (let next = value(decoder.next(isHandshake ? "handshake" : "transport")); next !== undefined;) {
            seen.push({
              ...next,
              noiseMessage: next.noiseMessage.slice(),
              negotiationData: next.negotiationData.slice(),
            });
            next = value(decoder.next(isHandshake ? "handshake" : "transport"));
          }
          expect(decoder.bufferedBytes()).toBeLessThan(84);
        }
        expect(seen.map(({ noiseMessage }) => bytesToHex(noiseMessage))).toEqual(fields.map(([, b]) => bytesToHex(b)));
        if (isHandshake)
          expect(seen.map(({ negotiationData }) => bytesToHex(negotiationData))).toEqual(
            fields.map(([a]) => bytesToHex(a)),
          );
        expect(decoder.bufferedBytes()).toBe(0);
      },
    ),
  );
});

test("NSK-11 negotiation data round-trips, and any bytes are either decoded or refused", () => {
  const name = fc.stringMatching(/^[!-~]{1,60}$/);
  const names = fc.array(name, { maxLength: 16 });
  fc.assert(
    fc.property(
      name,
      names,
      names,
      fc.option(name, { nil: undefined }),
      (initialProtocol, switchProtocols, retryProtocols, application) => {
        const request = { initialProtocol, switchProtocols, retryProtocols, application };
        expect(value(decodeNegotiationRequest(encodeNegotiationRequest(request)))).toEqual(request);
        for (const response of [
          { type: "switch", protocol: name },
          { type: "retry", protocol: name },
        ] as const) {
          const concrete = { ...response, protocol: initialProtocol };
          expect(value(decodeNegotiationResponse(encodeNegotiationResponse(concrete)))).toEqual(concrete);
        }
      },
    ),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodeNegotiationRequest(bytes);
      decodeNegotiationResponse(bytes);
    }),
    { numRuns: 3000 },
  );
});

const suites = ["25519_AESGCM_SHA256", "25519_ChaChaPoly_BLAKE2b"] as const;
const bodies = ["alice 1", "bob 1", "alice 2", "bob 2", "alice 3"].map((text) => new TextEncoder().encode(text));
const [a1, b1, a2, b2, a3] = bodies as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];

interface Arrived {
  readonly atAlice: readonly Uint8Array[];
  readonly atBob: readonly Uint8Array[];
}

interface Chat {
  readonly run: (mutate: (index: number, frame: Uint8Array) => Uint8Array) => Arrived;
}

/** An XX conversation of five bodies. */
const createChat = (seedText: string, suite: string): Chat => {
  const random = createSeededRandom(seedText);
  const deps = { crypto, generateKeyPair: () => crypto.dhKeyPair(random.bytes(32)) };
  const keys = () => ({ protocolName: `Noise_XX_${suite}`, staticKey: crypto.dhKeyPair(random.bytes(32)) });
  const config = { applicationPrologue: new TextEncoder().encode("fuzz") };
  const alice = createNoiseSocketSession(deps, { ...config, side: "initiator" });
  const bob = createNoiseSocketSession(deps, { ...config, side: "responder" });
  return {
    run: (mutate) => {
      const arrived = { atAlice: [] as Uint8Array[], atBob: [] as Uint8Array[] };
      let index = 0;
      const deliver = (from: NoiseSocketSession, to: NoiseSocketSession): void => {
        const frame = concatBytes(...from.takeOutput());
        if (frame.length === 0) return;
        const take = (events: readonly NoiseSocketEvent[]): void => {
          for (const event of events) {
            if (event.type === "handshakeBody" || event.type === "message")
              (to === alice ? arrived.atAlice : arrived.atBob).push(event.body);
            if (event.type === "request") {
              const accepted = to.accept(keys());
              if (accepted.ok) take(accepted.value);
            }
          }
          expect(to.bufferedBytes()).toBeLessThanOrEqual(131_074);
        };
        take(to.receive(mutate(index++, frame)));
      };
      alice.start(keys(), new TextEncoder().encode("nego"), { body: a1 });
      deliver(alice, bob);
      bob.writeHandshake({ body: b1, paddedBodyLength: 20 });
      deliver(bob, alice);
      alice.writeHandshake({ body: a2 });
      deliver(alice, bob);
      bob.send(b2);
      deliver(bob, alice);
      alice.send(a3, 64);
      deliver(alice, bob);
      return arrived;
    },
  };
};

type Mutation = (bytes: Uint8Array, random: ReturnType<typeof createSeededRandom>) => Uint8Array;
const at = (bytes: Uint8Array, random: ReturnType<typeof createSeededRandom>): number => random.uint32() % bytes.length;
const mutations: readonly Mutation[] = [
  (bytes, random) => bytes.with(at(bytes, random), random.uint32() & 255),
  (bytes, random) => {
    const i = at(bytes, random);
    return bytes.with(i, (bytes[i] as number) ^ (1 << (random.uint32() & 7)));
  },
  (bytes, random) => bytes.slice(0, at(bytes, random)),
  (bytes, random) =>
    concatBytes(
      bytes.slice(0, at(bytes, random)),
      random.bytes(1 + (random.uint32() % 5)),
      bytes.slice(at(bytes, random)),
    ),
  (bytes) => concatBytes(bytes, bytes),
  (bytes, random) => random.bytes(bytes.length),
  (bytes) => bytes.with(0, 255).with(1, 255),
];

test(
  `NSK-13 a mutated frame never yields a wrong body, an exception or an overfull buffer (seed ${seed}, ${rounds} rounds)`,
  () => {
    const random = createSeededRandom(seed);
    let refused = 0;
    for (let round = 0; round < rounds; round++) {
      const chat = createChat(`${seed}/${round}`, suites[round % 2] as string);
      const target = random.uint32() % 5;
      const mutation = mutations[random.uint32() % mutations.length] as Mutation;
      let wasChanged = false;
      const arrived = chat.run((index, frame) => {
        if (index !== target) return frame;
        const changed = mutation(frame, random);
        wasChanged = bytesToHex(changed) !== bytesToHex(frame);
        return changed;
      });
      const atBob = arrived.atBob.map(bytesToHex);
      const atAlice = arrived.atAlice.map(bytesToHex);
      // The first message of XX is not encrypted: a body changed there is noticed with the answer, and nothing more arrives.
      if (target === 0 && atBob.length > 0 && atBob[0] !== bytesToHex(a1))
        expect([atBob.length, atAlice.length]).toEqual([1, 0]);
      else expect(atBob).toEqual([a1, a2, a3].slice(0, atBob.length).map(bytesToHex));
      expect(atAlice).toEqual([b1, b2].slice(0, atAlice.length).map(bytesToHex));
      if (wasChanged && atAlice.length + atBob.length < 5) refused += 1;
    }
    expect(refused).toBeGreaterThan(rounds * 0.6);
  },
  60_000 + rounds * 50,
);

describe("NSE-15 every single-byte change of an encrypted handshake message is refused", () => {
  test.each(["XX", "IK", "XK", "NNpsk2", "KKpsk0", "IX1"])("%s", (pattern) => {
    const random = createSeededRandom(`flip/${pattern}`);
    const [initiatorKey, responderKey] = [crypto.dhKeyPair(random.bytes(32)), crypto.dhKeyPair(random.bytes(32))];
    const psks = pattern.includes("psk") ? [random.bytes(32)] : [];
    const start = (role: "initiator" | "responder"): HandshakeState => {
      const own = createSeededRandom(`ephemeral/${pattern}/${role}`);
      const isInitiator = role === "initiator";
      return value(
        createHandshake(
          { crypto, generateKeyPair: () => crypto.dhKeyPair(own.bytes(32)) },
          {
            protocolName: `Noise_${pattern}_25519_AESGCM_SHA256`,
            role,
            prologue: new Uint8Array(0),
            staticKey: isInitiator ? initiatorKey : responderKey,
            remoteStatic: (isInitiator ? responderKey : initiatorKey).publicKey,
            psks,
          },
        ),
      );
    };
    /** Both ends after `count` unchanged messages, and the next message. */
    const upTo = (count: number) => {
      const ends = { initiator: start("initiator"), responder: start("responder") };
      for (let i = 0; ; i++) {
        const [writer, reader] = i % 2 === 0 ? [ends.initiator, ends.responder] : [ends.responder, ends.initiator];
        const { payloadIsEncrypted } = writer.nextMessage();
        const message = value(writer.writeMessage(Uint8Array.of(1, 2, 3)));
        if (i === count) return { reader, message, payloadIsEncrypted };
        value(reader.readMessage(message));
      }
    };
    const messages =
      start("initiator").turn() === "write" && ["NNpsk2", "KKpsk0", "IK", "IX1"].includes(pattern) ? 2 : 3;
    let checked = 0;
    for (let count = 0; count < messages; count++) {
      const { message, payloadIsEncrypted } = upTo(count);
      if (!payloadIsEncrypted) continue;
      for (let i = 0; i < message.length; i++) {
        const { reader } = upTo(count);
        // Bit 255 of an X25519 public key is ignored by the DH but not by the hash.
        const outcome = reader.readMessage(message.with(i, (message[i] as number) ^ 0x80));
        expect(outcome.ok).toBe(false);
        expect(reader.turn()).toBe("dead");
        checked += 1;
      }
    }
    expect(checked).toBeGreaterThan(40);
  });
});
