import { describe, expect, it } from "vitest";
import { signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { evaluateIdentity } from "../../protocol/identity/identity-log.ts";
import type { VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { identityOpWire } from "../../protocol/identity/identity-op.ts";
import { deriveRootKey } from "../../protocol/identity/root-key.ts";
import type { PairingMessage } from "../../protocol/pairing/messages.ts";
import { encodePairingMessage, readPairingMessage } from "../../protocol/pairing/messages.ts";
import type { Newcomer, NewcomerEffect } from "../../protocol/pairing/newcomer.ts";
import { createNewcomer } from "../../protocol/pairing/newcomer.ts";
import { formatPairingLink, parsePairingLink } from "../../protocol/pairing/pairing-link.ts";
import {
  deriveRecoveryKeys,
  encodeRepositoryGrant,
  openHomeGrant,
  openRecoveryMessage,
  readRepositoryGrant,
  recoverySeed,
  sealHomeAnswer,
  sealHomeRequest,
} from "../../protocol/pairing/recovery.ts";
import type { Sponsor, SponsorEffect } from "../../protocol/pairing/sponsor.ts";
import { createSponsor } from "../../protocol/pairing/sponsor.ts";
import { person } from "../support/acl-world.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const random = createSeededRandom("pairing");
const device = native.signingKey(filled(1, 32));
const deviceEncryption = native.dhKeyPair(filled(2, 32));
const secret = filled(3, 16);
const link = {
  secret,
  devSig: device.publicKey,
  devEnc: deviceEncryption.publicKey,
  addresses: ["127.0.0.1:4000", "[::1]:4000"],
  name: "Phone",
};
const owner = person("O");
const stranger = person("S");
const statementOf = ({ id, device: { publicKey }, log }: typeof owner, name: string) => ({
  idRoot: id,
  devSig: publicKey,
  identityOps: log.map(identityOpWire),
  name,
});

const sponsorOn = (channel: Uint8Array, more: Partial<Parameters<typeof createSponsor>[0]> = {}): Sponsor =>
  createSponsor({
    crypto: native,
    link,
    channel,
    nonce: random.bytes(32),
    device: owner.device,
    statement: statementOf(owner, "Olga"),
    ...more,
  });
const newcomerOn = (channel: Uint8Array): Newcomer =>
  createNewcomer({ crypto: native, secret, channel, nonce: random.bytes(32), device, deviceEncryption });

const sent = (effects: readonly (SponsorEffect | NewcomerEffect)[]): readonly PairingMessage[] =>
  effects.flatMap((effect) =>
    effect.type === "send" ? [must(readPairingMessage(encodePairingMessage(effect.message)))] : [],
  );
const kinds = (effects: readonly { readonly type: string }[]): string => effects.map(({ type }) => type).join(" ");
const rule = (effects: readonly (SponsorEffect | NewcomerEffect)[]): string =>
  effects.map((effect) => (effect.type === "violated" ? effect.rule : effect.type)).join(" ");
const checkIn = (effects: readonly (SponsorEffect | NewcomerEffect)[]): string | undefined =>
  effects.map((effect) => (effect.type === "compare" ? effect.check : undefined)).find((check) => check !== undefined);

/** Passes everything on until both sides wait for people; answers the digits of both. */
const meet = (sponsor: Sponsor, newcomer: Newcomer): readonly (string | undefined)[] => {
  const digits: (string | undefined)[] = [undefined, undefined];
  let toNewcomer = sent(sponsor.handle({ type: "opened" }));
  while (toNewcomer.length > 0) {
    const answers = toNewcomer.flatMap((message) => newcomer.handle({ type: "received", message }));
    digits[1] ??= checkIn(answers);
    const back = sent(answers).flatMap((message) => sponsor.handle({ type: "received", message }));
    digits[0] ??= checkIn(back);
    toNewcomer = sent(back);
  }
  return digits;
};

const certified = (): readonly VerifiedIdentityOp[] => {
  const { heads, nextGen } = evaluateIdentity(owner.id, owner.log);
  const body = {
    type: "addDevice",
    devSig: device.publicKey,
    devEnc: deviceEncryption.publicKey,
    manager: false,
  } as const;
  return [
    ...owner.log,
    signIdentityOp(native, owner.device, { idRoot: owner.id, parents: heads, gen: nextGen, ts: 0, body }),
  ];
};
const certificateOf = (ops: readonly VerifiedIdentityOp[]) => ({
  identityOps: ops.map(identityOpWire),
  recoverySeed: filled(9, 32),
  addresses: ["127.0.0.1:5000"],
});

describe("pairing", () => {
  it("PAIR-1 a link survives formatting and parsing; anything else is refused", () => {
    const text = formatPairingLink(link);
    expect(must(parsePairingLink(`  ${text}\n`))).toEqual(link);
    for (const broken of ["", "p2pc:d/", text.slice(0, -3), text.replace("p2pc:d/", "p2pc:j/"), `${text}AA`])
      expect(parsePairingLink(broken).ok).toBe(false);
  });

  it("PAIR-2 the new device answers only who knows the link, on this very channel", () => {
    const [hello] = sent(sponsorOn(filled(7, 32)).handle({ type: "opened" }));
    if (hello === undefined) throw new Error("no hello");
    expect(rule(newcomerOn(filled(8, 32)).handle({ type: "received", message: hello }))).toBe("PAIR-2");
    const wrong = sponsorOn(filled(7, 32), { link: { ...link, secret: filled(4, 16) } });
    const [guess] = sent(wrong.handle({ type: "opened" }));
    if (guess === undefined) throw new Error("no hello");
    expect(rule(newcomerOn(filled(7, 32)).handle({ type: "received", message: guess }))).toBe("PAIR-2");
  });

  it("PAIR-3 the sponsor refuses a greeting that the device of the link did not sign", () => {
    const channel = filled(7, 32);
    const sponsor = sponsorOn(channel, { link: { ...link, devSig: stranger.device.publicKey } });
    const [hello] = sent(sponsor.handle({ type: "opened" }));
    if (hello === undefined) throw new Error("no hello");
    const [greeting] = sent(newcomerOn(channel).handle({ type: "received", message: hello }));
    if (greeting === undefined) throw new Error("no greeting");
    expect(rule(sponsor.handle({ type: "received", message: greeting }))).toBe("PAIR-3");
  });

  it("PAIR-4 the new device refuses another identity than committed to, and one that did not certify the sponsor", () => {
    const channel = filled(7, 32);
    const run = (change: (message: Extract<PairingMessage, { type: "reveal" }>) => PairingMessage): string => {
      const [sponsor, newcomer] = [sponsorOn(channel), newcomerOn(channel)];
      const greeting = sent(sponsor.handle({ type: "opened" })).flatMap((message) =>
        sent(newcomer.handle({ type: "received", message })),
      );
      const reveal = greeting.flatMap((message) => sent(sponsor.handle({ type: "received", message })))[0];
      if (reveal?.type !== "reveal") throw new Error("no reveal");
      return rule(newcomer.handle({ type: "received", message: change(reveal) }));
    };
    expect(run((reveal) => reveal)).toBe("compare");
    expect(run((reveal) => ({ ...reveal, statement: statementOf(stranger, "Olga") }))).toBe("PAIR-4");
    expect(run((reveal) => ({ ...reveal, nonce: filled(1, 32) }))).toBe("PAIR-4");
    expect(run((reveal) => ({ ...reveal, sig: filled(1, 64) }))).toBe("PAIR-4");
    expect(run((reveal) => ({ ...reveal, statement: { ...reveal.statement, identityOps: [] } }))).toBe("PAIR-4");
  });

  it("PAIR-5 PAIR-7 both see the same digits, and nothing is signed before both confirmed them, in either order", () => {
    for (const first of ["sponsor", "newcomer"]) {
      const channel = random.bytes(32);
      const [sponsor, newcomer] = [sponsorOn(channel), newcomerOn(channel)];
      const [one, two] = meet(sponsor, newcomer);
      expect(one).toMatch(/^\d{6}$/);
      expect(two).toBe(one);
      const approve = () => sponsor.handle({ type: "approve" });
      const confirm = () =>
        sent(newcomer.handle({ type: "confirm" })).flatMap((message) => sponsor.handle({ type: "received", message }));
      expect(kinds(first === "sponsor" ? approve() : confirm())).toBe("");
      expect(kinds(first === "sponsor" ? confirm() : approve())).toBe("certify");
      const [message] = sent(sponsor.handle({ type: "certified", certificate: certificateOf(certified()) }));
      if (message === undefined) throw new Error("no certificate");
      const [taken] = newcomer.handle({ type: "received", message });
      expect(taken).toMatchObject({ type: "certified", adoption: { idRoot: owner.id, name: "Olga" } });
      const done = sent(newcomer.handle({ type: "stored" })).flatMap((last) =>
        sponsor.handle({ type: "received", message: last }),
      );
      expect(kinds(done)).toBe("done");
      expect(sponsor.state()).toBe("done");
    }
    const channel = filled(7, 32);
    const [sponsor, newcomer] = [sponsorOn(channel), newcomerOn(channel)];
    meet(sponsor, newcomer);
    const early: PairingMessage = { type: "certified", certificate: certificateOf(certified()) };
    expect(rule(newcomer.handle({ type: "received", message: early }))).toBe("PAIR-5");
    expect(kinds(newcomer.handle({ type: "confirm" }))).toBe("");
    expect(rule(sponsor.handle({ type: "received", message: { type: "done" } }))).toBe("PAIR-5");
    expect(kinds(sponsor.handle({ type: "approve" }))).toBe("");
  });

  it("PAIR-6 the new device takes only a log that certifies its own keys for the confirmed identity", () => {
    const other = native.dhKeyPair(filled(5, 32)).publicKey;
    const exchanged = (): readonly VerifiedIdentityOp[] => {
      const { heads, nextGen } = evaluateIdentity(owner.id, owner.log);
      const body = { type: "addDevice", devSig: device.publicKey, devEnc: other, manager: false } as const;
      const op = signIdentityOp(native, owner.device, { idRoot: owner.id, parents: heads, gen: nextGen, ts: 0, body });
      return [...owner.log, op];
    };
    for (const [ops, expected] of [
      [certified(), "certified"],
      [owner.log, "PAIR-6"],
      [stranger.log, "PAIR-6"],
      [exchanged(), "PAIR-6"],
    ] as const) {
      const channel = random.bytes(32);
      const [sponsor, newcomer] = [sponsorOn(channel), newcomerOn(channel)];
      meet(sponsor, newcomer);
      newcomer.handle({ type: "confirm" });
      const message: PairingMessage = { type: "certified", certificate: certificateOf(ops) };
      expect(rule(newcomer.handle({ type: "received", message }))).toBe(expected);
    }
  });

  it("PAIR-7 a man in the middle with two channels makes two people read different digits", () => {
    let equal = 0;
    for (let round = 0; round < 20; round++) {
      const [left, right] = [random.bytes(32), random.bytes(32)];
      // Whoever stole the link plays each side against the other, with the best it can know of both.
      const [fromOwner] = meet(sponsorOn(left), newcomerOn(left));
      const [, atNewcomer] = meet(sponsorOn(right), newcomerOn(right));
      if (fromOwner === atNewcomer) equal++;
    }
    expect(equal).toBe(0);
  });
});

describe("recovery", () => {
  const root = deriveRootKey(native, filled(1, 64), 0);
  const seed = recoverySeed(native, root.seed);
  const keys = deriveRecoveryKeys(native, seed);
  const added = (by: typeof root): readonly VerifiedIdentityOp[] => [
    signIdentityOp(native, by, {
      idRoot: by.publicKey,
      parents: [],
      gen: 0,
      ts: 0,
      body: { type: "addDevice", devSig: device.publicKey, devEnc: deviceEncryption.publicKey, manager: true },
    }),
  ];
  const home = {
    rid: filled(1, 16),
    title: "Home",
    aclOps: [[filled(2, 300), filled(3, 64)] as const],
    epochs: [{ eid: filled(4, 16), S: filled(5, 32), W: null }],
    topicPk: filled(6, 32),
  };

  it("RCV-1 the topic follows from the phrase alone, and its seed is not the root's", () => {
    const again = deriveRecoveryKeys(native, recoverySeed(native, deriveRootKey(native, filled(1, 64), 0).seed));
    expect(again.topicKey.publicKey).toEqual(keys.topicKey.publicKey);
    expect(seed).not.toEqual(root.seed);
    expect(keys.topicKey.publicKey).not.toEqual(root.publicKey);
  });

  it("RCV-2 a request counts only with the signature of a device that the identity certifies", () => {
    const wire = sealHomeRequest(native, random, keys, device, added(root)).wire;
    expect(openRecoveryMessage(native, keys, root.publicKey, wire)).toMatchObject({ type: "request" });
    expect(openRecoveryMessage(native, keys, owner.id, wire)).toBeUndefined();
    const foreign = sealHomeRequest(native, random, keys, stranger.device, added(root)).wire;
    expect(openRecoveryMessage(native, keys, root.publicKey, foreign)).toBeUndefined();
    const claimed = sealHomeRequest(native, random, keys, stranger.device, stranger.log).wire;
    expect(openRecoveryMessage(native, keys, root.publicKey, claimed)).toBeUndefined();
    const elsewhere = deriveRecoveryKeys(native, filled(8, 32));
    expect(openRecoveryMessage(native, elsewhere, root.publicKey, wire)).toBeUndefined();
  });

  it("RCV-3 RCV-4 an answer opens for the device that asked and for that request only; its grant is what was granted", () => {
    const ops = added(root);
    const asked = openRecoveryMessage(
      native,
      keys,
      root.publicKey,
      sealHomeRequest(native, random, keys, device, ops).wire,
    );
    if (asked?.type !== "request") throw new Error("no request");
    const { request } = asked;
    const granted = { name: "Olga", home };
    const sealed = sealHomeAnswer(native, random, keys, device, ops, request, deviceEncryption.publicKey, granted);
    if (sealed === undefined) throw new Error("not sealed");
    const message = openRecoveryMessage(native, keys, root.publicKey, sealed.wire);
    if (message?.type !== "answer") throw new Error("no answer");
    const holder = { device, deviceEncryption };
    expect(openHomeGrant(native, holder, message.answer)).toEqual(granted);
    const { answer } = message;
    expect(openHomeGrant(native, holder, { ...answer, id: filled(9, 16) })).toBeUndefined();
    expect(openHomeGrant(native, { ...holder, device: stranger.device }, answer)).toBeUndefined();
    const otherKey = native.dhKeyPair(filled(7, 32));
    expect(openHomeGrant(native, { device, deviceEncryption: otherKey }, answer)).toBeUndefined();
    const encoded = encodeRepositoryGrant(home);
    expect(must(readRepositoryGrant(encoded))).toEqual(home);
    for (let at = 0; at < encoded.length; at++) expect(readRepositoryGrant(encoded.slice(0, at)).ok).toBe(false);
  });
});
