import { parentPort, workerData } from "node:worker_threads";
import type {
  BackupContents,
  BackupError,
  BackupKey,
  BackupProgress,
  BackupRequest,
  ExtractedBackup,
} from "../../../app/ports/backups.ts";
import { createNobleProvider } from "../../../protocol/crypto/noble-provider.ts";
import type { Result } from "../../../protocol/kernel/result.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import { createNativeProvider } from "../native-crypto.ts";
import { changeKey, storageErrorOf } from "../sqlite/database.ts";
import { extractBackup, verifyBackup } from "./extract-backup.ts";
import type { DataFolder } from "./write-backup.ts";
import { writeBackup } from "./write-backup.ts";

export type BackupJob =
  | { readonly type: "write"; readonly folder: DataFolder; readonly request: BackupRequest }
  | { readonly type: "verify"; readonly file: string; readonly key: BackupKey; readonly scratch: string }
  | { readonly type: "extract"; readonly file: string; readonly key: BackupKey; readonly into: string }
  | { readonly type: "changeKey"; readonly file: string; readonly from: Uint8Array; readonly to: Uint8Array };

export type BackupAnswer = Result<BackupContents | ExtractedBackup | null, BackupError>;
export type FromBackupWorker =
  | { readonly type: "progress"; readonly progress: BackupProgress }
  /** `failure`: what the log is told of an `Internal` error. */
  | { readonly type: "done"; readonly answer: BackupAnswer; readonly failure?: string };

/** More often than this nobody looks. */
const PROGRESS_MS = 100;

let toldAt = 0;
let toldPhase = "";
const tell = (progress: BackupProgress): void => {
  const now = performance.now();
  if (progress.phase === toldPhase && now - toldAt < PROGRESS_MS && progress.done < progress.total) return;
  toldAt = now;
  toldPhase = progress.phase;
  parentPort?.postMessage({ type: "progress", progress } satisfies FromBackupWorker);
};
const read = (done: number, total: number): void => tell({ phase: "read", done, total });

const run = async (job: BackupJob): Promise<BackupAnswer> => {
  const crypto = createNativeProvider(createNobleProvider());
  switch (job.type) {
    case "write":
      return writeBackup(crypto, job.folder, job.request, tell);
    case "verify":
      return verifyBackup(crypto, job.file, job.key, job.scratch, read);
    case "extract":
      return extractBackup(crypto, job.file, job.key, job.into, read);
    case "changeKey":
      changeKey(job.file, job.from, job.to);
      return ok(null);
  }
};

const SYSTEM_FAULTS: Readonly<Record<string, BackupError["type"]>> = {
  ENOSPC: "DiskFull",
  EDQUOT: "DiskFull",
  EACCES: "CannotWrite",
  EPERM: "CannotWrite",
  EROFS: "CannotWrite",
  EISDIR: "NotABackup",
  ENOENT: "FolderNotFound",
  ENOTDIR: "FolderNotFound",
};

const faultOf = (cause: unknown): BackupError["type"] => {
  const storage = storageErrorOf(cause);
  if (storage !== undefined)
    return storage.type === "DiskFull" || storage.type === "CannotWrite" ? storage.type : "CorruptDatabase";
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return SYSTEM_FAULTS[code] ?? "Internal";
};

/** Entry of the backup worker: one job, then it ends. */
void run(workerData as BackupJob)
  .then((answer): FromBackupWorker => ({ type: "done", answer }))
  .catch((cause: unknown): FromBackupWorker => {
    const failure = cause instanceof Error ? (cause.stack ?? cause.message) : "failed";
    return { type: "done", answer: err({ type: faultOf(cause) }), failure };
  })
  .then((message) => parentPort?.postMessage(message));
