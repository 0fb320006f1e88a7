import { decodeDescriptor, type Descriptor, MAXIMUM_DESCRIPTOR_BYTES } from "../identity/descriptor.ts";
import { invariant } from "../kernel/assert.ts";
import { base64urlToBytes, bytesToBase64url } from "../kernel/bytes.ts";
import { createReader, type Reader } from "../kernel/reader.ts";
import { type DecodeError, decodeError, type Result } from "../kernel/result.ts";
import { createWriter, type Writer } from "../kernel/writer.ts";
import type { TopicTag } from "../ringcast/messages.ts";
import { MAXIMUM_NEIGHBOR_BYTES, readNeighbors, writeNeighbors } from "../view/neighbor.ts";
import type { RingsMessage, TopicNeighbors } from "./messages.ts";

/** Seals what is said about a topic under a key that only holders of its element derive, and proves holding it, in one session. */
export interface TopicSeal {
  readonly seal: (topic: TopicTag, plaintext: Uint8Array) => Uint8Array;
  /** `undefined` for a topic this node does not hold or a wrong tag. */
  readonly open: (topic: TopicTag, sealed: Uint8Array) => Uint8Array | undefined;
  /** 16 bytes that show the session's peer that this node holds the topic's element. */
  readonly prove: (topic: TopicTag) => Uint8Array;
  /** True when this node holds the topic and the peer's proof for it is wrong. */
  readonly refutes: (topic: TopicTag, proof: Uint8Array) => boolean;
}

const VERSION = 1;
const TYPES = { ringRequest: 0x30, ringResponse: 0x31, ringFind: 0x32, ringFound: 0x33, ringLeave: 0x34 } as const;
const TAG_BYTES = 16;
const PROOF_BYTES = 16;
const MAXIMUM_TOPICS = 16;
const MAXIMUM_NEIGHBORS = 16;
/** Nonce and tag of the seal. */
const SEAL_BYTES = 28;
const MAXIMUM_SEALED_BYTES = 1 + MAXIMUM_NEIGHBORS * MAXIMUM_NEIGHBOR_BYTES + SEAL_BYTES;

/** Upper bound of an encoded message: at most 16 neighbors in all, spread over at most 16 topics. */
export const MAXIMUM_RINGS_BYTES =
  13 +
  MAXIMUM_DESCRIPTOR_BYTES +
  MAXIMUM_TOPICS * (TAG_BYTES + 3 + SEAL_BYTES) +
  MAXIMUM_NEIGHBORS * MAXIMUM_NEIGHBOR_BYTES;

export const encodeRingsMessage = (message: RingsMessage<Descriptor>, { seal, prove }: TopicSeal): Uint8Array => {
  const writer = createWriter(MAXIMUM_RINGS_BYTES, 2048);
  writer.u8(VERSION);
  writer.u8(TYPES[message.type]);
  writer.u53(message.exchange);
  if ("sender" in message) {
    writer.u16(message.sender.bytes.length);
    writer.raw(message.sender.bytes);
  }
  if ("topic" in message) {
    writeTag(writer, message.topic);
    const proof = prove(message.topic);
    invariant(proof.length === PROOF_BYTES, "a proof has 16 bytes");
    writer.raw(proof);
  }
  if ("topics" in message) {
    writer.u8(message.topics.length);
    for (const { topic, neighbors } of message.topics) {
      const inner = createWriter(MAXIMUM_SEALED_BYTES, 1024);
      writeNeighbors(inner, neighbors);
      const sealed = seal(topic, inner.finish());
      writeTag(writer, topic);
      writer.u16(sealed.length);
      writer.raw(sealed);
    }
  }
  return writer.finish();
};

/** Topics this node does not hold are left out of the result: their seals cannot be opened, which is no error. */
export const decodeRingsMessage = (
  bytes: Uint8Array,
  { open, refutes }: TopicSeal,
): Result<RingsMessage<Descriptor>, DecodeError> => {
  const reader = createReader(bytes);
  if (bytes.length > MAXIMUM_RINGS_BYTES) reader.fail("message-size");
  if (reader.u8() !== VERSION) reader.fail("version");
  const code = reader.u8();
  const exchange = reader.u53();
  switch (code) {
    case TYPES.ringRequest:
    case TYPES.ringResponse: {
      const sender = readDescriptor(reader);
      const topics = readTopics(reader, open);
      if (sender === undefined) return decodeError("sender", 10);
      return reader.finish({
        type: code === TYPES.ringRequest ? "ringRequest" : "ringResponse",
        exchange,
        sender,
        topics,
      });
    }
    case TYPES.ringFind: {
      const sender = readDescriptor(reader);
      const topic = readTag(reader);
      const proof = reader.take(PROOF_BYTES);
      if (sender === undefined) return decodeError("sender", 10);
      if (!reader.failed() && refutes(topic, proof)) reader.fail("PLD-14 proof");
      return reader.finish({ type: "ringFind", exchange, sender, topic });
    }
    case TYPES.ringFound:
      return reader.finish({ type: "ringFound", exchange, topics: readTopics(reader, open) });
    case TYPES.ringLeave:
      return reader.finish({ type: "ringLeave", exchange, topics: readTopics(reader, open) });
    default:
      return decodeError("message-type", 1);
  }
};

const readDescriptor = (reader: Reader): Descriptor | undefined => {
  const length = reader.bounded(reader.u16(), MAXIMUM_DESCRIPTOR_BYTES, "descriptor-size");
  const decoded = decodeDescriptor(reader.take(length));
  return decoded.ok ? decoded.value : undefined;
};

const readTopics = (reader: Reader, open: TopicSeal["open"]): TopicNeighbors<Descriptor>[] => {
  const topics: TopicNeighbors<Descriptor>[] = [];
  const tags = new Set<TopicTag>();
  const count = reader.bounded(reader.u8(), MAXIMUM_TOPICS, "topic-count");
  for (let i = 0; i < count && !reader.failed(); i++) {
    const topic = readTag(reader);
    if (tags.has(topic)) reader.fail("duplicate-topic");
    tags.add(topic);
    const sealed = reader.take(reader.bounded(reader.u16(), MAXIMUM_SEALED_BYTES, "sealed-size"));
    if (reader.failed()) break;
    const plaintext = open(topic, sealed);
    if (plaintext === undefined) continue;
    const inner = createReader(plaintext);
    const read = inner.finish(readNeighbors(inner, MAXIMUM_NEIGHBORS));
    if (read.ok) topics.push({ topic, neighbors: read.value });
    else reader.fail(read.error.rule);
  }
  return topics;
};

const writeTag = (writer: Writer, topic: TopicTag): void => {
  const bytes = base64urlToBytes(topic);
  invariant(bytes !== undefined && bytes.length === TAG_BYTES, "a topic tag has 16 bytes");
  writer.raw(bytes);
};

const readTag = (reader: Reader): TopicTag => bytesToBase64url(reader.take(TAG_BYTES)) as TopicTag;
