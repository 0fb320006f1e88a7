import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import path from "node:path";
import { createNativeProvider } from "../../main/adapters/native-crypto.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { bfpsiSide, commonTopics, runBfpsi, secretTopics } from "../support/psi-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { commonNames, runVpsi, vpsiSide } from "../support/vpsi-fixtures.ts";

/** Cost of one intersection of two sets of `items` that share a quarter, both sides together. */
interface PsiFigures {
  readonly items: number;
  readonly cpuMs: number;
  readonly bytes: number;
  readonly common: number;
}

const PSI_JS = "@openmined/psi.js@2.0.6";
const CACHE = path.join(homedir(), ".cache", "p2pcollab", "bench", "psi");

const crypto = createNativeProvider(createNobleProvider());

/** Median CPU time (all threads) of `rounds` calls after one that warms up. */
const measure = <T>(rounds: number, operation: (round: number) => T): { readonly cpuMs: number; readonly value: T } => {
  let value = operation(-1);
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage();
    value = operation(round);
    const spent = process.cpuUsage(start);
    times.push((spent.user + spent.system) / 1000);
  }
  times.sort((a, b) => a - b);
  return { cpuMs: Math.round((times[times.length >> 1] ?? 0) * 100) / 100, value };
};

const totalLength = (messages: readonly Uint8Array[]): number => messages.reduce((sum, bytes) => sum + bytes.length, 0);

const benchBfpsi = (items: number, rounds: number): PsiFigures => {
  const ours = secretTopics(crypto, 0, items);
  const theirs = secretTopics(crypto, items - items / 4, 2 * items - items / 4);
  const { cpuMs, value } = measure(rounds, (round) => {
    const random = createSeededRandom(`bench/${items}/${round}`);
    return runBfpsi(bfpsiSide(crypto, random, "left", ours), bfpsiSide(crypto, random, "right", theirs));
  });
  return { items, cpuMs, bytes: totalLength(value.wire), common: commonTopics(value.right)?.length ?? 0 };
};

const namesOf = (from: number, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `name ${from + i}`);

const benchVpsi = (items: number, rounds: number): PsiFigures => {
  const ours = namesOf(0, items);
  const theirs = namesOf(items - items / 4, items);
  const { cpuMs, value } = measure(rounds, (round) => {
    const random = createSeededRandom(`bench/${items}/${round}`);
    return runVpsi(vpsiSide(crypto, random, "left", ours), vpsiSide(crypto, random, "right", theirs));
  });
  return { items, cpuMs, bytes: totalLength(value.wire), common: commonNames(value.right)?.length ?? 0 };
};

interface Serialized {
  readonly serializeBinary: () => Uint8Array;
}
interface PsiJs {
  readonly server: {
    readonly createWithNewKey: (reveal: boolean) => {
      readonly createSetupMessage: (rate: number, clients: number, items: readonly string[]) => Serialized;
      readonly processRequest: (request: Serialized) => Serialized;
      readonly delete: () => void;
    };
  };
  readonly client: {
    readonly createWithNewKey: (reveal: boolean) => {
      readonly createRequest: (items: readonly string[]) => Serialized;
      readonly getIntersection: (setup: Serialized, response: Serialized) => readonly number[];
      readonly delete: () => void;
    };
  };
}

/** Fetched on demand and without its install scripts, one of which downloads a compiler it does not need at run time. */
const loadPsiJs = async (): Promise<PsiJs> => {
  const manifest = path.join(CACHE, "package.json");
  if (!existsSync(path.join(CACHE, "node_modules", "@openmined", "psi.js"))) {
    console.error(`fetching ${PSI_JS} into ${CACHE}`);
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(manifest, JSON.stringify({ private: true }));
    const npmArguments = ["install", "--ignore-scripts", "--no-audit", "--no-fund", PSI_JS];
    execFileSync("npm", npmArguments, { cwd: CACHE, stdio: ["ignore", "ignore", "inherit"] });
  } else console.error(`using ${PSI_JS} from ${CACHE}`);
  const load = createRequire(manifest)("@openmined/psi.js") as () => Promise<PsiJs>;
  return await load();
};

/** One false positive in 10^9, as its own benchmark; compressed set; semi-honest, no proof, result on one side only. */
const benchPsiJs = (psi: PsiJs, items: number, rounds: number): PsiFigures => {
  const ours = namesOf(0, items);
  const theirs = namesOf(items - items / 4, items);
  const { cpuMs, value } = measure(rounds, () => {
    const server = psi.server.createWithNewKey(true);
    const client = psi.client.createWithNewKey(true);
    const setup = server.createSetupMessage(1e-9, items, theirs);
    const request = client.createRequest(ours);
    const response = server.processRequest(request);
    const common = client.getIntersection(setup, response).length;
    server.delete();
    client.delete();
    return { common, wire: [setup, request, response].map((message) => message.serializeBinary()) };
  });
  return { items, cpuMs, bytes: totalLength(value.wire), common: value.common };
};

/** CPU time and bytes of BFPSI, VPSI and @openmined/psi.js on the same sets; `--quick` measures the smallest size only. */
export const run = async (options: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  const quick = options.args.includes("--quick");
  const psi = await loadPsiJs();
  const sizes = quick ? [128] : [128, 256];
  const rounds = quick ? 3 : 5;
  return {
    node: process.version,
    bfpsi: [...sizes, ...(quick ? [] : [1024])].map((items) => benchBfpsi(items, 4 * rounds)),
    vpsi: sizes.map((items) => benchVpsi(items, rounds)),
    openminedPsiJs: [...sizes, ...(quick ? [] : [1024])].map((items) => benchPsiJs(psi, items, rounds)),
  };
};
