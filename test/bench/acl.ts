import { createAclLog } from "../../protocol/acl/acl-log.ts";
import type { VerifiedAclOp } from "../../protocol/acl/acl-op.ts";
import { readAclOp } from "../../protocol/acl/acl-op.ts";
import { randomBelow } from "../../protocol/kernel/random.ts";
import { createWorld, epochFor, person } from "../support/acl-world.ts";
import { native } from "../support/data-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const OPS = 10_000;
/** People who come, change roles and go; as many as a repository may have members. */
const PEOPLE = 60;
/** Every so many ops two replicas go on without each other for a while. */
const BRANCH = 50;

/** A history of `count` ops: additions, changes of role, removals with new keys, invites, two lines of history that meet again. */
const history = (count: number): readonly VerifiedAclOp[] => {
  const random = createSeededRandom("bench/acl");
  const owner = person("owner");
  const world = createWorld(owner);
  const ops = [world.genesis];
  const admins = [person("admin0"), person("admin1")];
  for (const admin of admins) ops.push(world.set(owner, ops.slice(-1), admin, 3));
  let lines: readonly (readonly VerifiedAclOp[])[] = [ops.slice(-1)];
  for (let i = ops.length; i < count; i++) {
    if (i % BRANCH === 0) lines = lines.length === 1 ? [lines[0] ?? [], lines[0] ?? []] : [lines.flat()];
    const line = i % lines.length;
    const parents = lines[line] ?? [];
    const by = i % 3 === 0 ? owner : (admins[line % 2] ?? owner);
    const who = person(`member${randomBelow(random, PEOPLE)}`);
    const kind = randomBelow(random, 20);
    const op =
      kind === 0
        ? world.op(by, parents, { type: "remove", who: [who.id], cuts: [], epoch: epochFor(i, [0], [owner]) })
        : kind === 1
          ? world.op(by, parents, { type: "policy", policy: [i] })
          : world.set(by, parents, who, kind < 10 ? 1 : 2);
    ops.push(op);
    lines = lines.map((known, index) => (index === line ? [op] : known));
  }
  return ops;
};

const milliseconds = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return Math.round((user + system) / 100) / 10;
};

/** CPU time of reading (decoding and verifying), adding and evaluating 10 000 ops, and of one more op on top. */
export const run = async (): Promise<object> => {
  const ops = history(OPS);
  const [genesis] = ops;
  if (genesis === undefined) throw new Error("a history starts with genesis");
  const rid = createWorld(person("owner")).rid;
  const read = milliseconds(() => {
    for (const { headerBytes, sig } of ops)
      if (!readAclOp(native, headerBytes, sig).ok) throw new Error("not readable");
  });
  const log = createAclLog(native, rid);
  const added = milliseconds(() => {
    for (const op of ops.slice(0, -1)) log.add(op);
  });
  let members = 0;
  const evaluated = milliseconds(() => {
    members = log.state()?.members.length ?? 0;
  });
  const [last] = ops.slice(-1);
  const oneMore = milliseconds(() => {
    if (last !== undefined) log.add(last);
    members = log.state()?.members.length ?? 0;
  });
  const state = log.state();
  const valid = ops.filter(({ id }) => state?.verdictOf(id) === "valid").length;
  return {
    bench: "acl",
    ops: ops.length,
    valid,
    members,
    readMs: read,
    addMs: added,
    evaluateMs: evaluated,
    oneMoreMs: oneMore,
    heapMb: Math.round(process.memoryUsage().heapUsed / 1e6),
  };
};
