import { expect, test } from "vitest";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { VerifiedDescriptor } from "../../protocol/identity/verified.ts";
import { bytesToBase64url } from "../../protocol/kernel/bytes.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import { defaultPolderCastConfig } from "../../protocol/poldercast/config.ts";
import type { Interests } from "../../protocol/poldercast/interests.ts";
import type { PolderCastEffect, PolderCastMessage, RingsMessage } from "../../protocol/poldercast/messages.ts";
import { createPolderCast } from "../../protocol/poldercast/poldercast.ts";
import { createTopicKeys, createTopicSeal } from "../../protocol/poldercast/topic-keys.ts";
import { createTopicRing } from "../../protocol/poldercast/topic-ring.ts";
import { decodeRingsMessage, encodeRingsMessage } from "../../protocol/poldercast/wire.ts";
import type { MessageId, TopicTag } from "../../protocol/ringcast/messages.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { stubDescriptors } from "../support/stub-descriptors.ts";

const nodes = stubDescriptors(16);
const node = (n: number): VerifiedDescriptor => nodes[n]!;
const nameOf = (descriptor: VerifiedDescriptor): number => nodes.findIndex(({ id }) => id === descriptor.id);
const now = monotonicMs(0);
const topic = bytesToBase64url(new Uint8Array(16).fill(1)) as TopicTag;
const other = bytesToBase64url(new Uint8Array(16).fill(2)) as TopicTag;
const id = bytesToBase64url(new Uint8Array(32).fill(9)) as MessageId;

const place = (descriptor: VerifiedDescriptor): number => nameOf(descriptor) * 50;
/** Node n sits at n * 50 on every ring; `members` says who shares what with the node under test. */
const interestsOf = (members: Readonly<Record<number, readonly TopicTag[]>>): Interests => ({
  shared: (peer) => members[nameOf(peer)] ?? [],
  revision: () => 0,
  affinity: () => (candidate) => members[nameOf(candidate)]?.length ?? -1,
  position: () => place,
});
const create = (members: Readonly<Record<number, readonly TopicTag[]>>, self = 4) =>
  createPolderCast({
    config: { ...defaultPolderCastConfig, rings: { ...defaultPolderCastConfig.rings, jitter: 0 } },
    self: () => node(self),
    interests: interestsOf(members),
    addSamples: () => undefined,
    isAuthentic: () => true,
    random: createSeededRandom(1),
    startAt: monotonicMs(1_000),
  });
const sends = (effects: readonly PolderCastEffect[], type: PolderCastMessage["type"]) =>
  effects.flatMap((effect) =>
    effect.type === "send" && effect.message.type === type
      ? [{ to: nodes.findIndex((each) => each.id === effect.to), message: effect.message }]
      : [],
  );
const receive = (machine: ReturnType<typeof create>, from: number, message: PolderCastMessage) =>
  machine.handle({ type: "messageReceived", from: node(from).id, message }, now);
const found = (...names: number[]): RingsMessage => ({
  type: "ringFound",
  exchange: 1,
  topics: [{ topic, neighbors: names.map((name) => ({ descriptor: node(name), age: 0 })) }],
});
const ringOf = (machine: ReturnType<typeof create>) => ({
  successors: machine.rings.ring(topic)?.successors().map(nameOf),
  predecessors: machine.rings.ring(topic)?.predecessors().map(nameOf),
});

test("PLD-1 a ring keeps the two nearest on each side, across the wrap", () => {
  const ring = createTopicRing(place, node(4), 2);
  for (const name of [6, 2, 1, 10, 15]) ring.offer(node(name), 0);
  expect(ring.successors().map(nameOf)).toEqual([6, 10]);
  expect(ring.predecessors().map(nameOf)).toEqual([2, 1]);
  expect(ring.offer(node(3), 0)).toBe(true);
  expect(ring.offer(node(11), 0)).toBe(false);
  expect(ring.predecessors().map(nameOf)).toEqual([3, 2]);
  const pair = createTopicRing(place, node(4), 2);
  pair.offer(node(6), 0);
  expect([pair.successors(), pair.predecessors()].map((side) => side.map(nameOf))).toEqual([[6], [6]]);
  expect(pair.neighbors()).toHaveLength(1);
  expect(pair.missing()).toBe(2);
});

test("PLD-2 candidates for incomplete rings come before candidates with more shared topics", () => {
  const machine = create({ 1: [topic], 2: [other], 3: [other, topic], 5: [topic], 6: [topic], 7: [topic], 8: [other] });
  machine.handle({ type: "subscribe", topic: other, contacts: [] }, now);
  machine.handle({ type: "subscribe", topic, contacts: [node(1), node(3), node(5), node(6)] }, now);
  expect(machine.rings.priority(topic)).toBe(0);
  expect(machine.rings.priority(other)).toBe(4);
  for (const name of [1, 2, 3, 5, 6, 7, 8, 9]) machine.cyclon.view.put(node(name), 1);
  machine.vicinity.reselect(now);
  const order = machine.vicinity.view.descriptors().map(nameOf);
  expect(order.slice(0, 3).sort()).toEqual([2, 3, 8]);
  expect(order).not.toContain(9);
});

test("PLD-4 a subscriber walks: the nearest known are asked until both nearest were", () => {
  const machine = create({});
  const asked = sends(machine.handle({ type: "subscribe", topic, contacts: [node(10)] }, now), "ringFind");
  expect(asked.map(({ to }) => to)).toEqual([10]);
  const further = sends(receive(machine, 10, found(6, 1)), "ringFind");
  expect(further.map(({ to }) => to).sort()).toEqual([1, 6]);
  expect(sends(receive(machine, 6, found(5)), "ringFind").map(({ to }) => to)).toEqual([5]);
  expect(sends(receive(machine, 1, found(3)), "ringFind").map(({ to }) => to)).toEqual([3]);
  expect(sends(receive(machine, 5, found(6)), "ringFind")).toEqual([]);
  expect(ringOf(machine)).toEqual({ successors: [5, 6], predecessors: [3, 1] });
});

test("PLD-4 the asked node answers with members near the seeker and takes it in", () => {
  const machine = create({});
  machine.handle({ type: "subscribe", topic, contacts: [node(6), node(2)] }, now);
  const effects = receive(machine, 5, { type: "ringFind", exchange: 3, sender: node(5), topic });
  const [answer] = sends(effects, "ringFound");
  expect(
    answer?.message.type === "ringFound" &&
      answer.message.topics[0]?.neighbors.map(({ descriptor }) => nameOf(descriptor)).sort(),
  ).toEqual([2, 4, 6]);
  expect(ringOf(machine).successors).toEqual([5, 6]);
  expect(receive(machine, 5, { type: "ringFind", exchange: 3, sender: node(5), topic: other })).toEqual([]);
});

test("PLD-3 an exchange names members near the partner, for common topics only", () => {
  const machine = create({ 6: [topic], 7: [topic], 3: [topic] });
  machine.handle({ type: "subscribe", topic, contacts: [node(6), node(3)] }, now);
  machine.handle({ type: "subscribe", topic: other, contacts: [] }, now);
  machine.cyclon.view.put(node(7), 0);
  const [request] = sends(machine.handle({ type: "deadlineReached" }, monotonicMs(20_000)), "ringRequest");
  expect([3, 6]).toContain(request?.to);
  expect(request?.message.type === "ringRequest" && request.message.topics.map((each) => each.topic)).toEqual([topic]);
});

test("PLD-5 a settled node asks its neighbors again, round robin over the sides", () => {
  const machine = create({ 3: [topic], 5: [topic] });
  machine.handle({ type: "subscribe", topic, contacts: [node(3), node(5)] }, now);
  receive(machine, 3, found(5));
  receive(machine, 5, found(3));
  const asked = new Set<number>();
  for (let period = 0; period < 8; period++) {
    const at = machine.nextDeadline() ?? now;
    for (const { to } of sends(machine.handle({ type: "deadlineReached" }, at), "ringFind")) asked.add(to);
  }
  expect([...asked].toSorted()).toEqual([3, 5]);
});

test("PLD-6 a dead neighbor is buried, replaced from below, and its place is walked to", () => {
  const machine = create({ 7: [topic] });
  machine.handle({ type: "subscribe", topic, contacts: [node(6), node(3)] }, now);
  machine.cyclon.view.put(node(7), 0);
  const effects = machine.handle({ type: "peerUnreachable", peer: node(6).id }, now);
  expect(ringOf(machine)).toEqual({ successors: [7, 3], predecessors: [3, 7] });
  expect(
    sends(effects, "ringFind")
      .map(({ to }) => to)
      .sort(),
  ).toEqual([3, 7]);
  receive(machine, 3, found(6));
  expect(ringOf(machine).successors).toEqual([7, 3]);
});

test("PLD-7 leaving hands the neighbors each other; nothing of the topic stays", () => {
  const machine = create({});
  machine.handle({ type: "subscribe", topic, contacts: [node(6), node(3)] }, now);
  const left = sends(machine.handle({ type: "unsubscribe", topic }, now), "ringLeave");
  expect(
    left.map(({ to, message }) => [
      to,
      message.type === "ringLeave" && message.topics[0]?.neighbors.map(({ descriptor }) => nameOf(descriptor)),
    ]),
  ).toEqual([
    [6, [3]],
    [3, [6]],
  ]);
  expect(machine.rings.topics()).toEqual([]);
  const neighbor = create({}, 6);
  neighbor.handle({ type: "subscribe", topic, contacts: [node(4)] }, now);
  receive(neighbor, 4, {
    type: "ringLeave",
    exchange: 1,
    topics: [{ topic, neighbors: [{ descriptor: node(3), age: 0 }] }],
  });
  expect(ringOf(neighbor)).toEqual({ successors: [3], predecessors: [3] });
});

test("PLD-8 a message of a topic this node does not hold goes nowhere", () => {
  const machine = create({ 3: [topic], 6: [topic] });
  machine.handle({ type: "subscribe", topic, contacts: [node(3), node(6)] }, now);
  machine.handle({ type: "unsubscribe", topic }, now);
  const effects = receive(machine, 3, {
    type: "publish",
    topic,
    id,
    hops: 1,
    link: "ring",
    payload: new Uint8Array(1),
  });
  expect(effects).toEqual([{ type: "peerViolated", peer: node(3).id, rule: "RNG-10" }]);
});

test("PLD-9 waking joins, walks and catches up", () => {
  const machine = create({});
  machine.handle({ type: "subscribe", topic, contacts: [node(3), node(6)] }, now);
  const effects = machine.handle({ type: "wake" }, monotonicMs(600_000));
  expect(sends(effects, "joinRequest").length).toBeGreaterThan(0);
  expect(
    sends(effects, "ringFind")
      .map(({ to }) => to)
      .sort(),
  ).toEqual([3, 6]);
  expect(
    sends(effects, "catchUp")
      .map(({ to }) => to)
      .sort(),
  ).toEqual([3, 6]);
});

test("PLD-10 PLD-11 PLD-12 foreign senders, crowds and unasked responses are violations", () => {
  const machine = create({ 6: [topic] });
  machine.handle({ type: "subscribe", topic, contacts: [node(6)] }, now);
  expect(receive(machine, 3, { type: "ringFind", exchange: 1, sender: node(5), topic })).toMatchObject([
    { rule: "PLD-10" },
  ]);
  const crowd = Array.from({ length: 15 }, (_, name) => ({ descriptor: node(name), age: 0 }));
  expect(
    receive(machine, 3, {
      type: "ringFound",
      exchange: 1,
      topics: [
        { topic, neighbors: crowd },
        { topic: other, neighbors: crowd },
      ],
    }),
  ).toMatchObject([{ rule: "PLD-11" }]);
  const [request] = sends(machine.handle({ type: "deadlineReached" }, monotonicMs(1_000)), "ringRequest");
  const exchange = request?.message.type === "ringRequest" ? request.message.exchange : 0;
  expect(receive(machine, 3, { type: "ringResponse", exchange, sender: node(3), topics: [] })).toMatchObject([
    { rule: "PLD-12" },
  ]);
});

const crypto = createNobleProvider();
const element = new Uint8Array(32).fill(5);
const keys = createTopicKeys(crypto, element);

const session = { handshakeHash: new Uint8Array(32).fill(4), self: node(1).id, peer: node(2).id };

test("PLD-14 a question about a ring proves the topic's element in this session; a false proof is refused, unknown topics say nothing", () => {
  const random = createSeededRandom(4);
  const keysOf = (tag: string) => (tag === keys.tag ? keys : undefined);
  const far = { ...session, self: node(2).id, peer: node(1).id };
  const asker = createTopicSeal(crypto, random, keysOf, session);
  const asked = createTopicSeal(crypto, random, keysOf, far);
  const question: RingsMessage = { type: "ringFind", exchange: 1, sender: node(1), topic: keys.tag };
  const bytes = encodeRingsMessage(question, asker);
  expect(decodeRingsMessage(bytes, asked)).toEqual({ ok: true, value: question });
  const elsewhere = createTopicSeal(crypto, random, keysOf, { ...far, handshakeHash: new Uint8Array(32).fill(5) });
  expect(decodeRingsMessage(bytes, elsewhere)).toMatchObject({ ok: false, error: { rule: "PLD-14 proof" } });
  expect(decodeRingsMessage(bytes, asker)).toMatchObject({ ok: false });
  const outsider = createTopicSeal(crypto, random, () => undefined, session);
  expect(decodeRingsMessage(encodeRingsMessage(question, outsider), asked)).toMatchObject({ ok: false });
  expect(decodeRingsMessage(bytes, outsider)).toEqual({ ok: true, value: question });
});

test("PLD-W2 what is said about a topic opens for its holders only", () => {
  const random = createSeededRandom(3);
  const holder = createTopicSeal(crypto, random, (tag) => (tag === keys.tag ? keys : undefined), session);
  const outsider = createTopicSeal(crypto, random, () => undefined, session);
  const message: RingsMessage = {
    type: "ringFound",
    exchange: 7,
    topics: [{ topic: keys.tag, neighbors: [{ descriptor: node(2), age: 3 }] }],
  };
  const bytes = encodeRingsMessage(message, holder);
  expect(decodeRingsMessage(bytes, holder)).toEqual({ ok: true, value: message });
  expect(decodeRingsMessage(bytes, outsider)).toEqual({ ok: true, value: { ...message, topics: [] } });
  const visible = bytesToBase64url(bytes);
  expect(visible).not.toContain(bytesToBase64url(node(2).bytes.subarray(3, 60)));
});

test("PLD-13 tags, places and ids depend on the element, proofs also on session and prover", () => {
  const foreign = createTopicKeys(crypto, new Uint8Array(32).fill(6));
  const session = new Uint8Array(32).fill(8);
  expect(keys.tag).not.toBe(foreign.tag);
  expect(keys.position(node(1).id)).not.toBe(foreign.position(node(1).id));
  expect(Number.isSafeInteger(keys.position(node(1).id))).toBe(true);
  expect(keys.messageId(session)).not.toBe(foreign.messageId(session));
  const proof = keys.proof(session, node(1).id);
  expect(keys.isProof(proof, session, node(1).id)).toBe(true);
  expect(keys.isProof(proof, session, node(2).id)).toBe(false);
  expect(keys.isProof(proof, element, node(1).id)).toBe(false);
  expect(foreign.isProof(proof, session, node(1).id)).toBe(false);
});
