import { describe, expect, it } from "vitest";
import { saysTheSame } from "../../app/contacts/published-card.ts";
import { type ContactCard, deriveInboxKeys } from "../../protocol/identity/contact-card.ts";
import { formatContactLink } from "../../protocol/identity/contact-link.ts";
import { signIdentityOp, type VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { filled, native } from "../support/data-fixtures.ts";

const root = native.signingKey(filled(1, 32));
const [desk, laptop] = [native.signingKey(filled(2, 32)), native.signingKey(filled(3, 32))];
const added = (devSig: Uint8Array, before: VerifiedIdentityOp | undefined): VerifiedIdentityOp =>
  signIdentityOp(native, root, {
    idRoot: root.publicKey,
    parents: before === undefined ? [] : [before.id],
    gen: before === undefined ? 0 : before.gen + 1,
    ts: 0,
    body: { type: "addDevice", devSig, devEnc: filled(4, 32), manager: true },
  });
const first = added(desk.publicKey, undefined);
const second = added(laptop.publicKey, first);
const revoked = signIdentityOp(native, root, {
  idRoot: root.publicKey,
  parents: [second.id],
  gen: second.gen + 1,
  ts: 0,
  body: { type: "revokeDevice", devSig: desk.publicKey },
});
const inbox = deriveInboxKeys(native, filled(5, 32));
const card = (more: Partial<ContactCard> = {}): ContactCard => ({
  idRoot: root.publicKey,
  identityOps: [first, second],
  inboxSeed: inbox.seed,
  inboxEnc: inbox.encryption.publicKey,
  proxyHints: [],
  ...more,
});
const written = (more: Partial<ContactCard> = {}): string => formatContactLink(desk, { card: card(more), name: "Ada" });

describe("the own card in a notebook", () => {
  it("what another own device signed, with other hints and under an older name, is no news", () => {
    const byLaptop = formatContactLink(laptop, { card: card({ proxyHints: [filled(6, 40)] }), name: "A." });
    expect(byLaptop).not.toBe(written());
    expect(saysTheSame(native, byLaptop, card())).toBe(true);
    expect(saysTheSame(native, byLaptop, card({ identityOps: [first] }))).toBe(true);
  });

  it("a missing or broken card, another inbox and a step of the log that is missing are news", () => {
    expect(saysTheSame(native, undefined, card())).toBe(false);
    expect(saysTheSame(native, written().slice(0, -4), card())).toBe(false);
    expect(saysTheSame(native, written({ inboxSeed: filled(7, 32) }), card())).toBe(false);
    expect(saysTheSame(native, written({ inboxEnc: filled(7, 32) }), card())).toBe(false);
    expect(saysTheSame(native, written({ identityOps: [first] }), card())).toBe(false);
    expect(saysTheSame(native, written(), card({ identityOps: [first, second, revoked] }))).toBe(false);
    expect(saysTheSame(native, written(), card({ idRoot: filled(8, 32) }))).toBe(false);
  });
});
