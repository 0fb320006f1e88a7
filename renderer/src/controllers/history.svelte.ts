import { untrack } from "svelte";
import type { Api } from "../../../app/contract/create-api.ts";
import type { HistorySession, MergeNotice, NoteDiff } from "../../../app/contract/types.ts";
import { fullTime } from "../components/shared/relative-time.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { Documents } from "./documents.svelte.ts";
import type { EventHub } from "./event-hub.ts";
import { createRefresh } from "./refresh.ts";
import type { Toasts } from "./toasts.svelte.ts";

/** Two states of the note that are compared; `heads` is the one that can be restored and named. */
export interface Comparison {
  readonly heading: string;
  readonly before: readonly string[];
  readonly heads: readonly string[];
}

export type DiffMode = "inline" | "sides";

/** The past of the open note: its timeline, what is compared, and what was merged while away. */
export interface History {
  readonly isOpen: () => boolean;
  readonly toggle: () => void;
  readonly close: () => void;
  readonly sessions: () => readonly HistorySession[];
  readonly changes: () => number;
  readonly loaded: () => boolean;
  readonly problem: () => Problem | null;
  readonly hasMore: () => boolean;
  readonly more: () => Promise<void>;
  readonly reload: () => Promise<void>;
  /** Position of the session that is shown, null for the present note. */
  readonly selected: () => number | null;
  readonly select: (session: HistorySession) => Promise<void>;
  readonly comparison: () => Comparison | null;
  readonly diff: () => NoteDiff | null;
  readonly diffProblem: () => Problem | null;
  readonly mode: () => DiffMode;
  readonly setMode: (mode: DiffMode) => void;
  /** Back to the note as it is. */
  readonly leave: () => void;
  readonly isPresent: (heads: readonly string[]) => boolean;
  readonly restore: () => Promise<void>;
  readonly name: (heads: readonly string[], name: string) => Promise<Problem | null>;
  readonly unname: (heads: readonly string[]) => Promise<void>;
  readonly notice: () => MergeNotice | null;
  readonly showNotice: () => Promise<void>;
  readonly dismissNotice: () => Promise<void>;
  readonly stop: () => void;
}

const PAGE = 50;
/** Most that one reload asks for again. */
const MAX_RELOAD = 500;

const sameState = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((hash) => b.includes(hash));

export const createHistory = ({
  api,
  hub,
  toasts,
  documents,
}: {
  readonly api: Api;
  readonly hub: EventHub;
  readonly toasts: Toasts;
  readonly documents: Documents;
}): History => {
  let isOpen = $state(false);
  let sessions = $state.raw<readonly HistorySession[]>([]);
  let changes = $state(0);
  let next = $state<number | null>(null);
  let loaded = $state(false);
  let problem = $state.raw<Problem | null>(null);
  let selected = $state<number | null>(null);
  let comparison = $state.raw<Comparison | null>(null);
  let diff = $state.raw<NoteDiff | null>(null);
  let diffProblem = $state.raw<Problem | null>(null);
  let mode = $state<DiffMode>("inline");
  let notice = $state.raw<MergeNotice | null>(null);
  let shownDocument: string | null = null;

  const leave = () => {
    selected = null;
    comparison = null;
    diff = null;
    diffProblem = null;
  };

  const reload = createRefresh(async () => {
    const document = documents.selectedId();
    if (document === null || !isOpen) return;
    const limit = Math.min(MAX_RELOAD, Math.max(PAGE, sessions.length));
    const answer = await api.call("history.list", { document, limit });
    if (document !== documents.selectedId()) return;
    loaded = true;
    problem = answer.ok ? null : problemOf(answer.error);
    if (!answer.ok) return;
    ({ sessions, changes, next } = answer.value);
    const shown = comparison;
    if (selected === null || shown === null) return;
    const same = sessions.find(({ heads }) => sameState(heads, shown.heads));
    // A session that people still write in goes on being shown.
    const grown = sessions.find(({ before }) => sameState(before, shown.before));
    if (same !== undefined) selected = same.position;
    else if (grown !== undefined) await select(grown);
    else selected = null;
  });

  const more = async () => {
    const document = documents.selectedId();
    if (document === null || next === null) return;
    const answer = await api.call("history.list", { document, before: next, limit: PAGE });
    if (document !== documents.selectedId()) return;
    if (!answer.ok) {
      toasts.fail(problemOf(answer.error));
      return;
    }
    sessions = [...sessions, ...answer.value.sessions];
    ({ next } = answer.value);
  };

  const compare = async (wanted: Comparison) => {
    const document = documents.selectedId();
    if (document === null) return;
    // The difference shown stays until the next one is there, when it is the same row that grew.
    if (comparison === null || !sameState(comparison.before, wanted.before)) diff = null;
    comparison = wanted;
    diffProblem = null;
    const answer = await api.call("history.diff", { document, from: wanted.before, to: wanted.heads });
    // Another row may have been chosen, or another note, while this one was computed.
    if (comparison !== wanted) return;
    if (answer.ok) diff = answer.value;
    else diffProblem = problemOf(answer.error);
  };

  const select = async (session: HistorySession) => {
    selected = session.position;
    const { before, heads, to } = session;
    await compare({ heading: session.versions[0]?.name ?? fullTime(to), before, heads });
  };

  const loadNotice = async () => {
    const document = documents.selectedId();
    const answer = document === null ? undefined : await api.call("history.merged", { document });
    if (document !== documents.selectedId()) return;
    notice = answer?.ok === true ? answer.value : null;
  };

  const stop = $effect.root(() => {
    $effect(() => {
      const document = documents.selectedId();
      if (document === shownDocument) return;
      untrack(() => {
        shownDocument = document;
        sessions = [];
        changes = 0;
        next = null;
        loaded = false;
        problem = null;
        notice = null;
        leave();
        void reload();
        void loadNotice();
      });
    });
  });
  hub.on("documentsChanged", ({ notebook }) => {
    if (documents.selectedId()?.startsWith(notebook) === true) void reload();
  });
  hub.on("membersChanged", ({ notebook }) => {
    if (documents.selectedId()?.startsWith(notebook) === true) void reload();
  });
  hub.on("documentMerged", ({ document }) => {
    if (document === documents.selectedId()) void loadNotice();
  });

  const setOpen = (open: boolean) => {
    isOpen = open;
    if (open) void reload();
    else leave();
  };

  const takeBack = async (document: string, before: readonly string[], base: readonly string[]) => {
    const undone = await api.call("history.restore", { document, heads: before, base });
    if (undone.ok) await reload();
    else toasts.fail(problemOf(undone.error));
  };

  return {
    isOpen: () => isOpen,
    toggle: () => setOpen(!isOpen),
    close: () => setOpen(false),
    sessions: () => sessions,
    changes: () => changes,
    loaded: () => loaded,
    problem: () => problem,
    hasMore: () => next !== null,
    more,
    reload,
    selected: () => selected,
    select,
    comparison: () => comparison,
    diff: () => diff,
    diffProblem: () => diffProblem,
    mode: () => mode,
    setMode: (wanted) => {
      mode = wanted;
    },
    leave,
    isPresent: (heads) => sameState(heads, sessions[0]?.heads ?? []),
    restore: async () => {
      const document = documents.selectedId();
      const wanted = comparison;
      if (document === null || wanted === null) return;
      const restored = await api.call("history.restore", { document, heads: wanted.heads });
      if (!restored.ok) {
        toasts.fail(problemOf(restored.error));
        return;
      }
      leave();
      const { before, heads } = restored.value;
      toasts.show({
        tone: "success",
        heading: "Version restored",
        message: wanted.heading,
        action: { label: "Undo", run: () => void takeBack(document, before, heads) },
      });
      await reload();
    },
    name: async (heads, name) => {
      const document = documents.selectedId();
      if (document === null) return null;
      const named = await api.call("versions.name", { document, name, heads });
      if (!named.ok) return problemOf(named.error);
      await reload();
      return null;
    },
    unname: async (heads) => {
      const document = documents.selectedId();
      if (document === null) return;
      const removed = await api.call("versions.remove", { document, heads });
      if (!removed.ok) toasts.fail(problemOf(removed.error));
      await reload();
    },
    notice: () => notice,
    showNotice: async () => {
      const merged = notice;
      if (merged === null) return;
      isOpen = true;
      selected = null;
      void reload();
      await compare({ heading: "Merged while you were away", before: merged.before, heads: merged.heads });
    },
    dismissNotice: async () => {
      const document = documents.selectedId();
      notice = null;
      if (document !== null) await api.call("history.seen", { document });
    },
    stop,
  };
};
