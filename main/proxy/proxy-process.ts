import { statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import type { ServingReport } from "../../app/contract/types.ts";
import { CORE_PERIOD_MS } from "../../protocol/core/config.ts";
import type { CoreStatus } from "../../protocol/core/status.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createNativeProvider } from "../adapters/native-crypto.ts";
import { createSystemClock } from "../adapters/system-clock.ts";
import { createSystemRandom } from "../adapters/system-random.ts";
import { createTcpTransport } from "../adapters/tcp-transport.ts";
import { DEFAULT_QUOTA, PROXY_LIMITS } from "./proxy-defaults.ts";
import { folderHomes } from "./folder-home.ts";
import type { FromProxy, ToProxy } from "./proxy-messages.ts";
import type { ProxyNode } from "./proxy-node.ts";
import { mintProxyLink, startProxyNode } from "./proxy-node.ts";

/** The proxy of a windowed app: a process of its own, which is told one folder and never a key of a profile. */
interface ParentPort {
  readonly on: (event: "message", listener: (event: { readonly data: ToProxy }) => void) => void;
  readonly postMessage: (message: FromProxy) => void;
}
const { parentPort } = process as unknown as { readonly parentPort: ParentPort };

// What SQLite makes is for this user alone.
process.umask(0o077);
const crypto = createNativeProvider(createNobleProvider());
const random = createSystemRandom();
let folder = "";
let node: ProxyNode | undefined;

/** Names of nodes and topics are shortened: enough to tell them apart on a screen. */
const shortName = (name: string): string => name.slice(0, 8);

const overlayReport = (status: CoreStatus): ServingReport["overlay"] => ({
  isReachable: status.isReachable,
  links: status.links.map(({ peer, dialledHere }) => ({ node: shortName(peer), dialledHere })),
  random: status.views.random.length,
  interest: status.views.interest.length,
  topics: status.topics.map(({ tag, successors, predecessors }) => ({
    tag: shortName(tag),
    successors: successors.map(shortName),
    predecessors: predecessors.map(shortName),
  })),
  delivered: status.counters.delivered,
  duplicates: status.counters.duplicates,
  published: status.counters.published,
  repaired: status.counters.repaired,
});

/** What the files of the folder take; SQLite's journals come and go meanwhile. */
const kept = async (): Promise<number> => {
  const names = await readdir(folder, { recursive: true });
  const files = names.map((name) => statSync(path.join(folder, name), { throwIfNoEntry: false }));
  return files.reduce((sum, file) => sum + (file?.isFile() === true ? file.size : 0), 0);
};

const report = async (): Promise<ServingReport | null> => {
  if (node === undefined) return null;
  const status = node.core();
  return {
    kept: await kept(),
    connections: node.connections(),
    overlay: status === null ? null : overlayReport(status),
  };
};

const start = async (capacity: number): Promise<void> => {
  const started = await startProxyNode(
    {
      crypto,
      random,
      clock: createSystemClock(),
      transport: createTcpTransport(),
      report: (line) => process.stderr.write(`proxy: ${line}\n`),
    },
    {
      homes: folderHomes(folder),
      listenHost: undefined,
      listenPort: null,
      announce: [],
      server: { ...PROXY_LIMITS, openQuota: null, capacity },
      core: { periodMs: CORE_PERIOD_MS, peers: [] },
    },
  );
  if (!started.ok) {
    parentPort.postMessage({ type: "failed", error: started.error });
    return;
  }
  node = started.value;
  parentPort.postMessage({ type: "started", addresses: node.addresses });
};

const sendLink = async (id: number): Promise<void> => {
  const link = await mintProxyLink({ crypto, random }, folderHomes(folder), DEFAULT_QUOTA);
  if (!link.ok) process.stderr.write(`proxy: no link: ${link.error.message}\n`);
  parentPort.postMessage({ type: "minted", id, link: link.ok ? link.value : null });
};

parentPort.on("message", ({ data }) => {
  switch (data.type) {
    case "start":
      folder = data.folder;
      void start(data.capacity);
      break;
    case "mint":
      void sendLink(data.id);
      break;
    case "report":
      void report().then((made) => parentPort.postMessage({ type: "reported", id: data.id, report: made }));
      break;
    case "stop":
      void (node?.stop() ?? Promise.resolve()).then(() => parentPort.postMessage({ type: "stopped" }));
      break;
  }
});
