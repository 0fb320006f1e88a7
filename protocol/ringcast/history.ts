import type { DurationMs, MonotonicMs } from "../kernel/time.ts";
import type { MessageId, TopicTag } from "./messages.ts";

export interface KeptMessage {
  readonly topic: TopicTag;
  readonly payload: Uint8Array;
  readonly hops: number;
  readonly at: MonotonicMs;
}

/** Ids seen, against doubles, and the recent messages themselves, for neighbors that missed them. */
export interface History {
  readonly hasSeen: (id: MessageId) => boolean;
  /** Notes a new message; false when it was seen before. */
  readonly note: (id: MessageId, message: KeptMessage) => boolean;
  readonly get: (id: MessageId) => KeptMessage | undefined;
  /** Ids of the topic kept since `since`, oldest first, at most `limit` of the newest. */
  readonly recent: (topic: TopicTag, since: MonotonicMs, limit: number) => MessageId[];
  readonly forgetTopic: (topic: TopicTag) => void;
}

export interface HistoryLimits {
  readonly historyLength: number;
  readonly historyBytes: number;
  readonly historyMs: DurationMs;
  readonly seenLength: number;
}

export const createHistory = (limits: HistoryLimits): History => {
  const seen = new Set<MessageId>();
  const kept = new Map<MessageId, KeptMessage>();
  let bytes = 0;

  const drop = (id: MessageId): void => {
    bytes -= kept.get(id)?.payload.length ?? 0;
    kept.delete(id);
  };
  const trim = (now: MonotonicMs): void => {
    for (const [id, message] of kept) {
      const isOld = now - message.at > limits.historyMs;
      if (!isOld && kept.size <= limits.historyLength && bytes <= limits.historyBytes) return;
      drop(id);
    }
  };

  return {
    hasSeen: (id) => seen.has(id),
    note: (id, message) => {
      if (seen.has(id)) return false;
      seen.add(id);
      if (seen.size > limits.seenLength)
        for (const oldest of seen) {
          seen.delete(oldest);
          break;
        }
      kept.set(id, message);
      bytes += message.payload.length;
      trim(message.at);
      return true;
    },
    get: (id) => kept.get(id),
    recent: (topic, since, limit) => {
      const ids: MessageId[] = [];
      for (const [id, message] of kept) if (message.topic === topic && message.at >= since) ids.push(id);
      return ids.length > limit ? ids.slice(ids.length - limit) : ids;
    },
    forgetTopic: (topic) => {
      for (const [id, message] of kept) if (message.topic === topic) drop(id);
    },
  };
};
