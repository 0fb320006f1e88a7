import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";

/**
 * Several laptops on one machine: network namespaces joined by a bridge which stands in a namespace of its own, so that
 * nothing of the machine's real network is touched or reachable. Linux, root, iproute2.
 */

/** Documentation-free private range, one part for each segment; only ever used inside the namespaces. */
const subnetOf = (segment: number): string => `10.77.${segment}`;
const CAPTURE_START_TIMEOUT_MS = 10_000;

export interface Capture {
  readonly file: string;
  /** Ends the capture and flushes the file. */
  readonly stop: () => Promise<void>;
}

export interface NetworkHost {
  readonly name: string;
  readonly namespace: string;
  /** IPv4 address; an IPv6 link-local address exists as well. */
  readonly address: string;
  readonly ipv6LinkLocal: string;
  /** Command and arguments that run `argv` on this host. */
  readonly command: (argv: readonly string[]) => readonly [string, ...string[]];
  /** Runs a command to its end and gives its output. */
  readonly run: (...argv: readonly string[]) => string;
  /** Pulls the cable: the host loses its carrier. */
  readonly unplug: () => void;
  readonly plug: () => void;
  /** Limits what this host sends. */
  readonly throttle: (kilobitsPerSecond: number) => void;
  /** Every frame that passes this host's cable, as a pcap file. */
  readonly capture: (file: string) => Promise<Capture>;
}

export interface Network {
  readonly host: (name: string) => NetworkHost;
  readonly dispose: () => Promise<void>;
}

/** Why namespaces cannot be used here; `undefined` when they can. */
export const networkUnavailable = (): string | undefined => {
  if (process.platform !== "linux") return "network namespaces need Linux";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  try {
    execFileSync("ip", ["netns", "list"], { stdio: "pipe" });
    execFileSync("unshare", ["--net", "true"], { stdio: "pipe" });
    return undefined;
  } catch (cause) {
    return `network namespaces do not work here: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
};

const ip = (...args: readonly string[]): string => execFileSync("ip", args, { encoding: "utf8", stdio: "pipe" });
const inside = (namespace: string, ...argv: readonly string[]): string =>
  execFileSync("ip", ["netns", "exec", namespace, ...argv], { encoding: "utf8", stdio: "pipe" });

/** Link-local addresses at once: duplicate detection would hold them back for two seconds. */
const quickAddresses = (namespace: string): void => {
  for (const scope of ["all", "default"])
    inside(namespace, "sysctl", "-qw", `net.ipv6.conf.${scope}.accept_dad=0`, `net.ipv6.conf.${scope}.disable_ipv6=0`);
};

const linkLocalOf = (namespace: string): string => {
  const address = /inet6 (fe80:[0-9a-f:]+)\//.exec(inside(namespace, "ip", "-6", "addr", "show", "dev", "eth0"))?.[1];
  if (address === undefined) throw new Error(`${namespace} has no IPv6 link-local address`);
  return address;
};

const processesIn = (namespace: string): readonly number[] =>
  ip("netns", "pids", namespace)
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);

const removeNamespace = (namespace: string): void => {
  for (const pid of processesIn(namespace)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "ESRCH")) throw cause;
    }
  }
  ip("netns", "del", namespace);
};

const stopped = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else
      child.once("exit", () => {
        resolve();
      });
  });

const startCapture = async (namespace: string, device: string, file: string): Promise<Capture> => {
  mkdirSync(path.dirname(file), { recursive: true });
  const argv = [
    "netns",
    "exec",
    namespace,
    "tcpdump",
    "--immediate-mode",
    "-i",
    device,
    "-U",
    "-s",
    "0",
    "-Z",
    "root",
    "-w",
    file,
  ];
  const child = spawn("ip", argv, { stdio: ["ignore", "ignore", "pipe"] });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error("tcpdump did not start"));
    }, CAPTURE_START_TIMEOUT_MS);
    child.on("error", reject);
    child.stderr.on("data", (chunk: Buffer) => {
      if (!chunk.toString().includes("listening on")) return;
      clearTimeout(timer);
      resolve();
    });
  });
  return {
    file,
    stop: async () => {
      child.kill("SIGINT");
      await stopped(child);
    },
  };
};

const createHost = (name: string, index: number, prefix: string, hub: string, segment: number): NetworkHost => {
  const namespace = `${prefix}-${name}`;
  const port = `port${index}`;
  const subnet = subnetOf(segment);
  const address = `${subnet}.${index + 1}`;
  ip("netns", "add", namespace);
  quickAddresses(namespace);
  ip("link", "add", port, "netns", hub, "type", "veth", "peer", "name", "eth0", "netns", namespace);
  inside(hub, "ip", "link", "set", port, "master", `br${segment}`, "up");
  inside(namespace, "ip", "link", "set", "lo", "up");
  inside(namespace, "ip", "addr", "add", `${address}/24`, "broadcast", `${subnet}.255`, "dev", "eth0");
  inside(namespace, "ip", "link", "set", "eth0", "up");
  inside(namespace, "ip", "route", "add", "default", "via", `${subnet}.254`, "dev", "eth0");
  const command = (argv: readonly string[]): readonly [string, ...string[]] => [
    "ip",
    "netns",
    "exec",
    namespace,
    ...argv,
  ];
  return {
    name,
    namespace,
    address,
    ipv6LinkLocal: linkLocalOf(namespace),
    command,
    run: (...argv) => inside(namespace, ...argv),
    unplug: () => {
      inside(hub, "ip", "link", "set", port, "down");
    },
    plug: () => {
      inside(hub, "ip", "link", "set", port, "up");
      // The kernel drops routes through a link that lost its carrier only when the link itself goes down; ours stays up.
      inside(namespace, "ip", "route", "replace", "default", "via", `${subnet}.254`, "dev", "eth0");
    },
    throttle: (kilobitsPerSecond) => {
      const bucket = ["rate", `${kilobitsPerSecond}kbit`, "burst", "4kb", "latency", "500ms"];
      inside(namespace, "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", ...bucket);
    },
    capture: (file) => startCapture(hub, port, file),
  };
};

let created = 0;

/**
 * A network with one host per name. Hosts of different segments reach each other through a router only, which passes on no
 * multicast. Dispose of it in a `finally`: that also ends every process inside.
 */
export const createNetwork = (names: readonly string[], segmentOf: (name: string) => number = () => 0): Network => {
  const prefix = `p2pc${process.pid}n${++created}`;
  const hub = `${prefix}-hub`;
  const hosts = new Map<string, NetworkHost>();
  const dispose = (): void => {
    const present = ip("netns", "list")
      .split("\n")
      .map((line) => line.split(" ")[0] ?? "")
      .filter((name) => name.startsWith(`${prefix}-`));
    for (const namespace of present) removeNamespace(namespace);
  };
  try {
    ip("netns", "add", hub);
    quickAddresses(hub);
    inside(hub, "ip", "link", "set", "lo", "up");
    const segments = new Set(names.map(segmentOf));
    for (const segment of segments) {
      const bridge = `br${segment}`;
      inside(hub, "ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0");
      inside(hub, "ip", "link", "set", bridge, "up");
      if (segments.size > 1) inside(hub, "ip", "addr", "add", `${subnetOf(segment)}.254/24`, "dev", bridge);
    }
    if (segments.size > 1) inside(hub, "sysctl", "-qw", "net.ipv4.ip_forward=1");
    for (const [index, name] of names.entries()) hosts.set(name, createHost(name, index, prefix, hub, segmentOf(name)));
  } catch (cause) {
    dispose();
    throw cause;
  }
  return {
    host: (name) => {
      const host = hosts.get(name);
      if (host === undefined) throw new Error(`no host ${name}`);
      return host;
    },
    dispose: async () => {
      dispose();
    },
  };
};

/** Runs `work` in a fresh network and takes the network down whatever happens. */
export const withNetwork = async <T>(
  names: readonly string[],
  work: (network: Network) => Promise<T>,
  segmentOf?: (name: string) => number,
): Promise<T> => {
  const network = createNetwork(names, segmentOf);
  try {
    return await work(network);
  } finally {
    await network.dispose();
  }
};
