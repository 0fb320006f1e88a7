import { sha256 } from "@noble/hashes/sha2.js";
import type { DocumentSummary } from "../../../app/contract/types.ts";
import { createNote } from "../../../app/repositories/note-document.ts";
import { createReplica } from "../../../protocol/replica/replica.ts";
import { inflateRaw } from "../../../renderer/src/editors/note-editor/inflate-raw.ts";

/** Changes a node would hold of this note, with its excerpt as the text. */
export const noteChanges = (note: DocumentSummary): readonly Uint8Array[] => {
  const actor = note.id.slice(32);
  return createNote(createReplica({ sha256, inflateRaw }, actor), actor, 0, {
    type: "note",
    title: note.title,
    content: { type: "markdown", markdown: note.excerpt },
    folder: note.folder,
    tags: note.tags,
    meta: {},
    createdAt: note.createdAt,
    updatedAt: note.updatedAt,
  });
};
