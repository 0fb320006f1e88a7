import type { KeyVault } from "../../app/ports/key-vault.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { createKeyFileVault, vaultError } from "./key-file.ts";

/**
 * Vault protected by file permissions alone, for unattended nodes whose operator gave no passphrase.
 * Only a host that was told so may choose it; it reports itself as `file`.
 */
export const createFileVault = (file: string): KeyVault =>
  createKeyFileVault(file, {
    protection: "file",
    wrap: async (key) => ok({ key: Buffer.from(key).toString("base64") }),
    unwrap: async ({ key }) =>
      typeof key === "string"
        ? ok(Buffer.from(key, "base64"))
        : vaultError("CorruptKeyFile", "The key file is damaged."),
  });
