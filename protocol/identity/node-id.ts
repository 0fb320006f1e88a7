import type { Brand } from "../kernel/brand.ts";
import { base64urlToBytes, bytesToBase64url } from "../kernel/bytes.ts";
import { invariant } from "../kernel/assert.ts";

/** A node's Ed25519 public key as 43 characters of base64url; the key of every map of peers. */
export type NodeId = Brand<string, "NodeId">;

export const NODE_ID_BYTES = 32;

/** The id of a 32-byte public key; `undefined` for any other length. */
export const bytesToNodeId = (bytes: Uint8Array): NodeId | undefined =>
  bytes.length === NODE_ID_BYTES ? (bytesToBase64url(bytes) as NodeId) : undefined;

/** First 30 bits of the id as a small integer: views compare it first, because it needs no look at the string. */
export const shortNodeId = (id: NodeId): number => {
  let short = 0;
  for (let i = 0; i < 5; i++) short = (short << 6) | (CODE_VALUES[id.charCodeAt(i) & 127] as number);
  return short;
};

export const nodeIdToBytes = (id: NodeId): Uint8Array => {
  const bytes = base64urlToBytes(id);
  invariant(bytes !== undefined && bytes.length === NODE_ID_BYTES, "a NodeId holds 32 bytes");
  return bytes;
};

const CODE_VALUES = Uint8Array.from({ length: 128 }, (_, code) =>
  Math.max(0, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".indexOf(String.fromCharCode(code))),
);
