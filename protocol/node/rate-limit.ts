import type { NodeId } from "../identity/node-id.ts";
import type { MonotonicMs } from "../kernel/time.ts";
import type { GossipMessage } from "./messages.ts";

/** What a message costs its receiver: answers are paid for by the request they answer. */
export type MessageClass = "exchange" | "join" | "find" | "dissemination" | "answer";

export interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
  /** Messages beyond the allowance that are dropped without blame. */
  readonly forgiven: number;
}

/** `dropped` is no offence yet: a busy honest peer may be above its allowance for a while. */
export type Admission = "admitted" | "dropped" | "excessive";

/**
 * Dropped without blame is three times the burst; walks of joiners are others' doing, and in a network of a few dozen
 * that starts at once hundreds of them pass between two nodes. Two exchanges per layer and period of ten seconds, four at once; one join; walks and probes for many topics come in
 * bursts; dissemination is bounded per peer at what a busy topic needs.
 */
export const allowances: Readonly<Record<Exclude<MessageClass, "answer">, Allowance>> = {
  exchange: { burst: 12, perSecond: 0.6, forgiven: 36 },
  join: { burst: 64, perSecond: 2, forgiven: 2_000 },
  find: { burst: 64, perSecond: 4, forgiven: 192 },
  dissemination: { burst: 512, perSecond: 100, forgiven: 1_536 },
};

export const classOf = (message: GossipMessage): MessageClass => {
  switch (message.type) {
    case "shuffleRequest":
    case "vicinityRequest":
    case "ringRequest":
      return "exchange";
    case "joinRequest":
    case "joinWalk":
      return "join";
    case "ringFind":
    case "ringLeave":
    case "catchUp":
      return "find";
    case "publish":
    case "announce":
    case "want":
      return "dissemination";
    default:
      return "answer";
  }
};

/** Token buckets per peer and class of message. */
export interface RateLimit {
  readonly admit: (peer: NodeId, message: GossipMessage, now: MonotonicMs) => Admission;
}

interface Bucket {
  tokens: number;
  dropped: number;
  at: MonotonicMs;
}

/** Peers remembered; a forgotten one starts with a full bucket again. */
const MAXIMUM_BUCKETS = 4_096;

/** `pace` as in the node's configuration. */
export const createRateLimit = (pace = 1): RateLimit => {
  const buckets = new Map<string, Bucket>();
  return {
    admit: (peer, message, now) => {
      const kind = classOf(message);
      if (kind === "answer") return "admitted";
      const { burst, perSecond, forgiven } = allowances[kind];
      const key = `${kind} ${peer}`;
      let bucket = buckets.get(key);
      if (bucket === undefined) {
        bucket = { tokens: burst, dropped: 0, at: now };
        buckets.set(key, bucket);
        if (buckets.size > MAXIMUM_BUCKETS)
          for (const oldest of buckets.keys()) {
            buckets.delete(oldest);
            break;
          }
      }
      const refill = ((now - bucket.at) / 1000) * (perSecond / Math.min(1, pace));
      bucket.tokens = Math.min(burst, bucket.tokens + refill);
      bucket.dropped = Math.max(0, bucket.dropped - refill);
      bucket.at = now;
      if (bucket.tokens >= 1) {
        bucket.tokens--;
        return "admitted";
      }
      bucket.dropped = Math.min(forgiven + 1, bucket.dropped + 1);
      return bucket.dropped > forgiven ? "excessive" : "dropped";
    },
  };
};
