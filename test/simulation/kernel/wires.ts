import type { CyclonMessage } from "../../../protocol/cyclon/messages.ts";
import { decodeCyclonMessage, encodeCyclonMessage } from "../../../protocol/cyclon/wire.ts";
import type { Descriptor } from "../../../protocol/identity/descriptor.ts";
import type { VerifiedDescriptor } from "../../../protocol/identity/verified.ts";
import type { Neighbor } from "../../../protocol/view/neighbor.ts";
import type { RingCastMessage } from "../../../protocol/ringcast/messages.ts";
import { decodeRingCastMessage, encodeRingCastMessage } from "../../../protocol/ringcast/wire.ts";
import type { VicinityMessage } from "../../../protocol/vicinity/messages.ts";
import { decodeVicinityMessage, encodeVicinityMessage } from "../../../protocol/vicinity/wire.ts";
import type { Population } from "./population.ts";
import type { Wire } from "./world.ts";

const HEADER_BYTES = 10;

export const neighborsBytes = (neighbors: readonly Neighbor[]): number => {
  let bytes = 1;
  for (const neighbor of neighbors) bytes += 3 + neighbor.descriptor.bytes.length;
  return bytes;
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
