import type { CryptoProvider } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";

/** Min-wise samplers: slot i keeps the id with the least keyed hash, so how often an id is heard cannot matter. */
export interface Anchors<Entry> {
  readonly offer: (id: string, entry: Entry) => void;
  /** Empties the slots of a dead id; the next ids offered compete for them. */
  readonly remove: (id: string) => void;
  /** Entries of the distinct ids held, in slot order. */
  readonly entries: () => readonly Entry[];
  readonly held: () => readonly (AnchorSlot<Entry> | undefined)[];
}

export interface AnchorSlot<Entry> {
  readonly id: string;
  readonly entry: Entry;
  readonly rank: number;
}

/** 16 ranks of 32 bits are exactly one HMAC-SHA-512. */
const ANCHOR_SLOTS = 16;
/** Ids that lost already are not hashed again; beyond this many the list starts afresh, which costs time only. */
const RANKED_IDS = 16_384;

export const createAnchors = <Entry>(
  crypto: CryptoProvider,
  key: Uint8Array,
  idToBytes: (id: string) => Uint8Array,
  newer: (held: Entry, heard: Entry) => Entry,
  initial: readonly (AnchorSlot<Entry> | undefined)[] = [],
): Anchors<Entry> => {
  invariant(key.length === 32, "the anchor key has 32 bytes");
  const slots: (AnchorSlot<Entry> | undefined)[] = Array.from({ length: ANCHOR_SLOTS }, (_, slot) => initial[slot]);
  const ranked = new Set<string>();

  return {
    offer: (id, entry) => {
      for (const [slot, held] of slots.entries()) {
        if (held?.id === id) slots[slot] = { ...held, entry: newer(held.entry, entry) };
      }
      if (ranked.has(id)) return;
      if (ranked.size >= RANKED_IDS) ranked.clear();
      ranked.add(id);
      const digest = crypto.hmac("SHA512", key, idToBytes(id));
      const words = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
      for (let slot = 0; slot < ANCHOR_SLOTS; slot++) {
        const rank = words.getUint32(4 * slot, true);
        const holder = slots[slot];
        if (holder === undefined || rank < holder.rank) slots[slot] = { id, entry, rank };
      }
    },
    remove: (id) => {
      for (const [slot, held] of slots.entries()) {
        if (held?.id !== id) continue;
        slots[slot] = undefined;
        ranked.clear();
      }
    },
    entries: () => {
      const byId = new Map<string, Entry>();
      for (const slot of slots) if (slot !== undefined) byId.set(slot.id, slot.entry);
      return [...byId.values()];
    },
    held: () => [...slots],
  };
};
