import { randomBytes } from "node:crypto";
import type { KeyVault } from "../../app/ports/key-vault.ts";
import { ok } from "../../protocol/kernel/result.ts";
import type { SlotFields } from "./key-file.ts";
import { createKeyFileVault, seal, unseal, vaultError } from "./key-file.ts";
import { derivePassphraseKey, PASSPHRASE_COST, PASSPHRASE_SALT_BYTES } from "./passphrase-key.ts";

const CONTEXT = Buffer.from("p2pc/vault/slot/passphrase/1");

const required = vaultError("PassphraseRequired", "The keys are protected by a passphrase.");

const fieldsOf = (slot: SlotFields): { readonly salt: Buffer; readonly key: Buffer } | undefined => {
  const { salt, key, N, r, p } = slot;
  if (typeof salt !== "string" || typeof key !== "string") return undefined;
  if (N !== PASSPHRASE_COST.N || r !== PASSPHRASE_COST.r || p !== PASSPHRASE_COST.p) return undefined;
  return { salt: Buffer.from(salt, "base64"), key: Buffer.from(key, "base64") };
};

/** Vault whose data key is wrapped under a passphrase (scrypt, AES-256-GCM). */
export const createPassphraseVault = (file: string): KeyVault =>
  createKeyFileVault(file, {
    protection: "passphrase",
    wrap: async (key, passphrase) => {
      if (passphrase === undefined || passphrase === "") return required;
      const salt = randomBytes(PASSPHRASE_SALT_BYTES);
      const wrapped = seal(await derivePassphraseKey(passphrase, salt), CONTEXT, key);
      return ok({ ...PASSPHRASE_COST, salt: salt.toString("base64"), key: wrapped.toString("base64") });
    },
    unwrap: async (slot, passphrase) => {
      const fields = fieldsOf(slot);
      if (fields === undefined) return vaultError("CorruptKeyFile", "The key file is damaged.");
      if (passphrase === undefined || passphrase === "") return required;
      const key = unseal(await derivePassphraseKey(passphrase, fields.salt), CONTEXT, fields.key);
      return key === undefined ? vaultError("WrongPassphrase", "That passphrase does not open the keys.") : ok(key);
    },
  });
