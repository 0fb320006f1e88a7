import type { ContractError, ErrorType } from "../../../app/contract/errors.ts";
import type { Handlers } from "../../../app/contract/handlers.ts";
import type { AppEvent, BackupReport, BackupStatus, Identity } from "../../../app/contract/types.ts";
import type { Err, Ok } from "../../../protocol/kernel/result.ts";

interface BackupWorld {
  vault: "absent" | "locked" | "unlocked";
  identity: Identity | null;
  readonly phrase: readonly string[];
  backup: BackupStatus;
}

/** Sunday, 15 November 2026. */
export const BACKUP: BackupReport = {
  path: "/media/stick/p2pcollab-Ada-Lovelace-0a1b2c3d-2026-11-15-094210.p2pcbak",
  createdAt: new Date(2026, 10, 15, 9, 42).getTime(),
  name: "Ada Lovelace",
  identity: "0a1b2c3d".repeat(8),
  notebooks: 3,
  documents: 67,
  chunks: 412,
  bytes: 118_300_000,
};

/** Backups of the node in memory: made at once, opened by its phrase. */
export const fakeBackup = (node: {
  readonly world: BackupWorld;
  /** Whose backups they are. */
  readonly identity: Identity;
  readonly answer: <T>(value: T) => Promise<Ok<T>>;
  readonly refuse: (type: ErrorType) => Promise<Err<ContractError>>;
  readonly emit: (event: AppEvent) => void;
}): Pick<Handlers, Extract<keyof Handlers, `backup.${string}`>> => {
  const { world, identity, answer, refuse, emit } = node;
  const set = (change: Partial<BackupStatus>) => {
    world.backup = { ...world.backup, ...change };
    emit({ type: "backupChanged" });
  };
  const opens = ({ phrase, passphrase }: { readonly phrase?: string; readonly passphrase?: string }): boolean =>
    phrase === undefined ? passphrase === "correct horse" : phrase.trim() === world.phrase.join(" ");
  return {
    "backup.create": ({ folder }) => {
      const target = folder ?? world.backup.folder;
      if (target === null) return refuse("FolderNotFound");
      const last = { ...BACKUP, path: `${target}/p2pcollab.p2pcbak`, createdAt: Date.now() };
      set({ last });
      return answer(last);
    },
    "backup.cancel": () => {
      set({ running: null });
      return answer(null);
    },
    "backup.status": () => answer(world.backup),
    "backup.schedule": ({ folder, every }) => {
      set({ folder: folder ?? world.backup.folder, every, next: every === "week" ? Date.now() + 604_800_000 : null });
      return answer(world.backup);
    },
    "backup.verify": (input) =>
      opens(input) ? answer(BACKUP) : refuse(input.phrase === undefined ? "WrongPassphrase" : "WrongPhrase"),
    "backup.restore": (input) => {
      if (!opens(input)) return refuse(input.phrase === undefined ? "WrongPassphrase" : "WrongPhrase");
      world.vault = "unlocked";
      world.identity = identity;
      const { path: _path, ...contents } = BACKUP;
      return answer({ identity, contents });
    },
  };
};
