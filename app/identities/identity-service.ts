import type { ContractError, ErrorType } from "../contract/errors.ts";
import { contractError, ERROR_MESSAGES } from "../contract/errors.ts";
import type { Identity, IdentityCreated, VaultStatus } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { KeyVault, VaultError } from "../ports/key-vault.ts";
import type { StoreError } from "../ports/store.ts";
import { createPhrase, phraseSeed } from "../../protocol/crypto/phrase.ts";
import type { CryptoProvider } from "../../protocol/crypto/provider.ts";
import { wipe } from "../../protocol/crypto/wipe.ts";
import { deriveRootKey } from "../../protocol/identity/root-key.ts";
import { identityOpWire, signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { Profile, ProfileSecret } from "./profile.ts";
import { decodeProfileSecret, encodeProfileSecret, profileOf } from "./profile.ts";

type Answer<T> = Promise<Result<T, ContractError>>;

export interface IdentityService {
  /** Opens the vault as far as that needs nobody: true when a profile is open. */
  readonly start: () => Answer<boolean>;
  readonly vaultStatus: () => Answer<VaultStatus>;
  readonly unlock: (input: { readonly passphrase?: string }) => Answer<VaultStatus>;
  /** Forgets the keys; what the profile holds must be closed before. */
  readonly lock: () => void;
  readonly create: (input: { readonly name: string; readonly passphrase?: string }) => Answer<IdentityCreated>;
  /** Whether this data folder has no identity yet. */
  readonly isEmpty: () => Answer<boolean>;
  /**
   * Takes over an identity that lived elsewhere, as `encodeProfileSecret` wrote it. `place` makes what belongs to it ready under the
   * key it gets here; only then is the identity this data folder's.
   */
  readonly restore: (
    encoded: Uint8Array,
    passphrase: string | undefined,
    place: (databaseKey: Uint8Array) => Answer<null>,
  ) => Answer<Identity>;
  readonly show: () => Answer<Identity>;
  readonly confirmPhrase: (input: {
    readonly words: readonly { readonly index: number; readonly word: string }[];
  }) => Answer<Identity>;
}

/** Label under which the database's key is derived from the vault's. */
const DATABASE_KEY = "p2pc/database/1";
/** Words asked for before the phrase counts as written down. */
const CONFIRMED_WORDS = 3;

export const storeFailure = (error: StoreError): ContractError =>
  error.type === "NewerSchema"
    ? contractError("CorruptDatabase", "This data folder was written by a newer p2pcollab. Update the app to open it.")
    : contractError(error.type === "CannotWrite" ? "CannotWrite" : error.type);

const vaultFailure = (error: VaultError): ContractError =>
  Object.hasOwn(ERROR_MESSAGES, error.type)
    ? contractError(error.type as ErrorType)
    : contractError("CorruptKeyFile", error.message);

/** The identity of this data folder: made once, unlocked at each start, its keys only in memory and in the vault. */
export const createIdentityService = (deps: {
  readonly vault: KeyVault;
  readonly crypto: CryptoProvider;
  readonly random: RandomSource;
  readonly clock: Clock;
  /** Opens what belongs to the profile; `databaseKey` is 32 bytes. When it fails, the profile stays closed. */
  readonly open: (profile: Profile, databaseKey: Uint8Array) => Answer<null>;
}): IdentityService => {
  const { vault, crypto, random, clock } = deps;
  let profile: Profile | undefined;
  let secret: ProfileSecret | undefined;

  const load = async (): Answer<boolean> => {
    const loaded = await vault.load();
    if (!loaded.ok) return err(vaultFailure(loaded.error));
    if (loaded.value === undefined) return ok(false);
    const decoded = decodeProfileSecret(loaded.value);
    if (decoded === undefined) return err(contractError("CorruptKeyFile"));
    const opened = profileOf(crypto, decoded);
    if (opened === undefined) return err(contractError("CorruptKeyFile"));
    const entered = await enter(opened, decoded);
    return entered.ok ? ok(true) : entered;
  };

  const enter = async (opened: Profile, held: ProfileSecret): Answer<null> => {
    const key = vault.deriveKey(DATABASE_KEY);
    if (!key.ok) return err(vaultFailure(key.error));
    const entered = await deps.open(opened, key.value);
    if (!entered.ok) {
      vault.lock();
      return entered;
    }
    profile = opened;
    secret = held;
    return ok(null);
  };

  const vaultStatus = async (): Answer<VaultStatus> => {
    const status = await vault.status();
    return status.ok ? ok(status.value) : err(vaultFailure(status.error));
  };

  const show = async (): Answer<Identity> => {
    const status = await vaultStatus();
    if (!status.ok) return status;
    if (profile === undefined || secret === undefined)
      return err(contractError(status.value.state === "locked" ? "VaultLocked" : "NoIdentity"));
    return ok({
      id: bytesToHex(profile.idRoot),
      name: profile.name,
      device: bytesToHex(profile.device.publicKey),
      protection: status.value.protection,
      phraseConfirmed: secret.phrase === null,
    });
  };

  const isEmpty = async (): Answer<boolean> => {
    if (profile !== undefined) return ok(false);
    const status = await vaultStatus();
    if (!status.ok) return status;
    if (status.value.state === "absent") return ok(true);
    if (status.value.state === "locked") return err(contractError("VaultLocked"));
    const held = await vault.load();
    return held.ok ? ok(held.value === undefined) : err(vaultFailure(held.error));
  };

  /** An unlocked vault that holds nothing yet. */
  const openEmptyVault = async (passphrase: string | undefined): Answer<null> => {
    const empty = await isEmpty();
    if (!empty.ok) return empty;
    if (!empty.value) return err(contractError("IdentityExists"));
    const status = await vaultStatus();
    if (!status.ok || status.value.state === "unlocked") return status.ok ? ok(null) : status;
    const created = await vault.create(passphrase);
    return created.ok ? ok(null) : err(vaultFailure(created.error));
  };

  return {
    vaultStatus,
    show,
    start: async () => {
      const status = await vaultStatus();
      if (!status.ok) return status;
      if (status.value.state === "absent") return ok(false);
      if (status.value.state === "locked") {
        const unlocked = await vault.unlock();
        // A window asks for the passphrase later; a headless host was given it beforehand.
        if (!unlocked.ok)
          return unlocked.error.type === "PassphraseRequired" ? ok(false) : err(vaultFailure(unlocked.error));
      }
      return load();
    },
    unlock: async ({ passphrase }) => {
      const unlocked = await vault.unlock(passphrase);
      if (!unlocked.ok) return err(vaultFailure(unlocked.error));
      if (profile === undefined) {
        const loaded = await load();
        if (!loaded.ok) return loaded;
      }
      return vaultStatus();
    },
    lock: () => {
      if (secret !== undefined) {
        wipe(secret.deviceSeed);
        wipe(secret.encryptionKey);
      }
      profile = undefined;
      secret = undefined;
      vault.lock();
    },
    isEmpty,
    restore: async (encoded, passphrase, place) => {
      const held = decodeProfileSecret(encoded);
      const restored = held && profileOf(crypto, held);
      if (held === undefined || restored === undefined) return err(contractError("BackupDamaged"));
      const ready = await openEmptyVault(passphrase);
      if (!ready.ok) return ready;
      const key = vault.deriveKey(DATABASE_KEY);
      if (!key.ok) return err(vaultFailure(key.error));
      const placed = await place(key.value);
      if (!placed.ok) return placed;
      const stored = await vault.store(encoded);
      if (!stored.ok) return err(vaultFailure(stored.error));
      const entered = await enter(restored, held);
      return entered.ok ? show() : entered;
    },
    create: async ({ name, passphrase }) => {
      const ready = await openEmptyVault(passphrase);
      if (!ready.ok) return ready;
      const phrase = createPhrase(random);
      const seed = phraseSeed(phrase);
      const root = deriveRootKey(crypto, seed, 0);
      wipe(seed);
      const keys = { deviceSeed: random.bytes(32), encryptionKey: random.bytes(32) };
      const op = signIdentityOp(crypto, root, {
        idRoot: root.publicKey,
        parents: [],
        gen: 0,
        ts: Math.floor(clock.unix() / 1000),
        body: {
          type: "addDevice",
          devSig: crypto.signingKey(keys.deviceSeed).publicKey,
          devEnc: crypto.dhKeyPair(keys.encryptionKey).publicKey,
          manager: true,
        },
      });
      const made: ProfileSecret = { name, idRoot: root.publicKey, ...keys, phrase, ops: [identityOpWire(op)] };
      const stored = await vault.store(encodeProfileSecret(made));
      if (!stored.ok) return err(vaultFailure(stored.error));
      const opened = profileOf(crypto, made);
      invariant(opened !== undefined, "the own device log is valid");
      const entered = await enter(opened, made);
      if (!entered.ok) return entered;
      const shown = await show();
      return shown.ok ? ok({ ...shown.value, phrase: phrase.split(" ") }) : shown;
    },
    confirmPhrase: async ({ words }) => {
      if (profile === undefined || secret === undefined) return show();
      const { phrase } = secret;
      if (phrase === null) return show();
      const expected = phrase.split(" ");
      const asked = new Set(words.map(({ index }) => index));
      const right = words.every(({ index, word }) => expected[index] === word.trim().toLowerCase());
      if (asked.size < CONFIRMED_WORDS || !right) return err(contractError("WrongPhrase"));
      const confirmed = { ...secret, phrase: null };
      const stored = await vault.store(encodeProfileSecret(confirmed));
      if (!stored.ok) return err(vaultFailure(stored.error));
      secret = confirmed;
      return show();
    },
  };
};
