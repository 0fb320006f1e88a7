import { expect, test } from "vitest";
import { createExchange, type ExchangeEffect, type ExchangeEvent } from "../../protocol/core/exchange.ts";
import type { ExchangeMessage } from "../../protocol/core/messages.ts";
import { ITEM_KINDS, publishItem } from "../../protocol/entry/item.ts";
import type { NodeId } from "../../protocol/identity/node-id.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import { createItemSet, type SetItem } from "../../protocol/reconcile/item-set.ts";
import { respond } from "../../protocol/reconcile/reconciler.ts";
import type { TopicTag } from "../../protocol/ringcast/messages.ts";
import { filled, must, native, withFlippedBit } from "../support/data-fixtures.ts";

const topic = "t".repeat(22) as TopicTag;
const peer = "p".repeat(43) as NodeId;
const other = "q".repeat(43) as NodeId;
const topicKey = native.signingKey(filled(7, 32));
const pk = topicKey.publicKey;

/** Asks for the ids of all there is, as who has nothing does. */
const EVERYTHING = Uint8Array.of(0x61, 0, 0, 2, 0);

const itemsOf = (count: number, from = 0): readonly SetItem[] =>
  Array.from({ length: count }, (_, n) => {
    const id = new Uint8Array(32);
    new DataView(id.buffer).setUint32(0, from + n);
    return { gen: 1, id };
  });

/** An exchange that holds the topic. */
const setUp = () => {
  const machine = createExchange(native);
  const handle = (event: ExchangeEvent, at = 0): readonly ExchangeEffect[] => machine.handle(event, monotonicMs(at));
  handle({ type: "topicHeld", topic, pk });
  const receive = (message: ExchangeMessage, from = peer) => handle({ type: "messageReceived", from, message });
  return { machine, handle, receive };
};
const sent = (effects: readonly ExchangeEffect[]): readonly ExchangeMessage[] =>
  effects.flatMap((effect) => (effect.type === "send" ? [effect.message] : []));
/** Starts a comparison of `items` with the peer; its first message. */
const begin = ({ handle }: ReturnType<typeof setUp>, items: readonly SetItem[], whom = peer) => {
  const started = handle({ type: "compare", topic, peer: whom, route: undefined });
  const [message] = sent([...started, ...handle({ type: "loaded", topic, items })]);
  if (message?.type !== "compare") throw new Error("no comparison was started");
  return message;
};

test("COR-12 a topic of any size is compared with who has nothing of it", () => {
  const exchange = setUp();
  const { request, payload } = begin(exchange, itemsOf(200_000));
  const answer = must(respond({ crypto: native, set: createItemSet([]) }, payload));
  const effects = exchange.receive({ type: "compared", request, topic, payload: answer });
  expect(effects).toMatchObject([{ type: "read", pk }]);
});

test("COR-12 a peer that never lets a comparison end is left after a number of rounds", () => {
  const exchange = setUp();
  const { request } = begin(exchange, itemsOf(1_000));
  // A fingerprint of everything that never fits: the other side describes its set again.
  const payload = Uint8Array.of(0x61, 0, 0, 1, ...filled(9, 16));
  let rounds = 0;
  for (let isOpen = true; isOpen && rounds < 1_000; rounds++)
    isOpen = sent(exchange.receive({ type: "compared", request, topic, payload })).length > 0;
  expect(rounds).toBe(256);
  expect(exchange.machine.open()).toBe(0);
});

test("COR-9 a peer that has the same items listed again and again is at fault", () => {
  const exchange = setUp();
  const { request } = begin(exchange, itemsOf(40));
  // Nothing of gen 1, and a fingerprint of what is above that never fits.
  const payload = Uint8Array.of(0x61, 3, 0, 2, 0, 0, 0, 1, ...filled(9, 16));
  expect(sent(exchange.receive({ type: "compared", request, topic, payload }))).toHaveLength(1);
  expect(exchange.receive({ type: "compared", request, topic, payload })).toEqual([
    { type: "peerViolated", peer, rule: "COR-9" },
  ]);
});

test("COR-16 a peer with eight open questions is refused a ninth until one is answered", () => {
  const exchange = setUp();
  const fetch = (request: number) => exchange.receive({ type: "fetch", request, topic, oids: [filled(1, 32)] });
  const [first] = Array.from({ length: 8 }, (_, n) => fetch(n)).flat();
  expect(fetch(8)).toMatchObject([{ type: "send", message: { type: "refused", request: 8 } }]);
  if (first?.type !== "read") throw new Error("nothing was read");
  expect(sent(exchange.handle({ type: "read", token: first.token, wires: [], dealt: 1 }))).toMatchObject([
    { type: "items", request: 0 },
  ]);
  expect(fetch(9)).toMatchObject([{ type: "read" }]);
});

test("COR-16 who asks about a topic that is left meanwhile is refused", () => {
  const exchange = setUp();
  exchange.receive({ type: "compare", request: 3, topic, payload: Uint8Array.of(0x61) });
  expect(sent(exchange.handle({ type: "topicLeft", topic }))).toEqual([{ type: "refused", request: 3 }]);
});

test("COR-12 what is stored or deleted while a set is loaded is compared all the same", () => {
  const { handle, receive } = setUp();
  const [before, stored] = itemsOf(2) as [SetItem, SetItem];
  receive({ type: "compare", request: 3, topic, payload: EVERYTHING });
  handle({ type: "shrunk", topic });
  expect(handle({ type: "loaded", topic, items: [before, stored] })).toMatchObject([{ type: "load" }]);
  handle({ type: "stored", topic, items: [stored] });
  const [answer] = sent(handle({ type: "loaded", topic, items: [before] }));
  const listed = must(respond({ crypto: native, set: createItemSet([before, stored]) }, EVERYTHING));
  expect(answer).toEqual({ type: "compared", request: 3, topic, payload: listed });
});

test("COR-9 a wire without the signature of the topic key is a fault of its sender", () => {
  const exchange = setUp();
  const origin = { kind: ITEM_KINDS.feed, topicKey, gen: 1, salt: filled(2, 16) };
  const { wire, topicSig } = must(publishItem(native, origin, filled(3, 100)));
  const give = { type: "give", request: 1, topic } as const;
  expect(exchange.receive({ ...give, wires: [wire] })).toMatchObject([{ type: "store" }, { type: "send" }]);
  const forged = withFlippedBit(wire, 8 * (topicSig.byteOffset - wire.byteOffset));
  expect(exchange.receive({ ...give, wires: [forged] })).toEqual([{ type: "peerViolated", peer, rule: "COR-9" }]);
});

test("COR-13 what one peer claims to have and does not give is fetched from another one", () => {
  const exchange = setUp();
  const items = itemsOf(1);
  const asked = [peer, other, peer].map((whom) => {
    const { request, payload } = begin(exchange, [], whom);
    const answer = must(respond({ crypto: native, set: createItemSet(items) }, payload));
    const [next] = sent(exchange.receive({ type: "compared", request, topic, payload: answer }, whom));
    if (next?.type === "fetch") exchange.receive({ type: "items", request, dealt: 1, wires: [] }, whom);
    return next?.type;
  });
  expect(asked).toEqual(["fetch", "fetch", undefined]);
});
