import type { Discovery } from "../../../app/ports/discovery.ts";
import type { Link, Links } from "../../../app/ports/links.ts";
import { type RandomSource, randomBelow, shuffle } from "../../../protocol/kernel/random.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import type { PeerMessage } from "../../../protocol/peer/messages.ts";
import { decodePeerMessage, encodePeerMessage } from "../../../protocol/peer/wire.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Computers and what lies between them. */
export interface Network {
  /** Links of one run of a computer's node; they end with `isAlive`. */
  readonly linksOf: (host: number, isAlive: () => boolean, effect: () => void) => Links;
  readonly discoveryOf: (host: number, isAlive: () => boolean) => Discovery;
  /** Nobody reaches anybody outside of their own group; what was under way is lost. */
  readonly partition: (groupOf: (host: number) => number) => void;
  readonly canReach: (one: number, other: number) => boolean;
  /** The computer stops: its links hang until the others notice. */
  readonly drop: (host: number) => void;
  /** Ends one link in the middle of what it carries. */
  readonly cutOne: () => void;
  /** Everybody who is up hears of everybody they can reach. */
  readonly announce: () => void;
  /** Whatever crossed the network and could have been kept by somebody: wires of items, live ones too. */
  readonly captured: () => Iterable<Uint8Array>;
  readonly messages: () => number;
}

type Channel = "bulk" | "urgent";
type Handlers = Parameters<Link["start"]>[0];

interface End {
  readonly host: number;
  readonly isAlive: () => boolean;
  handlers: Handlers | undefined;
  readonly early: Uint8Array[];
  ended: string | undefined;
  /** When the last message sent from here arrives there. */
  readonly lastArrival: Record<Channel, number>;
}

interface Pipe {
  readonly ends: readonly [End, End];
  isCut: boolean;
}

const addressOf = (host: number): string => `198.51.100.${host + 1}:4000`;
const hostOf = (address: string): number => {
  const match = /^198\.51\.100\.(\d+):4000$/.exec(address);
  return match === null ? -1 : Number(match[1]) - 1;
};

/** Request ids of messages that are handed over once more; nodes count theirs from below. */
const REPLAY_REQUEST = 2_000_000_000;
/** Longest time until the other side of a link that died in silence notices. */
const NOTICE_MS = 50_000;
const SHUFFLED_PERCENT = 30;
const REPLAYED_PERCENT = 5;

export const createNetwork = (time: VirtualTime, random: RandomSource): Network => {
  const pipes = new Set<Pipe>();
  const listeners = new Map<number, { readonly accepted: (link: Link) => void; readonly isAlive: () => boolean }>();
  const searches = new Map<number, { readonly found: (address: string) => void; readonly isAlive: () => boolean }>();
  const captured = new Set<Uint8Array>();
  let groupOf: (host: number) => number = () => 0;
  let messages = 0;

  const canReach = (one: number, other: number): boolean => groupOf(one) === groupOf(other);

  const end = (side: End, reason: string): void => {
    if (side.ended !== undefined) return;
    side.ended = reason;
    if (side.isAlive()) side.handlers?.closed(reason);
  };
  const cut = (pipe: Pipe, noticeMs: () => number): void => {
    if (pipe.isCut) return;
    pipe.isCut = true;
    pipes.delete(pipe);
    for (const side of pipe.ends) time.after(noticeMs(), () => end(side, "The connection was lost."));
  };

  const capture = (message: PeerMessage): void => {
    if (message.type === "live") captured.add(message.wire);
    else if (message.type === "push" || message.type === "items") for (const wire of message.wires) captured.add(wire);
  };

  const deliver = (pipe: Pipe, from: End, to: End, bytes: Uint8Array, channel: Channel): void => {
    const latency = 1 + randomBelow(random, randomBelow(random, 20) === 0 ? 2_000 : 40);
    const arrival = Math.max(from.lastArrival[channel], time.now() + latency);
    from.lastArrival[channel] = arrival;
    time.after(arrival - time.now(), () => {
      if (pipe.isCut || to.ended !== undefined || !to.isAlive()) return;
      messages++;
      if (to.handlers === undefined) to.early.push(bytes);
      else to.handlers.message(bytes);
    });
  };

  /** What a peer may do at any time: give the items of a page in another order, and give once more what it gave before. */
  const disturb = (pipe: Pipe, from: End, to: End, bytes: Uint8Array, channel: Channel): void => {
    const decoded = decodePeerMessage(bytes);
    if (!decoded.ok) {
      deliver(pipe, from, to, bytes, channel);
      return;
    }
    const message = decoded.value;
    capture(message);
    // The answer to a repetition has nobody who waits for it.
    if (message.type === "pushed" && message.request >= REPLAY_REQUEST) return;
    const isPage = message.type === "push" || message.type === "items";
    const given =
      isPage && message.wires.length > 1 && randomBelow(random, 100) < SHUFFLED_PERCENT
        ? encodePeerMessage({ ...message, wires: shuffle(random, message.wires) })
        : bytes;
    deliver(pipe, from, to, given, channel);
    if ((message.type !== "push" && message.type !== "live") || randomBelow(random, 100) >= REPLAYED_PERCENT) return;
    const again: PeerMessage =
      message.type === "push"
        ? {
            ...message,
            request: REPLAY_REQUEST + randomBelow(random, 1_000_000),
            wires: shuffle(random, message.wires),
          }
        : message;
    time.after(randomBelow(random, 20_000), () => {
      if (!pipe.isCut) deliver(pipe, from, to, encodePeerMessage(again), channel);
    });
  };

  const linkOf = (
    pipe: Pipe,
    at: 0 | 1,
    handshakeHash: Uint8Array,
    remoteStatic: Uint8Array,
    effect: () => void,
  ): Link => {
    const own = pipe.ends[at];
    const other = pipe.ends[at === 0 ? 1 : 0];
    return {
      role: at === 0 ? "initiator" : "responder",
      handshakeHash,
      remoteStatic,
      address:
        at === 0 ? addressOf(other.host) : `198.51.100.${other.host + 1}:${50_000 + randomBelow(random, 10_000)}`,
      send: (message, channel) => {
        effect();
        if (own.ended === undefined && own.isAlive()) disturb(pipe, own, other, message.slice(), channel);
      },
      start: (handlers) => {
        own.handlers = handlers;
        for (const message of own.early.splice(0)) handlers.message(message);
        if (own.ended !== undefined) handlers.closed(own.ended);
      },
      probe: () => undefined,
      close: () => {
        if (own.ended !== undefined) return;
        own.ended = "Closed here.";
        if (!own.isAlive()) return;
        time.after(0, () => {
          if (own.isAlive()) own.handlers?.closed("Closed here.");
        });
        const arrival = Math.max(time.now() + 1, own.lastArrival.bulk, own.lastArrival.urgent);
        time.after(arrival - time.now(), () => {
          pipes.delete(pipe);
          end(other, "The other side ended the connection.");
        });
      },
    };
  };

  const tell = (from: number, to: number): void => {
    const search = searches.get(to);
    const announced = listeners.get(from);
    if (search === undefined || announced === undefined) return;
    time.after(randomBelow(random, 2_000), () => {
      if (search.isAlive() && announced.isAlive() && canReach(from, to)) search.found(addressOf(from));
    });
  };
  /** One of two that can reach each other hears of the other first. */
  const introduce = (one: number, other: number): void => {
    if (!canReach(one, other)) return;
    if (randomBelow(random, 2) === 0) tell(one, other);
    else tell(other, one);
  };

  return {
    canReach,
    linksOf: (host, isAlive, effect) => ({
      listen: (_host, _port, accepted) => {
        listeners.set(host, { accepted, isAlive });
        return Promise.resolve(ok({ port: 4000, addresses: [addressOf(host)] }));
      },
      dial: (address) =>
        new Promise((resolve) => {
          effect();
          const target = hostOf(address);
          time.after(1 + randomBelow(random, 30), () => {
            const listener = listeners.get(target);
            if (!isAlive()) return;
            if (listener === undefined || !listener.isAlive() || !canReach(host, target) || target === host) {
              resolve(err({ type: "PeerUnreachable", message: "Nobody answers." }));
              return;
            }
            const endOf = (at: number, alive: () => boolean): End => ({
              host: at,
              isAlive: alive,
              handlers: undefined,
              early: [],
              ended: undefined,
              lastArrival: { bulk: 0, urgent: 0 },
            });
            const pipe: Pipe = { ends: [endOf(host, isAlive), endOf(target, listener.isAlive)], isCut: false };
            pipes.add(pipe);
            const hash = random.bytes(32);
            const keys = [random.bytes(32), random.bytes(32)] as const;
            listener.accepted(linkOf(pipe, 1, hash, keys[0], () => undefined));
            resolve(ok(linkOf(pipe, 0, hash, keys[1], effect)));
          });
        }),
      stop: async () => {
        listeners.delete(host);
        for (const pipe of pipes)
          if (pipe.ends.some((side) => side.host === host && side.isAlive === isAlive)) cut(pipe, () => 1);
      },
    }),
    discoveryOf: (host, isAlive) => ({
      start: (_port, found) => {
        searches.set(host, { found, isAlive });
        for (const other of searches.keys()) if (other !== host) introduce(host, other);
      },
      refresh: () => {
        for (const other of searches.keys()) if (other !== host && canReach(host, other)) tell(other, host);
      },
      report: () => ({ lans: [], ignored: [], neighbours: searches.size, nodes: searches.size }),
      stop: async () => {
        if (searches.get(host)?.isAlive === isAlive) searches.delete(host);
      },
    }),
    partition: (given) => {
      groupOf = given;
      for (const pipe of pipes)
        if (!canReach(pipe.ends[0].host, pipe.ends[1].host)) cut(pipe, () => randomBelow(random, NOTICE_MS));
    },
    drop: (host) => {
      for (const pipe of pipes)
        if (pipe.ends.some((side) => side.host === host)) cut(pipe, () => randomBelow(random, NOTICE_MS));
    },
    cutOne: () => {
      const all = [...pipes];
      const pipe = all[randomBelow(random, Math.max(1, all.length))];
      if (pipe !== undefined) cut(pipe, () => randomBelow(random, 2_000));
    },
    announce: () => {
      const hosts = [...searches.keys()];
      for (const [index, one] of hosts.entries()) for (const other of hosts.slice(index + 1)) introduce(one, other);
    },
    captured: () => captured,
    messages: () => messages,
  };
};
