import { base64urlToBytes, bytesToBase64url } from "../kernel/bytes.ts";
import { invariant } from "../kernel/assert.ts";
import { createReader, type Reader } from "../kernel/reader.ts";
import { type DecodeError, decodeError, type Result } from "../kernel/result.ts";
import { createWriter, type Writer } from "../kernel/writer.ts";
import type { MessageId, RingCastMessage, TopicTag } from "./messages.ts";

const VERSION = 1;
const TYPES = { publish: 0x40, acknowledge: 0x41, announce: 0x42, want: 0x43, prune: 0x44, catchUp: 0x45 } as const;
const LINKS = ["random", "ring", "tree", "pull"] as const;
const TAG_BYTES = 16;
const ID_BYTES = 32;
/** Nine bytes fill twelve characters of base64url without spare bits. */
const KNOWN_BYTES = 9;
const MAXIMUM_IDS = 512;
const MAXIMUM_KNOWN = 1_024;

/** Larger payloads travel as an announcement of where to fetch them: with fan-out 3 every byte would be sent three times. */
export const MAXIMUM_PAYLOAD_BYTES = 48 * 1024;
/** Upper bound of an encoded message; below the 65 535 bytes of a Noise transport message. */
export const MAXIMUM_RINGCAST_BYTES = MAXIMUM_PAYLOAD_BYTES + 128;

export const encodeRingCastMessage = (message: RingCastMessage): Uint8Array => {
  const writer = createWriter(MAXIMUM_RINGCAST_BYTES, 128);
  writer.u8(VERSION);
  writer.u8(TYPES[message.type]);
  writeText(writer, message.topic, TAG_BYTES);
  switch (message.type) {
    case "publish":
      writeText(writer, message.id, ID_BYTES);
      writer.u8(message.hops);
      writer.u8(LINKS.indexOf(message.link));
      writer.u16(message.payload.length);
      writer.raw(message.payload);
      break;
    case "acknowledge":
      writeText(writer, message.id, ID_BYTES);
      break;
    case "announce":
    case "want":
      writeList(writer, message.ids, ID_BYTES);
      break;
    case "prune":
      break;
    case "catchUp":
      writeList(writer, message.known, KNOWN_BYTES);
      break;
  }
  return writer.finish();
};

export const decodeRingCastMessage = (bytes: Uint8Array): Result<RingCastMessage, DecodeError> => {
  const reader = createReader(bytes);
  if (bytes.length > MAXIMUM_RINGCAST_BYTES) reader.fail("message-size");
  if (reader.u8() !== VERSION) reader.fail("version");
  const type = reader.u8();
  const topic = readText<TopicTag>(reader, TAG_BYTES);
  switch (type) {
    case TYPES.publish: {
      const id = readText<MessageId>(reader, ID_BYTES);
      const hops = reader.u8();
      const link = LINKS[reader.bounded(reader.u8(), LINKS.length - 1, "link")] ?? "random";
      const length = reader.bounded(reader.u16(), MAXIMUM_PAYLOAD_BYTES, "payload-size");
      return reader.finish({ type: "publish", topic, id, hops, link, payload: reader.take(length).slice() });
    }
    case TYPES.acknowledge:
      return reader.finish({ type: "acknowledge", topic, id: readText<MessageId>(reader, ID_BYTES) });
    case TYPES.announce:
      return reader.finish({ type: "announce", topic, ids: readList<MessageId>(reader, ID_BYTES, MAXIMUM_IDS) });
    case TYPES.want:
      return reader.finish({ type: "want", topic, ids: readList<MessageId>(reader, ID_BYTES, MAXIMUM_IDS) });
    case TYPES.prune:
      return reader.finish({ type: "prune", topic });
    case TYPES.catchUp:
      return reader.finish({ type: "catchUp", topic, known: readList<string>(reader, KNOWN_BYTES, MAXIMUM_KNOWN) });
    default:
      return decodeError("message-type", 1);
  }
};

const writeText = (writer: Writer, text: string, length: number): void => {
  const bytes = base64urlToBytes(text);
  invariant(bytes !== undefined && bytes.length === length, `an identifier of ${length} bytes`);
  writer.raw(bytes);
};

const readText = <T extends string>(reader: Reader, length: number): T => bytesToBase64url(reader.take(length)) as T;

const writeList = (writer: Writer, items: readonly string[], length: number): void => {
  writer.u16(items.length);
  for (const item of items) writeText(writer, item, length);
};

const readList = <T extends string>(reader: Reader, length: number, limit: number): T[] => {
  const items: T[] = [];
  const count = reader.bounded(reader.u16(), limit, "list-length");
  if (count * length > reader.remaining()) reader.fail("truncated");
  for (let i = 0; i < count && !reader.failed(); i++) items.push(readText<T>(reader, length));
  return items;
};
