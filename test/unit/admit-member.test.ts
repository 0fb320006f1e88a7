import { describe, expect, it } from "vitest";
import type { Repository } from "../../app/repositories/repository.ts";
import { sealHeads } from "../../app/sharing/admit-member.ts";
import { createEpoch, openSeal } from "../../protocol/epoch/epoch-body.ts";
import { signIdentityOp, type VerifiedIdentityOp } from "../../protocol/identity/identity-op.ts";
import { filled, must, native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const random = createSeededRandom("admit");
const rid = filled(1, 16);
const { secret, body } = must(createEpoch(native, random, rid, [], []));
const repository = (heads: readonly (typeof body)[]): Repository =>
  ({ rid, access: { state: () => ({ epochHeads: heads.map((head) => ({ body: head })) }) } }) as unknown as Repository;
const root = native.signingKey(filled(2, 32));
const good = native.dhKeyPair(filled(3, 32));
const keys = [filled(4, 32), filled(5, 32)] as const;
const log: VerifiedIdentityOp[] = [];
for (const [gen, devEnc] of [good.publicKey, filled(0, 32)].entries()) {
  const devSig = keys[gen] as Uint8Array;
  const fields = { idRoot: root.publicKey, parents: log.slice(-1).map(({ id }) => id), gen, ts: 0 };
  log.push(signIdentityOp(native, root, { ...fields, body: { type: "addDevice", devSig, devEnc, manager: false } }));
}
const who = { idRoot: root.publicKey, identityOps: log };

describe("sealing the keys to somebody who is invited", () => {
  it("a device whose key is of low order does not keep the identity's other devices out", () => {
    const repositories = { headSecrets: () => [secret] };
    const [epoch] = must(sealHeads({ crypto: native, random, repositories }, repository([body]), who, 2));
    expect(epoch).toMatchObject({ eid: body.eid, commit: body.commit, topicPk: body.topicPk });
    expect(epoch?.seals.map(({ label }) => label)).toEqual(keys.map((key) => key.slice(0, 8)));
    const holder = { identifier: keys[0], label: keys[0].slice(0, 8), keyPair: good };
    expect(must(openSeal(native, rid, body, epoch?.seals ?? [], holder)).S).toEqual(secret.S);
  });

  it("an epoch that is missing is an error, not an invitation without it", () => {
    const missing = { type: "KeysMissing" };
    const held = { crypto: native, random, repositories: { headSecrets: () => [secret] } };
    expect(sealHeads(held, repository([]), who, 1)).toMatchObject({ ok: false, error: missing });
    const unheld = { crypto: native, random, repositories: { headSecrets: () => undefined } };
    expect(sealHeads(unheld, repository([body]), who, 1)).toMatchObject({ ok: false, error: missing });
  });
});
