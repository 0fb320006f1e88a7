import type { CyclonMessage } from "../../../protocol/cyclon/messages.ts";
import { decodeCyclonMessage, encodeCyclonMessage } from "../../../protocol/cyclon/wire.ts";
import type { Descriptor } from "../../../protocol/identity/descriptor.ts";
import type { VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import type { Neighbor } from "../../../protocol/view/neighbor.ts";
import type { PolderCastMessage, RingsMessage, TopicNeighbors } from "../../../protocol/poldercast/messages.ts";
import { decodeRingsMessage, encodeRingsMessage, type TopicSeal } from "../../../protocol/poldercast/wire.ts";
import type { RingCastMessage } from "../../../protocol/ringcast/messages.ts";
import { decodeRingCastMessage, encodeRingCastMessage } from "../../../protocol/ringcast/wire.ts";
import type { VicinityMessage } from "../../../protocol/vicinity/messages.ts";
import { decodeVicinityMessage, encodeVicinityMessage } from "../../../protocol/vicinity/wire.ts";
import type { Population } from "./population.ts";
import type { Wire } from "./world.ts";

const HEADER_BYTES = 10;

export const neighborsBytes = (neighbors: readonly Neighbor[]): number => {
  // All descriptors of a run are of one length (`population.ts`).
  const [first] = neighbors;
  return first === undefined ? 1 : 1 + neighbors.length * (3 + first.descriptor.bytes.length);
};

const known = (population: Population, descriptor: Descriptor): VerifiedDescriptor => {
  const verified = population.recognise(descriptor);
  if (verified === undefined) throw new Error("a descriptor changed on the wire");
  return verified;
};

export const knownNeighbors = (population: Population, neighbors: readonly Neighbor<Descriptor>[]): Neighbor[] =>
  neighbors.map(({ descriptor, age }) => ({ descriptor: known(population, descriptor), age }));

export const cyclonWire = (population: Population): Wire<CyclonMessage> => ({
  sizeOf: (message) => {
    switch (message.type) {
      case "shuffleRequest":
      case "shuffleResponse":
        return HEADER_BYTES + neighborsBytes(message.neighbors);
      case "joinRequest":
        return HEADER_BYTES + 2 + message.joiner.bytes.length;
      case "joinWalk":
        return HEADER_BYTES + 3 + message.joiner.bytes.length;
      case "joinGift":
        return HEADER_BYTES + neighborsBytes([message.gift]);
    }
  },
  roundTrip: (message) => {
    const decoded = decodeCyclonMessage(encodeCyclonMessage(message));
    if (!decoded.ok) throw new Error(`cyclon wire: ${decoded.error.rule}`);
    const copy = decoded.value;
    switch (copy.type) {
      case "shuffleRequest":
      case "shuffleResponse":
        return { ...copy, neighbors: knownNeighbors(population, copy.neighbors) };
      case "joinRequest":
      case "joinWalk":
        return { ...copy, joiner: known(population, copy.joiner) };
      case "joinGift":
        return { ...copy, gift: { descriptor: known(population, copy.gift.descriptor), age: copy.gift.age } };
    }
  },
});

export const vicinityWire = (population: Population): Wire<VicinityMessage> => ({
  sizeOf: (message) => HEADER_BYTES + neighborsBytes(message.neighbors),
  roundTrip: (message) => {
    const decoded = decodeVicinityMessage(encodeVicinityMessage(message));
    if (!decoded.ok) throw new Error(`vicinity wire: ${decoded.error.rule}`);
    return { ...decoded.value, neighbors: knownNeighbors(population, decoded.value.neighbors) };
  },
});

export const ringCastWire: Wire<RingCastMessage> = {
  sizeOf: (message) => {
    const head = 2 + 16;
    switch (message.type) {
      case "publish":
        return head + 36 + message.payload.length;
      case "acknowledge":
        return head + 32;
      case "announce":
      case "want":
        return head + 2 + 32 * message.ids.length;
      case "prune":
        return head;
      case "catchUp":
        return head + 2 + 9 * message.known.length;
    }
  },
  roundTrip: (message) => {
    const decoded = decodeRingCastMessage(encodeRingCastMessage(message));
    if (!decoded.ok) throw new Error(`ringcast wire: ${decoded.error.rule}`);
    return decoded.value;
  },
};

const SEAL_BYTES = 28;
const TAG_BYTES = 16;
const PROOF_BYTES = 16;

/** Crypto is stubbed: as long as a real seal, but open. */
const openSeal: TopicSeal = {
  seal: (_, plaintext) => {
    const sealed = new Uint8Array(SEAL_BYTES + plaintext.length);
    sealed.set(plaintext, SEAL_BYTES);
    return sealed;
  },
  open: (_, sealed) => sealed.subarray(SEAL_BYTES),
  prove: () => new Uint8Array(16),
  refutes: () => false,
};

export const ringsWire = (population: Population): Wire<RingsMessage> => ({
  sizeOf: (message) => {
    let bytes = HEADER_BYTES;
    if ("sender" in message) bytes += 2 + message.sender.bytes.length;
    if ("topic" in message) bytes += TAG_BYTES + PROOF_BYTES;
    if ("topics" in message) {
      bytes++;
      for (const { neighbors } of message.topics) bytes += TAG_BYTES + 2 + SEAL_BYTES + neighborsBytes(neighbors);
    }
    return bytes;
  },
  roundTrip: (message) => {
    const decoded = decodeRingsMessage(encodeRingsMessage(message, openSeal), openSeal);
    if (!decoded.ok) throw new Error(`rings wire: ${decoded.error.rule}`);
    const copy = decoded.value;
    const topicsOf = ({ topics }: { readonly topics: readonly TopicNeighbors<Descriptor>[] }): TopicNeighbors[] =>
      topics.map(({ topic, neighbors }) => ({ topic, neighbors: knownNeighbors(population, neighbors) }));
    switch (copy.type) {
      case "ringRequest":
      case "ringResponse":
        return { ...copy, sender: known(population, copy.sender), topics: topicsOf(copy) };
      case "ringFind":
        return { ...copy, sender: known(population, copy.sender) };
      case "ringFound":
      case "ringLeave":
        return { ...copy, topics: topicsOf(copy) };
    }
  },
});

export const polderCastWire = (population: Population): Wire<PolderCastMessage> => {
  const cyclon = cyclonWire(population);
  const vicinity = vicinityWire(population);
  const rings = ringsWire(population);
  const routed = <R>(
    message: PolderCastMessage,
    use: <M extends PolderCastMessage>(wire: Wire<M>, message: M) => R,
  ): R => {
    switch (message.type) {
      case "shuffleRequest":
      case "shuffleResponse":
      case "joinRequest":
      case "joinWalk":
      case "joinGift":
        return use(cyclon, message);
      case "vicinityRequest":
      case "vicinityResponse":
        return use(vicinity, message);
      case "ringRequest":
      case "ringResponse":
      case "ringFind":
      case "ringFound":
      case "ringLeave":
        return use(rings, message);
      default:
        return use(ringCastWire, message);
    }
  };
  return {
    sizeOf: (message) => routed(message, (wire, each) => wire.sizeOf(each)),
    roundTrip: (message) => routed<PolderCastMessage>(message, (wire, each) => wire.roundTrip(each)),
  };
};
