// npm run sim:report -- [--nodes 10000] [--out out/sim-report.html]
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseFlags } from "./flags.ts";
import { defaultCyclonScenario, runCyclon } from "./scenarios/cyclon.ts";
import { defaultPolderCastScenario, runPolderCast } from "./scenarios/poldercast.ts";
import { defaultRingCastScenario, disseminate, freezeOverlay, type RingCastFigures } from "./scenarios/ringcast.ts";
import { defaultVicinityScenario, runVicinity } from "./scenarios/vicinity.ts";

interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}
interface Chart {
  readonly title: string;
  /** What the papers or the design's own measurement say, in words beside the curve. */
  readonly reference: string;
  readonly x: string;
  readonly y: string;
  readonly logarithmic: boolean;
  readonly curves: readonly Curve[];
}

const FANOUTS = [2, 3, 4, 5, 6, 8, 10];

const charts = (nodes: number): Chart[] => {
  const cyclon = { ...defaultCyclonScenario, nodes, seed: 42, graphEvery: 5 };
  const chain = runCyclon({ ...cyclon, start: "chain", cycles: 60 });
  const star = runCyclon({ ...cyclon, start: "star", cycles: 60 });
  const healed = runCyclon({ ...cyclon, cycles: 100, failures: 0.5, failAt: 50, graphEvery: 100 });
  const published = runCyclon({ ...cyclon, cycles: 100, failures: 0.5, failAt: 50, graphEvery: 100, variant: "paper" });
  const vicinity = runVicinity({ ...defaultVicinityScenario, nodes });
  const stuck = runVicinity({ ...defaultVicinityScenario, nodes, randomLayer: false });
  const base = { ...defaultRingCastScenario, nodes, messages: 20 };
  const overlay = freezeOverlay(base);
  const misses = (name: string, options: object): Curve => ({
    name,
    points: FANOUTS.map((fanout) => [fanout, disseminate(overlay, { ...base, fanout, ...options }).missRatio] as const),
  });
  const churning = { ...base, cycles: 100, churn: 0.002 };
  const aged = freezeOverlay(churning);
  const underChurn = (name: string, options: object, read: (figures: RingCastFigures) => number): Curve => ({
    name,
    points: FANOUTS.map((fanout) => [fanout, read(disseminate(aged, { ...churning, fanout, ...options }))] as const),
  });
  const topics = Math.max(20, Math.round(nodes / 10));
  const polderCast = {
    ...defaultPolderCastScenario,
    nodes,
    topics,
    cycles: 30,
    hitEvery: 2,
    failures: 0.1,
    failAt: 20,
  };
  const product = runPolderCast({ ...polderCast, sweep: [2, 3, 4, 6, 8] });
  const guardedOnly = runPolderCast({ ...polderCast, walks: false, probes: false });
  const paper = runPolderCast({ ...polderCast, variant: "paper" });
  const byFanout = product.byFanout ?? [];
  const overTime = <S extends { readonly cycle: number }>(
    name: string,
    series: readonly S[],
    read: (each: S) => number,
  ): Curve => ({
    name,
    points: series.map((each) => [each.cycle, read(each)] as const),
  });
  return [
    {
      title: "CYCLON: average path length",
      reference: "Like a random graph: 2.85 at 10 000 nodes, view 20; from a chain within 40 cycles.",
      x: "cycle",
      y: "hops",
      logarithmic: true,
      curves: [
        overTime("chain", chain.series, (each) => each.averagePathLength),
        overTime("star", star.series, (each) => each.averagePathLength),
      ],
    },
    {
      title: "CYCLON: spread of in-degrees",
      reference: "Design: 1.5 at 10 000 nodes (a random graph has 4.5).",
      x: "cycle",
      y: "standard deviation",
      logarithmic: true,
      curves: [
        overTime("chain", chain.series, (each) => each.inDegreeSd),
        overTime("star", star.series, (each) => each.inDegreeSd),
      ],
    },
    {
      title: "CYCLON: half of the nodes die at cycle 50",
      reference: "Design: gone after 42 cycles as published, 34 with three partners a period.",
      x: "cycle",
      y: "share of dead links",
      logarithmic: false,
      curves: [
        overTime("product", healed.series, (each) => each.deadLinkShare),
        overTime("as published", published.series, (each) => each.deadLinkShare),
      ],
    },
    {
      title: "VICINITY: correct ring links",
      reference: "Design: closed after 26 cycles; never without the random layer.",
      x: "cycle",
      y: "share",
      logarithmic: false,
      curves: [
        overTime("with CYCLON", vicinity.series, (each) => each.correctLinks),
        overTime("alone", stuck.series, (each) => each.correctLinks),
      ],
    },
    {
      title: "RingCast and RandCast: missed deliveries",
      reference:
        "Design at 5 % dead: RandCast 5.7e-2, RingCast 9.2e-4 at fan-out 3; no misses of RingCast without failures.",
      x: "fan-out",
      y: "miss ratio",
      logarithmic: true,
      curves: [
        misses("RandCast", { randomOnly: true }),
        misses("RandCast, 5 % dead", { randomOnly: true, failures: 0.05 }),
        misses("RingCast, 5 % dead", { failures: 0.05 }),
        misses("RingCast, 10 % dead", { failures: 0.1 }),
        misses("RingCast with fail-over, 5 % dead", { failures: 0.05, failOver: true }),
      ],
    },
    {
      title: "RingCast under churn, 0.2 % of the nodes replaced per cycle: missed deliveries",
      reference:
        "Design at 10 000 nodes: 2.4 / 1.7 / 1.2 % for fan-out 2 / 3 / 4, 0.26 / 0.07 % among nodes older than 20 cycles.",
      x: "fan-out",
      y: "miss ratio",
      logarithmic: true,
      curves: [
        underChurn("all nodes", {}, (each) => each.missRatio),
        underChurn("older than 20 cycles", {}, (each) => each.missRatioSettled ?? each.missRatio),
        underChurn("fail-over, all nodes", { failOver: true }, (each) => each.missRatio),
        underChurn("RandCast", { randomOnly: true }, (each) => each.missRatio),
      ],
    },
    {
      title: "PolderCast: correct ring links, everybody subscribes in cycle 1, a tenth dies at cycle 20",
      reference: "Design as published: 65.8 / 91.4 / 97.7 % at 10 / 20 / 30 (5 000 nodes, 500 topics).",
      x: "cycle",
      y: "share",
      logarithmic: false,
      curves: [
        overTime("product", product.series, (each) => each.ringLinksCorrect),
        overTime("without walks and probes", guardedOnly.series, (each) => each.ringLinksCorrect),
        overTime("as published", paper.series, (each) => each.ringLinksCorrect),
      ],
    },
    {
      title: "PolderCast: duplicates and hops by fan-out",
      reference:
        "Design: duplicates per delivery 1.03 / 2.0 to 2.15 / 3.0 to 3.1 for fan-out 2 / 3 / 4; last hop 18 / 12 / 10.",
      x: "fan-out",
      y: "duplicates per delivery, hops",
      logarithmic: false,
      curves: [
        { name: "duplicates", points: byFanout.map((each) => [each.fanout, each.duplicateRatio] as const) },
        { name: "mean hops", points: byFanout.map((each) => [each.fanout, each.hopsMean] as const) },
        { name: "last hop", points: byFanout.map((each) => [each.fanout, each.hopsLast] as const) },
      ],
    },
    {
      title: "PolderCast: hit ratio, a tenth dies at cycle 20",
      reference:
        "Design: 94.0 / 92.6 / 97.9 % at t + 0 / 5 / 20 as published, 99.6 to 100 % with walks, probes and fail-over.",
      x: "cycle",
      y: "hit ratio",
      logarithmic: false,
      curves: [
        overTime("product", product.series, (each) => each.hitRatio),
        overTime("without walks and probes", guardedOnly.series, (each) => each.hitRatio),
        overTime("as published", paper.series, (each) => each.hitRatio),
      ],
    },
  ];
};

const WIDTH = 640;
const HEIGHT = 320;
const MARGIN = 56;
const COLOURS = ["#1b6ac9", "#c9501b", "#2a8f4a", "#8a3fbf", "#8f7a12"];
/** Zero has no logarithm: it is drawn at the foot of the chart. */
const FLOOR = 1e-7;

const draw = ({ title, reference, x, y, logarithmic, curves }: Chart): string => {
  const points = curves.flatMap((curve) => curve.points);
  const scale = (value: number): number => (logarithmic ? Math.log10(Math.max(value, FLOOR)) : value);
  const range = (values: readonly number[]): readonly [number, number] => {
    const low = Math.min(...values);
    const high = Math.max(...values);
    return [low, high === low ? low + 1 : high];
  };
  const [left, right] = range(points.map(([at]) => at));
  const [bottom, top] = range(points.map(([, value]) => scale(value)));
  const placeX = (at: number): number => MARGIN + ((at - left) / (right - left)) * (WIDTH - 2 * MARGIN);
  const placeY = (value: number): number =>
    HEIGHT - MARGIN - ((scale(value) - bottom) / (top - bottom)) * (HEIGHT - 2 * MARGIN);
  const label = (value: number): string => (logarithmic ? (10 ** value).toPrecision(2) : value.toPrecision(3));
  const lines = curves.map((curve, index) => {
    const path = curve.points.map(([at, value]) => `${placeX(at).toFixed(1)},${placeY(value).toFixed(1)}`).join(" ");
    const colour = COLOURS[index % COLOURS.length]!;
    return `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${path}"/><text x="${WIDTH - MARGIN - 230}" y="${20 + 15 * index}" fill="${colour}">${curve.name}</text>`;
  });
  const rows = curves.map(
    (curve) =>
      `<tr><th>${curve.name}</th>${curve.points
        .filter((_, i) => i % Math.ceil(curve.points.length / 10) === 0 || i === curve.points.length - 1)
        .map(([at, value]) => `<td>${at}: ${value.toPrecision(3)}</td>`)
        .join("")}</tr>`,
  );
  return `<section><h2>${title}</h2><p>${reference}</p><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">
<path d="M${MARGIN} ${MARGIN / 2}V${HEIGHT - MARGIN}H${WIDTH - MARGIN / 2}" fill="none" stroke="#777"/>
<text x="4" y="${HEIGHT - MARGIN}">${label(bottom)}</text><text x="4" y="${MARGIN}">${label(top)}</text>
<text x="${MARGIN}" y="${HEIGHT - 30}">${left}</text><text x="${WIDTH - MARGIN}" y="${HEIGHT - 30}">${right}</text>
<text x="${WIDTH / 2}" y="${HEIGHT - 10}">${x}</text><text x="4" y="14">${y}</text>${lines.join("")}</svg><table>${rows.join("")}</table></section>`;
};

const parsed = parseFlags(
  process.argv.slice(2).filter((_, i, args) => args[i] !== "--out" && args[i - 1] !== "--out"),
  { nodes: { type: "integer", minimum: 50, maximum: 100_000, initial: 10_000 } },
);
if (!parsed.ok) {
  process.stderr.write(`${parsed.problem}\n`);
  process.exit(2);
}
const nodes = Number(parsed.values["nodes"]);
const outAt = process.argv.indexOf("--out");
const file = resolve(outAt < 0 ? "out/sim-report.html" : (process.argv[outAt + 1] ?? "out/sim-report.html"));
const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Gossip simulations, ${nodes} nodes</title>
<style>body{font:15px/1.4 system-ui;margin:2rem auto;max-width:50rem;padding:0 1rem}svg{width:100%;font-size:11px}table{border-collapse:collapse;font-size:11px}td,th{padding:2px 6px;text-align:left}</style>
<h1>Gossip simulations, ${nodes} nodes</h1><p>The machines of the product on the seeded simulator; docs/papers.md has the table with seeds and commands.</p>${charts(nodes).map(draw).join("")}</html>`;
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, html);
process.stdout.write(`${file}\n`);
