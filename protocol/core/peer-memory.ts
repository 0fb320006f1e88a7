import { decodeDescriptor } from "../identity/descriptor.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { DialTarget } from "./messages.ts";

/** Dialable peers that once answered, for the time when nobody else is known. */
export interface PeerMemory {
  readonly remember: (peer: VerifiedDescriptor) => void;
  /** Whom to try now; the others come first the next time. */
  readonly next: (self: NodeId) => readonly DialTarget[];
  /** Encoded descriptors, the latest last. */
  readonly all: () => readonly Uint8Array[];
}

const TRIED_AT_ONCE = 6;
const MAXIMUM_REMEMBERED = 128;

export const createPeerMemory = (restored: readonly Uint8Array[]): PeerMemory => {
  const known = [...restored];
  return {
    remember: ({ bytes, id, reachable }) => {
      if (!reachable) return;
      const at = known.findIndex((held) => {
        const decoded = decodeDescriptor(held);
        return decoded.ok && decoded.value.id === id;
      });
      if (at >= 0) known.splice(at, 1);
      known.push(bytes);
      if (known.length > MAXIMUM_REMEMBERED) known.shift();
    },
    next: (self) => {
      const tried = known.splice(-TRIED_AT_ONCE).toReversed();
      known.unshift(...tried);
      return tried.flatMap((bytes): DialTarget[] => {
        const decoded = decodeDescriptor(bytes);
        return decoded.ok && decoded.value.id !== self ? [decoded.value] : [];
      });
    },
    all: () => [...known],
  };
};
