import type { AttachmentService } from "../attachments/attachment-service.ts";
import { attachmentOfAttrs, attrsOfAttachment } from "../attachments/attachment-ref.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { ProfileImport } from "../contract/types.ts";
import type { Profile } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Engine, NoteEdit } from "../ports/engine.ts";
import type { FolderError, FolderReader } from "../ports/folder.ts";
import type { BlobReference, Store } from "../ports/store.ts";
import type { ChangeInspector } from "../repositories/change-inspector.ts";
import type { DocumentIndexer } from "../repositories/document-indexer.ts";
import type { DocumentService } from "../repositories/document-service.ts";
import { documentId } from "../repositories/document-service.ts";
import { DOCUMENT_LINK } from "../repositories/note-schema.ts";
import type { NoteSpan } from "../repositories/note-schema.ts";
import type { Repository } from "../repositories/repository.ts";
import { NOTEBOOK_DOCUMENT } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { decodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ExportManifest, ManifestFile } from "./export-manifest.ts";
import { parseJson, readManifest } from "./export-manifest.ts";
import type { NoteFile } from "./exported-note.ts";
import { notebookFile, noteFile } from "./exported-note.ts";
import { HISTORY } from "./export-records.ts";
import { headsIn } from "./exported-history.ts";
import { importHistory } from "./import-history.ts";
import { mapLinks } from "./note-links.ts";

type Fault = FolderError | ContractError;

export interface ProfileImportDependencies {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly engine: Pick<Engine, "history">;
  readonly indexer: Pick<DocumentIndexer, "dirty">;
  readonly store: Store;
  readonly inspect: ChangeInspector;
  readonly clock: Clock;
  readonly profile: Pick<Profile, "device">;
  readonly repositories: Pick<RepositoryService, "scheduleSeal">;
  readonly documents: Pick<DocumentService, "create" | "edit">;
  readonly attachments: Pick<AttachmentService, "attach">;
  readonly found: (title: string) => Promise<Result<Repository, ContractError>>;
  /** Makes what was imported survive a power cut. */
  readonly flush: () => Result<unknown, ContractError>;
  readonly isCancelled: () => boolean;
  readonly tell: (done: number, total: number, current: string) => void;
}

/** Longest note in JSON: a note of 8 MB of text with marks. */
const MAX_NOTE_BYTES = 134_217_728;
const MAX_TITLE = 200;
const MAX_NOTEBOOK_BYTES = 134_217_728;
const MAX_TAGS = 100;

/**
 * Makes notebooks of an export: every note with its text, files, folder, tags and times, and its history if that is wanted. What has to name
 * other ids here, files and links between notes, becomes one more change on top.
 */
export const importProfile = async (
  deps: ProfileImportDependencies,
  reader: FolderReader,
  keepsHistory: boolean,
): Promise<Result<ProfileImport, Fault>> => {
  const { crypto, random, documents, attachments } = deps;
  const manifest = await readManifest(reader);
  if (!manifest.ok) return manifest;
  if (manifest.value === undefined) return err(contractError("NotAnExport"));
  const { notebooks, files } = manifest.value;
  const listed = new Map(files.map((file) => [file.path, file]));
  const failed: { path: string; reason: string }[] = [];
  const made: { id: string; title: string }[] = [];
  let imported = 0;
  let attached = 0;
  let histories = 0;

  const readJson = async (file: ManifestFile, limit: number): Promise<unknown> => {
    const read = await reader.read(file.path, limit);
    if (!read.ok || bytesToHex(crypto.hash("SHA256", read.value)) !== file.sha256) return undefined;
    return parseJson(decodeUtf8(read.value));
  };

  /** Attaches the files of a note to the notebook, each once. */
  const attachAgain = async (
    repository: Repository,
    spans: readonly NoteSpan[],
    pathOf: ReadonlyMap<string, string>,
    references: Map<string, BlobReference | undefined>,
  ): Promise<NoteSpan[]> => {
    const out: NoteSpan[] = [];
    for (const span of spans) {
      const old = span.type === "block" && span.value.isEmbed ? attachmentOfAttrs(span.value.attrs) : undefined;
      if (old === undefined || span.type !== "block") {
        out.push(span);
        continue;
      }
      const blob = bytesToHex(old.root);
      const path = pathOf.get(blob);
      if (path !== undefined && !references.has(blob)) {
        const opened = await reader.open(path);
        const reference = opened.ok
          ? await attachments.attach(repository, { ...opened.value, name: old.name })
          : opened;
        if (opened.ok) await opened.value.close();
        if (reference.ok) attached++;
        else failed.push({ path, reason: "It cannot be read or attached." });
        references.set(blob, reference.ok ? reference.value : undefined);
      }
      const reference = references.get(blob);
      if (reference === undefined) {
        out.push(span);
        continue;
      }
      // The preview was a file of its own in the old notebook.
      const { thumb: _thumb, thumbKey: _key, thumbSize: _size, ...attrs } = span.value.attrs;
      const again = attrsOfAttachment({ ...reference, mime: old.mime, name: old.name });
      out.push({ type: "block", value: { ...span.value, attrs: { ...attrs, ...again } } });
    }
    return out;
  };

  const importNotebook = async (notebook: ExportManifest["notebooks"][number]): Promise<Result<null, Fault>> => {
    const about = listed.get(`${notebook.folder}/notebook.json`);
    const own = about === undefined ? undefined : notebookFile(await readJson(about, MAX_NOTEBOOK_BYTES));
    const paths = own?.ok === true ? own.value.attachments : [];
    const pathOf = new Map(paths.map(({ blob, path }) => [blob, `${notebook.folder}/${path}`]));
    const title = notebook.title.slice(0, MAX_TITLE).toWellFormed();
    const founded = await deps.found(title === "" ? "Notebook" : title);
    if (!founded.ok) return founded;
    const repository = founded.value;
    made.push({ id: repository.id, title: notebook.title });
    const sources = files.filter(
      ({ path }) => path.startsWith(`${notebook.folder}/documents/`) && path.endsWith(".json"),
    );
    // Ids first, so that links between notes find their targets.
    const notes = own?.ok === true ? own.value.notes : [];
    const idOf = (old: string): string =>
      documentId(repository, (keepsHistory ? hexToBytes(old.slice(32)) : undefined) ?? random.bytes(16));
    const idByOld = new Map(notes.map((old) => [old, idOf(old)]));
    const sessions = new Set<string>();
    const references = new Map<string, BlobReference | undefined>();
    const read = async (file: ManifestFile): Promise<NoteFile | undefined> => {
      const note = noteFile(await readJson(file, MAX_NOTE_BYTES));
      return note.ok ? note.value : undefined;
    };
    for (const source of sources) {
      if (deps.isCancelled()) return err(contractError("Cancelled"));
      deps.tell(imported, listed.size, source.path);
      const note = await read(source);
      if (note === undefined) {
        failed.push({ path: source.path, reason: "It is missing, damaged or not a note." });
        continue;
      }
      const id = idByOld.get(note.id) ?? documentId(repository, random.bytes(16));
      const linked = mapLinks(note.spans, (href) => {
        if (!href.startsWith(DOCUMENT_LINK)) return undefined;
        const [old = "", fragment] = href.slice(DOCUMENT_LINK.length).split("#", 2);
        const target = idByOld.get(old);
        return target === undefined
          ? undefined
          : `${DOCUMENT_LINK}${target}${fragment === undefined ? "" : `#${fragment}`}`;
      });
      const spans = await attachAgain(repository, linked, pathOf, references);
      if (keepsHistory && (await takeHistory(repository, source, note, id, sessions))) {
        histories++;
        imported++;
        const isSame = JSON.stringify(spans) === JSON.stringify(note.spans);
        const edited = isSame ? ok(null) : await documents.edit(id, [{ type: "setContent", title: note.title, spans }]);
        if (!edited.ok) failed.push({ path: source.path, reason: edited.error.message });
        continue;
      }
      const created = await documents.create(
        repository,
        {
          type: "note",
          title: note.title.slice(0, MAX_TITLE).toWellFormed(),
          content: { type: "spans", spans },
          folder: note.folder,
          tags: note.tags.slice(0, MAX_TAGS),
          meta: note.meta,
          createdAt: note.createdAt,
          updatedAt: note.updatedAt,
        },
        hexToBytes(id.slice(32)),
        undefined,
        "soon",
      );
      if (!created.ok) {
        failed.push({ path: source.path, reason: created.error.message });
        continue;
      }
      if (note.state === "trash") {
        const deleted = await documents.edit(id, [{ type: "setDeleted", at: note.updatedAt }]);
        if (!deleted.ok) failed.push({ path: source.path, reason: deleted.error.message });
      }
      imported++;
    }
    if (sessions.size > 0) await nameAuthors(repository, notebook.folder, sessions);
    return ok(null);
  };

  /** Takes the changes of a note's Automerge file as they are; false when they do not give the state of the JSON beside it. */
  const takeHistory = async (
    repository: Repository,
    source: ManifestFile,
    note: NoteFile,
    id: string,
    sessions: Set<string>,
  ): Promise<boolean> => {
    const file = listed.get(source.path.replace(/\.json$/, ".automerge"));
    const bytes = file === undefined ? undefined : await reader.read(file.path, MAX_NOTE_BYTES);
    if (file === undefined || bytes?.ok !== true) return false;
    if (bytesToHex(crypto.hash("SHA256", bytes.value)) !== file.sha256) return false;
    const read = await deps.engine.history(bytes.value);
    if (!read.ok || headsIn(deps.inspect, read.value)?.join() !== note.heads.toSorted().join()) {
      failed.push({ path: file.path, reason: "Its history is damaged; the note begins a new one." });
      return false;
    }
    const taken = importHistory(
      { ...deps, device: deps.profile.device.publicKey },
      repository,
      hexToBytes(id.slice(32)) as Uint8Array,
      read.value,
      sessions,
    );
    if (!taken.ok) {
      failed.push({ path: file.path, reason: "Its history does not fit a notebook; the note begins a new one." });
      return false;
    }
    deps.indexer.dirty(taken.value);
    deps.repositories.scheduleSeal(
      repository,
      "idle",
      read.value.reduce((sum, change) => sum + change.length, 0),
    );
    return true;
  };

  /** Says in the notebook whose changes the sessions of the import are, as the export names them. */
  const nameAuthors = async (repository: Repository, folder: string, sessions: ReadonlySet<string>): Promise<void> => {
    const file = listed.get(`${folder}/${HISTORY}`);
    const read = file === undefined ? undefined : await reader.read(file.path, MAX_NOTEBOOK_BYTES);
    if (read?.ok !== true) return;
    const names = new Map<string, string>();
    for (const line of (decodeUtf8(read.value) ?? "").split("\n")) {
      const record = parseJson(line);
      if (typeof record !== "object" || record === null) continue;
      const { session, name } = record as Readonly<Record<string, unknown>>;
      if (typeof session === "string" && typeof name === "string" && sessions.has(session))
        names.set(session, name.slice(0, MAX_TITLE).toWellFormed());
    }
    if (names.size === 0) return;
    const named = await documents.edit(
      documentId(repository, NOTEBOOK_DOCUMENT),
      [...names].map(([identity, name]): NoteEdit => ({ type: "setName", identity, name })),
    );
    if (!named.ok) failed.push({ path: `${folder}/${HISTORY}`, reason: named.error.message });
  };

  for (const notebook of notebooks) {
    const done = await importNotebook(notebook);
    if (!done.ok) return done;
  }
  const flushed = deps.flush();
  return flushed.ok ? ok({ notebooks: made, documents: imported, histories, attachments: attached, failed }) : flushed;
};
