import { type CborValue, decodeShape, encodeCbor, type Shape } from "../codec/cbor.ts";
import { DOMAINS } from "../codec/domains.ts";
import { array, bytes, bytesUpTo, literal, mapped, tagged, tuple, uint } from "../codec/shape.ts";
import type { CryptoProvider, SigningKey } from "../crypto/provider.ts";
import { exhaustive } from "../kernel/assert.ts";
import type { Brand } from "../kernel/brand.ts";
import { concatBytes } from "../kernel/bytes.ts";
import { type DecodeError, err, ok, type Result } from "../kernel/result.ts";

export type IdentityOpBody =
  | { readonly type: "addDevice"; readonly devSig: Uint8Array; readonly devEnc: Uint8Array; readonly manager: boolean }
  | { readonly type: "revokeDevice"; readonly devSig: Uint8Array }
  | { readonly type: "rekeyDevice"; readonly devSig: Uint8Array; readonly devEnc: Uint8Array; readonly n: number }
  | { readonly type: "profile"; readonly hash: Uint8Array };

export interface IdentityOpFields {
  readonly idRoot: Uint8Array;
  readonly parents: readonly Uint8Array[];
  /** Root key or the device key of a manager; of the device itself for `rekeyDevice`. */
  readonly author: Uint8Array;
  /** 0 for the first op, else 1 + the largest gen of the parents. */
  readonly gen: number;
  /** Seconds since 1970; shown, never decided upon. */
  readonly ts: number;
  readonly body: IdentityOpBody;
}

/** One step of an identity's device history. */
export interface IdentityOp extends IdentityOpFields {
  readonly id: Uint8Array;
  readonly headerBytes: Uint8Array;
  readonly sig: Uint8Array;
}

/** An op whose signature is its author's; whether the author was entitled is the log's matter. */
export type VerifiedIdentityOp = Brand<IdentityOp, "VerifiedIdentityOp">;

/** An op as it travels: header bytes and signature. */
export type IdentityOpWire = readonly [header: Uint8Array, sig: Uint8Array];

export type IdentityOpError = DecodeError | { readonly type: "AuthorSignatureInvalid" };

/** Signs an op as `author`, the root key or a device key. */
export const signIdentityOp = (
  crypto: CryptoProvider,
  author: SigningKey,
  fields: Omit<IdentityOpFields, "author">,
): VerifiedIdentityOp => {
  const { idRoot, parents, gen, ts, body } = fields;
  const headerBytes = encodeCbor([1, idRoot, parents, author.publicKey, gen, ts, bodyValue(body)]);
  const op: IdentityOp = {
    ...fields,
    author: author.publicKey,
    id: crypto.hash("SHA256", DOMAINS.iop, headerBytes),
    headerBytes,
    sig: author.sign(concatBytes(DOMAINS.iop, headerBytes)),
  };
  return op as VerifiedIdentityOp;
};

/** Strict decoding plus the author's signature over the received bytes. */
export const readIdentityOp = (
  crypto: CryptoProvider,
  [headerBytes, sig]: IdentityOpWire,
): Result<VerifiedIdentityOp, IdentityOpError> => {
  const header = decodeShape(headerShape, headerBytes);
  if (!header.ok) return header;
  const fields = header.value;
  if (!crypto.verify(fields.author, concatBytes(DOMAINS.iop, headerBytes), sig))
    return err({ type: "AuthorSignatureInvalid" });
  const op: IdentityOp = { ...fields, id: crypto.hash("SHA256", DOMAINS.iop, headerBytes), headerBytes, sig };
  return ok(op as VerifiedIdentityOp);
};

export const identityOpWire = (op: IdentityOp): IdentityOpWire => [op.headerBytes, op.sig];

const bodyValue = (body: IdentityOpBody): CborValue => {
  switch (body.type) {
    case "addDevice":
      return [1, body.devSig, body.devEnc, body.manager ? MANAGER : 0];
    case "revokeDevice":
      return [2, body.devSig];
    case "rekeyDevice":
      return [3, body.devSig, body.devEnc, body.n];
    case "profile":
      return [4, body.hash];
    default:
      return exhaustive(body);
  }
};

const MANAGER = 1;
const MAX_PARENTS = 16;
const MAX_GEN = 2 ** 48 - 1;
/** Fixed members and 16 parents take less. */
const LARGEST_HEADER = 1024;

/** Form of an op inside other records. */
export const identityOpShape: Shape<IdentityOpWire> = tuple(bytesUpTo(LARGEST_HEADER), bytes(64));

const bodyShape = tagged<IdentityOpBody>({
  1: mapped(tuple(literal(1), bytes(32), bytes(32), uint(MANAGER)), ([, devSig, devEnc, flags]) => ({
    type: "addDevice",
    devSig,
    devEnc,
    manager: flags === MANAGER,
  })),
  2: mapped(tuple(literal(2), bytes(32)), ([, devSig]) => ({ type: "revokeDevice", devSig })),
  3: mapped(tuple(literal(3), bytes(32), bytes(32), uint()), ([, devSig, devEnc, n]) => ({
    type: "rekeyDevice",
    devSig,
    devEnc,
    n,
  })),
  4: mapped(tuple(literal(4), bytes(32)), ([, hash]) => ({ type: "profile", hash })),
});

const headerShape = mapped(
  tuple(literal(1), bytes(32), array(bytes(32), MAX_PARENTS), bytes(32), uint(MAX_GEN), uint(), bodyShape),
  ([, idRoot, parents, author, gen, ts, body]): IdentityOpFields => ({ idRoot, parents, author, gen, ts, body }),
);
