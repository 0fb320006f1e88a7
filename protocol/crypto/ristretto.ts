import { ristretto255_oprf } from "@noble/curves/ed25519.js";

/** Group elements and scalars are 32 bytes, proofs 64, outputs 64. */
export interface VoprfKeyPair {
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** A client's input with the scalar that hides it; only `blinded` leaves the client. */
export interface BlindedInput {
  readonly input: Uint8Array;
  readonly blind: Uint8Array;
  readonly blinded: Uint8Array;
}

export interface VoprfEvaluation {
  readonly evaluated: readonly Uint8Array[];
  /** One proof for the whole batch that all were evaluated with the same key. */
  readonly proof: Uint8Array;
}

/**
 * Verifiable oblivious pseudorandom function ristretto255-SHA512 (RFC 9497). Pure: randomness comes in as 64 uniform bytes
 * per scalar, so that a run can be computed in a worker. A host may inject a faster implementation; all give the same bytes.
 */
export interface Voprf {
  readonly deriveKeyPair: (seed: Uint8Array, info: Uint8Array) => VoprfKeyPair;
  readonly blind: (input: Uint8Array, uniform: Uint8Array) => BlindedInput;
  /** `undefined` when an element is malformed, not canonical or the identity. */
  readonly blindEvaluate: (
    keys: VoprfKeyPair,
    blinded: readonly Uint8Array[],
    uniform: Uint8Array,
  ) => VoprfEvaluation | undefined;
  /** Outputs in the order of the inputs; `undefined` when an element or the proof is wrong. */
  readonly finalize: (
    inputs: readonly BlindedInput[],
    evaluation: VoprfEvaluation,
    publicKey: Uint8Array,
  ) => readonly Uint8Array[] | undefined;
  /** What `finalize` yields for this input, for the holder of the key. */
  readonly evaluate: (secretKey: Uint8Array, input: Uint8Array) => Uint8Array;
}

/** `undefined` in place of an exception: noble throws for every kind of invalid input. */
const attempt = <T>(operation: () => T): T | undefined => {
  try {
    return operation();
  } catch {
    return undefined;
  }
};

/** Present in @noble/curves 2.4.0 but missing from the VOPRF part of its typings. */
interface WithEvaluate {
  readonly evaluate: (secretKey: Uint8Array, input: Uint8Array) => Uint8Array;
}

export const createNobleVoprf = (): Voprf => {
  const voprf = ristretto255_oprf.voprf as typeof ristretto255_oprf.voprf & WithEvaluate;
  return {
    deriveKeyPair: (seed, info) => voprf.deriveKeyPair(seed, info),
    blind: (input, uniform) => ({ input, ...voprf.blind(input, () => uniform) }),
    blindEvaluate: (keys, blinded, uniform) =>
      attempt(() => voprf.blindEvaluateBatch(keys.secretKey, keys.publicKey, [...blinded], () => uniform)),
    finalize: (inputs, { evaluated, proof }, publicKey) => {
      if (evaluated.length !== inputs.length) return undefined;
      const items = inputs.map((item, i) => ({ ...item, evaluated: evaluated[i] as Uint8Array }));
      return attempt(() => voprf.finalizeBatch(items, publicKey, proof));
    },
    evaluate: (secretKey, input) => voprf.evaluate(secretKey, input),
  };
};
