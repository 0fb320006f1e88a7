import { Bonjour } from "bonjour-service";
import { networkInterfaces } from "node:os";
import type { Discovery } from "../../app/ports/discovery.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";

const SERVICE_TYPE = "p2pcollab";
const MDNS_GROUP_IPV6 = "ff02::fb";
/** Node reports no interface changes; five seconds is what multicast-dns itself uses to rejoin groups. */
const INTERFACE_POLL_MS = 5_000;
/** Announcements back off to an hour; asking twice a minute finds a laptop that missed them. */
const QUERY_INTERVAL_MS = 30_000;
/** Tunnels, container and virtual-machine bridges, and Apple's peer radios: nobody on them is on the same LAN. */
const FOREIGN_INTERFACE =
  /^(lo|docker|br-|veth|virbr|vmnet|vmenet|vboxnet|vEthernet|tun|tap|wg|utun|ipsec|ppp|zt|tailscale|awdl|llw|ap\d|anpi|cni|flannel|cali)/;

interface LanAddress {
  readonly key: string;
  readonly family: "IPv4" | "IPv6";
  readonly address: string;
  readonly interfaceName: string;
}

/** Addresses of the interfaces worth announcing on: one per interface and family. */
export const lanAddresses = (interfaces: ReturnType<typeof networkInterfaces>): readonly LanAddress[] => {
  const out = new Map<string, LanAddress>();
  for (const [name, addresses] of Object.entries(interfaces)) {
    if (FOREIGN_INTERFACE.test(name)) continue;
    for (const { address, family, internal } of addresses ?? []) {
      if (internal || (family === "IPv6" && !address.startsWith("fe80:"))) continue;
      const key = `${name}/${family}`;
      if (!out.has(key)) out.set(key, { key: `${key}/${address}`, family, address, interfaceName: name });
    }
  }
  return [...out.values()];
};

/** Hosts counted; a conference hall has fewer. */
const MAX_HEARD = 512;

const formatAddress = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/** Multicast DNS (RFC 6762, RFC 6763) on every LAN interface, IPv4 and IPv6. */
export const createMdnsDiscovery = (deps: {
  readonly random: RandomSource;
  /** Reports a fault of one interface; the others go on. */
  readonly warn: (message: string) => void;
}): Discovery => {
  const instance = bytesToHex(deps.random.bytes(8));
  const responders = new Map<string, { readonly bonjour: Bonjour; readonly refresh: () => void }>();
  const timers: NodeJS.Timeout[] = [];
  let stopped = false;
  const faults = new Map<string, string>();
  /** Source addresses of multicast packets; whether they announced this app. */
  const heard = new Map<string, boolean>();
  const hear = (address: string, isNode: boolean): void => {
    if (heard.size < MAX_HEARD || heard.has(address)) heard.set(address, isNode || heard.get(address) === true);
  };

  const listen = (lan: LanAddress, port: number, found: (address: string) => void): void => {
    const scoped = lan.family === "IPv6";
    const warn = (cause: unknown) => {
      const message = cause instanceof Error ? cause.message : "failed";
      faults.set(lan.key, message);
      deps.warn(`mdns on ${lan.interfaceName}: ${message}`);
    };
    // A socket bound to the interface's own address would not receive multicast on Linux: bind to any, join on one.
    const options = scoped
      ? { type: "udp6", ip: MDNS_GROUP_IPV6, interface: `::%${lan.interfaceName}`, bind: "::" }
      : { type: "udp4", interface: lan.address, bind: "0.0.0.0" };
    const bonjour = new Bonjour(options, warn);
    (bonjour as unknown as { server: { mdns: NodeJS.EventEmitter } }).server.mdns
      .on("error", warn)
      .on("warning", () => undefined)
      .on("packet", (_packet: unknown, from: { readonly address: string }) => hear(from.address, false));
    const service = bonjour.publish({
      name: instance,
      type: SERVICE_TYPE,
      port,
      host: `${instance}.local`,
      txt: { v: "1" },
    });
    // The library lists the addresses of all interfaces, tunnels included; announce only the one this responder serves.
    const all = service.records.bind(service);
    service.records = () =>
      all().filter((record) => (record.type !== "A" && record.type !== "AAAA") || record.data === lan.address);
    const browser = bonjour.find({ type: SERVICE_TYPE });
    const report = (other: {
      readonly name: string;
      readonly port: number;
      readonly referer?: { readonly address: string };
    }) => {
      if (other.name === instance || other.referer === undefined) return;
      hear(other.referer.address, true);
      found(formatAddress(other.referer.address, other.port));
    };
    browser.on("up", report);
    browser.on("srv-update", report);
    responders.set(lan.key, {
      bonjour,
      refresh: () => {
        browser.update();
        for (const other of browser.services) report(other);
      },
    });
  };

  return {
    start: (port, found) => {
      const follow = () => {
        const current = lanAddresses(networkInterfaces());
        for (const [key, { bonjour }] of responders)
          if (!current.some((lan) => lan.key === key)) {
            responders.delete(key);
            faults.delete(key);
            bonjour.destroy();
          }
        for (const lan of current) if (!responders.has(lan.key)) listen(lan, port, found);
      };
      follow();
      timers.push(setInterval(follow, INTERFACE_POLL_MS));
      timers.push(
        setInterval(() => {
          for (const { refresh } of responders.values()) refresh();
        }, QUERY_INTERVAL_MS),
      );
      for (const timer of timers) timer.unref();
    },
    refresh: () => {
      for (const { refresh } of responders.values()) refresh();
    },
    report: () => {
      const interfaces = networkInterfaces();
      const lans = lanAddresses(interfaces);
      const own = new Set(
        Object.entries(interfaces).flatMap(([name, list]) =>
          (list ?? []).flatMap(({ address }) => [address, `${address}%${name}`]),
        ),
      );
      const others = [...heard].filter(([address]) => !own.has(address));
      return {
        lans: lans.map(({ key, interfaceName, family, address }) => ({
          interfaceName,
          family,
          fault: faults.get(key) ?? "",
          isHeard: heard.has(address) || heard.has(`${address}%${interfaceName}`),
        })),
        ignored: Object.keys(interfaces).filter((name) => name !== "lo" && FOREIGN_INTERFACE.test(name)),
        neighbours: others.length,
        nodes: others.filter(([, isNode]) => isNode).length,
      };
    },
    stop: async () => {
      if (stopped) return;
      stopped = true;
      for (const timer of timers) clearInterval(timer);
      await Promise.all(
        [...responders.values()].map(
          ({ bonjour }) =>
            new Promise<void>((resolve) => {
              bonjour.unpublishAll(() => {
                bonjour.destroy(() => resolve());
              });
            }),
        ),
      );
      responders.clear();
    },
  };
};
