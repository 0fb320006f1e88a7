import type { CallName } from "../contract/contract.ts";
import type { ContractError, ErrorType } from "../contract/errors.ts";
import { contractError } from "../contract/errors.ts";
import type { Handlers } from "../contract/handlers.ts";
import type { AppEvent, BackupReport, BackupStatus, Identity } from "../contract/types.ts";
import type { IdentityService } from "../identities/identity-service.ts";
import { storeFailure } from "../identities/identity-service.ts";
import type { Profile } from "../identities/profile.ts";
import type { BackupContents, BackupError, BackupKey, BackupProgress, Backups } from "../ports/backups.ts";
import type { Clock } from "../ports/clock.ts";
import type { KeyVault } from "../ports/key-vault.ts";
import type { Log } from "../ports/log.ts";
import type { Store } from "../ports/store.ts";
import { parsePhrase, phraseSeed } from "../../protocol/crypto/phrase.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { rootDecryptionKey, rootEncryptionKey } from "../../protocol/crypto/root-encryption.ts";
import { wipe } from "../../protocol/crypto/wipe.ts";
import { deriveRootKey } from "../../protocol/identity/root-key.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { durationMs } from "../../protocol/kernel/time.ts";

type Answer<T> = Promise<Result<T, ContractError>>;
type BackupOperation = Extract<CallName, `backup.${string}`>;

/** The profile that is open: what a backup is made of. */
export interface OpenProfile {
  readonly profile: Profile;
  readonly databaseKey: Uint8Array;
  readonly store: Store;
  /** Seals what is written, so that a backup holds no draft. */
  readonly seal: () => void;
}

export interface BackupService {
  readonly handlers: Pick<Handlers, BackupOperation>;
  readonly opened: (open: OpenProfile) => void;
  /** Ends a backup under way and the schedule. */
  readonly closed: () => void;
}

const FOLDER = "backup.folder";
const EVERY = "backup.every";
const LAST = "backup.last";
const WEEK_MS = 7 * 24 * 3_600_000;
/** Backups by the schedule that stay. */
const KEPT = 4;
/** The schedule is looked at this long after a start, which it must not slow down, and then this often. */
const FIRST_LOOK = durationMs(60_000);
const NEXT_LOOK = durationMs(3_600_000);
const MAX_FILE_NAME = 40;

const SENTENCES: Partial<Record<BackupError["type"], string>> = {
  FolderNotFound: "The folder for backups is not there. Connect the disk it is on, or choose another one.",
  CorruptDatabase: "The database is damaged, so no backup was made of it.",
  WrongPhrase: "Those 24 words do not open this backup.",
  WrongPassphrase: "That passphrase does not open this backup.",
};

const backupFailure = ({ type }: BackupError): ContractError =>
  contractError(type satisfies ErrorType, SENTENCES[type]);

/** What the files of one identity's backups begin with. */
const prefixOf = ({ name, idRoot }: Profile, isScheduled: boolean): string => {
  const plain = name
    .normalize("NFKD")
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, MAX_FILE_NAME);
  return `p2pcollab-${plain === "" ? "profile" : plain}-${bytesToHex(idRoot).slice(0, 8)}-${isScheduled ? "weekly-" : ""}`;
};

const readReport = (text: string | undefined): BackupReport | null => {
  if (text === undefined) return null;
  try {
    return JSON.parse(text) as BackupReport;
  } catch {
    return null;
  }
};

/** Backups of this data folder: made by hand or weekly, checked, and brought back into an empty one. */
export const createBackupService = (deps: {
  readonly backups: Backups;
  readonly vault: KeyVault;
  readonly identity: Pick<IdentityService, "isEmpty" | "restore">;
  readonly crypto: CryptoProvider;
  readonly clock: Clock;
  readonly log: Log;
  readonly emit: (event: AppEvent) => void;
  /** One after the other with whatever opens and closes the profile. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}): BackupService => {
  const { backups, vault, identity, crypto, clock, log, emit } = deps;
  let open: OpenProfile | undefined;
  let running: BackupProgress | undefined;
  let problem: { readonly error: ContractError; readonly at: number } | undefined;
  let cancelLook: (() => void) | undefined;

  const told = (progress: BackupProgress): void => {
    running = progress;
    emit({ type: "backupProgress", ...progress });
  };

  /** Runs one job; a second one at the same time is refused. */
  const alone = async <T>(work: () => Answer<T>): Answer<T> => {
    if (running !== undefined) return err(contractError("BackupRunning"));
    told({ phase: "database", done: 0, total: 0 });
    try {
      return await work();
    } finally {
      running = undefined;
      emit({ type: "backupChanged" });
    }
  };

  const closedError = async (): Promise<ContractError> => {
    const status = await vault.status();
    return contractError(status.ok && status.value.state === "locked" ? "VaultLocked" : "NoIdentity");
  };

  const setting = (key: string): string | undefined => {
    const value = open?.store.meta.settings()[key];
    return value === "" ? undefined : value;
  };

  const write = async (
    current: OpenProfile,
    folder: string,
    passphrase: string | undefined,
    isScheduled: boolean,
  ): Answer<BackupReport> => {
    const { profile, databaseKey, store } = current;
    current.seal();
    const secret = await vault.load();
    if (!secret.ok || secret.value === undefined) return err(contractError("VaultLocked"));
    const recipient = rootEncryptionKey(profile.idRoot);
    invariant(recipient !== undefined, "a root key is a point of the curve");
    const createdAt = clock.unix();
    const prefix = prefixOf(profile, isScheduled);
    const file = backups.pathIn(folder, prefix, createdAt);
    const { name, idRoot } = profile;
    const written = await backups.write(
      { file, name, idRoot, recipient, passphrase, databaseKey, secret: secret.value, createdAt },
      told,
    );
    wipe(secret.value);
    if (!written.ok) return err(backupFailure(written.error));
    const report: BackupReport = { path: file, ...written.value };
    if (open === current) {
      const noted = store.transaction(() => store.meta.setSetting(LAST, JSON.stringify(report)));
      if (!noted.ok) return err(storeFailure(noted.error));
    }
    if (isScheduled) await backups.prune(folder, prefix, KEPT);
    problem = undefined;
    log.info("backup written", { bytes: report.bytes, chunks: report.chunks });
    return ok(report);
  };

  const isDue = (): boolean => {
    const last = readReport(setting(LAST));
    return last === null || clock.unix() >= last.createdAt + WEEK_MS;
  };

  const look = async (): Promise<void> => {
    const folder = setting(FOLDER);
    const current = open;
    if (current === undefined || folder === undefined || setting(EVERY) !== "week" || !isDue()) return;
    const done = await alone(() => write(current, folder, undefined, true));
    if (done.ok || done.error.type === "BackupRunning" || done.error.type === "Cancelled") return;
    problem = { error: done.error, at: clock.unix() };
    log.warn("scheduled backup failed", { fault: done.error.type });
    emit({ type: "backupChanged" });
  };

  const lookLater = (delay: typeof FIRST_LOOK): void => {
    cancelLook = clock.after(delay, () => {
      void look().finally(() => {
        if (open !== undefined) lookLater(NEXT_LOOK);
      });
    });
  };

  const status = (): BackupStatus => {
    const every = setting(EVERY) === "week" ? "week" : "never";
    const last = readReport(setting(LAST));
    return {
      folder: setting(FOLDER) ?? null,
      every,
      running: running ?? null,
      last,
      next: every === "never" ? null : last === null ? clock.unix() : last.createdAt + WEEK_MS,
      problem: problem === undefined ? null : { ...problem.error, at: problem.at },
    };
  };

  /** Work with the key that a phrase or a passphrase gives. */
  const withKey = async <T>(
    { phrase, passphrase }: { readonly phrase?: string; readonly passphrase?: string },
    work: (key: BackupKey) => Answer<T>,
  ): Answer<T> => {
    if (phrase === undefined)
      return passphrase === undefined
        ? err(contractError("InvalidInput", "Give the recovery phrase or the passphrase of the backup."))
        : work({ type: "passphrase", passphrase });
    const parsed = parsePhrase(phrase);
    if (!parsed.ok) return err(contractError("WrongPhrase", "Those are not 24 words of a recovery phrase."));
    const seed = phraseSeed(parsed.value);
    const root = deriveRootKey(crypto, seed, 0);
    wipe(seed);
    const privateKey = rootDecryptionKey(root.seed);
    try {
      return await work({ type: "phrase", privateKey });
    } finally {
      wipe(privateKey);
    }
  };

  const restore = async (
    path: string,
    key: BackupKey,
    newPassphrase: string | undefined,
  ): Answer<{ readonly identity: Identity; readonly contents: BackupContents }> => {
    const empty = await identity.isEmpty();
    if (!empty.ok) return empty;
    if (!empty.value) return err(contractError("IdentityExists"));
    const extracted = await backups.extract(path, key, told);
    if (!extracted.ok) return err(backupFailure(extracted.error));
    const { secret, databaseKey, contents } = extracted.value;
    const restored = await identity.restore(secret, newPassphrase, async (newKey) => {
      const placed = await backups.place(databaseKey, newKey);
      return placed.ok ? placed : err(backupFailure(placed.error));
    });
    wipe(secret);
    wipe(databaseKey);
    if (restored.ok) return ok({ identity: restored.value, contents });
    await backups.discard();
    return restored;
  };

  return {
    handlers: {
      "backup.create": async ({ folder, passphrase }) => {
        const current = open;
        if (current === undefined) return err(await closedError());
        const target = folder ?? setting(FOLDER);
        if (target === undefined) return err(contractError("FolderNotFound", "Choose a folder for backups first."));
        return alone(() => write(current, target, passphrase, false));
      },
      "backup.cancel": async () => {
        backups.cancel();
        return ok(null);
      },
      "backup.status": async () => ok(status()),
      "backup.schedule": async ({ folder, every }) => {
        if (open === undefined) return err(await closedError());
        const { store } = open;
        const written = store.transaction(() => {
          if (folder !== undefined) store.meta.setSetting(FOLDER, folder);
          store.meta.setSetting(EVERY, every);
        });
        if (!written.ok) return err(storeFailure(written.error));
        problem = undefined;
        emit({ type: "backupChanged" });
        void look();
        return ok(status());
      },
      "backup.verify": ({ path, ...given }) =>
        alone(() =>
          withKey(given, async (key) => {
            const verified = await backups.verify(path, key, told);
            return verified.ok ? ok({ path, ...verified.value }) : err(backupFailure(verified.error));
          }),
        ),
      "backup.restore": ({ path, newPassphrase, ...given }) =>
        alone(() => withKey(given, (key) => deps.inTurn(() => restore(path, key, newPassphrase)))),
    },
    opened: (profile) => {
      open = profile;
      problem = undefined;
      lookLater(FIRST_LOOK);
    },
    closed: () => {
      open = undefined;
      cancelLook?.();
      backups.cancel();
    },
  };
};
