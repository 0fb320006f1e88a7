import { randomBytes } from "node:crypto";
import { decodeShape, encodeCbor } from "../../../protocol/codec/cbor.ts";
import { array, bytes, literal, tagged, tuple, uint } from "../../../protocol/codec/shape.ts";
import type { BackupError, BackupKey } from "../../../app/ports/backups.ts";
import { hpkeOpen, hpkeSeal } from "../../../protocol/crypto/hpke.ts";
import { hk } from "../../../protocol/crypto/kdf.ts";
import type { CryptoProvider } from "../../../protocol/crypto/provider.ts";
import { invariant } from "../../../protocol/kernel/assert.ts";
import { ascii } from "../../../protocol/kernel/bytes.ts";
import type { Result } from "../../../protocol/kernel/result.ts";
import { err, ok } from "../../../protocol/kernel/result.ts";
import { seal, unseal } from "../key-file.ts";
import { derivePassphraseKey, PASSPHRASE_COST, PASSPHRASE_SALT_BYTES } from "../passphrase-key.ts";

/*
 * A backup file: magic, length and bytes of a header that opens without knowing who you are, then the segments. The header
 * holds the file's key once for each way in: sealed with HPKE to the root key that the phrase gives, and under a passphrase.
 */

const MAGIC = Buffer.from("p2pcbak", "latin1");
const VERSION = 1;
const LENGTH_BYTES = 4;
export const PREFIX_BYTES = MAGIC.length + 1 + LENGTH_BYTES;
const MAX_HEADER_BYTES = 4_096;
const KEY_BYTES = 32;
const PHRASE_INFO = ascii("p2pc/backup/slot/phrase/1");
const PASSPHRASE_CONTEXT = Buffer.from("p2pc/backup/slot/passphrase/1");
const TAG_BYTES = 16;
const NONCE_BYTES = 12;

type Slot = readonly [0, Uint8Array, Uint8Array] | readonly [1, Uint8Array, number, number, number, Uint8Array];
const slotShape = tagged<Slot>({
  0: tuple(literal(0), bytes(KEY_BYTES), bytes(KEY_BYTES + TAG_BYTES)),
  1: tuple(
    literal(1),
    bytes(PASSPHRASE_SALT_BYTES),
    uint(PASSPHRASE_COST.N),
    uint(PASSPHRASE_COST.r),
    uint(PASSPHRASE_COST.p),
    bytes(NONCE_BYTES + KEY_BYTES + TAG_BYTES),
  ),
});
const MAX_SLOTS = 8;
const headerShape = tuple(literal(VERSION), bytes(KEY_BYTES), array(slotShape, MAX_SLOTS));
type Header = Extract<ReturnType<typeof readShape>, { ok: true }>["value"];
const readShape = (encoded: Uint8Array) => decodeShape(headerShape, encoded);

/** What the segments are sealed with; `context` binds them to the header. */
export interface SegmentKey {
  readonly key: Uint8Array;
  readonly context: Uint8Array;
}

const segmentKey = (crypto: CryptoProvider, fileKey: Uint8Array, salt: Uint8Array, header: Uint8Array): SegmentKey => ({
  key: hk(crypto, fileKey, salt, "backup", KEY_BYTES),
  context: crypto.hash("SHA256", header),
});

/** A new header and the key it leads to. */
export const createHeader = async (
  crypto: CryptoProvider,
  recipient: Uint8Array,
  passphrase: string | undefined,
): Promise<SegmentKey & { readonly bytes: Uint8Array }> => {
  const fileKey = randomBytes(KEY_BYTES);
  const salt = randomBytes(KEY_BYTES);
  const sealed = hpkeSeal(crypto, recipient, { info: PHRASE_INFO, aad: salt }, fileKey, randomBytes(KEY_BYTES));
  invariant(sealed !== undefined, "a root key is a point of full order");
  const slots: (readonly (number | Uint8Array)[])[] = [[0, sealed.enc, sealed.ct]];
  if (passphrase !== undefined) {
    const { N, r, p } = PASSPHRASE_COST;
    const own = randomBytes(PASSPHRASE_SALT_BYTES);
    slots.push([1, own, N, r, p, seal(await derivePassphraseKey(passphrase, own), PASSPHRASE_CONTEXT, fileKey)]);
  }
  const body = encodeCbor([VERSION, salt, slots]);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(body.length);
  const header = Buffer.concat([MAGIC, Buffer.of(VERSION), length, body]);
  return { bytes: header, ...segmentKey(crypto, fileKey, salt, header) };
};

/** Length of the whole header, from its first `PREFIX_BYTES`. */
export const headerLength = (prefix: Buffer): Result<number, BackupError> => {
  if (prefix.length < PREFIX_BYTES || !prefix.subarray(0, MAGIC.length).equals(MAGIC))
    return err({ type: "NotABackup" });
  const version = prefix[MAGIC.length] as number;
  if (version !== VERSION) return err({ type: version > VERSION ? "NewerBackup" : "NotABackup" });
  const length = prefix.readUInt32BE(MAGIC.length + 1);
  return length > MAX_HEADER_BYTES ? err({ type: "BackupDamaged" }) : ok(PREFIX_BYTES + length);
};

const openSlots = async (
  crypto: CryptoProvider,
  [, salt, slots]: Header,
  key: BackupKey,
): Promise<Uint8Array | undefined> => {
  for (const slot of slots) {
    if (slot[0] === 0 && key.type === "phrase") {
      const pair = crypto.dhKeyPair(key.privateKey);
      const opened = hpkeOpen(crypto, pair, { info: PHRASE_INFO, aad: salt }, { enc: slot[1], ct: slot[2] });
      if (opened !== undefined) return opened;
    }
    if (slot[0] === 1 && key.type === "passphrase") {
      const [, own, N, r, p, sealed] = slot;
      // Another cost would be another version: what a file claims must not decide how much memory this takes.
      if (N !== PASSPHRASE_COST.N || r !== PASSPHRASE_COST.r || p !== PASSPHRASE_COST.p) continue;
      const opened = unseal(await derivePassphraseKey(key.passphrase, own), PASSPHRASE_CONTEXT, sealed);
      if (opened !== undefined) return opened;
    }
  }
  return undefined;
};

/** The segments' key from a header and a way in. */
export const openHeader = async (
  crypto: CryptoProvider,
  header: Uint8Array,
  key: BackupKey,
): Promise<Result<SegmentKey, BackupError>> => {
  const read = readShape(header.subarray(PREFIX_BYTES));
  if (!read.ok) return err({ type: "BackupDamaged" });
  const fileKey = await openSlots(crypto, read.value, key);
  if (fileKey === undefined) return err({ type: key.type === "phrase" ? "WrongPhrase" : "WrongPassphrase" });
  return ok(segmentKey(crypto, fileKey, read.value[1], header));
};
