import type { ListedIdentity } from "../identities/identity-list.ts";

/**
 * Where the identities of an install lie, and the list of them.
 * P-FOLDERS-1 `save` replaces the list atomically: after a crash the old or the new one is there, whole.
 * P-FOLDERS-2 A list that cannot be read is kept aside and made again from what lies there; nothing is deleted for its sake.
 * P-FOLDERS-3 `erase` leaves nothing of the identity and touches no other; cut off, it is finished at the next start.
 */
export interface IdentityFolders {
  /** As found at start: those that have keys, at least one entry. */
  readonly found: readonly ListedIdentity[];
  readonly save: (identities: readonly ListedIdentity[]) => void;
  /** Deletes the files of a closed identity and saves the list of those that stay. */
  readonly erase: (id: string, staying: readonly ListedIdentity[]) => Promise<void>;
}
