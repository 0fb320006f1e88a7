import type { CryptoProvider } from "../crypto/provider.ts";
import { bytesEqual, bytesToHex } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import { type Bound, END_GEN, FINGERPRINT_BYTES, ID_BYTES, type ItemSet, type SetItem } from "./item-set.ts";
import { appendVarint } from "./varint.ts";

export interface ReconcilerOptions {
  readonly crypto: CryptoProvider;
  readonly set: ItemSet;
  /** Largest message in bytes, at least 4 096; `FRAME_LIMIT` unless told. */
  readonly frameLimit?: number;
}

/** What one message of the peer taught the initiator. */
export interface Difference {
  /** Ids we have and the peer lacks. */
  readonly have: readonly Uint8Array[];
  /** Ids the peer has and we lack. */
  readonly need: readonly Uint8Array[];
}

/** The side that starts and learns the difference. */
export interface Initiator {
  /** First message. */
  readonly start: () => Uint8Array;
  /** Takes a reply; `next` is the message to send or `undefined` when the sets are compared. */
  readonly take: (message: Uint8Array) => Result<Difference & { readonly next: Uint8Array | undefined }, DecodeError>;
}

/** Range-based set reconciliation, initiating side (negentropy protocol version 1; Meyer, arXiv:2212.13567). */
export const createInitiator = (options: ReconcilerOptions): Initiator => {
  const { set } = options;
  return {
    start: () => {
      const out = createWriter();
      splitRange(options, 0, set.size(), END, out, LISTED_AT_START);
      return out.finish();
    },
    take: (message) => {
      const have: Uint8Array[] = [];
      const need: Uint8Array[] = [];
      const reply = answer(options, message, (theirs, from, to) => {
        const unknown = new Map(theirs.map((id) => [bytesToHex(id), id]));
        for (const { id } of set.range(from, to)) if (!unknown.delete(bytesToHex(id))) have.push(id);
        for (const id of unknown.values()) need.push(id);
      });
      if (!reply.ok) return reply;
      return ok({ have, need, next: reply.value.length > 1 ? reply.value : undefined });
    },
  };
};

/** Answers one message of an initiator; keeps nothing between messages. */
export const respond = (options: ReconcilerOptions, message: Uint8Array): Result<Uint8Array, DecodeError> =>
  answer(options, message, undefined);

/** Called by the initiator for each id list, with the range of own items it is about. */
type OnIdList = (theirs: readonly Uint8Array[], from: number, to: number) => void;

const answer = (
  options: ReconcilerOptions,
  message: Uint8Array,
  onIdList: OnIdList | undefined,
): Result<Uint8Array, DecodeError> => {
  const { crypto, set, frameLimit = FRAME_LIMIT } = options;
  const reader = createReader(message);
  const version = message[0];
  if (version === undefined) return decodeError("empty message");
  if (version < 0x60 || version > 0x6f) return decodeError("not a negentropy message");
  // A responder tells a newer initiator its own version by a message that has nothing else in it.
  if (version !== VERSION)
    return onIdList === undefined ? ok(Uint8Array.of(VERSION)) : decodeError("unsupported negentropy version");

  const out = createWriter();
  const isFull = (more: number): boolean => out.length() + more > frameLimit - RESERVE;
  let skipped: Bound | undefined;
  let from = 0;
  const flushSkip = (): void => {
    if (skipped === undefined) return;
    out.bound(skipped);
    out.varint(SKIP);
    skipped = undefined;
  };

  while (!reader.atEnd()) {
    const bound = reader.bound();
    const mode = reader.varint();
    if (reader.failed()) return decodeError("broken bound", reader.at());
    let to = set.lowerBound(bound, from);
    if (mode === SKIP) {
      skipped = bound;
    } else if (mode === FINGERPRINT) {
      const theirs = reader.bytes(FINGERPRINT_BYTES);
      if (reader.failed()) return decodeError("broken fingerprint", reader.at());
      if (bytesEqual(theirs, set.fingerprint(crypto, from, to))) skipped = bound;
      else {
        flushSkip();
        splitRange(options, from, to, bound, out);
      }
    } else if (mode === ID_LIST) {
      const count = reader.varint();
      if (reader.failed() || count > reader.left() / ID_BYTES) return decodeError("broken id list", reader.at());
      const theirs: Uint8Array[] = [];
      for (let i = 0; i < count; i++) theirs.push(reader.bytes(ID_BYTES));
      if (onIdList !== undefined) {
        onIdList(theirs, from, to);
        skipped = bound;
      } else {
        flushSkip();
        const mine: SetItem[] = [];
        let end = bound;
        for (const item of set.range(from, to)) {
          if (isFull(mine.length * ID_BYTES)) {
            end = { gen: item.gen, prefix: item.id };
            to = from + mine.length;
            break;
          }
          mine.push(item);
        }
        writeIds(out, end, mine);
      }
    } else return decodeError("unknown mode", reader.at());
    from = to;
    if (isFull(0)) {
      out.bound(END);
      out.varint(FINGERPRINT);
      out.bytes(set.fingerprint(crypto, to, set.size()));
      break;
    }
  }
  return ok(out.finish());
};

/** Describes own items `from` to `to - 1`: up to `listed` by their ids, more by sixteen fingerprints. */
const splitRange = (
  { crypto, set }: ReconcilerOptions,
  from: number,
  to: number,
  end: Bound,
  out: Writer,
  listed: number = LISTED,
): void => {
  const count = to - from;
  if (count <= listed) {
    writeIds(out, end, Array.from(set.range(from, to)));
    return;
  }
  const buckets = Math.min(BUCKETS, count);
  const perBucket = Math.floor(count / buckets);
  const larger = count % buckets;
  let at = from;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const next = at + perBucket + (bucket < larger ? 1 : 0);
    out.bound(next === to ? end : shortestBound(set.at(next - 1), set.at(next)));
    out.varint(FINGERPRINT);
    out.bytes(set.fingerprint(crypto, at, next));
    at = next;
  }
};

const writeIds = (out: Writer, end: Bound, items: readonly SetItem[]): void => {
  out.bound(end);
  out.varint(ID_LIST);
  out.varint(items.length);
  for (const { id } of items) out.bytes(id);
};

/** Shortest bound that lies above `below` and not above `item`. */
const shortestBound = (below: SetItem, item: SetItem): Bound => {
  if (item.gen !== below.gen) return { gen: item.gen, prefix: NO_PREFIX };
  let shared = 0;
  while (shared < ID_BYTES && item.id[shared] === below.id[shared]) shared++;
  return { gen: item.gen, prefix: item.id.subarray(0, shared + 1) };
};

interface Writer {
  readonly bound: (bound: Bound) => void;
  readonly varint: (value: number) => void;
  readonly bytes: (bytes: Uint8Array) => void;
  readonly length: () => number;
  readonly finish: () => Uint8Array;
}

/** Gens are written as differences to the last one, plus one; zero is the end of the set. */
const createWriter = (): Writer => {
  const out: number[] = [VERSION];
  let lastGen = 0;
  const bytes = (more: Uint8Array): void => {
    for (const byte of more) out.push(byte);
  };
  return {
    bound: ({ gen, prefix }) => {
      appendVarint(out, gen === END_GEN ? 0 : gen - lastGen + 1);
      lastGen = gen;
      appendVarint(out, prefix.length);
      bytes(prefix);
    },
    varint: (value) => appendVarint(out, value),
    bytes,
    length: () => out.length,
    finish: () => Uint8Array.from(out),
  };
};

interface Reader {
  readonly atEnd: () => boolean;
  readonly at: () => number;
  readonly left: () => number;
  /** A read went wrong; everything after it yields zeros. */
  readonly failed: () => boolean;
  readonly bound: () => Bound;
  readonly varint: () => number;
  readonly bytes: (count: number) => Uint8Array;
}

const createReader = (message: Uint8Array): Reader => {
  let at = 1;
  let failed = false;
  let lastGen = 0;
  const varint = (): number => {
    let value = 0;
    for (let i = 0; i < 8; i++) {
      const byte = message[at++];
      if (byte === undefined) break;
      value = value * 128 + (byte & 127);
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (byte < 128) return value;
    }
    failed = true;
    return 0;
  };
  const bytes = (count: number): Uint8Array => {
    if (count > message.length - at) {
      failed = true;
      return new Uint8Array(count);
    }
    at += count;
    return message.subarray(at - count, at);
  };
  return {
    atEnd: () => at >= message.length,
    at: () => at,
    left: () => message.length - at,
    failed: () => failed,
    varint,
    bytes,
    bound: () => {
      const difference = varint();
      lastGen = difference === 0 ? END_GEN : lastGen + difference - 1;
      if (lastGen !== END_GEN && !Number.isSafeInteger(lastGen)) failed = true;
      const length = varint();
      if (length > ID_BYTES) failed = true;
      return { gen: lastGen, prefix: bytes(Math.min(length, ID_BYTES)) };
    },
  };
};

/** Negentropy protocol version 1. */
const VERSION = 0x61;
const SKIP = 0;
const FINGERPRINT = 1;
const ID_LIST = 2;
const BUCKETS = 16;
/** Ranges of up to 31 items are listed, as in the reference implementation. */
const LISTED = 2 * BUCKETS - 1;
/** In the first message only ten, so that comparing equal sets costs at most 700 bytes at any size (SPEC RSM-3). */
const LISTED_AT_START = 10;
const NO_PREFIX = new Uint8Array(0);
const END: Bound = { gen: END_GEN, prefix: NO_PREFIX };
/** Room for one more described range (31 ids or 16 fingerprints with bounds, about 1 040 bytes) and the closing fingerprint. */
const RESERVE = 1200;
/** A message fits a NoiseSocket record of 65 535 bytes with its own header. */
const FRAME_LIMIT = 60_000;
