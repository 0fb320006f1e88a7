import { createHash, hkdfSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { deflateRawSync } from "node:zlib";
import Database from "better-sqlite3";
import { type Api, createApi } from "../../../app/contract/create-api.ts";
import { contractError } from "../../../app/contract/errors.ts";
import { createContractHost } from "../../../app/contract/handlers.ts";
import { createHistoryCore } from "../../../app/history/history-core.ts";
import { createNode, type ProfileStorage } from "../../../app/node.ts";
import type { Backups } from "../../../app/ports/backups.ts";
import type { BlobStore } from "../../../app/ports/blob-store.ts";
import type { Engine } from "../../../app/ports/engine.ts";
import type { ItemOpener } from "../../../app/ports/item-opener.ts";
import type { KeyVault } from "../../../app/ports/key-vault.ts";
import type { Log } from "../../../app/ports/log.ts";
import type { SearchIndex } from "../../../app/ports/search-index.ts";
import type { Store } from "../../../app/ports/store.ts";
import { createCompaction } from "../../../app/repositories/compaction.ts";
import { openWire } from "../../../app/repositories/integrate.ts";
import { createFolderReader, createFolderWriter } from "../../../main/adapters/folder.ts";
import { files } from "../../../main/adapters/files.ts";
import { createHighWaterMark } from "../../../main/adapters/high-water.ts";
import { createChangeInspector, inflateRaw } from "../../../main/adapters/inspect-change.ts";
import { createChangeReader } from "../../../main/adapters/sqlite/change-reader.ts";
import { createCompactionSource } from "../../../main/adapters/sqlite/compaction-source.ts";
import { migrate, type SqliteDatabase } from "../../../main/adapters/sqlite/database.ts";
import { MIGRATIONS, SEARCH_MIGRATIONS } from "../../../main/adapters/sqlite/schema.ts";
import { createSearchReader } from "../../../main/adapters/sqlite/search-reader.ts";
import { createSearchWriter } from "../../../main/adapters/sqlite/search-writer.ts";
import { createStorageMeter } from "../../../main/adapters/sqlite/storage-meter.ts";
import { createStore } from "../../../main/adapters/sqlite/store.ts";
import { createEngineCore } from "../../../main/engine/engine-core.ts";
import type { CryptoProvider } from "../../../protocol/crypto/provider.ts";
import type { RandomSource } from "../../../protocol/kernel/random.ts";
import { randomBelow } from "../../../protocol/kernel/random.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import { durationMs } from "../../../protocol/kernel/time.ts";
import type { Network } from "./network.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { createSkewedClock } from "./virtual-time.ts";

/** How a run of a node ends other than by being told to stop. `power`: commits that did not wait for the disk are gone as well. */
export type CrashKind = "process" | "power";

/** One computer: a disk that lasts, and at times a node that runs on it. */
export interface Computer {
  readonly host: number;
  readonly isUp: () => boolean;
  /** Calls on the node that runs now. */
  readonly api: () => Api;
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** Ends the node when it is about to have its `effects`th effect from now. */
  readonly crashAfter: (effects: number, kind: CrashKind) => void;
  /** Takes a crash back that has not come. */
  readonly spare: () => void;
  readonly wake: () => void;
  /** Reads what is durable now. */
  readonly inspect: <T>(look: (store: Store) => T) => T;
  /** Puts back what was on the disk when `keepCopy` was called last; the keys and the mark beside the database stay. */
  readonly keepCopy: () => void;
  readonly putBack: () => boolean;
  readonly dispose: () => void;
}

/** What the run of a node must never say. */
export type Complaint = (what: string) => void;

interface Life {
  isAlive: boolean;
  readonly database: SqliteDatabase;
  readonly node: ReturnType<typeof createNode>;
  readonly api: Api;
}

const ENGINE_DEATH_PER_MILLE = 4;
const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

const openDatabase = (image: Buffer | undefined, migrations: readonly string[]): SqliteDatabase => {
  const database = image === undefined ? new Database(":memory:") : new Database(image);
  database.pragma("foreign_keys = ON");
  const migrated = migrate(database, migrations);
  if (!migrated.ok) throw new Error(migrated.error.message);
  return database;
};

/** A vault that keeps its one secret as the file vault does, whole or not at all. */
const createMemoryVault = (random: RandomSource, effect: () => void, isAlive: () => boolean): (() => KeyVault) => {
  let key: Uint8Array | undefined;
  let secret: Uint8Array | undefined;
  return () => {
    let isOpen = false;
    const closed = err({ type: "VaultLocked" as const, message: "locked" });
    return {
      status: async () =>
        ok({ state: key === undefined ? "absent" : isOpen ? "unlocked" : "locked", protection: "file" }),
      create: async () => {
        if (key !== undefined) return err({ type: "VaultExists", message: "exists" });
        key = random.bytes(32);
        isOpen = true;
        return ok(null);
      },
      unlock: async () => {
        isOpen = key !== undefined;
        return isOpen ? ok(null) : err({ type: "VaultAbsent", message: "absent" });
      },
      lock: () => {
        isOpen = false;
      },
      store: async (given) => {
        effect();
        if (isAlive()) secret = given.slice();
        return isOpen ? ok(null) : closed;
      },
      load: async () => (isOpen ? ok(secret?.slice()) : closed),
      deriveKey: (label) =>
        key === undefined || !isOpen ? closed : ok(new Uint8Array(hkdfSync("sha256", key, "", label, 32))),
    };
  };
};

/** The engine without its process; now and then it forgets every document, as a process that died. */
const createMortalEngine = (random: RandomSource): Engine => {
  const dependencies = {
    sha256,
    inflateRaw,
    automergeFile: () => new Uint8Array(),
    automergeChanges: () => [],
    memory: () => 0,
  };
  let core = createEngineCore(dependencies);
  type Core = ReturnType<typeof createEngineCore>;
  const handle = (request: Parameters<Core["handle"]>[0]): ReturnType<Core["handle"]> => {
    if (randomBelow(random, 1_000) < ENGINE_DEATH_PER_MILLE) core = createEngineCore(dependencies);
    return core.handle(request);
  };
  const ask = async (request: Parameters<Core["handle"]>[0]): Promise<never> => handle(request) as never;
  const done = async (request: Parameters<Core["handle"]>[0]) => {
    const answer = handle(request);
    return answer.ok ? ok(null) : answer;
  };
  return {
    load: (key, source) => done({ type: "load", key, source }),
    apply: (key, changes) => done({ type: "apply", key, changes }),
    read: (key) => ask({ type: "read", key }),
    facts: (key) => ask({ type: "facts", key }),
    edit: (key, actor, at, edits) => ask({ type: "edit", key, actor, time: at, edits }),
    create: (actor, at, document) => ask({ type: "create", actor, time: at, document }),
    convert: (input) => ask({ type: "convert", input }),
    automerge: (changes) => ask({ type: "automerge", changes }),
    history: (file) => ask({ type: "history", file }),
    snapshot: (key) => ask({ type: "snapshot", key }),
    unload: async (key) => {
      await ask({ type: "unload", key });
    },
    stop: () => Promise.resolve(),
  };
};

const NO_BACKUPS: Backups = {
  write: async () => err({ type: "CannotWrite" }),
  verify: async () => err({ type: "FileNotFound" }),
  extract: async () => err({ type: "FileNotFound" }),
  place: async () => err({ type: "CannotWrite" }),
  discard: () => Promise.resolve(),
  cancel: () => undefined,
  prune: () => Promise.resolve(),
  pathIn: (folder) => folder,
};

const createMemoryBlobs = (): BlobStore => {
  const chunks = new Map<string, Uint8Array>();
  const nameOf = (repository: number, id: Uint8Array): string => `${repository}/${Buffer.from(id).toString("hex")}`;
  return {
    put: async (repository, id, ciphertext) => {
      chunks.set(nameOf(repository, id), ciphertext.slice());
      return ok(null);
    },
    get: async (repository, id) => ok(chunks.get(nameOf(repository, id))),
    flush: async () => ok(null),
    remove: async (repository, id) => {
      chunks.delete(nameOf(repository, id));
    },
    list: async function* () {
      yield [];
    },
  };
};

export const createComputer = (
  host: number,
  name: string,
  world: {
    readonly time: VirtualTime;
    readonly network: Network;
    readonly random: RandomSource;
    readonly crypto: CryptoProvider;
    readonly skewMs: number;
    readonly complain: Complaint;
  },
): Computer => {
  const { time, network, random, crypto, complain } = world;
  const folder = mkdtempSync(path.join(os.tmpdir(), "p2pcollab-core-"));
  const markFile = path.join(folder, "high-water");
  const inspectChange = createChangeInspector(crypto);
  let image: Buffer | undefined;
  let copy: Buffer | undefined;
  let life: Life | undefined;
  let reader: { readonly of: SqliteDatabase | Buffer | undefined; readonly store: Store } | undefined;
  let planned: { effects: number; readonly kind: CrashKind; safe: Buffer } | undefined;

  const openVault = createMemoryVault(
    random.fork("vault"),
    () => effect(),
    () => life?.isAlive === true,
  );
  const blobs = createMemoryBlobs();

  const crash = (): void => {
    const { kind, safe } = planned as NonNullable<typeof planned>;
    const running = life as Life;
    planned = undefined;
    running.isAlive = false;
    image = kind === "process" ? running.database.serialize() : safe;
    life = undefined;
    network.drop(host);
  };
  /** Something the world can tell: a crash may come before it. */
  const effect = (): void => {
    if (planned === undefined || life === undefined || life.database.inTransaction) return;
    if (planned.effects-- <= 0) crash();
  };

  const start = async (): Promise<void> => {
    const lifeRandom = random.fork("life");
    const state = { isAlive: true };
    const isAlive = (): boolean => state.isAlive && life?.node === node;
    const clock = createSkewedClock(time, world.skewMs, () => state.isAlive && life !== undefined && isAlive());
    const log: Log = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: (event, fields) => {
        if (isAlive()) complain(`${name} logs "${event}" ${JSON.stringify(fields ?? {})}`);
      },
    };
    const database = openDatabase(image, MIGRATIONS);
    const searchDatabase = openDatabase(undefined, SEARCH_MIGRATIONS);
    const mark = createHighWaterMark(markFile);
    const isRolledBack = mark.open(database) === "rolledBack";
    const bare = createStore(
      database,
      () => undefined,
      (own) => {
        if (state.isAlive) mark.committed(own);
      },
    );
    let depth = 0;
    const ownEffect = (): void => {
      if (isAlive()) effect();
    };
    const settled = (): void => {
      if (planned !== undefined && isAlive()) planned.safe = database.serialize();
    };
    const store: Store = {
      ...bare,
      transaction: (work, durability) => {
        if (depth > 0) return bare.transaction(work, durability);
        ownEffect();
        depth++;
        try {
          const done = bare.transaction(work, durability);
          if (done.ok && durability !== "soon") settled();
          return done;
        } finally {
          depth--;
          ownEffect();
        }
      },
      flush: () => {
        const flushed = bare.flush();
        settled();
        ownEffect();
        return flushed;
      },
    };
    const indexed = createSearchWriter(searchDatabase);
    const searched = createSearchReader(searchDatabase, database);
    const search: SearchIndex = {
      search: async (request) => searched(request),
      index: async (notes) => {
        indexed(notes);
        return true;
      },
      identity: async () => searchDatabase.prepare("SELECT name FROM identity").pluck().get() as string,
      stop: () => Promise.resolve(),
    };
    const history = createHistoryCore(createChangeReader(database), { sha256, inflateRaw });
    const compaction = createCompaction({
      crypto,
      sha256,
      inflateRaw,
      deflateRaw: (bytes) => deflateRawSync(bytes),
      source: createCompactionSource(database),
    });
    const meter = createStorageMeter(database);
    const storage: ProfileStorage = {
      store,
      isRolledBack,
      search,
      meter: { measure: async (repository) => meter(repository) },
      history: {
        ask: async (request) => history.handle(request) as never,
        forget: (document) => history.forget(document),
        stop: () => Promise.resolve(),
      },
      compactor: {
        prepare: () => undefined,
        pack: async (request) => compaction.pack(request),
        unpack: async (request) => compaction.unpack(request),
        tail: async (topic) => compaction.tail(topic),
        stop: () => Promise.resolve(),
      },
      problems: [],
      sound: Promise.resolve(true),
      close: () => mark.close(),
    };
    const opener: ItemOpener = {
      isReady: () => true,
      prepare: (ready) => ready(),
      open: async ({ topic, wires }) => wires.map((wire) => openWire({ crypto, inspect: inspectChange }, topic, wire)),
      stop: () => Promise.resolve(),
    };
    const node = createNode({
      vault: openVault(),
      backups: NO_BACKUPS,
      openStorage: async () => ok(storage),
      createEngine: () => createMortalEngine(lifeRandom.fork("engine")),
      createOpener: () => opener,
      createDiscovery: () => network.discoveryOf(host, isAlive),
      links: network.linksOf(host, isAlive, ownEffect),
      folders: { reader: createFolderReader, writer: createFolderWriter },
      files,
      blobs,
      inspect: inspectChange,
      inflateRaw,
      crypto,
      random: lifeRandom.fork("node"),
      clock,
      log,
      info: { version: "0", dataDirectory: folder, host: "headless" },
      listen: { host: undefined, port: 4000, insist: true },
      deviceName: name,
      quietTime: () => durationMs(0),
      requestStop: () => undefined,
    });
    const unsupported = async () => err(contractError("Unsupported"));
    const shell = Object.fromEntries(
      [
        "pickFolder",
        "pickFile",
        "pickSavePath",
        "openExternal",
        "copyText",
        "background",
        "setBackground",
        "takeLink",
        "serving",
        "setServing",
        "servingLink",
      ].map((operation) => [`shell.${operation}`, unsupported]),
    );
    const contract = createContractHost({ ...shell, ...node.handlers } as never, (operation, cause) => {
      if (isAlive())
        complain(`${name} throws in ${operation}: ${cause instanceof Error ? cause.stack : String(cause)}`);
      return contractError("Internal");
    });
    life = Object.assign(state, { database, node, api: createApi(contract) });
    const started = await node.start();
    if (!started.ok && isAlive()) complain(`${name} does not start: ${started.error.message}`);
  };

  return {
    host,
    isUp: () => life !== undefined,
    api: () => (life as Life).api,
    start,
    stop: async () => {
      const running = life;
      if (running === undefined) return;
      const kept = running.database;
      await running.node.stop();
      if (life !== running) return;
      running.isAlive = false;
      life = undefined;
      image = kept.serialize();
      planned = undefined;
      network.drop(host);
    },
    crashAfter: (effects, kind) => {
      if (life !== undefined) planned = { effects, kind, safe: life.database.serialize() };
    },
    spare: () => {
      planned = undefined;
    },
    wake: () => life?.node.wake(),
    inspect: (look) => {
      const of = life?.database ?? image;
      const known = reader?.of === of ? reader : undefined;
      const opened = known ?? {
        of,
        store: createStore(life?.database ?? openDatabase(image, MIGRATIONS), () => undefined),
      };
      reader = opened;
      return look(opened.store);
    },
    keepCopy: () => {
      if (life !== undefined) copy = life.database.serialize();
    },
    putBack: () => {
      if (life !== undefined || copy === undefined) return false;
      image = copy;
      copy = undefined;
      return true;
    },
    dispose: () => {
      if (life !== undefined) life.isAlive = false;
      life = undefined;
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
