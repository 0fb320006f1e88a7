import type { SigningKey } from "../../protocol/crypto/provider.ts";
import type { Access } from "./access.ts";

/** Keys of one epoch that this device holds; `topicKey` is null for a reader. */
export interface EpochKeys {
  readonly eid: Uint8Array;
  readonly readKey: Uint8Array;
  readonly topicPk: Uint8Array;
  readonly topicKey: SigningKey | null;
  /** Row of the topic in the store. */
  readonly topic: number;
}

/** A replicated repository ("notebook" in the window) as the running node holds it. */
export interface Repository {
  /** Row number in the store. */
  readonly n: number;
  readonly rid: Uint8Array;
  /** `rid` in hex: the notebook id of the contract. */
  readonly id: string;
  readonly access: Access;
  epoch: EpochKeys;
}

/** The document that holds the notebook's own facts: its title and its members' names. */
export const NOTEBOOK_DOCUMENT = new Uint8Array(16);

/** What became known to this node by one batch of items or local writes; observers act on it after the commit. */
export interface Integration {
  readonly repository: Repository;
  /** New changes by document row, in an order in which dependencies come first. */
  readonly changes: ReadonlyMap<number, readonly Uint8Array[]>;
  readonly accessChanged: boolean;
}
