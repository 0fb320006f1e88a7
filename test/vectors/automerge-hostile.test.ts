import { readFileSync } from "node:fs";
import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { changeMeta } from "../../protocol/automerge-format/decode.ts";
import { preflight } from "../../protocol/automerge-format/preflight.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";

interface Fixtures {
  readonly base: readonly string[];
  readonly good: string;
  readonly missingObject_panics: string;
  readonly missingElem_panics: string;
  readonly counterPoison_startOp: string;
  readonly dupSeq: string;
  readonly bombDoc_1e6_chars: string;
}
const vectors = JSON.parse(readFileSync(new URL("data/data/data-vectors.json", import.meta.url), "utf8")) as {
  automerge: Fixtures;
};
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const { base, ...hostile } = vectors.automerge;

const replicaWithBase = () => {
  const replica = createReplica(automergeDependencies, "abcd");
  expect(replica.applyChanges(base.map(bytesOf)).rejected).toEqual([]);
  return replica;
};

const refusals: readonly (readonly [keyof typeof hostile, boolean, string])[] = [
  ["missingObject_panics", false, "DecodeError"],
  ["missingElem_panics", false, "DecodeError"],
  ["counterPoison_startOp", false, "WrongStartOp"],
  ["dupSeq", true, "ActorReused"],
];

for (const [name, afterGood, error] of refusals) {
  test(`I37 RPL-4 ${name} is refused as ${error}, changes nothing and leaves the document usable`, () => {
    const replica = replicaWithBase();
    if (afterGood) replica.applyChanges([bytesOf(hostile.good)]);
    const before = {
      js: replica.toJS(),
      heads: replica.heads(),
      snapshot: Buffer.from(replica.snapshot()).toString("hex"),
    };
    const outcome = replica.applyChanges([bytesOf(hostile[name])]);
    expect(outcome.rejected.map((rejected) => rejected.error.type)).toEqual([error]);
    expect(outcome.patches).toEqual([]);
    expect({
      js: replica.toJS(),
      heads: replica.heads(),
      snapshot: Buffer.from(replica.snapshot()).toString("hex"),
    }).toEqual(before);
    const local = replica.change({ time: 0 }, (transaction) => transaction.put("_root", "k", 1));
    const changes = [...base, ...(afterGood ? [hostile.good] : [])].map(bytesOf);
    const [doc] = A.applyChanges(A.init(), [...changes, local?.bytes as Uint8Array]);
    expect(A.getHeads(doc)).toEqual(replica.heads());
  });
}

test("I37 every change fixture passes preflight with the counts it has", () => {
  for (const name of ["good", ...refusals.map(([fixture]) => fixture)] as const) {
    const bytes = bytesOf(hostile[name]);
    const counted = preflight(bytes, automergeDependencies);
    const meta = changeMeta(bytes, automergeDependencies);
    expect(counted.ok && meta.ok).toBe(true);
    if (!counted.ok || !meta.ok) return;
    const { hash: _, ...facts } = meta.value;
    expect(counted.value).toEqual([{ type: "change", ...facts }]);
  }
});

test("I37 the document bomb is deferred: a million operations in 1 183 bytes", () => {
  const counted = preflight(bytesOf(hostile.bombDoc_1e6_chars), automergeDependencies);
  expect(counted.ok && counted.value).toMatchObject([{ type: "document", opCount: 1_000_001, isDeferred: true }]);
});

test("the hash of every fixture is the one Automerge computes", () => {
  for (const hex of [...base, hostile.good, hostile.dupSeq]) {
    const meta = changeMeta(bytesOf(hex), automergeDependencies);
    expect(meta.ok && meta.value.hash).toBe(A.decodeChange(bytesOf(hex)).hash);
  }
});
