import type { CallName, StreamName } from "./contract/contract.ts";
import { contract } from "./contract/contract.ts";
import type { ContractError } from "./contract/errors.ts";
import { contractError } from "./contract/errors.ts";
import type { Handlers } from "./contract/handlers.ts";
import type { Notices } from "./contract/note-places.ts";
import type { AppEvent, AppInfo, SyncStatus, SyncSummary } from "./contract/types.ts";
import type { Core, CorePorts, InstallOperation, NodeOperation, ShellOperation } from "./core-ports.ts";
import { createCore } from "./core.ts";
import { createNewcomerService } from "./devices/newcomer-service.ts";
import { createIdentityService } from "./identities/identity-service.ts";
import type { Profile } from "./identities/profile.ts";
import { createPause } from "./runtime/pause.ts";
import type { Listening } from "./peers/peer-service.ts";
import { linkFailure } from "./peers/peer-service.ts";
import { createBackupService } from "./portability/backup-service.ts";
import type { Backups } from "./ports/backups.ts";
import type { Discovery } from "./ports/discovery.ts";
import type { Engine } from "./ports/engine.ts";
import type { ItemOpener } from "./ports/item-opener.ts";
import type { KeyVault } from "./ports/key-vault.ts";
import type { Compactor } from "./ports/compactor.ts";
import type { HistoryReader } from "./ports/history-reader.ts";
import type { SearchIndex } from "./ports/search-index.ts";
import type { StorageMeter } from "./ports/storage-meter.ts";
import type { Store } from "./ports/store.ts";
import type { Result } from "../protocol/kernel/result.ts";
import { err, ok } from "../protocol/kernel/result.ts";
import type { DurationMs } from "../protocol/kernel/time.ts";

/** The files of one profile, opened with its key. */
export interface ProfileStorage {
  readonly store: Store;
  readonly search: SearchIndex;
  readonly meter: StorageMeter;
  readonly history: HistoryReader;
  readonly compactor: Compactor;
  /** The database is an older copy of what this device wrote: its sessions must not go on. */
  readonly isRolledBack: boolean;
  /** What was found damaged and worked around. */
  readonly problems: readonly ContractError[];
  /** False once damage was found after opening; opened again, the damaged files are put aside. */
  readonly sound: Promise<boolean>;
  readonly close: () => void;
}

export type ShellHandlers = Pick<Handlers, ShellOperation>;
export type InstallHandlers = Pick<Handlers, InstallOperation>;
type HostOperation = ShellOperation | InstallOperation;

/** Everything the node needs from its host. */
export interface NodePorts extends Pick<
  CorePorts,
  "links" | "folders" | "files" | "blobs" | "inspect" | "inflateRaw" | "crypto" | "random" | "clock" | "log"
> {
  readonly vault: KeyVault;
  readonly backups: Backups;
  /** `databaseKey`: 32 bytes. */
  readonly openStorage: (databaseKey: Uint8Array) => Promise<Result<ProfileStorage, ContractError>>;
  /** Started anew each time a profile is opened: a process that saw its documents does not outlive a lock. */
  readonly createEngine: () => Engine;
  /** Likewise: it is handed read keys. */
  readonly createOpener: () => ItemOpener;
  /** Absent: the node announces nothing and finds nobody by itself. */
  readonly createDiscovery: (() => Discovery) | undefined;
  readonly info: AppInfo;
  /** `insist`: the port was asked for; otherwise any free one will do when it is taken. */
  readonly listen: { readonly host: string | undefined; readonly port: number; readonly insist: boolean };
  /** What the computer is called. */
  readonly deviceName: string;
  /** How long nothing may be sent or accepted from now on, at a start, a waking or a resuming that other identities share. */
  readonly quietTime: () => DurationMs;
  /** Asked for by `node.stop`. */
  readonly requestStop: () => void;
}

/** One install: its vault, its socket, and the profile behind them while it is unlocked. */
export interface Node {
  readonly handlers: Omit<Handlers, HostOperation>;
  /** Listens, and opens the profile as far as that needs nobody. */
  readonly start: () => Promise<Result<Listening, ContractError>>;
  readonly wake: () => void;
  readonly readAttachment: Core["readAttachment"];
  readonly stop: () => Promise<void>;
}

/** Operations a closed profile answers with "unlock" or "create an identity first". */
type ProfileOperation = Exclude<keyof Handlers, HostOperation | NodeOperation>;
/** What a fresh install truthfully answers before it has an identity. */
const EMPTY: Partial<Record<ProfileOperation, unknown>> = {
  "notebooks.list": [],
  "invites.pending": [],
  "contacts.list": [],
  "invitations.list": [],
  "devices.list": [],
  "recovered.list": [],
  "notices.list": { recovered: [], merged: [] } satisfies Notices,
  "devices.pairings": [],
  "peers.list": [],
  "proxies.list": [],
  "sync.summary": {
    connectedPeers: [],
    visiblePeers: 0,
    connectedProxies: 0,
    safe: { on: 0, of: 0 },
    undelivered: 0,
    pending: 0,
    paused: false,
  } satisfies SyncSummary,
};
/** What a person asks for here and now needs the network at once; its moment says nothing about other identities. */
const NEEDS_NETWORK: ReadonlySet<ProfileOperation> = new Set([
  "devices.add",
  "invites.create",
  "invites.join",
  "peers.connect",
  "proxies.add",
]);
type Emit = (message: Result<never, ContractError>) => void;

/** Composes the install: what answers without keys here, the rest by the core of the open profile. */
export const createNode = (ports: NodePorts): Node => {
  const { clock, log, vault } = ports;
  const pause = createPause(ports.links, ports.createDiscovery, clock);
  const { links } = pause;
  const listeners = new Set<(message: Result<AppEvent, ContractError>) => void>();
  /** Streams of the open profile, which end when it is locked. */
  const streams = new Map<Emit, () => void>();
  let problems: readonly ContractError[] = [];
  let listening: Listening = { port: 0, addresses: [] };
  let storageFault: ContractError | undefined;
  let open: { readonly core: Core; readonly storage: ProfileStorage } | undefined;

  const emit = (event: AppEvent): void => {
    for (const listener of listeners) listener(ok(event));
  };
  const problem = (error: ContractError): void => {
    problems = [...problems, error];
    emit({ type: "problem", error });
  };

  const openProfile = async (profile: Profile, key: Uint8Array): Promise<Result<null, ContractError>> => {
    const storage = await ports.openStorage(key);
    storageFault = storage.ok ? undefined : storage.error;
    if (!storage.ok) return storage;
    for (const error of storage.value.problems) problem(error);
    const core = createCore({
      profile,
      record: identity.own,
      deviceName: ports.deviceName,
      store: storage.value.store,
      isRolledBack: storage.value.isRolledBack,
      search: storage.value.search,
      meter: storage.value.meter,
      history: storage.value.history,
      compactor: storage.value.compactor,
      engine: ports.createEngine(),
      opener: ports.createOpener(),
      discovery: pause.createDiscovery?.(),
      listening,
      links,
      folders: ports.folders,
      files: ports.files,
      blobs: ports.blobs,
      inspect: ports.inspect,
      inflateRaw: ports.inflateRaw,
      crypto: ports.crypto,
      random: ports.random.fork("core"),
      clock,
      log,
      isPaused: pause.isPaused,
      emit,
    });
    const opened = { core, storage: storage.value };
    open = opened;
    backup.opened({ profile, databaseKey: key, store: storage.value.store, seal: core.seal });
    emit({ type: "identityChanged" });
    emit({ type: "notebooksChanged" });
    void opened.storage.sound.then((isSound) => {
      if (open !== opened) return;
      if (isSound) core.index();
      else void inTurn(() => replaceStorage(opened, profile, key));
    });
    return ok(null);
  };

  /** Goes on with an empty database in place of one that turned out to be damaged. */
  const replaceStorage = async (damaged: typeof open, profile: Profile, key: Uint8Array): Promise<void> => {
    if (open !== damaged) return;
    log.error("database damaged");
    await closeProfile(contractError("CorruptDatabase")).catch((cause: unknown) => {
      log.error("not closed cleanly", { cause: String(cause) });
      damaged?.storage.close();
    });
    const reopened = await openProfile(profile, key);
    if (!reopened.ok) problem(reopened.error);
  };

  const closeProfile = async (reason: ContractError): Promise<void> => {
    if (open === undefined) return;
    const { core, storage } = open;
    open = undefined;
    backup.closed();
    for (const [tell, end] of streams) {
      end();
      tell(err(reason));
    }
    streams.clear();
    await core.stop();
    storage.close();
  };

  let turn: Promise<unknown> = Promise.resolve();
  /** One after the other: a profile is opened once, and not while it closes. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work, work);
    turn = done;
    return done;
  };

  const identity = createIdentityService({
    vault,
    crypto: ports.crypto,
    random: ports.random.fork("identity"),
    clock,
    open: openProfile,
  });

  const backup = createBackupService({
    backups: ports.backups,
    vault,
    identity,
    crypto: ports.crypto,
    clock,
    log,
    emit,
    inTurn,
  });

  const newcomer = createNewcomerService({
    crypto: ports.crypto,
    random: ports.random.fork("pairing"),
    clock,
    log,
    addresses: () => listening.addresses,
    adopt: (adoption, keys, passphrase, deviceName) =>
      inTurn(async () => {
        const adopted = await identity.adopt(adoption, keys, passphrase);
        if (adopted.ok) open?.core.settle(deviceName, adoption.addresses);
        return adopted;
      }),
    changed: () => emit({ type: "devicesChanged" }),
  });

  const closed = async (): Promise<ContractError> => {
    const status = await vault.status();
    return contractError(status.ok && status.value.state === "locked" ? "VaultLocked" : "NoIdentity");
  };

  const wake = (): void => {
    const quiet = ports.quietTime();
    if (quiet > 0) pause.rest(quiet, () => open?.core.wake());
    else open?.core.wake();
  };

  const call = async (name: ProfileOperation & CallName, input: unknown): Promise<Result<unknown, ContractError>> => {
    if (NEEDS_NETWORK.has(name)) pause.endRest();
    if (open === undefined) {
      const error = await closed();
      if (error.type === "NoIdentity" && name === "sync.status")
        return ok({ listening: listening.addresses, peers: [], proxies: [], notebooks: [] } satisfies SyncStatus);
      return error.type === "NoIdentity" && Object.hasOwn(EMPTY, name) ? ok(EMPTY[name]) : err(error);
    }
    const handler = open.core.handlers[name] as (input: unknown) => Promise<Result<unknown, ContractError>>;
    return handler(input);
  };
  const stream = (name: ProfileOperation & StreamName, input: unknown, tell: Emit): (() => void) => {
    if (open === undefined) {
      void closed().then((error) => tell(err(error)));
      return () => undefined;
    }
    const handler = open.core.handlers[name] as (input: unknown, emit: Emit) => () => void;
    const end = handler(input, tell);
    streams.set(tell, end);
    return () => {
      streams.delete(tell);
      end();
    };
  };

  const own: Pick<Handlers, NodeOperation> = {
    ...backup.handlers,
    "app.info": async () => ok(ports.info),
    "workspace.show": async () => {
      const status = await identity.vaultStatus();
      if (!status.ok) return status;
      const shown = status.value.state === "unlocked" ? await identity.show() : ok(null);
      if (!shown.ok) return shown;
      const notebooks = open === undefined ? ok([]) : await open.core.handlers["notebooks.list"](undefined);
      if (!notebooks.ok) return notebooks;
      return ok({
        info: ports.info,
        vault: status.value,
        settings: open?.core.settings() ?? {},
        identity: shown.value,
        notebooks: notebooks.value,
      });
    },
    "vault.status": () => identity.vaultStatus(),
    "vault.unlock": (input) => inTurn(() => identity.unlock(input)),
    "vault.lock": () =>
      inTurn(async () => {
        await closeProfile(contractError("VaultLocked"));
        identity.lock();
        emit({ type: "identityChanged" });
        return identity.vaultStatus();
      }),
    "identity.create": (input) =>
      inTurn(async () => {
        // What a restore that a crash cut off left behind belongs to somebody else.
        await ports.backups.discard();
        return identity.create(input);
      }),
    "identity.show": () => identity.show(),
    "identity.pair": async ({ deviceName, passphrase }) => {
      const status = await identity.vaultStatus();
      if (!status.ok) return status;
      if (status.value.state === "locked") return err(contractError("VaultLocked"));
      if (open !== undefined) return err(contractError("IdentityExists"));
      if (status.value.state === "absent" && status.value.protection === "passphrase" && passphrase === undefined)
        return err(contractError("PassphraseRequired"));
      pause.endRest();
      return ok(newcomer.start(deviceName ?? ports.deviceName, passphrase));
    },
    "identity.pairing": async () => ok(newcomer.status()),
    "identity.confirmPairing": async () => newcomer.confirm(),
    "identity.cancelPairing": async () => ok(newcomer.cancel()),
    "identity.restore": (input) => {
      pause.endRest();
      return inTurn(() => identity.recover(input));
    },
    "identity.confirmPhrase": (input) => identity.confirmPhrase(input),
    "settings.get": async () => ok(open?.core.settings() ?? {}),
    "sync.pause": async ({ paused }) => {
      await pause.set(paused);
      if (!paused) wake();
      if (open !== undefined) emit({ type: "syncChanged", summary: open.core.summary() });
      return ok(null);
    },
    "node.stop": async () => {
      ports.requestStop();
      return ok(null);
    },
    events: (_input, listener) => {
      listeners.add(listener);
      if (open !== undefined) listener(ok({ type: "syncChanged", summary: open.core.summary() }));
      for (const error of problems) listener(ok({ type: "problem", error }));
      return () => listeners.delete(listener);
    },
  };
  const profileHandlers = Object.entries(contract)
    .filter(([name]) => !Object.hasOwn(own, name) && !/^(shell|identities)\./.test(name))
    .map(([name, { kind }]) => [
      name,
      kind === "stream"
        ? (input: unknown, tell: Emit) => stream(name as ProfileOperation & StreamName, input, tell)
        : (input: unknown) => call(name as ProfileOperation & CallName, input),
    ]);

  const listen = async (): Promise<Result<Listening, ContractError>> => {
    const accept: Parameters<typeof links.listen>[2] = (link) => {
      if (open !== undefined) open.core.accept(link);
      else if (!newcomer.accept(link)) link.close();
    };
    const { host, port, insist } = ports.listen;
    let heard = await links.listen(host, port, accept);
    if (!heard.ok && !insist && heard.error.type === "PortInUse") heard = await links.listen(host, 0, accept);
    return heard.ok ? heard : err(linkFailure(heard.error));
  };

  return {
    // Every operation of the contract is either in `own` or made by the loop, with the inputs the contract decodes.
    handlers: { ...(Object.fromEntries(profileHandlers) as Omit<Handlers, HostOperation>), ...own },
    start: async () => {
      const heard = await listen();
      if (!heard.ok) return heard;
      listening = heard.value;
      wake();
      const opened = await inTurn(() => identity.start());
      if (opened.ok) return heard;
      if (storageFault !== undefined) return err(storageFault);
      problem(opened.error);
      return heard;
    },
    wake,
    readAttachment: async (notebook, blob) =>
      open === undefined ? err(await closed()) : open.core.readAttachment(notebook, blob),
    stop: () =>
      inTurn(async () => {
        await closeProfile(contractError("Stopping"));
        pause.endRest();
        await links.stop();
      }),
  };
};
