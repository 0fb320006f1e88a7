import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { maxTransportBodyBytes } from "../../protocol/noisesocket/payload.ts";
import { createNoiseSocketSession, type NoiseSocketSession } from "../../protocol/noisesocket/session.ts";

const noble = createNobleProvider();
const native = createNativeProvider(noble);
const none = new Uint8Array(0);

const must = <T>(result: Result<T, { readonly type: string }>): T => {
  if (!result.ok) throw new Error(result.error.type);
  return result.value;
};

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

/** Seconds of CPU that `work` takes; unlike wall time it is not distorted by other processes. */
const cpuSeconds = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};

const pass = (from: NoiseSocketSession, to: NoiseSocketSession): void => {
  for (const chunk of from.takeOutput()) to.receive(chunk);
};

const newSession = (crypto: CryptoProvider, side: "initiator" | "responder"): NoiseSocketSession =>
  createNoiseSocketSession(
    { crypto, generateKeyPair: () => crypto.dhKeyPair(new Uint8Array(randomBytes(32))) },
    { side, applicationPrologue: none },
  );

const connectedPair = (
  crypto: CryptoProvider,
  protocolName: string,
  staticKey = crypto.dhKeyPair(new Uint8Array(randomBytes(32))),
) => {
  const keys = () => ({ protocolName, staticKey });
  const alice = newSession(crypto, "initiator");
  const bob = newSession(crypto, "responder");
  must(alice.start(keys(), none));
  pass(alice, bob);
  must(bob.accept(keys()));
  must(bob.writeHandshake());
  pass(bob, alice);
  must(alice.writeHandshake());
  pass(alice, bob);
  return { alice, bob };
};

/** The yardstick: node:crypto at its fastest (the key as a KeyObject), one cipher object a record, and nothing else. */
const rawRecord = (
  key: KeyObject,
  nonce: Uint8Array,
  plaintext: Uint8Array,
): { readonly sealed: Buffer; readonly tag: Buffer } => {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const sealed = cipher.update(plaintext);
  cipher.final();
  return { sealed, tag: cipher.getAuthTag() };
};
const rawOpen = (key: KeyObject, nonce: Uint8Array, sealed: Uint8Array, tag: Uint8Array): Buffer => {
  const decipher = createDecipheriv("aes-256-gcm", key, nonce);
  decipher.setAuthTag(tag);
  const plaintext = decipher.update(sealed);
  decipher.final();
  return plaintext;
};

/** The stream as a socket delivers it: chunks of 64 KiB, regardless of frames. */
const socketReads = (chunks: readonly Uint8Array[]): readonly Uint8Array[] => {
  const stream = Buffer.concat(chunks);
  return Array.from({ length: Math.ceil(stream.length / 65_536) }, (_, i) =>
    Uint8Array.from(stream.subarray(i * 65_536, (i + 1) * 65_536)),
  );
};

const transport = (
  crypto: CryptoProvider,
  protocolName: string,
  bodyBytes: number,
  totalBytes: number,
  rounds: number,
) => {
  const count = Math.max(8, Math.round(totalBytes / bodyBytes));
  const megabytes = (count * bodyBytes) / 1e6;
  const body = new Uint8Array(randomBytes(bodyBytes));
  const key = createSecretKey(randomBytes(32));
  const nonce = randomBytes(12);
  const raw = rawRecord(key, nonce, body);
  const sender = connectedPair(crypto, protocolName).alice;
  const { alice, bob } = connectedPair(crypto, protocolName);
  const times = { send: [] as number[], receive: [] as number[], rawSeal: [] as number[], rawOpen: [] as number[] };
  for (let round = -1; round < rounds; round++) {
    const chunks: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      must(alice.send(body));
      chunks.push(...alice.takeOutput());
    }
    const reads = socketReads(chunks);
    const measured = {
      rawSeal: cpuSeconds(() => {
        for (let i = 0; i < count; i++) rawRecord(key, nonce, body);
      }),
      send: cpuSeconds(() => {
        for (let i = 0; i < count; i++) {
          must(sender.send(body));
          sender.takeOutput();
        }
      }),
      rawOpen: cpuSeconds(() => {
        for (let i = 0; i < count; i++) rawOpen(key, nonce, raw.sealed, raw.tag);
      }),
      receive: cpuSeconds(() => {
        let received = 0;
        for (const chunk of reads) received += bob.receive(chunk).filter(({ type }) => type === "message").length;
        if (received !== count) throw new Error("a record was lost");
      }),
    };
    if (round >= 0)
      for (const name of ["send", "receive", "rawSeal", "rawOpen"] as const) times[name].push(measured[name]);
  }
  const rate = (name: keyof typeof times): number => megabytes / median(times[name]);
  const round2 = (value: number): number => Math.round(value * 100) / 100;
  return {
    sendMBps: Math.round(rate("send")),
    receiveMBps: Math.round(rate("receive")),
    rawSealMBps: Math.round(rate("rawSeal")),
    rawOpenMBps: Math.round(rate("rawOpen")),
    sendToRaw: round2(rate("send") / rate("rawSeal")),
    receiveToRaw: round2(rate("receive") / rate("rawOpen")),
  };
};

/** CPU milliseconds a side of a whole XX handshake with fresh ephemeral keys. */
const handshake = (crypto: CryptoProvider, protocolName: string, count: number): number => {
  const staticKey = crypto.dhKeyPair(new Uint8Array(randomBytes(32)));
  connectedPair(crypto, protocolName, staticKey);
  const rounds: number[] = [];
  for (let round = 0; round < 5; round++)
    rounds.push(
      cpuSeconds(() => {
        for (let i = 0; i < count; i++) connectedPair(crypto, protocolName, staticKey);
      }) / count,
    );
  return Math.round((median(rounds) / 2) * 1e6) / 1e3;
};

/** Transport records and handshakes of NoiseSocket against bare AES-256-GCM of node:crypto, in one run; CPU time, medians. */
export const run = (options: { readonly args: readonly string[] }): Promise<object> => {
  const isQuick = options.args.includes("--quick");
  const rounds = isQuick ? 3 : 9;
  const volume = isQuick ? 16e6 : 64e6;
  const aesGcm = "Noise_XX_25519_AESGCM_SHA256";
  const chaChaPoly = "Noise_XX_25519_ChaChaPoly_SHA256";
  transport(native, aesGcm, 1024, volume / 6, 2);
  return Promise.resolve({
    bench: "noise",
    runtime: `node ${process.versions.node}, ${process.versions["electron"] === undefined ? "OpenSSL" : "BoringSSL"}`,
    goals: { transport64KiBMBps: 400, handshakeMsPerSide: 1 },
    aesGcm64KiB: transport(native, aesGcm, maxTransportBodyBytes, volume, rounds),
    aesGcm1KiB: transport(native, aesGcm, 1024, volume / 6, rounds),
    chaChaPoly64KiB: transport(native, chaChaPoly, maxTransportBodyBytes, volume, rounds),
    chaChaPoly1KiB: transport(native, chaChaPoly, 1024, volume / 6, rounds),
    handshakeMsPerSide: {
      native: handshake(native, aesGcm, isQuick ? 20 : 100),
      noble: handshake(noble, aesGcm, isQuick ? 2 : 8),
    },
  });
};
