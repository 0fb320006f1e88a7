import type { DurationMs } from "../../protocol/kernel/time.ts";
import type { Result } from "../../protocol/kernel/result.ts";

/** Why there is no connection or listener. `message` is for people; no address of a third party is in it. */
export interface TransportError {
  readonly type:
    | "PortInUse"
    | "PermissionDenied"
    | "AddressNotAvailable"
    | "BadAddress"
    | "HostNotFound"
    | "Refused"
    | "Unreachable"
    | "TimedOut"
    | "Aborted"
    | "Reset"
    | "TransportFailed";
  readonly message: string;
}

export interface ConnectionHandlers {
  /** The array belongs to the receiver; it is not reused. */
  readonly bytes: (bytes: Uint8Array) => void;
  /** Everything written has left the process' buffers; follows a `write` that answered false. */
  readonly drained: () => void;
  /** The peer will send no more. */
  readonly ended: () => void;
  /** The last call; `error` when the connection did not end in order. */
  readonly closed: (error: TransportError | undefined) => void;
}

export interface Connection {
  /** `host:port` of the peer, IPv6 in brackets, IPv4 also where the socket is IPv6. */
  readonly remoteAddress: string;
  /** Begins delivery; called once. */
  readonly start: (handlers: ConnectionHandlers) => void;
  /** Sends the chunks in order. False: the caller should wait for `drained`. Nothing happens once the connection is closed. */
  readonly write: (chunks: readonly Uint8Array[]) => boolean;
  /** Stops and resumes reading, so that the peer feels back-pressure. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** The connection is authenticated and no longer counts as half open. */
  readonly settle: () => void;
  /** Sends what is written, then closes; a peer that does not close in turn is cut off after a few seconds. */
  readonly end: () => void;
  /** Closes at once; what was not sent is lost. */
  readonly destroy: () => void;
}

export interface Listener {
  readonly port: number;
  /** Stops listening; connections stay open. */
  readonly close: () => Promise<void>;
}

/** The part of an `AbortSignal` that ends a dial. */
export interface DialSignal {
  readonly aborted: boolean;
  readonly addEventListener: (type: "abort", listener: () => void) => void;
  readonly removeEventListener: (type: "abort", listener: () => void) => void;
}

/**
 * Byte streams between nodes.
 * P-TRANSPORT-1 Bytes arrive complete and in order, cut into chunks at will.
 * P-TRANSPORT-2 Nothing is delivered before `start`, and nothing after `closed`, which comes exactly once.
 * P-TRANSPORT-3 `write` answers false while the peer does not take what was written; `drained` follows once it has.
 * P-TRANSPORT-4 A paused connection delivers no bytes; they arrive after `resume`.
 * P-TRANSPORT-5 What was written before `end` arrives before the peer's `ended`.
 * P-TRANSPORT-6 `dial` answers within its deadline, or at once when its signal aborts, and leaves no connection behind when it fails.
 * P-TRANSPORT-7 A listener that cannot be opened says why; a taken port is `PortInUse`.
 * P-TRANSPORT-8 More half-open connections than the limits, in total or from one address, are closed before any byte is read.
 * P-TRANSPORT-9 A listener on `::` serves IPv4 and IPv6, and IPv4 alone where the system has no IPv6.
 * P-TRANSPORT-10 A vanished peer is noticed by keep-alive probes without traffic of the application.
 */
export interface Transport {
  readonly listen: (
    host: string,
    port: number,
    accepted: (connection: Connection) => void,
  ) => Promise<Result<Listener, TransportError>>;
  /** `address` is `host:port` with IPv6 in brackets. */
  readonly dial: (
    address: string,
    deadline: DurationMs,
    signal?: DialSignal,
  ) => Promise<Result<Connection, TransportError>>;
}
