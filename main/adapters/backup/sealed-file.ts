import { readSync, writeSync } from "node:fs";
import type { SegmentKey } from "./backup-header.ts";
import { openSegment, SEALED_BYTES, sealSegment, SEGMENT_BYTES } from "./segments.ts";

/** Writes bytes of any length as sealed segments from the descriptor's position on. */
export interface SealedWriter {
  readonly write: (bytes: Uint8Array) => void;
  readonly finish: () => void;
}

export const createSealedWriter = (descriptor: number, { key, context }: SegmentKey): SealedWriter => {
  const segment = Buffer.alloc(SEGMENT_BYTES);
  let filled = 0;
  let counter = 0;
  const flush = (isLast: boolean): void => {
    for (const part of sealSegment(key, context, counter++, isLast, segment.subarray(0, filled)))
      for (let at = 0; at < part.length;) at += writeSync(descriptor, part, at);
    filled = 0;
  };
  return {
    write: (bytes) => {
      for (let at = 0; at < bytes.length;) {
        // A full segment waits for what follows, as only then it is known not to be the last.
        if (filled === SEGMENT_BYTES) flush(false);
        const length = Math.min(SEGMENT_BYTES - filled, bytes.length - at);
        segment.set(bytes.subarray(at, at + length), filled);
        filled += length;
        at += length;
      }
    },
    finish: () => flush(true),
  };
};

/** Reads what a sealed writer wrote. */
export interface SealedReader {
  /** The next `length` bytes in pieces; false when they are not there or not as they were written. */
  readonly take: (length: number, piece: (bytes: Buffer) => void) => boolean;
  /** Whether everything was read. */
  readonly isAtEnd: () => boolean;
}

/** `start` to `end`: where the segments are in the file. */
export const createSealedReader = (
  descriptor: number,
  start: number,
  end: number,
  { key, context }: SegmentKey,
): SealedReader => {
  const sealed = Buffer.alloc(SEALED_BYTES);
  let segment: Buffer = Buffer.alloc(0);
  let used = 0;
  let counter = 0;
  let at = start;

  const next = (): boolean => {
    const length = Math.min(SEALED_BYTES, end - at);
    for (let filled = 0; filled < length;) {
      const read = readSync(descriptor, sealed, filled, length - filled, at + filled);
      if (read === 0) return false;
      filled += read;
    }
    at += length;
    const opened = openSegment(key, context, counter++, at === end, sealed.subarray(0, length));
    if (opened === undefined) return false;
    segment = opened;
    used = 0;
    return true;
  };

  return {
    take: (length, piece) => {
      for (let left = length; left > 0;) {
        if (used === segment.length && (at >= end || !next())) return false;
        const part = segment.subarray(used, used + left);
        if (part.length === 0) return false;
        piece(part);
        used += part.length;
        left -= part.length;
      }
      return true;
    },
    isAtEnd: () => at === end && used === segment.length,
  };
};
