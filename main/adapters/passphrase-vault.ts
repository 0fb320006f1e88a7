import { randomBytes, scrypt } from "node:crypto";
import type { KeyVault } from "../../app/ports/key-vault.ts";
import { ok } from "../../protocol/kernel/result.ts";
import type { SlotFields } from "./key-file.ts";
import { createKeyFileVault, seal, unseal, vaultError } from "./key-file.ts";

/** scrypt cost (RFC 7914): 128 MiB and about 0.3 s per guess, the interactive setting OWASP recommends. */
const COST = { N: 2 ** 17, r: 8, p: 1 } as const;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const CONTEXT = Buffer.from("p2pc/vault/slot/passphrase/1");

/** NFKC, so that the same passphrase typed on another keyboard or system gives the same bytes. */
const derive = (passphrase: string, salt: Uint8Array): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    // Node refuses when 128*N*r bytes plus bookkeeping exceed maxmem, so the limit is twice that.
    const options = { ...COST, maxmem: 256 * COST.N * COST.r };
    scrypt(passphrase.normalize("NFKC"), salt, KEY_BYTES, options, (cause, key) => {
      if (cause === null) resolve(key);
      else reject(cause);
    });
  });

const required = vaultError("PassphraseRequired", "The keys are protected by a passphrase.");

const fieldsOf = (slot: SlotFields): { readonly salt: Buffer; readonly key: Buffer } | undefined => {
  const { salt, key, N, r, p } = slot;
  if (typeof salt !== "string" || typeof key !== "string") return undefined;
  if (N !== COST.N || r !== COST.r || p !== COST.p) return undefined;
  return { salt: Buffer.from(salt, "base64"), key: Buffer.from(key, "base64") };
};

/** Vault whose data key is wrapped under a passphrase (scrypt, AES-256-GCM). */
export const createPassphraseVault = (file: string): KeyVault =>
  createKeyFileVault(file, {
    protection: "passphrase",
    wrap: async (key, passphrase) => {
      if (passphrase === undefined || passphrase === "") return required;
      const salt = randomBytes(SALT_BYTES);
      const wrapped = seal(await derive(passphrase, salt), CONTEXT, key);
      return ok({ ...COST, salt: salt.toString("base64"), key: wrapped.toString("base64") });
    },
    unwrap: async (slot, passphrase) => {
      const fields = fieldsOf(slot);
      if (fields === undefined) return vaultError("CorruptKeyFile", "The key file is damaged.");
      if (passphrase === undefined || passphrase === "") return required;
      const key = unseal(await derive(passphrase, fields.salt), CONTEXT, fields.key);
      return key === undefined ? vaultError("WrongPassphrase", "That passphrase does not open the keys.") : ok(key);
    },
  });
