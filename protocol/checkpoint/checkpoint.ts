import { decodeShape, encodeCbor } from "../codec/cbor.ts";
import { array, bytes, bytesUpTo, literal, mapped, nullable, tuple, uint } from "../codec/shape.ts";
import type { DecodeError, Result } from "../kernel/result.ts";

/** Records of a session that a checkpoint covers: number 0 to `seq`, of which the last has this iid. */
export interface CoveredSession {
  readonly sess: Uint8Array;
  readonly devSig: Uint8Array;
  readonly seq: number;
  readonly iid: Uint8Array;
}

/** A bundle by its oid in the checkpoint's topic, and the records in it: per session (by place) the first and last number. */
export interface NamedBundle {
  readonly oid: Uint8Array;
  readonly ranges: readonly (readonly [session: number, from: number, to: number])[];
}

export interface SignedOp {
  readonly header: Uint8Array;
  readonly sig: Uint8Array;
}

/** What a newcomer reads first: which records the bundles hold, and the ACL ops by which it judges them. */
export interface Checkpoint {
  readonly sessions: readonly CoveredSession[];
  /** Oldest records first. */
  readonly bundles: readonly NamedBundle[];
  readonly aclOps: readonly SignedOp[];
  /** oid of the checkpoint this one was made from. */
  readonly previous: Uint8Array | null;
}

export const encodeCheckpoint = (checkpoint: Checkpoint): Uint8Array =>
  encodeCbor([
    1,
    checkpoint.sessions.map(({ sess, devSig, seq, iid }) => [sess, devSig, seq, iid]),
    checkpoint.bundles.map(({ oid, ranges }) => [oid, ranges]),
    checkpoint.aclOps.map(({ header, sig }) => [header, sig]),
    checkpoint.previous,
  ]);

/** Payload of a kind 2 record; its ops are still unverified. */
export const readCheckpoint = (payload: Uint8Array): Result<Checkpoint, DecodeError> =>
  decodeShape(checkpointShape, payload);

const LARGEST_HEADER = 128 * 1024;
const MAX_ACL_OPS = 10_000;
/** 256 devices with a session a month for more than five years. */
const MAX_SESSIONS = 16_384;
/** A gigabyte of history in bundles of a mebibyte. */
const MAX_BUNDLES = 1_024;

const checkpointShape = mapped(
  tuple(
    literal(1),
    array(
      mapped(tuple(bytes(16), bytes(32), uint(), bytes(32)), ([sess, devSig, seq, iid]): CoveredSession => ({
        sess,
        devSig,
        seq,
        iid,
      })),
      MAX_SESSIONS,
    ),
    array(
      mapped(
        tuple(bytes(32), array(tuple(uint(MAX_SESSIONS), uint(), uint()), MAX_SESSIONS, 1)),
        ([oid, ranges]): NamedBundle => ({ oid, ranges }),
      ),
      MAX_BUNDLES,
    ),
    array(
      mapped(tuple(bytesUpTo(LARGEST_HEADER), bytes(64)), ([header, sig]): SignedOp => ({ header, sig })),
      MAX_ACL_OPS,
    ),
    nullable(bytes(32)),
  ),
  ([, sessions, bundles, aclOps, previous]): Checkpoint => ({ sessions, bundles, aclOps, previous }),
);
