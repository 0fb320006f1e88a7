import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Worker } from "node:worker_threads";
import type {
  BackupContents,
  BackupError,
  BackupProgress,
  Backups,
  ExtractedBackup,
} from "../../../app/ports/backups.ts";
import type { Log } from "../../../app/ports/log.ts";
import type { Result } from "../../../protocol/kernel/result.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import type { BackupAnswer, BackupJob, FromBackupWorker } from "./backup-worker.ts";
import { partialName } from "./write-backup.ts";

/** What a data folder is made of, as far as backups are concerned. */
export interface BackupPlaces {
  readonly dataDirectory: string;
  readonly database: string;
  readonly blobs: string;
  readonly highWater: string;
}

/** Where a backup is unpacked; the mark in it says that everything is ready to be moved. */
const RESTORING = "restoring";
const READY = "ready";
const SNAPSHOT = "backup-snapshot.db";
const SCRATCH = "backup-drill";

/** Moves a restored database and its attachments into place; what lies there already is kept under another name. */
export const finishRestore = ({ dataDirectory, database, blobs, highWater }: BackupPlaces, log: Log): void => {
  const restoring = path.join(dataDirectory, RESTORING);
  if (!existsSync(path.join(restoring, READY))) return;
  const stamp = new Date().toISOString().replaceAll(":", "-");
  const move = (name: string): void => {
    const from = path.join(restoring, name);
    const to = path.join(dataDirectory, name);
    if (!existsSync(from)) return;
    if (existsSync(to)) renameSync(to, `${to}.replaced-${stamp}`);
    renameSync(from, to);
  };
  move(path.basename(blobs));
  if (existsSync(path.join(restoring, path.basename(database))))
    for (const suffix of ["-wal", "-shm"]) rmSync(database + suffix, { force: true });
  // A database without its mark is an older copy: its sessions do not go on.
  rmSync(highWater, { force: true });
  move(path.basename(database));
  rmSync(restoring, { recursive: true, force: true });
  log.info("backup restored", {});
};

/** Backup jobs, each in a worker thread of its own. `script` is the built worker. */
export const createBackupHost = (script: URL, places: BackupPlaces, log: Log): Backups => {
  const { dataDirectory, database, blobs } = places;
  const inData = (name: string): string => path.join(dataDirectory, name);
  const snapshot = inData(SNAPSHOT);
  const restoring = inData(RESTORING);
  let cancel: (() => void) | undefined;

  // Left by a crash.
  rmSync(snapshot, { force: true });
  rmSync(inData(SCRATCH), { recursive: true, force: true });

  const run = (job: BackupJob, tell: (progress: BackupProgress) => void, clean: () => void): Promise<BackupAnswer> =>
    new Promise((resolve) => {
      const worker = new Worker(script, { workerData: job });
      let isOver = false;
      const end = async (answer: BackupAnswer): Promise<void> => {
        if (isOver) return;
        isOver = true;
        cancel = undefined;
        await worker.terminate();
        if (!answer.ok) clean();
        resolve(answer);
      };
      cancel = () => void end(err({ type: "Cancelled" }));
      worker.on("message", (message: FromBackupWorker) => {
        if (message.type === "progress") {
          if (!isOver) tell(message.progress);
          return;
        }
        if (message.failure !== undefined) log.error("backup job failed", { job: job.type, failure: message.failure });
        void end(message.answer);
      });
      worker.on("error", (cause) => {
        log.error("backup worker ended", { cause: cause instanceof Error ? cause.message : "failed" });
        void end(err({ type: "Internal" }));
      });
    });

  const remove =
    (...paths: readonly string[]) =>
    () => {
      for (const one of paths) rmSync(one, { recursive: true, force: true });
    };

  return {
    write: async (request, tell) => {
      const folder = { database, blobs, snapshot };
      const clean = remove(snapshot, partialName(request.file));
      return (await run({ type: "write", folder, request }, tell, clean)) as Result<BackupContents, BackupError>;
    },
    verify: async (file, key, tell) => {
      const scratch = inData(SCRATCH);
      return (await run({ type: "verify", file, key, scratch }, tell, remove(scratch))) as Result<
        BackupContents,
        BackupError
      >;
    },
    extract: async (file, key, tell) =>
      (await run({ type: "extract", file, key, into: restoring }, tell, remove(restoring))) as Result<
        ExtractedBackup,
        BackupError
      >,
    place: async (from, to) => {
      const file = path.join(restoring, path.basename(database));
      const changed = await run({ type: "changeKey", file, from, to }, () => undefined, remove(restoring));
      if (!changed.ok) return changed;
      writeFileSync(path.join(restoring, READY), "", { mode: 0o600, flush: true });
      return ok(null);
    },
    discard: async () => remove(restoring)(),
    cancel: () => cancel?.(),
    prune: async (folder, prefix, keep) => {
      if (!existsSync(folder)) return;
      const names = readdirSync(folder).filter((name) => name.startsWith(prefix) && name.endsWith(".p2pcbak"));
      for (const name of names.toSorted().slice(0, Math.max(0, names.length - keep)))
        rmSync(path.join(folder, name), { force: true });
    },
    pathIn: (folder, prefix, createdAt) => {
      const stamp = new Date(createdAt).toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
      return path.join(folder, `${prefix}${stamp}.p2pcbak`);
    },
  };
};
