import { ERROR_CODE, type ProxyMessage, PUSH_STATUS, SUBSCRIBE_STATUS } from "../../protocol/proxy/messages.ts";
import { filled } from "./data-fixtures.ts";

const topic = filled(1, 32);
const id = filled(2, 32);
const signature = filled(3, 64);
const wire = filled(4, 300);

/** One of each kind of message, with every optional part present somewhere and absent elsewhere. */
export const proxyMessages: readonly ProxyMessage[] = [
  { type: "hello", version: 1, features: 0 },
  {
    type: "welcome",
    version: 1,
    incarnation: filled(5, 16),
    now: 1_800_000_000,
    limits: { maxItem: 4_195_328, maxTopics: 2_000, quota: 2 ** 40, used: 7, graceDays: 30, rate: 20 },
    hasAccount: true,
  },
  {
    type: "subscribe",
    request: 1,
    topics: [
      { topic, after: null, live: true, pin: true, checkpointFirst: false, relay: false },
      { topic: id, after: 9, live: false, pin: false, checkpointFirst: true, relay: true },
    ],
  },
  {
    type: "subscribed",
    request: 1,
    topics: Object.values(SUBSCRIBE_STATUS).map((status) => ({
      position: 2 ** 40,
      count: 3,
      oldest: 1,
      checkpoint: status === 0 ? id : null,
      status,
    })),
  },
  { type: "pull", request: 2, topic, after: 0, maxItems: 256, maxBytes: 65_536 },
  { type: "items", request: 2, items: [{ position: 4, wire }], more: true, next: 4 },
  { type: "push", request: 3, wires: [wire, filled(6, 3)] },
  {
    type: "pushed",
    request: 3,
    results: Object.values(PUSH_STATUS).map((status) => ({ oid: id, status, position: 8, previous: 4 })),
  },
  { type: "live", topic, previous: 4, position: 8, wire },
  { type: "live", topic, previous: 4, position: 8, wire: null },
  { type: "reconcile", request: 4, topic, payload: filled(0x61, 1) },
  { type: "reconciled", request: 4, payload: null },
  { type: "get", request: 5, topic, oids: [id] },
  { type: "unsubscribe", request: 6, topics: [topic], forget: true },
  {
    type: "relay",
    request: 7,
    topic,
    until: 1_900_000_000,
    signature,
    contacts: [{ staticPk: topic, address: "[2001:db8::1]:4711" }],
  },
  { type: "putBlob", request: 8, topic, id, bytes: wire },
  { type: "haveBlobs", request: 9, topic, ids: [id, topic] },
  { type: "getBlob", request: 10, topic, id },
  { type: "pinBlobs", request: 11, topic, ids: [id], signature },
  { type: "unpinBlobs", request: 12, topic, ids: [], signature },
  { type: "registerInbox", request: 13, inbox: topic, signature },
  { type: "redeem", request: 14, code: filled(7, 16) },
  { type: "stat", request: 15 },
  { type: "ping", request: 16 },
  { type: "done", request: 6, status: 0 },
  { type: "blobsPresent", request: 9, present: [true, false, true, true, false, false, false, true, true] },
  { type: "blob", request: 10, bytes: wire },
  { type: "blob", request: 10, bytes: null },
  { type: "account", request: 14, quota: 5, used: 0 },
  { type: "stats", request: 15, topics: 1, items: 2, blobs: 3, quota: 5, used: 4 },
  { type: "pong", request: 16 },
  ...Object.values(ERROR_CODE).map((code): ProxyMessage => ({ type: "error", request: 0, code, text: "so ist es" })),
];
