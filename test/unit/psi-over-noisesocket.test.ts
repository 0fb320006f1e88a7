import { describe, expect, test } from "vitest";
import { type BfpsiEffect, bfpsiQuota, createBfpsi } from "../../protocol/bfpsi/bfpsi.ts";
import { createRunQuota } from "../../protocol/bfpsi/run-quota.ts";
import type { SecretElement } from "../../protocol/bfpsi/secret-element.ts";
import { decodeBfpsiMessage, encodeBfpsiMessage } from "../../protocol/bfpsi/wire.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { DhKeyPair } from "../../protocol/crypto/provider.ts";
import { ascii } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import { createNoiseSocketSession, type NoiseSocketSession } from "../../protocol/noisesocket/session.ts";
import { commonTopics, secretTopics } from "../support/psi-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const protocolName = "Noise_XX_25519_AESGCM_SHA256";
const now = monotonicMs(0);

interface Endpoint {
  readonly session: NoiseSocketSession;
  readonly key: DhKeyPair;
  /** Set once the handshake is over. */
  handshakeHash?: Uint8Array;
  remote?: Uint8Array;
  readonly inbox: Uint8Array[];
}

const keyPair = (random: RandomSource): DhKeyPair => crypto.dhKeyPair(random.bytes(32));

const pump = (from: Endpoint, to: Endpoint): boolean => {
  const chunks = from.session.takeOutput();
  for (const chunk of chunks) {
    for (const event of to.session.receive(Uint8Array.from(chunk))) {
      if (event.type === "failed") throw new Error(event.error.type);
      if (event.type === "request") to.session.accept({ protocolName, staticKey: to.key });
      if (event.type === "established") {
        to.handshakeHash = Uint8Array.from(event.handshakeHash);
        if (event.remoteStatic !== undefined) to.remote = Uint8Array.from(event.remoteStatic);
      }
      if (event.type === "message") to.inbox.push(Uint8Array.from(event.body));
    }
    while (to.session.mustWriteHandshake()) {
      const written = to.session.writeHandshake();
      if (!written.ok) throw new Error(written.error.type);
      for (const event of written.value) {
        if (event.type !== "established") continue;
        to.handshakeHash = Uint8Array.from(event.handshakeHash);
        if (event.remoteStatic !== undefined) to.remote = Uint8Array.from(event.remoteStatic);
      }
    }
  }
  return chunks.length > 0;
};

/** Two ends of one established session over a pipe in memory. */
const connect = (random: RandomSource, aliceKey: DhKeyPair, bobKey: DhKeyPair): readonly [Endpoint, Endpoint] => {
  const end = (side: "initiator" | "responder", key: DhKeyPair): Endpoint => ({
    session: createNoiseSocketSession(
      { crypto, generateKeyPair: () => keyPair(random) },
      { side, applicationPrologue: ascii("psi test") },
    ),
    key,
    inbox: [],
  });
  const alice = end("initiator", aliceKey);
  const bob = end("responder", bobKey);
  const started = alice.session.start({ protocolName, staticKey: aliceKey }, ascii(protocolName));
  if (!started.ok) throw new Error(started.error.type);
  while (pump(alice, bob) || pump(bob, alice)) continue;
  return [alice, bob];
};

const bfpsiOn = (end: Endpoint, random: RandomSource, items: ReadonlyMap<string, SecretElement>) => {
  if (end.handshakeHash === undefined || end.remote === undefined) throw new Error("not established");
  return createBfpsi({
    crypto,
    random,
    channel: { handshakeHash: end.handshakeHash, local: end.key.publicKey, remote: end.remote },
    peer: "peer",
    items: () => items,
    started: createRunQuota(bfpsiQuota),
    answered: createRunQuota(bfpsiQuota),
  });
};

describe("[BFP-3] BFPSI inside NoiseSocket", () => {
  const random = createSeededRandom("psi-over-noisesocket");
  const items = secretTopics(crypto, 0, 20);

  test("both ends of a session have one handshake hash and find what they share", () => {
    const [alice, bob] = connect(random, keyPair(random), keyPair(random));
    expect(alice.handshakeHash).toEqual(bob.handshakeHash);
    expect(bob.remote).toEqual(alice.key.publicKey);
    const ends = [
      { end: alice, machine: bfpsiOn(alice, random.fork("a"), items), seen: [] as BfpsiEffect[] },
      { end: bob, machine: bfpsiOn(bob, random.fork("b"), secretTopics(crypto, 15, 40)), seen: [] as BfpsiEffect[] },
    ] as const;
    const apply = (at: (typeof ends)[number], effects: readonly BfpsiEffect[]): void => {
      at.seen.push(...effects);
      for (const effect of effects) if (effect.type === "send") at.end.session.send(encodeBfpsiMessage(effect.message));
    };
    apply(ends[0], ends[0].machine.handle({ type: "intersect" }, now));
    while (pump(alice, bob) || pump(bob, alice)) {
      for (const at of ends) {
        for (const bytes of at.end.inbox.splice(0)) {
          const decoded = decodeBfpsiMessage(bytes);
          if (!decoded.ok) throw new Error(decoded.error.rule);
          apply(at, at.machine.handle({ type: "messageReceived", message: decoded.value }, now));
        }
      }
    }
    const expected = [15, 16, 17, 18, 19].map((topic) => `topic ${topic}`);
    expect(commonTopics(ends[0].seen)).toEqual(expected);
    expect(commonTopics(ends[1].seen)).toEqual(expected);
  });

  test("a peer that relays the messages between two of its own sessions makes neither end find anything", () => {
    const mallory = keyPair(random);
    const [alice] = connect(random, keyPair(random), mallory);
    const [, bob] = connect(random, mallory, keyPair(random));
    const left = bfpsiOn(alice, random.fork("left"), items);
    const right = bfpsiOn(bob, random.fork("right"), items);
    const seen: BfpsiEffect[] = [];
    let toRight: readonly BfpsiEffect[] = left.handle({ type: "intersect" }, now);
    for (let hop = 0; hop < 4 && toRight.length > 0; hop++) {
      const receiver = hop % 2 === 0 ? right : left;
      const relayed = toRight.flatMap((effect) => (effect.type === "send" ? [effect.message] : []));
      toRight = relayed.flatMap((message) => receiver.handle({ type: "messageReceived", message }, now));
      seen.push(...toRight);
    }
    const results = seen.filter((effect) => effect.type === "intersectionFound");
    expect(results).toHaveLength(2);
    for (const result of results) expect(result).toMatchObject({ common: [] });
  });
});
