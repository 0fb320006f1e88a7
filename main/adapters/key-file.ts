import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { KeyVault, VaultError, VaultProtection } from "../../app/ports/key-vault.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

const VERSION = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** A vault holds keys and a phrase, a few kilobytes; more is not ours. */
const MAX_FILE_BYTES = 1_048_576;
const SECRET_CONTEXT = Buffer.from("p2pc/vault/secret/1");

export const vaultError = (type: VaultError["type"], message: string): Result<never, VaultError> =>
  err({ type, message });

/** AES-256-GCM with a random nonce in front and the tag behind. A data key seals few messages, so nonces do not repeat. */
export const seal = (key: Uint8Array, context: Uint8Array, plaintext: Uint8Array): Buffer => {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(context);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
};

/** Inverse of `seal`; `undefined` when key, context or bytes do not belong together. */
export const unseal = (key: Uint8Array, context: Uint8Array, sealed: Uint8Array): Buffer | undefined => {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES));
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const body = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
  try {
    return Buffer.concat([body, decipher.final()]);
  } catch {
    return undefined;
  }
};

/** How one kind of protection turns the data key into the slot written to disk, and back. */
export interface KeySlot {
  readonly protection: VaultProtection;
  readonly wrap: (key: Uint8Array, passphrase: string | undefined) => Promise<Result<SlotFields, VaultError>>;
  readonly unwrap: (slot: SlotFields, passphrase: string | undefined) => Promise<Result<Uint8Array, VaultError>>;
}

/** Fields of a slot as they stand in the key file: base64 strings and the numbers of a key derivation. */
export type SlotFields = Readonly<Record<string, string | number>>;

interface KeyFile {
  readonly version: typeof VERSION;
  readonly protection: VaultProtection;
  readonly slot: SlotFields;
  /** base64 of the sealed secret; null before the first `store`. */
  readonly secret: string | null;
}

const isSlot = (value: unknown): value is SlotFields =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((field) => typeof field === "string" || typeof field === "number");

const parseKeyFile = (text: string): KeyFile | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { version, protection, slot, secret } = value as Record<keyof KeyFile, unknown>;
  if (version !== VERSION || !isSlot(slot)) return undefined;
  if (protection !== "keychain" && protection !== "passphrase" && protection !== "file") return undefined;
  if (secret !== null && typeof secret !== "string") return undefined;
  return { version, protection, slot, secret };
};

const isCode = (cause: unknown, ...codes: readonly string[]): boolean =>
  cause instanceof Error && "code" in cause && codes.includes(String(cause.code));

const writeFault = (cause: unknown): Result<never, VaultError> => {
  if (isCode(cause, "ENOSPC", "EDQUOT")) return vaultError("DiskFull", "The disk is full; the keys were not written.");
  if (isCode(cause, "EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR"))
    return vaultError("CannotWrite", "The key file may not be written there.");
  throw cause;
};

/** Write beside, flush, rename, flush the folder: a crash leaves the old file or the new one. */
const writeAtomically = async (file: string, text: string): Promise<void> => {
  const folder = path.dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const beside = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await open(beside, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (cause) {
    await rm(beside, { force: true });
    throw cause;
  }
  if (process.platform === "win32") return;
  await chmod(file, 0o600);
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
};

const readKeyFile = async (file: string): Promise<Result<KeyFile | undefined, VaultError>> => {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    if (isCode(cause, "ENOENT")) return ok(undefined);
    if (isCode(cause, "EACCES", "EPERM", "EISDIR"))
      return vaultError("CorruptKeyFile", "The key file may not be read.");
    throw cause;
  }
  const parsed = text.length <= MAX_FILE_BYTES ? parseKeyFile(text) : undefined;
  return parsed === undefined ? vaultError("CorruptKeyFile", "The key file is damaged.") : ok(parsed);
};

const LOCKED = vaultError("VaultLocked", "The keys are locked.");
const ABSENT = vaultError("VaultAbsent", "There are no keys yet.");

/** Protection of an existing key file, so that the host can pick the vault that opens it; `undefined` when there is none. */
export const keyFileProtection = async (file: string): Promise<Result<VaultProtection | undefined, VaultError>> => {
  const found = await readKeyFile(file);
  return found.ok ? ok(found.value?.protection) : found;
};

/** A vault in one JSON file: a random data key wrapped by `slot`, and the secret sealed under that key. */
export const createKeyFileVault = (file: string, slot: KeySlot): KeyVault => {
  let dataKey: Buffer | undefined;
  let pending: Promise<unknown> = Promise.resolve();

  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const next = pending.then(work, work);
    pending = next.then(
      () => null,
      () => null,
    );
    return next;
  };

  const read = async (): Promise<Result<KeyFile | undefined, VaultError>> => {
    const found = await readKeyFile(file);
    if (found.ok && found.value !== undefined && found.value.protection !== slot.protection)
      return vaultError("CorruptKeyFile", `The key file is protected by ${found.value.protection}.`);
    return found;
  };

  const write = async (content: KeyFile): Promise<Result<null, VaultError>> => {
    try {
      await writeAtomically(file, `${JSON.stringify(content)}\n`);
    } catch (cause) {
      return writeFault(cause);
    }
    return ok(null);
  };

  const lock = (): void => {
    dataKey?.fill(0);
    dataKey = undefined;
  };

  return {
    status: async () => {
      const found = await read();
      if (!found.ok) return found;
      const present = dataKey === undefined ? "locked" : "unlocked";
      return ok({ state: found.value === undefined ? "absent" : present, protection: slot.protection });
    },

    create: (passphrase) =>
      inOrder(async () => {
        const found = await read();
        if (!found.ok) return found;
        if (found.value !== undefined) return vaultError("VaultExists", "There are keys already.");
        const fresh = randomBytes(KEY_BYTES);
        const wrapped = await slot.wrap(fresh, passphrase);
        if (!wrapped.ok) return wrapped;
        const written = await write({
          version: VERSION,
          protection: slot.protection,
          slot: wrapped.value,
          secret: null,
        });
        if (written.ok) dataKey = fresh;
        return written;
      }),

    unlock: (passphrase) =>
      inOrder(async () => {
        const found = await read();
        if (!found.ok) return found;
        if (found.value === undefined) return ABSENT;
        const unwrapped = await slot.unwrap(found.value.slot, passphrase);
        if (!unwrapped.ok) return unwrapped;
        if (unwrapped.value.length !== KEY_BYTES) return vaultError("CorruptKeyFile", "The key file is damaged.");
        lock();
        dataKey = Buffer.from(unwrapped.value);
        return ok(null);
      }),

    lock,

    store: (secret) =>
      inOrder(async () => {
        if (dataKey === undefined) return LOCKED;
        const found = await read();
        if (!found.ok) return found;
        if (found.value === undefined) return ABSENT;
        return write({ ...found.value, secret: seal(dataKey, SECRET_CONTEXT, secret).toString("base64") });
      }),

    deriveKey: (label) =>
      dataKey === undefined ? LOCKED : ok(new Uint8Array(hkdfSync("sha256", dataKey, "", label, KEY_BYTES))),

    load: () =>
      inOrder(async () => {
        if (dataKey === undefined) return LOCKED;
        const found = await read();
        if (!found.ok) return found;
        if (found.value === undefined) return ABSENT;
        if (found.value.secret === null) return ok(undefined);
        const opened = unseal(dataKey, SECRET_CONTEXT, Buffer.from(found.value.secret, "base64"));
        return opened === undefined
          ? vaultError("CorruptKeyFile", "The key file is damaged.")
          : ok(new Uint8Array(opened));
      }),
  };
};
