import Database from "better-sqlite3";
import { contractError } from "../../app/contract/errors.ts";
import type { Core } from "../../app/core-ports.ts";
import { createCore } from "../../app/core.ts";
import { createHistoryCore } from "../../app/history/history-core.ts";
import type { Profile } from "../../app/identities/profile.ts";
import type { BlobStore } from "../../app/ports/blob-store.ts";
import type { Engine } from "../../app/ports/engine.ts";
import type { Store } from "../../app/ports/store.ts";
import { files } from "../../main/adapters/files.ts";
import { createFolderReader, createFolderWriter } from "../../main/adapters/folder.ts";
import { createChangeInspector, inflateRaw } from "../../main/adapters/inspect-change.ts";
import { createChangeReader } from "../../main/adapters/sqlite/change-reader.ts";
import { MIGRATIONS } from "../../main/adapters/sqlite/schema.ts";
import { createStore } from "../../main/adapters/sqlite/store.ts";
import { createSystemClock } from "../../main/adapters/system-clock.ts";
import { createSystemRandom } from "../../main/adapters/system-random.ts";
import { createEngineCore } from "../../main/engine/engine-core.ts";
import { signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { automergeDependencies } from "./automerge-dependencies.ts";
import { native } from "./data-fixtures.ts";

/** The core of one profile without a network, on a disk that can stop taking anything more. */
export interface LoneCore {
  readonly handlers: Core["handlers"];
  readonly store: Store;
  /** After so many more transactions nothing reaches the disk any more, as after a power cut. */
  readonly dieAfter: (transactions: number) => void;
  /** Transactions since the start. */
  readonly transactions: () => number;
  readonly stop: () => Promise<void>;
}

const createMemoryBlobs = (): BlobStore => {
  const chunks = new Map<string, Uint8Array>();
  const key = (repository: number, id: Uint8Array): string => `${repository}/${bytesToHex(id)}`;
  return {
    put: async (repository, id, bytes) => {
      chunks.set(key(repository, id), bytes.slice());
      return ok(null);
    },
    get: async (repository, id) => ok(chunks.get(key(repository, id))),
    flush: async () => ok(null),
    remove: async (repository, id) => {
      chunks.delete(key(repository, id));
    },
    list: async function* () {
      yield [];
    },
  };
};

const createEngine = (): Engine => {
  const core = createEngineCore({
    ...automergeDependencies,
    automergeFile: () => new Uint8Array(),
    automergeChanges: () => [],
    memory: () => 0,
  });
  type Request = Parameters<typeof core.handle>[0];
  const ask = async (request: Request): Promise<never> => core.handle(request) as never;
  const done = async (request: Request) => {
    const answer = core.handle(request);
    return answer.ok ? ok(null) : answer;
  };
  return {
    load: (key, source) => done({ type: "load", key, source }),
    apply: (key, changes) => done({ type: "apply", key, changes }),
    read: (key) => ask({ type: "read", key }),
    facts: (key) => ask({ type: "facts", key }),
    edit: (key, actor, time, edits) => ask({ type: "edit", key, actor, time, edits }),
    create: (actor, time, document) => ask({ type: "create", actor, time, document }),
    convert: (input) => ask({ type: "convert", input }),
    automerge: (changes) => ask({ type: "automerge", changes }),
    history: (file) => ask({ type: "history", file }),
    snapshot: (key) => ask({ type: "snapshot", key }),
    unload: async (key) => void core.handle({ type: "unload", key }),
    stop: async () => undefined,
  };
};

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A disk with one profile on it; `start` opens it, also again after its core died. */
export const createLoneDisk = (name = "Olga"): { readonly start: () => LoneCore } => {
  const random = createSystemRandom();
  const database = new Database(":memory:");
  for (const migration of MIGRATIONS) database.exec(migration);
  const blobs = createMemoryBlobs();
  const root = native.signingKey(random.bytes(32));
  const device = native.signingKey(random.bytes(32));
  const deviceEncryption = native.dhKeyPair(random.bytes(32));
  const body = {
    type: "addDevice",
    devSig: device.publicKey,
    devEnc: deviceEncryption.publicKey,
    manager: true,
  } as const;
  const op = signIdentityOp(native, root, { idRoot: root.publicKey, parents: [], gen: 0, ts: 0, body });
  const profile: Profile = { idRoot: root.publicKey, name, device, deviceEncryption, ops: [op] };

  const start = (): LoneCore => {
    const kept = createStore(database, () => undefined);
    let transactions = 0;
    let left = Number.POSITIVE_INFINITY;
    const store: Store = {
      ...kept,
      transaction: (work, durability) => {
        if (transactions >= left) return err({ type: "CannotWrite", message: "dead" });
        const written = kept.transaction(work, durability);
        transactions++;
        return written;
      },
    };
    const clock = createSystemClock();
    const reader = createHistoryCore(createChangeReader(database), automergeDependencies);
    const core: Core = createCore({
      profile,
      record: {
        isFounder: () => false,
        recoverySeed: () => null,
        save: async () => ok(null),
        root: () => err(contractError("WrongPhrase")),
      },
      deviceName: "test",
      store,
      isRolledBack: false,
      engine: createEngine(),
      search: {
        search: async () => [],
        index: async () => true,
        identity: async () => "index",
        stop: async () => undefined,
      },
      meter: { measure: async () => undefined },
      history: {
        ask: async (request) => reader.handle(request) as never,
        forget: (document) => reader.forget(document),
        stop: async () => undefined,
      },
      compactor: {
        prepare: () => undefined,
        pack: async () => undefined,
        unpack: async () => undefined,
        tail: async () => undefined,
        stop: async () => undefined,
      },
      links: {
        listen: async () => ok({ port: 0, addresses: [] }),
        dial: async () => err({ type: "PeerUnreachable", message: "nobody" }),
        stop: async () => undefined,
      },
      discovery: undefined,
      listening: { port: 0, addresses: [] },
      folders: { reader: createFolderReader, writer: createFolderWriter },
      files,
      blobs,
      inspect: createChangeInspector(native),
      inflateRaw,
      opener: {
        isReady: () => false,
        prepare: () => undefined,
        open: async () => undefined,
        stop: async () => undefined,
      },
      crypto: native,
      random: random.fork("core"),
      clock,
      log: SILENT,
      isPaused: () => false,
      emit: () => undefined,
    });
    return {
      handlers: core.handlers,
      store,
      dieAfter: (more) => {
        left = transactions + more;
      },
      transactions: () => transactions,
      stop: async () => {
        left = -1;
        await core.stop();
        clock.close();
      },
    };
  };
  return { start };
};
