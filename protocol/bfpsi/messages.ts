/** Why a run ended without a result; tells nothing about either set. */
export type PsiFault = "busy" | "rate" | "badFilter" | "tooBig" | "state";

export type BfpsiMessage =
  /** I to R: the filter of the initiator's set inside a bucket of 2^log2 elements. */
  | {
      readonly type: "offer";
      readonly run: number;
      readonly log2: number;
      readonly nonce: Uint8Array;
      readonly bits: Uint8Array;
    }
  /** R to I: tags of the candidates under a fresh key, among random ones. */
  | {
      readonly type: "challenge";
      readonly run: number;
      readonly random: Uint8Array;
      readonly key: Uint8Array;
      readonly tags: readonly Uint8Array[];
    }
  /** I to R: tags of the common elements under a key made by both, among random ones. */
  | {
      readonly type: "response";
      readonly run: number;
      readonly random: Uint8Array;
      readonly tags: readonly Uint8Array[];
    }
  /** R to I: the responder has its result. */
  | { readonly type: "done"; readonly run: number }
  | { readonly type: "error"; readonly run: number; readonly fault: PsiFault };
