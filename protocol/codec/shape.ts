import {
  anyValue,
  type CborReader,
  enterArray,
  FAILED,
  fail,
  leaveArray,
  readBytes,
  readHead,
  readText,
  type Shape,
  skipNull,
} from "./cbor.ts";

/** Unsigned integer in [0, max]. */
export const uint =
  (max: number = Number.MAX_SAFE_INTEGER): Shape<number> =>
  (reader) => {
    const start = reader.at;
    const value = readHead(reader, 0);
    if (value < 0) return FAILED;
    return value > max ? fail(reader, `integer above ${max}`, start) : value;
  };

/** Exactly the integer `value`: version numbers and tags. */
export const literal =
  <const N extends number>(value: N): Shape<N> =>
  (reader) => {
    const start = reader.at;
    const found = readHead(reader, 0);
    if (found < 0) return FAILED;
    return found === value ? value : fail(reader, `expected ${value}`, start);
  };

/** Byte string of exactly `length` bytes. */
export const bytes =
  (length: number): Shape<Uint8Array> =>
  (reader) => {
    const start = reader.at;
    const value = readBytes(reader);
    if (value === FAILED) return FAILED;
    return value.length === length ? value : fail(reader, `expected ${length} bytes`, start);
  };

/** Byte string of `min` to `max` bytes. */
export const bytesUpTo =
  (max: number, min = 0): Shape<Uint8Array> =>
  (reader) => {
    const start = reader.at;
    const value = readBytes(reader);
    if (value === FAILED) return FAILED;
    return value.length >= min && value.length <= max ? value : fail(reader, `expected ${min} to ${max} bytes`, start);
  };

/** Text of at most `max` UTF-8 bytes. */
export const text =
  (max: number): Shape<string> =>
  (reader) => {
    const start = reader.at;
    const value = readText(reader);
    if (value === FAILED) return FAILED;
    return reader.at - start <= max + headRoom(max) ? value : fail(reader, `text above ${max} bytes`, start);
  };

/** `null` or the given form. */
export const nullable =
  <T>(shape: Shape<T>): Shape<T | null> =>
  (reader) =>
    skipNull(reader) ? null : shape(reader);

/** Array of `min` to `max` items of one form. */
export const array =
  <T>(item: Shape<T>, max: number, min = 0): Shape<readonly T[]> =>
  (reader) => {
    const start = reader.at;
    const count = enterArray(reader);
    if (count < 0) return FAILED;
    if (count < min || count > max) return fail(reader, `expected ${min} to ${max} items`, start);
    const items: T[] = [];
    for (let i = 0; i < count; i++) {
      const value = item(reader);
      if (value === FAILED) return FAILED;
      items.push(value);
    }
    leaveArray(reader);
    return items;
  };

type Shapes<T extends readonly unknown[]> = { readonly [K in keyof T]: Shape<T[K]> };

/** Array with exactly these members in this order. */
export const tuple =
  <T extends readonly unknown[]>(...shapes: Shapes<T>): Shape<T> =>
  (reader) => {
    const start = reader.at;
    const count = enterArray(reader);
    if (count < 0) return FAILED;
    if (count !== shapes.length) return fail(reader, `expected ${shapes.length} members`, start);
    return readMembers(reader, shapes, 0) as T | typeof FAILED;
  };

/** Like `tuple`, with one more member that earlier builds do not send; `undefined` where it is missing. */
export const grownTuple =
  <T extends readonly unknown[], L>(shapes: Shapes<T>, last: Shape<L>): Shape<readonly [...T, L | undefined]> =>
  (reader) => {
    const start = reader.at;
    const count = enterArray(reader);
    if (count < 0) return FAILED;
    const { length } = shapes;
    if (count !== length && count !== length + 1)
      return fail(reader, `expected ${length} or ${length + 1} members`, start);
    const members = readMembers(reader, count === length ? shapes : [...shapes, last], 0);
    return (members === FAILED || count > length ? members : [...(members as readonly unknown[]), undefined]) as
      readonly [...T, L | undefined] | typeof FAILED;
  };

/** Array with at least these members; further ones are checked to be of the subset and dropped. */
export const openTuple =
  <T extends readonly unknown[]>(...shapes: Shapes<T>): Shape<T> =>
  (reader) => {
    const start = reader.at;
    const count = enterArray(reader);
    if (count < 0) return FAILED;
    if (count < shapes.length) return fail(reader, `expected at least ${shapes.length} members`, start);
    return readMembers(reader, shapes, count - shapes.length) as T | typeof FAILED;
  };

/** One of several tuples told apart by the integer in first place. */
export const tagged =
  <T>(variants: Readonly<Record<number, Shape<T>>>): Shape<T> =>
  (reader) => {
    const start = reader.at;
    const depth = reader.depth;
    if (enterArray(reader) < 0) return FAILED;
    const tag = readHead(reader, 0);
    if (tag < 0) return FAILED;
    const variant = Object.hasOwn(variants, tag) ? variants[tag] : undefined;
    if (variant === undefined) return fail(reader, `unknown tag ${tag}`, start);
    reader.at = start;
    reader.depth = depth;
    return variant(reader);
  };

/** Turns the value of a form into something else; `change` must be total. */
export const mapped =
  <T, U>(shape: Shape<T>, change: (value: T) => U): Shape<U> =>
  (reader) => {
    const value = shape(reader);
    return value === FAILED ? FAILED : change(value);
  };

/** A form with a further condition, named by `rule`. */
export const refined =
  <T>(shape: Shape<T>, rule: string, holds: (value: T) => boolean): Shape<T> =>
  (reader) => {
    const start = reader.at;
    const value = shape(reader);
    if (value === FAILED) return FAILED;
    return holds(value) ? value : fail(reader, rule, start);
  };

const readMembers = (reader: CborReader, shapes: readonly Shape<unknown>[], extra: number): unknown => {
  const members: unknown[] = [];
  for (const shape of shapes) {
    const value = shape(reader);
    if (value === FAILED) return FAILED;
    members.push(value);
  }
  for (let i = 0; i < extra; i++) if (anyValue(reader) === FAILED) return FAILED;
  leaveArray(reader);
  return members;
};

const headRoom = (max: number): number => (max < 24 ? 1 : max < 0x100 ? 2 : max < 0x10000 ? 3 : 5);
