import type { OpenFile } from "./attachments/read-file.ts";
import type { ContractError } from "./contract/errors.ts";
import { contractError } from "./contract/errors.ts";
import type { ContractHost } from "./contract/handlers.ts";
import type { AppEvent, InstalledIdentity, PendingInvite, VaultStatus } from "./contract/types.ts";
import type { ListedIdentity } from "./identities/identity-list.ts";
import { FIRST_IDENTITY, IDENTITY_ID_BYTES, MAX_IDENTITIES, nextColour } from "./identities/identity-list.ts";
import type { InstallHandlers } from "./node.ts";
import type { IdentityFolders } from "./ports/identity-folders.ts";
import type { Log } from "./ports/log.ts";
import { bytesToHex } from "../protocol/kernel/bytes.ts";
import type { RandomSource } from "../protocol/kernel/random.ts";
import { randomUnit } from "../protocol/kernel/random.ts";
import type { Result } from "../protocol/kernel/result.ts";
import { err, ok } from "../protocol/kernel/result.ts";
import type { DurationMs } from "../protocol/kernel/time.ts";
import { durationMs } from "../protocol/kernel/time.ts";

/** The node of one identity while it runs. */
export interface RunningIdentity {
  readonly contract: ContractHost;
  readonly listening: readonly string[];
  readonly wake: () => void;
  readonly readAttachment: (notebook: string, blob: string) => Promise<Result<OpenFile, ContractError>>;
  readonly stop: () => Promise<void>;
}

export interface InstallPorts {
  readonly folders: IdentityFolders;
  /** Starts the node of one identity; `quietTime` as in `NodePorts`. */
  readonly start: (
    id: string,
    handlers: InstallHandlers,
    quietTime: () => DurationMs,
  ) => Promise<Result<RunningIdentity, ContractError>>;
  readonly random: RandomSource;
  readonly log: Log;
}

/** Several identities in one process, each a node of its own that knows nothing of the others. */
export interface Install {
  /** Chooses the identity by its id or name; the first that could be opened when none is named. */
  readonly contract: ContractHost;
  /** Starts every identity, or those named by id or name; fails when none of them could be opened. */
  readonly start: (chosen: readonly string[]) => Promise<Result<RunningIdentity, ContractError>>;
  readonly wake: () => void;
  /** `identity` as everywhere in the contract. */
  readonly readAttachment: (
    identity: string | undefined,
    notebook: string,
    blob: string,
  ) => Promise<Result<OpenFile, ContractError>>;
  readonly stop: () => Promise<void>;
}

interface Entry {
  listed: ListedIdentity;
  readonly node: Promise<Result<RunningIdentity, ContractError>>;
  /** What `node` became. */
  settled: Result<RunningIdentity, ContractError> | undefined;
  unsubscribe: () => void;
}

const entryOf = (listed: ListedIdentity, node: Entry["node"]): Entry => {
  const entry: Entry = { listed, node, settled: undefined, unsubscribe: () => undefined };
  void node.then((settled) => {
    entry.settled = settled;
  });
  return entry;
};

/**
 * All but the first identity begin to send at a moment of their own within this time, so that what starts or wakes together is
 * not seen to belong together (data.md section 3).
 */
const QUIET_MS = 90_000;

const NOT_CHOSEN = contractError("IdentityNotFound", "This node was told not to open that identity.");

type Answer<T> = Result<T, ContractError>;
type Watcher = (message: Answer<readonly InstalledIdentity[]>) => void;

export const createInstall = ({ folders, start, random, log }: InstallPorts): Install => {
  let entries: readonly Entry[] = [];
  const watchers = new Set<Watcher>();
  let isDescribing = false;
  let hasList = folders.found.length > 1;

  const listed = (): readonly ListedIdentity[] => entries.map((entry) => entry.listed);
  const save = (): void => {
    // One identity needs no list, and its name no copy outside its encrypted database.
    hasList ||= entries.length > 1;
    if (hasList) folders.save(listed());
  };

  let turn: Promise<unknown> = Promise.resolve();
  /** Changes of the list, one after the other. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work, work);
    turn = done;
    return done;
  };

  const ask = async <T>({ contract }: RunningIdentity, name: string): Promise<Answer<T>> =>
    (await contract.invoke(name, undefined)) as Answer<T>;
  const describe = async ({ listed: { id, name, colour }, node }: Entry): Promise<InstalledIdentity> => {
    const failed = ({ message }: ContractError): InstalledIdentity => {
      return { id, name, colour, state: "failed", problem: message, requests: 0 };
    };
    const running = await node;
    if (!running.ok) return failed(running.error);
    const status = await ask<VaultStatus>(running.value, "vault.status");
    if (!status.ok) return failed(status.error);
    const pending = await ask<readonly PendingInvite[]>(running.value, "invites.pending");
    const waiting = pending.ok
      ? pending.value.filter(({ direction, state }) => direction === "incoming" && state === "requested")
      : [];
    return { id, name, colour, state: status.value.state, problem: "", requests: waiting.length };
  };
  const describeAll = (): Promise<readonly InstalledIdentity[]> => Promise.all(entries.map(describe));

  const changed = (): void => {
    if (isDescribing || watchers.size === 0) return;
    isDescribing = true;
    // What changes in one go is told once.
    void Promise.resolve()
      .then(() => {
        isDescribing = false;
        return describeAll();
      })
      .then((identities) => {
        for (const watcher of watchers) watcher(ok(identities));
      });
  };

  /** An identity without a name is called what it calls itself. */
  const learnName = async (entry: Entry, node: RunningIdentity): Promise<void> => {
    if (entry.listed.name !== "") return;
    const shown = await ask<{ readonly name: string }>(node, "identity.show");
    if (!shown.ok || shown.value.name === "" || entry.listed.name !== "" || !entries.includes(entry)) return;
    entry.listed = { ...entry.listed, name: shown.value.name };
    save();
    changed();
  };

  const follow = (entry: Entry): void => {
    void entry.node.then((node) => {
      if (!node.ok || !entries.includes(entry)) return;
      entry.unsubscribe = node.value.contract.subscribe("events", undefined, (message) => {
        const event = message.ok ? (message.value as AppEvent) : undefined;
        if (event?.type !== "identityChanged" && event?.type !== "invitesChanged") return;
        void learnName(entry, node.value);
        changed();
      });
      void learnName(entry, node.value);
      changed();
    });
  };

  /** A bug in the start of one identity is the failure of that one; the others run. */
  const startAlone: InstallPorts["start"] = async (id, ...given) => {
    try {
      return await start(id, ...given);
    } catch (cause) {
      log.error("identity not started", {
        profile: id,
        cause: cause instanceof Error ? (cause.stack ?? cause.message) : "unknown",
      });
      return err(contractError("Internal"));
    }
  };

  const open = (identity: ListedIdentity, isNew: boolean): Entry => {
    let isAlone = isNew;
    const quietTime = (): DurationMs => {
      const waits = !isAlone && entries.findIndex(({ listed: { id } }) => id === identity.id) > 0;
      isAlone = false;
      return durationMs(waits ? Math.ceil(randomUnit(random) * QUIET_MS) : 0);
    };
    return entryOf(identity, startAlone(identity.id, handlers, quietTime));
  };

  const find = (identity: string): Answer<Entry> => {
    const byId = entries.find(({ listed: { id } }) => id === identity);
    if (byId !== undefined) return ok(byId);
    const named = entries.filter(({ listed: { name } }) => name === identity);
    if (named.length === 1) return ok(named[0] as Entry);
    return err(
      named.length === 0
        ? contractError("IdentityNotFound")
        : contractError("IdentityNotFound", "Several identities have that name. Say which by its id."),
    );
  };
  /** The first one that opens, or else the first one's failure. */
  const first = async (): Promise<Result<RunningIdentity, ContractError>> => {
    let failure: Result<RunningIdentity, ContractError> = err(contractError("IdentityNotFound"));
    for (const [at, { node }] of entries.entries()) {
      const opened = await node;
      if (opened.ok) return opened;
      if (at === 0) failure = opened;
    }
    return failure;
  };
  const nodeOf = async (identity: string | undefined): Promise<Result<RunningIdentity, ContractError>> => {
    if (identity === undefined) return first();
    const found = find(identity);
    return found.ok ? found.value.node : found;
  };

  /** Who would answer, where that is known without waiting: a stream then begins at once. */
  const runningNow = (identity: string | undefined): RunningIdentity | undefined => {
    const found = identity === undefined ? undefined : find(identity);
    if (found?.ok === false) return undefined;
    const entry = found?.value ?? entries.find(({ settled }) => settled?.ok !== false);
    return entry?.settled?.ok === true ? entry.settled.value : undefined;
  };

  const add = async (): Promise<Answer<InstalledIdentity>> => {
    for (const entry of entries) {
      const described = await describe(entry);
      if (described.state === "absent") return ok(described);
    }
    if (entries.length >= MAX_IDENTITIES) return err(contractError("TooManyIdentities"));
    const entry = open(
      { id: bytesToHex(random.bytes(IDENTITY_ID_BYTES)), name: "", colour: nextColour(listed()) },
      true,
    );
    entries = [...entries, entry];
    save();
    follow(entry);
    return ok(await describe(entry));
  };

  const close = async (entry: Entry): Promise<void> => {
    entry.unsubscribe();
    const node = await entry.node;
    if (node.ok) await node.value.stop();
  };

  const remove = async (entry: Entry): Promise<void> => {
    entries = entries.filter((one) => one !== entry);
    changed();
    try {
      await close(entry);
      await folders.erase(entry.listed.id, listed());
    } finally {
      // An install without any identity would answer nothing, not even why.
      if (entries.length === 0) {
        const fresh = open({ id: FIRST_IDENTITY, name: "", colour: nextColour([]) }, true);
        entries = [fresh];
        follow(fresh);
        save();
        changed();
      }
    }
  };

  const handlers: InstallHandlers = {
    "identities.list": async () => ok(await describeAll()),
    "identities.watch": (_input, emit) => {
      watchers.add(emit);
      changed();
      return () => watchers.delete(emit);
    },
    "identities.add": () => inTurn(add),
    "identities.update": ({ id, name, colour, position }) =>
      inTurn(async () => {
        const entry = entries.find((one) => one.listed.id === id);
        if (entry === undefined) return err(contractError("IdentityNotFound"));
        entry.listed = { ...entry.listed, name: name ?? entry.listed.name, colour: colour ?? entry.listed.colour };
        if (position !== undefined) {
          const others = entries.filter((one) => one !== entry);
          entries = [...others.slice(0, position), entry, ...others.slice(position)];
        }
        hasList = true;
        save();
        changed();
        return ok(await describeAll());
      }),
    "identities.remove": ({ id }) =>
      inTurn(async () => {
        const entry = entries.find((one) => one.listed.id === id);
        if (entry === undefined) return err(contractError("IdentityNotFound"));
        await remove(entry);
        return ok(await describeAll());
      }),
  };

  return {
    contract: {
      invoke: async (name, input, identity) => {
        const node = await nodeOf(identity);
        return node.ok ? node.value.contract.invoke(name, input) : node;
      },
      subscribe: (name, input, emit, identity) => {
        const running = runningNow(identity);
        if (running !== undefined) return running.contract.subscribe(name, input, emit);
        let isClosed = false;
        let end: (() => void) | undefined;
        void nodeOf(identity).then((node) => {
          if (isClosed) return;
          if (node.ok) end = node.value.contract.subscribe(name, input, emit);
          else emit(node);
        });
        return () => {
          isClosed = true;
          end?.();
        };
      },
    },
    start: async (chosen) => {
      const missing = chosen.find((one) => !folders.found.some(({ id, name }) => id === one || name === one));
      if (missing !== undefined)
        return err(contractError("IdentityNotFound", `There is no identity "${missing}" in this data folder.`));
      for (const identity of folders.found)
        entries = [
          ...entries,
          chosen.length === 0 || chosen.includes(identity.id) || chosen.includes(identity.name)
            ? open(identity, false)
            : entryOf(identity, Promise.resolve(err(NOT_CHOSEN))),
        ];
      for (const entry of entries) follow(entry);
      return first();
    },
    wake: () => {
      for (const { node } of entries) void node.then((running) => running.ok && running.value.wake());
    },
    readAttachment: async (identity, notebook, blob) => {
      const node = await nodeOf(identity);
      return node.ok ? node.value.readAttachment(notebook, blob) : node;
    },
    stop: async () => {
      await Promise.all(entries.map(close));
    },
  };
};
