import { describe, expect, it } from "vitest";
import {
  type AclCovers,
  checkLink,
  checkSpanChanges,
  expectedGen,
  forkProof,
  type SessionState,
  verifyForkProof,
} from "../../protocol/entry/chain.ts";
import { type RecordHeader, signRecord, type SignedRecord } from "../../protocol/entry/record.ts";
import { bytesEqual, bytesToHex } from "../../protocol/kernel/bytes.ts";
import { filled, native } from "../support/data-fixtures.ts";

const device = native.signingKey(filled(3, 32));
const other = native.signingKey(filled(4, 32));
const rid = filled(4, 16);
const sess = filled(5, 16);
const doc = filled(6, 16);

const link = (
  seq: number,
  prev: Uint8Array,
  more: Partial<RecordHeader> = {},
  by = device,
  payload = filled(seq, 3),
): SignedRecord =>
  signRecord(
    native,
    by,
    { rid, sess, seq, prev, parents: [], acl: [filled(1, 32)], gen: seq, parts: [], ts: 0, ...more },
    payload,
  );
const span = (aseqFrom: number, n: number): RecordHeader["parts"] => [
  { doc, aseqFrom, n, lastChangeHash: filled(9, 32) },
];

/** ACL ids here are equal bytes whose value is the op's height in a linear log. */
const covers: AclCovers = (later, earlier) =>
  Math.max(...later.map((id) => id[0] as number)) >= Math.max(...earlier.map((id) => id[0] as number));
const verdict = (state: SessionState | undefined, record: SignedRecord): string => {
  const found = checkLink(state, record, covers);
  return found.type === "broken" ? found.rule : found.type;
};
const extended = (state: SessionState | undefined, record: SignedRecord): SessionState => {
  const found = checkLink(state, record, covers);
  if (found.type !== "extends") throw new Error(found.type);
  return found.state;
};

const first = link(0, filled(0, 32), { parts: span(1, 2) });
const afterFirst = extended(undefined, first);
const second = link(1, first.iid, { parts: span(3, 1) });
const afterSecond = extended(afterFirst, second);

describe("I7 session chain", () => {
  it("SES-1 a session starts at 0 without a predecessor and continues link by link", () => {
    expect(afterSecond).toMatchObject({ seq: 1, iid: second.iid });
    expect(afterSecond.lastAseq.get(bytesToHex(doc))).toBe(3);
    expect(verdict(undefined, link(0, filled(1, 32)))).toBe("the first link has a predecessor");
  });

  it("SES-2 a gap or a link on an unknown branch waits", () => {
    expect(checkLink(undefined, second, covers)).toEqual({ type: "gap", expectedSeq: 0 });
    expect(verdict(afterFirst, link(2, second.iid))).toBe("gap");
    expect(verdict(afterFirst, link(1, filled(7, 32)))).toBe("gap");
  });

  it("SES-3 a second record for a taken number is a fork", () => {
    expect(checkLink(afterSecond, link(1, first.iid, {}, device, filled(9, 3)), covers)).toEqual({
      type: "fork",
      seq: 1,
    });
    expect(verdict(afterSecond, link(0, filled(0, 32), {}, device, filled(9, 3)))).toBe("fork");
  });

  it("SES-4 the device never changes and the ACL view never shrinks", () => {
    expect(verdict(afterFirst, link(1, first.iid, {}, other))).toBe("the device changed");
    expect(verdict(afterFirst, link(1, first.iid, { acl: [filled(0, 32)] }))).toBe("the ACL view shrank");
    expect(verdict(afterFirst, link(1, first.iid, { acl: [filled(2, 32)] }))).toBe("extends");
  });

  it("SES-5 change numbers of a document continue without gap or overlap", () => {
    for (const from of [1, 2, 4, 9])
      expect(verdict(afterFirst, link(1, first.iid, { parts: span(from, 1) }))).toBe("change numbers do not continue");
    expect(verdict(undefined, link(0, filled(0, 32), { parts: span(2, 1) }))).toBe("change numbers do not continue");
    expect(verdict(undefined, link(0, filled(0, 32), { parts: span(1, 0) }))).toBe("a span is empty");
  });

  it("SES-5 changes must be the session's own, in order and end in the signed hash", () => {
    const run = (firstSeq: number, count: number, actor = sess) => ({
      actor,
      firstSeq,
      count,
      lastHash: filled(firstSeq + count - 1, 32),
    });
    const [described] = span(3, 2).map((one) => ({ ...one, lastChangeHash: filled(4, 32) }));
    if (described === undefined) throw new Error("no span");
    const rule = (changes: ReturnType<typeof run>): string => {
      const checked = checkSpanChanges(sess, described, changes);
      return checked.ok ? "accepted" : checked.error.rule;
    };
    expect(rule(run(3, 2))).toBe("accepted");
    expect(rule(run(3, 1))).toBe("wrong number of changes");
    expect(rule(run(4, 2))).toBe("change numbers differ");
    expect(rule(run(3, 2, filled(1, 16)))).toBe("foreign actor");
    expect(checkSpanChanges(sess, { ...described, lastChangeHash: filled(1, 32) }, run(3, 2))).toMatchObject({
      error: { rule: "last change hash differs" },
    });
  });

  it("SES-6 gen is one more than the largest predecessor", () => {
    const gens = new Map([
      [bytesToHex(first.iid), 7],
      [bytesToHex(second.iid), 9],
    ]);
    const genOf = (iid: Uint8Array): number | undefined => gens.get(bytesToHex(iid));
    expect(expectedGen(first.header, genOf)).toBe(0);
    expect(expectedGen(second.header, genOf)).toBe(8);
    expect(expectedGen(link(2, second.iid, { parents: [first.iid] }).header, genOf)).toBe(10);
    expect(expectedGen(link(0, filled(0, 32), { parents: [second.iid] }).header, genOf)).toBe(10);
    expect(expectedGen(link(3, filled(8, 32)).header, genOf)).toBeUndefined();
  });
});

describe("fork proofs", () => {
  const twin = link(1, first.iid, {}, device, filled(9, 3));
  const proof = forkProof(second, twin);

  it("FRK-1 convinces anyone, whichever record came first", () => {
    if (proof === undefined) throw new Error("no proof");
    expect(forkProof(twin, second)).toEqual(proof);
    const fork = verifyForkProof(native, rid, proof);
    expect(fork).toMatchObject({ seq: 1, sess, devSig: device.publicKey });
    const [smaller, larger] = [second.iid, twin.iid].sort((a, b) => Buffer.compare(a, b)) as [Uint8Array, Uint8Array];
    expect(fork && bytesEqual(fork.winner, smaller) && bytesEqual(fork.loser, larger)).toBe(true);
  });

  it("FRK-2 cannot be made from honest or foreign records", () => {
    if (proof === undefined) throw new Error("no proof");
    expect(forkProof(first, second)).toBeUndefined();
    expect(forkProof(second, second)).toBeUndefined();
    expect(forkProof(second, link(1, first.iid, {}, other))).toBeUndefined();
    expect(verifyForkProof(native, filled(1, 16), proof)).toBeUndefined();
    expect(verifyForkProof(native, rid, { a: proof.b, b: proof.a })).toBeUndefined();
    expect(verifyForkProof(native, rid, { a: proof.a, b: proof.a })).toBeUndefined();
    expect(verifyForkProof(native, rid, { a: proof.a, b: { ...proof.b, isig: proof.a.isig } })).toBeUndefined();
    expect(verifyForkProof(native, rid, { a: { ...proof.a, headerBytes: filled(0, 9) }, b: proof.b })).toBeUndefined();
  });
});
