import { describe, expect, it } from "vitest";
import { type AclBody, readAclOp, type VerifiedAclOp } from "../../protocol/acl/acl-op.ts";
import { type CborValue, decodeCbor, encodeCbor } from "../../protocol/codec/cbor.ts";
import { type EntryNode, judgeEntries } from "../../protocol/acl/valid-entries.ts";
import { forkProof } from "../../protocol/entry/chain.ts";
import { signRecord } from "../../protocol/entry/record.ts";
import { signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { DEFAULT_POLICY, encodePolicy, readPolicy } from "../../protocol/acl/policy.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { createWorld, epochFor, person, type Person, sealsFor } from "../support/acl-world.ts";
import { filled, must, native, withFlippedBit } from "../support/data-fixtures.ts";

const [O, A, M, W, V, X] = ["O", "A", "M", "W", "V", "X"].map(person) as [
  Person,
  Person,
  Person,
  Person,
  Person,
  Person,
];
const world = createWorld(O);
const { genesis, op, set, state, roles } = world;
const a1 = set(O, [genesis], A, 3);
const a2 = set(O, [a1], M, 3);
const a3 = set(A, [a2], W, 2);
const base = [genesis, a1, a2, a3];
const removal = (
  by: Person,
  parents: readonly VerifiedAclOp[],
  who: Person,
  to: readonly Person[],
  eid = 1,
  more: { readonly cuts?: [Uint8Array, number][]; readonly eparents?: number[] } = {},
) =>
  op(by, parents, {
    type: "remove",
    who: [who.id],
    cuts: more.cuts ?? [],
    epoch: epochFor(eid, more.eparents ?? [0], to),
  });
const valid = (ops: readonly VerifiedAclOp[], one: VerifiedAclOp): string | undefined => state(ops).verdictOf(one.id);
const heads = (ops: readonly VerifiedAclOp[]): string =>
  state(ops)
    .epochHeads.map(({ body }) => new DataView(body.eid.buffer, body.eid.byteOffset).getUint32(0))
    .join(" ");

describe("ACL ops", () => {
  const invite: AclBody = {
    type: "invite",
    invPk: X.device.publicKey,
    mode: "auto",
    role: 2,
    maxUses: 1,
    expires: 9,
    rvTopicPk: filled(3, 32),
    seals: sealsFor([A]),
  };
  const record = (payload: number) =>
    signRecord(
      native,
      A.device,
      {
        rid: world.rid,
        sess: filled(5, 16),
        seq: 1,
        prev: filled(1, 32),
        parents: [],
        acl: [],
        gen: 1,
        parts: [],
        ts: 0,
      },
      filled(payload, 3),
    );
  const proof = forkProof(record(1), record(2));
  if (proof === undefined) throw new Error("no proof");
  const bodies: readonly AclBody[] = [
    {
      type: "set",
      who: W.id,
      role: 1,
      identityOps: W.log,
      seals: sealsFor([W]),
      cuts: [[filled(1, 16), 4]],
      epoch: epochFor(2, [0], [O]),
    },
    { type: "set", who: W.id, role: 3, identityOps: [], seals: [], cuts: null, epoch: null },
    { type: "remove", who: [W.id, M.id], cuts: [[filled(1, 16), 4]], epoch: epochFor(2, [0], [O]) },
    { type: "devices", identityOps: A.log, cuts: [] },
    { type: "epoch", epoch: epochFor(2, [0], [O]) },
    { type: "reseal", eid: filled(1, 16), seals: sealsFor([W]) },
    invite,
    { ...invite, mode: "ask", role: 1, seals: [] },
    { type: "uninvite", invite: filled(1, 32) },
    { type: "join", invite: filled(1, 32), who: A.id, identityOps: A.log, invSig: filled(1, 64) },
    { type: "leave", cuts: [] },
    { type: "policy", policy: [1, "x", [null, true]] },
    { type: "transfer", newOwner: A.id },
    { type: "freeze", sess: filled(5, 16), proof },
  ];

  it("ACO-1 all thirteen bodies survive", () => {
    expect(new Set(["genesis", ...bodies.map((body) => body.type)]).size).toBe(13);
    expect(must(readAclOp(native, genesis.headerBytes, genesis.sig))).toEqual(genesis);
    for (const body of bodies) {
      const signed = op(A, [a3], body);
      expect(must(readAclOp(native, signed.headerBytes, signed.sig)), body.type).toEqual(signed);
    }
  });

  it("ACO-1 every single-bit change is refused", () => {
    const { headerBytes, sig } = set(O, [genesis], A, 3);
    for (let bit = 0; bit < headerBytes.length * 8; bit += 3)
      expect(readAclOp(native, withFlippedBit(headerBytes, bit), sig).ok).toBe(false);
    expect(readAclOp(native, headerBytes, withFlippedBit(sig, 5))).toEqual({
      ok: false,
      error: { type: "DeviceSignatureInvalid" },
    });
  }, 60_000);

  it("ACO-2 refuses unknown bodies, roles out of range, foreign identity ops and proofs that prove nothing", () => {
    const resigned = (change: (header: CborValue[]) => void): string => {
      const header = [...(must(decodeCbor(a1.headerBytes)) as readonly CborValue[])];
      change(header);
      const headerBytes = encodeCbor(header);
      const read = readAclOp(
        native,
        headerBytes,
        O.device.sign(Buffer.concat([Buffer.from("p2pc/acl/1\0"), headerBytes])),
      );
      return read.ok ? "accepted" : read.error.type === "DecodeError" ? read.error.rule : read.error.type;
    };
    const identityOps = A.log.map(({ headerBytes, sig }) => [headerBytes, sig]);
    expect(resigned(() => {})).toBe("accepted");
    expect(resigned((header) => (header[7] = [13, 0]))).toBe("unknown tag 13");
    for (const role of [0, 4])
      expect(resigned((header) => (header[7] = [1, A.id, role, [], [], null, null]))).not.toBe("accepted");
    expect(resigned((header) => (header[7] = [1, W.id, 2, identityOps, [], null, null]))).toBe(
      "op of another identity",
    );
    expect(
      resigned(
        (header) =>
          (header[7] = [12, filled(1, 16), proof.a.headerBytes, proof.a.isig, proof.a.headerBytes, proof.a.isig]),
      ),
    ).toBe("ForkProofInvalid");
    for (const [member, value] of [
      [1, new Uint8Array(16)],
      [2, []],
      [5, 0],
    ] as [number, CborValue][]) {
      expect(resigned((header) => (header[member] = value))).toBe(
        "rid, parents and gen are empty in genesis and nowhere else",
      );
    }
  });

  it("ACL-1 ops wait for their parents; foreign, misnumbered and repeated ones are told apart", () => {
    const log = world.log([genesis]);
    expect(log.add(a3)).toEqual({ type: "pending" });
    expect(log.missing().map(bytesToHex)).toEqual([bytesToHex(a2.id)]);
    expect(log.add(a2)).toEqual({ type: "pending" });
    expect(log.add(a1)).toEqual({ type: "added", ops: [a1, a2, a3] });
    expect(log.add(a1)).toEqual({ type: "known" });
    expect(log.add(op(O, [a3], { type: "leave", cuts: [] }, { gen: 9 }))).toEqual({
      type: "refused",
      rule: "wrong gen",
    });
    const other = createWorld(A);
    expect(log.add(other.genesis)).toEqual({ type: "refused", rule: "foreign repository" });
    expect(log.covers([a3.id], [a1.id, a2.id])).toBe(true);
    expect(log.covers([a1.id], [a2.id])).toBe(false);
  });
});

describe("roles", () => {
  it("ACL-3 the owner makes admins, admins make writers and readers", () => {
    expect(roles(base, "O A M W X")).toBe("O4 A3 M3 W2 X0");
    expect(roles([...base, set(A, [a3], W, 3)], "W")).toBe("W2");
    expect(roles([...base, set(W, [a3], X, 1)], "X")).toBe("X0");
    expect(roles([...base, removal(W, [a3], A, [O, M, W])], "A")).toBe("A3");
  });

  it("I15 ACL-4 admins touch neither admins nor the owner", () => {
    for (const target of [A, O, M])
      expect(valid([...base, removal(M, [a3], target, [])], removal(M, [a3], target, []))).toBe("unauthorised");
    expect(roles([...base, removal(M, [a3], A, []), removal(M, [a3], O, [])], "O A M")).toBe("O4 A3 M3");
  });

  it("I14 ACL-4 acts of an admin concurrent with its removal have no effect, also through an accomplice", () => {
    const removed = removal(O, [a3], M, [O, A, W]);
    const backdated = removal(M, [a3], W, [O, A, M]);
    const accomplice = set(M, [backdated], X, 2);
    expect(roles([...base, backdated, accomplice], "W X")).toBe("W0 X2");
    expect(roles([...base, removed, backdated, accomplice], "M W X")).toBe("M0 W2 X0");
    expect(valid([...base, removed, backdated], backdated)).toBe("overruled");
    expect(roles([...base, backdated, removal(O, [backdated], M, [O, A])], "M W")).toBe("M0 W0");
  });

  it("ACL-4 an admin's act on someone the owner raises meanwhile falls", () => {
    const raised = set(O, [a3], W, 3);
    const removed = removal(A, [a3], W, [O, A, M]);
    expect(roles([...base, raised, removed], "W")).toBe("W3");
    expect(valid([...base, raised, removed], removed)).toBe("overruled");
  });

  it("ACL-5 among concurrent ops the lowest role wins", () => {
    expect(roles([...base, removal(A, [a3], W, [O, A, M]), set(M, [a3], W, 2)], "W")).toBe("W0");
    expect(roles([...base, set(A, [a3], W, 1), set(M, [a3], W, 2)], "W")).toBe("W1");
  });

  it("I18 ACL-5 a re-add counts only causally after the removal", () => {
    const removed = removal(A, [a3], W, [O, A, M]);
    expect(roles([...base, removed, set(M, [removed], W, 1)], "W")).toBe("W1");
    expect(roles([...base, removed, set(M, [a3], W, 1)], "W")).toBe("W0");
  });

  it("ACL-5 leaving works for everyone but the owner", () => {
    const leaves = [A, W, O].map((who) => op(who, [a3], { type: "leave", cuts: [] }));
    expect(roles([...base, ...leaves], "O A M W")).toBe("O4 A0 M3 W0");
  });

  it("ACL-4 leaving does not overrule one's own concurrent acts", () => {
    const left = op(A, [a3], { type: "leave", cuts: [] });
    expect(roles([...base, left, set(A, [a3], X, 2)], "A X")).toBe("A0 X2");
    expect(roles([...base, left, set(A, [left], X, 2)], "A X")).toBe("A0 X0");
  });

  it("ACL-2 ownership moves by transfer; of two concurrent ones the first in (gen, id) counts and the owner is flagged", () => {
    const toA = op(O, [a3], { type: "transfer", newOwner: A.id });
    expect(roles([...base, toA], "O A M")).toBe("O3 A4 M3");
    expect(roles([...base, toA, removal(A, [toA], O, [A, M, W])], "O A")).toBe("O0 A4");
    expect(roles([...base, toA, set(O, [toA], X, 3)], "X")).toBe("X0");
    expect(
      valid(
        [...base, op(A, [a3], { type: "transfer", newOwner: A.id })],
        op(A, [a3], { type: "transfer", newOwner: A.id }),
      ),
    ).toBe("unauthorised");
    const toM = op(O, [a3], { type: "transfer", newOwner: M.id });
    const both = state([...base, toA, toM]);
    const winner = bytesToHex(toA.id) < bytesToHex(toM.id) ? A : M;
    expect(bytesToHex(both.owner)).toBe(bytesToHex(winner.id));
    expect(both.ownerEquivocated).toBe(true);
    expect(state([...base, toA]).ownerEquivocated).toBe(false);
  });
});

describe("invites", () => {
  const key = person("invite").device;
  const invite = (mode: "ask" | "auto", maxUses: number, by = A) =>
    op(by, [a3], {
      type: "invite",
      invPk: key.publicKey,
      mode,
      role: 2,
      maxUses,
      expires: 0,
      rvTopicPk: filled(1, 32),
      seals: [],
    });
  const auto = invite("auto", 1);

  it("ACL-6 a join with the invite's signature admits, others do not", () => {
    expect(roles([...base, auto, world.join(X, [auto], auto, key)], "X")).toBe("X2");
    expect(roles([...base, auto, world.join(X, [auto], auto, X.device)], "X")).toBe("X0");
    expect(roles([...base, auto, world.join(X, [a3], auto, key)], "X")).toBe("X0");
    const asked = invite("ask", 1);
    expect(roles([...base, asked, world.join(X, [asked], asked, key)], "X")).toBe("X0");
    const byWriter = invite("auto", 1, W);
    expect(roles([...base, byWriter, world.join(X, [byWriter], byWriter, key)], "X")).toBe("X0");
  });

  it("ACL-6 only the first uses count, in (gen, id) order", () => {
    const joins = [X, V].map((who) => world.join(who, [auto], auto, key));
    const first = [...joins].sort((a, b) => (bytesToHex(a.id) < bytesToHex(b.id) ? -1 : 1))[0];
    const found = state([...base, auto, ...joins]);
    expect(joins.map(({ id }) => found.verdictOf(id)).filter((verdict) => verdict === "valid").length).toBe(1);
    expect(first && found.verdictOf(first.id)).toBe("valid");
    const twice = invite("auto", 2);
    expect(roles([...base, twice, ...[X, V].map((who) => world.join(who, [twice], twice, key))], "X V")).toBe("X2 V2");
  });

  it("ACL-6 withdrawing stops joins that do not precede it", () => {
    const joined = world.join(X, [auto], auto, key);
    const withdrawn = (parents: readonly VerifiedAclOp[]) => op(O, parents, { type: "uninvite", invite: auto.id });
    expect(roles([...base, auto, joined, withdrawn([auto])], "X")).toBe("X0");
    expect(roles([...base, auto, joined, withdrawn([joined])], "X")).toBe("X2");
  });

  it("ACL-6 a join neither lowers a member nor readmits one removed concurrently", () => {
    expect(roles([...base, auto, world.join(M, [auto], auto, key)], "M")).toBe("M3");
    const joined = world.join(X, [auto], auto, key);
    expect(roles([...base, auto, joined, removal(O, [auto], X, [O, A, M, W])], "X")).toBe("X0");
  });
});

describe("epochs", () => {
  it("ACL-8 a removal's epoch becomes the head, concurrent removals give two", () => {
    expect(heads(base)).toBe("0");
    expect(heads([...base, removal(A, [a3], W, [O, A, M])])).toBe("1");
    const c0 = set(A, [a3], V, 2);
    const k1 = removal(A, [c0], W, [O, A, M, V], 1);
    const k2 = removal(M, [c0], V, [O, A, M, W], 2);
    expect(heads([...base, c0, k1, k2])).toBe(bytesToHex(k1.id) < bytesToHex(k2.id) ? "1 2" : "2 1");
    expect(state([...base, c0, k1, k2]).stale).toBe(false);
    const joined = op(O, [k1, k2], { type: "epoch", epoch: epochFor(3, [1, 2], [O, A, M]) });
    expect(heads([...base, c0, k1, k2, joined])).toBe("3");
  });

  it("ACL-8 an epoch that leaves someone out, slips someone in or invents parents is ignored", () => {
    const rotate = (to: readonly Person[], eparents: number[], by = W) =>
      op(by, [a3], { type: "epoch", epoch: epochFor(5, eparents, to) });
    const everyone = [O, A, M, W];
    expect(heads([...base, rotate(everyone, [0])])).toBe("5");
    for (const wrong of [
      rotate([O, A, M], [0]),
      rotate([...everyone, X], [0]),
      rotate(everyone, [7]),
      rotate(everyone, []),
      rotate(everyone, [0], X),
    ]) {
      expect(heads([...base, wrong])).toBe("0");
      expect(valid([...base, wrong], wrong)).toBe("unauthorised");
    }
    const slipped = removal(A, [a3], W, [O, A, M, W]);
    expect(roles([...base, slipped], "W")).toBe("W0");
    expect(heads([...base, slipped])).toBe("0");
    const writerDemoted = [rotate(everyone, [0]), set(A, [a3], W, 1)];
    expect(heads([...base, ...writerDemoted])).toBe("0");
  });

  it("ACL-8 the head is stale while someone without rights can derive it", () => {
    const rotated = op(O, [a3], { type: "epoch", epoch: epochFor(5, [0], [O, A, M, W]) });
    expect(state([...base, rotated]).stale).toBe(false);
    const left = op(W, [rotated], { type: "leave", cuts: [] });
    expect(state([...base, rotated, left]).stale).toBe(true);
    expect(
      state([...base, rotated, left, op(A, [left], { type: "epoch", epoch: epochFor(6, [5], [O, A, M]) })]).stale,
    ).toBe(false);
    const added = set(O, [rotated], X, 1, { seals: sealsFor([X]) });
    const gone = op(X, [added], { type: "leave", cuts: [] });
    expect(state([...base, rotated, added]).stale).toBe(false);
    expect(state([...base, rotated, added, gone]).stale).toBe(true);
    const invite = op(A, [rotated], {
      type: "invite",
      invPk: X.device.publicKey,
      mode: "auto",
      role: 2,
      maxUses: 1,
      expires: 0,
      rvTopicPk: filled(1, 32),
      seals: sealsFor([X]),
    });
    const withdrawn = op(A, [invite], { type: "uninvite", invite: invite.id });
    expect(state([...base, rotated, invite]).stale).toBe(false);
    expect(state([...base, rotated, invite, withdrawn]).stale).toBe(true);
  });

  it("ACL-8 the head is stale while someone can derive it by an op that came to nothing", () => {
    const everyone = [O, A, M, W];
    const rotated = op(O, [a3], { type: "epoch", epoch: epochFor(5, [0], everyone) });
    const demoted = set(O, [rotated], A, 1);
    const known = [...base, rotated, demoted];
    expect(state(known).stale).toBe(false);

    const inviteKey = native.signingKey(filled(9, 32));
    const invite = op(A, [rotated], {
      type: "invite",
      invPk: inviteKey.publicKey,
      mode: "auto",
      role: 2,
      maxUses: 1,
      expires: 0,
      rvTopicPk: filled(1, 32),
      seals: sealsFor([X]),
    });
    const admitted = set(A, [rotated], X, 2, { seals: sealsFor([X]) });
    const resealed = op(A, [demoted], { type: "reseal", eid: epochFor(5, [], []).eid, seals: sealsFor([X]) });
    const refused = op(A, [rotated], { type: "epoch", epoch: epochFor(6, [5], [...everyone, X]) });
    const overruled = op(A, [rotated], { type: "epoch", epoch: epochFor(7, [5], everyone) });
    const built = op(A, [overruled], { type: "epoch", epoch: epochFor(8, [7], [V]) });
    const ofOverruled = op(A, [overruled], { type: "reseal", eid: epochFor(7, [], []).eid, seals: sealsFor([V]) });
    expect(state([...known, overruled]).stale).toBe(false);
    const joined = world.join(X, [invite], invite, inviteKey);
    for (const given of [
      [admitted],
      [resealed],
      [refused],
      [overruled, built],
      [overruled, ofOverruled],
      [invite],
      [invite, joined],
    ]) {
      const ops = [...known, ...given];
      expect(given.map((one) => valid(ops, one))).not.toContain("valid");
      expect(state(ops).stale).toBe(true);
      const after = op(O, [demoted, ...given], { type: "epoch", epoch: epochFor(9, [5], everyone) });
      expect(state([...ops, after]).stale).toBe(false);
    }
  });

  it("ACL-8 who cannot derive the head cannot make it stale", () => {
    const everyone = [O, A, M, W];
    const rotated = op(O, [a3], { type: "epoch", epoch: epochFor(5, [0], everyone) });
    const known = [...base, rotated];
    for (const given of [
      set(X, [rotated], V, 2, { seals: sealsFor([V]), identityOps: [...X.log, ...V.log] }),
      op(X, [rotated], { type: "reseal", eid: epochFor(5, [], []).eid, seals: sealsFor([V]) }),
      op(X, [rotated], { type: "epoch", epoch: epochFor(6, [5], [V]) }),
    ])
      expect(state([...known, given]).stale).toBe(false);
    const beside = op(A, [a3], { type: "epoch", epoch: epochFor(6, [7], [...everyone, X]) });
    expect(state([...known, beside]).stale).toBe(false);
  });
});

describe("entries", () => {
  const entry = (
    name: string,
    by: Person,
    sess: number,
    seq: number,
    acl: readonly VerifiedAclOp[],
    past: readonly EntryNode[] = [],
    device = by.device,
  ): EntryNode => ({
    iid: native.hash("SHA256", Buffer.from(name)),
    devSig: device.publicKey,
    sess: filled(sess, 16),
    seq,
    acl: acl.map(({ id }) => id),
    past: past.map(({ iid }) => iid),
  });
  const verdicts = (ops: readonly VerifiedAclOp[], entries: readonly EntryNode[]): string => {
    const judged = judgeEntries(state(ops), entries);
    return entries.map(({ iid }) => judged.get(bytesToHex(iid))).join(" ");
  };

  it("I16 ACL-11 ACL-12 beyond a cut an entry is void unless an allowed one was built on it", () => {
    const removed = removal(O, [a3], M, [O, A, W], 1, { cuts: [[filled(1, 16), 4]] });
    const m4 = entry("m4", M, 1, 4, [a3]);
    const m5 = entry("m5", M, 1, 5, [a3], [m4]);
    const m6 = entry("m6", M, 1, 6, [a3], [m5]);
    const w1 = entry("w1", W, 2, 1, [a3], [m5]);
    const m7 = entry("m7", M, 1, 7, [removed], [m6]);
    const x = entry("x", X, 3, 0, [removed], [m6]);
    expect(verdicts([...base, removed], [m4, m5, m6, w1, m7, x])).toBe("valid adopted void valid void void");
    expect(verdicts(base, [m4, m5, m6, w1])).toBe("valid valid valid valid");
    expect(verdicts([...base, removed], [entry("other", M, 9, 0, [a3])])).toBe("void");
  });

  it("ACL-11 readers, strangers and unknown ACL ops do not count; several cuts take the minimum", () => {
    const reader = set(A, [a3], V, 1);
    expect(
      verdicts(
        [...base, reader],
        [entry("v", V, 1, 0, [reader]), entry("x", X, 1, 0, [reader]), entry("w", W, 1, 0, [reader])],
      ),
    ).toBe("void void valid");
    expect(state(base).rightOf(entry("w", W, 1, 0, [reader]))).toEqual({ type: "unknownAcl" });
    const one = removal(A, [a3], W, [O, A, M], 1, { cuts: [[filled(1, 16), 9]] });
    const two = removal(M, [a3], W, [O, A, M], 2, { cuts: [[filled(1, 16), 3]] });
    expect(verdicts([...base, one, two], [entry("w3", W, 1, 3, [a3]), entry("w4", W, 1, 4, [a3])])).toBe("valid void");
    expect(state(base).rightOf(entry("w", W, 1, 0, [a3]))).toEqual({ type: "allowed", author: W.id });
  });

  it("I19 ACL-7 a revoked device is cut, the identity's other devices are not", () => {
    const [first] = W.log;
    if (first === undefined) throw new Error("no log");
    const identityOp = (parents: typeof W.log, body: Parameters<typeof signIdentityOp>[2]["body"]) =>
      signIdentityOp(native, W.root, {
        idRoot: W.id,
        parents: parents.map(({ id }) => id),
        gen: parents.length === 0 ? 0 : Math.max(...parents.map(({ gen }) => gen)) + 1,
        ts: 0,
        body,
      });
    const addSecond = identityOp([first], {
      type: "addDevice",
      devSig: W.second.publicKey,
      devEnc: filled(2, 32),
      manager: true,
    });
    const revokeFirst = identityOp([addSecond], { type: "revokeDevice", devSig: W.device.publicKey });
    const added = op(W, [a3], { type: "devices", identityOps: [first, addSecond], cuts: [] });
    const revoked = op(
      W,
      [added],
      { type: "devices", identityOps: [first, addSecond, revokeFirst], cuts: [[filled(1, 16), 2]] },
      { device: W.second },
    );
    const entries = [
      entry("w2", W, 1, 2, [added]),
      entry("w3", W, 1, 3, [added]),
      entry("s", W, 2, 0, [added], [], W.second),
      entry("later", W, 2, 1, [revoked], [], W.second),
      entry("dead", W, 1, 4, [revoked]),
    ];
    expect(verdicts([...base, added, revoked], entries)).toBe("valid void valid valid void");
    expect(verdicts([...base, added], entries.slice(0, 3))).toBe("valid valid valid");
    const byItself = op(W, [added], { type: "devices", identityOps: [first, addSecond, revokeFirst], cuts: [] });
    expect(valid([...base, added, byItself], byItself)).toBe("unauthorised");
    const thief = op(W, [added], { type: "reseal", eid: filled(1, 16), seals: [] });
    expect(valid([...base, added, thief], thief)).toBe("valid");
    expect(valid([...base, added, thief, revoked], thief)).toBe("unauthorised");
  });

  it("ACL-11 claiming someone else's device neither steals nor harms its entries", () => {
    const claim = signIdentityOp(native, X.root, {
      idRoot: X.id,
      parents: [],
      gen: 0,
      ts: 0,
      body: { type: "addDevice", devSig: W.device.publicKey, devEnc: filled(2, 32), manager: true },
    });
    const admitted = set(A, [a3], X, 1, { identityOps: [claim] });
    expect(state([...base, admitted]).rightOf(entry("w", W, 1, 0, [admitted]))).toEqual({
      type: "allowed",
      author: W.id,
    });
  });

  it("ACL-9 of concurrent policies the last in (gen, id) counts, and only an admin or the owner sets one", () => {
    const [one, two] = [op(O, [a3], { type: "policy", policy: [1] }), op(A, [a3], { type: "policy", policy: [2] })];
    const last = bytesToHex(one.id) < bytesToHex(two.id) ? two : one;
    expect(state([...base, one, two]).policy).toEqual(last.body.type === "policy" ? last.body.policy : undefined);
    const byWriter = op(W, [a3], { type: "policy", policy: [3] });
    expect(state([...base, byWriter]).policy).toEqual([]);
    expect(state([...base, byWriter]).verdictOf(byWriter.id)).toBe("unauthorised");
  });

  it("ACP-1 a policy survives, keeps members of later versions, and anything else counts as the default", () => {
    const strict = { automaticInvites: false, attachmentBytes: 1_000 };
    expect(readPolicy(encodePolicy(strict, []))).toEqual(strict);
    expect(encodePolicy(strict, [0, 7, "later", [1]])).toEqual([1, 1_000, "later", [1]]);
    for (const odd of [[], ["x", -1], [2, 1.5], [null, "many"], [0, 2 ** 60]])
      expect(readPolicy(odd), String(odd)).toEqual(DEFAULT_POLICY);
  });

  it("ACL-13 a fork voids both branches from there on; the smaller one survives when adopted", () => {
    const record = (seq: number, prev: Uint8Array, payload: number) =>
      signRecord(
        native,
        W.device,
        { rid: world.rid, sess: filled(1, 16), seq, prev, parents: [], acl: [a3.id], gen: seq, parts: [], ts: 0 },
        filled(payload, 3),
      );
    const r0 = record(0, filled(0, 32), 0);
    const [small, large] = [record(1, r0.iid, 1), record(1, r0.iid, 2)].sort((a, b) =>
      Buffer.compare(a.iid, b.iid),
    ) as [typeof r0, typeof r0];
    const proof = forkProof(small, large);
    if (proof === undefined) throw new Error("no proof");
    const frozen = op(A, [a3], { type: "freeze", sess: filled(1, 16), proof });
    const node = (from: typeof r0, past: readonly Uint8Array[]): EntryNode => ({
      iid: from.iid,
      devSig: W.device.publicKey,
      sess: filled(1, 16),
      seq: from.header.seq,
      acl: [a3.id],
      past,
    });
    const [n0, nSmall, nLarge] = [node(r0, []), node(small, [r0.iid]), node(large, [r0.iid])];
    const onSmall = entry("on small", A, 3, 0, [a3], [nSmall]);
    const onLarge = entry("on large", A, 4, 0, [a3], [nLarge]);
    expect(verdicts([...base, frozen], [n0, nSmall, nLarge])).toBe("valid void void");
    expect(verdicts([...base, frozen], [n0, nSmall, nLarge, onSmall])).toBe("valid adopted void valid");
    expect(verdicts([...base, frozen], [n0, nSmall, nLarge, onLarge])).toBe("valid void void void");
    expect(verdicts(base, [n0, nSmall, nLarge])).toBe("valid valid valid");
  });
});
