import { describe, expect, test } from "vitest";
import type { Peer, Proxy } from "../../app/contract/types.ts";
import type { NetworkFacts } from "../../app/peers/network-check.ts";
import { networkFindings, networkReport } from "../../app/peers/network-check.ts";
import { candidateStage, connectionStage } from "../../app/peers/peer-stage.ts";

const peer = (over: Partial<Peer>): Peer => ({
  id: "41",
  name: "Ben Haddad",
  address: "192.168.1.20:4040",
  state: "connected",
  found: "mdns",
  notebooks: ["aa"],
  reason: "",
  stage: "current",
  remedy: "",
  ...over,
});
const proxy = (over: Partial<Proxy>): Proxy => ({
  id: "bb".repeat(32),
  address: "[2001:db8::7]:4040",
  kind: "own",
  state: "synced",
  reason: "",
  lastContact: 1,
  waiting: 0,
  used: 0,
  quota: 1,
  ...over,
});
const wlan = { interfaceName: "wlan0", family: "IPv4", fault: "", isHeard: true } as const;
const facts = (over: Partial<NetworkFacts>): NetworkFacts => ({
  isPaused: false,
  listening: ["192.168.1.12:4040"],
  discovery: { lans: [wlan], ignored: [], neighbours: 3, nodes: 1 },
  peers: [peer({})],
  proxies: [proxy({})],
  ...over,
});
const titles = (over: Partial<NetworkFacts>) =>
  networkFindings(facts(over)).map(({ outcome, title }) => `${outcome}: ${title}`);

describe("the check of the network", () => {
  test("finds nothing wrong where nothing is", () => {
    expect(networkFindings(facts({})).filter(({ outcome, remedy }) => outcome !== "good" || remedy !== "")).toEqual([]);
  });

  test.each([
    [{ isPaused: true }, "bad: Syncing is paused"],
    [{ listening: [] }, "doubtful: Others cannot connect to this computer"],
    [{ discovery: undefined }, "doubtful: Looking around is switched off"],
    [{ discovery: { lans: [], ignored: ["tun0"], neighbours: 0, nodes: 0 } }, "bad: No local network"],
    [
      { discovery: { lans: [{ ...wlan, isHeard: false }], ignored: [], neighbours: 0, nodes: 0 } },
      "bad: Announcements do not pass on wlan0",
    ],
    [{ discovery: { lans: [wlan], ignored: [], neighbours: 0, nodes: 0 } }, "doubtful: No other device is heard"],
    [
      { discovery: { lans: [wlan], ignored: [], neighbours: 2, nodes: 0 } },
      "doubtful: Nobody else runs p2pcollab here",
    ],
    [
      { peers: [peer({ stage: "discovered", state: "waiting", remedy: "Wake it." })] },
      "doubtful: 1 address cannot be reached",
    ],
    [{ proxies: [] }, "doubtful: No always-on node"],
    [{ proxies: [proxy({ state: "waiting" })] }, "bad: Not every always-on node answers"],
    [{ proxies: [proxy({ state: "waiting" }), proxy({})] }, "doubtful: Not every always-on node answers"],
  ] satisfies [Partial<NetworkFacts>, string][])("%j is found", (over, title) => {
    expect(titles(over)).toContain(title);
    expect(titles({})).not.toContain(title);
    const found = networkFindings(facts(over)).find((one) => one.title === title.slice(title.indexOf(": ") + 2));
    expect(found?.remedy).not.toBe("");
  });

  test("one working family is enough for an interface", () => {
    const lans = [wlan, { ...wlan, family: "IPv6", isHeard: false, fault: "EADDRNOTAVAIL" }] as const;
    expect(titles({ discovery: { lans, ignored: [], neighbours: 1, nodes: 1 } })).toContain(
      "good: Announcements pass on wlan0",
    );
  });

  test("what is passed on holds no name, address or key", () => {
    const given = facts({ peers: [peer({}), peer({ address: "[fe80::5c1f:2aff:fe3b:91d0%wlan0]:4040" })] });
    const report = networkReport(given, networkFindings(given));
    expect(report).toContain("device 2: IPv6 link-local, mdns, connected, current, 1 shared notebook");
    for (const secret of ["Ben", "192.168", "fe80", "5c1f", "2001", "db8", "bbbb", "4040"])
      expect(report).not.toContain(secret);
  });
});

test("every reason not to connect names a remedy, and stages follow what was proven", () => {
  for (const fault of [
    "hostNotFound",
    "refused",
    "unreachable",
    "timedOut",
    "notAllowed",
    "handshake",
    "paused",
  ] as const)
    expect(candidateStage({ address: "a:1", found: "manual", state: "waiting", reason: "", fault }).remedy).not.toBe(
      "",
    );
  expect(candidateStage({ address: "a:1", found: "mdns", state: "stranger", reason: "", fault: undefined }).stage).toBe(
    "handshaken",
  );
  expect([
    connectionStage(0, 0, 0),
    connectionStage(2, 0, 0),
    connectionStage(2, 1, 1),
    connectionStage(2, 1, 2),
  ]).toEqual(["handshaken", "authorised", "syncing", "current"]);
});
