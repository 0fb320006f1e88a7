import { MAX_CHUNK_WIRE } from "../blob/manifest.ts";
import { type CborValue, decodeShape, encodeCbor, type Shape } from "../codec/cbor.ts";
import {
  array,
  bytes,
  bytesUpTo,
  literal,
  mapped,
  nullable,
  grownTuple,
  openTuple,
  refined,
  tagged,
  text,
  tuple,
  uint,
} from "../codec/shape.ts";
import type { DecodeError, Result } from "../kernel/result.ts";
import {
  ERROR_CODE,
  type ErrorCode,
  type ProxyMessage,
  PUSH_STATUS,
  type PushStatus,
  type RelayContact,
  SUBSCRIBE_STATUS,
  type SubscribeStatus,
  type Subscription,
} from "./messages.ts";

/** Topics in one `subscribe` or `unsubscribe`; more are sent in several. */
export const MAX_TOPICS_PER_MESSAGE = 256;
/** Items in one page and ids in one question: a page of ids is 8 KiB. */
export const MAX_PAGE_ITEMS = 256;
/** Items in one push (data formats, section 9.2). */
export const MAX_PUSH_ITEMS = 64;
/** Largest item: a body of 4 MiB with its headers. */
export const MAX_WIRE_BYTES = 4_194_304 + 1_024;
export const MAX_BLOBS_PER_MESSAGE = 256;
export const MAX_PULL_BYTES = 4_194_304;
export const CODE_BYTES = 16;
/** Frame limit of reconciliation with room for its header. */
const MAX_RECONCILE_BYTES = 65_536;
const MAX_REQUEST = 2 ** 32 - 1;
const MAX_TEXT_BYTES = 256;
export const MAX_RELAY_CONTACTS = 4;
const MAX_ADDRESS_BYTES = 128;
const MAX_UNIX_SECONDS = 2 ** 40;

const HELLO = 1;
const WELCOME = 2;
const SUB = 3;
const SUBRES = 4;
const PULL = 5;
const ITEMS = 6;
const PUSH = 7;
const PUSHRES = 8;
const LIVE = 9;
const NEG = 10;
const NEGRES = 11;
const GET = 12;
const UNSUB = 13;
const RELAY = 14;
const BPUT = 15;
const BHAVE = 16;
const BGET = 17;
const BPIN = 18;
const BUNPIN = 19;
const INBOXREG = 20;
const REDEEM = 21;
const STAT = 22;
const PING = 23;
const DONE = 24;
const BHAS = 25;
const BLOB = 26;
const ACCOUNT = 27;
const STATS = 28;
const PONG = 29;
const ERR = 31;

const FLAG_LIVE = 1;
const FLAG_PIN = 2;
const FLAG_CHECKPOINT_FIRST = 4;
const FLAG_RELAY = 8;

const request = uint(MAX_REQUEST);
const key = bytes(32);
const signature = bytes(64);
const position = uint();
const item = bytesUpTo(MAX_WIRE_BYTES, 1);
const flag = mapped(uint(1), (value) => value === 1);
const oneOf = <T extends number>(values: Readonly<Record<string, T>>, rule: string): Shape<T> =>
  mapped(
    refined(uint(255), rule, (value) => Object.values(values).includes(value as T)),
    (value) => value as T,
  );
const pushStatus: Shape<PushStatus> = oneOf(PUSH_STATUS, "unknown status");
const subscribeStatus: Shape<SubscribeStatus> = oneOf(SUBSCRIBE_STATUS, "unknown status");
const errorCode: Shape<ErrorCode> = oneOf(ERROR_CODE, "unknown error code");

const subscription: Shape<Subscription> = mapped(tuple(key, nullable(position), uint(15)), ([topic, after, flags]) => ({
  topic,
  after,
  live: (flags & FLAG_LIVE) !== 0,
  pin: (flags & FLAG_PIN) !== 0,
  checkpointFirst: (flags & FLAG_CHECKPOINT_FIRST) !== 0,
  relay: (flags & FLAG_RELAY) !== 0,
}));

const relayContact = mapped(tuple(key, text(MAX_ADDRESS_BYTES)), ([staticPk, address]): RelayContact => ({
  staticPk,
  address,
}));

const flagsOf = ({ live, pin, checkpointFirst, relay }: Subscription): number =>
  (live ? FLAG_LIVE : 0) |
  (pin ? FLAG_PIN : 0) |
  (checkpointFirst ? FLAG_CHECKPOINT_FIRST : 0) |
  (relay ? FLAG_RELAY : 0);

/** A bit for each id, lowest first; spare bits are zero. */
const bitmap: Shape<readonly boolean[]> = mapped(
  refined(
    tuple(uint(MAX_BLOBS_PER_MESSAGE), bytesUpTo(MAX_BLOBS_PER_MESSAGE / 8)),
    "bitmap of another length",
    ([count, bits]) => bits.length === Math.ceil(count / 8) && spareBits(count, bits) === 0,
  ),
  ([count, bits]) => Array.from({ length: count }, (_, i) => (((bits[i >> 3] as number) >> (i & 7)) & 1) === 1),
);

const spareBits = (count: number, bits: Uint8Array): number =>
  count % 8 === 0 ? 0 : (bits[bits.length - 1] as number) >> (count % 8);

const bitmapOf = (present: readonly boolean[]): CborValue => {
  const bits = new Uint8Array(Math.ceil(present.length / 8));
  for (const [i, isPresent] of present.entries())
    if (isPresent) bits[i >> 3] = (bits[i >> 3] as number) | (1 << (i & 7));
  return [present.length, bits];
};

const blobIds = array(key, MAX_BLOBS_PER_MESSAGE);

/** `hello` and `welcome` may grow at their end, so that versions can be negotiated; every other message is exact. */
const message = tagged<ProxyMessage>({
  [HELLO]: mapped(openTuple(literal(HELLO), uint(255), uint(0xffff)), ([, version, features]) => ({
    type: "hello",
    version,
    features,
  })),
  [WELCOME]: mapped(
    openTuple(
      literal(WELCOME),
      uint(255),
      bytes(16),
      uint(MAX_UNIX_SECONDS),
      openTuple(uint(), uint(), uint(), uint(), uint(), uint()),
      flag,
    ),
    ([, version, incarnation, now, [maxItem, maxTopics, quota, used, graceDays, rate], hasAccount]) => ({
      type: "welcome",
      version,
      incarnation,
      now,
      limits: { maxItem, maxTopics, quota, used, graceDays, rate },
      hasAccount,
    }),
  ),
  [SUB]: mapped(tuple(literal(SUB), request, array(subscription, MAX_TOPICS_PER_MESSAGE)), ([, r, topics]) => ({
    type: "subscribe",
    request: r,
    topics,
  })),
  [SUBRES]: mapped(
    tuple(
      literal(SUBRES),
      request,
      array(
        mapped(
          tuple(position, uint(), position, nullable(key), subscribeStatus),
          ([newest, count, oldest, checkpoint, status]) => ({ position: newest, count, oldest, checkpoint, status }),
        ),
        MAX_TOPICS_PER_MESSAGE,
      ),
    ),
    ([, r, topics]) => ({ type: "subscribed", request: r, topics }),
  ),
  [PULL]: mapped(
    tuple(literal(PULL), request, key, position, uint(MAX_PAGE_ITEMS), uint(MAX_PULL_BYTES)),
    ([, r, topic, after, maxItems, maxBytes]) => ({ type: "pull", request: r, topic, after, maxItems, maxBytes }),
  ),
  [ITEMS]: mapped(
    tuple(
      literal(ITEMS),
      request,
      array(
        mapped(tuple(position, item), ([at, wire]) => ({ position: at, wire })),
        MAX_PAGE_ITEMS,
      ),
      flag,
      position,
    ),
    ([, r, items, more, next]) => ({ type: "items", request: r, items, more, next }),
  ),
  [PUSH]: mapped(tuple(literal(PUSH), request, array(item, MAX_PUSH_ITEMS)), ([, r, wires]) => ({
    type: "push",
    request: r,
    wires,
  })),
  [PUSHRES]: mapped(
    tuple(
      literal(PUSHRES),
      request,
      array(
        mapped(tuple(key, pushStatus, position, position), ([oid, status, at, previous]) => ({
          oid,
          status,
          position: at,
          previous,
        })),
        MAX_PUSH_ITEMS,
      ),
    ),
    ([, r, results]) => ({ type: "pushed", request: r, results }),
  ),
  [LIVE]: mapped(tuple(literal(LIVE), key, position, position, nullable(item)), ([, topic, previous, at, wire]) => ({
    type: "live",
    topic,
    previous,
    position: at,
    wire,
  })),
  [NEG]: mapped(tuple(literal(NEG), request, key, bytesUpTo(MAX_RECONCILE_BYTES)), ([, r, topic, payload]) => ({
    type: "reconcile",
    request: r,
    topic,
    payload,
  })),
  [NEGRES]: mapped(tuple(literal(NEGRES), request, nullable(bytesUpTo(MAX_RECONCILE_BYTES))), ([, r, payload]) => ({
    type: "reconciled",
    request: r,
    payload,
  })),
  [GET]: mapped(tuple(literal(GET), request, key, array(key, MAX_PAGE_ITEMS)), ([, r, topic, oids]) => ({
    type: "get",
    request: r,
    topic,
    oids,
  })),
  [UNSUB]: mapped(
    tuple(literal(UNSUB), request, array(key, MAX_TOPICS_PER_MESSAGE), flag),
    ([, r, topics, forget]) => ({
      type: "unsubscribe",
      request: r,
      topics,
      forget,
    }),
  ),
  [RELAY]: mapped(
    grownTuple(
      [literal(RELAY), request, key, uint(MAX_UNIX_SECONDS), signature],
      array(relayContact, MAX_RELAY_CONTACTS, 1),
    ),
    ([, r, topic, until, sig, contacts = []]) => ({
      type: "relay",
      request: r,
      topic,
      until,
      signature: sig,
      contacts,
    }),
  ),
  [BPUT]: mapped(
    tuple(literal(BPUT), request, key, key, bytesUpTo(MAX_CHUNK_WIRE, 1)),
    ([, r, topic, id, content]) => ({ type: "putBlob", request: r, topic, id, bytes: content }),
  ),
  [BHAVE]: mapped(tuple(literal(BHAVE), request, key, blobIds), ([, r, topic, ids]) => ({
    type: "haveBlobs",
    request: r,
    topic,
    ids,
  })),
  [BGET]: mapped(tuple(literal(BGET), request, key, key), ([, r, topic, id]) => ({
    type: "getBlob",
    request: r,
    topic,
    id,
  })),
  [BPIN]: mapped(tuple(literal(BPIN), request, key, blobIds, signature), ([, r, topic, ids, sig]) => ({
    type: "pinBlobs",
    request: r,
    topic,
    ids,
    signature: sig,
  })),
  [BUNPIN]: mapped(tuple(literal(BUNPIN), request, key, blobIds, signature), ([, r, topic, ids, sig]) => ({
    type: "unpinBlobs",
    request: r,
    topic,
    ids,
    signature: sig,
  })),
  [INBOXREG]: mapped(tuple(literal(INBOXREG), request, key, signature), ([, r, inbox, sig]) => ({
    type: "registerInbox",
    request: r,
    inbox,
    signature: sig,
  })),
  [REDEEM]: mapped(tuple(literal(REDEEM), request, bytes(CODE_BYTES)), ([, r, code]) => ({
    type: "redeem",
    request: r,
    code,
  })),
  [STAT]: mapped(tuple(literal(STAT), request), ([, r]) => ({ type: "stat", request: r })),
  [PING]: mapped(tuple(literal(PING), request), ([, r]) => ({ type: "ping", request: r })),
  [DONE]: mapped(tuple(literal(DONE), request, pushStatus), ([, r, status]) => ({ type: "done", request: r, status })),
  [BHAS]: mapped(tuple(literal(BHAS), request, bitmap), ([, r, present]) => ({
    type: "blobsPresent",
    request: r,
    present,
  })),
  [BLOB]: mapped(tuple(literal(BLOB), request, nullable(bytesUpTo(MAX_CHUNK_WIRE, 1))), ([, r, content]) => ({
    type: "blob",
    request: r,
    bytes: content,
  })),
  [ACCOUNT]: mapped(tuple(literal(ACCOUNT), request, uint(), uint()), ([, r, quota, used]) => ({
    type: "account",
    request: r,
    quota,
    used,
  })),
  [STATS]: mapped(
    tuple(literal(STATS), request, uint(), uint(), uint(), uint(), uint()),
    ([, r, topics, items, blobs, quota, used]) => ({ type: "stats", request: r, topics, items, blobs, quota, used }),
  ),
  [PONG]: mapped(tuple(literal(PONG), request), ([, r]) => ({ type: "pong", request: r })),
  [ERR]: mapped(tuple(literal(ERR), request, errorCode, text(MAX_TEXT_BYTES)), ([, r, code, words]) => ({
    type: "error",
    request: r,
    code,
    text: words,
  })),
});

/** Strict decoding of one message; total, never throws. Byte fields are views into `frame`. */
export const decodeProxyMessage = (frame: Uint8Array): Result<ProxyMessage, DecodeError> => decodeShape(message, frame);

const fieldsOf = (value: ProxyMessage): CborValue => {
  switch (value.type) {
    case "hello":
      return [HELLO, value.version, value.features];
    case "welcome": {
      const { maxItem, maxTopics, quota, used, graceDays, rate } = value.limits;
      const limits = [maxItem, maxTopics, quota, used, graceDays, rate];
      return [WELCOME, value.version, value.incarnation, value.now, limits, value.hasAccount ? 1 : 0];
    }
    case "subscribe":
      return [SUB, value.request, value.topics.map((given) => [given.topic, given.after, flagsOf(given)])];
    case "subscribed":
      return [
        SUBRES,
        value.request,
        value.topics.map((state) => [state.position, state.count, state.oldest, state.checkpoint, state.status]),
      ];
    case "pull":
      return [PULL, value.request, value.topic, value.after, value.maxItems, value.maxBytes];
    case "items":
      return [
        ITEMS,
        value.request,
        value.items.map(({ position: at, wire }) => [at, wire]),
        value.more ? 1 : 0,
        value.next,
      ];
    case "push":
      return [PUSH, value.request, value.wires];
    case "pushed":
      return [
        PUSHRES,
        value.request,
        value.results.map((result) => [result.oid, result.status, result.position, result.previous]),
      ];
    case "live":
      return [LIVE, value.topic, value.previous, value.position, value.wire];
    case "reconcile":
      return [NEG, value.request, value.topic, value.payload];
    case "reconciled":
      return [NEGRES, value.request, value.payload];
    case "get":
      return [GET, value.request, value.topic, value.oids];
    case "unsubscribe":
      return [UNSUB, value.request, value.topics, value.forget ? 1 : 0];
    case "relay":
      return [
        RELAY,
        value.request,
        value.topic,
        value.until,
        value.signature,
        ...(value.contacts.length === 0 ? [] : [value.contacts.map(({ staticPk, address }) => [staticPk, address])]),
      ];
    case "putBlob":
      return [BPUT, value.request, value.topic, value.id, value.bytes];
    case "haveBlobs":
      return [BHAVE, value.request, value.topic, value.ids];
    case "getBlob":
      return [BGET, value.request, value.topic, value.id];
    case "pinBlobs":
      return [BPIN, value.request, value.topic, value.ids, value.signature];
    case "unpinBlobs":
      return [BUNPIN, value.request, value.topic, value.ids, value.signature];
    case "registerInbox":
      return [INBOXREG, value.request, value.inbox, value.signature];
    case "redeem":
      return [REDEEM, value.request, value.code];
    case "stat":
      return [STAT, value.request];
    case "ping":
      return [PING, value.request];
    case "done":
      return [DONE, value.request, value.status];
    case "blobsPresent":
      return [BHAS, value.request, bitmapOf(value.present)];
    case "blob":
      return [BLOB, value.request, value.bytes];
    case "account":
      return [ACCOUNT, value.request, value.quota, value.used];
    case "stats":
      return [STATS, value.request, value.topics, value.items, value.blobs, value.quota, value.used];
    case "pong":
      return [PONG, value.request];
    case "error":
      return [ERR, value.request, value.code, value.text];
  }
};

export const encodeProxyMessage = (value: ProxyMessage): Uint8Array => encodeCbor(fieldsOf(value));
