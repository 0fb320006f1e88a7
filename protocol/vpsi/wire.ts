import { areStrictlyAscending, TAG_BYTES } from "../bfpsi/tag-list.ts";
import { bytesToHex } from "../kernel/bytes.ts";
import { createReader, type Reader } from "../kernel/reader.ts";
import type { DecodeError, Result } from "../kernel/result.ts";
import { createWriter, type Writer } from "../kernel/writer.ts";
import type { VpsiFault, VpsiMessage } from "./messages.ts";
import { ELEMENT_BYTES, isBucket, MAXIMUM_NAMES, PROOF_BYTES } from "./parameters.ts";

/** Number of this protocol in the envelope; BFPSI has the one before. */
const PROTOCOL = 3;
const MESSAGE_TYPES = ["query", "answer", "confirm", "error"] as const;
const FAULTS: readonly VpsiFault[] = ["busy", "rate", "badElement", "tooBig", "state", "keyChanged"];
const NONCE_BYTES = 16;
/** The answer for 256 elements. */
const MAXIMUM_MESSAGE_BYTES = 6 + ELEMENT_BYTES + PROOF_BYTES + 4 + MAXIMUM_NAMES * (ELEMENT_BYTES + TAG_BYTES);

const writeList = (writer: Writer, list: readonly Uint8Array[]): void => {
  writer.u16(list.length);
  for (const entry of list) writer.raw(entry);
};

export const encodeVpsiMessage = (message: VpsiMessage): Uint8Array => {
  const writer = createWriter(MAXIMUM_MESSAGE_BYTES, 1024);
  writer.u8(PROTOCOL);
  writer.u8(MESSAGE_TYPES.indexOf(message.type) + 1);
  writer.u32(message.run);
  switch (message.type) {
    case "query":
      writer.raw(message.nonce);
      writeList(writer, message.blinded);
      break;
    case "answer":
      writer.raw(message.publicKey);
      writer.raw(message.proof);
      writeList(writer, message.evaluated);
      writeList(writer, message.tags);
      break;
    case "confirm":
      writeList(writer, message.tags);
      break;
    case "error":
      writer.u8(FAULTS.indexOf(message.fault) + 1);
      break;
  }
  return writer.finish();
};

const readList = (reader: Reader, size: number): readonly Uint8Array[] => {
  const count = reader.bounded(reader.u16(), MAXIMUM_NAMES, "VPS-7 count");
  if (reader.remaining() < count * size) {
    reader.fail("truncated");
    return [];
  }
  return Array.from({ length: count }, () => reader.take(size).slice());
};

const readElements = (reader: Reader): readonly Uint8Array[] => {
  const elements = readList(reader, ELEMENT_BYTES);
  if (!isBucket(elements.length)) reader.fail("VPS-7 bucket");
  if (new Set(elements.map(bytesToHex)).size !== elements.length) reader.fail("VPS-7 duplicate");
  return elements;
};

const readTags = (reader: Reader): readonly Uint8Array[] => {
  const tags = readList(reader, TAG_BYTES);
  if (!areStrictlyAscending(tags)) reader.fail("VPS-7 order");
  return tags;
};

/** Reads one message; total over all byte strings. Whether elements are points is for the group to say. */
export const decodeVpsiMessage = (bytes: Uint8Array): Result<VpsiMessage, DecodeError> => {
  const reader = createReader(bytes);
  if (reader.u8() !== PROTOCOL) reader.fail("VPS-7 protocol");
  const type = MESSAGE_TYPES[reader.u8() - 1];
  const run = reader.u32();
  switch (type) {
    case "query": {
      const nonce = reader.take(NONCE_BYTES).slice();
      return reader.finish({ type, run, nonce, blinded: readElements(reader) });
    }
    case "answer": {
      const publicKey = reader.take(ELEMENT_BYTES).slice();
      const proof = reader.take(PROOF_BYTES).slice();
      const evaluated = readElements(reader);
      const tags = readTags(reader);
      if (!isBucket(tags.length)) reader.fail("VPS-7 bucket");
      return reader.finish({ type, run, publicKey, proof, evaluated, tags });
    }
    case "confirm":
      return reader.finish({ type, run, tags: readTags(reader) });
    case "error": {
      const fault = FAULTS[reader.u8() - 1];
      if (fault === undefined) reader.fail("VPS-7 fault");
      return reader.finish({ type, run, fault: fault ?? "state" });
    }
    default:
      reader.fail("VPS-7 message");
      return reader.finish({ type: "confirm", run, tags: [] });
  }
};
