import { untrack } from "svelte";
import type { Api } from "../../../app/contract/create-api.ts";
import type { DocumentSummary } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import type { Folder } from "./folder-tree.ts";
import { foldersOf, isInFolder } from "./folder-tree.ts";
import type { Notebooks } from "./notebooks.svelte.ts";
import { createRefresh } from "./refresh.ts";
import type { NoteOrder, Settings } from "./settings.svelte.ts";
import type { Toasts } from "./toasts.svelte.ts";

export interface Documents {
  /** Notes of the chosen folder (or of the trash) in the chosen order. */
  readonly list: () => readonly DocumentSummary[];
  readonly all: () => readonly DocumentSummary[];
  readonly loaded: () => boolean;
  readonly problem: () => Problem | null;
  readonly folders: () => readonly Folder[];
  readonly folder: () => string;
  readonly inTrash: () => boolean;
  readonly selected: () => DocumentSummary | null;
  readonly selectedId: () => string | null;
  /** The note made last in this window; its title asks to be typed. */
  readonly createdId: () => string | null;
  readonly showFolder: (folder: string) => void;
  readonly showTrash: () => void;
  readonly select: (document: string | null) => void;
  /** Shows a note wherever it is, for instance a search hit of another notebook. */
  readonly reveal: (notebook: string, document: string) => void;
  readonly reload: () => Promise<void>;
  readonly create: () => Promise<void>;
  readonly rename: (document: string, title: string) => Promise<void>;
  readonly move: (document: string, folder: string) => Promise<void>;
  readonly tag: (document: string, tags: readonly string[]) => Promise<void>;
  /** Moves to the trash and offers to take it back. */
  readonly remove: (document: string) => Promise<void>;
  readonly restore: (document: string) => Promise<void>;
  readonly stop: () => void;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const COMPARE: Readonly<Record<NoteOrder, (a: DocumentSummary, b: DocumentSummary) => number>> = {
  updated: (a, b) => b.updatedAt - a.updatedAt,
  created: (a, b) => b.createdAt - a.createdAt,
  title: (a, b) => collator.compare(a.title, b.title),
};

interface Context {
  readonly api: Api;
  readonly hub: EventHub;
  readonly toasts: Toasts;
  readonly notebooks: Notebooks;
  readonly settings: Settings;
}

export const createDocuments = ({ api, hub, toasts, notebooks, settings }: Context): Documents => {
  let all = $state.raw<readonly DocumentSummary[]>([]);
  let loaded = $state(false);
  let problem = $state.raw<Problem | null>(null);
  let folder = $state("");
  let inTrash = $state(false);
  let selectedId = $state<string | null>(null);
  let createdId: string | null = null;
  let shownNotebook: string | null = null;

  const shown = $derived.by(() => {
    const order = settings.current().noteOrder;
    return all
      .filter((note) => (inTrash ? note.deleted : !note.deleted && isInFolder(note.folder, folder)))
      .sort((a, b) => COMPARE[order](a, b) || (a.id < b.id ? -1 : 1));
  });
  const folders = $derived(foldersOf(all.filter((note) => !note.deleted)));
  const find = (id: string | null) => all.find((note) => note.id === id) ?? null;

  const reload = createRefresh(async () => {
    const notebook = notebooks.selected()?.id ?? null;
    if (notebook === null) {
      all = [];
      loaded = true;
      return;
    }
    const answer = await api.call("documents.list", { notebook, deleted: "include" });
    if (notebook !== notebooks.selected()?.id) return;
    loaded = true;
    if (!answer.ok) {
      problem = problemOf(answer.error);
      return;
    }
    problem = null;
    all = answer.value;
    if (selectedId !== null && find(selectedId) === null) selectedId = null;
  });
  const select = (document: string | null) => {
    selectedId = document;
    if (document !== null) settings.set("lastDocument", document);
  };
  const forget = () => {
    all = [];
    loaded = false;
    problem = null;
    folder = "";
    inTrash = false;
    selectedId = null;
  };

  let revealed: { readonly notebook: string; readonly document: string } | null = null;
  const stop = $effect.root(() => {
    $effect(() => {
      const notebook = notebooks.selected()?.id ?? null;
      if (notebook === shownNotebook) return;
      untrack(() => {
        const { lastNotebook, lastDocument } = settings.current();
        const isFirst = shownNotebook === null;
        shownNotebook = notebook;
        forget();
        if (revealed !== null && revealed.notebook === notebook) selectedId = revealed.document;
        else if (isFirst && notebook === lastNotebook && lastDocument !== "") selectedId = lastDocument;
        revealed = null;
        if (notebook !== null && settings.current().lastNotebook !== notebook) settings.set("lastNotebook", notebook);
        void reload();
      });
    });
  });

  hub.on("documentsChanged", ({ notebook }) => {
    if (notebook === notebooks.selected()?.id) void reload();
  });

  const edit = async (input: {
    readonly document: string;
    readonly title?: string;
    readonly folder?: string;
    readonly tags?: readonly string[];
  }) => {
    const edited = await api.call("documents.edit", input);
    if (!edited.ok) {
      toasts.fail(problemOf(edited.error));
      return;
    }
    const { document, ...change } = input;
    all = all.map((note) => (note.id === document ? { ...note, ...change } : note));
    await reload();
  };
  const restore = async (document: string) => {
    const restored = await api.call("documents.restore", { document });
    if (!restored.ok) {
      toasts.fail(problemOf(restored.error));
      return;
    }
    await reload();
  };

  return {
    list: () => shown,
    all: () => all,
    loaded: () => loaded,
    problem: () => problem,
    folders: () => folders,
    folder: () => folder,
    inTrash: () => inTrash,
    selected: () => find(selectedId),
    selectedId: () => selectedId,
    createdId: () => createdId,
    showFolder: (next) => {
      folder = next;
      inTrash = false;
    },
    showTrash: () => {
      inTrash = true;
    },
    select,
    reveal: (notebook, document) => {
      if (notebook === shownNotebook) {
        const note = find(document);
        inTrash = note?.deleted ?? false;
        if (note === null || !isInFolder(note.folder, folder)) folder = "";
        select(document);
        return;
      }
      revealed = { notebook, document };
      settings.set("lastDocument", document);
      notebooks.select(notebook);
    },
    reload,
    create: async () => {
      const notebook = notebooks.selected();
      if (notebook === null) return;
      inTrash = false;
      const created = await api.call("documents.create", { notebook: notebook.id, title: "", folder });
      if (!created.ok) {
        toasts.fail(problemOf(created.error));
        return;
      }
      await reload();
      createdId = created.value.id;
      select(createdId);
    },
    rename: (document, title) => edit({ document, title }),
    move: (document, next) => edit({ document, folder: next }),
    tag: (document, tags) => edit({ document, tags }),
    remove: async (document) => {
      const note = find(document);
      const position = shown.findIndex((candidate) => candidate.id === document);
      const removed = await api.call("documents.delete", { document });
      if (!removed.ok) {
        toasts.fail(problemOf(removed.error));
        return;
      }
      await reload();
      if (selectedId === document) selectedId = shown[Math.min(position, shown.length - 1)]?.id ?? null;
      toasts.show({
        tone: "neutral",
        heading: "Moved to the trash",
        message: note === null || note.title === "" ? "Untitled" : note.title,
        action: { label: "Undo", run: () => void restore(document).then(() => select(document)) },
      });
    },
    restore,
    stop,
  };
};
