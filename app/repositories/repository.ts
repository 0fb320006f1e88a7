import type { SigningKey } from "../../protocol/crypto/provider.ts";
import type { Access } from "./access.ts";

/** A topic that records can be sealed into. */
export interface WritableTopic {
  readonly readKey: Uint8Array;
  readonly topicKey: SigningKey;
  /** Row of the topic in the store. */
  readonly topic: number;
}

/** Keys of the epoch (or combination of epochs) that this device writes under; `topicKey` is null for a reader. */
export interface EpochKeys {
  readonly readKey: Uint8Array;
  readonly topicPk: Uint8Array;
  readonly topicKey: SigningKey | null;
  /** Makes attachment chunks convergent within the epoch; unknown while the repository is being joined. */
  readonly blobSecret: Uint8Array | undefined;
  /** Row of the topic in the store. */
  readonly topic: number;
  /** Where members without the write secret speak; unknown while the repository is being joined. */
  readonly reply: WritableTopic | undefined;
  /** Head epochs nobody has sealed to this device yet: nothing is sealed until they come. */
  readonly missing: readonly Uint8Array[];
}

/** What its founder made it for: a notebook of notes, or one note that is shared by itself. */
export type RepositoryKind = "notebook" | "note";

/** A replicated repository ("notebook" in the window) as the running node holds it. */
export interface Repository {
  /** Row number in the store. */
  readonly n: number;
  readonly rid: Uint8Array;
  /** `rid` in hex: the notebook id of the contract. */
  readonly id: string;
  access: Access;
  epoch: EpochKeys;
}

/** The document that holds the notebook's own facts: its title and its members' names. */
export const NOTEBOOK_DOCUMENT = new Uint8Array(16);

/** What became known to this node by one batch of items or local writes; observers act on it after the commit. */
export interface Integration {
  readonly repository: Repository;
  /** New changes by document row, in an order in which dependencies come first. */
  readonly changes: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Documents that lost changes, or regained some, because rights changed. */
  readonly rebuilt: ReadonlySet<number>;
  readonly accessChanged: boolean;
}
