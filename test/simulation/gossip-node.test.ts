import { expect, test } from "vitest";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { Descriptor } from "../../protocol/identity/descriptor.ts";
import type { NodeId } from "../../protocol/identity/node-id.ts";
import type { VerifiedDescriptor } from "../../protocol/identity/verified.ts";
import { sample } from "../../protocol/kernel/random.ts";
import type { GossipMessage, GossipNodeEffect, GossipNodeEvent } from "../../protocol/node/messages.ts";
import { decodeGossipMessage, encodeGossipMessage, verifyGossipMessage } from "../../protocol/node/wire.ts";
import { createTopicKeys, createTopicSeal } from "../../protocol/poldercast/topic-keys.ts";
import { createFixtureNode } from "../support/gossip-fixture.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { continentalNetwork, createNetem } from "./kernel/netem.ts";
import { createWorld } from "./kernel/world.ts";

const NODES = 16;
const TOPICS = 4;

/** Whole nodes, real bytes, seals and profiles; only signatures and the intersection's own messages are short-cut. */
const build = (seed: number) => {
  const crypto = createNativeProvider(createNobleProvider());
  const random = createSeededRandom(seed);
  const topics = Array.from({ length: TOPICS }, () => {
    const element = random.bytes(32);
    return { element, keys: createTopicKeys(crypto, element) };
  });
  const keysOf = (tag: string) => topics.find(({ keys }) => keys.tag === tag)?.keys;
  const nodes = Array.from({ length: NODES }, (_, index) =>
    createFixtureNode({
      crypto,
      random: random.fork(`node ${index}`),
      topics: sample(random, topics, 2),
      keysOf,
      issuedAt: 1,
    }),
  );
  const indexById = new Map<NodeId, number>(nodes.map(({ descriptor }, index) => [descriptor.id, index]));
  const seal = createTopicSeal(crypto, random.fork("seal"), keysOf, {
    handshakeHash: new Uint8Array(32),
    self: nodes[0]!.descriptor.id,
    peer: nodes[0]!.descriptor.id,
  });
  const wireBytes: Uint8Array[] = [];
  const delivered: { readonly node: number; readonly id: string }[] = [];
  const world = createWorld<GossipMessage, GossipNodeEvent, GossipNodeEffect>({
    population: {
      create: () => nodes[0]!.descriptor,
      indexOf: (id) => indexById.get(id) ?? -1,
      placeOf: ({ id }) => indexById.get(id) ?? -1,
      recognise: (descriptor: Descriptor) => descriptor as VerifiedDescriptor,
      descriptors: nodes.map(({ descriptor }) => descriptor),
    },
    netem: createNetem(continentalNetwork, random.fork("netem")),
    random: random.fork("world"),
    periodMs: 10_000,
    throughBytes: true,
    wire: {
      sizeOf: () => 0,
      roundTrip: (message) => {
        const bytes = encodeGossipMessage(message, seal);
        wireBytes.push(bytes);
        const decoded = decodeGossipMessage(bytes, seal);
        if (!decoded.ok) throw new Error(decoded.error.rule);
        const verified = verifyGossipMessage(
          decoded.value,
          { verify: (descriptor) => ({ ok: true, value: descriptor as VerifiedDescriptor }) },
          0 as never,
        );
        if (!verified.ok) throw new Error(verified.error.type);
        return verified.value;
      },
    },
    onEffect: (index, effect) => {
      if (effect.type === "deliver") delivered.push({ node: index, id: effect.id });
      if (effect.type !== "intersect") return;
      const peer = indexById.get(effect.peer.id)!;
      if (!world.isAlive(peer)) return;
      const common = nodes[index]!.topics.filter((topic) => nodes[peer]!.topics.includes(topic)).map(
        ({ keys }) => keys.tag,
      );
      world.command(index, { type: "topicsConfirmed", peer: nodes[peer]!.descriptor, topics: common });
      world.command(peer, { type: "topicsConfirmed", peer: nodes[index]!.descriptor, topics: common });
    },
  });
  world.runUntil(0);
  nodes.forEach(({ node }, index) => world.add(index, node));
  nodes.forEach(({ topics: own }, index) => {
    if (index > 0) world.command(index, { type: "join", contacts: [nodes[0]!.descriptor] });
    for (const { keys } of own) world.command(index, { type: "subscribe", topic: keys.tag, contacts: [] });
  });
  const subscribers = (topic: (typeof topics)[number]) =>
    nodes.flatMap((node, index) => (node.topics.includes(topic) ? [index] : []));
  const publish = (topic: (typeof topics)[number], source: number, text: string) => {
    const payload = new TextEncoder().encode(text);
    const id = topic.keys.messageId(payload);
    world.command(source, { type: "publish", topic: topic.keys.tag, id, payload });
    return id;
  };
  return { world, nodes, topics, subscribers, publish, delivered, wireBytes };
};

test("whole nodes find their topics through noisy profiles, and every subscriber gets every message once", () => {
  const { world, topics, subscribers, publish, delivered, wireBytes } = build(11);
  world.runUntil(250_000);
  for (const topic of topics) {
    const members = subscribers(topic);
    if (members.length < 2) continue;
    const id = publish(topic, members[0]!, "hello");
    world.runUntil(world.now() + 10_000);
    const receivers = delivered.filter((each) => each.id === id).map(({ node }) => node);
    expect(receivers.sort((a, b) => a - b)).toEqual(members.slice(1));
  }
  const everything = Buffer.concat(wireBytes);
  for (const { element } of topics) expect(everything.includes(Buffer.from(element))).toBe(false);
});

test("a node that was away for ten minutes ends with everything", () => {
  const { world, topics, subscribers, publish, delivered } = build(12);
  world.runUntil(250_000);
  const topic = topics.find((each) => subscribers(each).length >= 4)!;
  const [source, absent] = subscribers(topic) as [number, number];
  world.suspend(absent);
  const missed: string[] = [];
  for (let minute = 0; minute < 10; minute++) {
    missed.push(publish(topic, source, `minute ${minute}`));
    world.runUntil(world.now() + 60_000);
  }
  world.resume(absent);
  world.command(absent, { type: "wake" });
  world.runUntil(world.now() + 60_000);
  const got = delivered.filter(({ node }) => node === absent).map(({ id }) => id);
  for (const id of missed) expect(got).toContain(id);
  expect(new Set(got).size).toBe(got.length);
});
