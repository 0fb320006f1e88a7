import { type CborValue, decodeShape, encodeCbor } from "../codec/cbor.ts";
import { DOMAINS } from "../codec/domains.ts";
import { array, bytes, bytesUpTo, literal, mapped, tagged, tuple, uint } from "../codec/shape.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { exhaustive } from "../kernel/assert.ts";
import { bytesEqual, bytesToHex, concatBytes } from "../kernel/bytes.ts";
import { type DecodeError, err, ok, type Result } from "../kernel/result.ts";

/** What a live item carries; never stored, always repeated durably by an entry when it matters. */
export type LiveData =
  /** Cursor, selection, name: opaque to the protocol, at most 4 KiB. */
  | { readonly type: "presence"; readonly state: Uint8Array }
  /** Automerge changes of this session that the next entry will carry too. */
  | { readonly type: "changes"; readonly doc: Uint8Array; readonly changes: readonly Uint8Array[] }
  /** The sender listens; live items must quote `challenge` to be taken by it. */
  | { readonly type: "listening"; readonly challenge: Uint8Array };

/** Inner form of a live item (kind 4). */
export interface LiveMessage {
  readonly devSig: Uint8Array;
  readonly sess: Uint8Array;
  /** Rises with every live item of the session. */
  readonly counter: number;
  /** The receiver's challenge; zero in a `listening` item. */
  readonly challenge: Uint8Array;
  readonly data: LiveData;
}

export type LiveError = DecodeError | { readonly type: "DeviceSignatureInvalid" };

/** Signs a live message for the topic it is sent on; the result is the plaintext of a kind 4 item. */
export const signLive = (device: SigningKey, topicPk: Uint8Array, message: Omit<LiveMessage, "devSig">): Uint8Array => {
  const unsigned: readonly CborValue[] = [
    7,
    device.publicKey,
    message.sess,
    message.counter,
    message.challenge,
    dataValue(message.data),
  ];
  const encoded = encodeCbor([...unsigned, EMPTY_SIGNATURE]);
  const signature = device.sign(signedBytes(topicPk, encoded));
  encoded.set(signature, encoded.length - signature.length);
  return encoded;
};

/** Strict decoding plus the device signature; freshness is `acceptLive`'s matter, membership the host's. */
export const readLive = (
  crypto: CryptoProvider,
  topicPk: Uint8Array,
  plaintext: Uint8Array,
): Result<LiveMessage, LiveError> => {
  const read = decodeShape(liveShape, plaintext);
  if (!read.ok) return read;
  const [, devSig, sess, counter, challenge, data, sig] = read.value;
  if (!crypto.verify(devSig, signedBytes(topicPk, plaintext), sig)) return err({ type: "DeviceSignatureInvalid" });
  return ok({ devSig, sess, counter, challenge, data });
};

/** Last counter taken from each session, under one challenge of ours. */
export interface LiveWindow {
  readonly challenge: Uint8Array;
  readonly counters: ReadonlyMap<string, number>;
}

export const createLiveWindow = (challenge: Uint8Array): LiveWindow => ({ challenge, counters: new Map() });

/** The window after taking `message`, or `undefined` when it is stale: foreign challenge or a counter that does not rise. */
export const acceptLive = (window: LiveWindow, message: LiveMessage): LiveWindow | undefined => {
  if (message.data.type === "listening") return window;
  if (!bytesEqual(message.challenge, window.challenge)) return undefined;
  const key = bytesToHex(message.devSig) + bytesToHex(message.sess);
  if (message.counter <= (window.counters.get(key) ?? -1)) return undefined;
  return { challenge: window.challenge, counters: new Map(window.counters).set(key, message.counter) };
};

/** The signature covers the received bytes up to itself: it is the last member, a 64-byte string with a two-byte head. */
const signedBytes = (topicPk: Uint8Array, encoded: Uint8Array): Uint8Array =>
  concatBytes(DOMAINS.live, topicPk, encoded.subarray(0, encoded.length - EMPTY_SIGNATURE.length - 2));

const dataValue = (data: LiveData): CborValue => {
  switch (data.type) {
    case "presence":
      return [0, data.state];
    case "changes":
      return [1, data.doc, data.changes];
    case "listening":
      return [2, data.challenge];
    default:
      return exhaustive(data);
  }
};

const EMPTY_SIGNATURE = new Uint8Array(64);
const LARGEST_PRESENCE = 4096;
const LARGEST_LIVE_CHANGE = 32 * 1024;
const MAX_LIVE_CHANGES = 256;

const liveShape = tuple(
  literal(7),
  bytes(32),
  bytes(16),
  uint(),
  bytes(16),
  tagged<LiveData>({
    0: mapped(tuple(literal(0), bytesUpTo(LARGEST_PRESENCE)), ([, state]) => ({ type: "presence", state })),
    1: mapped(
      tuple(literal(1), bytes(16), array(bytesUpTo(LARGEST_LIVE_CHANGE), MAX_LIVE_CHANGES, 1)),
      ([, doc, changes]) => ({
        type: "changes",
        doc,
        changes,
      }),
    ),
    2: mapped(tuple(literal(2), bytes(16)), ([, challenge]) => ({ type: "listening", challenge })),
  }),
  bytes(64),
);
