import { scrypt } from "node:crypto";

/** scrypt cost (RFC 7914): 128 MiB and about 0.3 s per guess, the interactive setting OWASP recommends. */
export const PASSPHRASE_COST = { N: 2 ** 17, r: 8, p: 1 } as const;
export const PASSPHRASE_SALT_BYTES = 16;
const KEY_BYTES = 32;

/** 32 bytes. NFKC, so that the same passphrase typed on another keyboard or system gives the same bytes. */
export const derivePassphraseKey = (passphrase: string, salt: Uint8Array): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    // Node refuses when 128*N*r bytes plus bookkeeping exceed maxmem, so the limit is twice that.
    const options = { ...PASSPHRASE_COST, maxmem: 256 * PASSPHRASE_COST.N * PASSPHRASE_COST.r };
    scrypt(passphrase.normalize("NFKC"), salt, KEY_BYTES, options, (cause, key) => {
      if (cause === null) resolve(key);
      else reject(cause);
    });
  });
