import { describe, expect, it } from "vitest";
import { decodeShape, encodeCbor } from "../../protocol/codec/cbor.ts";
import type { DhKeyPair } from "../../protocol/crypto/provider.ts";
import {
  createEpoch,
  deviceRecipient,
  type EpochBody,
  epochBodyShape,
  epochBodyValue,
  inviteRecipient,
  openHistory,
  openSeal,
  sealEpoch,
} from "../../protocol/epoch/epoch-body.ts";
import { createEpochSecret, deriveTopicKeys, type EpochSecret, mergeEpochs } from "../../protocol/epoch/epoch-keys.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { filled, must, native, withFlippedBit } from "../support/data-fixtures.ts";

const random = createSeededRandom("epochs");
const rid = filled(9, 16);
interface Holder {
  readonly devSig: Uint8Array;
  readonly keyPair: DhKeyPair;
}
const device = (n: number): Holder => ({ devSig: filled(n, 32), keyPair: native.dhKeyPair(filled(n, 32)) });
const recipient = ({ devSig, keyPair }: Holder, writer = true) => deviceRecipient(devSig, keyPair.publicKey, writer);
const open = (body: EpochBody, { devSig, keyPair }: Holder, place = rid, seals = body.seals) =>
  openSeal(native, place, body, seals, { identifier: devSig, label: devSig.slice(0, 8), keyPair });
const [ann, bob, cyd, dan] = [1, 2, 3, 4].map(device) as [Holder, Holder, Holder, Holder];

/** All epoch secrets a device can ever derive from public epoch records: its own seals and, transitively, the history in them. */
const reachable = (holder: Holder, bodies: readonly EpochBody[]): Map<string, EpochSecret> => {
  const known = new Map<string, EpochSecret>();
  for (const body of bodies) {
    const opened = open(body, holder);
    if (opened.ok) known.set(bytesToHex(body.eid), opened.value);
  }
  for (let grown = -1; grown !== known.size;) {
    grown = known.size;
    for (const body of bodies) {
      const secret = known.get(bytesToHex(body.eid));
      for (const parent of (secret && openHistory(native, body, secret)) ?? []) {
        const key = bytesToHex(parent.eid);
        if (!known.has(key)) known.set(key, parent);
      }
    }
  }
  return known;
};
const names = (holder: Holder, epochs: readonly { readonly body: EpochBody }[]): string => {
  const known = reachable(
    holder,
    epochs.map(({ body }) => body),
  );
  return epochs.map(({ body }, i) => (known.has(bytesToHex(body.eid)) ? `e${i}` : "-")).join(" ");
};

describe("epoch records", () => {
  const epoch = must(createEpoch(native, random, rid, [], [recipient(ann), recipient(bob, false)]));

  it("EPB-1 writers receive S and W, readers S alone, others nothing", () => {
    expect(must(open(epoch.body, ann))).toEqual(epoch.secret);
    expect(must(open(epoch.body, bob))).toEqual({ ...epoch.secret, W: null });
    expect(open(epoch.body, cyd)).toEqual({ ok: false, error: { type: "NoSeal" } });
    expect(open(epoch.body, { ...cyd, devSig: ann.devSig })).toEqual({ ok: false, error: { type: "SealForged" } });
    expect(open(epoch.body, ann, filled(8, 16))).toEqual({ ok: false, error: { type: "SealForged" } });
    expect(must(decodeShape(epochBodyShape, encodeCbor(epochBodyValue(epoch.body))))).toEqual(epoch.body);
  });

  it("I25 EPB-2 a seal whose secrets differ from the commitment or topic is refused", () => {
    const wrong = { ok: false, error: { type: "CommitMismatch" } };
    for (const holder of [ann, bob])
      expect(open({ ...epoch.body, commit: withFlippedBit(epoch.body.commit, 3) }, holder)).toEqual(wrong);
    expect(open({ ...epoch.body, topicPk: filled(1, 32) }, ann)).toEqual(wrong);
    const forged = must(
      sealEpoch(native, random, rid, { ...createEpochSecret(random), eid: epoch.secret.eid }, [
        recipient(ann),
        recipient(bob, false),
      ]),
    );
    for (const holder of [ann, bob]) expect(open(epoch.body, holder, rid, forged)).toEqual(wrong);
    expect(must(open(epoch.body, ann, rid, [...forged, ...epoch.body.seals]))).toEqual(epoch.secret);
  });

  it("EPB-2 a low-order device key is named instead of sealed to", () => {
    const broken = deviceRecipient(cyd.devSig, new Uint8Array(32), true);
    expect(createEpoch(native, random, rid, [], [recipient(ann), broken])).toEqual({
      ok: false,
      error: { type: "RecipientKeyInvalid", identifier: cyd.devSig },
    });
  });

  it("EPB-3 history opens with the epoch's S only and names the parents", () => {
    const next = must(createEpoch(native, random, rid, [epoch.secret], [recipient(cyd)]));
    expect(openHistory(native, next.body, next.secret)).toEqual([{ ...epoch.secret, W: null }]);
    expect(openHistory(native, next.body, { ...next.secret, S: epoch.secret.S })).toBeUndefined();
    expect(openHistory(native, { ...next.body, eparents: [] }, next.secret)).toBeUndefined();
    expect(openHistory(native, { ...next.body, eparents: [filled(1, 16)] }, next.secret)).toBeUndefined();
  });

  it("EPK-1 heads combine in any order, and the write secret only where all of them are known", () => {
    const [one, two, three] = [1, 2, 3].map((seed) => createEpochSecret(createSeededRandom(`merge-${seed}`))) as [
      EpochSecret,
      EpochSecret,
      EpochSecret,
    ];
    const merged = mergeEpochs(native, [one, two, three]);
    for (const order of [
      [three, one, two],
      [two, three, one],
    ])
      expect(mergeEpochs(native, order)).toEqual(merged);
    expect(mergeEpochs(native, [one])).toEqual({ S: one.S, W: one.W });
    const asReader = mergeEpochs(native, [one, { ...two, W: null }, three]);
    expect(asReader.S).toEqual(merged.S);
    expect(asReader.W).toBeNull();
    expect(deriveTopicKeys(native, asReader).topicKey).toBeNull();
  });

  it("EPB-4 an invite holds seals of several epochs", () => {
    const second = must(createEpoch(native, random, rid, [], []));
    const invPk = filled(70, 32);
    const keyPair = native.dhKeyPair(filled(71, 32));
    const seals = [epoch, second].flatMap(({ secret }) =>
      must(sealEpoch(native, random, rid, secret, [inviteRecipient(invPk, keyPair.publicKey, secret.eid, true)])),
    );
    for (const { body, secret } of [epoch, second]) {
      expect(
        must(openSeal(native, rid, body, seals, { identifier: invPk, label: body.eid.slice(0, 8), keyPair })),
      ).toEqual(secret);
    }
  });
});

describe("keys over time", () => {
  it("I24 EPS-1 a newcomer reaches the first epoch, in the end also through merged heads", () => {
    const e0 = must(createEpoch(native, random, rid, [], [recipient(ann)]));
    const e1 = must(createEpoch(native, random, rid, [e0.secret], [recipient(ann), recipient(bob)]));
    const e2 = must(createEpoch(native, random, rid, [e0.secret], [recipient(ann), recipient(bob)]));
    const e3 = must(createEpoch(native, random, rid, [e1.secret, e2.secret], [recipient(ann), recipient(cyd, false)]));
    expect(names(cyd, [e0, e1, e2, e3])).toBe("e0 e1 e2 e3");
    expect(names(bob, [e0, e1, e2, e3])).toBe("e0 e1 e2 -");
  });

  it("I20 EPS-1 nothing a removed device held leads to later secrets", () => {
    const all = [recipient(ann), recipient(bob), recipient(cyd)];
    const e0 = must(createEpoch(native, random, rid, [], all));
    const e1 = must(createEpoch(native, random, rid, [e0.secret], all));
    const removal = must(createEpoch(native, random, rid, [e1.secret], [recipient(ann), recipient(bob)]));
    const later = must(
      createEpoch(native, random, rid, [removal.secret], [recipient(ann), recipient(bob), recipient(dan)]),
    );
    const epochs = [e0, e1, removal, later];
    expect(names(cyd, epochs)).toBe("e0 e1 - -");
    expect(names(dan, epochs)).toBe("e0 e1 e2 e3");
    const held = [
      ...reachable(
        cyd,
        epochs.map(({ body }) => body),
      ).values(),
    ];
    const derived = new Set(held.flatMap((secret) => allKeys(secret)));
    for (const { secret } of [removal, later]) for (const key of allKeys(secret)) expect(derived.has(key)).toBe(false);
  });

  it("I21 EPS-1 of two concurrent removals neither removed device knows the combined key", () => {
    const e0 = must(
      createEpoch(
        native,
        random,
        rid,
        [],
        [ann, bob, cyd, dan].map((one) => recipient(one)),
      ),
    );
    const withoutCyd = must(
      createEpoch(
        native,
        random,
        rid,
        [e0.secret],
        [ann, bob, dan].map((one) => recipient(one)),
      ),
    );
    const withoutDan = must(
      createEpoch(
        native,
        random,
        rid,
        [e0.secret],
        [ann, bob, cyd].map((one) => recipient(one)),
      ),
    );
    const epochs = [e0, withoutCyd, withoutDan];
    expect(names(cyd, epochs)).toBe("e0 - e2");
    expect(names(dan, epochs)).toBe("e0 e1 -");
    const heads = [withoutCyd.secret, withoutDan.secret];
    const combined = mergeEpochs(native, heads);
    expect(mergeEpochs(native, [...heads].reverse())).toEqual(combined);
    for (const removed of [cyd, dan]) {
      const held = [
        ...reachable(
          removed,
          epochs.map(({ body }) => body),
        ).values(),
      ];
      const guesses = held.flatMap((one) =>
        held.map((two) => bytesToHex(mergeEpochs(native, one === two ? [one] : [one, two]).S)),
      );
      expect(guesses).not.toContain(bytesToHex(combined.S));
    }
  });

  it("I23 EPS-1 a reader never derives a topic key, alone or combined", () => {
    const one = must(createEpoch(native, random, rid, [], [recipient(bob, false)]));
    const two = must(createEpoch(native, random, rid, [], [recipient(bob, true)]));
    const held = [must(open(one.body, bob)), must(open(two.body, bob))];
    expect(deriveTopicKeys(native, held[0] as EpochSecret).topicKey).toBeNull();
    expect(mergeEpochs(native, held).W).toBeNull();
    expect(deriveTopicKeys(native, mergeEpochs(native, held)).topicKey).toBeNull();
    expect(bytesToHex(deriveTopicKeys(native, held[0] as EpochSecret).readKey)).toBe(
      bytesToHex(deriveTopicKeys(native, one.secret).readKey),
    );
  });
});

const allKeys = (secret: EpochSecret): string[] => {
  const { readKey, topicKey, replyKey, replyReadKey, blobSecret } = deriveTopicKeys(native, secret);
  return [
    secret.S,
    readKey,
    replyReadKey,
    blobSecret,
    replyKey.publicKey,
    ...(topicKey === null ? [] : [topicKey.publicKey]),
  ].map(bytesToHex);
};
