import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { randomUnit } from "../../protocol/kernel/random.ts";
import { durationMs } from "../../protocol/kernel/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Link, LinkError, LinkFault, Links } from "../ports/links.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";

export type Found = "mdns" | "remembered" | "manual" | "incoming";

/** A way to reach a node, with what became of the last attempt. */
export interface Candidate {
  readonly address: string;
  readonly found: Found;
  state: "idle" | "dialing" | "connected" | "waiting" | "stranger";
  reason: string;
  /** What stood in the way of the last attempt. */
  fault: LinkFault | undefined;
}

interface Tracked extends Candidate {
  failures: number;
  retry: (() => void) | undefined;
}

export interface Connections {
  readonly candidates: () => readonly Candidate[];
  /** Learns an address and dials it unless a link to it exists. */
  readonly offer: (address: string, found: Found) => void;
  readonly dialNow: (address: string, found: Found) => Promise<Result<Link, LinkError>>;
  /** A link of `address` ended; `stranger` when the other side shares no topic with us. */
  readonly ended: (address: string, why: "stranger" | "duplicate" | "lost", reason: string) => void;
  /** Tries everyone again: the network came back, the computer woke, or there is a new topic to ask about. */
  readonly wake: () => void;
  readonly stop: () => void;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 300_000;
const JITTER = 0.3;
/** Nodes met by mDNS come and go; forgotten after this many failures in a row (they announce themselves again). */
const FORGET_AFTER = 8;
/** More nodes than this on one LAN are not dialled; a conference hall has fewer that share a notebook. */
const MAX_CANDIDATES = 512;

/** Decides whom to dial and when: exponential backoff from 1 s to 5 min with 30 % jitter (data.md section 9.2). */
export const createConnections = (deps: {
  readonly links: Links;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly store: Store;
  readonly log: Log;
  readonly connected: (link: Link, found: Found) => void;
  readonly changed: () => void;
}): Connections => {
  const { links, clock, random, store, log } = deps;
  const tracked = new Map<string, Tracked>();
  let stopped = false;

  const remember = (address: string, found: Found): void => {
    if (found === "incoming") return;
    const written = store.transaction(() =>
      store.addresses.put({ address, found: found === "mdns" ? "mdns" : "manual", lastOk: clock.unix() }),
    );
    if (!written.ok) log.warn("address not remembered", { fault: written.error.type });
  };

  const track = (address: string, found: Found): Tracked => {
    const known = tracked.get(address);
    if (known !== undefined) return known;
    const fresh: Tracked = {
      address,
      found,
      state: "idle",
      reason: "",
      fault: undefined,
      failures: 0,
      retry: undefined,
    };
    tracked.set(address, fresh);
    return fresh;
  };

  const attempt = async (candidate: Tracked): Promise<Result<Link, LinkError>> => {
    candidate.retry?.();
    candidate.retry = undefined;
    candidate.state = "dialing";
    deps.changed();
    const dialled = await links.dial(candidate.address);
    if (stopped) {
      if (dialled.ok) dialled.value.close();
      return err({ type: "PeerUnreachable", message: "stopping" });
    }
    if (!dialled.ok) {
      candidate.failures++;
      candidate.state = "waiting";
      candidate.reason = dialled.error.message;
      candidate.fault = dialled.error.fault;
      log.debug("dial failed", { address: candidate.address, reason: dialled.error.type });
      if (candidate.found === "mdns" && candidate.failures >= FORGET_AFTER) tracked.delete(candidate.address);
      else retryLater(candidate);
      deps.changed();
      return dialled;
    }
    candidate.failures = 0;
    candidate.state = "connected";
    candidate.reason = "";
    candidate.fault = undefined;
    deps.connected(dialled.value, candidate.found);
    return ok(dialled.value);
  };

  const retryLater = (candidate: Tracked): void => {
    const base = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** candidate.failures);
    const delay = base * (1 + JITTER * (2 * randomUnit(random) - 1));
    candidate.retry?.();
    candidate.retry = clock.after(durationMs(delay), () => {
      candidate.retry = undefined;
      if (candidate.state === "waiting") void attempt(candidate);
    });
  };

  return {
    candidates: () => [...tracked.values()],
    offer: (address, found) => {
      if (stopped || (tracked.size >= MAX_CANDIDATES && !tracked.has(address))) return;
      const candidate = track(address, found);
      if (candidate.state === "idle") void attempt(candidate);
      else if (candidate.state === "waiting" && found === "mdns") {
        // It just announced itself, so it is there now.
        candidate.failures = 0;
        void attempt(candidate);
      }
    },
    dialNow: async (address, found) => {
      const candidate = track(address, found);
      const dialled = await attempt(candidate);
      if (dialled.ok) remember(address, found);
      else if (dialled.error.type === "BadAddress") {
        candidate.retry?.();
        tracked.delete(address);
      }
      return dialled;
    },
    ended: (address, why, reason) => {
      const candidate = tracked.get(address);
      if (candidate === undefined || stopped) return;
      candidate.reason = reason;
      if (why === "lost") {
        candidate.state = "waiting";
        retryLater(candidate);
      } else candidate.state = why === "stranger" ? "stranger" : "connected";
      deps.changed();
    },
    wake: () => {
      for (const candidate of tracked.values())
        if (candidate.state === "waiting" || candidate.state === "stranger") {
          candidate.failures = 0;
          void attempt(candidate);
        }
    },
    stop: () => {
      stopped = true;
      for (const candidate of tracked.values()) candidate.retry?.();
    },
  };
};
