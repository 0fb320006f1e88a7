import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { ContractError } from "../app/contract/errors.ts";
import { contractError } from "../app/contract/errors.ts";
import type { ContractHost } from "../app/contract/handlers.ts";
import { createContractHost } from "../app/contract/handlers.ts";
import type { Node, ProfileStorage, ShellHandlers } from "../app/node.ts";
import { createNode } from "../app/node.ts";
import type { Clock } from "../app/ports/clock.ts";
import type { Engine } from "../app/ports/engine.ts";
import type { KeyVault } from "../app/ports/key-vault.ts";
import type { Log } from "../app/ports/log.ts";
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
import { durationMs } from "../protocol/kernel/time.ts";
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
import { createTcpTransport } from "./adapters/tcp-transport.ts";
import { createSystemClock } from "./adapters/system-clock.ts";
import { createSystemRandom } from "./adapters/system-random.ts";
import { claimDataDirectory } from "./control/control-server.ts";

/** What a host decides about the node it runs. */
export interface NodeConfig {
  readonly dataDirectory: string;
  /** Address to listen on; all of this computer's when absent. */
  readonly listenHost: string | undefined;
  /** 0: the port of last time, or any free one. */
  readonly listenPort: number;
  readonly mdns: boolean;
  readonly version: string;
  /** `headless`, or the Electron version. */
  readonly hostName: string;
  readonly vault: KeyVault;
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
  readonly contract: ContractHost;
  readonly listening: readonly string[];
  readonly wake: () => void;
  readonly readAttachment: Node["readAttachment"];
  /** Seals what is not sealed, tells everyone goodbye and closes the database. */
  readonly stop: () => Promise<void>;
}

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

const storageFailure = ({ type, message }: StorageError): ContractError =>
  contractError(type === "NewerSchema" ? "CorruptDatabase" : type, message);

const backupPlaces = (dataDirectory: string): BackupPlaces => ({
  dataDirectory,
  database: path.join(dataDirectory, DATABASE),
  blobs: path.join(dataDirectory, BLOBS),
  highWater: path.join(dataDirectory, HIGH_WATER),
});

/** Opens the profile's database; a damaged one is kept under another name and an empty one takes its place. */
const openStorage = async (
  { dataDirectory, log, readerScript, historyScript, compactorScript }: NodeConfig,
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

/** Builds a node from adapters and starts it; the one composition root of the window and the headless host. */
export const startNode = async (config: NodeConfig): Promise<Result<RunningNode, ContractError>> => {
  const { dataDirectory, log } = config;
  try {
    mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  } catch {
    return err(contractError("CannotWrite", `The data folder ${dataDirectory} cannot be made.`));
  }
  const claimed = await claimDataDirectory(dataDirectory);
  if (!claimed.ok) return err(contractError(claimed.error.type));
  const random = createSystemRandom();
  const clock = createSystemClock();
  const crypto = createCrypto();
  const node = createNode({
    vault: config.vault,
    backups: createBackupHost(config.backupScript, backupPlaces(dataDirectory), log),
    openStorage: (key) => openStorage(config, clock, key),
    createEngine: config.createEngine,
    createOpener: () => createOpenerHost(config.openerScript, log),
    createDiscovery: config.mdns
      ? () => createMdnsDiscovery({ random, warn: (message) => log.debug("mdns", { message }) })
      : undefined,
    links: createNoiseLinks({ transport: createTcpTransport(), crypto, random, clock, log }),
    folders: { reader: createFolderReader, writer: createFolderWriter },
    files,
    blobs: createBlobFolder(path.join(dataDirectory, BLOBS)),
    inspect: createChangeInspector(crypto),
    inflateRaw,
    crypto,
    random,
    clock,
    log,
    info: { version: config.version, dataDirectory, host: config.hostName },
    listen: {
      host: config.listenHost,
      port: config.listenPort === 0 ? lastPort(dataDirectory) : config.listenPort,
      insist: config.listenPort !== 0,
    },
    deviceName: os.hostname(),
    requestStop: config.requestStop,
  });
  clock.onResumed(() => node.wake());
  const contract = createContractHost({ ...node.handlers, ...config.shell }, (operation, cause) => {
    const fault = storageErrorOf(cause);
    if (fault !== undefined) {
      log.error("storage fault", { operation, fault: fault.type });
      return storageFailure(fault);
    }
    log.error("bug", { operation, cause: cause instanceof Error ? (cause.stack ?? cause.message) : "unknown" });
    return contractError("Internal");
  });
  const close = async (): Promise<void> => {
    await node.stop();
    clock.close();
    await claimed.value.close();
  };
  const listening = await node.start();
  if (!listening.ok) {
    await close();
    return listening;
  }
  const { port, addresses } = listening.value;
  writeFileSync(path.join(dataDirectory, PORT_SETTING), String(port), { mode: 0o600 });
  claimed.value.serve(contract);
  return ok({ contract, listening: addresses, wake: node.wake, readAttachment: node.readAttachment, stop: close });
};
