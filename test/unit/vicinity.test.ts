import { expect, test } from "vitest";
import type { NodeId } from "../../protocol/identity/node-id.ts";
import type { VerifiedDescriptor } from "../../protocol/identity/verified.ts";
import { durationMs, monotonicMs } from "../../protocol/kernel/time.ts";
import { defaultVicinityConfig } from "../../protocol/vicinity/config.ts";
import type { VicinityEffect, VicinityMessage } from "../../protocol/vicinity/messages.ts";
import { clockwise, RING_CIRCUMFERENCE, selectClosest, selectRing } from "../../protocol/vicinity/selection.ts";
import { createVicinity } from "../../protocol/vicinity/vicinity.ts";
import { createCandidates } from "../../protocol/view/candidates.ts";
import { createLivenessBook } from "../../protocol/view/liveness-book.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { stubDescriptors } from "../support/stub-descriptors.ts";

const nodes = stubDescriptors(16);
const nameOf = ({ id }: VerifiedDescriptor): number => nodes.findIndex((node) => node.id === id);
const now = monotonicMs(0);
/** Node n sits at n * 50 on the ring. */
const position = (descriptor: VerifiedDescriptor): number => nameOf(descriptor) * 50;
const pool = (names: readonly number[], ages: readonly number[] = []) => {
  const candidates = createCandidates();
  candidates.reset(nodes[15]!);
  names.forEach((name, i) => candidates.add(nodes[name]!, ages[i] ?? 0));
  return candidates;
};
const random = createSeededRandom("vicinity");

test("VIC-4 the ring selection takes half successors, half predecessors, across the wrap", () => {
  const select = selectRing(position);
  const chosen = select(4, nodes[4]!, pool([2, 6, 1]), random).map(({ descriptor }) => nameOf(descriptor));
  expect(chosen.sort()).toEqual([1, 2, 6]);
  const more = select(4, nodes[4]!, pool([2, 6, 1, 5, 3, 7]), random).map(({ descriptor }) => nameOf(descriptor));
  expect(more.sort()).toEqual([2, 3, 5, 6]);
  expect(clockwise(50, 0)).toBe(RING_CIRCUMFERENCE - 50);
});

test("VIC-4 the closest are the most similar, equals by age and then at random", () => {
  const select = selectClosest(() => (candidate) => nameOf(candidate) % 4);
  const chosen = select(3, nodes[14]!, pool([0, 1, 2, 3, 7], [0, 0, 0, 9, 1]), random);
  expect(chosen.map(({ descriptor }) => nameOf(descriptor))).toEqual([7, 3, 2]);
  const tied = selectClosest(() => () => 1);
  const first = new Set(
    Array.from({ length: 40 }, () => nameOf(tied(1, nodes[14]!, pool([0, 1, 2]), random)[0]!.descriptor)),
  );
  expect(first.size).toBe(3);
  expect(selectClosest(() => () => -1)(3, nodes[14]!, pool([0, 1]), random)).toEqual([]);
});

test("VIC-4 selecting twice is selecting once", () => {
  const select = selectRing(position);
  const once = select(4, nodes[4]!, pool([2, 6, 1, 5, 3, 7, 9]), random);
  const twice = select(4, nodes[4]!, pool(once.map(({ descriptor }) => nameOf(descriptor))), random);
  expect(twice).toEqual(once);
});

const create = (held: readonly number[], below: readonly number[] = []) => {
  const vicinity = createVicinity({
    config: { ...defaultVicinityConfig, viewLength: 4, exchangeLength: 3, jitter: 0 },
    self: () => nodes[4]!,
    selection: selectRing(position),
    addRandomLayer: (candidates) => below.forEach((name) => candidates.add(nodes[name]!, 0)),
    book: createLivenessBook({ addressCapacity: 8, tombstoneMs: durationMs(300_000) }),
    random: createSeededRandom(1),
    startAt: now,
  });
  held.forEach((name, age) => vicinity.view.put(nodes[name]!, age));
  return vicinity;
};
const namesIn = (vicinity: ReturnType<typeof create>) =>
  vicinity.view
    .descriptors()
    .map(nameOf)
    .sort((a, b) => a - b);
const sent = (effects: readonly VicinityEffect[]): VicinityMessage & { readonly to: string } => {
  const send = effects.find((effect) => effect.type === "send");
  if (send?.type !== "send") throw new Error("nothing was sent");
  return { ...send.message, to: send.to };
};

test("VIC-1 the oldest is asked and gets the best for itself, the asker included", () => {
  const vicinity = create([5, 6, 9, 10], [11]);
  const message = sent(vicinity.handle({ type: "deadlineReached" }, now));
  expect(message.to).toBe(nodes[10]!.id);
  const names = message.neighbors.map(({ descriptor }) => nameOf(descriptor));
  expect(names).toContain(4);
  expect(names).toContain(11);
  expect(names).toContain(9);
  expect(namesIn(vicinity)).toEqual([5, 6, 9]);
});

test("VIC-2 VIC-3 the answer leaves out what came in, and the view keeps the best of all", () => {
  const vicinity = create([1, 9], [3]);
  const request: VicinityMessage = {
    type: "vicinityRequest",
    exchange: 2,
    neighbors: [6, 5].map((name) => ({ descriptor: nodes[name]!, age: 0 })),
  };
  const answer = sent(vicinity.handle({ type: "messageReceived", from: nodes[6]!.id, message: request }, now));
  expect(answer.neighbors.map(({ descriptor }) => nameOf(descriptor))).not.toContain(5);
  expect(namesIn(vicinity)).toEqual([1, 3, 5, 6]);
});

test("VIC-3 a response is accepted once and brings the partner back at age zero", () => {
  const vicinity = create([5, 6]);
  const { exchange } = sent(vicinity.handle({ type: "deadlineReached" }, now));
  const response: VicinityMessage = {
    type: "vicinityResponse",
    exchange,
    neighbors: [{ descriptor: nodes[3]!, age: 2 }],
  };
  vicinity.handle({ type: "messageReceived", from: nodes[6]!.id, message: response }, now);
  expect(namesIn(vicinity)).toEqual([3, 5, 6]);
  expect(vicinity.view.get(nodes[6]!.id)?.age).toBe(0);
  expect(vicinity.handle({ type: "messageReceived", from: nodes[6]!.id, message: response }, now)).toEqual([]);
});

test("VIC-6 neighbors of the target structure stay, except the partner of an open exchange", () => {
  const vicinity = create([2, 3, 5, 6], [9, 10, 11]);
  for (let round = 0; round < 12; round++) {
    const request = sent(vicinity.handle({ type: "deadlineReached" }, monotonicMs(round * 60_000)));
    const partner = nodes.findIndex(({ id }) => id === request.to);
    expect(namesIn(vicinity)).toEqual([2, 3, 5, 6].filter((name) => name !== partner));
    const response: VicinityMessage = {
      type: "vicinityResponse",
      exchange: request.exchange,
      neighbors: [9, 10, 11].map((name) => ({ descriptor: nodes[name]!, age: 0 })),
    };
    vicinity.handle(
      { type: "messageReceived", from: request.to as NodeId, message: response },
      monotonicMs(round * 60_000),
    );
    expect(namesIn(vicinity)).toEqual([2, 3, 5, 6]);
  }
});

test("VIC-5 an unreachable partner is replaced by the next oldest and not taken back on hearsay", () => {
  const vicinity = create([5, 6]);
  vicinity.handle({ type: "deadlineReached" }, now);
  expect(sent(vicinity.handle({ type: "peerUnreachable", peer: nodes[6]!.id }, now)).to).toBe(nodes[5]!.id);
  const rumour: VicinityMessage = {
    type: "vicinityRequest",
    exchange: 9,
    neighbors: [8, 6].map((name) => ({ descriptor: nodes[name]!, age: 0 })),
  };
  vicinity.handle({ type: "messageReceived", from: nodes[8]!.id, message: rumour }, now);
  expect(namesIn(vicinity)).toEqual([8]);
});

test("VIC-7 VIC-8 VIC-9 oversized, anonymous and foreign messages are violations", () => {
  const vicinity = create([5, 6]);
  const { exchange } = sent(vicinity.handle({ type: "deadlineReached" }, now));
  const neighbors = (names: readonly number[]) => names.map((name) => ({ descriptor: nodes[name]!, age: 0 }));
  const violation = (from: number, message: VicinityMessage) =>
    vicinity.handle({ type: "messageReceived", from: nodes[from]!.id, message }, now);
  expect(violation(8, { type: "vicinityRequest", exchange: 1, neighbors: neighbors([8, 1, 2, 3]) })).toMatchObject([
    { rule: "VIC-7" },
  ]);
  expect(violation(8, { type: "vicinityRequest", exchange: 1, neighbors: neighbors([1]) })).toMatchObject([
    { rule: "VIC-8" },
  ]);
  expect(violation(8, { type: "vicinityResponse", exchange, neighbors: neighbors([1]) })).toMatchObject([
    { rule: "VIC-9" },
  ]);
});
