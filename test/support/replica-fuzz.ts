import * as A from "@automerge/automerge";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { pick, randomBelow, shuffle } from "../../protocol/kernel/random.ts";
import { createReplica, loadReplica } from "../../protocol/replica/replica.ts";
import {
  counter,
  type Expand,
  type LocalChange,
  isTyped,
  type MapValue,
  type Patch,
  type Replica,
  SCALAR_TYPE,
  type Transaction,
  type Value,
} from "../../protocol/replica/types.ts";
import { automergeDependencies } from "./automerge-dependencies.ts";

type Doc = A.Doc<Record<string, unknown>>;

/** One participant: the same edits made through Automerge and through our replica. */
export interface Peer {
  readonly actor: string;
  doc: Doc;
  replica: Replica;
  /** The text as somebody sees it who only follows patches. */
  readonly follower: Follower;
}

/** Units of a text with what each shows, kept up to date by patches alone; "?" is to be read again. */
export interface Follower {
  units: string[];
}

const unitsOf = (replica: Replica, text: string, from = 0, to?: number): string[] =>
  replica.spans(text, from, to).flatMap((span) => {
    const shown = JSON.stringify(plain(span.type === "text" ? (span.marks ?? {}) : span.value));
    return span.type === "text" ? Array.from(span.value.split(""), (unit) => `${unit} ${shown}`) : [`block ${shown}`];
  });

/** Replays patches and compares with what the replica shows. */
const follow = (peer: Peer, patches: readonly Patch[], compare: (mine: unknown, theirs: unknown) => void): void => {
  const text = peer.replica.objectAt(["text"]) as string;
  const { units } = peer.follower;
  for (const patch of patches) {
    if (patch.object !== text) continue;
    if (patch.type === "text") {
      const marks = JSON.stringify(plain(patch.marks));
      units.splice(patch.index, patch.removed, ...Array.from(patch.inserted.split(""), (unit) => `${unit} ${marks}`));
    } else if (patch.type === "block") units.splice(patch.index, patch.inserted ? 0 : 1, "?");
    else if (patch.type === "marks") units.fill("?", patch.start, patch.end);
  }
  const actual = unitsOf(peer.replica, text);
  peer.follower.units = units.map((unit, i) =>
    unit === "?" ? (unitsOf(peer.replica, text, i, i + 1)[0] ?? "") : unit,
  );
  compare(peer.follower.units, actual);
};

/** Plain data of either side in one shape: typed scalars as tagged objects. */
export const plain = (value: unknown): unknown => {
  if (value instanceof A.Counter) return { counter: value.value };
  if (value instanceof Date) return { timestamp: value.getTime() };
  if (A.isImmutableString(value)) return value.toString();
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (Array.isArray(value)) return value.map(plain);
  if (isTyped(value)) return { [value[SCALAR_TYPE]]: value.value };
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  }
  return value;
};

/** Everything compared between the two. */
export const automergeView = (doc: Doc): unknown => ({
  heads: [...A.getHeads(doc)].sort(),
  js: plain(A.toJS(doc)),
  spans: plain(A.spans(doc, ["text"])),
  marks: plain(A.marks(doc, ["text"])),
});

export const replicaView = (replica: Replica): unknown => {
  const text = replica.objectAt(["text"]) as string;
  return {
    heads: replica.heads(),
    js: plain(replica.toJS()),
    spans: plain(replica.spans(text)),
    marks: plain(replica.marks(text)),
  };
};

/** Value as Automerge's JavaScript takes it: our strings are its immutable strings. */
const foreign = (value: Value): unknown => {
  if (typeof value === "string") return new A.ImmutableString(value);
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  if (isTyped(value)) return value[SCALAR_TYPE] === "counter" ? new A.Counter(value.value) : new Date(value.value);
  if (Array.isArray(value)) return value.map(foreign);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, foreign(inner)]));
};

const WORDS = ["a", "b", "hello ", "\u00e9", "\u{1f600}", "x\u{1f469}\u200d\u{1f4bb}y", "zz", "\n", "\u6f22\u5b57"];
const NAMES = ["strong", "em", "link"];
const EXPANDS: readonly Expand[] = ["before", "after", "both", "none"];
const KEYS = ["a", "b", "\u00fc", "\u{1f600}", "\uffee"];

type Edit = (doc: any, transaction: Transaction, replica: Replica) => void;

const randomBlock = (random: RandomSource): MapValue => ({
  type: pick(random, ["paragraph", "heading"]) as string,
  parents: ["list"].slice(0, randomBelow(random, 2)),
  attrs:
    randomBelow(random, 2) === 0
      ? {}
      : { level: randomBelow(random, 6) + 0.5, deep: { b: ["1", { c: true }], a: null } },
  isEmbed: false,
});

const randomEdit = (random: RandomSource, { replica }: Peer): Edit => {
  const text = replica.objectAt(["text"]) as string;
  const length = replica.length(text);
  const index = randomBelow(random, length + 1);
  const word = pick(random, WORDS) as string;
  const name = pick(random, NAMES) as string;
  const start = randomBelow(random, length + 1);
  const end = Math.min(length, start + randomBelow(random, 6));
  const expand = pick(random, EXPANDS) as Expand;
  const key = pick(random, KEYS) as string;
  const tags = replica.objectAt(["tags"]) as string;
  const tag = randomBelow(random, replica.length(tags) + 1);
  const meta = replica.objectAt(["meta"]) as string;
  const number = randomBelow(random, 5);
  const block = randomBlock(random);
  const isBlockAt = (at: number): boolean => replica.spans(text, at, at + 1)[0]?.type === "block";
  switch (randomBelow(random, 20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return (doc, transaction) => {
        A.splice(doc, ["text"], index, 0, word);
        transaction.splice(text, index, 0, word);
      };
    case 5:
    case 6:
    case 7: {
      const removed = randomBelow(random, 8);
      return (doc, transaction) => {
        A.splice(doc, ["text"], index, removed, "");
        transaction.splice(text, index, removed, "");
      };
    }
    case 8:
      return (doc, transaction) => {
        A.splice(doc, ["text"], index, number, word + word);
        transaction.splice(text, index, number, word + word);
      };
    case 9:
    case 10:
    case 11: {
      const value = pick<string | boolean>(random, [true, "{}", "v"]) as string | boolean;
      return (doc, transaction) => {
        A.mark(doc, ["text"], { start, end, expand }, name, value);
        transaction.mark(text, { start, end, expand }, name, value);
      };
    }
    case 12:
      return (doc, transaction) => {
        A.unmark(doc, ["text"], { start, end, expand }, name);
        transaction.unmark(text, { start, end, expand }, name);
      };
    case 13:
    case 14:
      return (doc, transaction) => {
        A.splitBlock(doc, ["text"], index, foreign(block) as any);
        transaction.splitBlock(text, index, block);
      };
    case 15: {
      const at = Array.from({ length }, (_, i) => i).filter(isBlockAt);
      const chosen = pick(random, at);
      if (chosen === undefined) return () => undefined;
      const isJoin = randomBelow(random, 2) === 0;
      return (doc, transaction) => {
        if (isJoin) {
          A.joinBlock(doc, ["text"], chosen);
          transaction.joinBlock(text, chosen);
        } else {
          A.updateBlock(doc, ["text"], chosen, foreign(block) as any);
          transaction.updateBlock(text, chosen, block);
        }
      };
    }
    case 16:
      return (doc, transaction) => {
        if (tag < doc.tags.length && number < 2) {
          A.deleteAt(doc.tags, tag);
          transaction.remove(tags, tag);
        } else if (tag < doc.tags.length && number < 3) {
          doc.tags[tag] = new A.ImmutableString(word);
          transaction.put(tags, tag, word);
        } else {
          A.insertAt(doc.tags, tag, new A.ImmutableString(word));
          transaction.insert(tags, tag, word);
        }
      };
    case 17: {
      const value = pick<Value>(random, [
        number,
        "s",
        null,
        1.5,
        counter(number),
        { b: 1, a: ["q", { z: 2, y: "w" }] },
        [1, [2]],
      ]) as Value;
      return (doc, transaction) => {
        doc.meta[key] = foreign(value);
        if (value !== null && typeof value === "object" && !isTyped(value))
          transaction.putObject(meta, key, value as MapValue);
        else transaction.put(meta, key, value);
      };
    }
    case 18:
      return (doc, transaction) => {
        delete doc.meta[key];
        transaction.remove(meta, key);
      };
    default:
      return (doc, transaction) => {
        if (doc.meta[key] instanceof A.Counter || isCounterLike(doc.meta[key])) {
          doc.meta[key].increment(number - 2);
          transaction.increment(meta, key, number - 2);
        }
      };
  }
};

const isCounterLike = (value: unknown): boolean => typeof value === "object" && value !== null && "increment" in value;

export interface FuzzOutcome {
  readonly changes: number;
  readonly peers: readonly Peer[];
}

/** One seeded round: concurrent edits by 2 to 4 peers, delivered late and out of order, compared as they go. */
export const fuzzRound = (
  random: RandomSource,
  compare: (peer: Peer, mine: unknown, theirs: unknown) => void,
  steps = 40,
): FuzzOutcome => {
  const base = A.change(A.init<Record<string, unknown>>({ actor: "00" }), { time: 0 }, (doc: any) => {
    doc.text = "";
    doc.tags = [];
    doc.meta = {};
  });
  const log: { readonly from: number; readonly bytes: Uint8Array }[] = [];
  const peers: Peer[] = Array.from({ length: 2 + randomBelow(random, 3) }, (_, i) => {
    const actor = Buffer.from(random.bytes(i % 2 === 0 ? 16 : 2)).toString("hex");
    const replica = createReplica(automergeDependencies, actor);
    replica.applyChanges(A.getAllChanges(base));
    const doc = A.applyChanges(A.init<Record<string, unknown>>({ actor }), A.getAllChanges(base))[0];
    return { actor, doc, replica, follower: { units: [] } };
  });
  const seen = peers.map(() => new Set<number>());
  for (let step = 0; step < steps; step++) {
    const who = randomBelow(random, peers.length);
    const peer = peers[who] as Peer;
    if (randomBelow(random, 3) > 0) {
      const edits = 1 + randomBelow(random, 3);
      const before = A.getHeads(peer.doc);
      const made: { change: LocalChange | undefined } = { change: undefined };
      peer.doc = A.change(peer.doc, { time: 7 }, (doc) => {
        made.change = peer.replica.change({ time: 7 }, (transaction) => {
          for (let i = 0; i < edits; i++) randomEdit(random, peer)(doc, transaction, peer.replica);
        });
      });
      const bytes = made.change?.bytes;
      followed(peer, made.change?.patches ?? []);
      const theirs = A.getChangesSince(peer.doc, before);
      compare(
        peer,
        bytes === undefined ? [] : [Buffer.from(bytes).toString("hex")],
        theirs.map((change) => Buffer.from(change).toString("hex")),
      );
      if (bytes !== undefined) {
        seen[who]?.add(log.length);
        log.push({ from: who, bytes });
      }
    } else {
      deliver(peer, seen[who] as Set<number>, true);
      compare(peer, replicaView(peer.replica), automergeView(peer.doc));
    }
  }
  for (const [who, peer] of peers.entries()) {
    deliver(peer, seen[who] as Set<number>, false);
    compare(peer, replicaView(peer.replica), automergeView(peer.doc));
    compare(peer, replicaView(peer.replica), replicaView((peers[0] as Peer).replica));
  }
  return { changes: log.length, peers };

  function deliver(peer: Peer, has: Set<number>, isPartial: boolean): void {
    const fresh = log.map((_, i) => i).filter((i) => !has.has(i) && (!isPartial || randomBelow(random, 2) === 0));
    const order = shuffle(random, fresh);
    for (const i of order) has.add(i);
    const changes = order.map((i) => log[i]?.bytes as Uint8Array);
    for (const part of randomBelow(random, 2) === 0 ? changes.map((change) => [change, change]) : [changes]) {
      const outcome = peer.replica.applyChanges(part);
      compare(peer, outcome.rejected, []);
      followed(peer, outcome.patches);
    }
    peer.doc = A.applyChanges(peer.doc, changes)[0];
    if (peer.replica.applyChanges([]).queued > 0 || randomBelow(random, 3) > 0) return;
    const loaded = loadReplica(automergeDependencies, peer.replica.snapshot(), peer.actor);
    if (!loaded.ok) throw new Error(loaded.error.rule);
    peer.replica = loaded.value;
  }

  function followed(peer: Peer, patches: readonly Patch[]): void {
    if (patches.length > 0) follow(peer, patches, (mine, theirs) => compare(peer, mine, theirs));
  }
};
