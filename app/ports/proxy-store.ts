import type { UnixMs } from "../../protocol/kernel/time.ts";

/** A proxy this identity uses. `kind` `guest`: no account there, known from an invite, for the notebook behind it alone. */
export interface ProxyRow {
  readonly n: number;
  readonly staticKey: Uint8Array;
  /** `host:port` each; the one that answered last comes first. */
  readonly addresses: readonly string[];
  /** X25519 private key of the account; a different one at each proxy. */
  readonly accountKey: Uint8Array;
  readonly kind: "own" | "guest";
  /** One-time code not redeemed yet. */
  readonly code: Uint8Array | null;
  /** Of the proxy's database; another one means that nothing acknowledged before counts. */
  readonly incarnation: Uint8Array | null;
  readonly addedAt: number;
  /** When the proxy last answered, Unix milliseconds. */
  readonly lastContact: number | null;
  /** Bytes charged to the account, and the most it may have; null until the proxy said so. */
  readonly used: number | null;
  readonly quota: number | null;
  /** Items it handed out that do not hold, or lost after acknowledging them. */
  readonly badItems: number;
}

export interface ProxyTopicRow {
  readonly pk: Uint8Array;
  /** Position behind the last item taken over; null for none. */
  readonly cursor: number | null;
}

/** An item a proxy has not acknowledged. */
export interface OwedItem {
  readonly oid: Uint8Array;
  readonly topicPk: Uint8Array;
  readonly wire: Uint8Array;
}

export interface ProxyBacklog {
  readonly queued: number;
  readonly refused: number;
}

/**
 * The proxies of an identity, what is followed there, and what each has not acknowledged.
 * P-PROXIES-1 An item stored in a topic that is followed at a proxy is owed to it from the same transaction on.
 * P-PROXIES-2 Following a topic owes everything stored of it that no counted checkpoint covers.
 * P-PROXIES-3 After `reset` all of that of every followed topic is owed again and every cursor is null.
 * P-PROXIES-4 What `acknowledge` names is owed no more; nothing else stops being owed while it is stored and its topic followed.
 */
export interface ProxyStore {
  readonly add: (
    row: Pick<ProxyRow, "staticKey" | "addresses" | "accountKey" | "kind" | "code">,
    now: UnixMs,
  ) => number;
  readonly all: () => readonly ProxyRow[];
  readonly find: (staticKey: Uint8Array) => ProxyRow | undefined;
  /** Makes a guest an account, or gives a known proxy a new code. */
  readonly update: (n: number, row: Pick<ProxyRow, "kind" | "code">) => void;
  readonly setAddresses: (n: number, addresses: readonly string[]) => void;
  /** Forgets the proxy, its cursors and what it is owed. */
  readonly remove: (n: number) => void;
  readonly redeemed: (n: number) => void;
  readonly setContact: (
    n: number,
    at: UnixMs,
    usage: { readonly used: number; readonly quota: number } | undefined,
  ) => void;
  readonly addBadItems: (n: number, count: number) => void;
  /** Starts over with a proxy whose database is another one. */
  readonly reset: (n: number, incarnation: Uint8Array) => void;
  readonly topics: (n: number) => readonly ProxyTopicRow[];
  readonly follow: (n: number, pk: Uint8Array) => void;
  readonly unfollow: (n: number, pk: Uint8Array) => void;
  /** Never goes back. */
  readonly setCursor: (n: number, pk: Uint8Array, cursor: number) => void;
  /** Queued items, own ones first, in order of arrival; one at least, and no more than `limit` and `bytes` allow. */
  readonly owed: (
    n: number,
    page: {
      /** Also items of others. */
      readonly learned: boolean;
      readonly limit: number;
      readonly bytes: number;
      /** Rows of topics to leave out. */
      readonly without: readonly number[];
    },
  ) => readonly OwedItem[];
  /** Answers how many were owed. */
  readonly acknowledge: (n: number, oids: readonly Uint8Array[]) => number;
  /** `status` as the proxy answered; owed still, but not queued until a `reset`. */
  readonly refuse: (n: number, oid: Uint8Array, status: number) => void;
  /** Owes the named items again: the proxy turned out not to have them. Answers how many were not owed. */
  readonly owe: (n: number, oids: readonly Uint8Array[]) => number;
  /** Chunks of the repository's files that are on this disk and that the proxy has not acknowledged, by id after `after`. */
  readonly owedChunks: (
    n: number,
    repository: number,
    after: Uint8Array | undefined,
    limit: number,
  ) => readonly Uint8Array[];
  readonly holdChunks: (n: number, repository: number, ids: readonly Uint8Array[]) => void;
  readonly backlog: (n: number) => ProxyBacklog;
  /** Proxies with an account that hold everything stored of a repository, by row number. */
  readonly holding: (repository: number) => readonly number[];
}
