import { bytesEqual } from "../../protocol/kernel/bytes.ts";
import { encodeUtf8 } from "../../protocol/codec/utf8.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { IndexedNote, SearchIndex } from "../ports/search-index.ts";
import type { Store } from "../ports/store.ts";

/** Hands notes to full-text search in batches and notes down what it has. */
export interface SearchFeed {
  /** `isCurrent` tells, once the index has the note, whether the document is still as it was read. */
  readonly add: (note: IndexedNote, isCurrent: () => boolean) => void;
  /** Resolves when there is room for more. */
  readonly ready: () => Promise<void>;
  /** Resolves when the index has everything. */
  readonly idle: () => Promise<void>;
  /** Finds out whether the index is still the one that was fed; if not, every document is dirty. */
  readonly check: () => void;
  /** Ends after the batch under way. */
  readonly stop: () => Promise<void>;
}

/** One batch is one transaction of the index: large enough to share its sync, small enough for a search in between. */
const BATCH_NOTES = 64;
const BATCH_UNITS = 262_144;
/** Between batches that are not full: each transaction of the index rewrites part of it, however few notes it has. */
const BATCH_PAUSE = durationMs(250);
/** Text held for the index; beyond that a note is read again when its turn comes. */
const MAX_WAITING_UNITS = 8 << 20;
const IDENTITY_KEY = "search-index";

interface Waiting {
  readonly note: IndexedNote;
  readonly isCurrent: () => boolean;
}

export const createSearchFeed = (deps: {
  readonly search: SearchIndex;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly dirty: (document: number) => void;
  /** A search asked from now on may answer otherwise. */
  readonly fed: () => void;
}): SearchFeed => {
  const { search, store, clock, log, dirty, fed } = deps;
  const waiting = new Map<number, Waiting>();
  let waitingUnits = 0;
  let feeding: Promise<void> | undefined;
  let stopped = false;
  let endPause: (() => void) | undefined;

  const isFull = (): boolean => waiting.size >= BATCH_NOTES || waitingUnits >= BATCH_UNITS;
  /** Lets more notes come together; the first ones of a silence never wait. */
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(BATCH_PAUSE, () => endPause?.());
      endPause = () => {
        endPause = undefined;
        cancel();
        resolve();
      };
    });

  const takeBatch = (): readonly Waiting[] => {
    const batch: Waiting[] = [];
    let units = 0;
    for (const [document, next] of waiting) {
      const { length } = next.note.body;
      if (batch.length === BATCH_NOTES || (units > 0 && units + length > BATCH_UNITS)) break;
      waiting.delete(document);
      waitingUnits -= length;
      units += length;
      batch.push(next);
    }
    return batch;
  };

  const check = async (): Promise<void> => {
    const name = await search.identity();
    if (name === undefined || stopped) return;
    const identity = encodeUtf8(name);
    const known = store.meta.get(IDENTITY_KEY);
    if (known !== undefined && bytesEqual(known, identity)) return;
    const written = store.transaction(() => {
      store.documents.forgetIndex();
      store.meta.set(IDENTITY_KEY, identity);
    });
    if (written.ok) for (const document of store.documents.unindexed()) dirty(document);
    else log.warn("index not noted", { fault: written.error.type });
  };

  const feed = async (): Promise<void> => {
    while (waiting.size > 0 && !stopped) {
      const batch = takeBatch();
      if (!(await search.index(batch.map(({ note }) => note)))) {
        // They stay marked as not indexed and are taken up with their next change or the next start.
        await check();
        continue;
      }
      fed();
      const done = batch.filter(({ isCurrent }) => isCurrent()).map(({ note }) => note.document);
      const written = store.transaction(() => store.documents.markIndexed(done), "soon");
      if (!written.ok) log.warn("index not noted", { fault: written.error.type });
      if (!isFull() && !stopped) await pause();
    }
  };

  return {
    add: (note, isCurrent) => {
      waitingUnits -= waiting.get(note.document)?.note.body.length ?? 0;
      waiting.delete(note.document);
      if (waitingUnits > MAX_WAITING_UNITS) {
        dirty(note.document);
        return;
      }
      waiting.set(note.document, { note, isCurrent });
      waitingUnits += note.body.length;
      if (isFull()) endPause?.();
      feeding ??= feed().finally(() => {
        feeding = undefined;
      });
    },
    ready: async () => {
      if (waitingUnits > MAX_WAITING_UNITS / 2) await feeding;
    },
    idle: async () => feeding,
    check: () => void check(),
    stop: async () => {
      stopped = true;
      endPause?.();
      await feeding;
    },
  };
};
