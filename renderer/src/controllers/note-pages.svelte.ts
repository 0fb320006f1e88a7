import type { Api } from "../../../app/contract/create-api.ts";
import type { ContractError } from "../../../app/contract/errors.ts";
import type { DocumentPage, DocumentSummary, FolderCounts } from "../../../app/contract/types.ts";
import type { NoteOrder } from "./settings.svelte.ts";

/** Which notes a list shows. */
export interface NoteView {
  readonly notebook: string;
  /** This folder and below; "" for all. */
  readonly folder: string;
  readonly inTrash: boolean;
  readonly order: NoteOrder;
}

/** A list of which only the parts that were looked at are here; everything in it belongs together. */
export interface NoteList {
  readonly view: NoteView;
  readonly total: number;
  readonly pages: ReadonlyMap<number, readonly DocumentSummary[]>;
  readonly counts: FolderCounts;
  readonly located: DocumentPage["located"];
}

export interface NotePages {
  readonly list: () => NoteList | null;
  readonly at: (index: number) => DocumentSummary | undefined;
  /** A note that is here already, wherever it is. */
  readonly find: (id: string) => DocumentSummary | undefined;
  /** Place of a note in the list; -1 when it is not in it or not known. */
  readonly indexOf: (id: string) => number;
  /** Loads a view, which replaces the list once it is complete, also telling where `locate` is; a later load supersedes it. */
  readonly load: (view: NoteView, locate: string | null) => Promise<"shown" | "superseded" | ContractError>;
  /** Loads what is missing between two rows. */
  readonly show: (first: number, last: number) => void;
  /** The note at a place, loaded first if need be. */
  readonly fetch: (index: number) => Promise<DocumentSummary | undefined>;
  readonly locate: (notebook: string, id: string) => Promise<DocumentSummary | undefined>;
  /** Shows a change ahead of the node's answer. */
  readonly patch: (id: string, change: Partial<DocumentSummary>) => void;
  /** Makes a note known that the list does not have yet. */
  readonly place: (note: DocumentSummary) => void;
  readonly clear: () => void;
}

/** Notes an answer brings: more than fit on a screen, so that the first paint needs one. */
const PAGE = 100;
const pageOf = (index: number): number => Math.floor(index / PAGE);
const pagesBetween = (first: number, last: number): readonly number[] =>
  Array.from({ length: pageOf(last) - pageOf(first) + 1 }, (_, at) => pageOf(first) + at);

export const createNotePages = (api: Api, onProblem: (error: ContractError) => void): NotePages => {
  let list = $state.raw<NoteList | null>(null);
  let shown = { first: 0, last: PAGE - 1 };
  let isFilling = false;
  /** Counts loads, of which only the last one counts, and lists that took another's place. */
  let latest = 0;
  let replaced = 0;

  const ask = (view: NoteView, page: number, locate: string | null) =>
    api.call("documents.page", {
      notebook: view.notebook,
      order: view.order,
      offset: page * PAGE,
      limit: PAGE,
      ...(view.inTrash ? { deleted: "only" as const } : view.folder === "" ? {} : { folder: view.folder }),
      ...(locate === null ? {} : { locate }),
    });

  const find = (id: string): DocumentSummary | undefined => {
    for (const page of list?.pages.values() ?? []) {
      const found = page.find((note) => note.id === id);
      if (found !== undefined) return found;
    }
    return list?.located?.document.id === id ? list.located.document : undefined;
  };

  /** Adds one page to the list as it is, unless another list took its place meanwhile; false when it cannot be had. */
  const add = async (page: number): Promise<boolean> => {
    const before = list;
    if (before === null) return false;
    const turn = replaced;
    const answer = await ask(before.view, page, null);
    if (turn !== replaced || list === null) return true;
    if (!answer.ok) {
      onProblem(answer.error);
      return false;
    }
    const { total, documents } = answer.value;
    list = { ...list, total, pages: new Map(list.pages).set(page, documents) };
    return true;
  };
  const missing = (): number | undefined => {
    if (list === null) return undefined;
    const { pages, total } = list;
    return pagesBetween(shown.first, Math.min(shown.last, total - 1)).find((page) => !pages.has(page));
  };
  const fill = async (): Promise<void> => {
    if (isFilling) return;
    isFilling = true;
    for (let page = missing(); page !== undefined && (await add(page));) page = missing();
    isFilling = false;
  };

  return {
    list: () => list,
    at: (index) => list?.pages.get(pageOf(index))?.[index % PAGE],
    find,
    indexOf: (id) => {
      for (const [page, notes] of list?.pages ?? []) {
        const at = notes.findIndex((note) => note.id === id);
        if (at !== -1) return page * PAGE + at;
      }
      return list?.located?.document.id === id ? (list.located.position ?? -1) : -1;
    },
    load: async (view, locate) => {
      const turn = ++latest;
      const isSameList = list !== null && list.view.notebook === view.notebook && list.view.folder === view.folder;
      if (!isSameList) shown = { first: 0, last: PAGE - 1 };
      const wanted = pagesBetween(shown.first, shown.last);
      const [counts, ...answers] = await Promise.all([
        api.call("documents.folders", { notebook: view.notebook }),
        ...wanted.map((page, at) => ask(view, page, at === 0 ? locate : null)),
      ]);
      if (turn !== latest) return "superseded";
      if (!counts.ok) return counts.error;
      const pages = new Map<number, readonly DocumentSummary[]>();
      let first: DocumentPage | undefined;
      for (const [at, answer] of answers.entries()) {
        if (!answer.ok) return answer.error;
        first ??= answer.value;
        pages.set(wanted[at] as number, answer.value.documents);
      }
      replaced++;
      list = {
        view,
        total: first?.total ?? 0,
        pages,
        counts: counts.value,
        located: first?.located ?? null,
      };
      void fill();
      return "shown";
    },
    show: (first, last) => {
      shown = { first, last: Math.max(first, last) };
      if (missing() !== undefined) void fill();
    },
    fetch: async (index) => {
      const page = pageOf(index);
      if (list !== null && !list.pages.has(page) && index < list.total) await add(page);
      return list?.pages.get(page)?.[index % PAGE];
    },
    locate: async (notebook, id) => {
      const answer = await ask({ notebook, folder: "", inTrash: false, order: "updated" }, 0, id);
      if (answer.ok) return answer.value.located?.document;
      onProblem(answer.error);
      return undefined;
    },
    patch: (id, change) => {
      if (list === null) return;
      const patched = (note: DocumentSummary): DocumentSummary => (note.id === id ? { ...note, ...change } : note);
      list = {
        ...list,
        pages: new Map([...list.pages].map(([page, notes]) => [page, notes.map(patched)])),
        located: list.located && { ...list.located, document: patched(list.located.document) },
      };
    },
    place: (document) => {
      if (list !== null) list = { ...list, located: { document, position: null } };
    },
    clear: () => {
      latest++;
      replaced++;
      list = null;
      shown = { first: 0, last: PAGE - 1 };
    },
  };
};
