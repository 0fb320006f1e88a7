import type { AttachmentService } from "../attachments/attachment-service.ts";
import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { ProfileExport } from "../contract/types.ts";
import type { Profile } from "../identities/profile.ts";
import type { Engine, NoteContent } from "../ports/engine.ts";
import type { FolderError, FolderReader, FolderWriter } from "../ports/folder.ts";
import type { DocumentRow, Store } from "../ports/store.ts";
import type { ChangeInspector } from "../repositories/change-inspector.ts";
import type { DocumentIndexer } from "../repositories/document-indexer.ts";
import { documentId, headsOf } from "../repositories/document-service.ts";
import type { Repository } from "../repositories/repository.ts";
import type { FormatDependencies } from "../../protocol/automerge-format/change.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { ExportManifest, ManifestFile } from "./export-manifest.ts";
import { checkFile, encodeManifest, MANIFEST, parseJson, readManifest, recordingWriter } from "./export-manifest.ts";
import type { CheckedRecords } from "./check-records.ts";
import { checkRecords } from "./check-records.ts";
import { ENTRIES, exportRecords, HISTORY } from "./export-records.ts";
import { hashesIn, headsIn } from "./exported-history.ts";
import type { NotebookFile, NoteFile } from "./exported-note.ts";
import { noteFile } from "./exported-note.ts";
import { exportMarkdown, planPaths, safeName } from "./markdown-export.ts";

type Fault = FolderError | ContractError;
type Tell = (done: number, total: number, current: string) => void;

/** What is exported: every notebook of the profile, or some. */
export interface ExportedNotebook {
  readonly repository: Repository;
  readonly title: string;
  readonly role: string;
}

export interface ProfileExportDependencies {
  readonly store: Store;
  readonly engine: Engine;
  readonly crypto: CryptoProvider;
  readonly inspect: ChangeInspector;
  readonly inflateRaw: FormatDependencies["inflateRaw"];
  readonly indexer: Pick<DocumentIndexer, "withLoaded">;
  readonly attachments: Pick<AttachmentService, "copy">;
  readonly profile: Profile;
  readonly now: () => number;
  readonly isCancelled: () => boolean;
  readonly tell: Tell;
}

const README = `An export of p2pcollab.

notebooks/<title>/notes      the notes as Markdown with their files; open the folder in any editor
notebooks/<title>/trash      the same for what was in the trash
notebooks/<title>/documents  each note as JSON (everything of its present state) and as an Automerge file with its
                             whole history, which any program with Automerge 3 opens
notebooks/<title>/history.ndjson     who wrote when, one signed record a line
notebooks/<title>/acl.ndjson         who was let in, given a role or removed, with signatures
notebooks/<title>/entries.cborseq    the records themselves, signed by their authors' devices (CBOR sequence, RFC 8742)
manifest.json                every file with its size and SHA-256

"p2pcollab ctl export.verify" checks all of it again; "p2pcollab ctl import.profile" makes notebooks of it.
Nothing in here is encrypted.
`;

/** Content and heads that belong together, read again when a change came in between. */
const readSteady = async (
  { store, engine, indexer }: ProfileExportDependencies,
  n: number,
): Promise<Result<{ readonly content: NoteContent; readonly changes: readonly Uint8Array[] }, ContractError>> => {
  for (let attempt = 0; attempt < 5; attempt++) {
    const before = headsOf(store.documents.byNumber(n)).join();
    const content = await indexer.withLoaded(n, async () => {
      const read = await engine.read(n);
      return read.ok ? read : err(contractError("EngineFailed"));
    });
    if (!content.ok) return content;
    if (headsOf(store.documents.byNumber(n)).join() === before)
      return ok({ content: content.value, changes: store.documents.changesAfter(n, 0).changes });
  }
  return err(contractError("EngineFailed", "A note changed faster than it could be exported. Try again."));
};

/** What the lists would say of a note that changed since they were written. */
const readFacts = async (
  { engine, indexer }: ProfileExportDependencies,
  n: number,
): Promise<Result<Pick<DocumentRow, "type" | "title" | "folder" | "deleted">, ContractError>> =>
  indexer.withLoaded(n, async () => {
    const facts = await engine.facts(n);
    if (!facts.ok) return err(contractError("EngineFailed"));
    const { type, title, folder, deleted } = facts.value;
    return ok({ type, title, folder, deleted });
  });

interface Counted {
  documents: number;
  attachments: number;
  missing: number;
  records: number;
}

const exportNotebook = async (
  deps: ProfileExportDependencies,
  { repository, title, role }: ExportedNotebook,
  writer: FolderWriter,
  counted: Counted,
  total: number,
): Promise<Result<null, Fault>> => {
  const { store, engine, attachments } = deps;
  const files: NotebookFile["attachments"][number][] = [];
  const ids: string[] = [];
  const exportNotes = async (
    state: NoteFile["state"],
    folder: string,
    rows: readonly DocumentRow[],
  ): Promise<Result<null, Fault>> => {
    if (rows.length === 0) return ok(null);
    const rowById = new Map(rows.map((row) => [documentId(repository, row.did), row]));
    const notes = rows.map((row) => ({ id: documentId(repository, row.did), title: row.title, folder: row.folder }));
    const pathById = planPaths(notes);
    const below: FolderWriter = {
      open: async () => ok(undefined),
      write: (file, bytes) => writer.write(`${folder}/${file}`, bytes),
      create: (file) => writer.create(`${folder}/${file}`),
    };
    const done = await exportMarkdown(folder, {
      writer: below,
      notes,
      readNote: async (id) => {
        if (deps.isCancelled()) return err(contractError("Cancelled"));
        const row = rowById.get(id) as DocumentRow;
        const stem = `documents/${state === "trash" ? "trash/" : ""}${(pathById.get(id) as string).replace(/\.md$/, "")}`;
        deps.tell(counted.documents++, total, `${title}/${stem}`);
        const steady = await readSteady(deps, row.n);
        if (!steady.ok) return steady;
        const { content, changes } = steady.value;
        ids.push(id);
        const { spans, tags, meta } = content;
        const present = store.documents.byNumber(row.n) ?? row;
        const note: NoteFile = {
          format: "p2pcollab-note",
          id,
          title: content.title,
          folder: content.folder,
          tags,
          meta,
          createdAt: present.createdAt,
          updatedAt: present.updatedAt,
          state,
          heads: headsOf(present),
          spans,
        };
        const json = await writer.write(`${stem}.json`, encodeUtf8(`${JSON.stringify(note, null, 1)}\n`));
        if (!json.ok) return err(writeFailure(json.error));
        const automerge = await engine.automerge(changes);
        if (!automerge.ok) return err(contractError("EngineFailed"));
        const whole = await writer.write(`${stem}.automerge`, automerge.value);
        if (!whole.ok) return err(writeFailure(whole.error));
        return ok({ id, title: content.title, folder: content.folder, spans, tags, meta });
      },
      copyAttachment: async (reference, file) => {
        const created = await below.create(file);
        if (!created.ok) return created;
        const copied = await attachments.copy(repository, reference, created.value);
        if (copied.ok) {
          counted.attachments++;
          const { mime, name } = reference;
          files.push({ blob: bytesToHex(reference.root), path: `${folder}/${file}`, mime, name });
        } else {
          counted.missing++;
          await created.value.abandon();
        }
        return copied;
      },
      isCancelled: deps.isCancelled,
      onProgress: () => undefined,
    });
    return done.ok ? ok(null) : done;
  };
  const notes: DocumentRow[] = [];
  const trash: DocumentRow[] = [];
  const stale = new Set(store.documents.unindexed());
  for (const row of store.documents.list(repository.n)) {
    const facts = stale.has(row.n) ? await readFacts(deps, row.n) : ok(row);
    if (!facts.ok) return facts;
    if (facts.value.type === "note") (facts.value.deleted ? trash : notes).push({ ...row, ...facts.value });
  }
  const live = await exportNotes("note", "notes", notes);
  if (!live.ok) return live;
  const gone = await exportNotes("trash", "trash", trash);
  if (!gone.ok) return gone;
  const records = await exportRecords(deps, repository, writer);
  if (!records.ok) return records;
  counted.records += records.value;
  const own: NotebookFile = {
    format: "p2pcollab-notebook",
    id: repository.id,
    title,
    role,
    notes: ids,
    attachments: files,
  };
  return writer
    .write("notebook.json", encodeUtf8(`${JSON.stringify(own, null, 1)}\n`))
    .then((written) => (written.ok ? ok(null) : written));
};

const writeFailure = ({ type }: FolderError): ContractError =>
  contractError(type === "DiskFull" ? "DiskFull" : "CannotWrite");

/** Writes notebooks into a new or empty folder, then reads everything back and compares it with the manifest. */
export const exportProfile = async (
  deps: ProfileExportDependencies,
  path: string,
  notebooks: readonly ExportedNotebook[],
  target: { readonly writer: FolderWriter; readonly reader: FolderReader },
): Promise<Result<ProfileExport, Fault>> => {
  const opened = await target.writer.open();
  if (!opened.ok) return opened;
  const files: ManifestFile[] = [];
  const counted: Counted = { documents: 0, attachments: 0, missing: 0, records: 0 };
  const folders = notebooks.map(
    ({ repository, title }) => `notebooks/${safeName(title, "Notebook")}-${repository.id.slice(0, 8)}`,
  );
  const total = notebooks.reduce(
    (sum, { repository }) => sum + deps.store.documents.list(repository.n).filter(({ type }) => type === "note").length,
    0,
  );
  const root = recordingWriter(target.writer, deps.crypto, "", files);
  const readme = await root.write("README.txt", encodeUtf8(README));
  if (!readme.ok) return readme;
  for (const [at, notebook] of notebooks.entries()) {
    const writer = recordingWriter(target.writer, deps.crypto, `${folders[at]}/`, files);
    const done = await exportNotebook(deps, notebook, writer, counted, total);
    if (!done.ok) return done;
    if (deps.isCancelled()) return err(contractError("Cancelled"));
  }
  const manifest: ExportManifest = {
    format: "p2pcollab-profile",
    version: 1,
    createdAt: deps.now(),
    name: deps.profile.name,
    identity: bytesToHex(deps.profile.idRoot),
    notebooks: notebooks.map(({ repository, title }, at) => ({
      id: repository.id,
      title,
      folder: folders[at] as string,
    })),
    files,
  };
  const written = await target.writer.write(MANIFEST, encodeManifest(manifest));
  if (!written.ok) return written;
  const verified = await verifyExport(deps, path, target.reader);
  if (!verified.ok) return verified;
  return ok({
    ...verified.value,
    documents: counted.documents,
    attachments: counted.attachments,
    missing: counted.missing,
  });
};

/** Largest log of a notebook in lines, and largest note, that are checked. */
const MAX_CHECKED_BYTES = 268_435_456;

/** iids of the records whose changes do not count, by what the export says of them. */
const voidRecords = async (reader: FolderReader, folder: string): Promise<ReadonlySet<string>> => {
  const read = await reader.read(`${folder}/${HISTORY}`, MAX_CHECKED_BYTES);
  const lines = read.ok ? (decodeUtf8(read.value) ?? "").split("\n") : [];
  const voids = new Set<string>();
  for (const line of lines) {
    if (!line.includes('"void"')) continue;
    const record = parseJson(line) as { readonly iid?: unknown; readonly state?: unknown } | undefined;
    if (record?.state === "void" && typeof record.iid === "string") voids.add(record.iid);
  }
  return voids;
};

/**
 * Compares a note's Automerge file with the JSON beside it (heads) and with the signed log: every change of a record that counts is in
 * it. Answers how many changes the file has beside those, `undefined` when it does not agree.
 */
const checkHistory = async (
  { engine, inspect }: Pick<ProfileExportDependencies, "engine" | "inspect">,
  reader: FolderReader,
  path: string,
  changes: CheckedRecords["changes"],
): Promise<number | undefined> => {
  const json = await reader.read(path, MAX_CHECKED_BYTES);
  const note = noteFile(parseJson(json.ok ? decodeUtf8(json.value) : undefined));
  const file = await reader.read(path.replace(/\.json$/, ".automerge"), MAX_CHECKED_BYTES);
  if (!note.ok || !file.ok) return undefined;
  const history = await engine.history(file.value);
  if (!history.ok || headsIn(inspect, history.value)?.join() !== note.value.heads.toSorted().join()) return undefined;
  const held = hashesIn(inspect, history.value);
  const signed = changes.get(note.value.id.slice(32)) ?? new Set<string>();
  for (const hash of signed) if (held?.has(hash) !== true) return undefined;
  return (held?.size ?? 0) - signed.size;
};

/** Checks every file against the manifest, every record's signature and place in its chain, and every history against the records. */
export const verifyExport = async (
  deps: Pick<ProfileExportDependencies, "crypto" | "tell" | "isCancelled" | "engine" | "inspect">,
  path: string,
  reader: FolderReader,
): Promise<Result<ProfileExport, Fault>> => {
  const manifest = await readManifest(reader);
  if (!manifest.ok) return manifest;
  if (manifest.value === undefined) return err(contractError("NotAnExport"));
  const { files, notebooks, createdAt, name } = manifest.value;
  const damaged = (file: string) =>
    err(contractError("ExportDamaged", `The file ${file} of the export is missing or was changed.`));
  const { crypto, tell, isCancelled } = deps;
  let bytes = 0;
  for (const [at, file] of files.entries()) {
    if (isCancelled()) return err(contractError("Cancelled"));
    tell(at, files.length, file.path);
    if (!(await checkFile(reader, crypto, file))) return damaged(file.path);
    bytes += file.bytes;
  }
  let records = 0;
  let unsigned = 0;
  for (const { id, folder } of notebooks) {
    const opened = await reader.open(`${folder}/${ENTRIES}`);
    if (!opened.ok) return damaged(`${folder}/${ENTRIES}`);
    const voids = await voidRecords(reader, folder);
    const checked = await checkRecords(deps, hexToBytes(id) as Uint8Array, opened.value, (iid) => voids.has(iid));
    await opened.value.close();
    if (checked === undefined) return damaged(`${folder}/${ENTRIES}`);
    records += checked.records;
    for (const { path: note } of files) {
      if (!note.startsWith(`${folder}/documents/`) || !note.endsWith(".json")) continue;
      if (isCancelled()) return err(contractError("Cancelled"));
      const beside = await checkHistory(deps, reader, note, checked.changes);
      if (beside === undefined) return damaged(note.replace(/\.json$/, ".automerge"));
      unsigned += beside;
    }
  }
  const isIn = (pattern: RegExp): number => files.filter((file) => pattern.test(file.path)).length;
  return ok({
    path,
    createdAt,
    name,
    notebooks: notebooks.length,
    documents: isIn(/^notebooks\/[^/]+\/documents\/.*\.json$/),
    attachments: isIn(/^notebooks\/[^/]+\/(?:notes|trash)\/attachments\//),
    missing: 0,
    records,
    unsigned,
    files: files.length,
    bytes,
  });
};
