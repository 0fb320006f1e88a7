import { expect, test } from "vitest";
import type { NodeId } from "../../protocol/identity/node-id.ts";
import type { VerifiedDescriptor } from "../../protocol/identity/verified.ts";
import { bytesToBase64url } from "../../protocol/kernel/bytes.ts";
import { durationMs, monotonicMs } from "../../protocol/kernel/time.ts";
import { defaultRingCastConfig, type RingCastConfig } from "../../protocol/ringcast/config.ts";
import { createHistory } from "../../protocol/ringcast/history.ts";
import type { MessageId, RingCastEffect, RingCastMessage, TopicTag } from "../../protocol/ringcast/messages.ts";
import { createRingCast } from "../../protocol/ringcast/ringcast.ts";
import { type RingLinks, targetsOf } from "../../protocol/ringcast/targets.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { stubDescriptors } from "../support/stub-descriptors.ts";

const nodes = stubDescriptors(12);
const [A, , C, D, E, F, G] = nodes as [
  VerifiedDescriptor,
  VerifiedDescriptor,
  VerifiedDescriptor,
  VerifiedDescriptor,
  VerifiedDescriptor,
  VerifiedDescriptor,
  VerifiedDescriptor,
];
const nameOf = (id: NodeId): string => "ABCDEFGHIJKL".charAt(nodes.findIndex((node) => node.id === id));
const now = monotonicMs(0);
const topic = bytesToBase64url(new Uint8Array(16).fill(3)) as TopicTag;
const idOf = (n: number): MessageId => bytesToBase64url(new Uint8Array(32).fill(n)) as MessageId;
const payload = Uint8Array.of(1, 2, 3);

/** B on the ring D=50, A=100, B=200, C=300 of the specification's example. */
const ringOfB: RingLinks = { successors: [C, D], predecessors: [A, D], members: [E, F, G] };
const targetNames = (links: RingLinks, from: VerifiedDescriptor | undefined, fanout: number) => {
  const { ring, random } = targetsOf(links, from?.id, fanout, createSeededRandom(1));
  return { ring: ring.map(({ descriptor }) => nameOf(descriptor.id)).join(""), random: random.length };
};

test("RNG-1 over one ring link it leaves over the other, otherwise both ways, and random members fill up", () => {
  expect(targetNames(ringOfB, C, 3)).toEqual({ ring: "A", random: 2 });
  expect(targetNames(ringOfB, A, 3)).toEqual({ ring: "C", random: 2 });
  expect(targetNames(ringOfB, D, 3)).toEqual({ ring: "CA", random: 1 });
  expect(targetNames(ringOfB, undefined, 3)).toEqual({ ring: "CA", random: 1 });
  expect(targetNames(ringOfB, undefined, 1)).toEqual({ ring: "CA", random: 0 });
  const onlyD = targetsOf({ ...ringOfB, members: [D, D, C, A] }, C.id, 3, createSeededRandom(1));
  expect(onlyD.random.map(({ id }) => nameOf(id))).toEqual(["D"]);
});

test("RNG-3 two members send one copy, one member none", () => {
  const pair: RingLinks = { successors: [A], predecessors: [A], members: [A] };
  expect(targetNames(pair, A, 3)).toEqual({ ring: "", random: 0 });
  expect(targetNames(pair, undefined, 3)).toEqual({ ring: "A", random: 0 });
  expect(targetNames({ successors: [], predecessors: [], members: [] }, undefined, 3)).toEqual({ ring: "", random: 0 });
});

const create = (overrides: Partial<RingCastConfig> = {}, links: RingLinks = ringOfB) =>
  createRingCast({
    config: { ...defaultRingCastConfig, ...overrides },
    links: (each) => (each === topic ? links : undefined),
    isAuthentic: (_, __, bytes) => bytes[0] !== 66,
    random: createSeededRandom(2),
  });
const publish = (n: number, link: "ring" | "random" | "tree" = "ring", hops = 4): RingCastMessage => ({
  type: "publish",
  topic,
  id: idOf(n),
  hops,
  link,
  payload,
});
const sends = (effects: readonly RingCastEffect[], type: RingCastMessage["type"]) =>
  effects.flatMap((effect) =>
    effect.type === "send" && effect.message.type === type ? [{ to: nameOf(effect.to), message: effect.message }] : [],
  );
const receive = (machine: ReturnType<typeof create>, from: VerifiedDescriptor, message: RingCastMessage, at = now) =>
  machine.handle({ type: "messageReceived", from: from.id, message }, at);

test("RNG-13 an own message floods all members known up to ownFanout, a received one does not, nor does the paper's", () => {
  const many: RingLinks = { ...ringOfB, members: nodes };
  const capped = { ownFanout: 6 };
  const leaving = (machine: ReturnType<typeof create>) =>
    sends(machine.handle({ type: "publish", topic, id: idOf(9), payload }, now), "publish");
  const flooded = leaving(create(capped, many));
  expect(flooded).toHaveLength(6);
  expect(new Set(flooded.map(({ to }) => to)).size).toBe(6);
  expect(defaultRingCastConfig.ownFanout).toBe(12);
  expect(leaving(create({ ownFanout: 0 }, many))).toHaveLength(3);
  expect(sends(receive(create(capped, many), D, publish(1, "random")), "publish")).toHaveLength(3);
});

test("RNG-2 delivered and forwarded once, acknowledged each time", () => {
  const machine = create();
  const first = receive(machine, C, publish(1));
  expect(first.filter(({ type }) => type === "deliver")).toEqual([
    { type: "deliver", topic, id: idOf(1), payload, hops: 4 },
  ]);
  expect(sends(first, "publish")).toHaveLength(3);
  const again = receive(machine, A, publish(1));
  expect(again.filter(({ type }) => type === "deliver")).toEqual([]);
  expect(sends(again, "publish")).toEqual([]);
  expect(sends(again, "acknowledge").map(({ to }) => to)).toEqual(["A"]);
  expect(machine.handle({ type: "publish", topic, id: idOf(1), payload }, now)).toEqual([]);
});

test("RNG-4 an unreachable or silent ring neighbor is passed over in the same direction", () => {
  const machine = create();
  machine.handle({ type: "publish", topic, id: idOf(1), payload }, now);
  expect(sends(machine.handle({ type: "peerUnreachable", peer: C.id }, now), "publish").map(({ to }) => to)).toEqual([
    "D",
  ]);
  expect(machine.nextDeadline()).toBe(2_000);
  const late = machine.handle({ type: "deadlineReached" }, monotonicMs(2_000));
  expect(late.filter(({ type }) => type === "peerSuspected")).toHaveLength(2);
  expect(sends(late, "publish").map(({ to }) => to)).toContain("D");
});

test("RNG-4 an acknowledged message is not sent again", () => {
  const machine = create();
  machine.handle({ type: "publish", topic, id: idOf(1), payload }, now);
  for (const peer of [A, C]) receive(machine, peer, { type: "acknowledge", topic, id: idOf(1) });
  expect(sends(machine.handle({ type: "peerUnreachable", peer: C.id }, now), "publish")).toEqual([]);
});

test("RNG-5 heartbeats announce recent ids, and what is missing is wanted and given", () => {
  const machine = create();
  receive(machine, C, publish(1));
  const beat = machine.handle({ type: "deadlineReached" }, monotonicMs(2_000));
  const announced = sends(beat, "announce");
  expect(announced.map(({ to }) => to).slice(0, 2)).toEqual(["C", "A"]);
  expect(announced).toHaveLength(3);
  const wanted = sends(receive(machine, A, { type: "announce", topic, ids: [idOf(1), idOf(2)] }), "want");
  expect(wanted).toEqual([{ to: "A", message: { type: "want", topic, ids: [idOf(2)] } }]);
  const given = sends(receive(machine, A, { type: "want", topic, ids: [idOf(1), idOf(9)] }), "publish");
  expect(given).toMatchObject([{ to: "A", message: { id: idOf(1), link: "pull", hops: 5 } }]);
});

test("RNG-6 after an absence neighbors are asked, and they announce what is missing", () => {
  const machine = create();
  for (const n of [1, 2, 3]) receive(machine, C, publish(n));
  const asked = sends(machine.handle({ type: "ringChanged", topic }, now), "catchUp");
  expect(asked.map(({ to }) => to)).toEqual(["C", "A"]);
  const answer = sends(receive(machine, D, { type: "catchUp", topic, known: [idOf(2).slice(0, 12)] }), "announce");
  expect(answer).toEqual([{ to: "D", message: { type: "announce", topic, ids: [idOf(1), idOf(3)] } }]);
});

test("RNG-7 lazy: a second copy prunes its link, ids replace payloads on it", () => {
  const machine = create({ mode: "lazy", treeLinks: 1, heartbeatMs: durationMs(0) });
  receive(machine, C, publish(1, "tree"));
  const second = receive(machine, A, publish(1, "tree"));
  expect(sends(second, "prune").map(({ to }) => to)).toEqual(["A"]);
  const next = receive(machine, C, publish(2, "tree"));
  expect(sends(next, "publish").map(({ to }) => to)).not.toContain("A");
  const announced = machine.handle({ type: "deadlineReached" }, monotonicMs(60));
  expect(sends(announced, "announce")).toContainEqual({
    to: "A",
    message: { type: "announce", topic, ids: [idOf(2)] },
  });
});

test("RNG-8 lazy: an announced message that does not come is pulled from one announcer after the other", () => {
  const machine = create({ mode: "lazy", heartbeatMs: durationMs(0) });
  expect(sends(receive(machine, A, { type: "announce", topic, ids: [idOf(5)] }), "want")).toEqual([]);
  receive(machine, C, { type: "announce", topic, ids: [idOf(5)] });
  expect(sends(machine.handle({ type: "deadlineReached" }, monotonicMs(400)), "want").map(({ to }) => to)).toEqual([
    "A",
  ]);
  expect(sends(machine.handle({ type: "deadlineReached" }, monotonicMs(600)), "want").map(({ to }) => to)).toEqual([
    "C",
  ]);
  receive(machine, C, publish(5, "tree"), monotonicMs(610));
  expect(sends(machine.handle({ type: "deadlineReached" }, monotonicMs(2_000)), "want")).toEqual([]);
});

test("RNG-9 ids and history are bounded by count, bytes and age", () => {
  const history = createHistory({ historyLength: 3, historyBytes: 10, historyMs: durationMs(100), seenLength: 4 });
  const note = (n: number, at: number, length: number) =>
    history.note(idOf(n), { topic, payload: new Uint8Array(length), hops: 0, at: monotonicMs(at) });
  for (let n = 0; n < 5; n++) note(n, n, 1);
  expect(history.hasSeen(idOf(0))).toBe(false);
  expect(history.recent(topic, monotonicMs(0), 9)).toEqual([idOf(2), idOf(3), idOf(4)]);
  note(5, 6, 9);
  expect(history.get(idOf(3))).toBeUndefined();
  expect(history.get(idOf(5))).toBeDefined();
  note(6, 200, 1);
  expect(history.recent(topic, monotonicMs(0), 9)).toEqual([idOf(6)]);
});

test("RNG-10 RNG-11 RNG-12 foreign topics, false payloads and floods of ids are violations and travel nowhere", () => {
  const machine = create();
  const foreign = bytesToBase64url(new Uint8Array(16)) as TopicTag;
  expect(receive(machine, A, { ...publish(1), topic: foreign })).toEqual([
    { type: "peerViolated", peer: A.id, rule: "RNG-10" },
  ]);
  const forged: RingCastMessage = {
    type: "publish",
    topic,
    id: idOf(2),
    hops: 1,
    link: "random",
    payload: Uint8Array.of(66),
  };
  expect(receive(machine, A, forged)).toEqual([{ type: "peerViolated", peer: A.id, rule: "RNG-11" }]);
  expect(receive(machine, A, publish(2)).some(({ type }) => type === "deliver")).toBe(true);
  const flood = Array.from({ length: 513 }, (_, n) => idOf(n % 250));
  for (const type of ["announce", "want"] as const)
    expect(receive(machine, A, { type, topic, ids: flood })).toEqual([
      { type: "peerViolated", peer: A.id, rule: "RNG-12" },
    ]);
});
