import type { CryptoProvider, DhKeyPair, SigningKey } from "../crypto/provider.ts";
import { readIdentityOps } from "../identity/contact-card.ts";
import { evaluateIdentity } from "../identity/identity-log.ts";
import type { VerifiedIdentityOp } from "../identity/identity-op.ts";
import { exhaustive } from "../kernel/assert.ts";
import { bytesEqual, bytesToHex, constantTimeEqual } from "../kernel/bytes.ts";
import { sponsorCommitment, sponsorProof, greetingStatement, pairingCheck, revealStatement } from "./messages.ts";
import type { PairingMessage, SponsorStatement } from "./messages.ts";

export interface NewcomerOptions {
  readonly crypto: CryptoProvider;
  readonly secret: Uint8Array;
  /** Handshake hash of the connection. */
  readonly channel: Uint8Array;
  /** 32 fresh random bytes. */
  readonly nonce: Uint8Array;
  readonly device: SigningKey;
  readonly deviceEncryption: DhKeyPair;
}

export type NewcomerEvent =
  | { readonly type: "received"; readonly message: PairingMessage }
  /** The person here read the same digits on both devices. */
  | { readonly type: "confirm" }
  | { readonly type: "decline" }
  /** What `certified` brought is durable. */
  | { readonly type: "stored" };

/** The identity a new device now belongs to. */
export interface Adoption {
  readonly idRoot: Uint8Array;
  readonly name: string;
  readonly ops: readonly VerifiedIdentityOp[];
  readonly recoverySeed: Uint8Array | null;
  readonly addresses: readonly string[];
}

export type NewcomerEffect =
  | { readonly type: "send"; readonly message: PairingMessage }
  | { readonly type: "compare"; readonly check: string; readonly name: string }
  /** Store it, then answer `stored`. */
  | { readonly type: "certified"; readonly adoption: Adoption }
  | { readonly type: "declined" }
  | { readonly type: "violated"; readonly rule: string };

export type NewcomerState = "waiting" | "greeted" | "compare" | "confirmed" | "certified" | "ended";

/** The side of the new device (SPEC PAIR-2 to PAIR-6). */
export interface Newcomer {
  readonly handle: (event: NewcomerEvent) => readonly NewcomerEffect[];
  readonly state: () => NewcomerState;
}

export const createNewcomer = (options: NewcomerOptions): Newcomer => {
  const { crypto, secret, channel, nonce, device, deviceEncryption } = options;
  let state: NewcomerState = "waiting";
  let commit: Uint8Array | undefined;
  let sponsor: SponsorStatement | undefined;

  const violated = (rule: string): readonly NewcomerEffect[] => {
    state = "ended";
    return [{ type: "violated", rule }];
  };

  const onHello = (message: Extract<PairingMessage, { type: "hello" }>): readonly NewcomerEffect[] => {
    if (state !== "waiting" || !constantTimeEqual(message.proof, sponsorProof(crypto, secret, channel)))
      return violated("PAIR-2");
    state = "greeted";
    ({ commit } = message);
    const sig = device.sign(greetingStatement(channel, commit, nonce, deviceEncryption.publicKey));
    return [{ type: "send", message: { type: "greeting", nonce, sig } }];
  };

  const onReveal = (message: Extract<PairingMessage, { type: "reveal" }>): readonly NewcomerEffect[] => {
    const { statement } = message;
    const { idRoot, devSig, name } = statement;
    const nonces = [message.nonce, nonce] as const;
    const ops = readIdentityOps(crypto, idRoot, statement.identityOps);
    const known = ops.ok ? evaluateIdentity(idRoot, ops.value).devices.get(bytesToHex(devSig)) : undefined;
    if (
      state !== "greeted" ||
      commit === undefined ||
      !bytesEqual(commit, sponsorCommitment(crypto, channel, message.nonce, statement)) ||
      !crypto.verify(devSig, revealStatement(channel, nonces, idRoot), message.sig) ||
      known === undefined ||
      known.revoked
    )
      return violated("PAIR-4");
    state = "compare";
    sponsor = statement;
    const check = pairingCheck(crypto, channel, nonces, [idRoot, device.publicKey, deviceEncryption.publicKey]);
    return [{ type: "compare", check, name }];
  };

  const onCertified = ({ certificate }: Extract<PairingMessage, { type: "certified" }>): readonly NewcomerEffect[] => {
    if (state !== "confirmed" || sponsor === undefined) return violated("PAIR-5");
    const { idRoot, name } = sponsor;
    const { identityOps, recoverySeed, addresses } = certificate;
    const ops = readIdentityOps(crypto, idRoot, identityOps);
    const own = ops.ok ? evaluateIdentity(idRoot, ops.value).devices.get(bytesToHex(device.publicKey)) : undefined;
    if (!ops.ok || own === undefined || own.revoked || !bytesEqual(own.devEnc, deviceEncryption.publicKey))
      return violated("PAIR-6");
    state = "certified";
    return [{ type: "certified", adoption: { idRoot, name, ops: ops.value, recoverySeed, addresses } }];
  };

  const onMessage = (message: PairingMessage): readonly NewcomerEffect[] => {
    if (state === "ended" || state === "certified") return [];
    switch (message.type) {
      case "hello":
        return onHello(message);
      case "reveal":
        return onReveal(message);
      case "certified":
        return onCertified(message);
      case "declined":
        state = "ended";
        return [{ type: "declined" }];
      case "greeting":
      case "confirmed":
      case "done":
        return violated("PAIR-5");
      default:
        return exhaustive(message);
    }
  };

  return {
    handle: (event) => {
      switch (event.type) {
        case "received":
          return onMessage(event.message);
        case "confirm":
          if (state !== "compare") return [];
          state = "confirmed";
          return [{ type: "send", message: { type: "confirmed" } }];
        case "decline":
          if (state === "ended" || state === "certified") return [];
          state = "ended";
          return [{ type: "send", message: { type: "declined" } }, { type: "declined" }];
        case "stored":
          return state === "certified" ? [{ type: "send", message: { type: "done" } }] : [];
        default:
          return exhaustive(event);
      }
    },
    state: () => state,
  };
};
