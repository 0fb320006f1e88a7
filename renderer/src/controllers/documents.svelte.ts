import { untrack } from "svelte";
import type { Api } from "../../../app/contract/create-api.ts";
import type { DocumentSummary, Notebook } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import type { Folder } from "./folder-tree.ts";
import { foldersOf, isInFolder } from "./folder-tree.ts";
import type { Notebooks } from "./notebooks.svelte.ts";
import { mayWrite } from "./notebooks.svelte.ts";
import { createNotePages } from "./note-pages.svelte.ts";
import { createRefresh } from "./refresh.ts";
import type { Settings } from "./settings.svelte.ts";
import type { Toasts } from "./toasts.svelte.ts";

export interface Documents {
  /** Number of notes in the chosen folder (or in the trash). */
  readonly total: () => number;
  /** The note at a place of the chosen order; undefined while it is on its way. */
  readonly at: (index: number) => DocumentSummary | undefined;
  /** Tells which rows are on the screen. */
  readonly show: (first: number, last: number) => void;
  readonly loaded: () => boolean;
  readonly problem: () => Problem | null;
  readonly folders: () => readonly Folder[];
  readonly trashCount: () => number;
  readonly folder: () => string;
  readonly inTrash: () => boolean;
  readonly selected: () => DocumentSummary | null;
  readonly selectedId: () => string | null;
  /** Place of the selected note in the list, -1 when it is not in it. */
  readonly selectedIndex: () => number;
  /** The note made last in this window; its title asks to be typed. */
  readonly createdId: () => string | null;
  /** A note that is listed or selected. */
  readonly find: (document: string) => DocumentSummary | null;
  /** The notes of the notebook that were edited last. */
  readonly recent: (limit: number) => Promise<readonly DocumentSummary[]>;
  readonly showFolder: (folder: string) => void;
  readonly showTrash: () => void;
  readonly select: (document: string | null) => void;
  readonly selectAt: (index: number) => Promise<void>;
  /** Shows a note wherever it is, for instance a search hit of another notebook. */
  readonly reveal: (notebook: string, document: string) => Promise<void>;
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

interface Context {
  readonly api: Api;
  readonly hub: EventHub;
  readonly toasts: Toasts;
  readonly notebooks: Notebooks;
  readonly settings: Settings;
}

/** Where a new note may go. */
const takesNotes = (notebook: Notebook): boolean => notebook.kind === "notebook" && mayWrite(notebook);

export const createDocuments = ({ api, hub, toasts, notebooks, settings }: Context): Documents => {
  const pages = createNotePages(api, (error) => toasts.fail(problemOf(error)));
  /** What the list is to show; it shows it as soon as it is loaded. */
  let wanted = { folder: "", inTrash: false };
  let problem = $state.raw<Problem | null>(null);
  let selectedId = $state<string | null>(null);
  let createdId: string | null = null;
  let shownNotebook: string | null = null;

  const folders = $derived(foldersOf(pages.list()?.counts.folders ?? []));
  const find = (id: string | null) => (id === null ? null : (pages.find(id) ?? null));

  const load = async () => {
    const notebook = shownNotebook;
    if (notebook === null) return;
    const asked = selectedId;
    const outcome = await pages.load({ notebook, ...wanted, order: settings.current().noteOrder }, asked);
    if (notebook !== shownNotebook) return;
    problem = typeof outcome === "string" ? null : problemOf(outcome);
    if (outcome === "shown" && asked === selectedId && find(asked) === null) selectedId = null;
  };
  const reload = createRefresh(load);
  const view = (next: { readonly folder: string; readonly inTrash: boolean }) => {
    wanted = next;
    return load();
  };
  const select = (document: string | null) => {
    selectedId = document;
    if (document !== null) settings.set("lastDocument", document);
  };
  const selectAt = async (index: number) => {
    const notebook = shownNotebook;
    const note = await pages.fetch(index);
    if (note !== undefined && notebook === shownNotebook) select(note.id);
  };
  const forget = () => {
    pages.clear();
    problem = null;
    wanted = { folder: "", inTrash: false };
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
        const single = notebooks.selected()?.note ?? null;
        if (single !== null) selectedId = single;
        else if (revealed !== null && revealed.notebook === notebook) selectedId = revealed.document;
        else if (isFirst && notebook === lastNotebook && lastDocument !== "") selectedId = lastDocument;
        revealed = null;
        if (notebook !== null && settings.current().lastNotebook !== notebook) settings.set("lastNotebook", notebook);
        void load();
      });
    });
    $effect(() => {
      // A shared note that was just joined arrives after its place in the sidebar.
      const single = notebooks.selected()?.note ?? null;
      if (single !== null && untrack(() => selectedId) !== single) selectedId = single;
    });
    $effect(() => {
      const order = settings.current().noteOrder;
      untrack(() => {
        const list = pages.list();
        if (list !== null && list.view.order !== order) void load();
      });
    });
  });

  hub.on("documentsChanged", ({ notebook }) => {
    if (notebook === shownNotebook) void reload();
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
    pages.patch(document, change);
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
    total: () => pages.list()?.total ?? 0,
    at: pages.at,
    show: pages.show,
    loaded: () => pages.list() !== null,
    problem: () => problem,
    folders: () => folders,
    trashCount: () => pages.list()?.counts.deleted ?? 0,
    folder: () => pages.list()?.view.folder ?? "",
    inTrash: () => pages.list()?.view.inTrash ?? false,
    selected: () => find(selectedId),
    selectedId: () => selectedId,
    selectedIndex: () => (selectedId === null ? -1 : pages.indexOf(selectedId)),
    createdId: () => createdId,
    find,
    recent: async (limit) => {
      if (shownNotebook === null) return [];
      const answer = await api.call("documents.page", { notebook: shownNotebook, order: "updated", offset: 0, limit });
      if (answer.ok) return answer.value.documents;
      toasts.fail(problemOf(answer.error));
      return [];
    },
    showFolder: (folder) => void view({ folder, inTrash: false }),
    showTrash: () => void view({ folder: "", inTrash: true }),
    select,
    selectAt,
    reveal: async (givenNotebook, given) => {
      const moved = await api.call("documents.moved", { document: given });
      const { notebook, document } =
        moved.ok && moved.value?.here === true ? moved.value : { notebook: givenNotebook, document: given };
      if (notebook === shownNotebook) {
        const note = find(document) ?? (await pages.locate(notebook, document));
        if (note === undefined || notebook !== shownNotebook) return;
        select(document);
        const folder = isInFolder(note.folder, wanted.folder) ? wanted.folder : "";
        await view({ folder: note.deleted ? "" : folder, inTrash: note.deleted });
        return;
      }
      revealed = { notebook, document };
      settings.set("lastDocument", document);
      notebooks.select(notebook);
    },
    reload,
    create: async () => {
      const shown = notebooks.selected();
      const notebook = shown?.kind === "note" ? notebooks.list().find(takesNotes) : shown;
      if (notebook === null || notebook === undefined) return;
      const folder = notebook === shown ? wanted.folder : "";
      const created = await api.call("documents.create", { notebook: notebook.id, title: "", folder });
      if (!created.ok) {
        toasts.fail(problemOf(created.error));
        return;
      }
      createdId = created.value.id;
      if (notebook !== shown) {
        revealed = { notebook: notebook.id, document: createdId };
        notebooks.select(notebook.id);
        return;
      }
      pages.place(created.value);
      select(createdId);
      await view({ folder, inTrash: false });
    },
    rename: (document, title) => edit({ document, title }),
    move: (document, next) => edit({ document, folder: next }),
    tag: (document, tags) => edit({ document, tags }),
    remove: async (document) => {
      const note = find(document);
      const position = pages.indexOf(document);
      const removed = await api.call("documents.delete", { document });
      if (!removed.ok) {
        toasts.fail(problemOf(removed.error));
        return;
      }
      await load();
      if (selectedId === document) {
        const last = (pages.list()?.total ?? 0) - 1;
        if (last < 0) selectedId = null;
        else await selectAt(Math.max(0, Math.min(position, last)));
      }
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
