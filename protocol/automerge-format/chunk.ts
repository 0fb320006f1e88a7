import { bytesToHex } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import type { FormatDependencies } from "./change.ts";
import type { FormatLimits } from "./limits.ts";
import { createReader, fail, readByte, readBytes, readRange, readUleb, type Reader } from "./reader.ts";
import { createWriter, writeByte, writeBytes, writeUleb, writtenBytes } from "./writer.ts";

export const CHUNK_TYPE = { document: 0, change: 1, deflatedChange: 2 } as const;
const MAGIC = [0x85, 0x6f, 0x4a, 0x83];

export interface ChunkFrame {
  readonly type: number;
  /** First four bytes of the SHA-256 of type, length and (inflated) body. */
  readonly checksum: Uint8Array;
  readonly bodyFrom: number;
  readonly bodyTo: number;
}

/** Reads the frame of the next chunk and skips its body. */
export const readChunkFrame = (reader: Reader): ChunkFrame => {
  for (const byte of MAGIC) if (readByte(reader) !== byte) fail(reader, "magic");
  const checksum = readBytes(reader, 4);
  const type = readByte(reader);
  const length = readUleb(reader);
  const bodyFrom = readRange(reader, length);
  return { type, checksum, bodyFrom, bodyTo: reader.failure === undefined ? bodyFrom + length : bodyFrom };
};

export interface ChangeBody {
  readonly body: Uint8Array;
  /** Lower-case hex. */
  readonly hash: string;
}

/** Body and verified hash of bytes that are exactly one change chunk, raw or deflated. */
export const openChangeChunk = (
  bytes: Uint8Array,
  limits: FormatLimits,
  { sha256, inflateRaw }: FormatDependencies,
): Result<ChangeBody, DecodeError> => {
  const reader = createReader(bytes);
  const frame = readChunkFrame(reader);
  if (reader.failure !== undefined) return decodeError(reader.failure, 0);
  if (reader.at !== bytes.length) return decodeError("bytes after the chunk", reader.at);
  const stored = bytes.subarray(frame.bodyFrom, frame.bodyTo);
  let hash: Uint8Array;
  let body: Uint8Array | undefined = stored;
  if (frame.type === CHUNK_TYPE.change) {
    if (stored.length > limits.inflatedBytes) return decodeError("change too large", frame.bodyFrom);
    hash = sha256(bytes.subarray(8));
  } else if (frame.type === CHUNK_TYPE.deflatedChange) {
    body = inflateRaw(stored, limits.inflatedBytes);
    if (body === undefined) return decodeError("deflate", frame.bodyFrom);
    hash = sha256(hashedBytes(body));
  } else return decodeError("not a change chunk", 8);
  for (let i = 0; i < 4; i++) if (hash[i] !== frame.checksum[i]) return decodeError("checksum", 4);
  return ok({ body, hash: bytesToHex(hash) });
};

const hashedBytes = (body: Uint8Array): Uint8Array => {
  const writer = createWriter(body.length + 8);
  writeByte(writer, CHUNK_TYPE.change);
  writeUleb(writer, body.length);
  writeBytes(writer, body);
  return writtenBytes(writer);
};

/** Uncompressed change chunk around a body, and its hash. */
export const sealChangeChunk = (
  body: Uint8Array,
  sha256: FormatDependencies["sha256"],
): { readonly bytes: Uint8Array; readonly hash: string } => {
  const hashed = hashedBytes(body);
  const hash = sha256(hashed);
  const bytes = new Uint8Array(8 + hashed.length);
  bytes.set(MAGIC);
  bytes.set(hash.subarray(0, 4), 4);
  bytes.set(hashed, 8);
  return { bytes, hash: bytesToHex(hash) };
};
