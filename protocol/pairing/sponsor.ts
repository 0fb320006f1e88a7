import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { exhaustive } from "../kernel/assert.ts";
import { sponsorCommitment, sponsorProof, greetingStatement, pairingCheck, revealStatement } from "./messages.ts";
import type { Certificate, PairingMessage, SponsorStatement } from "./messages.ts";
import type { PairingLink } from "./pairing-link.ts";

export interface SponsorOptions {
  readonly crypto: CryptoProvider;
  readonly link: PairingLink;
  /** Handshake hash of the connection. */
  readonly channel: Uint8Array;
  /** 32 fresh random bytes. */
  readonly nonce: Uint8Array;
  readonly device: SigningKey;
  readonly statement: SponsorStatement;
}

export type SponsorEvent =
  | { readonly type: "opened" }
  | { readonly type: "received"; readonly message: PairingMessage }
  /** The person here read the same digits on both devices. */
  | { readonly type: "approve" }
  | { readonly type: "decline" }
  /** The answer to `certify`. */
  | { readonly type: "certified"; readonly certificate: Certificate };

export type SponsorEffect =
  | { readonly type: "send"; readonly message: PairingMessage }
  | { readonly type: "compare"; readonly check: string }
  /** Both people agreed: sign the device in, then answer `certified`. */
  | { readonly type: "certify" }
  | { readonly type: "done" }
  | { readonly type: "declined" }
  | { readonly type: "violated"; readonly rule: string };

export type SponsorState = "opened" | "compare" | "approved" | "certified" | "done" | "ended";

/** The side of the identity (SPEC PAIR-2 to PAIR-6). */
export interface Sponsor {
  readonly handle: (event: SponsorEvent) => readonly SponsorEffect[];
  readonly state: () => SponsorState;
}

export const createSponsor = ({ crypto, link, channel, nonce, device, statement }: SponsorOptions): Sponsor => {
  let state: SponsorState = "opened";
  let isConfirmed = false;
  const commit = sponsorCommitment(crypto, channel, nonce, statement);

  const violated = (rule: string): readonly SponsorEffect[] => {
    state = "ended";
    return [{ type: "violated", rule }];
  };

  const onGreeting = (message: Extract<PairingMessage, { type: "greeting" }>): readonly SponsorEffect[] => {
    const signed = greetingStatement(channel, commit, message.nonce, link.devEnc);
    if (state !== "opened" || !crypto.verify(link.devSig, signed, message.sig)) return violated("PAIR-3");
    state = "compare";
    const nonces = [nonce, message.nonce] as const;
    const sig = device.sign(revealStatement(channel, nonces, statement.idRoot));
    const check = pairingCheck(crypto, channel, nonces, [statement.idRoot, link.devSig, link.devEnc]);
    return [
      { type: "send", message: { type: "reveal", nonce, statement, sig } },
      { type: "compare", check },
    ];
  };

  const certifyWhenAgreed = (): readonly SponsorEffect[] =>
    state === "approved" && isConfirmed ? [{ type: "certify" }] : [];

  const onMessage = (message: PairingMessage): readonly SponsorEffect[] => {
    if (state === "ended" || state === "done") return [];
    switch (message.type) {
      case "greeting":
        return onGreeting(message);
      case "confirmed":
        if (isConfirmed || (state !== "compare" && state !== "approved")) return violated("PAIR-5");
        isConfirmed = true;
        return certifyWhenAgreed();
      case "done":
        if (state !== "certified") return violated("PAIR-5");
        state = "done";
        return [{ type: "done" }];
      case "declined":
        state = "ended";
        return [{ type: "declined" }];
      case "hello":
      case "reveal":
      case "certified":
        return violated("PAIR-5");
      default:
        return exhaustive(message);
    }
  };

  return {
    handle: (event) => {
      switch (event.type) {
        case "opened":
          return [
            { type: "send", message: { type: "hello", proof: sponsorProof(crypto, link.secret, channel), commit } },
          ];
        case "received":
          return onMessage(event.message);
        case "approve":
          if (state !== "compare") return [];
          state = "approved";
          return certifyWhenAgreed();
        case "decline":
          if (state !== "compare" && state !== "approved") return [];
          state = "ended";
          return [{ type: "send", message: { type: "declined" } }, { type: "declined" }];
        case "certified":
          if (state !== "approved" || !isConfirmed) return [];
          state = "certified";
          return [{ type: "send", message: { type: "certified", certificate: event.certificate } }];
        default:
          return exhaustive(event);
      }
    },
    state: () => state,
  };
};
