/** Output types of the contract about connections: other devices, always-on nodes, what is followed and how far it has come. */

/**
 * How far things have come with another device, each stage holding the one before: its address is known; the encrypted
 * connection is up; it has proven to be in a notebook of ours; entries flow; nothing is missing on either side.
 */
export type PeerStage = "discovered" | "handshaken" | "authorised" | "syncing" | "current";

export interface Peer {
  readonly id: string;
  /** Name of the member behind the connection; null for a stranger. */
  readonly name: string | null;
  readonly address: string;
  readonly state: "connecting" | "handshaking" | "connected" | "waiting";
  readonly found: "mdns" | "remembered" | "manual" | "incoming";
  /** Notebooks this node and the peer share. */
  readonly notebooks: readonly string[];
  /** Why the connection is not up, as a sentence; "" when it is. */
  readonly reason: string;
  readonly stage: PeerStage;
  /** What a person can do about it, as a sentence; "" when there is nothing to do. */
  readonly remedy: string;
}

/** What the node finds when it looks at its own network. */
export interface NetworkCheck {
  readonly findings: readonly NetworkFinding[];
  /** The same and the state of every connection as text to pass on: no names, addresses, titles or keys are in it. */
  readonly report: string;
}

export interface NetworkFinding {
  readonly outcome: "good" | "doubtful" | "bad";
  readonly title: string;
  readonly detail: string;
  /** What a person can do about it; "" when there is nothing to do. */
  readonly remedy: string;
}

export type FollowingPriority = "first" | "normal" | "last";

/** How this device follows a notebook: told to nobody. */
export interface FollowedNotebook {
  readonly id: string;
  readonly title: string;
  /** Nothing of it is sent or received; what is written waits. */
  readonly paused: boolean;
  /** Which notebooks are brought up to date before others. */
  readonly priority: FollowingPriority;
  /** Own always-on nodes: whether each is to keep it, and whether it has everything. */
  readonly proxies: readonly {
    readonly id: string;
    readonly address: string;
    readonly used: boolean;
    readonly holdsAll: boolean;
  }[];
  readonly connectedPeers: number;
  /** When another device or an always-on node was last heard about it, Unix milliseconds; null for never. */
  readonly heardAt: number | null;
  readonly entries: number;
  readonly documents: number;
}

/** An always-on node that keeps and forwards what this identity's devices store, without being able to read it. */
export interface Proxy {
  /** Its static key, 64 hex digits. */
  readonly id: string;
  readonly address: string;
  /** `guest`: known from an invite and used for the notebook behind it alone. */
  readonly kind: "own" | "guest";
  /**
   * `waiting`: not reached; it is tried again. `noAccount`: it wants a code. `full`: the account's space is used up.
   * `unreliable`: it handed out items that do not hold, or lost some it had acknowledged.
   */
  readonly state: "connecting" | "waiting" | "noAccount" | "syncing" | "synced" | "full" | "unreliable";
  /** Why it is not `synced`, as a sentence; "" when there is nothing to say. */
  readonly reason: string;
  /** When it last answered, Unix milliseconds; null for never. */
  readonly lastContact: number | null;
  /** Items it has not acknowledged. */
  readonly waiting: number;
  /** Bytes charged to the account, and how many it may have; null until it said so. */
  readonly used: number | null;
  readonly quota: number | null;
}

/** On how many of one's always-on nodes everything is, by their own acknowledgement of each item. */
export interface Safety {
  readonly on: number;
  readonly of: number;
}

export interface SyncStatus {
  /** host:port this node listens on. */
  readonly listening: readonly string[];
  readonly peers: readonly Peer[];
  readonly proxies: readonly Proxy[];
  readonly notebooks: readonly {
    readonly id: string;
    readonly title: string;
    readonly entries: number;
    /** Received but not yet applicable: parents or keys are missing. */
    readonly pending: number;
    /** Own entries that no other device and no always-on node has acknowledged. */
    readonly undelivered: number;
    readonly safe: Safety;
    readonly connectedPeers: number;
    readonly documents: readonly { readonly id: string; readonly title: string; readonly heads: readonly string[] }[];
  }[];
}

/** The short form of `sync.status` behind the status line. */
export interface SyncSummary {
  readonly connectedPeers: readonly { readonly id: string; readonly name: string | null }[];
  readonly visiblePeers: number;
  /** Always-on nodes that answer. */
  readonly connectedProxies: number;
  /** Of the notebook that is on the fewest. */
  readonly safe: Safety;
  readonly undelivered: number;
  readonly pending: number;
  /** Nothing is sent or received until it is resumed, or the app starts again. */
  readonly paused: boolean;
}
