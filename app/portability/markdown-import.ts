import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { decodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { ContractError } from "../contract/errors.ts";
import type { ImportReport } from "../contract/types.ts";
import { createDroppedCounter, type Dropped } from "../markdown/markdown-to-spans.ts";
import { markdownToNote } from "../markdown/note.ts";
import type { BlobReference } from "../ports/store.ts";
import type { FolderError, FolderFile, FolderReader } from "../ports/folder.ts";
import type { NoteSpan } from "../repositories/note-schema.ts";
import { DOCUMENT_LINK } from "../repositories/note-schema.ts";
import { attachFiles } from "./note-attachments.ts";
import { folderOf, isRelative, mapLinks, resolvePath } from "./note-links.ts";

/** A note ready to be created. */
export interface ImportedNote {
  /** Chosen before any note is made, so that notes can link to each other. */
  readonly id: string;
  readonly title: string;
  readonly folder: string;
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
  readonly spans: readonly NoteSpan[];
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** To be remembered in the same transaction that creates the note; `recall` answers it later. */
  readonly source: ImportSource;
}

export interface ImportSource {
  readonly path: string;
  /** SHA-256 of the file, hex. */
  readonly hash: string;
}

export interface ImportedBefore {
  readonly hash: string;
  readonly document: string;
}

export interface ConvertInput {
  readonly file: FolderFile;
  readonly id: string;
  readonly hash: string;
  readonly markdown: string;
}
export interface Converted {
  readonly note: ImportedNote;
  readonly dropped: readonly Dropped[];
}

export interface MarkdownImportDependencies {
  readonly reader: FolderReader;
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  readonly newDocumentId: () => string;
  /** What an earlier, perhaps interrupted, import into the same notebook made of this path. */
  readonly recall: (path: string) => Promise<ImportedBefore | undefined>;
  readonly createNote: (note: ImportedNote) => Promise<Result<unknown, ContractError>>;
  /**
   * Where `convertMarkdownFile` runs: elsewhere, in a host that must not block, and ended there when it takes too long;
   * the error is a sentence for the report.
   */
  readonly convert: (input: ConvertInput) => Promise<Result<Converted, string>>;
  /** Takes a file of the folder into the notebook; the error is a sentence for the report. */
  readonly attach: (path: string) => Promise<Result<BlobReference, string>>;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly onProgress: (progress: { readonly done: number; readonly total: number; readonly current: string }) => void;
  readonly isCancelled: () => boolean;
}

/** Larger Markdown files are logs or data; one note of this size is already a large book. */
export const MAX_MARKDOWN_BYTES = 8_388_608;

/**
 * Imports every Markdown file below a folder. A file that fails is reported and the rest goes on. A file imported
 * before and unchanged is skipped; one that changed since becomes a new note, because the old one may have been edited.
 */
export const importMarkdown = async (
  job: string,
  dependencies: MarkdownImportDependencies,
): Promise<Result<ImportReport, FolderError>> => {
  const { reader, recall, createNote, convert, now, onProgress, isCancelled } = dependencies;
  const startedAt = now();
  const listed = await reader.list();
  if (!listed.ok) return listed;
  const files = listed.value.filter((file) => isMarkdown(file.path));
  const dropped = createDroppedCounter();
  const others = new Set(listed.value.map(({ path }) => path).filter((path) => !isMarkdown(path)));
  const attached = new Map<string, BlobReference | undefined>();

  const before = new Map<string, ImportedBefore>();
  const documentByPath = new Map<string, string>();
  for (const { path } of files) {
    const known = await recall(path);
    if (known !== undefined) before.set(path, known);
    documentByPath.set(path, known?.document ?? dependencies.newDocumentId());
  }

  const failed: { path: string; reason: string }[] = [];
  let imported = 0;
  let unchanged = 0;
  let done = 0;
  // The next file is read and converted while this one is written: two processes, each waiting for the other else.
  let ahead = files[0] === undefined ? undefined : prepare(files[0]);
  for (const [index, file] of files.entries()) {
    if (isCancelled() || ahead === undefined) break;
    onProgress({ done, total: files.length, current: file.path });
    const prepared = await ahead;
    const next = files[index + 1];
    ahead = next === undefined ? undefined : prepare(next);
    const outcome = prepared.ok ? await finish(file, prepared.value) : prepared;
    if (!outcome.ok) failed.push({ path: file.path, reason: outcome.error });
    else if (outcome.value === "imported") imported++;
    else unchanged++;
    done++;
  }
  // What was prepared last is not wanted any more, but it must not fail unseen.
  await ahead;
  if (done === files.length) onProgress({ done, total: files.length, current: "" });
  // Unchanged notes were not read, so the files they refer to look unused.
  if (unchanged === 0 && done === files.length)
    for (const path of others) if (!attached.has(path)) dropped.add("file that no note refers to (not imported)", path);
  return ok({
    job,
    state: done === files.length ? "done" : "cancelled",
    files: files.length,
    imported,
    unchanged,
    attached: [...attached.values()].filter((reference) => reference !== undefined).length,
    failed,
    dropped: dropped.list(),
    milliseconds: Math.max(0, Math.round(now() - startedAt)),
  });

  async function prepare(file: FolderFile): Promise<Result<Converted | "unchanged", string>> {
    const read = await reader.read(file.path, MAX_MARKDOWN_BYTES);
    if (!read.ok) return err(fileReason(read.error));
    const hash = bytesToHex(dependencies.sha256(read.value));
    const known = before.get(file.path);
    if (known?.hash === hash) return ok("unchanged");
    const markdown = decodeUtf8(read.value);
    if (markdown === undefined) return err("The file is not UTF-8 text.");
    if (known !== undefined) documentByPath.set(file.path, dependencies.newDocumentId());
    const id = documentByPath.get(file.path) as string;
    return convert({ file, id, hash, markdown });
  }

  async function finish(
    file: FolderFile,
    converted: Converted | "unchanged",
  ): Promise<Result<"imported" | "unchanged", string>> {
    if (converted === "unchanged") return ok(converted);
    const { note, dropped: lost } = linkNote(converted, documentByPath, others);
    const spans = await attachFiles(note.spans, note.folder, (path, kind) => attachOnce(path, kind, file.path));
    const created = await createNote({ ...note, spans });
    if (!created.ok) return err(created.error.message);
    for (const { what, count, example } of lost) dropped.add(what, `${file.path}: ${example}`, count);
    return ok("imported");
  }

  async function attachOnce(path: string, kind: "picture" | "file", note: string): Promise<BlobReference | undefined> {
    if (!others.has(path)) {
      if (kind === "picture")
        dropped.add("picture that is not in the folder (only its reference is kept)", `${note}: ${path}`);
      return undefined;
    }
    if (attached.has(path)) return attached.get(path);
    const outcome = await dependencies.attach(path);
    if (!outcome.ok) failed.push({ path, reason: outcome.error });
    const reference = outcome.ok ? outcome.value : undefined;
    attached.set(path, reference);
    return reference;
  }
};

const isMarkdown = (path: string): boolean => /\.(?:md|markdown|mdown|mkd)$/i.test(path);

const fileReason = (error: FolderError): string => {
  switch (error.type) {
    case "TooLarge":
      return `The file is larger than ${MAX_MARKDOWN_BYTES / 1_048_576} MB.`;
    case "Unreadable":
      return `The file cannot be read: ${error.reason}.`;
    default:
      return `The file cannot be read: ${error.type}.`;
  }
};

/** Makes a note of one file, its links still as the file has them; pure, so that it can run anywhere. */
export const convertMarkdownFile = (input: ConvertInput): Converted => {
  const { file, id, hash, markdown } = input;
  const note = markdownToNote(markdown);
  return {
    note: {
      id,
      title: note.title === "" ? stem(file.path) : note.title,
      folder: folderOf(file.path),
      tags: note.tags,
      meta: note.frontMatter,
      spans: note.spans,
      createdAt: note.createdAt ?? file.createdAt,
      updatedAt: note.updatedAt ?? file.modifiedAt,
      source: { path: file.path, hash },
    },
    dropped: note.dropped,
  };
};

/** Turns relative links to notes of the same import into links between notes, and reports those that lead nowhere. */
const linkNote = (
  { note, dropped: lost }: Converted,
  documentByPath: ReadonlyMap<string, string>,
  others: ReadonlySet<string>,
): Converted => {
  const dropped = createDroppedCounter();
  for (const { what, count, example } of lost) dropped.add(what, example, count);
  const spans = mapLinks(note.spans, (href) => {
    if (!isRelative(href)) return undefined;
    const document = findDocument(documentByPath, resolvePath(note.folder, href));
    if (document !== undefined) return DOCUMENT_LINK + document + (/#.*$/.exec(href)?.[0] ?? "");
    const path = resolvePath(note.folder, href)?.replace(/^\//, "");
    if (path === undefined || !others.has(path))
      dropped.add("link to a file that is not in the folder (kept as it is)", href);
    return undefined;
  });
  return { note: { ...note, spans }, dropped: dropped.list() };
};

const stem = (path: string): string =>
  path
    .slice(path.lastIndexOf("/") + 1)
    .replace(/\.[^.]*$/, "")
    .slice(0, 200);

/** Sites leave out the ending or name only the folder. */
const findDocument = (documentByPath: ReadonlyMap<string, string>, path: string | undefined): string | undefined => {
  if (path === undefined) return undefined;
  for (const candidate of [path, `${path}.md`, `${path}/README.md`, `${path}/readme.md`, `${path}/index.md`]) {
    const document = documentByPath.get(candidate.replace(/^\//, ""));
    if (document !== undefined) return document;
  }
  return undefined;
};
