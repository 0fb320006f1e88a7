import type { Api } from "../../../app/contract/create-api.ts";
import type { Member, Notebook } from "../../../app/contract/types.ts";
import type { NotebookCopied } from "../../../app/contract/note-places.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import { createRefresh } from "./refresh.ts";

export interface Notebooks {
  readonly list: () => readonly Notebook[];
  readonly loaded: () => boolean;
  /** Why the list could not be loaded. */
  readonly problem: () => Problem | null;
  readonly selected: () => Notebook | null;
  readonly members: () => readonly Member[];
  readonly find: (id: string | null) => Notebook | null;
  readonly select: (id: string | null) => void;
  /** Takes the notebooks as the node lists them. */
  readonly take: (notebooks: readonly Notebook[]) => void;
  readonly reload: () => Promise<void>;
  readonly create: (title: string) => Promise<Problem | null>;
  /** Makes a notebook of the notes as they are now, without their history. */
  readonly copy: (notebook: string, title: string) => Promise<NotebookCopied | Problem>;
  /** Deletes a notebook that one does not belong to any more from this device. */
  readonly forget: (notebook: string) => Promise<Problem | null>;
  readonly rename: (notebook: string, title: string) => Promise<Problem | null>;
}

/** Whether this identity may change anything in the notebook now. */
export const mayWrite = (notebook: Notebook | null): boolean =>
  notebook !== null && notebook.membership === "active" && notebook.role !== "reader";

/** A shared note that moved elsewhere or is in the trash has nothing to show. */
const isShown = ({ kind, note, membership }: Notebook): boolean =>
  kind === "notebook" || note !== null || membership !== "active";

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

interface Context {
  readonly api: Api;
  readonly hub: EventHub;
  readonly onProblem: (problem: Problem) => void;
  /** What this identity may do in a notebook is not what it was. */
  readonly onAccessChanged: (before: Notebook, after: Notebook) => void;
  /** The notebook to open first, if it is still there. */
  readonly preferred: () => string;
}

export const createNotebooks = ({ api, hub, onProblem, onAccessChanged, preferred }: Context): Notebooks => {
  let list = $state.raw<readonly Notebook[]>([]);
  let loaded = $state(false);
  let problem = $state.raw<Problem | null>(null);
  let selectedId = $state<string | null>(null);
  let members = $state.raw<readonly Member[]>([]);

  const find = (id: string | null) => list.find((notebook) => notebook.id === id) ?? null;

  const reloadMembers = createRefresh(async () => {
    const notebook = selectedId;
    if (notebook === null) {
      members = [];
      return;
    }
    const answer = await api.call("notebooks.members", { notebook });
    if (notebook !== selectedId) return;
    if (answer.ok) members = answer.value;
    else onProblem(problemOf(answer.error));
  });
  const select = (id: string | null) => {
    if (id === selectedId) return;
    selectedId = id;
    members = [];
    void reloadMembers();
  };
  const take = (given: readonly Notebook[]) => {
    for (const after of given) {
      const before = find(after.id);
      if (before !== null && (before.role !== after.role || before.membership !== after.membership))
        onAccessChanged(before, after);
    }
    loaded = true;
    problem = null;
    list = given.filter(isShown).sort((a, b) => collator.compare(a.title, b.title) || (a.id < b.id ? -1 : 1));
    if (find(selectedId) === null) select((find(preferred()) ?? list[0])?.id ?? null);
  };
  const reload = createRefresh(async () => {
    const answer = await api.call("notebooks.list");
    loaded = true;
    if (answer.ok) take(answer.value);
    else problem = problemOf(answer.error);
  });

  hub.on("notebooksChanged", () => void reload());
  hub.on("membersChanged", ({ notebook }) => {
    void reload();
    if (notebook === selectedId) void reloadMembers();
  });
  hub.on("peersChanged", () => void reloadMembers());

  return {
    list: () => list,
    loaded: () => loaded,
    problem: () => problem,
    selected: () => find(selectedId),
    members: () => members,
    find,
    select,
    take,
    reload,
    create: async (title) => {
      const created = await api.call("notebooks.create", { title });
      if (!created.ok) return problemOf(created.error);
      await reload();
      select(created.value.id);
      return null;
    },
    copy: async (notebook, title) => {
      const copied = await api.call("notebooks.copy", { notebook, title });
      if (!copied.ok) return problemOf(copied.error);
      await reload();
      return copied.value;
    },
    forget: async (notebook) => {
      const forgotten = await api.call("notebooks.forget", { notebook });
      if (!forgotten.ok) return problemOf(forgotten.error);
      await reload();
      return null;
    },
    rename: async (notebook, title) => {
      const renamed = await api.call("notebooks.rename", { notebook, title });
      if (!renamed.ok) return problemOf(renamed.error);
      await reload();
      return null;
    },
  };
};
