import { openManifest } from "../../protocol/blob/manifest.ts";
import { chunkCiphertextBytes } from "../../protocol/blob/chunk.ts";
import { chunkLength } from "../../protocol/blob/manifest.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { BlobChunkRow, BlobRow, Store, StoreError } from "../ports/store.ts";
import { BLOB_STATE } from "../ports/store.ts";

/** Connections to members of a repository, by an id that is unique while they last. */
export interface ChunkSources {
  readonly of: (repository: number) => readonly string[];
  /** Asks one of them; answered through `received`. */
  readonly ask: (source: string, repository: number, id: Uint8Array, urgent: boolean) => void;
}

export interface ChunkFetcher {
  /** Fetches all that is missing of a file, as long as it takes. */
  readonly fetch: (blob: number) => void;
  /** Fetches one chunk ahead of everything; answers false when it did not come in time. */
  readonly fetchChunk: (blob: number, repository: number, id: Uint8Array) => Promise<boolean>;
  readonly received: (source: string, repository: number, id: Uint8Array, bytes: Uint8Array | null) => void;
  /** Connections came or went. */
  readonly sourcesChanged: () => void;
  readonly stop: () => void;
}

interface Job {
  readonly blob: number;
  readonly repository: number;
  /** Next position to look for missing chunks from. */
  cursor: number;
  queue: BlobChunkRow[];
  /** Sources that lacked a chunk of it, until the next round. */
  readonly lacking: Set<string>;
}

interface Wanted {
  readonly id: Uint8Array;
  readonly repository: number;
  readonly blob: number;
  readonly job: Job | undefined;
  readonly chunk: BlobChunkRow | undefined;
  source: string | undefined;
  readonly lacking: Set<string>;
  readonly waiters: Set<(came: boolean) => void>;
}

/** Per source; the session's own window is smaller, the rest waits there so that it is never idle. */
const MAX_ASKED = 6;
/** Rows read at once from a file's list. */
const PAGE = 64;
/** After everyone connected lacked a chunk; somebody may have fetched it since. */
const RETRY = durationMs(5_000);
/** Longest wait of a reader (a player, a picture) for one chunk. */
const READER_PATIENCE = durationMs(30_000);
/** Arrived chunks are noted together: one sync of the database for many. */
const COMMIT_DELAY = durationMs(100);
const ROWS_PER_COMMIT = 256;

/** Brings chunks of attachments from connected members to the disk, urgent ones first, constant in memory. */
export const createChunkFetcher = (deps: {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly crypto: CryptoProvider;
  readonly clock: Clock;
  readonly log: Log;
  readonly sources: ChunkSources;
  readonly changed: (blob: BlobRow) => void;
  readonly fault: (error: StoreError) => void;
}): ChunkFetcher => {
  const { store, blobs, crypto, clock, log, sources } = deps;
  const jobs = new Map<number, Job>();
  const wanted = new Map<string, Wanted>();
  const urgent: Wanted[] = [];
  /** Chunks asked of a source and not yet on the disk. */
  const load = new Map<string, number>();
  let arrived: { readonly repository: number; readonly id: Uint8Array; readonly bytes: number }[] = [];
  let commitTimer: (() => void) | undefined;
  let retryTimer: (() => void) | undefined;
  let stopped = false;

  const keyOf = (repository: number, id: Uint8Array): string => `${repository}/${bytesToHex(id)}`;

  /** Next chunk of a job that is not under way. */
  const nextOf = (job: Job): BlobChunkRow | undefined => {
    for (;;) {
      const chunk = job.queue.shift();
      if (chunk !== undefined) {
        if (!wanted.has(keyOf(job.repository, chunk.id))) return chunk;
        continue;
      }
      const page = store.blobs.missing(job.blob, job.cursor, PAGE);
      const last = page.at(-1);
      if (last === undefined) return undefined;
      job.cursor = last.position + 1;
      job.queue = [...page];
    }
  };

  const ask = (want: Wanted, source: string, isUrgent: boolean): void => {
    want.source = source;
    load.set(source, (load.get(source) ?? 0) + 1);
    sources.ask(source, want.repository, want.id, isUrgent);
  };

  /** Hands work to every source that has room for it. */
  const pump = (): void => {
    if (stopped) return;
    for (let i = 0; i < urgent.length;) {
      const want = urgent[i] as Wanted;
      const source = leastLoaded(want.repository, want.lacking, 2 * MAX_ASKED);
      if (source === undefined) {
        i++;
        continue;
      }
      urgent.splice(i, 1);
      ask(want, source, true);
    }
    for (const job of jobs.values())
      for (;;) {
        const source = leastLoaded(job.repository, job.lacking, MAX_ASKED);
        if (source === undefined) break;
        const chunk = nextOf(job);
        if (chunk === undefined) break;
        const want: Wanted = {
          id: chunk.id,
          repository: job.repository,
          blob: job.blob,
          job,
          chunk,
          source: undefined,
          lacking: job.lacking,
          waiters: new Set(),
        };
        wanted.set(keyOf(job.repository, chunk.id), want);
        ask(want, source, false);
      }
  };

  const leastLoaded = (repository: number, lacking: ReadonlySet<string>, room: number): string | undefined => {
    let best: string | undefined;
    for (const source of sources.of(repository)) {
      const held = load.get(source) ?? 0;
      if (lacking.has(source) || held >= room) continue;
      if (best === undefined || held < (load.get(best) ?? 0)) best = source;
    }
    return best;
  };

  const retryLater = (): void => {
    retryTimer ??= clock.after(RETRY, () => {
      retryTimer = undefined;
      // What is on the disk but not noted yet would be asked for again.
      commit();
      for (const job of jobs.values()) {
        job.lacking.clear();
        job.cursor = -1;
      }
      for (const want of wanted.values()) want.lacking.clear();
      pump();
    });
  };

  const settle = (want: Wanted, came: boolean): void => {
    for (const waiter of want.waiters) waiter(came);
    want.waiters.clear();
  };

  /** Notes chunks that are on the disk; the last of a file completes it. */
  const commit = (): void => {
    commitTimer?.();
    commitTimer = undefined;
    const batch = arrived;
    arrived = [];
    if (batch.length === 0) return;
    const written = store.transaction(() => {
      const touched = new Set<number>();
      for (const { repository, id, bytes } of batch)
        for (const blob of store.blobs.mark(repository, id, bytes, true)) touched.add(blob);
      for (const blob of touched) {
        const row = store.blobs.byNumber(blob);
        if (row?.state === BLOB_STATE.fetching && store.blobs.missing(blob, -1, 1).length === 0)
          store.blobs.setState(blob, BLOB_STATE.present);
      }
      return touched;
    });
    if (!written.ok) {
      deps.fault(written.error);
      return;
    }
    for (const blob of written.value) {
      const row = store.blobs.byNumber(blob);
      if (row === undefined) continue;
      if (row.state === BLOB_STATE.present) jobs.delete(blob);
      deps.changed(row);
    }
  };

  /** Reads the manifest that arrived and makes the list of the file's chunks. */
  const takeManifest = async (blob: number, ciphertext: Uint8Array): Promise<void> => {
    const row = store.blobs.byNumber(blob);
    if (row === undefined || row.state !== BLOB_STATE.wanted) return;
    const manifest = openManifest(crypto, { id: row.root, key: row.key }, ciphertext);
    if (!manifest.ok) {
      log.info("attachment not readable", { fault: manifest.error.type });
      const written = store.transaction(() => store.blobs.setState(blob, BLOB_STATE.unreadable));
      if (!written.ok) deps.fault(written.error);
      jobs.delete(blob);
      deps.changed({ ...row, state: BLOB_STATE.unreadable });
      return;
    }
    const { size, mime, name, sha256, chunks } = manifest.value;
    for (let from = 0; from < chunks.length; from += ROWS_PER_COMMIT) {
      const page = chunks.slice(from, from + ROWS_PER_COMMIT).map(({ id, key }, index): BlobChunkRow => ({
        position: from + index,
        id,
        key,
        bytes: chunkCiphertextBytes(chunkLength(size, from + index)),
        present: store.blobs.holds(row.repository, id),
      }));
      const written = store.transaction(() => store.blobs.addChunks(blob, page));
      if (!written.ok) {
        deps.fault(written.error);
        return;
      }
      await new Promise<void>((resolve) => {
        clock.after(durationMs(0), resolve);
      });
      if (stopped) return;
    }
    const written = store.transaction(() => {
      store.blobs.describe(blob, { size, mime, name, sha256 });
      store.blobs.mark(row.repository, row.root, ciphertext.length, true);
      if (store.blobs.missing(blob, -1, 1).length === 0) store.blobs.setState(blob, BLOB_STATE.present);
    });
    if (!written.ok) deps.fault(written.error);
    const described = store.blobs.byNumber(blob);
    if (described === undefined) return;
    if (described.state === BLOB_STATE.present) jobs.delete(blob);
    const job = jobs.get(blob);
    if (job !== undefined) job.cursor = -1;
    deps.changed(described);
  };

  const keep = async (want: Wanted, bytes: Uint8Array): Promise<void> => {
    const { repository, id, blob } = want;
    const stored = await blobs.put(repository, id, bytes);
    if (stopped) return;
    if (!stored.ok) {
      deps.fault({
        type: stored.error.type === "DiskFull" ? "DiskFull" : "CannotWrite",
        message: stored.error.message,
      });
      // Nothing more of this file until the next start, or until somebody asks for it again.
      jobs.delete(blob);
      return;
    }
    const row = store.blobs.byNumber(blob);
    if (row !== undefined && bytesToHex(row.root) === bytesToHex(id) && row.state === BLOB_STATE.wanted)
      await takeManifest(blob, bytes);
    else {
      arrived.push({ repository, id, bytes: bytes.length });
      if (arrived.length >= PAGE) commit();
      else commitTimer ??= clock.after(COMMIT_DELAY, commit);
    }
  };

  const fetch: ChunkFetcher["fetch"] = (blob) => {
    const row = store.blobs.byNumber(blob);
    if (row === undefined || row.state === BLOB_STATE.present || row.state === BLOB_STATE.unreadable) return;
    if (jobs.has(blob)) return;
    ensureManifestRow(row);
    jobs.set(blob, { blob, repository: row.repository, cursor: -1, queue: [], lacking: new Set() });
    pump();
  };

  const ensureManifestRow = (row: BlobRow): void => {
    if (store.blobs.chunk(row.n, -1) !== undefined) return;
    const written = store.transaction(() =>
      store.blobs.addChunks(row.n, [{ position: -1, id: row.root, key: row.key, bytes: 0, present: false }]),
    );
    if (!written.ok) deps.fault(written.error);
  };

  return {
    fetch,
    fetchChunk: (blob, repository, id) =>
      new Promise((resolve) => {
        const row = store.blobs.byNumber(blob);
        if (row !== undefined) ensureManifestRow(row);
        const key = keyOf(repository, id);
        const cancel = clock.after(READER_PATIENCE, () => answer(false));
        let want = wanted.get(key);
        const answer = (came: boolean): void => {
          cancel();
          want?.waiters.delete(answer);
          if (!came && want?.waiters.size === 0 && want.source === undefined) {
            wanted.delete(key);
            const at = urgent.indexOf(want);
            if (at >= 0) urgent.splice(at, 1);
          }
          resolve(came);
        };
        if (want === undefined) {
          want = {
            id,
            repository,
            blob,
            job: undefined,
            chunk: undefined,
            source: undefined,
            lacking: new Set(),
            waiters: new Set(),
          };
          wanted.set(key, want);
          urgent.push(want);
        }
        want.waiters.add(answer);
        pump();
      }),
    received: (source, repository, id, bytes) => {
      const release = (): void => {
        load.set(source, Math.max(0, (load.get(source) ?? 1) - 1));
      };
      const key = keyOf(repository, id);
      const want = wanted.get(key);
      if (want === undefined || want.source !== source) {
        release();
        pump();
        return;
      }
      if (bytes === null) {
        release();
        want.source = undefined;
        want.lacking.add(source);
        if (want.waiters.size > 0) urgent.push(want);
        else {
          wanted.delete(key);
          if (want.job !== undefined && want.chunk !== undefined) want.job.queue.unshift(want.chunk);
        }
        retryLater();
        pump();
        return;
      }
      void keep(want, bytes).finally(() => {
        release();
        wanted.delete(key);
        settle(want, true);
        pump();
      });
    },
    sourcesChanged: () => {
      const alive = new Set<string>();
      for (const { repository } of [...jobs.values(), ...wanted.values()])
        for (const source of sources.of(repository)) alive.add(source);
      for (const [key, want] of wanted) {
        if (want.source === undefined || alive.has(want.source)) continue;
        want.source = undefined;
        if (want.waiters.size > 0) urgent.push(want);
        else {
          wanted.delete(key);
          if (want.job !== undefined && want.chunk !== undefined) want.job.queue.unshift(want.chunk);
        }
      }
      for (const source of load.keys()) if (!alive.has(source)) load.delete(source);
      pump();
    },
    stop: () => {
      stopped = true;
      retryTimer?.();
      commit();
      for (const want of wanted.values()) settle(want, false);
    },
  };
};
