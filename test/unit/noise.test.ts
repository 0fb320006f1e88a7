import { describe, expect, test } from "vitest";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { createCipherState } from "../../protocol/noise/cipher-state.ts";
import { createHandshake, type HandshakeConfig, type HandshakeState } from "../../protocol/noise/handshake-state.ts";
import {
  basePatterns,
  brokenValidityRule,
  buildPattern,
  type HandshakePattern,
  type Token,
} from "../../protocol/noise/patterns.ts";
import { parseProtocolName } from "../../protocol/noise/protocol-name.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const noble = createNobleProvider();
const crypto = createNativeProvider(noble);
const none = new Uint8Array(0);
const random = createSeededRandom("noise unit");
const keyPair = () => crypto.dhKeyPair(random.bytes(32));
const value = <T>(result: Result<T, { readonly type: string }>): T => {
  if (!result.ok) throw new Error(result.error.type);
  return result.value;
};
const create = (config: Omit<HandshakeConfig, "prologue"> & { readonly prologue?: Uint8Array }) =>
  createHandshake({ crypto, generateKeyPair: keyPair }, { prologue: none, ...config });

const pair = (pattern: string, psks: readonly Uint8Array[] = [], prologues = [none, none] as const) => {
  const [a, b] = [keyPair(), keyPair()];
  const protocolName = `Noise_${pattern}_25519_ChaChaPoly_SHA256`;
  return {
    initiator: value(
      create({
        protocolName,
        role: "initiator",
        staticKey: a,
        remoteStatic: b.publicKey,
        psks,
        prologue: prologues[0],
      }),
    ),
    responder: value(
      create({
        protocolName,
        role: "responder",
        staticKey: b,
        remoteStatic: a.publicKey,
        psks,
        prologue: prologues[1],
      }),
    ),
  };
};
const complete = ({ initiator, responder }: ReturnType<typeof pair>): void => {
  while (initiator.turn() !== "done")
    if (initiator.turn() === "write") value(responder.readMessage(value(initiator.writeMessage(none))));
    else value(initiator.readMessage(value(responder.writeMessage(none))));
};

describe("NSE-2 protocol names", () => {
  test.each([
    "Noise_XX_25519_AESGCM_SHA256",
    "Noise_XXfallback+psk0_25519_ChaChaPoly_BLAKE2b",
    "Noise_NNpsk0+psk2_25519_AESGCM_SHA512",
    "Noise_X1K1_25519_AESGCM_BLAKE2s",
  ])("%s is one", (name) => {
    expect(value(parseProtocolName(name)).name).toBe(name);
  });

  test.each([
    "",
    "Noise_XX_25519_AESGCM",
    "noise_XX_25519_AESGCM_SHA256",
    "Noise_XX_448_AESGCM_SHA256",
    "Noise_XX_25519_AESGCM_SHA3",
    "Noise_XX_25519_AES_SHA256",
    "Noise_xx_25519_AESGCM_SHA256",
    "Noise_XX+fallback_25519_AESGCM_SHA256",
    "Noise_XXpsk0psk1_25519_AESGCM_SHA256",
    "Noise_NNpsk2+psk0_25519_AESGCM_SHA256",
    "Noise_NNpsk0+psk0_25519_AESGCM_SHA256",
    "Noise_XXpsk0+fallback_25519_AESGCM_SHA256",
    "Noise_XXhfs_25519_AESGCM_SHA256",
    "Noise_XX_25519_AESGCM_SHA256\n",
    `Noise_XX_25519_AESGCM_SHA256${"_".repeat(255)}`,
  ])("%j is none", (name) => {
    expect(parseProtocolName(name)).toMatchObject({ ok: false, error: { type: "BadProtocolName" } });
  });
});

describe("NSE-3 patterns", () => {
  test("all 38 of the table are valid, with every psk position as well", () => {
    expect(basePatterns).toHaveLength(38);
    for (const base of basePatterns) {
      const pattern = value(buildPattern(base, []));
      for (let i = 0; i <= pattern.messages.length; i++) expect(buildPattern(base, [`psk${i}`]).ok).toBe(true);
      expect(buildPattern(base, [`psk${pattern.messages.length + 1}`]).ok).toBe(false);
    }
    expect(buildPattern("ZZ", []).ok).toBe(false);
    expect(buildPattern("constructor", []).ok).toBe(false);
  });

  const custom = (aliceKnows: boolean, ...messages: readonly (readonly Token[])[]): HandshakePattern => ({
    alicePreMessage: [],
    bobPreMessage: aliceKnows ? ["s"] : [],
    messages: messages.map((tokens, i) => ({ from: i % 2 === 0 ? "alice" : "bob", tokens, payloadIsEncrypted: true })),
    usesPsk: false,
    isFallback: false,
    isOneWay: false,
  });

  test.each([
    ["e twice", custom(false, ["e"], ["e", "ee"], ["e"])],
    ["s twice", custom(false, ["e", "s"], ["e", "ee"], ["s"])],
    ["a DH twice", custom(true, ["e", "es", "es"])],
    ["ee before Bob's e", custom(false, ["e", "ee"])],
    ["es without Bob's s", custom(false, ["e", "es"])],
    ["se without ee", custom(false, ["e", "s"], ["e", "se"], [])],
    ["ss without es", custom(true, ["s", "ss"])],
    ["s encrypted under ss without es", custom(true, ["e", "s", "ss"])],
    ["es by Bob without ee", custom(true, ["e", "es"], ["e"])],
    ["psk without e", custom(true, ["psk"], ["e"])],
  ])("%s is refused", (_, pattern) => {
    expect(brokenValidityRule(pattern)).toBeTypeOf("string");
  });

  test("fallback needs a first message of e, s or both", () => {
    for (const base of ["NN", "NX", "XN", "XX", "IN", "IX"]) expect(buildPattern(base, ["fallback"]).ok).toBe(true);
    for (const base of ["N", "X", "NK", "IK", "KK", "XK"]) expect(buildPattern(base, ["fallback"]).ok).toBe(false);
  });
});

describe("cipher state", () => {
  test.each(["AESGCM", "ChaChaPoly"] as const)(
    "NSE-4 %s: the last nonce is 2^64 - 2, and a failure does not count",
    (cipher) => {
      const key = random.bytes(32);
      const [a, b] = [createCipherState(crypto, cipher), createCipherState(noble, cipher)];
      for (const state of [a, b]) {
        state.initializeKey(key);
        state.setNonce(2n ** 32n - 1n);
      }
      for (let i = 0; i < 2; i++) {
        const ciphertext = value(a.encrypt(none, Uint8Array.of(i)));
        expect(b.decrypt(none, ciphertext.with(0, (ciphertext[0] as number) ^ 1))).toMatchObject({
          error: { type: "OpenFailed" },
        });
        expect(b.decrypt(none, ciphertext.subarray(1, 9))).toMatchObject({ error: { type: "MessageTooShort" } });
        expect(value(b.decrypt(none, ciphertext))).toEqual(Uint8Array.of(i));
      }
      for (const state of [a, b]) state.setNonce(2n ** 64n - 2n);
      value(b.decrypt(none, value(a.encrypt(none, none))));
      for (const outcome of [a.encrypt(none, none), b.decrypt(none, new Uint8Array(16)), a.encryptParts(none, [none])])
        expect(outcome).toMatchObject({ error: { type: "NonceExhausted" } });
    },
  );

  test("NSE-5 rekey changes the key and keeps the counter", () => {
    const key = random.bytes(32);
    const [a, b] = [createCipherState(crypto, "AESGCM"), createCipherState(crypto, "AESGCM")];
    for (const state of [a, b]) state.initializeKey(key);
    value(a.encrypt(none, none));
    a.rekey();
    b.rekey();
    b.setNonce(1n);
    expect(value(a.encrypt(none, Uint8Array.of(5)))).toEqual(value(b.encrypt(none, Uint8Array.of(5))));
    b.setNonce(1n);
    b.initializeKey(key);
    b.setNonce(2n);
    expect(value(a.encrypt(none, Uint8Array.of(5)))).not.toEqual(value(b.encrypt(none, Uint8Array.of(5))));
  });

  test("without a key everything passes through, but not in parts", () => {
    const state = createCipherState(crypto, "AESGCM");
    expect(value(state.encrypt(none, Uint8Array.of(1)))).toEqual(Uint8Array.of(1));
    expect(value(state.decrypt(none, Uint8Array.of(1)))).toEqual(Uint8Array.of(1));
    state.rekey();
    expect(state.hasKey()).toBe(false);
    expect(state.encryptParts(none, [none]).ok).toBe(false);
  });
});

test("NSE-6 prologues that differ fail at the first encrypted field", () => {
  const { initiator, responder } = pair("XX", [], [none, Uint8Array.of(0)]);
  value(responder.readMessage(value(initiator.writeMessage(none))));
  expect(initiator.readMessage(value(responder.writeMessage(none)))).toMatchObject({ error: { type: "OpenFailed" } });
});

test("NSE-7 a psk encrypts the first payload, and a wrong psk fails", () => {
  const psk = random.bytes(32);
  expect(pair("NNpsk2", [psk]).initiator.nextMessage()).toEqual({ overheadBytes: 48, payloadIsEncrypted: true });
  expect(pair("NN").initiator.nextMessage()).toEqual({ overheadBytes: 32, payloadIsEncrypted: false });
  const { initiator } = pair("NNpsk0", [psk]);
  const { responder } = pair("NNpsk0", [random.bytes(32)]);
  expect(responder.readMessage(value(initiator.writeMessage(none))).ok).toBe(false);
});

test("NSE-8 after a fallback the first cipher is Bob's", () => {
  const [alice, bob] = [keyPair(), keyPair()];
  const ephemeral = keyPair();
  const protocolName = "Noise_XXfallback_25519_AESGCM_SHA256";
  const a = value(create({ protocolName, role: "responder", staticKey: alice, ephemeral }));
  const b = value(create({ protocolName, role: "initiator", staticKey: bob, remoteEphemeral: ephemeral.publicKey }));
  expect([a.turn(), b.turn()]).toEqual(["read", "write"]);
  value(a.readMessage(value(b.writeMessage(none))));
  value(b.readMessage(value(a.writeMessage(none))));
  const [atA, atB] = [value(a.finish()), value(b.finish())];
  expect(bytesToHex(atA.remoteStatic ?? none)).toBe(bytesToHex(bob.publicKey));
  expect(value(atA.receive?.decrypt(none, value(atB.send?.encrypt(none, Uint8Array.of(9)) as never)) as never)).toEqual(
    Uint8Array.of(9),
  );
  expect(create({ protocolName, role: "responder", staticKey: alice })).toMatchObject({
    error: { type: "MissingKey", key: "e" },
  });
  expect(create({ protocolName, role: "initiator", staticKey: bob })).toMatchObject({
    error: { type: "MissingKey", key: "re" },
  });
});

describe("NSE-9 low-order public keys", () => {
  const points = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ].flatMap((hex) => {
    const point = hexToBytes(hex) as Uint8Array;
    return [point, point.with(31, (point[31] as number) | 0x80)];
  });

  test("as e: NK fails when it is read, XX when it is answered", () => {
    expect(points).toHaveLength(14);
    for (const point of points) {
      const message = new Uint8Array(48);
      message.set(point);
      const nk = pair("NK").responder;
      expect(nk.readMessage(message)).toMatchObject({ error: { type: "InvalidPublicKey" } });
      const xx = pair("XX").responder;
      value(xx.readMessage(point));
      expect(xx.writeMessage(none)).toMatchObject({ error: { type: "InvalidPublicKey" } });
      expect([nk.turn(), xx.turn()]).toEqual(["dead", "dead"]);
    }
  });

  test("as the known static key: the first message cannot be written", () => {
    for (const remoteStatic of points) {
      const handshake = value(
        create({ protocolName: "Noise_NK_25519_AESGCM_SHA256", role: "initiator", remoteStatic }),
      );
      expect(handshake.writeMessage(none)).toMatchObject({ error: { type: "InvalidPublicKey" } });
    }
  });
});

test("NSE-10 after a fault of the peer the handshake is dead, and the good message comes too late", () => {
  const { initiator, responder } = pair("IK");
  const message = value(initiator.writeMessage(none));
  expect(responder.readMessage(message.with(40, (message[40] as number) ^ 1)).ok).toBe(false);
  for (const outcome of [responder.readMessage(message), responder.writeMessage(none), responder.finish()])
    expect(outcome).toMatchObject({ error: { type: "Dead" } });
});

describe("NSE-11 lengths", () => {
  test("a message of 65535 bytes is written and read; one more byte is refused and changes nothing", () => {
    const { initiator, responder } = pair("XX");
    const room = 65535 - initiator.nextMessage().overheadBytes;
    expect(initiator.writeMessage(new Uint8Array(room + 1))).toMatchObject({ error: { type: "MessageTooLong" } });
    expect(initiator.turn()).toBe("write");
    expect(value(responder.readMessage(value(initiator.writeMessage(new Uint8Array(room))))).length).toBe(room);
    expect(pair("XX").responder.readMessage(new Uint8Array(65536))).toMatchObject({
      error: { type: "MessageTooLong" },
    });
  });

  test.each([
    ["XX", 31],
    ["IK", 95],
    ["NK", 47],
  ])("%s: a first message of %i bytes is too short", (pattern, length) => {
    expect(pair(pattern).responder.readMessage(new Uint8Array(length))).toMatchObject({
      error: { type: "MessageTooShort" },
    });
  });
});

test("NSE-12 out of turn nothing changes; missing and misshapen keys are refused at creation", () => {
  const { initiator, responder } = pair("XX");
  expect(initiator.readMessage(new Uint8Array(32))).toMatchObject({ error: { type: "OutOfTurn" } });
  expect(responder.writeMessage(none)).toMatchObject({ error: { type: "OutOfTurn" } });
  expect(initiator.finish()).toMatchObject({ error: { type: "OutOfTurn" } });
  complete({ initiator, responder });
  expect(initiator.writeMessage(none)).toMatchObject({ error: { type: "OutOfTurn" } });
  const named = (pattern: string) => `Noise_${pattern}_25519_AESGCM_SHA256`;
  const staticKey = keyPair();
  const refusals = [
    [create({ protocolName: named("XX"), role: "initiator" }), { type: "MissingKey", key: "s" }],
    [create({ protocolName: named("NK"), role: "initiator" }), { type: "MissingKey", key: "rs" }],
    [
      create({ protocolName: named("NK"), role: "initiator", remoteStatic: new Uint8Array(31) }),
      { type: "BadKeyLength", key: "rs" },
    ],
    [create({ protocolName: named("XXpsk3"), role: "initiator", staticKey }), { type: "MissingKey", key: "psk" }],
    [
      create({ protocolName: named("NNpsk0"), role: "initiator", psks: [new Uint8Array(31)] }),
      { type: "BadKeyLength", key: "psk" },
    ],
    [create({ protocolName: named("QQ"), role: "initiator" }), { type: "BadPattern" }],
    [create({ protocolName: "x", role: "initiator" }), { type: "BadProtocolName" }],
  ] as const;
  for (const [outcome, error] of refusals) expect(outcome).toMatchObject({ ok: false, error });
});

test("NSE-13 a one-way pattern has one direction", () => {
  const ends = pair("X");
  complete(ends);
  const [sender, recipient] = [value(ends.initiator.finish()), value(ends.responder.finish())];
  expect([sender.receive, recipient.send]).toEqual([undefined, undefined]);
  expect(
    value(recipient.receive?.decrypt(none, value(sender.send?.encrypt(none, Uint8Array.of(1)) as never)) as never),
  ).toEqual(Uint8Array.of(1));
});

test("NSE-14 both sides finish once, with the same hash", () => {
  const ends: { readonly initiator: HandshakeState; readonly responder: HandshakeState } = pair("KK");
  complete(ends);
  const [a, b] = [value(ends.initiator.finish()), value(ends.responder.finish())];
  expect(bytesToHex(a.handshakeHash)).toBe(bytesToHex(b.handshakeHash));
  expect(ends.initiator.finish().ok).toBe(false);
});
