import type { Result } from "../../protocol/kernel/result.ts";

/** An established NoiseSocket session with another node, carrying whole messages. */
export interface Link {
  readonly role: "initiator" | "responder";
  /** Channel binding of the Noise handshake. */
  readonly handshakeHash: Uint8Array;
  /** host:port of the other side. */
  readonly address: string;
  /** Queues one message; how much may wait is the caller's matter, see `pendingBytes`. */
  readonly send: (message: Uint8Array) => void;
  /** Bytes accepted by `send` that the network has not taken yet. */
  readonly pendingBytes: () => number;
  /** Called after `pendingBytes` fell to zero. */
  readonly onDrain: (listener: () => void) => void;
  readonly onMessage: (listener: (message: Uint8Array) => void) => void;
  /** Called once, with a reason for the log. */
  readonly onClosed: (listener: (reason: string) => void) => void;
  readonly close: (reason: string) => void;
}

export interface LinkError {
  readonly type: "BadAddress" | "PeerUnreachable" | "HandshakeFailed" | "PortInUse";
  readonly message: string;
}

/**
 * Opens and accepts links.
 * P-LINKS-1 A link is reported only after the Noise handshake; its static keys are made for this session alone.
 * P-LINKS-2 Half-open connections are bounded in number and time. P-LINKS-3 A dead peer is noticed within a minute.
 */
export interface Links {
  readonly listen: (
    host: string | undefined,
    port: number,
    accepted: (link: Link) => void,
  ) => Promise<Result<{ readonly port: number; readonly addresses: readonly string[] }, LinkError>>;
  readonly dial: (address: string) => Promise<Result<Link, LinkError>>;
  readonly stop: () => Promise<void>;
}
