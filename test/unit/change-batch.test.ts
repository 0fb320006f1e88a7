import { expect, test } from "vitest";
import type { ChangeInspector, InspectedChange } from "../../app/repositories/change-inspector.ts";
import { changesOf, cutRun, hashesOf, inspectBatch, sliceRun } from "../../app/repositories/change-batch.ts";
import { err, ok } from "../../protocol/kernel/result.ts";

const hash = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const ACTOR = new Uint8Array(16).fill(9);

/** Changes whose one byte names their facts. */
const inspector =
  (facts: Readonly<Record<number, Partial<InspectedChange>>>): ChangeInspector =>
  (bytes) => {
    const name = bytes[0] as number;
    const given = facts[name];
    if (given === undefined) return err({ type: "DecodeError" });
    return ok({ hash: hash(name), actor: ACTOR, seq: name, startOp: 1, maxOp: 1, time: 0, dependencies: [], ...given });
  };
const change = (name: number, length = 1): Uint8Array => new Uint8Array(length).fill(name);

test("a chain is one run with one tip, and its links to the outside are kept for the document", () => {
  const inspect = inspector({
    3: { startOp: 11, maxOp: 12, dependencies: [hash(100), hash(101)] },
    4: { startOp: 13, maxOp: 13, dependencies: [hash(3)] },
    5: { startOp: 20, maxOp: 22, dependencies: [hash(4), hash(102)] },
  });
  const batch = inspectBatch(inspect, [change(3, 2), change(4), change(5, 3)]);
  if (!batch.ok) throw new Error(batch.error);
  expect(batch.value).toMatchObject({ actor: ACTOR, firstSeq: 3, count: 3, tips: [hash(5)] });
  expect(batch.value.outside).toEqual([
    { startOp: 11, atLeast: 1, hashes: [hash(100), hash(101)] },
    { startOp: 20, atLeast: 14, hashes: [hash(102)] },
  ]);
  expect(hashesOf(batch.value)).toEqual([hash(3), hash(4), hash(5)]);
  expect(changesOf(batch.value)).toEqual([change(3, 2), change(4), change(5, 3)]);
});

test("changes that are not one consecutive run of one actor are refused, as are jumps of startOp", () => {
  const chain = { 1: {}, 2: { startOp: 2, maxOp: 2, dependencies: [hash(1)] } };
  const refusal = (facts: Readonly<Record<number, Partial<InspectedChange>>>, names: readonly number[]) => {
    const batch = inspectBatch(
      inspector(facts),
      names.map((name) => change(name)),
    );
    return batch.ok ? "accepted" : batch.error;
  };
  expect(refusal(chain, [1, 2])).toBe("accepted");
  expect(refusal(chain, [])).toBe("malformed");
  expect(refusal(chain, [1, 2, 3])).toBe("malformed");
  expect(refusal(chain, [1, 1])).toBe("notConsecutive");
  expect(refusal({ ...chain, 2: { ...chain[2], actor: new Uint8Array(16) } }, [1, 2])).toBe("notConsecutive");
  expect(refusal({ ...chain, 2: { ...chain[2], startOp: 3 } }, [1, 2])).toBe("wrongStartOp");
  expect(refusal({ 1: { startOp: 5 } }, [1])).toBe("wrongStartOp");
});

test("a run is sliced and cut between changes", () => {
  const inspect = inspector(
    Object.fromEntries(
      [1, 2, 3, 4].map((n) => [n, { startOp: n, maxOp: n, dependencies: n === 1 ? [] : [hash(n - 1)] }]),
    ),
  );
  const changes = [change(1, 5), change(2, 90), change(3, 5), change(4, 5)];
  const batch = inspectBatch(inspect, changes);
  if (!batch.ok) throw new Error(batch.error);
  const middle = sliceRun(batch.value, 1, 3);
  expect([middle.firstSeq, middle.count, changesOf(middle)]).toEqual([2, 2, changes.slice(1, 3)]);
  expect(cutRun(batch.value, 1_000)).toHaveLength(1);
  const cut = cutRun(batch.value, 20);
  expect(cut.map(({ firstSeq, count }) => [firstSeq, count])).toEqual([
    [1, 1],
    [2, 1],
    [3, 2],
  ]);
  expect(cut.flatMap(changesOf)).toEqual(changes);
});
