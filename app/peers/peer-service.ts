import type { ContractError } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Peer } from "../contract/types.ts";
import type { Profile } from "../identities/profile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Discovery } from "../ports/discovery.ts";
import type { Link, LinkError, Links } from "../ports/links.ts";
import type { Log } from "../ports/log.ts";
import type { Store, TopicRow } from "../ports/store.ts";
import { memberNames } from "../repositories/document-indexer.ts";
import type { Repository } from "../repositories/repository.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import type { Following } from "../sharing/following.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { ITEM_KINDS, openItem, proxyCheck, sealItem } from "../../protocol/entry/item.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import type { LiveData, LiveWindow } from "../../protocol/entry/live.ts";
import { acceptLive, createLiveWindow, readLive, signLive } from "../../protocol/entry/live.ts";
import { versionWords } from "./version-words.ts";
import { exhaustive } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex, compareBytes, hexToBytes } from "../../protocol/kernel/bytes.ts";
import type { Machine } from "../../protocol/kernel/machine.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { FollowedTopic, ItemSource, PeerEffect, PeerEvent } from "../../protocol/peer/peer-session.ts";
import { createPeerSession } from "../../protocol/peer/peer-session.ts";
import { decodePeerMessage, encodePeerMessage } from "../../protocol/peer/wire.ts";
import type { Found } from "./connections.ts";
import { createConnections } from "./connections.ts";
import { candidateStage, connectionStage } from "./peer-stage.ts";

/** A member seen through a connection, in one repository. */
export interface PresentMember {
  readonly repository: Repository;
  readonly device: Uint8Array;
  readonly idRoot: Uint8Array;
  /** Whether it holds everything this device holds of the repository. */
  readonly holdsAll: boolean;
}

/** The socket on which the node accepts connections. */
export interface Listening {
  readonly port: number;
  readonly addresses: readonly string[];
}

export interface PeerService {
  /** Announces the node and dials who is remembered; called once, when the repositories are open. */
  readonly open: () => void;
  /** Takes a link that someone else opened. */
  readonly accept: (link: Link) => void;
  readonly list: () => readonly Peer[];
  /** Nodes that answered or announced themselves lately; at least that many, as one is seen over IPv4 and IPv6. */
  readonly visible: () => number;
  readonly listening: () => readonly string[];
  readonly connect: (address: string) => Promise<Result<Peer, ContractError>>;
  readonly offer: (address: string) => void;
  readonly topicsChanged: () => void;
  readonly stored: (topic: TopicRow, item: CheckedItem, source: object | undefined) => void;
  /** True when at least one connected member of the repository was sent it; nobody is while the keys are due to be changed. */
  readonly sendLive: (repository: Repository, session: Uint8Array, data: LiveData) => boolean;
  readonly present: (repository: Repository) => readonly PresentMember[];
  /** Connections over which chunks of the repository's files can be asked for. */
  readonly chunkSources: (repository: number) => readonly string[];
  /** Asks one of them; the answer comes through `chunks.received`. */
  readonly fetchChunk: (source: string, repository: number, id: Uint8Array, urgent: boolean) => void;
  readonly connectedTo: (repository: Repository) => number;
  /** Keys that proved themselves on the present connections. */
  readonly devices: () => readonly Uint8Array[];
  readonly wake: () => void;
  readonly stop: () => Promise<void>;
}

interface Connection {
  readonly id: string;
  readonly link: Link;
  readonly found: Found;
  readonly machine: Machine<PeerEvent, PeerEffect>;
  readonly shared: Map<string, TopicRow>;
  /** Proven device key by topic. */
  readonly devices: Map<string, Uint8Array>;
  readonly challenge: Uint8Array;
  readonly windows: Map<string, LiveWindow>;
  /** Topics of which the peer holds everything that is here. */
  readonly held: Set<string>;
  /** Topics of which nothing is missing on either side any more. */
  readonly synced: Set<string>;
  timer: (() => void) | undefined;
  ended: boolean;
}

/** A link that shares no topic is closed after this: long enough for a rendezvous to be named, short enough not to hold sockets. */
const STRANGER_TIMEOUT = durationMs(20_000);
const CHALLENGE_BYTES = 16;
/** Looking around the network waits until a window that opens with the profile has been painted. */
const DISCOVERY_DELAY = durationMs(1_000);
/** Unacknowledged items asked about at once; a long offline import is acknowledged in a few reconnections. */
const MAX_ASKED = 16_384;
/** Links accepted at once; each costs some 200 KB of buffers at most. */
const MAX_LINKS = 256;

export const linkFailure = (error: LinkError): ContractError => contractError(error.type);

/** Every connection of this node: who is on the other side, which topics are shared, and what flows over them. */
export const createPeerService = (deps: {
  readonly links: Links;
  readonly listening: Listening;
  readonly discovery: Discovery | undefined;
  readonly profile: Profile;
  readonly store: Store;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly repositories: RepositoryService;
  readonly items: ItemSource;
  readonly liveReceived: (
    repository: Repository,
    from: { readonly device: Uint8Array; readonly session: Uint8Array },
    data: LiveData,
  ) => void;
  /** Whether the topic of an epoch still has something to give or to take. */
  readonly isFollowed: (repository: Repository, topic: TopicRow) => boolean;
  readonly following: Following;
  /** Attachment chunks: what members ask for, and what they sent. */
  readonly chunks: {
    readonly serve: (repository: number, id: Uint8Array) => Promise<Uint8Array | null>;
    readonly received: (source: string, repository: number, id: Uint8Array, bytes: Uint8Array | null) => void;
    readonly sourcesChanged: () => void;
  };
  /** Told which member's device was met, and which holds all there is. */
  readonly copies: {
    readonly seen: (repository: Repository, device: Uint8Array) => void;
    readonly complete: (repository: Repository, device: Uint8Array) => void;
  };
  readonly changed: () => void;
  readonly delivered: () => void;
  /** A device proved itself, or a connection to it ended. */
  readonly deviceSeen: (device: Uint8Array) => void;
}): PeerService => {
  const { links, listening, discovery, profile, store, crypto, random, clock, log, repositories, items } = deps;
  const connections = new Map<string, Connection>();
  let liveCounter = 0;
  let stopped = false;
  let cancelDiscovery: (() => void) | undefined;
  /** Addresses whose link was given up because the same device is reached over another. */
  const duplicates = new Map<string, string>();

  /** Brought up to date from the first to the last. */
  const followed = (): readonly FollowedTopic[] =>
    repositories
      .topics()
      .flatMap((topic) => {
        const repository = repositoryOf(topic);
        if (repository !== undefined && deps.following.isPaused(repository)) return [];
        if (repository !== undefined && topic.kind === "epoch" && !deps.isFollowed(repository, topic)) return [];
        return { topic, rank: repository === undefined ? 0 : deps.following.rank(repository) };
      })
      .toSorted((a, b) => a.rank - b.rank)
      .map(({ topic: { pk, readKey, repository } }) => ({
        pk,
        readKey,
        device: repository === null ? null : profile.device,
      }));

  const repositoryOf = (topic: TopicRow): Repository | undefined =>
    topic.repository === null ? undefined : repositories.byNumber(topic.repository);

  const dispatch = (connection: Connection, event: PeerEvent): void => {
    if (connection.ended) return;
    for (const effect of connection.machine.handle(event, clock.monotonic())) run(connection, effect);
    connection.timer?.();
    connection.timer = undefined;
    const deadline = connection.ended ? undefined : connection.machine.nextDeadline();
    if (deadline !== undefined)
      connection.timer = clock.after(durationMs(Math.max(0, deadline - clock.monotonic())), () =>
        dispatch(connection, { type: "deadlineReached" }),
      );
  };

  const run = (connection: Connection, effect: PeerEffect): void => {
    switch (effect.type) {
      case "send":
        connection.link.send(encodePeerMessage(effect.message), effect.message.type === "live" ? "urgent" : "bulk");
        return;
      case "itemsReceived": {
        const topic = repositories.topicByPk(effect.topic);
        if (topic === undefined) {
          dispatch(connection, { type: "itemsIngested", token: effect.token, results: [] });
          return;
        }
        const origin = { source: connection, isAcknowledged: "push" in effect.token };
        repositories.ingest(topic, effect.wires, origin, (results) => {
          dispatch(connection, { type: "itemsIngested", token: effect.token, results });
        });
        return;
      }
      case "liveReceived":
        onLive(connection, effect.topic, effect.wire);
        return;
      case "topicShared": {
        const topic = repositories.topicByPk(effect.topic);
        if (topic !== undefined) connection.shared.set(bytesToHex(effect.topic), topic);
        connection.windows.set(bytesToHex(effect.topic), createLiveWindow(connection.challenge));
        connection.held.delete(bytesToHex(effect.topic));
        connection.synced.delete(bytesToHex(effect.topic));
        if (connection.found !== "incoming") rememberAddress(connection);
        deps.chunks.sourcesChanged();
        deps.changed();
        return;
      }
      case "topicUnshared": {
        const key = bytesToHex(effect.topic);
        noteCopy(connection, effect.topic);
        connection.shared.delete(key);
        connection.devices.delete(key);
        connection.held.delete(key);
        connection.synced.delete(key);
        connection.windows.delete(key);
        deps.chunks.sourcesChanged();
        deps.changed();
        return;
      }
      case "topicSynced": {
        connection.synced.add(bytesToHex(effect.topic));
        const topic = repositories.topicByPk(effect.topic);
        const oids = topic === undefined ? [] : store.entries.undelivered(topic.n, MAX_ASKED);
        if (oids.length > 0) dispatch(connection, { type: "askDelivered", topic: effect.topic, oids });
        deps.changed();
        return;
      }
      case "topicHeld":
        connection.held.add(bytesToHex(effect.topic));
        noteCopy(connection, effect.topic);
        return;
      case "deviceProved":
        onDevice(connection, effect.topic, effect.device);
        return;
      case "delivered": {
        const written = store.transaction(
          () => store.entries.markDelivered(effect.oids) + store.checkpoints.markDelivered(effect.oids),
        );
        if (written.ok && written.value > 0) deps.delivered();
        return;
      }
      case "chunkRequested": {
        const { request, id } = effect;
        const repository = repositories.topicByPk(effect.topic)?.repository ?? null;
        const answer = (bytes: Uint8Array | null): void => dispatch(connection, { type: "chunkRead", request, bytes });
        if (repository === null || !isCurrent(effect.topic)) answer(null);
        else void deps.chunks.serve(repository, id).then(answer);
        return;
      }
      case "chunkReceived": {
        const repository = repositories.topicByPk(effect.topic)?.repository ?? null;
        if (repository !== null) deps.chunks.received(connection.id, repository, effect.id, effect.bytes);
        return;
      }
      case "peerViolated":
        log.info("peer broke a rule", { rule: effect.rule });
        end(
          connection,
          "lost",
          effect.refused === undefined ? `The other side broke rule ${effect.rule}.` : versionWords(effect.refused),
        );
        return;
      default:
        exhaustive(effect);
    }
  };

  /** Whether the peer holds all items of every topic of the repository that this device follows. */
  const holdsAll = (connection: Connection, repository: Repository): boolean =>
    repositories
      .topics()
      .filter(({ repository: n, kind }) => n === repository.n && kind === "epoch")
      .every(({ pk }) => connection.held.has(bytesToHex(pk)));

  const noteCopy = (connection: Connection, topicPk: Uint8Array): void => {
    const topic = connection.shared.get(bytesToHex(topicPk));
    const repository = topic === undefined ? undefined : repositoryOf(topic);
    const device = connection.devices.get(bytesToHex(topicPk));
    if (repository === undefined || device === undefined) return;
    if (holdsAll(connection, repository)) deps.copies.complete(repository, device);
    else deps.copies.seen(repository, device);
  };

  /** Files are given to who holds the newest keys: a removed device keeps following the topics of its time. */
  const isCurrent = (pk: Uint8Array): boolean => {
    const topic = repositories.topicByPk(pk);
    return topic?.kind === "epoch" && topic.state === "current";
  };
  const topicFor = (connection: Connection, repository: number): TopicRow | undefined =>
    [...connection.shared.values()].find((topic) => isCurrent(topic.pk) && topic.repository === repository);

  const rememberAddress = (connection: Connection): void => {
    const found = connection.found === "mdns" ? "mdns" : "manual";
    const { address } = connection.link;
    const written = store.transaction(() => store.addresses.put({ address, found, lastOk: clock.unix() }));
    if (!written.ok) log.warn("address not remembered", { fault: written.error.type });
  };

  const onDevice = (connection: Connection, topicPk: Uint8Array, device: Uint8Array): void => {
    const topic = connection.shared.get(bytesToHex(topicPk));
    const repository = topic === undefined ? undefined : repositoryOf(topic);
    if (repository === undefined) return;
    const isNew = ![...connection.devices.values()].some((known) => bytesEqual(known, device));
    connection.devices.set(bytesToHex(topicPk), device);
    noteCopy(connection, topicPk);
    if (isNew) deps.deviceSeen(device);
    deps.changed();
    closeDuplicate(connection, device);
  };

  /**
   * Two nodes that find each other dial at the same moment, and over IPv4 and IPv6: both keep the link whose initiator has the
   * smaller device key and, of several such, the one with the smallest handshake hash, so that both close the same ones.
   */
  const closeDuplicate = (connection: Connection, device: Uint8Array): void => {
    if (bytesEqual(device, profile.device.publicKey)) return;
    const own = profile.device.publicKey;
    const rank = (one: Connection): boolean => compareBytes(own, device) < 0 === (one.link.role === "initiator");
    for (const other of connections.values()) {
      if (other === connection || other.ended) continue;
      if (![...other.devices.values()].some((key) => bytesEqual(key, device))) continue;
      const better =
        rank(other) === rank(connection)
          ? compareBytes(other.link.handshakeHash, connection.link.handshakeHash) < 0
          : rank(other);
      const loser = better ? connection : other;
      duplicates.set(loser.link.address, bytesToHex(device));
      end(loser, "duplicate", "The same device is connected already.");
      if (loser === connection) return;
    }
  };

  const onLive = (connection: Connection, topicPk: Uint8Array, wire: Uint8Array): void => {
    const key = bytesToHex(topicPk);
    const topic = connection.shared.get(key);
    const repository = topic === undefined ? undefined : repositoryOf(topic);
    const window = connection.windows.get(key);
    if (topic === undefined || repository === undefined || window === undefined) return;
    const item = proxyCheck(crypto, wire);
    if (!item.ok || item.value.kind !== ITEM_KINDS.live || !bytesEqual(item.value.topicPk, topicPk)) return;
    const plaintext = openItem(crypto, item.value, topic.readKey);
    if (!plaintext.ok) return;
    const message = readLive(crypto, topicPk, plaintext.value);
    if (!message.ok) return;
    const next = acceptLive(window, message.value);
    if (next === undefined) return;
    connection.windows.set(key, next);
    const { devSig, sess, data } = message.value;
    if (data.type === "changes" && !repository.access.isWriter(devSig)) return;
    deps.liveReceived(repository, { device: devSig, session: sess }, data);
  };

  const end = (connection: Connection, why: "stranger" | "duplicate" | "lost", reason: string): void => {
    if (connection.ended) return;
    for (const topic of connection.devices.keys()) noteCopy(connection, hexToBytes(topic) as Uint8Array);
    connection.ended = true;
    connection.timer?.();
    connections.delete(connection.id);
    connection.link.close();
    deps.chunks.sourcesChanged();
    dialer.ended(connection.link.address, why, reason);
    for (const device of new Set([...connection.devices.values()].map(bytesToHex)))
      deps.deviceSeen(hexToBytes(device) as Uint8Array);
    if (why === "lost")
      for (const device of connection.devices.values())
        for (const [address, other] of duplicates)
          if (other === bytesToHex(device)) {
            duplicates.delete(address);
            dialer.ended(address, "lost", reason);
          }
    deps.changed();
  };

  const accept = (link: Link, found: Found): void => {
    if (stopped || connections.size >= MAX_LINKS) {
      link.close();
      return;
    }
    const machine = createPeerSession(
      { crypto, random: random.fork("peer-session"), items },
      { handshakeHash: link.handshakeHash, role: link.role },
    );
    const connection: Connection = {
      id: bytesToHex(random.bytes(8)),
      link,
      found,
      machine,
      shared: new Map(),
      devices: new Map(),
      challenge: link.handshakeHash.slice(0, CHALLENGE_BYTES),
      windows: new Map(),
      held: new Set(),
      synced: new Set(),
      timer: undefined,
      ended: false,
    };
    connections.set(connection.id, connection);
    dispatch(connection, { type: "opened", topics: followed() });
    link.start({
      message: (bytes) => {
        const message = decodePeerMessage(bytes);
        if (message.ok) dispatch(connection, { type: "messageReceived", message: message.value });
        else end(connection, "lost", "The other side sent a message that cannot be read.");
      },
      closed: (reason) => end(connection, "lost", reason),
    });
    clock.after(STRANGER_TIMEOUT, () => {
      if (connection.shared.size === 0) end(connection, "stranger", "This node shares no notebook with you.");
    });
    deps.changed();
  };

  const dialer = createConnections({
    links,
    clock,
    random: random.fork("dialer"),
    store,
    log,
    connected: accept,
    changed: () => deps.changed(),
  });

  const nameOf = (connection: Connection): string | null => {
    for (const [topic, device] of connection.devices) {
      const row = connection.shared.get(topic);
      const repository = row === undefined ? undefined : repositoryOf(row);
      const member = repository?.access.memberOfDevice(device);
      if (repository === undefined || member === undefined) continue;
      const name = memberNames(store, repository)[bytesToHex(member.idRoot)];
      if (name !== undefined) return name;
    }
    return null;
  };

  const notebooksOf = ({ shared }: Connection): readonly string[] => {
    const common = new Set([...shared.values()].map((topic) => repositoryOf(topic)));
    return repositories.all().flatMap((repository) => (common.has(repository) ? repository.id : []));
  };

  const describe = (connection: Connection): Peer => ({
    id: connection.id,
    name: nameOf(connection),
    address: connection.link.address,
    state: "connected",
    found: connection.found,
    notebooks: notebooksOf(connection),
    reason: "",
    stage: connectionStage(connection.shared.size, connection.devices.size, connection.synced.size),
    remedy: "",
  });

  return {
    open: () => {
      cancelDiscovery = clock.after(DISCOVERY_DELAY, () =>
        discovery?.start(listening.port, (address) => dialer.offer(address, "mdns")),
      );
      for (const { address, found } of store.addresses.all())
        dialer.offer(address, found === "mdns" ? "mdns" : "remembered");
    },
    accept: (link) => accept(link, "incoming"),
    list: () => {
      const up = [...connections.values()].map(describe);
      const reached = new Set([...connections.values()].map(({ link }) => link.address));
      const others = dialer
        .candidates()
        .filter(({ address, state }) => state !== "connected" && !reached.has(address))
        .map((candidate): Peer => ({
          id: candidate.address,
          name: null,
          address: candidate.address,
          state: candidate.state === "dialing" ? "connecting" : "waiting",
          found: candidate.found,
          notebooks: [],
          reason: candidate.reason,
          ...candidateStage(candidate),
        }));
      return [...up, ...others];
    },
    visible: () => {
      const seen = [
        ...[...connections.values()].map(({ link }) => link.address),
        ...dialer
          .candidates()
          .filter(({ state, reason }) => state !== "waiting" && (state !== "dialing" || reason === ""))
          .map(({ address }) => address),
      ].map((address) => address.slice(0, address.lastIndexOf(":")));
      const ipv6 = new Set(seen.filter((host) => host.startsWith("[")));
      const others = new Set(seen.filter((host) => !host.startsWith("[")));
      return Math.max(ipv6.size, others.size);
    },
    listening: () => listening.addresses,
    connect: async (address) => {
      const dialled = await dialer.dialNow(address, "manual");
      if (!dialled.ok) return err(linkFailure(dialled.error));
      const connection = [...connections.values()].find(({ link }) => link === dialled.value);
      return connection === undefined ? err(contractError("PeerUnreachable")) : ok(describe(connection));
    },
    offer: (address) => dialer.offer(address, "manual"),
    topicsChanged: () => {
      if (stopped) return;
      const topics = followed();
      for (const connection of connections.values()) dispatch(connection, { type: "topicsChanged", topics });
      dialer.wake();
    },
    stored: (topic, item, source) => {
      for (const connection of connections.values())
        if (connection !== source) {
          connection.held.delete(bytesToHex(topic.pk));
          dispatch(connection, { type: "itemStored", topic: topic.pk, oid: item.oid, wire: item.wire });
        }
    },
    sendLive: (repository, session, data) => {
      // Until the keys are changed, who was put out could still read along: the entry waits for that, and so does this.
      if (repository.epoch.topicKey === null || !repositories.hasFreshKeys(repository)) return false;
      const { topicKey, readKey, topicPk } = repository.epoch;
      const key = bytesToHex(topicPk);
      let sent = false;
      for (const connection of connections.values()) {
        if (!connection.shared.has(key)) continue;
        const plaintext = signLive(profile.device, topicPk, {
          sess: session,
          counter: liveCounter++,
          challenge: connection.challenge,
          data,
        });
        const item = sealItem(
          crypto,
          { kind: ITEM_KINDS.live, topicKey, gen: 0, salt: random.bytes(16) },
          readKey,
          plaintext,
        );
        // Too large to send ahead: the entry brings it.
        if (!item.ok) return sent;
        dispatch(connection, { type: "sendLive", topic: topicPk, wire: item.value.wire });
        sent = true;
      }
      return sent;
    },
    chunkSources: (repository) =>
      [...connections.values()]
        .filter((connection) => topicFor(connection, repository) !== undefined)
        .map(({ id }) => id),
    fetchChunk: (source, repository, id, urgent) => {
      const connection = connections.get(source);
      const topic = connection === undefined ? undefined : topicFor(connection, repository);
      if (connection === undefined || topic === undefined) deps.chunks.received(source, repository, id, null);
      else dispatch(connection, { type: "fetchChunk", topic: topic.pk, id, urgent });
    },
    present: (repository) =>
      [...connections.values()].flatMap((connection): PresentMember[] => {
        for (const [key, topic] of connection.shared) {
          const device = topic.repository === repository.n ? connection.devices.get(key) : undefined;
          const member = device === undefined ? undefined : repository.access.memberOfDevice(device);
          if (device !== undefined && member !== undefined)
            return [{ repository, device, idRoot: member.idRoot, holdsAll: holdsAll(connection, repository) }];
        }
        return [];
      }),
    connectedTo: (repository) =>
      [...connections.values()].filter((connection) =>
        [...connection.shared.values()].some((topic) => topic.repository === repository.n),
      ).length,
    devices: () => [...connections.values()].flatMap(({ devices }) => [...devices.values()]),
    wake: () => {
      for (const { link } of connections.values()) link.probe();
      discovery?.refresh();
      dialer.wake();
    },
    stop: async () => {
      stopped = true;
      dialer.stop();
      for (const connection of connections.values()) {
        for (const topic of connection.devices.keys()) noteCopy(connection, hexToBytes(topic) as Uint8Array);
        connection.ended = true;
        connection.timer?.();
        connection.link.close();
      }
      connections.clear();
      cancelDiscovery?.();
      await discovery?.stop();
    },
  };
};
