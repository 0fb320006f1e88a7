import { expect, test } from "vitest";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createDescriptorVerifier } from "../../protocol/identity/verified.ts";
import type { NodeId } from "../../protocol/identity/node-id.ts";
import { monotonicMs, unixMs } from "../../protocol/kernel/time.ts";
import type { GossipMessage, GossipNodeEffect } from "../../protocol/node/messages.ts";
import { decodeGossipMessage, encodeGossipMessage, verifyGossipMessage } from "../../protocol/node/wire.ts";
import { createTopicKeys, createTopicSeal } from "../../protocol/poldercast/topic-keys.ts";
import { createFixtureNode } from "../support/gossip-fixture.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const ISSUED_AT = 1_700_000_000;
const NOW = unixMs(ISSUED_AT * 1000);
const topics = [1, 2, 3].map((n) => {
  const element = new Uint8Array(32).fill(n);
  return { element, keys: createTopicKeys(crypto, element) };
});
const keysOf = (tag: string) => topics.find(({ keys }) => keys.tag === tag)?.keys;
const create = (
  seed: string,
  overrides = {},
  restored?: ReturnType<ReturnType<typeof createFixtureNode>["node"]["snapshot"]>,
) =>
  createFixtureNode({
    crypto,
    random: createSeededRandom(seed),
    topics,
    keysOf,
    issuedAt: ISSUED_AT,
    config: overrides,
    ...(restored === undefined ? {} : { restored }),
  });
const alice = create("alice");
const bob = create("bob");
const carol = create("carol");
const at = monotonicMs;
const shuffle = (exchange: number, from = bob): GossipMessage => ({
  type: "shuffleRequest",
  exchange,
  neighbors: [{ descriptor: from.descriptor, age: 0 }],
});
const sent = (effects: readonly GossipNodeEffect[]) =>
  effects.flatMap((effect) => (effect.type === "send" ? [effect.message.type] : []));

test("NOD-1 the node's one deadline is never later than those of its parts, and moves on when it is reached", () => {
  const { node } = create("deadlines");
  let last = 0;
  for (let step = 0; step < 50; step++) {
    const deadline = node.nextDeadline();
    if (deadline === undefined) throw new Error("a running node has a deadline");
    expect(deadline).toBeLessThanOrEqual(node.polderCast.nextDeadline() ?? Number.POSITIVE_INFINITY);
    expect(deadline).toBeGreaterThanOrEqual(last);
    last = deadline;
    node.handle({ type: "deadlineReached" }, deadline);
    expect(node.nextDeadline()).toBeGreaterThan(deadline);
  }
});

test("NOD-2 a peer above its allowance is not answered, far above it blamed, and the bucket fills again", () => {
  const { node } = create("limited", { violationsAllowed: 1000 });
  const answers = (now: number) =>
    Array.from({ length: 30 }, (_, n) =>
      node.handle({ type: "messageReceived", from: bob.descriptor.id, message: shuffle(n) }, at(now)),
    );
  expect(answers(0).filter((effects) => sent(effects).includes("shuffleResponse"))).toHaveLength(12);
  const more = answers(0);
  expect(more[0]).toEqual([]);
  expect(more.at(-1)).toMatchObject([{ type: "peerViolated", rule: "NOD-2" }]);
  expect(answers(10_000).filter((effects) => sent(effects).includes("shuffleResponse"))).toHaveLength(6);
});

test("NOD-2 NOD-4 ten thousand requests of one peer cost a dozen answers and end in a block; what is remembered of many stays bounded", () => {
  const { node } = create("flooded");
  let answers = 0;
  let effects = 0;
  for (let n = 0; n < 10_000; n++) {
    const produced = node.handle({ type: "messageReceived", from: bob.descriptor.id, message: shuffle(n) }, at(0));
    effects += produced.length;
    answers += sent(produced).filter((type) => type === "shuffleResponse").length;
  }
  expect(answers).toBe(12);
  expect(effects).toBeLessThan(100);
  for (let n = 0; n < 10_000; n++) {
    const stranger = `${bob.descriptor.id.slice(0, -5)}${String(n).padStart(5, "0")}` as NodeId;
    node.handle({ type: "messageRefused", from: stranger }, at(1));
    node.handle(
      { type: "messageReceived", from: stranger, message: { type: "prune", topic: topics[0]!.keys.tag } },
      at(1),
    );
  }
  const { addresses, urps } = node.snapshot();
  expect(addresses.length).toBeLessThanOrEqual(512);
  expect(urps.memory.members.length).toBeLessThanOrEqual(64);
  expect(node.polderCast.cyclon.view.size()).toBeLessThanOrEqual(20);
});

test("NOD-3 NOD-4 violations are counted, then the peer is blocked and forgotten", () => {
  const { node } = create("blocking", { violationsAllowed: 3 });
  node.handle({ type: "messageReceived", from: bob.descriptor.id, message: shuffle(1) }, at(0));
  expect(node.polderCast.cyclon.view.has(bob.descriptor.id)).toBe(true);
  const refuse = () => node.handle({ type: "messageRefused", from: bob.descriptor.id }, at(1));
  expect(refuse()).toMatchObject([{ type: "peerViolated", rule: "NOD-3", count: 1 }]);
  refuse();
  expect(refuse().map(({ type }) => type)).toContain("peerBlocked");
  expect(node.polderCast.cyclon.view.has(bob.descriptor.id)).toBe(false);
  expect(node.handle({ type: "messageReceived", from: bob.descriptor.id, message: shuffle(2) }, at(2))).toEqual([]);
  expect(
    sent(node.handle({ type: "messageReceived", from: bob.descriptor.id, message: shuffle(3) }, at(1_900_000))),
  ).toEqual(["shuffleResponse"]);
});

test("NOD-5 intersections go to ranked strangers, not twice to one, and what they prove feeds the rings", () => {
  const { node, interests } = create("meeting");
  const [first] = topics;
  node.handle({ type: "subscribe", topic: first!.keys.tag, contacts: [] }, at(0));
  node.handle(
    {
      type: "messageReceived",
      from: bob.descriptor.id,
      message: { type: "vicinityRequest", exchange: 1, neighbors: [{ descriptor: bob.descriptor, age: 0 }] },
    },
    at(0),
  );
  const proposed = node.handle({ type: "deadlineReached" }, at(10_000)).filter(({ type }) => type === "intersect");
  expect(proposed).toEqual([{ type: "intersect", peer: bob.descriptor }]);
  expect(node.handle({ type: "deadlineReached" }, at(20_000)).filter(({ type }) => type === "intersect")).toEqual([]);
  node.handle({ type: "topicsConfirmed", peer: bob.descriptor, topics: [first!.keys.tag] }, at(20_001));
  expect(interests.shared(bob.descriptor)).toEqual([first!.keys.tag]);
  expect(node.polderCast.rings.ring(first!.keys.tag)?.successors()).toEqual([bob.descriptor]);
});

test("NOD-6 a restored node knows whom to ask", () => {
  const { node } = create("mortal");
  node.handle({ type: "peerConnected", peer: bob.descriptor }, at(0));
  const snapshot = node.snapshot();
  expect(snapshot.addresses).toEqual([bob.descriptor]);
  const again = create("mortal", {}, snapshot).node;
  const effects = again.handle({ type: "deadlineReached" }, at(12_000));
  expect(effects.some((effect) => effect.type === "send" && effect.to === bob.descriptor.id)).toBe(true);
});

test("NOD-7 a fresh descriptor is asked for in time; only a newer one of the own id is taken", () => {
  const { node, issue } = create("renewing");
  const due = node.handle({ type: "deadlineReached" }, at(600_000)).filter(({ type }) => type === "descriptorDue");
  expect(due).toEqual([{ type: "descriptorDue", sequence: 2 }]);
  node.handle({ type: "descriptorIssued", descriptor: bob.issue(9) }, at(600_000));
  node.handle({ type: "descriptorIssued", descriptor: issue(2) }, at(600_000));
  expect(node.snapshot().sequence).toBe(2);
});

test("NOD-8 a known node that is in no view is contacted now and then", () => {
  const { node } = create("bridge");
  node.handle({ type: "peerConnected", peer: bob.descriptor }, at(0));
  const effects = node.handle({ type: "deadlineReached" }, at(100_000));
  expect(
    effects.some(
      (effect) => effect.type === "send" && effect.to === bob.descriptor.id && effect.message.type === "joinRequest",
    ),
  ).toBe(true);
});

test("NOD-9 bye goes to neighbors over existing sessions, and who gets it forgets the sender at once", () => {
  const { node } = create("leaving");
  node.handle({ type: "messageReceived", from: bob.descriptor.id, message: shuffle(1) }, at(0));
  expect(node.handle({ type: "suspend" }, at(1))).toEqual([
    { type: "send", to: bob.descriptor.id, route: undefined, message: { type: "bye" } },
  ]);
  node.handle({ type: "messageReceived", from: bob.descriptor.id, message: { type: "bye" } }, at(2));
  expect(node.polderCast.cyclon.view.has(bob.descriptor.id)).toBe(false);
});

test("NOD-3 bytes are decoded by layer, descriptors verified, forged ones refused", () => {
  const seal = createTopicSeal(crypto, createSeededRandom("seal"), keysOf, {
    handshakeHash: new Uint8Array(32),
    self: alice.descriptor.id,
    peer: alice.descriptor.id,
  });
  const verifier = createDescriptorVerifier(crypto);
  const messages: GossipMessage[] = [
    shuffle(1),
    { type: "vicinityRequest", exchange: 2, neighbors: [{ descriptor: carol.descriptor, age: 3 }] },
    { type: "ringFind", exchange: 3, sender: alice.descriptor, topic: topics[0]!.keys.tag },
    {
      type: "ringFound",
      exchange: 4,
      topics: [{ topic: topics[1]!.keys.tag, neighbors: [{ descriptor: bob.descriptor, age: 1 }] }],
    },
    { type: "prune", topic: topics[2]!.keys.tag },
    { type: "bye" },
  ];
  for (const message of messages) {
    const decoded = decodeGossipMessage(encodeGossipMessage(message, seal), seal);
    expect(decoded).toEqual({ ok: true, value: message });
    if (decoded.ok) expect(verifyGossipMessage(decoded.value, verifier, NOW)).toEqual({ ok: true, value: message });
  }
  const forged = { ...bob.descriptor, bytes: bob.descriptor.bytes.slice() };
  forged.bytes[60] = (forged.bytes[60] as number) ^ 1;
  const lie: GossipMessage = { type: "shuffleResponse", exchange: 1, neighbors: [{ descriptor: forged, age: 0 }] };
  expect(verifyGossipMessage(lie, verifier, NOW)).toEqual({ ok: false, error: { type: "ForgedDescriptor" } });
  for (const bytes of [new Uint8Array(0), Uint8Array.of(1, 5), Uint8Array.of(1, 4, 0), Uint8Array.of(1, 0x99)])
    expect(decodeGossipMessage(bytes, seal).ok).toBe(false);
});

test("NOD-13 a carrier cannot show an old descriptor as a young one; the sender of a request is exempt", () => {
  const verifier = createDescriptorVerifier(crypto);
  const later = unixMs(NOW + 24 * 3_600_000);
  const old = { descriptor: carol.descriptor, age: 0 };
  const agesOf = (message: GossipMessage, at = later): readonly number[] => {
    const verified = verifyGossipMessage(message, verifier, at);
    return verified.ok && "neighbors" in verified.value ? verified.value.neighbors.map(({ age }) => age) : [];
  };
  expect(agesOf({ type: "shuffleResponse", exchange: 1, neighbors: [old] })).toEqual([142]);
  expect(agesOf({ type: "vicinityResponse", exchange: 1, neighbors: [{ ...old, age: 200 }] })).toEqual([200]);
  expect(agesOf({ type: "shuffleResponse", exchange: 1, neighbors: [old] }, unixMs(NOW + 29 * 60_000))).toEqual([0]);
  const request: GossipMessage = {
    type: "shuffleRequest",
    exchange: 1,
    neighbors: [{ descriptor: bob.descriptor, age: 0 }, old],
  };
  expect(agesOf(request)).toEqual([0, 142]);
});

test("NOD-10 a node's affinity to a peer with its own topics exceeds that to a stranger's, without any list", () => {
  const { interests } = create("alike");
  const stranger = createFixtureNode({
    crypto,
    random: createSeededRandom("stranger"),
    topics: [7, 8, 9].map((n) => {
      const element = new Uint8Array(32).fill(100 + n);
      return { element, keys: createTopicKeys(crypto, element) };
    }),
    keysOf,
    issuedAt: ISSUED_AT,
  });
  expect(interests.affinity(alice.descriptor)(bob.descriptor)).toBeGreaterThanOrEqual(-1);
  const own = create("alike").descriptor;
  const affinity = interests.affinity(own);
  expect(affinity(bob.descriptor)).toBeGreaterThan(affinity(stranger.descriptor));
});
