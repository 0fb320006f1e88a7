import { hk } from "../crypto/kdf.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { ascii, compareBytes } from "../kernel/bytes.ts";

/** Root key number `index` of a phrase's 64-byte seed; roots of one phrase are unlinkable. */
export const deriveRootKey = (crypto: CryptoProvider, seed: Uint8Array, index: number): SigningKey =>
  crypto.signingKey(hk(crypto, seed, NO_SALT, `identity/${index}`, 32));

/** 30 digits in six groups that two people compare to verify each other; the same on both sides. */
export const verificationDigits = (crypto: CryptoProvider, one: Uint8Array, two: Uint8Array): string => {
  const [first, second] = compareBytes(one, two) <= 0 ? [one, two] : [two, one];
  const digest = crypto.hash("SHA256", DOMAIN, first, second);
  const groups: string[] = [];
  for (let group = 0; group < 6; group++) {
    let value = 0;
    for (let i = 0; i < 5; i++) value = (value * 256 + (digest[5 * group + i] as number)) % 100_000;
    groups.push(value.toString().padStart(5, "0"));
  }
  return groups.join(" ");
};

const NO_SALT = new Uint8Array(0);
const DOMAIN = ascii("p2pc/verify/1\0");
