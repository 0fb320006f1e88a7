import type { NetworkCheck, NetworkFinding, Peer, Proxy } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { Discovery, DiscoveryReport } from "../ports/discovery.ts";
import { durationMs } from "../../protocol/kernel/time.ts";

/** Time for an own question to come back and for others to answer it: RFC 6762 section 6 lets them wait up to 500 ms. */
const ANSWER_TIME = durationMs(1_500);

/** What is known about this computer's network at one moment. */
export interface NetworkFacts {
  readonly isPaused: boolean;
  /** host:port this node listens on. */
  readonly listening: readonly string[];
  /** Undefined: discovery is switched off. */
  readonly discovery: DiscoveryReport | undefined;
  readonly peers: readonly Peer[];
  readonly proxies: readonly Proxy[];
}

const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
const finding = (outcome: NetworkFinding["outcome"], title: string, detail: string, remedy = ""): NetworkFinding => ({
  outcome,
  title,
  detail,
  remedy,
});

const listeningFinding = (listening: readonly string[]): NetworkFinding =>
  listening.length === 0
    ? finding(
        "doubtful",
        "Others cannot connect to this computer",
        "It accepts no connections; it can still connect to others.",
        "Restart p2pcollab; if that does not help, another program may hold its port.",
      )
    : finding("good", "This computer accepts connections", `At ${count(listening.length, "address", "addresses")}.`);

const lanFindings = ({ lans, ignored }: DiscoveryReport): readonly NetworkFinding[] => {
  const besides = ignored.length === 0 ? "" : ` Left aside: ${ignored.join(", ")}.`;
  if (lans.length === 0)
    return [
      finding(
        "bad",
        "No local network",
        `There is no Wi-Fi or cable with an address.${besides}`,
        ignored.length === 0
          ? "Connect to a network."
          : "Connect to a network. Over a VPN other devices are reached by their address, not found by themselves.",
      ),
    ];
  const names = [...new Set(lans.map(({ interfaceName }) => interfaceName))];
  return names.map((name) => {
    const here = lans.filter(({ interfaceName }) => interfaceName === name);
    const families = here.map(({ family }) => family).join(" and ");
    if (here.some(({ isHeard }) => isHeard))
      return finding("good", `Announcements pass on ${name}`, `Over ${families}.${besides}`);
    const fault = here.find((lan) => lan.fault !== "")?.fault ?? "";
    return finding(
      "bad",
      `Announcements do not pass on ${name}`,
      fault === "" ? "What this computer sends to the group does not come back." : `The system says: ${fault}.`,
      "A firewall on this computer may block multicast DNS (UDP port 5353): allow it, or add other computers by address.",
    );
  });
};

const neighbourFindings = ({ lans, neighbours, nodes }: DiscoveryReport): readonly NetworkFinding[] => {
  if (lans.length === 0) return [];
  if (nodes > 0)
    return [finding("good", "Others are in sight", `${count(nodes, "address", "addresses")} of p2pcollab.`)];
  if (neighbours > 0)
    return [
      finding(
        "doubtful",
        "Nobody else runs p2pcollab here",
        `${count(neighbours, "other address", "other addresses")} announced something, so announcements pass.`,
        "Start p2pcollab on the other computer, and compare the network both are in.",
      ),
    ];
  return [
    finding(
      "doubtful",
      "No other device is heard",
      "Nothing on this network announced anything.",
      "Guest Wi-Fi and some routers keep devices apart (client isolation): use another network, a cable, or add the address by hand.",
    ),
  ];
};

const peerFindings = (peers: readonly Peer[]): readonly NetworkFinding[] => {
  const sharing = peers.filter(({ stage }) => stage !== "discovered" && stage !== "handshaken");
  const failing = peers.filter(({ stage, remedy }) => stage === "discovered" && remedy !== "");
  return [
    ...(sharing.length > 0
      ? [finding("good", "Connected", `${count(sharing.length, "device")} that shares notebooks with you.`)]
      : []),
    ...(failing.length > 0
      ? [
          finding(
            "doubtful",
            `${count(failing.length, "address", "addresses")} cannot be reached`,
            "They are tried again now and then.",
            "The list of devices says why for each.",
          ),
        ]
      : []),
  ];
};

const proxyFinding = (proxies: readonly Proxy[]): NetworkFinding => {
  const up = proxies.filter(({ state }) => state === "syncing" || state === "synced");
  if (proxies.length === 0)
    return finding(
      "doubtful",
      "No always-on node",
      "People who are not on this network get what you write only while both of you are reachable.",
      "Add one in Settings → Always-on nodes, or leave p2pcollab running on a computer that stays on.",
    );
  return up.length === proxies.length
    ? finding("good", "Always-on nodes answer", `${up.length} of ${proxies.length}.`)
    : finding(
        up.length === 0 ? "bad" : "doubtful",
        "Not every always-on node answers",
        `${up.length} of ${proxies.length}.`,
        "Settings → Always-on nodes says why for each.",
      );
};

/** What stands between this node and others, from the computer outwards. */
export const networkFindings = (facts: NetworkFacts): readonly NetworkFinding[] => [
  ...(facts.isPaused
    ? [finding("bad", "Syncing is paused", "Nothing is sent or received.", "Resume syncing above.")]
    : []),
  listeningFinding(facts.listening),
  ...(facts.discovery === undefined
    ? [
        finding(
          "doubtful",
          "Looking around is switched off",
          "This node announces nothing and finds nobody by itself.",
          "Start it without --no-mdns, or add addresses by hand.",
        ),
      ]
    : facts.isPaused
      ? []
      : [...lanFindings(facts.discovery), ...neighbourFindings(facts.discovery)]),
  ...peerFindings(facts.peers),
  proxyFinding(facts.proxies),
];

/** The kind of an address, without the address. */
const addressKind = (address: string): string => {
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  if (host.includes(":"))
    return /^fe80:/i.test(host) ? "IPv6 link-local" : /^f[cd]/i.test(host) ? "IPv6 private" : "IPv6";
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(host)) return "name";
  if (/^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(host)) return "IPv4 private";
  return /^(127\.|169\.254\.)/.test(host) ? "IPv4 local" : "IPv4 public";
};

/** The facts as text that tells a helper what is wrong and nobody who or where: kinds of addresses, stages, outcomes. */
export const networkReport = (facts: NetworkFacts, findings: readonly NetworkFinding[]): string =>
  [
    ...findings.map(({ outcome, title, detail }) => `[${outcome}] ${title}: ${detail}`),
    `listening: ${facts.listening.map(addressKind).join(", ") || "nowhere"}`,
    ...facts.peers.map(
      ({ address, found, state, stage, notebooks, reason }, n) =>
        `device ${n + 1}: ${addressKind(address)}, ${found}, ${state}, ${stage}, ${count(notebooks.length, "shared notebook")}${
          reason === "" ? "" : `, "${reason}"`
        }`,
    ),
    ...facts.proxies.map(
      ({ address, kind, state, waiting }, n) =>
        `always-on node ${n + 1}: ${addressKind(address)}, ${kind}, ${state}, ${waiting} waiting`,
    ),
  ].join("\n");

/** Asks the network anew, gives it time to answer, and says what was found. */
export const checkNetwork = async (deps: {
  readonly clock: Clock;
  readonly discovery: Discovery | undefined;
  readonly facts: () => Omit<NetworkFacts, "discovery">;
}): Promise<NetworkCheck> => {
  deps.discovery?.refresh();
  await new Promise<void>((resolve) => {
    deps.clock.after(ANSWER_TIME, resolve);
  });
  const facts = { ...deps.facts(), discovery: deps.discovery?.report() };
  const findings = networkFindings(facts);
  return { findings, report: networkReport(facts, findings) };
};
