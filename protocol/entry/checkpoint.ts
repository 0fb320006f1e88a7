import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, bytesUpTo, literal, mapped, nullable, tuple, uint } from "../codec/shape.ts";
import type { DecodeError, Result } from "../kernel/result.ts";
import type { SignedHeader } from "./chain.ts";

/** One document's Automerge state. A delta is relative to `baseHeads`, which a full snapshot leaves empty. */
export interface Snapshot {
  readonly doc: Uint8Array;
  readonly mode: "full" | "delta";
  readonly baseHeads: readonly Uint8Array[];
  readonly heads: readonly Uint8Array[];
  readonly bytes: Uint8Array;
  /** For every session its last covered record that touched the document: vouches for all its changes in it. */
  readonly attestations: readonly SignedHeader[];
}

/** Last covered record of a session. */
export interface SessionHead {
  readonly sess: Uint8Array;
  readonly devSig: Uint8Array;
  readonly seq: number;
  readonly iid: Uint8Array;
}

export interface SignedOp {
  readonly header: Uint8Array;
  readonly sig: Uint8Array;
}

/** Everything a newcomer needs besides the bundles it names. */
export interface Checkpoint {
  readonly sessions: readonly SessionHead[];
  readonly docs: readonly {
    readonly doc: Uint8Array;
    readonly bundles: readonly Uint8Array[];
    readonly heads: readonly Uint8Array[];
  }[];
  readonly aclOps: readonly SignedOp[];
  readonly identityOps: readonly SignedOp[];
  /** oid of the checkpoint before this one. */
  readonly previous: Uint8Array | null;
}

export const encodeBundle = (snapshots: readonly Snapshot[]): Uint8Array =>
  encodeCbor(
    snapshots.map((snapshot) => [
      snapshot.doc,
      snapshot.mode === "full" ? 0 : 1,
      snapshot.baseHeads,
      snapshot.heads,
      snapshot.bytes,
      snapshot.attestations.map(({ headerBytes, isig }) => [headerBytes, isig]),
    ]),
  );

/** Payload of a kind 1 record; the Automerge bytes in it are still unvetted. */
export const readBundle = (payload: Uint8Array): Result<readonly Snapshot[], DecodeError> =>
  decodeShape(bundleShape, payload);

export const encodeCheckpoint = (checkpoint: Checkpoint): Uint8Array =>
  encodeCbor([
    1,
    checkpoint.sessions.map(({ sess, devSig, seq, iid }) => [sess, devSig, seq, iid]),
    checkpoint.docs.map(({ doc, bundles, heads }) => [doc, bundles, heads]),
    checkpoint.aclOps.map(({ header, sig }) => [header, sig]),
    checkpoint.identityOps.map(({ header, sig }) => [header, sig]),
    checkpoint.previous,
  ]);

/** Payload of a kind 2 record; its ops are still unverified. */
export const readCheckpoint = (payload: Uint8Array): Result<Checkpoint, DecodeError> =>
  decodeShape(checkpointShape, payload);

const LARGEST_SNAPSHOT = 4 * 1024 * 1024;
const LARGEST_HEADER = 128 * 1024;
const MAX_HEADS = 64;
const MAX_DOCS = 5000;
const MAX_ACL_OPS = 10_000;
/** 256 devices with a session a month for more than five years. */
const MAX_SESSIONS = 16_384;
/** At most four deltas follow a full snapshot. */
const MAX_BUNDLES = 5;

const hash = bytes(32);
const heads = array(hash, MAX_HEADS);
const signedHeader = mapped(tuple(bytesUpTo(LARGEST_HEADER), bytes(64)), ([headerBytes, isig]): SignedHeader => ({
  headerBytes,
  isig,
}));
const signedOp = mapped(tuple(bytesUpTo(LARGEST_HEADER), bytes(64)), ([header, sig]): SignedOp => ({ header, sig }));

const bundleShape = array(
  mapped(
    tuple(bytes(16), uint(1), heads, heads, bytesUpTo(LARGEST_SNAPSHOT), array(signedHeader, MAX_SESSIONS)),
    ([doc, mode, baseHeads, ownHeads, bytesOfDoc, attestations]): Snapshot => ({
      doc,
      mode: mode === 0 ? "full" : "delta",
      baseHeads,
      heads: ownHeads,
      bytes: bytesOfDoc,
      attestations,
    }),
  ),
  MAX_DOCS,
);

const checkpointShape = mapped(
  tuple(
    literal(1),
    array(
      mapped(tuple(bytes(16), bytes(32), uint(), bytes(32)), ([sess, devSig, seq, iid]): SessionHead => ({
        sess,
        devSig,
        seq,
        iid,
      })),
      MAX_SESSIONS,
    ),
    array(
      mapped(tuple(bytes(16), array(hash, MAX_BUNDLES), heads), ([doc, bundles, ownHeads]) => ({
        doc,
        bundles,
        heads: ownHeads,
      })),
      MAX_DOCS,
    ),
    array(signedOp, MAX_ACL_OPS),
    array(signedOp, MAX_ACL_OPS),
    nullable(bytes(32)),
  ),
  ([, sessions, docs, aclOps, identityOps, previous]): Checkpoint => ({
    sessions,
    docs,
    aclOps,
    identityOps,
    previous,
  }),
);
