import type { AttachmentService } from "../attachments/attachment-service.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { ExportReport, ImportReport } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine } from "../ports/engine.ts";
import type { FolderError, FolderReader, FolderWriter } from "../ports/folder.ts";
import type { Store } from "../ports/store.ts";
import type { DocumentIndexer } from "../repositories/document-indexer.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { exhaustive } from "../../protocol/kernel/assert.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

type Answer<T> = Promise<Result<T, ContractError>>;

export interface PortabilityService {
  readonly importMarkdown: (repository: Repository, path: string) => Answer<ImportReport>;
  readonly cancelImport: (notebook: string) => Result<null, ContractError>;
  readonly exportMarkdown: (repository: Repository, path: string) => Answer<ExportReport>;
}

export interface Progress {
  readonly job: string;
  readonly done: number;
  readonly total: number;
  readonly current: string;
}

export const folderFailure = (error: FolderError | ContractError): ContractError => {
  if ("message" in error) return error;
  switch (error.type) {
    case "FolderNotFound":
    case "FolderNotEmpty":
    case "CannotWrite":
    case "DiskFull":
      return contractError(error.type);
    case "Unreadable":
    case "TooLarge":
      return contractError("FolderNotFound");
    case "TooManyFiles":
      return contractError(
        "TooManyFiles",
        `That folder holds more than ${error.limit} files. Import its folders one by one.`,
      );
    default:
      return exhaustive(error);
  }
};

/**
 * Import and export of Markdown folders: the plans of this room run against the node's documents. Both are loaded when
 * first asked for: their parsers are as large as the rest of a node, which starts without them.
 */
export const createPortability = (deps: {
  readonly store: Store;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly folders: {
    readonly reader: (path: string) => FolderReader;
    readonly writer: (path: string) => FolderWriter;
  };
  readonly documents: DocumentService;
  readonly indexer: DocumentIndexer;
  readonly attachments: Pick<AttachmentService, "attach" | "copy">;
  readonly progress: (notebook: string, progress: Progress) => void;
}): PortabilityService => {
  const { store, engine, clock, crypto, random, folders, documents, indexer, attachments } = deps;
  const running = new Map<string, { cancelled: boolean }>();

  return {
    importMarkdown: async (repository, path) => {
      if (running.has(repository.id)) return err(contractError("ImportRunning"));
      const job = bytesToHex(random.bytes(8));
      const state = { cancelled: false };
      running.set(repository.id, state);
      try {
        const reader = folders.reader(path);
        const { importMarkdown } = await import("./markdown-import.ts");
        const report = await importMarkdown(job, {
          reader,
          sha256: (bytes) => crypto.hash("SHA256", bytes),
          newDocumentId: () => documentId(repository, random.bytes(16)),
          recall: async (file) => {
            const known = store.importedFiles.find(repository.n, path, file);
            return known === undefined
              ? undefined
              : { hash: bytesToHex(known.hash), document: documentId(repository, known.did) };
          },
          convert: async (input) => {
            const converted = await engine.convert(input);
            return converted.ok
              ? converted
              : err("The file could not be converted; it may be damaged or too intricate.");
          },
          attach: async (file) => {
            const opened = await reader.open(file);
            if (!opened.ok)
              return err(
                `The file cannot be read: ${"reason" in opened.error ? opened.error.reason : opened.error.type}.`,
              );
            try {
              const attached = await attachments.attach(repository, opened.value);
              return attached.ok ? attached : err(attached.error.message);
            } finally {
              await opened.value.close();
            }
          },
          createNote: async (note) => {
            const did = hexToBytes(note.id.slice(32)) as Uint8Array;
            const created = await documents.create(
              repository,
              {
                type: "note",
                title: note.title,
                content: { type: "spans", spans: note.spans },
                folder: note.folder,
                tags: note.tags,
                meta: note.meta,
                createdAt: note.createdAt,
                updatedAt: note.updatedAt,
              },
              did,
              () =>
                store.importedFiles.put(
                  repository.n,
                  path,
                  note.source.path,
                  hexToBytes(note.source.hash) as Uint8Array,
                  did,
                ),
              // An import that a power cut undoes in part goes on where it stopped.
              "soon",
            );
            return created;
          },
          now: () => clock.unix(),
          onProgress: (progress) => deps.progress(repository.id, { job, ...progress }),
          isCancelled: () => state.cancelled,
        });
        if (!report.ok) return err(folderFailure(report.error));
        const flushed = store.flush();
        return flushed.ok ? report : err(storeFailure(flushed.error));
      } finally {
        running.delete(repository.id);
      }
    },
    cancelImport: (notebook) => {
      const state = running.get(notebook);
      if (state !== undefined) state.cancelled = true;
      return ok(null);
    },
    exportMarkdown: async (repository, path) => {
      const notes = documents.list(repository, "exclude").map(({ id, title, folder }) => ({ id, title, folder }));
      const writer = folders.writer(path);
      const { exportMarkdown } = await import("./markdown-export.ts");
      const exported = await exportMarkdown(path, {
        writer,
        notes,
        readNote: async (id) => {
          const found = documents.find(id);
          if (found === undefined) return err(contractError("DocumentNotFound"));
          return indexer.withLoaded(found.row.n, async () => {
            const content = await engine.read(found.row.n);
            if (!content.ok) return err(contractError("EngineFailed"));
            const { title, folder, spans, tags, meta } = content.value;
            return ok({ id, title, folder, spans, tags, meta });
          });
        },
        copyAttachment: async (reference, file) => {
          const created = await writer.create(file);
          if (!created.ok) return created;
          const copied = await attachments.copy(repository, reference, created.value);
          if (!copied.ok) await created.value.abandon();
          return copied;
        },
        isCancelled: () => false,
        onProgress: () => undefined,
      });
      return exported.ok ? exported : err(folderFailure(exported.error));
    },
  };
};
