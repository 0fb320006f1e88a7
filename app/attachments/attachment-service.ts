import { isMediaType } from "../../protocol/blob/file-facts.ts";
import { readPolicy } from "../../protocol/acl/policy.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesToHex, concatBytes, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Attachment, AttachmentPiece, FetchPolicy, SavedAttachment, StorageUsage } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine } from "../ports/engine.ts";
import type { FileReader, Files, FileWriter } from "../ports/file.ts";
import type { HistoryReader } from "../ports/history-reader.ts";
import type { Log } from "../ports/log.ts";
import type { BlobReference, BlobRow, DocumentRow, Store, StoreError } from "../ports/store.ts";
import { BLOB_STATE } from "../ports/store.ts";
import type { DocumentIndexer } from "../repositories/document-indexer.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { storedVersions } from "../history/named-versions.ts";
import { addressOfAttrs, attachmentsOfSpans, attrsOfAttachment } from "./attachment-ref.ts";
import type { ChunkFetcher, ChunkSources } from "./chunk-fetcher.ts";
import { createChunkFetcher } from "./chunk-fetcher.ts";
import { fileFailure, importFile } from "./import-file.ts";
import { isPicture, mediaTypeOf, tidyFileName } from "./media-type.ts";
import type { OpenFile } from "./read-file.ts";
import { openAttachment } from "./read-file.ts";
import { sweepAttachments } from "./sweep.ts";

type Answer<T> = Promise<Result<T, ContractError>>;

export interface AddInput {
  readonly document: string;
  readonly path?: string;
  readonly bytes?: Uint8Array;
  readonly name?: string;
  readonly mime?: string;
  readonly place?: "end" | "none";
  readonly token?: string;
}

export interface AttachmentService {
  /** Takes up what an earlier run left: fetches, sweeps. */
  readonly open: () => void;
  readonly add: (input: AddInput) => Answer<Attachment>;
  /** Takes a file into a repository without a document, for an import; the caller refers to it. */
  readonly attach: (repository: Repository, file: FileReader) => Answer<BlobReference>;
  readonly list: (document: string) => Answer<readonly Attachment[]>;
  readonly fetch: (document: string, blob: string) => Answer<Attachment>;
  readonly save: (document: string, blob: string, path: string) => Answer<SavedAttachment>;
  /** Copies a file of the repository, as a document refers to it, into `writer`, and checks the whole. */
  readonly copy: (repository: Repository, reference: BlobReference, writer: FileWriter) => Answer<number>;
  /** Takes a file of one repository into another, sealed anew under its keys; answers what a document there stores. */
  readonly carry: (from: Repository, reference: BlobReference, to: Repository) => Answer<BlobReference>;
  /** Takes a file that another repository of this device has into that of the document; one that is there stays as it is. */
  readonly adopt: (document: string, blob: string) => Answer<Attachment>;
  /** Makes sure that a file is here as a whole, fetching what is missing. */
  readonly complete: (repository: Repository, reference: BlobReference) => Answer<null>;
  readonly read: (notebook: string, blob: string) => Answer<OpenFile>;
  /** Bytes [start, end) of a file; fewer at its end. */
  readonly readPiece: (document: string, blob: string, start: number, end: number) => Answer<AttachmentPiece>;
  readonly usage: () => StorageUsage;
  readonly setPolicy: (repository: Repository, policy: FetchPolicy) => Result<null, ContractError>;
  /** Notes what a document refers to now. Inside a transaction. */
  readonly refer: (repository: Repository, document: number, references: readonly BlobReference[]) => void;
  /** Ciphertext of a chunk that a member asked for. */
  readonly serve: (repository: number, id: Uint8Array) => Promise<Uint8Array | null>;
  readonly received: ChunkFetcher["received"];
  readonly sourcesChanged: () => void;
  readonly stop: () => void;
}

/** Largest file fetched without being asked for, unless the notebook says otherwise (data formats, section 13). */
const SMALL_FILE_BYTES = 10_485_760;
/** Files of one notebook (data formats, section 13). */
const MAX_NOTEBOOK_BYTES = 5 * 1_073_741_824;
/** After the first minute, when nobody waits for the start any more, then weekly. */
const FIRST_SWEEP = durationMs(60_000);
const SWEEP_INTERVAL = durationMs(7 * 86_400_000);
const FETCH_DELAY = durationMs(20);
/** Progress is shown by people's eyes, not per chunk. */
const PROGRESS_INTERVAL_MS = 100;

const policyKey = (notebook: string): string => `attachments.fetch.${notebook}`;

/** Files of notes: attached, fetched from members, read in ranges, saved, counted and swept. */
export const createAttachmentService = (deps: {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly files: Files;
  readonly engine: Engine;
  readonly crypto: CryptoProvider;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly documents: Pick<DocumentService, "find" | "edit">;
  readonly indexer: Pick<DocumentIndexer, "withLoaded">;
  readonly history: Pick<HistoryReader, "ask">;
  readonly sources: ChunkSources;
  readonly changed: (
    repository: Repository,
    blob: string,
    state: Attachment["state"],
    held: number,
    size: number,
  ) => void;
  readonly progress: (token: string, done: number, total: number) => void;
  /** Chunks came to this device. */
  readonly chunksCame: () => void;
  readonly fault: (error: StoreError) => void;
}): AttachmentService => {
  const { store, blobs, files, engine, crypto, clock, log, repositories, documents, indexer } = deps;
  /** Files somebody asked for, whatever the policy says. */
  const demanded = new Set<number>();
  let importing = 0;
  let stopped = false;
  let sweepTimer: (() => void) | undefined;
  let fetchTimer: (() => void) | undefined;

  const stateOf = (row: BlobRow): Attachment["state"] => {
    if (row.state === BLOB_STATE.present) return "present";
    if (row.state === BLOB_STATE.unreadable) return "damaged";
    return isWanted(row) ? "fetching" : "missing";
  };

  const fetcher = createChunkFetcher({
    store,
    blobs,
    crypto,
    clock,
    log,
    sources: deps.sources,
    changed: (row) => {
      deps.chunksCame();
      const repository = repositories.byNumber(row.repository);
      if (repository !== undefined) deps.changed(repository, bytesToHex(row.root), stateOf(row), row.held, row.size);
    },
    fault: deps.fault,
  });

  const policyOf = (repository: number): FetchPolicy => {
    const id = repositories.byNumber(repository)?.id;
    const set = id === undefined ? undefined : store.meta.settings()[policyKey(id)];
    return set === "always" || set === "demand" ? set : "small";
  };

  const isWanted = (row: BlobRow): boolean => {
    if (demanded.has(row.n)) return true;
    const policy = policyOf(row.repository);
    return policy === "always" || (policy === "small" && row.size <= SMALL_FILE_BYTES);
  };

  /** Fetches what the policy asks for, as long as the notebook's files stay below their limit. */
  const fetchWanted = (): void => {
    const held = new Map(store.blobs.usage().map((usage) => [usage.repository, usage.held]));
    for (const row of store.blobs.wanted()) {
      const total = (held.get(row.repository) ?? 0) + row.size;
      if (!isWanted(row) || (total > MAX_NOTEBOOK_BYTES && !demanded.has(row.n))) continue;
      held.set(row.repository, total);
      fetcher.fetch(row.n);
    }
  };

  const describe = (document: string, row: BlobRow): Attachment => ({
    document,
    blob: bytesToHex(row.root),
    key: bytesToHex(row.key),
    name: row.name,
    mime: row.mime,
    size: row.size,
    state: stateOf(row),
    held: Math.min(row.size, row.held),
  });

  /** What the named versions of a repository's notes refer to. */
  const namedFiles = async (n: number): Promise<ReadonlySet<string> | undefined> => {
    const roots = new Set<string>();
    const repository = repositories.byNumber(n);
    for (const { document, heads } of repository === undefined ? [] : storedVersions(store, repository.id)) {
      const row = store.documents.byId(n, hexToBytes(document) ?? new Uint8Array());
      if (row === undefined) continue;
      const past = await deps.history.ask({ type: "read", document: row.n, heads, now: clock.unix() });
      if (past.ok) for (const { root } of attachmentsOfSpans(past.value.spans)) roots.add(bytesToHex(root));
      else if (past.error.type !== "UnknownHeads") return undefined;
    }
    return roots;
  };

  const sweep = async (): Promise<void> => {
    if (importing === 0) {
      const swept = await sweepAttachments({
        store,
        blobs,
        clock,
        log,
        isStopped: () => stopped || importing > 0,
        named: namedFiles,
      });
      if (!swept.ok) deps.fault(swept.error);
      else if (swept.value.chunks > 0) log.info("attachments swept", swept.value);
    }
    if (!stopped) sweepTimer = clock.after(SWEEP_INTERVAL, () => void sweep());
  };

  const attachAs = async (
    repository: Repository,
    file: FileReader,
    facts: { readonly name: string; readonly mime: string },
    token: string | undefined,
  ): Answer<BlobReference & { readonly n: number }> => {
    if (!repositories.canWrite(repository)) return err(contractError("NotAllowed"));
    const used = store.blobs.usage().find((usage) => usage.repository === repository.n)?.bytes ?? 0;
    const allowed = readPolicy(repository.access.state().policy).attachmentBytes;
    if (used + file.bytes > MAX_NOTEBOOK_BYTES) return err(contractError("NotebookFull"));
    if (used + file.bytes > allowed)
      return err(contractError("NotebookFull", "The rules of this notebook do not allow that many files."));
    const renewed = repositories.renewKeys(repository);
    if (!renewed.ok) return err(storeFailure(renewed.error));
    let shown = 0;
    importing++;
    try {
      return await importFile(
        { store, blobs, crypto, clock, isStopped: () => stopped },
        repository,
        file,
        facts,
        (done) => {
          const now = clock.monotonic();
          if (token === undefined || (now - shown < PROGRESS_INTERVAL_MS && done < file.bytes)) return;
          shown = now;
          deps.progress(token, done, file.bytes);
        },
      );
    } finally {
      importing--;
      deps.chunksCame();
    }
  };

  const openSource = async (input: AddInput): Answer<FileReader> => {
    const { path, bytes } = input;
    if (path !== undefined && bytes === undefined) {
      const opened = await files.open(path);
      return opened.ok ? opened : err(fileFailure(opened.error));
    }
    if (bytes === undefined || path !== undefined)
      return err(contractError("InvalidInput", "Name the file by its path, or give its bytes and a name."));
    return ok({
      name: input.name ?? "file",
      bytes: bytes.length,
      read: async (offset, length) => ok(bytes.subarray(offset, offset + length)),
      close: async () => undefined,
    });
  };

  const add: AttachmentService["add"] = async (input) => {
    const found = documents.find(input.document);
    if (found === undefined) return err(contractError("DocumentNotFound"));
    const source = await openSource(input);
    if (!source.ok) return source;
    const file = source.value;
    try {
      const name = tidyFileName(input.name ?? file.name);
      const mime = input.mime !== undefined && isMediaType(input.mime) ? input.mime : mediaTypeOf(name);
      const attached = await attachAs(found.repository, file, { name, mime }, input.token);
      if (!attached.ok) return attached;
      const row = store.blobs.byNumber(attached.value.n);
      if (row === undefined) return err(contractError("AttachmentNotFound"));
      if (input.place !== "none") {
        const address = addressOfAttrs(attrsOfAttachment(attached.value)) ?? "";
        const label = name.replace(/[\\[\]]/g, "\\$&");
        const markdown = `${isPicture(mime) ? "!" : ""}[${label}](${address})`;
        const edited = await documents.edit(input.document, [{ type: "appendMarkdown", markdown }]);
        if (!edited.ok) return edited;
      }
      return ok(describe(input.document, row));
    } finally {
      await file.close();
    }
  };

  const referencesOf = async (row: DocumentRow): Answer<readonly BlobReference[]> =>
    indexer.withLoaded(row.n, async () => {
      const facts = await engine.facts(row.n);
      return facts.ok ? ok(facts.value.attachments) : err(contractError("EngineFailed"));
    });

  const learn = (repository: Repository, references: readonly BlobReference[]): Result<readonly number[], StoreError> =>
    store.transaction(() => references.map((one) => store.blobs.learn(repository.n, one, clock.unix())));

  const list: AttachmentService["list"] = async (document) => {
    const found = documents.find(document);
    if (found === undefined) return err(contractError("DocumentNotFound"));
    const references = await referencesOf(found.row);
    if (!references.ok) return references;
    const learned = learn(found.repository, references.value);
    if (!learned.ok) return err(storeFailure(learned.error));
    return ok(
      learned.value.flatMap((n) => {
        const row = store.blobs.byNumber(n);
        return row === undefined ? [] : [describe(document, row)];
      }),
    );
  };

  /** The file of a document by its id; looks into the document when it is not known yet. */
  const findIn = async (document: string, blob: string): Answer<{ repository: Repository; row: BlobRow }> => {
    const found = documents.find(document);
    if (found === undefined) return err(contractError("DocumentNotFound"));
    const { repository } = found;
    const root = hexToBytes(blob) as Uint8Array;
    let row = store.blobs.find(repository.n, root);
    if (row === undefined) {
      const listed = await list(document);
      if (!listed.ok) return listed;
      row = store.blobs.find(repository.n, root);
    }
    return row === undefined ? err(contractError("AttachmentNotFound")) : ok({ repository, row });
  };

  const copyRow = async (row: BlobRow, writer: FileWriter): Answer<number> => {
    const opened = await openAttachment({ store, blobs, crypto, fetcher }, row);
    if (!opened.ok) return opened;
    const hash = crypto.hasher("SHA256");
    for await (const piece of opened.value.read(0, opened.value.size)) {
      if (!piece.ok) return piece;
      hash.update(piece.value);
      const written = await writer.write(piece.value);
      if (!written.ok) return err(fileFailure(written.error));
    }
    const stated = store.blobs.byNumber(row.n)?.sha256;
    if (stated === undefined || stated === null || bytesToHex(stated) !== bytesToHex(hash.digest()))
      return err(contractError("AttachmentDamaged"));
    const finished = await writer.finish();
    return finished.ok ? ok(opened.value.size) : err(fileFailure(finished.error));
  };

  const rowOf = (repository: Repository, reference: BlobReference): Result<BlobRow, ContractError> => {
    const learned = learn(repository, [reference]);
    if (!learned.ok) return err(storeFailure(learned.error));
    const row = store.blobs.find(repository.n, reference.root);
    return row === undefined ? err(contractError("AttachmentNotFound")) : ok(row);
  };

  const complete: AttachmentService["complete"] = async (repository, reference) => {
    const row = rowOf(repository, reference);
    if (!row.ok || row.value.state === BLOB_STATE.present) return row.ok ? ok(null) : row;
    const opened = await openAttachment({ store, blobs, crypto, fetcher }, row.value);
    if (!opened.ok) return opened;
    for await (const piece of opened.value.read(0, opened.value.size)) if (!piece.ok) return piece;
    return ok(null);
  };

  const carry: AttachmentService["carry"] = async (from, reference, to) => {
    const row = rowOf(from, reference);
    if (!row.ok) return row;
    const opened = await openAttachment({ store, blobs, crypto, fetcher }, row.value);
    if (!opened.ok) return opened;
    const hash = crypto.hasher("SHA256");
    let failure: ContractError | undefined;
    const attached = await attachAs(
      to,
      {
        name: reference.name,
        bytes: opened.value.size,
        read: async (offset, length) => {
          const pieces: Uint8Array[] = [];
          for await (const piece of opened.value.read(offset, offset + length)) {
            if (piece.ok) pieces.push(piece.value);
            else failure = piece.error;
          }
          if (failure !== undefined) return err({ type: "Unreadable", reason: failure.message });
          const bytes = concatBytes(...pieces);
          hash.update(bytes);
          return ok(bytes);
        },
        close: async () => undefined,
      },
      { name: reference.name, mime: reference.mime },
      undefined,
    );
    if (!attached.ok) return failure === undefined ? attached : err(failure);
    const stated = store.blobs.byNumber(row.value.n)?.sha256;
    if (stated === undefined || stated === null || bytesToHex(stated) !== bytesToHex(hash.digest()))
      return err(contractError("AttachmentDamaged"));
    const { root, key, size, mime, name } = attached.value;
    return ok({ root, key, size, mime, name });
  };

  return {
    open: () => {
      const dropped = store.transaction(() => {
        for (const n of store.blobs.unfinished()) store.blobs.remove(n);
      });
      if (!dropped.ok) deps.fault(dropped.error);
      fetchWanted();
      sweepTimer ??= clock.after(FIRST_SWEEP, () => void sweep());
    },
    add,
    attach: async (repository, file) => {
      const name = tidyFileName(file.name);
      return attachAs(repository, file, { name, mime: mediaTypeOf(name) }, undefined);
    },
    list,
    fetch: async (document, blob) => {
      const found = await findIn(document, blob);
      if (!found.ok) return found;
      const { row } = found.value;
      demanded.add(row.n);
      fetcher.fetch(row.n);
      return ok(describe(document, row));
    },
    save: async (document, blob, path) => {
      const found = await findIn(document, blob);
      if (!found.ok) return found;
      const created = await files.create(path);
      if (!created.ok) return err(fileFailure(created.error));
      const copied = await copyRow(found.value.row, created.value);
      if (copied.ok) return ok({ path, bytes: copied.value });
      await created.value.abandon();
      return copied;
    },
    copy: async (repository, reference, writer) => {
      const row = rowOf(repository, reference);
      return row.ok ? copyRow(row.value, writer) : row;
    },
    carry,
    complete,
    adopt: async (document, blob) => {
      const found = documents.find(document);
      const root = hexToBytes(blob);
      if (found === undefined || root === undefined) return err(contractError("DocumentNotFound"));
      const { repository } = found;
      const own = store.blobs.find(repository.n, root);
      if (own?.state === BLOB_STATE.present) return ok(describe(document, own));
      for (const other of repositories.all()) {
        const row = other === repository ? undefined : store.blobs.find(other.n, root);
        if (row === undefined) continue;
        const carried = await carry(other, row, repository);
        if (!carried.ok) return carried;
        const there = store.blobs.find(repository.n, carried.value.root);
        return there === undefined ? err(contractError("AttachmentNotFound")) : ok(describe(document, there));
      }
      return own === undefined ? err(contractError("AttachmentNotFound")) : ok(describe(document, own));
    },
    read: async (notebook, blob) => {
      const repository = repositories.byId(notebook);
      const root = hexToBytes(blob);
      const row = repository === undefined || root === undefined ? undefined : store.blobs.find(repository.n, root);
      return row === undefined
        ? err(contractError("AttachmentNotFound"))
        : openAttachment({ store, blobs, crypto, fetcher }, row);
    },
    readPiece: async (document, blob, start, end) => {
      const found = await findIn(document, blob);
      if (!found.ok) return found;
      const opened = await openAttachment({ store, blobs, crypto, fetcher }, found.value.row);
      if (!opened.ok) return opened;
      const pieces: Uint8Array[] = [];
      for await (const piece of opened.value.read(start, end)) {
        if (!piece.ok) return piece;
        pieces.push(piece.value);
      }
      return ok({ size: opened.value.size, mime: opened.value.mime, bytes: concatBytes(...pieces) });
    },
    usage: () => {
      const usages = new Map(store.blobs.usage().map((usage) => [usage.repository, usage]));
      const rows = store.repositories.all().filter(({ rid }) => repositories.home()?.id !== bytesToHex(rid));
      const notebooks = rows.map(({ n, rid, title }) => {
        const { files: count = 0, bytes = 0, held = 0 } = usages.get(n) ?? {};
        return { id: bytesToHex(rid), title, files: count, bytes, held, policy: policyOf(n) };
      });
      return {
        notebooks,
        held: notebooks.reduce((sum, { held }) => sum + held, 0),
        limit: MAX_NOTEBOOK_BYTES,
      };
    },
    setPolicy: (repository, policy) => {
      const written = store.transaction(() => store.meta.setSetting(policyKey(repository.id), policy));
      if (!written.ok) return err(storeFailure(written.error));
      fetchWanted();
      return ok(null);
    },
    refer: (repository, document, references) => {
      const now = clock.unix();
      const numbers = references.map((one) => store.blobs.learn(repository.n, one, now));
      store.blobs.setReferences(document, numbers, now);
      // After the commit, so that what is fetched is known for sure, and once for a page of documents.
      if (numbers.length > 0)
        fetchTimer ??= clock.after(FETCH_DELAY, () => {
          fetchTimer = undefined;
          fetchWanted();
        });
    },
    serve: async (repository, id) => {
      if (!store.blobs.holds(repository, id)) return null;
      const stored = await blobs.get(repository, id);
      return stored.ok ? (stored.value ?? null) : null;
    },
    received: fetcher.received,
    sourcesChanged: fetcher.sourcesChanged,
    stop: () => {
      stopped = true;
      sweepTimer?.();
      fetchTimer?.();
      fetcher.stop();
    },
  };
};
