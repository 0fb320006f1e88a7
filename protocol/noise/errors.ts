/** Why a Noise operation was refused. Peer faults end the handshake or the stream; the caller's own faults change nothing. */
export type NoiseError =
  | { readonly type: "BadProtocolName"; readonly rule: string }
  | { readonly type: "BadPattern"; readonly rule: string }
  | { readonly type: "MissingKey"; readonly key: "s" | "e" | "rs" | "re" | "psk" }
  | { readonly type: "BadKeyLength"; readonly key: "rs" | "psk" }
  | { readonly type: "OutOfTurn" }
  | { readonly type: "Dead" }
  | { readonly type: "MessageTooLong" }
  | { readonly type: "MessageTooShort" }
  | { readonly type: "InvalidPublicKey" }
  | { readonly type: "OpenFailed" }
  | { readonly type: "NonceExhausted" };
