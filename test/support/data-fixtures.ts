import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";

export const noble: CryptoProvider = createNobleProvider();
export const native: CryptoProvider = createNativeProvider(noble);

/** `length` equal bytes, the shape of the fixed inputs in the data vectors. */
export const filled = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);

/** A copy of `bytes` with one bit turned. */
export const withFlippedBit = (bytes: Uint8Array, bit: number): Uint8Array => {
  const out = bytes.slice();
  out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7));
  return out;
};

/** Value of a result that the test expects to be fine; the error otherwise ends the test. */
export const must = <T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T => {
  if (!result.ok) throw new Error(`expected a value, got ${JSON.stringify(result.error)}`);
  return result.value;
};
