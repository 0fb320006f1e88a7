import { describe, expect, it } from "vitest";
import { repositoryId } from "../../protocol/entry/record.ts";
import { type ContactCard, deriveInboxKeys, deriveInboxTopic } from "../../protocol/identity/contact-card.ts";
import { signIdentityOp } from "../../protocol/identity/identity-op.ts";
import { type Invitation, openLetter, sealLetter } from "../../protocol/invite/letter.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { filled, native, withFlippedBit } from "../support/data-fixtures.ts";

const random = createSeededRandom("letters");
const person = (seed: number) => {
  const root = native.signingKey(filled(seed, 32));
  const device = native.signingKey(filled(seed + 1, 32));
  const body = { type: "addDevice", devSig: device.publicKey, devEnc: filled(3, 32), manager: true } as const;
  const op = signIdentityOp(native, root, { idRoot: root.publicKey, parents: [], gen: 0, ts: 0, body });
  const inbox = deriveInboxKeys(native, filled(seed + 2, 32));
  const party = { idRoot: root.publicKey, devSig: device.publicKey, identityOps: [op], name: `Person ${seed}` };
  const card: ContactCard = {
    idRoot: root.publicKey,
    identityOps: [op],
    inboxSeed: inbox.seed,
    inboxEnc: inbox.encryption.publicKey,
    proxyHints: [],
  };
  return { device, inbox, party, card, idRoot: root.publicKey };
};
const [ada, ben, eve] = [person(10), person(20), person(30)];
const invitation: Invitation = {
  rid: repositoryId(native, filled(2, 700)),
  genesis: { header: filled(2, 700), sig: filled(3, 64) },
  epochs: [
    {
      eid: filled(4, 16),
      commit: filled(5, 32),
      topicPk: filled(6, 32),
      seals: [{ label: filled(7, 8), enc: filled(8, 32), ct: filled(9, 90) }],
    },
  ],
  topicPk: filled(10, 32),
  role: 2,
  title: "Field notes",
  proxies: [{ proxyPk: filled(11, 32), address: "203.0.113.9:4040" }],
  addresses: ["192.168.1.12:4040"],
};
const seal = (from = ada, signer = from.device) => {
  const item = sealLetter(native, random, signer, from.party, ben.card, invitation);
  if (item === undefined) throw new Error("the letter is sealed");
  return item;
};

describe("letters", () => {
  it("LTR-1 whose inbox it is reads it, with the sender's proof; nobody else who has the card does", () => {
    const item = seal();
    expect(item.topicPk).toEqual(deriveInboxTopic(native, ben.card.inboxSeed).topicKey.publicKey);
    const letter = openLetter(native, ben.inbox, ben.idRoot, item.wire);
    expect(letter).toMatchObject({ from: ada.party, invitation });
    expect(
      openLetter(native, { ...ben.inbox, encryption: eve.inbox.encryption }, ben.idRoot, item.wire),
    ).toBeUndefined();
    expect(openLetter(native, eve.inbox, eve.idRoot, item.wire)).toBeUndefined();
  });

  it("LTR-1 a letter meant for somebody else, by a device of somebody else, or changed by a bit is none", () => {
    expect(openLetter(native, ben.inbox, eve.idRoot, seal().wire)).toBeUndefined();
    const borrowed = { ...ada, party: { ...ada.party, devSig: eve.device.publicKey } };
    expect(openLetter(native, ben.inbox, ben.idRoot, seal(borrowed, eve.device).wire)).toBeUndefined();
    expect(openLetter(native, ben.inbox, ben.idRoot, seal(ada, eve.device).wire)).toBeUndefined();
    const { wire } = seal();
    for (let bit = 0; bit < wire.length * 8; bit += 97)
      expect(openLetter(native, ben.inbox, ben.idRoot, withFlippedBit(wire, bit)), `bit ${bit}`).toBeUndefined();
  });

  it("LTR-1 a letter whose genesis founds another repository than it names is none", () => {
    const foreign = { ...invitation, rid: filled(1, 16) };
    const item = sealLetter(native, random, ada.device, ada.party, ben.card, foreign);
    expect(item).toBeDefined();
    expect(item && openLetter(native, ben.inbox, ben.idRoot, item.wire)).toBeUndefined();
  });

  it("LTR-1 names and titles of any script and length arrive, cut to what the letter holds", () => {
    const long = { ...ada, party: { ...ada.party, name: "語".repeat(200) } };
    expect(openLetter(native, ben.inbox, ben.idRoot, seal(long).wire)?.from.name).toBe("語".repeat(200));
    const endless = { ...ada, party: { ...ada.party, name: "😀".repeat(400) } };
    const item = sealLetter(native, random, ada.device, endless.party, ben.card, {
      ...invitation,
      title: "é".repeat(5_000),
    });
    expect(item && openLetter(native, ben.inbox, ben.idRoot, item.wire)).toMatchObject({
      from: { name: "😀".repeat(256) },
      invitation: { title: "é".repeat(512) },
    });
  });

  it("LTR-2 the same invitation sealed twice looks different, and the size tells only how long it is", () => {
    const [one, two] = [seal(), seal()];
    expect(one.wire).not.toEqual(two.wire);
    expect(one.wire.length).toBe(two.wire.length);
  });
});
