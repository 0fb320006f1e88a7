import type { ContractError, ErrorType } from "../contract/errors.ts";
import { contractError, ERROR_MESSAGES } from "../contract/errors.ts";
import type { Identity, IdentityCreated, VaultStatus } from "../contract/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { KeyVault, VaultError } from "../ports/key-vault.ts";
import type { StoreError } from "../ports/store.ts";
import type { Phrase } from "../../protocol/crypto/phrase.ts";
import { createPhrase, parsePhrase, phraseSeed } from "../../protocol/crypto/phrase.ts";
import type { CryptoProvider, SigningKey } from "../../protocol/crypto/provider.ts";
import { wipe } from "../../protocol/crypto/wipe.ts";
import { deriveRootKey } from "../../protocol/identity/root-key.ts";
import type { VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { identityOpWire, signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { invariant } from "../../protocol/kernel/assert.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import type { Adoption } from "../../protocol/pairing/newcomer.ts";
import { recoverySeed } from "../../protocol/pairing/recovery.ts";
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
  /** Makes this install a device of the identity behind a phrase; what the identity has comes from its other devices. */
  readonly recover: (input: { readonly phrase: string; readonly passphrase?: string }) => Answer<Identity>;
  /** Makes this install the device that another one signed in. */
  readonly adopt: (adoption: Adoption, keys: DeviceKeys, passphrase: string | undefined) => Answer<Identity>;
  /** What the open profile may do with its own record. */
  readonly own: OwnRecord;
  readonly show: () => Answer<Identity>;
  readonly confirmPhrase: (input: {
    readonly words: readonly { readonly index: number; readonly word: string }[];
  }) => Answer<Identity>;
}

/** Secret keys of one device, 32 bytes each. */
export interface DeviceKeys {
  readonly deviceSeed: Uint8Array;
  readonly encryptionKey: Uint8Array;
}

/** The part of the vault's content that changes while the profile is open. */
export interface OwnRecord {
  readonly isFounder: () => boolean;
  readonly recoverySeed: () => Uint8Array | null;
  /** Takes effect at once; the answer comes when it is durable. */
  readonly save: (change: {
    readonly name?: string;
    readonly ops?: readonly VerifiedIdentityOp[];
    readonly recoverySeed?: Uint8Array;
    readonly encryptionKey?: Uint8Array;
  }) => Answer<null>;
  /** The identity's root key out of its phrase. */
  readonly root: (phrase: string) => Result<SigningKey, ContractError>;
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

/** The phrase as typed, or what is wrong with it. */
const readPhrase = (typed: string): Result<Phrase, ContractError> => {
  const phrase = parsePhrase(typed);
  if (phrase.ok) return phrase;
  switch (phrase.error.type) {
    case "PhraseWordUnknown":
      return err(
        contractError("BadPhrase", `Word ${phrase.error.position} is not one of the words a phrase is made of.`),
      );
    case "PhraseWordCount":
      return err(contractError("BadPhrase", `A recovery phrase has 24 words, not ${phrase.error.count}.`));
    default:
      return err(contractError("BadPhrase"));
  }
};

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
    const phrase = decoded.phrase === null ? undefined : parsePhrase(decoded.phrase);
    const held =
      decoded.recoverySeed === null && phrase?.ok === true
        ? { ...decoded, recoverySeed: recoverySeed(crypto, rootOf(phrase.value).seed) }
        : decoded;
    const entered = await enter(opened, held);
    return entered.ok ? ok(true) : entered;
  };

  const enter = async (opened: Profile, held: ProfileSecret): Answer<null> => {
    const key = vault.deriveKey(DATABASE_KEY);
    if (!key.ok) return err(vaultFailure(key.error));
    // Before, since what opens reads its own record.
    profile = opened;
    secret = held;
    const entered = await deps.open(opened, key.value);
    if (entered.ok) return entered;
    profile = undefined;
    secret = undefined;
    vault.lock();
    return entered;
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

  const rootOf = (phrase: Phrase): SigningKey => {
    const seed = phraseSeed(phrase);
    const root = deriveRootKey(crypto, seed, 0);
    wipe(seed);
    return root;
  };

  /** Keys of a new device and what its identity's root says of it. */
  const certifiedBy = (root: SigningKey): Omit<ProfileSecret, "name" | "phrase" | "isFounder"> => {
    const keys: DeviceKeys = { deviceSeed: random.bytes(32), encryptionKey: random.bytes(32) };
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
    const ops = [identityOpWire(op)];
    return { idRoot: root.publicKey, ...keys, ops, recoverySeed: recoverySeed(crypto, root.seed) };
  };

  const begin = async (made: ProfileSecret): Answer<Identity> => {
    const stored = await vault.store(encodeProfileSecret(made));
    if (!stored.ok) return err(vaultFailure(stored.error));
    const opened = profileOf(crypto, made);
    invariant(opened !== undefined, "the own device log is valid");
    const entered = await enter(opened, made);
    return entered.ok ? show() : entered;
  };

  let storing: Promise<unknown> = Promise.resolve();
  /** One after the other, so that the newest content is the one that stays. */
  const storeSecret = (): Answer<null> => {
    const write = async (): Answer<null> => {
      if (secret === undefined) return err(contractError("VaultLocked"));
      const stored = await vault.store(encodeProfileSecret(secret));
      return stored.ok ? stored : err(vaultFailure(stored.error));
    };
    const written = storing.then(write, write);
    storing = written;
    return written;
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
      const root = rootOf(phrase);
      const made: ProfileSecret = { name, ...certifiedBy(root), phrase, isFounder: true };
      const shown = await begin(made);
      return shown.ok ? ok({ ...shown.value, phrase: phrase.split(" ") }) : shown;
    },
    recover: async ({ phrase: typed, passphrase }) => {
      const phrase = readPhrase(typed);
      if (!phrase.ok) return phrase;
      const ready = await openEmptyVault(passphrase);
      if (!ready.ok) return ready;
      return begin({ name: "", ...certifiedBy(rootOf(phrase.value)), phrase: null, isFounder: false });
    },
    adopt: async ({ idRoot, name, ops, recoverySeed: seed }, keys, passphrase) => {
      const ready = await openEmptyVault(passphrase);
      if (!ready.ok) return ready;
      const wires = ops.map(identityOpWire);
      return begin({ name, idRoot, ...keys, phrase: null, ops: wires, recoverySeed: seed, isFounder: false });
    },
    own: {
      isFounder: () => secret?.isFounder === true,
      recoverySeed: () => secret?.recoverySeed ?? null,
      save: ({ name, ops, recoverySeed: seed, encryptionKey }) => {
        if (profile === undefined || secret === undefined) return Promise.resolve(err(contractError("VaultLocked")));
        const before = { encryptionKey: secret.encryptionKey, keyPair: profile.deviceEncryption };
        secret = {
          ...secret,
          ...(name === undefined ? {} : { name }),
          ...(ops === undefined ? {} : { ops: ops.map(identityOpWire) }),
          ...(seed === undefined ? {} : { recoverySeed: seed }),
          ...(encryptionKey === undefined ? {} : { encryptionKey }),
        };
        if (name !== undefined) profile.name = name;
        if (ops !== undefined) profile.ops = ops;
        if (encryptionKey === undefined) return storeSecret();
        const renewed = crypto.dhKeyPair(encryptionKey);
        profile.deviceEncryption = renewed;
        // A key that is not on the disk is lost with the next start, and with it whatever was sealed to it.
        return storeSecret().then((stored) => {
          if (stored.ok || secret === undefined || profile?.deviceEncryption !== renewed) return stored;
          secret = { ...secret, encryptionKey: before.encryptionKey };
          profile.deviceEncryption = before.keyPair;
          return stored;
        });
      },
      root: (typed) => {
        const phrase = readPhrase(typed);
        if (!phrase.ok) return phrase;
        const root = rootOf(phrase.value);
        const isOwn = profile !== undefined && bytesEqual(root.publicKey, profile.idRoot);
        return isOwn ? ok(root) : err(contractError("WrongPhrase"));
      },
    },
    confirmPhrase: async ({ words }) => {
      if (profile === undefined || secret === undefined) return show();
      const { phrase } = secret;
      if (phrase === null) return show();
      const expected = phrase.split(" ");
      const asked = new Set(words.map(({ index }) => index));
      const right = words.every(({ index, word }) => expected[index] === word.trim().toLowerCase());
      if (asked.size < CONFIRMED_WORDS || !right) return err(contractError("WrongPhrase"));
      const before = secret;
      secret = { ...before, phrase: null };
      const stored = await storeSecret();
      if (stored.ok) return show();
      secret = { ...secret, phrase };
      return stored;
    },
  };
};
