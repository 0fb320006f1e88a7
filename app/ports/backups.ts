import type { Result } from "../../protocol/kernel/result.ts";

/** What a backup holds, as it says of itself. */
export interface BackupContents {
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Whose it is: the name and, in hex, the root key. */
  readonly name: string;
  readonly identity: string;
  readonly notebooks: number;
  readonly documents: number;
  /** Encrypted pieces of attachments. */
  readonly chunks: number;
  /** Size of the backup file. */
  readonly bytes: number;
}

export interface BackupError {
  readonly type:
    | "FolderNotFound"
    | "FileNotFound"
    | "CannotWrite"
    | "DiskFull"
    | "CorruptDatabase"
    | "NotABackup"
    | "NewerBackup"
    | "BackupDamaged"
    | "WrongPhrase"
    | "WrongPassphrase"
    | "Cancelled"
    | "Internal";
}

/** What opens a backup: the X25519 form of the root key that the phrase gives, or the passphrase it was given. */
export type BackupKey =
  | { readonly type: "phrase"; readonly privateKey: Uint8Array }
  | { readonly type: "passphrase"; readonly passphrase: string };

/** `verify` reads back what was written; `database` is looked at before anything is written. */
export interface BackupProgress {
  readonly phase: "database" | "write" | "verify" | "read";
  /** Bytes. */
  readonly done: number;
  readonly total: number;
}

export interface BackupRequest {
  /** Where the file goes; the folder must exist. */
  readonly file: string;
  readonly name: string;
  /** Root key of the identity. */
  readonly idRoot: Uint8Array;
  /** X25519 form of it: the phrase opens the backup. */
  readonly recipient: Uint8Array;
  /** A second way in. */
  readonly passphrase: string | undefined;
  /** Key of the profile's database, 32 bytes. */
  readonly databaseKey: Uint8Array;
  /** Content of the vault. */
  readonly secret: Uint8Array;
  readonly createdAt: number;
}

/** Keys that came out of a backup; database and attachments wait beside the data folder's own until they are placed. */
export interface ExtractedBackup {
  readonly contents: BackupContents;
  readonly secret: Uint8Array;
  readonly databaseKey: Uint8Array;
}

type Answer<T> = Promise<Result<T, BackupError>>;
type Tell = (progress: BackupProgress) => void;

/**
 * Encrypted backup files of this data folder. One job at a time, off the main thread, with constant memory.
 * P-BACKUP-1 A backup file is whole under its name, read back and compared, or absent.
 * P-BACKUP-2 Whatever was changed in a file, `verify` and `extract` refuse it.
 * P-BACKUP-3 Nothing of a data folder changes before `place`; a crash after it finishes the restore at the next start.
 */
export interface Backups {
  readonly write: (request: BackupRequest, tell: Tell) => Answer<BackupContents>;
  /** Opens all of it, walks the database and compares each piece of an attachment with its name. */
  readonly verify: (file: string, key: BackupKey, tell: Tell) => Answer<BackupContents>;
  readonly extract: (file: string, key: BackupKey, tell: Tell) => Answer<ExtractedBackup>;
  /** Gives the extracted database its new key; the next opening of the data folder moves everything into place. */
  readonly place: (from: Uint8Array, to: Uint8Array) => Answer<null>;
  /** Throws away what was extracted and not placed. */
  readonly discard: () => Promise<void>;
  /** Ends the job under way; it answers `Cancelled` and leaves nothing behind. */
  readonly cancel: () => void;
  /** Deletes all but the newest `keep` files of the folder whose names begin with `prefix`. */
  readonly prune: (folder: string, prefix: string, keep: number) => Promise<void>;
  /** Path of a new backup in a folder: the prefix and the time, so that names sort by age. */
  readonly pathIn: (folder: string, prefix: string, createdAt: number) => string;
}
