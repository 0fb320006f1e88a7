import type { Result } from "../../protocol/kernel/result.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { encodeUtf8 } from "../../protocol/codec/utf8.ts";
import type { ContractError } from "../contract/errors.ts";
import type { ExportReport } from "../contract/types.ts";
import { noteToMarkdown } from "../markdown/note.ts";
import type { FolderError, FolderWriter } from "../ports/folder.ts";
import type { BlobReference } from "../ports/store.ts";
import type { NoteSpan } from "../repositories/note-schema.ts";
import { DOCUMENT_LINK } from "../repositories/note-schema.ts";
import { createFilePlan, exportedAttachments, linkFiles } from "./note-attachments.ts";
import { folderOf, mapLinks, relativePath } from "./note-links.ts";

export interface ExportedNoteSummary {
  readonly id: string;
  readonly title: string;
  readonly folder: string;
}
export interface ExportedNote extends ExportedNoteSummary {
  readonly spans: readonly NoteSpan[];
  readonly tags: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
}

export interface MarkdownExportDependencies {
  readonly writer: FolderWriter;
  readonly notes: readonly ExportedNoteSummary[];
  readonly readNote: (id: string) => Promise<Result<ExportedNote, ContractError>>;
  /** Writes an attachment to a path of the folder; answers its size, or why that is not possible now. */
  readonly copyAttachment: (
    reference: BlobReference,
    path: string,
  ) => Promise<Result<number, FolderError | ContractError>>;
  readonly isCancelled: () => boolean;
  readonly onProgress: (progress: { readonly done: number; readonly total: number; readonly current: string }) => void;
}

/** Writes one file a note into a new or empty folder; `path` is what the report calls it. Stops at the first error. */
export const exportMarkdown = async (
  path: string,
  dependencies: MarkdownExportDependencies,
): Promise<Result<ExportReport, FolderError | ContractError>> => {
  const { writer, notes, readNote, copyAttachment, isCancelled, onProgress } = dependencies;
  const opened = await writer.open();
  if (!opened.ok) return opened;
  const pathById = planPaths(notes);
  const plan = createFilePlan((name) => safeName(name, "file"));
  const copied = new Map<string, boolean>();
  let documents = 0;
  let attachments = 0;
  let bytes = 0;
  for (const { id } of notes) {
    if (isCancelled()) break;
    const target = pathById.get(id) as string;
    onProgress({ done: documents, total: notes.length, current: target });
    const note = await readNote(id);
    if (!note.ok) return note;
    for (const reference of exportedAttachments(note.value.spans)) {
      const { path: file, isNew } = plan.pathOf(reference);
      if (!isNew) continue;
      const outcome = await copyAttachment(reference, file);
      // One that is not here yet keeps its address; everything else ends the export.
      if (!outcome.ok && outcome.error.type !== "AttachmentMissing" && outcome.error.type !== "AttachmentDamaged")
        return outcome;
      copied.set(file, outcome.ok);
      if (outcome.ok) {
        attachments++;
        bytes += outcome.value;
      }
    }
    const spans = linkFiles(note.value.spans, folderOf(target), (reference) => {
      const { path: file } = plan.pathOf(reference);
      return copied.get(file) === true ? file : undefined;
    });
    const file = encodeUtf8(noteToFile({ ...note.value, spans }, target, pathById));
    const written = await writer.write(target, file);
    if (!written.ok) return written;
    documents++;
    bytes += file.length;
  }
  return ok({ path, documents, attachments, bytes });
};

/** Markdown of one note with links to other exported notes made relative again. */
export const noteToFile = (note: ExportedNote, path: string, pathById: ReadonlyMap<string, string>): string => {
  const folder = folderOf(path);
  const spans = mapLinks(note.spans, (href) => {
    if (!href.startsWith(DOCUMENT_LINK)) return undefined;
    const [id = "", fragment] = href.slice(DOCUMENT_LINK.length).split("#", 2);
    const target = pathById.get(id);
    return target === undefined
      ? undefined
      : relativePath(folder, target) + (fragment === undefined ? "" : `#${fragment}`);
  });
  return noteToMarkdown({ ...note, spans });
};

/** A path for each note, valid and unique on every file system, also on those that ignore case. */
export const planPaths = (notes: readonly ExportedNoteSummary[]): Map<string, string> => {
  const taken = new Set<string>();
  const pathById = new Map<string, string>();
  for (const note of notes) {
    const folder = note.folder
      .split("/")
      .filter((segment) => segment !== "")
      .map((segment) => safeName(segment, "Folder"));
    const name = safeName(note.title, "Untitled");
    for (let attempt = 1; ; attempt++) {
      const path = [...folder, `${attempt === 1 ? name : `${name} ${attempt}`}.md`].join("/");
      const key = path.normalize("NFC").toLowerCase();
      if (taken.has(key)) continue;
      taken.add(key);
      pathById.set(note.id, path);
      break;
    }
  }
  return pathById;
};

/** Device names Windows reserves, with any ending. */
const RESERVED = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i;
/** Characters no name may hold on Windows, and invisible ones that mislead. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[<>:"/\\|?*\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
/** Four-byte characters in 60 units stay below the 255 bytes of common file systems, with room for a number and ending. */
const MAX_NAME = 60;

export const safeName = (name: string, fallback: string): string => {
  const cleaned = [...name.normalize("NFC").replace(FORBIDDEN, " ").replace(/\s+/g, " ").trim()]
    .slice(0, MAX_NAME)
    .join("")
    .replace(/^\.+/, "")
    .replace(/[. ]+$/, "")
    .trim();
  if (cleaned === "") return fallback;
  return RESERVED.test(cleaned) ? `_${cleaned}` : cleaned;
};
