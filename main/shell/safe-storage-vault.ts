import { safeStorage } from "electron";
import type { KeyVault } from "../../app/ports/key-vault.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { createKeyFileVault, vaultError } from "../adapters/key-file.ts";

/** The part of Electron's safeStorage that is used; newer releases have only the asynchronous half, older only the other. */
interface SafeStorage {
  readonly isEncryptionAvailable?: () => boolean;
  readonly isAsyncEncryptionAvailable?: () => Promise<boolean>;
  readonly encryptString?: (text: string) => Buffer;
  readonly encryptStringAsync?: (text: string) => Promise<Buffer>;
  readonly decryptString?: (sealed: Buffer) => string;
  readonly decryptStringAsync?: (sealed: Buffer) => Promise<string | { readonly result: string }>;
  readonly getSelectedStorageBackend?: () => string;
}

const storage: SafeStorage = safeStorage;
/** Linux back ends that encrypt with a password everybody knows, or with nothing we can name. */
const WEAK_BACKENDS = new Set(["basic_text", "unknown"]);

const unavailable = vaultError("KeychainUnavailable", "The system keychain does not answer.");

/** True when the system has a real keychain behind Electron; ask after the app is ready. */
export const hasKeychain = async (): Promise<boolean> => {
  if (process.platform === "linux" && WEAK_BACKENDS.has(storage.getSelectedStorageBackend?.() ?? "unknown"))
    return false;
  if (storage.isAsyncEncryptionAvailable) return storage.isAsyncEncryptionAvailable();
  return storage.isEncryptionAvailable?.() ?? false;
};

const encrypt = async (text: string): Promise<Buffer | undefined> => {
  if (storage.encryptStringAsync) return storage.encryptStringAsync(text);
  return storage.encryptString?.(text);
};

const decrypt = async (sealed: Buffer): Promise<string | undefined> => {
  if (!storage.decryptStringAsync) return storage.decryptString?.(sealed);
  const answer = await storage.decryptStringAsync(sealed);
  return typeof answer === "string" ? answer : answer.result;
};

/** Vault whose data key is wrapped by the system keychain; refuses while there is no real one. */
export const createSafeStorageVault = (file: string): KeyVault =>
  createKeyFileVault(file, {
    protection: "keychain",
    wrap: async (key) => {
      if (!(await hasKeychain())) return unavailable;
      const wrapped = await encrypt(Buffer.from(key).toString("base64"));
      return wrapped === undefined ? unavailable : ok({ key: wrapped.toString("base64") });
    },
    unwrap: async ({ key }) => {
      if (typeof key !== "string") return vaultError("CorruptKeyFile", "The key file is damaged.");
      if (!(await hasKeychain())) return unavailable;
      try {
        const opened = await decrypt(Buffer.from(key, "base64"));
        return opened === undefined ? unavailable : ok(Buffer.from(opened, "base64"));
      } catch {
        // Electron throws the same error for a keychain that lost the key and for a damaged ciphertext.
        return vaultError("KeychainUnavailable", "The system keychain cannot open the keys.");
      }
    },
  });
