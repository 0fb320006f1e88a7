import type { CryptoProvider } from "../crypto/provider.ts";
import { type NodeId, nodeIdToBytes } from "../identity/node-id.ts";
import { ascii, bytesToBase64url, concatBytes, constantTimeEqual } from "../kernel/bytes.ts";
import type { RandomSource } from "../kernel/random.ts";
import type { MessageId, TopicTag } from "../ringcast/messages.ts";
import type { TopicSeal } from "./wire.ts";

/** Everything a member derives from a topic's element, the 32-byte secret that makes one a member (`protocol/bfpsi`). */
export interface TopicKeys {
  readonly tag: TopicTag;
  /** Place of a node on the topic's ring, in [0, 2^53): only members can compute it, and each topic orders anew. */
  readonly position: (node: NodeId) => number;
  /** Content id of a payload of this topic; the payload carries author and sequence under the author's signature. */
  readonly messageId: (payload: Uint8Array) => MessageId;
  /** Proof of holding the element, bound to one session and one direction. */
  readonly proof: (handshakeHash: Uint8Array, prover: NodeId) => Uint8Array;
  readonly isProof: (proof: Uint8Array, handshakeHash: Uint8Array, prover: NodeId) => boolean;
  readonly sealKey: Uint8Array;
}

const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const NO_BYTES = new Uint8Array(0);

export const createTopicKeys = (crypto: CryptoProvider, element: Uint8Array): TopicKeys => {
  const derive = (purpose: string, length: number): Uint8Array =>
    crypto.hkdfSha256(element, NO_BYTES, ascii(`p2pcollab/topic-${purpose}/v1`), length);
  const tag = bytesToBase64url(derive("tag", TAG_BYTES)) as TopicTag;
  const ringKey = derive("ring", 32);
  const idKey = derive("message-id", 32);
  const proofKey = derive("proof", 32);
  const proof = (handshakeHash: Uint8Array, prover: NodeId): Uint8Array =>
    crypto.hmac("SHA256", proofKey, handshakeHash, nodeIdToBytes(prover)).subarray(0, TAG_BYTES);
  return {
    tag,
    sealKey: derive("seal", 32),
    position: (node) => {
      const digest = crypto.hmac("SHA256", ringKey, nodeIdToBytes(node));
      const words = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
      return words.getUint32(0) * 2 ** 21 + (words.getUint32(4) >>> 11);
    },
    messageId: (payload) => bytesToBase64url(crypto.hmac("SHA256", idKey, payload)) as MessageId,
    proof,
    isProof: (given, handshakeHash, prover) => constantTimeEqual(given, proof(handshakeHash, prover)),
  };
};

/** An established session: proofs are bound to it and to the side that gives them. */
export interface SealSession {
  readonly handshakeHash: Uint8Array;
  readonly self: NodeId;
  readonly peer: NodeId;
}

/** Seals ring gossip with ChaCha20-Poly1305 under the topic's key; the tag is authenticated, the nonce random. */
export const createTopicSeal = (
  crypto: CryptoProvider,
  random: RandomSource,
  keysOf: (topic: TopicTag) => TopicKeys | undefined,
  session: SealSession,
): TopicSeal => ({
  seal: (topic, plaintext) => {
    const keys = keysOf(topic);
    // A topic without keys has been left since: nobody can open an empty seal.
    if (keys === undefined) return NO_BYTES;
    const nonce = random.bytes(NONCE_BYTES);
    return concatBytes(nonce, crypto.aead("ChaChaPoly", keys.sealKey).seal(nonce, ascii(topic), plaintext));
  },
  open: (topic, sealed) => {
    const keys = keysOf(topic);
    if (keys === undefined || sealed.length < NONCE_BYTES) return undefined;
    return crypto
      .aead("ChaChaPoly", keys.sealKey)
      .open(sealed.subarray(0, NONCE_BYTES), ascii(topic), sealed.subarray(NONCE_BYTES));
  },
  // A topic left since has no keys any more; random bytes of the same length prove nothing.
  prove: (topic) => keysOf(topic)?.proof(session.handshakeHash, session.self) ?? random.bytes(TAG_BYTES),
  refutes: (topic, proof) => keysOf(topic)?.isProof(proof, session.handshakeHash, session.peer) === false,
});
