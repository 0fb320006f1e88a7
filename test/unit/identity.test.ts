import { describe, expect, it } from "vitest";
import { decodeCbor, encodeCbor, type CborValue } from "../../protocol/codec/cbor.ts";
import { createPhrase, parsePhrase, phraseSeed } from "../../protocol/crypto/phrase.ts";
import { type ContactCard, encodeContactCard, readContactCard } from "../../protocol/identity/contact-card.ts";
import { formatContactLink, parseContactLink } from "../../protocol/identity/contact-link.ts";
import { evaluateIdentity, type IdentityState } from "../../protocol/identity/identity-log.ts";
import {
  type IdentityOpBody,
  identityOpWire,
  readIdentityOp,
  signIdentityOp,
  type VerifiedIdentityOp,
} from "../../protocol/identity/identity-op.ts";
import { deriveRootKey, verificationDigits } from "../../protocol/identity/root-key.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { shuffle } from "../../protocol/kernel/random.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { filled, must, native, withFlippedBit } from "../support/data-fixtures.ts";

const root = native.signingKey(filled(1, 32));
const key = (n: number) => native.signingKey(filled(100 + n, 32));
const add = (n: number, manager: boolean): IdentityOpBody => ({
  type: "addDevice",
  devSig: key(n).publicKey,
  devEnc: filled(n, 32),
  manager,
});
const revoke = (n: number): IdentityOpBody => ({ type: "revokeDevice", devSig: key(n).publicKey });
const rekey = (n: number, generation: number): IdentityOpBody => ({
  type: "rekeyDevice",
  devSig: key(n).publicKey,
  devEnc: filled(200 + generation, 32),
  n: generation,
});
const op = (
  by: ReturnType<typeof key>,
  parents: readonly VerifiedIdentityOp[],
  body: IdentityOpBody,
): VerifiedIdentityOp =>
  signIdentityOp(native, by, {
    idRoot: root.publicKey,
    parents: parents.map(({ id }) => id),
    gen: Math.max(-1, ...parents.map(({ gen }) => gen)) + 1,
    ts: 0,
    body,
  });
/** Devices that may act, as numbers of their keys, managers marked. */
const active = (ops: readonly VerifiedIdentityOp[]): string => {
  const state = evaluateIdentity(root.publicKey, ops);
  const names: string[] = [];
  for (let n = 1; n < 9; n++) {
    const device = state.devices.get(bytesToHex(key(n).publicKey));
    if (device !== undefined && !device.revoked) names.push(`${n}${device.manager ? "m" : ""}`);
  }
  return names.join(" ");
};

describe("phrase", () => {
  it("IDP-1 reproduces the BIP-39 vector for 32 zero bytes and its seed", () => {
    const phrase = createPhrase({ ...createSeededRandom(1), bytes: (count) => new Uint8Array(count) });
    expect(phrase).toBe(`${"abandon ".repeat(23)}art`);
    expect(bytesToHex(phraseSeed(phrase))).toBe(
      "408b285c123836004f4b8842c89324c1f01382450c0d439af345ba7fc49acf705489c6fc77dbd4e3dc1dd8cc6bc9f043db8ada1e243c4a0eafb290d399480840",
    );
  });

  it("IDP-1 takes what a person types and names what is wrong", () => {
    const phrase = createPhrase(createSeededRandom("phrase"));
    expect(must(parsePhrase(`  ${phrase.toUpperCase().replaceAll(" ", "\n ")} `))).toBe(phrase);
    const words = phrase.split(" ");
    expect(parsePhrase(words.slice(1).join(" "))).toEqual({ ok: false, error: { type: "PhraseWordCount", count: 23 } });
    expect(parsePhrase(words.with(4, "helo").join(" "))).toEqual({
      ok: false,
      error: { type: "PhraseWordUnknown", position: 5, word: "helo" },
    });
    expect(parsePhrase(`${"abandon ".repeat(23)}abandon`)).toEqual({ ok: false, error: { type: "PhraseChecksum" } });
  });

  it("IDP-1 one phrase gives several unlinkable roots", () => {
    const seed = phraseSeed(createPhrase(createSeededRandom("roots")));
    const roots = [0, 1, 2].map((index) => bytesToHex(deriveRootKey(native, seed, index).publicKey));
    expect(new Set(roots).size).toBe(3);
    expect(bytesToHex(deriveRootKey(native, seed, 1).publicKey)).toBe(roots[1]);
  });
});

describe("identity ops", () => {
  it("IDO-1 every body survives and no changed bit does", () => {
    for (const body of [
      add(1, true),
      add(1, false),
      revoke(2),
      rekey(1, 3),
      { type: "profile", hash: filled(9, 32) },
    ] as IdentityOpBody[]) {
      const signed = op(root, [], body);
      expect(must(readIdentityOp(native, identityOpWire(signed)))).toEqual(signed);
    }
    const [header, sig] = identityOpWire(op(root, [], add(1, true)));
    for (let bit = 0; bit < header.length * 8; bit++)
      expect(readIdentityOp(native, [withFlippedBit(header, bit), sig]).ok).toBe(false);
    expect(readIdentityOp(native, [header, withFlippedBit(sig, 9)])).toEqual({
      ok: false,
      error: { type: "AuthorSignatureInvalid" },
    });
  }, 60_000);

  it("IDO-1 refuses unknown bodies and flags", () => {
    const base = must(decodeCbor(op(root, [], add(1, true)).headerBytes)) as readonly CborValue[];
    for (const body of [[0], [5, filled(1, 32)], [1, filled(1, 32), filled(1, 32), 2]] as CborValue[]) {
      const header = encodeCbor(base.with(6, body));
      const sig = root.sign(Buffer.concat([Buffer.from("p2pc/iop/1\0"), header]));
      expect(readIdentityOp(native, [header, sig])).toMatchObject({ ok: false, error: { type: "DecodeError" } });
    }
  });
});

describe("identity log", () => {
  const first = op(root, [], add(1, true));
  const second = op(root, [first], add(2, true));
  const third = op(key(1), [second], add(3, false));
  const base = [first, second, third];

  it("IDL-2 IDL-3 managers add plain devices, only root makes managers", () => {
    expect(active(base)).toBe("1m 2m 3");
    expect(active([...base, op(key(3), [third], add(4, false))])).toBe("1m 2m 3");
    expect(active([...base, op(key(1), [third], add(4, true))])).toBe("1m 2m 3");
    expect(active([...base, op(key(2), [first], add(4, false))])).toBe("1m 2m 3");
    expect(active([...base, op(root, [third], add(4, true))])).toBe("1m 2m 3 4m");
  });

  it("IDL-3 a stolen manager cannot revoke root's managers, and its concurrent acts fall with it", () => {
    expect(active([...base, op(key(2), [third], revoke(1))])).toBe("1m 2m 3");
    expect(active([...base, op(key(2), [third], revoke(3))])).toBe("1m 2m");
    const revoked = op(root, [third], revoke(2));
    const accomplice = op(key(2), [third], add(4, false));
    expect(active([...base, revoked])).toBe("1m 3");
    expect(active([...base, accomplice])).toBe("1m 2m 3 4");
    expect(active([...base, accomplice, revoked])).toBe("1m 3");
    expect(active([...base, accomplice, op(root, [accomplice], revoke(2))])).toBe("1m 3 4");
  });

  it("IDL-4 revocation is final, also against a later add by root", () => {
    const revoked = op(root, [third], revoke(3));
    expect(active([...base, revoked, op(root, [revoked], add(3, true))])).toBe("1m 2m");
  });

  it("IDL-5 the newest rekey by the device itself counts", () => {
    const encOf = (state: IdentityState, n: number): number | undefined =>
      state.devices.get(bytesToHex(key(n).publicKey))?.devEnc[0];
    const one = op(key(3), [third], rekey(3, 1));
    const two = op(key(3), [one], rekey(3, 2));
    expect(encOf(evaluateIdentity(root.publicKey, [...base, one]), 3)).toBe(201);
    expect(encOf(evaluateIdentity(root.publicKey, [...base, one, two]), 3)).toBe(202);
    expect(encOf(evaluateIdentity(root.publicKey, [...base, one, two, op(key(3), [two], rekey(3, 2))]), 3)).toBe(202);
    expect(encOf(evaluateIdentity(root.publicKey, [...base, op(key(1), [third], rekey(3, 5))]), 3)).toBe(3);
  });

  it("IDO-1 leaves out ops of others, with missing parents or a wrong gen", () => {
    const stray = signIdentityOp(native, key(5), {
      idRoot: key(5).publicKey,
      parents: [],
      gen: 0,
      ts: 0,
      body: add(6, true),
    });
    const wrongGen = signIdentityOp(native, root, {
      idRoot: root.publicKey,
      parents: [third.id],
      gen: 9,
      ts: 0,
      body: add(7, true),
    });
    expect(active([...base, stray, wrongGen])).toBe("1m 2m 3");
    expect(active([first, third])).toBe("1m");
  });

  it("IDL-1 I12 random logs with dishonest authors evaluate the same in any order", () => {
    const random = createSeededRandom("identity-logs");
    for (let run = 0; run < 60; run++) {
      const ops = [first, second, third];
      for (let step = 0; step < 8; step++) {
        const by = random.uint32() % 3 === 0 ? root : key(1 + (random.uint32() % 4));
        const parents = shuffle(random, ops).slice(0, 1 + (random.uint32() % 2));
        const target = 1 + (random.uint32() % 5);
        const body = [add(target, random.uint32() % 2 === 0), revoke(target), rekey(target, random.uint32() % 4)][
          random.uint32() % 3
        ];
        ops.push(op(by, parents, body as IdentityOpBody));
      }
      const summary = (list: readonly VerifiedIdentityOp[]): string => {
        const state = evaluateIdentity(root.publicKey, list);
        return JSON.stringify([[...state.devices].sort(), [...state.valid].sort(), state.nextGen]);
      };
      const expected = summary(ops);
      for (let order = 0; order < 4; order++)
        expect(summary([...shuffle(random, ops), ops[0] as VerifiedIdentityOp]), `run ${run}`).toBe(expected);
    }
  }, 60_000);
});

describe("contact card and comparison digits", () => {
  const card: ContactCard = {
    idRoot: root.publicKey,
    identityOps: [op(root, [], add(1, true))],
    inboxSeed: filled(2, 32),
    inboxEnc: filled(3, 32),
    proxyHints: [filled(4, 40)],
  };

  it("IDC-1 a card survives and refuses ops of another identity", () => {
    expect(must(readContactCard(native, encodeContactCard(card)))).toEqual(card);
    expect(readContactCard(native, encodeContactCard({ ...card, idRoot: key(1).publicKey }))).toMatchObject({
      ok: false,
    });
  });

  it("IDC-2 a contact link survives; a changed, cut or foreign one is refused", () => {
    const link = formatContactLink(key(1), { card, name: "Ada Lovelace" });
    expect(must(parseContactLink(native, `\n ${link} `))).toEqual({
      card,
      name: "Ada Lovelace",
      devSig: key(1).publicKey,
    });
    const called = (name: string) => must(parseContactLink(native, formatContactLink(key(1), { card, name }))).name;
    expect(called("語".repeat(200))).toBe("語".repeat(200));
    expect(called("😀".repeat(400))).toBe("😀".repeat(256));
    const otherRoot = formatContactLink(key(1), { card: { ...card, idRoot: key(1).publicKey }, name: "Ada Lovelace" });
    const byStranger = formatContactLink(key(2), { card: { ...card, inboxEnc: filled(9, 32) }, name: "Ada Lovelace" });
    for (const wrong of ["", "p2pc:c/", link.slice(0, -4), link.replace("p2pc:c/", "p2pc:j/"), otherRoot, byStranger])
      expect(parseContactLink(native, wrong).ok, wrong.slice(0, 12)).toBe(false);
    for (let at = 7; at < link.length; at += 41) {
      const changed = link.slice(0, at) + (link[at] === "A" ? "B" : "A") + link.slice(at + 1);
      expect(parseContactLink(native, changed).ok, String(at)).toBe(false);
    }
  });

  it("IDV-1 both sides see the same 30 digits, others see different ones", () => {
    const [a, b, c] = [1, 2, 3].map((n) => key(n).publicKey) as [Uint8Array, Uint8Array, Uint8Array];
    expect(verificationDigits(native, a, b)).toMatch(/^(\d{5} ){5}\d{5}$/u);
    expect(verificationDigits(native, b, a)).toBe(verificationDigits(native, a, b));
    expect(verificationDigits(native, a, c)).not.toBe(verificationDigits(native, a, b));
  });
});
