import Database from "better-sqlite3";
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, expect, test } from "vitest";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { sample } from "../../protocol/kernel/random.ts";
import { native } from "../support/data-fixtures.ts";
import type { EdgeCommand, EdgeState } from "../support/edge-host.ts";
import { eventually, removeFolder, temporaryFolder } from "../support/headless-node.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { createSegments, type Segments } from "../support/segments.ts";

/** 12 core nodes and 20 edge nodes when asked for; by default a cast that two cores carry beside the other suites. */
const isFull = process.env["OVERLAY_FULL"] === "1";
const SEGMENTS = 4;
const TRANSLATED = 3;
const PER_SEGMENT = isFull ? 3 : 1;
const EDGES = isFull ? 20 : 6;
const REPOSITORIES = isFull ? 8 : 3;
const ROUNDS = isFull ? 6 : 3;
const PATIENCE_MS = isFull ? 400_000 : 100_000;
const ALLOWED = { timeout: PATIENCE_MS + 120_000 };
const FIRST_PORT = 4701;
const PERIOD_SECONDS = "0.5";

const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const work of cleanUp.splice(0).toReversed()) await work();
});

interface EdgeHost {
  readonly ask: (
    command: EdgeCommand extends infer C ? (C extends unknown ? Omit<C, "id"> : never) : never,
  ) => Promise<readonly EdgeState[]>;
}
const startEdgeHost = (segments: Segments, segment: number): EdgeHost => {
  const script = path.join(import.meta.dirname, "..", "support", "edge-host.ts");
  const [command, ...args] = segments.host(segment).command([process.execPath, script]);
  const child: ChildProcess = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  cleanUp.push(() => void child.kill("SIGKILL"));
  const waiting = new Map<number, (states: readonly EdgeState[]) => void>();
  let next = 1;
  if (child.stdout === null) throw new Error("no output");
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, states } = JSON.parse(line) as { readonly id: number; readonly states: readonly EdgeState[] };
    waiting.get(id)?.(states);
    waiting.delete(id);
  });
  return {
    ask: (asked) =>
      new Promise((resolve) => {
        const id = next++;
        waiting.set(id, resolve);
        child.stdin?.write(`${JSON.stringify({ id, ...asked })}\n`);
      }),
  };
};

test(
  "core nodes in four segments, one behind a translator, with loss, delay, a cut and kill -9: every member has everything, nobody else anything",
  ALLOWED,
  async () => {
    const folder = temporaryFolder("overlay");
    cleanUp.push(() => removeFolder(folder));
    const random = createSeededRandom("overlay");
    const ports = Array.from({ length: PER_SEGMENT }, (_, at) => FIRST_PORT + at);
    const segments = await createSegments({
      count: SEGMENTS,
      ports,
      translated: TRANSLATED,
      latencyMs: 20,
      loss: 0.02,
      folder,
    });
    cleanUp.push(segments.dispose);

    const cores: { proxy: ProxyProcess; readonly segment: number; readonly folder: string; readonly port: number }[] =
      [];
    const start = (segment: number, port: number, kept: string): Promise<ProxyProcess> => {
      const host = segments.host(segment);
      const own = `${host.address}:${port}`;
      const announced = segment === TRANSLATED ? [] : ["--announce", own];
      const peers = [0, 1].map((other) => `${segments.host(other).address}:${FIRST_PORT}`);
      const known = peers.flatMap((peer) => (peer === own ? [] : ["--peer", peer]));
      const more = [...announced, ...known, "--gossip-period", PERIOD_SECONDS];
      return startProxy(kept, port, more, undefined, host);
    };
    for (const port of ports)
      for (let segment = 0; segment < SEGMENTS; segment++) {
        const own = temporaryFolder(`core-${segment}`);
        cleanUp.push(() => removeFolder(own));
        const core = { proxy: await start(segment, port, own), segment, folder: own, port };
        cleanUp.push(() => core.proxy.kill());
        cores.push(core);
      }

    const hosts = Array.from({ length: SEGMENTS }, (_, segment) => startEdgeHost(segments, segment));
    const hostOf = (segment: number): EdgeHost => hosts[segment] as EdgeHost;
    const edges = Array.from({ length: EDGES }, (_, at) => ({ name: `edge${at}`, core: at % cores.length }));
    const repositories = Array.from({ length: REPOSITORIES }, (_, at) => {
      const seed = random.bytes(32);
      // Two proxies that nobody can dial meet only by way of a third one.
      const dialable = edges.filter(({ core }) => cores[core]?.segment !== TRANSLATED);
      const first = dialable[at % dialable.length] as (typeof edges)[number];
      const others = sample(
        random,
        edges.filter((edge) => edge !== first),
        2 + (at % 3),
      );
      return { seed, pk: bytesToHex(native.signingKey(seed).publicKey), members: [first, ...others] };
    });
    const pinnedAt = cores.map(() => new Set<string>());
    for (const { name, core } of edges) {
      const own = repositories.filter(({ members }) => members.some((member) => member.name === name));
      for (const { pk } of own) pinnedAt[core]?.add(pk);
      const { proxy, segment } = cores[core] as (typeof cores)[number];
      const topics = own.map(({ seed }) => bytesToHex(seed));
      await hostOf(segment).ask({ type: "add", edge: name, link: await proxy.mint(), topics });
    }
    const states = async (): Promise<ReadonlyMap<string, EdgeState>> => {
      const all = await Promise.all(hosts.map((host) => host.ask({ type: "state" })));
      return new Map(all.flat().map((state) => [state.edge, state]));
    };
    const writeAll = async (): Promise<void> => {
      for (const { pk, members } of repositories)
        for (const { name, core } of members) {
          const segment = cores[core]?.segment ?? 0;
          await hostOf(segment).ask({ type: "write", edge: name, topic: pk, count: 1 });
        }
    };
    /** Members of a repository that do not have what the others have, and edges with something not acknowledged. */
    const lacking = async (): Promise<readonly string[]> => {
      const now = await states();
      return repositories.flatMap(({ pk, members }) => {
        const all = new Set(members.flatMap(({ name }) => now.get(name)?.items[pk] ?? []));
        return members.flatMap(({ name }) => {
          const state = now.get(name);
          const isSame = state?.waiting === 0 && state.items[pk]?.length === all.size;
          return isSame ? [] : [`${name} ${state?.items[pk]?.length ?? 0}/${all.size} waiting ${state?.waiting ?? -1}`];
        });
      });
    };
    const agree = async (what: string): Promise<number> => {
      const startedAt = performance.now();
      let last: readonly string[] = [];
      try {
        await eventually(
          async () => {
            last = await lacking();
            return last.length === 0;
          },
          what,
          PATIENCE_MS,
          500,
        );
      } catch {
        throw new Error(`${what}: ${last.join("; ")}`);
      }
      return performance.now() - startedAt;
    };

    await writeAll();
    const converged = await agree("everything everywhere before the cut");

    segments.cut(1);
    await writeAll();
    const victims = [cores[0], cores[2], ...(isFull ? [cores[7]] : [])].filter((core) => core !== undefined);
    for (const { proxy } of victims) await proxy.kill();
    for (let round = 0; round < ROUNDS; round++) await writeAll();
    for (const victim of victims) victim.proxy = await start(victim.segment, victim.port, victim.folder);
    for (const host of hosts) await host.ask({ type: "wake" });
    await writeAll();
    segments.mend(1);
    const healed = await agree("everything everywhere after the cut was mended");

    const now = await states();
    const items = repositories.reduce((sum, { pk, members }) => {
      const [first] = members;
      return sum + (now.get(first?.name ?? "")?.items[pk]?.length ?? 0);
    }, 0);
    console.log(
      `${cores.length} core nodes, ${EDGES} edges, ${REPOSITORIES} repositories, ${items} items: ` +
        `the same everywhere after ${(converged / 1000).toFixed(1)} s, ${(healed / 1000).toFixed(1)} s after mending`,
    );
    expect(items).toBe(repositories.reduce((sum, { members }) => sum + members.length * (ROUNDS + 3), 0));
    for (const { name } of edges) {
      const own = repositories.filter(({ members }) => members.some((member) => member.name === name));
      expect(Object.keys(now.get(name)?.items ?? {}).toSorted(), "no notebook of others").toEqual(
        own.map(({ pk }) => pk).toSorted(),
      );
    }
    for (const [at, core] of cores.entries()) {
      await core.proxy.stop();
      const database = new Database(path.join(core.folder, "proxy.db"), { readonly: true });
      const topics = database.prepare<[], { readonly pk: Buffer }>("SELECT pk FROM topic").all();
      database.close();
      expect(topics.map(({ pk }) => pk.toString("hex")).toSorted(), "only pinned topics").toEqual(
        [...(pinnedAt[at] ?? [])].toSorted(),
      );
    }
  },
);
