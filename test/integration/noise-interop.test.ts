import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { createHandshake, type HandshakeConfig, type HandshakeState } from "../../protocol/noise/handshake-state.ts";
import { createHolepunchPeer, loadNoiseC, type NoisePeer } from "../support/noise-peers.ts";

const noble = createNobleProvider();
const native = createNativeProvider(noble);
const none = new Uint8Array(0);
const prologue = new TextEncoder().encode("interop");
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const value = <T>(result: Result<T, { readonly type: string }>): T => {
  if (!result.ok) throw new Error(result.error.type);
  return result.value;
};
const expectSame = (actual: Uint8Array, expected: Uint8Array): void => expect(Buffer.compare(actual, expected)).toBe(0);

let noiseC: Awaited<ReturnType<typeof loadNoiseC>>;
beforeAll(async () => {
  noiseC = await loadNoiseC();
});

/** Handshake with odd payloads, then three transport messages each way (none back after a one-way pattern). */
const talk = (ours: HandshakeState, peer: NoisePeer, isOneWay: boolean, weInitiate: boolean): void => {
  while (ours.turn() !== "done") {
    const payload = random(1 + 2 * Math.floor(Math.random() * 40));
    if (ours.turn() === "write") expectSame(peer.read(value(ours.writeMessage(payload))), payload);
    else expectSame(value(ours.readMessage(peer.write(payload))), payload);
  }
  const { handshakeHash, send, receive } = value(ours.finish());
  const end = peer.finish();
  expectSame(end.handshakeHash, handshakeHash);
  for (const length of [0, 1, 1001]) {
    const body = random(length);
    if (!isOneWay || weInitiate)
      expectSame(end.decrypt(value(send?.encrypt(none, body) as Result<Uint8Array, never>)), body);
    if (!isOneWay || !weInitiate)
      expectSame(value(receive?.decrypt(none, end.encrypt(body)) as Result<Uint8Array, never>), body);
  }
};

const start = (crypto: CryptoProvider, config: HandshakeConfig): HandshakeState =>
  value(createHandshake({ crypto, generateKeyPair: () => crypto.dhKeyPair(random(32)) }, config));

type Connect = (config: Parameters<typeof createHolepunchPeer>[0]) => NoisePeer;

const meet = (connect: Connect, crypto: CryptoProvider, protocolName: string, weInitiate: boolean): void => {
  const own = crypto.dhKeyPair(random(32));
  const other = crypto.dhKeyPair(random(32));
  const psks = /psk\d/.test(protocolName) ? [random(32)] : [];
  const [psk] = psks;
  const peer = connect({
    protocolName,
    isInitiator: !weInitiate,
    prologue,
    staticPrivate: other.privateKey,
    staticPublic: other.publicKey,
    remoteStatic: own.publicKey,
    ...(psk === undefined ? {} : { psk }),
  });
  const ours = start(crypto, {
    protocolName,
    role: weInitiate ? "initiator" : "responder",
    prologue,
    staticKey: own,
    remoteStatic: other.publicKey,
    psks,
  });
  talk(ours, peer, /^Noise_[NKX]_/.test(protocolName), weInitiate);
};

const patterns = ["N", "K", "X", "NN", "NK", "NX", "XN", "XK", "XX", "KN", "KK", "KX", "IN", "IK", "IX"];
const suites = ["ChaChaPoly", "AESGCM"].flatMap((cipher) =>
  ["SHA256", "SHA512", "BLAKE2s", "BLAKE2b"].map((hash) => `25519_${cipher}_${hash}`),
);

describe("NSE-1 noise-c", () => {
  test.each(patterns)("%s in every suite, both roles", (pattern) => {
    for (const suite of suites)
      for (const weInitiate of [true, false]) meet(noiseC.connect, native, `Noise_${pattern}_${suite}`, weInitiate);
  });

  test("XX with the pure provider", () => {
    for (const weInitiate of [true, false]) meet(noiseC.connect, noble, "Noise_XX_25519_AESGCM_BLAKE2s", weInitiate);
  });

  test.each(suites)("NSE-8 IK falls back to XX with it as Bob: %s", (suite) => {
    const [own, stale, bob] = [
      native.dhKeyPair(random(32)),
      native.dhKeyPair(random(32)),
      native.dhKeyPair(random(32)),
    ];
    const first = start(native, {
      protocolName: `Noise_IK_${suite}`,
      role: "initiator",
      prologue,
      staticKey: own,
      remoteStatic: stale.publicKey,
    });
    const message = value(first.writeMessage(random(7)));
    const peer = noiseC.fallBack(
      {
        protocolName: `Noise_IK_${suite}`,
        isInitiator: false,
        prologue,
        staticPrivate: bob.privateKey,
        staticPublic: bob.publicKey,
        remoteStatic: own.publicKey,
      },
      message,
      bob.privateKey,
    );
    const ephemeral = first.ephemeral();
    const ours = start(native, {
      protocolName: `Noise_XXfallback_${suite}`,
      role: "responder",
      prologue,
      staticKey: own,
      ...(ephemeral === undefined ? {} : { ephemeral }),
    });
    talk(ours, peer, false, false);
  });
});

test.each(["XX", "XK", "IK", "NN", "NNpsk0", "XXpsk0"])("NSE-1 noise-handshake %s, both roles", (pattern) => {
  for (const crypto of [native, noble])
    for (const weInitiate of [true, false])
      meet(createHolepunchPeer, crypto, `Noise_${pattern}_25519_ChaChaPoly_BLAKE2b`, weInitiate);
});
