import { expect, test } from "vitest";
import { sealChunk } from "../../protocol/blob/chunk.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import type { PeerMessage } from "../../protocol/peer/messages.ts";
import type { PeerEffect, PeerEvent } from "../../protocol/peer/peer-session.ts";
import { createPeerSession } from "../../protocol/peer/peer-session.ts";
import { decodePeerMessage, encodePeerMessage } from "../../protocol/peer/wire.ts";
import { createItemSet } from "../../protocol/reconcile/item-set.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const topic = { pk: filled(1, 32), readKey: filled(2, 32), device: null };
const foreign = { pk: filled(3, 32), readKey: filled(4, 32), device: null };
const chunks = Array.from({ length: 40 }, (_, n) => sealChunk(native, filled(5, 32), filled(n + 1, 700)));
const chunk = (n: number) => {
  const found = chunks[n];
  if (found === undefined) throw new Error(`no chunk ${n}`);
  return found;
};

/** Two sessions that share `topic`, joined by the wire codec; effects other than messages are kept. */
const meet = () => {
  const sides = (["initiator", "responder"] as const).map((role) => ({
    machine: createPeerSession(
      {
        crypto: native,
        random: createSeededRandom(role),
        items: { itemSet: () => createItemSet(), wire: () => undefined, has: () => false },
      },
      { handshakeHash: filled(6, 32), role },
    ),
    sent: [] as PeerMessage[],
    effects: [] as PeerEffect[],
  }));
  const [left, right] = sides as [(typeof sides)[number], (typeof sides)[number]];
  const run = (side: (typeof sides)[number], event: PeerEvent, now = 0): void => {
    for (const effect of side.machine.handle(event, monotonicMs(now)))
      if (effect.type === "send") side.sent.push(must(decodePeerMessage(encodePeerMessage(effect.message))));
      else side.effects.push(effect);
  };
  const deliver = (from: typeof left, to: typeof left, now = 0): void => {
    for (const message of from.sent.splice(0)) run(to, { type: "messageReceived", message }, now);
  };
  run(left, { type: "opened", topics: [topic, foreign] });
  run(right, { type: "opened", topics: [topic] });
  for (let i = 0; i < 4; i++) {
    deliver(left, right);
    deliver(right, left);
  }
  left.effects.length = 0;
  right.effects.length = 0;
  return { left, right, run, deliver };
};

const fetchChunk = (n: number, urgent = false): PeerEvent => ({
  type: "fetchChunk",
  topic: topic.pk,
  id: chunk(n).id,
  urgent,
});
const idsOf = (messages: readonly PeerMessage[]) =>
  messages.flatMap((message) =>
    message.type === "getChunk" ? [chunks.findIndex(({ id }) => Buffer.compare(id, message.id) === 0)] : [],
  );
const rules = (effects: readonly PeerEffect[]) =>
  effects.flatMap((effect) => (effect.type === "peerViolated" ? [effect.rule] : []));

test("PEER-10 four chunks are asked for at once, urgent ones overtake, and a slow link gets one at a time", () => {
  const { left, right, run, deliver } = meet();
  for (let n = 0; n < 8; n++) run(left, fetchChunk(n));
  run(left, fetchChunk(20, true));
  expect(idsOf(left.sent)).toEqual([0, 1, 2, 3]);
  deliver(left, right);
  expect(right.effects.map(({ type }) => type)).toEqual(Array(4).fill("chunkRequested"));
  const answer = (at: number, now: number): void => {
    const asked = right.effects[at];
    if (asked?.type !== "chunkRequested") throw new Error("a chunk was asked for");
    const found = chunks.find(({ id }) => Buffer.compare(id, asked.id) === 0);
    run(right, { type: "chunkRead", request: asked.request, bytes: found?.ciphertext ?? null }, now);
    deliver(right, left, now);
  };
  answer(0, 100);
  expect(left.effects[0]).toMatchObject({ type: "chunkReceived", bytes: chunk(0).ciphertext });
  expect(idsOf(left.sent)).toEqual([20]);
  deliver(left, right, 100);
  for (const at of [1, 2, 3]) answer(at, 2_000);
  expect(idsOf(left.sent)).toEqual([]);
  answer(4, 2_100);
  expect(idsOf(left.sent)).toEqual([4]);
  expect(rules([...left.effects, ...right.effects])).toEqual([]);
});

test("PEER-11 a chunk the peer does not have is answered by null", () => {
  const { left, right, run, deliver } = meet();
  run(left, fetchChunk(0));
  deliver(left, right);
  const asked = right.effects[0];
  if (asked?.type !== "chunkRequested") throw new Error("a chunk was asked for");
  run(right, { type: "chunkRead", request: asked.request, bytes: null });
  deliver(right, left);
  expect(left.effects).toEqual([{ type: "chunkReceived", topic: topic.pk, id: chunk(0).id, bytes: null }]);
});

test("PEER-12 bytes that are not the chunk asked for end the session", () => {
  const { left, run } = meet();
  run(left, fetchChunk(0));
  const asked = left.sent[0];
  if (asked?.type !== "getChunk") throw new Error("a chunk is asked for");
  run(left, {
    type: "messageReceived",
    message: { type: "chunk", request: asked.request, bytes: chunk(1).ciphertext },
  });
  expect(rules(left.effects)).toEqual(["PEER-12"]);
});

test("PEER-13 more than sixteen open questions, or one number twice, break the rule", () => {
  const ask = (request: number): PeerEvent => ({
    type: "messageReceived",
    message: { type: "getChunk", request, topic: topic.pk, id: chunk(0).id },
  });
  const many = meet();
  for (let request = 100; request < 116; request++) many.run(many.right, ask(request));
  expect(rules(many.right.effects)).toEqual([]);
  many.run(many.right, ask(116));
  expect(rules(many.right.effects)).toEqual(["PEER-13"]);
  const twice = meet();
  twice.run(twice.right, ask(100));
  twice.run(twice.right, ask(100));
  expect(rules(twice.right.effects)).toEqual(["PEER-13"]);
});

test("PEER-3 PEER-4 chunks flow inside a shared topic only, and only when asked for", () => {
  const { left, right, run } = meet();
  run(left, { type: "fetchChunk", topic: foreign.pk, id: chunk(0).id, urgent: false });
  expect(left.effects).toEqual([{ type: "chunkReceived", topic: foreign.pk, id: chunk(0).id, bytes: null }]);
  expect(left.sent).toEqual([]);
  run(right, {
    type: "messageReceived",
    message: { type: "getChunk", request: 9, topic: foreign.pk, id: chunk(0).id },
  });
  expect(rules(right.effects)).toEqual(["PEER-3"]);
  run(left, { type: "messageReceived", message: { type: "chunk", request: 77, bytes: null } });
  expect(rules(left.effects)).toEqual(["PEER-4"]);
});

test("PEER-7 a chunk that does not come for a minute ends the session; a topic that goes gives its wishes back", () => {
  const { left, run } = meet();
  for (let n = 0; n < 6; n++) run(left, fetchChunk(n));
  expect(left.machine.nextDeadline()).toBe(60_000);
  run(left, { type: "topicsChanged", topics: [foreign] });
  expect(left.effects.flatMap((effect) => (effect.type === "chunkReceived" ? [effect.bytes] : []))).toEqual([
    null,
    null,
  ]);
  run(left, { type: "deadlineReached" }, 60_000);
  expect(rules(left.effects)).toEqual(["PEER-7"]);
});
