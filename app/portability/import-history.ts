import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import { inspectBatch } from "../repositories/change-batch.ts";
import type { ChangeInspector } from "../repositories/change-inspector.ts";
import { storeChanges } from "../repositories/integrate.ts";
import type { Repository } from "../repositories/repository.ts";
import { encodeCbor } from "../../protocol/codec/cbor.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

export interface HistoryImport {
  readonly store: Store;
  readonly inspect: ChangeInspector;
  readonly clock: Clock;
  /** Public key of this device, which answers for what it imports. */
  readonly device: Uint8Array;
}

/** Why a history cannot go on in another notebook. */
export type HistoryRefusal = "badChanges" | "foreignActor" | "cannotWrite";

/** A session that nobody writes with any more. */
const CLOSED = 1;
/** The session and actor ids of this product. */
const ACTOR_BYTES = 16;

/** Consecutive changes of one actor, in the order given; `undefined` when one is malformed. */
const runsOf = (
  inspect: ChangeInspector,
  changes: readonly Uint8Array[],
): readonly (readonly Uint8Array[])[] | undefined => {
  const runs: Uint8Array[][] = [];
  let actor: Uint8Array | undefined;
  for (const bytes of changes) {
    const change = inspect(bytes);
    if (!change.ok) return undefined;
    const last = runs.at(-1);
    if (last !== undefined && actor !== undefined && bytesEqual(actor, change.value.actor)) last.push(bytes);
    else runs.push([bytes]);
    ({ actor } = change.value);
  }
  return runs;
};

/**
 * Makes a document of a notebook out of all its changes (dependencies first). Each author's actor becomes a closed session of this
 * device, whose records carry the changes as they are: hashes and heads stay, and the signature says who brought them. `sessions`
 * holds the sessions made by this import, in hex. Answers the document's row.
 */
export const importHistory = (
  { store, inspect, clock, device }: HistoryImport,
  repository: Repository,
  did: Uint8Array,
  changes: readonly Uint8Array[],
  sessions: Set<string>,
): Result<number, HistoryRefusal> => {
  const runs = runsOf(inspect, changes);
  if (runs === undefined || runs.length === 0) return err("badChanges");
  const made: string[] = [];
  let document = 0;
  const take = (): HistoryRefusal | undefined => {
    const now = clock.unix();
    document = store.documents.add(repository.n, did, now);
    for (const run of runs) {
      const batch = inspectBatch(inspect, run);
      if (!batch.ok) return "badChanges";
      const { actor, firstSeq } = batch.value;
      const key = bytesToHex(actor);
      if (!sessions.has(key) && !made.includes(key)) {
        if (actor.length !== ACTOR_BYTES || store.repositories.session(repository.n, actor) !== undefined)
          return "foreignActor";
        store.repositories.putSession(repository.n, {
          session: actor,
          device,
          lastSeq: -1,
          lastIid: new Uint8Array(32),
          own: true,
          state: CLOSED,
          startedAt: now,
          acl: encodeCbor([]),
        });
        made.push(key);
      }
      if (firstSeq !== store.documents.lastSeq(document, actor) + 1) return "badChanges";
      if (!storeChanges(store, document, batch.value, "draft", now).ok) return "badChanges";
    }
    return undefined;
  };
  const written = store.transaction(() => store.savepoint(take), "soon");
  if (!written.ok) return err("cannotWrite");
  if (written.value !== undefined) return err(written.value);
  for (const key of made) sessions.add(key);
  return ok(document);
};
