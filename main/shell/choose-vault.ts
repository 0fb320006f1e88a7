import type { KeyVault } from "../../app/ports/key-vault.ts";
import { createFileVault } from "../adapters/file-vault.ts";
import { keyFileProtection } from "../adapters/key-file.ts";
import { createPassphraseVault } from "../adapters/passphrase-vault.ts";
import { createSafeStorageVault, hasKeychain } from "./safe-storage-vault.ts";

/**
 * The vault that opens the key file already there; for a new one the system's keychain, or a passphrase where the system
 * has none. Never a protection weaker than what exists or than what the person was told. Call after the app is ready.
 */
export const chooseVault = async (file: string): Promise<KeyVault> => {
  const existing = await keyFileProtection(file);
  const protection = existing.ok ? existing.value : "passphrase";
  switch (protection) {
    case "keychain":
      return createSafeStorageVault(file);
    case "passphrase":
      return createPassphraseVault(file);
    case "file":
      return createFileVault(file);
    case undefined:
      return (await hasKeychain()) ? createSafeStorageVault(file) : createPassphraseVault(file);
  }
};
