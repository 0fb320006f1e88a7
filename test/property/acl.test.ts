import { describe, expect, it } from "vitest";
import type { VerifiedAclOp } from "../../protocol/acl/acl-op.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import { pick, type RandomSource, randomBelow, randomUnit, shuffle } from "../../protocol/kernel/random.ts";
import { createWorld, epochFor, fingerprint, person, type Person, sealsFor, type World } from "../support/acl-world.ts";
import { leastCpuMs } from "../support/cpu-time.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

/** Random DAGs in every run of the tests; nightly runs set more, and where to go on. */
const RUNS = Number(process.env["ACL_RUNS"] ?? 400);
const FIRST_RUN = Number(process.env["ACL_FIRST_RUN"] ?? 0);
const MAX_OPS = 40;
const USERS = ["O", "A", "B", "C", "D", "E", "F", "G"].map(person) as [Person, ...Person[]];
const [OWNER] = USERS;
const inviteKey = person("invite").device;

const anyOf = <T>(random: RandomSource, items: readonly T[]): T => {
  const found = pick(random, items);
  if (found === undefined) throw new Error("nothing to pick");
  return found;
};

/** Ops nobody in `known` names as parent. */
const headsOf = (known: readonly VerifiedAclOp[]): readonly VerifiedAclOp[] => {
  const parents = new Set(known.flatMap((op) => op.parents.map(bytesToHex)));
  return known.filter((op) => !parents.has(bytesToHex(op.id)));
};

/** Half of the epochs are honest: on the heads of the author's view, sealed to the readers in it (without `removed` in a removal). */
const randomEpoch = (
  random: RandomSource,
  world: World,
  known: readonly VerifiedAclOp[],
  step: number,
  removed: Person,
) => {
  const liar = randomUnit(random) < 0.5;
  const state = world.state(known);
  const readers = USERS.filter((user) => state.roleOf(user.id) > 0 && (randomUnit(random) < 0.5 || user !== removed));
  const heads = state.epochHeads.map(({ body }) => new DataView(body.eid.buffer, body.eid.byteOffset).getUint32(0));
  return liar
    ? epochFor(step + 1, [0], shuffle(random, USERS).slice(0, 1 + randomBelow(random, 4)))
    : epochFor(step + 1, heads, readers);
};

/** Someone does something, entitled or not, sometimes pretending to know less than they do. */
const randomOp = (
  random: RandomSource,
  world: World,
  by: Person,
  replica: readonly VerifiedAclOp[],
  step: number,
): VerifiedAclOp => {
  const closed = (some: readonly VerifiedAclOp[]): readonly VerifiedAclOp[] => {
    const keys = new Set(some.map((op) => bytesToHex(op.id)));
    return some.filter((op) => op.parents.every((parent) => keys.has(bytesToHex(parent))));
  };
  const backdated = randomUnit(random) < 0.15;
  const known = backdated ? closed(replica.slice(0, 1 + randomBelow(random, replica.length))) : replica;
  const parents = headsOf(known).slice(0, 16);
  const who = anyOf(random, USERS);
  const epoch = () => randomEpoch(random, world, known, step, who);
  const invites = known.filter((op) => op.body.type === "invite");
  switch (randomBelow(random, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return world.set(
        by,
        parents,
        who,
        anyOf(random, [1, 2, 2, 3] as const),
        randomUnit(random) < 0.3 ? { epoch: epoch() } : {},
      );
    case 4:
    case 5:
      return world.op(by, parents, { type: "remove", who: [who.id], cuts: [], epoch: epoch() });
    case 6:
      return world.op(by, parents, { type: "epoch", epoch: epoch() });
    case 7:
      return world.op(by, parents, { type: "leave", cuts: [] });
    case 8:
      return world.op(by, parents, {
        type: "invite",
        invPk: inviteKey.publicKey,
        mode: "auto",
        role: anyOf(random, [1, 2] as const),
        maxUses: 1,
        expires: 0,
        rvTopicPk: new Uint8Array(32),
        seals: sealsFor([who]),
      });
    case 9: {
      const invite = pick(random, invites);
      return invite === undefined
        ? world.set(by, parents, who, 2)
        : world.join(by, parents, invite, randomUnit(random) < 0.2 ? by.device : inviteKey);
    }
    case 10: {
      const invite = pick(random, invites);
      return world.op(
        by,
        parents,
        invite === undefined ? { type: "policy", policy: [step] } : { type: "uninvite", invite: invite.id },
      );
    }
    default:
      return randomUnit(random) < 0.1
        ? world.op(by, parents, { type: "transfer", newOwner: who.id })
        : world.set(by, parents, who, 2);
  }
};

const randomHistory = (random: RandomSource, world: World): readonly VerifiedAclOp[] => {
  const ops = [world.genesis];
  if (randomUnit(random) < 0.7) {
    for (const [i, role] of ([3, 3, 2, 1] as const).entries())
      ops.push(world.set(OWNER, ops.slice(-1), USERS[i + 1] as Person, role));
  }
  const replicas = new Map<Person, readonly VerifiedAclOp[]>(USERS.map((user) => [user, [...ops]]));
  const steps = 4 + randomBelow(random, 2 * MAX_OPS);
  for (let step = 0; step < steps && ops.length < MAX_OPS; step++) {
    const user = anyOf(random, USERS);
    const mine = replicas.get(user) ?? [];
    if (randomUnit(random) < 0.5) {
      replicas.set(user, [...new Set([...mine, ...(replicas.get(anyOf(random, USERS)) ?? [])])]);
      continue;
    }
    const op = randomOp(random, world, user, mine, step);
    replicas.set(user, [...mine, op]);
    ops.push(op);
  }
  return ops;
};

describe("ACL evaluation under dishonest authors", () => {
  it(`I12 I13 I15 ${RUNS} random DAGs of up to ${MAX_OPS} ops by ${USERS.length} users in four orders: no divergence, no escalation`, () => {
    const world = createWorld(OWNER);
    let effective = 0;
    const headsSeen = new Set<number>();
    for (let run = FIRST_RUN; run < FIRST_RUN + RUNS; run++) {
      const seed = `acl/${run}`;
      const random = createSeededRandom(seed);
      const ops = randomHistory(random, world);
      const state = world.state(ops);
      const expected = fingerprint(state, ops);
      for (let order = 0; order < 4; order++) {
        const shuffled = shuffle(random, ops);
        const log = world.log([...shuffled, ...shuffled.slice(0, 2)]);
        const other = log.state();
        expect(other && fingerprint(other, ops), seed).toBe(expected);
        expect(log.missing(), seed).toEqual([]);
      }
      const transferred = ops.some((op) => op.body.type === "transfer" && state.verdictOf(op.id) === "valid");
      if (!transferred) expect(bytesToHex(state.owner), seed).toBe(bytesToHex(OWNER.id));
      for (const { idRoot, role } of state.members) {
        if (role >= 3 && !transferred) {
          const byOwner = ops.some(
            (op) =>
              op.body.type === "set" &&
              op.body.role === 3 &&
              bytesToHex(op.body.who) === bytesToHex(idRoot) &&
              bytesToHex(op.idRoot) === bytesToHex(OWNER.id),
          );
          expect(byOwner || bytesToHex(idRoot) === bytesToHex(OWNER.id), seed).toBe(true);
        }
        const granted = ops.some(
          (op) =>
            state.verdictOf(op.id) === "valid" &&
            ((op.body.type === "set" &&
              op.body.role >= Math.min(role, 3) &&
              bytesToHex(op.body.who) === bytesToHex(idRoot)) ||
              (op.body.type === "join" && bytesToHex(op.idRoot) === bytesToHex(idRoot)) ||
              op.body.type === "genesis" ||
              op.body.type === "transfer"),
        );
        expect(granted, seed).toBe(true);
      }
      headsSeen.add(state.epochHeads.length);
      effective += ops.filter((op) => state.verdictOf(op.id) === "valid").length - 1;
    }
    expect(effective).toBeGreaterThan(3 * RUNS);
    expect([...headsSeen].sort()).toEqual(expect.arrayContaining([1, 2]));
  });

  it("evaluates a chain of 1 000 ops in well under a second", () => {
    const world = createWorld(OWNER);
    const ops = [world.genesis];
    for (let i = 1; i <= 1000; i++) ops.push(world.set(OWNER, [ops[i - 1] as VerifiedAclOp], person(`u${i % 100}`), 2));
    const cost = leastCpuMs(() => expect(world.log(ops).state()?.members.length).toBe(101));
    expect(cost).toBeLessThan(500);
  });
});
