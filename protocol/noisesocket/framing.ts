import { concatBytes } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { NoiseSocketError } from "./errors.ts";

export type FramePhase = "handshake" | "transport";

/** One message of the wire; in the transport phase `negotiationData` is empty. The arrays are views, valid until the next call of `next` or `push`. */
export interface Frame {
  readonly negotiationData: Uint8Array;
  readonly noiseMessage: Uint8Array;
  /** The whole frame as received, which the prologues of switch and retry quote. */
  readonly bytes: Uint8Array;
}

export interface FrameLimits {
  readonly negotiationDataBytes: number;
  readonly handshakeMessageBytes: number;
}

/** What the two length fields can express. */
export const widestFrames: FrameLimits = { negotiationDataBytes: 65535, handshakeMessageBytes: 65535 };

/** Splits a byte stream into frames; once drained it holds at most one incomplete frame, so less than 131 074 bytes. */
export interface FrameDecoder {
  /** Hands over the next chunk, which must not be changed afterwards. */
  readonly push: (chunk: Uint8Array) => void;
  /** The next complete frame, `undefined` when more bytes are needed. */
  readonly next: (phase: FramePhase) => Result<Frame | undefined, NoiseSocketError>;
  readonly bufferedBytes: () => number;
}

const empty: Uint8Array = new Uint8Array(0);

const uint16 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);

/** Length of the frame that starts at `at`, as far as the bytes up to `end` tell: at most `end - at` only when it is exact. */
const requiredBytes = (
  bytes: Uint8Array,
  at: number,
  end: number,
  phase: FramePhase,
  limits: FrameLimits,
): Result<number, NoiseSocketError> => {
  if (end - at < 2) return ok(2);
  const first = uint16(bytes, at);
  if (phase === "transport") return ok(2 + first);
  if (first > limits.negotiationDataBytes) return err({ type: "FrameTooLong", limit: limits.negotiationDataBytes });
  if (end - at < 4 + first) return ok(4 + first);
  const second = uint16(bytes, at + 2 + first);
  if (second > limits.handshakeMessageBytes) return err({ type: "FrameTooLong", limit: limits.handshakeMessageBytes });
  return ok(4 + first + second);
};

const frameOf = (bytes: Uint8Array, phase: FramePhase): Frame => {
  if (phase === "transport") return { negotiationData: empty, noiseMessage: bytes.subarray(2), bytes };
  const length = uint16(bytes, 0);
  return { negotiationData: bytes.subarray(2, 2 + length), noiseMessage: bytes.subarray(4 + length), bytes };
};

export const createFrameDecoder = (limits: FrameLimits = widestFrames): FrameDecoder => {
  let chunk = empty;
  let at = 0;
  let held = empty;
  let heldLength = 0;

  const take = (count: number): void => {
    held.set(chunk.subarray(at, at + count), heldLength);
    heldLength += count;
    at += count;
  };
  const reserve = (capacity: number): void => {
    if (held.length >= capacity) return;
    const larger = new Uint8Array(capacity);
    larger.set(held.subarray(0, heldLength));
    held = larger;
  };
  const nextFromHeld = (phase: FramePhase): Result<Frame | undefined, NoiseSocketError> => {
    for (;;) {
      const required = requiredBytes(held, 0, heldLength, phase, limits);
      if (!required.ok) return required;
      if (required.value <= heldLength) {
        const frame = frameOf(held.subarray(0, heldLength), phase);
        heldLength = 0;
        return ok(frame);
      }
      if (at === chunk.length) return ok(undefined);
      reserve(required.value);
      take(Math.min(required.value - heldLength, chunk.length - at));
    }
  };
  return {
    push: (bytes) => {
      chunk = at === chunk.length ? bytes : concatBytes(chunk.subarray(at), bytes);
      at = 0;
    },
    next: (phase) => {
      if (heldLength > 0) return nextFromHeld(phase);
      if (at === chunk.length) return ok(undefined);
      const required = requiredBytes(chunk, at, chunk.length, phase, limits);
      if (!required.ok) return required;
      const end = at + required.value;
      if (end > chunk.length) {
        reserve(required.value);
        take(chunk.length - at);
        return ok(undefined);
      }
      const frame = frameOf(chunk.subarray(at, end), phase);
      at = end;
      return ok(frame);
    },
    bufferedBytes: () => heldLength + chunk.length - at,
  };
};

/** One handshake message; both fields at most 65535 bytes, which the caller has checked. */
export const encodeHandshakeFrame = (negotiationData: Uint8Array, noiseMessage: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(4 + negotiationData.length + noiseMessage.length);
  const view = new DataView(frame.buffer);
  view.setUint16(0, negotiationData.length);
  frame.set(negotiationData, 2);
  view.setUint16(2 + negotiationData.length, noiseMessage.length);
  frame.set(noiseMessage, 4 + negotiationData.length);
  return frame;
};

export type ResponseKind = "accept" | "switch" | "retryOrReject" | "invalid";

/** How Bob answered the first message (section 2.4 of revision 2draft); only the application can tell a retry from a reject. */
export const classifyResponse = (frame: Frame): ResponseKind => {
  const hasMessage = frame.noiseMessage.length > 0;
  if (frame.negotiationData.length === 0) return hasMessage ? "accept" : "invalid";
  return hasMessage ? "switch" : "retryOrReject";
};
