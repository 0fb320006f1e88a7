import { describe, expect, it } from "vitest";
import { proxyCheck } from "../../protocol/entry/item.ts";
import { createEpoch } from "../../protocol/epoch/epoch-body.ts";
import {
  createInviter,
  type Inviter,
  type InviterEffect,
  type InviterOptions,
  type JoinRequest,
} from "../../protocol/invite/inviter.ts";
import {
  createInviteSecret,
  deriveInviteKeys,
  formatInviteLink,
  type InviteLink,
  parseInviteLink,
} from "../../protocol/invite/invite-link.ts";
import { createInviteBody, createJoinBody, openInviteSeal } from "../../protocol/invite/invite-op.ts";
import { createJoiner, type Joiner, type JoinerEffect } from "../../protocol/invite/joiner.ts";
import {
  encodeMessage,
  type Party,
  type RendezvousMessage,
  requestCommitment,
  signRequest,
  verifyRequest,
  type Welcome,
} from "../../protocol/invite/messages.ts";
import { openMessage, sealMessage } from "../../protocol/invite/rendezvous.ts";
import { shuffle } from "../../protocol/kernel/random.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import { createWorld, person } from "../support/acl-world.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { filled, must, native } from "../support/data-fixtures.ts";

const random = createSeededRandom("invite");
const now = monotonicMs(0);
const secret = createInviteSecret(random);
const keys = deriveInviteKeys(native, secret);
const partyOf = (name: string): Party => {
  const { id, device, log } = person(name);
  return { idRoot: id, devSig: device.publicKey, identityOps: log, name };
};
const welcome: Welcome = {
  rid: filled(1, 16),
  genesis: { header: filled(2, 400), sig: filled(3, 64) },
  epochs: [{ eid: filled(4, 16), S: filled(5, 32), W: null }],
  topicPk: filled(6, 32),
  role: 2,
  title: "Garden",
  invite: filled(7, 32),
};
const makeJoiner = (name: string, seed = filled(name.charCodeAt(0), 32), from: Uint8Array = secret): Joiner =>
  createJoiner({
    crypto: native,
    link: { secret: from },
    seed,
    device: person(name).device,
    joiner: partyOf(name),
    message: "hello",
  });
const makeInviter = (more: Partial<InviterOptions> = {}, name = "O"): Inviter =>
  createInviter({
    crypto: native,
    secret,
    mode: "ask",
    maxUses: 1,
    device: person(name).device,
    inviter: partyOf(name),
    expires: undefined,
    ...more,
  });

const items = (effects: readonly (JoinerEffect | InviterEffect)[]): Uint8Array[] =>
  effects.flatMap((effect) => (effect.type === "publish" ? [effect.item.wire] : []));
interface ItemReader<Effect> {
  readonly handle: (event: { readonly type: "item"; readonly wire: Uint8Array }, at: typeof now) => readonly Effect[];
}
const feed = <Effect>(machine: ItemReader<Effect>, wires: readonly Uint8Array[]): Effect[] =>
  wires.flatMap((wire) => machine.handle({ type: "item", wire }, now));
const kinds = (effects: readonly { readonly type: string }[]): string => effects.map(({ type }) => type).join(" ");
const requestIn = (effects: readonly InviterEffect[]): JoinRequest => {
  const found = effects.find((effect) => effect.type === "asked" || effect.type === "admit");
  if (found === undefined || !("request" in found)) throw new Error(`no request in ${kinds(effects)}`);
  return found.request;
};
const checkIn = (effects: readonly JoinerEffect[]): string => {
  const found = effects.find((effect) => effect.type === "compare");
  if (found === undefined || !("check" in found)) throw new Error("no check string");
  return found.check;
};
const opened = (wire: Uint8Array | undefined): RendezvousMessage => {
  const message = wire && openMessage(native, keys, wire);
  if (message === undefined) throw new Error("not a message");
  return message;
};

/** Both sides up to the point where the inviter's person is asked. */
const untilAsked = (joiner: Joiner, inviter: Inviter) => {
  const request = items(joiner.handle({ type: "start" }, now));
  const challenge = items(feed(inviter, request));
  const answered = feed(joiner, challenge);
  const asked = feed(inviter, items(answered));
  return { request, challenge, reveal: items(answered), check: checkIn(answered), asked };
};

describe("link", () => {
  const link: InviteLink = {
    mode: "ask",
    secret,
    proxies: [{ proxyPk: filled(9, 32), address: "proxy.example:4000" }],
    addresses: ["192.168.1.7:4711", "[fe80::1]:4711"],
    label: "Garten 🌱",
  };

  it("INV-1 survives, short enough for a QR code", () => {
    for (const one of [link, { ...link, mode: "auto", proxies: [], addresses: [], label: "" }] as InviteLink[]) {
      expect(must(parseInviteLink(`  ${formatInviteLink(one)}\n`))).toEqual(one);
    }
    expect(formatInviteLink({ ...link, proxies: [] }).length).toBeLessThan(120);
  });

  it("INV-1 refuses everything else", () => {
    const good = formatInviteLink(link);
    for (const bad of [
      "",
      "p2pc:j/",
      "https://example.org",
      good.slice(0, -3),
      `${good}A`,
      good.replace("p2pc:j/", "p2pc:x/"),
      "p2pc:j/!!!!",
      `p2pc:j/${"A".repeat(5000)}`,
    ]) {
      expect(parseInviteLink(bad).ok, bad.slice(0, 40)).toBe(false);
    }
    for (let i = 0; i < 500; i++) {
      const text = `p2pc:j/${Buffer.from(random.bytes(random.uint32() % 90)).toString("base64url")}`;
      expect(() => parseInviteLink(text)).not.toThrow();
    }
  });

  it("INV-2 different secrets share no key", () => {
    const other = deriveInviteKeys(native, createInviteSecret(random));
    const all = [keys, other].flatMap((one) =>
      [one.signing.publicKey, one.encryption.publicKey, one.topicKey.publicKey, one.readKey].map((key) =>
        Buffer.from(key).toString("hex"),
      ),
    );
    expect(new Set(all).size).toBe(8);
  });
});

describe("ask mode", () => {
  it("INV-4 INV-7 both people see the same digits, then the newcomer is welcomed", () => {
    const [joiner, inviter] = [makeJoiner("W"), makeInviter()];
    const { check, asked } = untilAsked(joiner, inviter);
    const request = requestIn(asked);
    expect(kinds(asked)).toBe("asked");
    expect(check).toMatch(/^\d{6}$/u);
    expect(request.check).toBe(check);
    expect(request.joiner).toEqual(partyOf("W"));
    expect(inviter.handle({ type: "welcome", id: request.id, welcome }, now)).toEqual([]);
    expect(kinds(inviter.handle({ type: "approve", id: request.id }, now))).toBe("admit");
    const sent = inviter.handle({ type: "welcome", id: request.id, welcome }, now);
    const received = feed(joiner, items(sent));
    expect(received).toEqual([{ type: "welcomed", welcome, inviter: partyOf("O") }]);
    expect([joiner.state(), inviter.stateOf(request.id)]).toEqual(["welcomed", "welcomed"]);
  });

  it("INV-7 a refusal reaches the joiner and cannot be undone or forged", () => {
    const [joiner, inviter] = [makeJoiner("W"), makeInviter()];
    const request = requestIn(untilAsked(joiner, inviter).asked);
    const forged = sealMessage(native, keys, filled(1, 32), {
      type: "declined",
      id: Buffer.from(request.id, "hex"),
      sig: filled(1, 64),
    });
    expect(feed(joiner, [forged.wire])).toEqual([]);
    const refused = inviter.handle({ type: "decline", id: request.id }, now);
    expect(kinds(feed(joiner, items(refused)))).toBe("declined");
    expect(inviter.handle({ type: "approve", id: request.id }, now)).toEqual([]);
    expect(joiner.state()).toBe("declined");
  });

  it("INV-9 any order, repeats, noise and items of other topics lead to the same end", () => {
    for (let run = 0; run < 20; run++) {
      const [joiner, inviter] = [makeJoiner("W"), makeInviter()];
      const topic = items(joiner.handle({ type: "start" }, now));
      const other = items(makeJoiner("X", filled(9, 32), createInviteSecret(random)).handle({ type: "start" }, now));
      const effects: (JoinerEffect | InviterEffect)[] = [];
      for (let round = 0; round < 4; round++) {
        const noisy = shuffle(random, [...topic, ...topic, ...other, random.bytes(300)]);
        const asked = feed(inviter, noisy);
        for (const effect of asked.filter(({ type }) => type === "asked")) {
          const { id } = requestIn([effect]);
          asked.push(
            ...inviter.handle({ type: "approve", id }, now),
            ...inviter.handle({ type: "welcome", id, welcome }, now),
          );
        }
        const answered = feed(joiner, noisy);
        topic.push(...items([...asked, ...answered]));
        effects.push(...asked, ...answered);
      }
      const named = kinds(effects.filter(({ type }) => type !== "publish"))
        .split(" ")
        .sort()
        .join(" ");
      expect(named, `run ${run}`).toBe("admit asked compare welcomed");
      expect(topic.length).toBe(4);
    }
  }, 60_000);

  it("INV-9 machines made again continue where they were and publish nothing new", () => {
    const [joiner, inviter] = [makeJoiner("W"), makeInviter()];
    const { request, challenge, reveal, check, asked } = untilAsked(joiner, inviter);
    const { id } = requestIn(asked);
    const again = { joiner: makeJoiner("W"), inviter: makeInviter() };
    expect(items(again.joiner.handle({ type: "start" }, now))).toEqual(request);
    const redone = feed(again.inviter, [...request, ...challenge, ...reveal]);
    expect(items(redone)).toEqual(challenge);
    expect(requestIn(redone)).toMatchObject({ id, check });
    const rejoined = feed(again.joiner, challenge);
    expect(items(rejoined)).toEqual(reveal);
    expect(checkIn(rejoined)).toBe(check);
    for (const one of [inviter, again.inviter]) one.handle({ type: "approve", id }, now);
    const welcomes = [inviter, again.inviter].map((one) => items(one.handle({ type: "welcome", id, welcome }, now)));
    expect(welcomes[0]).toEqual(welcomes[1]);
    expect(kinds(feed(again.joiner, welcomes[0] as Uint8Array[]))).toBe("welcomed");
    const renamed = items(inviter.handle({ type: "welcome", id, welcome: { ...welcome, title: "Other" } }, now)).map(
      opened,
    )[0];
    const first = (welcomes[0] ?? []).map(opened)[0];
    expect(
      renamed?.type === "welcome" && first?.type === "welcome" && Buffer.compare(renamed.enc, first.enc) !== 0,
    ).toBe(true);
  });
});

describe("someone in the middle who holds the link", () => {
  it("INV-5 sees different digits on the two sides", () => {
    const [joiner, inviter] = [makeJoiner("W"), makeInviter()];
    const [falseInviter, falseJoiner] = [makeInviter({}, "M"), makeJoiner("M")];
    const towardsJoiner = untilAsked(joiner, falseInviter);
    const towardsInviter = untilAsked(falseJoiner, inviter);
    expect(requestIn(towardsInviter.asked).check).not.toBe(towardsJoiner.check);
  });

  it("INV-5 cannot exchange the reply key under the joiner's name", () => {
    const joiner = makeJoiner("W");
    const request = opened(items(joiner.handle({ type: "start" }, now))[0]);
    if (request.type !== "request") throw new Error("no request");
    const changed = request.header.slice();
    changed[changed.length - 60] = (changed[changed.length - 60] as number) ^ 1;
    const forged = sealMessage(native, keys, filled(1, 32), { ...request, header: changed });
    expect(feed(makeInviter(), [forged.wire])).toEqual([]);
  });

  it("INV-4 cannot make the joiner open up twice, nor welcome it after someone else's challenge", () => {
    const [joiner, inviter, falseInviter] = [makeJoiner("W"), makeInviter(), makeInviter({}, "M")];
    const request = items(joiner.handle({ type: "start" }, now));
    const first = feed(joiner, items(feed(inviter, request)));
    const second = feed(joiner, items(feed(falseInviter, request)));
    expect(kinds(first)).toBe("publish compare");
    expect(kinds(second)).toBe("otherChallenge");
    expect(feed(falseInviter, items(first))).toEqual([]);
    const impostor = makeInviter({ mode: "auto" }, "M");
    const admitted = untilAsked(makeJoiner("W"), impostor);
    const sent = items(impostor.handle({ type: "welcome", id: requestIn(admitted.asked).id, welcome }, now));
    expect(sent.length).toBe(1);
    expect(feed(joiner, sent)).toEqual([]);
  });

  it("INV-4 a challenge to another request under the same id is not taken", () => {
    const joiner = makeJoiner("W");
    const sent = opened(items(joiner.handle({ type: "start" }, now))[0]);
    const request = sent.type === "request" ? verifyRequest(native, keys.signing.publicKey, sent) : undefined;
    if (request === undefined) throw new Error("no request");
    const twin = signRequest(person("M").device, keys.signing, { ...request, joiner: partyOf("M") });
    const answers = items(feed(makeInviter(), [sealMessage(native, keys, filled(1, 32), twin).wire]));
    expect(answers.length).toBe(1);
    expect(feed(joiner, answers)).toEqual([]);
    expect(joiner.state()).toBe("requested");
  });

  it("INV-4 a wrong nonce does not open the commitment and does not spoil the true one", () => {
    const [joiner, inviter] = [makeJoiner("W"), makeInviter()];
    const challenge = items(feed(inviter, items(joiner.handle({ type: "start" }, now))));
    const reveal = items(feed(joiner, challenge));
    const message = opened(reveal[0]);
    if (message.type !== "reveal") throw new Error("no reveal");
    const wrong = sealMessage(native, keys, filled(1, 32), { ...message, nonce: filled(1, 32) });
    expect(feed(inviter, [wrong.wire])).toEqual([]);
    expect(kinds(feed(inviter, reveal))).toBe("asked");
  });

  it("INV-5 the commitment binds every field of the request", () => {
    const fields = { id: filled(1, 16), joiner: partyOf("W"), message: "hello", replyEnc: filled(2, 32) };
    const changes = [
      { id: filled(2, 16) },
      { joiner: partyOf("X") },
      { joiner: { ...fields.joiner, name: "V" } },
      { message: "" },
      { replyEnc: filled(3, 32) },
    ];
    const commits = [fields, ...changes.map((change) => ({ ...fields, ...change }))].map((one) =>
      Buffer.from(requestCommitment(native, filled(7, 32), one)).toString("hex"),
    );
    commits.push(Buffer.from(requestCommitment(native, filled(8, 32), fields)).toString("hex"));
    expect(new Set(commits).size).toBe(commits.length);
  });

  it("INV-6 requests and challenges by devices their identity did not certify are ignored", () => {
    const stranger = createJoiner({
      crypto: native,
      link: { secret },
      seed: filled(3, 32),
      device: person("X").device,
      joiner: { ...partyOf("W"), devSig: person("X").device.publicKey },
      message: "",
    });
    expect(feed(makeInviter(), items(stranger.handle({ type: "start" }, now)))).toEqual([]);
    const impostor = createInviter({
      crypto: native,
      secret,
      mode: "ask",
      maxUses: 1,
      device: person("M").device,
      inviter: { ...partyOf("O"), devSig: person("M").device.publicKey },
      expires: undefined,
    });
    const joiner = makeJoiner("W");
    expect(feed(joiner, items(feed(impostor, items(joiner.handle({ type: "start" }, now)))))).toEqual([]);
  });

  it("INV-8 only sixteen attempts without admission are answered", () => {
    const inviter = makeInviter({ maxUses: 100 });
    const outcomes = Array.from({ length: 18 }, (_, i) =>
      kinds(feed(inviter, items(makeJoiner("M", filled(i, 32)).handle({ type: "start" }, now)))),
    );
    expect(outcomes).toEqual([...Array.from({ length: 16 }, () => "publish"), "tooManyRequests", "tooManyRequests"]);
  });
});

describe("auto mode, limits and ends", () => {
  it("INV-7 INV-8 admits at once, up to maxUses, and declines who comes later", () => {
    const inviter = makeInviter({ mode: "auto", maxUses: 1 });
    const first = untilAsked(makeJoiner("W"), inviter);
    expect(kinds(first.asked)).toBe("admit");
    expect(requestIn(first.asked).check).toBe(first.check);
    const late = makeJoiner("X");
    const answers = items(feed(inviter, items(late.handle({ type: "start" }, now))));
    expect(answers.length).toBe(2);
    expect(kinds(feed(late, answers.toReversed()))).toBe("publish compare declined");
  });

  it("INV-8 two people who asked for the last place: the second approval is declined", () => {
    const inviter = makeInviter({ maxUses: 1 });
    const [one, two] = [makeJoiner("W"), makeJoiner("X")].map((joiner) => ({
      joiner,
      id: requestIn(untilAsked(joiner, inviter).asked).id,
    }));
    if (one === undefined || two === undefined) throw new Error("no requests");
    expect(kinds(inviter.handle({ type: "approve", id: one.id }, now))).toBe("admit");
    expect(kinds(feed(two.joiner, items(inviter.handle({ type: "approve", id: two.id }, now))))).toBe("declined");
  });

  it("INV-10 after expiry or revocation open requests are declined and nothing is answered", () => {
    for (const reason of ["expired", "revoked"] as const) {
      const expires = monotonicMs(1000);
      const inviter = makeInviter({ expires });
      const joiner = makeJoiner("W");
      untilAsked(joiner, inviter);
      expect(inviter.nextDeadline()).toBe(expires);
      expect(inviter.handle({ type: "deadlineReached" }, monotonicMs(999))).toEqual([]);
      const ended =
        reason === "expired"
          ? inviter.handle({ type: "deadlineReached" }, expires)
          : inviter.handle({ type: "revoke" }, now);
      expect(ended.at(-1)).toEqual({ type: "ended", reason });
      expect(kinds(feed(joiner, items(ended)))).toBe("declined");
      expect(feed(inviter, items(makeJoiner("X").handle({ type: "start" }, now)))).toEqual([]);
      expect(inviter.nextDeadline()).toBeUndefined();
    }
  });

  it("every item of the conversation passes a proxy", () => {
    const { request, challenge, reveal } = untilAsked(makeJoiner("W"), makeInviter());
    for (const wire of [...request, ...challenge, ...reveal]) expect(proxyCheck(native, wire).ok).toBe(true);
    expect(encodeMessage(opened(request[0])).length).toBeLessThan(1500);
  });
});

describe("automatic invite ops", () => {
  it("INV-3 the link opens the epochs and admits one identity", () => {
    const [owner, newcomer] = [person("O"), person("X")];
    const world = createWorld(owner);
    const epoch = must(createEpoch(native, random, new Uint8Array(16), [], []));
    const terms = { mode: "auto", role: 2, maxUses: 1, expires: 0 } as const;
    const body = must(createInviteBody(native, random, world.rid, keys, terms, [epoch.secret]));
    expect(must(openInviteSeal(native, world.rid, keys, body, epoch.body))).toEqual(epoch.secret);
    expect(
      must(
        openInviteSeal(
          native,
          world.rid,
          keys,
          must(createInviteBody(native, random, world.rid, keys, { ...terms, role: 1 }, [epoch.secret])),
          epoch.body,
        ),
      ).W,
    ).toBeNull();
    const foreign = deriveInviteKeys(native, createInviteSecret(random));
    expect(openInviteSeal(native, world.rid, { ...foreign, signing: keys.signing }, body, epoch.body)).toMatchObject({
      ok: false,
    });
    expect(
      must(createInviteBody(native, random, world.rid, keys, { ...terms, mode: "ask" }, [epoch.secret])).seals,
    ).toEqual([]);
    const invite = world.op(owner, [world.genesis], body);
    const join = world.op(newcomer, [invite], createJoinBody(world.rid, invite.id, keys, newcomer.id, newcomer.log));
    expect(world.roles([world.genesis, invite, join], "O X")).toBe("O4 X2");
  });
});
