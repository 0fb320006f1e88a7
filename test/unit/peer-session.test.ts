import { expect, test } from "vitest";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { ITEM_KINDS, sealItem } from "../../protocol/entry/item.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import type { PeerMessage } from "../../protocol/peer/messages.ts";
import type { FollowedTopic, PeerEffect, PeerEvent } from "../../protocol/peer/peer-session.ts";
import { createPeerSession, topicTag } from "../../protocol/peer/peer-session.ts";
import { decodePeerMessage, encodePeerMessage } from "../../protocol/peer/wire.ts";
import { createItemSet, type ItemSet } from "../../protocol/reconcile/item-set.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const crypto = createNobleProvider();
const HASH = new Uint8Array(32).fill(7);
const START = monotonicMs(0);

const topicOf = (seed: number) => {
  const key = crypto.signingKey(new Uint8Array(32).fill(seed));
  return { key, pk: key.publicKey, readKey: new Uint8Array(32).fill(seed + 100) };
};
const SHARED = topicOf(1);
const ONLY_LEFT = topicOf(2);
const ONLY_RIGHT = topicOf(3);

const itemOf = (topic: typeof SHARED, n: number) => {
  const sealed = sealItem(
    crypto,
    { kind: ITEM_KINDS.entry, topicKey: topic.key, gen: n, salt: new Uint8Array(16).fill(n) },
    topic.readKey,
    Uint8Array.of(n),
  );
  if (!sealed.ok) throw new Error("an item seals");
  return sealed.value;
};

/** One device: a session over an in-memory store that keeps whatever it is handed. */
const device = (
  role: "initiator" | "responder",
  topics: readonly (typeof SHARED)[],
  stored: readonly ReturnType<typeof itemOf>[],
  handshakeHash: Uint8Array = HASH,
  listed: readonly ReturnType<typeof itemOf>[] = stored,
) => {
  const wires = new Map(stored.map((item) => [bytesToHex(item.oid), item.wire]));
  const set: ItemSet = createItemSet(listed.map(({ gen, oid }) => ({ gen, id: oid })));
  const signing = crypto.signingKey(new Uint8Array(32).fill(role === "initiator" ? 50 : 60));
  const machine = createPeerSession(
    {
      crypto,
      random: createSeededRandom(`peer-${role}`),
      items: {
        itemSet: (pk) => (bytesToHex(pk) === bytesToHex(SHARED.pk) ? set : createItemSet()),
        wire: (oid) => wires.get(bytesToHex(oid)),
        has: (oid) => wires.has(bytesToHex(oid)),
      },
    },
    { handshakeHash, role },
  );
  const followed: readonly FollowedTopic[] = topics.map(({ pk, readKey }) => ({ pk, readKey, device: signing }));
  const seen: PeerEffect[] = [];
  const run = (event: PeerEvent): PeerMessage[] => {
    const out: PeerMessage[] = [];
    for (const effect of machine.handle(event, START)) {
      seen.push(effect);
      if (effect.type === "send") out.push(effect.message);
      else if (effect.type === "itemsReceived") {
        const results = effect.wires.map((wire) => {
          const item = stored.find((one) => bytesToHex(one.wire) === bytesToHex(wire));
          const oid = item?.oid ?? ITEMS.find((one) => bytesToHex(one.wire) === bytesToHex(wire))?.oid;
          if (oid === undefined) return { oid: new Uint8Array(32), status: 2 as const };
          const known = wires.has(bytesToHex(oid));
          wires.set(bytesToHex(oid), wire);
          return { oid, status: known ? (1 as const) : (0 as const) };
        });
        out.push(...run({ type: "itemsIngested", token: effect.token, results }));
      }
    }
    return out;
  };
  return { machine, run, followed, seen, wires, signing };
};

const ITEMS = Array.from({ length: 12 }, (_, n) => itemOf(SHARED, n));

type Side = ReturnType<typeof device>;

const converse = (left: Side, right: Side): void =>
  exchange(
    left,
    right,
    left.run({ type: "opened", topics: left.followed }),
    right.run({ type: "opened", topics: right.followed }),
  );
/** Delivers messages both ways, through the wire codec, until nobody has anything to say. */
const exchange = (left: Side, right: Side, fromLeft: PeerMessage[], fromRight: PeerMessage[] = []): void => {
  let [toRight, toLeft] = [fromLeft, fromRight];
  for (let round = 0; round < 100 && toRight.length + toLeft.length > 0; round++) {
    const [leftInbox, rightInbox] = [toLeft, toRight];
    toRight = leftInbox.flatMap((message) => left.run({ type: "messageReceived", message: overWire(message) }));
    toLeft = rightInbox.flatMap((message) => right.run({ type: "messageReceived", message: overWire(message) }));
  }
};
const overWire = (message: PeerMessage): PeerMessage => {
  const decoded = decodePeerMessage(encodePeerMessage(message));
  if (!decoded.ok) throw new Error(decoded.error.rule);
  expect(decoded.value).toEqual(message);
  return decoded.value;
};
const violations = (side: Side): string[] =>
  side.seen.flatMap((effect) => (effect.type === "peerViolated" ? [effect.rule] : []));
const hello = { type: "messageReceived", message: { type: "hello", version: 1 } } as const;

const meet = () => {
  const left = device("initiator", [SHARED, ONLY_LEFT], ITEMS.slice(0, 8));
  const right = device("responder", [SHARED, ONLY_RIGHT], ITEMS.slice(4));
  converse(left, right);
  return { left, right };
};

test("[PEER-1] hello comes first and once", () => {
  const early = device("responder", [SHARED], []);
  early.run({ type: "messageReceived", message: { type: "tags", tags: [] } });
  expect(violations(early)).toEqual(["PEER-1"]);
  const twice = device("responder", [SHARED], []);
  twice.run(hello);
  twice.run(hello);
  expect(violations(twice)).toEqual(["PEER-1"]);
  const old = device("responder", [SHARED], []);
  old.run({ type: "messageReceived", message: { type: "hello", version: 0 } });
  expect(violations(old)).toEqual(["PEER-1"]);
  const newer = device("responder", [SHARED], []);
  newer.run({ type: "messageReceived", message: { type: "hello", version: 200 } });
  expect(violations(newer)).toEqual([]);
});

test("[PEER-2] a stranger sees sixteen random tags, one session's tags fit no other, and reflected tags match nothing", () => {
  const side = device("initiator", [SHARED], []);
  const tags = side.run({ type: "opened", topics: side.followed }).find((message) => message.type === "tags");
  if (tags?.type !== "tags") throw new Error("tags are sent");
  expect(tags.tags).toHaveLength(16);
  const own = bytesToHex(topicTag(crypto, SHARED.readKey, HASH, "initiator"));
  expect(tags.tags.map(bytesToHex).filter((tag) => tag === own)).toHaveLength(1);
  expect(bytesToHex(topicTag(crypto, SHARED.readKey, new Uint8Array(32), "initiator"))).not.toBe(own);
  side.run(hello);
  side.run({ type: "messageReceived", message: tags });
  expect(side.seen.some(({ type }) => type === "topicShared")).toBe(false);
  const many = device(
    "initiator",
    Array.from({ length: 17 }, (_, n) => topicOf(n + 10)),
    [],
  );
  const padded = many.run({ type: "opened", topics: many.followed }).find((message) => message.type === "tags");
  expect(padded?.type === "tags" && padded.tags.length).toBe(32);
});

test("[PEER-2] tags that come before this side opened match all the same", () => {
  const side = device("initiator", [SHARED], []);
  side.run(hello);
  side.run({
    type: "messageReceived",
    message: { type: "tags", tags: [topicTag(crypto, SHARED.readKey, HASH, "responder")] },
  });
  expect(side.seen.some(({ type }) => type === "topicShared")).toBe(false);
  side.run({ type: "opened", topics: side.followed });
  expect(side.seen.filter(({ type }) => type === "topicShared")).toHaveLength(1);
});

test("[PEER-2] sessions with different handshake hashes, as behind a man in the middle, share nothing", () => {
  const left = device("initiator", [SHARED], ITEMS.slice(0, 2));
  const right = device("responder", [SHARED], [], new Uint8Array(32).fill(8));
  converse(left, right);
  expect([...left.seen, ...right.seen].some(({ type }) => type === "topicShared")).toBe(false);
  expect(right.wires.size).toBe(0);
});

test("[PEER-3] what concerns a topic that is not shared is refused; a live item is dropped without blame", () => {
  const refused: PeerMessage[] = [
    { type: "get", request: 1, topic: ONLY_LEFT.pk, oids: [] },
    { type: "push", request: 1, topic: ONLY_LEFT.pk, wires: [] },
    { type: "have", request: 1, topic: ONLY_LEFT.pk, oids: [] },
    { type: "compared", topic: ONLY_LEFT.pk },
    { type: "device", topic: ONLY_LEFT.pk, device: new Uint8Array(32), signature: new Uint8Array(64) },
  ];
  for (const message of refused) {
    const side = device("responder", [SHARED, ONLY_LEFT], []);
    side.run(hello);
    side.run({ type: "messageReceived", message });
    expect(violations(side), message.type).toEqual(["PEER-3"]);
  }
  const side = device("responder", [SHARED], []);
  side.run(hello);
  side.run({ type: "messageReceived", message: { type: "live", topic: SHARED.pk, wire: new Uint8Array(1) } });
  expect(violations(side)).toEqual([]);
  expect(side.seen.some(({ type }) => type === "liveReceived")).toBe(false);
});

test.each(["left", "right"] as const)(
  "[PEER-3] what the %s side leaves out rests on both, late questions get empty answers, and named again it is compared anew",
  (who) => {
    const { left, right } = meet();
    const pausing = who === "left" ? left : right;
    const other = who === "left" ? right : left;
    const tell = (topics: readonly FollowedTopic[]) =>
      exchange(pausing, other, pausing.run({ type: "topicsChanged", topics }));
    const gone = ({ seen }: Side) => seen.filter(({ type }) => type === "topicUnshared").length;
    tell(pausing.followed.slice(1));
    expect([gone(left), gone(right)]).toEqual([1, 1]);
    const late: PeerMessage[] = [
      { type: "get", request: 91, topic: SHARED.pk, oids: [] },
      { type: "push", request: 92, topic: SHARED.pk, wires: [] },
      { type: "have", request: 93, topic: SHARED.pk, oids: [] },
      { type: "getChunk", request: 94, topic: SHARED.pk, id: new Uint8Array(32) },
      { type: "compared", topic: SHARED.pk },
    ];
    const answers = late.flatMap((message) => pausing.run({ type: "messageReceived", message }));
    expect(answers.map(({ type }) => type)).toEqual(["items", "pushed", "has", "chunk"]);
    expect(
      pausing.run({ type: "itemStored", topic: SHARED.pk, oid: ITEMS[0]?.oid as Uint8Array, wire: new Uint8Array(1) }),
    ).toEqual([]);

    const synced = ({ seen }: Side) => seen.filter(({ type }) => type === "topicSynced").length;
    const before = [synced(left), synced(right)];
    tell(pausing.followed);
    expect([synced(left), synced(right)]).toEqual(before.map((n) => n + 1));
    expect([violations(left), violations(right)]).toEqual([[], []]);
  },
);

test("[PEER-4] answers nobody asked for are violations", () => {
  const answers: PeerMessage[] = [
    { type: "reconciled", request: 9, payload: null },
    { type: "items", request: 9, wires: [], more: false },
    { type: "pushed", request: 9, results: [] },
    { type: "has", request: 9, oids: [] },
  ];
  for (const message of answers) {
    const side = device("initiator", [SHARED], []);
    side.run(hello);
    side.run({ type: "messageReceived", message });
    expect(violations(side), message.type).toEqual(["PEER-4"]);
  }
});

test("[PEER-5] members prove their device keys to each other inside the shared topic, and only there", () => {
  const { left, right } = meet();
  const proved = (side: Side) => side.seen.flatMap((effect) => (effect.type === "deviceProved" ? [effect] : []));
  expect(proved(left).map((effect) => bytesToHex(effect.device))).toEqual([bytesToHex(right.signing.publicKey)]);
  expect(proved(right).map((effect) => bytesToHex(effect.device))).toEqual([bytesToHex(left.signing.publicKey)]);
  const sentFor = left.seen.flatMap((effect) =>
    effect.type === "send" && effect.message.type === "device" ? [bytesToHex(effect.message.topic)] : [],
  );
  expect(sentFor).toEqual([bytesToHex(SHARED.pk)]);
  left.run({
    type: "messageReceived",
    message: { type: "device", topic: SHARED.pk, device: right.signing.publicKey, signature: new Uint8Array(64) },
  });
  expect(violations(left)).toEqual(["PEER-5"]);
});

test("[PEER-6] both sides end with all items of the shared topic, and a broken payload is a violation", () => {
  const { left, right } = meet();
  const all = ITEMS.map(({ oid }) => bytesToHex(oid)).toSorted();
  expect([...left.wires.keys()].toSorted()).toEqual(all);
  expect([...right.wires.keys()].toSorted()).toEqual(all);
  expect([...violations(left), ...violations(right)]).toEqual([]);
  right.run({
    type: "messageReceived",
    message: { type: "reconcile", request: 99, topic: SHARED.pk, payload: new Uint8Array([1, 2, 3]) },
  });
  expect(violations(right)).toEqual(["PEER-6"]);
});

test("[PEER-7] a request that stays unanswered ends the session after a minute", () => {
  const left = device("initiator", [SHARED], ITEMS.slice(0, 2));
  left.run({ type: "opened", topics: left.followed });
  left.run(hello);
  left.run({
    type: "messageReceived",
    message: { type: "tags", tags: [topicTag(crypto, SHARED.readKey, HASH, "responder")] },
  });
  const deadline = left.machine.nextDeadline();
  expect(deadline).toBe(60_000);
  expect(left.machine.handle({ type: "deadlineReached" }, monotonicMs(59_999))).toEqual([]);
  expect(left.machine.handle({ type: "deadlineReached" }, monotonicMs(60_000))).toEqual([
    { type: "peerViolated", rule: "PEER-7" },
  ]);
});

test("[PEER-8] an item stored later is pushed, and counts as delivered only once the peer said so", () => {
  const { left, right } = meet();
  const late = itemOf(SHARED, 40);
  left.wires.set(bytesToHex(late.oid), late.wire);
  const pushes = left.run({ type: "itemStored", topic: SHARED.pk, oid: late.oid, wire: late.wire });
  expect(pushes.map(({ type }) => type)).toEqual(["push"]);
  const delivered = () =>
    left.seen
      .flatMap((effect) => (effect.type === "delivered" ? effect.oids.map(bytesToHex) : []))
      .includes(bytesToHex(late.oid));
  expect(delivered()).toBe(false);
  const push = pushes[0] as PeerMessage & { type: "push" };
  left.run({
    type: "messageReceived",
    message: { type: "pushed", request: push.request, results: [{ oid: late.oid, status: 2 }] },
  });
  expect(delivered()).toBe(false);
  const again = left.run({ type: "itemStored", topic: SHARED.pk, oid: late.oid, wire: late.wire })[0] as PeerMessage & {
    type: "push";
  };
  left.run({
    type: "messageReceived",
    message: {
      type: "pushed",
      request: again.request,
      results: [
        { oid: late.oid, status: 0 },
        { oid: new Uint8Array(32), status: 0 },
      ],
    },
  });
  expect(delivered()).toBe(true);
  expect(violations(right)).toEqual([]);
});

test("[PEER-9] after comparing, each side learns which of its own items the other holds", () => {
  const { left, right } = meet();
  for (const side of [left, right]) expect(side.seen.some(({ type }) => type === "topicSynced")).toBe(true);
  const foreign = itemOf(SHARED, 41);
  const [question] = right.run({
    type: "askDelivered",
    topic: SHARED.pk,
    oids: [ITEMS[9]?.oid as Uint8Array, foreign.oid],
  });
  const [answer] = left.run({ type: "messageReceived", message: question as PeerMessage });
  right.run({ type: "messageReceived", message: answer as PeerMessage });
  const delivered = right.seen.flatMap((effect) => (effect.type === "delivered" ? effect.oids.map(bytesToHex) : []));
  expect(delivered).toContain(bytesToHex(ITEMS[9]?.oid as Uint8Array));
  expect(delivered).not.toContain(bytesToHex(foreign.oid));
});

test("[PEER-14] a peer is said to hold the topic only when all was compared and every later item is acknowledged", () => {
  const { left, right } = meet();
  const heldBy = ({ seen }: Side) => seen.filter(({ type }) => type === "topicHeld").length;
  expect(heldBy(left)).toBe(1);
  expect(heldBy(right)).toBe(1);
  const store = (n: number) => {
    const item = itemOf(SHARED, n);
    left.wires.set(bytesToHex(item.oid), item.wire);
    const [push] = left.run({ type: "itemStored", topic: SHARED.pk, oid: item.oid, wire: item.wire });
    if (push?.type !== "push") throw new Error("it is pushed");
    return { oid: item.oid, request: push.request };
  };
  const acknowledge = ({ oid, request }: ReturnType<typeof store>, status: 0 | 2) =>
    left.run({ type: "messageReceived", message: { type: "pushed", request, results: [{ oid, status }] } });
  const [first, second] = [store(50), store(51)];
  acknowledge(first, 0);
  expect(heldBy(left)).toBe(1);
  acknowledge(second, 0);
  expect(heldBy(left)).toBe(2);
  acknowledge(store(52), 2);
  acknowledge(store(53), 0);
  expect(heldBy(left)).toBe(2);
});

test("[PEER-15] items that are kept but not listed are neither pushed nor asked for", () => {
  const left = device("initiator", [SHARED], ITEMS.slice(0, 8), HASH, ITEMS.slice(0, 4));
  const right = device("responder", [SHARED], ITEMS.slice(0, 9), HASH, ITEMS.slice(4, 9));
  converse(left, right);
  expect([violations(left), violations(right)]).toEqual([[], []]);
  const sent = ({ seen }: Side) => seen.flatMap((effect) => (effect.type === "send" ? [effect.message] : []));
  expect(sent(left).filter(({ type }) => type === "push")).toEqual([]);
  const asked = sent(left).flatMap((message) => (message.type === "get" ? message.oids.map(bytesToHex) : []));
  expect(asked).toEqual([bytesToHex(ITEMS[8]?.oid as Uint8Array)]);
  expect(left.seen.some(({ type }) => type === "topicHeld")).toBe(true);
});

test("[PEER-3] decoding is total on random and mutated frames", () => {
  const random = createSeededRandom("peer-wire");
  const valid = encodePeerMessage({ type: "push", request: 3, topic: SHARED.pk, wires: [new Uint8Array(40)] });
  for (let i = 0; i < 20_000; i++) {
    const frame = i % 2 === 0 ? random.bytes(random.uint32() % 80) : valid.slice();
    if (i % 2 === 1) frame[random.uint32() % frame.length] = random.uint32() & 255;
    expect(typeof decodePeerMessage(frame).ok).toBe("boolean");
  }
});
