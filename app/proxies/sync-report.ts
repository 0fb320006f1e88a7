import type { SyncStatus, SyncSummary } from "../contract/types.ts";
import type { PeerService } from "../peers/peer-service.ts";
import type { Store } from "../ports/store.ts";
import { documentId, headsOf } from "../repositories/document-service.ts";
import { NOTEBOOK_DOCUMENT } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { bytesEqual } from "../../protocol/kernel/bytes.ts";
import type { ProxyService } from "./proxy-service.ts";

/** What people see of how far everything has come, over connected devices and always-on nodes. */
export interface SyncReport {
  readonly summary: () => SyncSummary;
  readonly status: () => SyncStatus;
}

export const createSyncReport = ({
  store,
  repositories,
  peers,
  proxies,
  isPaused,
}: {
  readonly store: Store;
  readonly repositories: RepositoryService;
  readonly peers: PeerService;
  readonly proxies: ProxyService;
  readonly isPaused: () => boolean;
}): SyncReport => ({
  summary: () => {
    const safety = repositories.all().map((repository) => proxies.safety(repository));
    const backlogs = repositories.all().map(({ n }) => store.repositories.backlog(n));
    return {
      connectedPeers: peers
        .list()
        .filter(({ state, notebooks }) => state === "connected" && notebooks.length > 0)
        .map(({ id, name }) => ({ id, name })),
      visiblePeers: peers.visible(),
      connectedProxies: proxies.connected(),
      safe: safety.reduce((least, one) => (one.on < least.on ? one : least), safety[0] ?? { on: 0, of: 0 }),
      undelivered: backlogs.reduce((sum, { undelivered }) => sum + undelivered, 0),
      pending: backlogs.reduce((sum, { pending }) => sum + pending, 0),
      paused: isPaused(),
    };
  },
  status: () => {
    const rows = store.repositories.all();
    return {
      listening: peers.listening(),
      peers: peers.list(),
      proxies: proxies.list(),
      notebooks: repositories.all().map((repository) => {
        const { pending, undelivered } = store.repositories.backlog(repository.n);
        return {
          id: repository.id,
          title: rows.find(({ n }) => n === repository.n)?.title ?? "",
          entries: store.repositories.counts(repository.n).entries,
          pending,
          undelivered,
          safe: proxies.safety(repository),
          connectedPeers: peers.connectedTo(repository),
          documents: store.documents
            .list(repository.n)
            .filter(({ did }) => !bytesEqual(did, NOTEBOOK_DOCUMENT))
            .map((row) => ({ id: documentId(repository, row.did), title: row.title, heads: headsOf(row) })),
        };
      }),
    };
  },
});
