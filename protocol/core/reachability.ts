import type { NodeId } from "../identity/node-id.ts";
import { bytesToHex } from "../kernel/bytes.ts";

/** Whether others can dial this node, as far as they and its own addresses tell. */
export interface Reachability {
  readonly isReachable: () => boolean;
  /** A peer that this node dialled sees it at `host`; `null` when it cannot tell. */
  readonly observed: (by: NodeId, host: Uint8Array | null) => void;
}

/** The latest observers that are asked; one liar among them changes nothing. */
const MAXIMUM_OBSERVERS = 5;

/**
 * A node whose observers all see an address that is not its own stands behind a translator: it dials others and is not
 * dialled. What its operator announced counts more than what anybody sees.
 */
export const createReachability = (own: {
  readonly hosts: readonly Uint8Array[];
  readonly isAnnounced: boolean;
}): Reachability => {
  const hosts = new Set(own.hosts.map(bytesToHex));
  const observers = new Map<NodeId, boolean>();
  return {
    isReachable: () => own.isAnnounced || observers.size === 0 || [...observers.values()].some(Boolean),
    observed: (by, host) => {
      if (host === null) return;
      observers.delete(by);
      observers.set(by, hosts.has(bytesToHex(host)));
      for (const oldest of observers.keys()) {
        if (observers.size <= MAXIMUM_OBSERVERS) break;
        observers.delete(oldest);
      }
    },
  };
};
