import type { Handlers } from "../contract/handlers.ts";
import type { FollowedNotebook } from "../contract/types.ts";
import type { PeerService } from "../peers/peer-service.ts";
import type { Store } from "../ports/store.ts";
import type { ProxyService } from "../proxies/proxy-service.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { Copies } from "../sharing/copies.ts";
import type { Following } from "../sharing/following.ts";
import { hexToBytes } from "../../protocol/kernel/bytes.ts";
import { ok } from "../../protocol/kernel/result.ts";
import type { WithNotebook } from "./with-notebook.ts";

/** What this device follows, how, and through whom. */
export const createFollowingOperations = (deps: {
  readonly store: Store;
  readonly repositories: RepositoryService;
  readonly following: Following;
  readonly copies: Copies;
  readonly peers: PeerService;
  readonly proxies: ProxyService;
  readonly withNotebook: WithNotebook;
  readonly statusChanged: () => void;
}) => {
  const { store, repositories, following, copies, peers, proxies, withNotebook } = deps;

  const heardAt = (repository: Repository, contacts: readonly (number | null)[]): number | null => {
    const devices = repository.access.members().flatMap((member) => member.devices);
    const times = [...devices.map((device) => copies.seenAt(repository, device)), ...contacts];
    return times.reduce((latest, at) => (at === null || (latest !== null && latest > at) ? latest : at), null);
  };

  const describe = (repository: Repository): FollowedNotebook => {
    const { isPaused, priority } = following.terms(repository);
    const kept = proxies.keeping(repository);
    return {
      id: repository.id,
      title: store.repositories.all().find(({ n }) => n === repository.n)?.title ?? "",
      paused: isPaused,
      priority,
      proxies: kept.map(({ id, address, used, holdsAll }) => ({ id, address, used, holdsAll })),
      connectedPeers: peers.connectedTo(repository),
      heardAt: heardAt(
        repository,
        kept.filter(({ used }) => used).map(({ lastContact }) => lastContact),
      ),
      ...store.repositories.counts(repository.n),
    };
  };

  return {
    "following.list": async () => ok(repositories.all().map(describe)),
    "following.set": ({ notebook, paused, priority, proxies: used }) =>
      withNotebook(notebook, (repository) => {
        const without = proxies
          .keeping(repository)
          .filter(({ id }) => used !== undefined && !used.includes(id))
          .flatMap(({ id }) => hexToBytes(id) ?? []);
        const written = following.set(repository, {
          ...(paused === undefined ? {} : { isPaused: paused }),
          ...(priority === undefined ? {} : { priority }),
          ...(used === undefined ? {} : { without }),
        });
        if (!written.ok) return written;
        peers.topicsChanged();
        proxies.topicsChanged();
        deps.statusChanged();
        return ok(describe(repository));
      }),
  } satisfies Partial<Handlers>;
};
