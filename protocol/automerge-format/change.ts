/** Operation kinds by the number the format gives them. */
export const ACTION = {
  makeMap: 0,
  set: 1,
  makeList: 2,
  delete: 3,
  makeText: 4,
  increment: 5,
  makeTable: 6,
  mark: 7,
} as const;
export type Action = (typeof ACTION)[keyof typeof ACTION];

/** Numbers carry their type, because the format distinguishes it; int, uint, counter and timestamp are safe integers. */
export interface NumberValue {
  readonly type: "int" | "uint" | "float" | "counter" | "timestamp";
  readonly value: number;
}
export type ScalarValue = null | boolean | string | Uint8Array | NumberValue;

/** Operation id: Lamport counter and index into `Change.actors`. */
export interface OpReference {
  readonly counter: number;
  readonly actor: number;
}

/** One operation; its own id is (startOp + position, actor 0). */
export interface ChangeOp {
  readonly action: Action;
  /** Object the operation is in; `undefined` is the root map. */
  readonly object: OpReference | undefined;
  /** Map key; `undefined` in a sequence. */
  readonly key: string | undefined;
  /** In a sequence the element it follows (insert) or changes; `undefined` is the head. */
  readonly element: OpReference | undefined;
  readonly insert: boolean;
  readonly value: ScalarValue;
  /** Operations it overwrites, ascending by id. */
  readonly predecessors: readonly OpReference[];
  /** Marks only: whether text typed at this edge joins the mark. */
  readonly expand: boolean;
  /** Name on the operation that begins a mark; `undefined` on the one that ends it and on all others. */
  readonly markName: string | undefined;
}

/** Content of a change chunk. */
export interface ChangeContent {
  /** Lower-case hex; the author first, then every other actor the operations name, ascending. */
  readonly actors: readonly string[];
  readonly seq: number;
  readonly startOp: number;
  /** Seconds since 1970-01-01 UTC by the author's clock. */
  readonly time: number;
  /** Empty for none. */
  readonly message: string;
  /** Hashes as lower-case hex, ascending. */
  readonly dependencies: readonly string[];
  readonly ops: readonly ChangeOp[];
}

export interface Change extends ChangeContent {
  readonly hash: string;
}

/** Facts of a change that need no decoding of its operations. */
export interface ChangeMeta {
  readonly actor: string;
  readonly seq: number;
  readonly startOp: number;
  readonly opCount: number;
  /** `startOp + opCount - 1` */
  readonly maxOp: number;
  readonly time: number;
  readonly dependencies: readonly string[];
  readonly hash: string;
}

/** What decoding needs from the host; `inflateRaw` is raw DEFLATE and answers `undefined` beyond `maxOutput` bytes. */
export interface FormatDependencies {
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  readonly inflateRaw: (bytes: Uint8Array, maxOutput: number) => Uint8Array | undefined;
}

/** Column specifications of the operations in a change chunk (`id << 4 | type`). */
export const CHANGE_COLUMN = {
  objectActor: 0x01,
  objectCounter: 0x02,
  keyActor: 0x11,
  keyCounter: 0x13,
  keyString: 0x15,
  insert: 0x34,
  action: 0x42,
  valueMetadata: 0x56,
  value: 0x57,
  predecessorGroup: 0x70,
  predecessorActor: 0x71,
  predecessorCounter: 0x73,
  expand: 0x94,
  markName: 0xa5,
} as const;

/** Low four bits of value metadata. */
export const VALUE_TYPE = {
  null: 0,
  false: 1,
  true: 2,
  uint: 3,
  int: 4,
  float: 5,
  string: 6,
  bytes: 7,
  counter: 8,
  timestamp: 9,
} as const;

/** Counters are 32-bit in Automerge. */
export const MAX_COUNTER = 0xffff_ffff;
