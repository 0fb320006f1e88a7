import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import type { CheckedItem } from "../entry/item.ts";
import { invariant } from "../kernel/assert.ts";
import { bytesEqual, bytesToHex, constantTimeEqual } from "../kernel/bytes.ts";
import type { DeadlineReached, Machine } from "../kernel/machine.ts";
import type { MonotonicMs } from "../kernel/time.ts";
import { deriveInviteKeys } from "./invite-link.ts";
import {
  type Challenge,
  checkString,
  messageHash,
  type Party,
  type RendezvousMessage,
  type Request,
  requestCommitment,
  sealWelcome,
  signChallenge,
  signDeclined,
  verifyRequest,
  type Welcome,
} from "./messages.ts";
import { openMessage, sealMessage } from "./rendezvous.ts";

export interface InviterOptions {
  readonly crypto: CryptoProvider;
  readonly secret: Uint8Array;
  readonly mode: "ask" | "auto";
  readonly maxUses: number;
  /** Also the root of this side's nonces: an inviter made again with the same device continues where it was. */
  readonly device: SigningKey;
  readonly inviter: Party;
  /** When the invite ends by this device's clock. */
  readonly expires: MonotonicMs | undefined;
}

export type InviterEvent =
  /** Any item of the rendezvous topic, also own ones and repeats, in any order. */
  | { readonly type: "item"; readonly wire: Uint8Array }
  /** A person compared the digits and said yes, or no. `id` is the request's, in hex. */
  | { readonly type: "approve"; readonly id: string }
  | { readonly type: "decline"; readonly id: string }
  /** The membership is durable: hand over what the newcomer needs. */
  | { readonly type: "welcome"; readonly id: string; readonly welcome: Welcome }
  | { readonly type: "revoke" }
  | DeadlineReached;

export type InviterEffect =
  | { readonly type: "publish"; readonly item: CheckedItem }
  /** Someone asks; show who and the digits. */
  | { readonly type: "asked"; readonly request: JoinRequest }
  /** Make them a member, then send `welcome`. In an automatic invite this comes without `asked`. */
  | { readonly type: "admit"; readonly request: JoinRequest }
  /** The link was used more often than people could: see SPEC INV-8. */
  | { readonly type: "tooManyRequests" }
  | { readonly type: "ended"; readonly reason: "expired" | "revoked" };

/** A request whose sender opened its commitment. */
export interface JoinRequest {
  readonly id: string;
  readonly joiner: Party;
  readonly message: string;
  readonly check: string;
}

export type RequestState = "challenged" | "requested" | "approved" | "welcomed" | "declined";

/** The inviting side of a rendezvous, one machine per link and device (SPEC INV-4 to INV-9). */
export interface Inviter extends Machine<InviterEvent, InviterEffect> {
  readonly stateOf: (id: string) => RequestState | undefined;
}

interface Conversation {
  readonly request: Request;
  readonly challenge: Challenge;
  readonly challengeHash: Uint8Array;
  state: RequestState;
  asked: JoinRequest | undefined;
}

export const createInviter = ({ crypto, secret, mode, maxUses, device, inviter, expires }: InviterOptions): Inviter => {
  invariant(bytesEqual(inviter.devSig, device.publicKey), "an inviter speaks with its own device");
  const keys = deriveInviteKeys(crypto, secret);
  const conversations = new Map<string, Conversation>();
  const early: Extract<RendezvousMessage, { type: "reveal" }>[] = [];
  let ended = false;
  const publish = (message: RendezvousMessage): InviterEffect => ({
    type: "publish",
    item: sealMessage(crypto, keys, device.seed, message),
  });
  const uses = (): number =>
    [...conversations.values()].filter(({ state }) => state === "approved" || state === "welcomed").length;
  const decline = (conversation: Conversation): InviterEffect => {
    conversation.state = "declined";
    return publish(signDeclined(device, conversation.request.id, conversation.challengeHash));
  };

  const onRequest = (received: Extract<RendezvousMessage, { type: "request" }>): readonly InviterEffect[] => {
    const request = verifyRequest(crypto, keys.signing.publicKey, received);
    if (request === undefined || conversations.has(bytesToHex(request.id)) || ended) return [];
    if (conversations.size - uses() >= MAX_UNFINISHED) return [{ type: "tooManyRequests" }];
    const requestHash = messageHash(crypto, received.header);
    const nonce = hk(crypto, device.seed, requestHash, "inv-nonce", 32);
    const challenge: Challenge = { id: request.id, requestHash, inviter, nonce };
    const message = signChallenge(device, challenge);
    invariant(message.type === "challenge", "a challenge is a challenge");
    const conversation: Conversation = {
      request,
      challenge,
      challengeHash: messageHash(crypto, message.header),
      state: "challenged",
      asked: undefined,
    };
    conversations.set(bytesToHex(request.id), conversation);
    if (uses() >= maxUses) return [publish(message), decline(conversation)];
    return [publish(message), ...early.splice(0).flatMap(onReveal)];
  };

  const onReveal = (received: Extract<RendezvousMessage, { type: "reveal" }>): readonly InviterEffect[] => {
    const id = bytesToHex(received.id);
    const conversation = conversations.get(id);
    if (conversation === undefined && early.length < MAX_UNFINISHED) early.push(received);
    if (conversation?.state !== "challenged" || !bytesEqual(received.challengeHash, conversation.challengeHash))
      return [];
    const { request, challenge } = conversation;
    if (!constantTimeEqual(requestCommitment(crypto, received.nonce, request), request.commit)) return [];
    const check = checkString(crypto, keys.topicKey.publicKey, request, challenge, received.nonce);
    const asked: JoinRequest = { id, joiner: request.joiner, message: request.message, check };
    conversation.asked = asked;
    if (uses() >= maxUses) return [decline(conversation)];
    conversation.state = mode === "auto" ? "approved" : "requested";
    return [mode === "auto" ? { type: "admit", request: asked } : { type: "asked", request: asked }];
  };

  const onDecision = (event: Extract<InviterEvent, { type: "approve" | "decline" }>): readonly InviterEffect[] => {
    const conversation = conversations.get(event.id);
    if (conversation?.state !== "requested" || conversation.asked === undefined) return [];
    if (event.type === "decline" || uses() >= maxUses) return [decline(conversation)];
    conversation.state = "approved";
    return [{ type: "admit", request: conversation.asked }];
  };

  const onWelcome = ({ id, welcome }: Extract<InviterEvent, { type: "welcome" }>): readonly InviterEffect[] => {
    const conversation = conversations.get(id);
    if (conversation === undefined || (conversation.state !== "approved" && conversation.state !== "welcomed"))
      return [];
    const { request, challengeHash } = conversation;
    const message = sealWelcome(crypto, device, request, challengeHash, welcome, device.seed);
    if (message === undefined) return [decline(conversation)];
    conversation.state = "welcomed";
    return [publish(message)];
  };

  const end = (reason: "expired" | "revoked"): readonly InviterEffect[] => {
    if (ended) return [];
    ended = true;
    const open = [...conversations.values()].filter(({ state }) => state === "challenged" || state === "requested");
    return [...open.map(decline), { type: "ended", reason }];
  };

  return {
    handle: (event, now) => {
      switch (event.type) {
        case "item": {
          const received = openMessage(crypto, keys, event.wire);
          if (received?.type === "request") return onRequest(received);
          return received?.type === "reveal" ? onReveal(received) : [];
        }
        case "approve":
        case "decline":
          return onDecision(event);
        case "welcome":
          return onWelcome(event);
        case "revoke":
          return end("revoked");
        case "deadlineReached":
          return expires !== undefined && now >= expires ? end("expired") : [];
      }
    },
    nextDeadline: () => (ended ? undefined : expires),
    stateOf: (id) => conversations.get(id)?.state,
  };
};

/** Each unfinished attempt gives a man in the middle one more chance in a million, so a link stands for few. */
const MAX_UNFINISHED = 16;
