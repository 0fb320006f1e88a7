import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { ContractError } from "../app/contract/errors.ts";
import { contractError } from "../app/contract/errors.ts";
import type { ContractHost } from "../app/contract/handlers.ts";
import { createContractHost } from "../app/contract/handlers.ts";
import { FIRST_IDENTITY } from "../app/identities/identity-list.ts";
import type { Install, RunningIdentity } from "../app/install.ts";
import { createInstall } from "../app/install.ts";
import type { InstallHandlers, ProfileStorage, ShellHandlers } from "../app/node.ts";
import { createNode } from "../app/node.ts";
import type { Clock } from "../app/ports/clock.ts";
import type { Discovery } from "../app/ports/discovery.ts";
import type { Engine } from "../app/ports/engine.ts";
import type { KeyVault } from "../app/ports/key-vault.ts";
import type { Log } from "../app/ports/log.ts";
import type { Transport } from "../app/ports/transport.ts";
import type { CryptoProvider } from "../protocol/crypto/provider.ts";
import { createNobleProvider } from "../protocol/crypto/noble-provider.ts";
import type { Result } from "../protocol/kernel/result.ts";
import { err, ok } from "../protocol/kernel/result.ts";
import type { BackupPlaces } from "./adapters/backup/backup-host.ts";
import { createBackupHost, finishRestore } from "./adapters/backup/backup-host.ts";
import { createBlobFolder } from "./adapters/blob-folder.ts";
import { createCompactorHost } from "./adapters/compactor-host.ts";
import { files } from "./adapters/files.ts";
import { createHighWaterMark } from "./adapters/high-water.ts";
import { createHistoryHost } from "./adapters/history-host.ts";
import type { DurationMs } from "../protocol/kernel/time.ts";
import { durationMs } from "../protocol/kernel/time.ts";
import { identityFolder, openIdentityFolders } from "./adapters/identity-folders.ts";
import { createFolderReader, createFolderWriter } from "./adapters/folder.ts";
import { createChangeInspector, inflateRaw } from "./adapters/inspect-change.ts";
import { createMdnsDiscovery } from "./adapters/mdns-discovery.ts";
import { createNativeProvider } from "./adapters/native-crypto.ts";
import { createNoiseLinks } from "./adapters/noise-links.ts";
import { createOpenerHost } from "./adapters/opener-host.ts";
import { createReaderHost } from "./adapters/reader-host.ts";
import type { StorageError } from "./adapters/sqlite/database.ts";
import { openWriter, setAside, storageErrorOf } from "./adapters/sqlite/database.ts";
import { MIGRATIONS } from "./adapters/sqlite/schema.ts";
import { createStore } from "./adapters/sqlite/store.ts";
import { createSystemClock } from "./adapters/system-clock.ts";
import { createSystemRandom } from "./adapters/system-random.ts";
import { claimDataDirectory } from "./control/control-server.ts";

/** What a host decides about the node it runs. */
export interface NodeConfig {
  readonly dataDirectory: string;
  /** Identities to open, by id or name; all when empty. */
  readonly identities: readonly string[];
  /** Address to listen on; all of this computer's when absent. */
  readonly listenHost: string | undefined;
  /** Of the first identity; 0: the port of last time, or any free one, as for every other identity. */
  readonly listenPort: number;
  readonly mdns: boolean;
  readonly version: string;
  /** `headless`, or the Electron version. */
  readonly hostName: string;
  /** The vault in one identity's key file. */
  readonly createVault: (file: string) => Promise<KeyVault>;
  /** Called for each identity: no two share a socket. */
  readonly createTransport: () => Transport;
  readonly log: Log;
  readonly readerScript: URL;
  readonly historyScript: URL;
  readonly compactorScript: URL;
  readonly openerScript: URL;
  readonly backupScript: URL;
  readonly createEngine: () => Engine;
  readonly shell: ShellHandlers;
  /** Called once when somebody asked the node to stop. */
  readonly requestStop: () => void;
}

export interface RunningNode {
  /** Of all identities; the first answers where none is named. */
  readonly contract: ContractHost;
  /** Where the first identity listens. */
  readonly listening: readonly string[];
  readonly wake: () => void;
  readonly readAttachment: Install["readAttachment"];
  /** Seals what is not sealed, tells everyone goodbye and closes the databases. */
  readonly stop: () => Promise<void>;
}

const VAULT = "vault.json";
const DATABASE = "profile.db";
const SEARCH_DATABASE = "search.db";
/** Encrypted chunks of attachments. */
const BLOBS = "blobs";
/** What this device wrote last, beside the database so that an older copy of it is noticed. */
const HIGH_WATER = "high-water";
const PORT_SETTING = "listen-port";
/** Present while a node runs, and after damage was seen: when found at start, the database is walked before it is used. */
const RUNNING_MARK = "running";
/** Walking a file of this size takes some 100 ms; larger ones are only walked after an unclean end. */
const ALWAYS_VERIFIED_BYTES = 32 * 1_048_576;
/** After a clean end that walk comes when whoever started the node has seen it. */
const VERIFY_DELAY = durationMs(1_000);

const createCrypto = (): CryptoProvider => createNativeProvider(createNobleProvider());

const describeCause = (cause: unknown): string => (cause instanceof Error ? (cause.stack ?? cause.message) : "unknown");

const storageFailure = ({ type, message }: StorageError): ContractError =>
  contractError(type === "NewerSchema" ? "CorruptDatabase" : type, message);

const backupPlaces = (dataDirectory: string): BackupPlaces => ({
  dataDirectory,
  database: path.join(dataDirectory, DATABASE),
  blobs: path.join(dataDirectory, BLOBS),
  highWater: path.join(dataDirectory, HIGH_WATER),
});

/** What a person reads of an error thrown while an identity starts. */
const startFailure = (cause: unknown): ContractError => {
  const fault = storageErrorOf(cause);
  if (fault !== undefined) return storageFailure(fault);
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOSPC" || code === "EDQUOT") return contractError("DiskFull");
  return contractError(code === "EACCES" || code === "EPERM" || code === "EROFS" ? "CannotWrite" : "Internal");
};

/** Opens the profile's database; a damaged one is kept under another name and an empty one takes its place. */
const openStorage = async (
  { readerScript, historyScript, compactorScript }: NodeConfig,
  dataDirectory: string,
  log: Log,
  clock: Clock,
  key: Uint8Array,
): Promise<Result<ProfileStorage, ContractError>> => {
  finishRestore(backupPlaces(dataDirectory), log);
  const file = path.join(dataDirectory, DATABASE);
  const mark = path.join(dataDirectory, RUNNING_MARK);
  const size = existsSync(file) ? statSync(file).size : 0;
  const wasCutOff = existsSync(mark);
  const problems: ContractError[] = [];
  let database = openWriter(file, key, MIGRATIONS, wasCutOff);
  if (!database.ok && database.error.type === "CorruptDatabase") {
    const stamp = new Date().toISOString().replaceAll(":", "-");
    const kept = setAside(file, stamp);
    // Its rows alone say what the chunks are.
    if (existsSync(path.join(dataDirectory, BLOBS)))
      renameSync(path.join(dataDirectory, BLOBS), path.join(dataDirectory, `${BLOBS}.damaged-${stamp}`));
    log.error("database damaged", { kept: path.basename(kept) });
    problems.push(
      contractError(
        "CorruptDatabase",
        `The database was damaged and is kept as ${kept}. The node goes on with an empty one.`,
      ),
    );
    database = openWriter(file, key, MIGRATIONS, false);
  }
  if (!database.ok) return err(storageFailure(database.error));
  writeFileSync(mark, "", { mode: 0o600 });
  const { value: opened } = database;
  const highWater = createHighWaterMark(path.join(dataDirectory, HIGH_WATER));
  const isRolledBack = highWater.open(opened) === "rolledBack";
  if (isRolledBack) log.warn("database older than what was written", {});
  const reader = createReaderHost(
    readerScript,
    { profileFile: file, searchFile: path.join(dataDirectory, SEARCH_DATABASE), key },
    log,
  );
  let isDamaged = false;
  let cancelVerify: (() => void) | undefined;
  const verify = async (): Promise<boolean> => {
    isDamaged = !(await reader.verify());
    return !isDamaged;
  };
  const isVerifiedLater = !wasCutOff && size <= ALWAYS_VERIFIED_BYTES;
  const sound = isVerifiedLater
    ? new Promise<boolean>((resolve) => {
        cancelVerify = clock.after(VERIFY_DELAY, () => void verify().then(resolve));
      })
    : Promise.resolve(true);
  return ok({
    store: createStore(opened, reader.checkpoint, highWater.committed),
    isRolledBack,
    search: reader,
    meter: reader,
    history: createHistoryHost(historyScript, { file, key }, log),
    compactor: createCompactorHost(compactorScript, { file, key }, log),
    problems,
    sound,
    close: () => {
      cancelVerify?.();
      opened.close();
      highWater.close();
      if (!isDamaged) rmSync(mark, { force: true });
    },
  });
};

/** Where the node listened last time, so that remembered addresses stay true. */
const lastPort = (dataDirectory: string): number => {
  const file = path.join(dataDirectory, PORT_SETTING);
  const port = existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) : 0;
  return port > 0 && port < 65_536 ? port : 0;
};

/** Log in which it shows which identity was at work, by the number it has on this computer alone. */
const logOf = (log: Log, id: string): Log => {
  if (id === FIRST_IDENTITY) return log;
  const named = (fields: Parameters<Log["info"]>[1]) => ({ ...fields, profile: id });
  return {
    debug: (event, fields) => log.debug(event, named(fields)),
    info: (event, fields) => log.info(event, named(fields)),
    warn: (event, fields) => log.warn(event, named(fields)),
    error: (event, fields) => log.error(event, named(fields)),
  };
};

/** True for an address under which another identity of this very install listens: the two do not meet by themselves. */
const isHousemate = (address: string, ports: ReadonlySet<number>): boolean => {
  const { host, port } = /^\[?(?<host>[^\]]+)\]?:(?<port>\d+)$/.exec(address)?.groups ?? {};
  const own = Object.values(os.networkInterfaces()).flatMap((list) => list ?? []);
  return ports.has(Number(port)) && own.some((one) => one.address === host?.replace(/%.*$/, ""));
};

const makeFolder = (folder: string): Result<null, ContractError> => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return ok(null);
  } catch {
    return err(contractError("CannotWrite", `The data folder ${folder} cannot be made.`));
  }
};

/** Starts the node of one identity from adapters of its own: files, keys, sockets and timers. */
const startIdentity = async (
  config: NodeConfig,
  id: string,
  installHandlers: InstallHandlers,
  quietTime: () => DurationMs,
  /** Where the identities of this install listen; each adds its own. */
  ports: Set<number>,
): Promise<Result<RunningIdentity, ContractError>> => {
  const isFirst = id === FIRST_IDENTITY;
  const folder = identityFolder(config.dataDirectory, id);
  const log = logOf(config.log, id);
  const made = makeFolder(folder);
  if (!made.ok) return made;
  // The first one's folder is the install's, which is claimed already.
  const claimed = isFirst ? undefined : await claimDataDirectory(folder);
  if (claimed?.ok === false) return err(contractError(claimed.error.type));
  /** What is open, in the order of opening. */
  const opened: (() => void | Promise<void>)[] = [async () => claimed?.value.close()];
  const closeLast = async (): Promise<void> => {
    const last = opened.pop();
    try {
      await last?.();
    } finally {
      if (opened.length > 0) await closeLast();
    }
  };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= closeLast());
  const random = createSystemRandom();
  const clock = createSystemClock();
  opened.push(clock.close);
  try {
    const crypto = createCrypto();
    const listenPort = isFirst ? config.listenPort : 0;
    const node = createNode({
      vault: await config.createVault(path.join(folder, VAULT)),
      backups: createBackupHost(config.backupScript, backupPlaces(folder), log),
      openStorage: (key) => openStorage(config, folder, log, clock, key),
      createEngine: config.createEngine,
      createOpener: () => createOpenerHost(config.openerScript, log),
      createDiscovery: config.mdns
        ? () => {
            const discovery = createMdnsDiscovery({ random, warn: (message) => log.debug("mdns", { message }) });
            const start: Discovery["start"] = (port, found) =>
              discovery.start(port, (address) => {
                if (!isHousemate(address, ports)) found(address);
              });
            return { ...discovery, start };
          }
        : undefined,
      links: createNoiseLinks({ transport: config.createTransport(), crypto, random, clock, log }),
      folders: { reader: createFolderReader, writer: createFolderWriter },
      files,
      blobs: createBlobFolder(path.join(folder, BLOBS)),
      inspect: createChangeInspector(crypto),
      inflateRaw,
      crypto,
      random,
      clock,
      log,
      info: { version: config.version, dataDirectory: folder, host: config.hostName },
      listen: {
        host: config.listenHost,
        port: listenPort === 0 ? lastPort(folder) : listenPort,
        insist: listenPort !== 0,
      },
      deviceName: os.hostname(),
      quietTime,
      requestStop: config.requestStop,
    });
    let port = 0;
    opened.push(() => void ports.delete(port), node.stop);
    clock.onResumed(() => node.wake());
    const handlers = { ...node.handlers, ...config.shell, ...installHandlers };
    const contract = createContractHost(handlers, (operation, cause) => {
      const fault = storageErrorOf(cause);
      if (fault !== undefined) {
        log.error("storage fault", { operation, fault: fault.type });
        return storageFailure(fault);
      }
      log.error("bug", { operation, cause: describeCause(cause) });
      return contractError("Internal");
    });
    const listening = await node.start();
    if (!listening.ok) {
      await close();
      return listening;
    }
    const { addresses } = listening.value;
    ({ port } = listening.value);
    ports.add(port);
    writeFileSync(path.join(folder, PORT_SETTING), String(port), { mode: 0o600 });
    claimed?.value.serve(contract);
    return ok({ contract, listening: addresses, wake: node.wake, readAttachment: node.readAttachment, stop: close });
  } catch (cause) {
    log.error("not started", { cause: describeCause(cause) });
    await close().catch((fault: unknown) => log.error("not closed cleanly", { cause: describeCause(fault) }));
    return err(startFailure(cause));
  }
};

/** Builds the nodes of a data folder's identities and starts them; the one composition root of the window and the headless host. */
export const startNode = async (config: NodeConfig): Promise<Result<RunningNode, ContractError>> => {
  const { dataDirectory, log } = config;
  const made = makeFolder(dataDirectory);
  if (!made.ok) return made;
  const claimed = await claimDataDirectory(dataDirectory);
  if (!claimed.ok) return err(contractError(claimed.error.type));
  const ports = new Set<number>();
  const install = createInstall({
    folders: openIdentityFolders(dataDirectory, log),
    start: (id, handlers, quietTime) => startIdentity(config, id, handlers, quietTime, ports),
    random: createSystemRandom(),
    log,
  });
  const stop = async (): Promise<void> => {
    await install.stop();
    await claimed.value.close();
  };
  const started = await install.start(config.identities);
  if (!started.ok) {
    await stop();
    return started;
  }
  const { contract, wake, readAttachment } = install;
  claimed.value.serve(contract);
  return ok({ contract, listening: started.value.listening, wake, readAttachment, stop });
};
