import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import type { NoteDiffPart } from "../../app/contract/types.ts";
import { createHistoryCore } from "../../app/history/history-core.ts";
import { diffSpans } from "../../app/history/rich-diff.ts";
import { diffSequences } from "../../app/history/sequence-diff.ts";
import type { HistoryAnswers, HistoryRequest } from "../../app/ports/history-reader.ts";
import { readRichText } from "../../app/repositories/note-document.ts";
import type { NoteSpan } from "../../app/repositories/note-schema.ts";
import { readSpans } from "../../app/repositories/note-schema.ts";
import { pick, randomBelow } from "../../protocol/kernel/random.ts";
import type { Replica } from "../../protocol/replica/types.ts";
import { changeSummary } from "../../protocol/automerge-format/change-summary.ts";
import { decodeChange } from "../../protocol/automerge-format/decode.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";
import { createNoteWorld, joined, type NoteWorld, sourceOf } from "../support/note-history.ts";
import { plain } from "../support/replica-fuzz.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

/** More in a nightly run. */
const ROUNDS = Number(process.env["HISTORY_ROUNDS"] ?? 12);
const NOW = 10_000_000_000;
const WRITER = "f".repeat(32);

const seeds = Array.from({ length: ROUNDS }, (_, index) => `history-${index}`);

const side = (parts: readonly NoteDiffPart[], which: "before" | "after"): readonly NoteSpan[] =>
  joined(
    parts.flatMap((part) => {
      if (part.type === "restyled") return [part[which]];
      return part.type === "same" || part.type === (which === "before" ? "removed" : "added") ? [part.span] : [];
    }),
  );

/** A note that two to four people wrote, partly apart. */
const written = (seed: string): NoteWorld => {
  const random = createSeededRandom(seed);
  const count = 2 + randomBelow(random, 3);
  const world = createNoteWorld(random, count);
  for (let step = 0; step < 60; step++) {
    const person = randomBelow(random, count);
    // Clocks differ by minutes and jump back: times are only hints.
    world.edit(person, 2_000 + step * randomBelow(random, 200) - person * 100);
    if (randomBelow(random, 4) === 0) world.hear(randomBelow(random, count), person);
  }
  world.meet();
  return world;
};

const coreOf = (world: NoteWorld) => {
  const core = createHistoryCore(sourceOf(world.changes), automergeDependencies);
  return <Type extends HistoryRequest["type"]>(request: Extract<HistoryRequest, { type: Type }>) => {
    const answer = core.handle(request);
    if (!answer.ok) throw new Error(answer.error.type);
    return answer.value as HistoryAnswers[Type];
  };
};

/** Any state: one change or several with all they build on. */
const anyHeads = (world: NoteWorld, seed: string): readonly string[] => {
  const random = createSeededRandom(seed);
  return Array.from({ length: 1 + randomBelow(random, 3) }, () => pick(random, world.hashes) ?? "");
};

const automergeOf = (world: NoteWorld): A.Doc<Record<string, unknown>> =>
  A.applyChanges(A.init<Record<string, unknown>>(), [...world.changes])[0];

test.each(seeds)("the parts of a diff give the earlier text and the later one (%s)", (seed) => {
  const world = written(seed);
  const ask = coreOf(world);
  const [from, to] = [anyHeads(world, `${seed}/from`), anyHeads(world, `${seed}/to`)];
  const read = (heads: readonly string[]) => ask({ type: "read", document: 1, heads, now: NOW });
  const { parts, added, removed } = ask({ type: "diff", document: 1, from, to, now: NOW });
  expect(side(parts, "before")).toEqual(joined(read(from).spans));
  expect(side(parts, "after")).toEqual(joined(read(to).spans));
  const units = (type: "added" | "removed") =>
    parts.reduce(
      (sum, part) => (part.type === type ? sum + (part.span.type === "text" ? part.span.value.length : 1) : sum),
      0,
    );
  expect([added, removed]).toEqual([units("added"), units("removed")]);
});

test.each(seeds)("a past state is the one Automerge shows (%s)", (seed) => {
  const world = written(seed);
  const ask = coreOf(world);
  const document = automergeOf(world);
  for (let k = 0; k < 5; k++) {
    const heads = anyHeads(world, `${seed}/${k}`);
    const { spans } = ask({ type: "read", document: 1, heads, now: NOW });
    const shown = A.spans(A.view(document, [...new Set(heads)]), ["text"]);
    expect(joined(spans)).toEqual(joined(readSpans(plain(shown) as Parameters<typeof readSpans>[0])));
  }
});

test.each(seeds)(
  "the timeline covers every change exactly once, in an order that does not depend on arrival (%s)",
  (seed) => {
    const world = written(seed);
    const pages = (changes: readonly Uint8Array[], limit: number) => {
      const core = createHistoryCore(sourceOf(changes), automergeDependencies);
      const sessions: HistoryAnswers["timeline"]["sessions"][number][] = [];
      for (let before: number | null = null; ;) {
        const answer = core.handle({ type: "timeline", document: 1, before, limit, marked: [], now: NOW });
        if (!answer.ok) throw new Error(answer.error.type);
        const page = answer.value as HistoryAnswers["timeline"];
        sessions.push(...page.sessions);
        const last = page.sessions.at(-1);
        if (last === undefined || last.before.length === 0) return { sessions, changes: page.changes };
        before = last.end - last.work.reduce((sum, { changes: count }) => sum + count, 0);
      }
    };
    const { sessions, changes } = pages(world.changes, 3);
    expect(changes).toBe(world.changes.length);
    let end = changes;
    for (const { end: at, work } of sessions) {
      expect(at).toBe(end);
      end -= work.reduce((sum, { changes: count }) => sum + count, 0);
    }
    expect(end).toBe(0);
    expect(sessions[0]?.heads).toEqual([...(world.people[0] as Replica).heads()].toSorted());
    for (const [index, { before }] of sessions.entries()) expect(before).toEqual(sessions[index + 1]?.heads ?? []);

    // Another device got to know the changes in another order, as their dependencies allow.
    const random = createSeededRandom(`${seed}/arrival`);
    const rest = world.changes.map((bytes) => ({ bytes, meta: changeSummary(bytes, automergeDependencies) }));
    const arrived: Uint8Array[] = [];
    const known = new Set<string>();
    while (rest.length > 0) {
      const ready = rest.filter(({ meta }) => meta.ok && meta.value.dependencies.every((hash) => known.has(hash)));
      const next = pick(random, ready) as (typeof rest)[number];
      rest.splice(rest.indexOf(next), 1);
      known.add(world.hashes[world.changes.indexOf(next.bytes)] as string);
      arrived.push(next.bytes);
    }
    expect(pages(arrived, 500).sessions).toEqual(sessions);
  },
);

test.each(seeds)("a restore gives the past text, and edits made beside it survive (%s)", (seed) => {
  const world = written(seed);
  const ask = coreOf(world);
  const heads = anyHeads(world, seed);
  const base = world.people[0]?.heads() ?? [];
  const before = readRichText(world.people[0] as Replica);
  const past = ask({ type: "read", document: 1, heads, now: NOW });
  const { changes } = ask({ type: "restore", document: 1, heads, base, actor: WRITER, now: NOW });
  const [first, second] = world.people as [Replica, Replica];
  expect(first.applyChanges(changes).rejected).toEqual([]);
  expect(joined(readRichText(first).spans)).toEqual(joined(past.spans));

  const text = second.objectAt(["text"]) as string;
  second.change({ time: 9_000 }, (transaction) => transaction.splice(text, second.length(text), 0, "«beside»"));
  expect(second.applyChanges(changes).rejected).toEqual([]);
  expect(second.text(text)).toContain("«beside»");

  // Taken back on the state the restore left, the edit made meanwhile survives too.
  world.changes.push(...changes);
  const undone = ask({
    type: "restore",
    document: 1,
    heads: base,
    base: first.heads(),
    actor: WRITER,
    now: NOW,
  });
  expect(second.applyChanges(undone.changes).rejected).toEqual([]);
  expect(second.text(text)).toContain("«beside»");
  first.applyChanges(undone.changes);
  expect(joined(readRichText(first).spans)).toEqual(joined(before.spans));
});

test.each(seeds)("a summary counts what a full decode counts (%s)", (seed) => {
  for (const bytes of written(seed).changes) {
    const summary = changeSummary(bytes, automergeDependencies);
    const change = decodeChange(bytes, automergeDependencies);
    if (!summary.ok || !change.ok) throw new Error("not decoded");
    const { ops, time, startOp, dependencies, actors } = change.value;
    expect(summary.value).toEqual({
      actor: actors[0],
      time,
      startOp,
      dependencies,
      inserted: ops.filter(({ insert, action }) => insert && (action === 1 || action === 0)).length,
      removed: ops.filter(({ action, key }) => action === 3 && key === undefined).length,
    });
  }
});

test("a summary of any bytes is a value, never a throw", () => {
  const random = createSeededRandom("summary");
  const { changes } = written("summary");
  for (let round = 0; round < 3_000; round++) {
    const bytes = Uint8Array.from(pick(random, changes) ?? []);
    for (let k = 1 + randomBelow(random, 4); k > 0; k--)
      bytes[randomBelow(random, bytes.length)] = randomBelow(random, 256);
    const summary = changeSummary(bytes.subarray(0, randomBelow(random, bytes.length + 1)), automergeDependencies);
    expect(typeof summary.ok).toBe("boolean");
  }
});

test("a sequence diff is an edit script, and the shortest one", () => {
  const random = createSeededRandom("sequences");
  for (let round = 0; round < 300; round++) {
    const make = () => Array.from({ length: randomBelow(random, 24) }, () => randomBelow(random, 4));
    const [a, b] = [make(), make()];
    let [atA, atB, cost] = [0, 0, 0];
    for (const run of diffSequences(a, b)) {
      if (run.same) expect(a.slice(atA, atA + run.a)).toEqual(b.slice(atB, atB + run.b));
      else cost += run.a + run.b;
      atA += run.a;
      atB += run.b;
    }
    expect([atA, atB]).toEqual([a.length, b.length]);
    const table = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
    for (let i = 0; i <= a.length; i++)
      for (let j = 0; j <= b.length; j++) {
        const row = table[i] as number[];
        if (i === 0 || j === 0) row[j] = i + j;
        else if (a[i - 1] === b[j - 1]) row[j] = table[i - 1]?.[j - 1] ?? 0;
        else row[j] = 1 + Math.min(table[i - 1]?.[j] ?? 0, row[j - 1] ?? 0);
      }
    expect(cost).toBe(table[a.length]?.[b.length]);
  }
});

test("two texts with nothing in common are compared in bounded time", () => {
  const spans = (seed: number): NoteSpan[] => {
    const random = createSeededRandom(seed);
    return [
      {
        type: "text",
        value: Array.from({ length: 60_000 }, () => randomBelow(random, 1 << 30).toString(36)).join(" "),
      },
    ];
  };
  const [a, b] = [spans(1), spans(2)];
  const started = performance.now();
  const parts = diffSpans(a, b);
  expect(side(parts, "after")).toEqual(joined(b));
  expect(performance.now() - started).toBeLessThan(5_000);
});
