import { createPopulation } from "../simulation/kernel/population.ts";
import type { VerifiedDescriptor } from "../../protocol/identity/verified.ts";
import { createSeededRandom } from "./seeded-random.ts";

/** `count` well-formed descriptors with stubbed signatures, the same for the same seed. */
export const stubDescriptors = (count: number, seed = "descriptors"): readonly VerifiedDescriptor[] => {
  const population = createPopulation(createSeededRandom(seed));
  for (let index = 0; index < count; index++) population.create(index);
  return population.descriptors;
};
