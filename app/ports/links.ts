import type { DhKeyPair } from "../../protocol/crypto/provider.ts";
import type { Result } from "../../protocol/kernel/result.ts";

/** An established NoiseSocket session with another node, carrying whole messages. */
export interface Link {
  readonly role: "initiator" | "responder";
  /** Channel binding of the Noise handshake. */
  readonly handshakeHash: Uint8Array;
  /** The other side's static key, proven by the handshake. */
  readonly remoteStatic: Uint8Array;
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

/** What stood in the way of a link, as far as the system tells. */
export type LinkFault = "hostNotFound" | "refused" | "unreachable" | "timedOut" | "notAllowed" | "handshake" | "paused";

export interface LinkError {
  readonly type: "BadAddress" | "PeerUnreachable" | "HandshakeFailed" | "PortInUse";
  readonly fault?: LinkFault;
  readonly message: string;
}

/** As whom to dial, where the two sides know each other: a node's account at a proxy. */
export interface DialAs {
  readonly application: string;
  readonly staticKey: DhKeyPair;
  /** Known: only its holder can answer, and who calls stays hidden. Null: whoever answers, for the first contact. */
  readonly remoteStatic: Uint8Array | null;
}

/**
 * Opens and accepts links.
 * P-LINKS-1 A link is reported only after the Noise handshake; unless told as whom to dial, its static keys are made for this
 * session alone.
 * P-LINKS-2 Half-open connections are bounded in number and time. P-LINKS-3 A dead peer is noticed within a minute.
 */
export interface Links {
  readonly listen: (
    host: string | undefined,
    port: number,
    accepted: (link: Link) => void,
  ) => Promise<Result<{ readonly port: number; readonly addresses: readonly string[] }, LinkError>>;
  readonly dial: (address: string, as?: DialAs) => Promise<Result<Link, LinkError>>;
  readonly stop: () => Promise<void>;
}
