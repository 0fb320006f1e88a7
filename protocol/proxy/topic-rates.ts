import type { MonotonicMs } from "../kernel/time.ts";

export interface TopicRateLimits {
  readonly itemsPerSecond: number;
  readonly burst: number;
  readonly bytesPerDay: number;
}

/** Data formats, section 9.4: one topic may bring 20 items a second, 200 at once, and 64 MiB a day. */
export const DEFAULT_TOPIC_RATES: TopicRateLimits = { itemsPerSecond: 20, burst: 200, bytesPerDay: 64 * 1_048_576 };

/** Token buckets of all topics, one for items and one for bytes (PRX-11). */
export interface TopicRates {
  /** Takes an item of `bytes` out of the topic's buckets; false, and nothing taken, when they do not hold it. */
  readonly take: (topic: string, bytes: number, now: MonotonicMs) => boolean;
  /** Takes out of the bucket of bytes alone. */
  readonly takeBytes: (topic: string, bytes: number, now: MonotonicMs) => boolean;
  /** Forgets topics whose buckets are full again. */
  readonly prune: (now: MonotonicMs) => void;
}

interface Bucket {
  items: number;
  bytes: number;
  at: MonotonicMs;
}

const DAY_MS = 86_400_000;

export const createTopicRates = (limits: TopicRateLimits): TopicRates => {
  const buckets = new Map<string, Bucket>();

  const refill = (bucket: Bucket, now: MonotonicMs): void => {
    const elapsed = now - bucket.at;
    bucket.items = Math.min(limits.burst, bucket.items + (elapsed * limits.itemsPerSecond) / 1000);
    bucket.bytes = Math.min(limits.bytesPerDay, bucket.bytes + (elapsed * limits.bytesPerDay) / DAY_MS);
    bucket.at = now;
  };

  const bucketOf = (topic: string, now: MonotonicMs): Bucket => {
    let bucket = buckets.get(topic);
    if (bucket === undefined) {
      bucket = { items: limits.burst, bytes: limits.bytesPerDay, at: now };
      buckets.set(topic, bucket);
    }
    refill(bucket, now);
    return bucket;
  };

  return {
    takeBytes: (topic, bytes, now) => {
      const bucket = bucketOf(topic, now);
      if (bucket.bytes < bytes) return false;
      bucket.bytes -= bytes;
      return true;
    },
    take: (topic, bytes, now) => {
      const bucket = bucketOf(topic, now);
      if (bucket.items < 1 || bucket.bytes < bytes) return false;
      bucket.items -= 1;
      bucket.bytes -= bytes;
      return true;
    },
    prune: (now) => {
      for (const [topic, bucket] of buckets) {
        refill(bucket, now);
        if (bucket.items >= limits.burst && bucket.bytes >= limits.bytesPerDay) buckets.delete(topic);
      }
    },
  };
};
