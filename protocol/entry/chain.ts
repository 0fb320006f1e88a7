import { bytesEqual, bytesToHex, compareBytes } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import {
  type DocSpan,
  type InnerRecord,
  readRecordHeader,
  recordId,
  type RecordHeader,
  type SignedRecord,
  verifyRecordHeader,
} from "./record.ts";

/** Last accepted link of a session. */
export interface SessionState {
  readonly devSig: Uint8Array;
  readonly seq: number;
  readonly iid: Uint8Array;
  readonly acl: readonly Uint8Array[];
  /** Last Automerge sequence number of this session per document (hex id). */
  readonly lastAseq: ReadonlyMap<string, number>;
}

/** What a record is to its session. Only `extends` may go on towards Automerge (invariant I7). */
export type ChainVerdict =
  | { readonly type: "extends"; readonly state: SessionState }
  /** Earlier links are missing, or `prev` names a branch we do not hold: keep the record pending. */
  | { readonly type: "gap"; readonly expectedSeq: number }
  /** A second record for a (session, seq) that is taken: equivocation, see `forkProof`. */
  | { readonly type: "fork"; readonly seq: number }
  | { readonly type: "broken"; readonly rule: ChainRule };

export type ChainRule =
  | "the first link has a predecessor"
  | "the device changed"
  | "the ACL view shrank"
  | "change numbers do not continue"
  | "a span is empty";

/** Whether the causal past of `later` contains all of `earlier` (ACL op ids). */
export type AclCovers = (later: readonly Uint8Array[], earlier: readonly Uint8Array[]) => boolean;

/**
 * Places a record in its session's chain (SPEC SES-1 to SES-6). `state` is the session's last accepted link, `undefined` for
 * a session not seen yet. Records already known by iid are not given to it.
 */
export const checkLink = (state: SessionState | undefined, record: SignedRecord, covers: AclCovers): ChainVerdict => {
  const { header, iid } = record;
  const expectedSeq = state === undefined ? 0 : state.seq + 1;
  if (header.seq < expectedSeq) return { type: "fork", seq: header.seq };
  if (header.seq > expectedSeq) return { type: "gap", expectedSeq };
  if (state === undefined) {
    if (header.prev.some((byte) => byte !== 0)) return broken("the first link has a predecessor");
  } else {
    if (!bytesEqual(header.devSig, state.devSig)) return broken("the device changed");
    if (!bytesEqual(header.prev, state.iid)) return { type: "gap", expectedSeq };
    if (!covers(header.acl, state.acl)) return broken("the ACL view shrank");
  }
  const lastAseq = new Map(state?.lastAseq);
  for (const span of header.parts) {
    const doc = bytesToHex(span.doc);
    if (span.n === 0) return broken("a span is empty");
    if (span.aseqFrom !== (lastAseq.get(doc) ?? 0) + 1) return broken("change numbers do not continue");
    lastAseq.set(doc, span.aseqFrom + span.n - 1);
  }
  return { type: "extends", state: { devSig: header.devSig, seq: header.seq, iid, acl: header.acl, lastAseq } };
};

/** `gen` a record must carry: 0 without predecessors, else one more than the largest; `undefined` while one is unknown. */
export const expectedGen = (
  header: RecordHeader,
  genOf: (iid: Uint8Array) => number | undefined,
): number | undefined => {
  let largest = -1;
  for (const iid of header.seq === 0 ? header.parents : [header.prev, ...header.parents]) {
    const gen = genOf(iid);
    if (gen === undefined) return undefined;
    if (gen > largest) largest = gen;
  }
  return largest + 1;
};

/** What preflight read from changes of one actor with consecutive numbers. */
export interface RunFacts {
  readonly actor: Uint8Array;
  readonly firstSeq: number;
  readonly count: number;
  readonly lastHash: Uint8Array;
}

export type SpanError = {
  readonly type: "SpanMismatch";
  readonly rule: "wrong number of changes" | "foreign actor" | "change numbers differ" | "last change hash differs";
};

/** Changes of a span must be the session's own, numbered as announced and end in the signed hash (SPEC SES-5). */
export const checkSpanChanges = (sess: Uint8Array, span: DocSpan, run: RunFacts): Result<undefined, SpanError> => {
  const mismatch = (rule: SpanError["rule"]): Result<never, SpanError> => err({ type: "SpanMismatch", rule });
  if (run.count !== span.n) return mismatch("wrong number of changes");
  if (!bytesEqual(run.actor, sess)) return mismatch("foreign actor");
  if (run.firstSeq !== span.aseqFrom) return mismatch("change numbers differ");
  return bytesEqual(run.lastHash, span.lastChangeHash) ? ok(undefined) : mismatch("last change hash differs");
};

/** Two signed headers of one device for the same (session, seq); `a` has the smaller iid. Convinces anyone. */
export interface ForkProof {
  readonly a: SignedHeader;
  readonly b: SignedHeader;
}
export interface SignedHeader {
  readonly headerBytes: Uint8Array;
  readonly isig: Uint8Array;
}

/** What a valid proof establishes: entries of `sess` from `seq` on are disputed, `winner` is the branch that may survive. */
export interface Fork {
  readonly sess: Uint8Array;
  readonly devSig: Uint8Array;
  readonly seq: number;
  readonly winner: Uint8Array;
  readonly loser: Uint8Array;
}

/** Proof from two records, ordered by iid; `undefined` when they do not contradict each other. */
export const forkProof = (one: InnerRecord, two: InnerRecord): ForkProof | undefined => {
  if (!contradict(one.header, two.header) || bytesEqual(one.iid, two.iid)) return undefined;
  const [a, b] = compareBytes(one.iid, two.iid) < 0 ? [one, two] : [two, one];
  return { a: { headerBytes: a.headerBytes, isig: a.isig }, b: { headerBytes: b.headerBytes, isig: b.isig } };
};

/** Checks a proof from anywhere; `undefined` when it proves nothing about repository `rid`. */
export const verifyForkProof = (crypto: CryptoProvider, rid: Uint8Array, proof: ForkProof): Fork | undefined => {
  const a = readRecordHeader(proof.a.headerBytes);
  const b = readRecordHeader(proof.b.headerBytes);
  if (!a.ok || !b.ok) return undefined;
  const [first, second] = [a.value.header, b.value.header];
  const [winner, loser] = [recordId(crypto, proof.a.headerBytes), recordId(crypto, proof.b.headerBytes)];
  if (!contradict(first, second) || !bytesEqual(first.rid, rid) || compareBytes(winner, loser) >= 0) return undefined;
  if (!verifyRecordHeader(crypto, first, proof.a.headerBytes, proof.a.isig)) return undefined;
  if (!verifyRecordHeader(crypto, second, proof.b.headerBytes, proof.b.isig)) return undefined;
  return { sess: first.sess, devSig: first.devSig, seq: first.seq, winner, loser };
};

const contradict = (one: RecordHeader, two: RecordHeader): boolean =>
  one.seq === two.seq &&
  bytesEqual(one.sess, two.sess) &&
  bytesEqual(one.devSig, two.devSig) &&
  bytesEqual(one.rid, two.rid);

const broken = (rule: ChainRule): ChainVerdict => ({ type: "broken", rule });
