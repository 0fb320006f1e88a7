import { bytesToHex } from "../kernel/bytes.ts";
import type { FormatLimits } from "./limits.ts";
import { fail, readBytes, readRange, readSleb, readUleb, type Reader } from "./reader.ts";
import { decodeUtf8 } from "../codec/utf8.ts";

export interface ChangeHeader {
  readonly actors: readonly string[];
  readonly seq: number;
  readonly startOp: number;
  readonly time: number;
  readonly message: string;
  readonly dependencies: readonly string[];
}

const HASH_BYTES = 32;

/** Part of a change body before its columns. */
export const readChangeHeader = (reader: Reader, limits: FormatLimits): ChangeHeader => {
  const dependencyCount = readUleb(reader);
  if (dependencyCount > limits.dependencies) fail(reader, "too many dependencies");
  const dependencies: string[] = [];
  for (let i = 0; i < dependencyCount && reader.failure === undefined; i++) {
    const hash = bytesToHex(readBytes(reader, HASH_BYTES));
    const previous = dependencies[i - 1];
    if (previous !== undefined && previous >= hash) fail(reader, "dependency order");
    dependencies.push(hash);
  }
  const actors = [readActor(reader, limits)];
  const seq = readUleb(reader);
  const startOp = readUleb(reader);
  const time = readSleb(reader);
  const message = readMessage(reader, limits);
  const others = readUleb(reader);
  if (others >= limits.actors) fail(reader, "too many actors");
  for (let i = 0; i < others && reader.failure === undefined; i++) {
    const actor = readActor(reader, limits);
    const previous = actors[i];
    if ((i > 0 && previous !== undefined && previous >= actor) || actor === actors[0]) fail(reader, "actor order");
    actors.push(actor);
  }
  if (seq < 1) fail(reader, "sequence number");
  if (startOp < 1) fail(reader, "start counter");
  return { actors, seq, startOp, time, message, dependencies };
};

const readActor = (reader: Reader, limits: FormatLimits): string => {
  const length = readUleb(reader);
  if (length < 1 || length > limits.actorBytes) fail(reader, "actor length");
  return bytesToHex(readBytes(reader, length));
};

const readMessage = (reader: Reader, limits: FormatLimits): string => {
  const length = readUleb(reader);
  if (length > limits.messageBytes) fail(reader, "message too long");
  const start = readRange(reader, length);
  if (reader.failure !== undefined) return "";
  const text = decodeUtf8(reader.bytes, start, start + length);
  if (text === undefined) fail(reader, "malformed UTF-8");
  return text ?? "";
};
