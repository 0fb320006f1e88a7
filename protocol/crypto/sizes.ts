/** Of X25519, Ed25519 and AEAD keys and of the seeds they are made from. */
export const keyBytes = 32;
export const nonceBytes = 12;
export const tagBytes = 16;
export const signatureBytes = 64;
