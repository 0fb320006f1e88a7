import type { MergeNotice } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { DocumentRow, Store } from "../ports/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import { hashesOf } from "../repositories/change-batch.ts";
import type { ChangeInspector, InspectedChange } from "../repositories/change-inspector.ts";
import type { Integration, Repository } from "../repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "../repositories/repository.ts";
import type { Authors } from "./authors.ts";

/** Remembers, for each note this device edited while it was away from others, what of theirs was merged. */
export interface MergeNotices {
  readonly integrated: (integration: Integration) => void;
  readonly of: (repository: Repository, row: DocumentRow) => MergeNotice | null;
  readonly seen: (row: DocumentRow) => void;
  /** Rows of the documents that have one. */
  readonly documents: () => readonly number[];
}

/** As stored: names are looked up when somebody asks, they may come later than the changes. */
type Kept = Omit<MergeNotice, "people"> & { readonly actors: readonly string[] };

/** Changes younger than this when they come were made together, not apart. */
const APART_MS = 60_000;
/** Heads of a state that the contract carries. */
const MAX_HEADS = 64;

const PREFIX = "merged/";
const keyOf = (document: number): string => PREFIX + document;

export const createMergeNotices = (deps: {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly inspect: ChangeInspector;
  readonly authorOf: Authors;
  readonly merged: (repository: Repository, row: DocumentRow) => void;
}): MergeNotices => {
  const { store, clock, log, inspect, authorOf } = deps;

  const read = (document: number): Kept | null => {
    const stored = store.meta.get(keyOf(document));
    return stored === undefined || stored.length === 0
      ? null
      : (JSON.parse(decodeUtf8(stored) ?? "null") as Kept | null);
  };
  const write = (document: number, bytes: Uint8Array): void => {
    const written = store.transaction(() => store.meta.set(keyOf(document), bytes));
    if (!written.ok) log.warn("merge notice not kept", { fault: written.error.type });
  };

  /** Whether the document still has an edit of this device that none of the others' changes builds on. */
  const hasOwnHead = (repository: Repository, row: DocumentRow): boolean =>
    row.heads.length > 1 &&
    store.repositories.ownSessions(repository.n).some(({ session }) => {
      const run = store.documents.runsFrom(row.n, session, store.documents.lastSeq(row.n, session)).at(-1);
      const last = run === undefined ? undefined : hashesOf(run).at(-1);
      return last !== undefined && row.heads.some((head) => bytesEqual(head, last));
    });

  /** A state without the given changes: heads that are not among them, and what they build on. */
  const stateBefore = (row: DocumentRow, changes: readonly InspectedChange[]): readonly string[] => {
    const fresh = new Set(changes.map(({ hash }) => bytesToHex(hash)));
    const state = [...row.heads, ...changes.flatMap(({ dependencies }) => dependencies)].map(bytesToHex);
    return [...new Set(state)].filter((hash) => !fresh.has(hash)).toSorted();
  };

  const take = (repository: Repository, document: number, changes: readonly Uint8Array[]): void => {
    const row = store.documents.byNumber(document);
    // Not asked of `row.type`, which is known only once the document is indexed.
    if (row === undefined || bytesEqual(row.did, NOTEBOOK_DOCUMENT)) return;
    const known = read(document);
    if (known === null && !hasOwnHead(repository, row)) return;
    const came = changes.flatMap((bytes) => {
      const change = inspect(bytes);
      return change.ok ? [change.value] : [];
    });
    const now = clock.unix();
    const apart = came.filter(
      ({ actor, time }) =>
        now - time * 1000 > APART_MS && store.repositories.session(repository.n, actor)?.own !== true,
    );
    if (apart.length === 0) return;
    const before = known?.before ?? stateBefore(row, came);
    if (before.length > MAX_HEADS || row.heads.length > MAX_HEADS) return;
    const notice: Kept = {
      before,
      heads: row.heads.map(bytesToHex),
      changes: (known?.changes ?? 0) + apart.length,
      actors: [...new Set([...(known?.actors ?? []), ...apart.map(({ actor }) => bytesToHex(actor))])],
    };
    write(document, encodeUtf8(JSON.stringify(notice)));
    deps.merged(repository, row);
  };

  return {
    integrated: ({ repository, changes }) => {
      for (const [document, list] of changes) take(repository, document, list);
    },
    of: (repository, row) => {
      const kept = read(row.n);
      if (kept === null) return null;
      const { actors, ...notice } = kept;
      const people = new Map<string, MergeNotice["people"][number]>();
      for (const actor of actors) {
        const { member, name, self } = authorOf(repository, actor);
        people.set(member ?? name, { member, name, self });
      }
      return { ...notice, people: [...people.values()] };
    },
    documents: () =>
      store.meta.list(PREFIX).flatMap(({ key, value }) => {
        const document = /^\d+$/.exec(key.slice(PREFIX.length))?.[0];
        return document === undefined || value.length === 0 ? [] : [Number(document)];
      }),
    seen: (row) => {
      if (read(row.n) !== null) write(row.n, new Uint8Array());
    },
  };
};
