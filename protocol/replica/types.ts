import type { DecodeError } from "../kernel/result.ts";

/** Author of changes in one document: 1 to 64 bytes as lower-case hex. An actor never signs two changes with one sequence number. */
export type ActorId = string;
/** SHA-256 of a change chunk as lower-case hex. */
export type ChangeHash = string;
/** `"_root"` or `"<counter>@<actor>"`, the same text Automerge uses. */
export type ObjectId = string;
/** Keys and indices from the root. */
export type Path = readonly (string | number)[];

/** Key under which a scalar carries its type where a plain JavaScript value would be ambiguous. */
export const SCALAR_TYPE: unique symbol = Symbol("scalar type");
export interface TypedScalar {
  readonly [SCALAR_TYPE]: "counter" | "timestamp" | "uint" | "float";
  readonly value: number;
}
/** A safe integer that concurrent increments add to. */
export const counter = (value: number): TypedScalar => ({ [SCALAR_TYPE]: "counter", value });
export const isTyped = (value: unknown): value is TypedScalar =>
  typeof value === "object" && value !== null && SCALAR_TYPE in value;
/** Milliseconds since 1970-01-01 UTC. */
export const timestamp = (value: number): TypedScalar => ({ [SCALAR_TYPE]: "timestamp", value });

/** Safe integers are stored as int, other numbers as float, strings as immutable strings (not collaborative text). */
export type Scalar = null | boolean | number | string | Uint8Array | TypedScalar;
/** What is written: nested maps and lists become objects. */
export type Value = Scalar | MapValue | ListValue;
export interface MapValue {
  readonly [key: string]: Value;
}
export type ListValue = readonly Value[];
/** What is read: like `Value`; text objects appear as strings. */
export type PlainValue = Value;

/** Active marks by name; a mark whose value is null is not active and never listed. */
export type MarkSet = Readonly<Record<string, Scalar>>;
/** Whether text typed at the edge of the mark joins it. */
export type Expand = "before" | "after" | "both" | "none";
export interface MarkRange {
  readonly start: number;
  readonly end: number;
  readonly expand: Expand;
}
export interface Mark {
  readonly name: string;
  readonly value: Scalar;
  readonly start: number;
  readonly end: number;
}
/** Same content as `A.spans`: runs of text with equal marks, and block markers (width 1). */
export type Span =
  | { readonly type: "text"; readonly value: string; readonly marks?: MarkSet }
  | { readonly type: "block"; readonly value: MapValue };

/** Stable position: before one element of a sequence, or at its end. Compact text, safe to send. */
export type Cursor = string;

/**
 * What changed, in order; each index is valid after the patches before it. Text indices are UTF-16 code units,
 * block markers count 1.
 * `text`: at `index`, `removed` units went and `inserted` came (one of the two is empty), carrying `marks`.
 * `block`: a block marker came, or its attributes changed (`inserted` tells which); one that goes is a `text` removal.
 * `marks`: marks differ somewhere inside [start, end).
 * `put` / `remove`: a map key; `list`: a list changed (indices in elements).
 */
export type Patch =
  | {
      readonly type: "text";
      readonly object: ObjectId;
      readonly index: number;
      readonly removed: number;
      readonly inserted: string;
      readonly marks: MarkSet;
    }
  | { readonly type: "block"; readonly object: ObjectId; readonly index: number; readonly inserted: boolean }
  | { readonly type: "marks"; readonly object: ObjectId; readonly start: number; readonly end: number }
  | { readonly type: "put"; readonly object: ObjectId; readonly key: string }
  | { readonly type: "remove"; readonly object: ObjectId; readonly key: string }
  | {
      readonly type: "list";
      readonly object: ObjectId;
      readonly index: number;
      readonly removed: number;
      readonly inserted: number;
    };

/** Why a change was refused; the replica is as if it had never seen that change. */
export type ChangeError =
  | DecodeError
  | { readonly type: "ActorReused"; readonly actor: ActorId; readonly seq: number }
  | { readonly type: "SeqGap"; readonly actor: ActorId; readonly seq: number; readonly expected: number }
  | { readonly type: "NotOnOwnChange"; readonly actor: ActorId; readonly seq: number }
  | { readonly type: "WrongStartOp"; readonly startOp: number; readonly expected: number }
  | { readonly type: "MissingObject"; readonly op: number }
  | { readonly type: "MissingElement"; readonly op: number }
  | { readonly type: "MissingPredecessor"; readonly op: number }
  | { readonly type: "WrongObjectType"; readonly op: number }
  | { readonly type: "TooManyActors" }
  | { readonly type: "QueueFull" };

export interface ApplyOutcome {
  readonly patches: readonly Patch[];
  /** Changes that took effect in this call, earlier queued ones included, in order of application. */
  readonly applied: readonly ChangeHash[];
  readonly duplicates: number;
  /** Changes held back until their dependencies arrive; not part of a snapshot. */
  readonly queued: number;
  /** Dependencies the queue waits for. */
  readonly missing: readonly ChangeHash[];
  /** `index` is the position in the call; -1 for a change queued by an earlier call. */
  readonly rejected: readonly {
    readonly index: number;
    readonly hash: ChangeHash | undefined;
    readonly error: ChangeError;
  }[];
}

export interface LocalChange {
  /** Uncompressed change chunk, byte for byte what Automerge makes for the same edit. */
  readonly bytes: Uint8Array;
  readonly hash: ChangeHash;
  readonly seq: number;
  readonly patches: readonly Patch[];
}

/**
 * Edits of one local change. Calling one with an object or index that does not exist is a bug of the caller and throws;
 * the whole change is then undone. Text indices are UTF-16 code units, list indices elements.
 */
export interface Transaction {
  readonly put: (object: ObjectId, prop: string | number, value: Scalar) => void;
  /** Sets a new map or list; answers its id. */
  readonly putObject: (object: ObjectId, prop: string | number, value: MapValue | ListValue) => ObjectId;
  /** Sets a new collaborative text. */
  readonly putText: (object: ObjectId, prop: string | number, text: string) => ObjectId;
  readonly insert: (object: ObjectId, index: number, value: Scalar) => void;
  readonly insertObject: (object: ObjectId, index: number, value: MapValue | ListValue) => ObjectId;
  readonly remove: (object: ObjectId, prop: string | number) => void;
  readonly increment: (object: ObjectId, prop: string | number, by: number) => void;
  /** Removes `removed` code units at `index` of a text and inserts `inserted` there. */
  readonly splice: (object: ObjectId, index: number, removed: number, inserted: string) => void;
  readonly mark: (object: ObjectId, range: MarkRange, name: string, value: Scalar) => void;
  readonly unmark: (object: ObjectId, range: MarkRange, name: string) => void;
  readonly splitBlock: (object: ObjectId, index: number, block: MapValue) => ObjectId;
  readonly updateBlock: (object: ObjectId, index: number, block: MapValue) => ObjectId;
  readonly joinBlock: (object: ObjectId, index: number) => void;
}

/** Live copy of one Automerge document that reads and writes Automerge's own changes in logarithmic time. */
export interface Replica {
  readonly actor: ActorId;
  /** Hashes of the changes no other applied change depends on, sorted. */
  readonly heads: () => readonly ChangeHash[];
  /** Dependencies that held-back changes wait for; older ones than a replica remembers are handed in again. */
  readonly missing: () => readonly ChangeHash[];
  /** Takes change chunks (raw or deflated) in any order. */
  readonly applyChanges: (changes: readonly Uint8Array[]) => ApplyOutcome;
  /**
   * Makes one local change of at most 65 536 operations (characters, above all); `undefined` when `edit` did nothing. `time` is in seconds since 1970, as Automerge stores it;
   * `actor` is by default the replica's own.
   */
  readonly change: (
    options: { readonly time: number; readonly message?: string; readonly actor?: ActorId },
    edit: (transaction: Transaction) => void,
  ) => LocalChange | undefined;
  /** Object at a path (the winner where values conflict). */
  readonly objectAt: (path: Path) => ObjectId | undefined;
  /** Path of an object that is still reachable. */
  readonly pathOf: (object: ObjectId) => Path | undefined;
  readonly kindOf: (object: ObjectId) => "map" | "list" | "text" | undefined;
  readonly keys: (object: ObjectId) => readonly string[];
  readonly get: (object: ObjectId, prop: string | number) => PlainValue | undefined;
  /** All values of a key or element that concurrent writers left, the winner last, by id of the writing operation. */
  readonly conflicts: (
    object: ObjectId,
    prop: string | number,
  ) => readonly { readonly id: string; readonly value: PlainValue }[];
  /** UTF-16 code units of a text, elements of a list, keys of a map. */
  readonly length: (object: ObjectId) => number;
  /** The whole text as `A.toJS` shows it: a block marker as U+FFFC. */
  readonly text: (object: ObjectId) => string;
  /** Spans of [from, to), by default of the whole text. */
  readonly spans: (object: ObjectId, from?: number, to?: number) => readonly Span[];
  readonly marks: (object: ObjectId) => readonly Mark[];
  readonly marksAt: (object: ObjectId, index: number) => MarkSet;
  readonly toJS: (object?: ObjectId) => PlainValue;
  readonly cursor: (object: ObjectId, index: number) => Cursor;
  /** Present index of a cursor; where its element is gone, the place it was at. */
  readonly resolveCursor: (object: ObjectId, cursor: Cursor) => number | undefined;
  /** Everything but the queue, in this module's own format; read by `loadReplica`. */
  readonly snapshot: () => Uint8Array;
}
