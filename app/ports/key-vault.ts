import type { Result } from "../../protocol/kernel/result.ts";

/** What keeps the secret from someone who copies the disk; `file` is nothing but file permissions. */
export type VaultProtection = "keychain" | "passphrase" | "file";

export interface VaultState {
  readonly state: "absent" | "locked" | "unlocked";
  /** Protection of the existing vault, or the one `create` would use. */
  readonly protection: VaultProtection;
}

export interface VaultError {
  readonly type:
    | "PassphraseRequired"
    | "WrongPassphrase"
    | "CorruptKeyFile"
    | "KeychainUnavailable"
    | "VaultExists"
    | "VaultAbsent"
    | "VaultLocked"
    | "DiskFull"
    | "CannotWrite";
  readonly message: string;
}

/**
 * Keeps one secret blob (the keys of a profile) at rest.
 * P-VAULT-1 `create` makes an empty, unlocked vault; it refuses when one exists.
 * P-VAULT-2 `store` replaces the secret atomically: after a crash the old or the new one is there, whole.
 * P-VAULT-3 `load` gives exactly what was stored, `undefined` before the first `store`.
 * P-VAULT-4 A locked vault neither stores nor loads.
 * P-VAULT-5 A damaged key file is reported as such and never replaced.
 * P-VAULT-6 Nothing on disk holds the secret in clear unless the protection is `file`.
 * P-VAULT-7 The key file is readable by its owner only.
 * P-VAULT-8 A derived key depends on the vault and the label alone: the same after each unlock, another for each vault.
 */
export interface KeyVault {
  readonly status: () => Promise<Result<VaultState, VaultError>>;
  /** `passphrase` is required by, and only used for, the protection `passphrase`. */
  readonly create: (passphrase?: string) => Promise<Result<null, VaultError>>;
  readonly unlock: (passphrase?: string) => Promise<Result<null, VaultError>>;
  readonly lock: () => void;
  readonly store: (secret: Uint8Array) => Promise<Result<null, VaultError>>;
  /** 32 bytes for another file of the same profile (HKDF-SHA-256 of the vault's data key; RFC 5869). */
  readonly deriveKey: (label: string) => Result<Uint8Array, VaultError>;
  readonly load: () => Promise<Result<Uint8Array | undefined, VaultError>>;
}
