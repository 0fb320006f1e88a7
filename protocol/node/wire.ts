import { decodeCyclonMessage, encodeCyclonMessage } from "../cyclon/wire.ts";
import type { Descriptor } from "../identity/descriptor.ts";
import type { DescriptorFault, DescriptorVerifier, VerifiedDescriptor } from "../identity/verified.ts";
import { type DecodeError, decodeError, ok, type Result } from "../kernel/result.ts";
import type { UnixMs } from "../kernel/time.ts";
import type { TopicNeighbors } from "../poldercast/messages.ts";
import { decodeRingsMessage, encodeRingsMessage, type TopicSeal } from "../poldercast/wire.ts";
import { decodeRingCastMessage, encodeRingCastMessage } from "../ringcast/wire.ts";
import { decodeVicinityMessage, encodeVicinityMessage } from "../vicinity/wire.ts";
import { MAXIMUM_AGE, type Neighbor } from "../view/neighbor.ts";
import type { GossipMessage } from "./messages.ts";

const VERSION = 1;
const BYE = 0x04;

/** Encodes a message for one transport message of a session. */
export const encodeGossipMessage = (message: GossipMessage<Descriptor>, seal: TopicSeal): Uint8Array => {
  switch (message.type) {
    case "shuffleRequest":
    case "shuffleResponse":
    case "joinRequest":
    case "joinWalk":
    case "joinGift":
      return encodeCyclonMessage(message);
    case "vicinityRequest":
    case "vicinityResponse":
      return encodeVicinityMessage(message);
    case "ringRequest":
    case "ringResponse":
    case "ringFind":
    case "ringFound":
    case "ringLeave":
      return encodeRingsMessage(message, seal);
    case "bye":
      return Uint8Array.of(VERSION, BYE);
    default:
      return encodeRingCastMessage(message);
  }
};

/** Decodes one message; the high half of the type byte names the layer. */
export const decodeGossipMessage = (
  bytes: Uint8Array,
  seal: TopicSeal,
): Result<GossipMessage<Descriptor>, DecodeError> => {
  const type = bytes[1] ?? 0;
  switch (type >> 4) {
    case 0:
      return bytes.length === 2 && bytes[0] === VERSION && type === BYE
        ? ok({ type: "bye" })
        : decodeError("control", 1);
    case 1:
      return decodeCyclonMessage(bytes);
    case 2:
      return decodeVicinityMessage(bytes);
    case 3:
      return decodeRingsMessage(bytes, seal);
    case 4:
      return decodeRingCastMessage(bytes);
    default:
      return decodeError("message-type", 1);
  }
};

/** A live node signs a fresh descriptor this often, and clocks and carriers are forgiven two such periods. */
const REISSUE_MS = 600_000;
const FORGIVEN_REISSUES = 2;

/** A carrier may call a descriptor young; its signed time of issue says how young it can be at most. */
const agedBy = (age: number, descriptor: Descriptor, now: UnixMs): number =>
  Math.min(MAXIMUM_AGE, Math.max(age, Math.floor((now - 1000 * descriptor.issuedAt) / REISSUE_MS) - FORGIVEN_REISSUES));

/** Verifies every descriptor of a message; one bad descriptor condemns the message, for its sender passed it on. */
export const verifyGossipMessage = (
  message: GossipMessage<Descriptor>,
  verifier: DescriptorVerifier,
  now: UnixMs,
): Result<GossipMessage, DescriptorFault> => {
  let fault: DescriptorFault | undefined;
  const verified = (descriptor: Descriptor): VerifiedDescriptor => {
    const result = verifier.verify(descriptor, now);
    if (result.ok) return result.value;
    fault ??= result.error;
    // Never used: a fault discards the whole message below.
    return descriptor as VerifiedDescriptor;
  };
  const all = (neighbors: readonly Neighbor<Descriptor>[]): Neighbor[] =>
    neighbors.map(({ descriptor, age }) => ({ descriptor: verified(descriptor), age: agedBy(age, descriptor, now) }));
  const topics = (list: readonly TopicNeighbors<Descriptor>[]): TopicNeighbors[] =>
    list.map(({ topic, neighbors }) => ({ topic, neighbors: all(neighbors) }));
  const convert = (): GossipMessage => {
    switch (message.type) {
      case "shuffleRequest": {
        // The sender stands first at age 0 (CYC-10): it lives, whatever its clock says.
        const neighbors = all(message.neighbors);
        const [sender, ...others] = neighbors;
        if (sender === undefined) return { ...message, neighbors };
        return { ...message, neighbors: [{ ...sender, age: message.neighbors[0]?.age ?? 0 }, ...others] };
      }
      case "shuffleResponse":
      case "vicinityRequest":
      case "vicinityResponse":
        return { ...message, neighbors: all(message.neighbors) };
      case "joinRequest":
      case "joinWalk":
        return { ...message, joiner: verified(message.joiner) };
      case "joinGift":
        return { ...message, gift: all([message.gift])[0] as Neighbor };
      case "ringRequest":
      case "ringResponse":
        return { ...message, sender: verified(message.sender), topics: topics(message.topics) };
      case "ringFind":
        return { ...message, sender: verified(message.sender) };
      case "ringFound":
      case "ringLeave":
        return { ...message, topics: topics(message.topics) };
      default:
        return message;
    }
  };
  const converted = convert();
  return fault === undefined ? ok(converted) : { ok: false, error: fault };
};
