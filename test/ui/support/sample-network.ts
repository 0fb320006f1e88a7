import type { NetworkCheck, ServingReport } from "../../../app/contract/types.ts";

export const NETWORK_CHECK: NetworkCheck = {
  findings: [
    { outcome: "good", title: "This computer accepts connections", detail: "At 2 addresses.", remedy: "" },
    {
      outcome: "bad",
      title: "Announcements do not pass on wlan0",
      detail: "What this computer sends to the group does not come back.",
      remedy: "Allow UDP port 5353.",
    },
  ],
  report: "[good] This computer accepts connections: At 2 addresses.",
};

export const SERVING_REPORT: ServingReport = {
  kept: 48_300_000,
  connections: 3,
  overlay: {
    isReachable: true,
    links: [{ node: "a1b2c3d4", dialledHere: true }],
    random: 20,
    interest: 11,
    topics: [{ tag: "77aa88bb", successors: ["a1b2c3d4"], predecessors: ["e5f60718"] }],
    delivered: 1204,
    duplicates: 88,
    published: 310,
    repaired: 2,
  },
};
