import type { BlindedInput, Voprf, VoprfKeyPair } from "../crypto/ristretto.ts";
import { exhaustive } from "../kernel/assert.ts";

/**
 * Curve operations of a run as plain data, because they take up to seconds: the host computes them off its event loop
 * with `runVpsiJob` and hands the outcome back as an event.
 */
export type VpsiJob =
  | { readonly type: "blind"; readonly inputs: readonly Uint8Array[]; readonly uniforms: readonly Uint8Array[] }
  | {
      readonly type: "answer";
      readonly keySeed: Uint8Array;
      readonly blinded: readonly Uint8Array[];
      readonly own: readonly Uint8Array[];
      readonly uniform: Uint8Array;
    }
  | {
      readonly type: "finalize";
      readonly inputs: readonly BlindedInput[];
      readonly evaluated: readonly Uint8Array[];
      readonly proof: Uint8Array;
      readonly publicKey: Uint8Array;
    };

export type VpsiJobOutcome =
  | { readonly type: "blinded"; readonly inputs: readonly BlindedInput[] }
  | {
      readonly type: "answered";
      readonly publicKey: Uint8Array;
      readonly evaluated: readonly Uint8Array[];
      readonly proof: Uint8Array;
      /** Outputs for the own elements, in their order. */
      readonly outputs: readonly Uint8Array[];
    }
  | { readonly type: "finalized"; readonly outputs: readonly Uint8Array[] }
  /** An element or a proof of the peer was invalid. */
  | { readonly type: "invalid" };

const NO_INFO = new Uint8Array(0);

/** Computes a job; total for every content a peer can cause. */
export const runVpsiJob = (voprf: Voprf, job: VpsiJob): VpsiJobOutcome => {
  switch (job.type) {
    case "blind":
      return {
        type: "blinded",
        inputs: job.inputs.map((input, i) => voprf.blind(input, job.uniforms[i] as Uint8Array)),
      };
    case "answer": {
      const keys: VoprfKeyPair = voprf.deriveKeyPair(job.keySeed, NO_INFO);
      const evaluation = voprf.blindEvaluate(keys, job.blinded, job.uniform);
      if (evaluation === undefined) return { type: "invalid" };
      const outputs = job.own.map((element) => voprf.evaluate(keys.secretKey, element));
      return { type: "answered", publicKey: keys.publicKey, ...evaluation, outputs };
    }
    case "finalize": {
      const outputs = voprf.finalize(job.inputs, job, job.publicKey);
      return outputs === undefined ? { type: "invalid" } : { type: "finalized", outputs };
    }
    default:
      return exhaustive(job);
  }
};
