// RingCast: Voulgaris, van Steen, "Hybrid Dissemination: Adding Determinism to Probabilistic Multicasting in Large-Scale P2P
// Systems" (2007). Lazy mode after PlumTree: Leitao, Pereira, Rodrigues, "Epidemic Broadcast Trees" (2007).
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { Machine } from "../kernel/machine.ts";
import type { RandomSource } from "../kernel/random.ts";
import { after, durationMs, earliest, type MonotonicMs } from "../kernel/time.ts";
import type { RingCastConfig } from "./config.ts";
import { createHistory, type History } from "./history.ts";
import type { MessageId, RingCastEffect, RingCastEvent, RingCastMessage, TopicTag } from "./messages.ts";
import { type Direction, type RingLinks, sampleMembers, targetsOf } from "./targets.ts";
import { createTree, type Tree } from "./tree.ts";

export interface RingCast extends Machine<RingCastEvent, RingCastEffect> {
  readonly history: History;
}

export interface RingCastOptions {
  readonly config: RingCastConfig;
  /** Links of a topic; `undefined` for a topic this node does not subscribe to. */
  readonly links: (topic: TopicTag) => RingLinks | undefined;
  /** Whether the payload is what its id says, for that topic; a message that is not is dropped before it travels on. */
  readonly isAuthentic: (topic: TopicTag, id: MessageId, payload: Uint8Array) => boolean;
  readonly random: RandomSource;
}

interface RingSend {
  readonly topic: TopicTag;
  readonly id: MessageId;
  readonly direction: Direction;
  readonly attempt: number;
  readonly deadline: MonotonicMs;
}

interface Pull {
  readonly topic: TopicTag;
  readonly announcers: NodeId[];
  deadline: MonotonicMs;
  attempts: number;
}

/** Ids in one announcement: with 32 bytes each they stay below 16 KiB. */
export const MAXIMUM_IDS = 512;
/** Announcements still waiting to be pulled; beyond it new ones are ignored and found again by a later heartbeat. */
const MAXIMUM_PULLS = 4_096;
/** Announcers remembered per missing message: enough to survive a fifth of them being dead. */
const MAXIMUM_ANNOUNCERS = 6;
/** A pull that failed is tried sooner at the next announcer (PlumTree's second, shorter timer). */
const NEXT_PULL_DIVISOR = 2;
/** Heartbeats announce the ids of this many of them (gossipsub 1.1: history of three windows). */
const ANNOUNCED_HEARTBEATS = 3;
const MAXIMUM_HOPS = 255;

export const createRingCast = ({ config, links, isAuthentic, random }: RingCastOptions): RingCast => {
  const history = createHistory(config);
  const sends = new Map<NodeId, RingSend[]>();
  const pulls = new Map<MessageId, Pull>();
  const trees = new Map<TopicTag, Tree>();
  const lastTraffic = new Map<TopicTag, MonotonicMs>();
  let nextHeartbeat: MonotonicMs | undefined;

  const send = (
    to: NodeId,
    route: VerifiedDescriptor | undefined,
    message: RingCastMessage,
    effects: RingCastEffect[],
  ): void => {
    effects.push({ type: "send", to, route, message });
  };

  const treeOf = (topic: TopicTag): Tree => {
    let tree = trees.get(topic);
    if (tree === undefined) {
      tree = createTree(config.treeLinks);
      trees.set(topic, tree);
    }
    return tree;
  };

  const sendOnRing = (
    topic: TopicTag,
    id: MessageId,
    descriptor: VerifiedDescriptor,
    direction: Direction,
    attempt: number,
    now: MonotonicMs,
    effects: RingCastEffect[],
  ): void => {
    const kept = history.get(id);
    if (kept === undefined) return;
    const hops = Math.min(kept.hops + 1, MAXIMUM_HOPS);
    send(descriptor.id, descriptor, { type: "publish", topic, id, hops, link: "ring", payload: kept.payload }, effects);
    if (config.failOver === 0) return;
    // Without acknowledgements an entry still waits for a refused connection to be reported.
    const deadline = after(now, durationMs(config.ackTimeoutMs === 0 ? 1_000 : config.ackTimeoutMs));
    const waiting = sends.get(descriptor.id);
    const entry: RingSend = { topic, id, direction, attempt, deadline };
    if (waiting === undefined) sends.set(descriptor.id, [entry]);
    else waiting.push(entry);
  };

  const forward = (
    topic: TopicTag,
    id: MessageId,
    from: NodeId | undefined,
    payload: Uint8Array,
    hops: number,
    now: MonotonicMs,
    effects: RingCastEffect[],
  ): void => {
    const known = links(topic);
    if (known === undefined) return;
    const next = Math.min(hops + 1, MAXIMUM_HOPS);
    if (config.mode === "lazy") {
      const tree = treeOf(topic);
      tree.refresh(known, random);
      for (const { peer, route } of tree.eager())
        if (peer !== from)
          send(peer, route, { type: "publish", topic, id, hops: next, link: "tree", payload }, effects);
      tree.postpone(id, from, after(now, config.announceAfterMs));
      return;
    }
    if (config.mode === "randomOnly") {
      for (const route of sampleMembers(known.members, config.fanout, from, [], random))
        send(route.id, route, { type: "publish", topic, id, hops: next, link: "random", payload }, effects);
      return;
    }
    const fanout = from === undefined ? Math.max(config.fanout, config.ownFanout) : config.fanout;
    const targets = targetsOf(known, from, fanout, random);
    for (const { descriptor, direction } of targets.ring) sendOnRing(topic, id, descriptor, direction, 0, now, effects);
    for (const route of targets.random)
      send(route.id, route, { type: "publish", topic, id, hops: next, link: "random", payload }, effects);
  };

  const noteTraffic = (topic: TopicTag, now: MonotonicMs): void => {
    if (config.heartbeatMs === 0) return;
    lastTraffic.set(topic, now);
    nextHeartbeat ??= after(now, config.heartbeatMs);
  };

  const publishReceived = (
    from: NodeId,
    message: RingCastMessage & { readonly type: "publish" },
    now: MonotonicMs,
    effects: RingCastEffect[],
  ): void => {
    const { topic, id, hops, link, payload } = message;
    if (links(topic) === undefined) return violated(from, "RNG-10", effects);
    if (link === "ring" && config.ackTimeoutMs > 0) send(from, undefined, { type: "acknowledge", topic, id }, effects);
    if (history.hasSeen(id)) {
      // A second payload over the tree closes a cycle: the later link becomes lazy (PlumTree section 3.4).
      if (config.mode !== "lazy") return;
      treeOf(topic).heard(id, from);
      if (link === "tree" && treeOf(topic).makeLazy(from)) send(from, undefined, { type: "prune", topic }, effects);
      return;
    }
    if (!isAuthentic(topic, id, payload)) return violated(from, "RNG-11", effects);
    history.note(id, { topic, payload, hops, at: now });
    pulls.delete(id);
    if (config.mode === "lazy") treeOf(topic).makeEager(from);
    noteTraffic(topic, now);
    effects.push({ type: "deliver", topic, id, payload, hops });
    forward(topic, id, from, payload, hops, now, effects);
  };

  const announceReceived = (
    from: NodeId,
    topic: TopicTag,
    ids: readonly MessageId[],
    now: MonotonicMs,
    effects: RingCastEffect[],
  ): void => {
    if (links(topic) === undefined) return violated(from, "RNG-10", effects);
    if (ids.length > MAXIMUM_IDS) return violated(from, "RNG-12", effects);
    const tree = config.mode === "lazy" ? treeOf(topic) : undefined;
    for (const id of ids) {
      tree?.heard(id, from);
      if (history.hasSeen(id)) continue;
      const pull = pulls.get(id);
      if (pull !== undefined) {
        if (pull.announcers.length < MAXIMUM_ANNOUNCERS && !pull.announcers.includes(from)) pull.announcers.push(from);
      } else if (pulls.size < MAXIMUM_PULLS) {
        // In plain mode an announcement is a repair: whatever it names should have come by push.
        const wait = tree === undefined ? durationMs(0) : config.pullAfterMs;
        pulls.set(id, { topic, announcers: [from], deadline: after(now, wait), attempts: 0 });
      }
    }
    runPulls(now, effects);
  };

  const runPulls = (now: MonotonicMs, effects: RingCastEffect[]): void => {
    const wanted = new Map<NodeId, { topic: TopicTag; ids: MessageId[] }[]>();
    for (const [id, pull] of pulls) {
      if (pull.deadline > now) continue;
      const announcer = pull.announcers.shift();
      if (announcer === undefined) {
        pulls.delete(id);
        continue;
      }
      pull.attempts++;
      pull.deadline = after(now, durationMs(Math.max(1, config.pullAfterMs / NEXT_PULL_DIVISOR)));
      if (config.mode === "lazy") treeOf(pull.topic).makeEager(announcer);
      const batches = wanted.get(announcer) ?? [];
      wanted.set(announcer, batches);
      const batch = batches.find((each) => each.topic === pull.topic && each.ids.length < MAXIMUM_IDS);
      if (batch === undefined) batches.push({ topic: pull.topic, ids: [id] });
      else batch.ids.push(id);
    }
    for (const [to, batches] of wanted)
      for (const { topic, ids } of batches) send(to, undefined, { type: "want", topic, ids }, effects);
  };

  const wantReceived = (from: NodeId, topic: TopicTag, ids: readonly MessageId[], effects: RingCastEffect[]): void => {
    if (links(topic) === undefined) return violated(from, "RNG-10", effects);
    if (ids.length > MAXIMUM_IDS) return violated(from, "RNG-12", effects);
    if (config.mode === "lazy") treeOf(topic).makeEager(from);
    for (const id of ids) {
      const kept = history.get(id);
      if (kept?.topic !== topic) continue;
      const hops = Math.min(kept.hops + 1, MAXIMUM_HOPS);
      send(from, undefined, { type: "publish", topic, id, hops, link: "pull", payload: kept.payload }, effects);
    }
  };

  const catchUpReceived = (
    from: NodeId,
    topic: TopicTag,
    known: readonly string[],
    now: MonotonicMs,
    effects: RingCastEffect[],
  ): void => {
    if (links(topic) === undefined) return violated(from, "RNG-10", effects);
    const held = new Set(known);
    const missing = history
      .recent(topic, after(now, durationMs(-config.historyMs)), config.historyLength)
      .filter((id) => !held.has(id.slice(0, KNOWN_CHARACTERS)));
    for (let at = 0; at < missing.length; at += MAXIMUM_IDS)
      send(from, undefined, { type: "announce", topic, ids: missing.slice(at, at + MAXIMUM_IDS) }, effects);
  };

  const ringChanged = (topic: TopicTag, now: MonotonicMs, effects: RingCastEffect[]): void => {
    const known = links(topic);
    if (known === undefined) return;
    const ids = history.recent(topic, after(now, durationMs(-config.historyMs)), config.historyLength);
    const held = ids.map((id) => id.slice(0, KNOWN_CHARACTERS));
    for (const route of ringNeighbors(known)) send(route.id, route, { type: "catchUp", topic, known: held }, effects);
  };

  const heartbeat = (now: MonotonicMs, effects: RingCastEffect[]): void => {
    nextHeartbeat = undefined;
    for (const [topic, at] of lastTraffic) {
      // The tree's lazy links announce already; one random member bridges what they might leave apart.
      const isLazy = config.mode === "lazy";
      const since = after(now, durationMs(-(isLazy ? 1 : ANNOUNCED_HEARTBEATS) * config.heartbeatMs));
      const known = links(topic);
      if (known === undefined || at < since) {
        lastTraffic.delete(topic);
        continue;
      }
      const ids = history.recent(topic, since, MAXIMUM_IDS);
      const ring = ringNeighbors(known);
      const near = ring.map((descriptor) => ({ descriptor }));
      const [stranger] = sampleMembers(known.members, 1, undefined, near, random);
      for (const route of isLazy ? [] : ring) send(route.id, route, { type: "announce", topic, ids }, effects);
      if (stranger !== undefined) send(stranger.id, stranger, { type: "announce", topic, ids }, effects);
    }
    if (lastTraffic.size > 0) nextHeartbeat = after(now, config.heartbeatMs);
  };

  const announceOnTrees = (now: MonotonicMs, effects: RingCastEffect[]): void => {
    for (const [topic, tree] of trees)
      for (const { link, ids } of tree.dueAnnouncements(now))
        for (let at = 0; at < ids.length; at += MAXIMUM_IDS)
          send(link.peer, link.route, { type: "announce", topic, ids: ids.slice(at, at + MAXIMUM_IDS) }, effects);
  };

  const failOver = (
    peer: NodeId,
    isFailed: (entry: RingSend) => boolean,
    now: MonotonicMs,
    effects: RingCastEffect[],
  ): void => {
    const waiting = sends.get(peer);
    if (waiting === undefined) return;
    const failed = waiting.filter(isFailed);
    const rest = waiting.filter((entry) => !isFailed(entry));
    if (rest.length === 0) sends.delete(peer);
    else sends.set(peer, rest);
    for (const { topic, id, direction, attempt } of failed) {
      if (attempt >= config.failOver) continue;
      const known = links(topic);
      const line = direction === "successor" ? known?.successors : known?.predecessors;
      const at = line?.findIndex((descriptor) => descriptor.id === peer) ?? -1;
      // The peer may have left the ring view already: then its place has been taken by the next one.
      const spare = at >= 0 ? line?.[at + 1] : line?.[0];
      if (spare !== undefined) sendOnRing(topic, id, spare, direction, attempt + 1, now, effects);
    }
  };

  const expireSends = (now: MonotonicMs, effects: RingCastEffect[]): void => {
    for (const [peer, waiting] of sends) {
      if (!waiting.some((entry) => entry.deadline <= now)) continue;
      if (config.ackTimeoutMs > 0) {
        effects.push({ type: "peerSuspected", peer });
        failOver(peer, (entry) => entry.deadline <= now, now, effects);
      } else sends.delete(peer);
    }
  };

  const nextDeadline = (): MonotonicMs | undefined => {
    let next = nextHeartbeat;
    for (const waiting of sends.values()) for (const { deadline } of waiting) next = earliest([next, deadline]);
    for (const { deadline } of pulls.values()) next = earliest([next, deadline]);
    for (const tree of trees.values()) next = earliest([next, tree.nextDeadline()]);
    return next;
  };

  const received = (from: NodeId, message: RingCastMessage, now: MonotonicMs): RingCastEffect[] => {
    const effects: RingCastEffect[] = [];
    switch (message.type) {
      case "publish":
        publishReceived(from, message, now, effects);
        return effects;
      case "acknowledge": {
        const rest = sends.get(from)?.filter(({ id }) => id !== message.id);
        if (rest === undefined || rest.length === 0) sends.delete(from);
        else sends.set(from, rest);
        return effects;
      }
      case "announce":
        announceReceived(from, message.topic, message.ids, now, effects);
        return effects;
      case "want":
        wantReceived(from, message.topic, message.ids, effects);
        return effects;
      case "prune":
        trees.get(message.topic)?.makeLazy(from);
        return effects;
      case "catchUp":
        catchUpReceived(from, message.topic, message.known, now, effects);
        return effects;
      default:
        return exhaustive(message);
    }
  };

  return {
    history,
    nextDeadline,
    handle: (event, now) => {
      if (event.type === "messageReceived") return received(event.from, event.message, now);
      const effects: RingCastEffect[] = [];
      switch (event.type) {
        case "deadlineReached":
          expireSends(now, effects);
          runPulls(now, effects);
          announceOnTrees(now, effects);
          if (nextHeartbeat !== undefined && nextHeartbeat <= now) heartbeat(now, effects);
          return effects;
        case "peerUnreachable":
          for (const tree of trees.values()) tree.remove(event.peer);
          for (const pull of pulls.values()) {
            const at = pull.announcers.indexOf(event.peer);
            if (at >= 0) pull.announcers.splice(at, 1);
          }
          failOver(event.peer, () => true, now, effects);
          return effects;
        case "publish":
          if (!history.note(event.id, { topic: event.topic, payload: event.payload, hops: 0, at: now })) return effects;
          noteTraffic(event.topic, now);
          forward(event.topic, event.id, undefined, event.payload, 0, now, effects);
          return effects;
        case "ringChanged":
          ringChanged(event.topic, now, effects);
          return effects;
        case "topicLeft":
          trees.delete(event.topic);
          lastTraffic.delete(event.topic);
          history.forgetTopic(event.topic);
          for (const [id, pull] of pulls) if (pull.topic === event.topic) pulls.delete(id);
          return effects;
        default:
          return exhaustive(event);
      }
    },
  };
};

/** Characters of base64url that hold the first nine bytes of an id. */
export const KNOWN_CHARACTERS = 12;

const ringNeighbors = ({ successors, predecessors }: RingLinks): VerifiedDescriptor[] => {
  const neighbors: VerifiedDescriptor[] = [];
  for (const descriptor of [successors[0], predecessors[0]])
    if (descriptor !== undefined && !neighbors.some(({ id }) => id === descriptor.id)) neighbors.push(descriptor);
  return neighbors;
};

const violated = (
  peer: NodeId,
  rule: (RingCastEffect & { readonly type: "peerViolated" })["rule"],
  effects: RingCastEffect[],
): void => {
  effects.push({ type: "peerViolated", peer, rule });
};
