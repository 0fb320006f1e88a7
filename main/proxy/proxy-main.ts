import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { CORE_PERIOD_MS } from "../../protocol/core/config.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createNativeProvider } from "../adapters/native-crypto.ts";
import { createSystemClock } from "../adapters/system-clock.ts";
import { createSystemRandom } from "../adapters/system-random.ts";
import { createTcpTransport, defaultTcpLimits } from "../adapters/tcp-transport.ts";
import { DEFAULT_CAPACITY, DEFAULT_QUOTA, PROXY_LIMITS } from "./proxy-defaults.ts";
import { isPeer } from "./core-host.ts";
import { openCoreStore } from "./core-store.ts";
import { folderHomes } from "./folder-home.ts";
import type { ProxyHomes } from "./proxy-home.ts";
import { CORE_DATABASE, mintProxyLink, type ProxyNodeConfig, startProxyNode } from "./proxy-node.ts";

const USAGE = `p2pcollab proxy: keeps and forwards what its people write, without any key to read it

  p2pcollab node --proxy --data-dir FOLDER [--listen HOST:PORT] [--announce HOST:PORT]…
                 [--listen-fd NUMBER] [--capacity SIZE] [--open-quota SIZE] [--json]
                 [--peer HOST:PORT|LINK]… [--no-overlay] [--gossip-period SECONDS]
      runs a proxy until it is told to stop; it takes part in the overlay of always-on nodes
  p2pcollab proxy-status --data-dir FOLDER [--json]
      prints what the proxy of that folder is connected to, as of a minute ago at most
  p2pcollab proxy-code --data-dir FOLDER [--quota SIZE] [--json]
      prints a link that opens one account, for the proxy of that folder

  instead of --data-dir, for several processes behind one address:
                 --database postgres://… --chunks https://HOST/BUCKET [--region NAME]
      keys come from the environment: PGPASSWORD, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
`;

const fail = (type: string, message: string): never => {
  process.stderr.write(`${JSON.stringify({ type, message })}\n`);
  process.exit(1);
};
const invalid = (message: string): never => fail("InvalidInput", message);

const parseListen = (
  given: string | undefined,
): { readonly host: string | undefined; readonly port: number | null } => {
  if (given === undefined) return { host: undefined, port: null };
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(given);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return invalid(`--listen takes HOST:PORT, not "${given}".`);
  return { host: match[1] ?? (match[2] === "" ? undefined : match[2]), port };
};

/** Bytes of `500M`, `10G` or a plain number. */
const parseSize = (name: string, given: string): number => {
  const match = /^(\d{1,15})([KMGT]?)$/.exec(given);
  const bytes = Number(match?.[1]) * 1024 ** " KMGT".indexOf(match?.[2] === "" ? " " : (match?.[2] ?? " "));
  return match === null || !Number.isSafeInteger(bytes)
    ? invalid(`--${name} takes a size such as 500M or 10G.`)
    : bytes;
};

/** Shorter periods find each other sooner and cost more; below a tenth of a second nothing is gained. */
const SHORTEST_PERIOD_MS = 100;
const parseCore = (): ProxyNodeConfig["core"] => {
  if (values["no-overlay"] === true) return null;
  const peers = values.peer ?? [];
  const wrong = peers.find((peer) => !isPeer(peer));
  if (wrong !== undefined) invalid(`--peer takes HOST:PORT or the link of a proxy, not "${wrong}".`);
  const periodMs = 1000 * Number(values["gossip-period"] ?? CORE_PERIOD_MS / 1000);
  if (!(periodMs >= SHORTEST_PERIOD_MS && periodMs <= 3_600_000))
    invalid("--gossip-period takes seconds, at least 0.1.");
  return { periodMs, peers };
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    proxy: { type: "boolean" },
    "data-dir": { type: "string" },
    database: { type: "string" },
    chunks: { type: "string" },
    region: { type: "string", default: "us-east-1" },
    listen: { type: "string" },
    "listen-fd": { type: "string" },
    announce: { type: "string", multiple: true },
    capacity: { type: "string", default: String(DEFAULT_CAPACITY) },
    "open-quota": { type: "string" },
    peer: { type: "string", multiple: true },
    "no-overlay": { type: "boolean" },
    "gossip-period": { type: "string" },
    quota: { type: "string", default: String(DEFAULT_QUOTA) },
    json: { type: "boolean" },
    help: { type: "boolean" },
  },
});
const say = (fields: Readonly<Record<string, unknown>>, text: string): void => {
  process.stdout.write(values.json === true ? `${JSON.stringify(fields)}\n` : `${text}\n`);
};

// What SQLite makes is for this user alone.
process.umask(0o077);
const crypto = createNativeProvider(createNobleProvider());
const random = createSystemRandom();
const folder = values["data-dir"] === undefined ? undefined : path.resolve(values["data-dir"]);

/** The clients of PostgreSQL and S3 are loaded only where they are wanted: they cost memory. */
const sharedHomes = async (database: string): Promise<ProxyHomes> => {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
  const { chunks, region } = values;
  if (chunks === undefined || !URL.canParse(chunks)) return invalid("--database needs --chunks https://HOST/BUCKET.");
  if (accessKeyId === undefined || secretAccessKey === undefined)
    return invalid("--chunks needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.");
  const shared = await import("./shared-home.ts");
  return shared.sharedHomes({ database, chunks: { url: chunks, region, accessKeyId, secretAccessKey } });
};
const openHomes = async (): Promise<ProxyHomes> => {
  if (values.database !== undefined) return await sharedHomes(values.database);
  return folder === undefined ? invalid("--data-dir or --database is missing.") : folderHomes(folder);
};

const runProxy = async (): Promise<void> => {
  const { host, port } = parseListen(values.listen);
  const descriptor = values["listen-fd"] === undefined ? undefined : Number(values["listen-fd"]);
  if (descriptor !== undefined && !(Number.isInteger(descriptor) && descriptor > 2))
    return invalid("--listen-fd takes the number of a socket that was passed to this process.");
  const homes = await openHomes();
  const openQuota = values["open-quota"];
  const started = await startProxyNode(
    {
      crypto,
      random,
      clock: createSystemClock(),
      transport: createTcpTransport(defaultTcpLimits, descriptor),
      report: (line) => process.stderr.write(`${line}\n`),
    },
    {
      homes,
      listenHost: host,
      listenPort: port,
      announce: values.announce ?? [],
      server: {
        ...PROXY_LIMITS,
        openQuota: openQuota === undefined ? null : parseSize("open-quota", openQuota),
        capacity: parseSize("capacity", values.capacity),
      },
      core: parseCore(),
    },
  );
  if (!started.ok) return fail(started.error.type, started.error.message);
  const { addresses, ownerLink, stop } = started.value;
  const invitation = ownerLink === null ? "" : `\nIt has no account yet. Its owner's link, good for one: ${ownerLink}`;
  say(
    { ready: true, listening: addresses, dataDirectory: folder ?? null, link: ownerLink, pid: process.pid },
    `The proxy listens on ${addresses.join(", ")} and keeps everything in ${folder ?? "the database"}.${invitation}`,
  );
  let isStopping = false;
  const end = (): void => {
    if (isStopping) return;
    isStopping = true;
    void stop().then(() => process.exit(0));
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  // The command that started us was killed: nobody could stop this proxy any more.
  if (process.send !== undefined) process.once("disconnect", end);
};

const showStatus = (): void => {
  if (folder === undefined) return invalid("proxy-status is for a proxy with a --data-dir.");
  const file = path.join(folder, CORE_DATABASE);
  const store = existsSync(file) ? openCoreStore(file, (line) => process.stderr.write(`${line}\n`)) : undefined;
  const kept = store?.ok === true ? store.value.status() : undefined;
  if (store?.ok === true) store.value.close();
  if (kept === undefined) return fail("NoStatus", `no proxy on ${folder} has been part of the overlay yet`);
  const { at, core } = kept;
  const { links, views, topics, counters, isReachable } = core;
  say(
    { at, ...core },
    [
      `As of ${new Date(1000 * at).toISOString()}: ${links.length} sessions, ${isReachable ? "reachable" : "not reachable from outside"}`,
      `Views: ${views.random.length} random, ${views.interest.length} by interest; ${topics.length} topics`,
      `Items: ${counters.published} published, ${counters.delivered} delivered (${counters.duplicates} further copies), ${counters.compared} comparisons`,
    ].join("\n"),
  );
};

if (values.help === true || (folder === undefined && values.database === undefined)) {
  process.stdout.write(USAGE);
  process.exitCode = values.help === true ? 0 : 1;
} else if (positionals[0] === "proxy-status") showStatus();
else if (positionals[0] === "proxy-code") {
  const link = await mintProxyLink({ crypto, random }, await openHomes(), parseSize("quota", values.quota));
  if (!link.ok) fail(link.error.type, link.error.message);
  else say({ link: link.value }, link.value);
} else await runProxy();
