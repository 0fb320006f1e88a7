import type { SignedRow } from "../ports/store.ts";

export type AddedOp =
  | { readonly type: "added"; readonly id: Uint8Array; readonly gen: number }
  | { readonly type: "known" }
  | { readonly type: "invalid" };

export interface AccessMember {
  readonly idRoot: Uint8Array;
  readonly role: "reader" | "writer" | "admin" | "owner";
  readonly devices: readonly Uint8Array[];
}

/** The access control of one repository as evaluated from all ops known so far. */
export interface Access {
  readonly add: (op: SignedRow) => AddedOp;
  /** Ops no other op depends on, at most 16: what a new record or op names as its view. */
  readonly heads: () => readonly Uint8Array[];
  readonly knows: (ids: readonly Uint8Array[]) => boolean;
  readonly covers: (later: readonly Uint8Array[], earlier: readonly Uint8Array[]) => boolean;
  /** Whether the device's identity was at least a writer in the state at `aclHeads`, and has not been cut since. */
  readonly mayWrite: (device: Uint8Array, aclHeads: readonly Uint8Array[]) => boolean;
  readonly members: () => readonly AccessMember[];
  readonly memberOfDevice: (device: Uint8Array) => AccessMember | undefined;
}
