import { tagBytes } from "../crypto/sizes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { maxNoiseMessageBytes } from "../noise/handshake-state.ts";
import type { NoiseSocketError } from "./errors.ts";

const lengthBytes = 2;

/** Largest body of a transport message: 65 517 bytes. */
export const maxTransportBodyBytes = maxNoiseMessageBytes - tagBytes - lengthBytes;

/** Smallest transport noise_message: body_len of an empty body, and the tag. */
export const minTransportMessageBytes = lengthBytes + tagBytes;

/** Bytes of an encrypted payload: body_len, then the body, padded with zeros up to `paddedBodyLength`. */
export const payloadBytes = (bodyLength: number, paddedBodyLength: number): number =>
  lengthBytes + Math.max(bodyLength, paddedBodyLength);

/** `body_len ‖ body ‖ zeros`. */
export const encodePayload = (body: Uint8Array, paddedBodyLength: number): Uint8Array => {
  const payload = new Uint8Array(payloadBytes(body.length, paddedBodyLength));
  payload[0] = body.length >> 8;
  payload[1] = body.length;
  payload.set(body, lengthBytes);
  return payload;
};

/** The body as a view of `payload`; what follows it is ignored whatever it is. */
export const decodePayload = (payload: Uint8Array): Result<Uint8Array, NoiseSocketError> => {
  const length = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
  if (lengthBytes + length > payload.length) return err({ type: "BadPadding" });
  return ok(payload.subarray(lengthBytes, lengthBytes + length));
};
