import { type CborValue, decodeShape, encodeCbor, type Shape } from "../codec/cbor.ts";
import {
  array,
  bytes,
  bytesUpTo,
  literal,
  mapped,
  nullable,
  openTuple,
  refined,
  tagged,
  tuple,
  uint,
} from "../codec/shape.ts";
import { MAXIMUM_DESCRIPTOR_BYTES } from "../identity/descriptor.ts";
import { invariant } from "../kernel/assert.ts";
import { base64urlToBytes, bytesToBase64url } from "../kernel/bytes.ts";
import { type DecodeError, decodeError, type Result } from "../kernel/result.ts";
import type { TopicSeal } from "../poldercast/wire.ts";
import type { TopicTag } from "../ringcast/messages.ts";
import type { CoreMessage, ExchangeMessage } from "./messages.ts";

/** Ids in one question and items in one answer. */
export const MAX_EXCHANGED_ITEMS = 64;
/** Bytes of the items of one message beyond which the next one is left for the next message. */
export const MAX_EXCHANGED_BYTES = 1_048_576;
/** Largest item: a body of 4 MiB with its headers. */
const MAX_WIRE_BYTES = 4_194_304 + 1_024;
/** Frame limit of reconciliation with room for its header. */
const MAX_PAYLOAD_BYTES = 65_536;
const MAX_REQUEST = 2 ** 32 - 1;
const TAG_BYTES = 16;
const PROOF_BYTES = 16;

const HELLO = 1;
const COMPARE = 2;
const COMPARED = 3;
const REFUSED = 4;
const FETCH = 5;
const ITEMS = 6;
const GIVE = 7;
const TAKEN = 8;
const CHANGED = 9;

type Proven = Extract<ExchangeMessage, { readonly topic: TopicTag }>;
interface Read {
  readonly message: CoreMessage;
  readonly proof?: Uint8Array;
}

const request = uint(MAX_REQUEST);
const tag: Shape<TopicTag> = mapped(bytes(TAG_BYTES), (value) => bytesToBase64url(value) as TopicTag);
const proof = bytes(PROOF_BYTES);
const payload = bytesUpTo(MAX_PAYLOAD_BYTES);
const wires = array(bytesUpTo(MAX_WIRE_BYTES), MAX_EXCHANGED_ITEMS);
const host = refined(bytesUpTo(16), "an IP address has 4 or 16 bytes", ({ length }) => length === 4 || length === 16);

const shape: Shape<Read> = tagged<Read>({
  [HELLO]: mapped(
    openTuple(literal(HELLO), uint(255), bytes(16), bytesUpTo(MAXIMUM_DESCRIPTOR_BYTES), nullable(host)),
    ([, version, overlay, descriptor, observed]): Read => ({
      message: { type: "hello", version, overlay, descriptor, observed },
    }),
  ),
  [COMPARE]: mapped(tuple(literal(COMPARE), request, tag, proof, payload), ([, r, topic, proven, p]): Read => ({
    message: { type: "compare", request: r, topic, payload: p },
    proof: proven,
  })),
  [COMPARED]: mapped(tuple(literal(COMPARED), request, tag, proof, payload), ([, r, topic, proven, p]): Read => ({
    message: { type: "compared", request: r, topic, payload: p },
    proof: proven,
  })),
  [REFUSED]: mapped(tuple(literal(REFUSED), request), ([, r]): Read => ({ message: { type: "refused", request: r } })),
  [FETCH]: mapped(
    tuple(literal(FETCH), request, tag, proof, array(bytes(32), MAX_EXCHANGED_ITEMS, 1)),
    ([, r, topic, proven, oids]): Read => ({ message: { type: "fetch", request: r, topic, oids }, proof: proven }),
  ),
  [ITEMS]: mapped(tuple(literal(ITEMS), request, uint(MAX_EXCHANGED_ITEMS), wires), ([, r, dealt, given]): Read => ({
    message: { type: "items", request: r, dealt, wires: given },
  })),
  [GIVE]: mapped(tuple(literal(GIVE), request, tag, proof, wires), ([, r, topic, proven, given]): Read => ({
    message: { type: "give", request: r, topic, wires: given },
    proof: proven,
  })),
  [TAKEN]: mapped(tuple(literal(TAKEN), request), ([, r]): Read => ({ message: { type: "taken", request: r } })),
  [CHANGED]: mapped(tuple(literal(CHANGED), tag, proof), ([, topic, proven]): Read => ({
    message: { type: "changed", topic },
    proof: proven,
  })),
});

const fieldsOf = (message: CoreMessage, prove: TopicSeal["prove"]): CborValue => {
  const named = ({ topic }: Proven): [CborValue, CborValue] => {
    const bytesOfTag = base64urlToBytes(topic);
    invariant(bytesOfTag !== undefined && bytesOfTag.length === TAG_BYTES, "a topic tag has 16 bytes");
    return [bytesOfTag, prove(topic)];
  };
  switch (message.type) {
    case "hello":
      return [HELLO, message.version, message.overlay, message.descriptor, message.observed];
    case "compare":
      return [COMPARE, message.request, ...named(message), message.payload];
    case "compared":
      return [COMPARED, message.request, ...named(message), message.payload];
    case "refused":
      return [REFUSED, message.request];
    case "fetch":
      return [FETCH, message.request, ...named(message), [...message.oids]];
    case "items":
      return [ITEMS, message.request, message.dealt, [...message.wires]];
    case "give":
      return [GIVE, message.request, ...named(message), [...message.wires]];
    case "taken":
      return [TAKEN, message.request];
    case "changed":
      return [CHANGED, ...named(message)];
  }
};

export const encodeCoreMessage = (message: CoreMessage, prove: TopicSeal["prove"]): Uint8Array =>
  encodeCbor(fieldsOf(message, prove));

/** Total; a message about a topic held here whose proof is wrong does not decode (COR-7). */
export const decodeCoreMessage = (
  encoded: Uint8Array,
  refutes: TopicSeal["refutes"],
): Result<CoreMessage, DecodeError> => {
  const read = decodeShape(shape, encoded);
  if (!read.ok) return read;
  const { message, proof: given } = read.value;
  if (given !== undefined && "topic" in message && refutes(message.topic, given)) return decodeError("COR-7 proof");
  return { ok: true, value: message };
};
