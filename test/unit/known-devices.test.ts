import { describe, expect, it } from "vitest";
import { isCurrentDevice, newestCard } from "../../app/contacts/known-devices.ts";
import { type ContactCard, deriveInboxKeys } from "../../protocol/identity/contact-card.ts";
import type { IdentityOpBody, VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { filled, native } from "../support/data-fixtures.ts";

const root = native.signingKey(filled(1, 32));
const [desk, lost] = [native.signingKey(filled(2, 32)), native.signingKey(filled(3, 32))];
const log: VerifiedIdentityOp[] = [];
const step = (body: IdentityOpBody, author = root): VerifiedIdentityOp => {
  const before = log.at(-1);
  const op = signIdentityOp(native, author, {
    idRoot: root.publicKey,
    parents: before === undefined ? [] : [before.id],
    gen: log.length,
    ts: 0,
    body,
  });
  log.push(op);
  return op;
};
const added = (devSig: Uint8Array): VerifiedIdentityOp =>
  step({ type: "addDevice", devSig, devEnc: filled(4, 32), manager: true });
const both = [added(desk.publicKey), added(lost.publicKey)];
const revocation = step({ type: "revokeDevice", devSig: lost.publicKey });
const card = (identityOps: readonly VerifiedIdentityOp[], inbox: number): ContactCard => {
  const keys = deriveInboxKeys(native, filled(inbox, 32));
  const inboxEnc = keys.encryption.publicKey;
  return { idRoot: root.publicKey, identityOps, inboxSeed: keys.seed, inboxEnc, proxyHints: [] };
};

describe("devices of other people", () => {
  it("IDC-3 a device counts until its revocation was heard of, whoever leaves it out", () => {
    expect(isCurrentDevice(root.publicKey, lost.publicKey, both)).toBe(true);
    expect(isCurrentDevice(root.publicKey, lost.publicKey, [...both, revocation])).toBe(false);
    expect(isCurrentDevice(root.publicKey, lost.publicKey, [...both, ...both, revocation])).toBe(false);
    expect(isCurrentDevice(root.publicKey, desk.publicKey, [...both, revocation])).toBe(true);
    expect(isCurrentDevice(root.publicKey, filled(9, 32), both)).toBe(false);
  });

  it("IDC-3 a card by a revoked device loses to one by a device that is left, however many steps it lists", () => {
    const old = { card: card([...both, ...both, ...both], 5), signer: lost.publicKey };
    const kept = { card: card(both, 6), signer: desk.publicKey };
    expect(newestCard(root.publicKey, [old, kept], [])).toBe(old.card);
    expect(newestCard(root.publicKey, [old, kept], [revocation])).toBe(kept.card);
    expect(newestCard(root.publicKey, [old], [...both, revocation])).toBeUndefined();
    const fresh = { card: card([...both, revocation], 7), signer: desk.publicKey };
    expect(newestCard(root.publicKey, [old, kept, fresh], [])).toBe(fresh.card);
    expect(newestCard(root.publicKey, [kept, { ...fresh, signer: null }], [])).toBe(fresh.card);
    expect(newestCard(root.publicKey, [], [])).toBeUndefined();
  });

  it("IDC-3 steps that do not count make no card newer", () => {
    const stray = signIdentityOp(native, lost, {
      idRoot: root.publicKey,
      parents: [filled(8, 32)],
      gen: 1,
      ts: 0,
      body: { type: "addDevice", devSig: filled(7, 32), devEnc: filled(7, 32), manager: false },
    });
    const padded = { card: card([both[0] as VerifiedIdentityOp, stray], 5), signer: desk.publicKey };
    const whole = { card: card(both, 6), signer: desk.publicKey };
    expect(newestCard(root.publicKey, [padded, whole], [])).toBe(whole.card);
  });
});
