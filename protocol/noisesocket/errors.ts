import type { NoiseError } from "../noise/errors.ts";

/** Why a NoiseSocket operation was refused. All but `WrongState` and `BodyTooLong` end the session. */
export type NoiseSocketError =
  | NoiseError
  | { readonly type: "FrameTooLong"; readonly limit: number }
  | { readonly type: "EmptyMessage" }
  | { readonly type: "UnexpectedNegotiationData" }
  | { readonly type: "BadPadding" }
  | { readonly type: "BodyTooLong"; readonly limit: number }
  | { readonly type: "WrongState" }
  | { readonly type: "Truncated" };
