import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Proxy, Safety } from "../contract/types.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Clock } from "../ports/clock.ts";
import type { LinkError, Links } from "../ports/links.ts";
import type { Log } from "../ports/log.ts";
import type { ProxyRow } from "../ports/proxy-store.ts";
import type { Store, StoreError, TopicRow } from "../ports/store.ts";
import type { Following } from "../sharing/following.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { ProxyHint } from "../../protocol/invite/invite-link.ts";
import { base64urlToBytes, bytesEqual, bytesToHex, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import { PROXY_APPLICATION } from "../../protocol/proxy/messages.ts";
import type { ProxyLink } from "../../protocol/proxy/proxy-link.ts";
import { parseProxyLink } from "../../protocol/proxy/proxy-link.ts";
import { CODE_BYTES } from "../../protocol/proxy/wire.ts";
import type { ItemSet } from "../../protocol/reconcile/item-set.ts";
import type { ProxySession } from "./proxy-session.ts";
import { createProxySession } from "./proxy-session.ts";

export interface NewProxy {
  readonly link?: string | undefined;
  readonly address?: string | undefined;
  readonly code?: string | undefined;
}

/** The always-on nodes of this identity. */
export interface ProxyService {
  /** Connects to all; called once, when the repositories are open. */
  readonly open: () => void;
  readonly add: (input: NewProxy) => Promise<Result<Proxy, ContractError>>;
  readonly list: () => readonly Proxy[];
  /** Has the proxy forget everything, when it answers, and uses it no more. */
  readonly remove: (id: string) => Promise<Result<null, ContractError>>;
  readonly topicsChanged: () => void;
  /** An item was stored; `source` is where it came from, undefined for an own one. */
  readonly stored: (source: object | undefined) => void;
  /** Connections over which chunks of the repository's files can be asked for. */
  readonly chunkSources: (repository: number) => readonly string[];
  /** Asks one of them, which answers through `chunks.received`; false when it is none of these. */
  readonly fetchChunk: (source: string, repository: number, id: Uint8Array) => boolean;
  /** Chunks of files came to this device. */
  readonly chunksChanged: () => void;
  readonly connected: () => number;
  readonly safety: (repository: Repository) => Safety;
  /** Own proxies by which somebody who was invited can reach the rendezvous. */
  readonly hints: () => readonly ProxyHint[];
  /** Reaches a rendezvous through the inviter's proxies, where they let anybody in. */
  readonly meet: (hints: readonly ProxyHint[], rendezvous: TopicRow) => void;
  /** The rendezvous led into a notebook: its guests go on for that. */
  readonly joined: (rendezvous: TopicRow, repository: Repository) => void;
  readonly wake: () => void;
  /** Gives the proxies what this device has made, as far as they answer soon, and disconnects. */
  /** The proxies with an account, whether each is to keep the repository, and whether it has everything of it. */
  readonly keeping: (repository: Repository) => readonly {
    readonly id: string;
    readonly address: string;
    readonly used: boolean;
    readonly holdsAll: boolean;
    readonly lastContact: number | null;
  }[];
  readonly stop: () => Promise<void>;
}

/** data.md section 16. */
const MAX_PROXIES = 8;
/** How long adding one waits for it to let this identity in. */
const ADD_TIMEOUT = durationMs(20_000);
const ADD_POLL = durationMs(50);
/** How long a removed one has to confirm that it forgets. */
const FORGET_TIMEOUT = durationMs(3_000);
/** What an invite link has room for. */
const MAX_HINTS = 4;

/** A code as people paste it: hex digits or base64url of its bytes. */
const readCode = (text: string): Uint8Array | undefined => {
  const code = text.trim();
  const read = code.length === 2 * CODE_BYTES ? hexToBytes(code.toLowerCase()) : base64urlToBytes(code);
  return read?.length === CODE_BYTES ? read : undefined;
};

export const createProxyService = (deps: {
  readonly store: Store;
  readonly links: Links;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly itemSet: (topic: Uint8Array) => ItemSet;
  /** False for a topic that has nothing this device still needs. */
  readonly isFollowed: (repository: Repository, topic: TopicRow) => boolean;
  readonly following: Following;
  /** Attachment chunks: what is here, and what came. */
  readonly chunks: {
    readonly serve: (repository: number, id: Uint8Array) => Promise<Uint8Array | null>;
    readonly received: (source: string, repository: number, id: Uint8Array, bytes: Uint8Array | null) => void;
    readonly sourcesChanged: () => void;
  };
  readonly changed: () => void;
  readonly fault: (error: StoreError) => void;
}): ProxyService => {
  const { store, links, crypto, random, clock, repositories } = deps;
  const sessions = new Map<number, ProxySession>();
  let isStopped = false;

  const repositoryOf = (topic: TopicRow): Repository | undefined =>
    topic.repository === null ? undefined : repositories.byNumber(topic.repository);

  /** An own proxy keeps everything it was not told to leave out; a guest what it was known for, and the notebook that belongs to. */
  const topicsFor = ({ n, kind, staticKey }: ProxyRow): readonly TopicRow[] => {
    const all = repositories.topics().filter((topic) => {
      const repository = repositoryOf(topic);
      if (repository === undefined) return true;
      if (kind === "own" && !deps.following.usesProxy(repository, staticKey)) return false;
      return topic.kind !== "epoch" || deps.isFollowed(repository, topic);
    });
    if (kind === "own") return all;
    const known = store.proxies.topics(n);
    const followed = all.filter(({ pk }) => known.some((topic) => bytesEqual(topic.pk, pk)));
    const notebooks = new Set(followed.flatMap(({ repository }) => repository ?? []));
    return all.filter(
      (topic) => followed.includes(topic) || (topic.repository !== null && notebooks.has(topic.repository)),
    );
  };

  const follow = (session: ProxySession | undefined, topics: readonly TopicRow[]): void => {
    const ranked = topics
      .map((topic) => ({ topic, repository: repositoryOf(topic) }))
      .map(({ topic, repository }) => ({
        topic,
        isResting: repository !== undefined && deps.following.isPaused(repository),
        rank: repository === undefined ? 0 : deps.following.rank(repository),
      }))
      .toSorted((a, b) => a.rank - b.rank);
    session?.follow(
      ranked.filter(({ isResting }) => !isResting).map(({ topic }) => topic),
      ranked.filter(({ isResting }) => isResting).map(({ topic }) => topic),
    );
  };

  const connect = (row: ProxyRow): ProxySession => {
    const session = createProxySession(
      {
        ...deps,
        random: random.fork(`proxy-${row.n}`),
        readChunk: deps.chunks.serve,
        chunkSourcesChanged: deps.chunks.sourcesChanged,
        relayContacts: (topic) =>
          store.proxies
            .all()
            .filter(({ n }) => n !== row.n && store.proxies.topics(n).some(({ pk }) => bytesEqual(pk, topic)))
            .flatMap(({ staticKey, addresses: [address] }) =>
              address === undefined ? [] : { staticPk: staticKey, address },
            ),
      },
      row,
    );
    sessions.set(row.n, session);
    follow(session, topicsFor(row));
    session.start();
    return session;
  };

  const disconnect = (n: number): void => {
    sessions.get(n)?.stop();
    sessions.delete(n);
  };

  const sourceOf = ({ n }: ProxySession): string => `proxy-${n}`;

  const describe = (row: ProxyRow): Proxy => {
    const progress = sessions.get(row.n)?.progress();
    const { queued, refused } = store.proxies.backlog(row.n);
    const waiting = queued + refused;
    const shown = (state: Proxy["state"], reason = ""): Proxy => ({
      id: bytesToHex(row.staticKey),
      address: row.addresses[0] ?? "",
      kind: row.kind,
      state,
      reason,
      lastContact: row.lastContact,
      waiting,
      used: row.used,
      quota: row.quota,
    });
    if (row.badItems > 0)
      return shown("unreliable", "It lost or damaged things it had promised to keep. Use another one instead.");
    if (progress === undefined || progress.state === "offline") {
      const fault = progress?.fault;
      return shown("waiting", fault === undefined ? (progress?.reason ?? "") : failure(fault).message);
    }
    if (progress.state === "noAccount")
      return shown("noAccount", contractError(progress.isCodeBad ? "BadProxyCode" : "ProxyCodeRequired").message);
    if (progress.state === "connecting") return shown("connecting");
    if (progress.isFull)
      return shown("full", "Your space there is used up. The rest waits, and goes elsewhere meanwhile.");
    return shown(progress.behind > 0 || progress.isOwing || refused > 0 || progress.isUploading ? "syncing" : "synced");
  };

  const forget = (n: number): Result<null, ContractError> => {
    disconnect(n);
    const removed = store.transaction(() => store.proxies.remove(n));
    deps.changed();
    return removed.ok ? ok(null) : err(storeFailure(removed.error));
  };

  const failure = (error: LinkError["type"]): ContractError =>
    contractError(error === "HandshakeFailed" ? "NotAProxy" : error);

  /** Learns the key of whoever answers at an address that came without one. */
  const meetAt = async (address: string, accountKey: Uint8Array): Promise<Result<Uint8Array, ContractError>> => {
    const dialled = await links.dial(address, {
      application: PROXY_APPLICATION,
      staticKey: crypto.dhKeyPair(accountKey),
      remoteStatic: null,
    });
    if (!dialled.ok) return err(failure(dialled.error.type));
    const { remoteStatic } = dialled.value;
    dialled.value.close();
    return ok(remoteStatic);
  };

  const target = async (input: NewProxy, accountKey: Uint8Array): Promise<Result<ProxyLink, ContractError>> => {
    if (input.link !== undefined) {
      const link = parseProxyLink(input.link);
      return link.ok ? ok(link.value) : err(contractError("BadProxyLink"));
    }
    if (input.address === undefined)
      return err(contractError("InvalidInput", "Give the link of an always-on node, or its address."));
    const address = input.address.trim();
    const code = input.code === undefined ? null : readCode(input.code);
    if (code === undefined) return err(contractError("BadProxyCode"));
    const staticPk = await meetAt(address, accountKey);
    return staticPk.ok ? ok({ staticPk: staticPk.value, code, addresses: [address] }) : staticPk;
  };

  /** Settles when the proxy let this identity in or it is clear that it will not. */
  const admitted = (session: ProxySession): Promise<ContractError | undefined> =>
    new Promise((resolve) => {
      const start = clock.monotonic();
      const look = (): void => {
        const { state, failures, fault, isCodeBad } = session.progress();
        const { code } = store.proxies.all().find(({ n }) => n === session.n) ?? { code: null };
        if (state === "online") resolve(undefined);
        else if (isCodeBad) resolve(contractError("BadProxyCode"));
        else if (state === "noAccount" && code === null) resolve(contractError("ProxyCodeRequired"));
        else if (failures > 0) resolve(fault === undefined ? contractError("NotAProxy") : failure(fault));
        else if (isStopped || clock.monotonic() - start >= ADD_TIMEOUT) resolve(contractError("PeerUnreachable"));
        else clock.after(ADD_POLL, look);
      };
      look();
    });

  const add: ProxyService["add"] = async (input) => {
    const accountKey = random.bytes(32);
    const link = await target(input, accountKey);
    if (!link.ok) return link;
    const { staticPk, code, addresses } = link.value;
    const known = store.proxies.find(staticPk);
    if (known === undefined && store.proxies.all().filter(({ kind }) => kind === "own").length >= MAX_PROXIES)
      return err(contractError("TooManyProxies"));
    const written = store.transaction(() => {
      if (known === undefined)
        return store.proxies.add({ staticKey: staticPk, addresses, accountKey, kind: "own", code }, clock.unix());
      store.proxies.update(known.n, { kind: "own", code });
      store.proxies.setAddresses(known.n, [...new Set([...addresses, ...known.addresses])]);
      return known.n;
    });
    if (!written.ok) return err(storeFailure(written.error));
    disconnect(written.value);
    const row = store.proxies.find(staticPk);
    if (row === undefined) return err(contractError("ProxyNotFound"));
    const session = connect(row);
    deps.changed();
    const refusal = await admitted(session);
    if (refusal === undefined) return ok(describe(store.proxies.find(staticPk) ?? row));
    // What was used before stays: it may only be out of reach now.
    const left = known === undefined ? forget(row.n) : ok(null);
    return left.ok ? err(refusal) : left;
  };

  const within = (work: Promise<unknown>, limit: typeof FORGET_TIMEOUT): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(limit, resolve);
      void work.then(() => {
        cancel();
        resolve();
      });
    });

  const keeping: ProxyService["keeping"] = (repository) => {
    const own = store.proxies.all().filter(({ kind }) => kind === "own");
    if (own.length === 0) return [];
    // What is typed and not sealed yet is nowhere else.
    const isSealed = store.documents.drafts(repository.n, 1).length === 0;
    const holding = new Set(isSealed ? store.proxies.holding(repository.n) : []);
    return own.map(({ n, staticKey, addresses, badItems, lastContact }) => {
      const used = deps.following.usesProxy(repository, staticKey);
      return {
        id: bytesToHex(staticKey),
        address: addresses[0] ?? "",
        used,
        holdsAll: used && holding.has(n) && badItems === 0 && sessions.get(n)?.owesChunks(repository.n) === false,
        lastContact,
      };
    });
  };

  return {
    open: () => {
      for (const row of store.proxies.all()) connect(row);
    },
    add,
    list: () => store.proxies.all().map(describe),
    remove: async (id) => {
      const staticKey = hexToBytes(id);
      const row = staticKey === undefined ? undefined : store.proxies.find(staticKey);
      if (row === undefined) return err(contractError("ProxyNotFound"));
      const session = sessions.get(row.n);
      const topics = store.proxies.topics(row.n).map(({ pk }) => pk);
      if (session?.progress().state === "online" && topics.length > 0)
        await within(session.forget(topics), FORGET_TIMEOUT);
      return forget(row.n);
    },
    topicsChanged: () => {
      if (isStopped) return;
      for (const row of store.proxies.all()) {
        const topics = topicsFor(row);
        if (row.kind === "own" || topics.length > 0) {
          follow(sessions.get(row.n), topics);
          continue;
        }
        const left = forget(row.n);
        if (!left.ok) deps.log.warn("guest not forgotten", { fault: left.error.type });
      }
    },
    stored: (source) => {
      for (const session of sessions.values()) session.stored(source);
    },
    chunkSources: (repository) =>
      [...sessions.values()].filter((session) => session.hasChunksOf(repository)).map(sourceOf),
    fetchChunk: (source, repository, id) => {
      const session = [...sessions.values()].find((one) => sourceOf(one) === source);
      void session?.fetchChunk(repository, id).then((bytes) => deps.chunks.received(source, repository, id, bytes));
      return session !== undefined;
    },
    chunksChanged: () => {
      for (const session of sessions.values()) session.chunksChanged();
    },
    connected: () => [...sessions.values()].filter((session) => session.progress().state === "online").length,
    safety: (repository) => {
      const used = keeping(repository).filter((proxy) => proxy.used);
      return { on: used.filter(({ holdsAll }) => holdsAll).length, of: used.length };
    },
    keeping,
    hints: () =>
      store.proxies
        .all()
        .filter(({ kind, badItems }) => kind === "own" && badItems === 0)
        .slice(0, MAX_HINTS)
        .flatMap(({ staticKey, addresses: [address] }) =>
          address === undefined ? [] : { proxyPk: staticKey, address },
        ),
    meet: (hints, rendezvous) => {
      for (const { proxyPk, address } of hints) {
        const known = store.proxies.find(proxyPk);
        if (known?.kind === "own") continue;
        const written = store.transaction(() => {
          const n =
            known?.n ??
            store.proxies.add(
              { staticKey: proxyPk, addresses: [address], accountKey: random.bytes(32), kind: "guest", code: null },
              clock.unix(),
            );
          store.proxies.follow(n, rendezvous.pk);
        });
        if (!written.ok) {
          deps.fault(written.error);
          continue;
        }
        const row = store.proxies.find(proxyPk);
        if (row === undefined) continue;
        const session = sessions.get(row.n);
        if (session === undefined) connect(row);
        else follow(session, topicsFor(row));
      }
    },
    joined: (rendezvous, repository) => {
      const topics = repositories.topics().filter((topic) => topic.repository === repository.n);
      for (const row of store.proxies.all()) {
        if (row.kind !== "guest" || !store.proxies.topics(row.n).some(({ pk }) => bytesEqual(pk, rendezvous.pk)))
          continue;
        const written = store.transaction(() => {
          for (const { pk } of topics) store.proxies.follow(row.n, pk);
        });
        if (written.ok) follow(sessions.get(row.n), topicsFor(row));
        else deps.fault(written.error);
      }
    },
    wake: () => {
      for (const session of sessions.values()) session.wake();
    },
    stop: async () => {
      isStopped = true;
      await Promise.all([...sessions.values()].map((session) => session.drained()));
      for (const session of sessions.values()) session.stop();
      sessions.clear();
    },
  };
};
