import { Repo } from "@automerge/automerge-repo";
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket";
import * as Automerge from "@automerge/automerge";
import Database from "better-sqlite3";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createNoiseLinks } from "../../main/adapters/noise-links.ts";
import { createSystemClock } from "../../main/adapters/system-clock.ts";
import { createSystemRandom } from "../../main/adapters/system-random.ts";
import { createTcpTransport } from "../../main/adapters/tcp-transport.ts";
import type { CheckedItem } from "../../protocol/entry/item.ts";
import { PROXY_APPLICATION, type ProxyMessage } from "../../protocol/proxy/messages.ts";
import { decodeProxyMessage, encodeProxyMessage, MAX_PUSH_ITEMS } from "../../protocol/proxy/wire.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { removeFolder, temporaryFolder } from "../support/headless-node.ts";
import { type ProxyProcess, readLink, startProxy } from "../support/proxy-process.ts";
import { sealed, topicKey } from "../support/proxy-world.ts";

/**
 * Items stored durably by a proxy in its own process and handed to a follower, over NoiseSocket: from the first push until the
 * last acknowledgement and the last live item. Beside it SQLite alone, with the same pragmas, in batches of one push; and
 * automerge-repo's sync server with SQLite storage, which gets one change for each item, in clear over WebSocket.
 */
const TOPICS = 100;
const ITEMS_PER_TOPIC = 100;
/** Text of an entry: some keystrokes of two seconds; and a pasted page. */
const SMALL_BYTES = 200;
const LARGE_BYTES = 16_000;
const LARGE_TOPICS = 20;
const PUSHES_IN_FLIGHT = 8;
/** Ten thousand changes at once make automerge-repo's clients throw; a tenth of them tells what one costs its server. */
const PEER_SHARE = 10;
const IDLE_CLIENTS = 200;
const IDLE_MS = 5_000;

interface Rates {
  readonly itemsPerSecond: number;
  readonly megabytesPerSecond: number;
}
const ratesOf = (items: readonly CheckedItem[], ms: number): Rates => ({
  itemsPerSecond: Math.round(items.length / (ms / 1_000)),
  megabytesPerSecond: +(items.reduce((sum, { wire }) => sum + wire.length, 0) / 1e6 / (ms / 1_000)).toFixed(1),
});

/** Items of all topics in turn, as people write them. */
const sealItems = (topics: number, bytes: number): readonly CheckedItem[] => {
  const keys = Array.from({ length: topics }, (_, n) => topicKey(n + 1));
  const items: CheckedItem[] = [];
  for (let n = 0; n < ITEMS_PER_TOPIC; n++)
    for (const key of keys) items.push(sealed(key, n, `${n} `.padEnd(bytes, "lorem ipsum ")));
  return items;
};

const clock = createSystemClock();
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const links = createNoiseLinks({
  transport: createTcpTransport(),
  crypto: native,
  random: createSystemRandom(),
  clock,
  log,
});

const connect = async (
  proxy: ProxyProcess,
  staticPk: Uint8Array,
  account: Uint8Array,
  onLive: (message: Extract<ProxyMessage, { type: "live" }>) => void,
) => {
  const link = must(
    await links.dial(proxy.address, {
      application: PROXY_APPLICATION,
      staticKey: native.dhKeyPair(account),
      remoteStatic: staticPk,
    }),
  );
  const waiting: ((message: ProxyMessage) => void)[] = [];
  link.start({
    message: (bytes) => {
      const message = must(decodeProxyMessage(bytes));
      if (message.type === "live") onLive(message);
      else waiting.shift()?.(message);
    },
    closed: () => undefined,
  });
  const ask = (message: ProxyMessage): Promise<ProxyMessage> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      link.send(encodeProxyMessage(message), "bulk");
    });
  await ask({ type: "hello", version: 1, features: 0 });
  return ask;
};

const status = (pid: number | undefined): { readonly rss: number; readonly cpuMs: number } => {
  const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return { rss: Number(rss) * 1_024, cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 };
};

const throughProxy = async (items: readonly CheckedItem[]) => {
  const folder = temporaryFolder("bench-proxy");
  const proxy = await startProxy(folder, 0, ["--capacity", "100G"]);
  try {
    const { staticPk, code } = readLink(proxy.link);
    let live = 0;
    let done = (): void => undefined;
    const allLive = new Promise<void>((resolve) => (done = resolve));
    const writer = await connect(proxy, staticPk, filled(1, 32), () => undefined);
    const reader = await connect(proxy, staticPk, filled(2, 32), () => {
      if (++live === items.length) done();
    });
    await writer({ type: "redeem", request: 1, code: code ?? filled(0, 16) });
    const topics = [...new Map(items.map(({ topicPk }) => [Buffer.from(topicPk).toString("hex"), topicPk])).values()];
    const subscriptions = topics.map((topic) => ({
      topic,
      after: 0,
      live: true,
      pin: true,
      checkpointFirst: false,
      relay: false,
    }));
    await writer({ type: "subscribe", request: 2, topics: subscriptions });
    await reader({ type: "subscribe", request: 3, topics: subscriptions });
    const before = status(proxy.child.pid);
    const start = performance.now();
    let next = 0;
    const pump = async (): Promise<void> => {
      while (next < items.length) {
        const page = items.slice(next, next + MAX_PUSH_ITEMS);
        next += page.length;
        const answer = await writer({ type: "push", request: next, wires: page.map(({ wire }) => wire) });
        if (answer.type !== "pushed" || answer.results.some((result) => result.status !== 0))
          throw new Error("an item was not stored");
      }
    };
    await Promise.all(Array.from({ length: PUSHES_IN_FLIGHT }, pump));
    const acknowledged = performance.now() - start;
    await allLive;
    const elapsed = performance.now() - start;
    const after = status(proxy.child.pid);
    return {
      ...ratesOf(items, elapsed),
      acknowledgedItemsPerSecond: ratesOf(items, acknowledged).itemsPerSecond,
      cpuMicrosecondsPerItem: Math.round(((after.cpuMs - before.cpuMs) * 1_000) / items.length),
    };
  } finally {
    await proxy.stop();
    removeFolder(folder);
  }
};

const rawSqlite = (items: readonly CheckedItem[]): Rates => {
  const folder = temporaryFolder("bench-sqlite");
  const database = new Database(path.join(folder, "raw.db"));
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = NORMAL");
  database.exec(
    "CREATE TABLE item (position INTEGER PRIMARY KEY AUTOINCREMENT, oid BLOB NOT NULL UNIQUE, wire BLOB NOT NULL) STRICT",
  );
  const insert = database.prepare("INSERT INTO item (oid, wire) VALUES (?, ?)");
  const store = database.transaction((page: readonly CheckedItem[]) => {
    for (const { oid, wire } of page) insert.run(oid, wire);
  });
  const start = performance.now();
  for (let at = 0; at < items.length; at += MAX_PUSH_ITEMS) store(items.slice(at, at + MAX_PUSH_ITEMS));
  const elapsed = performance.now() - start;
  database.close();
  removeFolder(folder);
  return ratesOf(items, elapsed);
};

/** Its clients' own work is in the rates, as making a change costs them more than passing it on; the CPU time is its server's alone. */
const throughAutomerge = async (documents: number, changes: number, bytes: number) => {
  const folder = temporaryFolder("bench-automerge");
  const server = fork(path.join(import.meta.dirname, "peers", "automerge-sync-server.ts"), [path.join(folder, "a.db")]);
  const [{ port }] = (await once(server, "message")) as [{ readonly port: number }];
  const open = () =>
    new Repo({ network: [new WebSocketClientAdapter(`ws://127.0.0.1:${port}`)], sharePolicy: async () => true });
  const [writer, reader] = [open(), open()];
  const handles = Array.from({ length: documents }, (_, n) => writer.create({ title: `note ${n}`, text: "" }));
  const find = async (url: string) => {
    for (;;)
      try {
        const handle = await reader.find<{ text: string }>(url as never);
        await handle.whenReady();
        return handle;
      } catch (cause) {
        if (!String(cause).includes("unavailable")) throw cause;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
  };
  const seen = await Promise.all(handles.map(({ url }) => find(url)));
  const before = status(server.pid);
  const start = performance.now();
  for (let n = 0; n < changes; n++) {
    for (const handle of handles)
      handle.change((draft) =>
        Automerge.splice(draft, ["text"], draft.text.length, 0, `${n} `.padEnd(bytes, "lorem ")),
      );
    // What people type comes one after another: let every change go on its way.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const wanted = changes * bytes;
  while (seen.some((handle) => handle.doc().text.length < wanted))
    await new Promise((resolve) => setTimeout(resolve, 5));
  const flushed = once(server, "message");
  server.send("flush");
  await flushed;
  const elapsed = performance.now() - start;
  const cpuMs = status(server.pid).cpuMs - before.cpuMs;
  server.kill();
  removeFolder(folder);
  return {
    cpuMicrosecondsPerItem: Math.round((cpuMs * 1_000) / (documents * changes)),
    itemsPerSecond: Math.round((documents * changes) / (elapsed / 1_000)),
    megabytesPerSecond: +((documents * changes * bytes) / 1e6 / (elapsed / 1_000)).toFixed(1),
  };
};

const idle = async () => {
  const folder = temporaryFolder("bench-proxy-idle");
  const proxy = await startProxy(folder, 0, ["--open-quota", "1M"]);
  try {
    const alone = status(proxy.child.pid);
    const { staticPk } = readLink(await proxy.mint());
    for (let n = 0; n < IDLE_CLIENTS; n++) {
      const account = native.hash("SHA256", Uint8Array.of(n));
      const ask = await connect(proxy, staticPk, account, () => undefined);
      const topic = native.hash("SHA256", account);
      const subscription = { topic, after: 0, live: true, pin: true, checkpointFirst: false, relay: false };
      await ask({ type: "subscribe", request: 1, topics: [subscription] });
    }
    const before = status(proxy.child.pid);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const after = status(proxy.child.pid);
    return {
      megabytesWithoutClients: Math.round(alone.rss / 1_048_576),
      clients: IDLE_CLIENTS,
      kilobytesPerClient: Math.round((after.rss - alone.rss) / IDLE_CLIENTS / 1_024),
      percentOfACore: +(((after.cpuMs - before.cpuMs) / IDLE_MS) * 100).toFixed(2),
    };
  } finally {
    await proxy.stop();
    removeFolder(folder);
  }
};

const SOAK_CLIENTS = 1_000;
const SOAK_ITEMS_PER_SECOND = 200;
const SOAK_TICK_MS = 50;

/** Pairs of clients, one of which writes what the other follows: lost items, time from push to the other, memory. */
const soak = async (seconds: number) => {
  const folder = temporaryFolder("bench-proxy-soak");
  const proxy = await startProxy(folder, 0, ["--open-quota", "100M"]);
  try {
    const { staticPk } = readLink(await proxy.mint());
    const sentAt = new Map<string, number>();
    const delays: number[] = [];
    const writers: ((message: ProxyMessage) => Promise<ProxyMessage>)[] = [];
    const keys = Array.from({ length: SOAK_CLIENTS / 2 }, (_, n) =>
      native.signingKey(native.hash("SHA256", Uint8Array.of(n >> 8, n & 255))),
    );
    for (const { publicKey: topic } of keys) {
      const subscription = { topic, after: 0, live: true, pin: true, checkpointFirst: false, relay: false };
      for (const side of ["writer", "follower"]) {
        const account = native.hash("SHA256", topic, Buffer.from(side));
        const ask = await connect(proxy, staticPk, account, ({ wire }) => {
          const name = Buffer.from(wire ?? []).toString("latin1");
          const at = sentAt.get(name);
          if (at !== undefined && sentAt.delete(name)) delays.push(performance.now() - at);
        });
        await ask({ type: "subscribe", request: 1, topics: [subscription] });
        if (side === "writer") writers.push(ask);
      }
    }
    const before = status(proxy.child.pid);
    let pushed = 0;
    let middle = before.rss;
    const start = performance.now();
    for (let tick = 0; performance.now() - start < seconds * 1_000; tick++) {
      for (let n = 0; n < (SOAK_ITEMS_PER_SECOND * SOAK_TICK_MS) / 1_000; n++) {
        const at = pushed++ % keys.length;
        const { wire } = sealed(keys[at] ?? topicKey(1), pushed, `${pushed} `.padEnd(SMALL_BYTES, "lorem "));
        sentAt.set(Buffer.from(wire).toString("latin1"), performance.now());
        void writers[at]?.({ type: "push", request: pushed, wires: [wire] });
      }
      if (tick === Math.floor((seconds * 1_000) / SOAK_TICK_MS / 2)) middle = status(proxy.child.pid).rss;
      await new Promise((resolve) =>
        setTimeout(resolve, Math.max(0, start + (tick + 1) * SOAK_TICK_MS - performance.now())),
      );
    }
    for (let wait = 0; sentAt.size > 0 && wait < 200; wait++) await new Promise((resolve) => setTimeout(resolve, 50));
    const after = status(proxy.child.pid);
    delays.sort((a, b) => a - b);
    const quantile = (q: number): number => +(delays[Math.floor(q * (delays.length - 1))] ?? Number.NaN).toFixed(1);
    return {
      clients: SOAK_CLIENTS,
      seconds,
      items: pushed,
      lost: sentAt.size,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      percentOfACore: +(((after.cpuMs - before.cpuMs) / (performance.now() - start)) * 100).toFixed(1),
      megabytesAtStart: Math.round(before.rss / 1_048_576),
      megabytesInTheMiddle: Math.round(middle / 1_048_576),
      megabytesAtTheEnd: Math.round(after.rss / 1_048_576),
    };
  } finally {
    await proxy.stop();
    removeFolder(folder);
  }
};

/** `--quick`: a tenth of the items. `--soak SECONDS`: only that, with a thousand clients. */
export const run = async ({ args }: { readonly json: boolean; readonly args: readonly string[] }): Promise<object> => {
  if (args.includes("--soak"))
    return { bench: "proxy", soak: await soak(Number(args[args.indexOf("--soak") + 1] ?? 60)) };
  const topics = args.includes("--quick") ? TOPICS / 10 : TOPICS;
  const small = sealItems(topics, SMALL_BYTES);
  const large = sealItems(Math.max(2, topics / (TOPICS / LARGE_TOPICS)), LARGE_BYTES);
  const ours = await throughProxy(small);
  const raw = rawSqlite(small);
  const peer = await throughAutomerge(Math.ceil(topics / PEER_SHARE), ITEMS_PER_TOPIC, SMALL_BYTES);
  const oursLarge = await throughProxy(large);
  const rawLarge = rawSqlite(large);
  return {
    bench: "proxy",
    items: small.length,
    wireBytes: small[0]?.wire.length,
    ours,
    rawSqlite: raw,
    ofRaw: +(ours.itemsPerSecond / raw.itemsPerSecond).toFixed(3),
    automergeRepo: peer,
    cpuOfAutomergeRepo: +(ours.cpuMicrosecondsPerItem / peer.cpuMicrosecondsPerItem).toFixed(3),
    large: {
      items: large.length,
      wireBytes: large[0]?.wire.length,
      ours: oursLarge,
      rawSqlite: rawLarge,
      ofRaw: +(oursLarge.megabytesPerSecond / rawLarge.megabytesPerSecond).toFixed(3),
    },
    idle: await idle(),
  };
};
