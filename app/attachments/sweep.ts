import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { documentsWithLoss } from "../repositories/lost-changes.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Store, StoreError } from "../ports/store.ts";

/** A file stays this long after the last document forgot it: undo, history and other devices may still want it. */
export const UNREFERENCED_DAYS = 90;
const DAY_MS = 86_400_000;
/** A chunk without a row may belong to an import that is under way. */
const YOUNG_CHUNK_MS = 3_600_000;

/**
 * Deletes attachments that no document has referred to for 90 days, and chunks that no attachment names (left by a crash or a
 * failed import). A file that any document refers to, or did within that time, or that a named version shows, is never touched (I51);
 * nor is any of a notebook in which something that no longer counts is kept for its author, which may refer to files as well.
 */
export const sweepAttachments = async (deps: {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly isStopped: () => boolean;
  readonly log: Log;
  /** Files, in hex, that a state with a name refers to; undefined while that cannot be found out. */
  readonly named: (repository: number) => Promise<ReadonlySet<string> | undefined>;
}): Promise<Result<{ readonly files: number; readonly chunks: number }, StoreError>> => {
  const { store, blobs, clock, isStopped, log } = deps;
  let files = 0;
  let chunks = 0;
  let kept = 0;
  /** What cannot be deleted now is a chunk without a row at the next sweep. */
  const remove = (repository: number, id: Uint8Array): Promise<unknown> =>
    blobs.remove(repository, id).then(
      () => chunks++,
      () => kept++,
    );
  const withLoss = new Set(documentsWithLoss(store).map((n) => store.documents.byNumber(n)?.repository));
  const namedIn = new Map<number, ReadonlySet<string> | undefined>();
  for (const { n, repository, root } of store.blobs.dead(clock.unix() - UNREFERENCED_DAYS * DAY_MS)) {
    if (isStopped()) break;
    if (withLoss.has(repository)) continue;
    if (!namedIn.has(repository)) namedIn.set(repository, await deps.named(repository));
    const named = namedIn.get(repository);
    if (named === undefined || named.has(bytesToHex(root))) continue;
    const removed = store.transaction(() => store.blobs.remove(n));
    if (!removed.ok) return removed;
    for (const id of removed.value) await remove(repository, id);
    files++;
  }
  for await (const page of blobs.list()) {
    if (isStopped()) break;
    for (const { repository, id, modifiedAt } of page) {
      if (clock.unix() - modifiedAt < YOUNG_CHUNK_MS || store.blobs.holds(repository, id)) continue;
      await remove(repository, id);
    }
  }
  if (kept > 0) log.warn("files not deleted", { count: kept });
  return ok({ files, chunks });
};
