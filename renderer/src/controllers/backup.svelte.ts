import type { Api } from "../../../app/contract/create-api.ts";
import type { BackupProgress, BackupReport, BackupStatus } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";

/** What opens a backup, as a person gives it. */
export type BackupSecret = { readonly phrase: string } | { readonly passphrase: string };

export interface Backup {
  /** Null until the node answered. */
  readonly status: () => BackupStatus | null;
  /** What is under way, here or by the schedule. */
  readonly progress: () => BackupProgress | null;
  readonly create: () => Promise<BackupReport | Problem>;
  readonly verify: (path: string, secret: BackupSecret) => Promise<BackupReport | Problem>;
  readonly schedule: (change: {
    readonly folder?: string;
    readonly every: BackupStatus["every"];
  }) => Promise<Problem | null>;
  readonly cancel: () => Promise<void>;
  /** Follows the node until the answer is called. */
  readonly watch: () => () => void;
}

/** Backups as a part of the window shows them while it is open; the node makes them whether or not somebody looks. */
export const createBackup = (api: Api, hub: EventHub, onProblem: (problem: Problem) => void): Backup => {
  let status = $state.raw<BackupStatus | null>(null);
  let progress = $state.raw<BackupProgress | null>(null);

  const load = async () => {
    const answer = await api.call("backup.status");
    if (!answer.ok) {
      onProblem(problemOf(answer.error));
      return;
    }
    status = answer.value;
    progress = answer.value.running;
  };

  return {
    status: () => status,
    progress: () => progress,
    create: async () => {
      const made = await api.call("backup.create", {});
      return made.ok ? made.value : problemOf(made.error);
    },
    verify: async (path, secret) => {
      const verified = await api.call("backup.verify", { path, ...secret });
      return verified.ok ? verified.value : problemOf(verified.error);
    },
    schedule: async (change) => {
      const answer = await api.call("backup.schedule", change);
      if (!answer.ok) return problemOf(answer.error);
      status = answer.value;
      return null;
    },
    cancel: async () => {
      await api.call("backup.cancel");
    },
    watch: () => {
      void load();
      const stops = [
        hub.on("backupChanged", () => void load()),
        hub.on("backupProgress", ({ phase, done, total }) => {
          progress = { phase, done, total };
        }),
      ];
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
};
