import type { ContractError, ErrorType } from "../../../app/contract/errors.ts";
import type { Handlers } from "../../../app/contract/handlers.ts";
import type { MovedNote, RecoveredCopy } from "../../../app/contract/note-places.ts";
import type { AppEvent, DocumentSummary, Notebook } from "../../../app/contract/types.ts";
import type { Err, Ok } from "../../../protocol/kernel/result.ts";

interface MovesWorld {
  notebooks: readonly Notebook[];
  documents: readonly DocumentSummary[];
  moved: Record<string, MovedNote>;
  recovered: readonly RecoveredCopy[];
}

type MoveOperation =
  | "documents.share"
  | "documents.moveTo"
  | "documents.moveBack"
  | "documents.moved"
  | "notices.list"
  | Extract<keyof Handlers, `recovered.${string}`>;

/** Notes that move in the node in memory, and what was recovered there. */
export const fakeMoves = (node: {
  readonly world: MovesWorld;
  readonly answer: <T>(value: T) => Promise<Ok<T>>;
  readonly refuse: (type: ErrorType) => Promise<Err<ContractError>>;
  readonly emit: (event: AppEvent) => void;
  readonly nextId: (bytes: number) => string;
  readonly replaceDocument: (id: string, change: Partial<DocumentSummary>) => unknown;
}): Pick<Handlers, MoveOperation> => {
  const { world, answer, refuse, emit, nextId, replaceDocument } = node;
  const dropRecovered = (document: string): void => {
    world.recovered = world.recovered.filter((copy) => copy.document !== document);
    emit({ type: "recoveredChanged" });
  };
  const moveTo = (document: string, notebook: string, folder: string): MovedNote => {
    const before = world.documents.find(({ id }) => id === document);
    const id = notebook + nextId(16);
    const moved: MovedNote = { document: id, notebook, here: true, by: "Ada", self: true };
    world.moved = { ...world.moved, [document]: moved };
    if (before !== undefined) world.documents = [...world.documents, { ...before, id, notebook, folder }];
    void replaceDocument(document, { deleted: true });
    emit({ type: "documentsChanged", notebook });
    return moved;
  };
  return {
    "notices.list": () => answer({ recovered: world.recovered, merged: [] }),
    "recovered.list": () => answer(world.recovered),
    "recovered.read": ({ document }) => {
      const found = world.recovered.find((copy) => copy.document === document);
      return found === undefined ? refuse("DocumentNotFound") : answer({ ...found, text: "Lost.", markdown: "Lost." });
    },
    "recovered.keep": ({ document, notebook }) => {
      const found = world.recovered.find((copy) => copy.document === document);
      if (found === undefined) return refuse("DocumentNotFound");
      dropRecovered(document);
      const kept: DocumentSummary = {
        id: notebook + nextId(16),
        notebook,
        title: `${found.title} (recovered)`,
        folder: "",
        tags: [],
        excerpt: "Lost.",
        createdAt: Date.now(),
        updatedAt: Date.now(),
        deleted: false,
      };
      world.documents = [...world.documents, kept];
      emit({ type: "documentsChanged", notebook });
      return answer(kept);
    },
    "recovered.dismiss": ({ document }) => {
      dropRecovered(document);
      return answer(null);
    },
    "documents.share": ({ document }) => {
      const title = world.documents.find(({ id }) => id === document)?.title ?? "";
      const id = nextId(16);
      const moved = moveTo(document, id, "");
      const shared: Notebook = {
        id,
        kind: "note",
        note: moved.document,
        title,
        role: "owner",
        membership: "active",
        documentCount: 1,
        memberCount: 1,
        updatedAt: Date.now(),
      };
      world.notebooks = [...world.notebooks, shared];
      emit({ type: "notebooksChanged" });
      return answer(moved);
    },
    "documents.moveTo": ({ document, notebook, folder }) => answer(moveTo(document, notebook, folder ?? "")),
    "documents.moveBack": ({ document }) => {
      const moved = world.moved[document];
      if (moved === undefined) return refuse("DocumentNotFound");
      world.documents = world.documents.filter(({ id }) => id !== moved.document);
      world.notebooks = world.notebooks.filter(({ note }) => note !== moved.document);
      void replaceDocument(document, { deleted: false });
      emit({ type: "notebooksChanged" });
      return answer({ ...moved, document, notebook: document.slice(0, 32) });
    },
    "documents.moved": ({ document }) => answer(world.moved[document] ?? null),
  };
};
