import type { AttachmentService } from "../attachments/attachment-service.ts";
import { carrySpans } from "../attachments/carry-spans.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { NotebookCopied } from "../contract/note-places.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import { mapLinks } from "../portability/note-links.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine } from "../ports/engine.ts";
import type { Log } from "../ports/log.ts";
import type { DocumentRow, Store } from "../ports/store.ts";
import type { DocumentIndexer } from "../repositories/document-indexer.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId } from "../repositories/document-service.ts";
import { describeRepository, foundRepository } from "../repositories/genesis.ts";
import { DOCUMENT_LINK } from "../repositories/note-schema.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { isPassing } from "./passing-faults.ts";

type Answer<T> = Promise<Result<T, ContractError>>;

/** Copies whole notebooks as they are now into new ones, so that they can be shared without their history (data design, section 7). */
export interface CopyService {
  /** Finishes what a crash cut off. */
  readonly open: () => void;
  readonly copy: (from: Repository, title: string) => Answer<NotebookCopied>;
  readonly stop: () => Promise<void>;
}

/** A copy under way, as stored before its first step. */
interface CopyPlan {
  /** 32 hex digits. */
  readonly id: string;
  readonly from: string;
  /** Null while the new notebook is not founded. */
  readonly to: string | null;
  readonly title: string;
}

/** Apart from `copy/`, under which it is kept who has copies of a notebook. */
const PREFIX = "notebook-copy/";
const ID_BYTES = 16;

export const createCopyService = (deps: {
  readonly store: Store;
  readonly engine: Engine;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly documents: DocumentService;
  readonly indexer: Pick<DocumentIndexer, "withLoaded">;
  readonly attachments: Pick<AttachmentService, "carry">;
  readonly profile: Profile;
  /** A notebook was founded. */
  readonly notebooksChanged: () => void;
}): CopyService => {
  const { store, engine, crypto, random, log, repositories, documents, indexer, attachments, profile } = deps;
  let isStopped = false;
  let working: Promise<unknown> = Promise.resolve();

  const inTurn = <T>(work: () => Answer<T>): Answer<T> => {
    const done = working.then(work, work);
    working = done;
    return done;
  };
  const keep = (plan: CopyPlan): Result<CopyPlan, ContractError> => {
    const written = store.transaction(() =>
      store.meta.set(PREFIX + plan.id, encodeUtf8(JSON.stringify({ ...plan } satisfies CopyPlan))),
    );
    return written.ok ? ok(plan) : err(storeFailure(written.error));
  };

  const destination = async (plan: CopyPlan): Answer<Repository> => {
    const known = plan.to === null ? undefined : repositories.byId(plan.to);
    if (known !== undefined) return describeRepository(deps, profile, known, plan.title);
    let kept: Result<CopyPlan, ContractError> = ok(plan);
    const founded = await foundRepository(deps, profile, plan.title, {
      before: (rid) => {
        kept = keep({ ...plan, to: bytesToHex(rid) });
      },
    });
    return kept.ok ? founded : kept;
  };

  const run = async (plan: CopyPlan): Answer<NotebookCopied> => {
    const from = repositories.byId(plan.from);
    if (from === undefined) return err(contractError("NotebookNotFound"));
    const destined = await destination(plan);
    if (!destined.ok) return destined;
    const to = destined.value;
    /** The same for each run of the plan, so that nothing is copied twice. */
    const placeOf = (did: Uint8Array): Uint8Array =>
      crypto.hash("SHA256", encodeUtf8(plan.id), did).subarray(0, ID_BYTES);
    const rows = store.documents.list(from.n).filter(({ type, deleted }) => type === "note" && !deleted);
    const places = new Map(rows.map(({ did }) => [documentId(from, did), documentId(to, placeOf(did))]));
    let missing = 0;

    const copyNote = async (row: DocumentRow): Answer<null> => {
      const content = await indexer.withLoaded(row.n, async () => {
        const read = await engine.read(row.n);
        return read.ok ? ok(read.value) : err(contractError("EngineFailed"));
      });
      if (!content.ok) return content;
      const { title, folder, tags, meta, createdAt } = content.value;
      const linked = mapLinks(content.value.spans, (href) => {
        const [old = "", fragment] = href.startsWith(DOCUMENT_LINK)
          ? href.slice(DOCUMENT_LINK.length).split("#", 2)
          : [];
        const place = places.get(old);
        return place === undefined ? undefined : DOCUMENT_LINK + place + (fragment === undefined ? "" : `#${fragment}`);
      });
      const spans = await carrySpans(linked, async (reference) => {
        const carried = await attachments.carry(from, reference, to);
        if (carried.ok || (carried.error.type !== "AttachmentMissing" && carried.error.type !== "AttachmentDamaged"))
          return carried;
        // The words go along all the same; the file keeps its place and its name.
        missing++;
        return ok(reference);
      });
      if (!spans.ok) return spans;
      const made = await documents.create(
        to,
        {
          type: "note",
          title,
          content: { type: "spans", spans: spans.value },
          folder,
          tags,
          meta,
          createdAt: createdAt ?? row.createdAt,
          updatedAt: row.updatedAt,
        },
        placeOf(row.did),
        undefined,
        "soon",
      );
      return made.ok ? ok(null) : made;
    };

    for (const row of rows) {
      if (isStopped) return err(contractError("Stopping"));
      if (store.documents.byId(to.n, placeOf(row.did)) !== undefined) continue;
      const copied = await copyNote(row);
      if (!copied.ok) return copied;
    }
    const ended = store.transaction(() => store.meta.remove(PREFIX + plan.id));
    if (!ended.ok) return err(storeFailure(ended.error));
    deps.notebooksChanged();
    return ok({ notebook: to.id, notes: rows.length, missing });
  };

  /** Runs a plan; one that cannot succeed is given up, and what was copied stays. */
  const finish = async (plan: CopyPlan): Answer<NotebookCopied> => {
    const copied = await run(plan);
    if (copied.ok || isStopped || isPassing(copied.error)) return copied;
    const dropped = store.transaction(() => store.meta.remove(PREFIX + plan.id));
    if (!dropped.ok) log.warn("copy not given up", { fault: dropped.error.type });
    return copied;
  };

  return {
    open: () => {
      for (const { value } of store.meta.list(PREFIX)) {
        const plan = JSON.parse(decodeUtf8(value) ?? "null") as CopyPlan;
        void inTurn(() => finish(plan)).then((copied) => {
          if (!copied.ok && !isStopped) log.warn("copy not finished", { fault: copied.error.type });
        });
      }
    },
    copy: (from, title) =>
      inTurn(async () => {
        const kept = keep({ id: bytesToHex(random.bytes(ID_BYTES)), from: from.id, to: null, title });
        return kept.ok ? finish(kept.value) : kept;
      }),
    stop: async () => {
      isStopped = true;
      await Promise.allSettled([working]);
    },
  };
};
