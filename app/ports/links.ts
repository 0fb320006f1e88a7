import type { Result } from "../../protocol/kernel/result.ts";

/** An established NoiseSocket session with another node, carrying whole messages. */
export interface Link {
  readonly role: "initiator" | "responder";
  /** Channel binding of the Noise handshake. */
  readonly handshakeHash: Uint8Array;
  /** host:port of the other side. */
  readonly address: string;
  /** Queues one message; urgent ones overtake what waits in bulk. */
  readonly send: (message: Uint8Array, channel: "bulk" | "urgent") => void;
  /** Starts delivery; called once. `closed` comes once and last, with a sentence for people. */
  readonly start: (handlers: {
    readonly message: (message: Uint8Array) => void;
    readonly closed: (reason: string) => void;
  }) => void;
  /** Asks for a sign of life within seconds, for instance after the computer woke up. */
  readonly probe: () => void;
  readonly close: () => void;
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
