import { expect, test } from "vitest";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { durationMs, monotonicMs } from "../../protocol/kernel/time.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { defaultUrpsConfig, paperStrategy, urps2Strategy } from "../../protocol/urps/config.ts";
import { createUrps } from "../../protocol/urps/urps.ts";
import { runUrps, type StreamLaw } from "./scenarios/urps.ts";

const seed = process.env["SIM_SEED"] ?? "urps";
const table = (law: StreamLaw) => ({ seed, law, ids: 1000, arrivals: 200_000, warmUp: 20_000 });
const urps2 = { strategy: urps2Strategy, slots: 64 } as const;
const smallPaper = { strategy: { type: "paper", columns: 10, rows: 5, minimum: "all" }, slots: 10 } as const;
const largePaper = { strategy: paperStrategy, slots: 50 } as const;

test("[URP-1] omniscient: thinned output of 50 ids passes chi-square at 99.9 percent", () => {
  const figures = runUrps({
    seed,
    law: "loud",
    ids: 50,
    arrivals: 400_000,
    warmUp: 20_000,
    thinning: 200,
    slots: 5,
    strategy: "omniscient",
  });
  expect(figures.chiSquare).toBeLessThan(85.35);
});

test("[URP-4] URPS-2: thinned output of 200 ids under 80 percent flooding passes chi-square at 99.9 percent", () => {
  const figures = runUrps({
    seed,
    law: "colluders80",
    ids: 200,
    arrivals: 600_000,
    warmUp: 30_000,
    thinning: 400,
    slots: 16,
    strategy: { ...urps2Strategy, decayEvery: 10_000_000 },
  });
  expect(figures.chiSquare).toBeLessThan(267.5);
});

test.each([
  ["loud", 0.05],
  ["colluders50", 0.06],
  ["colluders80", 0.12],
  ["zipf", 0.12],
] as const)("[URP-4] URPS-2 on the %s stream: divergence at most %f, every id comes back", (law, bound) => {
  const figures = runUrps({ ...table(law), ...urps2 });
  expect(figures.klDivergence).toBeLessThan(bound);
  expect(figures.adversaryShare).toBeLessThan(0.12);
  expect(figures.neverSampled).toBe(0);
  expect(figures.overRepresentation).toBeLessThan(3);
});

test("[URP-4] a tenth sending half of all descriptors gets at most 1.15 of its fair share", () => {
  const figures = runUrps({ ...table("colluders50"), ...urps2 });
  expect(figures.adversaryShare).toBeLessThan(0.115);
});

test("[URP-3] the paper's small sketch gives colluders almost half, its large one a third, two in series little better", () => {
  const small = runUrps({ ...table("colluders50"), ...smallPaper });
  const large = runUrps({ ...table("colluders50"), ...largePaper });
  const chained = runUrps({ ...table("colluders50"), ...largePaper, series: 2 });
  expect(small.adversaryShare).toBeGreaterThan(0.43);
  expect(large.adversaryShare).toBeGreaterThan(0.3);
  expect(large.adversaryShare).toBeLessThan(0.42);
  expect(chained.adversaryShare).toBeGreaterThan(0.25);
  expect(chained.adversaryShare).toBeLessThan(large.adversaryShare);
});

test("[URP-3] the paper's sketch does defeat one loud id", () => {
  expect(runUrps({ ...table("loud"), ...largePaper }).gain).toBeGreaterThan(0.97);
  expect(runUrps({ ...table("loud"), ...smallPaper }).gain).toBeGreaterThan(0.92);
});

test("[URP-3] with few ids the paper's minimum freezes the memory and the non-zero one does not", () => {
  const few = { seed, law: "loud", ids: 100, arrivals: 10_000, warmUp: 0, slots: 10 } as const;
  const frozen = runUrps({ ...few, strategy: { type: "paper", columns: 50, rows: 10, minimum: "all" } });
  const alive = runUrps({ ...few, strategy: { type: "paper", columns: 50, rows: 10, minimum: "nonZero" } });
  const control = runUrps({ ...few, strategy: { type: "paper", columns: 4096, rows: 4, minimum: "all" } });
  expect(control.neverSampled).toBeGreaterThan(0.85);
  expect(frozen.neverSampled).toBeGreaterThan(alive.neverSampled);
  expect(alive.neverSampled).toBe(0);
});

interface Flood {
  readonly hostilePartners: number;
  readonly partners: number;
  readonly rounds: number;
  /** Hostile partners name the same inventions, so that each has two vouchers. */
  readonly colluding: boolean;
  readonly gate: boolean;
  /** Networks the inventions claim to live in; 0 for as many as there are ids. */
  readonly hostileNetworks: number;
}

/** Honest partners name 200 real ids; hostile ones spend every token on ids never heard before. Share of inventions sampled. */
const sybilShare = ({ hostilePartners, partners, rounds, colluding, gate, hostileNetworks }: Flood): number => {
  const random = createSeededRandom(`${seed}/sybil`);
  const { admission } = defaultUrpsConfig;
  const urps = createUrps<string>(
    {
      crypto: createNobleProvider(),
      random: random.fork("urps"),
      idToBytes: (id) => Uint8Array.from(id, (char) => char.charCodeAt(0)),
      newer: (held) => held,
      startAt: monotonicMs(0),
    },
    {
      ...defaultUrpsConfig,
      admission: {
        ...admission,
        roundMs: durationMs(1000),
        vouchersNeeded: gate ? admission.vouchersNeeded : 1,
        newcomersPerRound: gate ? admission.newcomersPerRound : admission.arrivalsPerRound,
      },
    },
  );
  let invented = 0;
  let sybils = 0;
  let samples = 0;
  for (let round = 0; round < rounds; round++) {
    for (let each = 0; each < admission.arrivalsPerRound; each++) {
      invented += 1;
      for (let partner = 0; partner < partners; partner++) {
        const hostile = partner < hostilePartners;
        const id = hostile ? `s${invented}${colluding ? "" : `/${partner}`}` : `h${randomBelow(random, 200)}`;
        const network = hostile && hostileNetworks > 0 ? `n${invented % hostileNetworks}` : id;
        urps.handle({ type: "entryHeard", partner: `p${partner}`, id, entry: id, network }, monotonicMs(1000 * round));
      }
    }
    if (round < rounds / 5) continue;
    const drawn = urps.sample(8);
    sybils += drawn.filter((id) => id.startsWith("s")).length;
    samples += drawn.length;
  }
  return sybils / samples;
};

const flood = { hostilePartners: 4, partners: 20, rounds: 150, colluding: false, gate: true, hostileNetworks: 0 };

test("[URP-6] one-shot Sybils of a fifth of the partners never enter; without the gate they take over", () => {
  expect(sybilShare(flood)).toBe(0);
  expect(sybilShare({ ...flood, gate: false })).toBeGreaterThan(0.6);
});

test("[URP-7] colluding Sybils are bounded by the slots of their networks; with a network for each they take over", () => {
  expect(sybilShare({ ...flood, colluding: true, hostileNetworks: 2 })).toBeLessThan(0.26);
  expect(sybilShare({ ...flood, colluding: true })).toBeGreaterThan(0.5);
});
