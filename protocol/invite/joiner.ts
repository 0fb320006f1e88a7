import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import type { CheckedItem } from "../entry/item.ts";
import { invariant } from "../kernel/assert.ts";
import { bytesEqual } from "../kernel/bytes.ts";
import type { Machine } from "../kernel/machine.ts";
import { deriveInviteKeys, type InviteLink } from "./invite-link.ts";
import {
  type Challenge,
  checkString,
  messageHash,
  openWelcome,
  type Party,
  type RendezvousMessage,
  type Request,
  requestCommitment,
  signRequest,
  verifyChallenge,
  verifyDeclined,
  type Welcome,
} from "./messages.ts";
import { openMessage, sealMessage } from "./rendezvous.ts";

export interface JoinerOptions {
  readonly crypto: CryptoProvider;
  readonly link: Pick<InviteLink, "secret">;
  /** 32 random bytes, kept for the life of the attempt: a joiner made again from it continues where it was. */
  readonly seed: Uint8Array;
  readonly device: SigningKey;
  /** A name above 1 024 bytes is cut; `devSig` is the device's. */
  readonly joiner: Party;
  /** At most 1 024 bytes for the inviter to read. */
  readonly message: string;
}

export type JoinerEvent =
  | { readonly type: "start" }
  /** Any item of the rendezvous topic, also own ones and repeats, in any order. */
  | { readonly type: "item"; readonly wire: Uint8Array };

export type JoinerEffect =
  | { readonly type: "publish"; readonly item: CheckedItem }
  /** Show the digits; they prove `inviter` once both people read the same. */
  | { readonly type: "compare"; readonly check: string; readonly inviter: Party }
  | { readonly type: "welcomed"; readonly welcome: Welcome; readonly inviter: Party }
  | { readonly type: "declined" }
  /** A second device or person answered; the first answer stands. */
  | { readonly type: "otherChallenge"; readonly inviter: Party };

export type JoinerState = "requested" | "challenged" | "welcomed" | "declined";

/** The joining side of a rendezvous (SPEC INV-4 to INV-9). */
export interface Joiner extends Machine<JoinerEvent, JoinerEffect> {
  readonly state: () => JoinerState;
}

export const createJoiner = ({ crypto, link, seed, device, joiner, message }: JoinerOptions): Joiner => {
  invariant(bytesEqual(joiner.devSig, device.publicKey), "a joiner speaks with its own device");
  const keys = deriveInviteKeys(crypto, link.secret);
  const nonce = hk(crypto, seed, NO_SALT, "inv-nonce", 32);
  const reply = crypto.dhKeyPair(hk(crypto, seed, NO_SALT, "inv-reply", 32));
  const fields = { id: hk(crypto, seed, NO_SALT, "inv-request", 16), joiner, message, replyEnc: reply.publicKey };
  const request: Request = { ...fields, commit: requestCommitment(crypto, nonce, fields) };
  const requestMessage = signRequest(device, keys.signing, request);
  invariant(requestMessage.type === "request", "a request is a request");
  const requestHash = messageHash(crypto, requestMessage.header);
  const publish = (made: RendezvousMessage): JoinerEffect => ({
    type: "publish",
    item: sealMessage(crypto, keys, seed, made),
  });

  let state: JoinerState = "requested";
  let answer: { readonly challenge: Challenge; readonly hash: Uint8Array } | undefined;
  const early: RendezvousMessage[] = [];

  const onChallenge = (received: Extract<RendezvousMessage, { type: "challenge" }>): readonly JoinerEffect[] => {
    const challenge = verifyChallenge(crypto, received);
    if (
      challenge === undefined ||
      !bytesEqual(challenge.id, request.id) ||
      !bytesEqual(challenge.requestHash, requestHash)
    )
      return [];
    const hash = messageHash(crypto, received.header);
    if (answer !== undefined) {
      return bytesEqual(answer.hash, hash) ? [] : [{ type: "otherChallenge", inviter: challenge.inviter }];
    }
    answer = { challenge, hash };
    state = "challenged";
    const check = checkString(crypto, keys.topicKey.publicKey, request, challenge, nonce);
    return [
      publish({ type: "reveal", id: request.id, challengeHash: hash, nonce }),
      { type: "compare", check, inviter: challenge.inviter },
      ...early.splice(0).flatMap(onMessage),
    ];
  };

  const onMessage = (received: RendezvousMessage): readonly JoinerEffect[] => {
    if (received.type === "challenge") return onChallenge(received);
    if (received.type !== "welcome" && received.type !== "declined") return [];
    if (!bytesEqual(received.id, request.id) || state === "welcomed" || state === "declined") return [];
    if (answer === undefined) {
      if (early.length < MAX_EARLY) early.push(received);
      return [];
    }
    const { challenge, hash } = answer;
    const { inviter } = challenge;
    if (received.type === "declined") {
      if (!verifyDeclined(crypto, inviter.devSig, hash, received)) return [];
      state = "declined";
      return [{ type: "declined" }];
    }
    const welcome = openWelcome(crypto, inviter.devSig, reply, hash, received);
    if (welcome === undefined) return [];
    state = "welcomed";
    return [{ type: "welcomed", welcome, inviter }];
  };

  return {
    handle: (event) => {
      if (event.type === "start") return [publish(requestMessage)];
      const received = openMessage(crypto, keys, event.wire);
      return received === undefined ? [] : onMessage(received);
    },
    nextDeadline: () => undefined,
    state: () => state,
  };
};

const NO_SALT = new Uint8Array(0);
/** Welcomes that overtook their challenge; honest ones are one or two. */
const MAX_EARLY = 8;
