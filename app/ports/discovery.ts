/** What multicast DNS met on one interface since the search began. */
export interface LanReport {
  /** As the system calls it. */
  readonly interfaceName: string;
  readonly family: "IPv4" | "IPv6";
  /** Why nothing can be announced there; "" when nothing is known to be wrong. */
  readonly fault: string;
  /** Own questions came back from the group: multicast leaves and enters this computer. */
  readonly isHeard: boolean;
}

export interface DiscoveryReport {
  readonly lans: readonly LanReport[];
  /** Tunnels, containers and virtual machines: nothing is announced there. */
  readonly ignored: readonly string[];
  /** Other hosts heard on the group, whatever they run: at most 512 are counted. */
  readonly neighbours: number;
  /** Of them, those that announced this app. */
  readonly nodes: number;
}

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
  readonly report: () => DiscoveryReport;
  readonly stop: () => Promise<void>;
}
