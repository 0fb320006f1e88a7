import type { SyncSummary } from "../../../../app/contract/types.ts";

interface StatusText {
  readonly tone: "connected" | "visible" | "alone" | "unknown" | "paused";
  readonly connection: string;
  /** What is not yet elsewhere, or not yet complete here; "" when there is nothing to say. */
  readonly waiting: string;
}

const listOf = new Intl.ListFormat("en", { type: "conjunction" });
const changes = (count: number) => (count === 1 ? "1 change" : `${count.toLocaleString("en")} changes`);
const devices = (count: number) => (count === 1 ? "1 device" : `${count.toLocaleString("en")} devices`);
const nodes = (count: number) => (count === 1 ? "1 always-on node" : `${count.toLocaleString("en")} always-on nodes`);
/** More names would not fit the line. */
const MAX_NAMES = 2;

const connectedTo = (peers: SyncSummary["connectedPeers"]): string => {
  const names = [...new Set(peers.flatMap((peer) => (peer.name === null ? [] : [peer.name])))];
  const nameless = peers.filter((peer) => peer.name === null).length;
  if (names.length === 0) return `Connected to ${devices(peers.length)}`;
  const shown = names.slice(0, MAX_NAMES);
  const others = names.length - shown.length + nameless;
  return `Connected to ${listOf.format(others === 0 ? shown : [...shown, others === 1 ? "1 other" : `${others} others`])}`;
};

/** What the status line says; never more than the node reported. */
export const statusText = (summary: SyncSummary | null): StatusText => {
  if (summary === null) return { tone: "unknown", connection: "Asking the node…", waiting: "" };
  const { connectedPeers, visiblePeers, connectedProxies, safe, undelivered, pending, paused } = summary;
  const parts = [
    ...(undelivered > 0 ? [`${changes(undelivered)} only on this computer`] : []),
    ...(pending > 0 ? [`${changes(pending)} waiting for missing parts`] : []),
    ...(safe.of > 0 ? [`Safe on ${safe.on} of ${safe.of}`] : []),
  ];
  const waiting = parts.join(" · ");
  if (paused) return { tone: "paused", connection: "Paused", waiting };
  if (connectedPeers.length > 0)
    return { tone: "connected", connection: connectedTo(connectedPeers), waiting: waiting || "Everything delivered" };
  if (connectedProxies > 0)
    return { tone: "connected", connection: `Connected to ${nodes(connectedProxies)}`, waiting };
  return visiblePeers > 0
    ? { tone: "visible", connection: `Not connected · ${devices(visiblePeers)} in sight`, waiting }
    : { tone: "alone", connection: "Not connected · nobody in sight", waiting };
};
