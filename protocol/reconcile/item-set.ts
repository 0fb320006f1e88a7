import type { CryptoProvider } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";
import { compareBytes } from "../kernel/bytes.ts";
import { appendVarint } from "./varint.ts";

/** An element of the set: sorted by `gen`, then by id (32 bytes). */
export interface SetItem {
  readonly gen: number;
  readonly id: Uint8Array;
}

/** Start of a range: items not below (gen, prefix of an id). `gen` is `END_GEN` for the end of the set. */
export interface Bound {
  readonly gen: number;
  readonly prefix: Uint8Array;
}

/** Above every gen; stands for 2^64 - 1 on the wire. */
export const END_GEN = Number.POSITIVE_INFINITY;

/** A sorted set with cheap insertion and range fingerprints, kept per topic as items come and go. */
export interface ItemSet {
  readonly size: () => number;
  /** False when it was there already. */
  readonly add: (item: SetItem) => boolean;
  /** False when it was not there. */
  readonly remove: (item: SetItem) => boolean;
  readonly has: (item: SetItem) => boolean;
  readonly at: (index: number) => SetItem;
  /** Items `from` to `to - 1`. */
  readonly range: (from: number, to: number) => Iterable<SetItem>;
  /** Index of the first item not below `bound`, at least `from`. */
  readonly lowerBound: (bound: Bound, from: number) => number;
  /** 16 bytes over the ids of items `from` to `to - 1`: SHA-256 of their sum mod 2^256 and their number. */
  readonly fingerprint: (crypto: CryptoProvider, from: number, to: number) => Uint8Array;
}

/** A run of neighbouring items with the sum of their ids, eight little-endian words. */
interface Block {
  readonly items: SetItem[];
  readonly sum: Uint32Array;
}

export const createItemSet = (items: Iterable<SetItem> = []): ItemSet => {
  const blocks: Block[] = [];
  let size = 0;

  /** Block that holds or would hold `item`: the last one that does not start after it. */
  const blockFor = (item: SetItem): number => {
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareItems((blocks[middle] as Block).items[0] as SetItem, item) <= 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  };

  const split = (index: number, block: Block): void => {
    const upper = block.items.splice(block.items.length >> 1);
    block.sum.fill(0);
    for (const item of block.items) addId(block.sum, item.id);
    const sum = new Uint32Array(WORDS);
    for (const item of upper) addId(sum, item.id);
    blocks.splice(index + 1, 0, { items: upper, sum });
  };

  const add: ItemSet["add"] = (item) => {
    invariant(item.id.length === ID_BYTES, "an id has 32 bytes");
    const index = blockFor(item);
    const block = blocks[index];
    if (block === undefined) {
      const sum = new Uint32Array(WORDS);
      addId(sum, item.id);
      blocks.push({ items: [item], sum });
      size++;
      return true;
    }
    const at = positionOf(block.items, (other) => compareItems(other, item) < 0);
    const found = block.items[at];
    if (found !== undefined && compareItems(found, item) === 0) return false;
    block.items.splice(at, 0, item);
    addId(block.sum, item.id);
    if (block.items.length > LARGEST_BLOCK) split(index, block);
    size++;
    return true;
  };

  const locate = (
    item: SetItem,
  ): { readonly index: number; readonly block: Block; readonly at: number } | undefined => {
    const index = blockFor(item);
    const block = blocks[index];
    if (block === undefined) return undefined;
    const at = positionOf(block.items, (other) => compareItems(other, item) < 0);
    const found = block.items[at];
    return found !== undefined && compareItems(found, item) === 0 ? { index, block, at } : undefined;
  };

  const remove: ItemSet["remove"] = (item) => {
    const found = locate(item);
    if (found === undefined) return false;
    found.block.items.splice(found.at, 1);
    subtractId(found.block.sum, item.id);
    if (found.block.items.length === 0) blocks.splice(found.index, 1);
    size--;
    return true;
  };

  const lowerBound: ItemSet["lowerBound"] = (bound, from) => {
    if (bound.gen === END_GEN) return Math.max(from, size);
    let before = 0;
    for (const { items: own } of blocks) {
      const last = own[own.length - 1] as SetItem;
      if (compareToBound(last, bound) < 0) {
        before += own.length;
        continue;
      }
      return Math.max(from, before + positionOf(own, (item) => compareToBound(item, bound) < 0));
    }
    return Math.max(from, size);
  };

  const fingerprint: ItemSet["fingerprint"] = (crypto, from, to) => {
    const sum = new Uint32Array(WORDS);
    let start = 0;
    for (const block of blocks) {
      const end = start + block.items.length;
      if (end > from && start < to) {
        if (from <= start && end <= to) addWords(sum, block.sum);
        else
          for (let i = Math.max(from, start); i < Math.min(to, end); i++)
            addId(sum, (block.items[i - start] as SetItem).id);
      }
      start = end;
      if (start >= to) break;
    }
    const message: number[] = [];
    for (const word of sum) message.push(word & 255, (word >> 8) & 255, (word >> 16) & 255, word >>> 24);
    appendVarint(message, to - from);
    return crypto.hash("SHA256", Uint8Array.from(message)).slice(0, FINGERPRINT_BYTES);
  };

  function* range(from: number, to: number): Iterable<SetItem> {
    let start = 0;
    for (const { items: own } of blocks) {
      const end = start + own.length;
      for (let i = Math.max(from, start); i < Math.min(to, end); i++) yield own[i - start] as SetItem;
      start = end;
      if (start >= to) return;
    }
  }

  const at: ItemSet["at"] = (index) => {
    for (const item of range(index, index + 1)) return item;
    invariant(false, "an index is below the size of the set");
  };

  for (const item of items) add(item);
  return {
    size: () => size,
    add,
    remove,
    has: (item) => locate(item) !== undefined,
    at,
    range,
    lowerBound,
    fingerprint,
  };
};

const compareItems = (a: SetItem, b: SetItem): number => a.gen - b.gen || compareBytes(a.id, b.id);

/** A prefix sorts before every id it starts. */
const compareToBound = (item: SetItem, bound: Bound): number =>
  item.gen - bound.gen || compareBytes(item.id, bound.prefix);

/** Number of leading items for which `isBefore` holds. */
const positionOf = (items: readonly SetItem[], isBefore: (item: SetItem) => boolean): number => {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(items[middle] as SetItem)) low = middle + 1;
    else high = middle;
  }
  return low;
};

const wordOf = (id: Uint8Array, i: number): number =>
  ((id[4 * i] as number) |
    ((id[4 * i + 1] as number) << 8) |
    ((id[4 * i + 2] as number) << 16) |
    ((id[4 * i + 3] as number) << 24)) >>>
  0;

const addId = (sum: Uint32Array, id: Uint8Array): void => {
  let carry = 0;
  for (let i = 0; i < WORDS; i++) {
    const total = (sum[i] as number) + wordOf(id, i) + carry;
    sum[i] = total;
    carry = total > 0xffffffff ? 1 : 0;
  }
};

const subtractId = (sum: Uint32Array, id: Uint8Array): void => {
  let borrow = 0;
  for (let i = 0; i < WORDS; i++) {
    const total = (sum[i] as number) - wordOf(id, i) - borrow;
    sum[i] = total;
    borrow = total < 0 ? 1 : 0;
  }
};

const addWords = (sum: Uint32Array, other: Uint32Array): void => {
  let carry = 0;
  for (let i = 0; i < WORDS; i++) {
    const total = (sum[i] as number) + (other[i] as number) + carry;
    sum[i] = total;
    carry = total > 0xffffffff ? 1 : 0;
  }
};

export const ID_BYTES = 32;
export const FINGERPRINT_BYTES = 16;
const WORDS = 8;
/** Insertion moves at most this many references, a fingerprint adds at most twice as many ids besides whole blocks. */
const LARGEST_BLOCK = 512;
