import type { AppEvent, SyncSummary } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { Repository } from "../repositories/repository.ts";
import { durationMs } from "../../protocol/kernel/time.ts";

/** Status events are coalesced: a sync of thousands of items is one line on the screen. */
const EVENT_DELAY = durationMs(100);

/** Tells the window that lists and states changed, at most ten times a second. */
export interface ChangeNotices {
  readonly statusChanged: () => void;
  readonly documentsChanged: (repository: Repository) => void;
  readonly stop: () => void;
}

export const createChangeNotices = (deps: {
  readonly clock: Clock;
  readonly emit: (event: AppEvent) => void;
  readonly summary: () => SyncSummary;
}): ChangeNotices => {
  const { clock, emit } = deps;
  let isStopped = false;
  let pendingStatus: (() => void) | undefined;
  let documentsTimer: (() => void) | undefined;
  const changedDocuments = new Set<Repository>();
  return {
    statusChanged: () => {
      if (isStopped) return;
      pendingStatus ??= clock.after(EVENT_DELAY, () => {
        pendingStatus = undefined;
        emit({ type: "peersChanged" });
        emit({ type: "syncChanged", summary: deps.summary() });
      });
    },
    documentsChanged: (repository) => {
      changedDocuments.add(repository);
      if (isStopped) return;
      documentsTimer ??= clock.after(EVENT_DELAY, () => {
        documentsTimer = undefined;
        for (const { id } of changedDocuments) emit({ type: "documentsChanged", notebook: id });
        changedDocuments.clear();
        emit({ type: "notebooksChanged" });
      });
    },
    stop: () => {
      isStopped = true;
      pendingStatus?.();
      documentsTimer?.();
    },
  };
};
