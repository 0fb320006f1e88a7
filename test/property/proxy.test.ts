import { describe, expect, test } from "vitest";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import {
  ERROR_CODE,
  PROXY_APPLICATION,
  PROXY_PROTOCOL_VERSION,
  type ProxyMessage,
  PUSH_STATUS,
  SUBSCRIBE_STATUS,
} from "../../protocol/proxy/messages.ts";
import { formatProxyLink, parseProxyLink } from "../../protocol/proxy/proxy-link.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { filled, must } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const RUNS = Number(process.env["DECODER_RUNS"] ?? 400);
const topic = filled(1, 32);
const id = filled(2, 32);
const signature = filled(3, 64);
const wire = filled(4, 300);

/** One of each kind of message, with every optional part present somewhere and absent elsewhere. */
const messages: readonly ProxyMessage[] = [
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
  { type: "relay", request: 7, topic, until: 1_900_000_000, signature },
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

const mutated = (random: RandomSource, valid: Uint8Array): Uint8Array => {
  const kind = random.uint32() % 4;
  if (kind === 0) return random.bytes(random.uint32() % 512);
  if (kind === 1) return valid.slice(0, random.uint32() % (valid.length + 1));
  const out = valid.slice();
  for (let i = 0; i < 1 + (random.uint32() % 4); i++) out[random.uint32() % out.length] = random.uint32() & 255;
  return out;
};

describe("PRX-1 messages", () => {
  test.each(messages.map((message) => [message.type, message] as const))(
    "%s decodes to what was encoded",
    (_, given) => {
      expect(must(decodeProxyMessage(encodeProxyMessage(given)))).toEqual(given);
    },
  );

  test("I40 the decoder is total on any bytes, and what it accepts has one encoding only", () => {
    const random = createSeededRandom("proxy/decoder");
    for (const message of messages) {
      const valid = encodeProxyMessage(message);
      for (let run = 0; run < RUNS; run++) {
        const input = mutated(random, valid);
        const decoded = decodeProxyMessage(input);
        const isOpen = decoded.ok && (decoded.value.type === "hello" || decoded.value.type === "welcome");
        if (decoded.ok && !isOpen)
          expect(encodeProxyMessage(decoded.value), Buffer.from(input).toString("hex")).toEqual(input);
      }
    }
  });

  test("hello and welcome may be longer in a later version, nothing else may", () => {
    for (const message of messages) {
      const encoded = encodeProxyMessage(message);
      const longer = Uint8Array.from([(encoded[0] as number) + 1, ...encoded.subarray(1), 0]);
      expect(decodeProxyMessage(longer).ok, message.type).toBe(message.type === "hello" || message.type === "welcome");
    }
  });
});

test("PRX-2 another version of the protocol keeps the prologue: versions are negotiated inside", () => {
  expect([PROXY_APPLICATION, PROXY_PROTOCOL_VERSION]).toEqual(["p2pc-proxy/1", 1]);
});

describe("PRX-20 links", () => {
  const link = { staticPk: topic, code: filled(7, 16), addresses: ["proxy.example:4711", "[2001:db8::1]:4711"] };

  test("a link says the same after it was pasted", () => {
    expect(must(parseProxyLink(` ${formatProxyLink(link)}\n`))).toEqual(link);
    expect(must(parseProxyLink(formatProxyLink({ ...link, code: null })))).toEqual({ ...link, code: null });
  });

  test("anything else is refused without a throw", () => {
    const random = createSeededRandom("proxy/link");
    const valid = Buffer.from(formatProxyLink(link).slice("p2pc:x/".length), "base64url");
    for (let run = 0; run < RUNS; run++)
      parseProxyLink(`p2pc:x/${Buffer.from(mutated(random, valid)).toString("base64url")}`);
    expect(parseProxyLink("p2pc:j/AAAA")).toMatchObject({ ok: false, error: { type: "NotAProxyLink" } });
    expect(parseProxyLink("p2pc:x/A!")).toMatchObject({ ok: false, error: { type: "NotAProxyLink" } });
    expect(parseProxyLink(`p2pc:x/${"A".repeat(4_096)}`)).toMatchObject({ ok: false });
  });
});
