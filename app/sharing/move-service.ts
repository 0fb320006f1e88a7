import type { AttachmentService } from "../attachments/attachment-service.ts";
import { carrySpans } from "../attachments/carry-spans.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { MovedNote } from "../contract/note-places.ts";
import type { Authors } from "../history/authors.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine, NoteContent } from "../ports/engine.ts";
import type { Log } from "../ports/log.ts";
import type { DocumentRow, Store } from "../ports/store.ts";
import type { DocumentIndexer } from "../repositories/document-indexer.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId, headsOf } from "../repositories/document-service.ts";
import { describeRepository, foundRepository } from "../repositories/genesis.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { MovePlan } from "./move-plan.ts";
import { dropPlan, storedPlans, storePlan } from "./move-plan.ts";
import { madeByMove, storedMoved, storeMadeByMove } from "./moved-notes.ts";
import { isPassing } from "./passing-faults.ts";

type Answer<T> = Promise<Result<T, ContractError>>;

/**
 * Moves notes from one repository to another. Keys and signatures are those of a repository, so the note is sealed anew there
 * with its files, and its history begins anew; the original goes to the trash and says where the note went on.
 */
export interface MoveService {
  /** Finishes what a crash cut off. */
  readonly open: () => void;
  /** Gives the note a repository of its own. */
  readonly share: (document: string) => Answer<MovedNote>;
  readonly moveTo: (document: string, to: Repository, folder: string) => Answer<MovedNote>;
  /** Takes a note that this device moved back to where it was, with what was written since, unless somebody else has it by now. */
  readonly moveBack: (document: string) => Answer<MovedNote>;
  /** Where a note went on, by way of every further move; null for one that did not move. */
  readonly whereIs: (document: string) => MovedNote | null;
  readonly stop: () => Promise<void>;
}

/** Moves followed from note to note. */
const MAX_MOVES = 16;
/** Copies made again because the original changed meanwhile; then what comes later stays in the original. */
const MAX_ROUNDS = 8;
const MAX_TITLE = 200;
const UNTITLED = "Untitled";

export const createMoveService = (deps: {
  readonly store: Store;
  readonly engine: Engine;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly documents: DocumentService;
  readonly indexer: Pick<DocumentIndexer, "withLoaded" | "write">;
  readonly attachments: Pick<AttachmentService, "carry" | "complete">;
  readonly profile: Profile;
  readonly authorOf: Authors;
  /** A repository was founded, or lists changed otherwise. */
  readonly notebooksChanged: () => void;
  readonly documentsChanged: (repository: Repository) => void;
}): MoveService => {
  const { store, engine, random, clock, log, repositories, documents, indexer, attachments, profile, authorOf } = deps;
  let working: Promise<unknown> = Promise.resolve();
  let isStopped = false;

  const inTurn = <T>(work: () => Answer<T>): Answer<T> => {
    const run = async (): Answer<T> => (isStopped ? err(contractError("Stopping")) : work());
    const done = working.then(run, run);
    working = done;
    return done;
  };

  const keep = (plan: MovePlan): Result<MovePlan, ContractError> => {
    const written = store.transaction(() => storePlan(store, plan));
    return written.ok ? ok(plan) : err(storeFailure(written.error));
  };

  const read = (row: DocumentRow): Answer<NoteContent> =>
    indexer.withLoaded(row.n, async () => {
      const content = await engine.read(row.n);
      return content.ok ? ok(content.value) : err(contractError("EngineFailed"));
    });

  /** The repository a plan leads to, founded where it is to be its own. */
  const destination = async (plan: MovePlan, title: string): Answer<{ plan: MovePlan; to: Repository }> => {
    const known = plan.to === null ? undefined : repositories.byId(plan.to);
    if (known !== undefined) {
      const described = plan.alone ? await describeRepository(deps, profile, known, title) : ok(known);
      return described.ok ? ok({ plan, to: known }) : described;
    }
    if (!plan.alone) return err(contractError("NotebookNotFound"));
    let kept: Result<MovePlan, ContractError> = ok(plan);
    const founded = await foundRepository(deps, profile, title, {
      kind: "note",
      before: (rid) => {
        kept = keep({ ...plan, to: bytesToHex(rid) });
      },
    });
    if (!kept.ok) return kept;
    if (!founded.ok) return founded;
    deps.notebooksChanged();
    return ok({ plan: kept.value, to: founded.value });
  };

  /** Puts the original as it is now to its new place, sealed for it. */
  const copy = async (given: MovePlan, from: Repository, row: DocumentRow, to: Repository): Answer<MovePlan> => {
    let plan = given;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      // Before reading: what is read contains at least them.
      const heads = headsOf(store.documents.byNumber(row.n));
      if (plan.copied?.join() === heads.join()) return ok(plan);
      const content = await read(row);
      if (!content.ok) return content;
      const spans = await carrySpans(content.value.spans, (reference) => attachments.carry(from, reference, to));
      if (!spans.ok) return spans;
      const { title, tags, meta, createdAt } = content.value;
      const next: MovePlan = { ...plan, copied: heads };
      const did = hexToBytes(plan.did);
      invariant(did !== undefined, "a plan holds an id");
      if (store.documents.byId(to.n, did) === undefined) {
        const created = await documents.create(
          to,
          {
            type: "note",
            title,
            content: { type: "spans", spans: spans.value },
            folder: plan.folder,
            tags,
            meta,
            createdAt: createdAt ?? row.createdAt,
            updatedAt: row.updatedAt,
          },
          did,
          () => storePlan(store, next),
        );
        if (!created.ok) return created;
      } else {
        const edited = await documents.edit(documentId(to, did), [
          { type: "setContent", title, spans: spans.value },
          { type: "setTags", tags },
          { type: "setMoved", to: null },
          { type: "setDeleted", at: null },
        ]);
        if (!edited.ok) return edited;
        const kept = keep(next);
        if (!kept.ok) return kept;
      }
      plan = next;
    }
    return ok(plan);
  };

  const run = async (given: MovePlan): Answer<MovedNote> => {
    const found = documents.find(given.from);
    if (found === undefined) return err(contractError("DocumentNotFound"));
    const { repository: from, row } = found;
    const title = (row.title === "" ? UNTITLED : row.title).slice(0, MAX_TITLE).toWellFormed();
    const destined = await destination(given, title);
    if (!destined.ok) return destined;
    const { to } = destined.value;
    const copied = await copy(destined.value.plan, from, row, to);
    if (!copied.ok) return copied;
    const plan = copied.value;
    const document = to.id + plan.did;
    const left = await documents.edit(given.from, [
      { type: "setMoved", to: document },
      { type: "setDeleted", at: clock.unix() },
    ]);
    if (!left.ok) return left;
    // Lists follow edits a moment later; nobody is to see the note twice, or nowhere.
    const original = await read(row);
    const arrived = documents.find(document);
    const there = arrived === undefined ? undefined : await read(arrived.row);
    const ended = store.transaction(() => {
      dropPlan(store, plan);
      storeMadeByMove(store, row.n, document);
      if (original.ok) indexer.write(from, row.n, original.value);
      if (arrived !== undefined && there?.ok === true) indexer.write(to, arrived.row.n, there.value);
    });
    if (!ended.ok) return err(storeFailure(ended.error));
    deps.notebooksChanged();
    for (const repository of [from, to]) deps.documentsChanged(repository);
    return ok({ document, notebook: to.id, here: true, by: profile.name, self: true });
  };

  /** Takes away what a plan made so far: the note is where it was. */
  const giveUp = async (id: string): Answer<null> => {
    const plan = storedPlans(store).find((one) => one.id === id);
    if (plan === undefined) return ok(null);
    if (plan.to !== null && plan.copied !== null) {
      const undone = await documents.edit(plan.to + plan.did, [
        { type: "setMoved", to: plan.from },
        { type: "setDeleted", at: clock.unix() },
      ]);
      if (!undone.ok) return undone;
    }
    const dropped = store.transaction(() => dropPlan(store, plan));
    return dropped.ok ? ok(null) : err(storeFailure(dropped.error));
  };

  /** Runs a new plan; one that fails is given up, so that nothing moves later by itself. */
  const start = async (plan: MovePlan): Answer<MovedNote> => {
    const kept = keep(plan);
    if (!kept.ok) return kept;
    const moved = await run(kept.value);
    if (!moved.ok && !isStopped) {
      const undone = await giveUp(plan.id);
      if (!undone.ok) log.warn("move not given up", { fault: undone.error.type });
    }
    return moved;
  };

  /** Goes on with a plan of an earlier run; one that cannot succeed and made nothing of the note yet is given up. */
  const resume = async (plan: MovePlan): Answer<MovedNote> => {
    const moved = await run(plan);
    if (moved.ok || isStopped || isPassing(moved.error)) return moved;
    if (storedPlans(store).find(({ id }) => id === plan.id)?.copied !== null) return moved;
    const undone = await giveUp(plan.id);
    if (!undone.ok) log.warn("move not given up", { fault: undone.error.type });
    return moved;
  };

  /** What can be known to fail is asked before anything is made. */
  const prepare = async (document: string): Answer<{ repository: Repository; row: DocumentRow }> => {
    const found = documents.find(document);
    if (found === undefined || found.row.type !== "note") return err(contractError("DocumentNotFound"));
    if (!repositories.canWrite(found.repository)) return err(contractError("NotAllowed"));
    const content = await read(found.row);
    if (!content.ok) return content;
    for (const reference of content.value.attachments) {
      const complete = await attachments.complete(found.repository, reference);
      if (!complete.ok) return complete;
    }
    return ok(found);
  };

  const whereIs: MoveService["whereIs"] = (document) => {
    let last: MovedNote | null = null;
    for (let at = document, moves = 0; moves < MAX_MOVES; moves++) {
      const found = documents.find(at);
      const moved = found === undefined ? null : storedMoved(store, found.row.n);
      if (found === undefined || moved === null || !found.row.deleted) return last;
      const { name, self } = authorOf(found.repository, moved.actor);
      const here = documents.find(moved.to) !== undefined;
      last = { document: moved.to, notebook: moved.to.slice(0, found.repository.id.length), here, by: name, self };
      at = moved.to;
    }
    return last;
  };

  const freshPlan = (from: string, to: string | null, folder: string): MovePlan => ({
    id: bytesToHex(random.bytes(16)),
    from,
    to,
    alone: to === null,
    did: bytesToHex(random.bytes(16)),
    folder,
    copied: null,
  });

  return {
    open: () => {
      for (const plan of storedPlans(store))
        void inTurn(() => resume(plan)).then((moved) => {
          if (!moved.ok && !isStopped) log.warn("move not finished", { fault: moved.error.type });
        });
    },
    share: (document) =>
      inTurn(async () => {
        const prepared = await prepare(document);
        if (!prepared.ok) return prepared;
        if (prepared.value.repository.access.kind() === "note")
          return err(contractError("NotAllowed", "That note is shared by itself already."));
        return start(freshPlan(document, null, ""));
      }),
    moveTo: (document, to, folder) =>
      inTurn(async () => {
        if (!repositories.canWrite(to)) return err(contractError("NotAllowed"));
        const prepared = await prepare(document);
        if (!prepared.ok) return prepared;
        if (prepared.value.repository === to) return err(contractError("InvalidInput", "The note is there already."));
        return start(freshPlan(document, to.id, folder));
      }),
    moveBack: (document) =>
      inTurn(async () => {
        const found = documents.find(document);
        const moved = found === undefined ? null : storedMoved(store, found.row.n);
        if (found === undefined || moved === null) return err(contractError("DocumentNotFound"));
        if (!repositories.canWrite(found.repository)) return err(contractError("NotAllowed"));
        // Whoever writes in the notebook could name any note of this identity there, to have it brought to them.
        if (!authorOf(found.repository, moved.actor).self || madeByMove(store, found.row.n) !== moved.to)
          return err(contractError("NotAllowed", "Only the device that moved the note takes it back."));
        const prepared = await prepare(moved.to);
        if (!prepared.ok) return prepared;
        const { repository } = prepared.value;
        if (repository.access.kind() === "note" && repository.access.members().length > 1)
          return err(
            contractError("NotAllowed", "Somebody joined the shared note already. Move it to a notebook instead."),
          );
        return start({ ...freshPlan(moved.to, found.repository.id, ""), did: bytesToHex(found.row.did) });
      }),
    whereIs,
    stop: async () => {
      isStopped = true;
      await Promise.allSettled([working]);
    },
  };
};
