import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { ACTION, type ChangeContent, type ChangeOp } from "../../protocol/automerge-format/change.ts";
import { encodeChange } from "../../protocol/automerge-format/encode.ts";
import { REMEMBERED_CHANGES } from "../../protocol/replica/history.ts";
import { createReplica, loadReplica } from "../../protocol/replica/replica.ts";
import { snapshotText } from "../../protocol/replica/snapshot.ts";
import { counter, type Patch, type Replica } from "../../protocol/replica/types.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";
import { plain } from "../support/replica-fuzz.ts";

const setUp = (actor = "aa") => {
  const replica = createReplica(automergeDependencies, actor);
  let text = "";
  const first = replica.change({ time: 0 }, (transaction) => {
    text = transaction.putText("_root", "text", "hello world");
    transaction.putObject("_root", "meta", { a: 1 });
    transaction.putObject("_root", "tags", ["x", "y"]);
  });
  return { replica, text, first: first?.bytes as Uint8Array };
};

const PLAIN_OP: ChangeOp = {
  action: ACTION.set,
  object: undefined,
  key: "k",
  element: undefined,
  insert: false,
  value: null,
  predecessors: [],
  expand: false,
  markName: undefined,
};

/** A change by another actor on top of the replica's present state. */
const foreign = (replica: Replica, ops: readonly ChangeOp[], override: Partial<ChangeContent> = {}): Uint8Array => {
  const others = ops.some((op) => [op.object, op.element, ...op.predecessors].some((id) => id?.actor === 1));
  return encodeChange(
    {
      actors: others ? ["bb", replica.actor] : ["bb"],
      seq: 1,
      startOp: 18,
      time: 0,
      message: "",
      dependencies: replica.heads(),
      ops,
      ...override,
    },
    automergeDependencies.sha256,
  ).bytes;
};

const refusals: readonly (readonly [string, string, ChangeOp])[] = [
  ["a map operation in an object nobody made", "MissingObject", { ...PLAIN_OP, object: { counter: 3, actor: 1 } }],
  [
    "an insertion behind an element of another object",
    "MissingElement",
    {
      ...PLAIN_OP,
      key: undefined,
      object: { counter: 1, actor: 1 },
      element: { counter: 15, actor: 1 },
      insert: true,
      value: "q",
    },
  ],
  [
    "a value that overwrites what its author cannot know",
    "MissingPredecessor",
    { ...PLAIN_OP, predecessors: [{ counter: 5, actor: 0 }] },
  ],
  ["a key in a text", "WrongObjectType", { ...PLAIN_OP, object: { counter: 1, actor: 1 } }],
  ["an index in a map", "WrongObjectType", { ...PLAIN_OP, key: undefined, insert: true }],
];

for (const [what, error, op] of refusals) {
  test(`RPL-4 refuses ${what} (${error}) and stays as it was`, () => {
    const { replica } = setUp();
    const before = replica.snapshot();
    const outcome = replica.applyChanges([foreign(replica, [{ ...PLAIN_OP, key: "fine", value: true }, op])]);
    expect(outcome.rejected).toMatchObject([{ index: 0, error: { type: error, op: 1 } }]);
    expect(outcome.patches).toEqual([]);
    expect(replica.snapshot()).toEqual(before);
  });
}

test("RPL-4 refuses a start counter that does not follow from the dependencies, a gap and a reused sequence number", () => {
  const { replica } = setUp();
  const ops = [{ ...PLAIN_OP, value: true }];
  for (const startOp of [17, 19, 4_000_000_000]) {
    const { rejected } = replica.applyChanges([foreign(replica, ops, { startOp })]);
    expect(rejected).toMatchObject([{ error: { type: "WrongStartOp", startOp, expected: 18 } }]);
  }
  expect(replica.applyChanges([foreign(replica, ops, { seq: 2 })]).rejected).toMatchObject([
    { error: { type: "SeqGap", expected: 1 } },
  ]);
  const other = foreign(replica, [{ ...PLAIN_OP, value: false }]);
  const heads = replica.heads();
  expect(replica.applyChanges([foreign(replica, ops)]).applied.length).toBe(1);
  const beside = foreign(replica, ops, { seq: 2, startOp: 18, dependencies: heads });
  expect(replica.applyChanges([beside]).rejected).toMatchObject([{ error: { type: "NotOnOwnChange", seq: 2 } }]);
  expect(replica.applyChanges([other]).rejected).toMatchObject([
    { error: { type: "ActorReused", actor: "bb", seq: 1 } },
  ]);
});

test("RPL-2 a change waits for its dependencies, and names what is missing", () => {
  const { replica, text, first } = setUp();
  const second = replica.change({ time: 0 }, (transaction) => transaction.splice(text, 0, 0, "A"));
  const third = replica.change({ time: 0 }, (transaction) => transaction.splice(text, 1, 0, "B"));
  const other = createReplica(automergeDependencies, "cc");
  const waiting = other.applyChanges([third?.bytes as Uint8Array]);
  expect(waiting).toMatchObject({ applied: [], queued: 1, missing: [second?.hash], rejected: [] });
  expect(other.applyChanges([second?.bytes as Uint8Array])).toMatchObject({ queued: 2 });
  const done = other.applyChanges([first, first]);
  expect(done).toMatchObject({ queued: 0, missing: [], duplicates: 1 });
  expect(done.applied.length).toBe(3);
  expect(other.heads()).toEqual(replica.heads());
  expect(other.text(text)).toBe("ABhello world");
});

test(
  "RPL-3 a dependency older than the remembered changes is recalled by handing it in again",
  { timeout: 60_000 },
  () => {
    const { replica, text, first } = setUp();
    const late = createReplica(automergeDependencies, "cc");
    late.applyChanges([first]);
    const old = late.change({ time: 0 }, (transaction) => transaction.splice(text, 0, 0, "late "))?.bytes as Uint8Array;
    for (let i = 0; i < 2 * REMEMBERED_CHANGES + 2; i++)
      replica.change({ time: 0 }, (transaction) => transaction.splice(text, 0, i % 2, i % 2 === 0 ? "x" : ""));
    const loaded = loadReplica(automergeDependencies, replica.snapshot(), "dd");
    if (!loaded.ok) throw new Error("snapshot refused");
    for (const target of [replica, loaded.value]) {
      const waiting = target.applyChanges([old]);
      expect(waiting).toMatchObject({ applied: [], queued: 1 });
      expect(waiting.missing.length).toBe(1);
      expect(target.applyChanges([first])).toMatchObject({ queued: 0, duplicates: 1, missing: [] });
      expect(target.text(text).startsWith("late ")).toBe(true);
    }
  },
);

/** Replays patches on a plain string. */
const replay = (start: string, object: string, patches: readonly Patch[]): string => {
  let text = start;
  for (const patch of patches) {
    if (patch.object !== object) continue;
    if (patch.type === "text")
      text = text.slice(0, patch.index) + patch.inserted + text.slice(patch.index + patch.removed);
    if (patch.type === "block" && patch.inserted)
      text = `${text.slice(0, patch.index)}\ufffc${text.slice(patch.index)}`;
  }
  return text;
};

test("RPL-5 patches lead from the old text to the new, and name keys, lists, marks and blocks", () => {
  const { replica, text, first } = setUp();
  const other = createReplica(automergeDependencies, "cc");
  other.applyChanges([first]);
  const before = replica.text(text);
  const local = other.change({ time: 0 }, (transaction) => {
    transaction.splice(text, 5, 6, "");
    transaction.splice(text, 5, 0, "!");
    transaction.splitBlock(text, 2, { type: "paragraph", attrs: {} });
    transaction.mark(text, { start: 0, end: 2, expand: "none" }, "strong", true);
    transaction.put(other.objectAt(["meta"]) as string, "a", 2);
    transaction.remove(other.objectAt(["tags"]) as string, 0);
  });
  const { patches } = replica.applyChanges([local?.bytes as Uint8Array]);
  expect(replay(before, text, patches)).toBe(replica.text(text));
  expect(replay(before, text, local?.patches ?? [])).toBe(replica.text(text));
  expect(replica.text(text)).toBe("he\ufffcllo!");
  const types = patches.map((patch) => patch.type);
  for (const type of ["text", "block", "marks", "put", "list"] as const) expect(types).toContain(type);
  expect(patches).toContainEqual({ type: "marks", object: text, start: 0, end: 2 });
  expect(replica.pathOf(text)).toEqual(["text"]);
});

test("RPL-5 a change of a block's attributes names the block", () => {
  const { replica, text, first } = setUp();
  const other = createReplica(automergeDependencies, "cc");
  other.applyChanges([first]);
  const block = replica.change({ time: 0 }, (transaction) => transaction.splitBlock(text, 3, { type: "paragraph" }));
  other.applyChanges([block?.bytes as Uint8Array]);
  const id = replica.objectAt(["text", 3]) as string;
  const local = replica.change({ time: 0 }, (transaction) => transaction.put(id, "type", "heading"));
  const { patches } = other.applyChanges([local?.bytes as Uint8Array]);
  expect(patches).toContainEqual({ type: "block", object: text, index: 3, inserted: false });
  expect(plain(other.spans(text, 3, 4))).toEqual([{ type: "block", value: { type: "heading" } }]);
});

test("a character of a text reads as itself, with the id of its element", () => {
  const { replica, text } = setUp();
  replica.change({ time: 0 }, (transaction) => transaction.splice(text, 5, 0, "\u{1f600}"));
  expect(["h", "o", "\u{1f600}", "\u{1f600}", " "].map((_, i) => replica.get(text, i + 3))).toEqual([
    "l",
    "o",
    "\u{1f600}",
    "\u{1f600}",
    " ",
  ]);
  expect(replica.conflicts(text, 1)).toEqual([{ id: "3@aa", value: "e" }]);
  expect(replica.get(text, 99)).toBeUndefined();
});

test("RPL-6 cursors keep their place through edits before, at and behind them", () => {
  const { replica, text } = setUp();
  const cursor = replica.cursor(text, 6);
  const end = replica.cursor(text, 11);
  replica.change({ time: 0 }, (transaction) => transaction.splice(text, 0, 0, "\u{1f600}"));
  expect(replica.resolveCursor(text, cursor)).toBe(8);
  replica.change({ time: 0 }, (transaction) => transaction.splice(text, 7, 3, ""));
  expect(replica.text(text)).toBe("\u{1f600}hellorld");
  expect(replica.resolveCursor(text, cursor)).toBe(7);
  expect(replica.resolveCursor(text, end)).toBe(replica.length(text));
  for (const bad of ["", "x", "1@zz", "99@aa", "0@aa", "5@bb"])
    expect(replica.resolveCursor(text, bad)).toBeUndefined();
});

test("RPL-7 a snapshot gives the same replica back, its text before all else, and is refused when damaged", () => {
  const { replica, text } = setUp();
  replica.change({ time: 0 }, (transaction) => {
    transaction.mark(text, { start: 0, end: 5, expand: "after" }, "strong", true);
    transaction.splitBlock(text, 5, { type: "paragraph", attrs: { level: 2.5, deep: [null, true, counter(4)] } });
    transaction.splice(text, 2, 2, "\u{1f600}\u6f22");
    transaction.put("_root", "bytes", new Uint8Array([1, 2, 3]));
  });
  const snapshot = replica.snapshot();
  expect(snapshotText(snapshot, "text")).toBe(replica.text(text));
  expect(snapshotText(snapshot, "none")).toBeUndefined();
  const loaded = loadReplica(automergeDependencies, snapshot, "aa");
  if (!loaded.ok) throw new Error(loaded.error.rule);
  expect(loaded.value.snapshot()).toEqual(snapshot);
  expect(plain(loaded.value.toJS())).toEqual(plain(replica.toJS()));
  expect(loaded.value.spans(text)).toEqual(replica.spans(text));
  const edit = (target: Replica) =>
    target.change({ time: 3 }, (transaction) => transaction.splice(text, 1, 1, "zz"))?.bytes;
  expect(edit(loaded.value)).toEqual(edit(replica));
  for (let i = 0; i < snapshot.length; i++) {
    const damaged = snapshot.slice();
    damaged[i] = (damaged[i] as number) ^ 1;
    expect(loadReplica(automergeDependencies, damaged, "aa").ok).toBe(false);
    snapshotText(damaged, "text");
  }
});

test("RPL-8 an edit that throws leaves the replica unusable rather than wrong", () => {
  const { replica, text } = setUp();
  expect(() => replica.change({ time: 0 }, (transaction) => transaction.splice(text, 999, 0, "x"))).toThrow(
    "beyond the end",
  );
  expect(() => replica.change({ time: 0 }, () => undefined)).toThrow("unusable");
});

test("RPL-1 lone surrogates become U+FFFD, indices inside a surrogate pair move behind it, as in Automerge", () => {
  let doc = A.change(A.init<{ text: string }>({ actor: "aa" }), { time: 0 }, (draft) => {
    draft.text = "a\u{1f600}b";
  });
  const replica = createReplica(automergeDependencies, "aa");
  let text = "";
  replica.change({ time: 0 }, (transaction) => {
    text = transaction.putText("_root", "text", "a\u{1f600}b");
  });
  doc = A.change(doc, { time: 0 }, (draft) => {
    A.splice(draft, ["text"], 2, 0, "x\ud800y");
    A.splice(draft, ["text"], 2, 2, "");
  });
  replica.change({ time: 0 }, (transaction) => {
    transaction.splice(text, 2, 0, "x\ud800y");
    transaction.splice(text, 2, 2, "");
  });
  expect(replica.text(text)).toBe(doc.text);
  expect(replica.heads()).toEqual(A.getHeads(doc));
});
