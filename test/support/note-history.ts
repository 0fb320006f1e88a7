import type { ChangeSource } from "../../app/history/history-core.ts";
import { createNote } from "../../app/repositories/note-document.ts";
import { MARK_NAMES, readBlock, readMarks, type NoteSpan, textBlock } from "../../app/repositories/note-schema.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { pick, randomBelow } from "../../protocol/kernel/random.ts";
import { changeMeta } from "../../protocol/automerge-format/decode.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import type { Replica } from "../../protocol/replica/types.ts";
import { automergeDependencies } from "./automerge-dependencies.ts";

const WORDS = ["reed", "bunting", "an", "alder", "水", "位", "naïve", "👩‍👩‍👧", "one", "two", ",", ". "];
const BLOCKS = ["paragraph", "heading", "unordered-list-item", "code-block"] as const;

/** Several people who edit one note apart and together; every change in the order in which one device got to know it. */
export interface NoteWorld {
  readonly changes: Uint8Array[];
  readonly hashes: string[];
  readonly people: readonly Replica[];
  readonly edit: (person: number, time: number) => void;
  /** Everyone knows everything. */
  readonly meet: () => void;
  /** One hears from another. */
  readonly hear: (person: number, from: number) => void;
}

const hashOf = (bytes: Uint8Array): string => {
  const meta = changeMeta(bytes, automergeDependencies);
  if (!meta.ok) throw new Error(meta.error.rule);
  return meta.value.hash;
};

export const createNoteWorld = (random: RandomSource, count: number): NoteWorld => {
  const changes: Uint8Array[] = [];
  const hashes: string[] = [];
  const people = Array.from({ length: count }, (_, index) =>
    createReplica(automergeDependencies, (index + 1).toString(16).padStart(32, "0")),
  );
  const known: Uint8Array[][] = people.map(() => []);
  const add = (person: number, bytes: Uint8Array): void => {
    changes.push(bytes);
    hashes.push(hashOf(bytes));
    known[person]?.push(bytes);
  };
  const [first] = people as [Replica, ...Replica[]];
  const made = createNote(first, first.actor, 1_000, {
    type: "note",
    title: "Note",
    content: { type: "markdown", markdown: "# Head\n\nFirst line with **bold** words.\n\n- one\n- two\n" },
    folder: "",
    tags: [],
    meta: {},
    createdAt: 1,
    updatedAt: 1,
  });
  for (const bytes of made) add(0, bytes);
  const hear = (person: number, from: number): void => {
    people[person]?.applyChanges(known[from] ?? []);
    const seen = new Set(known[person]);
    known[person]?.push(...(known[from] ?? []).filter((bytes) => !seen.has(bytes)));
  };
  for (let person = 1; person < count; person++) hear(person, 0);

  return {
    changes,
    hashes,
    people,
    hear,
    meet: () => {
      for (let round = 0; round < 2; round++)
        for (let person = 0; person < count; person++)
          for (let from = 0; from < count; from++) if (from !== person) hear(person, from);
    },
    edit: (person, time) => {
      const replica = people[person] as Replica;
      const text = replica.objectAt(["text"]) as string;
      const change = replica.change({ time }, (transaction) => {
        const length = replica.length(text);
        const at = randomBelow(random, length + 1);
        const kind = randomBelow(random, 10);
        if (kind < 5) transaction.splice(text, at, 0, pick(random, WORDS) ?? "");
        else if (kind < 7) transaction.splice(text, at, Math.min(length - at, 1 + randomBelow(random, 12)), "");
        else if (kind < 8) transaction.splitBlock(text, at, textBlock(pick(random, BLOCKS) ?? "paragraph"));
        else {
          const name = pick(random, MARK_NAMES) ?? "em";
          const end = Math.min(length, at + 1 + randomBelow(random, 10));
          const range = { start: at, end, expand: name === "link" ? "none" : "after" } as const;
          if (end > at) transaction.mark(text, range, name, name === "link" ? '{"href":"https://a.b"}' : true);
          else transaction.splice(text, at, 0, "end");
        }
      });
      if (change !== undefined) add(person, change.bytes);
    },
  };
};

/** Changes in memory as the store keeps them; rows count from 1. */
export const sourceOf = (changes: readonly Uint8Array[]): ChangeSource => ({
  after: function* (_document, row) {
    for (let index = row; index < changes.length; index++) {
      const bytes = changes[index] as Uint8Array;
      yield { row: index + 1, hash: hashOf(bytes), bytes };
    }
  },
  bytes: (row) => changes[row - 1] as Uint8Array,
});

/** Spans in one form: neighbours of one style joined, nothing empty. */
export const joined = (spans: readonly NoteSpan[]): readonly NoteSpan[] => {
  const out: NoteSpan[] = [];
  for (const span of spans) {
    const last = out.at(-1);
    if (span.type === "block") out.push({ type: "block", value: readBlock(span.value) });
    else {
      const marks = readMarks(span.marks);
      if (last?.type === "text" && JSON.stringify(last.marks) === JSON.stringify(marks))
        out[out.length - 1] = { ...last, value: last.value + span.value };
      else if (span.value !== "") out.push({ type: "text", value: span.value, marks });
    }
  }
  return out;
};
