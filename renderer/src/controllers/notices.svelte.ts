import type { Api } from "../../../app/contract/create-api.ts";
import type { Notices, RecoveredText } from "../../../app/contract/note-places.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { Documents } from "./documents.svelte.ts";
import type { EventHub } from "./event-hub.ts";
import type { Notebooks } from "./notebooks.svelte.ts";
import { createRefresh } from "./refresh.ts";
import type { Toasts } from "./toasts.svelte.ts";

/** What happened while nobody looked; it stays until somebody deals with it, also over a restart. */
export interface NoticeList {
  readonly recovered: () => Notices["recovered"];
  readonly merged: () => Notices["merged"];
  readonly count: () => number;
  readonly reload: () => Promise<void>;
  readonly read: (document: string) => Promise<RecoveredText | Problem>;
  /** Makes a note of a recovered text and shows it. */
  readonly keep: (document: string, notebook: string) => Promise<Problem | null>;
  readonly dismissRecovered: (document: string) => Promise<void>;
  readonly dismissMerged: (document: string) => Promise<void>;
}

interface Context {
  readonly api: Api;
  readonly hub: EventHub;
  readonly toasts: Toasts;
  readonly notebooks: Notebooks;
  readonly documents: Documents;
}

export const createNoticeList = ({ api, hub, toasts, notebooks, documents }: Context): NoticeList => {
  let list = $state.raw<Notices>({ recovered: [], merged: [] });
  const reload = createRefresh(async () => {
    const answer = await api.call("notices.list");
    if (answer.ok) list = answer.value;
    else toasts.fail(problemOf(answer.error));
  });
  hub.on("recoveredChanged", () => void reload());
  hub.on("documentMerged", () => void reload());

  return {
    recovered: () => list.recovered,
    merged: () => list.merged,
    count: () => list.recovered.length + list.merged.length,
    reload,
    read: async (document) => {
      const read = await api.call("recovered.read", { document });
      return read.ok ? read.value : problemOf(read.error);
    },
    keep: async (document, notebook) => {
      const kept = await api.call("recovered.keep", { document, notebook });
      if (!kept.ok) return problemOf(kept.error);
      await notebooks.reload();
      await documents.reveal(notebook, kept.value.id);
      return null;
    },
    dismissRecovered: async (document) => {
      const dismissed = await api.call("recovered.dismiss", { document });
      if (!dismissed.ok) toasts.fail(problemOf(dismissed.error));
      await reload();
    },
    dismissMerged: async (document) => {
      const seen = await api.call("history.seen", { document });
      if (!seen.ok) toasts.fail(problemOf(seen.error));
      await reload();
    },
  };
};
