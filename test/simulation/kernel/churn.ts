import { randomBelow, randomUnit, type RandomSource, sample } from "../../../protocol/kernel/random.ts";

/** Who dies now; the caller kills them and, where the model says so, adds as many newcomers. */
export interface Churn {
  readonly victims: (alive: readonly number[], cycle: number) => readonly number[];
  readonly replaces: boolean;
}

export const noChurn: Churn = { victims: () => [], replaces: false };

/** `share` of all nodes dies in one cycle and nobody follows. */
export const catastrophe = (share: number, atCycle: number, random: RandomSource): Churn => ({
  victims: (alive, cycle) => (cycle === atCycle ? sample(random, alive, Math.round(share * alive.length)) : []),
  replaces: false,
});

/** `rate` of the nodes is replaced by newcomers in every cycle from `fromCycle` on (the papers' artificial churn). */
export const artificialChurn = (rate: number, fromCycle: number, random: RandomSource): Churn => {
  let owed = 0;
  return {
    victims: (alive, cycle) => {
      if (cycle < fromCycle) return [];
      owed += rate * alive.length;
      const count = Math.floor(owed);
      owed -= count;
      return sample(random, alive, count);
    },
    replaces: true,
  };
};

/**
 * Sessions of heavy-tailed length (Pareto, shape 1.1, median `medianCycles`): a stand-in for measured super-peer
 * traces, which are not at hand. A node leaves when its session is over and a newcomer takes its place.
 */
export const sessionChurn = (medianCycles: number, fromCycle: number, random: RandomSource): Churn => {
  const shape = 1.1;
  const scale = medianCycles / 2 ** (1 / shape);
  const endOf = new Map<number, number>();
  return {
    victims: (alive, cycle) => {
      if (cycle < fromCycle) return [];
      const gone: number[] = [];
      for (const index of alive) {
        const end = endOf.get(index);
        if (end === undefined) {
          const length = scale / (1 - randomUnit(random)) ** (1 / shape);
          const elapsed = cycle === fromCycle ? randomBelow(random, Math.max(1, Math.ceil(length))) : 0;
          endOf.set(index, cycle + Math.max(1, length - elapsed));
        } else if (end <= cycle) {
          gone.push(index);
          endOf.delete(index);
        }
      }
      return gone;
    },
    replaces: true,
  };
};
