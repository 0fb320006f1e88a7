import type { Api } from "../../../app/contract/create-api.ts";
import type { BackupReport, Device, NotebookCopies } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import { createRefresh } from "./refresh.ts";

/** Where one notebook is, kept current. */
export interface Copies {
  /** Null until it is known. */
  readonly shown: () => NotebookCopies | null;
  /** What this person calls a device of theirs; undefined for devices of others. */
  readonly deviceName: (device: string) => string | undefined;
  /** The newest backup of this profile; null when none was made, or that is not known. */
  readonly backup: () => BackupReport | null;
  readonly problem: () => Problem | null;
  readonly reload: () => Promise<void>;
  readonly stop: () => void;
}

export const createCopies = ({
  api,
  hub,
  notebook,
}: {
  readonly api: Api;
  readonly hub: EventHub;
  readonly notebook: string;
}): Copies => {
  let shown = $state.raw<NotebookCopies | null>(null);
  let own = $state.raw<readonly Device[]>([]);
  let backup = $state.raw<BackupReport | null>(null);
  let problem = $state.raw<Problem | null>(null);

  const reload = createRefresh(async () => {
    const [answer, backups, devices] = await Promise.all([
      api.call("notebooks.copies", { notebook }),
      api.call("backup.status"),
      api.call("devices.list"),
    ]);
    if (devices.ok) own = devices.value;
    backup = backups.ok ? backups.value.last : null;
    problem = answer.ok ? null : problemOf(answer.error);
    if (answer.ok) shown = answer.value;
  });
  const stops = [
    hub.on("membersChanged", (event) => {
      if (event.notebook === notebook) void reload();
    }),
    hub.on("syncChanged", () => void reload()),
  ];
  void reload();

  return {
    shown: () => shown,
    deviceName: (device) => own.find(({ id }) => id === device)?.name,
    backup: () => backup,
    problem: () => problem,
    reload,
    stop: () => {
      for (const stop of stops) stop();
    },
  };
};
