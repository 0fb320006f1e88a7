import { decodeDescriptor, type Descriptor, MAXIMUM_DESCRIPTOR_BYTES } from "../identity/descriptor.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import type { Reader } from "../kernel/reader.ts";
import type { Writer } from "../kernel/writer.ts";

/** A descriptor with the age its carriers gave it: gossip periods since the node itself put it into circulation. */
export interface Neighbor<D extends Descriptor = VerifiedDescriptor> {
  readonly descriptor: D;
  readonly age: number;
}

/** Ages travel as one byte and stop there. */
export const MAXIMUM_AGE = 255;
/** Bytes of one neighbor in a message: age, length, descriptor. */
export const MAXIMUM_NEIGHBOR_BYTES = 3 + MAXIMUM_DESCRIPTOR_BYTES;

export const writeNeighbors = (writer: Writer, neighbors: readonly Neighbor<Descriptor>[]): void => {
  writer.u8(neighbors.length);
  for (const { descriptor, age } of neighbors) {
    writer.u8(Math.min(age, MAXIMUM_AGE));
    writer.u16(descriptor.bytes.length);
    writer.raw(descriptor.bytes);
  }
};

/** Reads at most `limit` neighbors with distinct ids; fails the reader otherwise. */
export const readNeighbors = (reader: Reader, limit: number): Neighbor<Descriptor>[] => {
  const neighbors: Neighbor<Descriptor>[] = [];
  const ids = new Set<string>();
  const count = reader.bounded(reader.u8(), limit, "neighbor-count");
  for (let i = 0; i < count && !reader.failed(); i++) {
    const age = reader.u8();
    const length = reader.bounded(reader.u16(), MAXIMUM_DESCRIPTOR_BYTES, "descriptor-size");
    const decoded = decodeDescriptor(reader.take(length));
    if (!decoded.ok) {
      reader.fail(decoded.error.rule);
      break;
    }
    if (ids.has(decoded.value.id)) reader.fail("duplicate-neighbor");
    ids.add(decoded.value.id);
    neighbors.push({ descriptor: decoded.value, age });
  }
  return neighbors;
};
