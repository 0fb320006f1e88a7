import path from "node:path";
import type { Clock } from "../../app/ports/clock.ts";
import type { Transport } from "../../app/ports/transport.ts";
import { createNoiseLink, type NoiseLink } from "../../app/runtime/noise-link.ts";
import { CORE_APPLICATION } from "../../protocol/core/messages.ts";
import type { CoreStatus } from "../../protocol/core/status.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
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
import type {
  ForeignChange,
  StoreAnswer,
  StoreFault,
  StoreOperation,
  StoreRequest,
} from "../../protocol/proxy/store.ts";
import { CODE_BYTES, decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { reachableAt } from "../adapters/noise-links.ts";
import { type CoreHandlers, type CoreHost, type CoreHostConfig, createCoreHost } from "./core-host.ts";
import { openCoreStore } from "./core-store.ts";
import type { ProxyError, ProxyHomes, Service } from "./proxy-home.ts";

export interface ProxyNodeConfig {
  /** Where it keeps everything. No profile is ever looked for. */
  readonly homes: ProxyHomes;
  readonly listenHost: string | undefined;
  /** 0: any free port; `null`: that of last time, so that links stay true, or any free one. */
  readonly listenPort: number | null;
  /** `host:port` under which others reach it; this computer's addresses when empty. */
  readonly announce: readonly string[];
  readonly server: Pick<
    ProxyServerConfig,
    "openQuota" | "capacity" | "maxTopics" | "itemGraceDays" | "blobGraceDays" | "rates"
  >;
  /** Taking part in the core overlay; `null`: not at all. */
  readonly core: Pick<CoreHostConfig, "periodMs" | "peers"> | null;
}

export interface ProxyNodeDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly transport: Transport;
  /** One line for the operator; never an address or a key of a client. */
  readonly report: (line: string) => void;
}

export interface ProxyNode {
  readonly addresses: readonly string[];
  /** For the owner of a proxy that has no account yet. */
  readonly ownerLink: string | null;
  readonly connections: () => number;
  /** `null` without the overlay. */
  readonly core: () => CoreStatus | null;
  readonly stop: () => Promise<void>;
}

/** What the overlay node keeps, in the proxy's folder; may be deleted. */
export const CORE_DATABASE = "core.db";
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
/** Adds a one-time code and puts it into a link; also beside a running proxy. */
export const mintProxyLink = async (
  deps: Pick<ProxyNodeDeps, "crypto" | "random">,
  homes: ProxyHomes,
  quota: number,
): Promise<Result<string, ProxyError>> => {
  const desk = await homes.openDesk();
  if (!desk.ok) return desk;
  const { service, addCode, close } = desk.value;
  const link =
    service === undefined
      ? err<ProxyError>({ type: "CannotWrite", message: "no proxy has run here yet" })
      : ok(await mint(deps, addCode, quota, service));
  await close();
  return link;
};

const mint = async (
  { crypto, random }: Pick<ProxyNodeDeps, "crypto" | "random">,
  add: (hash: Uint8Array, quota: number) => Promise<void>,
  quota: number,
  { staticPk, addresses }: Pick<Service, "staticPk" | "addresses">,
): Promise<string> => {
  const code = random.bytes(CODE_BYTES);
  await add(hashCode(crypto, code), quota);
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
  let heard = (_change: ForeignChange): void => undefined;
  const opened = await config.homes.open(random, { report, changed: (change) => heard(change) });
  if (!opened.ok) return opened;
  const home = opened.value;
  const { store } = home;
  const keys = crypto.dhKeyPair(home.privateKey);

  const server = createProxyServer(
    { crypto, unixNow: clock.unix },
    { ...config.server, incarnation: home.incarnation, staticPk: keys.publicKey },
  );
  const clients = new Map<number, Client>();
  const perAccount = new Map<string, number>();
  const links = new Set<NoiseLink>();
  const requests: {
    readonly request: StoreRequest;
    readonly settle: (answer: Result<StoreAnswer, StoreFault>) => void;
  }[] = [];
  let core: CoreHost | undefined;
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
      for (const [i, { settle }] of batch.entries()) settle(answers.ok ? ok(answers.value[i] ?? null) : answers);
    }
    performing = undefined;
  };

  const request = (asked: StoreRequest, settle: (answer: Result<StoreAnswer, StoreFault>) => void): void => {
    requests.push({ request: asked, settle });
    performing ??= perform();
  };
  const ask = <K extends StoreOperation>(asked: StoreRequest<K>): Promise<StoreAnswer<K> | null> =>
    new Promise((resolve) => {
      request(asked as StoreRequest, (answer) => resolve(answer.ok ? answer.value : null));
    });

  const carryOut = (effect: ProxyServerEffect): void => {
    switch (effect.type) {
      case "send":
        send(effect.connection, effect.message, effect.urgent);
        break;
      case "close":
        clients.get(effect.connection)?.link.close();
        break;
      case "store": {
        const { id } = effect;
        request(effect.request, (answer) => handle({ type: "storeAnswered", id, answer }));
        break;
      }
      case "itemsStored":
        core?.itemsStored(effect.items);
        break;
      case "relayWanted":
        core?.relayWanted(effect.topics);
        break;
      case "relayDelegated":
        core?.relayDelegated(effect.topic, effect.until, effect.contacts);
        break;
      case "topicsGone":
        core?.topicsGone(effect.topics);
        break;
      case "topicsSwept":
        core?.topicsSwept(effect.topics);
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

  // Processes that share a database have no folder of their own, and one static key: they cannot each be a node of the overlay.
  const isAlone = config.core !== null && home.folder !== null;
  const coreStore = isAlone ? openCoreStore(path.join(home.folder, CORE_DATABASE), report) : undefined;
  if (coreStore?.ok === false) report(`no part in the overlay: ${coreStore.error.message}`);
  const applications = coreStore?.ok === true ? [PROXY_APPLICATION, CORE_APPLICATION] : [PROXY_APPLICATION];
  const port = config.listenPort ?? home.service?.port ?? 0;
  const listening = await transport.listen(config.listenHost ?? "::", port, (connection) => {
    if (isStopping || links.size >= MAX_CONNECTIONS) {
      connection.destroy();
      return;
    }
    const id = nextConnection++;
    let coreHandlers: CoreHandlers | undefined;
    const link = createNoiseLink(
      { crypto, random, clock },
      connection,
      { side: "responder", staticKey: keys, applications },
      {
        opened: (opened) => {
          const { remoteStatic, application } = opened;
          if (application === CORE_APPLICATION) {
            coreHandlers = core?.accept(link, opened);
            // It has only just begun to listen: the other one comes back.
            if (coreHandlers === undefined) queueMicrotask(() => link.close());
            return;
          }
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
          coreHandlers?.message(bytes);
          if (!clients.has(id)) return;
          const message = decodeProxyMessage(bytes);
          if (message.ok) handle({ type: "messageReceived", connection: id, message: message.value });
          else link.close();
        },
        drained: () => {
          coreHandlers?.drained();
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
          coreHandlers?.closed();
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
    if (coreStore?.ok === true) coreStore.value.close();
    await home.close();
    const type = listening.error.type === "PortInUse" ? "PortInUse" : "BadAddress";
    return err({ type, message: listening.error.message });
  }
  const addresses = config.announce.length > 0 ? config.announce : reachableAt(config.listenHost, listening.value.port);
  const service: Service = { staticPk: bytesToHex(keys.publicKey), addresses, port: listening.value.port };
  await home.publish(service);
  heard = (change) => {
    if (!isStopping) handle({ type: "storeChanged", change });
  };
  if (config.core !== null && coreStore?.ok === true) {
    core = createCoreHost(
      {
        crypto,
        random,
        clock,
        transport,
        keys,
        report,
        store: coreStore.value,
        ask,
        offer: (wires) => handle({ type: "itemsOffered", wires }),
      },
      { ...config.core, addresses, isAnnounced: config.announce.length > 0 },
    );
    if (!(await core.start())) {
      report("no part in the overlay");
      core.stop();
      core = undefined;
    }
  }
  const isUnclaimed = config.server.openQuota === null && !(await home.hasAccounts());
  return ok({
    addresses,
    ownerLink: isUnclaimed ? await mint(deps, home.setOwnerCode, config.server.capacity, service) : null,
    connections: () => clients.size,
    core: () => core?.status() ?? null,
    stop: async () => {
      isStopping = true;
      timer?.cancel();
      try {
        core?.stop();
        for (const link of links) link.close();
        await listening.value.close();
        while (performing !== undefined) await performing;
      } finally {
        await home.close();
      }
    },
  });
};
