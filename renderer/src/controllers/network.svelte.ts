import type { Api } from "../../../app/contract/create-api.ts";
import type { FollowedNotebook, NetworkCheck, SyncStatus, SyncSummary } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import { createRefresh } from "./refresh.ts";

export interface Network {
  /** null until the node answered for the first time. */
  readonly summary: () => SyncSummary | null;
  /** Loaded only while the network panel watches it. */
  readonly status: () => SyncStatus | null;
  /** Loaded with `status`. */
  readonly followed: () => readonly FollowedNotebook[];
  readonly problem: () => Problem | null;
  readonly reload: () => Promise<void>;
  /** Keeps `status` fresh until the returned function is called. */
  readonly watch: () => () => void;
  /** Holds everything that would be sent or received, or goes on. */
  readonly pause: (paused: boolean) => Promise<Problem | null>;
  /** Takes some two seconds: the network is asked and given time to answer. */
  readonly check: () => Promise<NetworkCheck | Problem>;
  /** Changes how this device follows a notebook. */
  readonly follow: (
    notebook: string,
    terms: {
      readonly paused?: boolean;
      readonly priority?: FollowedNotebook["priority"];
      readonly proxies?: readonly string[];
    },
  ) => Promise<Problem | null>;
  readonly connect: (address: string) => Promise<Problem | null>;
  /** Uses an always-on node: by its link, or by its address and the code for it ("" for none). */
  readonly addProxy: (linkOrAddress: string, code: string) => Promise<Problem | null>;
  readonly removeProxy: (id: string) => Promise<Problem | null>;
}

/** Links of ours have a scheme, addresses have not. */
export const isProxyLink = (text: string): boolean => text.trim().startsWith("p2pc:");

export const createNetwork = (api: Api, hub: EventHub): Network => {
  let summary = $state.raw<SyncSummary | null>(null);
  let status = $state.raw<SyncStatus | null>(null);
  let followed = $state.raw<readonly FollowedNotebook[]>([]);
  let problem = $state.raw<Problem | null>(null);
  let watchers = 0;

  const reloadStatus = createRefresh(async () => {
    const [answer, follows] = await Promise.all([api.call("sync.status"), api.call("following.list")]);
    if (answer.ok && follows.ok) {
      status = answer.value;
      followed = follows.value;
      problem = null;
    } else if (!answer.ok) problem = problemOf(answer.error);
    else if (!follows.ok) problem = problemOf(follows.error);
  });
  const reload = createRefresh(async () => {
    const answer = await api.call("sync.summary");
    if (answer.ok) summary = answer.value;
    else problem = problemOf(answer.error);
  });
  const reloadIfWatched = () => {
    if (watchers > 0) void reloadStatus();
  };
  hub.on("syncChanged", (event) => {
    summary = event.summary;
    reloadIfWatched();
  });
  hub.on("peersChanged", reloadIfWatched);
  // The name behind a connection is a member's.
  hub.on("membersChanged", () => {
    void reload();
    reloadIfWatched();
  });

  return {
    summary: () => summary,
    status: () => status,
    followed: () => followed,
    problem: () => problem,
    reload,
    watch: () => {
      watchers += 1;
      void reloadStatus();
      return () => {
        watchers -= 1;
      };
    },
    pause: async (paused) => {
      const answer = await api.call("sync.pause", { paused });
      return answer.ok ? null : problemOf(answer.error);
    },
    check: async () => {
      const checked = await api.call("network.check");
      return checked.ok ? checked.value : problemOf(checked.error);
    },
    follow: async (notebook, terms) => {
      const changed = await api.call("following.set", { notebook, ...terms });
      reloadIfWatched();
      return changed.ok ? null : problemOf(changed.error);
    },
    connect: async (address) => {
      const connected = await api.call("peers.connect", { address: address.trim() });
      reloadIfWatched();
      return connected.ok ? null : problemOf(connected.error);
    },
    addProxy: async (linkOrAddress, code) => {
      const given = linkOrAddress.trim();
      const added = await api.call(
        "proxies.add",
        isProxyLink(given) ? { link: given } : { address: given, ...(code.trim() === "" ? {} : { code: code.trim() }) },
      );
      reloadIfWatched();
      return added.ok ? null : problemOf(added.error);
    },
    removeProxy: async (id) => {
      const removed = await api.call("proxies.remove", { proxy: id });
      reloadIfWatched();
      return removed.ok ? null : problemOf(removed.error);
    },
  };
};
