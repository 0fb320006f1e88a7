/**
 * Finds other running nodes on the local network.
 * P-DISCOVERY-1 What is announced holds no identity, title, host name or other lasting value: a random instance name per start.
 * P-DISCOVERY-2 The own announcement is never reported as found.
 * P-DISCOVERY-3 Interfaces that come, go or change address are followed without a restart.
 */
export interface Discovery {
  /** Announces the TCP port and reports every other node's `host:port` (again after it moved). */
  readonly start: (port: number, found: (address: string) => void) => void;
  /** Asks again at once, for instance after the computer woke up. */
  readonly refresh: () => void;
  readonly stop: () => Promise<void>;
}
