import { expect, test } from "vitest";
import type { ChangeContent, ChangeOp, OpReference, ScalarValue } from "../../protocol/automerge-format/change.ts";
import { decodeChange } from "../../protocol/automerge-format/decode.ts";
import { encodeChange } from "../../protocol/automerge-format/encode.ts";
import type { RandomSource } from "../../protocol/kernel/random.ts";
import { pick, randomBelow } from "../../protocol/kernel/random.ts";
import { createReplica, loadReplica } from "../../protocol/replica/replica.ts";
import type { Replica } from "../../protocol/replica/types.ts";
import { snapshotText } from "../../protocol/replica/snapshot.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";
import { fuzzRound, plain, replicaView } from "../support/replica-fuzz.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const ROUNDS = Number(process.env["REPLICA_HOSTILE_ROUNDS"] ?? 20);

const VALUES: readonly ScalarValue[] = [
  "",
  "ab",
  "\u{1f600}",
  true,
  null,
  { type: "float", value: 1.5 },
  { type: "counter", value: 3 },
];

/** A change with some operations bent: other objects, elements, predecessors, kinds, values. */
const bend = (random: RandomSource, honest: ChangeContent, maxOp: number): ChangeContent => {
  const reference = (): OpReference => ({
    counter: 1 + randomBelow(random, maxOp + honest.ops.length),
    actor: randomBelow(random, honest.actors.length),
  });
  const bent = honest.ops.map((op): ChangeOp => {
    if (randomBelow(random, 6) > 0) return op;
    const other = pick(random, honest.ops) as ChangeOp;
    switch (randomBelow(random, 8)) {
      case 0:
        return { ...op, object: reference() };
      case 1:
        return { ...op, element: op.key === undefined ? reference() : undefined };
      case 2:
        return { ...op, predecessors: op.insert ? [] : [reference()] };
      case 3:
        return { ...other, object: op.object };
      case 4:
        return { ...op, object: other.object, key: other.key, element: other.element, insert: other.insert };
      case 5:
        return { ...op, action: randomBelow(random, 8) as ChangeOp["action"], value: null };
      case 6:
        return { ...op, insert: !op.insert, predecessors: op.insert ? [reference()] : [] };
      default:
        return { ...op, value: pick(random, VALUES) as ScalarValue };
    }
  });
  return { ...honest, ops: bent };
};

test("RPL-4 well-formed changes that make no sense never throw, and leave a replica that works", () => {
  let applied = 0;
  let refused = 0;
  for (let seed = 0; seed < ROUNDS; seed++) {
    const random = createSeededRandom(`hostile/${seed}`);
    const { peers } = fuzzRound(random.fork("honest"), () => undefined, 20);
    const victim = peers[0]?.replica as Replica;
    const text = victim.objectAt(["text"]) as string;
    for (let i = 0; i < 30; i++) {
      const actor = Buffer.from(random.bytes(8)).toString("hex");
      const attacker = loadReplica(automergeDependencies, victim.snapshot(), actor);
      if (!attacker.ok) throw new Error(`seed ${seed}: ${attacker.error.rule}`);
      const made = attacker.value.change({ time: 0 }, (transaction) => {
        const source = attacker.value;
        const at = randomBelow(random, source.length(text) + 1);
        transaction.splice(text, at, randomBelow(random, 3), "xy");
        transaction.mark(text, { start: at, end: source.length(text), expand: "both" }, "strong", true);
        transaction.splitBlock(text, 0, { type: "paragraph", parents: ["a"] });
        transaction.put("_root", "k", i);
      });
      const decoded = decodeChange(made?.bytes as Uint8Array, automergeDependencies);
      if (!decoded.ok) throw new Error(decoded.error.rule);
      const { bytes } = encodeChange(bend(random, decoded.value, decoded.value.startOp), automergeDependencies.sha256);
      const before = victim.snapshot();
      const outcome = victim.applyChanges([bytes]);
      applied += outcome.applied.length;
      refused += outcome.rejected.length;
      if (outcome.rejected.length > 0) expect(victim.snapshot(), `seed ${seed} ${i}`).toEqual(before);
    }
    const local = victim.change({ time: 0 }, (transaction) => transaction.splice(text, 0, 0, "still here"));
    expect(local).toBeDefined();
    const view = replicaView(victim);
    const loaded = loadReplica(automergeDependencies, victim.snapshot(), victim.actor);
    if (!loaded.ok) throw new Error(`seed ${seed}: ${loaded.error.rule}`);
    expect(replicaView(loaded.value), `seed ${seed}`).toEqual(view);
    expect(plain(loaded.value.toJS())).toEqual(plain(victim.toJS()));
  }
  expect(applied).toBeGreaterThan(ROUNDS / 4);
  expect(refused).toBeGreaterThan(ROUNDS);
});

test("RPL-7 a snapshot with any byte changed never throws, even when its digest fits", () => {
  const trusting = { ...automergeDependencies, sha256: () => new Uint8Array(32) };
  const random = createSeededRandom("snapshot");
  const { peers } = fuzzRound(random.fork("honest"), () => undefined, 60);
  const source = loadReplica(automergeDependencies, peers[0]?.replica.snapshot() as Uint8Array, "aa");
  if (!source.ok) throw new Error(source.error.rule);
  const snapshot = peers[0]?.replica.snapshot() as Uint8Array;
  snapshot.fill(0, snapshot.length - 32);
  expect(loadReplica(trusting, snapshot, "aa").ok).toBe(true);
  let accepted = 0;
  for (let i = 0; i < 4000; i++) {
    const bytes = snapshot.slice();
    for (let k = randomBelow(random, 3); k >= 0; k--)
      bytes[randomBelow(random, bytes.length - 32)] = randomBelow(random, 256);
    snapshotText(bytes, "text");
    const loaded = loadReplica(trusting, bytes, "aa");
    if (!loaded.ok) continue;
    accepted++;
    loaded.value.toJS();
    for (let cut = 0; cut < 3; cut++) loadReplica(trusting, bytes.subarray(0, randomBelow(random, bytes.length)), "aa");
  }
  expect(accepted).toBeGreaterThan(0);
  expect(createReplica(trusting, "aa").snapshot().length).toBeGreaterThan(32);
});
