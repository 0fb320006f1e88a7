import { decodeDescriptor, type Descriptor, MAXIMUM_DESCRIPTOR_BYTES } from "../identity/descriptor.ts";
import { createReader, type Reader } from "../kernel/reader.ts";
import { type DecodeError, decodeError, type Result } from "../kernel/result.ts";
import { createWriter, type Writer } from "../kernel/writer.ts";
import { MAXIMUM_NEIGHBOR_BYTES, readNeighbors, writeNeighbors } from "../view/neighbor.ts";
import type { CyclonMessage } from "./messages.ts";

const VERSION = 1;
const TYPES = {
  shuffleRequest: 0x10,
  shuffleResponse: 0x11,
  joinRequest: 0x12,
  joinWalk: 0x13,
  joinGift: 0x14,
} as const;
/** Room for the papers' largest exchange (8 to 10) and to spare. */
const MAXIMUM_NEIGHBORS = 16;
const MAXIMUM_STEPS = 16;
const HEADER_BYTES = 10;

/** Upper bound of an encoded message. */
export const MAXIMUM_CYCLON_BYTES = HEADER_BYTES + 1 + MAXIMUM_NEIGHBORS * MAXIMUM_NEIGHBOR_BYTES;

export const encodeCyclonMessage = (message: CyclonMessage<Descriptor>): Uint8Array => {
  const writer = createWriter(MAXIMUM_CYCLON_BYTES, 2048);
  writer.u8(VERSION);
  writer.u8(TYPES[message.type]);
  writer.u53(message.exchange);
  switch (message.type) {
    case "shuffleRequest":
    case "shuffleResponse":
      writeNeighbors(writer, message.neighbors);
      break;
    case "joinRequest":
      writeDescriptor(writer, message.joiner);
      break;
    case "joinWalk":
      writer.u8(message.steps);
      writeDescriptor(writer, message.joiner);
      break;
    case "joinGift":
      writeNeighbors(writer, [message.gift]);
      break;
  }
  return writer.finish();
};

export const decodeCyclonMessage = (bytes: Uint8Array): Result<CyclonMessage<Descriptor>, DecodeError> => {
  const reader = createReader(bytes);
  if (bytes.length > MAXIMUM_CYCLON_BYTES) reader.fail("message-size");
  if (reader.u8() !== VERSION) reader.fail("version");
  const type = reader.u8();
  const exchange = reader.u53();
  switch (type) {
    case TYPES.shuffleRequest:
      return reader.finish({ type: "shuffleRequest", exchange, neighbors: readNeighbors(reader, MAXIMUM_NEIGHBORS) });
    case TYPES.shuffleResponse:
      return reader.finish({ type: "shuffleResponse", exchange, neighbors: readNeighbors(reader, MAXIMUM_NEIGHBORS) });
    case TYPES.joinRequest:
      return withDescriptor(reader, (joiner) => ({ type: "joinRequest", exchange, joiner }));
    case TYPES.joinWalk: {
      const steps = reader.bounded(reader.u8(), MAXIMUM_STEPS, "walk-steps");
      return withDescriptor(reader, (joiner) => ({ type: "joinWalk", exchange, joiner, steps }));
    }
    case TYPES.joinGift: {
      const [gift] = readNeighbors(reader, 1);
      if (gift === undefined) return decodeError("gift-missing", bytes.length);
      return reader.finish({ type: "joinGift", exchange, gift });
    }
    default:
      return decodeError("message-type", 1);
  }
};

const writeDescriptor = (writer: Writer, descriptor: Descriptor): void => {
  writer.u16(descriptor.bytes.length);
  writer.raw(descriptor.bytes);
};

const withDescriptor = (
  reader: Reader,
  build: (descriptor: Descriptor) => CyclonMessage<Descriptor>,
): Result<CyclonMessage<Descriptor>, DecodeError> => {
  const length = reader.bounded(reader.u16(), MAXIMUM_DESCRIPTOR_BYTES, "descriptor-size");
  const decoded = decodeDescriptor(reader.take(length));
  return decoded.ok ? reader.finish(build(decoded.value)) : decoded;
};
