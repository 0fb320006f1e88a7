import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { durationMs } from "../../protocol/kernel/time.ts";

/** Longest wait for one part of the node to stop. */
const STOP_STEP = durationMs(1_500);

/** Waits for `work`, but not longer than a person waits for a window to close; everything that matters is durable already. */
export const atMost = (deps: { readonly clock: Clock; readonly log: Log }, part: string, work: Promise<void>) =>
  new Promise<void>((resolve) => {
    const cancel = deps.clock.after(STOP_STEP, () => {
      deps.log.warn("still stopping", { part });
      resolve();
    });
    void work
      .catch((cause: unknown) => deps.log.error("not stopped cleanly", { part, cause: String(cause) }))
      .finally(() => {
        cancel();
        resolve();
      });
  });
