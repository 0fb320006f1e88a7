import type { OpenFile } from "./attachments/read-file.ts";
import type { CallName } from "./contract/contract.ts";
import type { ContractError } from "./contract/errors.ts";
import type { Handlers } from "./contract/handlers.ts";
import type { AppEvent, SyncSummary } from "./contract/types.ts";
import type { Profile } from "./identities/profile.ts";
import type { OwnRecord } from "./identities/identity-service.ts";
import type { Listening } from "./peers/peer-service.ts";
import type { BlobStore } from "./ports/blob-store.ts";
import type { Clock } from "./ports/clock.ts";
import type { Compactor } from "./ports/compactor.ts";
import type { Discovery } from "./ports/discovery.ts";
import type { Engine } from "./ports/engine.ts";
import type { Files } from "./ports/file.ts";
import type { FolderReader, FolderWriter } from "./ports/folder.ts";
import type { HistoryReader } from "./ports/history-reader.ts";
import type { Link, Links } from "./ports/links.ts";
import type { ItemOpener } from "./ports/item-opener.ts";
import type { Log } from "./ports/log.ts";
import type { SearchIndex } from "./ports/search-index.ts";
import type { StorageMeter } from "./ports/storage-meter.ts";
import type { Store } from "./ports/store.ts";
import type { ChangeInspector } from "./repositories/change-inspector.ts";
import type { CryptoProvider } from "../protocol/crypto/provider.ts";
import type { RandomSource } from "../protocol/kernel/random.ts";
import type { Result } from "../protocol/kernel/result.ts";

/** Everything an open profile needs from the node around it. */
export interface CorePorts {
  readonly profile: Profile;
  readonly record: OwnRecord;
  /** What this device calls itself until a person renames it. */
  readonly deviceName: string;
  readonly store: Store;
  /** The store is an older copy of what this device wrote. */
  readonly isRolledBack: boolean;
  readonly engine: Engine;
  readonly search: SearchIndex;
  readonly meter: StorageMeter;
  readonly history: HistoryReader;
  readonly compactor: Compactor;
  readonly links: Links;
  /** Absent: the node announces nothing and finds nobody by itself. */
  readonly discovery: Discovery | undefined;
  /** Where the node accepts connections. */
  readonly listening: Listening;
  readonly folders: {
    readonly reader: (path: string) => FolderReader;
    readonly writer: (path: string) => FolderWriter;
  };
  readonly files: Files;
  /** Ciphertext of attachments. */
  readonly blobs: BlobStore;
  readonly inspect: ChangeInspector;
  /** Raw DEFLATE; answers `undefined` beyond `maxOutput` bytes. */
  readonly inflateRaw: (bytes: Uint8Array, maxOutput: number) => Uint8Array | undefined;
  readonly opener: ItemOpener;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  readonly log: Log;
  /** True while the node holds its links. */
  readonly isPaused: () => boolean;
  readonly emit: (event: AppEvent) => void;
}

/** Operations that the host implements, not the core. */
export type ShellOperation = Extract<CallName, `shell.${string}`>;
/** Operations of the install around all its identities. */
export type InstallOperation = Extract<keyof Handlers, `identities.${string}`>;
/** Operations that answer without an open profile. */
export type NodeOperation =
  | "app.info"
  | "workspace.show"
  | "vault.status"
  | "vault.unlock"
  | "vault.lock"
  | "identity.create"
  | "identity.show"
  | "identity.confirmPhrase"
  | "identity.pair"
  | "identity.pairing"
  | "identity.confirmPairing"
  | "identity.cancelPairing"
  | "identity.restore"
  | "settings.get"
  | "sync.pause"
  | Extract<CallName, `backup.${string}`>
  | "node.stop"
  | "events";

export interface Core {
  readonly handlers: Omit<Handlers, ShellOperation | InstallOperation | NodeOperation>;
  readonly settings: () => Readonly<Record<string, string>>;
  readonly summary: () => SyncSummary;
  /** Takes a connection that someone else opened. */
  readonly accept: (link: Link) => void;
  /** Gives this new device the name it was signed in by, and says where other own devices listen. */
  readonly settle: (deviceName: string, addresses: readonly string[]) => void;
  /** An attachment of a notebook as the window shows it; what is missing is fetched while it is read. */
  readonly readAttachment: (notebook: string, blob: string) => Promise<Result<OpenFile, ContractError>>;
  /** Seals what is written into entries. */
  readonly seal: () => void;
  /** Takes up the documents that lists and search do not know yet. */
  readonly index: () => void;
  /** Tells the node that the computer woke up or the network changed. */
  readonly wake: () => void;
  /** Seals drafts, closes connections and stops workers; the store stays open for the host to close. */
  readonly stop: () => Promise<void>;
}
