import { CORE_PERIOD_MS } from "../../protocol/core/config.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createNativeProvider } from "../adapters/native-crypto.ts";
import { createSystemClock } from "../adapters/system-clock.ts";
import { createSystemRandom } from "../adapters/system-random.ts";
import { createTcpTransport } from "../adapters/tcp-transport.ts";
import { DEFAULT_CAPACITY, DEFAULT_QUOTA, PROXY_LIMITS } from "./proxy-defaults.ts";
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

const start = async (): Promise<void> => {
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
      server: { ...PROXY_LIMITS, openQuota: null, capacity: DEFAULT_CAPACITY },
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
      void start();
      break;
    case "mint":
      void sendLink(data.id);
      break;
    case "stop":
      void (node?.stop() ?? Promise.resolve()).then(() => parentPort.postMessage({ type: "stopped" }));
      break;
  }
});
