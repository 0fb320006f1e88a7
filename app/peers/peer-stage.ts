import type { Peer, PeerStage } from "../contract/types.ts";
import type { LinkFault } from "../ports/links.ts";
import type { Candidate } from "./connections.ts";

const REMEDIES: Readonly<Record<LinkFault, string>> = {
  hostNotFound: "Check the spelling, or use the number the other computer shows under “This computer”.",
  refused: "Start p2pcollab on the other computer, and compare the port: it is the number after the colon.",
  unreachable: "Both computers must be on the same network, or be reached over a VPN. Check Wi-Fi or the cable.",
  timedOut:
    "The other computer may be asleep, or its firewall holds connections back (on Windows: mark the network as private). Guest Wi-Fi often keeps devices apart.",
  notAllowed: "A firewall or security program on this computer holds the connection back: allow p2pcollab in it.",
  handshake: "Something else may listen at that address, or a much older p2pcollab: update both.",
  paused: "Resume syncing.",
};

const STRANGER = "To share something with whoever uses it, send an invite.";

/** How far things have come with an address nobody is connected to, and what would help. */
export const candidateStage = ({ state, fault }: Candidate): Pick<Peer, "stage" | "remedy"> => {
  if (state === "stranger") return { stage: "handshaken", remedy: STRANGER };
  return { stage: "discovered", remedy: state === "waiting" && fault !== undefined ? REMEDIES[fault] : "" };
};

/** How far an open connection has come, by the topics both sides share, those synced and the devices that proved themselves. */
export const connectionStage = (shared: number, proven: number, synced: number): PeerStage => {
  if (shared === 0) return "handshaken";
  if (synced >= shared) return "current";
  return proven === 0 ? "authorised" : "syncing";
};
