import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import type { ForeignChange, ProxyStore } from "../../protocol/proxy/store.ts";

export interface ProxyError {
  readonly type:
    | "DataDirectoryInUse"
    | "CannotWrite"
    | "CannotConnect"
    | "CorruptDatabase"
    | "DiskFull"
    | "PortInUse"
    | "BadAddress";
  readonly message: string;
}

/** What a link needs, kept for `mintProxyLink` beside the running proxy. */
export interface Service {
  /** Hex. */
  readonly staticPk: string;
  readonly addresses: readonly string[];
  readonly port: number;
}

/** Where a proxy keeps everything. Its static key and its incarnation are those of all processes that share it. */
export interface ProxyHome {
  /** A folder that is only this process', or `null`. */
  readonly folder: string | null;
  readonly privateKey: Uint8Array;
  readonly incarnation: Uint8Array;
  readonly store: ProxyStore;
  readonly hasAccounts: () => Promise<boolean>;
  /** Adds the owner's code by its hash; one made before and not used is void. */
  readonly setOwnerCode: (hash: Uint8Array, quota: number) => Promise<void>;
  /** That of last time. */
  readonly service: Service | undefined;
  readonly publish: (service: Service) => Promise<void>;
  /** Ends in order. */
  readonly close: () => Promise<void>;
}

/** What may be done beside a running proxy. */
export interface ProxyDesk {
  readonly service: Service | undefined;
  /** Adds a one-time code by its hash. */
  readonly addCode: (hash: Uint8Array, quota: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface ProxyHomes {
  readonly open: (
    random: RandomSource,
    events: { readonly report: (line: string) => void; readonly changed: (change: ForeignChange) => void },
  ) => Promise<Result<ProxyHome, ProxyError>>;
  readonly openDesk: () => Promise<Result<ProxyDesk, ProxyError>>;
}
