import { type DurationMs, durationMs } from "../kernel/time.ts";

export interface RingCastConfig {
  /** Links a node sends a new message over, ring links included (F in the paper). */
  readonly fanout: number;
  /** Links an own message leaves over at once, in plain mode; below `fanout` it changes nothing (paper). */
  readonly ownFanout: number;
  /** "randomOnly" is RandCast, the paper's comparison; "lazy" sends payloads along a tree and ids elsewhere. */
  readonly mode: "plain" | "randomOnly" | "lazy";
  /** Spare ring neighbors tried in the same direction when one fails; 0 in the paper. */
  readonly failOver: number;
  /** A ring neighbor that has not acknowledged by then is passed over; 0 asks for no acknowledgements. */
  readonly ackTimeoutMs: DurationMs;
  /** Stable random links per topic in lazy mode. */
  readonly treeLinks: number;
  /** Lazy mode: how long the tree may take to bring what an announcement promised. */
  readonly pullAfterMs: DurationMs;
  /** Lazy mode: announcements wait this long for company. */
  readonly announceAfterMs: DurationMs;
  /** Rhythm of announcing recent ids to ring neighbors while there is traffic. */
  readonly heartbeatMs: DurationMs;
  /** Messages kept for neighbors that missed them: by count, bytes and age. */
  readonly historyLength: number;
  readonly historyBytes: number;
  readonly historyMs: DurationMs;
  /** Ids remembered against doubles. */
  readonly seenLength: number;
}

/**
 * Fan-out 3 reaches 10 000 nodes in 12 hops at two duplicates per delivery (simulation); heartbeat and seen length as in
 * gossipsub 1.1 and iroh-gossip, as is flooding own messages, so that one bad neighbor cannot swallow them; history covers an absence of ten minutes twice over.
 */
export const defaultRingCastConfig: RingCastConfig = {
  fanout: 3,
  ownFanout: 12,
  mode: "plain",
  failOver: 2,
  ackTimeoutMs: durationMs(2_000),
  treeLinks: 2,
  pullAfterMs: durationMs(400),
  announceAfterMs: durationMs(60),
  heartbeatMs: durationMs(2_000),
  historyLength: 1_024,
  historyBytes: 8 * 2 ** 20,
  historyMs: durationMs(20 * 60_000),
  seenLength: 16_384,
};

/** The paper's dissemination: no fail-over, no acknowledgements, no repair. */
export const paperRingCastConfig: RingCastConfig = {
  ...defaultRingCastConfig,
  ownFanout: 0,
  failOver: 0,
  ackTimeoutMs: durationMs(0),
  heartbeatMs: durationMs(0),
};
