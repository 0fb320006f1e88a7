import { type CborValue, decodeShape, encodeCbor } from "../codec/cbor.ts";
import { MAX_CHUNK_WIRE } from "../blob/manifest.ts";
import {
  array,
  bytes,
  bytesUpTo,
  literal,
  mapped,
  nullable,
  openTuple,
  refined,
  tagged,
  tuple,
  uint,
} from "../codec/shape.ts";
import type { DecodeError, Result } from "../kernel/result.ts";
import type { PeerMessage, PushStatus } from "./messages.ts";

/** Topics one device may follow; pads to a power of two, so at most 4 096 tags of 16 bytes. */
export const MAX_TAGS = 4_096;
export const TAG_BYTES = 16;
/** Same as a proxy request: keeps a page of ids at 8 KiB. */
export const MAX_OIDS = 256;
export const MAX_ITEMS = 256;
/** Largest item: a 4 MiB body with its headers. */
const MAX_WIRE = 4_194_304 + 1_024;
/** Frame limit of reconciliation with room for its own header. */
const MAX_RECONCILE = 65_536;
const MAX_REQUEST = 2 ** 32 - 1;

const HELLO = 1;
const ITEMS = 6;
const PUSH = 7;
const PUSHED = 8;
const LIVE = 9;
const RECONCILE = 10;
const RECONCILED = 11;
const GET = 12;
const COMPARED = 13;
const HAVE = 14;
const HAS = 15;
const TAGS = 40;
const DEVICE = 41;
const GET_CHUNK = 42;
const CHUNK = 43;

const request = uint(MAX_REQUEST);
const topic = bytes(32);
const oid = bytes(32);
const wire = bytesUpTo(MAX_WIRE);
const status = refined(uint(4), "unknown status", (value) => value !== 3);

const message = tagged<PeerMessage>({
  [HELLO]: mapped(openTuple(literal(HELLO), uint(255)), ([, version]) => ({ type: "hello", version })),
  [ITEMS]: mapped(tuple(literal(ITEMS), request, array(wire, MAX_ITEMS), uint(1)), ([, r, wires, more]) => ({
    type: "items",
    request: r,
    wires,
    more: more === 1,
  })),
  [PUSH]: mapped(tuple(literal(PUSH), request, topic, array(wire, MAX_ITEMS)), ([, r, t, wires]) => ({
    type: "push",
    request: r,
    topic: t,
    wires,
  })),
  [PUSHED]: mapped(tuple(literal(PUSHED), request, array(tuple(oid, status), MAX_ITEMS)), ([, r, results]) => ({
    type: "pushed",
    request: r,
    results: results.map(([id, state]) => ({ oid: id, status: state as PushStatus })),
  })),
  [LIVE]: mapped(tuple(literal(LIVE), topic, wire), ([, t, w]) => ({ type: "live", topic: t, wire: w })),
  [RECONCILE]: mapped(tuple(literal(RECONCILE), request, topic, bytesUpTo(MAX_RECONCILE)), ([, r, t, payload]) => ({
    type: "reconcile",
    request: r,
    topic: t,
    payload,
  })),
  [RECONCILED]: mapped(tuple(literal(RECONCILED), request, nullable(bytesUpTo(MAX_RECONCILE))), ([, r, payload]) => ({
    type: "reconciled",
    request: r,
    payload,
  })),
  [GET]: mapped(tuple(literal(GET), request, topic, array(oid, MAX_OIDS)), ([, r, t, oids]) => ({
    type: "get",
    request: r,
    topic: t,
    oids,
  })),
  [COMPARED]: mapped(tuple(literal(COMPARED), topic), ([, t]) => ({ type: "compared", topic: t })),
  [HAVE]: mapped(tuple(literal(HAVE), request, topic, array(oid, MAX_OIDS)), ([, r, t, oids]) => ({
    type: "have",
    request: r,
    topic: t,
    oids,
  })),
  [HAS]: mapped(tuple(literal(HAS), request, array(oid, MAX_OIDS)), ([, r, oids]) => ({
    type: "has",
    request: r,
    oids,
  })),
  [TAGS]: mapped(tuple(literal(TAGS), array(bytes(TAG_BYTES), MAX_TAGS)), ([, tags]) => ({ type: "tags", tags })),
  [DEVICE]: mapped(tuple(literal(DEVICE), topic, bytes(32), bytes(64)), ([, t, device, signature]) => ({
    type: "device",
    topic: t,
    device,
    signature,
  })),
  [GET_CHUNK]: mapped(tuple(literal(GET_CHUNK), request, topic, bytes(32)), ([, r, t, id]) => ({
    type: "getChunk",
    request: r,
    topic: t,
    id,
  })),
  [CHUNK]: mapped(tuple(literal(CHUNK), request, nullable(bytesUpTo(MAX_CHUNK_WIRE))), ([, r, chunk]) => ({
    type: "chunk",
    request: r,
    bytes: chunk,
  })),
});

/** Strict decoding of one message; total, never throws. `hello` may grow at its end. */
export const decodePeerMessage = (frame: Uint8Array): Result<PeerMessage, DecodeError> => decodeShape(message, frame);

const fieldsOf = (value: PeerMessage): CborValue => {
  switch (value.type) {
    case "hello":
      return [HELLO, value.version];
    case "tags":
      return [TAGS, value.tags];
    case "device":
      return [DEVICE, value.topic, value.device, value.signature];
    case "reconcile":
      return [RECONCILE, value.request, value.topic, value.payload];
    case "reconciled":
      return [RECONCILED, value.request, value.payload];
    case "get":
      return [GET, value.request, value.topic, value.oids];
    case "compared":
      return [COMPARED, value.topic];
    case "have":
      return [HAVE, value.request, value.topic, value.oids];
    case "has":
      return [HAS, value.request, value.oids];
    case "items":
      return [ITEMS, value.request, value.wires, value.more ? 1 : 0];
    case "push":
      return [PUSH, value.request, value.topic, value.wires];
    case "pushed":
      return [PUSHED, value.request, value.results.map(({ oid: id, status: state }) => [id, state])];
    case "live":
      return [LIVE, value.topic, value.wire];
    case "getChunk":
      return [GET_CHUNK, value.request, value.topic, value.id];
    case "chunk":
      return [CHUNK, value.request, value.bytes];
  }
};

export const encodePeerMessage = (value: PeerMessage): Uint8Array => encodeCbor(fieldsOf(value));
