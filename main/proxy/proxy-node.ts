import Database from "better-sqlite3";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Clock } from "../../app/ports/clock.ts";
import type { Transport } from "../../app/ports/transport.ts";
import { createNoiseLink, type NoiseLink } from "../../app/runtime/noise-link.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { err, ok, type Result } from "../../protocol/kernel/result.ts";
import { durationMs, type MonotonicMs } from "../../protocol/kernel/time.ts";
import { PROXY_APPLICATION, type ProxyMessage } from "../../protocol/proxy/messages.ts";
import { formatProxyLink } from "../../protocol/proxy/proxy-link.ts";
import {
  createProxyServer,
  type ProxyServerConfig,
  type ProxyServerEffect,
  type ProxyServerEvent,
} from "../../protocol/proxy/server.ts";
import { hashCode } from "../../protocol/proxy/statements.ts";
import type { StoreRequest } from "../../protocol/proxy/store.ts";
import { CODE_BYTES, decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { reachableAt } from "../adapters/noise-links.ts";
import { nativeBinding, storageErrorOf } from "../adapters/sqlite/database.ts";
import { openProxyStore, type SqliteProxyStore } from "./proxy-store.ts";

export interface ProxyNodeConfig {
  /** Everything the proxy keeps: items and chunks, and its static key. No profile is ever looked for. */
  readonly folder: string;
  readonly listenHost: string | undefined;
  /** 0: any free port; `null`: that of last time, so that links stay true, or any free one. */
  readonly listenPort: number | null;
  /** `host:port` under which others reach it; this computer's addresses when empty. */
  readonly announce: readonly string[];
  readonly server: Pick<
    ProxyServerConfig,
    "openQuota" | "capacity" | "maxTopics" | "itemGraceDays" | "blobGraceDays" | "rates"
  >;
}

export interface ProxyNodeDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly transport: Transport;
  /** One line for the operator; never an address or a key of a client. */
  readonly report: (line: string) => void;
}

export interface ProxyError {
  readonly type: "DataDirectoryInUse" | "CannotWrite" | "CorruptDatabase" | "DiskFull" | "PortInUse" | "BadAddress";
  readonly message: string;
}

export interface ProxyNode {
  readonly addresses: readonly string[];
  /** For the owner of a proxy that has no account yet. */
  readonly ownerLink: string | null;
  readonly connections: () => number;
  readonly stop: () => Promise<void>;
}

const DATABASE = "proxy.db";
/** Holds the static key, and the lock on the folder as long as the proxy runs. */
const KEY_DATABASE = "key.db";
/** What a link needs, for `mintProxyLink` beside the running proxy. */
const SERVICE = "service.json";
/** Present while the proxy runs: found at start, what was acknowledged last may have gone with the power. */
const RUNNING_MARK = "running";
/** A process serves some thousand clients; each connection costs about 30 KiB. */
const MAX_CONNECTIONS = 4_096;
/** Devices of one identity, and some that have not yet noticed that their connection is gone. */
const MAX_CONNECTIONS_PER_ACCOUNT = 16;
/** More waiting for one client: it is told that there is more instead of sent everything. */
const CONGESTED_BYTES = 1_048_576;
/** More waiting: its questions are not read until it has taken some. */
const STALLED_BYTES = 8_388_608;
/** Requests in one transaction. */
const MAX_BATCH = 512;
const KEY_BYTES = 32;

const prepareFolder = (folder: string): Result<null, ProxyError> => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return ok(null);
  } catch {
    return err({ type: "CannotWrite", message: `the folder ${folder} cannot be made` });
  }
};

/**
 * The static key, made at first start, and the lock that is held until the process ends, however it ends. SQLite, because
 * Node's permission model takes fsync away from everything else.
 */
const lockFolder = (
  folder: string,
  random: RandomSource,
): Result<{ readonly privateKey: Uint8Array; readonly release: () => void }, ProxyError> => {
  try {
    const database = new Database(path.join(folder, KEY_DATABASE), { ...nativeBinding(), timeout: 0 });
    try {
      database.pragma("synchronous = FULL");
      database.exec(
        "CREATE TABLE IF NOT EXISTS static_key (n INTEGER PRIMARY KEY CHECK (n = 1), key BLOB NOT NULL) STRICT",
      );
      database.prepare("INSERT INTO static_key VALUES (1, ?) ON CONFLICT DO NOTHING").run(random.bytes(KEY_BYTES));
      database.exec("BEGIN EXCLUSIVE");
      const row = database.prepare<[], { readonly key: Uint8Array }>("SELECT key FROM static_key").get();
      invariant(row !== undefined, "the key was just made");
      return ok({ privateKey: new Uint8Array(row.key), release: () => void database.close() });
    } catch (cause) {
      database.close();
      throw cause;
    }
  } catch (cause) {
    const fault = storageErrorOf(cause);
    if (fault === undefined) throw cause;
    return fault.type === "DataDirectoryInUse"
      ? err({ type: "DataDirectoryInUse", message: `another proxy runs on ${folder}` })
      : err({ type: "CannotWrite", message: `nothing can be written to ${folder}` });
  }
};

const openStore = (folder: string): Result<SqliteProxyStore, ProxyError> => {
  const store = openProxyStore(path.join(folder, DATABASE));
  if (store.ok) return store;
  const { type, message } = store.error;
  return err({ type: type === "NewerSchema" ? "CorruptDatabase" : type, message });
};

/** Adds a one-time code and puts it into a link; also beside a running proxy, which shares the database. */
export const mintProxyLink = (
  deps: Pick<ProxyNodeDeps, "crypto" | "random">,
  folder: string,
  quota: number,
): Result<string, ProxyError> => {
  const service = readService(folder);
  if (service === undefined) return err({ type: "CannotWrite", message: `no proxy has run on ${folder} yet` });
  const store = openStore(folder);
  if (!store.ok) return store;
  const link = mint(deps, store.value.addCode, quota, service);
  store.value.close();
  return ok(link);
};

interface Service {
  /** Hex. */
  readonly staticPk: string;
  readonly addresses: readonly string[];
  readonly port: number;
}

const readService = (folder: string): Service | undefined => {
  const file = path.join(folder, SERVICE);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Service) : undefined;
};

const mint = (
  { crypto, random }: Pick<ProxyNodeDeps, "crypto" | "random">,
  add: SqliteProxyStore["addCode"],
  quota: number,
  { staticPk, addresses }: Pick<Service, "staticPk" | "addresses">,
): string => {
  const code = random.bytes(CODE_BYTES);
  add(hashCode(crypto, code), quota);
  return formatProxyLink({ staticPk: new Uint8Array(Buffer.from(staticPk, "hex")), code, addresses });
};

interface Client {
  readonly link: NoiseLink;
  readonly account: string;
  isCongested: boolean;
  isStalled: boolean;
}

/** Runs a proxy: one port, one folder, no identity. */
export const startProxyNode = async (
  deps: ProxyNodeDeps,
  config: ProxyNodeConfig,
): Promise<Result<ProxyNode, ProxyError>> => {
  const { crypto, random, clock, transport, report } = deps;
  const { folder } = config;
  const prepared = prepareFolder(folder);
  if (!prepared.ok) return prepared;
  const lock = lockFolder(folder, random);
  if (!lock.ok) return lock;
  const opened = openStore(folder);
  if (!opened.ok) {
    lock.value.release();
    return opened;
  }
  const store = opened.value;
  const mark = path.join(folder, RUNNING_MARK);
  const fresh = (): Uint8Array => random.bytes(16);
  if (existsSync(mark)) store.setIncarnation(fresh());
  writeFileSync(mark, "", { mode: 0o600 });
  const keys = crypto.dhKeyPair(lock.value.privateKey);

  const server = createProxyServer(
    { crypto, unixNow: clock.unix },
    { ...config.server, incarnation: store.incarnation(fresh), staticPk: keys.publicKey },
  );
  const clients = new Map<number, Client>();
  const perAccount = new Map<string, number>();
  const links = new Set<NoiseLink>();
  const requests: { readonly id: number; readonly request: StoreRequest }[] = [];
  let performing: Promise<void> | undefined;
  let nextConnection = 1;
  let timer: { readonly due: MonotonicMs; readonly cancel: () => void } | undefined;
  let isStopping = false;
  /** The same message goes to every follower of a topic. */
  let encoded: { readonly message: ProxyMessage; readonly bytes: Uint8Array } | undefined;

  const send = (connection: number, message: ProxyMessage, urgent: boolean): void => {
    const client = clients.get(connection);
    if (client === undefined) return;
    if (encoded?.message !== message) encoded = { message, bytes: encodeProxyMessage(message) };
    const sent = client.link.send(encoded.bytes, urgent ? "urgent" : "bulk");
    if (!sent.ok && sent.error.type === "MessageTooLong") report("a message was too long and not sent");
    const queued = client.link.queuedBytes();
    if (queued > STALLED_BYTES && !client.isStalled) {
      client.isStalled = true;
      client.link.pause();
    }
    if (queued <= CONGESTED_BYTES || client.isCongested) return;
    client.isCongested = true;
    handle({ type: "congestionChanged", connection, isCongested: true });
  };

  const perform = async (): Promise<void> => {
    while (requests.length > 0) {
      const batch = requests.splice(0, MAX_BATCH);
      const answers = await store.perform(batch.map(({ request }) => request));
      if (!answers.ok) report(`the store refused: ${answers.error.type}: ${answers.error.message}`);
      for (const [i, { id }] of batch.entries()) {
        const answer = answers.ok ? ok(answers.value[i] ?? null) : answers;
        handle({ type: "storeAnswered", id, answer });
      }
    }
    performing = undefined;
  };

  const carryOut = (effect: ProxyServerEffect): void => {
    switch (effect.type) {
      case "send":
        send(effect.connection, effect.message, effect.urgent);
        break;
      case "close":
        clients.get(effect.connection)?.link.close();
        break;
      case "store":
        requests.push({ id: effect.id, request: effect.request });
        performing ??= perform();
        break;
    }
  };

  const arm = (): void => {
    const due = server.nextDeadline();
    if (due === undefined || isStopping || timer?.due === due) return;
    timer?.cancel();
    const cancel = clock.after(durationMs(due - clock.monotonic()), () => {
      timer = undefined;
      handle({ type: "deadlineReached" });
    });
    timer = { due, cancel };
  };

  const handle = (event: ProxyServerEvent): void => {
    for (const effect of server.handle(event, clock.monotonic())) carryOut(effect);
    arm();
  };

  const port = config.listenPort ?? readService(folder)?.port ?? 0;
  const listening = await transport.listen(config.listenHost ?? "::", port, (connection) => {
    if (isStopping || links.size >= MAX_CONNECTIONS) {
      connection.destroy();
      return;
    }
    const id = nextConnection++;
    const link = createNoiseLink(
      { crypto, random, clock },
      connection,
      { side: "responder", staticKey: keys, applications: [PROXY_APPLICATION] },
      {
        opened: ({ remoteStatic }) => {
          const account = Buffer.from(remoteStatic).toString("latin1");
          const others = perAccount.get(account) ?? 0;
          if (others >= MAX_CONNECTIONS_PER_ACCOUNT) {
            queueMicrotask(() => link.close());
            return;
          }
          perAccount.set(account, others + 1);
          clients.set(id, { link, account, isCongested: false, isStalled: false });
          handle({ type: "connectionOpened", connection: id, account: remoteStatic.slice() });
        },
        message: (bytes) => {
          if (!clients.has(id)) return;
          const message = decodeProxyMessage(bytes);
          if (message.ok) handle({ type: "messageReceived", connection: id, message: message.value });
          else link.close();
        },
        drained: () => {
          const client = clients.get(id);
          if (client === undefined) return;
          if (client.isStalled) {
            client.isStalled = false;
            link.resume();
          }
          if (!client.isCongested) return;
          client.isCongested = false;
          handle({ type: "congestionChanged", connection: id, isCongested: false });
        },
        closed: () => {
          links.delete(link);
          const client = clients.get(id);
          if (client === undefined) return;
          clients.delete(id);
          const left = (perAccount.get(client.account) ?? 1) - 1;
          if (left === 0) perAccount.delete(client.account);
          else perAccount.set(client.account, left);
          handle({ type: "connectionClosed", connection: id });
        },
      },
    );
    links.add(link);
  });
  if (!listening.ok) {
    store.close();
    rmSync(mark, { force: true });
    lock.value.release();
    const type = listening.error.type === "PortInUse" ? "PortInUse" : "BadAddress";
    return err({ type, message: listening.error.message });
  }
  const addresses = config.announce.length > 0 ? config.announce : reachableAt(config.listenHost, listening.value.port);
  const service: Service = { staticPk: bytesToHex(keys.publicKey), addresses, port: listening.value.port };
  writeFileSync(path.join(folder, SERVICE), JSON.stringify(service), { mode: 0o600 });
  const isUnclaimed = config.server.openQuota === null && store.countAccounts() === 0;
  return ok({
    addresses,
    ownerLink: isUnclaimed ? mint(deps, store.setOwnerCode, config.server.capacity, service) : null,
    connections: () => clients.size,
    stop: async () => {
      isStopping = true;
      timer?.cancel();
      for (const link of links) link.close();
      await listening.value.close();
      while (performing !== undefined) await performing;
      store.close();
      rmSync(mark, { force: true });
      lock.value.release();
    },
  });
};
