import type { Result } from "../../protocol/kernel/result.ts";

/** What the node must know of an Automerge change to store and forward it without materialising the document. */
export interface InspectedChange {
  readonly hash: Uint8Array;
  readonly actor: Uint8Array;
  readonly seq: number;
  readonly startOp: number;
  /** Counter of the change's last operation; startOp - 1 when it has none. */
  readonly maxOp: number;
  /** Seconds since 1970 by the author's clock. */
  readonly time: number;
  readonly dependencies: readonly Uint8Array[];
}

/** Preflight: bounds the work a change can cause and reads its facts; never throws. */
export type ChangeInspector = (change: Uint8Array) => Result<InspectedChange, { readonly type: string }>;
