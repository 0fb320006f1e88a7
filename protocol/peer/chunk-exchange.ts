import { isChunk } from "../blob/chunk.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import type { MonotonicMs } from "../kernel/time.ts";
import { after, durationMs } from "../kernel/time.ts";
import type { PeerEffect } from "./peer-session.ts";

interface Wanted {
  readonly topic: Uint8Array;
  readonly id: Uint8Array;
}

interface Asked extends Wanted {
  readonly sentAt: MonotonicMs;
  readonly deadline: MonotonicMs;
}

/** Asks the other side for attachment chunks and serves it those it asks for (PEER-10 to PEER-13). */
export interface ChunkExchange {
  readonly want: (wanted: Wanted, urgent: boolean) => void;
  /** Requests as many wanted chunks as the window allows. */
  readonly advance: (now: MonotonicMs) => PeerEffect[];
  readonly received: (request: number, bytes: Uint8Array | null, now: MonotonicMs) => readonly PeerEffect[] | undefined;
  /** The other side asks; `undefined` when it has too many questions open. */
  readonly asked: (request: number, topic: Uint8Array, id: Uint8Array) => readonly PeerEffect[] | undefined;
  /** The host has looked up what `chunkRequested` asked for. */
  readonly answer: (request: number, bytes: Uint8Array | null) => readonly PeerEffect[];
  /** Gives up what belongs to topics that are no longer shared. */
  readonly keepTopics: (isShared: (topic: Uint8Array) => boolean) => readonly PeerEffect[];
  readonly deadlines: () => readonly MonotonicMs[];
}

/** In parallel (data formats, section 13): 1 MiB under way hides the round trip on a LAN. */
const FULL_WINDOW = 4;
/** A link that needs longer for one chunk gets one at a time, so that entries never wait behind a megabyte of file. */
const SLOW_CHUNK_MS = 500;
/** Questions one side may have open; above its own window, so that both may differ. */
const MAX_OPEN = 16;
/** As for every request (PEER-7). */
const CHUNK_TIMEOUT = durationMs(60_000);

export const createChunkExchange = (crypto: Pick<CryptoProvider, "hash">, nextRequest: () => number): ChunkExchange => {
  const wanted: Wanted[] = [];
  const asked = new Map<number, Asked>();
  const serving = new Set<number>();
  let window = FULL_WINDOW;

  const advance = (now: MonotonicMs): PeerEffect[] => {
    const effects: PeerEffect[] = [];
    while (asked.size < window) {
      const next = wanted.shift();
      if (next === undefined) break;
      const request = nextRequest();
      asked.set(request, { ...next, sentAt: now, deadline: after(now, CHUNK_TIMEOUT) });
      effects.push({ type: "send", message: { type: "getChunk", request, ...next } });
    }
    return effects;
  };

  return {
    want: (next, urgent) => {
      if (urgent) wanted.unshift(next);
      else wanted.push(next);
    },
    advance,
    received: (request, bytes, now) => {
      const question = asked.get(request);
      if (question === undefined) return undefined;
      asked.delete(request);
      const { topic, id, sentAt } = question;
      if (bytes !== null && !isChunk(crypto, id, bytes)) return [{ type: "peerViolated", rule: "PEER-12" }];
      window = now - sentAt > SLOW_CHUNK_MS ? 1 : FULL_WINDOW;
      return [{ type: "chunkReceived", topic, id, bytes }, ...advance(now)];
    },
    asked: (request, topic, id) => {
      if (serving.size >= MAX_OPEN || serving.has(request)) return undefined;
      serving.add(request);
      return [{ type: "chunkRequested", request, topic, id }];
    },
    answer: (request, bytes) =>
      serving.delete(request) ? [{ type: "send", message: { type: "chunk", request, bytes } }] : [],
    keepTopics: (isShared) => {
      const gone = wanted.filter(({ topic }) => !isShared(topic));
      if (gone.length === 0) return [];
      const lost = new Set(gone.map(({ id }) => bytesToHex(id)));
      wanted.splice(0, wanted.length, ...wanted.filter(({ id }) => !lost.has(bytesToHex(id))));
      return gone.map(({ topic, id }) => ({ type: "chunkReceived", topic, id, bytes: null }));
    },
    deadlines: () => [...asked.values()].map(({ deadline }) => deadline),
  };
};
