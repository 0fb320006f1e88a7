import type { Api } from "../../../app/contract/create-api.ts";
import type { Activity, ActivityType } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import { createRefresh } from "./refresh.ts";

export interface ActivityFilter {
  /** Identity id: what this person did, and what was done about them. */
  readonly member: string | null;
  readonly type: ActivityType | null;
}

/** Who did what in one notebook, as far back as was asked for. */
export interface ActivityLog {
  /** Newest first. */
  readonly list: () => readonly Activity[];
  readonly loaded: () => boolean;
  readonly problem: () => Problem | null;
  readonly filter: () => ActivityFilter;
  readonly setFilter: (filter: ActivityFilter) => void;
  /** Whether the node may know older ones. */
  readonly hasMore: () => boolean;
  readonly loadingMore: () => boolean;
  readonly more: () => Promise<void>;
  readonly reload: () => Promise<void>;
  readonly stop: () => void;
}

/** Rows at first, and the factor by which scrolling on asks for more; the whole is read again, as edits close in time are one row. */
const FIRST = 50;
const GROWTH = 3;
/** Most that one answer lists. */
export const MAX_ACTIVITY = 1_000;

export const createActivityLog = ({
  api,
  hub,
  notebook,
}: {
  readonly api: Api;
  readonly hub: EventHub;
  readonly notebook: string;
}): ActivityLog => {
  let list = $state.raw<readonly Activity[]>([]);
  let loaded = $state(false);
  let problem = $state.raw<Problem | null>(null);
  let filter = $state.raw<ActivityFilter>({ member: null, type: null });
  let limit = $state(FIRST);
  let loadingMore = $state(false);

  const load = async () => {
    const asked = filter;
    const { member, type } = asked;
    const answer = await api.call("activity.list", {
      notebook,
      limit,
      ...(member === null ? {} : { member }),
      ...(type === null ? {} : { type }),
    });
    if (asked !== filter) return;
    loaded = true;
    problem = answer.ok ? null : problemOf(answer.error);
    if (answer.ok) list = answer.value;
  };
  const reload = createRefresh(load);
  const followed = (event: { readonly notebook: string }): void => {
    if (event.notebook === notebook) void reload();
  };
  const stops = [hub.on("membersChanged", followed), hub.on("documentsChanged", followed)];
  void reload();

  const hasMore = () => list.length >= limit && limit < MAX_ACTIVITY;
  return {
    list: () => list,
    loaded: () => loaded,
    problem: () => problem,
    filter: () => filter,
    setFilter: (wanted) => {
      filter = wanted;
      limit = FIRST;
      list = [];
      loaded = false;
      void load();
    },
    hasMore,
    loadingMore: () => loadingMore,
    more: async () => {
      if (loadingMore || !hasMore()) return;
      loadingMore = true;
      limit = Math.min(MAX_ACTIVITY, limit * GROWTH);
      await load();
      loadingMore = false;
    },
    reload,
    stop: () => {
      for (const stop of stops) stop();
    },
  };
};
