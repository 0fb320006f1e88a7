import { powerMonitor } from "electron";
import type { ContractHost } from "../../app/contract/handlers.ts";
import type { AppEvent, VaultStatus } from "../../app/contract/types.ts";
import { followIdentities } from "./follow-identities.ts";

/** Seconds between two looks at how long nobody touched keyboard or mouse; a minute is the smallest setting. */
const IDLE_POLL_S = 15;
/** Written by the window's settings, in minutes; 0 or absent: never. */
const LOCK_AFTER = "window.lockAfter";

const isLocked = async (contract: ContractHost): Promise<boolean> => {
  const status = await contract.invoke("vault.status", undefined);
  return status.ok && (status.value as VaultStatus).state === "locked";
};

/**
 * Locks each identity when idle, and calls `forget` after each lock and after an identity was removed, so that what the
 * windows hold of its notes goes with them.
 */
export const keepProfilesLocked = (contract: ContractHost, forget: (why: "locked" | "removed") => void): void => {
  followIdentities(contract, (identity) => {
    const unsubscribe = identity.subscribe("events", undefined, (message) => {
      if (!message.ok || (message.value as AppEvent).type !== "identityChanged") return;
      void isLocked(identity).then((locked) => {
        if (locked) forget("locked");
      });
    });
    const timer = setInterval(() => {
      void identity.invoke("settings.get", undefined).then((stored) => {
        const minutes = stored.ok ? Number((stored.value as Record<string, string>)[LOCK_AFTER] ?? 0) : 0;
        if (minutes > 0 && powerMonitor.getSystemIdleTime() >= minutes * 60)
          void identity.invoke("vault.lock", undefined);
      });
    }, IDLE_POLL_S * 1000);
    timer.unref();
    return () => {
      clearInterval(timer);
      unsubscribe();
      forget("removed");
    };
  });
};
