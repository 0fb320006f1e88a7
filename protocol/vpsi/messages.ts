/** Why a run ended without a result; tells nothing about either set. */
export type VpsiFault = "busy" | "rate" | "badElement" | "tooBig" | "state" | "keyChanged";

export type VpsiMessage =
  /** I to R: the blinded elements of the initiator, padded to a bucket, in random order. */
  | {
      readonly type: "query";
      readonly run: number;
      readonly nonce: Uint8Array;
      readonly blinded: readonly Uint8Array[];
    }
  /** R to I: their evaluations with one proof, and tags of the responder's own elements. */
  | {
      readonly type: "answer";
      readonly run: number;
      readonly publicKey: Uint8Array;
      readonly proof: Uint8Array;
      readonly evaluated: readonly Uint8Array[];
      readonly tags: readonly Uint8Array[];
    }
  /** I to R: tags of the common elements. */
  | { readonly type: "confirm"; readonly run: number; readonly tags: readonly Uint8Array[] }
  | { readonly type: "error"; readonly run: number; readonly fault: VpsiFault };
