import type { Descriptor } from "../identity/descriptor.ts";
import { createReader } from "../kernel/reader.ts";
import { type DecodeError, decodeError, type Result } from "../kernel/result.ts";
import { createWriter } from "../kernel/writer.ts";
import { MAXIMUM_NEIGHBOR_BYTES, readNeighbors, writeNeighbors } from "../view/neighbor.ts";
import type { VicinityMessage } from "./messages.ts";

const VERSION = 1;
const REQUEST = 0x20;
const RESPONSE = 0x21;
const HEADER_BYTES = 10;
/** Room for the experiments' largest exchange (20) and no more. */
const MAXIMUM_NEIGHBORS = 20;

/** Upper bound of an encoded message. */
export const MAXIMUM_VICINITY_BYTES = HEADER_BYTES + 1 + MAXIMUM_NEIGHBORS * MAXIMUM_NEIGHBOR_BYTES;

export const encodeVicinityMessage = (message: VicinityMessage<Descriptor>): Uint8Array => {
  const writer = createWriter(MAXIMUM_VICINITY_BYTES, 4096);
  writer.u8(VERSION);
  writer.u8(message.type === "vicinityRequest" ? REQUEST : RESPONSE);
  writer.u53(message.exchange);
  writeNeighbors(writer, message.neighbors);
  return writer.finish();
};

export const decodeVicinityMessage = (bytes: Uint8Array): Result<VicinityMessage<Descriptor>, DecodeError> => {
  const reader = createReader(bytes);
  if (bytes.length > MAXIMUM_VICINITY_BYTES) reader.fail("message-size");
  if (reader.u8() !== VERSION) reader.fail("version");
  const type = reader.u8();
  if (!reader.failed() && type !== REQUEST && type !== RESPONSE) return decodeError("message-type", 1);
  const exchange = reader.u53();
  const neighbors = readNeighbors(reader, MAXIMUM_NEIGHBORS);
  return reader.finish({ type: type === REQUEST ? "vicinityRequest" : "vicinityResponse", exchange, neighbors });
};
