import { createReader, type Reader } from "../kernel/reader.ts";
import type { DecodeError, Result } from "../kernel/result.ts";
import { createWriter, type Writer } from "../kernel/writer.ts";
import type { BfpsiMessage, PsiFault } from "./messages.ts";
import { MAXIMUM_BUCKET_LOG2, MAXIMUM_TAGS, MINIMUM_BUCKET_LOG2, offerParameters } from "./parameters.ts";
import { areStrictlyAscending, TAG_BYTES } from "./tag-list.ts";

/** Number of this protocol in the envelope; VPSI has the next one. */
const PROTOCOL = 2;
const MESSAGE_TYPES = ["offer", "challenge", "response", "done", "error"] as const;
const FAULTS: readonly PsiFault[] = ["busy", "rate", "badFilter", "tooBig", "state"];
const NONCE_BYTES = 16;
const RANDOM_BYTES = 32;
/** Envelope, two random values, count and the longest list of tags. */
const MAXIMUM_MESSAGE_BYTES = 6 + 2 * RANDOM_BYTES + 2 + MAXIMUM_TAGS * TAG_BYTES;

const writeTags = (writer: Writer, tags: readonly Uint8Array[]): void => {
  writer.u16(tags.length);
  for (const tag of tags) writer.raw(tag);
};

export const encodeBfpsiMessage = (message: BfpsiMessage): Uint8Array => {
  const writer = createWriter(MAXIMUM_MESSAGE_BYTES, 256);
  writer.u8(PROTOCOL);
  writer.u8(MESSAGE_TYPES.indexOf(message.type) + 1);
  writer.u32(message.run);
  switch (message.type) {
    case "offer":
      writer.u8(0);
      writer.u8(message.log2);
      writer.raw(message.nonce);
      writer.raw(message.bits);
      break;
    case "challenge":
      writer.raw(message.random);
      writer.raw(message.key);
      writeTags(writer, message.tags);
      break;
    case "response":
      writer.raw(message.random);
      writeTags(writer, message.tags);
      break;
    case "done":
      writer.u8(0);
      break;
    case "error":
      writer.u8(FAULTS.indexOf(message.fault) + 1);
      break;
  }
  return writer.finish();
};

const readTags = (reader: Reader): readonly Uint8Array[] => {
  const count = reader.bounded(reader.u16(), MAXIMUM_TAGS, "BFP-7 count");
  if (reader.remaining() < count * TAG_BYTES) {
    reader.fail("truncated");
    return [];
  }
  const tags = Array.from({ length: count }, () => reader.take(TAG_BYTES).slice());
  if (!areStrictlyAscending(tags)) reader.fail("BFP-7 order");
  return tags;
};

const zero = (reader: Reader): void => {
  if (reader.u8() !== 0) reader.fail("BFP-7 reserved");
};

/** Reads one message; total over all byte strings, at most 64 KiB of result. */
export const decodeBfpsiMessage = (bytes: Uint8Array): Result<BfpsiMessage, DecodeError> => {
  const reader = createReader(bytes);
  if (reader.u8() !== PROTOCOL) reader.fail("BFP-7 protocol");
  const type = MESSAGE_TYPES[reader.u8() - 1];
  const run = reader.u32();
  switch (type) {
    case "offer": {
      zero(reader);
      const log2 = reader.u8();
      if (log2 < MINIMUM_BUCKET_LOG2 || log2 > MAXIMUM_BUCKET_LOG2) reader.fail("BFP-7 bucket");
      const nonce = reader.take(NONCE_BYTES).slice();
      const bits = reader.failed() ? nonce : reader.take(offerParameters(log2).bits / 8).slice();
      return reader.finish({ type, run, log2, nonce, bits });
    }
    case "challenge": {
      const random = reader.take(RANDOM_BYTES).slice();
      const key = reader.take(RANDOM_BYTES).slice();
      return reader.finish({ type, run, random, key, tags: readTags(reader) });
    }
    case "response": {
      const random = reader.take(RANDOM_BYTES).slice();
      return reader.finish({ type, run, random, tags: readTags(reader) });
    }
    case "done":
      zero(reader);
      return reader.finish({ type, run });
    case "error": {
      const fault = FAULTS[reader.u8() - 1];
      if (fault === undefined) reader.fail("BFP-7 fault");
      return reader.finish({ type, run, fault: fault ?? "state" });
    }
    default:
      reader.fail("BFP-7 message");
      return reader.finish({ type: "done", run });
  }
};
